#include "compiler/layout/Rewrite.h"

using namespace mlir;

namespace adze::layout {
using namespace graph;

int64_t movedDim(int64_t d, size_t rank) { return d == 0 ? 0 : d == 1 ? int64_t(rank) - 1 : d - 1; }

/// graph.transpose's perm from [N, C, spatial...] to [N, spatial..., C]: dim of the operand for each of the result.
static SmallVector<int64_t> toLast(size_t rank) {
  SmallVector<int64_t> perm(rank);
  for (size_t d = 0; d < rank; ++d)
    perm[movedDim(d, rank)] = d;
  return perm;
}

static SmallVector<int64_t> fromLast(size_t rank) {
  SmallVector<int64_t> perm(rank);
  for (size_t d = 0; d < rank; ++d)
    perm[d] = movedDim(d, rank);
  return perm;
}

RankedTensorType channelsLastType(RankedTensorType type) {
  Dims dims = getDims(type), moved;
  for (int64_t d : toLast(dims.size()))
    moved.push_back(dims[d]);
  return makeTensorType(moved, type.getElementType());
}

bool worksOnMovedDims(Operation *op) {
  if (auto gather = dyn_cast<GatherOp>(op)) // one index an element of the axis: the other dims stay what they are
    return getDims(gather.getIndices()).size() == 1;
  return isa<ConcatOp, PadOp, ResizeOp>(op);
}

/// The op over moved dims: its results get their new types, its dims their new numbers.
static void moveDims(Operation *op) {
  size_t rank = getDims(op->getResult(0)).size();
  OpBuilder b(op);
  if (auto concat = dyn_cast<ConcatOp>(op))
    concat.setAxis(movedDim(concat.getAxis(), rank));
  else if (auto resize = dyn_cast<ResizeOp>(op))
    resize.setAxis(movedDim(resize.getAxis(), rank));
  else if (auto gather = dyn_cast<GatherOp>(op))
    gather.setAxis(movedDim(gather.getAxis(), rank));
  else if (auto pad = dyn_cast<PadOp>(op)) {
    SmallVector<AffineExpr> low;
    for (int64_t d : toLast(rank))
      low.push_back(pad.getLow().getResult(d));
    pad.setLow(AffineMap::get(0, pad.getLow().getNumSymbols(), low, op->getContext()));
  }
  op->getResult(0).setType(channelsLastType(cast<RankedTensorType>(op->getResult(0).getType())));
}

/// The region's argument gets the type of its operand; what is inside sees it as before.
static void readMoved(RegionOp region, unsigned number) {
  Block &body = region.getBody().front();
  BlockArgument arg = body.getArgument(number);
  auto before = cast<RankedTensorType>(arg.getType());
  arg.setType(region->getOperand(number).getType());
  if (llvm::any_of(arg.getUsers(), worksOnMovedDims))
    return;
  OpBuilder b = OpBuilder::atBlockBegin(&body);
  auto view = TransposeOp::create(b, arg.getLoc(), before, arg, fromLast(before.getRank()));
  arg.replaceAllUsesExcept(view, view);
}

static void writeMoved(RegionOp region, unsigned number) {
  Operation *yield = region.getBody().front().getTerminator();
  Value value = yield->getOperand(number);
  auto type = channelsLastType(cast<RankedTensorType>(region.getResult(number).getType()));
  if (value.getDefiningOp() && worksOnMovedDims(value.getDefiningOp())) {
    moveDims(value.getDefiningOp());
  } else {
    OpBuilder b(yield);
    yield->setOperand(number, TransposeOp::create(b, value.getLoc(), type, value, toLast(type.getRank())));
  }
  region.getResult(number).setType(type);
}

void moveChannels(Block &main, const DenseSet<Value> &chosen) {
  for (RegionOp region : main.getOps<RegionOp>()) { // in order: operands have their types before they are read
    for (OpOperand &operand : region->getOpOperands())
      if (chosen.contains(operand.get()))
        readMoved(region, operand.getOperandNumber());
    for (OpResult result : region->getResults())
      if (chosen.contains(result))
        writeMoved(region, result.getResultNumber());
  }
}

} // namespace adze::layout
