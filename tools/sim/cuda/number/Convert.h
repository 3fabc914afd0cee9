// cvt: every conversion between the integer and floating-point types, one result or two packed ones.
// Source: PTX ISA, "cvt" and "cvt.pack".
#ifndef ADZE_TOOLS_SIM_CUDA_NUMBER_CONVERT_H
#define ADZE_TOOLS_SIM_CUDA_NUMBER_CONVERT_H

#include "tools/sim/cuda/number/Format.h"

#include <string>

namespace adze::sim {

/// Types of a conversion. The x2 types are two elements in one register, the second one in the upper half.
enum class NumberType : uint8_t {
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  BF16,
  TF32,
  F32,
  F64,
  F16x2,
  BF16x2,
  E4M3x2,
  E5M2x2,
};

bool isInteger(NumberType type);
bool isPacked(NumberType type);
/// Of the register's content: 16 for f16 and e4m3x2, 32 for f16x2 ...
int widthOf(NumberType type);
/// The element format of a floating-point type.
const Format &formatOf(NumberType type);

/// One decoded cvt instruction.
struct Conversion {
  NumberType to = NumberType::F32, from = NumberType::F32;
  bool hasRound = false;
  Round round = Round::Nearest; ///< the value's rounding (.rn ...), or for `integral` that to an integer (.rni ...)
  bool integral = false;        ///< .rni .rzi .rmi .rpi: float to integer, or float to float of integral value
  bool flush = false;           ///< .ftz: f32 subnormals, on either side, become zeros
  bool saturate = false;        ///< .sat: integers clamp to the destination's range, floats to [0, 1]
  bool finite = false;          ///< .satfinite
  bool relu = false;            ///< .relu
};

/// Why the instruction is not valid, or empty. Checks the rules of the manual on which modifiers a pair of types takes.
std::string check(const Conversion &conversion);

/// The result in the low bits, sign- or zero-extended to 64 for integer destinations. `a` is the source; packed
/// destinations from scalar sources (cvt.f16x2.f32 d, a, b) take `a` into the upper half and `b` into the lower.
uint64_t convert(const Conversion &conversion, uint64_t a, uint64_t b = 0);

} // namespace adze::sim

#endif
