// The target: names, texts and code sections.
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/Describe.h"
#include "targets/cuda/driver/Image.h"
#include "targets/cuda/Image.h"
#include "targets/cuda/Ptxas.h"
#include "llvm/Support/Error.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace adze;

namespace {

/// `count` kernels @k0, @k1, ... y = x * (i + 1).
std::string manyKernels(unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    std::string n = std::to_string(i);
    text += "tile.kernel @k" + n + " attributes {key = \"k" + n +
            "\", dims = [\"N\"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>], grid_extents = affine_map<(d0) "
            "-> (d0)>, grid_steps = array<i64: 64>} body {\n^bb0(%n: index, %x: !tile.ref<f32, in>, %y: "
            "!tile.ref<f32, out>, %i: index):\n  %vx = tile.view %x[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>\n"
            "  %vy = tile.view %y[%n] : !tile.ref<f32, out> -> !tile.view<?xf32, out>\n  %a = tile.load %vx[%i] : "
            "!tile.view<?xf32, in> -> tensor<64xf32>\n  %c = arith.constant dense<" +
            n +
            ".5> : tensor<64xf32>\n  %r = arith.mulf %a, %c : tensor<64xf32>\n  tile.store %r, %vy[%i] : "
            "tensor<64xf32>, !tile.view<?xf32, out>\n  tile.yield\n}\n";
  }
  return text;
}

class CudaTargetTest : public testing::Test {
protected:
  CudaTargetTest() : target(createCudaTarget()) {
    registry
        .insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
    target->registerDialects(registry);
    context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  }
  Image compile(const std::string &text, const std::string &arch, const SerializeOptions &options = {}) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    auto image = target->compile(*module, *cuda::archNamed(arch), options);
    EXPECT_TRUE(succeeded(image));
    return succeeded(image) ? *image : Image();
  }
  static std::string ptxOf(const Image &image) {
    std::vector<cuda::ImageCode> codes;
    EXPECT_EQ(cuda::readImage(image.code.data(), image.code.size(), codes), "");
    for (const cuda::ImageCode &c : codes)
      if (c.entry.kind == cuda::ImageKind::ptx)
        return std::string(c.data, c.entry.size - 1);
    return "";
  }

  std::unique_ptr<Target> target;
  DialectRegistry registry;
  std::unique_ptr<MLIRContext> context;
};

TEST_F(CudaTargetTest, Names) {
  auto all = target->resolve("");
  ASSERT_TRUE(bool(all));
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].arch, "sm_80");
  EXPECT_EQ((*all)[1].arch, "sm_90a");
  for (llvm::StringRef name : cuda::archNames()) {
    auto one = target->resolve(name);
    ASSERT_TRUE(bool(one)) << name.str();
    EXPECT_EQ((*one)[0].arch, name);
  }
  for (const char *wrong : {"sm_75", "sm_90", "host", "hopper", "sm_90A"}) {
    auto none = target->resolve(wrong);
    ASSERT_FALSE(bool(none)) << wrong;
    std::string text = llvm::toString(none.takeError());
    EXPECT_NE(text.find(wrong), std::string::npos) << text;
    EXPECT_NE(text.find("use cuda"), std::string::npos) << text;
  }
}

TEST_F(CudaTargetTest, OneTextOfManyParts) {
  // More kernels than one part takes: the header stands once, and every kernel can be found.
  std::string ptx = ptxOf(compile(manyKernels(20), "sm_80"));
  EXPECT_EQ(ptx.find(".version 7.4"), ptx.rfind(".version"));
  EXPECT_EQ(ptx.find(".target sm_80"), ptx.rfind(".target"));
  EXPECT_EQ(ptx.find(".address_size 64"), ptx.rfind(".address_size"));
  for (unsigned i = 0; i < 20; ++i) {
    std::string name = "k" + std::to_string(i);
    llvm::StringRef text = cuda::entryText(ptx, name);
    EXPECT_TRUE(text.contains(".maxntid")) << name;
    EXPECT_EQ(text.count(".entry"), 1u) << name;
    EXPECT_TRUE(text.ends_with("}")) << name;
  }
  EXPECT_TRUE(cuda::entryText(ptx, "k").empty());
}

TEST_F(CudaTargetTest, BytesDoNotDependOnThreads) {
  SerializeOptions one, four;
  one.threads = 1;
  four.threads = 4;
  std::string text = manyKernels(20);
  Image a = compile(text, "sm_90a", one), b = compile(text, "sm_90a", four);
  EXPECT_EQ(a.code, b.code);
  EXPECT_EQ(a.kernels.size(), 20u);
}

TEST_F(CudaTargetTest, Section) {
  TargetArch arch = *cuda::archNamed("sm_90a");
  std::string section = cuda::packImage(arch, {{false, "text"},
                                               {true, std::string("\x7f"
                                                                  "ELF\0binary",
                                                                  11)}});
  std::vector<cuda::ImageCode> codes;
  ASSERT_EQ(cuda::readImage(section.data(), section.size(), codes), "");
  ASSERT_EQ(codes.size(), 2u);
  EXPECT_EQ(codes[0].name(), "PTX for sm_90a");
  EXPECT_EQ(codes[0].entry.ptxVersion, 80u);
  EXPECT_EQ(std::string(codes[0].data, codes[0].entry.size), std::string("text\0", 5));
  EXPECT_EQ(codes[1].name(), "cubin for sm_90a");
  EXPECT_EQ(codes[1].entry.size, 11u);
  EXPECT_FALSE(cuda::runsOn(codes[0].entry, 10, 0));
  EXPECT_TRUE(cuda::isImage(section));
  EXPECT_FALSE(cuda::isImage(llvm::StringRef("\x7f"
                                             "ELF")));
}

TEST_F(CudaTargetTest, Assembled) {
  std::string ptxas = cuda::findPtxas();
  if (ptxas.empty())
    GTEST_SKIP() << "there is no ptxas";
  SerializeOptions options;
  options.programs["ptxas"] = ptxas;
  Image a = compile(manyKernels(3), "sm_80", options), b = compile(manyKernels(3), "sm_80", options);
  EXPECT_EQ(a.code, b.code);
  std::string why;
  auto text = cuda::describeKernel(llvm::ArrayRef<char>(a.code.data(), a.code.size()), "k1", why);
  ASSERT_TRUE(text.has_value()) << why;
  EXPECT_NE(text->find("// cubin for sm_80: "), std::string::npos);
  auto assembled = cuda::assemble(ptxas, ptxOf(a), "sm_80");
  ASSERT_TRUE(bool(assembled)) << llvm::toString(assembled.takeError());
  EXPECT_EQ(assembled->kernels.size(), 3u);
  unsigned registers = assembled->kernels["k1"].registers;
  EXPECT_NE(text->find(std::to_string(registers) + " registers"), std::string::npos) << *text;
  EXPECT_TRUE(cuda::silentRepairs(*assembled).empty());
  EXPECT_FALSE(cuda::describeKernel(llvm::ArrayRef<char>(a.code.data(), a.code.size()), "k9", why).has_value());
  auto refused = cuda::assemble(ptxas, ".version 7.4\n.target sm_80\nbogus\n", "sm_80");
  EXPECT_FALSE(bool(refused));
  llvm::consumeError(refused.takeError());
}

/// A kernel of `threads` threads that holds `live` values, read in an order that the assembler must keep.
static std::string hoarder(unsigned threads, unsigned live) {
  std::string loads, sum;
  for (unsigned i = 0; i < live; ++i) {
    loads += "ld.volatile.global.b32 %r" + std::to_string(i) + ", [%rd0+" + std::to_string(4 * i) + "];\n";
    sum += "st.volatile.global.b32 [%rd0], %r" + std::to_string(i) + ";\n";
  }
  return ".version 7.4\n.target sm_80\n.address_size 64\n.visible .entry hoarder(\n.param .u64 p\n)\n.maxntid " +
         std::to_string(threads) + "\n{\n.reg .b32 %r<" + std::to_string(live) + ">;\n.reg .b64 %rd<1>;\n" +
         "ld.param.u64 %rd0, [p];\n" + loads + sum + "ret;\n}\n";
}

TEST_F(CudaTargetTest, RoomForRegistersIsGivenOnlyWhereItHelps) {
  std::string ptxas = cuda::findPtxas();
  if (ptxas.empty())
    GTEST_SKIP() << "there is no ptxas";
  // 1024 threads have 64 registers each, whatever the text says.
  for (auto [threads, live, spills] : {std::tuple{1024u, 100u, true}, {128u, 100u, false}}) {
    std::string text = hoarder(threads, live), given = text;
    auto assembled = cuda::assembleUnspilled(ptxas, text, "sm_80");
    ASSERT_TRUE(bool(assembled)) << llvm::toString(assembled.takeError());
    EXPECT_EQ(assembled->kernels["hoarder"].spills(), spills);
    EXPECT_EQ(text, given);
  }
}

TEST_F(CudaTargetTest, PlansOfEveryFamily) {
  // A plan may be anything the builders take; what may not be is a tile beyond 64 registers of a value in 32 warps.
  std::vector<TargetArch> archs = {*cuda::archNamed("sm_80")};
  for (const char *family :
       {"pointwise", "move", "matmul", "conv", "conv_transpose", "reduce", "arg_reduce", "rowwise", "attention",
        "depthwise", "pool", "pool_indices", "gather", "scatter", "resize", "scan", "topk", "rnn"})
    for (int64_t size : {0, 1, 3, 64, 1000, 4096, 100000}) {
      Problem p;
      p.family = family;
      for (const char *name : {"B", "C", "D", "DV", "F", "H", "K", "L", "M", "N", "P", "Q", "R", "S", "T"})
        p.extents[name] = {size, size};
      for (const char *name : {"a", "b", "x", "w", "y"})
        p.types[name] = Float32Type::get(context.get());
      for (int64_t flag : {0, 1}) {
        p.flags["inner"] = p.flags["transposed"] = flag;
        Plan plan = cuda::planFor(p, archs);
        auto size2 = [&](const char *x, const char *y) { return plan.param(x, 1) * plan.param(y, 1); };
        for (auto [name, value] : plan.params)
          EXPECT_GE(value, name == "swap" || name == "merge" || name == "pack" ? 0 : 1) << family << " " << name;
        for (int64_t elements : {size2("BM", "BN"), size2("BM", "BK"), size2("BF", "BP"), size2("BC", "BP")})
          EXPECT_LE(elements, 64 * 1024) << family << " of " << size;
      }
    }
}

TEST_F(CudaTargetTest, FewProgramsWithLongSumsAreSplit) {
  context->loadDialect<tile::TileDialect>();
  Type f16 = Float16Type::get(context.get());
  auto plan = [&](const char *family, std::map<std::string, Extent> extents, const char *arch) {
    Problem p;
    p.family = family;
    p.extents = std::move(extents);
    for (const char *name : {"a", "b", "x", "w", "y"})
      p.types[name] = f16;
    p.flags["inner"] = 1;
    return cuda::planFor(p, {*cuda::archNamed(arch)});
  };
  auto is = [](int64_t n) { return Extent{n, n}; };
  Extent open{0, INT64_MAX};
  for (const char *arch : {"sm_80", "sm_90a"}) {
    SCOPED_TRACE(arch);
    auto product = [&](int64_t m, int64_t n, int64_t k) {
      return plan("matmul", {{"B", is(1)}, {"M", is(m)}, {"N", is(n)}, {"K", is(k)}}, arch);
    };
    EXPECT_GT(product(1, 512, 8192).param("split", 1), 3);
    EXPECT_GT(product(64, 128, 16384).param("split", 1), 3);
    EXPECT_FALSE(product(64, 128, 16384).param("staged", 0)); // its programs are not split
    EXPECT_EQ(product(64, 128, 16384).param("share", 0), 0);
    EXPECT_EQ(product(1, 512, 256).param("split", 1), 1);    // too short
    EXPECT_EQ(product(1, 65536, 8192).param("split", 1), 1); // enough programs
    EXPECT_EQ(product(4096, 4096, 4096).param("split", 1), 1);
    auto attention = [&](int64_t batch, Extent queries, Extent keys) {
      return plan("attention",
                  {{"B", is(batch)}, {"H", is(8)}, {"S", queries}, {"T", keys}, {"D", is(128)}, {"DV", is(128)}}, arch);
    };
    EXPECT_GT(attention(1, is(1), is(8192)).param("split", 1), 7);
    EXPECT_EQ(attention(1, is(1), open).param("share", 0) % 128, 0);
    EXPECT_GT(attention(1, is(1), open).param("share", 0), 0);
    EXPECT_LT(attention(1, is(1), open).param("share", 0), attention(3, is(1), open).param("share", 0));
    EXPECT_EQ(attention(1, is(1), {0, 500}).param("share", 0), 0);
    EXPECT_EQ(attention(64, is(1), open).param("share", 0), 0); // enough programs
    EXPECT_EQ(attention(1, open, open).param("share", 0), 0);   // many queries, as far as is known
    EXPECT_EQ(attention(1, is(4096), is(4096)).param("split", 1), 1);
    EXPECT_GT(plan("reduce", {{"R", is(1)}, {"M", is(1)}, {"K", is(1 << 20)}}, arch).param("split", 1), 4);
    EXPECT_EQ(plan("reduce", {{"R", is(1)}, {"M", is(1)}, {"K", is(1000)}}, arch).param("split", 1), 1);
    EXPECT_EQ(plan("arg_reduce", {{"R", is(1)}, {"M", is(1)}, {"K", is(1 << 20)}}, arch).param("split", 1), 1);
  }
}

} // namespace
