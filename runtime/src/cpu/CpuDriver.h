#ifndef ADZE_RUNTIME_CPU_CPUDRIVER_H
#define ADZE_RUNTIME_CPU_CPUDRIVER_H

#include "adze/driver.h"

namespace adze::rt {

/// The CPU's function table. Memory comes from the options' callbacks; the environment variable ADZE_CPU_ARCH lowers
/// the architecture that images may use ("x86-64-v3" on a machine that could run v4).
const adze_driver_t *cpuDriver();

} // namespace adze::rt

#endif
