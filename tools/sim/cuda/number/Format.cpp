#include "tools/sim/cuda/number/Format.h"

#include <cmath>

namespace adze::sim {

Exact decode(const Format &format, uint64_t bits) {
  Exact value;
  value.negative = (bits & format.signBit()) != 0;
  bits = (bits & (format.signBit() - 1)) >> format.storageShift;
  uint64_t field = bits >> format.mantissaBits;
  uint64_t mantissa = bits & format.mantissaMask();
  if (format.hasInfinity ? field == format.maxExponentField() : bits == format.nan) {
    value.kind = format.hasInfinity && mantissa == 0 ? Kind::Infinite : Kind::NaN;
    return value;
  }
  if (field == 0 && mantissa == 0)
    return value;
  value.kind = Kind::Finite;
  value.significand = field ? mantissa | (format.mantissaMask() + 1) : mantissa;
  value.exponent = (field ? static_cast<int>(field) - format.bias() : format.minExponent()) - format.mantissaBits;
  return value;
}

namespace {

/// The value shifted right by `shift` places, rounded; the bits that fall out and `sticky` decide.
uint64_t shiftRounded(uint64_t significand, int shift, bool sticky, bool negative, Round round) {
  uint64_t kept = 0, rest = significand, half = 0;
  bool below = sticky; // anything below the bits of `rest`
  if (shift <= 0) {
    kept = significand << -shift;
    rest = 0;
    half = 1; // rest < half always: only `below` counts
  } else if (shift < 64) {
    kept = significand >> shift;
    rest = significand & ((uint64_t(1) << shift) - 1);
    half = uint64_t(1) << (shift - 1);
  } else if (shift == 64) {
    half = uint64_t(1) << 63;
  } else {
    below = true; // significand != 0, and all of it lies below half a unit
    rest = 0;
    half = 1;
  }
  bool inexact = rest || below;
  bool up = false;
  switch (round) {
  case Round::Nearest:
    up = rest > half || (rest == half && (below || (kept & 1)));
    break;
  case Round::Away:
    up = rest >= half;
    break;
  case Round::Zero:
    break;
  case Round::Down:
    up = inexact && negative;
    break;
  case Round::Up:
    up = inexact && !negative;
    break;
  }
  return kept + up;
}

uint64_t overflow(const Format &format, bool negative, const RoundOptions &options) {
  bool toInfinity = options.round == Round::Nearest || options.round == Round::Away ||
                    options.round == (negative ? Round::Down : Round::Up);
  if (options.finite || !toInfinity)
    return format.maxFinite();
  return format.hasInfinity ? format.infinity() : format.nan;
}

uint64_t magnitudeOf(const Format &format, const Exact &value, const RoundOptions &options) {
  if (value.kind == Kind::Zero)
    return 0;
  if (value.kind == Kind::Infinite)
    return options.finite ? format.maxFinite() : format.hasInfinity ? format.infinity() : format.nan;
  int top = 63 - __builtin_clzll(value.significand); // the value's exponent is value.exponent + top
  int unit = value.exponent + top - format.mantissaBits;
  if (unit < format.minExponent() - format.mantissaBits)
    unit = format.minExponent() - format.mantissaBits;
  uint64_t rounded =
      shiftRounded(value.significand, unit - value.exponent, value.sticky, value.negative, options.round);
  // A carry out of the mantissa lands in the exponent field, which is what it means; the same from subnormal to normal.
  uint64_t bits = rounded;
  if (rounded >> format.mantissaBits) {
    uint64_t field = static_cast<unsigned>(unit + format.mantissaBits + format.bias());
    if (field > format.maxExponentField() + 1)
      return overflow(format, value.negative, options);
    bits = ((field - 1) << format.mantissaBits) + rounded;
    bits <<= format.storageShift;
    if (bits > format.maxFinite())
      return overflow(format, value.negative, options);
    return bits;
  }
  return options.flush ? 0 : bits << format.storageShift;
}

} // namespace

uint64_t roundTo(const Format &format, const Exact &value, const RoundOptions &options) {
  if (value.kind == Kind::NaN)
    return options.saturate ? 0 : format.nan;
  if (value.negative && (options.relu || options.saturate))
    return 0;
  uint64_t magnitude = magnitudeOf(format, value, options);
  if (options.saturate) {
    uint64_t one = static_cast<uint64_t>(format.bias()) << (format.mantissaBits + format.storageShift);
    return magnitude > one ? one : magnitude;
  }
  if (!format.hasInfinity && magnitude == format.nan)
    return format.nan;
  return value.negative ? magnitude | format.signBit() : magnitude;
}

Exact fromDouble(double value, int sticky) {
  Exact exact = decode(f64Format, bitsOf(value));
  if (sticky == 0 || exact.kind != Kind::Finite)
    return exact;
  exact.sticky = true;
  if ((sticky < 0) == exact.negative)
    return exact;
  // The true magnitude is a little smaller: one unit less, and the rest is above it. Two more bits leave room for that.
  exact.significand = (exact.significand << 2) - 1;
  exact.exponent -= 2;
  return exact;
}

double valueOf(const Format &format, uint64_t bits) {
  Exact value = decode(format, bits);
  double magnitude = 0;
  switch (value.kind) {
  case Kind::Zero:
    break;
  case Kind::NaN:
    return std::nan("");
  case Kind::Infinite:
    magnitude = HUGE_VAL;
    break;
  case Kind::Finite:
    magnitude = std::ldexp(static_cast<double>(value.significand), value.exponent);
    break;
  }
  return value.negative ? -magnitude : magnitude;
}

} // namespace adze::sim
