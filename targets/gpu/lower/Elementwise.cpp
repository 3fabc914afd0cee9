// Ops that compute an element from the same element of their operands, and shapes that no data moves for.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "targets/gpu/lower/Lowering.h"
#include "llvm/ADT/TypeSwitch.h"

namespace adze::gpu {
using namespace adze::tile;

/// Registers by what they are computed from: equal ones (of broadcast rows) are computed once.
TileValue Lowering::elementwise(Operation *op, const Layout &layout) {
  Type element = tileType(op->getResult(0)).getElementType();
  SmallVector<Type> from;
  SmallVector<TileValue, 0> operands;
  for (Value o : op->getOperands()) {
    if (auto t = dyn_cast<RankedTensorType>(o.getType())) {
      from.push_back(t.getElementType());
      operands.push_back(tileAs(o, layout));
    } else {
      from.push_back(o.getType());
      operands.push_back({layout, o.getType(), SmallVector<Value, 0>(layout.registers(), map(o))});
    }
  }
  std::map<SmallVector<void *>, Value> seen;
  TileValue out{layout, element, {}};
  for (unsigned r = 0; r < layout.registers(); ++r) {
    SmallVector<Value> v;
    SmallVector<void *> key;
    for (TileValue &t : operands) {
      v.push_back(t.regs[r]);
      key.push_back(t.regs[r].getAsOpaquePointer());
    }
    Value &slot = seen[key];
    if (!slot) {
      if (auto cast = dyn_cast<CastOp>(op)) {
        scalar::CastHow how{cast.getRound(), cast.getSat(), cast.getUnsignedSrc(), cast.getUnsignedDst()};
        slot = math->castValue(v[0], from[0], element, how);
      } else {
        slot = math->elementwise(op, v, element, from);
      }
    }
    out.regs.push_back(slot);
  }
  return out;
}

TileValue Lowering::broadcastTo(Value source, const Layout &layout) {
  SmallVector<unsigned> dims, from;
  for (int64_t d = 0; d < tileType(source).getRank(); ++d)
    if (tileType(source).getDimSize(d) == 1)
      dims.push_back(d);
  TileValue narrow = tileAs(source, slice(layout, dims, &from));
  TileValue out{layout, narrow.element, {}};
  for (unsigned r : from)
    out.regs.push_back(narrow.regs[r]);
  return out;
}

TileValue Lowering::emitValid(ValidOp op, const Layout &layout) {
  const View &v = *views[op.getView()];
  unsigned lead = v.extents.size() - layout.rank();
  TileValue out{layout, i1, {}};
  Value uniform, yes = arith::ConstantIntOp::create(b, i1, 1);
  SmallVector<Value> lo(v.extents.size()), hi(v.extents.size());
  for (unsigned d = 0; d < v.extents.size(); ++d) {
    int64_t size = d < lead ? 1 : layout.shape[d - lead];
    if (facts.provenInside(op.getView(), op.getOffsets(), d, size))
      continue;
    Value offset = map(op.getOffsets()[d]);
    if (d < lead) {
      uniform = both(uniform, Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offset, v.extents[d])));
      continue;
    }
    auto clamp = [&](Value x) -> Value {
      x = arith::MinSIOp::create(b, arith::MaxSIOp::create(b, x, cst(0)), cst(size));
      return arith::IndexCastOp::create(b, i32, x);
    };
    hi[d] = clamp(sub(v.extents[d], offset));
    auto r = facts.rangeOf(op.getOffsets()[d]);
    if (!r || r->first < 0)
      lo[d] = clamp(sub(cst(0), offset));
  }
  std::map<std::pair<unsigned, int64_t>, Value> seen;
  for (unsigned r = 0; r < layout.registers(); ++r) {
    Value ok = uniform;
    for (unsigned d = lead; d < v.extents.size(); ++d) {
      if (!hi[d])
        continue;
      Value &slot = seen[{d, layout.offset(r, d - lead)}];
      if (!slot) {
        Value c = coordinate(layout, r, d - lead);
        slot = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, c, hi[d]);
        if (lo[d])
          slot = both(slot, Value(arith::CmpIOp::create(b, arith::CmpIPredicate::sge, c, lo[d])));
      }
      ok = both(ok, slot);
    }
    out.regs.push_back(ok ? ok : yes);
  }
  return out;
}

/// A global with the bytes of a constant that is not the same everywhere, as storage.
Value Lowering::constantTable(arith::ConstantOp op) {
  auto dense = cast<DenseElementsAttr>(op.getValue());
  Type element = dense.getElementType();
  unsigned bits = scalar::bitWidth(math->storageType(element));
  Type stored = b.getIntegerType(bits);
  SmallVector<APInt> words;
  if (isa<FloatType>(element))
    for (const APFloat &f : dense.getValues<APFloat>())
      words.push_back(f.bitcastToAPInt().zextOrTrunc(bits));
  else
    for (const APInt &i : dense.getValues<APInt>())
      words.push_back(i.zextOrTrunc(bits));
  int64_t n = dense.getNumElements();
  std::string name = (kernel.getSymName() + ".const" + Twine(globals++)).str();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(dest.getBody());
  auto attr = DenseElementsAttr::get(VectorType::get({n}, stored), words);
  LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(stored, n), /*isConstant=*/true, LLVM::Linkage::Internal, name,
                         attr, /*alignment=*/16, hw.limits.globalSpace);
  b.setInsertionPointToStart(entry);
  return LLVM::AddressOfOp::create(b, LLVM::LLVMPointerType::get(b.getContext(), hw.limits.globalSpace), name);
}

TileValue Lowering::emitConstant(arith::ConstantOp op, const Layout &layout) {
  auto dense = cast<DenseElementsAttr>(op.getValue());
  Type element = dense.getElementType(), stored = math->storageType(element);
  TileValue out{layout, element, {}};
  if (dense.isSplat()) {
    TypedAttr one = isa<FloatType>(element) ? TypedAttr(dense.getSplatValue<FloatAttr>())
                                            : TypedAttr(dense.getSplatValue<IntegerAttr>());
    out.regs.assign(layout.registers(), math->constantOf(one, element));
    return out;
  }
  Value &table = tables[op];
  if (!table)
    table = constantTable(op);
  for (unsigned r = 0; r < layout.registers(); ++r) {
    Value linear = c32(0);
    int64_t stride = 1;
    for (unsigned d = layout.rank(); d-- > 0;) {
      Value c = coordinate(layout, r, d);
      if (layout.mayBeDead(r, d))
        c = arith::MinUIOp::create(b, c, c32(layout.shape[d] - 1));
      linear = add(linear, mul(c, c32(stride)));
      stride *= layout.shape[d];
    }
    Value p = gep(stored, table, linear);
    out.regs.push_back(
        math->fromStorage(LLVM::LoadOp::create(b, stored, p, std::max(1u, scalar::bitWidth(stored) / 8)), element));
  }
  return out;
}

/// A value that has no place: computed under the layout that its use wants.
TileValue Lowering::emitAnywhere(Value v, const Layout &layout) {
  Operation *op = v.getDefiningOp();
  Type element = tileType(v).getElementType();
  if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op))
    return emitConstant(constant, layout);
  if (auto splat = dyn_cast_or_null<SplatOp>(op))
    return {layout, element, SmallVector<Value, 0>(layout.registers(), map(splat.getValue()))};
  if (auto valid = dyn_cast_or_null<ValidOp>(op))
    return emitValid(valid, layout);
  if (auto iota = dyn_cast_or_null<IotaOp>(op)) {
    TileValue out{layout, element, {}};
    std::map<int64_t, Value> seen;
    for (unsigned r = 0; r < layout.registers(); ++r) {
      Value &slot = seen[layout.offset(r, iota.getDim())];
      if (!slot) {
        Value i = coordinate(layout, r, iota.getDim());
        if (iota.getStart())
          i = add(map(iota.getStart()), toIndex(i));
        if (element.isIndex())
          slot = toIndex(i);
        else
          slot = math->castValue(iota.getStart() ? to64(i) : i, iota.getStart() ? i64 : i32, element, {});
      }
      out.regs.push_back(slot);
    }
    return out;
  }
  if (auto grow = dyn_cast_or_null<BroadcastOp>(op))
    return broadcastTo(grow.getSource(), layout);
  if (auto turn = dyn_cast_or_null<TransposeOp>(op)) {
    SmallVector<int64_t> inverse(turn.getPerm().size());
    for (auto [i, p] : llvm::enumerate(turn.getPerm()))
      inverse[p] = i;
    TileValue out = tileAs(turn.getSource(), permute(layout, inverse));
    out.layout = layout;
    return out;
  }
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op)) {
    ArrayRef<int64_t> shape = tileType(reshape.getSource()).getShape();
    if (unitsAreClean(layout)) {
      TileValue out = tileAs(reshape.getSource(), reshapeUnits(layout, shape));
      out.layout = layout;
      return out;
    }
    Layout plain = accessLayout(facts, {}, {}, tileType(v), threads());
    TileValue out = tileAs(reshape.getSource(), reshapeUnits(plain, shape));
    out.layout = plain;
    return convert(out, layout);
  }
  if (op && isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return elementwise(op, layout);
  if (auto load = dyn_cast_or_null<LoadOp>(op)) // an operand that its dots load themselves
    return loadTile(load, load.getView(), load.getOffsets(), tileType(v), layout, load.getPadAttr(),
                    load.getInbounds());
  (void)unsupported(op ? op : kernel.getOperation(), "the value has no place");
  return {layout, element, SmallVector<Value, 0>(layout.registers(), this->element({}, element))};
}

LogicalResult Lowering::lowerTileOp(Operation *op) {
  bool nowhere = op->getNumResults() == 1 && isa<RankedTensorType>(op->getResult(0).getType()) &&
                 assignment.place(op->getResult(0)) == Assignment::Place::anywhere;
  if (nowhere)
    return success();
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<LoadOp>([&](auto o) { return lowerLoad(o); })
      .Case<StoreOp>([&](auto o) { return lowerStore(o); })
      .Case<GatherOp>([&](auto o) { return lowerGather(o); })
      .Case<ScatterOp>([&](auto o) { return lowerScatter(o); })
      .Case<ReduceOp>([&](auto o) { return lowerReduce(o); })
      .Case<ArgReduceOp>([&](auto o) { return lowerArgReduce(o); })
      .Case<ScanOp>([&](auto o) { return lowerScan(o); })
      .Case<SortOp>([&](SortOp o) {
        return lowerSort(o, o.getKeys(), o.getValues(), o.getDim(), o.getDescending(), o.getIsUnsigned());
      })
      .Case<TopKOp>([&](auto o) { return lowerTopK(o); })
      .Case<ReshapeOp>([&](auto o) { return lowerReshape(o); })
      .Case<SliceOp>([&](auto o) { return lowerSlice(o); })
      .Case<ConcatOp>([&](auto o) { return lowerConcat(o); })
      .Case<BitcastOp>([&](auto o) { return lowerBitcast(o); })
      .Case<DotOp>([&](auto o) { return lowerDot(o); })
      .Case<BroadcastOp>([&](BroadcastOp o) {
        tiles[o.getTile()] = broadcastTo(o.getSource(), layoutOf(o.getTile()));
        return success(!failedOnce);
      })
      .Case<TransposeOp>([&](TransposeOp o) {
        TileValue t = tileOf(o.getSource());
        t.layout = permute(t.layout, o.getPerm());
        setResult(o.getTile(), t);
        return success(!failedOnce);
      })
      .Default([&](Operation *o) -> LogicalResult {
        bool known = isa<CastOp>(o) || isa<arith::ArithDialect, math::MathDialect>(o->getDialect());
        if (!known || o->getNumResults() != 1)
          return unsupported(o, "no rule for this operation");
        tiles[o->getResult(0)] = elementwise(o, layoutOf(o->getResult(0)));
        return success(!failedOnce);
      });
}

LogicalResult Lowering::lowerDot(DotOp op) {
  const DotForm &form = *assignment.dots[op];
  FailureOr<SmallVector<Value>> regs = hw.emitDot(*this, op, form);
  if (failed(regs) || failedOnce)
    return failedOnce ? failure() : unsupported(op, "the form " + form.name + " could not be emitted");
  TileValue t{form.acc, tileType(op.getTile()).getElementType(), {}};
  t.regs.assign(regs->begin(), regs->end());
  setResult(op.getTile(), std::move(t));
  return success(!failedOnce);
}

SharedTile Lowering::operandShared(Value v, const DotForm::Operand &want) {
  if (auto it = sharedTiles.find(v); it != sharedTiles.end())
    return it->second;
  TileValue t = tileOf(v);
  SharedTile place = allocateShared(kernel, t.layout.shape, t.element, want.swizzle, want.pad, want.align, want.inner);
  if (failedOnce)
    return place;
  toShared(t, place);
  barrier();
  return place;
}

} // namespace adze::gpu
