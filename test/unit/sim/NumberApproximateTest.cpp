// The approximate functions: nearest in the exact mode, and in the two others as far away as the manual allows and no
// farther, measured against the C library's long double.
#include "tools/sim/cuda/number/Approximate.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace adze::sim;

namespace {

constexpr Accuracy modes[] = {Accuracy::Exact, Accuracy::Largest, Accuracy::Smallest};

long double ulpOf(long double value, int mantissa, int minExponent) {
  return std::ldexp(1.0L, std::max(std::ilogb(value), minExponent) - mantissa);
}

/// Checks |result - truth| <= bound in all modes, the order of the modes, and that the bound is really used.
template <typename Truth, typename Bound>
void checkBounds(Function function, const Format &format, Truth truth, Bound bound,
                 const std::vector<uint32_t> &inputs) {
  long double worst = 0;
  for (uint32_t bits : inputs) {
    long double x = valueOf(format, bits), y = truth(x);
    double results[3];
    for (int mode = 0; mode < 3; ++mode)
      results[mode] = valueOf(format, approximate(function, format, bits, false, modes[mode]));
    if (x == 0 || !std::isfinite(x) || !std::isfinite(y) || std::fabs(y) > valueOf(format, format.maxFinite()))
      continue;
    long double unit = ulpOf(y, format.mantissaBits, format.minExponent());
    ASSERT_LE(std::fabs(results[0] - y), unit * 0.5001L) << (double)x;
    ASSERT_LE(results[2], results[0]) << (double)x;
    ASSERT_LE(results[0], results[1]) << (double)x;
    for (double result : {results[1], results[2]})
      if (std::isfinite(result)) {
        ASSERT_LE(std::fabs(result - y), std::max(bound(x, y) * 1.0000001L, unit * 0.5L)) << (double)x;
        worst = std::max(worst, std::fabs(result - y) / bound(x, y));
      }
  }
  EXPECT_GT(worst, 0.9L);
}

std::vector<uint32_t> sample(uint32_t from, uint32_t to, int count, bool negative = false) {
  std::mt19937 random(from + 17 * to);
  std::vector<uint32_t> inputs{from, to};
  for (int i = 0; i < count; ++i)
    inputs.push_back((from + random() % (to - from + 1)) | (negative && (random() & 1) ? 0x80000000u : 0));
  return inputs;
}

constexpr uint32_t largestFinite = 0x7f7fffff;

TEST(NumberApproximate, Exp2) {
  checkBounds(
      Function::Exp2, f32Format, [](long double x) { return exp2l(x); },
      [](long double, long double y) { return 2 * ulpOf(y, 23, -126); }, sample(0x30000000, 0x43160000, 50000, true));
  for (Accuracy mode : modes) {
    EXPECT_EQ(approximate(Function::Exp2, f32Format, 0, false, mode), 0x3f800000u);
    EXPECT_EQ(approximate(Function::Exp2, f32Format, 0x80000000, false, mode), 0x3f800000u);
    EXPECT_EQ(approximate(Function::Exp2, f32Format, 0x80000001, true, mode), 0x3f800000u); // flushed operand
    EXPECT_EQ(approximate(Function::Exp2, f32Format, 0xff800000, false, mode), 0u);
    EXPECT_EQ(approximate(Function::Exp2, f32Format, 0x7f800000, false, mode), 0x7f800000u);
    EXPECT_EQ(approximate(Function::Exp2, f32Format, 0x7fc00000, false, mode), 0x7fffffffu);
    EXPECT_EQ(approximate(Function::Exp2, f32Format, 0xc3020000, true, mode), 0u); // 2^-130 is flushed
  }
}

TEST(NumberApproximate, Log2) {
  checkBounds(
      Function::Log2, f32Format, [](long double x) { return log2l(x); },
      [](long double x, long double y) { return x > 0.5L && x < 2 ? 0x1p-22L : std::fabs(y) * 0x1p-22L; },
      sample(0x3f000000, 0x40000000, 20000));
  checkBounds(
      Function::Log2, f32Format, [](long double x) { return log2l(x); },
      [](long double x, long double y) { return x > 0.5L && x < 2 ? 0x1p-22L : std::fabs(y) * 0x1p-22L; },
      sample(1, largestFinite, 50000));
  for (Accuracy mode : modes) {
    EXPECT_EQ(approximate(Function::Log2, f32Format, 0, false, mode), 0xff800000u);
    EXPECT_EQ(approximate(Function::Log2, f32Format, 1, true, mode), 0xff800000u);
    EXPECT_EQ(approximate(Function::Log2, f32Format, 0xbf800000, false, mode), 0x7fffffffu);
  }
}

TEST(NumberApproximate, SinesAndTanh) {
  auto circular = [](long double x, long double) { return std::fabs(x) <= 6.2831855L ? exp2l(-20.5L) : exp2l(-14.7L); };
  auto inputs = sample(0x3a000000, 0x439d0000, 50000, true); // to 314
  checkBounds(Function::Sin, f32Format, [](long double x) { return sinl(x); }, circular, inputs);
  checkBounds(Function::Cos, f32Format, [](long double x) { return cosl(x); }, circular, inputs);
  checkBounds(
      Function::Tanh, f32Format, [](long double x) { return tanhl(x); },
      [](long double, long double y) { return std::fabs(y) * 0x1p-11L; }, sample(0x30000000, 0x41000000, 50000, true));
  for (Accuracy mode : modes) {
    EXPECT_EQ(approximate(Function::Sin, f32Format, 0x80000000, false, mode), 0x80000000u);
    EXPECT_EQ(approximate(Function::Cos, f32Format, 0, false, mode), 0x3f800000u);
    EXPECT_EQ(approximate(Function::Sin, f32Format, 0x7f800000, false, mode), 0x7fffffffu);
    EXPECT_EQ(approximate(Function::Tanh, f32Format, 0xff800000, false, mode), 0xbf800000u);
    EXPECT_LE(toFloat(approximate(Function::Tanh, f32Format, 0x41a00000, false, mode)), 1.0f);
    EXPECT_LE(toFloat(approximate(Function::Cos, f32Format, 0x3a000000, false, mode)), 1.0f);
  }
}

TEST(NumberApproximate, RootsAndReciprocals) {
  auto positive = sample(1, largestFinite, 50000);
  checkBounds(
      Function::ReciprocalSqrt, f32Format, [](long double x) { return 1 / sqrtl(x); },
      [](long double, long double y) { return y * exp2l(-22.9L); }, positive);
  checkBounds(
      Function::Sqrt, f32Format, [](long double x) { return sqrtl(x); },
      [](long double, long double y) { return y * 0x1p-23L; }, positive);
  checkBounds(
      Function::Reciprocal, f32Format, [](long double x) { return 1 / x; },
      [](long double, long double y) { return ulpOf(y, 23, -126); }, sample(0x00200000, largestFinite, 50000, true));
  for (Accuracy mode : modes) {
    EXPECT_EQ(approximate(Function::Reciprocal, f32Format, 0x80000000, false, mode), 0xff800000u);
    EXPECT_EQ(approximate(Function::Reciprocal, f32Format, 0xff800000, false, mode), 0x80000000u);
    EXPECT_EQ(approximate(Function::Reciprocal, f32Format, 0x7f000000, true, mode), 0u); // 2^-127 is flushed
    EXPECT_EQ(approximate(Function::ReciprocalSqrt, f32Format, 0, false, mode), 0x7f800000u);
    EXPECT_EQ(approximate(Function::ReciprocalSqrt, f32Format, 0x80000000, false, mode), 0xff800000u);
    EXPECT_EQ(approximate(Function::ReciprocalSqrt, f32Format, 0xbf800000, false, mode), 0x7fffffffu);
    EXPECT_EQ(approximate(Function::Sqrt, f32Format, 0x80000000, false, mode), 0x80000000u);
  }
}

TEST(NumberApproximate, ShortFormatsOnAllBits) {
  std::vector<uint32_t> all;
  for (uint32_t bits = 0; bits < 65536; ++bits)
    all.push_back(bits);
  auto exponential = [](long double x) { return exp2l(x); };
  auto tangent = [](long double x) { return tanhl(x); };
  checkBounds(Function::Exp2, f16Format, exponential, [](long double, long double y) { return y * exp2l(-9.9L); }, all);
  checkBounds(Function::Exp2, bf16Format, exponential, [](long double, long double y) { return y * 0x1p-7L; }, all);
  checkBounds(Function::Tanh, f16Format, tangent, [](long double, long double) { return exp2l(-10.987L); }, all);
  checkBounds(Function::Tanh, bf16Format, tangent, [](long double, long double) { return 0x1p-8L; }, all);
}

TEST(NumberApproximate, Divide) {
  std::mt19937 random(7);
  for (int i = 0; i < 100000; ++i) {
    uint32_t a = random(), b = random();
    float x = toFloat(a), y = toFloat(b);
    if (!std::isfinite(x) || !std::isfinite(y) || std::fabs(y) < 0x1p-126f || std::fabs(y) > 0x1p126f)
      continue;
    long double quotient = static_cast<long double>(x) / y;
    if (std::fabs(quotient) > 0x1.fffff0p127L || x == 0)
      continue;
    for (bool full : {false, true})
      for (Accuracy mode : modes) {
        long double error = toFloat(divideApproximately(a, b, full, false, mode)) - quotient;
        long double unit = ulpOf(quotient, 23, -126);
        ASSERT_LE(std::fabs(error), (mode == Accuracy::Exact ? 0.5001L : 2) * unit);
        if (mode != Accuracy::Exact) {
          ASSERT_GT(std::fabs(error), 0.9L * unit);
        }
      }
  }
  for (Accuracy mode : modes) {
    EXPECT_EQ(divideApproximately(0x3f800000, 0x7f000000, false, false, mode), 0u); // |b| = 2^127
    EXPECT_EQ(divideApproximately(0x7f800000, 0x7f000000, false, false, mode), 0x7fffffffu);
    EXPECT_EQ(divideApproximately(0x7f800000, 0x7f000000, true, false, mode), 0x7f800000u);
    EXPECT_EQ(divideApproximately(0x3f800000, 0, false, false, mode), 0x7f800000u);
    EXPECT_EQ(divideApproximately(0, 0, true, false, mode), 0x7fffffffu);
    EXPECT_EQ(divideApproximately(0x3f800000, 0x00000001, true, true, mode), 0x7f800000u);
  }
  EXPECT_EQ(divideApproximately(0x7f000000, 0x7f000000, true, false, Accuracy::Exact), 0x3f800000u);
}

TEST(NumberApproximate, DoubleReciprocalsHaveTwentyBits) {
  EXPECT_EQ(approximateF64(Function::Reciprocal, bitsOf(4.0), Accuracy::Exact), bitsOf(0.25));
  EXPECT_EQ(approximateF64(Function::ReciprocalSqrt, bitsOf(4.0), Accuracy::Exact), bitsOf(0.5));
  uint64_t third = approximateF64(Function::Reciprocal, bitsOf(3.0), Accuracy::Exact);
  EXPECT_EQ(third & 0xffffffff, 0u);
  EXPECT_NEAR(toDouble(third), 1.0 / 3, 1e-6);
  EXPECT_GT(toDouble(approximateF64(Function::Reciprocal, bitsOf(3.0), Accuracy::Largest)), 1.0 / 3);
  EXPECT_EQ(approximateF64(Function::Reciprocal, 1, Accuracy::Exact), bitsOf(HUGE_VAL)); // a flushed operand
}

} // namespace
