// Where the integer-data gate runs. Each test binary links one implementation.
#ifndef ADZE_TEST_UNIT_CPU_GATEDEVICE_H
#define ADZE_TEST_UNIT_CPU_GATEDEVICE_H

#include "compiler/target/Target.h"

namespace adze::test {

std::unique_ptr<Target> gateTarget();
/// Makes code of one of runnableLevels() runnable in this process; returns the name of the runtime's device.
std::string prepareDevice(const std::string &level);

} // namespace adze::test

#endif
