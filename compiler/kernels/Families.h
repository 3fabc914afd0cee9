// The family builders and what they share.
#ifndef ADZE_COMPILER_KERNELS_FAMILIES_H
#define ADZE_COMPILER_KERNELS_FAMILIES_H

#include "compiler/kernels/RegionEval.h"

namespace adze::kernels {

/// A finished kernel: the launch's dims and operands (in the order of the region's, some replaced by packed weights).
struct BuiltKernel {
  tile::KernelOp kernel;
  mlir::AffineMap dims;
  llvm::SmallVector<mlir::Value> operands;
};
using BuildResult = mlir::FailureOr<BuiltKernel>;

BuildResult buildPointwise(KernelRequest &r); // elementwise trees, transpose, slice, broadcast
BuildResult buildConcat(KernelRequest &r);
BuildResult buildPad(KernelRequest &r);
BuildResult buildMatmul(KernelRequest &r);
BuildResult buildConv(KernelRequest &r);      // conv and conv_transpose
BuildResult buildDepthwise(KernelRequest &r); // one channel a group
BuildResult buildPool(KernelRequest &r);      // pool and max_pool_indices
BuildResult buildReduce(KernelRequest &r);
BuildResult buildArgReduce(KernelRequest &r);
BuildResult buildRowwise(KernelRequest &r);
BuildResult buildAttention(KernelRequest &r);
BuildResult buildGather(KernelRequest &r);  // gather, gather_elements, gather_nd
BuildResult buildScatter(KernelRequest &r); // scatter_elements, scatter_nd
BuildResult buildResize(KernelRequest &r);
BuildResult buildScan(KernelRequest &r);
BuildResult buildTopK(KernelRequest &r);
BuildResult buildRnn(KernelRequest &r);

//===-- shared

/// The op of the region that is neither elementwise nor constant; null in a pointwise region.
mlir::Operation *anchorOf(graph::RegionOp region);
graph::YieldOp yieldOf(graph::RegionOp region);
mlir::Type elementOf(mlir::Value v);

Extent extentOf(mlir::AffineExpr expr, const graph::SymbolTable &symbols);
inline Plan planFor(KernelRequest &r, Problem problem) {
  problem.flags["tf32"] = r.options.dotPrecision == tile::DotPrecision::tf32;
  return r.target.plan(problem, r.archs);
}
/// The plan's size (or `otherwise`), clipped to a static extent that is smaller, rounded up to the plan's `granule` or
/// to `block` (of a packing), whichever is larger.
int64_t tileSize(const Plan &plan, llvm::StringRef name, int64_t otherwise, mlir::AffineExpr extent, int64_t block = 1);
/// The number of shares into which a plan splits the work along `extent`: "split", or one for every "share" elements,
/// as an expression. No value: the work is not split.
std::optional<mlir::AffineExpr> sharesOf(const Plan &plan, mlir::AffineExpr extent);
/// The fold of accumulators that are sums.
void foldSums(KernelText &k, mlir::Type accumulator);
/// Block of a logical dim of a plan's packing; 1 where there is none.
int64_t packBlock(const Plan &plan, const std::string &operand, unsigned dim, size_t rank);
/// Number of ops of the finish.
int64_t finishSize(graph::RegionOp region);
/// Product of the extents of groups.
mlir::AffineExpr extentProduct(mlir::MLIRContext *context, llvm::ArrayRef<Group> groups);

/// The grid over groups: a dim for each tiled group, and one for each other group or, where that would make more than
/// three dims, one for all of them.
class GridMap {
public:
  GridMap(KernelText &k, llvm::ArrayRef<Group> groups, llvm::ArrayRef<int64_t> sizes);
  /// Offsets of the groups, in the region under construction.
  llvm::SmallVector<mlir::Value> offsets(KernelText &k) const;

private:
  llvm::SmallVector<Group> groups;
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<unsigned> number; // grid dim of each group
  llvm::SmallVector<unsigned> outer;  // groups that share grid dim 0, if any
};

/// Ends a kernel whose operands are the region's.
BuildResult finish(KernelRequest &r, KernelText &k, const Plan &plan, mlir::Type accumulator = {},
                   llvm::ArrayRef<mlir::Value> operands = {});

/// Elements of a flat (row-major) argument at `linear` (i64 tile); outside reads zero. Result: its stored type.
mlir::Value gatherFlat(KernelText &k, unsigned arg, mlir::AffineExpr elements, mlir::Value linear);

/// Sum of tiles of broadcast shapes.
mlir::Value addBroadcast(KernelText &k, mlir::Value a, mlir::Value b);

} // namespace adze::kernels

#endif
