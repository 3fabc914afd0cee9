// Sizes and schedules of kernels that become warp-specialised on sm_90a.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_PLAN_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_PLAN_H

#include "compiler/target/Target.h"

namespace adze::cuda::sm90 {

/// The plan of a problem whose kernel has a staged form with these sizes; nothing where the generic path is planned
/// for.
std::optional<Plan> planStaged(const Problem &problem, const TargetArch &arch);

/// Partial sums of 8-bit floats go to a float32 sum after so many products: the tensor cores keep 13 fraction bits of
/// theirs.
inline constexpr int64_t kPromote = 128;
/// Weights (k, n) of elements of `bits` as rows along k of whole 16 bytes: [n, k / c, k % c].
mlir::Attribute packRows(mlir::MLIRContext *context, unsigned bits);

} // namespace adze::cuda::sm90

#endif
