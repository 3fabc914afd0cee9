#include "targets/AllTargets.h"
#include "targets/cpu/CpuTarget.h"

namespace adze {

TargetRegistry allTargets() {
  TargetRegistry registry;
  registry.add(createCpuTarget());
  return registry;
}

} // namespace adze
