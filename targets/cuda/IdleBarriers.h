#ifndef ADZE_TARGETS_CUDA_IDLEBARRIERS_H
#define ADZE_TARGETS_CUDA_IDLEBARRIERS_H

namespace llvm {
class Module;
}

namespace adze::cuda {

/// Removes barriers of the whole block that order nothing: on every way to them, no memory was touched since another
/// one (or since the kernel began). Lowerings put a barrier before and after each use of shared memory on their own;
/// where two uses meet, or a loop ends, one is too many. Other barriers and all assembly count as memory.
/// Returns how many were removed.
unsigned removeIdleBarriers(llvm::Module &module);

} // namespace adze::cuda

#endif
