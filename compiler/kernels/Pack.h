// Constant operands in the physical order that a plan asks for.
#ifndef ADZE_COMPILER_KERNELS_PACK_H
#define ADZE_COMPILER_KERNELS_PACK_H

#include "compiler/kernels/Families.h"

namespace adze::kernels {

/// A weight seen as a logical operand: element (l0, l1, ...) lies at offset + sum of stride * l.
struct PackSource {
  mlir::Value operand; // of the region
  llvm::SmallVector<int64_t> extents, strides;
  int64_t offset = 0;
};

/// True when `operand` (of a region) is a static weight whose bytes are at hand.
bool isPackable(KernelRequest &r, mlir::Value operand);

/// A new graph.weight in front of the region with the bytes of `source` in the order of `pack`; null when the weight
/// store refuses (sizes beyond 2^62).
mlir::Value packOperand(KernelRequest &r, const PackSource &source, tile::PackAttr pack);

/// Where the elements of `source` lie once packed, for a packing that only gives the dims another order: a view needs
/// no layout then. No value for packings into blocks.
std::optional<PackSource> reordered(const PackSource &source, tile::PackAttr pack);

} // namespace adze::kernels

#endif
