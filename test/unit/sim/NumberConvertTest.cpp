// The cvt grid against the host's conversions in every rounding mode and against tables of the small formats.
#include "test/unit/sim/NumberReference.h"
#include "tools/sim/cuda/number/Convert.h"

#include <gtest/gtest.h>
#include <limits>

using namespace adze::sim;
using reference::inMode;
using reference::Patterns;

namespace {

using T = NumberType;

Conversion conversion(T to, T from, Round round = Round::Nearest, bool integral = false) {
  Conversion result;
  result.to = to;
  result.from = from;
  result.hasRound = true;
  result.round = round;
  result.integral = integral;
  return result;
}
Conversion plain(T to, T from) {
  Conversion result;
  result.to = to;
  result.from = from;
  return result;
}

constexpr Round directed[] = {Round::Nearest, Round::Zero, Round::Down, Round::Up};

TEST(NumberConvert, IntegersToFloatsInEveryMode) {
  Patterns patterns(11);
  for (int i = 0; i < 40000; ++i) {
    uint64_t bits = patterns.next64() >> (patterns.next16() % 64);
    volatile int64_t s64 = static_cast<int64_t>(bits);
    volatile uint64_t u64 = bits;
    volatile int32_t s32 = static_cast<int32_t>(bits);
    volatile uint32_t u32 = static_cast<uint32_t>(bits);
    for (Round mode : directed) {
      SCOPED_TRACE(testing::Message() << std::hex << bits << " mode " << int(mode));
      ASSERT_EQ(fromFloat(inMode(mode,
                                 [&] {
                                   volatile float r = static_cast<float>(s64);
                                   return r;
                                 })),
                convert(conversion(T::F32, T::S64, mode), bits));
      ASSERT_EQ(fromFloat(inMode(mode,
                                 [&] {
                                   volatile float r = static_cast<float>(s32);
                                   return r;
                                 })),
                convert(conversion(T::F32, T::S32, mode), bits));
      ASSERT_EQ(fromFloat(inMode(mode,
                                 [&] {
                                   volatile float r = static_cast<float>(static_cast<int64_t>(u32));
                                   return r;
                                 })),
                convert(conversion(T::F32, T::U32, mode), bits));
      ASSERT_EQ(bitsOf(inMode(mode,
                              [&] {
                                volatile double r = static_cast<double>(s64);
                                return r;
                              })),
                convert(conversion(T::F64, T::S64, mode), bits));
    }
    // The host's own unsigned conversion has two roundings in directed modes; nearest is right.
    ASSERT_EQ(fromFloat(static_cast<float>(u64)), convert(conversion(T::F32, T::U64), bits));
    ASSERT_EQ(bitsOf(static_cast<double>(u64)), convert(conversion(T::F64, T::U64), bits));
  }
  // The largest values, by hand.
  EXPECT_EQ(convert(conversion(T::F32, T::U64, Round::Zero), ~uint64_t(0)), 0x5f7fffffu);
  EXPECT_EQ(convert(conversion(T::F32, T::U64, Round::Up), ~uint64_t(0)), 0x5f800000u);
  EXPECT_EQ(convert(conversion(T::F32, T::S32, Round::Zero), 0x7fffffff), 0x4effffffu); // 2^31 - 128
  EXPECT_EQ(convert(conversion(T::F32, T::S32), 0x7fffffff), 0x4f000000u);
  EXPECT_EQ(convert(conversion(T::F16, T::U32), 65520), 0x7c00u);
  EXPECT_EQ(convert(conversion(T::F16, T::U32), 65519), 0x7bffu);
  EXPECT_EQ(convert(conversion(T::F16, T::S8), 0x80), 0xd800u); // -128, from the low 8 bits
  EXPECT_EQ(convert(conversion(T::F32, T::U8), 0x1ff), 0x437f0000u);
}

TEST(NumberConvert, FloatsToIntegersClamp) {
  Patterns patterns(12);
  for (int i = 0; i < 60000; ++i) {
    uint32_t bits = patterns.next32();
    float value = toFloat(bits);
    for (Round mode : directed) {
      long double rounded = inMode(mode, [&] {
        volatile float v = value;
        return static_cast<long double>(std::nearbyint(v));
      });
      auto expect = [&](T to, long double low, long double high) {
        uint64_t expected;
        if (value != value)
          expected = to == T::S64 ? 0x8000000000000000u : to == T::U64 ? 0x8000000000000000u : 0u;
        else if (rounded <= low)
          expected = low < 0 ? static_cast<uint64_t>(static_cast<int64_t>(low)) : 0;
        else if (rounded >= high)
          expected = static_cast<uint64_t>(high);
        else
          expected =
              rounded < 0 ? static_cast<uint64_t>(static_cast<int64_t>(rounded)) : static_cast<uint64_t>(rounded);
        ASSERT_EQ(expected, convert(conversion(to, T::F32, mode, true), bits))
            << value << " to " << int(to) << " mode " << int(mode);
      };
      expect(T::S8, -128, 127);
      expect(T::U8, 0, 255);
      expect(T::S16, -32768, 32767);
      expect(T::U16, 0, 65535);
      expect(T::S32, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
      expect(T::U32, 0, std::numeric_limits<uint32_t>::max());
      expect(T::S64, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
      expect(T::U64, 0, static_cast<long double>(std::numeric_limits<uint64_t>::max()));
    }
  }
  EXPECT_EQ(convert(conversion(T::S32, T::F64, Round::Zero, true), 0x7ff8000000000000), 0xffffffff80000000u);
  EXPECT_EQ(convert(conversion(T::U32, T::F64, Round::Zero, true), 0x7ff8000000000000), 0x80000000u);
  EXPECT_EQ(convert(conversion(T::S32, T::F16, Round::Zero, true), 0x7e00), 0u);
  EXPECT_EQ(convert(conversion(T::S32, T::F16, Round::Zero, true), 0xfc00), 0xffffffff80000000u);
  EXPECT_EQ(convert(conversion(T::U64, T::F64, Round::Zero, true), bitsOf(0x1p63 + 2048)), 0x8000000000000800u);
  EXPECT_EQ(convert(conversion(T::S32, T::F64, Round::Nearest, true), bitsOf(2.5)), 2u);
  EXPECT_EQ(convert(conversion(T::S32, T::F64, Round::Nearest, true), bitsOf(3.5)), 4u);
  EXPECT_EQ(convert(conversion(T::S32, T::F64, Round::Up, true), bitsOf(5e-324)), 1u);
}

TEST(NumberConvert, FloatsToIntegralValues) {
  Patterns patterns(13);
  for (int i = 0; i < 60000; ++i) {
    uint32_t bits = patterns.next32();
    uint64_t wide = patterns.next64();
    for (Round mode : directed) {
      float expected = inMode(mode, [&] {
        volatile float v = toFloat(bits);
        return std::nearbyint(v);
      });
      uint64_t actual = convert(conversion(T::F32, T::F32, mode, true), bits);
      ASSERT_EQ(expected != expected ? 0x7fffffffu : fromFloat(expected), actual) << std::hex << bits;
      double expected64 = inMode(mode, [&] {
        volatile double v = toDouble(wide);
        return std::nearbyint(v);
      });
      if (expected64 == expected64) {
        ASSERT_EQ(bitsOf(expected64), convert(conversion(T::F64, T::F64, mode, true), wide)) << std::hex << wide;
      }
    }
  }
  EXPECT_EQ(convert(conversion(T::F32, T::F32, Round::Nearest, true), 0xbe800000), 0x80000000u); // -0.25 to -0
}

TEST(NumberConvert, FloatToFloatNarrowing) {
  Patterns patterns(14);
  for (int i = 0; i < 60000; ++i) {
    uint32_t bits = patterns.next32();
    uint64_t wide = patterns.next64();
    for (Round mode : directed) {
      ASSERT_EQ(reference::f16().round(toFloat(bits), mode, 0x7fff), convert(conversion(T::F16, T::F32, mode), bits))
          << bits;
      ASSERT_EQ(reference::bf16().round(toFloat(bits), mode, 0x7fff), convert(conversion(T::BF16, T::F32, mode), bits));
      ASSERT_EQ(reference::f16().round(toDouble(wide), mode, 0x7fff), convert(conversion(T::F16, T::F64, mode), wide));
      float expected = inMode(mode, [&] {
        volatile double v = toDouble(wide);
        volatile float r = static_cast<float>(v);
        return r;
      });
      ASSERT_EQ(expected != expected ? 0x7fffffffu : fromFloat(expected),
                convert(conversion(T::F32, T::F64, mode), wide));
    }
  }
}

TEST(NumberConvert, HalvesWidenExactly) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    double half = reference::smallValue(5, 10, true, bits), brain = reference::smallValue(8, 7, true, bits);
    auto same = [](double expected, uint64_t actual) {
      return expected != expected ? actual == 0x7fffffffu : fromFloat(static_cast<float>(expected)) == actual;
    };
    ASSERT_TRUE(same(half, convert(plain(T::F32, T::F16), bits))) << bits;
    ASSERT_TRUE(same(brain, convert(plain(T::F32, T::BF16), bits))) << bits;
    ASSERT_EQ(reference::bf16().round(half, Round::Nearest, 0x7fff), convert(conversion(T::BF16, T::F16), bits));
    ASSERT_EQ(reference::f16().round(brain, Round::Nearest, 0x7fff), convert(conversion(T::F16, T::BF16), bits));
    if (half == half) {
      ASSERT_EQ(bitsOf(half), convert(plain(T::F64, T::F16), bits));
    }
  }
}

TEST(NumberConvert, Tf32) {
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Away), 0x3f801000), 0x3f802000u); // a tie goes away from zero
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Away), 0xbf801000), 0xbf802000u);
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Away), 0x3f800fff), 0x3f800000u);
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Nearest), 0x3f801000), 0x3f800000u);
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Nearest), 0x3f803000), 0x3f804000u);
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Zero), 0x3f803fff), 0x3f802000u);
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Away), 0x7f7fffff), 0x7f800000u);
  EXPECT_EQ(convert(conversion(T::TF32, T::F32, Round::Away), 0x7f800001), 0x7fffffffu);
  Conversion finite = conversion(T::TF32, T::F32, Round::Away);
  finite.finite = true;
  EXPECT_EQ(convert(finite, 0x7f800000), 0x7f7fe000u);
}

TEST(NumberConvert, PackedPairsPutTheFirstOperandAbove) {
  EXPECT_EQ(convert(conversion(T::F16x2, T::F32), 0x3f800000, 0x40000000), 0x3c004000u);
  EXPECT_EQ(convert(conversion(T::BF16x2, T::F32), 0x3f800000, 0xc0000000), 0x3f80c000u);
  Conversion relu = conversion(T::BF16x2, T::F32);
  relu.relu = true;
  EXPECT_EQ(convert(relu, 0x3f800000, 0xc0000000), 0x3f800000u);
  EXPECT_EQ(convert(relu, 0x7fc00000, 0xc0000000), 0x7fff0000u);
  Conversion finite = conversion(T::F16x2, T::F32);
  finite.finite = true;
  EXPECT_EQ(convert(finite, 0x7f800000, 0xff7fffff), 0x7bfffbffu);
  EXPECT_EQ(convert(conversion(T::F16x2, T::F32), 0x7f7fffff, 0xff800000), 0x7c00fc00u);
  EXPECT_EQ(convert(conversion(T::F16x2, T::F32, Round::Zero), 0x7f7fffff, 0x3f803fff), 0x7bff3c01u);
}

TEST(NumberConvert, EightBitPairs) {
  for (T to : {T::E4M3x2, T::E5M2x2}) {
    const auto &table = to == T::E4M3x2 ? reference::e4m3() : reference::e5m2();
    uint32_t largest = to == T::E4M3x2 ? 0x7e : 0x7b;
    Conversion down = conversion(to, T::F32);
    down.finite = true;
    Conversion fromHalf = conversion(to, T::F16x2);
    fromHalf.finite = true;
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      double value = reference::smallValue(5, 10, true, bits);
      uint32_t magnitude = table.round(std::fabs(value), Round::Nearest, 0x7f);
      uint32_t expected = value != value ? 0x7f : std::min(magnitude, largest) | (std::signbit(value) ? 0x80 : 0);
      uint64_t wide = fromFloat(static_cast<float>(value));
      ASSERT_EQ(expected << 8, convert(down, wide, 0)) << value;
      ASSERT_EQ(expected, convert(down, 0, wide)) << value;
      ASSERT_EQ(expected << 8 | expected, convert(fromHalf, bits << 16 | bits)) << value;
    }
    for (uint32_t pair = 0; pair < 65536; ++pair) { // up to f16, exact
      uint64_t result = convert(conversion(T::F16x2, to), pair);
      for (int half = 0; half < 2; ++half) {
        double expected = to == T::E4M3x2 ? reference::smallValue(4, 3, false, pair >> 8 * half & 0xff)
                                          : reference::smallValue(5, 2, true, pair >> 8 * half & 0xff);
        uint32_t bits = result >> 16 * half & 0xffff;
        if (expected != expected)
          ASSERT_EQ(bits, 0x7fffu);
        else
          ASSERT_EQ(bitsOf(expected), bitsOf(reference::smallValue(5, 10, true, bits)));
      }
    }
  }
}

TEST(NumberConvert, Integers) {
  Conversion saturate = plain(T::S8, T::S32);
  EXPECT_EQ(convert(saturate, 0x1ff), 0xffffffffffffffffu); // without .sat: the low 8 bits, sign-extended
  saturate.saturate = true;
  EXPECT_EQ(convert(saturate, 0x1ff), 127u);
  EXPECT_EQ(convert(saturate, 0xfffff000), 0xffffffffffffff80u);
  saturate = plain(T::U8, T::S16);
  saturate.saturate = true;
  EXPECT_EQ(convert(saturate, 0x8000), 0u);
  EXPECT_EQ(convert(saturate, 0x0100), 255u);
  saturate = plain(T::S32, T::U32);
  saturate.saturate = true;
  EXPECT_EQ(convert(saturate, 0xffffffff), 0x7fffffffu);
  EXPECT_EQ(convert(plain(T::U64, T::S32), 0x80000000), 0xffffffff80000000u);
  EXPECT_EQ(convert(plain(T::U64, T::U32), 0xdeadbeef80000000), 0x80000000u);
  EXPECT_EQ(convert(plain(T::U16, T::S8), 0x80), 0xff80u);
}

TEST(NumberConvert, FlushAndSaturate) {
  Conversion flush = conversion(T::F16, T::F32);
  flush.flush = true;
  EXPECT_EQ(convert(flush, 0x33800000), 0x0001u); // an f16 subnormal result stays
  Conversion up = conversion(T::S32, T::F32, Round::Up, true);
  EXPECT_EQ(convert(up, 1), 1u);
  up.flush = true;
  EXPECT_EQ(convert(up, 1), 0u); // the f32 subnormal operand does not
  flush = conversion(T::F32, T::F64);
  flush.flush = true;
  EXPECT_EQ(convert(flush, bitsOf(-0x1p-130)), 0x80000000u);
  Conversion saturate = plain(T::F32, T::F32);
  saturate.saturate = true;
  EXPECT_EQ(convert(saturate, 0x40000000), 0x3f800000u);
  EXPECT_EQ(convert(saturate, 0x7fc00000), 0u);
  EXPECT_EQ(convert(saturate, 0x80000000), 0u);
}

TEST(NumberConvert, RefusesWhatTheManualDoesNotHave) {
  EXPECT_EQ(check(conversion(T::F16, T::F32)), "");
  EXPECT_EQ(check(plain(T::F32, T::F16)), "");
  EXPECT_EQ(check(conversion(T::BF16, T::U32)), "");
  EXPECT_EQ(check(conversion(T::S32, T::F32, Round::Zero, true)), "");
  EXPECT_NE(check(plain(T::F16, T::F32)), "");
  EXPECT_NE(check(conversion(T::F32, T::F16)), "");
  EXPECT_NE(check(plain(T::S32, T::F32)), "");
  EXPECT_NE(check(conversion(T::S32, T::F32)), "");
  EXPECT_NE(check(plain(T::F32, T::S32)), "");
  EXPECT_NE(check(conversion(T::E4M3x2, T::F32)), ""); // needs .satfinite
  EXPECT_NE(check(conversion(T::U8, T::S32)), "");
  EXPECT_NE(check(conversion(T::TF32, T::F32, Round::Up)), "");
  Conversion flush = conversion(T::F16, T::F64);
  flush.flush = true;
  EXPECT_NE(check(flush), "");
}

} // namespace
