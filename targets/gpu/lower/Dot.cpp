// tile.dot: operands to shared memory where nothing has put them there yet, then the form's emission.
#include "targets/gpu/lower/Dot.h"
#include "targets/gpu/lower/RowAddress.h"

namespace adze::gpu {
using namespace adze::tile;

/// A multiple of the longest run of a row (16 elements).
static constexpr unsigned kRegistersAtOnce = 32;

void zeroShared(Lowering &l, uint64_t offset, uint64_t bytes) {
  // Sixteen bytes a thread and turn.
  Value thread = l.add(l.mul(l.group.warp, l.c32(1 << l.hw.limits.laneBits)), l.group.lane);
  int64_t threads = l.threads().count(), chunks = (bytes + 15) / 16;
  Type i8 = l.b.getI8Type(), ptr = LLVM::LLVMPointerType::get(l.b.getContext(), l.hw.limits.sharedSpace);
  auto type = VectorType::get({4}, l.b.getI32Type());
  Value zero = arith::ConstantOp::create(l.b, l.b.getZeroAttr(type)), base = l.sharedPointer(offset);
  auto put = [&](Value chunk) {
    Value p = LLVM::GEPOp::create(l.b, ptr, i8, base, ArrayRef<LLVM::GEPArg>{l.mul(chunk, l.c32(16))});
    LLVM::StoreOp::create(l.b, zero, p, 16);
  };
  auto loop = scf::ForOp::create(l.b, thread, l.c32(chunks), l.c32(threads));
  OpBuilder::InsertionGuard guard(l.b);
  l.b.setInsertionPoint(loop.getBody()->getTerminator());
  put(loop.getInductionVar());
}

LoadOp plainLoad(Value v) {
  SmallVector<int> dims;
  auto load = behindReshapes(v, dims).getDefiningOp<LoadOp>();
  if (!load || cast<ViewType>(load.getView().getType()).getEffect() != Effect::in)
    return {};
  return load;
}

/// Registers that copy the tile `v` (behind unit reshapes: `load`) to rows along `inner`.
static Layout layoutForRows(Lowering &l, LoadOp load, Value v, unsigned inner, unsigned chunk) {
  auto type = l.tileType(v), loaded = l.tileType(load.getTile());
  unsigned contiguous = contiguousDim(v).value_or(inner);
  if (contiguous == inner) {
    // Runs no longer than what one access reads, so that lanes stay side by side.
    SmallVector<int> dims;
    behindReshapes(v, dims);
    unsigned lead = cast<ViewType>(load.getView().getType()).getRank() - loaded.getRank();
    unsigned wide =
        dims[inner] < 0 ? 1 : l.facts.vectorAt(load.getView(), load.getOffsets(), lead + dims[inner], chunk);
    chunk = std::min(chunk, wide);
  }
  return copyLayout(type.getShape(), l.threads(), contiguous, inner, chunk);
}

/// The elements of `v` under `layout`, loaded for the purpose.
static TileValue loadUnder(Lowering &l, LoadOp load, Value v, const Layout &layout) {
  auto type = l.tileType(v), loaded = l.tileType(load.getTile());
  Layout there = loaded.getShape() == type.getShape() ? layout : reshapeUnits(layout, loaded.getShape());
  TileValue tile =
      l.loadTile(load, load.getView(), load.getOffsets(), loaded, there, load.getPadAttr(), load.getInbounds());
  tile.layout = layout;
  return tile;
}

/// Runs of a row that one access stores.
static unsigned runOf(const Layout &layout, const SharedTile &rows) {
  unsigned bytes = std::max(1u, rows.element.getIntOrFloatBitWidth() / 8);
  unsigned v = layout.vectorWidth(rows.inner, std::max(1u, 16 / bytes));
  while (v > 1 && layout.shape[rows.inner] % v)
    v /= 2;
  return v;
}

void storeRows(Lowering &l, const TileValue &tile, const SharedTile &rows) {
  const Layout &layout = tile.layout;
  unsigned run = runOf(layout, rows), bytes = std::max(1u, rows.element.getIntOrFloatBitWidth() / 8);
  RowAddress address(l, rows);
  Type stored = l.math->storageType(rows.element);
  OpBuilder::InsertionGuard outer(l.b);
  if (Value first = l.firstReplica(layout)) {
    auto branch = scf::IfOp::create(l.b, first, /*withElseRegion=*/false);
    l.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  }
  for (unsigned r = 0; r < layout.registers(); r += run) {
    if (layout.isDead(r))
      continue;
    Value p = address.element(layout, r, run);
    SmallVector<Value> parts;
    for (unsigned i = 0; i < run; ++i)
      parts.push_back(l.math->toStorage(tile.regs[r + i], rows.element));
    Value v = parts[0];
    if (run > 1) {
      v = LLVM::PoisonOp::create(l.b, VectorType::get({int64_t(run)}, stored));
      for (unsigned i = 0; i < run; ++i)
        v = LLVM::InsertElementOp::create(l.b, v, parts[i], l.c32(i));
    }
    OpBuilder::InsertionGuard guard(l.b);
    if (Value alive = l.alive(layout, r)) {
      auto branch = scf::IfOp::create(l.b, alive, /*withElseRegion=*/false);
      l.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    }
    LLVM::StoreOp::create(l.b, v, p, bytes * run);
  }
}

static unsigned chunkOf(const SharedTile &rows) {
  return std::max(1u, 16 / std::max(1u, rows.element.getIntOrFloatBitWidth() / 8));
}

/// In the element type that shared memory holds.
static TileValue stored(Lowering &l, TileValue tile, const SharedTile &rows, bool isUnsigned) {
  if (tile.element == rows.element)
    return tile;
  scalar::CastHow how;
  how.unsignedSrc = isUnsigned;
  for (Value &r : tile.regs)
    r = l.math->castValue(r, tile.element, rows.element, how);
  tile.element = rows.element;
  return tile;
}

TileValue operandTile(Lowering &l, Value v, const SharedTile &rows, bool isUnsigned) {
  LoadOp load = plainLoad(v);
  TileValue tile =
      load ? loadUnder(l, load, v, layoutForRows(l, load, v, rows.inner, chunkOf(rows))) : l.tileAs(v, l.layoutOf(v));
  return stored(l, std::move(tile), rows, isUnsigned);
}

bool needsZeros(Value v, const SharedTile &rows) {
  auto shape = cast<RankedTensorType>(v.getType()).getShape();
  return shape != ArrayRef<int64_t>(rows.shape);
}

SharedTile placeOperand(Lowering &l, Value v, SharedTile rows, bool isUnsigned) {
  rows.offset = l.allocateBytes(v.getDefiningOp() ? v.getDefiningOp() : l.kernel.getOperation(), rows.bytes, 128);
  if (l.gaveUp())
    return rows;
  if (needsZeros(v, rows)) {
    zeroShared(l, rows.offset, rows.bytes);
    l.barrier();
  }
  LoadOp load = plainLoad(v);
  if (!load) {
    storeRows(l, operandTile(l, v, rows, isUnsigned), rows);
    return rows;
  }
  // A few registers at a time: nothing else overlaps with these loads, so that a large tile need not be held whole.
  Layout whole = layoutForRows(l, load, v, rows.inner, chunkOf(rows));
  unsigned rank = whole.rank(), total = whole.registers(), each = kRegistersAtOnce;
  for (unsigned first = 0; first < total; first += each) {
    Layout part = whole;
    unsigned count = std::min(each, total - first);
    part.offsets.assign(whole.offsets.begin() + first * rank, whole.offsets.begin() + (first + count) * rank);
    storeRows(l, stored(l, loadUnder(l, load, v, part), rows, isUnsigned), rows);
  }
  return rows;
}

FailureOr<SmallVector<Value>> emitTiledDot(Lowering &l, DotOp dot, const TiledDot &form, const MatrixUnit *unit) {
  SmallVector<Value> acc(l.tileAs(dot.getAcc(), form.acc).regs);
  bool needA = form.a.shared && !form.boundA, needB = !form.boundB;
  std::optional<SharedTile> a = form.boundA, b = form.boundB;
  if (needA)
    a = placeOperand(l, dot.getA(), form.sharedShape(dot, true), dot.getUnsignedA());
  if (needB)
    b = placeOperand(l, dot.getB(), form.sharedShape(dot, false), dot.getUnsignedB());
  if (needA || needB)
    l.barrier();
  SmallVector<Value> result = form.instruction
                                  ? emitMatrixDot(l, dot, form, *unit, a ? &*a : nullptr, *b, std::move(acc))
                                  : emitFmaDot(l, dot, form, *a, *b, std::move(acc));
  if (needA)
    l.release(*a);
  if (needB)
    l.release(*b);
  return result;
}

} // namespace adze::gpu
