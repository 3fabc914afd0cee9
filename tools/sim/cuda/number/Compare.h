// Comparisons, minimum and maximum, number classes and signs, on the bits of any format.
// Source: PTX ISA, "setp", "min", "max", "testp", "copysign", "abs", "neg".
#ifndef ADZE_TOOLS_SIM_CUDA_NUMBER_COMPARE_H
#define ADZE_TOOLS_SIM_CUDA_NUMBER_COMPARE_H

#include "tools/sim/cuda/number/Format.h"

namespace adze::sim {

/// The float comparisons of setp and set: ordered (false on NaN), unordered (true on NaN), and the two tests for NaN.
enum class FloatCompare : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };

/// `flush`: .ftz, subnormal operands count as zeros.
bool compare(FloatCompare operation, const Format &format, uint64_t a, uint64_t b, bool flush = false);

struct ExtremumModifiers {
  bool flush = false;        ///< .ftz
  bool propagateNaN = false; ///< .NaN: the canonical NaN if any operand is NaN; else the other operand
  bool xorSign = false;      ///< .xorsign.abs: of the magnitudes, with the exclusive or of the signs
};

/// min and max: -0 < +0; both operands NaN give the canonical NaN.
uint64_t minimum(const Format &format, uint64_t a, uint64_t b, const ExtremumModifiers &modifiers = {});
uint64_t maximum(const Format &format, uint64_t a, uint64_t b, const ExtremumModifiers &modifiers = {});

/// abs and neg: the sign bit only (a NaN keeps its payload), after flushing.
uint64_t absolute(const Format &format, uint64_t a, bool flush = false);
uint64_t negate(const Format &format, uint64_t a, bool flush = false);

/// copysign d, a, b: the magnitude of **b** with the sign of **a**.
uint64_t copySign(const Format &format, uint64_t a, uint64_t b);

enum class NumberClass : uint8_t { Finite, Infinite, Number, NotANumber, Normal, Subnormal };
/// testp. Zeros count as normal.
bool testNumber(NumberClass property, const Format &format, uint64_t a);

} // namespace adze::sim

#endif
