#include "targets/cuda/IdleBarriers.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace adze::cuda {
namespace {

bool isBlockBarrier(const Instruction &i) {
  auto *call = dyn_cast<IntrinsicInst>(&i);
  if (!call || call->getIntrinsicID() != Intrinsic::nvvm_barrier_cta_sync_aligned_all)
    return false;
  auto *id = dyn_cast<ConstantInt>(call->getArgOperand(0));
  return id && id->isZero();
}

/// Whether memory may have been touched since the last barrier, at the block's end if so at its start. `onIdle`: every
/// barrier that finds it untouched.
template <typename OnIdle>
bool isTouchedAfter(BasicBlock &block, bool touched, OnIdle onIdle) {
  for (Instruction &i : make_early_inc_range(block)) {
    if (isBlockBarrier(i)) {
      if (!touched)
        onIdle(i);
      touched = false;
    } else if (i.mayReadOrWriteMemory() && !i.isLifetimeStartOrEnd()) {
      touched = true;
    }
  }
  return touched;
}

unsigned removeFrom(Function &f) {
  DenseMap<BasicBlock *, bool> touchedAtEnd;
  auto atStart = [&](BasicBlock *block) {
    return any_of(predecessors(block), [&](BasicBlock *p) { return touchedAtEnd.lookup(p); });
  };
  // The least solution: untouched until a way is found on which it is. Each round can only touch more.
  ReversePostOrderTraversal<Function *> order(&f);
  for (bool changed = true; changed;) {
    changed = false;
    for (BasicBlock *block : order) {
      bool touched = isTouchedAfter(*block, atStart(block), [](Instruction &) {});
      changed |= touched && !std::exchange(touchedAtEnd[block], true);
    }
  }
  unsigned removed = 0;
  for (BasicBlock *block : order)
    isTouchedAfter(*block, atStart(block), [&](Instruction &barrier) {
      barrier.eraseFromParent();
      ++removed;
    });
  return removed;
}

} // namespace

unsigned removeIdleBarriers(Module &module) {
  unsigned removed = 0;
  for (Function &f : module)
    if (f.getCallingConv() == CallingConv::PTX_Kernel)
      removed += removeFrom(f);
  return removed;
}

} // namespace adze::cuda
