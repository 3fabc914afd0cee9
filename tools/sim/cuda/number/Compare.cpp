#include "tools/sim/cuda/number/Compare.h"

namespace adze::sim {
namespace {

/// An integer in the order of the values, with -0 just below +0.
int64_t orderOf(const Format &format, uint64_t bits) {
  int64_t magnitude = static_cast<int64_t>(bits & (format.signBit() - 1));
  return bits & format.signBit() ? -magnitude - 1 : magnitude;
}

uint64_t extremum(const Format &format, uint64_t a, uint64_t b, const ExtremumModifiers &modifiers, bool smaller) {
  if (modifiers.flush) {
    a = flushSubnormal(format, a);
    b = flushSubnormal(format, b);
  }
  uint64_t sign = 0;
  if (modifiers.xorSign) {
    sign = (a ^ b) & format.signBit();
    a &= ~format.signBit();
    b &= ~format.signBit();
  }
  bool nanA = isNaN(format, a), nanB = isNaN(format, b);
  if ((nanA && nanB) || (modifiers.propagateNaN && (nanA || nanB)))
    return format.nan;
  if (nanA || nanB)
    return (nanA ? b : a) | sign;
  bool first = smaller == (orderOf(format, a) < orderOf(format, b));
  return (first ? a : b) | sign;
}

} // namespace

bool compare(FloatCompare operation, const Format &format, uint64_t a, uint64_t b, bool flush) {
  if (flush) {
    a = flushSubnormal(format, a);
    b = flushSubnormal(format, b);
  }
  bool unordered = isNaN(format, a) || isNaN(format, b);
  bool zeros = ((a | b) & (format.signBit() - 1)) == 0;
  int64_t x = zeros ? 0 : orderOf(format, a), y = zeros ? 0 : orderOf(format, b);
  switch (operation) {
  case FloatCompare::Num:
    return !unordered;
  case FloatCompare::Nan:
    return unordered;
  case FloatCompare::Eq:
    return !unordered && x == y;
  case FloatCompare::Ne:
    return !unordered && x != y;
  case FloatCompare::Lt:
    return !unordered && x < y;
  case FloatCompare::Le:
    return !unordered && x <= y;
  case FloatCompare::Gt:
    return !unordered && x > y;
  case FloatCompare::Ge:
    return !unordered && x >= y;
  case FloatCompare::Equ:
    return unordered || x == y;
  case FloatCompare::Neu:
    return unordered || x != y;
  case FloatCompare::Ltu:
    return unordered || x < y;
  case FloatCompare::Leu:
    return unordered || x <= y;
  case FloatCompare::Gtu:
    return unordered || x > y;
  case FloatCompare::Geu:
    return unordered || x >= y;
  }
  return false;
}

uint64_t minimum(const Format &format, uint64_t a, uint64_t b, const ExtremumModifiers &modifiers) {
  return extremum(format, a, b, modifiers, true);
}

uint64_t maximum(const Format &format, uint64_t a, uint64_t b, const ExtremumModifiers &modifiers) {
  return extremum(format, a, b, modifiers, false);
}

uint64_t absolute(const Format &format, uint64_t a, bool flush) {
  return (flush ? flushSubnormal(format, a) : a) & ~format.signBit();
}

uint64_t negate(const Format &format, uint64_t a, bool flush) {
  return (flush ? flushSubnormal(format, a) : a) ^ format.signBit();
}

uint64_t copySign(const Format &format, uint64_t a, uint64_t b) {
  return (b & ~format.signBit()) | (a & format.signBit());
}

bool testNumber(NumberClass property, const Format &format, uint64_t a) {
  Exact value = decode(format, a);
  bool subnormal = value.kind == Kind::Finite && (a & format.infinity()) == 0;
  switch (property) {
  case NumberClass::Finite:
    return value.kind == Kind::Finite || value.kind == Kind::Zero;
  case NumberClass::Infinite:
    return value.kind == Kind::Infinite;
  case NumberClass::Number:
    return value.kind != Kind::NaN;
  case NumberClass::NotANumber:
    return value.kind == Kind::NaN;
  case NumberClass::Normal:
    return value.kind == Kind::Zero || (value.kind == Kind::Finite && !subnormal);
  case NumberClass::Subnormal:
    return subnormal;
  }
  return false;
}

} // namespace adze::sim
