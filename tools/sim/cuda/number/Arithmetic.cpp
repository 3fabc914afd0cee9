#include "tools/sim/cuda/number/Arithmetic.h"

namespace adze::sim {
namespace {

using Wide = unsigned __int128;

RoundOptions optionsOf(const Modifiers &modifiers) {
  RoundOptions options;
  options.round = modifiers.round;
  options.flush = modifiers.flush;
  options.relu = modifiers.relu;
  options.saturate = modifiers.saturate;
  return options;
}

int signOf(double value) { return (value > 0) - (value < 0); }

/// A sum of doubles and on which side of it the exact sum lies (Knuth's two-sum; no overflow for f32-sized operands).
struct Sum {
  double value;
  int sticky;
};
Sum addExactly(double a, double b) {
  double sum = a + b;
  double part = sum - a;
  double error = (a - (sum - part)) + (b - part);
  return {sum, std::isfinite(sum) ? signOf(error) : 0};
}

/// The rounded sum of p and c, operands of a format of at most 32 bits or a product of two (exact in a double).
uint64_t roundSum(const Format &format, double p, double c, const RoundOptions &options) {
  Sum sum = addExactly(p, c);
  Exact exact = fromDouble(sum.value, sum.sticky);
  // IEEE 754, 6.3: an exact zero sum is +0, but -0 when rounding down, unless both addends are zeros of one sign.
  if (exact.kind == Kind::Zero && options.round == Round::Down && !(!std::signbit(p) && !std::signbit(c)))
    exact.negative = true;
  return roundTo(format, exact, options);
}

double load(uint32_t bits, const Modifiers &modifiers) {
  return toFloat(modifiers.flush ? static_cast<uint32_t>(flushSubnormal(f32Format, bits)) : bits);
}

} // namespace

// --- f32 ---

uint32_t addF32(uint32_t a, uint32_t b, const Modifiers &modifiers) {
  if (modifiers.plain())
    return addF32(a, b);
  return roundSum(f32Format, load(a, modifiers), load(b, modifiers), optionsOf(modifiers));
}

uint32_t subF32(uint32_t a, uint32_t b, const Modifiers &modifiers) { return addF32(a, b ^ 0x80000000u, modifiers); }

uint32_t mulF32(uint32_t a, uint32_t b, const Modifiers &modifiers) {
  if (modifiers.plain())
    return mulF32(a, b);
  return roundTo(f32Format, fromDouble(load(a, modifiers) * load(b, modifiers)), optionsOf(modifiers));
}

uint32_t fmaF32(uint32_t a, uint32_t b, uint32_t c, const Modifiers &modifiers) {
  if (modifiers.plain())
    return fmaF32(a, b, c);
  return roundSum(f32Format, load(a, modifiers) * load(b, modifiers), load(c, modifiers), optionsOf(modifiers));
}

uint32_t divF32(uint32_t a, uint32_t b, const Modifiers &modifiers) {
  if (modifiers.plain())
    return divF32(a, b);
  double x = load(a, modifiers), y = load(b, modifiers), quotient = x / y;
  int sticky = 0;
  if (std::isfinite(quotient) && std::isfinite(y))
    sticky = signOf(std::fma(-quotient, y, x)) * signOf(y);
  return roundTo(f32Format, fromDouble(quotient, sticky), optionsOf(modifiers));
}

uint32_t sqrtF32(uint32_t a, const Modifiers &modifiers) {
  if (modifiers.plain())
    return sqrtF32(a);
  double x = load(a, modifiers), root = std::sqrt(x);
  int sticky = std::isfinite(root) ? signOf(std::fma(-root, root, x)) : 0;
  return roundTo(f32Format, fromDouble(root, sticky), optionsOf(modifiers));
}

uint32_t rcpF32(uint32_t a, const Modifiers &modifiers) { return divF32(0x3f800000u, a, modifiers); }

// --- f64 ---

namespace {

constexpr uint64_t quietBit = uint64_t(1) << 51, newNaN = 0xfff8000000000000, signBit64 = uint64_t(1) << 63;

bool isNaN64(uint64_t bits) { return (bits & ~signBit64) > 0x7ff0000000000000; }
uint64_t withNaN(double value) { return value != value ? newNaN : bitsOf(value); }

/// An exact value with twice the significand: what a product of two f64 needs.
struct WideExact {
  Wide significand;
  int exponent;
  bool negative;
};

WideExact widen(const Exact &value) { return {value.significand, value.exponent, value.negative}; }

int topBit(Wide value) {
  uint64_t high = static_cast<uint64_t>(value >> 64);
  return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll(static_cast<uint64_t>(value));
}

/// 64 bits of the value; what is lost becomes the sticky bit.
Exact narrow(const WideExact &value, bool sticky = false) {
  Exact result;
  result.negative = value.negative;
  result.sticky = sticky;
  if (value.significand == 0)
    return result;
  result.kind = Kind::Finite;
  int shift = topBit(value.significand) - 62;
  result.exponent = value.exponent + shift;
  if (shift > 0) {
    result.significand = static_cast<uint64_t>(value.significand >> shift);
    result.sticky |= (value.significand & ((Wide(1) << shift) - 1)) != 0;
  } else {
    result.significand = static_cast<uint64_t>(value.significand) << -shift;
  }
  return result;
}

/// The sum of two nonzero values, exact up to a sticky bit. Both are first moved to bit 125, so that bits are lost only
/// where the operands are more than 20 places apart; then at most one leading bit cancels, and the sticky bit decides.
Exact sumOf(WideExact a, WideExact b) {
  auto normalise = [](WideExact &value) {
    int shift = 125 - topBit(value.significand);
    value.significand <<= shift;
    value.exponent -= shift;
  };
  normalise(a);
  normalise(b);
  if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand))
    std::swap(a, b);
  int distance = a.exponent - b.exponent;
  if (distance > 126) {
    b.significand = 1;
  } else if (distance > 0) {
    bool lost = (b.significand & ((Wide(1) << distance) - 1)) != 0;
    b.significand = (b.significand >> distance) | lost;
  }
  WideExact sum = a;
  sum.significand = a.negative == b.negative ? a.significand + b.significand : a.significand - b.significand;
  return narrow(sum);
}

/// Specials first: NaN operands, and everything that is not a finite nonzero pair, follow the host's arithmetic.
bool firstNaN(uint64_t a, uint64_t b, uint64_t &result) {
  if (isNaN64(a))
    result = a | quietBit;
  else if (isNaN64(b))
    result = b | quietBit;
  else
    return false;
  return true;
}

} // namespace

uint64_t addF64(uint64_t a, uint64_t b, Round round) {
  uint64_t result;
  if (firstNaN(a, b, result))
    return result;
  double sum = toDouble(a) + toDouble(b);
  Exact x = decode(f64Format, a), y = decode(f64Format, b);
  if (round == Round::Nearest || x.kind == Kind::Infinite || y.kind == Kind::Infinite)
    return withNaN(sum);
  if (x.kind == Kind::Zero && y.kind == Kind::Zero)
    return round == Round::Down ? (a | b) & signBit64 : a & b & signBit64;
  if (x.kind == Kind::Zero || y.kind == Kind::Zero)
    return x.kind == Kind::Zero ? b : a;
  Exact exact = sumOf(widen(x), widen(y));
  if (exact.kind == Kind::Zero)
    exact.negative = round == Round::Down;
  return roundTo(f64Format, exact, {round});
}

uint64_t subF64(uint64_t a, uint64_t b, Round round) { return addF64(a, isNaN64(b) ? b : b ^ signBit64, round); }

uint64_t mulF64(uint64_t a, uint64_t b, Round round) {
  uint64_t result;
  if (firstNaN(a, b, result))
    return result;
  Exact x = decode(f64Format, a), y = decode(f64Format, b);
  if (round == Round::Nearest || x.kind != Kind::Finite || y.kind != Kind::Finite)
    return withNaN(toDouble(a) * toDouble(b));
  WideExact product{Wide(x.significand) * y.significand, x.exponent + y.exponent, x.negative != y.negative};
  return roundTo(f64Format, narrow(product), {round});
}

uint64_t fmaF64(uint64_t a, uint64_t b, uint64_t c, Round round) {
  uint64_t result;
  if (firstNaN(a, b, result))
    return result;
  if (isNaN64(c))
    return c | quietBit;
  Exact x = decode(f64Format, a), y = decode(f64Format, b), z = decode(f64Format, c);
  bool special = x.kind == Kind::Infinite || y.kind == Kind::Infinite || z.kind == Kind::Infinite;
  if (round == Round::Nearest || special)
    return withNaN(std::fma(toDouble(a), toDouble(b), toDouble(c)));
  if (x.kind == Kind::Zero || y.kind == Kind::Zero)
    return addF64((a ^ b) & signBit64, c, round);
  WideExact product{Wide(x.significand) * y.significand, x.exponent + y.exponent, x.negative != y.negative};
  Exact exact = z.kind == Kind::Zero ? narrow(product) : sumOf(product, widen(z));
  if (exact.kind == Kind::Zero)
    exact.negative = round == Round::Down;
  return roundTo(f64Format, exact, {round});
}

uint64_t divF64(uint64_t a, uint64_t b, Round round) {
  uint64_t result;
  if (firstNaN(a, b, result))
    return result;
  Exact x = decode(f64Format, a), y = decode(f64Format, b);
  if (round == Round::Nearest || x.kind != Kind::Finite || y.kind != Kind::Finite)
    return withNaN(toDouble(a) / toDouble(b));
  // 126-bit dividend, 53-bit divisor: at least 72 bits of quotient, the remainder is the sticky bit.
  int shift = 125 - topBit(x.significand);
  Wide dividend = Wide(x.significand) << shift;
  WideExact quotient{dividend / y.significand, x.exponent - shift - y.exponent, x.negative != y.negative};
  return roundTo(f64Format, narrow(quotient, dividend % y.significand != 0), {round});
}

uint64_t sqrtF64(uint64_t a, Round round) {
  if (isNaN64(a))
    return a | quietBit;
  Exact x = decode(f64Format, a);
  if (round == Round::Nearest || x.kind != Kind::Finite || x.negative)
    return withNaN(std::sqrt(toDouble(a)));
  int shift = 125 - topBit(x.significand);
  shift -= (x.exponent - shift) & 1; // the exponent must be even
  Wide square = Wide(x.significand) << shift;
  Wide root = 0;
  for (int bit = 62; bit >= 0; --bit) {
    Wide candidate = root | Wide(1) << bit;
    if (candidate * candidate <= square)
      root = candidate;
  }
  WideExact exact{root, (x.exponent - shift) / 2, false};
  return roundTo(f64Format, narrow(exact, root * root != square), {round});
}

uint64_t rcpF64(uint64_t a, Round round) { return divF64(bitsOf(1.0), a, round); }

// --- f16, bf16 ---

namespace {

float loadHalf(const Format &format, uint16_t bits, const Modifiers &modifiers) {
  if (modifiers.flush)
    bits = static_cast<uint16_t>(flushSubnormal(format, bits));
  return format.mantissaBits == 10 ? halfToFloat(bits) : bfloatToFloat(bits);
}

/// Nearest even from a double that is exact or was rounded to odd; quick where the result is a normal number.
uint16_t roundHalf(const Format &format, double value, const Modifiers &modifiers) {
  uint64_t bits = bitsOf(value);
  int drop = 52 - format.mantissaBits;
  uint64_t magnitude = bits & ~signBit64;
  magnitude += (uint64_t(1) << (drop - 1)) - 1 + ((magnitude >> drop) & 1);
  int64_t field = static_cast<int64_t>(magnitude >> 52) - 1023 + format.bias();
  if (field <= 0 || field >= static_cast<int64_t>(format.maxExponentField()) || modifiers.saturate || modifiers.relu)
    return static_cast<uint16_t>(roundTo(format, fromDouble(value), optionsOf(modifiers)));
  uint64_t mantissa = (magnitude >> drop) & format.mantissaMask();
  return static_cast<uint16_t>((bits >> 63) << 15 | static_cast<uint64_t>(field) << format.mantissaBits | mantissa);
}

/// The double nearest to the exact sum p + c, with its last bit set if it is not exact: one more rounding to a much
/// shorter format is then correct ("round to odd").
double sumToOdd(double p, double c) {
  Sum sum = addExactly(p, c);
  if (sum.sticky == 0)
    return sum.value;
  uint64_t bits = bitsOf(sum.value);
  bool smaller = (sum.sticky < 0) != std::signbit(sum.value);
  return toDouble((smaller ? bits - 1 : bits) | 1);
}

} // namespace

uint16_t addHalf(const Format &format, uint16_t a, uint16_t b, const Modifiers &modifiers) {
  return roundHalf(format, sumToOdd(loadHalf(format, a, modifiers), loadHalf(format, b, modifiers)), modifiers);
}

uint16_t subHalf(const Format &format, uint16_t a, uint16_t b, const Modifiers &modifiers) {
  return addHalf(format, a, b ^ 0x8000, modifiers);
}

uint16_t mulHalf(const Format &format, uint16_t a, uint16_t b, const Modifiers &modifiers) {
  double product = double(loadHalf(format, a, modifiers)) * loadHalf(format, b, modifiers);
  return roundHalf(format, product, modifiers);
}

uint16_t fmaHalf(const Format &format, uint16_t a, uint16_t b, uint16_t c, const Modifiers &modifiers) {
  double product = double(loadHalf(format, a, modifiers)) * loadHalf(format, b, modifiers);
  return roundHalf(format, sumToOdd(product, loadHalf(format, c, modifiers)), modifiers);
}

uint16_t floatToHalf(float value) { return roundHalf(f16Format, value, {}); }

uint16_t floatToBfloat(float value) {
  uint32_t bits = fromFloat(value);
  if (value != value)
    return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

} // namespace adze::sim
