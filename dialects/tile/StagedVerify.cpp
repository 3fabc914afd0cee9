// Verifiers of the staged form's operations.
#include "dialects/tile/TileDialect.h"

using namespace mlir;

namespace adze::tile {
namespace {

/// A part of `part`'s sizes lies in a whole at `offsets`: equal ranks and element types, one offset a dim, sizes that
/// fit.
LogicalResult checkPart(Operation *op, RankedTensorType part, RankedTensorType whole, OperandRange offsets) {
  if (part.getElementType() != whole.getElementType() || part.getRank() != whole.getRank())
    return op->emitOpError() << "moves a part " << part << " of " << whole << "; rank and element type must be equal";
  if (static_cast<int64_t>(offsets.size()) != whole.getRank())
    return op->emitOpError() << "has " << offsets.size() << " offsets for " << whole.getRank() << " dims";
  for (int64_t i = 0; i < whole.getRank(); ++i)
    if (part.getDimSize(i) > whole.getDimSize(i))
      return op->emitOpError() << "part " << part << " is larger than " << whole << " in dim " << i;
  return success();
}

LogicalResult checkSlot(Operation *op, ChannelType channel, SlotType slot) {
  if (channel.getItem() != slot.getItem())
    return op->emitOpError() << "slot holds " << slot.getItem() << ", the channel " << channel.getItem();
  return success();
}

/// A slot that is `wanted` ("acquire" to write, "wait" to read).
template <typename Origin>
LogicalResult checkOrigin(Operation *op, Value slot, StringRef wanted) {
  if (!slot.getDefiningOp<Origin>())
    return op->emitOpError() << "needs a slot from tile." << wanted;
  return success();
}

} // namespace

LogicalResult ChannelOp::verify() {
  if (getDepth() < 1 || getBatch() < 1 || getCopies() < 1)
    return emitOpError() << "depth, batch and copies must be at least 1";
  if (getLocal() != (getFrom() == getTo()))
    return emitOpError() << "is `local` exactly when both ends are one unit";
  if (!getChannel().getType().getItem().hasStaticShape())
    return emitOpError() << "items must be static tiles";
  return success();
}

LogicalResult ProcessOp::verify() {
  Block &block = getBody().front();
  if (block.getNumArguments() != 1 || !block.getArgument(0).getType().isIndex())
    return emitOpError("has one block argument, the index of its instance");
  if (getInstances() < 1)
    return emitOpError("needs at least one instance");
  if (!isa<KernelOp>((*this)->getParentOp()))
    return emitOpError("lies directly in a kernel's region");
  return success();
}

LogicalResult AcquireOp::verify() { return checkSlot(*this, getChannel().getType(), getSlot().getType()); }
LogicalResult WaitOp::verify() { return checkSlot(*this, getChannel().getType(), getSlot().getType()); }
LogicalResult CommitOp::verify() { return checkOrigin<AcquireOp>(*this, getSlot(), "acquire"); }
LogicalResult ReleaseOp::verify() { return checkOrigin<WaitOp>(*this, getSlot(), "wait"); }

LogicalResult PutOp::verify() {
  if (failed(checkOrigin<AcquireOp>(*this, getSlot(), "acquire")))
    return failure();
  return checkPart(*this, cast<RankedTensorType>(getTile().getType()), getSlot().getType().getItem(), getOffsets());
}
LogicalResult GetOp::verify() {
  if (failed(checkOrigin<WaitOp>(*this, getSlot(), "wait")))
    return failure();
  return checkPart(*this, cast<RankedTensorType>(getTile().getType()), getSlot().getType().getItem(), getOffsets());
}

LogicalResult ExtractOp::verify() {
  return checkPart(*this, cast<RankedTensorType>(getTile().getType()), cast<RankedTensorType>(getSource().getType()),
                   getOffsets());
}
LogicalResult InsertOp::verify() {
  return checkPart(*this, cast<RankedTensorType>(getSource().getType()), cast<RankedTensorType>(getDest().getType()),
                   getOffsets());
}

} // namespace adze::tile
