// Windows as im2col tensor maps read them.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_IM2COL_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_IM2COL_H

#include "dialects/tile/TileDialect.h"
#include "targets/cuda/lower/sm90/TensorMap.h"

namespace adze::cuda::sm90 {

/// On a tile.view: the number of the windows that it stands for.
inline constexpr llvm::StringLiteral kWindows = "cuda.windows";

/// Replaces every load of [pixels x channels] of one tap, behind a tile.window, by a two-dimensional load through a
/// view (tap distances.., pixel, channel) of the same argument. Its offsets are what the copy needs; where the elements
/// lie is said by the box, not by the view's strides, so that only the emitter may read it. Windows without a map
/// (transposed, several groups, channels apart) stay as they are.
std::vector<WindowBox> standForWindows(tile::KernelOp kernel);

} // namespace adze::cuda::sm90

#endif
