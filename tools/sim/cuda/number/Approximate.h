// The approximate functions: ex2, lg2, sin, cos, tanh, rcp, rsqrt, sqrt (.approx) and div (.approx, .full).
//
// A device's own approximation is not specified, only its largest error. Three modes cover what a program may meet: the
// value rounded to nearest, and the largest and the smallest result within the bound. A program that is right in
// all three does not lean on an accuracy that nobody promised. sin, cos and tanh never leave [-1, 1] in any mode.
// Source: PTX ISA, the instructions' own sections; special values follow their tables in every mode.
#ifndef ADZE_TOOLS_SIM_CUDA_NUMBER_APPROXIMATE_H
#define ADZE_TOOLS_SIM_CUDA_NUMBER_APPROXIMATE_H

#include "tools/sim/cuda/number/Format.h"

namespace adze::sim {

enum class Accuracy : uint8_t { Exact, Largest, Smallest };

enum class Function : uint8_t { Exp2, Log2, Sin, Cos, Tanh, Reciprocal, ReciprocalSqrt, Sqrt };

/// FUNCTION.approx{.ftz}.f32, and for Exp2 and Tanh also f16 and bf16 (one element).
///   bound: ex2 2 ulp; lg2 2^-22, absolute within (0.5, 2), else relative; sin, cos 2^-20.5 absolute in [-2pi, 2pi],
///   2^-14.7 to 100 pi, none beyond; tanh 2^-11 relative; rcp 1 ulp; rsqrt 2^-22.9 and sqrt 2^-23 relative;
///   f16: ex2 2^-9.9 relative, tanh 2^-10.987 absolute; bf16: ex2 2^-7 relative, tanh 2^-8 absolute.
uint32_t approximate(Function function, const Format &format, uint32_t a, bool flush, Accuracy accuracy);

/// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64 (Reciprocal, ReciprocalSqrt): 20 bits of mantissa, the rest is 0.
uint64_t approximateF64(Function function, uint64_t a, Accuracy accuracy);

/// div.approx{.ftz}.f32 (full = false) and div.full{.ftz}.f32: 2 ulp. div.approx gives 0 for |b| above 2^126 (NaN if a
/// is infinite), and a * infinity where 1/b overflows.
uint32_t divideApproximately(uint32_t a, uint32_t b, bool full, bool flush, Accuracy accuracy);

} // namespace adze::sim

#endif
