#include "tools/sim/cuda/memory/Shared.h"

using namespace adze::sim;

bool SharedMemory::holdsBarrier(uint64_t offset, uint64_t count) const {
  for (auto it = barriers.lower_bound(uint32_t(offset < 7 ? 0 : offset - 7));
       it != barriers.end() && it->first < offset + count; ++it)
    if (it->second->live())
      return true;
  return false;
}

MBarrier &SharedMemory::barrierAt(uint32_t offset, unsigned actorIfNew) {
  std::unique_ptr<MBarrier> &barrier = barriers[offset];
  if (!barrier)
    barrier = std::make_unique<MBarrier>(offset, actorIfNew);
  return *barrier;
}
