// Conversions of the CUDA target: instructions where the architecture has them give the same bits as the portable
// expansions, for every 8- and 16-bit input and for float32 values around every boundary.
#include "test/unit/cuda/ElementKernel.h"
#include "test/unit/cuda/Ulp.h"
#include "llvm/ADT/APFloat.h"

using namespace adze::test;

namespace {

struct Format {
  const char *name;
  const llvm::fltSemantics &semantics;
};
const Format kSmall[] = {{"f8E4M3FN", llvm::APFloat::Float8E4M3FN()},
                         {"f8E5M2", llvm::APFloat::Float8E5M2()},
                         {"f8E4M3FNUZ", llvm::APFloat::Float8E4M3FNUZ()},
                         {"f8E5M2FNUZ", llvm::APFloat::Float8E5M2FNUZ()}};

std::string castText(const std::string &from, const std::string &to, const std::string &attributes) {
  return "tile.cast %a " + attributes + ": tensor<1x" + from + "> -> tensor<1x" + to + ">";
}

/// Values around every boundary of a small format: each value, its neighbours in float32, the middles.
std::vector<float> boundaries(const llvm::fltSemantics &semantics) {
  std::vector<float> x = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e-45f, -1e-45f, 3.4e38f, -3.4e38f};
  std::vector<float> values;
  for (unsigned bits = 0; bits < 128; ++bits) {
    llvm::APFloat v(semantics, llvm::APInt(8, bits));
    if (v.isFinite())
      values.push_back(v.convertToFloat());
  }
  std::sort(values.begin(), values.end());
  values.push_back(values.back() * 1.0625f);
  values.push_back(values.back() * 2);
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    float middle = values[i] + (values[i + 1] - values[i]) / 2;
    for (float v : {values[i], middle})
      for (float n : {v, std::nextafter(v, 0.0f), std::nextafter(v, INFINITY)}) {
        x.push_back(n);
        x.push_back(-n);
      }
  }
  return x;
}

TEST(Convert, Float32ToEightBits) {
  for (const Format &format : kSmall) {
    std::vector<float> x = boundaries(format.semantics);
    for (const char *arch : {"sm_80", "sm_90a"}) {
      SimModule module(elementPtx(castText("f32", format.name, "{sat} "), {"f32"}, format.name, arch), arch);
      std::vector<uint8_t> y = runElements<uint8_t, float>(module, {x});
      for (size_t i = 0; i < x.size(); ++i) {
        llvm::APFloat got(format.semantics, llvm::APInt(8, y[i]));
        if (std::isnan(x[i])) {
          EXPECT_TRUE(got.isNaN()) << format.name << " " << arch;
          continue;
        }
        llvm::APFloat largest = llvm::APFloat::getLargest(format.semantics, std::signbit(x[i]));
        llvm::APFloat want(x[i]);
        bool lost;
        want.convert(format.semantics, llvm::APFloat::rmNearestTiesToEven, &lost);
        if (!want.isFinite() || std::fabs(x[i]) > std::fabs(largest.convertToFloat()))
          want = largest;
        EXPECT_EQ(y[i], want.bitcastToAPInt().getZExtValue()) << format.name << " " << arch << " of " << x[i];
      }
    }
  }
}

TEST(Convert, EightBitsToFloat32) {
  std::vector<uint8_t> x(256);
  for (unsigned i = 0; i < 256; ++i)
    x[i] = static_cast<uint8_t>(i);
  for (const Format &format : kSmall)
    for (const char *arch : {"sm_80", "sm_90a"}) {
      SimModule module(elementPtx(castText(format.name, "f32", ""), {format.name}, "f32", arch), arch);
      std::vector<float> y = runElements<float, uint8_t>(module, {x});
      for (unsigned i = 0; i < 256; ++i) {
        llvm::APFloat want(format.semantics, llvm::APInt(8, i));
        if (want.isNaN())
          EXPECT_TRUE(std::isnan(y[i])) << format.name << " " << arch << " " << i;
        else
          EXPECT_EQ(bitsOf(y[i]), bitsOf(want.convertToFloat())) << format.name << " " << arch << " " << i;
      }
    }
}

TEST(Convert, SixteenBits) {
  std::vector<uint16_t> x(65536);
  for (unsigned i = 0; i < 65536; ++i)
    x[i] = static_cast<uint16_t>(i);
  for (const char *type : {"f16", "bf16"}) {
    SimModule widen(elementPtx(castText(type, "f32", ""), {type}, "f32", "sm_80"), "sm_80");
    std::vector<float> wide = runElements<float, uint16_t>(widen, {x});
    for (unsigned i = 0; i < 65536; ++i) {
      double want = type[0] == 'b' ? fromBf16(x[i]) : fromF16(x[i]);
      if (std::isnan(want))
        EXPECT_TRUE(std::isnan(wide[i]));
      else
        EXPECT_EQ(bitsOf(wide[i]), bitsOf(static_cast<float>(want))) << type << " " << i;
    }
    // Back, with values a little above and below and in the middle.
    SimModule narrow(elementPtx(castText("f32", type, ""), {"f32"}, type, "sm_80"), "sm_80");
    std::vector<float> y;
    for (unsigned i = 0; i < 65536; ++i)
      for (int32_t step : {-1, 0, 1, type[0] == 'b' ? 0x8000 : 0x1000, type[0] == 'b' ? 0x8001 : 0x1001})
        y.push_back(floatOf(bitsOf(wide[i]) + static_cast<uint32_t>(step)));
    std::vector<uint16_t> back = runElements<uint16_t, float>(narrow, {y});
    const llvm::fltSemantics &semantics = type[0] == 'b' ? llvm::APFloat::BFloat() : llvm::APFloat::IEEEhalf();
    unsigned wrong = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      llvm::APFloat want(y[i]);
      bool lost;
      want.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &lost);
      bool same = want.isNaN() ? llvm::APFloat(semantics, llvm::APInt(16, back[i])).isNaN()
                               : back[i] == want.bitcastToAPInt().getZExtValue();
      if (!same && wrong++ < 5)
        ADD_FAILURE() << type << " of " << y[i] << " is " << back[i];
    }
    EXPECT_EQ(wrong, 0u);
  }
}

TEST(Convert, ToIntegers) {
  std::vector<float> x;
  for (float base : {0.0f, 0.5f, 1.5f, 2.5f, 126.5f, 127.5f, 128.5f, 255.5f, 32767.5f, 65535.5f, 2147483648.0f,
                     4294967296.0f, 1e20f, INFINITY, NAN})
    for (float v : {base, std::nextafter(base, 0.0f), std::nextafter(base, INFINITY)})
      for (float s : {v, -v})
        x.push_back(s);
  SimModule i8(elementPtx(castText("f32", "i8", "{sat} "), {"f32"}, "i8", "sm_80"), "sm_80");
  std::vector<int8_t> y = runElements<int8_t, float>(i8, {x});
  SimModule u8(elementPtx(castText("f32", "i8", "{sat, unsigned_dst} "), {"f32"}, "i8", "sm_80"), "sm_80");
  std::vector<uint8_t> z = runElements<uint8_t, float>(u8, {x});
  for (size_t i = 0; i < x.size(); ++i) {
    double r = std::isnan(x[i]) ? 0 : std::nearbyint(x[i]);
    EXPECT_EQ(y[i], static_cast<int8_t>(std::fmin(std::fmax(r, -128), 127))) << x[i];
    EXPECT_EQ(z[i], static_cast<uint8_t>(std::fmin(std::fmax(r, 0), 255))) << x[i];
  }
}

TEST(Convert, IntegerDivision) {
  std::vector<int32_t> a, d;
  for (int32_t x : {0, 1, -1, 7, -7, 100, INT32_MAX, INT32_MIN})
    for (int32_t y : {0, 1, -1, 2, -3, 7, INT32_MAX, INT32_MIN}) {
      a.push_back(x);
      d.push_back(y);
    }
  for (const char *op : {"arith.divsi", "arith.remsi"}) {
    SimModule module(elementPtx(std::string(op) + " %a, %b : tensor<1xi32>", {"i32", "i32"}, "i32", "sm_80"), "sm_80");
    std::vector<int32_t> r = runElements<int32_t, int32_t>(module, {a, d});
    for (size_t i = 0; i < a.size(); ++i) {
      int64_t q = d[i] ? int64_t(a[i]) / d[i] : 0, m = d[i] ? int64_t(a[i]) % d[i] : 0;
      EXPECT_EQ(r[i], static_cast<int32_t>(op[6] == 'd' ? q : m)) << a[i] << " " << op << " " << d[i];
    }
  }
}

} // namespace
