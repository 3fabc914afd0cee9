// The integer-data gate through the runtime, its driver and the simulator.
#include "targets/cuda/CudaTarget.h"
#include "test/unit/cpu/GateDevice.h"
#include <cstdlib>

namespace adze::test {

std::unique_ptr<Target> gateTarget() { return createCudaTarget(); }

std::string prepareDevice(const std::string &level) {
  setenv("ADZE_DRIVER_PATH", ADZE_LIBRARY_DIR, 1);
  setenv("ADZE_CUDA_LIBRARY", ADZE_LIBRARY_DIR "/libcuda_sim.so", 1);
  setenv("ADZE_SIM_ARCH", level.c_str(), 1);
  return "cuda";
}

} // namespace adze::test
