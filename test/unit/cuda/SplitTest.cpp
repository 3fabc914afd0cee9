// Work that several blocks share, on simulated GPUs: against the interpreter with the same shares, in every order in
// which blocks come. Each kernel is launched twice (CudaHarness.cpp): the second launch finds the counters of the
// first.
#include "compiler/oracle/Interpreter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "test/unit/cpu/KernelImage.h"
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

using namespace adze;
using namespace adze::test;
using namespace mlir;

namespace {

std::string str(int64_t v) { return std::to_string(v); }

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// y[M, N] = sum over K of x w, in `shares` parts of K: 0, as the launch says.
std::string product(const std::string &type, int64_t shares) {
  std::string text = R"(
tile.kernel @k attributes {key = "k", dims = ["M", "N", "K", "S"], arg_types = [!tile.ref<T, in>, !tile.ref<T, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m, n, k, s) -> (m, n, SHARES)>, grid_steps = array<i64: 16, 32, 1>, split = 2,
    plan = {warps = 4 : i64, stages = 3 : i64}} body {
^bb0(%m: index, %n: index, %k: index, %s: index, %x: !tile.ref<T, in>, %w: !tile.ref<T, in>, %y: !tile.ref<f32, out>, %i: index, %j: index, %p: index):
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  COUNT
  %vx = tile.view %x[%m, %k] : !tile.ref<T, in> -> !tile.view<?x?xT, in>
  %vw = tile.view %w[%k, %n] : !tile.ref<T, in> -> !tile.view<?x?xT, in>
  %z = arith.constant dense<0.0> : tensor<16x32xf32>
  %lo, %hi = tile.part %p of %count in %c0 to %k step 32
  %acc = scf.for %kk = %lo to %hi step %c32 iter_args(%c = %z) -> (tensor<16x32xf32>) {
    %a = tile.load %vx[%i, %kk] : !tile.view<?x?xT, in> -> tensor<16x32xT>
    %b = tile.load %vw[%kk, %j] : !tile.view<?x?xT, in> -> tensor<32x32xT>
    %d = tile.dot %a, %b, %c : tensor<16x32xT>, tensor<32x32xT> -> tensor<16x32xf32>
    scf.yield %d : tensor<16x32xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %acc : tensor<16x32xf32>
} fold {
^bb0(%m: index, %n: index, %k: index, %s: index, %x: !tile.ref<T, in>, %w: !tile.ref<T, in>, %y: !tile.ref<f32, out>, %i: index, %j: index, %a: tensor<16x32xf32>, %b: tensor<16x32xf32>):
  %r = arith.addf %a, %b : tensor<16x32xf32>
  tile.yield %r : tensor<16x32xf32>
} finish {
^bb0(%m: index, %n: index, %k: index, %s: index, %x: !tile.ref<T, in>, %w: !tile.ref<T, in>, %y: !tile.ref<f32, out>, %i: index, %j: index, %a: tensor<16x32xf32>):
  %vy = tile.view %y[%m, %n] : !tile.ref<f32, out> -> !tile.view<?x?xf32, out>
  tile.store %a, %vy[%i, %j] : tensor<16x32xf32>, !tile.view<?x?xf32, out>
  tile.yield
}
)";
  text = replaced(text, "SHARES", shares ? str(shares) : "s");
  text =
      replaced(text, "COUNT",
               shares ? "%count = arith.constant " + str(shares) + " : index" : "%count = arith.addi %s, %c0 : index");
  return replaced(replaced(text, "<T,", "<" + type + ","), "xT", "x" + type);
}

struct Sizes {
  int64_t m, n, k;
};

/// Small numbers with a fraction: sums are inexact in float32, but not by much.
std::vector<uint8_t> randomBytes(const std::string &type, int64_t count, unsigned seed) {
  std::mt19937 g(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<uint8_t> bytes;
  for (int64_t i = 0; i < std::max<int64_t>(count, 8); ++i) {
    float v = values(g);
    _Float16 h = _Float16(v);
    const auto *p = type == "f16" ? reinterpret_cast<const uint8_t *>(&h) : reinterpret_cast<const uint8_t *>(&v);
    bytes.insert(bytes.end(), p, p + (type == "f16" ? 2 : 4));
  }
  return bytes;
}

std::vector<float> interpret(const std::string &text, const std::string &type, Sizes s, int64_t shares,
                             std::vector<uint8_t> x, std::vector<uint8_t> w) {
  DialectRegistry registry;
  registry.insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = parseSourceString<ModuleOp>(text, &context);
  EXPECT_TRUE(module) << text;
  std::vector<float> y(s.m * s.n);
  if (!module)
    return y;
  Builder b(&context);
  Type element = type == "f16" ? Type(b.getF16Type()) : Type(b.getF32Type());
  std::vector<oracle::HostBuffer> hosts = {{element, reinterpret_cast<char *>(x.data()), x.size()},
                                           {element, reinterpret_cast<char *>(w.data()), w.size()},
                                           {b.getF32Type(), reinterpret_cast<char *>(y.data()), y.size() * 4}};
  oracle::InterpreterOptions options;
  options.mode = oracle::Mode::Typed;
  EXPECT_TRUE(succeeded(
      oracle::runKernel(*module->getOps<tile::KernelOp>().begin(), {s.m, s.n, s.k, shares}, hosts, {}, options)));
  return y;
}

class Split : public testing::TestWithParam<std::string> {
protected:
  void TearDown() override { unsetenv("ADZE_TEST_SIM_SEED"); }

  std::vector<float> run(KernelImage &image, Sizes s, int64_t shares, std::vector<uint8_t> x, std::vector<uint8_t> w,
                         const char *seed) {
    setenv("ADZE_TEST_SIM_SEED", seed, 1);
    std::vector<float> y(s.m * s.n, -7);
    image.run("k", {x, w, y}, {s.m, s.n, s.k, shares}, ((s.m + 15) / 16) * ((s.n + 31) / 32));
    return y;
  }

  void check(const std::string &type, Sizes s, int64_t fixed, int64_t given) {
    SCOPED_TRACE(type + " " + str(s.m) + "x" + str(s.n) + "x" + str(s.k) + ", shares " + str(fixed ? fixed : given));
    std::string text = product(type, fixed);
    auto image = compileKernels(text, GetParam());
    ASSERT_TRUE(image->ok()) << image->errors() << text;
    auto x = randomBytes(type, s.m * s.k, 1), w = randomBytes(type, s.k * s.n, 2);
    std::vector<float> expected = interpret(text, type, s, given, x, w);
    std::vector<float> first = run(*image, s, given, x, w, "0");
    for (size_t i = 0; i < first.size(); ++i)
      ASSERT_NEAR(first[i], expected[i], 1e-6 * double(s.k + 16)) << i;
    for (const char *seed : {"3", "11"}) {
      std::vector<float> again = run(*image, s, given, x, w, seed);
      ASSERT_EQ(std::memcmp(first.data(), again.data(), first.size() * 4), 0) << "the order of blocks shows";
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Levels, Split, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return nameOfLevel(info.param); });

TEST_P(Split, Products) {
  for (const char *type : {"f32", "f16"})
    for (int64_t shares : {1, 2, 5}) {
      check(type, {16, 64, 320}, shares, 0);
      check(type, {19, 33, 100}, shares, 0); // ragged; of 5 shares one is empty
      if (HasFatalFailure())
        return;
    }
}

TEST_P(Split, SharesOfTheLaunch) {
  for (const char *type : {"f32", "f16"}) {
    for (int64_t shares : {1, 3, 12})
      check(type, {17, 40, 200}, 0, shares);
    check(type, {16, 32, 0}, 0, 4); // all empty
  }
}

/// Accumulators of several types and shapes, one of them with replicas in many threads.
TEST_P(Split, AccumulatorsKeepTheirTypes) {
  std::string text = R"(
tile.kernel @k attributes {key = "k", dims = ["K"], arg_types = [!tile.ref<f32, in>, !tile.ref<f16, out>, !tile.ref<i64, out>, !tile.ref<i8, out>],
    grid_extents = affine_map<(k) -> (2, 3)>, grid_steps = array<i64: 1, 1>, split = 1} body {
^bb0(HEAD, %g: index, %p: index):
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %vx = tile.view %x[%k] : !tile.ref<f32, in> -> !tile.view<2x?x24xf32, in>
  %zh = arith.constant dense<0xFC00> : tensor<1x24xf16>
  %zi = arith.constant dense<0> : tensor<4x1xi64>
  %zb = arith.constant dense<false> : tensor<4x24xi1>
  %zero = arith.constant dense<0.0> : tensor<4x24xf32>
  %lo, %hi = tile.part %p of %c3 in %c0 to %k step 4
  %h, %i, %b = scf.for %kk = %lo to %hi step %c4 iter_args(%ah = %zh, %ai = %zi, %ab = %zb) -> (tensor<1x24xf16>, tensor<4x1xi64>, tensor<4x24xi1>) {
    %a = tile.load %vx[%g, %kk, %c0] : !tile.view<2x?x24xf32, in> -> tensor<4x24xf32>
    %most = tile.reduce max %a {dim = 0} : tensor<4x24xf32> -> tensor<1x24xf32>
    %half = tile.cast %most : tensor<1x24xf32> -> tensor<1x24xf16>
    %nh = arith.maximumf %ah, %half : tensor<1x24xf16>
    %whole = tile.cast %a : tensor<4x24xf32> -> tensor<4x24xi64>
    %sum = tile.reduce add %whole {dim = 1} : tensor<4x24xi64> -> tensor<4x1xi64>
    %ni = arith.addi %ai, %sum : tensor<4x1xi64>
    %positive = arith.cmpf ogt, %a, %zero : tensor<4x24xf32>
    %nb = arith.xori %ab, %positive : tensor<4x24xi1>
    scf.yield %nh, %ni, %nb : tensor<1x24xf16>, tensor<4x1xi64>, tensor<4x24xi1>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %h, %i, %b : tensor<1x24xf16>, tensor<4x1xi64>, tensor<4x24xi1>
} fold {
^bb0(HEAD, %g: index, %ah: tensor<1x24xf16>, %ai: tensor<4x1xi64>, %ab: tensor<4x24xi1>, %bh: tensor<1x24xf16>, %bi: tensor<4x1xi64>, %bb: tensor<4x24xi1>):
  %h = arith.maximumf %ah, %bh : tensor<1x24xf16>
  %i = arith.addi %ai, %bi : tensor<4x1xi64>
  %b = arith.xori %ab, %bb : tensor<4x24xi1>
  tile.yield %h, %i, %b : tensor<1x24xf16>, tensor<4x1xi64>, tensor<4x24xi1>
} finish {
^bb0(HEAD, %g: index, %h: tensor<1x24xf16>, %i: tensor<4x1xi64>, %b: tensor<4x24xi1>):
  %c0 = arith.constant 0 : index
  %vh = tile.view %yh[] : !tile.ref<f16, out> -> !tile.view<2x1x24xf16, out>
  %vi = tile.view %yi[] : !tile.ref<i64, out> -> !tile.view<2x4x1xi64, out>
  %vb = tile.view %yb[] : !tile.ref<i8, out> -> !tile.view<2x4x24xi8, out>
  %w = arith.extui %b : tensor<4x24xi1> to tensor<4x24xi8>
  tile.store %h, %vh[%g, %c0, %c0] : tensor<1x24xf16>, !tile.view<2x1x24xf16, out>
  tile.store %i, %vi[%g, %c0, %c0] : tensor<4x1xi64>, !tile.view<2x4x1xi64, out>
  tile.store %w, %vb[%g, %c0, %c0] : tensor<4x24xi8>, !tile.view<2x4x24xi8, out>
  tile.yield
}
)";
  text = replaced(text, "HEAD",
                  "%k: index, %x: !tile.ref<f32, in>, %yh: !tile.ref<f16, out>, %yi: !tile.ref<i64, out>, "
                  "%yb: !tile.ref<i8, out>");
  auto image = compileKernels(text, GetParam());
  ASSERT_TRUE(image->ok()) << image->errors() << text;
  int64_t k = 40;
  std::vector<float> x(2 * k * 24);
  std::mt19937 g(5);
  for (float &v : x)
    v = float(int(g() % 41) - 20);
  std::vector<_Float16> half(2 * 24);
  std::vector<int64_t> whole(2 * 4);
  std::vector<uint8_t> odd(2 * 4 * 24, 0xA5);
  image->run("k", {x, half, whole, odd}, {k}, 2);
  for (int64_t p = 0; p < 2; ++p) {
    auto at = [&](int64_t r, int64_t c) { return x[(p * k + r) * 24 + c]; };
    for (int64_t c = 0; c < 24; ++c) {
      float most = -INFINITY;
      for (int64_t r = 0; r < k; ++r)
        most = std::max(most, at(r, c));
      EXPECT_EQ(float(half[p * 24 + c]), most);
    }
    for (int64_t r = 0; r < 4; ++r) {
      int64_t sum = 0;
      for (int64_t block = r; block < k; block += 4)
        for (int64_t c = 0; c < 24; ++c)
          sum += int64_t(at(block, c));
      EXPECT_EQ(whole[p * 4 + r], sum);
      for (int64_t c = 0; c < 24; ++c) {
        int count = 0;
        for (int64_t block = r; block < k; block += 4)
          count += at(block, c) > 0;
        EXPECT_EQ(odd[(p * 4 + r) * 24 + c], count % 2);
      }
    }
  }
}

} // namespace
