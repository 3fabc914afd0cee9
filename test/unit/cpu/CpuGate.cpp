#include "targets/cpu/CpuTarget.h"
#include "test/unit/cpu/GateDevice.h"

namespace adze::test {

std::unique_ptr<Target> gateTarget() { return createCpuTarget(); }
std::string prepareDevice(const std::string &) { return "cpu"; }

} // namespace adze::test
