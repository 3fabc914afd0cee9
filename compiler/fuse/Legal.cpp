#include "compiler/fuse/Legal.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace adze {
using namespace graph;

bool isRegionOp(Operation *op) {
  return isa<GraphNodeInterface>(op) && !isa<WeightOp, ConstantOp, ShapeValueOp, ReshapeOp, HostOp>(op);
}

bool isSplatConstant(Operation *op) {
  auto constant = dyn_cast<ConstantOp>(op);
  return constant && constant.getValue().isSplat();
}

/// Every group has one input and one output channel.
static bool isDepthwise(ConvOp conv) {
  Dims w = getDims(conv.getW());
  return conv.getGroup() > 1 && constantOf(w[1]) == 1 && constantOf(w[0]) == int64_t(conv.getGroup());
}

StringRef familyOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<MatmulOp>([](auto) { return "matmul"; })
      .Case<ConvOp>([](ConvOp conv) { return isDepthwise(conv) ? "depthwise" : "conv"; })
      .Case<ConvTransposeOp>([](auto) { return "conv_transpose"; })
      .Case<PoolOp>([](auto) { return "pool"; })
      .Case<MaxPoolIndicesOp>([](auto) { return "pool_indices"; })
      .Case<ReduceOp>([](auto) { return "reduce"; })
      .Case<ArgReduceOp>([](auto) { return "arg_reduce"; })
      .Case<SoftmaxOp, LayerNormOp>([](auto) { return "rowwise"; })
      .Case<AttentionOp>([](auto) { return "attention"; })
      .Case<TransposeOp, SliceOp, ConcatOp, PadOp>([](auto) { return "move"; })
      .Case<ResizeOp>([](auto) { return "resize"; })
      .Case<GatherOp, GatherElementsOp, GatherNdOp>([](auto) { return "gather"; })
      .Case<ScatterElementsOp, ScatterNdOp>([](auto) { return "scatter"; })
      .Case<ScanOp>([](auto) { return "scan"; })
      .Case<TopKOp>([](auto) { return "topk"; })
      .Case<RnnOp>([](auto) { return "rnn"; })
      .Default([](Operation *) { return "pointwise"; });
}

bool isPointwise(Operation *op) {
  if (isa<BroadcastOp>(op))
    return true;
  auto node = dyn_cast<GraphNodeInterface>(op);
  return node && node.getFusionRole() == FusionRole::elementwise && !isa<BatchNormOp>(op);
}

bool takesFinish(Operation *anchor) {
  return isa<MatmulOp, ConvOp, ConvTransposeOp, PoolOp, ReduceOp, SoftmaxOp, LayerNormOp, AttentionOp>(anchor);
}

bool takesPrologue(Operation *anchor, bool transcendental) {
  return isa<ReduceOp>(anchor) || (isa<SoftmaxOp, LayerNormOp>(anchor) && !transcendental);
}

bool isInnerView(Operation *op) { return isa<TransposeOp, SliceOp>(op); }

bool keepsRuns(Operation *view) {
  if (auto transpose = dyn_cast<TransposeOp>(view))
    return transpose.getPerm().empty() || transpose.getPerm().back() == int64_t(transpose.getPerm().size()) - 1;
  ArrayRef<int64_t> steps = cast<SliceOp>(view).getSteps();
  return steps.empty() || steps.back() == 1;
}

bool readsThrough(OpOperand &operand, Operation *view) {
  Operation *user = operand.getOwner();
  if (isPointwise(user))
    return true;
  if (!keepsRuns(view))
    return false;
  if (isa<AttentionOp>(user))
    return operand.getOperandNumber() < 3;
  return isa<MatmulOp>(user) || (isa<ReduceOp, SoftmaxOp, LayerNormOp>(user) && operand.getOperandNumber() == 0);
}

bool fitsFinish(Operation *op, ArrayRef<AffineExpr> dims, std::string *why) {
  auto no = [&](const Twine &text) {
    if (why)
      *why = text.str();
    return false;
  };
  if (!isPointwise(op))
    return no(op->getName().getStringRef() + " is not elementwise");
  Dims result = getDims(op->getResult(0));
  if (result.size() != dims.size())
    return no("its rank differs from the region's");
  for (auto [a, b] : llvm::zip_equal(result, dims))
    if (!provablyEqual(a, b))
      return no("its dims differ from the region's");
  return true;
}

} // namespace adze
