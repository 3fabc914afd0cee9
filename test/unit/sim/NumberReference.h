// Reference values for the number tests, from the formats' definitions and not from the code under test: the table of
// all values of a small format, and rounding as a search in that table.
#ifndef ADZE_TEST_UNIT_SIM_NUMBER_REFERENCE_H
#define ADZE_TEST_UNIT_SIM_NUMBER_REFERENCE_H

#include "tools/sim/cuda/number/Format.h"

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace adze::sim::reference {

/// The value of an element by the textbook formula. `infinity`: the all-ones exponent is special.
inline double smallValue(int exponentBits, int mantissaBits, bool infinity, uint32_t bits) {
  uint32_t sign = bits >> (exponentBits + mantissaBits) & 1;
  uint32_t field = bits >> mantissaBits & ((1u << exponentBits) - 1);
  uint32_t mantissa = bits & ((1u << mantissaBits) - 1);
  int bias = (1 << (exponentBits - 1)) - 1;
  double value;
  if (infinity && field == (1u << exponentBits) - 1)
    value = mantissa ? NAN : INFINITY;
  else if (!infinity && field == (1u << exponentBits) - 1 && mantissa == (1u << mantissaBits) - 1)
    value = NAN;
  else if (field == 0)
    value = std::ldexp(double(mantissa), 1 - bias - mantissaBits);
  else
    value = std::ldexp(1.0 + std::ldexp(double(mantissa), -mantissaBits), int(field) - bias);
  return sign ? -value : value;
}

/// All magnitudes of a format, and the rounding of a value to them by search. Positive bits count upwards with the
/// value, so the index in the table is the bit pattern.
class Table {
public:
  Table(int exponentBits, int mantissaBits, bool infinity)
      : signBit(1u << (exponentBits + mantissaBits)), hasInfinity(infinity) {
    for (uint32_t bits = 0; bits < signBit; ++bits) {
      double value = smallValue(exponentBits, mantissaBits, infinity, bits);
      if (!std::isfinite(value))
        break;
      values.push_back(value);
    }
    // Where the next value would be if the exponent went on: overflow is rounded as if it existed.
    beyond = std::ldexp(1.0, std::ilogb(values.back()) + 1);
    if (!infinity)
      beyond = values.back() + (values[values.size() - 1] - values[values.size() - 2]);
  }

  /// `exact` must be representable as long double; NaN gives `nan`.
  uint32_t round(long double exact, Round mode, uint32_t nan) const {
    if (exact != exact)
      return nan;
    bool negative = std::signbit(exact);
    long double magnitude = std::fabs(exact);
    uint32_t sign = negative ? signBit : 0;
    uint32_t top = static_cast<uint32_t>(values.size() - 1);
    uint32_t special = hasInfinity ? top + 1 : nan;
    if (std::isinf(magnitude))
      return hasInfinity ? sign | special : nan | sign;
    uint32_t low =
        static_cast<uint32_t>(std::upper_bound(values.begin(), values.end(), magnitude) - values.begin()) - 1;
    if (values[low] == magnitude)
      return sign | low;
    long double next = low == top ? beyond : values[low + 1];
    bool up = false;
    long double toLow = magnitude - values[low], toNext = next - magnitude;
    if (mode == Round::Nearest)
      up = toNext < toLow || (toNext == toLow && (low & 1));
    if (mode == Round::Away)
      up = toNext <= toLow;
    if (mode == Round::Up)
      up = !negative;
    if (mode == Round::Down)
      up = negative;
    if (low == top && magnitude >= next && (mode == Round::Nearest || mode == Round::Away))
      up = true;
    if (!up)
      return sign | low;
    return low == top ? special | (special == nan ? sign : sign) : sign | (low + 1);
  }

  std::vector<double> values;
  double beyond;
  uint32_t signBit;
  bool hasInfinity;
};

inline const Table &f16() {
  static const Table table(5, 10, true);
  return table;
}
inline const Table &bf16() {
  static const Table table(8, 7, true);
  return table;
}
inline const Table &e4m3() {
  static const Table table(4, 3, false);
  return table;
}
inline const Table &e5m2() {
  static const Table table(5, 2, true);
  return table;
}

/// Runs `body` in a host rounding mode and restores the old one.
template <typename Body>
auto inMode(Round mode, Body body) {
  int host = mode == Round::Zero   ? FE_TOWARDZERO
             : mode == Round::Down ? FE_DOWNWARD
             : mode == Round::Up   ? FE_UPWARD
                                   : FE_TONEAREST;
  int old = std::fegetround();
  std::fesetround(host);
  auto result = body();
  std::fesetround(old);
  return result;
}

/// Bit patterns that hit every exponent, subnormals, specials and long runs of ones and zeros.
class Patterns {
public:
  explicit Patterns(uint64_t seed) : random(seed) {}
  uint32_t next32() {
    uint32_t bits = static_cast<uint32_t>(random());
    switch (random() % 8) {
    case 0:
      return bits & 0x807fffff; // subnormal
    case 1:
      return (bits & 0x80000000) | special32[random() % 10];
    case 2:
      return bits & 0xffffe000; // few significant bits
    case 3:
      return (bits & 0x80000007) | 0x3f800000; // near one
    case 4:
      return (bits & 0x83ffffff) | 0x3c000000; // middling exponents
    default:
      return bits;
    }
  }
  uint64_t next64() {
    uint64_t bits = random();
    switch (random() % 8) {
    case 0:
      return bits & 0x800fffffffffffff;
    case 1:
      return (bits & 0x8000000000000000) | special64[random() % 8];
    case 2:
      return bits & 0xffffffffc0000000;
    case 3:
      return (bits & 0x8000000000000007) | 0x3ff0000000000000;
    case 4:
      return (bits & 0x83ffffffffffffff) | 0x3c00000000000000;
    default:
      return bits;
    }
  }
  uint16_t next16() { return static_cast<uint16_t>(random()); }

private:
  std::mt19937_64 random;
  static constexpr uint32_t special32[] = {0,          0x7f800000, 0x7fc00000, 0x3f800000, 0x7f7fffff,
                                           0x00800000, 0x007fffff, 0x00000001, 0x40000000, 0x7f000000};
  static constexpr uint64_t special64[] = {0,
                                           0x7ff0000000000000,
                                           0x7ff8000000000000,
                                           0x3ff0000000000000,
                                           0x7fefffffffffffff,
                                           0x0010000000000000,
                                           0x000fffffffffffff,
                                           1};
};

} // namespace adze::sim::reference

#endif
