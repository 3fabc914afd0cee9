// The elementwise tail of a consumer, a few columns at a time: op after op over a whole accumulator would keep several
// tiles in registers at once.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_COLUMNS_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_COLUMNS_H

#include "dialects/tile/TileDialect.h"

namespace adze::cuda::sm90 {
using namespace mlir;

/// Rewrites what follows the last loop of `process` (flattened) into copies for `width` columns each, where it is
/// elementwise in the columns; otherwise leaves it as it is.
void splitColumns(tile::ProcessOp process, int64_t width);

} // namespace adze::cuda::sm90

#endif
