// Formats, rounding, arithmetic and comparisons of the simulator, against tables and the host's own rounding modes.
#include "test/unit/sim/NumberReference.h"
#include "tools/sim/cuda/number/Arithmetic.h"
#include "tools/sim/cuda/number/Compare.h"

#include <gtest/gtest.h>

using namespace adze::sim;
using reference::inMode;
using reference::Patterns;

namespace {

constexpr Round directed[] = {Round::Nearest, Round::Zero, Round::Down, Round::Up};

TEST(NumberFormat, DecodesEverySmallValue) {
  struct {
    const Format &format;
    int exponent, mantissa;
    bool infinity;
  } formats[] = {
      {f16Format, 5, 10, true}, {bf16Format, 8, 7, true}, {e4m3Format, 4, 3, false}, {e5m2Format, 5, 2, true}};
  for (auto &[format, exponent, mantissa, infinity] : formats)
    for (uint32_t bits = 0; bits < 2u << (exponent + mantissa); ++bits) {
      double expected = reference::smallValue(exponent, mantissa, infinity, bits), value = valueOf(format, bits);
      if (expected != expected)
        ASSERT_NE(value, value) << bits;
      else
        ASSERT_EQ(bitsOf(expected), bitsOf(value)) << bits;
    }
}

TEST(NumberFormat, HalfToFloatIsExactOnAllBits) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    double expected = reference::smallValue(5, 10, true, bits);
    float value = halfToFloat(static_cast<uint16_t>(bits));
    if (expected != expected)
      ASSERT_NE(value, value);
    else
      ASSERT_EQ(fromFloat(static_cast<float>(expected)), fromFloat(value)) << bits;
  }
}

TEST(NumberFormat, KnownLimits) {
  EXPECT_EQ(valueOf(f16Format, f16Format.maxFinite()), 65504);
  EXPECT_EQ(valueOf(e4m3Format, e4m3Format.maxFinite()), 448);
  EXPECT_EQ(valueOf(e5m2Format, e5m2Format.maxFinite()), 57344);
  EXPECT_EQ(toFloat(bf16Format.maxFinite() << 16), 0x1.fep127f);
  EXPECT_EQ(f32Format.maxFinite(), 0x7f7fffffu);
  EXPECT_EQ(tf32Format.maxFinite(), 0x7f7fe000u);
  EXPECT_EQ(tf32Format.signBit(), 0x80000000u);
}

void checkRounding(const reference::Table &table, const Format &format) {
  for (Round mode : {Round::Nearest, Round::Zero, Round::Down, Round::Up, Round::Away}) {
    auto check = [&](double value) {
      RoundOptions options;
      options.round = mode;
      uint32_t expected = table.round(value, mode, format.nan);
      uint64_t actual = roundTo(format, fromDouble(value), options);
      ASSERT_EQ(expected, actual) << value << " mode " << int(mode);
    };
    for (size_t i = 0; i <= table.values.size(); ++i) {
      double low = i < table.values.size() ? table.values[i] : table.beyond;
      double next = i + 1 < table.values.size()    ? table.values[i + 1]
                    : i + 1 == table.values.size() ? table.beyond
                                                   : low * 2;
      double middle = (low + next) / 2;
      for (double value :
           {low, middle, std::nextafter(low, next), std::nextafter(middle, low), std::nextafter(middle, next),
            std::nextafter(next, low), -low, -middle, -std::nextafter(middle, low), -std::nextafter(low, next)})
        check(value);
    }
    for (double value : {1e300, -1e300, 5e-324, -5e-324, HUGE_VAL, -HUGE_VAL})
      check(value);
  }
}
TEST(NumberRounding, F16AtEveryBoundary) { checkRounding(reference::f16(), f16Format); }
TEST(NumberRounding, BF16AtEveryBoundary) { checkRounding(reference::bf16(), bf16Format); }
TEST(NumberRounding, E5M2AtEveryBoundary) { checkRounding(reference::e5m2(), e5m2Format); }

TEST(NumberRounding, E4M3SaturatesOrGivesNaN) {
  const auto &table = reference::e4m3();
  RoundOptions finite;
  finite.finite = true;
  for (double value = -600; value <= 600; value += 0.0078125) {
    uint32_t expected = std::fabs(value) > 448 ? (value < 0 ? 0xfe : 0x7e) : table.round(value, Round::Nearest, 0x7f);
    ASSERT_EQ(expected, roundTo(e4m3Format, fromDouble(value), finite)) << value;
  }
  EXPECT_EQ(roundTo(e4m3Format, fromDouble(500)), 0x7fu);
  EXPECT_EQ(roundTo(e4m3Format, fromDouble(NAN), finite), 0x7fu);
  EXPECT_EQ(roundTo(e4m3Format, fromDouble(HUGE_VAL), finite), 0x7eu);
}

TEST(NumberRounding, TheSideOfADoubleDecides) {
  RoundOptions up, down;
  up.round = Round::Up;
  down.round = Round::Down;
  EXPECT_EQ(roundTo(f32Format, fromDouble(1.0, 0), up), 0x3f800000u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(1.0, 1), up), 0x3f800001u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(1.0, -1), up), 0x3f800000u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(1.0, -1), down), 0x3f7fffffu);
  EXPECT_EQ(roundTo(f32Format, fromDouble(-1.0, -1), down), 0xbf800001u);
  // A tie that is none, on both sides.
  EXPECT_EQ(roundTo(f32Format, fromDouble(1 + 0x1p-24, 1)), 0x3f800001u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(1 + 0x3p-24, -1)), 0x3f800001u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(1 + 0x1p-24)), 0x3f800000u);
}

TEST(NumberRounding, Modifiers) {
  RoundOptions relu, saturate, flush;
  relu.relu = saturate.saturate = flush.flush = true;
  EXPECT_EQ(roundTo(f32Format, fromDouble(-2.5), relu), 0u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(-0.0), relu), 0u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(NAN), relu), 0x7fffffffu);
  EXPECT_EQ(roundTo(f32Format, fromDouble(NAN), saturate), 0u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(7), saturate), 0x3f800000u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(HUGE_VAL), saturate), 0x3f800000u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(-7), saturate), 0u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(-0x1p-130), flush), 0x80000000u);
  EXPECT_EQ(roundTo(f32Format, fromDouble(0x1p-126), flush), 0x00800000u);
}

/// Equal bits, or both NaN and the actual one canonical.
::testing::AssertionResult sameF32(float expected, uint32_t actual) {
  if (expected != expected ? actual == 0x7fffffffu : fromFloat(expected) == actual)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << std::hex << fromFloat(expected) << " is not " << actual;
}

TEST(NumberF32, AllModesAgreeWithTheHost) {
  Patterns patterns(1);
  for (int i = 0; i < 60000; ++i) {
    uint32_t a = patterns.next32(), b = patterns.next32(), c = patterns.next32();
    volatile float x = toFloat(a), y = toFloat(b), z = toFloat(c);
    for (Round mode : directed) {
      Modifiers modifiers;
      modifiers.round = mode;
      SCOPED_TRACE(testing::Message() << std::hex << a << " " << b << " " << c << " mode " << int(mode));
      ASSERT_TRUE(sameF32(inMode(mode,
                                 [&] {
                                   volatile float r = x + y;
                                   return r;
                                 }),
                          addF32(a, b, modifiers)));
      ASSERT_TRUE(sameF32(inMode(mode,
                                 [&] {
                                   volatile float r = x - y;
                                   return r;
                                 }),
                          subF32(a, b, modifiers)));
      ASSERT_TRUE(sameF32(inMode(mode,
                                 [&] {
                                   volatile float r = x * y;
                                   return r;
                                 }),
                          mulF32(a, b, modifiers)));
      ASSERT_TRUE(sameF32(inMode(mode,
                                 [&] {
                                   volatile float r = x / y;
                                   return r;
                                 }),
                          divF32(a, b, modifiers)));
      ASSERT_TRUE(sameF32(inMode(mode,
                                 [&] {
                                   volatile float r = std::sqrt(x);
                                   return r;
                                 }),
                          sqrtF32(a, modifiers)));
      ASSERT_TRUE(sameF32(inMode(mode,
                                 [&] {
                                   volatile float r = 1.0f / x;
                                   return r;
                                 }),
                          rcpF32(a, modifiers)));
      ASSERT_TRUE(sameF32(inMode(mode,
                                 [&] {
                                   volatile float r = std::fma(x, y, z);
                                   return r;
                                 }),
                          fmaF32(a, b, c, modifiers)));
    }
  }
}

TEST(NumberF32, CancellationAndZeroSigns) {
  Modifiers down;
  down.round = Round::Down;
  EXPECT_EQ(addF32(0x3f800000, 0xbf800000, down), 0x80000000u); // 1 - 1
  EXPECT_EQ(addF32(0x3f800000, 0xbf800000), 0u);
  EXPECT_EQ(addF32(0x80000000, 0x80000000, down), 0x80000000u);
  EXPECT_EQ(addF32(0, 0, down), 0u);
  EXPECT_EQ(fmaF32(0x3f800000, 0x3f800000, 0xbf800000, down), 0x80000000u);
  EXPECT_EQ(addF32(0x7f800000, 0xff800000), 0x7fffffffu); // inf - inf is the canonical NaN
  EXPECT_EQ(addF32(0xffc12345, 0x3f800000), 0x7fffffffu);
}

TEST(NumberF32, FlushAndSaturate) {
  Modifiers flush, saturate;
  flush.flush = saturate.saturate = true;
  EXPECT_EQ(addF32(0x00000001, 0x00000001, flush), 0u);
  EXPECT_EQ(addF32(0x80000001, 0x80000001, flush), 0x80000000u);
  EXPECT_EQ(mulF32(0x00800000, 0x3f000000, flush), 0u); // the result is subnormal
  EXPECT_EQ(mulF32(0x00800000, 0xbf000000, flush), 0x80000000u);
  EXPECT_EQ(mulF32(0x00800000, 0x3f000000), 0x00400000u); // kept without .ftz
  EXPECT_EQ(mulF32(0x007fffff, 0x7f000000, flush), 0u);   // the operand is
  EXPECT_EQ(fmaF32(0x3f800000, 0x3f800000, 0x3f800000, saturate), 0x3f800000u);
  EXPECT_EQ(addF32(0xbf800000, 0, saturate), 0u);
  EXPECT_EQ(addF32(0x7f800000, 0xff800000, saturate), 0u); // NaN
  EXPECT_EQ(addF32(0x3e800000, 0x3e800000, saturate), 0x3f000000u);
}

TEST(NumberF64, AllModesAgreeWithTheHost) {
  Patterns patterns(2);
  auto same = [](double expected, uint64_t actual) {
    return expected != expected ? (actual & 0x7ff8000000000000) == 0x7ff8000000000000 : bitsOf(expected) == actual;
  };
  for (int i = 0; i < 60000; ++i) {
    uint64_t a = patterns.next64(), b = patterns.next64(), c = patterns.next64();
    if (i % 4 == 0) // nearly cancelling products
      c = bitsOf(-(toDouble(a) * toDouble(b)));
    volatile double x = toDouble(a), y = toDouble(b), z = toDouble(c);
    for (Round mode : directed) {
      SCOPED_TRACE(testing::Message() << std::hex << a << " " << b << " " << c << " mode " << int(mode));
      ASSERT_TRUE(same(inMode(mode,
                              [&] {
                                volatile double r = x + y;
                                return r;
                              }),
                       addF64(a, b, mode)));
      ASSERT_TRUE(same(inMode(mode,
                              [&] {
                                volatile double r = x - y;
                                return r;
                              }),
                       subF64(a, b, mode)));
      ASSERT_TRUE(same(inMode(mode,
                              [&] {
                                volatile double r = x * y;
                                return r;
                              }),
                       mulF64(a, b, mode)));
      ASSERT_TRUE(same(inMode(mode,
                              [&] {
                                volatile double r = x / y;
                                return r;
                              }),
                       divF64(a, b, mode)));
      ASSERT_TRUE(same(inMode(mode,
                              [&] {
                                volatile double r = std::sqrt(x);
                                return r;
                              }),
                       sqrtF64(a, mode)));
      ASSERT_TRUE(same(inMode(mode,
                              [&] {
                                volatile double r = std::fma(x, y, z);
                                return r;
                              }),
                       fmaF64(a, b, c, mode)));
    }
  }
}

TEST(NumberHalf, SumsAndProductsOfSampledPairs) {
  Patterns patterns(3);
  for (bool brain : {false, true}) {
    const Format &format = brain ? bf16Format : f16Format;
    const auto &table = brain ? reference::bf16() : reference::f16();
    auto value = [&](uint16_t bits) {
      return (long double)reference::smallValue(brain ? 8 : 5, brain ? 7 : 10, true, bits);
    };
    for (uint32_t a = 0; a < 65536; ++a)
      for (int repeat = 0; repeat < 8; ++repeat) {
        uint16_t x = static_cast<uint16_t>(a), b = patterns.next16(), c = patterns.next16();
        // The sum of two bf16 may need more bits than a long double has; a tie is then decided by what was lost, so
        // keep the exponents within 40 of each other.
        if (brain)
          b = static_cast<uint16_t>((b & 0x8fff) | (x & 0x7000));
        ASSERT_EQ(table.round(value(x) + value(b), Round::Nearest, 0x7fff), addHalf(format, x, b)) << x << " + " << b;
        ASSERT_EQ(table.round(value(x) - value(b), Round::Nearest, 0x7fff), subHalf(format, x, b)) << x << " - " << b;
        ASSERT_EQ(table.round(value(x) * value(c), Round::Nearest, 0x7fff), mulHalf(format, x, c)) << x << " * " << c;
      }
  }
}

TEST(NumberHalf, FmaRoundsOnce) {
#if defined(__SIZEOF_FLOAT128__)
  Patterns patterns(4);
  for (int i = 0; i < 40000; ++i) {
    uint16_t a = patterns.next16(), b = patterns.next16(), c = patterns.next16();
    // An f16 product and an f16 sum span at most 64 + 11 bits; __float128 holds 113.
    __float128 product = (__float128)reference::smallValue(5, 10, true, a) * reference::smallValue(5, 10, true, b);
    __float128 sum = product + reference::smallValue(5, 10, true, c);
    long double near = (long double)sum;
    uint32_t expected = reference::f16().round(near, Round::Nearest, 0x7fff);
    if (std::isfinite(near) && (__float128)near != sum) {
      // The exact sum lies between two neighbouring long doubles; where both round alike, so does the sum.
      long double other = std::nextafter(near, (__float128)near < sum ? HUGE_VALL : -HUGE_VALL);
      if (reference::f16().round(other, Round::Nearest, 0x7fff) != expected)
        continue; // on a boundary: the cases below
    }
    ASSERT_EQ(expected, fmaHalf(f16Format, a, b, c)) << a << " " << b << " " << c;
  }
#endif
  // (1 + 2^-10) * (1 + 2^-1) is 1.5 + 1.5*2^-10, halfway between two f16; the addend decides though it is far below.
  EXPECT_EQ(fmaHalf(f16Format, 0x3c01, 0x3e00, 0x0001), 0x3e02);
  EXPECT_EQ(fmaHalf(f16Format, 0x3c01, 0x3e00, 0x8001), 0x3e01);
  EXPECT_EQ(fmaHalf(f16Format, 0x3c01, 0x3e00, 0x0000), 0x3e02); // tie to even
  EXPECT_EQ(fmaHalf(f16Format, 0x3c03, 0x3e00, 0x8001), 0x3e04); // 1.5 + 4.5*2^-10, a little less
  EXPECT_EQ(fmaHalf(f16Format, 0x3c03, 0x3e00, 0x0000), 0x3e04);
  EXPECT_EQ(fmaHalf(f16Format, 0x3c03, 0x3e00, 0x0001), 0x3e05);
  // The same in bf16 with an addend 2^130 times smaller than the tie.
  EXPECT_EQ(fmaHalf(bf16Format, 0x3f81, 0x3fc0, 0x0001), 0x3fc2);
  EXPECT_EQ(fmaHalf(bf16Format, 0x3f81, 0x3fc0, 0x8001), 0x3fc1);
}

TEST(NumberHalf, Modifiers) {
  Modifiers relu, saturate, flush;
  relu.relu = saturate.saturate = flush.flush = true;
  EXPECT_EQ(fmaHalf(f16Format, 0x3c00, 0xbc00, 0x0000, relu), 0);
  EXPECT_EQ(fmaHalf(f16Format, 0x7e00, 0x3c00, 0x0000, relu), 0x7fff);
  EXPECT_EQ(addHalf(f16Format, 0x3c00, 0x3c00, saturate), 0x3c00);
  EXPECT_EQ(addHalf(f16Format, 0x7e00, 0x3c00, saturate), 0);
  EXPECT_EQ(addHalf(f16Format, 0x0001, 0x0001, flush), 0);
  EXPECT_EQ(addHalf(f16Format, 0x0001, 0x0001), 2);
  EXPECT_EQ(addHalf(f16Format, 0x7bff, 0x7bff), 0x7c00);
  uint32_t packed = onHalves([](uint16_t a, uint16_t b) { return addHalf(f16Format, a, b); }, 0x3c004000u, 0x40003c00u);
  EXPECT_EQ(packed, 0x42004200u);
}

TEST(NumberHalf, FloatToHalfQuickPaths) {
  Patterns patterns(5);
  for (int i = 0; i < 200000; ++i) {
    uint32_t bits = patterns.next32();
    ASSERT_EQ(reference::f16().round(toFloat(bits), Round::Nearest, 0x7fff), floatToHalf(toFloat(bits))) << bits;
    ASSERT_EQ(reference::bf16().round(toFloat(bits), Round::Nearest, 0x7fff), floatToBfloat(toFloat(bits))) << bits;
  }
}

TEST(NumberCompare, OrderedAndUnordered) {
  uint64_t one = 0x3f800000, two = 0x40000000, nan = 0x7fc00000, minus = 0xbf800000, zero = 0, minusZero = 0x80000000;
  auto is = [](FloatCompare operation, uint64_t a, uint64_t b) { return compare(operation, f32Format, a, b); };
  EXPECT_TRUE(is(FloatCompare::Lt, one, two) && is(FloatCompare::Lt, minus, one) && !is(FloatCompare::Lt, one, one));
  EXPECT_TRUE(is(FloatCompare::Eq, zero, minusZero) && !is(FloatCompare::Lt, minusZero, zero));
  EXPECT_TRUE(is(FloatCompare::Ge, one, one) && is(FloatCompare::Le, one, one) &&
              is(FloatCompare::Gt, minus, 0xc0000000));
  for (auto operation : {FloatCompare::Eq, FloatCompare::Ne, FloatCompare::Lt, FloatCompare::Le, FloatCompare::Gt,
                         FloatCompare::Ge, FloatCompare::Num})
    EXPECT_FALSE(is(operation, nan, one) || is(operation, one, nan) || is(operation, nan, nan)) << int(operation);
  for (auto operation : {FloatCompare::Equ, FloatCompare::Neu, FloatCompare::Ltu, FloatCompare::Leu, FloatCompare::Gtu,
                         FloatCompare::Geu, FloatCompare::Nan})
    EXPECT_TRUE(is(operation, nan, one) && is(operation, one, nan) && is(operation, nan, nan)) << int(operation);
  EXPECT_TRUE(compare(FloatCompare::Eq, f32Format, 1, 2, true));
  EXPECT_FALSE(compare(FloatCompare::Eq, f32Format, 1, 2, false));
}

TEST(NumberCompare, MinimumAndMaximum) {
  EXPECT_EQ(minimum(f32Format, 0, 0x80000000), 0x80000000u);
  EXPECT_EQ(minimum(f32Format, 0x80000000, 0), 0x80000000u);
  EXPECT_EQ(maximum(f32Format, 0x80000000, 0), 0u);
  EXPECT_EQ(maximum(f32Format, 0x7fc00000, 0x3f800000), 0x3f800000u);
  EXPECT_EQ(minimum(f32Format, 0x3f800000, 0xffc00001), 0x3f800000u);
  EXPECT_EQ(minimum(f32Format, 0x7fc00000, 0xffc00001), 0x7fffffffu);
  ExtremumModifiers nan, magnitude, flush;
  nan.propagateNaN = magnitude.xorSign = flush.flush = true;
  EXPECT_EQ(minimum(f32Format, 0x3f800000, 0xffc00001, nan), 0x7fffffffu);
  EXPECT_EQ(minimum(f16Format, 0x3c00, 0xfe00, nan), 0x7fffu);
  EXPECT_EQ(minimum(f32Format, 0xbf800000, 0x40000000, magnitude), 0xbf800000u); // |1| with sign xor
  EXPECT_EQ(maximum(f32Format, 0xbf800000, 0xc0000000, magnitude), 0x40000000u);
  EXPECT_EQ(maximum(f32Format, 0x00000001, 0x80000000, flush), 0u);
  EXPECT_EQ(maximum(bf16Format, 0xbf80, 0xc000), 0xbf80u);
  EXPECT_EQ(minimum(f64Format, 0xbff0000000000000, 0x3ff0000000000000), 0xbff0000000000000u);
}

TEST(NumberCompare, ClassesAndSigns) {
  EXPECT_TRUE(testNumber(NumberClass::Normal, f32Format, 0x80000000));
  EXPECT_FALSE(testNumber(NumberClass::Normal, f32Format, 1));
  EXPECT_TRUE(testNumber(NumberClass::Subnormal, f32Format, 1));
  EXPECT_FALSE(testNumber(NumberClass::Subnormal, f32Format, 0));
  EXPECT_TRUE(testNumber(NumberClass::Finite, f64Format, 0x7fefffffffffffff));
  EXPECT_FALSE(testNumber(NumberClass::Finite, f64Format, 0x7ff0000000000000));
  EXPECT_TRUE(testNumber(NumberClass::Infinite, f32Format, 0xff800000));
  EXPECT_TRUE(testNumber(NumberClass::NotANumber, f32Format, 0xff800001));
  EXPECT_FALSE(testNumber(NumberClass::Number, f32Format, 0xff800001));
  EXPECT_EQ(copySign(f32Format, 0x80000000, 0x40400000), 0xc0400000u); // the sign comes from the first operand
  EXPECT_EQ(copySign(f32Format, 0x00000000, 0xc0400000), 0x40400000u);
  EXPECT_EQ(absolute(f16Format, 0xbc00), 0x3c00u);
  EXPECT_EQ(negate(bf16Format, 0x3f80), 0xbf80u);
  EXPECT_EQ(negate(f32Format, 0x00000001, true), 0x80000000u);
}

} // namespace
