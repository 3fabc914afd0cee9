// Flags that other waits imply.
#ifndef ADZE_COMPILER_SCHEDULE_PLAN_MEMORY_IMPLIEDFLAGS_H
#define ADZE_COMPILER_SCHEDULE_PLAN_MEMORY_IMPLIEDFLAGS_H

#include "compiler/schedule/Staging.h"

namespace adze::schedule {

/// Marks channels as `implied` whose slots are known to be free by the order of the other flags; rings in device memory
/// are deepened by up to two slots where that makes it so and they still fit.
void dropImpliedFlags(tile::KernelOp kernel, const Machine &machine);

} // namespace adze::schedule

#endif
