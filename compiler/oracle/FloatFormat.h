// Binary floating-point formats of up to 64 bits: rounding of a double to a format, and its bits.
#ifndef ADZE_COMPILER_ORACLE_FLOATFORMAT_H
#define ADZE_COMPILER_ORACLE_FLOATFORMAT_H

#include "dialects/tile/TileDialect.h"
#include <cstdint>

namespace adze::oracle {

/// How a format shows values that are not numbers.
enum class NanStyle : uint8_t {
  Ieee,         ///< all-ones exponent: infinities and NaN
  AllOnes,      ///< only the all-ones pattern is NaN; no infinities (e4m3fn)
  NegativeZero, ///< the pattern of -0 is NaN; no infinities, no -0 (fnuz)
  None,         ///< neither NaN nor infinities (fp4, fp6)
  ExponentOnly  ///< e8m0: powers of two, 0xff is NaN, no sign, no zero
};

struct FloatFormat {
  unsigned bits, exponentBits, mantissaBits;
  int bias;
  NanStyle nan;
  double maxFinite;

  int minExponent() const { return 1 - bias; }
  bool isDouble() const { return bits == 64; }
  bool isSingle() const { return bits == 32; }
};

/// The format of an MLIR float type; null when it is not supported.
const FloatFormat *floatFormat(mlir::Type type);

/// `value` rounded to `format`. Overflow gives infinity, or NaN where there is none, or with `saturate` the largest
/// finite value. NaN in a format without NaN gives 0.
double roundTo(const FloatFormat &format, double value, tile::RoundMode mode = tile::RoundMode::rne,
               bool saturate = false);
/// Rounds `count` values in place to nearest even, without saturation.
void roundSpan(const FloatFormat &format, double *values, int64_t count);

/// Bits of a value that is already rounded to the format.
uint64_t encode(const FloatFormat &format, double rounded);
double decode(const FloatFormat &format, uint64_t bits);

} // namespace adze::oracle

#endif
