// What the files with entry points share.
#ifndef ADZE_TOOLS_SIM_CUDA_DRIVER_ENTRY_H
#define ADZE_TOOLS_SIM_CUDA_DRIVER_ENTRY_H

#include "tools/sim/cuda/driver/State.h"

namespace adze::sim::driver {

/// The version of the driver API that is answered: 13.0, so PTX up to 9.0.
inline constexpr int kDriverVersion = 13000;
inline constexpr unsigned kPtxMajor = 9, kPtxMinor = 0;

/// Throws the fault of a piece of work as what its stream dies of.
[[noreturn]] inline void fault(int code, const std::string &text) { throw Failure{code, text}; }

/// Throws InvalidValue unless [address, address + bytes) lies in one live allocation.
void requireRange(State &state, uint64_t address, uint64_t bytes, const char *what);

} // namespace adze::sim::driver
#endif
