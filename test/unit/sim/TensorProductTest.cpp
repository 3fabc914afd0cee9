// The sums of the tensor units: by hand, against results that were measured on hardware, and against a second
// implementation of the model that works on doubles.
#include "tools/sim/cuda/number/Arithmetic.h"
#include "tools/sim/cuda/tensor/Descriptor.h"
#include "tools/sim/cuda/tensor/Product.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace adze::sim;

namespace {

using T = TensorType;
using A = AccumulatorType;

const Format &formatOf(TensorType type) {
  return type == T::F16    ? f16Format
         : type == T::BF16 ? bf16Format
         : type == T::TF32 ? tf32Format
         : type == T::E4M3 ? e4m3Format
                           : e5m2Format;
}
uint32_t encode(TensorType type, double value) {
  return static_cast<uint32_t>(roundTo(formatOf(type), fromDouble(value)));
}

/// One dot product of values that the type can hold.
float dot(TensorType type, const std::vector<double> &a, const std::vector<double> &b, float c, Accumulation how) {
  int depth = static_cast<int>(a.size());
  Operand left(Operand::Arrangement::LineMajor, 1, depth), right(Operand::Arrangement::DepthMajor, 1, depth);
  for (int k = 0; k < depth; ++k) {
    left.set(type, 0, k, encode(type, a[k]));
    right.set(type, 0, k, encode(type, b[k]));
  }
  uint32_t accumulators[16] = {fromFloat(c)};
  multiply(left, right, how, accumulators, 16);
  for (int i = 1; i < 16; ++i)
    EXPECT_EQ(accumulators[i], 0u);
  return toFloat(accumulators[0]);
}
Accumulation model(int architecture, TensorType type, A to = A::F32, bool warpgroup = false) {
  return accumulationFor(architecture, type, to, warpgroup, TensorMode::Measured);
}
std::vector<double> times(int count, double value) { return std::vector<double>(static_cast<size_t>(count), value); }

TEST(TensorProduct, SmallTermsAreCutWhereTheUnitsCutThem) {
  // Eight products of 2^-25 next to C = 1: below 24 bits on sm_80, above 25 on sm_90 (8 * 2^-25 = 2^-22).
  auto products = [&](int architecture) {
    return dot(T::F16, times(8, 0x1p-13), times(8, 0x1p-12), 1, model(architecture, T::F16));
  };
  EXPECT_EQ(products(80), 1.0f);
  EXPECT_EQ(products(86), 1.0f);
  EXPECT_EQ(products(90), 1.0f + 0x1p-22f);
  // 2^-24 is kept by both: 8 * 2^-24.
  EXPECT_EQ(dot(T::F16, times(8, 0x1p-12), times(8, 0x1p-12), 1, model(80, T::F16)), 1.0f + 0x1p-21f);
  // The cut is towards zero for negative terms too, and so is that of the sum.
  EXPECT_EQ(dot(T::F16, times(8, -0x1p-13), times(8, 0x1p-12), 1, model(80, T::F16)), 1.0f);
  EXPECT_EQ(dot(T::F16, {-0x1p-12}, {0x1p-12}, 1, model(80, T::F16)), 1.0f - 0x1p-24f);
  EXPECT_EQ(dot(T::F16, {0x1p-12}, {0x1p-12}, 1, model(80, T::F16)), 1.0f); // 1 + 2^-24 does not fit an f32
  EXPECT_EQ(dot(T::F16, {-0x1p-12}, {0x1p-12}, -1, model(80, T::F16)), -1.0f);
}

TEST(TensorProduct, BlocksAreChained) {
  // 2^25 + 1 in the first eight products, -2^25 in the next eight: the 1 is lost between two blocks, kept in one.
  std::vector<double> a = times(16, 0), b = times(16, 1);
  a[0] = a[8] = 0x1p15;
  b[0] = 0x1p10;
  b[8] = -0x1p10;
  a[1] = 1;
  EXPECT_EQ(dot(T::F16, a, b, 0, model(80, T::F16)), 0.0f);
  EXPECT_EQ(dot(T::F16, a, b, 0, model(90, T::F16)), 1.0f);
  EXPECT_EQ(dot(T::BF16, a, b, 0, model(80, T::BF16)), 0.0f);
  EXPECT_EQ(dot(T::BF16, a, b, 0, model(90, T::BF16)), 1.0f);
  // tf32 has blocks of half the size.
  std::vector<double> a8 = times(8, 0), b8 = times(8, 1);
  a8[0] = a8[4] = 0x1p15;
  b8[0] = 0x1p10;
  b8[4] = -0x1p10;
  a8[1] = 1;
  EXPECT_EQ(dot(T::TF32, a8, b8, 0, model(80, T::TF32)), 0.0f);
  EXPECT_EQ(dot(T::TF32, a8, b8, 0, model(90, T::TF32)), 1.0f);
}

TEST(TensorProduct, EightBitUnitsKeepThirteenBits) {
  std::vector<double> a = times(32, 0), b = times(32, 1);
  a[0] = 256;
  a[1] = 0x1p-6; // 2^14 below: cut off
  a[2] = 0x1p-5; // 2^13 below: the last that is kept
  EXPECT_EQ(dot(T::E4M3, a, b, 0, model(90, T::E4M3, A::F32, true)), 256 + 0x1p-5f);
  // Carries make the sum longer than the terms; the result is cut to 13 bits again.
  a[3] = 256;
  EXPECT_EQ(dot(T::E4M3, a, b, 0, model(90, T::E4M3, A::F32, true)), 512.0f);
  // C too.
  EXPECT_EQ(dot(T::E4M3, times(32, 0), b, 1 + 0x1p-13f + 0x1p-14f, model(90, T::E4M3, A::F32, true)), 1 + 0x1p-13f);
  // mma.sync of sm_90 unpacks to f16 and keeps all of it.
  EXPECT_EQ(dot(T::E4M3, a, b, 0, model(90, T::E4M3, A::F32, false)), 512 + 0x1p-6f + 0x1p-5f);
}

TEST(TensorProduct, HalfAccumulatorsRoundToNearestEven) {
  Accumulation how = model(90, T::F16, A::F16);
  EXPECT_EQ(dot(T::F16, {1, 0x1p-11}, {1, 1}, 0, how), 1.0f);
  EXPECT_EQ(dot(T::F16, {1, 0x3p-11}, {1, 1}, 0, how), 1.0f + 0x1p-9f);
  EXPECT_EQ(dot(T::F16, {1, 0x1p-11, 0x1p-14}, {1, 1, 1}, 0, how), 1.0f + 0x1p-10f);
  EXPECT_EQ(dot(T::F16, {65504, 16}, {1, 1}, 0, how), HUGE_VALF);
  EXPECT_EQ(dot(T::F16, {65504, 15}, {1, 1}, 0, how), 65504.0f);
}

TEST(TensorProduct, Specials) {
  double inf = HUGE_VAL, nan = NAN;
  for (int architecture : {80, 90}) {
    Accumulation how = model(architecture, T::BF16);
    EXPECT_EQ(dot(T::BF16, {inf, 1}, {2, 1}, 1, how), HUGE_VALF);
    EXPECT_EQ(dot(T::BF16, {inf, 1}, {-2, 1}, 1, how), -HUGE_VALF);
    EXPECT_EQ(fromFloat(dot(T::BF16, {inf, 1}, {0, 1}, 1, how)), 0x7fffffffu);
    EXPECT_EQ(fromFloat(dot(T::BF16, {inf, inf}, {1, -1}, 1, how)), 0x7fffffffu);
    EXPECT_EQ(fromFloat(dot(T::BF16, {nan, 0}, {0, 0}, 1, how)), 0x7fffffffu);
    EXPECT_EQ(fromFloat(dot(T::BF16, {inf}, {1}, -HUGE_VALF, how)), 0x7fffffffu);
    EXPECT_EQ(fromFloat(dot(T::BF16, {1}, {1}, NAN, how)), 0x7fffffffu);
    EXPECT_EQ(dot(T::BF16, {1}, {1}, -HUGE_VALF, how), -HUGE_VALF);
    EXPECT_EQ(dot(T::BF16, {0x1p127, 0x1p127}, {1, 1}, 0, how), HUGE_VALF); // overflow of finite terms
    EXPECT_EQ(dot(T::BF16, {-0x1p100}, {0x1p100}, 0, how), -HUGE_VALF);
    EXPECT_EQ(dot(T::BF16, {0x1p100, -0x1p100}, {0x1p100, 0x1p100}, 3, how), 0.0f); // 3 is far below the alignment
    EXPECT_EQ(fromFloat(dot(T::BF16, {-0.0}, {1}, -0.0f, how)), 0u);
    // Subnormals on both ends are kept.
    EXPECT_EQ(dot(T::BF16, {0x1p-133}, {1}, 0, how), 0x1p-133f);
    EXPECT_EQ(dot(T::BF16, {0x1p-133}, {0x1p-16}, 0, how), 0x1p-149f);
    EXPECT_EQ(dot(T::BF16, {1}, {0x1p-140 * 128}, -0x1p-133f, how), 0.0f);
    EXPECT_EQ(dot(T::F16, {0x1p-24}, {0x1p-24}, 0, model(architecture, T::F16)), 0x1p-48f);
  }
}

/// Values as f32, all exactly representable in the type.
struct Measured {
  int architecture;
  TensorType type;
  bool warpgroup;
  std::vector<uint32_t> a, b;
  uint32_t c, d;
};

// Results of A100, H100 and L40S that Khattak and Mikaitis publish with "Accurate Models of NVIDIA Tensor Cores".
const Measured measured[] = {
    {80,
     T::F16,
     false,
     {0x3e9a6000, 0x3d89e000, 0x3f348000, 0xbf818000, 0x3f4f6000, 0x40196000, 0xbee02000, 0xbe722000},
     {0xbeeca000, 0xbe9f0000, 0x3fa6e000, 0xbeefe000, 0xbe1ee000, 0x3ff8c000, 0xbeb20000, 0xbe42c000},
     0x3f3c6847,
     0x40d652fa},
    {90,
     T::BF16,
     false,
     {0x3e9a0000, 0x3d890000, 0x3f340000, 0xbf810000, 0x3f4f0000, 0x40190000, 0xbee00000, 0xbe720000, 0x3f900000,
      0xbfa80000, 0x3f810000, 0xbf1a0000, 0xbf320000, 0x3f640000, 0x3f160000, 0xbfaf0000},
     {0xbeec0000, 0xbe9f0000, 0x3fa60000, 0xbeef0000, 0xbe1e0000, 0x3ff80000, 0xbeb20000, 0xbe420000, 0xbf350000,
      0xbfc10000, 0x3fb20000, 0x3ffa0000, 0xbeb70000, 0xbe950000, 0x3fd10000, 0x3f260000},
     0x3f5ede3e,
     0x41044608},
    {90,
     T::TF32,
     false,
     {0x3e9a6000, 0x3d89e000, 0x3f348000, 0xbf818000},
     {0xbeeca000, 0xbe9f0000, 0x3fa6e000, 0xbeefe000},
     0x3f3bb284,
     0x3ffbaae9},
    {90,
     T::E4M3,
     true,
     {0x3e900000, 0x3d800000, 0x3f300000, 0xbf800000, 0x3f400000, 0x40100000, 0xbee00000, 0xbe700000,
      0x3f900000, 0xbfa00000, 0x3f800000, 0xbf100000, 0xbf300000, 0x3f600000, 0x3f100000, 0xbfa00000,
      0x3e900000, 0xbe300000, 0xbf400000, 0x3f200000, 0xbf600000, 0xbf400000, 0xbe300000, 0xbe200000,
      0xbeb00000, 0x3e500000, 0xbea00000, 0xbfb00000, 0xbf500000, 0xbf800000, 0xbf400000, 0x3ef00000},
     {0xbee00000, 0xbe900000, 0x3fa00000, 0xbee00000, 0xbe100000, 0x3ff00000, 0xbeb00000, 0xbe400000,
      0xbf300000, 0xbfc00000, 0x3fb00000, 0x3ff00000, 0xbeb00000, 0xbe900000, 0x3fd00000, 0x3f200000,
      0xbf100000, 0x3e100000, 0x3ee00000, 0xbd500000, 0xbfa00000, 0x3f800000, 0xbf300000, 0xbe000000,
      0xbf300000, 0xbc600000, 0x3f600000, 0x3f600000, 0x3ec00000, 0xbff00000, 0x3fb00000, 0x40100000},
     0x00000000,
     0x40e99000},
    {89,
     T::E5M2,
     false,
     {0x3e800000, 0x3d800000, 0x3f200000, 0xbf800000, 0x3f400000, 0x40000000, 0xbee00000, 0xbe600000,
      0x3f800000, 0xbfa00000, 0x3f800000, 0xbf000000, 0xbf200000, 0x3f600000, 0x3f000000, 0xbfa00000,
      0x3e800000, 0xbe200000, 0xbf400000, 0x3f200000, 0xbf600000, 0xbf400000, 0xbe200000, 0xbe200000,
      0xbea00000, 0x3e400000, 0xbea00000, 0xbfa00000, 0xbf400000, 0xbf800000, 0xbf400000, 0x3ee00000},
     {0xbee00000, 0xbe800000, 0x3fa00000, 0xbee00000, 0xbe000000, 0x3fe00000, 0xbea00000, 0xbe400000,
      0xbf200000, 0xbfc00000, 0x3fa00000, 0x3fe00000, 0xbea00000, 0xbe800000, 0x3fc00000, 0x3f200000,
      0xbf000000, 0x3e000000, 0x3ee00000, 0xbd400000, 0xbfa00000, 0x3f800000, 0xbf200000, 0xbe000000,
      0xbf200000, 0xbc600000, 0x3f600000, 0x3f600000, 0x3ec00000, 0xbfe00000, 0x3fa00000, 0x40000000},
     0x3ebf027e,
     0x40d9fc00},
};

TEST(TensorProduct, MeasuredResults) {
  for (const Measured &m : measured) {
    std::vector<double> a, b;
    for (size_t i = 0; i < m.a.size(); ++i) {
      a.push_back(toFloat(m.a[i]));
      b.push_back(toFloat(m.b[i]));
    }
    EXPECT_EQ(fromFloat(dot(m.type, a, b, toFloat(m.c), model(m.architecture, m.type, A::F32, m.warpgroup))), m.d)
        << m.architecture << " type " << int(m.type);
  }
}

/// The model once more, on doubles and one element at a time.
float reference(TensorType type, const std::vector<uint32_t> &a, const std::vector<uint32_t> &b, float c,
                Accumulation how) {
  auto exponentOf = [](double value, int smallest) { return std::max(std::ilogb(value), smallest); };
  int smallest = formatOf(type).minExponent();
  for (size_t begin = 0; begin < a.size(); begin += static_cast<size_t>(how.block)) {
    std::vector<std::pair<double, int>> terms; // value, exponent to align by
    if (c != 0)
      terms.push_back({c, exponentOf(c, -126)});
    for (size_t k = begin; k < std::min(a.size(), begin + static_cast<size_t>(how.block)); ++k) {
      double x = valueOf(formatOf(type), a[k]), y = valueOf(formatOf(type), b[k]);
      if (x != 0 && y != 0)
        terms.push_back({x * y, exponentOf(x, smallest) + exponentOf(y, smallest)});
    }
    int largest = how.minExponent;
    for (auto &term : terms)
      largest = std::max(largest, term.second);
    double sum = 0; // in units of the last bit kept: integers below 2^40
    for (auto &term : terms)
      sum += std::trunc(std::ldexp(term.first, how.fractionBits - largest));
    sum = std::ldexp(sum, largest - how.fractionBits);
    RoundOptions options;
    options.round = how.to == A::F16 ? Round::Nearest : Round::Zero;
    if (how.to == A::F16) {
      c = static_cast<float>(valueOf(f16Format, roundTo(f16Format, fromDouble(sum))));
    } else {
      c = std::fabs(sum) >= 0x1p128 ? std::copysign(HUGE_VALF, static_cast<float>(sum))
                                    : toFloat(roundTo(f32Format, fromDouble(sum), options));
      if (how.resultBits < 23 && std::isfinite(c) && std::fabs(c) >= 0x1p-126f)
        c = toFloat(fromFloat(c) & ~((1u << (23 - how.resultBits)) - 1));
    }
    if (!std::isfinite(c))
      return c; // overflow stays
  }
  return c;
}

TEST(TensorProduct, VectorsOfEveryWidthAgreeWithTheScalarModel) {
  std::mt19937 random(5);
  struct Case {
    int architecture;
    TensorType type;
    A to;
    bool warpgroup;
    int depth;
  };
  for (Case c :
       {Case{80, T::F16, A::F32, false, 16}, Case{90, T::F16, A::F32, true, 16}, Case{90, T::F16, A::F16, true, 16},
        Case{86, T::F16, A::F16, false, 16}, Case{80, T::BF16, A::F32, false, 16}, Case{90, T::BF16, A::F32, true, 16},
        Case{80, T::TF32, A::F32, false, 8}, Case{90, T::TF32, A::F32, true, 8}, Case{89, T::E4M3, A::F32, false, 32},
        Case{90, T::E4M3, A::F32, true, 32}, Case{90, T::E5M2, A::F32, true, 32}, Case{90, T::E4M3, A::F32, false, 32},
        Case{90, T::E5M2, A::F16, true, 32}}) {
    Accumulation how = model(c.architecture, c.type, c.to, c.warpgroup);
    const int rows = 5, columns = 21, pitch = 32;
    for (int repeat = 0; repeat < 60; ++repeat) {
      // Whole exponent range, a narrow one, or nearly all equal.
      auto element = [&]() -> uint32_t {
        int bits = widthOf(c.type);
        uint32_t value = static_cast<uint32_t>(random()) & (bits == 32 ? ~0u : (1u << bits) - 1);
        if (repeat % 3 == 1)
          value = encode(c.type, (static_cast<int>(random() % 2001) - 1000) / 256.0);
        if (repeat % 3 == 2)
          value = random() % 4
                      ? value & static_cast<uint32_t>(formatOf(c.type).signBit() | formatOf(c.type).mantissaMask()
                                                                                       << formatOf(c.type).storageShift)
                      : 0;
        return isNaN(formatOf(c.type), value) || (value & formatOf(c.type).infinity()) == formatOf(c.type).infinity()
                   ? 0
                   : value;
      };
      Operand a(Operand::Arrangement::LineMajor, rows, c.depth), b(Operand::Arrangement::DepthMajor, columns, c.depth);
      std::vector<std::vector<uint32_t>> as(rows), bs(columns);
      for (int row = 0; row < rows; ++row)
        for (int k = 0; k < c.depth; ++k)
          a.set(c.type, row, k, as[row].emplace_back(element()));
      for (int column = 0; column < columns; ++column)
        for (int k = 0; k < c.depth; ++k)
          b.set(c.type, column, k, bs[column].emplace_back(element()));
      std::vector<uint32_t> start(rows * pitch);
      for (uint32_t &bits : start) {
        float value =
            std::ldexp(static_cast<float>(static_cast<int32_t>(random())), static_cast<int>(random() % 40) - 50);
        bits = random() % 5 == 0 ? 0 : fromFloat(c.to == A::F16 ? halfToFloat(floatToHalf(value)) : value);
      }
      for (int width : {128, 256, 512}) {
        std::vector<uint32_t> sums = start;
        how.hostVectorBits = width;
        multiply(a, b, how, sums.data(), pitch);
        for (int row = 0; row < rows; ++row)
          for (int column = 0; column < columns; ++column) {
            float expected = reference(c.type, as[row], bs[column], toFloat(start[row * pitch + column]), how);
            ASSERT_EQ(canonical(expected), sums[row * pitch + column])
                << c.architecture << " type " << int(c.type) << " repeat " << repeat << " width " << width << " c "
                << toFloat(start[row * pitch + column]);
          }
      }
    }
  }
}

TEST(TensorProduct, PromisedSumsRoundOnce) {
  Accumulation how = accumulationFor(90, T::F16, A::F32, true, TensorMode::PromiseOnly);
  EXPECT_EQ(dot(T::F16, {0x1p-12, 0x1p-14}, {0x1p-12, 0x1p-14}, 1, how), 1.0f + 0x1p-23f); // 1 + 2^-24 + 2^-28
  std::vector<double> a = times(16, 0), b = times(16, 1);
  a[0] = a[8] = 0x1p15;
  b[0] = 0x1p10;
  b[8] = -0x1p10;
  a[1] = 1;
  EXPECT_EQ(dot(T::F16, a, b, 0, how), 1.0f);
  EXPECT_EQ(fromFloat(dot(T::F16, {HUGE_VAL}, {0}, 0, how)), 0x7fffffffu);
}

TEST(TensorProduct, NegationFlipsSigns) {
  Operand a(Operand::Arrangement::LineMajor, 1, 2), b(Operand::Arrangement::DepthMajor, 1, 2);
  a.set(T::F16, 0, 0, encode(T::F16, 3));
  a.set(T::F16, 0, 1, encode(T::F16, HUGE_VAL));
  b.set(T::F16, 0, 0, encode(T::F16, 2));
  b.set(T::F16, 0, 1, encode(T::F16, 1));
  a.negate();
  uint32_t sum[16] = {};
  multiply(a, b, model(90, T::F16), sum, 16);
  EXPECT_EQ(toFloat(sum[0]), -HUGE_VALF);
}

TEST(TensorProduct, IntegersWrapOrSaturate) {
  int32_t a[4] = {-128, 127, 255, 1}, b[8] = {-128, 1, 127, 2, 255, 3, 1, 4}, sums[2] = {0x7fffffff, -5};
  multiplyIntegers(a, b, 1, 2, 4, false, sums, 2);
  int64_t first = 128 * 128 + 127 * 127 + 255 * 255 + 1;
  EXPECT_EQ(sums[0], static_cast<int32_t>(static_cast<uint32_t>(0x7fffffff + first)));
  EXPECT_EQ(sums[1], -128 + 254 + 765 + 4 - 5);
  int32_t clamped[2] = {0x7fffffff, -0x7fffffff - 1};
  multiplyIntegers(a, b, 1, 2, 4, true, clamped, 2);
  EXPECT_EQ(clamped[0], 0x7fffffff);
  int32_t minus[1] = {-128}, one[1] = {1}, low[1] = {-0x7fffffff - 1};
  multiplyIntegers(minus, one, 1, 1, 1, true, low, 1);
  EXPECT_EQ(low[0], -0x7fffffff - 1);
}

// --- descriptors ---

uint64_t descriptor(uint32_t start, uint32_t leading, uint32_t stride, unsigned mode) {
  return uint64_t(start >> 4) | uint64_t(leading >> 4) << 16 | uint64_t(stride >> 4) << 32 | uint64_t(mode) << 62;
}

TEST(TensorDescriptor, Fields) {
  MatrixDescriptor d;
  EXPECT_EQ(decode(descriptor(0x8000, 0x40, 1024, 1), d), "");
  EXPECT_EQ(d.start, 0x8000u);
  EXPECT_EQ(d.leading, 0x40u);
  EXPECT_EQ(d.stride, 1024u);
  EXPECT_EQ(d.swizzle, 128u);
  EXPECT_EQ(decode(descriptor(512, 0, 512, 2), d), "");
  EXPECT_EQ(d.swizzle, 64u);
  EXPECT_EQ(decode(descriptor(256, 0, 256, 3), d), "");
  EXPECT_EQ(d.swizzle, 32u);
  EXPECT_EQ(decode(descriptor(16, 0, 256, 0), d), "");
  EXPECT_EQ(decode(descriptor(1024 + 96, 0, 1024, 1), d), ""); // moved along K
  EXPECT_NE(decode(descriptor(512, 0, 1024, 1), d), "");       // the pattern starts in the middle of a period
  EXPECT_NE(decode(descriptor(128, 0, 256, 3), d), "");
  EXPECT_NE(decode(descriptor(1024, 0, 1024, 1) | uint64_t(1) << 49, d), ""); // base offset
  EXPECT_NE(decode(descriptor(1024, 0, 1024, 1) | uint64_t(1) << 14, d), ""); // overflow of the address
}

/// Pieces by (line, k).
std::vector<MatrixPiece> piecesOf(uint64_t bits, bool mnMajor, int lines, int elementBytes) {
  MatrixDescriptor d;
  EXPECT_EQ(decode(bits, d), "");
  std::vector<MatrixPiece> pieces;
  matrixPieces(d, mnMajor, lines, elementBytes, pieces);
  return pieces;
}
uint32_t find(const std::vector<MatrixPiece> &pieces, int line, int k) {
  for (const MatrixPiece &piece : pieces)
    if (piece.line == line && piece.k == k)
      return piece.shared;
  ADD_FAILURE() << "no piece " << line << ", " << k;
  return 0;
}

TEST(TensorDescriptor, KMajorLayouts) {
  // No swizzle: core matrices of 8 rows by 16 bytes; LBO to the next along K, SBO to the next 8 rows.
  auto plain = piecesOf(descriptor(0x400, 128, 256, 0), false, 64, 2);
  EXPECT_EQ(plain.size(), 128u);
  EXPECT_EQ(find(plain, 0, 0), 0x400u);
  EXPECT_EQ(find(plain, 1, 0), 0x410u);
  EXPECT_EQ(find(plain, 0, 8), 0x480u);
  EXPECT_EQ(find(plain, 8, 0), 0x500u);
  EXPECT_EQ(find(plain, 63, 8), 0x400u + 7 * 256 + 128 + 7 * 16);
  // 128 bytes: rows of 128 bytes, 16-byte units exchanged by the row; LBO ignored.
  auto wide = piecesOf(descriptor(0x400, 16, 1024, 1), false, 64, 2);
  EXPECT_EQ(find(wide, 0, 0), 0x400u);
  EXPECT_EQ(find(wide, 0, 8), 0x410u);
  EXPECT_EQ(find(wide, 1, 0), 0x400u + 128 + 16);
  EXPECT_EQ(find(wide, 1, 8), 0x400u + 128 + 0);
  EXPECT_EQ(find(wide, 6, 0), 0x400u + 6 * 128 + 6 * 16);
  EXPECT_EQ(find(wide, 9, 8), 0x400u + 1024 + 128);
  // Moved by 32 bytes along K: units 2 and 3 of each row.
  auto moved = piecesOf(descriptor(0x420, 16, 1024, 1), false, 64, 2);
  EXPECT_EQ(find(moved, 0, 0), 0x420u);
  EXPECT_EQ(find(moved, 1, 0), 0x400u + 128 + 3 * 16);
  EXPECT_EQ(find(moved, 3, 8), 0x400u + 3 * 128 + 0);
  // 64 and 32 bytes: two and four rows share a line of 128 bytes.
  auto middle = piecesOf(descriptor(0x400, 16, 512, 2), false, 64, 2);
  EXPECT_EQ(find(middle, 1, 0), 0x440u);
  EXPECT_EQ(find(middle, 2, 0), 0x480u + 16);
  EXPECT_EQ(find(middle, 6, 0), 0x400u + 6 * 64 + 3 * 16);
  auto narrow = piecesOf(descriptor(0x400, 16, 256, 3), false, 64, 2);
  EXPECT_EQ(find(narrow, 3, 0), 0x460u);
  EXPECT_EQ(find(narrow, 4, 0), 0x480u + 16);
  EXPECT_EQ(find(narrow, 4, 8), 0x480u);
  // 8-bit and 32-bit elements: the same bytes.
  EXPECT_EQ(find(piecesOf(descriptor(0x400, 128, 256, 0), false, 64, 1), 0, 16), 0x480u);
  EXPECT_EQ(find(piecesOf(descriptor(0x400, 128, 256, 0), false, 64, 4), 0, 4), 0x480u);
}

TEST(TensorDescriptor, MnMajorLayouts) {
  // No swizzle: 16 bytes of M by 8 k; here SBO goes along M and LBO along K.
  auto plain = piecesOf(descriptor(0x400, 2048, 128, 0), true, 64, 2);
  EXPECT_EQ(plain.size(), 128u);
  EXPECT_EQ(find(plain, 0, 1), 0x410u);
  EXPECT_EQ(find(plain, 8, 0), 0x480u);
  EXPECT_EQ(find(plain, 0, 8), 0xc00u);
  // 128 bytes: 64 elements of M in a row of 128 bytes, a row for every k; LBO to the next 64 elements, SBO to the next
  // 8 k.
  auto wide = piecesOf(descriptor(0x400, 4096, 1024, 1), true, 128, 2);
  EXPECT_EQ(wide.size(), 256u);
  EXPECT_EQ(find(wide, 8, 0), 0x410u);
  EXPECT_EQ(find(wide, 0, 1), 0x400u + 128 + 16);
  EXPECT_EQ(find(wide, 16, 3), 0x400u + 3 * 128 + (2 ^ 3) * 16);
  EXPECT_EQ(find(wide, 64, 0), 0x400u + 4096);
  EXPECT_EQ(find(wide, 0, 9), 0x400u + 1024 + 128 + 16);
}

TEST(TensorDescriptor, PackedTilesCoverEveryByteOnce) {
  for (unsigned mode : {0u, 1u, 2u, 3u}) {
    std::set<uint32_t> seen;
    uint32_t span = mode == 0 ? 16 : mode == 1 ? 128 : mode == 2 ? 64 : 32;
    int steps = mode == 0 ? 1 : static_cast<int>(span / 32);
    for (int step = 0; step < steps; ++step)
      for (const MatrixPiece &piece :
           piecesOf(descriptor(static_cast<uint32_t>(32 * step), 128, mode == 0 ? 256 : 8 * span, mode), false, 64, 2))
        seen.insert(piece.shared);
    uint32_t bytes = mode == 0 ? 64 * 32 : 64 * span;
    EXPECT_EQ(seen.size(), bytes / 16) << mode;
    EXPECT_EQ(*seen.rbegin(), bytes - 16) << mode;
  }
}

} // namespace
