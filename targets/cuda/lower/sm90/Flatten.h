// One instance's view of a process that several warpgroups run: tiles that the instances divide by rows become the
// instance's own rows, and the strip loops that walked over them disappear.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_FLATTEN_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_FLATTEN_H

#include "dialects/tile/TileDialect.h"

namespace adze::cuda::sm90 {
using namespace mlir;

/// Rewrites `process` in place. Every strip loop must make one turn an instance (failure otherwise: this kernel takes
/// the generic path). Waits then stand right before the first use of their slot, releases right behind the last.
LogicalResult flattenProcess(tile::ProcessOp process);

} // namespace adze::cuda::sm90

#endif
