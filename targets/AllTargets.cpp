#include "targets/AllTargets.h"
#include "targets/cpu/CpuTarget.h"
#include "targets/cuda/CudaTarget.h"

namespace adze {

TargetRegistry allTargets() {
  TargetRegistry registry;
  registry.add(createCpuTarget());
  registry.add(createCudaTarget());
  return registry;
}

} // namespace adze
