// The floating-point formats of the machine, and the one rounding step through which every result passes.
//
// A value is kept as bits of its format (in the low bits of a uint64_t). Exact intermediate results are a sign, a
// 64-bit significand with a sticky bit, and a binary exponent; roundTo() turns such a result into bits, correctly
// rounded. Source: PTX ISA, "Fundamental Types", "Alternate Floating-Point Data Formats", "Floating Point
// Instructions".
#ifndef ADZE_TOOLS_SIM_CUDA_NUMBER_FORMAT_H
#define ADZE_TOOLS_SIM_CUDA_NUMBER_FORMAT_H

#include <cstdint>
#include <cstring>

namespace adze::sim {

/// Rounding of a result: .rn (nearest, ties to even), .rz, .rm (towards -inf), .rp (towards +inf), .rna (ties away).
/// The integer forms .rni .rzi .rmi .rpi name the same directions.
enum class Round : uint8_t { Nearest, Zero, Down, Up, Away };

/// A binary format: sign, exponent, mantissa, most significant first. tf32 is stored as an f32 whose low 13 bits are 0.
struct Format {
  uint8_t exponentBits, mantissaBits;
  uint8_t storageShift; ///< zero bits below the mantissa in memory: 13 for tf32
  bool hasInfinity;     ///< false for e4m3, whose only special value is NaN (all ones)
  uint64_t nan;         ///< the canonical NaN

  constexpr int bias() const { return (1 << (exponentBits - 1)) - 1; }
  constexpr int minExponent() const { return 1 - bias(); } ///< of the smallest normal number
  constexpr uint64_t maxExponentField() const { return (uint64_t(1) << exponentBits) - 1; }
  constexpr uint64_t mantissaMask() const { return (uint64_t(1) << mantissaBits) - 1; }
  constexpr uint64_t signBit() const { return uint64_t(1) << (exponentBits + mantissaBits + storageShift); }
  constexpr uint64_t infinity() const { return maxExponentField() << (mantissaBits + storageShift); }
  /// The largest finite magnitude.
  constexpr uint64_t maxFinite() const {
    return hasInfinity ? (((maxExponentField() << mantissaBits) - 1) << storageShift)
                       : ((maxExponentField() << mantissaBits) | (mantissaMask() - 1));
  }
};

inline constexpr Format f16Format{5, 10, 0, true, 0x7fff};
inline constexpr Format bf16Format{8, 7, 0, true, 0x7fff};
inline constexpr Format tf32Format{8, 10, 13, true, 0x7fffffff};
inline constexpr Format f32Format{8, 23, 0, true, 0x7fffffff};
inline constexpr Format f64Format{11, 52, 0, true, 0x7ff8000000000000};
inline constexpr Format e4m3Format{4, 3, 0, false, 0x7f};
inline constexpr Format e5m2Format{5, 2, 0, true, 0x7f};

enum class Kind : uint8_t { Zero, Finite, Infinite, NaN };

/// A decoded or exact value: (-1)^negative * (significand + something in (0,1) if sticky) * 2^exponent.
struct Exact {
  Kind kind = Kind::Zero;
  bool negative = false;
  bool sticky = false;
  uint64_t significand = 0; ///< not 0 when kind is Finite
  int exponent = 0;
};

/// What a value of `format` is. Subnormals are decoded as they are.
Exact decode(const Format &format, uint64_t bits);

struct RoundOptions {
  Round round = Round::Nearest;
  bool flush = false;    ///< .ftz: a subnormal result becomes a zero of the same sign
  bool finite = false;   ///< .satfinite: overflow and infinity give the largest finite magnitude
  bool relu = false;     ///< .relu: negative results become +0
  bool saturate = false; ///< .sat: clamped to [0, 1]; NaN becomes +0
};

/// The value of `format` nearest to `value` in the given direction. NaN gives the canonical NaN.
uint64_t roundTo(const Format &format, const Exact &value, const RoundOptions &options = {});

/// The same for an exact result that a double holds; `sticky` (-1, 0, +1) tells on which side of it the true value
/// lies. That is how sums, products, quotients and roots of 32-bit and smaller formats are rounded once: the double is
/// off by less than one unit of its last place, and the side decides.
Exact fromDouble(double value, int sticky = 0);

/// A zero of the sign of `bits` if `bits` is subnormal, else `bits`.
inline uint64_t flushSubnormal(const Format &format, uint64_t bits) {
  return (bits & format.infinity()) ? bits : bits & format.signBit();
}

inline bool isNaN(const Format &format, uint64_t bits) {
  uint64_t magnitude = bits & (format.signBit() - 1);
  return format.hasInfinity ? magnitude > format.infinity() : magnitude == format.nan;
}

/// Bits to host types and back.
inline float toFloat(uint64_t bits) {
  uint32_t low = static_cast<uint32_t>(bits);
  float value;
  std::memcpy(&value, &low, sizeof value);
  return value;
}
inline double toDouble(uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline uint32_t fromFloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline uint64_t bitsOf(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// A value of any format up to 32 bits as a double (exact). NaN stays NaN.
double valueOf(const Format &format, uint64_t bits);

/// f16 to f32 without tables or branches on the exponent; NaN keeps its payload. For loops that the compiler
/// vectorises.
inline float halfToFloat(uint16_t bits) {
  uint32_t magnitude = uint32_t(bits & 0x7fffu) << 13;
  float scaled = toFloat(magnitude) * 0x1p112f; // moves the bias from 15 to 127, subnormals included
  uint32_t special = (bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return toFloat(fromFloat(scaled) | special | uint32_t(bits & 0x8000u) << 16);
}
inline float bfloatToFloat(uint16_t bits) { return toFloat(uint32_t(bits) << 16); }

} // namespace adze::sim

#endif
