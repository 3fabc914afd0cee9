// --sim: devices of another vendor's, simulated.
#pragma once
#include "tools/adze/Console.h"
#include "tools/adze/Flags.h"

namespace adze::cli {

/// --sim, --sim-arch, --sim-seed.
llvm::ArrayRef<FlagSpec> simulatorFlags();

/// Where --sim is given: checks the flags and puts the simulator in the place of the driver that the devices in
/// `devices` (comma-separated) need, through environment variables of this process. Returns the exit status.
int prepareSimulator(const Flags &flags, llvm::StringRef devices, Console &console);

/// What to compile a model for when --target is not given: the devices that it is to run on, as far as this build has
/// code generators for them. Empty without --device.
std::vector<std::string> targetsOfDevices(const Flags &flags);

} // namespace adze::cli
