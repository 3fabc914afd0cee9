#include "tools/sim/cuda/tensor/Product.h"

#include "tools/sim/cuda/number/Arithmetic.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace adze::sim {

int widthOf(TensorType type) { return type <= TensorType::BF16 ? 16 : type == TensorType::TF32 ? 32 : 8; }

Accumulation accumulationFor(int architecture, TensorType type, AccumulatorType to, bool warpgroup, TensorMode mode) {
  Accumulation how;
  how.to = to;
  how.promiseOnly = mode == TensorMode::PromiseOnly;
  bool narrow = type == TensorType::E4M3 || type == TensorType::E5M2;
  bool hopper = architecture >= 90;
  how.fractionBits = hopper ? 25 : 24;
  how.minExponent = hopper ? -133 : -132;
  if (to == AccumulatorType::F16 && !narrow)
    how.minExponent = hopper ? -21 : -20;
  how.block = hopper ? 16 : 8;
  if (type == TensorType::TF32)
    how.block /= 2;
  if (narrow && (!hopper || (warpgroup && architecture < 100))) { // the 8-bit units; mma.sync of 90 unpacks to f16
    how.block = hopper ? 32 : 16;
    how.fractionBits = how.resultBits = 13;
  }
  return how;
}

namespace {

constexpr int lanes = 16; // columns of one vector
using Ints = int32_t __attribute__((vector_size(4 * lanes)));
using Words = uint32_t __attribute__((vector_size(4 * lanes)));
using Longs = int64_t __attribute__((vector_size(8 * lanes)));
using Doubles = double __attribute__((vector_size(8 * lanes)));
using Floats = float __attribute__((vector_size(4 * lanes)));

/// Splits `count` elements, `step` bytes apart; true if an infinity or a NaN was among them. No branches: vectorised.
template <int exponentBits, int mantissaBits, int shift, bool hasInfinity, typename Source>
bool split(const uint8_t *from, int step, int count, int32_t *magnitudes, int32_t *signs, int32_t *exponents) {
  constexpr int32_t last = (1 << exponentBits) - 1, mask = (1 << mantissaBits) - 1, bias = last >> 1;
  int32_t special = 0;
  for (int i = 0; i < count; ++i) {
    Source element;
    __builtin_memcpy(&element, from + static_cast<size_t>(i) * step, sizeof element);
    int32_t bits = static_cast<int32_t>(static_cast<uint32_t>(element) >> shift);
    int32_t mantissa = bits & mask, field = bits >> mantissaBits & last;
    int32_t magnitude = field ? mantissa | (mask + 1) : mantissa;
    int32_t exponent = (field ? field : 1) - bias;
    exponent = magnitude ? exponent : Operand::noExponent;
    bool isSpecial = field == last && (hasInfinity || mantissa == mask);
    exponent = isSpecial ? (hasInfinity && mantissa == 0 ? Operand::infinite : Operand::notANumber) : exponent;
    magnitudes[i] = magnitude;
    signs[i] = -(bits >> (exponentBits + mantissaBits) & 1);
    exponents[i] = exponent;
    special |= isSpecial;
  }
  return special;
}

} // namespace

void Operand::reset(Arrangement how, int newLines, int newDepth) {
  arrangement = how;
  lines = newLines;
  depth = newDepth;
  stride = how == Arrangement::LineMajor ? depth : (lines + lanes - 1) / lanes * lanes;
  size_t size = static_cast<size_t>(stride) * (how == Arrangement::LineMajor ? lines : depth);
  magnitude.assign(size, 0);
  sign.assign(size, 0);
  exponent.assign(size, noExponent);
  special = false;
}

void Operand::setRun(TensorType type, int at, const void *elements, int count, int step) {
  const uint8_t *from = static_cast<const uint8_t *>(elements);
  int32_t *m = &magnitude[at], *s = &sign[at], *e = &exponent[at];
  switch (type) {
  case TensorType::F16:
    fraction = 10;
    special |= split<5, 10, 0, true, uint16_t>(from, step, count, m, s, e);
    break;
  case TensorType::BF16:
    fraction = 7;
    special |= split<8, 7, 0, true, uint16_t>(from, step, count, m, s, e);
    break;
  case TensorType::E4M3:
    fraction = 3;
    special |= split<4, 3, 0, false, uint8_t>(from, step, count, m, s, e);
    break;
  case TensorType::E5M2:
    fraction = 2;
    special |= split<5, 2, 0, true, uint8_t>(from, step, count, m, s, e);
    break;
  default: // tf32: the low 13 bits of the register are ignored ("wgmma.mma_async")
    fraction = 10;
    special |= split<8, 10, 13, true, uint32_t>(from, step, count, m, s, e);
    break;
  }
}

void Operand::negate() {
  for (int32_t &s : sign)
    s = ~s;
}

namespace {

/// A double cut to f32 (towards zero); what exceeds f32 becomes an infinity, as measured.
float cutToFloat(double value) {
  RoundOptions options;
  options.round = Round::Zero;
  if (std::fabs(value) >= 0x1p128)
    return value < 0 ? -HUGE_VALF : HUGE_VALF;
  return toFloat(roundTo(f32Format, fromDouble(value), options));
}

float roundedToHalf(double value) {
  return static_cast<float>(valueOf(f16Format, roundTo(f16Format, fromDouble(value))));
}

/// Infinities and NaN: as if the products were added in any order; the only possible results are these.
float specialSum(const Operand &a, const Operand &b, int row, int column, float c) {
  bool nan = c != c, positive = c == HUGE_VALF, negative = c == -HUGE_VALF;
  for (int k = 0; k < a.depth; ++k) {
    int i = a.at(row, k), j = b.at(column, k);
    int32_t x = a.exponent[i], y = b.exponent[j];
    if (x < Operand::infinite && y < Operand::infinite)
      continue;
    bool zero = x == Operand::noExponent || y == Operand::noExponent;
    if (x == Operand::notANumber || y == Operand::notANumber || zero)
      nan = true;
    else
      (a.sign[i] == b.sign[j] ? positive : negative) = true;
  }
  if (nan || (positive && negative))
    return std::numeric_limits<float>::quiet_NaN();
  return positive ? HUGE_VALF : -HUGE_VALF;
}

bool allFinite(const uint32_t *accumulators, int rows, int columns, int pitch) {
  uint32_t bad = 0;
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column) {
      uint32_t bits = accumulators[static_cast<size_t>(row) * pitch + column];
      bad |= (bits & 0x7f800000) == 0x7f800000;
    }
  return !bad;
}

bool hasSpecial(const Operand &a, const Operand &b, int row, int column) {
  for (int k = 0; k < a.depth; ++k)
    if (a.exponent[a.at(row, k)] >= Operand::infinite || b.exponent[b.at(column, k)] >= Operand::infinite)
      return true;
  return false;
}

/// Is any lane of a comparison true?
__attribute__((always_inline)) inline bool any(Ints comparison) {
  using Bytes = int8_t __attribute__((vector_size(lanes)));
  Bytes narrow = __builtin_convertvector(comparison, Bytes);
  uint64_t halves[lanes / 8];
  __builtin_memcpy(halves, &narrow, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

/// One row of A times `lanes` columns of B, all blocks. `bits`: the accumulators of these columns.
/// Everything is integer arithmetic on vectors; the host's vector width is the caller's choice (see multiply()).
__attribute__((always_inline)) inline void multiplyLanes(const Operand &a, const Operand &b, const Accumulation &how,
                                                         int row, int column, uint32_t *bits) {
  const int32_t *aMagnitude = &a.magnitude[a.at(row, 0)], *aSign = &a.sign[a.at(row, 0)];
  const int32_t *aExponent = &a.exponent[a.at(row, 0)];
  // A product has a.fraction + b.fraction bits below its point; how.fractionBits are kept.
  int left = how.fractionBits - a.fraction - b.fraction;
  int cLeft = how.fractionBits > 23 ? how.fractionBits - 23 : 0,
      cRight = how.fractionBits < 23 ? 23 - how.fractionBits : 0;
  Words c;
  __builtin_memcpy(&c, bits, sizeof c);
  for (int begin = 0; begin < a.depth; begin += how.block) {
    int end = std::min(begin + how.block, a.depth);
    Words before = c;
    Ints field = (Ints)(c >> 23 & 255);
    Ints cMagnitude = (Ints)(c & 0x7fffff) | ((field != 0) & (1 << 23));
    Ints cExponent = (field | ((field == 0) & 1)) - 127;
    cExponent = cMagnitude == 0 ? cExponent * 0 + Operand::noExponent : cExponent;
    Ints largest = cExponent * 0 + how.minExponent;
    largest = cExponent > largest ? cExponent : largest;
    for (int k = begin; k < end; ++k) {
      Ints e;
      __builtin_memcpy(&e, &b.exponent[k * b.stride + column], sizeof e);
      e += aExponent[k];
      largest = e > largest ? e : largest;
    }
    Ints sum = largest * 0;
    for (int k = begin; k < end; ++k) {
      Ints e, m, s;
      __builtin_memcpy(&e, &b.exponent[k * b.stride + column], sizeof e);
      __builtin_memcpy(&m, &b.magnitude[k * b.stride + column], sizeof m);
      __builtin_memcpy(&s, &b.sign[k * b.stride + column], sizeof s);
      Ints shift = largest - (e + aExponent[k]);
      shift = shift > 31 ? shift * 0 + 31 : shift;
      Words product = (Words)(m * (aMagnitude[k] << left)) >> (Words)shift;
      s ^= aSign[k];
      sum += ((Ints)product ^ s) - s;
    }
    Ints shift = largest - cExponent + cRight;
    shift = shift > 31 ? shift * 0 + 31 : shift;
    Ints cAligned = (Ints)((Words)(cMagnitude << cLeft) >> (Words)shift);
    Ints cSign = (Ints)c >> 31;
    cAligned = (cAligned ^ cSign) - cSign;
    // The whole sum may need 33 bits: a double holds it, and the scaling by a power of two is exact.
    Doubles total = __builtin_convertvector(sum, Doubles) + __builtin_convertvector(cAligned, Doubles);
    Longs scale = __builtin_convertvector(largest - how.fractionBits + 1023, Longs) << 52;
    total *= (Doubles)scale;
    if (how.to == AccumulatorType::F16) {
      for (int lane = 0; lane < lanes; ++lane)
        c[lane] = fromFloat(roundedToHalf(total[lane]));
      c = field == 255 ? before : c; // an earlier block overflowed
      continue;
    }
    Floats cut = __builtin_convertvector((Doubles)((Longs)total & ~((int64_t(1) << 29) - 1)), Floats);
    c = (Words)cut & ~((1u << (23 - how.resultBits)) - 1);
    // Subnormal sums lose more bits; with the largest exponent above -102 there are none.
    if (any(largest < how.fractionBits - 126))
      for (int lane = 0; lane < lanes; ++lane)
        if (std::fabs(total[lane]) < 0x1p-126)
          c[lane] = fromFloat(cutToFloat(total[lane]));
    c = field == 255 ? before : c;
  }
  __builtin_memcpy(bits, &c, sizeof c);
}

double operandValue(const Operand &operand, int line, int k) {
  int i = operand.at(line, k);
  if (operand.magnitude[i] == 0)
    return 0;
  double magnitude = std::ldexp(double(operand.magnitude[i]), operand.exponent[i] - operand.fraction);
  return operand.sign[i] ? -magnitude : magnitude;
}

/// One product: rows of A, and the sums of the first of them.
struct Problem {
  const Operand &a;
  int firstRow, rows;
  const Operand &b;
  const Accumulation &how;
  uint32_t *accumulators;
  int pitch;
  uint32_t *line(int row) const { return accumulators + static_cast<size_t>(row) * pitch; }
};

/// What PTX promises at least: here f64 sums and one rounding.
void multiplyPromise(const Problem &problem) {
  const Operand &a = problem.a, &b = problem.b;
  std::vector<double> right(static_cast<size_t>(a.depth) * b.lines);
  for (int k = 0; k < a.depth; ++k)
    for (int column = 0; column < b.lines; ++column)
      right[static_cast<size_t>(k) * b.lines + column] = operandValue(b, column, k);
  std::vector<double> sums(b.lines);
  for (int row = 0; row < problem.rows; ++row) {
    uint32_t *out = problem.line(row);
    for (int column = 0; column < b.lines; ++column)
      sums[column] = toFloat(out[column]);
    for (int k = 0; k < a.depth; ++k) {
      double left = operandValue(a, problem.firstRow + row, k);
      const double *line = &right[static_cast<size_t>(k) * b.lines];
      for (int column = 0; column < b.lines; ++column)
        sums[column] += left * line[column];
    }
    for (int column = 0; column < b.lines; ++column) {
      bool half = problem.how.to == AccumulatorType::F16;
      out[column] = fromFloat(half ? roundedToHalf(sums[column]) : static_cast<float>(sums[column]));
    }
  }
}

/// Columns outside: their part of B stays in the first-level cache for all rows.
__attribute__((always_inline)) inline void multiplyAll(const Problem &problem) {
  for (int column = 0; column < problem.b.stride; column += lanes)
    for (int row = 0; row < problem.rows; ++row)
      multiplyLanes(problem.a, problem.b, problem.how, problem.firstRow + row, column, problem.line(row) + column);
}

// The same code for three vector widths of the host; the results are equal, since all of it is integer arithmetic and
// exact floating point.
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"))) void multiply512(const Problem &problem) {
  multiplyAll(problem);
}
__attribute__((target("avx2"))) void multiply256(const Problem &problem) { multiplyAll(problem); }
#endif
void multiply128(const Problem &problem) { multiplyAll(problem); }

void multiplyWidest(const Problem &problem, int limit) {
#if defined(__x86_64__)
  if (limit >= 512 && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return multiply512(problem);
  if (limit >= 256 && __builtin_cpu_supports("avx2"))
    return multiply256(problem);
#endif
  multiply128(problem);
}

} // namespace

void multiply(const Operand &a, int firstRow, int rows, const Operand &b, const Accumulation &how,
              uint32_t *accumulators, int pitch) {
  // Elements with an infinity or a NaN among their operands do not go through the sums: they are put right afterwards.
  std::vector<std::pair<size_t, uint32_t>> special;
  bool scan = a.special || b.special || !allFinite(accumulators, rows, b.lines, pitch);
  for (int row = 0; scan && row < rows; ++row)
    for (int column = 0; column < b.lines; ++column) {
      size_t index = static_cast<size_t>(row) * pitch + column;
      bool finite = (accumulators[index] & 0x7f800000) != 0x7f800000;
      if (finite && !((a.special || b.special) && hasSpecial(a, b, firstRow + row, column)))
        continue;
      float sum = specialSum(a, b, firstRow + row, column, toFloat(accumulators[index]));
      special.push_back({index, canonical(sum)});
      accumulators[index] = 0;
    }
  Problem problem{a, firstRow, rows, b, how, accumulators, pitch};
  if (how.promiseOnly)
    multiplyPromise(problem);
  else
    multiplyWidest(problem, how.hostVectorBits ? how.hostVectorBits : 512);
  for (auto [index, bits] : special)
    accumulators[index] = bits;
}

namespace {

/// 16 columns at a time; at most 32 * 255 * 255 a sum, which does not overflow.
__attribute__((always_inline)) inline void addProducts(const int32_t *a, const int32_t *b, int columns, int depth,
                                                       int32_t *sums) {
  for (int column = 0; column < columns; column += lanes) {
    int count = std::min(lanes, columns - column);
    Ints sum = {};
    for (int k = 0; k < depth; ++k) {
      Ints right = {};
      if (count == lanes)
        __builtin_memcpy(&right, &b[k * columns + column], sizeof right);
      else
        __builtin_memcpy(&right, &b[k * columns + column], static_cast<size_t>(count) * sizeof(int32_t));
      sum += right * a[k];
    }
    __builtin_memcpy(&sums[column], &sum, sizeof sum);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"))) void
addProducts512(const int32_t *a, const int32_t *b, int columns, int depth, int32_t *sums) {
  addProducts(a, b, columns, depth, sums);
}
__attribute__((target("avx2"))) void addProducts256(const int32_t *a, const int32_t *b, int columns, int depth,
                                                    int32_t *sums) {
  addProducts(a, b, columns, depth, sums);
}
#endif

void addProductsWidest(const int32_t *a, const int32_t *b, int columns, int depth, int32_t *sums) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return addProducts512(a, b, columns, depth, sums);
  if (__builtin_cpu_supports("avx2"))
    return addProducts256(a, b, columns, depth, sums);
#endif
  addProducts(a, b, columns, depth, sums);
}

} // namespace

void multiplyIntegers(const int32_t *a, const int32_t *b, int rows, int columns, int depth, bool saturate,
                      int32_t *accumulators, int pitch) {
  std::vector<int32_t> sums(static_cast<size_t>((columns + lanes - 1) / lanes * lanes));
  for (int row = 0; row < rows; ++row) {
    addProductsWidest(a + row * depth, b, columns, depth, sums.data());
    int32_t *out = accumulators + static_cast<size_t>(row) * pitch;
    for (int column = 0; column < columns; ++column) {
      int64_t exact = int64_t(out[column]) + sums[static_cast<size_t>(column)];
      if (saturate)
        exact = std::clamp<int64_t>(exact, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
      out[column] = static_cast<int32_t>(static_cast<uint32_t>(exact));
    }
  }
}

} // namespace adze::sim
