// Attributes that convolutions and pooling share.
#pragma once
#include "compiler/import/NodeContext.h"

namespace adze {

struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations;
  llvm::SmallVector<int64_t> pads; ///< all starts, then all ends, auto_pad resolved
};

/// Reads strides, dilations, pads and auto_pad for an operand of shape `x` (N, C, spatial...) and a given kernel. With
/// SAME padding and a symbolic dim the amount must not depend on the dim, otherwise the node is refused.
std::optional<Window> readWindow(NodeContext &n, const graph::Dims &x, llvm::ArrayRef<int64_t> kernel);

} // namespace adze
