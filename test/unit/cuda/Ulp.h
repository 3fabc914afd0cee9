// Distances in units of the last place, and the formats of 16 bits and fewer, for the accuracy tests.
#ifndef ADZE_TEST_UNIT_CUDA_ULP_H
#define ADZE_TEST_UNIT_CUDA_ULP_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace adze::test {

/// |y - exact| in units of the last place of `exact` in a format of `mantissa` bits (the hidden one included) whose
/// smallest positive value is 2^minExponent and whose largest is `largest`.
inline double ulpDistance(long double y, long double exact, int mantissa, int minExponent, long double largest) {
  if (std::isnan(y) || std::isnan(exact))
    return std::isnan(y) && std::isnan(exact) ? 0 : INFINITY;
  // What lies beyond the largest value may be infinite or close to the largest value.
  if (std::isinf(y))
    return std::fabs(exact) >= largest * (1 - std::ldexp(1.0L, -mantissa)) && (y > 0) == (exact > 0) ? 0 : INFINITY;
  if (std::fabs(exact) > largest)
    exact = std::copysign(largest, exact);
  int e = 0;
  if (exact != 0) { // the unit of the value that `exact` rounds to
    long double m = std::frexp(std::fabs(exact), &e);
    if (std::nearbyint(std::ldexp(m, mantissa)) == std::ldexp(1.0L, mantissa))
      ++e;
  }
  int unit = exact == 0 ? minExponent : std::fmax(e - mantissa, minExponent);
  return static_cast<double>(std::fabs(y - exact) / std::ldexp(1.0L, unit));
}

/// Bits of a float32 and back.
inline float floatOf(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline uint32_t bitsOf(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}
inline float fromBf16(uint16_t bits) { return floatOf(uint32_t(bits) << 16); }
inline double fromF16(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double m = exponent == 31  ? (mantissa ? NAN : INFINITY)
             : exponent == 0 ? std::ldexp(mantissa, -24)
                             : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -m : m;
}

} // namespace adze::test

#endif
