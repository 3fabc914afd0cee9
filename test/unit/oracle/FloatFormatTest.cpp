// Every format against LLVM's APFloat: all codes, and roundings near every code.
#include "compiler/oracle/FloatFormat.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace adze::oracle;
using adze::tile::RoundMode;
using llvm::APFloat;

namespace {

struct Case {
  const char *name;
  const FloatFormat *format;
  const llvm::fltSemantics *semantics;
};

std::vector<Case> cases(mlir::MLIRContext &context) {
  std::vector<mlir::FloatType> types = {
      mlir::Float16Type::get(&context),      mlir::BFloat16Type::get(&context),
      mlir::Float8E4M3FNType::get(&context), mlir::Float8E4M3FNUZType::get(&context),
      mlir::Float8E5M2Type::get(&context),   mlir::Float8E5M2FNUZType::get(&context),
      mlir::Float4E2M1FNType::get(&context), mlir::Float6E2M3FNType::get(&context),
      mlir::Float6E3M2FNType::get(&context),
  };
  static const char *names[] = {"f16", "bf16", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e2m1", "e2m3", "e3m2"};
  std::vector<Case> result;
  for (auto [n, t] : llvm::enumerate(types))
    result.push_back({names[n], floatFormat(t), &t.getFloatSemantics()});
  return result;
}

double toDouble(APFloat v) {
  bool lost;
  v.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return v.convertToDouble();
}

double reference(const Case &c, double v, llvm::RoundingMode mode) {
  APFloat f(v);
  bool lost;
  f.convert(*c.semantics, mode, &lost);
  return toDouble(f);
}

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

TEST(FloatFormat, DecodesAndEncodesEveryCode) {
  mlir::MLIRContext context;
  for (const Case &c : cases(context))
    for (uint64_t code = 0; code < uint64_t(1) << c.format->bits; ++code) {
      double v = decode(*c.format, code), r = toDouble(APFloat(*c.semantics, llvm::APInt(c.format->bits, code)));
      ASSERT_TRUE(same(v, r)) << c.name << " code " << code << ": " << v << " vs " << r;
      if (!std::isnan(v)) {
        ASSERT_EQ(encode(*c.format, v), code) << c.name;
        ASSERT_TRUE(same(roundTo(*c.format, v), v)) << c.name << " " << v;
      }
    }
}

TEST(FloatFormat, RoundsLikeApFloat) {
  mlir::MLIRContext context;
  for (const Case &c : cases(context)) {
    uint64_t codes = uint64_t(1) << (c.format->bits - 1);
    for (uint64_t code = 0; code + 1 < codes; ++code) {
      double a = decode(*c.format, code), b = decode(*c.format, code + 1);
      if (!std::isfinite(a) || !std::isfinite(b))
        continue;
      double middle = a / 2 + b / 2;
      for (double v : {middle, std::nextafter(middle, a), std::nextafter(middle, b), a + (b - a) * 0.3})
        for (double s : {v, -v}) {
          double r = roundTo(*c.format, s), e = reference(c, s, APFloat::rmNearestTiesToEven);
          if (c.format->nan == NanStyle::NegativeZero && e == 0)
            e = 0;
          ASSERT_TRUE(same(r, e)) << c.name << " rne " << s << ": " << r << " vs " << e;
          ASSERT_EQ(roundTo(*c.format, s, RoundMode::rtz), reference(c, s, APFloat::rmTowardZero)) << c.name;
          ASSERT_EQ(roundTo(*c.format, s, RoundMode::floor), reference(c, s, APFloat::rmTowardNegative)) << c.name;
        }
    }
  }
}

TEST(FloatFormat, Overflow) {
  mlir::MLIRContext context;
  const FloatFormat &half = *floatFormat(mlir::Float16Type::get(&context));
  const FloatFormat &fn = *floatFormat(mlir::Float8E4M3FNType::get(&context));
  const FloatFormat &fp4 = *floatFormat(mlir::Float4E2M1FNType::get(&context));
  EXPECT_EQ(roundTo(half, 65519.9), 65504);
  EXPECT_EQ(roundTo(half, 65520), INFINITY);
  EXPECT_EQ(roundTo(half, -1e300), -INFINITY);
  EXPECT_EQ(roundTo(half, 1e300, RoundMode::rne, true), 65504);
  EXPECT_TRUE(std::isnan(roundTo(fn, 1000)));
  EXPECT_TRUE(std::isnan(roundTo(fn, INFINITY)));
  EXPECT_EQ(roundTo(fn, INFINITY, RoundMode::rne, true), 448);
  EXPECT_EQ(roundTo(fn, 464), 448) << "a tie between 448 and the code that is NaN";
  EXPECT_TRUE(std::isnan(roundTo(fn, NAN, RoundMode::rne, true)));
  EXPECT_EQ(roundTo(fp4, -INFINITY), -6);
  EXPECT_EQ(roundTo(fp4, NAN), 0);
}

TEST(FloatFormat, SingleIsTheHostsFloat) {
  mlir::MLIRContext context;
  const FloatFormat &single = *floatFormat(mlir::Float32Type::get(&context));
  for (double v : {1.0 / 3, 1e-40, 1e39, -0.0, 16777217.0})
    EXPECT_TRUE(same(roundTo(single, v), static_cast<double>(static_cast<float>(v))));
  EXPECT_EQ(roundTo(single, 1.0 + 0x1.8p-24, RoundMode::rtz), 1.0);
  EXPECT_EQ(encode(single, 1.0), 0x3f800000u);
  EXPECT_EQ(encode(single, 0x1p-149), 1u);
}

} // namespace
