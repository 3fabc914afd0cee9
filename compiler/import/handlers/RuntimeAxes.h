// Axes that are known only at launch: an operand of the node that a graph input feeds. Which dims they name becomes a
// set of derived symbols, so that ranks stay static and dims symbolic.
#pragma once
#include "compiler/import/NodeContext.h"

namespace adze {

struct AxisSet {
  llvm::SmallVector<mlir::AffineExpr> axes;   ///< normalised to [0, rank)
  llvm::SmallVector<mlir::AffineExpr> member; ///< for each dim of the rank: 1 when an axis names it, else 0
};

/// Normalises axes over `rank` dims; records launch checks that they are in range and distinct.
std::optional<AxisSet> axisSet(NodeContext &n, llvm::ArrayRef<mlir::AffineExpr> axes, int64_t rank);

/// The dims that are not members, in order; their number is `rank - axes`.
graph::Dims withoutMembers(NodeContext &n, llvm::ArrayRef<mlir::AffineExpr> dims, const AxisSet &set);
/// The inverse: dims of size 1 at the members of a set over the result's rank.
graph::Dims withMembers(NodeContext &n, llvm::ArrayRef<mlir::AffineExpr> dims, const AxisSet &set);

/// x as a matrix [product of the other dims, product of the member dims], by gathering.
mlir::Value membersLast(NodeContext &n, mlir::Value x, const AxisSet &set);

/// What a per-axis list says of dim `d`: the entry of the axis that names it, or `otherwise`.
mlir::AffineExpr entryOf(NodeContext &n, int64_t d, llvm::ArrayRef<mlir::AffineExpr> axes,
                         llvm::ArrayRef<mlir::AffineExpr> entries, mlir::AffineExpr otherwise);

} // namespace adze
