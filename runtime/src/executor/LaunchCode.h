// Evaluates the launch code of kernel variants.
#ifndef ADZE_RUNTIME_EXECUTOR_LAUNCHCODE_H
#define ADZE_RUNTIME_EXECUTOR_LAUNCHCODE_H

#include "adze/driver.h"
#include "runtime/src/package/Program.h"

namespace adze::rt {

/// Appends the code's values for a launch with these arguments to `out`. False, with part of them appended, if a value
/// overflows or divides by zero.
bool evaluate(const LaunchCode &code, const std::vector<adze_address_t> &buffers, const std::vector<int64_t> &scalars,
              std::vector<int64_t> &out);

} // namespace adze::rt

#endif
