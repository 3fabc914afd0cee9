// Sizes and schedules of kernels that become warp-specialised on sm_90a.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_PLAN_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_PLAN_H

#include "compiler/target/Target.h"

namespace adze::cuda::sm90 {

/// The plan of a problem whose kernel has a staged form with these sizes; nothing where the generic path is planned
/// for.
std::optional<Plan> planStaged(const Problem &problem, const TargetArch &arch);

} // namespace adze::cuda::sm90

#endif
