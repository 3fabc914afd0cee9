#include "targets/cuda/IdleBarriers.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include <gtest/gtest.h>

using namespace adze;

/// How many barriers are removed from a kernel with this body (blocks; %p: memory, %c: a condition).
static int removedFrom(const std::string &body) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic error;
  auto module = llvm::parseAssemblyString("declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)\n"
                                          "declare void @llvm.nvvm.barrier.cta.sync.aligned.count(i32, i32)\n"
                                          "define ptx_kernel void @k(ptr addrspace(3) %p, i1 %c) {\n" +
                                              body + "}\n",
                                          error, context);
  if (!module) {
    ADD_FAILURE() << error.getMessage().str();
    return -1;
  }
  return static_cast<int>(cuda::removeIdleBarriers(*module));
}

static const std::string kBarrier = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";
static const std::string kStore = "store float 0.0, ptr addrspace(3) %p\n";

TEST(IdleBarriers, StraightCode) {
  EXPECT_EQ(removedFrom(kStore + kBarrier + kStore + kBarrier + "ret void\n"), 0);
  EXPECT_EQ(removedFrom(kStore + kBarrier + kBarrier + kStore + "ret void\n"), 1);
  EXPECT_EQ(removedFrom(kBarrier + kStore + "ret void\n"), 1) << "nothing was touched before";
}

TEST(IdleBarriers, OtherBarriersAndAssemblyCountAsMemory) {
  std::string named = "call void @llvm.nvvm.barrier.cta.sync.aligned.count(i32 1, i32 64)\n";
  EXPECT_EQ(removedFrom(kStore + kBarrier + named + kBarrier + "ret void\n"), 0);
  std::string other = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 1)\n";
  EXPECT_EQ(removedFrom(kStore + kBarrier + other + kBarrier + "ret void\n"), 0);
  std::string wait = "call void asm sideeffect \"cp.async.wait_all;\", \"~{memory}\"()\n";
  EXPECT_EQ(removedFrom(kStore + kBarrier + wait + kBarrier + "ret void\n"), 0);
}

TEST(IdleBarriers, WaysThatMeet) {
  auto branch = [](const std::string &left, const std::string &right) {
    return kStore + kBarrier + "br i1 %c, label %l, label %r\nl:\n" + left + "br label %m\nr:\n" + right +
           "br label %m\nm:\n" + kBarrier + "ret void\n";
  };
  EXPECT_EQ(removedFrom(branch("", "")), 1);
  EXPECT_EQ(removedFrom(branch(kStore, "")), 0);
  EXPECT_EQ(removedFrom(branch(kStore + kBarrier, "")), 1);
}

TEST(IdleBarriers, Loops) {
  auto loop = [](const std::string &turn, const std::string &after) {
    return "br label %t\nt:\n" + turn + "br i1 %c, label %t, label %e\ne:\n" + after + "ret void\n";
  };
  // The first turn finds untouched memory, the next ones do not.
  EXPECT_EQ(removedFrom(loop(kBarrier + kStore, "")), 0);
  EXPECT_EQ(removedFrom(loop(kStore + kBarrier, kBarrier)), 1);
  EXPECT_EQ(removedFrom(loop(kBarrier, kBarrier)), 2) << "nothing is ever touched";
}
