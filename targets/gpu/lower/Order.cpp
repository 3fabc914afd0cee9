// scan, sort, topk.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {
using namespace adze::tile;

namespace {
/// Up to so many of a row are picked one by one; more are sorted.
constexpr int64_t kFewest = 32;
} // namespace

//===-- scan ------------------------------------------------------------------------------------------------------===//

namespace {
/// Each thread holds a run along `dim`; lanes, then warps continue it.
Layout scanLayout(ArrayRef<int64_t> shape, Threads threads, unsigned dim) {
  int64_t n = shape[dim], rows = 1;
  SmallVector<unsigned> order{dim}, warpOrder;
  for (unsigned d = shape.size(); d-- > 0;)
    if (d != dim) {
      order.push_back(d);
      warpOrder.push_back(d);
      rows *= shape[d];
    }
  warpOrder.push_back(dim);
  unsigned lanes = std::min(threads.lanes, llvm::Log2_64_Ceil(n));
  unsigned forRows = llvm::Log2_64_Ceil(std::max<int64_t>(1, rows >> (threads.lanes - lanes)));
  unsigned warps = threads.warps - std::min(threads.warps, forRows);
  int64_t span = int64_t(1) << (lanes + warps);
  return rowBlocked(shape, threads, order, (n + span - 1) / span, warpOrder);
}
} // namespace

/// Runs within threads, then their totals across lanes by log steps, then across warps through shared memory.
LogicalResult Lowering::lowerScan(ScanOp op) {
  unsigned dim = op.getDim();
  bool u = op.getIsUnsigned(), reverse = op.getReverse();
  Layout layout = scanLayout(tileType(op.getTile()).getShape(), threads(), dim);
  TileValue now = tileAs(op.getSource(), layout);
  Type element = now.element;
  using P = arith::CmpIPredicate;
  auto cmp = [&](P p, Value x, Value y) -> Value { return arith::CmpIOp::create(b, p, x, y); };
  auto pick = [&](Value ok, Value x, Value y) -> Value { return arith::SelectOp::create(b, ok, x, y); };
  auto join = [&](Value x, Value y) { return math->combine(op.getKind(), u, element, x, y); };
  Value neutral = math->identityOf(op.getKind(), u, element);
  SmallVector<unsigned> row; // of a register
  Layout narrow = slice(layout, {dim}, &row);
  // The runs: registers of a row in the order of the scan.
  SmallVector<SmallVector<unsigned>, 0> runs(narrow.registers());
  for (unsigned r = 0; r < layout.registers(); ++r) {
    if (layout.isDead(r))
      now.regs[r] = neutral;
    else if (layout.mayBeDead(r, dim))
      now.regs[r] = pick(cmp(P::ult, coordinate(layout, r, dim), c32(layout.shape[dim])), now.regs[r], neutral);
    runs[row[r]].push_back(r);
  }
  for (auto &run : runs) {
    if (reverse)
      std::reverse(run.begin(), run.end());
    for (unsigned i = 1; i < run.size(); ++i)
      now.regs[run[i]] = join(now.regs[run[i - 1]], now.regs[run[i]]);
  }
  // Lanes along the dim are the lowest bits.
  unsigned bits = llvm::count_if(layout.lanes, [&](const Bit &bit) { return bit.dim == static_cast<int>(dim); });
  Value mask = c32((1 << bits) - 1);
  Value place = arith::AndIOp::create(b, group.lane, mask); // in the order of the scan
  if (reverse)
    place = sub(mask, place);
  auto from = [&](Value v, int64_t by) { // the lane that is `by` places before
    Value lane = add(group.lane, c32(reverse ? by : -by));
    return exchange(v, [&](Value x) { return hw.shuffleFrom(b, x, lane); });
  };
  SmallVector<Value, 0> prefix, totals;
  for (auto &run : runs) {
    Value t = now.regs[run.back()];
    for (unsigned s = 0; s < bits; ++s) {
      Value other = from(t, int64_t(1) << s);
      t = pick(cmp(P::uge, place, c32(int64_t(1) << s)), join(other, t), t);
    }
    Value before = bits ? pick(cmp(P::ne, place, c32(0)), from(t, 1), neutral) : neutral;
    prefix.push_back(before);
    Value last = reverse ? Value(arith::AndIOp::create(b, group.lane, c32(~((int64_t(1) << bits) - 1))))
                         : Value(arith::OrIOp::create(b, group.lane, mask));
    totals.push_back(bits ? exchange(t, [&](Value x) { return hw.shuffleFrom(b, x, last); }) : t);
  }
  SmallVector<unsigned> warpBits;
  for (auto [i, bit] : llvm::enumerate(layout.warps))
    if (bit.dim == static_cast<int>(dim))
      warpBits.push_back(i);
  if (!warpBits.empty()) { // totals of the warps: [rows][warps]
    unsigned count = 1u << warpBits.size();
    Layout own = narrow, all;
    own.shape.push_back(count);
    own.offsets.clear();
    for (auto [i, bit] : llvm::enumerate(warpBits))
      own.warps[bit] = {static_cast<int>(narrow.rank()), int64_t(1) << i};
    all = own;
    for (unsigned bit : warpBits)
      all.warps[bit] = Bit();
    for (unsigned r = 0; r < narrow.registers(); ++r) {
      ArrayRef<int32_t> at = narrow.at(r);
      own.offsets.append(at.begin(), at.end());
      own.offsets.push_back(0);
      for (unsigned w = 0; w < count; ++w) {
        all.offsets.append(at.begin(), at.end());
        all.offsets.push_back(w);
      }
    }
    SharedTile t = stage(op, {own, element, totals}, /*padded=*/false);
    if (failedOnce)
      return failure();
    barrier();
    TileValue read = fromShared(t, all);
    release(t);
    Value mine = coordinate(own, 0, narrow.rank());
    for (unsigned r = 0; r < narrow.registers(); ++r) {
      Value sum = neutral;
      for (unsigned i = 0; i < count; ++i) {
        unsigned w = reverse ? count - 1 - i : i;
        Value earlier = cmp(reverse ? P::sgt : P::slt, c32(w), mine);
        sum = pick(earlier, join(sum, read.regs[r * count + w]), sum);
      }
      prefix[r] = join(sum, prefix[r]);
    }
  }
  Value start = neutral;
  if (isa<FloatType>(element) && op.getKind() == TileReduceKind::add)
    start = this->element({}, element);
  TileValue out = now;
  for (unsigned k = 0; k < runs.size(); ++k)
    for (unsigned i = 0; i < runs[k].size(); ++i) {
      unsigned r = runs[k][i];
      if (!op.getExclusive()) {
        out.regs[r] = join(prefix[k], now.regs[r]);
        continue;
      }
      Value before = i ? join(prefix[k], now.regs[runs[k][i - 1]]) : prefix[k];
      Value isFirst = cmp(P::eq, coordinate(layout, r, dim), c32(reverse ? layout.shape[dim] - 1 : 0));
      out.regs[r] = pick(isFirst, start, before);
    }
  setResult(op.getTile(), out);
  return success(!failedOnce);
}

//===-- sort ------------------------------------------------------------------------------------------------------===//

/// A bitonic network over (key, position) in shared memory, rows side by side. Positions make equal keys different, so
/// that the result is stable; those beyond the row come last.
LogicalResult Lowering::lowerSort(Operation *op, Value keys, Value values, unsigned dim, bool descending,
                                  bool isUnsigned) {
  TileValue k = tileOf(keys), v = tileAs(values, layoutOf(values));
  ArrayRef<int64_t> shape = k.layout.shape;
  int64_t rows = 1, n = shape[dim];
  for (unsigned d = 0; d < shape.size(); ++d)
    if (d != dim)
      rows *= shape[d];
  int64_t n2 = llvm::PowerOf2Ceil(n), total = rows * n2;
  unsigned levels = llvm::Log2_64(n2);
  // Storage: keys and positions as rows of n2, values as they are.
  auto rowsOf = [&](Type element, int64_t length) {
    SharedTile t = allocateShared(op, {rows, length}, element);
    SharedTile shaped = t;
    shaped.shape.assign(shape.begin(), shape.end());
    shaped.strides.assign(shape.size(), 1);
    int64_t stride = length;
    for (unsigned d = shape.size(); d-- > 0;) {
      if (d == dim)
        continue;
      shaped.strides[d] = stride;
      stride *= shape[d];
    }
    shaped.inner = dim;
    return std::make_pair(t, shaped);
  };
  SharedTile keyRows, keyTile, positions, positionTile, valueRows, valueTile;
  std::tie(keyRows, keyTile) = rowsOf(k.element, n2);
  std::tie(positions, positionTile) = rowsOf(i32, n2);
  std::tie(valueRows, valueTile) = rowsOf(v.element, n);
  if (failedOnce)
    return failure();
  toShared(k, keyTile);
  toShared(v, valueTile);
  Value thread = add(mul(group.warp, c32(1 << hw.limits.laneBits)), group.lane);
  int64_t threadCount = threads().count();
  auto turns = [&](int64_t count, llvm::function_ref<void(Value)> body) { // of all threads together
    auto loop = scf::ForOp::create(b, thread, c32(count), c32(threadCount));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar());
  };
  Type stored = math->storageType(k.element);
  unsigned bytes = std::max(1u, scalar::bitWidth(stored) / 8);
  auto keyAt = [&](Value i) { return gep(stored, sharedPointer(keyRows.offset), i); };
  auto positionAt = [&](Value i) { return gep(i32, sharedPointer(positions.offset), i); };
  Value zero = math->toStorage(element({}, k.element), k.element);
  turns(total, [&](Value i) {
    Value at = arith::AndIOp::create(b, i, c32(n2 - 1));
    LLVM::StoreOp::create(b, at, positionAt(i), 4);
    if (n2 != n)
      when(arith::CmpIOp::create(b, arith::CmpIPredicate::uge, at, c32(n)),
           [&] { LLVM::StoreOp::create(b, zero, keyAt(i), bytes); });
  });
  barrier();
  // Level s merges runs of 2^s; step t compares elements 2^t apart.
  auto levelLoop = scf::ForOp::create(b, c32(1), c32(levels + 1), c32(1));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(levelLoop.getBody()->getTerminator());
    Value s = levelLoop.getInductionVar();
    auto stepLoop = scf::ForOp::create(b, c32(0), s, c32(1));
    b.setInsertionPoint(stepLoop.getBody()->getTerminator());
    Value t = sub(sub(s, c32(1)), stepLoop.getInductionVar());
    Value distance = arith::ShLIOp::create(b, c32(1), t);
    turns(total / 2, [&](Value p) {
      Value low = arith::AndIOp::create(b, p, sub(distance, c32(1)));
      Value i = add(Value(arith::ShLIOp::create(b, Value(arith::ShRUIOp::create(b, p, t)), add(t, c32(1)))), low);
      Value j = add(i, distance);
      Value inRow = arith::AndIOp::create(b, i, c32(n2 - 1));
      Value up =
          arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                arith::AndIOp::create(b, Value(arith::ShRUIOp::create(b, inRow, s)), c32(1)), c32(0));
      Value ki = LLVM::LoadOp::create(b, stored, keyAt(i), bytes),
            kj = LLVM::LoadOp::create(b, stored, keyAt(j), bytes);
      Value pi = LLVM::LoadOp::create(b, i32, positionAt(i), 4), pj = LLVM::LoadOp::create(b, i32, positionAt(j), 4);
      Value x = math->fromStorage(ki, k.element), y = math->fromStorage(kj, k.element);
      Value before =
          descending ? math->lessThan(y, x, k.element, isUnsigned) : math->lessThan(x, y, k.element, isUnsigned);
      Value after =
          descending ? math->lessThan(x, y, k.element, isUnsigned) : math->lessThan(y, x, k.element, isUnsigned);
      Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, pi, pj);
      Value equal = arith::SelectOp::create(b, after, arith::ConstantIntOp::create(b, i1, 0), first);
      Value sorted = arith::OrIOp::create(b, before, equal); // i comes before j
      if (n2 != n) {
        Value liveI = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, pi, c32(n));
        Value liveJ = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, pj, c32(n));
        Value bothLive = arith::AndIOp::create(b, liveI, liveJ);
        Value ghosts = arith::SelectOp::create(b, arith::XOrIOp::create(b, liveI, liveJ), liveI, first);
        sorted = arith::SelectOp::create(b, bothLive, sorted, ghosts);
      }
      when(arith::CmpIOp::create(b, arith::CmpIPredicate::ne, sorted, up), [&] {
        LLVM::StoreOp::create(b, kj, keyAt(i), bytes);
        LLVM::StoreOp::create(b, ki, keyAt(j), bytes);
        LLVM::StoreOp::create(b, pj, positionAt(i), 4);
        LLVM::StoreOp::create(b, pi, positionAt(j), 4);
      });
    });
    barrier();
  }
  // Results: keys as they lie, values by position. topk takes the first of each row.
  for (unsigned result : {0u, 1u}) {
    Value to = op->getResult(result);
    Layout layout = layoutOf(to);
    Type element = tileType(to).getElementType(), type = math->storageType(element);
    TileValue out{layout, element, {}};
    for (unsigned r = 0; r < layout.registers(); ++r) {
      SmallVector<Value> at;
      for (unsigned d = 0; d < layout.rank(); ++d) {
        Value c = coordinate(layout, r, d);
        at.push_back(layout.mayBeDead(r, d) ? Value(arith::MinUIOp::create(b, c, c32(layout.shape[d] - 1))) : c);
      }
      if (result == 1)
        at[dim] = LLVM::LoadOp::create(b, i32, address(positionTile, at), 4);
      Value x = LLVM::LoadOp::create(b, type, address(result ? valueTile : keyTile, at),
                                     std::max(1u, scalar::bitWidth(type) / 8));
      out.regs.push_back(math->fromStorage(x, element));
    }
    tiles[to] = out;
  }
  release(keyRows);
  release(positions);
  release(valueRows);
  return success(!failedOnce);
}

//===-- the few best ----------------------------------------------------------------------------------------------===//

/// The k first of every row, one after the other: each is the first of those that come after the one before.
LogicalResult Lowering::lowerTopK(TopKOp op) {
  unsigned dim = op.getDim();
  int64_t count = tileType(op.getTopKeys()).getDimSize(dim);
  if (count > kFewest)
    return lowerSort(op, op.getKeys(), op.getValues(), dim, op.getLargest(), op.getIsUnsigned());
  TileValue keys = tileOf(op.getKeys()), values = tileOf(op.getValues());
  const Layout layout = keys.layout;
  Type element = keys.element;
  bool u = op.getIsUnsigned();
  using P = arith::CmpIPredicate;
  auto cmp = [&](P p, Value x, Value y) -> Value { return arith::CmpIOp::create(b, p, x, y); };
  Value none = c32(INT32_MAX), no = arith::ConstantIntOp::create(b, i1, 0);
  // (key, position) x comes before y; both exist.
  auto before = [&](ArrayRef<Value> x, ArrayRef<Value> y) -> Value {
    Value first = op.getLargest() ? y[0] : x[0], second = op.getLargest() ? x[0] : y[0];
    Value less = math->lessThan(first, second, element, u), more = math->lessThan(second, first, element, u);
    return arith::OrIOp::create(b, less, arith::SelectOp::create(b, more, no, cmp(P::ult, x[1], y[1])));
  };
  SharedTile keyTile = stage(op, keys, /*padded=*/false), valueTile = stage(op, values, /*padded=*/false);
  SmallVector<int64_t> picksShape(layout.shape.begin(), layout.shape.end());
  picksShape[dim] = count;
  SharedTile picks = allocateShared(op, picksShape, i32);
  if (failedOnce)
    return failure();
  SmallVector<unsigned> row; // of a register
  Layout narrow = slice(layout, {dim}, &row);
  unsigned rows = narrow.registers();
  // What was picked last, by row: its key and position; -1 before the first.
  SmallVector<Value> init(rows, this->element({}, element));
  init.append(rows, c32(-1));
  auto loop = scf::ForOp::create(b, c32(0), c32(count), c32(1), init, [](OpBuilder &, Location, Value, ValueRange) {});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    Scope scope(*this);
    SmallVector<SmallVector<Value, 0>, 2> parts(2);
    for (unsigned r = 0; r < layout.registers(); ++r) {
      Value at = coordinate(layout, r, dim), key = keys.regs[r];
      Value lastKey = loop.getRegionIterArg(row[r]), lastAt = loop.getRegionIterArg(rows + row[r]);
      Value open = arith::OrIOp::create(b, before({lastKey, lastAt}, {key, at}), cmp(P::slt, lastAt, c32(0)));
      if (layout.isDead(r))
        open = no;
      else if (layout.mayBeDead(r, dim))
        open = both(open, cmp(P::ult, at, c32(layout.shape[dim])));
      parts[0].push_back(key);
      parts[1].push_back(arith::SelectOp::create(b, open, at, none));
    }
    auto first = [&](ArrayRef<Value> x, ArrayRef<Value> y) {
      Value hasX = cmp(P::ne, x[1], none), hasY = cmp(P::ne, y[1], none);
      Value take = both(hasX, arith::SelectOp::create(b, hasY, before(x, y), hasX));
      return SmallVector<Value, 2>{arith::SelectOp::create(b, take, x[0], y[0]),
                                   arith::SelectOp::create(b, take, x[1], y[1])};
    };
    auto best = reduceParts(op, layout, dim, {element, i32}, std::move(parts), first);
    if (failedOnce)
      return failure();
    SharedTile place = picks;
    when(firstReplica(narrow), [&] {
      for (unsigned r = 0; r < rows; ++r)
        when(alive(narrow, r), [&] {
          SmallVector<Value> at;
          for (unsigned d = 0; d < narrow.rank(); ++d)
            at.push_back(d == dim ? loop.getInductionVar() : coordinate(narrow, r, d));
          LLVM::StoreOp::create(b, best[1][r], address(place, at), 4);
        });
    });
    SmallVector<Value> next(best[0].begin(), best[0].end());
    next.append(best[1].begin(), best[1].end());
    scope.close();
    scf::YieldOp::create(b, next);
  }
  barrier();
  for (unsigned result : {0u, 1u}) {
    Value to = op->getResult(result);
    Layout there = layoutOf(to);
    Type type = tileType(to).getElementType(), stored = math->storageType(type);
    TileValue at = fromShared(picks, there), out{there, type, {}};
    for (unsigned r = 0; r < there.registers(); ++r) {
      SmallVector<Value> from;
      for (unsigned d = 0; d < there.rank(); ++d) {
        Value c = d == dim ? at.regs[r] : coordinate(there, r, d);
        if (d != dim && there.mayBeDead(r, d))
          c = arith::MinUIOp::create(b, c, c32(there.shape[d] - 1));
        from.push_back(c);
      }
      Value x = LLVM::LoadOp::create(b, stored, address(result ? valueTile : keyTile, from),
                                     std::max(1u, scalar::bitWidth(stored) / 8));
      out.regs.push_back(math->fromStorage(x, type));
    }
    tiles[to] = out;
  }
  release(keyTile);
  release(valueTile);
  release(picks);
  return success(!failedOnce);
}

} // namespace adze::gpu
