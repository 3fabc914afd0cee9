// Work on one result by several blocks, folded in the same launch.
//
// Each block computes one share and leaves its accumulators in the workspace, register by register: the thread that
// reads them back is the same one of another block. Then it counts itself on the program's counter. The block that
// completes the count folds all shares in increasing order, its own included, so that the result does not depend on
// who comes last; it runs finish, and the counter is 0 again. Nobody waits for another block.
//
// A fence of one thread stands for the whole block: the barriers around it pass on what the others wrote and read.
#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {
using namespace adze::tile;

/// Bytes of one access.
static constexpr unsigned kAccessBytes = 16;
/// Shares start at multiples of this many bytes.
static constexpr uint64_t kShareAlignment = 256;

/// Launch code (docs/package-format.md) of an expression of the kernel's dims, which are the launch's first scalars.
static void appendLaunchCode(AffineExpr e, std::vector<int64_t> &out) {
  enum : int64_t { constant = 0, symbol = 1, add = 2, mul = 4, floorDiv = 5, ceilDiv = 6, mod = 7 };
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    out.insert(out.end(), {constant, c.getValue()});
    return;
  }
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    out.insert(out.end(), {symbol, int64_t(d.getPosition())});
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  appendLaunchCode(binary.getLHS(), out);
  appendLaunchCode(binary.getRHS(), out);
  int64_t op = e.getKind() == AffineExprKind::Add        ? add
               : e.getKind() == AffineExprKind::Mul      ? mul
               : e.getKind() == AffineExprKind::FloorDiv ? floorDiv
               : e.getKind() == AffineExprKind::CeilDiv  ? ceilDiv
                                                         : mod;
  out.insert(out.end(), {op, 0});
}

std::optional<AffineExpr> sharesOf(KernelOp kernel) {
  if (!kernel.getSplit())
    return std::nullopt;
  AffineExpr shares = kernel.getGridExtents().getResult(*kernel.getSplit());
  std::optional<int64_t> most;
  if (auto c = dyn_cast<AffineConstantExpr>(shares))
    most = c.getValue();
  else if (auto dim = dyn_cast<AffineDimExpr>(shares); dim && kernel.getFacts())
    if (auto facts =
            kernel.getFacts()->getAs<DictionaryAttr>(cast<StringAttr>(kernel.getDims()[dim.getPosition()]).getValue()))
      if (auto max = facts.getAs<IntegerAttr>("max"))
        most = max.getInt();
  if (most && *most <= 1)
    return std::nullopt;
  return shares;
}

std::vector<int64_t> Lowering::shareCode() {
  std::vector<int64_t> code;
  if (auto shares = sharesOf(kernel))
    appendLaunchCode(*shares, code);
  return code;
}

//===-- partial results in the workspace --------------------------------------------------------------------------===//

void Lowering::findPieces(ValueRange accumulators) {
  uint64_t threads = uint64_t(group.warps) << hw.limits.laneBits, end = 0;
  for (auto [i, acc] : llvm::enumerate(accumulators)) {
    Type stored = math->storageType(tileType(acc).getElementType());
    unsigned bytes = std::max(1u, scalar::bitWidth(stored) / 8), registers = layoutOf(acc).registers();
    for (unsigned r = 0; r < registers;) {
      unsigned n = std::max(1u, kAccessBytes / bytes);
      while (r + n > registers)
        n /= 2;
      pieces.push_back({unsigned(i), n, stored, n * bytes, end});
      end += threads * n * bytes;
      r += n;
    }
  }
  partialBytes = llvm::alignTo(end, kShareAlignment);
}

/// Where this thread's registers of a piece lie in share number `slot` (index; of all programs).
Value Lowering::partialPointer(Value slot, const Piece &piece) {
  Value thread = toIndex(hw.threadInBlock(b));
  Value share = gep(i8, workspace, mul(slot, cst(partialBytes)));
  return gep(i8, gep(i8, share, mul(thread, cst(piece.bytes))), cst(piece.offset));
}

void Lowering::storePartial(ValueRange accumulators, ValueRange registers, Value slot) {
  unsigned next = 0;
  for (const Piece &piece : pieces) {
    Type element = tileType(accumulators[piece.accumulator]).getElementType();
    Value v = piece.count == 1 ? Value() : LLVM::PoisonOp::create(b, VectorType::get({piece.count}, piece.stored));
    for (unsigned i = 0; i < piece.count; ++i) {
      Value one = math->toStorage(registers[next++], element);
      v = v ? Value(LLVM::InsertElementOp::create(b, v, one, c32(i))) : one;
    }
    LLVM::StoreOp::create(b, v, partialPointer(slot, piece), piece.bytes);
  }
}

SmallVector<Value> Lowering::loadPartial(ValueRange accumulators, Value slot) {
  SmallVector<Value> registers;
  for (const Piece &piece : pieces) {
    Type element = tileType(accumulators[piece.accumulator]).getElementType();
    Type type = piece.count == 1 ? piece.stored : Type(VectorType::get({piece.count}, piece.stored));
    Value v = LLVM::LoadOp::create(b, type, partialPointer(slot, piece), piece.bytes);
    for (unsigned i = 0; i < piece.count; ++i)
      registers.push_back(
          math->fromStorage(piece.count == 1 ? v : Value(LLVM::ExtractElementOp::create(b, v, c32(i))), element));
  }
  return registers;
}

//===-- the count -------------------------------------------------------------------------------------------------===//

/// Counts this block's share, which all threads have stored, and tells (i1) whether it was the program's last. `flag`:
/// 4 bytes of shared memory.
Value Lowering::arrive(const Shares &shares, uint64_t flag) {
  barrier(); // one thread speaks for all
  Value last = sub(Value(arith::IndexCastOp::create(b, i32, shares.count)), c32(1));
  when(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, hw.threadInBlock(b), c32(0)), [&] {
    bool ordered = succeeded(hw.fence(b)); // before the count: release
    Value before = hw.countTo(b, gep(i32, counters, toIndex(shares.program)), last);
    if (!before || !ordered || failed(hw.fence(b))) { // behind it: acquire
      (void)unsupported(kernel, "its work is split, and the machine has no order between blocks");
      return;
    }
    LLVM::StoreOp::create(b, before, sharedPointer(flag), 4);
  });
  barrier();
  Value before = LLVM::LoadOp::create(b, i32, sharedPointer(flag), 4);
  return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, before, last);
}

//===-- the kernel ------------------------------------------------------------------------------------------------===//

/// All shares in increasing order, in the layouts of fold's first accumulators. `several` (null: true): there is more
/// than one; else the only one's registers are `mine`.
LogicalResult Lowering::foldShares(const Shares &shares, Value several, ValueRange mine, ValueRange visible,
                                   SmallVectorImpl<Value> &totals) {
  Region &fold = kernel.getFold();
  auto args = kernel.getAccumulators(fold);
  unsigned count = args.size() / 2;
  ValueRange sums = args.take_front(count);
  Value firstSlot = toIndex(arith::SubIOp::create(b, hw.block(b), shares.share));
  if (several) {
    auto first = scf::IfOp::create(b, mine.getTypes(), several, /*addThenBlock=*/true, /*addElseBlock=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(first.thenBlock());
    scf::YieldOp::create(b, loadPartial(sums, firstSlot));
    b.setInsertionPointToEnd(first.elseBlock());
    scf::YieldOp::create(b, mine);
    totals.assign(first.getResults().begin(), first.getResults().end());
  } else {
    totals = loadPartial(sums, firstSlot);
  }
  auto rest =
      scf::ForOp::create(b, cst(1), shares.count, cst(1), totals, [](OpBuilder &, Location, Value, ValueRange) {});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(rest.getBody());
    Scope scope(*this);
    SmallVector<Value> next = loadPartial(sums, add(firstSlot, rest.getInductionVar()));
    unsigned total = 0, other = 0;
    for (unsigned i = 0; i < count; ++i) {
      const Layout &layout = layoutOf(args[i]);
      unflatten(args[i], layout, rest.getRegionIterArgs(), total);
      TileValue tile{layout, tileType(args[i]).getElementType(), {}};
      for (unsigned r = 0; r < layout.registers(); ++r)
        tile.regs.push_back(next[other++]);
      tiles[args[count + i]] = convert(tile, layoutOf(args[count + i]));
    }
    bindRegion(fold, visible);
    if (failed(lowerBlock(fold.front())))
      return failure();
    SmallVector<Value> merged;
    for (auto [i, v] : llvm::enumerate(fold.front().getTerminator()->getOperands()))
      flatten(v, layoutOf(args[i]), merged);
    scope.close();
    scf::YieldOp::create(b, merged);
  }
  totals.assign(rest.getResults().begin(), rest.getResults().end());
  return success();
}

LogicalResult Lowering::runSplit(SmallVector<Value> offsets, const Shares &shares) {
  Region &body = kernel.getBody(), &finish = kernel.getFinish();
  offsets[*kernel.getSplit()] = toIndex(shares.share);
  bindRegion(body, offsets);
  if (failed(lowerBlock(body.front())))
    return failure();
  if (finish.empty())
    return success();
  auto args = kernel.getAccumulators(kernel.getFold());
  ValueRange sums = args.take_front(args.size() / 2);
  SmallVector<Value> mine;
  for (auto [v, arg] : llvm::zip(body.front().getTerminator()->getOperands(), sums))
    flatten(v, layoutOf(arg), mine);
  findPieces(sums);
  // Behind everything else rather than behind a barrier.
  auto room = shared.allocateWithin(4, 4, hw.limits.sharedBytes);
  uint64_t flag = room ? *room : allocateBytes(kernel, 4, 4);
  Value several;
  if (!getConstantIntValue(shares.count))
    several = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, shares.count, cst(1));
  Value last = guarded(
      several, i1,
      [&] {
        Scope scope(*this);
        storePartial(sums, mine, toIndex(hw.block(b)));
        Value isLast = arrive(shares, flag);
        scope.close();
        return isLast;
      },
      [&]() -> Value { return arith::ConstantOp::create(b, b.getBoolAttr(true)); });
  shared.release(flag);
  auto branch = scf::IfOp::create(b, last, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  Scope scope(*this);
  SmallVector<Value> visible(offsets), totals;
  visible.erase(visible.begin() + *kernel.getSplit());
  if (failed(foldShares(shares, several, mine, visible, totals)))
    return failure();
  unsigned next = 0;
  for (auto [arg, sum] : llvm::zip(kernel.getAccumulators(finish), sums)) {
    unflatten(sum, layoutOf(sum), totals, next);
    tiles[arg] = convert(tiles[sum], layoutOf(arg));
  }
  bindRegion(finish, visible);
  return lowerBlock(finish.front()); // nothing follows that could use what the scope leaves
}

} // namespace adze::gpu
