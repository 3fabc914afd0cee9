// add, mul, fma, div, sqrt, rcp on f16, bf16, f32 and f64 in every rounding direction, correctly rounded.
//
// Nothing here depends on the host's rounding mode, and nothing changes it, so any number of threads may call. Nearest
// without modifiers is the host's own arithmetic; the directed modes round an exact intermediate result (see Format.h).
// Source: PTX ISA, "Floating Point Instructions", "Half Precision Floating Point Instructions".
//
// NaN: results of f32 and of the 16-bit formats are the canonical NaN (0x7fffffff, 0x7fff); f64 keeps the first NaN
// operand, made quiet, and new NaNs are 0xfff8000000000000.
#ifndef ADZE_TOOLS_SIM_CUDA_NUMBER_ARITHMETIC_H
#define ADZE_TOOLS_SIM_CUDA_NUMBER_ARITHMETIC_H

#include "tools/sim/cuda/number/Format.h"

#include <cmath>

namespace adze::sim {

/// The modifiers of an arithmetic instruction: .rn/.rz/.rm/.rp, .ftz, .sat, .relu.
struct Modifiers {
  Round round = Round::Nearest;
  bool flush = false;    ///< .ftz: subnormal operands and results are zeros of their sign
  bool saturate = false; ///< .sat: result clamped to [0, 1], NaN becomes +0
  bool relu = false;     ///< .relu (16-bit fma): negative results become +0, NaN stays canonical NaN
  bool plain() const { return round == Round::Nearest && !flush && !saturate && !relu; }
};

// --- f32 ---
inline uint32_t canonical(float value) { return value != value ? 0x7fffffffu : fromFloat(value); }
/// Nearest, no modifiers: what compiled code uses almost always.
inline uint32_t addF32(uint32_t a, uint32_t b) { return canonical(toFloat(a) + toFloat(b)); }
inline uint32_t subF32(uint32_t a, uint32_t b) { return canonical(toFloat(a) - toFloat(b)); }
inline uint32_t mulF32(uint32_t a, uint32_t b) { return canonical(toFloat(a) * toFloat(b)); }
inline uint32_t fmaF32(uint32_t a, uint32_t b, uint32_t c) {
  return canonical(std::fma(toFloat(a), toFloat(b), toFloat(c)));
}
inline uint32_t divF32(uint32_t a, uint32_t b) { return canonical(toFloat(a) / toFloat(b)); }
inline uint32_t sqrtF32(uint32_t a) { return canonical(std::sqrt(toFloat(a))); }

uint32_t addF32(uint32_t a, uint32_t b, const Modifiers &modifiers);
uint32_t subF32(uint32_t a, uint32_t b, const Modifiers &modifiers);
uint32_t mulF32(uint32_t a, uint32_t b, const Modifiers &modifiers);
uint32_t fmaF32(uint32_t a, uint32_t b, uint32_t c, const Modifiers &modifiers);
uint32_t divF32(uint32_t a, uint32_t b, const Modifiers &modifiers);
uint32_t sqrtF32(uint32_t a, const Modifiers &modifiers);
uint32_t rcpF32(uint32_t a, const Modifiers &modifiers);

// --- f64 (no .ftz, no .sat) ---
uint64_t addF64(uint64_t a, uint64_t b, Round round = Round::Nearest);
uint64_t subF64(uint64_t a, uint64_t b, Round round = Round::Nearest);
uint64_t mulF64(uint64_t a, uint64_t b, Round round = Round::Nearest);
uint64_t fmaF64(uint64_t a, uint64_t b, uint64_t c, Round round = Round::Nearest);
uint64_t divF64(uint64_t a, uint64_t b, Round round = Round::Nearest);
uint64_t sqrtF64(uint64_t a, Round round = Round::Nearest);
uint64_t rcpF64(uint64_t a, Round round = Round::Nearest);

// --- f16 and bf16, one element (rounding is .rn only) ---
uint16_t addHalf(const Format &format, uint16_t a, uint16_t b, const Modifiers &modifiers = {});
uint16_t subHalf(const Format &format, uint16_t a, uint16_t b, const Modifiers &modifiers = {});
uint16_t mulHalf(const Format &format, uint16_t a, uint16_t b, const Modifiers &modifiers = {});
uint16_t fmaHalf(const Format &format, uint16_t a, uint16_t b, uint16_t c, const Modifiers &modifiers = {});

/// The same operation on both halves of packed operands (f16x2, bf16x2).
template <typename Function, typename... Operand>
uint32_t onHalves(Function function, Operand... operands) {
  uint32_t low = static_cast<uint16_t>(function(static_cast<uint16_t>(operands)...));
  uint32_t high = static_cast<uint16_t>(function(static_cast<uint16_t>(operands >> 16)...));
  return low | high << 16;
}

/// f32 to f16 or bf16, nearest even; NaN becomes 0x7fff. The quick path of cvt.rn and of the tensor units.
uint16_t floatToHalf(float value);
uint16_t floatToBfloat(float value);

} // namespace adze::sim

#endif
