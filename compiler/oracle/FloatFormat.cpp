#include "compiler/oracle/FloatFormat.h"
#include "llvm/ADT/bit.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace adze::oracle {
namespace {

constexpr FloatFormat kF64{64, 11, 52, 1023, NanStyle::Ieee, std::numeric_limits<double>::max()};
constexpr FloatFormat kF32{32, 8, 23, 127, NanStyle::Ieee, std::numeric_limits<float>::max()};
constexpr FloatFormat kF16{16, 5, 10, 15, NanStyle::Ieee, 65504};
constexpr FloatFormat kBF16{16, 8, 7, 127, NanStyle::Ieee, 0x1.fep127};
constexpr FloatFormat kE4M3FN{8, 4, 3, 7, NanStyle::AllOnes, 448};
constexpr FloatFormat kE4M3FNUZ{8, 4, 3, 8, NanStyle::NegativeZero, 240};
constexpr FloatFormat kE5M2{8, 5, 2, 15, NanStyle::Ieee, 57344};
constexpr FloatFormat kE5M2FNUZ{8, 5, 2, 16, NanStyle::NegativeZero, 57344};
constexpr FloatFormat kE8M0{8, 8, 0, 127, NanStyle::ExponentOnly, 0x1p127};
constexpr FloatFormat kE2M1{4, 2, 1, 1, NanStyle::None, 6};
constexpr FloatFormat kE2M3{6, 2, 3, 1, NanStyle::None, 7.5};
constexpr FloatFormat kE3M2{6, 3, 2, 3, NanStyle::None, 28};

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

int exponentOf(double v) { return static_cast<int>((llvm::bit_cast<uint64_t>(v) >> 52) & 0x7ff) - 1023; }
double powerOfTwo(int e) { return llvm::bit_cast<double>(static_cast<uint64_t>(e + 1023) << 52); }

/// To the grid of the format, as if its exponent had no upper bound. Adding and subtracting 1.5 * 2^52 units rounds to
/// nearest even in the units' place.
double toGrid(const FloatFormat &format, double v, tile::RoundMode mode) {
  int e = std::max(exponentOf(v), format.minExponent());
  int unit = e - static_cast<int>(format.mantissaBits);
  double magic = 1.5 * powerOfTwo(unit + 52);
  double r = (v + magic) - magic;
  if (mode == tile::RoundMode::rtz && std::fabs(r) > std::fabs(v))
    r -= std::copysign(powerOfTwo(unit), v);
  if (mode == tile::RoundMode::floor && r > v)
    r -= powerOfTwo(unit);
  return std::copysign(r, v);
}

double roundToExponent(double v) {
  if (std::isnan(v) || v < 0)
    return kNan;
  if (v <= 0x1p-127)
    return 0x1p-127;
  return v > kE8M0.maxFinite ? kE8M0.maxFinite : std::min(toGrid(kE8M0, v, tile::RoundMode::rne), kE8M0.maxFinite);
}

} // namespace

const FloatFormat *floatFormat(Type type) {
  return llvm::TypeSwitch<Type, const FloatFormat *>(type)
      .Case([](Float64Type) { return &kF64; })
      .Case([](Float32Type) { return &kF32; })
      .Case([](Float16Type) { return &kF16; })
      .Case([](BFloat16Type) { return &kBF16; })
      .Case([](Float8E4M3FNType) { return &kE4M3FN; })
      .Case([](Float8E4M3FNUZType) { return &kE4M3FNUZ; })
      .Case([](Float8E5M2Type) { return &kE5M2; })
      .Case([](Float8E5M2FNUZType) { return &kE5M2FNUZ; })
      .Case([](Float8E8M0FNUType) { return &kE8M0; })
      .Case([](Float4E2M1FNType) { return &kE2M1; })
      .Case([](Float6E2M3FNType) { return &kE2M3; })
      .Case([](Float6E3M2FNType) { return &kE3M2; })
      .Default(nullptr);
}

double roundTo(const FloatFormat &format, double v, tile::RoundMode mode, bool saturate) {
  if (format.isDouble())
    return v;
  if (format.isSingle() && mode == tile::RoundMode::rne && !saturate)
    return static_cast<double>(static_cast<float>(v));
  if (format.nan == NanStyle::ExponentOnly)
    return roundToExponent(v);
  if (std::isnan(v))
    return format.nan == NanStyle::None ? 0.0 : v;
  double r = std::fabs(v) > 2 * format.maxFinite ? v : toGrid(format, v, mode);
  if (std::fabs(r) > format.maxFinite) {
    bool towardsFinite = !std::isinf(v) && (mode == tile::RoundMode::rtz || (mode == tile::RoundMode::floor && v > 0));
    if (saturate || towardsFinite || format.nan == NanStyle::None)
      return std::copysign(format.maxFinite, v);
    return format.nan == NanStyle::Ieee ? std::copysign(kInf, v) : kNan;
  }
  return r == 0 && format.nan == NanStyle::NegativeZero ? 0.0 : r;
}

void roundSpan(const FloatFormat &format, double *values, int64_t count) {
  if (format.isDouble())
    return;
  if (format.isSingle()) {
    for (int64_t i = 0; i < count; ++i)
      values[i] = static_cast<double>(static_cast<float>(values[i]));
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    values[i] = roundTo(format, values[i]);
}

uint64_t encode(const FloatFormat &format, double v) {
  uint64_t raw = llvm::bit_cast<uint64_t>(v);
  if (format.isDouble())
    return raw;
  uint64_t sign = (raw >> 63) << (format.bits - 1);
  uint64_t exponentMask = (uint64_t(1) << format.exponentBits) - 1;
  if (format.nan == NanStyle::ExponentOnly)
    return std::isnan(v) ? 0xff : static_cast<uint64_t>(exponentOf(v) + format.bias);
  if (std::isnan(v)) {
    switch (format.nan) {
    case NanStyle::Ieee:
      return sign | exponentMask << format.mantissaBits | uint64_t(1) << (format.mantissaBits - 1);
    case NanStyle::AllOnes:
      return sign | ((uint64_t(1) << (format.bits - 1)) - 1);
    case NanStyle::NegativeZero:
      return uint64_t(1) << (format.bits - 1);
    default:
      return 0;
    }
  }
  if (std::isinf(v))
    return sign | exponentMask << format.mantissaBits;
  if (v == 0)
    return format.nan == NanStyle::NegativeZero ? 0 : sign;
  int e = exponentOf(v);
  uint64_t mantissa = raw & ((uint64_t(1) << 52) - 1);
  unsigned shift = 52 - format.mantissaBits;
  if (e >= format.minExponent())
    return sign | static_cast<uint64_t>(e + format.bias) << format.mantissaBits | mantissa >> shift;
  return sign | (mantissa | uint64_t(1) << 52) >> (shift + (format.minExponent() - e));
}

double decode(const FloatFormat &format, uint64_t bits) {
  if (format.isDouble())
    return llvm::bit_cast<double>(bits);
  if (format.nan == NanStyle::ExponentOnly)
    return bits == 0xff ? kNan : std::ldexp(1.0, static_cast<int>(bits) - format.bias);
  uint64_t exponentMask = (uint64_t(1) << format.exponentBits) - 1;
  bool negative = bits >> (format.bits - 1) & 1;
  uint64_t magnitude = bits & ((uint64_t(1) << (format.bits - 1)) - 1);
  uint64_t e = magnitude >> format.mantissaBits, m = magnitude & ((uint64_t(1) << format.mantissaBits) - 1);
  if (format.nan == NanStyle::Ieee && e == exponentMask)
    return m ? kNan : negative ? -kInf : kInf;
  if (format.nan == NanStyle::AllOnes && magnitude == (uint64_t(1) << (format.bits - 1)) - 1)
    return kNan;
  if (format.nan == NanStyle::NegativeZero && negative && magnitude == 0)
    return kNan;
  int unit = (e ? static_cast<int>(e) - format.bias : format.minExponent()) - static_cast<int>(format.mantissaBits);
  double v = std::ldexp(static_cast<double>(e ? m | uint64_t(1) << format.mantissaBits : m), unit);
  return negative ? -v : v;
}

} // namespace adze::oracle
