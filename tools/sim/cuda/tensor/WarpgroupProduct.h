// The arithmetic of wgmma: operands out of registers and shared memory, sums into the accumulators of one warp.
#ifndef ADZE_TOOLS_SIM_CUDA_TENSOR_WARPGROUPPRODUCT_H
#define ADZE_TOOLS_SIM_CUDA_TENSOR_WARPGROUPPRODUCT_H

#include "tools/sim/cuda/tensor/Warpgroup.h"

namespace adze::sim {

/// A in registers: keeps what warp `rank` holds. The registers are locked until the wait, so the time does not matter.
void snapshotRegisters(const Warp &warp, unsigned rank, WgmmaOperation &operation);

/// Reads the shared operands, once for the warpgroup.
void readOperands(Warp &warp, WgmmaOperation &operation);

/// Carries out the operations in order for the 16 rows of warp `rank` and writes its accumulators.
void writeAccumulators(Warp &warp, unsigned rank, const std::vector<WgmmaOperation *> &operations);

} // namespace adze::sim

#endif
