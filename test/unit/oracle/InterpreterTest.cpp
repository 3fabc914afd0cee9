// Kernels on the interpreter against plain loops, on integer-valued data, so that every comparison is exact.
#include "compiler/oracle/Interpreter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace adze;
using namespace adze::oracle;
using namespace mlir;

namespace {

class InterpreterTest : public ::testing::Test {
protected:
  InterpreterTest() {
    DialectRegistry registry;
    registry
        .insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
    f32 = Float32Type::get(&context);
    handler = std::make_unique<ScopedDiagnosticHandler>(&context, [this](Diagnostic &d) {
      message += d.str();
      return success();
    });
  }

  tile::KernelOp parse(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << message;
    return module ? *module->getOps<tile::KernelOp>().begin() : tile::KernelOp();
  }

  LogicalResult run(tile::KernelOp kernel, std::vector<int64_t> dims, std::vector<std::vector<float> *> buffers,
                    InterpreterOptions options = {}) {
    if (!kernel)
      return failure();
    std::vector<HostBuffer> refs;
    for (auto *b : buffers)
      refs.push_back({f32, b->data(), b->size() * sizeof(float)});
    return runKernel(kernel, dims, refs, {}, options);
  }

  std::vector<float> random(size_t count, int seed) {
    std::mt19937 engine(seed);
    std::vector<float> v(count);
    for (float &x : v)
      x = static_cast<int>(engine() % 9) - 4;
    return v;
  }

  MLIRContext context;
  Type f32;
  std::string message;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
  OwningOpRef<ModuleOp> module;
};

/// y[n, p, q, f] of a convolution over x[n, h, w, c] with weights [r, s, c, f]; one kernel for all geometries below.
std::string convText(int64_t c, int64_t f, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                     bool transposed, const std::string &xLayout) {
  auto n = [](int64_t v) { return std::to_string(v); };
  std::string cf = n(c) + "x" + n(f), window = "?x" + n(kernel) + "x" + n(kernel) + "x" + n(c);
  std::string a = "8x1x1x" + n(c);
  std::string text =
      R"(tile.kernel @conv attributes {key = "conv", dims = ["N", "H", "W", "P", "Q", "M"],
      arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
      grid_extents = affine_map<(n, h, w, p, q, m) -> (m)>, grid_steps = array<i64: 8>} body {
  ^bb0(%N: index, %H: index, %W: index, %P: index, %Q: index, %M: index, %x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %m: index):
    %vx = tile.view %x[%N, %H, %W] : !tile.ref<f32, in> -> !tile.view<?x?x?x$Cxf32, in$L>
    %win = tile.window %vx[%P, %Q] {kernel = array<i64: $K, $K>, stride = array<i64: $S, $S>, dilation = array<i64: $D, $D>, pad = array<i64: $P, $P, $P, $P>$T} : !tile.view<?x?x?x$Cxf32, in$L> -> !tile.view<$WINxf32, in, #tile.windowed<2>>
    %vw = tile.view %w[] : !tile.ref<f32, in> -> !tile.view<$Kx$Kx$CFxf32, in>
    %vy = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?x$Fxf32, out>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %end = arith.constant $TAPS : index
    %z = arith.constant dense<0.0> : tensor<8x$Fxf32>
    %r = scf.for %t = %c0 to %end step %c1 iter_args(%acc = %z) -> tensor<8x$Fxf32> {
      %rr, %ss = affine.delinearize_index %t into ($K, $K) : index, index
      %a = tile.load %win[%m, %rr, %ss, %c0] : !tile.view<$WINxf32, in, #tile.windowed<2>> -> tensor<$Axf32>
      %a2 = tile.reshape %a : tensor<$Axf32> -> tensor<8x$Cxf32>
      %b = tile.load %vw[%rr, %ss, %c0, %c0] : !tile.view<$Kx$Kx$CFxf32, in> -> tensor<$CFxf32>
      %d = tile.dot %a2, %b, %acc : tensor<8x$Cxf32>, tensor<$CFxf32> -> tensor<8x$Fxf32>
      scf.yield %d : tensor<8x$Fxf32>
    } {tile.loop = #tile.loop<"rsc", reduce>}
    tile.store %r, %vy[%m, %c0] : tensor<8x$Fxf32>, !tile.view<?x$Fxf32, out>
    tile.yield
  })";
  std::pair<std::string, std::string> names[] = {{"$WIN", window},  {"$TAPS", n(kernel * kernel)},
                                                 {"$CF", cf},       {"$C", n(c)},
                                                 {"$F", n(f)},      {"$K", n(kernel)},
                                                 {"$S", n(stride)}, {"$D", n(dilation)},
                                                 {"$P", n(pad)},    {"$T", transposed ? ", transposed" : ""},
                                                 {"$L", xLayout},   {"$A", a}};
  for (auto &[name, value] : names)
    for (size_t at; (at = text.find(name)) != std::string::npos;)
      text.replace(at, name.size(), value);
  return text;
}

struct Geometry {
  int64_t h, w, kernel, stride, dilation, pad;
  bool transposed;
};

class ConvTest : public InterpreterTest, public ::testing::WithParamInterface<Geometry> {};

TEST_P(ConvTest, AgreesWithLoops) {
  Geometry g = GetParam();
  const int64_t batch = 2, c = 4, f = 3;
  auto outExtent = [&](int64_t n) {
    int64_t reach = g.dilation * (g.kernel - 1) + 1;
    return g.transposed ? (n - 1) * g.stride + 1 + 2 * g.pad - reach + 1 : (n + 2 * g.pad - reach) / g.stride + 1;
  };
  int64_t p = outExtent(g.h), q = outExtent(g.w), pixels = batch * p * q;
  auto x = random(batch * g.h * g.w * c, 1), w = random(g.kernel * g.kernel * c * f, 2);
  std::vector<float> expected(pixels * f, 0), y(pixels * f, -99), blockedX(batch * 2 * g.h * g.w * 2);
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (int64_t r = 0; r < g.kernel; ++r)
      for (int64_t s = 0; s < g.kernel; ++s) {
        int64_t n = pixel / (p * q), h = pixel / q % p, v = pixel % q;
        h = h * (g.transposed ? 1 : g.stride) + r * g.dilation - g.pad;
        v = v * (g.transposed ? 1 : g.stride) + s * g.dilation - g.pad;
        if (g.transposed && (h % g.stride || v % g.stride))
          continue;
        h /= g.transposed ? g.stride : 1;
        v /= g.transposed ? g.stride : 1;
        if (h < 0 || v < 0 || h >= g.h || v >= g.w)
          continue;
        for (int64_t k = 0; k < c; ++k)
          for (int64_t j = 0; j < f; ++j)
            expected[pixel * f + j] += x[((n * g.h + h) * g.w + v) * c + k] * w[((r * g.kernel + s) * c + k) * f + j];
      }
  for (int64_t i = 0; i < static_cast<int64_t>(x.size()); ++i) {
    int64_t n = i / (g.h * g.w * c), hw = i / c % (g.h * g.w), k = i % c;
    blockedX[((n * 2 + k / 2) * g.h * g.w + hw) * 2 + k % 2] = x[i];
  }
  std::vector<int64_t> dims = {batch, g.h, g.w, p, q, pixels};
  InterpreterOptions options;
  options.threads = 2;
  options.checkRaces = options.checkUnwritten = true;
  auto plain = parse(convText(c, f, g.kernel, g.stride, g.dilation, g.pad, g.transposed, ""));
  ASSERT_TRUE(succeeded(run(plain, dims, {&x, &w, &y}, options))) << message;
  EXPECT_EQ(y, expected);
  std::fill(y.begin(), y.end(), -99.f);
  auto packed = parse(convText(c, f, g.kernel, g.stride, g.dilation, g.pad, g.transposed,
                               ", #tile.pack<(n, h, w, c) -> (n, c floordiv 2, h, w, c mod 2), [1, 1, 1, 2]>"));
  ASSERT_TRUE(succeeded(run(packed, dims, {&blockedX, &w, &y}, options))) << message;
  EXPECT_EQ(y, expected);
}

INSTANTIATE_TEST_SUITE_P(Geometries, ConvTest,
                         ::testing::Values(Geometry{7, 5, 3, 1, 1, 1, false}, Geometry{7, 6, 3, 2, 1, 1, false},
                                           Geometry{9, 8, 3, 1, 2, 2, false}, Geometry{6, 6, 1, 2, 1, 0, false},
                                           Geometry{5, 4, 3, 2, 1, 1, true}, Geometry{3, 3, 2, 3, 2, 0, true}));

//===-- splits
//-----------------------------------------------------------------------------------------------------===//

const char *kSplitText =
    R"(tile.kernel @s attributes {key = "s", dims = ["K", "S"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(k, s) -> (s)>, grid_steps = array<i64: 1>, split = 0} body {
^bb0(%K: index, %S: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %s: index):
  %v = tile.view %x[%K] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %z = arith.constant dense<0.0> : tensor<1xf32>
  %lo, %hi = tile.part %s of %S in %c0 to %K step 2
  %r = scf.for %k = %lo to %hi step %c2 iter_args(%a = %z) -> tensor<1xf32> {
    %t = tile.load %v[%k] : !tile.view<?xf32, in> -> tensor<2xf32>
    %m = tile.reduce add %t {dim = 0} : tensor<2xf32> -> tensor<1xf32>
    %n = arith.addf %a, %m : tensor<1xf32>
    scf.yield %n : tensor<1xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %r : tensor<1xf32>
} fold {
^bb0(%K: index, %S: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %p: tensor<1xf32>, %q: tensor<1xf32>):
  %ten = arith.constant dense<10.0> : tensor<1xf32>
  %a = arith.mulf %p, %ten : tensor<1xf32>
  %r = arith.addf %a, %q : tensor<1xf32>
  tile.yield %r : tensor<1xf32>
} finish {
^bb0(%K: index, %S: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %p: tensor<1xf32>):
  %c0 = arith.constant 0 : index
  %v = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<1xf32, out>
  tile.store %p, %v[%c0] : tensor<1xf32>, !tile.view<1xf32, out>
  tile.yield
})";

// The fold multiplies by ten, so the digits of the result show the order and the shares.
TEST_F(InterpreterTest, FoldsSharesFromTheLeft) {
  auto kernel = parse(kSplitText);
  std::vector<float> x = {1, 0, 2, 0, 3, 0, 4, 0}, y(1);
  for (auto [splits, expected] : {std::pair<int64_t, float>{1, 10}, {2, 37}, {4, 1234}, {5, 12340}}) {
    InterpreterOptions options;
    options.splitCount = splits;
    ASSERT_TRUE(succeeded(run(kernel, {8, 1}, {&x, &y}, options))) << message;
    EXPECT_EQ(y[0], expected) << splits << " shares";
  }
}

//===-- errors
//-----------------------------------------------------------------------------------------------------===//

std::string storeText(const char *extent, const char *step, const char *offset) {
  return std::string(R"(tile.kernel @k attributes {key = "k", dims = ["N"], arg_types = [!tile.ref<f32, out>],
    grid_extents = affine_map<(n) -> (n)>, grid_steps = array<i64: )") +
         step + R"(>} body {
^bb0(%N: index, %y: !tile.ref<f32, out>, %i: index):
  %c2 = arith.constant 2 : index
  %e = arith.constant )" +
         extent + R"( : index
  %o = arith.muli %i, %c2 : index
  %v = tile.view %y[%e] : !tile.ref<f32, out> -> !tile.view<?xf32, out>
  %t = arith.constant dense<1.0> : tensor<4xf32>
  tile.store %t, %v[)" +
         offset + R"(] : tensor<4xf32>, !tile.view<?xf32, out>
  tile.yield
})";
}

TEST_F(InterpreterTest, FindsRaces) {
  std::vector<float> y(8);
  InterpreterOptions options;
  options.checkRaces = true;
  EXPECT_TRUE(succeeded(run(parse(storeText("8", "4", "%i")), {8}, {&y}, options))) << message;
  EXPECT_TRUE(failed(run(parse(storeText("8", "2", "%i")), {8}, {&y}, options)));
  EXPECT_NE(message.find("both write element"), std::string::npos) << message;
}

TEST_F(InterpreterTest, FindsUnwrittenElements) {
  std::vector<float> y(8);
  InterpreterOptions options;
  options.checkUnwritten = true;
  EXPECT_TRUE(failed(run(parse(storeText("6", "4", "%i")), {8}, {&y}, options)));
  EXPECT_NE(message.find("left element 6 of argument 0 unwritten"), std::string::npos) << message;
}

TEST_F(InterpreterTest, FindsAccessOutsideTheBuffer) {
  std::vector<float> y(8);
  EXPECT_TRUE(failed(run(parse(storeText("9", "4", "%o")), {8}, {&y})));
  EXPECT_NE(message.find("reaches element 8 of a buffer of 8 elements"), std::string::npos) << message;
}

TEST_F(InterpreterTest, RefusesWrongBuffers) {
  auto kernel = parse(storeText("8", "4", "%i"));
  std::vector<float> y(8);
  EXPECT_TRUE(failed(run(kernel, {8}, {&y, &y})));
  EXPECT_TRUE(failed(run(kernel, {8, 8}, {&y})));
  std::vector<HostBuffer> refs = {{Float16Type::get(&context), y.data(), 32}};
  EXPECT_TRUE(failed(runKernel(kernel, {8}, refs, {}, {})));
  EXPECT_NE(message.find("buffer 0 holds 'f16'"), std::string::npos) << message;
}

TEST_F(InterpreterTest, WideBuffersAreNotRounded) {
  auto kernel =
      parse(R"(tile.kernel @w attributes {key = "w", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<1xf32, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<1xf32, out>
  %t = tile.load %vx[%i] : !tile.view<1xf32, in> -> tensor<1xf32>
  %e = math.exp %t : tensor<1xf32>
  tile.store %e, %vy[%i] : tensor<1xf32>, !tile.view<1xf32, out>
  tile.yield
})");
  float x = 1, narrow = 0;
  double wide = 0;
  Type f64 = Float64Type::get(&context);
  std::vector<HostBuffer> refs = {{f32, &x, 4}, {f64, &wide, 8}};
  ASSERT_TRUE(succeeded(runKernel(kernel, {}, refs, {}, {}))) << message;
  EXPECT_EQ(wide, std::exp(1.0));
  refs[1] = {f32, &narrow, 4};
  InterpreterOptions typed;
  typed.mode = Mode::Typed;
  ASSERT_TRUE(succeeded(runKernel(kernel, {}, refs, {}, typed))) << message;
  EXPECT_EQ(narrow, std::exp(1.0f));
}

} // namespace
