// Loops whose dots read operands ahead of time.
//
// An operand that depends on nothing but the loop's index is loaded before its iteration: *async* copies run through a
// ring of several slots, filled `stages - 1` iterations ahead; what cannot be copied so (odd alignment, elements of one
// or two bytes in scattered places, operands that are computed from what is loaded) is loaded to registers one
// iteration ahead and stored to the other of two slots when the iteration's own work is done. What the loop does not
// change is stored once. One barrier an iteration orders all of it:
//
//   wait for the slot's copies; barrier; start copies of iteration i + stages - 1 into the slot read at i - 1;
//   load registers for i + 1; the iteration's work on slot i; store the registers to the slot of i + 1.
#include "targets/gpu/lower/AsyncCopy.h"
#include "targets/gpu/lower/Dot.h"
#include "llvm/ADT/SetVector.h"

namespace adze::gpu {
using namespace adze::tile;

namespace {
/// Shared memory that is left for conversions and reductions inside the loop.
constexpr uint64_t kReserve = 8 << 10;
constexpr uint64_t kAlign = 128;

bool isTile(Value v) { return isa<RankedTensorType>(v.getType()); }

class LoopPipeline {
public:
  LoopPipeline(Lowering &l, scf::ForOp loop) : l(l), loop(loop), body(*loop.getBody()) {}
  bool analyse();
  LogicalResult emit();

private:
  enum class How { async, ahead, invariant };
  struct Operand {
    DotOp dot;
    bool isA;
    How how;
    SharedTile rows; // offset: within a slot
    std::optional<AsyncCopy> copy;
    int same = -1; // an earlier operand that is the same tile in the same form
    Value value() const {
      return isA ? Value(const_cast<DotOp &>(dot).getA()) : Value(const_cast<DotOp &>(dot).getB());
    }
    bool isUnsigned() const {
      return isA ? const_cast<DotOp &>(dot).getUnsignedA() : const_cast<DotOp &>(dot).getUnsignedB();
    }
    llvm::SetVector<Operation *> slice; // ops of the body that compute it, in order
    SmallVector<LoadOp> loads;          // of a computed operand: what is loaded early
    bool pure = false;                  // nothing but a load
    SmallVector<TileValue, 0> early;    // registers of this iteration's early loads
  };
  TiledDot &formOf(const Operand &o) { return static_cast<TiledDot &>(*l.assignment.dots[o.dot]); }
  bool addOperand(DotOp dot, bool isA);
  bool collectSlice(Value v, llvm::SetVector<Operation *> &slice);
  void findSkipped();
  bool placeRings();

  LogicalResult lowerSlice(Operand &o, bool scalars, bool loads, bool rest);
  LogicalResult issue(Value iv, Value slot);
  LogicalResult loadEarly(Value iv, Value ok);
  LogicalResult storeEarly(Value iv, Value slot);
  void bindSlots(Value slot, Value aheadSlot);
  Value inRange(Value iv) { return arith::CmpIOp::create(l.b, arith::CmpIPredicate::slt, iv, hi); }
  /// Emits `inside` under a condition and returns copies of the values that it gathers, zeros where it did not run.
  LogicalResult conditional(Value ok, llvm::function_ref<LogicalResult(SmallVectorImpl<Value> &)> inside,
                            SmallVectorImpl<Value> &out);
  LogicalResult emitBody(ValueRange carried, Value iv, SmallVectorImpl<Value> &next);

  Lowering &l;
  scf::ForOp loop;
  Block &body;
  SmallVector<Operand, 4> operands;
  llvm::DenseSet<Operation *> skipped;
  unsigned stages = 0;
  uint64_t slotBytes = 0, aheadBytes = 0, ring = 0, aheadRing = 0;
  Value lo, hi, step;
};
} // namespace

//===-- analysis

/// Ops that compute `v` from the loop's index and what lies outside the loop; false: something else is needed.
bool LoopPipeline::collectSlice(Value v, llvm::SetVector<Operation *> &slice) {
  if (auto arg = dyn_cast<BlockArgument>(v))
    return arg.getOwner() != &body || arg == loop.getInductionVar();
  Operation *op = v.getDefiningOp();
  if (!loop->isProperAncestor(op) || slice.contains(op))
    return true;
  if (op->getBlock() != &body || op->getNumRegions())
    return false;
  if (auto load = dyn_cast<LoadOp>(op)) {
    if (cast<ViewType>(load.getView().getType()).getEffect() != Effect::in)
      return false;
  } else if (auto load = dyn_cast<LoadScalarOp>(op)) {
    if (cast<ViewType>(load.getView().getType()).getEffect() != Effect::in)
      return false;
  } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    SmallVector<int> dims;
    if (behindReshapes(v, dims) == v)
      return false;
  } else if (isTile(v) && !isa<CastOp, BitcastOp, SplatOp, IotaOp, BroadcastOp, ValidOp>(op) &&
             !isa<arith::ArithDialect>(op->getDialect()) && op->getDialect()->getNamespace() != "math") {
    return false;
  } else if (!isPure(op) && !isa<ViewOp, SubviewOp, WindowOp>(op)) {
    return false;
  }
  for (Value operand : op->getOperands())
    if (!collectSlice(operand, slice))
      return false;
  slice.insert(op);
  return true;
}

bool LoopPipeline::addOperand(DotOp dot, bool isA) {
  TiledDot &form = static_cast<TiledDot &>(*l.assignment.dots[dot]);
  if (isA && !form.a.shared)
    return true; // another dot's registers
  Operand o;
  o.dot = dot;
  o.isA = isA;
  o.rows = form.sharedShape(dot, isA);
  Value v = o.value();
  Operation *op = v.getDefiningOp();
  bool outside = op ? !loop->isProperAncestor(op) : cast<BlockArgument>(v).getOwner() != &body;
  if (outside) {
    o.how = How::invariant;
  } else {
    if (!collectSlice(v, o.slice))
      return true; // computed by the iteration: stored when the dot needs it
    SmallVector<int> dims;
    o.pure = isa<LoadOp>(behindReshapes(v, dims).getDefiningOp());
    o.how = How::ahead;
    if (o.pure) {
      o.copy = AsyncCopy::plan(l, v, o.rows, loop);
      if (o.copy)
        o.how = How::async;
    }
    bool early = llvm::none_of(o.slice, [](Operation *op) { return isa<LoadScalarOp, ValidOp>(op); });
    for (Operation *op : o.slice)
      if (auto load = dyn_cast<LoadOp>(op); load && early && !o.pure)
        o.loads.push_back(load);
  }
  for (auto [i, other] : llvm::enumerate(operands))
    if (other.value() == v && other.same < 0 && other.rows.inner == o.rows.inner && other.rows.shape == o.rows.shape &&
        other.rows.strides == o.rows.strides && other.rows.swizzle == o.rows.swizzle &&
        other.rows.element == o.rows.element && other.isUnsigned() == o.isUnsigned())
      o.same = i;
  operands.push_back(std::move(o));
  return true;
}

/// Tile ops of the slices that nothing else needs are not lowered in the iteration itself.
void LoopPipeline::findSkipped() {
  llvm::SetVector<Operation *> candidates;
  llvm::DenseSet<std::pair<Operation *, unsigned>> covered; // uses by dots
  for (Operand &o : operands) {
    covered.insert({o.dot, o.isA ? 0 : 1});
    for (Operation *op : o.slice)
      if (op->getNumResults() && isTile(op->getResult(0)))
        candidates.insert(op);
  }
  SmallVector<Operation *> order;
  for (Operation &op : body)
    if (candidates.contains(&op))
      order.push_back(&op);
  for (Operation *op : llvm::reverse(order))
    if (llvm::all_of(op->getUses(), [&](OpOperand &use) {
          return skipped.contains(use.getOwner()) || covered.contains({use.getOwner(), use.getOperandNumber()});
        }))
      skipped.insert(op);
}

/// As many stages as the plan wants and shared memory holds.
bool LoopPipeline::placeRings() {
  if (l.shared.pending())
    l.barrier();
  auto place = [](Operand &o, uint64_t &bytes) {
    o.rows.offset = bytes;
    bytes += llvm::alignTo(o.rows.bytes, kAlign);
  };
  uint64_t fixed = 0;
  for (Operand &o : operands) {
    if (o.same >= 0)
      continue;
    if (o.how == How::async)
      place(o, slotBytes);
    else if (o.how == How::ahead)
      place(o, aheadBytes);
    else
      fixed += llvm::alignTo(o.rows.bytes, kAlign);
  }
  uint64_t limit = l.hw.limits.sharedBytes, used = l.shared.inUse() + fixed + 2 * aheadBytes + kReserve;
  int64_t want = 4;
  if (auto plan = l.kernel.getPlan())
    if (auto stagesAttr = plan->getAs<IntegerAttr>("stages"))
      want = std::max<int64_t>(2, stagesAttr.getInt());
  stages = 0;
  if (slotBytes)
    for (stages = want; stages >= 2 && used + stages * slotBytes > limit;)
      --stages;
  if (slotBytes && stages < 2)
    return false;
  return slotBytes || used <= limit;
}

bool LoopPipeline::analyse() {
  if (!l.group.wholeBlock)
    return false;
  // A result may have an argument's memory: then an iteration's stores must not come after the next one's loads.
  if (l.kernel->hasAttr("tile.in_place") && body.walk([](StoreOp) { return WalkResult::interrupt(); }).wasInterrupted())
    return false;
  for (Operation &op : body)
    if (auto dot = dyn_cast<DotOp>(op); dot && dynamic_cast<TiledDot *>(l.assignment.dots[dot].get()))
      if (!addOperand(dot, true) || !addOperand(dot, false))
        return false;
  if (llvm::none_of(operands, [](Operand &o) { return o.how != How::invariant; }))
    return false;
  // Nothing to run ahead of: registers would only be held longer.
  auto first = getConstantIntValue(loop.getLowerBound()), end = getConstantIntValue(loop.getUpperBound()),
       by = getConstantIntValue(loop.getStep());
  if (first && end && by && *first + *by >= *end &&
      llvm::any_of(operands, [](Operand &o) { return o.how == How::ahead; }))
    return false;
  findSkipped();
  return placeRings();
}

//===-- emission

LogicalResult LoopPipeline::conditional(Value ok, llvm::function_ref<LogicalResult(SmallVectorImpl<Value> &)> inside,
                                        SmallVectorImpl<Value> &out) {
  auto draft = scf::IfOp::create(l.b, ok, /*withElseRegion=*/false);
  SmallVector<Value> values;
  {
    OpBuilder::InsertionGuard guard(l.b);
    l.b.setInsertionPoint(draft.thenBlock()->getTerminator());
    Lowering::Scope scope(l);
    if (failed(inside(values)))
      return failure();
    scope.close();
  }
  if (values.empty())
    return success();
  SmallVector<Type> types(llvm::map_range(values, [](Value v) { return v.getType(); }));
  auto branch = scf::IfOp::create(l.b, types, ok, /*addThenBlock=*/false, /*addElseBlock=*/false);
  branch.getThenRegion().takeBody(draft.getThenRegion());
  draft.erase();
  OpBuilder::InsertionGuard guard(l.b);
  branch.thenBlock()->getTerminator()->erase();
  l.b.setInsertionPointToEnd(branch.thenBlock());
  scf::YieldOp::create(l.b, values);
  l.b.setInsertionPointToEnd(&branch.getElseRegion().emplaceBlock());
  SmallVector<Value> zeros;
  for (Type t : types)
    zeros.push_back(arith::ConstantOp::create(l.b, l.b.getZeroAttr(t)));
  scf::YieldOp::create(l.b, zeros);
  out.assign(branch.getResults().begin(), branch.getResults().end());
  return success();
}

/// Lowers chosen ops of an operand's slice with the index that l.scalars holds.
LogicalResult LoopPipeline::lowerSlice(Operand &o, bool scalars, bool loads, bool rest) {
  for (Operation *op : o.slice) {
    bool tile = op->getNumResults() && isTile(op->getResult(0));
    bool isLoad = isa<LoadOp>(op);
    if (tile && o.pure)
      continue; // the copy loads it
    if (tile ? (isLoad ? loads : rest) : scalars)
      if (failed(l.lowerOp(op)))
        return failure();
  }
  return success();
}

/// Starts the copies of the iteration at `iv`, if there is one, and closes the group.
LogicalResult LoopPipeline::issue(Value iv, Value slot) {
  SmallVector<Value> none;
  auto copies = [&](SmallVectorImpl<Value> &) {
    l.scalars.map(loop.getInductionVar(), iv);
    for (Operand &o : operands) {
      if (o.how != How::async || o.same >= 0)
        continue;
      if (failed(lowerSlice(o, true, false, false)))
        return failure();
      SharedTile to = o.rows;
      to.offset += ring;
      to.slot = slot;
      o.copy->issue(l, to);
    }
    return success();
  };
  if (failed(conditional(inRange(iv), copies, none)))
    return failure();
  l.hw.asyncCommit(l.b);
  return success();
}

/// Loads registers for the iteration at `iv`, if there is one.
LogicalResult LoopPipeline::loadEarly(Value iv, Value ok) {
  SmallVector<Value> regs;
  auto inside = [&](SmallVectorImpl<Value> &out) {
    l.scalars.map(loop.getInductionVar(), iv);
    for (Operand &o : operands) {
      if (o.how != How::ahead || o.same >= 0)
        continue;
      o.early.clear();
      if (failed(lowerSlice(o, true, true, o.loads.empty())))
        return failure();
      if (o.loads.empty())
        o.early.push_back(operandTile(l, o.value(), o.rows, o.isUnsigned()));
      for (LoadOp load : o.loads)
        o.early.push_back(l.tileOf(load.getTile()));
      for (TileValue &t : o.early)
        out.append(t.regs.begin(), t.regs.end());
    }
    return success();
  };
  if (failed(conditional(ok, inside, regs)))
    return failure();
  unsigned next = 0;
  for (Operand &o : operands)
    for (TileValue &t : o.early)
      for (Value &r : t.regs)
        r = regs[next++];
  return success();
}

/// Finishes what loadEarly began and stores it.
LogicalResult LoopPipeline::storeEarly(Value iv, Value slot) {
  l.scalars.map(loop.getInductionVar(), iv);
  for (Operand &o : operands) {
    if (o.how != How::ahead || o.same >= 0)
      continue;
    TileValue tile;
    if (o.loads.empty()) {
      tile = o.early[0];
    } else {
      for (auto [load, t] : llvm::zip(o.loads, o.early))
        l.bind(load.getTile(), t);
      if (failed(lowerSlice(o, true, false, true)))
        return failure();
      tile = operandTile(l, o.value(), o.rows, o.isUnsigned());
    }
    SharedTile to = o.rows;
    to.offset += aheadRing;
    to.slot = slot;
    storeRows(l, tile, to);
  }
  return success();
}

void LoopPipeline::bindSlots(Value slot, Value aheadSlot) {
  for (Operand &o : operands) {
    const Operand &from = o.same >= 0 ? operands[o.same] : o;
    TiledDot &form = formOf(o);
    std::optional<SharedTile> &bound = o.isA ? form.boundA : form.boundB;
    bound = from.rows;
    if (o.how == How::invariant)
      continue;
    bound->offset += o.how == How::async ? ring : aheadRing;
    bound->slot = o.how == How::async ? slot : aheadSlot;
  }
}

LogicalResult LoopPipeline::emitBody(ValueRange carried, Value iv, SmallVectorImpl<Value> &next) {
  unsigned at = 0;
  for (Value arg : loop.getRegionIterArgs()) {
    if (!isTile(arg)) {
      l.scalars.map(arg, carried[at++]);
      continue;
    }
    Layout layout = l.layoutOf(arg);
    TileValue t{layout, l.tileType(arg).getElementType(), {}};
    for (unsigned r = 0; r < layout.registers(); ++r)
      t.regs.push_back(carried[at++]);
    l.bind(arg, std::move(t));
  }
  Value slot, aheadSlot, aheadNext;
  if (stages) {
    slot = carried[at++];
    l.hw.asyncWait(l.b, stages - 2);
  }
  if (aheadBytes) {
    aheadSlot = carried[at++];
    aheadNext = l.sub(l.c32(aheadBytes), aheadSlot);
  }
  l.barrier();
  if (stages) {
    Value first = arith::CmpIOp::create(l.b, arith::CmpIPredicate::eq, slot, l.c32(0));
    Value last = l.c32((stages - 1) * slotBytes);
    Value into = arith::SelectOp::create(l.b, first, last, l.sub(slot, l.c32(slotBytes)));
    if (failed(issue(l.add(iv, l.mul(step, l.cst(stages - 1))), into)))
      return failure();
  }
  Value following = l.add(iv, step);
  if (aheadBytes && failed(loadEarly(following, inRange(following))))
    return failure();

  l.scalars.map(loop.getInductionVar(), iv);
  bindSlots(slot, aheadSlot);
  for (Operation &op : body.without_terminator()) {
    if (skipped.contains(&op))
      continue;
    l.b.setLoc(op.getLoc());
    if (failed(l.lowerOp(&op)))
      return failure();
  }
  for (auto [i, v] : llvm::enumerate(loop.getYieldedValues())) {
    if (!isTile(v)) {
      next.push_back(l.map(v));
      continue;
    }
    TileValue t = l.tileAs(v, l.layoutOf(loop.getRegionIterArg(i)));
    next.append(t.regs.begin(), t.regs.end());
  }
  if (stages) {
    Value up = l.add(slot, l.c32(slotBytes));
    Value wrap = arith::CmpIOp::create(l.b, arith::CmpIPredicate::eq, up, l.c32(stages * slotBytes));
    next.push_back(arith::SelectOp::create(l.b, wrap, l.c32(0), up));
  }
  if (aheadBytes) {
    if (failed(storeEarly(following, aheadNext)))
      return failure();
    next.push_back(aheadNext);
  }
  return success();
}

LogicalResult LoopPipeline::emit() {
  lo = l.map(loop.getLowerBound());
  hi = l.map(loop.getUpperBound());
  step = l.map(loop.getStep());
  SmallVector<uint64_t> places;
  auto allocate = [&](uint64_t bytes, uint64_t &offset) {
    offset = l.allocateBytes(loop, bytes, kAlign);
    places.push_back(offset);
    return !l.gaveUp();
  };
  for (Operand &o : operands)
    if (o.how == How::invariant && o.same < 0) {
      o.rows = placeOperand(l, o.value(), o.rows, o.isUnsigned());
      places.push_back(o.rows.offset);
    }
  if ((stages && !allocate(stages * slotBytes, ring)) || (aheadBytes && !allocate(2 * aheadBytes, aheadRing)))
    return failure();
  // What a slot holds beyond a tile stays zero.
  bool zeroed = false;
  for (Operand &o : operands) {
    if (o.how == How::invariant || o.same >= 0 || !needsZeros(o.value(), o.rows))
      continue;
    unsigned slots = o.how == How::async ? stages : 2;
    for (unsigned s = 0; s < slots; ++s)
      zeroShared(l, (o.how == How::async ? ring + s * slotBytes : aheadRing + s * aheadBytes) + o.rows.offset,
                 o.rows.bytes);
    zeroed = true;
  }
  if (zeroed)
    l.barrier();
  for (Operand &o : operands)
    if (o.copy && o.same < 0)
      o.copy->prepare(l);
  for (unsigned s = 0; s + 1 < stages; ++s)
    if (failed(issue(l.add(lo, l.mul(step, l.cst(s))), l.c32(s * slotBytes))))
      return failure();
  SmallVector<Value> inits;
  for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs())) {
    if (!isTile(arg)) {
      inits.push_back(l.map(loop.getInitArgs()[i]));
      continue;
    }
    TileValue t = l.tileAs(loop.getInitArgs()[i], l.layoutOf(arg));
    inits.append(t.regs.begin(), t.regs.end());
  }
  if (aheadBytes && (failed(loadEarly(lo, inRange(lo))) || failed(storeEarly(lo, l.c32(0)))))
    return failure();
  if (stages)
    inits.push_back(l.c32(0));
  if (aheadBytes)
    inits.push_back(l.c32(0));
  bool pending = false;
  auto made = scf::ForOp::create(l.b, lo, hi, step, inits, [](OpBuilder &, Location, Value, ValueRange) {});
  {
    OpBuilder::InsertionGuard guard(l.b);
    l.b.setInsertionPointToEnd(made.getBody());
    Lowering::Scope scope(l);
    SmallVector<Value> next;
    if (failed(emitBody(made.getRegionIterArgs(), made.getInductionVar(), next)))
      return failure();
    scf::YieldOp::create(l.b, next);
    // What the iteration released is free after the barrier at the head of the next one, or one behind the loop.
    pending = l.shared.pendingSince(scope.before);
  }
  if (pending)
    l.barrier();
  for (uint64_t offset : places) // free after the next barrier: other threads may still read their last slot
    l.shared.release(offset);
  for (Operand &o : operands)
    (o.isA ? formOf(o).boundA : formOf(o).boundB).reset();
  unsigned at = 0;
  for (Value result : loop.getResults()) {
    if (!isTile(result)) {
      l.scalars.map(result, made.getResult(at++));
      continue;
    }
    Layout layout = l.layoutOf(result);
    TileValue t{layout, l.tileType(result).getElementType(), {}};
    for (unsigned r = 0; r < layout.registers(); ++r)
      t.regs.push_back(made.getResult(at++));
    l.bind(result, std::move(t));
  }
  return success();
}

FailureOr<bool> pipelineLoop(Lowering &l, scf::ForOp loop) {
  LoopPipeline pipeline(l, loop);
  if (!pipeline.analyse())
    return false;
  if (failed(pipeline.emit()))
    return failure();
  return true;
}

} // namespace adze::gpu
