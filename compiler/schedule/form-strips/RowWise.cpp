#include "compiler/schedule/form-strips/RowWise.h"
#include "compiler/schedule/Staging.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace adze::schedule {
namespace {
using namespace tile;

bool typeHasRows(Type type, int64_t rows) {
  auto t = dyn_cast<RankedTensorType>(type);
  return t && t.getRank() >= 2 && t.getDimSize(0) == rows;
}

/// Operands that a strip takes apart: all but the second of a dot, whose rows are not the result's.
bool slicesOperand(OpOperand &use) { return !(isa<DotOp>(use.getOwner()) && use.getOperandNumber() == 1); }

/// True when row r of every result depends on row r of the operands only.
bool isRowWise(Operation *op, int64_t rows) {
  auto keepsDim0 = [&](int64_t dim) { return dim != 0; };
  if (auto cond = dyn_cast<scf::IfOp>(op)) {
    bool ok = true;
    cond.walk([&](Operation *inner) {
      if (inner != op && !isa<scf::YieldOp>(inner) && touchesRows(inner, rows))
        ok &= isRowWise(inner, rows);
    });
    return ok;
  }
  if (auto o = dyn_cast<ReduceOp>(op))
    return keepsDim0(o.getDim());
  if (auto o = dyn_cast<ArgReduceOp>(op))
    return keepsDim0(o.getDim());
  if (auto o = dyn_cast<ScanOp>(op))
    return keepsDim0(o.getDim());
  if (auto o = dyn_cast<ConcatOp>(op))
    return keepsDim0(o.getDim());
  if (auto o = dyn_cast<SliceOp>(op))
    return o.getOffsets()[0] == 0 && o.getStrides()[0] == 1 && typeHasRows(o.getType(), rows);
  if (auto o = dyn_cast<DotOp>(op))
    return !o.getTransA() && cast<RankedTensorType>(o.getType()).getRank() == 2;
  if (isa<BroadcastOp, CastOp, BitcastOp>(op))
    return true;
  return isFree(op) || isa<arith::ArithDialect, math::MathDialect>(op->getDialect());
}

} // namespace

bool touchesRows(Operation *op, int64_t rows) {
  bool found = false;
  op->walk([&](Operation *inner) {
    for (Value v : inner->getResults())
      found |= typeHasRows(v.getType(), rows);
    for (OpOperand &use : inner->getOpOperands())
      found |= slicesOperand(use) && typeHasRows(use.get().getType(), rows);
  });
  return found;
}

FailureOr<int64_t> commonRows(ArrayRef<Operation *> ops) {
  int64_t rows = 0;
  auto see = [&](Type type) {
    auto t = dyn_cast<RankedTensorType>(type);
    if (t && t.getRank() >= 2)
      rows = std::max(rows, t.getDimSize(0) > 1 ? t.getDimSize(0) : 0);
  };
  for (Operation *op : ops)
    for (Type t : op->getResultTypes())
      see(t);
  for (Operation *op : ops) {
    for (Type type : op->getResultTypes())
      if (auto t = dyn_cast<RankedTensorType>(type);
          t && t.getRank() >= 2 && t.getDimSize(0) > 1 && t.getDimSize(0) != rows)
        return failure();
    if (rows && touchesRows(op, rows) && !isRowWise(op, rows))
      return failure();
  }
  return rows;
}

Value resizeFree(OpBuilder &b, Value tile, RankedTensorType type, Value row, const IRMapping *map) {
  Operation *def = tile.getDefiningOp();
  Location loc = tile.getLoc();
  auto whole = cast<RankedTensorType>(tile.getType());
  if (auto constant = dyn_cast<arith::ConstantOp>(def)) {
    auto splat = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (splat)
      return arith::ConstantOp::create(b, loc, splat.resizeSplat(type));
    SmallVector<Value> offsets(type.getRank(), arith::ConstantIndexOp::create(b, loc, 0));
    if (row)
      offsets[0] = row;
    return ExtractOp::create(b, loc, type, tile, offsets);
  }
  IRMapping scalars = map ? *map : IRMapping();
  Operation *copy = b.clone(*def, scalars);
  copy->getResult(0).setType(type);
  if (!row || type.getDimSize(0) == whole.getDimSize(0))
    return copy->getResult(0);
  OpBuilder before(copy);
  if (auto iota = dyn_cast<IotaOp>(copy); iota && iota.getDim() == 0) {
    Value start = iota.getStart() ? Value(arith::AddIOp::create(before, loc, iota.getStart(), row)) : row;
    iota.getStartMutable().assign(start);
  } else if (auto valid = dyn_cast<ValidOp>(copy)) {
    SmallVector<Value> offsets(valid.getOffsets());
    Value &first = offsets[offsets.size() - type.getRank()];
    first = arith::AddIOp::create(before, loc, first, row);
    valid.getOffsetsMutable().assign(offsets);
  }
  return copy->getResult(0);
}

bool RowCloner::hasRows(Value v) const { return typeHasRows(v.getType(), rows); }

Type RowCloner::stripType(Type type) const {
  return typeHasRows(type, rows) ? Type(withRows(cast<RankedTensorType>(type), strip)) : type;
}

Value RowCloner::rowsOf(Value v) {
  if (Value known = map.lookupOrNull(v))
    return known;
  if (!hasRows(v))
    return v;
  Value part;
  auto type = cast<RankedTensorType>(stripType(v.getType()));
  if (Operation *def = v.getDefiningOp(); def && isFree(def)) {
    part = resizeFree(b, v, type, row, &map);
  } else {
    SmallVector<Value> offsets(type.getRank(), arith::ConstantIndexOp::create(b, v.getLoc(), 0));
    offsets[0] = row;
    part = ExtractOp::create(b, v.getLoc(), type, v, offsets);
  }
  map.map(v, part);
  return part;
}

void RowCloner::clone(Operation *op) {
  if (auto cond = dyn_cast<scf::IfOp>(op)) {
    // What the branches read from outside is extracted before the condition.
    cond.walk([&](Operation *inner) {
      for (Value v : inner->getOperands())
        if (Region *region = v.getParentRegion(); !cond->isAncestor(region->getParentOp()))
          rowsOf(v);
    });
    SmallVector<Type> types;
    for (Type t : cond.getResultTypes())
      types.push_back(stripType(t));
    auto copy = scf::IfOp::create(b, cond.getLoc(), types, map.lookupOrDefault(cond.getCondition()),
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
    OpBuilder::InsertionGuard guard(b);
    for (auto [from, to] : {std::pair(&cond.getThenRegion(), &copy.getThenRegion()),
                            std::pair(&cond.getElseRegion(), &copy.getElseRegion())}) {
      b.setInsertionPointToStart(&to->front());
      for (Operation &inner : from->front().without_terminator())
        clone(&inner);
      SmallVector<Value> yields;
      for (Value v : from->front().getTerminator()->getOperands())
        yields.push_back(rowsOf(v));
      if (!to->front().empty() && to->front().back().hasTrait<OpTrait::IsTerminator>())
        to->front().back().erase();
      b.setInsertionPointToEnd(&to->front());
      scf::YieldOp::create(b, cond.getLoc(), yields);
    }
    for (auto [from, to] : llvm::zip_equal(cond.getResults(), copy.getResults()))
      map.map(from, to);
    return;
  }
  if (isFree(op) && hasRows(op->getResult(0))) {
    rowsOf(op->getResult(0));
    return;
  }
  SmallVector<Value> operands;
  for (OpOperand &use : op->getOpOperands())
    operands.push_back(slicesOperand(use) ? rowsOf(use.get()) : map.lookupOrDefault(use.get()));
  SmallVector<Type> types;
  for (Type t : op->getResultTypes())
    types.push_back(stripType(t));
  OperationState state(op->getLoc(), op->getName(), operands, types, op->getAttrs());
  for (StringRef name : {kUnit, kStage, kLead})
    state.attributes.erase(name);
  state.propertiesAttr = {};
  Operation *copy = b.create(state);
  copy->copyProperties(op->getPropertiesStorage());
  for (auto [from, to] : llvm::zip_equal(op->getResults(), copy->getResults()))
    map.map(from, to);
}

} // namespace adze::schedule
