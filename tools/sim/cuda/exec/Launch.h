// Launching a kernel of a loaded program.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_LAUNCH_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_LAUNCH_H

#include "../number/Approximate.h"
#include "Program.h"

namespace adze::sim {

/// Limits of a device. Source: CUDA programming guide, "Compute Capabilities".
struct DeviceLimits {
  uint32_t threadsPerBlock = 1024;
  Dim3 block{1024, 1024, 64};
  Dim3 grid{0x7fffffff, 65535, 65535};
  uint32_t sharedDefault = 49152, sharedOptIn = 166912; ///< bytes per block
  uint32_t cluster = 1; ///< portable blocks per cluster (16 with the non-portable attribute); 1: no clusters
  uint32_t paramBytes = 4352;
};
DeviceLimits limitsOf(const Architecture &device);

struct LaunchOptions {
  uint64_t seed = 0;
  unsigned threads = 0;            ///< host threads; 0: as many as there are cores
  uint64_t maxInstructions = 0;    ///< of one cluster; 0: unlimited
  uint32_t maxDynamicShared = 0;   ///< what cuFuncSetAttribute(8) allowed; 0: the default limit
  bool nonPortableCluster = false; ///< cuFuncSetAttribute(14)
  bool programmaticSerialization = false;
  bool checkRaces = true;
  Accuracy accuracy = Accuracy::Exact; ///< of the .approx functions
  bool promisedSums = false;           ///< tensor units: f64 sums rounded once instead of the measured accumulators
};

struct LaunchResult {
  int code = 0;     ///< CUresult number; 0 success
  std::string text; ///< error: kernel, PTX line and text, block, thread, what is wrong
  uint64_t warpInstructions = 0;
  std::vector<std::string> warnings;
};

/// Runs `kernel` to its end. `params`: the parameter buffer (KernelParam::offset). Blocking.
LaunchResult launch(const Program &program, const KernelCode &kernel, Dim3 grid, Dim3 block, Dim3 cluster,
                    uint32_t dynamicShared, const std::vector<uint8_t> &params, DeviceMemory &memory,
                    const Architecture &device, const LaunchOptions &options);

} // namespace adze::sim
#endif
