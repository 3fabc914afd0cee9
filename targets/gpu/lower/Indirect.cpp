// gather and scatter: one dim of a view is addressed by an index tile.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/gpu/lower/Access.h"

namespace adze::gpu {
using namespace adze::tile;

namespace {
/// How a gather's or scatter's index tile belongs to its elements.
struct Indices {
  unsigned tileDim = 0; // position in the tile of the indirect dim; row form only
  bool byRow = true;    // one index for each position in that dim, else one for each element
};

Indices indicesOf(RankedTensorType tile, RankedTensorType index, unsigned viewRank, unsigned dim) {
  unsigned lead = viewRank - tile.getRank();
  bool byRow = index.getShape() != tile.getShape() || (tile.getRank() == 1 && dim != lead);
  return {dim - lead, byRow};
}
} // namespace

/// Positions in the indirect dim (offset included), i64, for each register of `layout`.
SmallVector<Value> Lowering::indirectPositions(Value indices, Value offset, unsigned tileDim, bool byRow,
                                               const Layout &layout) {
  RankedTensorType type = tileType(indices);
  TileValue t;
  SmallVector<unsigned> from;
  if (!byRow) {
    t = tileAs(indices, layout);
    from = llvm::to_vector(llvm::seq<unsigned>(0, layout.registers()));
  } else {
    SmallVector<unsigned> others;
    for (unsigned d = 0; d < layout.rank(); ++d)
      if (d != tileDim)
        others.push_back(d);
    Layout rows = slice(layout, others, &from);
    t = tileAs(indices, reshapeUnits(rows, type.getShape()));
  }
  SmallVector<Value> out;
  std::map<void *, Value> seen;
  for (unsigned r : from) {
    Value &slot = seen[t.regs[r].getAsOpaquePointer()];
    if (!slot) {
      slot = t.regs[r];
      if (slot.getType().isIndex())
        slot = arith::IndexCastOp::create(b, i64, slot);
      else if (slot.getType() != i64)
        slot = arith::ExtSIOp::create(b, i64, slot);
      slot = add(slot, to64(offset));
    }
    out.push_back(slot);
  }
  return out;
}

LogicalResult Lowering::lowerGather(GatherOp op) {
  RankedTensorType type = tileType(op.getTile());
  Layout layout = layoutOf(op.getTile());
  const View &v = *views[op.getView()];
  if (v.window)
    return unsupported(op, "a gather of windows");
  unsigned rank = v.extents.size();
  Indices how = indicesOf(type, tileType(op.getIndices()), rank, op.getDim());
  if (wastesBandwidth(layout, op.getView(), type))
    layout = accessLayout(facts, op.getView(), op.getOffsets(), type, threads());
  SmallVector<Value> at =
      indirectPositions(op.getIndices(), map(op.getOffsets()[op.getDim()]), how.tileDim, how.byRow, layout);
  syncRef(v.ref);
  Access::Options o;
  o.indirectDim = op.getDim();
  o.indirect = at;
  Access access(*this, op.getView(), op.getOffsets(), type.getShape(), layout, o);
  setResult(op.getTile(), loadThrough(access, layout, type.getElementType(), op.getPadAttr()));
  return success(!failedOnce);
}

/// Rows that may repeat are applied one after the other: one thread owns a line of the tile along the indirect dim.
LogicalResult Lowering::scatterInOrder(ScatterOp op, unsigned tileDim, bool byRow) {
  const View &v = *views[op.getView()];
  RankedTensorType type = tileType(op.getTile());
  Type element = type.getElementType(), stored = math->storageType(element);
  unsigned bytes = std::max(1u, scalar::bitWidth(stored) / 8), rank = type.getRank(), lead = v.extents.size() - rank;
  TileValue source = tileOf(op.getTile()), index = tileOf(op.getIndices());
  SharedTile values = stage(op, source, /*padded=*/false), places = stage(op, index, /*padded=*/false);
  if (failedOnce)
    return failure();
  barrier();
  SmallVector<int64_t> lines(type.getShape());
  int64_t count = 1, n = lines[tileDim];
  lines[tileDim] = 1;
  for (int64_t l : lines)
    count *= l;
  Value thread = add(mul(group.warp, c32(1 << hw.limits.laneBits)), group.lane);
  auto outer = scf::ForOp::create(b, thread, c32(count), c32(threads().count()));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(outer.getBody()->getTerminator());
    auto inner = scf::ForOp::create(b, c32(0), c32(n), c32(1));
    b.setInsertionPoint(inner.getBody()->getTerminator());
    SmallVector<Value> at(rank);
    Value rest = outer.getInductionVar();
    for (unsigned d = rank; d-- > 0;) {
      if (d == tileDim) {
        at[d] = inner.getInductionVar();
      } else if (lines[d] == 1) {
        at[d] = c32(0);
      } else {
        at[d] = arith::RemUIOp::create(b, rest, c32(lines[d]));
        rest = arith::DivUIOp::create(b, rest, c32(lines[d]));
      }
    }
    Type indexStored = math->storageType(index.element);
    Value at1 = byRow ? at[tileDim] : Value();
    Value i = LLVM::LoadOp::create(b, indexStored, address(places, byRow ? ArrayRef<Value>(at1) : ArrayRef<Value>(at)),
                                   std::max(1u, scalar::bitWidth(indexStored) / 8));
    if (i.getType() != i64)
      i = arith::ExtSIOp::create(b, i64, i);
    Value ok, linear = cst(0);
    SmallVector<Value> position;
    for (unsigned d = 0; d < v.extents.size(); ++d) {
      Value p = map(op.getOffsets()[d]);
      if (d == op.getDim())
        p = add(toIndex(i), p);
      else if (d >= lead)
        p = add(p, toIndex(at[d - lead]));
      position.push_back(p);
      ok = both(ok, Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, p, v.extents[d])));
    }
    for (const View::Phys &p : v.phys) {
      Value x = position[p.dim];
      if (p.div > 1)
        x = arith::DivUIOp::create(b, x, cst(p.div));
      if (p.mod)
        x = arith::RemUIOp::create(b, x, cst(p.mod));
      linear = add(linear, mul(x, p.stride));
    }
    when(ok, [&] {
      Value to = gep(stored, v.base, linear);
      Value now = LLVM::LoadOp::create(b, stored, address(values, at), bytes);
      if (op.getCombine() != CombineKind::set && op.getCombine() != CombineKind::unique) {
        Value old = math->fromStorage(LLVM::LoadOp::create(b, stored, to, bytes), element);
        TileReduceKind kind = op.getCombine() == CombineKind::add   ? TileReduceKind::add
                              : op.getCombine() == CombineKind::mul ? TileReduceKind::mul
                              : op.getCombine() == CombineKind::max ? TileReduceKind::max
                                                                    : TileReduceKind::min;
        now = math->combine(kind, op.getIsUnsigned(), element, old, math->fromStorage(now, element));
        now = math->toStorage(now, element);
      }
      LLVM::StoreOp::create(b, now, to, bytes);
    });
  }
  release(values);
  release(places);
  return success(!failedOnce);
}

/// What a kernel whose order is free does with elements that several programs combine into.
static std::optional<AtomicKind> atomicKind(KernelOp kernel, CombineKind kind) {
  if (!kernel.getNumerics() || kernel.getNumerics()->getOrder() != "any")
    return std::nullopt;
  switch (kind) {
  case CombineKind::set:
  case CombineKind::unique:
    return std::nullopt;
  case CombineKind::add:
    return AtomicKind::add;
  case CombineKind::mul:
    return AtomicKind::mul;
  case CombineKind::max:
    return AtomicKind::max;
  case CombineKind::min:
    return AtomicKind::min;
  }
  return std::nullopt;
}

LogicalResult Lowering::lowerScatter(ScatterOp op) {
  RankedTensorType type = tileType(op.getTile());
  Type element = type.getElementType();
  const View &v = *views[op.getView()];
  unsigned rank = v.extents.size();
  Indices how = indicesOf(type, tileType(op.getIndices()), rank, op.getDim());
  syncRef(v.ref);
  auto kind = atomicKind(kernel, op.getCombine());
  bool onlyOne = int64_t(op.getDim()) >= int64_t(rank) - type.getRank() && type.getDimSize(how.tileDim) == 1;
  bool parallel = op.getCombine() == CombineKind::unique || (op.getCombine() == CombineKind::set && onlyOne);
  if (!kind && !parallel)
    return scatterInOrder(op, how.tileDim, how.byRow);
  Layout layout = accessLayout(facts, op.getView(), op.getOffsets(), type, threads());
  TileValue tile = tileAs(op.getTile(), layout);
  SmallVector<Value> at =
      indirectPositions(op.getIndices(), map(op.getOffsets()[op.getDim()]), how.tileDim, how.byRow, layout);
  Access::Options o;
  o.indirectDim = op.getDim();
  o.indirect = at;
  Access access(*this, op.getView(), op.getOffsets(), type.getShape(), layout, o);
  if (!kind) {
    storeThrough(access, tile, nullptr);
    return success(!failedOnce);
  }
  LogicalResult done = success();
  when(firstReplica(layout), [&] {
    for (unsigned r = 0; r < layout.registers() && succeeded(done); ++r) {
      if (layout.isDead(r))
        continue;
      Value pointer = access.pointer(r), value = math->toStorage(tile.regs[r], element);
      when(access.inside(r), [&] { done = hw.atomic(b, *kind, op.getIsUnsigned(), element, pointer, value); });
    }
  });
  if (mlir::failed(done))
    return unsupported(op, "this combination is not atomic on the machine");
  return success(!failedOnce);
}

} // namespace adze::gpu
