// Makes regions read and write chosen values with their channels last.
#ifndef ADZE_COMPILER_LAYOUT_REWRITE_H
#define ADZE_COMPILER_LAYOUT_REWRITE_H

#include "dialects/graph/GraphDialect.h"

namespace adze::layout {

/// Where dim d of [N, C, spatial...] stands in [N, spatial..., C].
int64_t movedDim(int64_t d, size_t rank);

/// The type of a chosen value.
mlir::RankedTensorType channelsLastType(mlir::RankedTensorType type);

/// True for the ops that are told which dims they work on instead of reading through a transpose: concat, pad, resize,
/// gather along an axis. Their operands and results that have channels change together.
bool worksOnMovedDims(mlir::Operation *op);

/// Gives every value in `chosen`, results of regions of @main, its new type where it is computed and read.
void moveChannels(mlir::Block &main, const llvm::DenseSet<mlir::Value> &chosen);

} // namespace adze::layout

#endif
