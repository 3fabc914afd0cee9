// Whole kernels, compiled and run on every level of one target, against straightforward C++.
#include "test/unit/cpu/KernelImage.h"
#include <cmath>
#include <memory>
#include <random>

using namespace adze::test;

namespace {

class Kernels : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Levels, Kernels, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return nameOfLevel(info.param); });

std::vector<float> randoms(size_t n, unsigned seed = 1) {
  std::mt19937 g(seed);
  std::uniform_real_distribution<float> d(-1, 1);
  std::vector<float> v(n);
  for (float &x : v)
    x = d(g);
  return v;
}

constexpr const char *kPointwise = R"(
tile.kernel @axpy attributes {key = "axpy", dims = ["N"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
                   grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 100>} body {
^bb0(%n: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, in>, %z: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %vy = tile.view %y[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %vz = tile.view %z[%n] : !tile.ref<f32, out> -> !tile.view<?xf32, out>
  %a = tile.load %vx[%i] : !tile.view<?xf32, in> -> tensor<100xf32>
  %b = tile.load %vy[%i] : !tile.view<?xf32, in> -> tensor<100xf32>
  %two = arith.constant dense<2.0> : tensor<100xf32>
  %m = arith.mulf %a, %two : tensor<100xf32>
  %s = arith.addf %m, %b : tensor<100xf32>
  tile.store %s, %vz[%i] : tensor<100xf32>, !tile.view<?xf32, out>
  tile.yield
}
)";

TEST_P(Kernels, Pointwise) {
  auto image = compileKernels(kPointwise, GetParam());
  ASSERT_TRUE(image->ok()) << image->errors();
  for (int64_t n : {1, 7, 16, 100, 101, 333, 1000}) {
    auto x = randoms(n, 1), y = randoms(n, 2);
    std::vector<float> z(n + 16, 42.0f);
    image->run("axpy", {x, y, z}, {n}, (n + 99) / 100);
    for (int64_t i = 0; i < n; ++i)
      ASSERT_EQ(z[i], 2 * x[i] + y[i]) << "n " << n << " i " << i;
    for (int i = 0; i < 16; ++i)
      ASSERT_EQ(z[n + i], 42.0f) << "wrote beyond the end, n " << n;
  }
}

/// A plain matmul; `pack`: weights in panels of 32 columns.
std::string matmulText(bool pack, int bm, int bn, int bk, bool transB = false) {
  std::string layout = pack ? ", #tile.pack<(d0, d1) -> (d1 floordiv 32, d0, d1 mod 32), [1, 32]>" : "";
  auto n = [](int v) { return std::to_string(v); };
  std::string acc = "tensor<" + n(bm) + "x" + n(bn) + "xf32>", at = "tensor<" + n(bm) + "x" + n(bk) + "xf32>",
              bt = transB ? "tensor<" + n(bn) + "x" + n(bk) + "xf32>" : "tensor<" + n(bk) + "x" + n(bn) + "xf32>",
              vw = "!tile.view<?x?xf32, in" + layout + ">";
  return R"(
tile.kernel @mm attributes {key = "mm", dims = ["M", "N", "K"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
                 grid_extents = affine_map<(m, n, k) -> (m, n)>, grid_steps = array<i64: )" +
         n(bm) + ", " + n(bn) + R"(>} body {
^bb0(%m: index, %n: index, %k: index, %x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %j: index):
  %vx = tile.view %x[%m, %k] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  %vw = tile.view %w[)" +
         (transB ? "%n, %k" : "%k, %n") + R"(] : !tile.ref<f32, in> -> )" + vw + R"(
  %z = arith.constant dense<0.0> : )" +
         acc + R"(
  %c0 = arith.constant 0 : index
  %step = arith.constant )" +
         n(bk) + R"( : index
  %acc = scf.for %kk = %c0 to %k step %step iter_args(%c = %z) -> ()" +
         acc + R"() {
    %a = tile.load %vx[%i, %kk] : !tile.view<?x?xf32, in> -> )" +
         at + R"(
    %b = tile.load %vw[)" +
         (transB ? "%j, %kk" : "%kk, %j") + "] : " + vw + " -> " + bt + R"(
    %d = tile.dot %a, %b, %c )" +
         (transB ? "{trans_b} " : "") + ": " + at + ", " + bt + " -> " + acc + R"(
    scf.yield %d : )" +
         acc + R"(
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %acc : )" +
         acc + R"(
} finish {
^bb0(%m: index, %n: index, %k: index, %x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %j: index, %acc: )" +
         acc + R"():
  %vy = tile.view %y[%m, %n] : !tile.ref<f32, out> -> !tile.view<?x?xf32, out>
  %zero = arith.constant dense<0.0> : )" +
         acc + R"(
  %r = arith.maximumf %acc, %zero : )" +
         acc + R"(
  tile.store %r, %vy[%i, %j] : )" +
         acc + R"(, !tile.view<?x?xf32, out>
  tile.yield
}
)";
}

void checkMatmul(KernelImage &image, bool pack, int bm, int bn, int64_t M, int64_t N, int64_t K, bool transB = false) {
  auto x = randoms(M * K, 3), w = randoms(K * N, 4);
  int64_t panels = (N + 31) / 32;
  std::vector<float> packed(panels * K * 32, 0.0f), y(M * N + 8, 7.0f);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t n = 0; n < N; ++n)
      packed[(n / 32 * K + k) * 32 + n % 32] = w[k * N + n];
  std::vector<float> turned(K * N);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t n = 0; n < N; ++n)
      turned[n * K + k] = w[k * N + n];
  image.run("mm", {x, pack ? packed : transB ? turned : w, y}, {M, N, K}, ((M + bm - 1) / bm) * ((N + bn - 1) / bn));
  for (int64_t i = 0; i < M; ++i)
    for (int64_t j = 0; j < N; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < K; ++k)
        sum += double(x[i * K + k]) * w[k * N + j];
      ASSERT_NEAR(y[i * N + j], std::max(sum, 0.0), 1e-5 * (K + 1))
          << M << "x" << N << "x" << K << " at " << i << "," << j;
    }
  for (int i = 0; i < 8; ++i)
    ASSERT_EQ(y[M * N + i], 7.0f);
}

TEST_P(Kernels, MatmulPacked) {
  auto image = compileKernels(matmulText(true, 24, 64, 32), GetParam());
  ASSERT_TRUE(image->ok()) << image->errors();
  for (auto [m, n, k] : {std::array<int64_t, 3>{24, 64, 32}, {1, 1, 1}, {25, 65, 33}, {50, 100, 70}, {13, 31, 5}})
    checkMatmul(*image, true, 24, 64, m, n, k);
}

TEST_P(Kernels, MatmulStrided) {
  auto image = compileKernels(matmulText(false, 24, 96, 32), GetParam());
  ASSERT_TRUE(image->ok()) << image->errors();
  for (auto [m, n, k] : {std::array<int64_t, 3>{24, 96, 32}, {1, 1, 1}, {25, 97, 33}, {50, 200, 70}, {13, 31, 5}})
    checkMatmul(*image, false, 24, 96, m, n, k);
}

TEST_P(Kernels, MatmulTransposedB) {
  auto image = compileKernels(matmulText(false, 24, 96, 32, true), GetParam());
  ASSERT_TRUE(image->ok()) << image->errors();
  for (auto [m, n, k] : {std::array<int64_t, 3>{24, 96, 32}, {1, 1, 1}, {25, 97, 33}, {50, 200, 70}, {13, 31, 5}})
    checkMatmul(*image, false, 24, 96, m, n, k, true);
}

TEST_P(Kernels, MatmulFewRowsAndOddTiles) {
  auto image = compileKernels(matmulText(false, 5, 45, 19), GetParam());
  ASSERT_TRUE(image->ok()) << image->errors();
  for (auto [m, n, k] : {std::array<int64_t, 3>{5, 45, 19}, {1, 1, 1}, {6, 46, 20}, {11, 100, 70}})
    checkMatmul(*image, false, 5, 45, m, n, k);
}

} // namespace
