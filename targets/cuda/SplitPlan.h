// Which work several blocks share: targets/gpu/lower/Split.cpp.
#ifndef ADZE_TARGETS_CUDA_SPLITPLAN_H
#define ADZE_TARGETS_CUDA_SPLITPLAN_H

#include "compiler/target/Target.h"

namespace adze::cuda {

/// Splits the steps of a plan's programs over blocks ("split" or "share", compiler/kernels/Families.h) where programs
/// are too few for `units` multiprocessors.
void planSplit(const Problem &p, int64_t units, Plan &plan);
/// Whether `staged`, whose programs are not split, leaves so many multiprocessors idle that `other` is faster.
bool leavesIdle(const Problem &p, int64_t units, const Plan &staged, const Plan &other);

} // namespace adze::cuda

#endif
