// Warp-specialised kernels of sm_90a in the simulator with its checks on, against the interpreter: whole numbers bit
// for bit, other data within the format's error; the same bits whatever the order of warps.
#include "compiler/oracle/Interpreter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/Ptxas.h"
#include "targets/gpu/lower/Lowering.h"
#include "test/unit/cuda/StagedWindows.h"
#include "tools/sim/cuda/async/TensorMap.h"
#include "tools/sim/cuda/exec/Launch.h"
#include "tools/sim/cuda/memory/State.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace adze;

namespace {

/// The values that launch code leaves on its stack (docs/package-format.md).
std::vector<int64_t> evaluate(const std::vector<int64_t> &code, const std::vector<uint64_t> &buffers,
                              const std::vector<int64_t> &scalars) {
  std::vector<int64_t> stack;
  for (size_t i = 0; i + 1 < code.size(); i += 2) {
    int64_t op = code[i], v = code[i + 1];
    if (op == 0 || op == 1 || op == 16) {
      stack.push_back(op == 0 ? v : op == 1 ? scalars[v] : static_cast<int64_t>(buffers[v]));
      continue;
    }
    int64_t b = stack.back();
    stack.pop_back();
    int64_t &a = stack.back();
    switch (op) {
    case 2:
      a += b;
      break;
    case 3:
      a -= b;
      break;
    case 4:
      a *= b;
      break;
    case 5:
      a = llvm::divideFloorSigned(a, b);
      break;
    case 6:
      a = llvm::divideCeilSigned(a, b);
      break;
    case 7:
      a = a - llvm::divideFloorSigned(a, b) * b;
      break;
    case 8:
      a = std::min(a, b);
      break;
    case 9:
      a = std::max(a, b);
      break;
    case 10:
      a = a == b;
      break;
    case 11:
      a = a < b;
      break;
    default:
      ADD_FAILURE() << "operation " << op;
    }
  }
  return stack;
}

sim::TensorMapBytes tensorMap(const std::vector<int64_t> &w) {
  sim::TensorMap m;
  m.im2col = w[0] == 2;
  m.type = w[1];
  m.rank = w[2];
  m.address = w[3];
  m.interleave = w[4], m.swizzle = w[5], m.l2 = w[6], m.nanFill = w[7];
  size_t at = 8;
  for (unsigned i = 0; i < m.rank; ++i)
    m.dim[i] = w[at++];
  for (unsigned i = 0; i + 1 < m.rank; ++i)
    m.stride[i] = w[at++];
  if (m.im2col) {
    for (auto *corner : {&m.lower, &m.upper})
      for (unsigned i = 0; i + 2 < m.rank; ++i)
        (*corner)[i] = w[at++];
    m.channels = w[at++];
    m.pixels = w[at++];
  } else {
    for (unsigned i = 0; i < m.rank; ++i)
      m.box[i] = w[at++];
  }
  for (unsigned i = 0; i < m.rank; ++i)
    m.elementStride[i] = w[at++];
  sim::TensorMapBytes bytes;
  EXPECT_EQ(sim::encode(m, bytes), "");
  return bytes;
}

class Staged : public testing::Test {
protected:
  Staged() : context(registry(), MLIRContext::Threading::DISABLED) {
    context.getDiagEngine().registerHandler([this](Diagnostic &d) {
      messages += d.str() + "\n";
      return success();
    });
  }
  static DialectRegistry registry() {
    DialectRegistry r;
    r.insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
    createCudaTarget()->registerDialects(r);
    return r;
  }

  void compile(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << messages;
    kernel = *module->getOps<tile::KernelOp>().begin();
    arch = *cuda::archNamed("sm_90a");
    cuda::KernelVariants variants;
    auto lowered = cuda::lowerTiles(*module, arch, nullptr, &variants);
    ASSERT_TRUE(succeeded(lowered)) << messages;
    auto &found = variants[kernel.getSymName().str()];
    std::string why;
    if (auto f = (*lowered)->lookupSymbol(kernel.getSymName()))
      if (auto reason = f->getAttrOfType<StringAttr>("cuda.unstaged"))
        why = reason.str();
    ASSERT_EQ(found.size(), 1u) << why;
    variant = found[0];
    auto code = cuda::generatePtx(**lowered, arch, {});
    ASSERT_TRUE(succeeded(code)) << messages;
    ptx = *code;
  }

  using Bytes = std::vector<std::vector<char>>;

  /// Random whole numbers in [-range, range], or fractions of them.
  Bytes inputs(const std::vector<size_t> &sizes, double range, bool whole) {
    Bytes buffers;
    uint64_t state = 1;
    for (auto [i, n] : llvm::enumerate(sizes)) {
      auto ref = cast<tile::RefType>(cast<TypeAttr>(kernel.getArgTypes()[i]).getValue());
      auto storage = *oracle::Storage::of(ref.getElementType());
      buffers.emplace_back(n * storage.bytes());
      if (ref.getEffect() != tile::Effect::in)
        continue;
      std::vector<double> values(n);
      for (double &v : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double unit = (state >> 11) * 0x1.0p-53 * 2 - 1;
        v = whole ? std::round(unit * range) : unit * range;
      }
      std::vector<int64_t> numbers(values.begin(), values.end());
      if (storage.isFloat())
        storage.write(buffers.back().data(), 0, 1, n, values.data());
      else
        storage.write(buffers.back().data(), 0, 1, n, numbers.data());
    }
    return buffers;
  }

  Type elementOf(size_t i) {
    return cast<tile::RefType>(cast<TypeAttr>(kernel.getArgTypes()[i]).getValue()).getElementType();
  }
  std::vector<double> valuesOf(const Bytes &b, size_t i) {
    auto storage = *oracle::Storage::of(elementOf(i));
    std::vector<double> v(b[i].size() / storage.bytes());
    storage.read(b[i].data(), 0, 1, v.size(), v.data());
    return v;
  }

  Bytes oracleRun(Bytes b, const std::vector<int64_t> &dims, const std::vector<double> &scalars, oracle::Mode mode) {
    std::vector<oracle::HostBuffer> refs;
    for (size_t i = 0; i < b.size(); ++i)
      refs.push_back({elementOf(i), b[i].data(), b[i].size()});
    oracle::InterpreterOptions options;
    options.mode = mode;
    EXPECT_TRUE(succeeded(oracle::runKernel(kernel, dims, refs, scalars, options))) << messages;
    return b;
  }

  /// Runs the variant; empty if its facts do not hold.
  Bytes run(Bytes b, std::vector<int64_t> scalars, int64_t programs, uint64_t seed) {
    sim::SimulatedMemory memory;
    sim::Architecture device{90, 'a'};
    sim::LoadResult loaded = sim::loadModule(ptx, device, memory);
    if (!loaded.program) {
      ADD_FAILURE() << loaded.text;
      return {};
    }
    const sim::KernelCode *code = loaded.program->find(variant.symbol);
    std::vector<uint64_t> addresses;
    std::string error;
    for (auto &bytes : b) {
      addresses.push_back(memory.global.allocate(bytes.size()));
      EXPECT_TRUE(memory.global.write(addresses.back(), bytes.data(), bytes.size(), error)) << error;
    }
    for (int64_t fact : evaluate(variant.facts, addresses, scalars))
      if (!fact)
        return {};
    std::vector<uint8_t> params(code->paramBytes);
    size_t next = 0;
    auto put = [&](const void *data, size_t bytes) {
      std::memcpy(params.data() + code->params[next++].offset, data, bytes);
    };
    for (uint64_t a : addresses)
      put(&a, 8);
    for (int64_t s : scalars)
      put(&s, 8);
    for (const std::vector<int64_t> &words : variant.descriptors) {
      sim::TensorMapBytes map = tensorMap(evaluate(words, addresses, scalars));
      put(map.bytes, 128);
    }
    sim::LaunchOptions options;
    options.seed = seed;
    options.threads = 1;
    options.maxDynamicShared = variant.scratch;
    options.maxInstructions = 20000000;
    sim::Dim3 grid, block;
    grid.x = std::min<int64_t>(programs, 3); // blocks loop over the programs
    block.x = variant.block[0];
    sim::LaunchResult result =
        sim::launch(*loaded.program, *code, grid, block, {}, variant.scratch, params, memory, device, options);
    fault = result.text;
    if (mayFail)
      return b;
    EXPECT_EQ(result.code, 0) << result.text;
    EXPECT_TRUE(result.warnings.empty()) << result.warnings.front();
    for (auto [i, bytes] : llvm::enumerate(b)) {
      uint64_t poison;
      EXPECT_TRUE(memory.global.read(bytes.data(), addresses[i], bytes.size(), error, poison)) << error;
    }
    return b;
  }

  /// Only the specialised function: nothing spilled, no wait or fence added, registers moved as the text says.
  void checkAssembly(const std::string &tool) {
    auto assembled = cuda::assemble(tool, ptx, arch.arch);
    ASSERT_TRUE(bool(assembled)) << llvm::toString(assembled.takeError());
    const cuda::KernelResources &used = assembled->kernels[variant.symbol];
    EXPECT_GT(used.registers, 0u);
    EXPECT_EQ(used.spillStores + used.spillLoads + used.stackBytes, 0u);
    for (const char *repair : {"C7508", "C7517", "C7519"})
      EXPECT_EQ(assembled->log.find(repair), std::string::npos) << assembled->log;
  }

  MLIRContext context;
  std::string messages, ptx, fault;
  bool mayFail = false; // fault says why
  OwningOpRef<ModuleOp> module;
  tile::KernelOp kernel;
  TargetArch arch;
  ImageVariant variant;
};

struct MatmulText {
  int bm = 128, bn = 256, bk = 64;
  std::string in = "bf16", acc = "f32", out = "f32", dotAttrs = "", tail = "";
  bool transA = false, transB = false;

  std::string text() const {
    auto t = [](int a, int b, const std::string &e) {
      return "tensor<" + std::to_string(a) + "x" + std::to_string(b) + "x" + e + ">";
    };
    std::string a = transA ? t(bk, bm, in) : t(bm, bk, in), b = transB ? t(bn, bk, in) : t(bk, bn, in);
    std::string c = t(bm, bn, acc), y = t(bm, bn, out), zero = acc == "i32" ? "0" : "0.0";
    std::string attrs = dotAttrs + (transA ? ", trans_a" : "") + (transB ? ", trans_b" : "");
    std::string head = "(%M: index, %N: index, %K: index, %x: !tile.ref<" + in + ", in>, %w: !tile.ref<" + in +
                       ", in>, %c: !tile.ref<f32, in>, %y: !tile.ref<" + out + ", out>, %i: index, %j: index";
    std::string cast =
        out == acc ? "  %o = arith.addf %v, %zz : " + y + "\n" : "  %o = tile.cast %v : " + c + " -> " + y + "\n";
    if (acc == "i32")
      cast = "  %o = arith.addi %v, %zz : " + y + "\n";
    std::string finish =
        tail.empty() ? "  %v = arith." + std::string(acc == "i32" ? "addi" : "addf") + " %acc, %zz : " + c + "\n"
                     : tail;
    return "tile.kernel @mm attributes {key = \"mm\", dims = [\"M\", \"N\", \"K\"], arg_types = [!tile.ref<" + in +
           ", in>, !tile.ref<" + in + ", in>, !tile.ref<f32, in>, !tile.ref<" + out +
           ", out>], grid_extents = affine_map<(m, n, k) -> (m, n)>, grid_steps = array<i64: " + std::to_string(bm) +
           ", " + std::to_string(bn) +
           ">, schedule = #tile.schedule<grid = {group = 2 : i64}, loops = {}, ops = {a = {lead = 2 : i64}, b = {lead "
           "= 2 : i64}}>} body {\n^bb0" +
           head + "):\n  %c0 = arith.constant 0 : index\n  %step = arith.constant " + std::to_string(bk) +
           " : index\n  %X = tile.view %x[" + (transA ? "%K, %M" : "%M, %K") + "] : !tile.ref<" + in +
           ", in> -> !tile.view<?x?x" + in + ", in>\n  %W = tile.view %w[" + (transB ? "%N, %K" : "%K, %N") +
           "] : !tile.ref<" + in + ", in> -> !tile.view<?x?x" + in + ", in>\n  %z = arith.constant dense<" + zero +
           "> : " + c + "\n  %acc = scf.for %k = %c0 to %K step %step iter_args(%s = %z) -> (" + c +
           ") {\n    %a = tile.load %X[" + (transA ? "%k, %i" : "%i, %k") + "] {tag = \"a\"} : !tile.view<?x?x" + in +
           ", in> -> " + a + "\n    %b = tile.load %W[" + (transB ? "%j, %k" : "%k, %j") +
           "] {tag = \"b\"} : !tile.view<?x?x" + in + ", in> -> " + b +
           "\n    %d = tile.dot %a, %b, %s {tag = \"mma\"" + attrs + "} : " + a + ", " + b + " -> " + c +
           "\n    scf.yield %d : " + c + "\n  } {tile.loop = #tile.loop<\"k\", reduce>}\n  tile.yield %acc : " + c +
           "\n} finish {\n^bb0" + head + ", %acc: " + c + "):\n  %zz = arith.constant dense<" + zero + "> : " + c +
           "\n  %C = tile.view %c[%N] : !tile.ref<f32, in> -> !tile.view<?xf32, in>\n  %Y = tile.view %y[%M, %N] : "
           "!tile.ref<" +
           out + ", out> -> !tile.view<?x?x" + out + ", out>\n" + finish + cast + "  tile.store %o, %Y[%i, %j] : " + y +
           ", !tile.view<?x?x" + out + ", out>\n  tile.yield\n}\n";
  }
};

/// Bias and rectifier over BM x BN.
std::string biasTail(int bm, int bn) {
  std::string n = std::to_string(bn), t = "tensor<" + std::to_string(bm) + "x" + n + "xf32>";
  return "  %bt = tile.load %C[%j] : !tile.view<?xf32, in> -> tensor<" + n +
         "xf32>\n  %b1 = tile.reshape %bt : tensor<" + n + "xf32> -> tensor<1x" + n +
         "xf32>\n  %b2 = tile.broadcast %b1 : tensor<1x" + n + "xf32> -> " + t +
         "\n  %v0 = arith.addf %acc, %b2 : " + t + "\n  %v = arith.maximumf %v0, %zz : " + t + "\n";
}

class StagedMatmul : public Staged {
protected:
  void check(const MatmulText &m, std::initializer_list<std::array<int64_t, 3>> shapes, double range = 4) {
    compile(m.text());
    if (HasFatalFailure())
      return;
    for (auto [rows, columns, depth] : shapes) {
      std::vector<int64_t> dims = {rows, columns, depth};
      Bytes b = inputs({size_t(rows * depth), size_t(depth * columns), size_t(columns), size_t(rows * columns)}, range,
                       /*whole=*/true);
      Bytes expected = oracleRun(b, dims, {}, oracle::Mode::Typed);
      int64_t programs = llvm::divideCeil(rows, m.bm) * llvm::divideCeil(columns, m.bn);
      for (uint64_t seed : {1, 2}) {
        Bytes got = run(b, dims, programs, seed);
        ASSERT_FALSE(got.empty()) << "the facts do not hold";
        EXPECT_TRUE(got[3] == expected[3]) << rows << "x" << columns << "x" << depth << ", seed " << seed;
      }
    }
  }
};

TEST_F(StagedMatmul, Plain) { check({}, {{130, 264, 200}, {128, 256, 64}, {5, 8, 8}, {300, 520, 72}}); }
TEST_F(StagedMatmul, HalfOutThroughStmatrix) {
  MatmulText m;
  m.in = "f16", m.out = "f16", m.bn = 128;
  m.tail = biasTail(128, 128);
  check(m, {{130, 136, 136}, {64, 128, 64}}, 2);
}
TEST_F(StagedMatmul, OneAndThreeConsumers) {
  MatmulText one, three;
  one.bm = 64, one.bn = 32, one.out = "bf16";
  check(one, {{70, 40, 136}}, 1);
  three.bm = 192, three.bn = 128;
  check(three, {{200, 136, 72}});
}
TEST_F(StagedMatmul, TransposedLeftOperandOfOneConsumer) {
  MatmulText m;
  m.transA = m.transB = true, m.bm = 64, m.bn = 8;
  check(m, {{72, 8, 136}, {64, 3, 64}, {200, 16, 72}});
}
TEST_F(StagedMatmul, TransposedRightOperand) {
  MatmulText b;
  b.transB = true, b.bm = 64, b.bn = 192, b.bk = 32;
  check(b, {{70, 200, 72}});
}
TEST_F(StagedMatmul, Integers) {
  MatmulText m;
  m.in = "i8", m.acc = m.out = "i32", m.transB = true, m.bn = 128, m.bk = 128;
  check(m, {{130, 136, 272}}, 100);
}
TEST_F(StagedMatmul, Tf32) {
  MatmulText m;
  m.in = "f32", m.transB = true, m.bn = 128, m.bk = 32, m.dotAttrs = ", precision = #tile<precision tf32>";
  check(m, {{130, 132, 68}});
}
TEST_F(StagedMatmul, Fp8WithPromotion) {
  MatmulText m;
  m.in = "f8E4M3FN", m.transB = true, m.bn = 128, m.bk = 128, m.dotAttrs = ", promote = 128 : i64";
  check(m, {{130, 136, 272}}, 3);
}

TEST_F(StagedMatmul, UnalignedStridesTakeTheGenericPath) {
  compile(MatmulText().text());
  Bytes b = inputs({64 * 63, 63 * 64, 64, 64 * 64}, 1, true);
  EXPECT_TRUE(run(b, {64, 64, 63}, 1, 1).empty()); // rows of 126 bytes
}

TEST_F(StagedMatmul, MissingProtocolIsFound) {
  compile(MatmulText().text());
  Bytes b = inputs({128 * 128, 128 * 256, 256, 128 * 256}, 1, true);
  ASSERT_FALSE(run(b, {128, 256, 128}, 1, 1).empty());
  std::string whole = ptx;
  mayFail = true;
  for (StringRef line :
       {"fence.proxy.async.shared::cta;", "wgmma.wait_group.sync.aligned 0;", "wgmma.fence.sync.aligned;",
        "wgmma.commit_group.sync.aligned;", "cp.async.bulk.commit_group;"}) {
    ptx = whole;
    size_t at = ptx.find(line.str());
    ASSERT_NE(at, std::string::npos) << line.str();
    for (; at != std::string::npos; at = ptx.find(line.str()))
      ptx.erase(at, line.size());
    (void)run(b, {128, 256, 128}, 1, 1);
    EXPECT_NE(fault, "") << line.str();
  }
}

TEST_F(StagedMatmul, PtxasNeitherSpillsNorRepairs) {
  std::string tool = cuda::findPtxas();
  if (tool.empty())
    GTEST_SKIP() << "ptxas was not found";
  MatmulText half, integers, single, narrow, few; // with the sizes that are planned
  half.out = "bf16", half.tail = biasTail(128, 256);
  integers.in = "i8", integers.acc = integers.out = "i32", integers.transB = true, integers.bk = 128;
  single.in = "f32", single.transB = true, single.bk = 32, single.dotAttrs = ", precision = #tile<precision tf32>";
  narrow.in = "f8E4M3FN", narrow.transB = true, narrow.bn = narrow.bk = 128, narrow.dotAttrs = ", promote = 128 : i64";
  few.transA = few.transB = true, few.bm = 64, few.bn = 32;
  for (const MatmulText &m : {half, integers, single, narrow, few}) {
    SCOPED_TRACE(m.in);
    compile(m.text());
    if (HasFatalFailure())
      return;
    checkAssembly(tool);
  }
}

/// One head of attention: S queries, T keys; f32 out.
std::string attentionText(int bm, int d, bool causal) {
  auto t = [](int a, int b, const char *e) {
    return "tensor<" + std::to_string(a) + "x" + std::to_string(b) + "x" + e + ">";
  };
  int bn = 128;
  std::string D = std::to_string(d), q = t(bm, d, "bf16"), kv = t(bn, d, "bf16"), s = t(bm, bn, "f32"),
              p = t(bm, bn, "bf16"), o = t(bm, d, "f32"), r = t(bm, 1, "f32"), si = t(bm, bn, "i32");
  std::string view = "!tile.view<?x" + D + "xbf16, in>";
  std::string args =
      "(%S: index, %T: index, %q_: !tile.ref<bf16, in>, %k_: !tile.ref<bf16, in>, %v_: !tile.ref<bf16, in>, "
      "%o_: !tile.ref<f32, out>, %scale: f32, %i: index";
  std::string keep = causal ? "    %row = tile.iota %i {dim = 0 : i64} : " + t(bm, 1, "i32") +
                                  "\n    %rowb = tile.broadcast %row : " + t(bm, 1, "i32") + " -> " + si +
                                  "\n    %cs = arith.cmpi sle, %colb, %rowb : " + si +
                                  "\n    %keep = arith.andi %in, %cs : " + t(bm, bn, "i1") + "\n"
                            : "    %keep = arith.andi %in, %in : " + t(bm, bn, "i1") + "\n";
  return "tile.kernel @attn attributes {key = \"attn\", dims = [\"S\", \"T\"], arg_types = [!tile.ref<bf16, in>, "
         "!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<f32, out>, f32], grid_extents = affine_map<(s, t) -> "
         "(s)>, "
         "grid_steps = array<i64: " +
         std::to_string(bm) + ">} body {\n^bb0" + args +
         "):\n  %c0 = arith.constant 0 : index\n  %cn = arith.constant " + std::to_string(bn) +
         " : index\n  %Q = tile.view %q_[%S] : !tile.ref<bf16, in> -> " + view +
         "\n  %K = tile.view %k_[%T] : !tile.ref<bf16, in> -> " + view +
         "\n  %V = tile.view %v_[%T] : !tile.ref<bf16, in> -> " + view + "\n  %zs = arith.constant dense<0.0> : " + s +
         "\n  %zo = arith.constant dense<0.0> : " + o + "\n  %zr = arith.constant dense<0.0> : " + r +
         "\n  %minf = arith.constant dense<0xFF800000> : " + r +
         "\n  %minfs = arith.constant dense<0xFF800000> : " + s +
         "\n  %log2e = arith.constant 1.44269502 : f32\n  %sl = arith.mulf %scale, %log2e : f32\n  %qt = tile.load "
         "%Q[%i, %c0] {tag = \"q\"} : " +
         view + " -> " + q +
         "\n  %m, %l, %o = scf.for %k = %c0 to %T step %cn iter_args(%m0 = %minf, %l0 = %zr, %o0 = " + "%zo) -> (" + r +
         ", " + r + ", " + o + ") {\n    %kt = tile.load %K[%k, %c0] {tag = \"k\"} : " + view + " -> " + kv +
         "\n    %vt = tile.load %V[%k, %c0] {tag = \"v\"} : " + view + " -> " + kv +
         "\n    %s0 = tile.dot %qt, %kt, %zs {trans_b, tag = \"qk\"} : " + q + ", " + kv + " -> " + s +
         "\n    %slt = tile.splat %sl : f32 -> " + s + "\n    %s1 = arith.mulf %s0, %slt : " + s +
         "\n    %col = tile.iota %k {dim = 1 : i64} : " + t(1, bn, "i32") +
         "\n    %T32 = arith.index_cast %T : index to " + "i32\n    %Tt = tile.splat %T32 : i32 -> " + si +
         "\n    %colb = tile.broadcast %col : " + t(1, bn, "i32") + " -> " + si +
         "\n    %in = arith.cmpi slt, %colb, %Tt : " + si + "\n" + keep +
         "    %s2 = arith.select %keep, %s1, %minfs : " + t(bm, bn, "i1") + ", " + s +
         "\n    %mx = tile.reduce maxnum %s2 {dim = 1 : i64} : " + s + " -> " + r +
         "\n    %mn = arith.maxnumf %m0, %mx : " + r + "\n    %none = arith.cmpf oeq, %mn, %minf : " + r +
         "\n    %ms = arith.select %none, %zr, %mn : " + t(bm, 1, "i1") + ", " + r +
         "\n    %msb = tile.broadcast %ms : " + r + " -> " + s + "\n    %sm = arith.subf %s2, %msb : " + s +
         "\n    %p = math.exp2 %sm : " + s + "\n    %dm = arith.subf %m0, %ms : " + r +
         "\n    %al = math.exp2 %dm : " + r + "\n    %sum = tile.reduce add %p {dim = 1 : i64} : " + s + " -> " + r +
         "\n    %la = arith.mulf %l0, %al : " + r + "\n    %ln = arith.addf %la, %sum : " + r +
         "\n    %pb = tile.cast %p : " + s + " -> " + p + "\n    %pv = tile.dot %pb, %vt, %zo {tag = \"pv\"} : " + p +
         ", " + kv + " -> " + o + "\n    %alb = tile.broadcast %al : " + r + " -> " + o +
         "\n    %oa = arith.mulf %o0, %alb : " + o + "\n    %on = arith.addf %oa, %pv : " + o +
         "\n    scf.yield %mn, %ln, %on : " + r + ", " + r + ", " + o +
         "\n  } {tile.loop = #tile.loop<\"kv\", reduce>}\n  tile.yield %m, %l, %o : " + r + ", " + r + ", " + o +
         "\n} finish {\n^bb0" + args + ", %m: " + r + ", %l: " + r + ", %o: " + o +
         "):\n  %c0 = arith.constant 0 : index\n  %O = tile.view %o_[%S] : !tile.ref<f32, out> -> !tile.view<?x" + D +
         "xf32, out>\n  %lb = tile.broadcast %l : " + r + " -> " + o + "\n  %y = arith.divf %o, %lb : " + o +
         "\n  tile.store %y, %O[%i, %c0] : " + o + ", !tile.view<?x" + D + "xf32, out>\n  tile.yield\n}\n";
}

class StagedAttention : public Staged {
protected:
  void check(int bm, int d, bool causal, int64_t queries, int64_t keys) {
    compile(attentionText(bm, d, causal));
    if (HasFatalFailure())
      return;
    Bytes b = inputs({size_t(queries * d), size_t(keys * d), size_t(keys * d), size_t(queries * d)}, 2, false);
    float scale = 0.25f;
    int32_t bits;
    std::memcpy(&bits, &scale, 4);
    auto expected = valuesOf(oracleRun(b, {queries, keys}, {scale}, oracle::Mode::Wide), 3);
    auto typed = valuesOf(oracleRun(b, {queries, keys}, {scale}, oracle::Mode::Typed), 3);
    Bytes first;
    for (uint64_t seed : {1, 2}) {
      Bytes got = run(b, {queries, keys, bits}, llvm::divideCeil(queries, bm), seed);
      ASSERT_FALSE(got.empty());
      if (first.empty())
        first = got;
      EXPECT_TRUE(got[3] == first[3]) << "seed " << seed;
    }
    judge(valuesOf(first, 3), expected, typed, size_t(d));
  }

  /// rms(error) <= 2 rms(E) as the contract says. The weights are rounded to bf16, in the references too: one that lies
  /// next to a boundary may go either way, and moves its row by up to half a unit of its last place. Few rows may.
  void judge(const std::vector<double> &values, const std::vector<double> &expected, const std::vector<double> &typed,
             size_t d) {
    double allowed = 0, error = 0;
    for (size_t i = 0; i < values.size(); ++i)
      allowed += std::pow(typed[i] - expected[i], 2);
    double limit = 2 * std::sqrt(allowed / double(values.size())) + 1e-6;
    size_t rows = values.size() / d, moved = 0;
    for (size_t r = 0; r < rows; ++r) {
      double sum = 0, largest = 0;
      for (size_t i = r * d; i < (r + 1) * d; ++i) {
        sum += std::pow(values[i] - expected[i], 2);
        largest = std::max(largest, std::abs(values[i] - expected[i]));
      }
      if (std::sqrt(sum / double(d)) <= 4 * limit) {
        error += sum;
        continue;
      }
      ++moved;
      EXPECT_LE(largest, 0x1p-8) << "row " << r;
    }
    EXPECT_LE(moved, std::max<size_t>(1, rows / 50));
    EXPECT_LE(std::sqrt(error / double(values.size())), limit);
  }
};

TEST_F(StagedAttention, PtxasNeitherSpillsNorRepairs) {
  std::string tool = cuda::findPtxas();
  if (tool.empty())
    GTEST_SKIP() << "ptxas was not found";
  compile(attentionText(128, 128, true));
  checkAssembly(tool);
}
TEST_F(StagedAttention, TwoConsumers) { check(128, 128, false, 130, 300); }
TEST_F(StagedAttention, OneTurn) { check(128, 64, false, 70, 100); }
TEST_F(StagedAttention, CausalThreeConsumers) { check(192, 64, true, 200, 200); }

/// Windows by im2col maps: whole numbers, bit for bit.
class StagedWindows : public Staged {
protected:
  void check(const test::WindowText &w, int64_t images) {
    compile(w.text());
    if (HasFatalFailure())
      return;
    EXPECT_NE(ptx.find(".im2col"), std::string::npos);
    int64_t weights = w.taps() * w.filters * w.channels, results = images * w.pixels() * w.filters;
    Bytes b = inputs({size_t(images * w.elements()), size_t(weights), size_t(results)}, 2, /*whole=*/true);
    Bytes expected = oracleRun(b, {images}, {}, oracle::Mode::Typed);
    int64_t programs = images * llvm::divideCeil(w.pixels(), w.bp) * llvm::divideCeil(w.filters, w.bf);
    for (uint64_t seed : {1, 2}) {
      Bytes got = run(b, {images}, programs, seed);
      ASSERT_FALSE(got.empty()) << "the facts do not hold";
      EXPECT_TRUE(got[2] == expected[2]) << "seed " << seed;
    }
  }
};

TEST_F(StagedWindows, Plane) { check({{7, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 72, 40}, 3); }
TEST_F(StagedWindows, StridedAndUneven) {
  check({{12, 11}, {3, 2}, {2, 3}, {1, 1}, {0, 1}, {2, 0}, 64, 64, 64, 32}, 2);
}
TEST_F(StagedWindows, DilatedTwoConsumers) {
  check({{13, 14}, {3, 3}, {1, 2}, {2, 3}, {2, 0}, {2, 3}, 96, 128, 128, 128}, 2);
}
TEST_F(StagedWindows, Line) { check({{150}, {5}, {2}, {3}, {6}, {6}, 64, 64}, 2); }
TEST_F(StagedWindows, Volume) { check({{3, 4, 5}, {2, 3, 3}, {1, 1, 2}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}, 64, 64}, 2); }
TEST_F(StagedWindows, CornersBeyondTheMapTakeTheGenericPath) {
  test::WindowText w{{4, 300}, {1, 3}, {1, 1}, {1, 130}, {0, 130}, {0, 130}, 64, 64};
  module = parseSourceString<ModuleOp>(w.text(), &context);
  ASSERT_TRUE(module) << messages;
  cuda::KernelVariants variants;
  ASSERT_TRUE(succeeded(cuda::lowerTiles(*module, *cuda::archNamed("sm_90a"), nullptr, &variants))) << messages;
  EXPECT_TRUE(variants["cv"].empty());
}
TEST_F(StagedWindows, PtxasNeitherSpillsNorRepairs) {
  std::string tool = cuda::findPtxas();
  if (tool.empty())
    GTEST_SKIP() << "ptxas was not found";
  compile(test::WindowText{{56, 56}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 128, 256, 128, 256}.text());
  checkAssembly(tool);
}

} // namespace
