// split-units: one sequential process a unit. A loop whose ops of that unit lie in several stages becomes one loop of
// skewed iterations: in round t stage s works on iteration t - (s - first stage), guarded at both ends. Prologue and
// epilogue need no code of their own: each unit starts as soon as its first channel is full.
#include "compiler/schedule/split-units/SplitUnits.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include <set>

using namespace mlir;

namespace adze::schedule {
#define GEN_PASS_DEF_SPLITUNITS
#include "compiler/schedule/split-units/SplitUnits.h.inc"

namespace {
using namespace tile;

Value constant(OpBuilder &b, Location loc, int64_t v) { return arith::ConstantIndexOp::create(b, loc, v); }

class ProcessBuilder {
public:
  ProcessBuilder(KernelOp kernel, StringRef unit, int64_t instances)
      : kernel(kernel), unit(unit), instances(instances) {}

  void build(OpBuilder &b, Block &body) {
    auto process = ProcessOp::create(b, kernel.getLoc(), b.getStringAttr(unit), b.getI64IntegerAttr(instances));
    Block *block = new Block();
    process.getBody().push_back(block);
    instance = block->addArgument(b.getIndexType(), kernel.getLoc());
    OpBuilder in = OpBuilder::atBlockBegin(block);
    for (Operation &op : body)
      if (!op.hasTrait<OpTrait::IsTerminator>() && belongs(op) && (!unitOf(&op).empty() || op.getNumRegions()))
        cloneOp(in, op, map);
    eraseDead(*block);
  }

private:
  /// Ops of this unit, what every unit computes for itself, and shared control that contains either.
  bool belongs(Operation &op) const {
    if (!unitOf(&op).empty())
      return unitOf(&op) == unit;
    if (isa<ChannelOp, ProcessOp>(op))
      return false;
    if (!op.getNumRegions())
      return true;
    bool found = false;
    op.walk([&](Operation *inner) { found |= unitOf(inner) == unit; });
    return found;
  }

  void cloneOp(OpBuilder &b, Operation &op, IRMapping &m) {
    auto loop = dyn_cast<scf::ForOp>(op);
    if (!unitOf(&op).empty() || !op.getNumRegions()) {
      Operation *copy = b.clone(op, m);
      clean(copy);
      if (copy->getNumRegions())
        divideRows(copy);
      return;
    }
    if (loop)
      return cloneLoop(b, loop, m);
    cloneIf(b, cast<scf::IfOp>(op), m);
  }

  static void clean(Operation *op) {
    op->walk([](Operation *inner) {
      for (StringRef name : {kUnit, kStage, kLead, kItem})
        inner->removeAttr(name);
    });
  }

  /// Strip loops of a unit with several instances run over this instance's rows.
  void divideRows(Operation *op) {
    if (instances == 1)
      return;
    op->walk([&](scf::ForOp loop) {
      auto rows = loop->getAttrOfType<IntegerAttr>(kRows);
      if (!rows)
        return;
      OpBuilder b(loop);
      Location loc = loop.getLoc();
      int64_t share = rows.getInt() / instances;
      Value lo = arith::MulIOp::create(b, loc, instance, constant(b, loc, share));
      loop.setLowerBound(lo);
      loop.setUpperBound(arith::AddIOp::create(b, loc, lo, constant(b, loc, share)));
    });
  }

  void cloneIf(OpBuilder &b, scf::IfOp cond, IRMapping &m) {
    // Results that this unit computes; others are not needed by it.
    SmallVector<unsigned> kept;
    SmallVector<Type> types;
    for (auto [i, v] : llvm::enumerate(cond.getResults()))
      if (!isTile(v) || ownerUnit(cond.thenYield().getOperand(i)) == unit) {
        kept.push_back(i);
        types.push_back(v.getType());
      }
    bool withElse = !cond.getElseRegion().empty();
    auto copy = scf::IfOp::create(b, cond.getLoc(), types, m.lookupOrDefault(cond.getCondition()), true, withElse);
    for (auto [from, to] : {std::pair(&cond.getThenRegion(), &copy.getThenRegion()),
                            std::pair(&cond.getElseRegion(), &copy.getElseRegion())}) {
      if (from->empty())
        continue;
      if (!to->front().empty())
        to->front().back().erase();
      OpBuilder in = OpBuilder::atBlockEnd(&to->front());
      for (Operation &op : from->front().without_terminator())
        if (belongs(op))
          cloneOp(in, op, m);
      SmallVector<Value> yields;
      for (unsigned i : kept)
        yields.push_back(m.lookupOrDefault(from->front().getTerminator()->getOperand(i)));
      scf::YieldOp::create(in, cond.getLoc(), yields);
    }
    for (auto [n, i] : llvm::enumerate(kept))
      m.map(cond.getResult(i), copy.getResult(n));
  }

  static StringRef ownerUnit(Value v) {
    Operation *op = ownerOf(v);
    return op ? unitOf(op) : StringRef();
  }

  //===-- shared loops
  //---------------------------------------------------------------------------------------------===//

  /// Loop-carried values that this unit needs: its own tiles and all scalars.
  SmallVector<unsigned> keptArgs(scf::ForOp loop) const {
    SmallVector<unsigned> kept;
    for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs()))
      if (!isTile(arg) || ownerUnit(loop.getYieldedValues()[i]) == unit)
        kept.push_back(i);
    return kept;
  }

  /// Stage of a carried value: that of the op that computes it; -1 = a scalar or free value, in every stage.
  static std::optional<int64_t> carriedStage(scf::ForOp loop, unsigned i) {
    Operation *def = loop.getYieldedValues()[i].getDefiningOp();
    if (!def || unitOf(def).empty())
      return std::nullopt;
    return stageOf(def);
  }

  void cloneLoop(OpBuilder &b, scf::ForOp loop, IRMapping &m) {
    std::set<int64_t> stages;
    for (Operation &op : *loop.getBody())
      if (unitOf(&op) == unit)
        stages.insert(stageOf(&op));
      else if (unitOf(&op).empty() && op.getNumRegions() && belongs(op))
        stages.insert(stageOf(&op));
    if (stages.empty())
      stages.insert(0);
    int64_t batch = loopBatch(kernel, loop), first = *stages.begin();
    int64_t step = *getConstantIntValue(loop.getStep());
    Location loc = loop.getLoc();
    Value lo = m.lookupOrDefault(loop.getLowerBound()), hi = m.lookupOrDefault(loop.getUpperBound());
    int64_t round = step * batch, skew = (*stages.rbegin() - first) * round;
    Value end = skew ? Value(arith::AddIOp::create(b, loc, hi, constant(b, loc, skew))) : hi;
    SmallVector<unsigned> kept = keptArgs(loop);
    SmallVector<Value> inits;
    for (unsigned i : kept)
      inits.push_back(m.lookupOrDefault(loop.getInitArgs()[i]));
    auto copy = scf::ForOp::create(b, loc, lo, end, constant(b, loc, round), inits);
    copy->setAttr(kLoopAttr, loop->getAttr(kLoopAttr));
    if (!copy.getBody()->empty())
      copy.getBody()->back().erase();
    OpBuilder in = OpBuilder::atBlockBegin(copy.getBody());
    SmallVector<Value> current(copy.getRegionIterArgs());
    for (int64_t stage : stages) {
      Value start = copy.getInductionVar();
      if (stage != first)
        start = arith::SubIOp::create(in, loc, start, constant(in, loc, (stage - first) * round));
      if (!skew) {
        cloneStage(in, loop, kept, current, m, stage, start, hi, batch, step);
        continue;
      }
      Value after = arith::CmpIOp::create(in, loc, arith::CmpIPredicate::sge, start, lo);
      Value before = arith::CmpIOp::create(in, loc, arith::CmpIPredicate::slt, start, hi);
      Value active = arith::AndIOp::create(in, loc, after, before);
      SmallVector<Value> previous(current);
      SmallVector<Type> types;
      for (Value v : current)
        types.push_back(v.getType());
      auto guard = scf::IfOp::create(in, loc, types, active, true, true);
      for (Region *region : {&guard.getThenRegion(), &guard.getElseRegion()})
        if (!region->front().empty())
          region->front().back().erase();
      OpBuilder then = OpBuilder::atBlockEnd(&guard.getThenRegion().front());
      cloneStage(then, loop, kept, current, m, stage, start, hi, batch, step);
      scf::YieldOp::create(then, loc, current);
      OpBuilder otherwise = OpBuilder::atBlockEnd(&guard.getElseRegion().front());
      scf::YieldOp::create(otherwise, loc, previous);
      current.assign(guard.getResults().begin(), guard.getResults().end());
    }
    scf::YieldOp::create(in, loc, current);
    for (auto [n, i] : llvm::enumerate(kept))
      m.map(loop.getResult(i), copy.getResult(n));
  }

  /// True for ops of channels that hand over a whole step at once.
  static bool isBatched(Operation &op, int64_t batch) {
    Value channel;
    if (auto o = dyn_cast<AcquireOp>(op))
      channel = o.getChannel();
    if (auto o = dyn_cast<WaitOp>(op))
      channel = o.getChannel();
    if (isa<CommitOp, ReleaseOp>(op))
      channel = op.getOperand(0).getDefiningOp()->getOperand(0);
    return channel && batch > 1 && static_cast<int64_t>(channel.getDefiningOp<ChannelOp>().getBatch()) == batch;
  }

  /// The ops of one stage for one round: `batch` iterations from `start` on, with the flags of batched channels around
  /// them.
  void cloneStage(OpBuilder &b, scf::ForOp loop, ArrayRef<unsigned> kept, SmallVectorImpl<Value> &current,
                  IRMapping &outer, int64_t stage, Value start, Value hi, int64_t batch, int64_t step) {
    IRMapping m(outer);
    Location loc = loop.getLoc();
    auto inStage = [&](Operation &op) {
      bool scalar = unitOf(&op).empty() && !op.getNumRegions();
      return belongs(op) && (scalar || stageOf(&op) == stage);
    };
    for (Operation &op : *loop.getBody())
      if (isa<AcquireOp, WaitOp>(op) && isBatched(op, batch) && inStage(op))
        cloneOp(b, op, m);
    OpBuilder *in = &b;
    std::optional<OpBuilder> inner;
    scf::ForOp iterations;
    Value iv = start, item;
    SmallVector<Value> carried(current.begin(), current.end());
    if (batch > 1) {
      Value limit = arith::AddIOp::create(b, loc, start, constant(b, loc, step * batch));
      Value end = arith::MinSIOp::create(b, loc, limit, hi);
      iterations = scf::ForOp::create(b, loc, start, end, constant(b, loc, step), current);
      iterations->setAttr(kLoopAttr, LoopAttr::get(b.getContext(), "batch", LoopKind::serial));
      if (!iterations.getBody()->empty())
        iterations.getBody()->back().erase();
      inner.emplace(OpBuilder::atBlockBegin(iterations.getBody()));
      in = &*inner;
      iv = iterations.getInductionVar();
      Value distance = arith::SubIOp::create(*in, loc, iv, start);
      item = arith::DivUIOp::create(*in, loc, distance, constant(*in, loc, step));
      carried.assign(iterations.getRegionIterArgs().begin(), iterations.getRegionIterArgs().end());
    }
    m.map(loop.getInductionVar(), iv);
    for (auto [n, i] : llvm::enumerate(kept))
      m.map(loop.getRegionIterArg(i), carried[n]);
    for (Operation &op : loop.getBody()->without_terminator()) {
      if (!inStage(op) || isBatched(op, batch))
        continue;
      cloneOp(*in, op, m);
      if (item && !unitOf(&op).empty())
        setItems(op, m, item, batch);
    }
    for (auto [n, i] : llvm::enumerate(kept)) {
      auto owner = carriedStage(loop, i);
      if (!owner || *owner == stage)
        carried[n] = m.lookupOrDefault(loop.getYieldedValues()[i]);
    }
    if (batch > 1) {
      scf::YieldOp::create(*in, loc, carried);
      current.assign(iterations.getResults().begin(), iterations.getResults().end());
    } else {
      current.assign(carried.begin(), carried.end());
    }
    for (Operation &op : *loop.getBody())
      if (isa<CommitOp, ReleaseOp>(op) && isBatched(op, batch) && inStage(op))
        cloneOp(b, op, m);
  }

  /// Puts and gets of batched channels in the copy of `op` address this iteration's item.
  void setItems(Operation &op, IRMapping &m, Value item, int64_t batch) {
    op.walk([&](Operation *inner) {
      Operation *slot = isa<PutOp>(inner)   ? cast<PutOp>(inner).getSlot().getDefiningOp()
                        : isa<GetOp>(inner) ? cast<GetOp>(inner).getSlot().getDefiningOp()
                                            : nullptr;
      if (!slot || slot->getBlock() != op.getBlock() || !isBatched(*slot, batch))
        return;
      if (auto get = dyn_cast<GetOp>(inner)) {
        auto copy = m.lookup(get.getTile()).getDefiningOp<GetOp>();
        copy.getItemMutable().assign(item);
      } else {
        // Puts have no result: they are the users of the cloned slot.
        // Collected first: a new operand moves the others.
        SmallVector<Operation *> users(m.lookup(slot->getResult(0)).getUsers());
        for (Operation *user : users)
          if (auto put = dyn_cast<PutOp>(user); put && !put.getItem())
            put.getItemMutable().assign(item);
      }
    });
  }

  /// Scalars and free tiles that no op of this unit uses.
  static void eraseDead(Block &block) {
    bool again = true;
    while (again) {
      again = false;
      SmallVector<Operation *> dead;
      block.walk([&](Operation *op) {
        if (op->use_empty() && isMemoryEffectFree(op) && !op->hasTrait<OpTrait::IsTerminator>() && op->getNumResults())
          dead.push_back(op);
      });
      for (Operation *op : llvm::reverse(dead)) {
        if (!op->use_empty())
          continue;
        op->erase();
        again = true;
      }
    }
  }

  KernelOp kernel;
  StringRef unit;
  int64_t instances;
  Value instance;
  IRMapping map;
};

} // namespace

LogicalResult splitUnits(KernelOp kernel, const Machine &table) {
  Block &body = kernel.getBody().front();
  std::set<std::string> used;
  body.walk([&](Operation *op) {
    if (!unitOf(op).empty() && unitOf(op) != kProgramUnit)
      used.insert(unitOf(op).str());
  });
  // The body keeps scalars, views and channels first, then the processes, then what the program itself does.
  Operation *tail = nullptr;
  for (Operation &op : body)
    if (!tail && (op.hasTrait<OpTrait::IsTerminator>() || unitOf(&op) == kProgramUnit))
      tail = &op;
  for (Operation &op : llvm::make_early_inc_range(body)) {
    bool shared = unitOf(&op).empty() && !op.getNumRegions() && !op.hasTrait<OpTrait::IsTerminator>();
    if (shared)
      op.moveBefore(&body, body.begin());
  }
  // moveBefore(begin) reversed the shared ops: restore their order.
  SmallVector<Operation *> shared;
  for (Operation &op : body) {
    if (!unitOf(&op).empty() || op.getNumRegions() || op.hasTrait<OpTrait::IsTerminator>())
      break;
    shared.push_back(&op);
  }
  for (Operation *op : shared)
    op->moveBefore(&body, body.begin());
  OpBuilder b(tail);
  for (const Unit &u : table.units)
    if (used.count(u.name))
      ProcessBuilder(kernel, u.name, u.instances).build(b, body);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body))) {
    bool gone = (!unitOf(&op).empty() && unitOf(&op) != kProgramUnit) ||
                (op.getNumRegions() && !isa<ProcessOp>(op) && unitOf(&op).empty());
    if (gone) {
      op.dropAllUses();
      op.erase();
      continue;
    }
    for (StringRef name : {StringRef(kUnit), StringRef(kStage), StringRef(kItem), StringRef(kLead),
                           StringRef("tile.needed"), StringRef("tile.parts")})
      op.removeAttr(name);
  }
  kernel.removeScheduleAttr();
  return success();
}

namespace {
struct SplitUnitsPass : impl::SplitUnitsBase<SplitUnitsPass> {
  using SplitUnitsBase::SplitUnitsBase;
  void runOnOperation() override {
    FailureOr<Machine> machine = machineForPass(getOperation(), this->machine);
    if (failed(machine))
      return signalPassFailure();
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (failed(splitUnits(kernel, *machine)))
        return signalPassFailure();
  }
};
} // namespace

} // namespace adze::schedule
