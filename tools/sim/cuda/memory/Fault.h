// What stops a kernel: a code of the driver API and a text. The executor adds kernel, line, block and thread.
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_FAULT_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_FAULT_H

#include <stdexcept>
#include <string>

namespace adze::sim {

/// CUresult numbers of what a kernel can die of.
enum class FaultCode : int {
  IllegalAddress = 700,
  Timeout = 702,
  HardwareStack = 714,
  IllegalInstruction = 715,
  Misaligned = 716,
  LaunchFailed = 719,
};

class MemoryFault : public std::runtime_error {
public:
  MemoryFault(FaultCode code, const std::string &text) : std::runtime_error(text), code(code) {}
  FaultCode code;
};

/// A protocol error that the device would leave undefined: races, missing waits and fences, misuse of barriers.
inline MemoryFault protocolFault(const std::string &text) { return MemoryFault(FaultCode::LaunchFailed, text); }

} // namespace adze::sim
#endif
