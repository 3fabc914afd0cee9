#include "tools/sim/cuda/number/Approximate.h"

#include <algorithm>
#include <cmath>

namespace adze::sim {
namespace {

constexpr double pi = 3.14159265358979323846;

/// The distance of neighbouring values of `format` at `value`.
double unitAt(const Format &format, double value) {
  int exponent = value == 0 ? format.minExponent() : std::max(std::ilogb(value), format.minExponent());
  return std::ldexp(1.0, exponent - format.mantissaBits);
}

double trueValue(Function function, double x) {
  switch (function) {
  case Function::Exp2:
    return std::exp2(x);
  case Function::Log2:
    return std::log2(x);
  case Function::Sin:
    return std::sin(x);
  case Function::Cos:
    return std::cos(x);
  case Function::Tanh:
    return std::tanh(x);
  case Function::Reciprocal:
    return 1 / x;
  case Function::ReciprocalSqrt:
    return 1 / std::sqrt(x);
  case Function::Sqrt:
    return std::sqrt(x);
  }
  return x;
}

/// The largest absolute error that the manual allows at x, whose true image is y.
double boundAt(Function function, const Format &format, double x, double y) {
  bool half = format.mantissaBits == 10, brain = format.mantissaBits == 7;
  double magnitude = std::fabs(y);
  switch (function) {
  case Function::Exp2:
    return half ? magnitude * std::exp2(-9.9) : brain ? magnitude * 0x1p-7 : 2 * unitAt(format, y);
  case Function::Log2:
    return x > 0.5 && x < 2 ? 0x1p-22 : magnitude * 0x1p-22;
  case Function::Sin:
  case Function::Cos:
    return std::fabs(x) <= 2 * pi ? std::exp2(-20.5) : std::fabs(x) <= 100 * pi ? std::exp2(-14.7) : 2;
  case Function::Tanh:
    return half ? std::exp2(-10.987) : brain ? 0x1p-8 : magnitude * 0x1p-11;
  case Function::Reciprocal:
    return unitAt(format, y);
  case Function::ReciprocalSqrt:
    return magnitude * std::exp2(-22.9);
  case Function::Sqrt:
    return magnitude * 0x1p-23;
  }
  return 0;
}

/// The tables of special values name zeros and infinities as results of zeros and infinities: those are kept.
bool isSpecial(double x, double y) { return x == 0 || !std::isfinite(x) || !std::isfinite(y); }

uint64_t rounded(const Format &format, double value, Round round, bool flush) {
  RoundOptions options;
  options.round = round;
  options.flush = flush;
  return roundTo(format, fromDouble(value), options);
}

/// `y` in the wanted accuracy: rounded to nearest, or the outermost value of the format within y +- bound.
uint64_t within(const Format &format, double y, double bound, bool flush, Accuracy accuracy) {
  uint64_t nearest = rounded(format, y, Round::Nearest, flush);
  if (accuracy == Accuracy::Exact)
    return nearest;
  bool largest = accuracy == Accuracy::Largest;
  bound *= 1 - 0x1p-26; // room for the error of the host's function
  uint64_t edge = rounded(format, largest ? y + bound : y - bound, largest ? Round::Down : Round::Up, flush);
  // A bound below half a unit may hold no value of the format on that side; the nearest one is then the only choice.
  double value = valueOf(format, edge), centre = valueOf(format, nearest);
  return (largest ? value >= centre : value <= centre) ? edge : nearest;
}

} // namespace

uint32_t approximate(Function function, const Format &format, uint32_t a, bool flush, Accuracy accuracy) {
  if (flush)
    a = static_cast<uint32_t>(flushSubnormal(format, a));
  double x = valueOf(format, a), y = trueValue(function, x);
  if (accuracy == Accuracy::Exact || isSpecial(x, y))
    return static_cast<uint32_t>(rounded(format, y, Round::Nearest, flush));
  double bound = boundAt(function, format, x, y);
  if (function == Function::Sin || function == Function::Cos || function == Function::Tanh) {
    double room = accuracy == Accuracy::Largest ? 1 - y : 1 + y;
    bound = std::min(bound, room);
  }
  uint64_t result = within(format, y, bound, flush, accuracy);
  // A positive function's smallest result is no negative number.
  if (function == Function::Exp2 && (result & format.signBit()))
    result = 0;
  return static_cast<uint32_t>(result);
}

uint64_t approximateF64(Function function, uint64_t a, Accuracy accuracy) {
  // The operand's and the result's upper halves alone take part.
  a = flushSubnormal(f64Format, a & 0xffffffff00000000);
  double x = toDouble(a), y = trueValue(function, x);
  if (y != y)
    return f64Format.nan;
  uint64_t bits = flushSubnormal(f64Format, bitsOf(y));
  if (isSpecial(x, y))
    return bits;
  uint64_t truncated = bits & 0xffffffff00000000;
  constexpr uint64_t unit = uint64_t(1) << 32;
  switch (accuracy) {
  case Accuracy::Exact:
    return truncated;
  case Accuracy::Largest:
    return y > 0 ? truncated + unit : truncated;
  case Accuracy::Smallest:
    return y > 0 ? truncated : truncated + unit;
  }
  return truncated;
}

uint32_t divideApproximately(uint32_t a, uint32_t b, bool full, bool flush, Accuracy accuracy) {
  if (flush) {
    a = static_cast<uint32_t>(flushSubnormal(f32Format, a));
    b = static_cast<uint32_t>(flushSubnormal(f32Format, b));
  }
  double x = toFloat(a), y = toFloat(b), quotient = x / y;
  if (!full && std::isfinite(y) && y != 0) {
    if (std::fabs(y) > 0x1p126)
      quotient = x * (y < 0 ? -0.0 : 0.0); // the reciprocal is flushed to zero
    else if (std::fabs(1 / y) >= 0x1p128)
      quotient = x * (y < 0 ? -HUGE_VAL : HUGE_VAL);
  }
  if (accuracy == Accuracy::Exact || quotient == 0 || !std::isfinite(quotient))
    return static_cast<uint32_t>(rounded(f32Format, quotient, Round::Nearest, flush));
  double bound = 2 * unitAt(f32Format, quotient);
  return static_cast<uint32_t>(within(f32Format, quotient, bound, flush, accuracy));
}

} // namespace adze::sim
