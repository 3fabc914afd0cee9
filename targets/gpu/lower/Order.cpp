// scan, sort, topk: through shared memory.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {
using namespace adze::tile;

//===-- scan ------------------------------------------------------------------------------------------------------===//

/// Log steps: after step s every element has combined the 2^s elements up to itself.
LogicalResult Lowering::lowerScan(ScanOp op) {
  TileValue now = tileOf(op.getSource());
  Layout layout = now.layout;
  Type element = now.element;
  unsigned dim = op.getDim(), regs = layout.registers();
  int64_t n = layout.shape[dim];
  bool u = op.getIsUnsigned(), reverse = op.getReverse();
  // The element `by` places before; `exists` where there is one.
  auto shifted = [&](int64_t by, SmallVectorImpl<Value> &values, SmallVectorImpl<Value> &exists) {
    SharedTile t = stage(op, now, /*padded=*/false);
    if (failedOnce)
      return;
    barrier();
    Type stored = math->storageType(element);
    for (unsigned r = 0; r < regs; ++r) {
      SmallVector<Value> at;
      Value ok;
      for (unsigned d = 0; d < layout.rank(); ++d) {
        Value c = coordinate(layout, r, d);
        if (layout.mayBeDead(r, d))
          c = arith::MinUIOp::create(b, c, c32(layout.shape[d] - 1));
        if (d == dim) {
          Value from = add(c, c32(reverse ? by : -by));
          ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, from, c32(n));
          c = arith::SelectOp::create(b, ok, from, c);
        }
        at.push_back(c);
      }
      Value p = address(t, at);
      Value v = LLVM::LoadOp::create(b, stored, p, std::max(1u, scalar::bitWidth(stored) / 8));
      values.push_back(math->fromStorage(v, element));
      exists.push_back(ok);
    }
    release(t);
  };
  for (int64_t by = 1; by < n && !failedOnce; by *= 2) {
    SmallVector<Value> before, exists;
    shifted(by, before, exists);
    for (unsigned r = 0; r < regs && !failedOnce; ++r) {
      Value sum = math->combine(op.getKind(), u, element, before[r], now.regs[r]);
      now.regs[r] = arith::SelectOp::create(b, exists[r], sum, now.regs[r]);
    }
  }
  if (op.getExclusive() && !failedOnce) {
    Value start = math->identityOf(op.getKind(), u, element);
    if (isa<FloatType>(element) && op.getKind() == TileReduceKind::add)
      start = this->element({}, element);
    SmallVector<Value> before, exists;
    shifted(1, before, exists);
    for (unsigned r = 0; r < regs && !failedOnce; ++r)
      now.regs[r] = arith::SelectOp::create(b, exists[r], before[r], start);
  }
  if (failedOnce)
    return failure();
  setResult(op.getTile(), now);
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

} // namespace adze::gpu
