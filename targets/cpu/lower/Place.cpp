// Which tile values get a buffer and which are computed where they are used.
#include "targets/cpu/lower/Lowering.h"
#include "llvm/ADT/SetVector.h"

namespace adze::cpu {
using namespace adze::tile;

namespace {
/// Computing an element this dear twice costs more than a trip through the cache.
constexpr int64_t kShareCost = 12;
/// An expression deeper than this is cut, so that strips stay small.
constexpr int64_t kMaxCost = 400;

int64_t opCost(Operation *op) {
  if (isa<math::MathDialect>(op->getDialect()))
    return isa<math::AbsFOp, math::FmaOp, math::FloorOp, math::CeilOp, math::RoundEvenOp, math::CopySignOp,
               math::AbsIOp>(op)
               ? 1
           : isa<math::SqrtOp, math::RsqrtOp>(op) ? 6
                                                  : 20;
  if (isa<arith::DivFOp>(op))
    return 6;
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp, arith::RemFOp>(op))
    return 30;
  if (isa<GatherOp>(op))
    return 16;
  if (isa<BroadcastOp, SplatOp, arith::ConstantOp, ReshapeOp, TransposeOp, SliceOp>(op))
    return 0;
  if (auto load = dyn_cast<LoadOp>(op))
    return isa_and_nonnull<WindowedAttr>(load.getView().getType().getLayout()) ? 12 : 1;
  return 1;
}

bool reshapeIsTrivial(ReshapeOp op) {
  auto squeeze = [](RankedTensorType t) {
    SmallVector<int64_t> r;
    for (int64_t d : t.getShape())
      if (d != 1)
        r.push_back(d);
    return r;
  };
  return squeeze(op.getSource().getType()) == squeeze(op.getTile().getType());
}
} // namespace

bool Lowering::isInlineOp(Operation *op) {
  if (isa<LoadOp, GatherOp, ValidOp, SplatOp, IotaOp, BroadcastOp, ReshapeOp, TransposeOp, SliceOp, CastOp, BitcastOp>(
          op))
    return true;
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return isInlineIf(branch);
  return isa<arith::ArithDialect, math::MathDialect>(op->getDialect());
}

/// Both branches compute nothing but elementwise results, and computing their scalars in vain does no harm.
bool Lowering::isInlineIf(scf::IfOp branch) {
  if (branch.getNumResults() == 0 || !llvm::all_of(branch.getResultTypes(), llvm::IsaPred<RankedTensorType>))
    return false;
  for (Region *region : {&branch.getThenRegion(), &branch.getElseRegion()})
    for (Operation &op : region->front()) {
      if (op.hasTrait<OpTrait::IsTerminator>())
        continue;
      bool tiles = llvm::any_of(op.getResultTypes(), llvm::IsaPred<RankedTensorType>);
      if (op.getNumRegions() || isa<GatherOp>(op))
        return false;
      if (tiles ? !isInlineOp(&op) : !isPure(&op))
        return false;
      if (auto load = dyn_cast<LoadOp>(op); load && load.getView().getType().getEffect() != Effect::in)
        return false;
    }
  return true;
}

/// Work to compute one element of `v` from buffers and memory.
int64_t Lowering::cost(Value v) {
  Operation *op = v.getDefiningOp();
  if (!op || wantsBuffer.contains(v) || !isInlineOp(op))
    return 1;
  auto found = costs.find(v);
  if (found != costs.end())
    return found->second;
  int64_t sum = opCost(op);
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    unsigned i = cast<OpResult>(v).getResultNumber();
    sum = std::max(cost(branch.thenYield().getOperand(i)), cost(branch.elseYield().getOperand(i)));
  }
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      sum += cost(operand);
  return costs[v] = sum;
}

/// The stores that compute `v` again. True when there is more than one, or one and a loop nest before it.
bool Lowering::storesReached(Value v, llvm::SmallPtrSetImpl<Operation *> &seen) {
  for (Operation *user : v.getUsers()) {
    if (isa<StoreOp, ScatterOp>(user))
      seen.insert(user);
    else if (isInlineOp(user) && user->getNumResults() == 1 && !wantsBuffer.contains(user->getResult(0)))
      storesReached(user->getResult(0), seen);
  }
  return seen.size() > 1;
}

void Lowering::place(Region &region) {
  unsigned stores = 0;
  region.walk([&](Operation *op) { stores += isa<StoreOp, ScatterOp>(op); });
  region.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (!isInlineOp(op))
      return;
    for (Value v : op->getResults()) {
      if (!isa<RankedTensorType>(v.getType()) || isa<arith::ConstantOp>(op))
        continue;
      auto type = tileType(v);
      unsigned uses = std::distance(v.use_begin(), v.use_end());
      bool want = false;
      // Memory that this kernel may overwrite is read where the text reads it. An `in` argument may share its memory
      // with the output (exec.launch's aliases), so it is not read again after a store.
      if (auto load = dyn_cast<LoadOp>(op)) {
        want = load.getView().getType().getEffect() != Effect::in;
        llvm::SmallPtrSet<Operation *, 4> seen;
        want |= stores > 1 && storesReached(v, seen);
      }
      if (auto gather = dyn_cast<GatherOp>(op))
        want = gather.getView().getType().getEffect() != Effect::in;
      int64_t c = cost(v);
      want |= (uses > 1 && c >= kShareCost) || c > kMaxCost;
      for (Operation *user : v.getUsers()) {
        if (auto reshape = dyn_cast<ReshapeOp>(user))
          want |= !reshapeIsTrivial(reshape);
        if (auto cast = dyn_cast<BitcastOp>(user))
          want |= cast.getTile().getType().getShape() != type.getShape();
        if (auto grow = dyn_cast<BroadcastOp>(user)) {
          int64_t n = grow.getTile().getType().getNumElements() / type.getNumElements();
          want |= n >= 4 && c >= 6;
        }
        // A value from outside a loop is computed once, not once an iteration.
        if (user->getParentRegion() != op->getParentRegion() && c >= kShareCost)
          want = true;
      }
      if (want) {
        wantsBuffer.insert(v);
        costs.erase(v);
      }
    }
  });
}

bool Lowering::reads(Value v, Value ptr) {
  auto it = buffers.find(v);
  if (it != buffers.end())
    return it->second.ptr == ptr;
  Operation *op = v.getDefiningOp();
  if (!op)
    return false;
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    unsigned i = cast<OpResult>(v).getResultNumber();
    return reads(branch.thenYield().getOperand(i), ptr) || reads(branch.elseYield().getOperand(i), ptr);
  }
  return llvm::any_of(op->getOperands(), [&](Value o) { return isa<RankedTensorType>(o.getType()) && reads(o, ptr); });
}

/// `v` reads the buffer `ptr` at most at the element that it computes.
bool Lowering::readsInPlace(Value v, Value ptr) {
  if (buffers.count(v) || !reads(v, ptr))
    return true;
  Operation *op = v.getDefiningOp();
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    unsigned i = cast<OpResult>(v).getResultNumber();
    return readsInPlace(branch.thenYield().getOperand(i), ptr) && readsInPlace(branch.elseYield().getOperand(i), ptr);
  }
  if (!isa<CastOp>(op) && !isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return false;
  return llvm::all_of(op->getOperands(),
                      [&](Value o) { return !isa<RankedTensorType>(o.getType()) || readsInPlace(o, ptr); });
}

/// What body yields is computed where finish stores it: `accumulator` feeds elementwise ops that lead to one store.
bool Lowering::canStayInline(Value yielded, BlockArgument accumulator) {
  Operation *op = yielded.getDefiningOp();
  if (buffers.count(yielded) || !op || !isInlineOp(op) || isa<scf::IfOp, arith::ConstantOp>(op) ||
      wantsBuffer.contains(yielded))
    return false;
  unsigned stores = 0;
  accumulator.getOwner()->walk([&](Operation *o) { stores += isa<StoreOp, ScatterOp>(o); });
  SmallVector<Value> work{accumulator};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value v = work.pop_back_val();
    if (!seen.insert(v).second)
      continue;
    for (Operation *user : v.getUsers()) {
      if (isa<StoreOp>(user))
        continue;
      if (user->getNumResults() != 1 || wantsBuffer.contains(user->getResult(0)) || user->getNumRegions() ||
          (!isa<CastOp>(user) && !isa<arith::ArithDialect, math::MathDialect>(user->getDialect())))
        return false;
      work.push_back(user->getResult(0));
    }
  }
  return stores == 1;
}

void Lowering::collectLoads(Value v, llvm::SmallSetVector<Operation *, 8> &loads) {
  if (auto alias = aliases.find(v); alias != aliases.end())
    v = alias->second;
  if (buffers.count(v))
    return;
  Operation *op = v.getDefiningOp();
  if (!op || loads.size() > 64)
    return;
  if (isa<LoadOp>(op)) {
    loads.insert(op);
    return;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    unsigned i = cast<OpResult>(v).getResultNumber();
    collectLoads(branch.thenYield().getOperand(i), loads);
    collectLoads(branch.elseYield().getOperand(i), loads);
    return;
  }
  if (isInlineOp(op))
    for (Value o : op->getOperands())
      if (isa<RankedTensorType>(o.getType()))
        collectLoads(o, loads);
}

} // namespace adze::cpu
