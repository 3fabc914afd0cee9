// Rewrites of a kernel's text that the numeric contract licenses and that this lowering profits from.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "targets/gpu/lower/Dot.h"

namespace adze::gpu {
using namespace adze::tile;

static bool isZero(Value v) {
  auto constant = v.getDefiningOp<arith::ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!dense || !dense.isSplat())
    return false;
  if (isa<FloatType>(dense.getElementType()))
    return dense.getSplatValue<APFloat>().isPosZero();
  return dense.getSplatValue<APInt>().isZero();
}

/// dot(a, b, 0), used by `sum` only.
static DotOp freshDot(Value v, Operation *sum) {
  auto dot = v.getDefiningOp<DotOp>();
  return dot && dot->hasOneUse() && dot->getBlock() == sum->getBlock() && isZero(dot.getAcc()) ? dot : DotOp();
}

void accumulateInPlace(KernelOp kernel) {
  SmallVector<Operation *> sums;
  kernel.walk([&](Operation *op) {
    if (isa<arith::AddFOp, arith::AddIOp, math::FmaOp>(op) && isa<RankedTensorType>(op->getResult(0).getType()))
      sums.push_back(op);
  });
  for (Operation *sum : sums) {
    bool fma = isa<math::FmaOp>(sum);
    unsigned side = sum->getNumOperands() - 1;
    DotOp dot = freshDot(sum->getOperand(side), sum);
    if (!dot && !fma)
      dot = freshDot(sum->getOperand(side = 0), sum);
    if (!dot)
      continue;
    OpBuilder b(sum);
    Value other = fma ? Value(arith::MulFOp::create(b, sum->getLoc(), sum->getOperand(0), sum->getOperand(1)))
                      : sum->getOperand(1 - side);
    auto moved = cast<DotOp>(b.clone(*dot));
    moved.getAccMutable().assign(other);
    sum->getResult(0).replaceAllUsesWith(moved.getTile());
    sum->erase();
    dot->erase();
  }
}

} // namespace adze::gpu
