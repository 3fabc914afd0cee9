// Index tiles of gathers and scatters.
#ifndef ADZE_COMPILER_KERNELS_INDEXING_H
#define ADZE_COMPILER_KERNELS_INDEXING_H

#include "compiler/kernels/Families.h"

namespace adze::kernels {

/// Negative indices count from the end.
mlir::Value wrapNegative(KernelText &k, mlir::Value index, mlir::AffineExpr extent);
/// An index tile as i64.
mlir::Value widenIndex(KernelText &k, mlir::Value index);
/// Row numbers for `count` index tuples from tuple `first` on: argument `arg` is [rows, depth], and the tuples address
/// a tensor of `extents`. A tuple outside gives -1. Result: i64 [count].
mlir::Value rowsOfIndices(KernelText &k, unsigned arg, mlir::AffineExpr rows, int64_t depth,
                          llvm::ArrayRef<mlir::AffineExpr> extents, mlir::Value first, int64_t count);

} // namespace adze::kernels

#endif
