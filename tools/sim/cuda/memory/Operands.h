// What instructions that read shared memory asynchronously (wgmma) need of the memory system.
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_OPERANDS_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_OPERANDS_H

#include "tools/sim/cuda/exec/Warp.h"

namespace adze::sim {

/// A run of bytes of the own block's shared memory.
struct SharedRange {
  uint32_t offset = 0, bytes = 0;
};

/// The warp's asynchronous unit begins to read `ranges` (through the async proxy): checks bounds, that every byte was
/// written in order and, if through the generic proxy, fenced by its writer; that no copy to it is in flight. Locks the
/// bytes against writes by anybody until endOperandRead().
void beginOperandRead(Warp &warp, uint32_t line, const std::vector<SharedRange> &ranges);
/// The covering wait of this warp: unlocks, and leaves the bytes read by the warp as of now, so that who overwrites
/// them must be ordered after the wait.
void endOperandRead(Warp &warp, uint32_t line, const std::vector<SharedRange> &ranges);

/// The bytes of the block's shared memory and, by byte, whether they hold a defined value.
const uint8_t *sharedBytes(const Block &block);
bool sharedDefined(const Block &block, uint32_t offset, uint32_t bytes);
uint32_t sharedSize(const Block &block);

/// Whether asynchronous units read their operands late (at the covering wait) in this launch, or early (at issue). A
/// decision per call: launches may mix both.
bool operandsReadLate(Warp &warp);

} // namespace adze::sim
#endif
