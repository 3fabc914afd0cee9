#include "tools/sim/cuda/number/Convert.h"

namespace adze::sim {

bool isInteger(NumberType type) { return type <= NumberType::S64; }
bool isPacked(NumberType type) { return type >= NumberType::F16x2; }

namespace {
bool isSigned(NumberType type) { return type >= NumberType::S8 && type <= NumberType::S64; }
} // namespace

int widthOf(NumberType type) {
  static constexpr int widths[] = {8, 16, 32, 64, 8, 16, 32, 64, 16, 16, 32, 32, 64, 32, 32, 16, 16};
  return widths[static_cast<int>(type)];
}

const Format &formatOf(NumberType type) {
  switch (type) {
  case NumberType::F16:
  case NumberType::F16x2:
    return f16Format;
  case NumberType::BF16:
  case NumberType::BF16x2:
    return bf16Format;
  case NumberType::TF32:
    return tf32Format;
  case NumberType::F64:
    return f64Format;
  case NumberType::E4M3x2:
    return e4m3Format;
  case NumberType::E5M2x2:
    return e5m2Format;
  default:
    return f32Format;
  }
}

namespace {

std::string checkPacked(const Conversion &conversion) {
  bool fromHalves = conversion.from == NumberType::F16x2 || conversion.from == NumberType::E4M3x2 ||
                    conversion.from == NumberType::E5M2x2;
  if (!isPacked(conversion.to))
    return "a packed source needs a packed destination";
  if (conversion.saturate || conversion.flush || conversion.integral)
    return "packed conversions take no .sat, .ftz or integer rounding";
  if (conversion.to == NumberType::E4M3x2 || conversion.to == NumberType::E5M2x2) {
    if (conversion.from != NumberType::F32 && conversion.from != NumberType::F16x2)
      return "the source of an 8-bit pair is .f32 or .f16x2";
    if (!conversion.hasRound || conversion.round != Round::Nearest || !conversion.finite)
      return "an 8-bit pair needs .rn.satfinite";
    return "";
  }
  if (fromHalves) {
    if (conversion.to != NumberType::F16x2 || conversion.from == NumberType::F16x2)
      return "an 8-bit pair converts to .f16x2 only";
    return conversion.hasRound && conversion.round == Round::Nearest ? "" : "needs .rn";
  }
  if (conversion.from != NumberType::F32)
    return "the source of a 16-bit pair is .f32";
  if (!conversion.hasRound || (conversion.round != Round::Nearest && conversion.round != Round::Zero))
    return "a 16-bit pair needs .rn or .rz";
  return "";
}

std::string checkFloats(const Conversion &conversion) {
  NumberType to = conversion.to, from = conversion.from;
  if (to == NumberType::TF32) {
    if (from != NumberType::F32)
      return "the source of .tf32 is .f32";
    if (!conversion.hasRound || conversion.round == Round::Down || conversion.round == Round::Up)
      return ".tf32 needs .rna, .rn or .rz";
    return "";
  }
  if (from == NumberType::TF32)
    return ".tf32 is no source type";
  if (conversion.round == Round::Away)
    return ".rna is for .tf32";
  if (to == from) {
    if (conversion.hasRound && !conversion.integral)
      return "no rounding between equal types";
    return "";
  }
  if (conversion.integral)
    return "an integer rounding between floating-point types needs equal types";
  const Format &target = formatOf(to), &source = formatOf(from);
  bool exact = target.mantissaBits >= source.mantissaBits && target.exponentBits >= source.exponentBits;
  if (!exact && !conversion.hasRound)
    return "a narrowing conversion needs a rounding modifier";
  if (exact && conversion.hasRound && to != NumberType::BF16 && from != NumberType::BF16)
    return "a widening conversion takes no rounding modifier";
  return "";
}

} // namespace

std::string check(const Conversion &conversion) {
  NumberType to = conversion.to, from = conversion.from;
  if (conversion.flush && to != NumberType::F32 && from != NumberType::F32)
    return ".ftz needs an .f32 operand";
  bool toHalf = to == NumberType::F16 || to == NumberType::BF16 || to == NumberType::TF32;
  if ((conversion.relu || conversion.finite) && !(toHalf || isPacked(to)))
    return ".relu and .satfinite need a destination shorter than .f32";
  if (isPacked(to) || isPacked(from))
    return checkPacked(conversion);
  if (isInteger(from) && isInteger(to))
    return conversion.hasRound ? "no rounding between integers" : "";
  if (isInteger(to))
    return conversion.hasRound && conversion.integral ? "" : "float to integer needs .rni, .rzi, .rmi or .rpi";
  if (isInteger(from)) {
    bool valid = conversion.hasRound && !conversion.integral && conversion.round != Round::Away;
    return valid && to != NumberType::TF32 ? "" : "integer to float needs .rn, .rz, .rm or .rp";
  }
  return checkFloats(conversion);
}

namespace {

/// The value of an integer register of `type`, extended to 64 bits.
uint64_t extend(NumberType type, uint64_t bits) {
  int unused = 64 - widthOf(type);
  if (isSigned(type))
    return static_cast<uint64_t>(static_cast<int64_t>(bits << unused) >> unused);
  return bits << unused >> unused;
}

/// A sign and a magnitude clamped to the range of `type`.
uint64_t clampInteger(NumberType type, bool negative, uint64_t magnitude) {
  int width = widthOf(type);
  if (isSigned(type)) {
    uint64_t limit = uint64_t(1) << (width - 1);
    if (negative)
      return magnitude >= limit ? ~uint64_t(0) << (width - 1) : 0 - magnitude;
    return magnitude >= limit ? limit - 1 : magnitude;
  }
  uint64_t largest = ~uint64_t(0) >> (64 - width);
  return negative ? 0 : magnitude > largest ? largest : magnitude;
}

uint64_t integerToInteger(const Conversion &conversion, uint64_t a) {
  uint64_t value = extend(conversion.from, a);
  if (!conversion.saturate)
    return extend(conversion.to, value);
  bool negative = isSigned(conversion.from) && static_cast<int64_t>(value) < 0;
  return clampInteger(conversion.to, negative, negative ? 0 - value : value);
}

uint64_t integerToFloat(const Conversion &conversion, uint64_t a, const RoundOptions &options) {
  uint64_t value = extend(conversion.from, a);
  Exact exact;
  exact.negative = isSigned(conversion.from) && static_cast<int64_t>(value) < 0;
  exact.significand = exact.negative ? 0 - value : value;
  exact.kind = value ? Kind::Finite : Kind::Zero;
  return roundTo(formatOf(conversion.to), exact, options);
}

/// The magnitude of a finite value rounded to an integer; `over` is set where it does not fit 64 bits.
uint64_t integralMagnitude(const Exact &value, Round round, bool &over) {
  over = false;
  if (value.kind == Kind::Zero)
    return 0;
  int top = 63 - __builtin_clzll(value.significand) + value.exponent;
  if (top >= 64) {
    over = true;
    return 0;
  }
  if (value.exponent >= 0)
    return value.significand << value.exponent;
  int shift = -value.exponent;
  uint64_t kept = shift < 64 ? value.significand >> shift : 0;
  bool half = shift <= 64 && (value.significand >> (shift - 1) & 1);
  bool below = shift > 64 || (value.significand & ((uint64_t(1) << (shift - 1)) - 1)) != 0;
  switch (round) {
  case Round::Nearest:
    return kept + (half && (below || (kept & 1)));
  case Round::Away:
    return kept + half;
  case Round::Zero:
    return kept;
  case Round::Down:
    return kept + (value.negative && (half || below));
  case Round::Up:
    return kept + (!value.negative && (half || below));
  }
  return kept;
}

uint64_t floatToInteger(const Conversion &conversion, const Exact &value) {
  int width = widthOf(conversion.to);
  if (value.kind == Kind::NaN) {
    // "cvt", notes on float-to-integer: 0, except where either side has 64 bits: then only the top bit is set.
    bool wide = conversion.from == NumberType::F64 || width == 64;
    return wide ? extend(conversion.to, uint64_t(1) << (width - 1)) : 0;
  }
  bool over = value.kind == Kind::Infinite;
  uint64_t magnitude = over ? 0 : integralMagnitude(value, conversion.round, over);
  return clampInteger(conversion.to, value.negative, over ? ~uint64_t(0) : magnitude);
}

/// .rni and its kin between equal floating-point types: exact, and the sign of zero is kept.
uint64_t floatToIntegral(const Conversion &conversion, Exact value, const RoundOptions &options) {
  if (value.kind == Kind::Finite && value.exponent < 0) {
    bool over;
    value.significand = integralMagnitude(value, conversion.round, over);
    value.exponent = 0;
    if (value.significand == 0)
      value.kind = Kind::Zero;
  }
  return roundTo(formatOf(conversion.to), value, options);
}

uint64_t convertElement(const Conversion &conversion, NumberType from, uint64_t a, const RoundOptions &options) {
  const Format &source = formatOf(from);
  if (conversion.flush && from == NumberType::F32)
    a = flushSubnormal(source, a);
  Exact value = decode(source, a);
  if (isInteger(conversion.to))
    return floatToInteger(conversion, value);
  if (conversion.integral)
    return floatToIntegral(conversion, value, options);
  if (conversion.to == NumberType::F64 && value.kind == Kind::NaN && !options.saturate) {
    // The only destination that keeps payloads; the quiet bit is set.
    uint64_t payload = a & source.mantissaMask();
    uint64_t sign = value.negative ? f64Format.signBit() : 0;
    return sign | f64Format.nan | payload << (f64Format.mantissaBits - source.mantissaBits);
  }
  return roundTo(formatOf(conversion.to), value, options);
}

} // namespace

uint64_t convert(const Conversion &conversion, uint64_t a, uint64_t b) {
  NumberType to = conversion.to, from = conversion.from;
  if (isInteger(from) && isInteger(to))
    return integerToInteger(conversion, a);
  RoundOptions options;
  options.round = conversion.round;
  options.flush = conversion.flush && to == NumberType::F32;
  options.finite = conversion.finite;
  options.relu = conversion.relu;
  options.saturate = conversion.saturate;
  if (isInteger(from))
    return integerToFloat(conversion, a, options);
  if (!isPacked(to))
    return convertElement(conversion, from, a, options);
  int width = widthOf(to) / 2;
  if (isPacked(from)) { // one register of two elements
    int sourceWidth = widthOf(from) / 2;
    uint64_t mask = (uint64_t(1) << sourceWidth) - 1;
    uint64_t low = convertElement(conversion, from, a & mask, options);
    uint64_t high = convertElement(conversion, from, a >> sourceWidth & mask, options);
    return low | high << width;
  }
  return convertElement(conversion, from, b, options) | convertElement(conversion, from, a, options) << width;
}

} // namespace adze::sim
