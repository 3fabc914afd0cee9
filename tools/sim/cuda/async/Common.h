// Shared by the instructions of this folder.
#ifndef ADZE_TOOLS_SIM_CUDA_ASYNC_COMMON_H
#define ADZE_TOOLS_SIM_CUDA_ASYNC_COMMON_H

#include "tools/sim/cuda/exec/Decode.h"
#include "tools/sim/cuda/memory/State.h"

namespace adze::sim {

/// The live mbarrier at `address`, whose init is ordered before `lane` (and fenced, if it is another block's); faults
/// otherwise. `memory`: whose it is.
MBarrier &usedBarrier(Warp &warp, unsigned lane, Space space, uint64_t address, SharedMemory *&memory,
                      const char *what);

/// Completes the copies of `lanes` in `copy`: moves the bytes and makes them visible to the lane, or, if `barrier`, to
/// those who wait on it.
void completeCopies(Warp &warp, PendingCopy &copy, Mask lanes, const MBarrier *barrier);
/// Lets the oldest cp.async.mbarrier.arrive of the warp happen. False if there is none.
bool deliverArrival(Warp &warp);

} // namespace adze::sim
#endif
