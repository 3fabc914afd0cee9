// tile.dot by warp-wide matrix instructions: fragments from swizzled rows of shared memory, accumulators in registers.
#include "targets/gpu/lower/Dot.h"
#include "targets/gpu/lower/RowAddress.h"

namespace adze::gpu {
using namespace adze::tile;

namespace {
/// More instructions than this are a loop over k instead of straight-line code.
constexpr int64_t kMostInstructions = 160;

class MatrixEmitter {
public:
  MatrixEmitter(Lowering &l, DotOp dot, const TiledDot &form, const MatrixUnit &unit, const SharedTile *a,
                const SharedTile &b)
      : l(l), s(dot), dot(dot), form(form), op(*form.instruction), unit(unit), tileA(a), tileB(b) {
    Value lane = l.group.lane, warp = l.group.warp;
    auto shr = [&](Value v, int64_t n) -> Value { return arith::ShRUIOp::create(l.b, v, l.c32(n)); };
    auto mask = [&](Value v, int64_t m) -> Value { return arith::AndIOp::create(l.b, v, l.c32(m)); };
    low8 = mask(lane, 7);
    bit3 = mask(shr(lane, 3), 1);
    bit4 = shr(lane, 4);
    if (form.warpsM > 1)
      warpM = mask(warp, form.warpsM - 1);
    if (form.warpsN > 1)
      warpN = mask(shr(warp, llvm::Log2_32(form.warpsM)), form.warpsN - 1);
  }
  SmallVector<Value> run(SmallVector<Value> acc);

private:
  using Fragment = SmallVector<Value, 4>;
  SmallVector<Value> steps(int64_t batch, Value first, int64_t count, ValueRange in);
  SmallVector<Fragment> fragmentsA(int64_t batch, Value first, int64_t step);
  Fragment registersA(int64_t tile, int64_t step);
  Fragment matricesA(int64_t batch, int64_t tile, Value first, int64_t step);
  SmallVector<Fragment> fragmentsB(int64_t batch, int64_t tile, unsigned count, Value first, int64_t step);
  Fragment elements(RowAddress &rows, bool alongK, const Atom &atom, unsigned dimK, Value warp, int64_t warpStride,
                    int64_t other, int64_t row, Value first, int64_t step, unsigned bytes);
  Fragment rounded(Fragment f) const {
    if (op.roundToTf32)
      for (Value &v : f)
        v = unit.roundOperand(l.b, v);
    return f;
  }
  bool alongK(bool isA) const { return (isA ? tileA->inner : tileB.inner) == (isA ? s.dimKofA() : s.dimKofB()); }
  /// i32 a + b where either may be null.
  Value plus(Value a, Value b) { return a && b ? l.add(a, b) : a ? a : b; }
  Value times(Value a, int64_t by) { return a ? l.mul(a, l.c32(by)) : a; }
  bool powerOf2(int64_t v) const { return llvm::isPowerOf2_64(v); }

  Lowering &l;
  DotShape s;
  DotOp dot;
  const TiledDot &form;
  const MatrixInstruction &op;
  const MatrixUnit &unit;
  const SharedTile *tileA;
  const SharedTile &tileB;
  Value low8, bit3, bit4, warpM, warpN;
  TileValue registers; // a, where it is not in shared memory
  std::optional<RowAddress> rowsA, rowsB;
};
} // namespace

/// The fragment of a in another dot's layout: neighbours in k packed into 32 bits.
MatrixEmitter::Fragment MatrixEmitter::registersA(int64_t tile, int64_t step) {
  unsigned elements = op.atomA.registers(), each = 32 / op.a.getIntOrFloatBitWidth();
  int64_t steps = form.paddedK / op.k;
  Fragment f;
  for (unsigned r = 0; r < elements; r += each) {
    Value first = registers.regs[(tile * steps + step) * elements + r];
    auto type = VectorType::get({int64_t(each)}, first.getType());
    Value v = LLVM::PoisonOp::create(l.b, type);
    for (unsigned e = 0; e < each; ++e)
      v = LLVM::InsertElementOp::create(l.b, v, registers.regs[(tile * steps + step) * elements + r + e], l.c32(e));
    f.push_back(LLVM::BitcastOp::create(l.b, l.b.getI32Type(), v));
  }
  return f;
}

/// One element a register, for operands that matrix loads cannot read: rows along the free dim with 32-bit elements.
MatrixEmitter::Fragment MatrixEmitter::elements(RowAddress &rows, bool along, const Atom &atom, unsigned dimK,
                                                Value warp, int64_t warpStride, int64_t other, int64_t row, Value first,
                                                int64_t step, unsigned bytes) {
  Value k, free = times(warp, warpStride);
  for (auto [i, bit] : llvm::enumerate(atom.lanes)) {
    if (bit.dim < 0)
      continue;
    Value set = arith::AndIOp::create(l.b, arith::ShRUIOp::create(l.b, l.group.lane, l.c32(i)), l.c32(1));
    Value &sum = bit.dim == int(dimK) ? k : free;
    sum = plus(sum, times(set, bit.stride));
  }
  k = plus(k, times(first, op.k));
  Fragment f;
  for (unsigned r = 0; r < atom.registers(); ++r) {
    int64_t kConst = step * op.k + atom.offset(r, dimK), freeConst = other + atom.offset(r, 1 - dimK);
    Value p = along ? rows.linear(free, row + freeConst, times(k, bytes), kConst * bytes)
                    : rows.linear(k, row + kConst, times(free, bytes), freeConst * bytes);
    f.push_back(LLVM::LoadOp::create(l.b, l.b.getI32Type(), p, bytes));
  }
  return f;
}

MatrixEmitter::Fragment MatrixEmitter::matricesA(int64_t batch, int64_t tile, Value first, int64_t step) {
  bool along = alongK(true);
  int64_t tileRow = batch * (along ? form.paddedM : form.paddedK);
  if (!op.matrixLoads || (!along && op.a.getIntOrFloatBitWidth() != 16))
    return elements(*rowsA, along, op.atomA, 1, warpM, form.tilesM * op.m, tile * op.m, tileRow, first, step,
                    op.a.getIntOrFloatBitWidth() / 8);
  Value p;
  if (along) { // rows of m; 32 bytes of k a step
    Value row = plus(plus(low8, times(bit3, 8)), times(warpM, form.tilesM * op.m));
    p = rowsA->at(row, tileRow + tile * op.m, plus(bit4, times(first, 2)), 2 * step, /*disjoint=*/!first);
  } else { // rows of k; two chunks of m a tile
    Value row = plus(plus(low8, times(bit4, 8)), times(first, op.k));
    Value chunk = plus(bit3, times(warpM, 2 * form.tilesM));
    p = rowsA->at(row, tileRow + step * op.k, chunk, 2 * tile, powerOf2(form.tilesM) || !warpM);
  }
  return Fragment(unit.loadMatrices(l.b, p, 4, !along));
}

SmallVector<MatrixEmitter::Fragment> MatrixEmitter::fragmentsA(int64_t batch, Value first, int64_t step) {
  SmallVector<Fragment> result;
  for (int64_t tile = 0; tile < form.tilesM; ++tile)
    result.push_back(tileA ? rounded(matricesA(batch, tile, first, step)) : registersA(tile, step));
  return result;
}

/// Fragments of `count` (1 or 2) neighbouring blocks of columns.
SmallVector<MatrixEmitter::Fragment> MatrixEmitter::fragmentsB(int64_t batch, int64_t tile, unsigned count, Value first,
                                                               int64_t step) {
  bool along = alongK(false);
  int64_t tileRow = batch * (along ? form.paddedN : form.paddedK);
  if (!op.matrixLoads || (!along && op.b.getIntOrFloatBitWidth() != 16)) {
    SmallVector<Fragment> result;
    for (unsigned i = 0; i < count; ++i)
      result.push_back(rounded(elements(*rowsB, along, op.atomB, 0, warpN, form.tilesN * op.n, (tile + i) * op.n,
                                        tileRow, first, step, op.b.getIntOrFloatBitWidth() / 8)));
    return result;
  }
  Value p;
  if (along) { // rows of n
    Value row = plus(plus(low8, times(bit4, 8)), times(warpN, form.tilesN * op.n));
    p = rowsB->at(row, tileRow + tile * op.n, plus(bit3, times(first, 2)), 2 * step, !first);
  } else { // rows of k; a chunk of n a tile
    Value row = plus(plus(low8, times(bit3, 8)), times(first, op.k));
    Value chunk = plus(bit4, times(warpN, form.tilesN));
    p = rowsB->at(row, tileRow + step * op.k, chunk, tile,
                  (powerOf2(form.tilesN) && tile % 2 == 0) || (!warpN && tile % 2 == 0));
  }
  SmallVector<Value> regs = unit.loadMatrices(l.b, p, 2 * count, !along);
  SmallVector<Fragment> result;
  for (unsigned i = 0; i < count; ++i)
    result.push_back(rounded(Fragment{regs[2 * i], regs[2 * i + 1]}));
  return result;
}

/// acc += a * b over `count` steps of k from step `first` (null: 0) + 0.
SmallVector<Value> MatrixEmitter::steps(int64_t batch, Value first, int64_t count, ValueRange in) {
  unsigned regs = op.atomAcc.registers();
  SmallVector<Value> acc(in);
  SmallVector<Value> sums = acc;
  int64_t promote = dot.getPromote() ? std::max<int64_t>(1, *dot.getPromote() / op.k) : 0;
  Value zero = promote ? Value(arith::ConstantOp::create(l.b, l.b.getZeroAttr(op.acc))) : Value();
  for (int64_t step = 0; step < count; ++step) {
    if (promote && step % promote == 0)
      acc.assign(acc.size(), zero);
    auto fa = fragmentsA(batch, first, step);
    for (int64_t n = 0; n < form.tilesN; n += 2) {
      unsigned pair = std::min<int64_t>(2, form.tilesN - n);
      auto fb = fragmentsB(batch, n, pair, first, step);
      for (unsigned i = 0; i < pair; ++i)
        for (int64_t m = 0; m < form.tilesM; ++m) {
          auto at = MutableArrayRef<Value>(acc).slice((m * form.tilesN + n + i) * regs, regs);
          llvm::copy(unit.multiply(l.b, op, fa[m], fb[i], at), at.begin());
        }
    }
    if (promote && (step + 1 == count || (step + 1) % promote == 0))
      for (auto [sum, part] : llvm::zip(sums, acc))
        sum = isa<FloatType>(op.acc) ? Value(arith::AddFOp::create(l.b, sum, part))
                                     : Value(arith::AddIOp::create(l.b, sum, part));
  }
  return promote ? sums : acc;
}

SmallVector<Value> MatrixEmitter::run(SmallVector<Value> acc) {
  if (!tileA)
    registers = l.tileAs(dot.getA(), form.a.layout);
  int64_t total = form.paddedK / op.k, each = form.tilesM * form.tilesN;
  int64_t unroll = std::max<int64_t>(1, kMostInstructions / each);
  if (dot.getPromote())
    unroll = std::max<int64_t>(1, *dot.getPromote() / op.k) * std::max<int64_t>(1, unroll * op.k / *dot.getPromote());
  bool rolled = tileA && total > unroll;
  size_t perBatch = each * op.atomAcc.registers();
  auto fresh = [&] { // addresses that were computed inside a loop are not visible behind it
    rowsA.reset();
    rowsB.reset();
    if (tileA)
      rowsA.emplace(l, *tileA);
    rowsB.emplace(l, tileB);
  };
  fresh();
  for (int64_t batch = 0; batch < s.batch; ++batch) {
    auto part = MutableArrayRef<Value>(acc).slice(batch * perBatch, perBatch);
    SmallVector<Value> now(part);
    int64_t done = 0;
    if (rolled) {
      done = total / unroll * unroll;
      auto loop = scf::ForOp::create(l.b, l.c32(0), l.c32(done), l.c32(unroll), now,
                                     [](OpBuilder &, Location, Value, ValueRange) {});
      {
        OpBuilder::InsertionGuard guard(l.b);
        l.b.setInsertionPointToEnd(loop.getBody());
        fresh();
        scf::YieldOp::create(l.b, steps(batch, loop.getInductionVar(), unroll, loop.getRegionIterArgs()));
      }
      fresh();
      now.assign(loop.getResults().begin(), loop.getResults().end());
    }
    if (done < total)
      now = steps(batch, done ? l.c32(done) : Value(), total - done, now);
    llvm::copy(now, part.begin());
  }
  return acc;
}

SmallVector<Value> emitMatrixDot(Lowering &l, DotOp dot, const TiledDot &form, const MatrixUnit &unit,
                                 const SharedTile *a, const SharedTile &b, SmallVector<Value> acc) {
  return MatrixEmitter(l, dot, form, unit, a, b).run(std::move(acc));
}

} // namespace adze::gpu
