// What a fused region may contain. The fuser asks here before it groups ops and the kernel builders rely on the
// answers, so both sides read the same rules.
//
// A region holds, in this order of execution:
//   - splat constants (graph.constant with one value), cloned from outside;
//   - views (transpose, slice) of region operands, cloned from outside: their consumer reads memory through them;
//   - the prologue: elementwise ops that compute the first operand of the anchor, where it takesPrologue. Each has the
//     dims of that operand and no other reader;
//   - at most one anchor: the op that decides the family. None in a "pointwise" region;
//   - the finish: elementwise ops over the anchor's result. Each has exactly the iteration dims of the region (the dims
//   of
//     the anchor's result; for "pointwise", of every op) and reads the anchor's result, other finish ops, splat
//     constants, and region operands or views of them that broadcast to the dims.
// A region yields one or more values, all with the iteration dims (after compiler/layout: or transposes of them).
// graph.weight, graph.reshape, graph.shape_value, graph.host, graph.check and constants with several values stay
// outside.
#ifndef ADZE_COMPILER_FUSE_LEGAL_H
#define ADZE_COMPILER_FUSE_LEGAL_H

#include "dialects/graph/GraphDialect.h"

namespace adze {

/// True for ops that become part of a region; the others stay in @main as aliases, constants or host work.
bool isRegionOp(mlir::Operation *op);

/// True for a constant that is cloned into the regions that use it: one value for every element.
bool isSplatConstant(mlir::Operation *op);

/// The family of a region whose anchor is `op`, which names its kernel builder: "pointwise" (elementwise ops, iota,
/// broadcast), "matmul", "conv", "depthwise" (as many groups as channels), "conv_transpose", "pool", "pool_indices",
/// "reduce", "arg_reduce", "rowwise" (softmax, layer_norm), "attention", "move" (transpose, slice, concat, pad),
/// "resize", "gather" (gather, gather_elements, gather_nd), "scatter" (scatter_elements, scatter_nd), "scan", "topk",
/// "rnn".
llvm::StringRef familyOf(mlir::Operation *op);

/// True for elementwise ops: they may be members of a pointwise region.
bool isPointwise(mlir::Operation *op);

/// True when a region with this anchor may have a finish.
bool takesFinish(mlir::Operation *anchor);

/// True when elementwise ops may compute the anchor's first operand inside its region: it reads every element once, or
/// few enough times that computing again is cheaper than a round trip through memory. `transcendental`: the prologue
/// holds exp, tanh and the like.
bool takesPrologue(mlir::Operation *anchor, bool transcendental);

/// True for the views that an op can read its operands through: transpose and slice.
bool isInnerView(mlir::Operation *op);

/// True when the last dim of the view is the last dim of its operand, element by element, so that runs stay runs.
bool keepsRuns(mlir::Operation *view);

/// True when `user` may read `operand` through the view that defines it, instead of from a copy.
bool readsThrough(mlir::OpOperand &operand, mlir::Operation *view);

/// True when `op` may run in the finish of a region with these iteration dims: pointwise, with these result dims, and
/// with operands that broadcast to them. Otherwise `why` (if given) says what is in the way.
bool fitsFinish(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> dims, std::string *why = nullptr);

} // namespace adze

#endif
