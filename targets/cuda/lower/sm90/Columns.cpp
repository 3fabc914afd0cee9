#include "targets/cuda/lower/sm90/Columns.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace adze::cuda::sm90 {
namespace {

class ColumnSplitter {
public:
  ColumnSplitter(Block &block, int64_t width) : block(block), width(width) {}

  void run() {
    if (!collect())
      return;
    for (int64_t column = 0; column < columns; column += width)
      copy(column);
    for (Operation *op : llvm::reverse(ops))
      op->erase();
    // A slot is full when all of its columns are there.
    for (Operation *commit : llvm::reverse(commits))
      commit->moveAfter(anchor);
    anchor->erase();
  }

private:
  bool hasColumns(Type type) const {
    auto tile = dyn_cast<RankedTensorType>(type);
    return tile && tile.getRank() >= 1 && tile.getShape().back() == columns;
  }
  RankedTensorType narrow(Type type) const {
    auto tile = cast<RankedTensorType>(type);
    SmallVector<int64_t> shape(tile.getShape());
    shape.back() = width;
    return RankedTensorType::get(shape, tile.getElementType());
  }

  /// The ops with columns behind the last loop, all of which can be narrowed. False: nothing to do, or not possible.
  bool collect() {
    Operation *last = nullptr;
    for (Operation &op : block)
      if (isa<scf::ForOp>(op))
        last = &op;
    if (!last)
      return false;
    for (Value v : last->getResults())
      if (auto tile = dyn_cast<RankedTensorType>(v.getType()); tile && tile.getRank() == 2)
        columns = std::max(columns, tile.getDimSize(1));
    if (columns <= width || columns % width)
      return false;
    for (Operation *op = last->getNextNode(); op; op = op->getNextNode()) {
      bool touches = llvm::any_of(op->getOperandTypes(), [&](Type t) { return hasColumns(t); }) ||
                     llvm::any_of(op->getResultTypes(), [&](Type t) { return hasColumns(t); });
      if (!touches)
        continue;
      if (!canNarrow(op))
        return false;
      ops.push_back(op);
      if (isa<tile::PutOp, tile::StoreOp>(op))
        sink = op;
    }
    if (!sink || sink != ops.back())
      return false;
    for (Operation *op : ops)
      if (auto put = dyn_cast<tile::PutOp>(op))
        for (Operation *user : put.getSlot().getUsers())
          if (isa<tile::CommitOp>(user) && user->getBlock() == &block && user->isBeforeInBlock(sink))
            commits.push_back(user);
    // A place to insert copies before; it goes in the end.
    OpBuilder b(&block, std::next(Block::iterator(sink)));
    anchor = arith::ConstantIndexOp::create(b, sink->getLoc(), 0);
    return true;
  }

  bool canNarrow(Operation *op) const {
    if (op->getNumRegions())
      return false;
    if (auto broadcast = dyn_cast<tile::BroadcastOp>(op))
      return hasColumns(broadcast.getTile().getType());
    if (auto reshape = dyn_cast<tile::ReshapeOp>(op)) // only dims of 1 change; in a square tile rows look like columns
      return hasColumns(reshape.getSource().getType()) && hasColumns(reshape.getTile().getType()) &&
             cast<RankedTensorType>(reshape.getSource().getType()).getNumElements() == columns;
    if (auto constant = dyn_cast<arith::ConstantOp>(op))
      return isa<SplatElementsAttr>(constant.getValue());
    if (auto load = dyn_cast<tile::LoadOp>(op))
      return hasColumns(load.getTile().getType());
    if (auto put = dyn_cast<tile::PutOp>(op))
      return getConstantIntValue(put.getOffsets().back()) == 0;
    if (isa<tile::CastOp, tile::SplatOp, tile::IotaOp, tile::StoreOp>(op))
      return true;
    if (auto valid = dyn_cast<tile::ValidOp>(op))
      return hasColumns(valid.getTile().getType());
    return isa<arith::ArithDialect, math::MathDialect>(op->getDialect());
  }

  /// The columns of a value that is defined before the tail.
  Value part(Value v, int64_t column, IRMapping &map, OpBuilder &b) {
    if (Value known = map.lookupOrNull(v))
      return known;
    if (!hasColumns(v.getType()))
      return v;
    Value result;
    if (auto constant = v.getDefiningOp<arith::ConstantOp>()) {
      if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue())) {
        auto value = DenseElementsAttr::get(narrow(v.getType()), splat.getSplatValue<Attribute>());
        result = arith::ConstantOp::create(b, v.getLoc(), cast<TypedAttr>(Attribute(value)));
      }
    }
    if (!result) {
      unsigned rank = cast<RankedTensorType>(v.getType()).getRank();
      SmallVector<Value> offsets(rank, arith::ConstantIndexOp::create(b, v.getLoc(), 0));
      offsets.back() = arith::ConstantIndexOp::create(b, v.getLoc(), column);
      result = tile::ExtractOp::create(b, v.getLoc(), narrow(v.getType()), v, offsets);
    }
    map.map(v, result);
    return result;
  }

  void copy(int64_t column) {
    OpBuilder b(anchor);
    IRMapping map;
    auto shifted = [&](Value at) -> Value {
      if (auto c = getConstantIntValue(at))
        return arith::ConstantIndexOp::create(b, at.getLoc(), *c + column);
      Value by = arith::ConstantIndexOp::create(b, at.getLoc(), column);
      return column ? Value(arith::AddIOp::create(b, at.getLoc(), at, by)) : at;
    };
    for (Operation *op : ops) {
      for (Value v : op->getOperands())
        if (isa<RankedTensorType>(v.getType()))
          map.map(v, part(v, column, map, b));
      Operation *made = b.clone(*op, map);
      b.setInsertionPoint(made);
      if (auto constant = dyn_cast<arith::ConstantOp>(made)) {
        auto splat = cast<SplatElementsAttr>(constant.getValue());
        constant.setValueAttr(cast<TypedAttr>(
            Attribute(DenseElementsAttr::get(narrow(constant.getType()), splat.getSplatValue<Attribute>()))));
      }
      auto shiftLast = [&](MutableOperandRange offsets) {
        OpOperand &last = offsets[offsets.size() - 1];
        last.set(shifted(last.get()));
      };
      if (auto load = dyn_cast<tile::LoadOp>(made))
        shiftLast(load.getOffsetsMutable());
      else if (auto store = dyn_cast<tile::StoreOp>(made))
        shiftLast(store.getOffsetsMutable());
      else if (auto put = dyn_cast<tile::PutOp>(made))
        shiftLast(put.getOffsetsMutable());
      else if (auto valid = dyn_cast<tile::ValidOp>(made))
        shiftLast(valid.getOffsetsMutable());
      else if (auto iota = dyn_cast<tile::IotaOp>(made))
        if (column && int64_t(iota.getDim()) == cast<RankedTensorType>(iota.getTile().getType()).getRank() - 1) {
          Value start = iota.getStart() ? iota.getStart() : Value(arith::ConstantIndexOp::create(b, iota.getLoc(), 0));
          iota.getStartMutable().assign(shifted(start));
        }
      b.setInsertionPoint(anchor);
      for (Value r : made->getResults())
        if (hasColumns(r.getType()))
          r.setType(narrow(r.getType()));
    }
  }

  Block &block;
  int64_t width, columns = 0;
  SmallVector<Operation *> ops, commits;
  Operation *sink = nullptr, *anchor = nullptr;
};

} // namespace

void splitColumns(tile::ProcessOp process, int64_t width) { ColumnSplitter(process.getBody().front(), width).run(); }

} // namespace adze::cuda::sm90
