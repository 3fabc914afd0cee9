// assign-units: which unit executes each op, and in which stage.
#include "compiler/schedule/assign-units/AssignUnits.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace adze::schedule {
#define GEN_PASS_DEF_ASSIGNUNITS
#include "compiler/schedule/assign-units/AssignUnits.h.inc"

namespace {
using namespace tile;

/// True when facts say that the split dim has one share: then fold never runs and finish continues the body.
bool hasOneShare(KernelOp kernel) {
  if (!kernel.getSplit())
    return true;
  AffineExpr extent = kernel.getGridExtents().getResult(*kernel.getSplit());
  if (auto c = dyn_cast<AffineConstantExpr>(extent))
    return c.getValue() == 1;
  auto dim = dyn_cast<AffineDimExpr>(extent);
  if (!dim || !kernel.getFacts())
    return false;
  auto name = cast<StringAttr>(kernel.getDims()[dim.getPosition()]);
  auto facts = kernel.getFacts()->getAs<DictionaryAttr>(name.getValue());
  auto max = facts ? facts.getAs<IntegerAttr>("max") : IntegerAttr();
  return max && max.getInt() == 1;
}

/// Continues the body with finish, so that units overlap the epilogue with the loop.
void inlineFinish(KernelOp kernel) {
  if (kernel.getFinish().empty() || !hasOneShare(kernel))
    return;
  Block &body = kernel.getBody().front(), &finish = kernel.getFinish().front();
  Operation *yield = body.getTerminator();
  IRMapping map;
  auto bind = [&](auto from, auto to) {
    for (auto [f, t] : llvm::zip_equal(from, to))
      map.map(f, t);
  };
  bind(kernel.getDimArgs(kernel.getFinish()), kernel.getDimArgs(kernel.getBody()));
  bind(kernel.getArgs(kernel.getFinish()), kernel.getArgs(kernel.getBody()));
  bind(kernel.getAccumulators(kernel.getFinish()), yield->getOperands());
  SmallVector<Value> offsets(kernel.getOffsets(kernel.getBody()));
  if (kernel.getSplit())
    offsets.erase(offsets.begin() + *kernel.getSplit());
  bind(kernel.getOffsets(kernel.getFinish()), offsets);
  OpBuilder builder(yield);
  for (Operation &op : finish.without_terminator())
    builder.clone(op, map);
  yield->setOperands({});
  for (Region *region : {&kernel.getFold(), &kernel.getFinish()})
    if (!region->empty())
      region->front().erase();
  kernel.removeSplitAttr();
}

/// Where flags are dear the machine wants several iterations a step: loops with stages that leave it open get its
/// number.
void defaultBatches(KernelOp kernel, const Machine &machine) {
  int64_t batch = machine.value("default_batch", 1);
  auto schedule = kernel.getSchedule();
  if (batch <= 1 || !schedule || !schedule->getLoops())
    return;
  Builder b(kernel.getContext());
  SmallVector<NamedAttribute> loops;
  for (NamedAttribute entry : schedule->getLoops()) {
    auto fields = dyn_cast<DictionaryAttr>(entry.getValue());
    if (fields && fields.get("stages") && !fields.get("batch")) {
      SmallVector<NamedAttribute> with(fields.getValue());
      with.push_back(b.getNamedAttr("batch", b.getI64IntegerAttr(batch)));
      entry.setValue(b.getDictionaryAttr(with));
    }
    loops.push_back(entry);
  }
  kernel.setScheduleAttr(ScheduleAttr::get(kernel.getContext(), schedule->getGrid(), b.getDictionaryAttr(loops),
                                           schedule->getOps(), schedule->getTarget()));
}

class UnitAssigner {
public:
  UnitAssigner(KernelOp kernel, const Machine &machine) : kernel(kernel), machine(machine) {}

  LogicalResult run() {
    inlineFinish(kernel);
    defaultBatches(kernel, *machine.operator->());
    if (failed(checkMachine()) || failed(assignCompute()) || failed(assignMoves()))
      return failure();
    markUniformRegions(kernel.getBody().front());
    auto result = kernel.getBody().walk([&](scf::ForOp loop) {
      if (!unitOf(loop).empty())
        return WalkResult::advance();
      return failed(assignStages(loop)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

private:
  LogicalResult checkMachine() {
    bool dots = kernel.getBody().walk([](DotOp) { return WalkResult::interrupt(); }).wasInterrupted();
    if (dots && !machine.unitFor("matrix"))
      return kernel.emitOpError() << "in kernel @" << kernel.getSymName() << ": machine " << machine->name
                                  << " has no unit that does 'matrix'; choose a form without tile.dot";
    return success();
  }

  LogicalResult assignCompute() {
    auto result = kernel.getBody().walk([&](Operation *op) {
      if (isa<DotOp>(op)) {
        setUnit(op, machine.unitFor("matrix")->name);
        return WalkResult::advance();
      }
      if (isa<GatherOp, ScatterOp, SortOp, TopKOp>(op)) {
        op->emitOpError("is not staged: no rule says which unit addresses memory by a tile; run this kernel unstaged");
        return WalkResult::interrupt();
      }
      bool tiles = llvm::any_of(op->getOperands(), isTile) || llvm::any_of(op->getResults(), isTile);
      bool structure = op->getNumRegions() || op->hasTrait<OpTrait::IsTerminator>();
      if (tiles && !structure && !isa<LoadOp, StoreOp>(op) && !isFree(op))
        setUnit(op, machine.unitFor("vector")->name);
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// The op behind results of loops and conditions.
  static Operation *originOf(Value v) {
    while (auto result = dyn_cast<OpResult>(v)) {
      Operation *op = result.getOwner();
      if (auto loop = dyn_cast<scf::ForOp>(op))
        v = loop.getYieldedValues()[result.getResultNumber()];
      else if (auto cond = dyn_cast<scf::IfOp>(op))
        v = cond.thenYield().getOperand(result.getResultNumber());
      else
        return op;
    }
    return nullptr;
  }

  static StringRef producerNode(Value v) {
    Operation *op = originOf(v);
    return isa_and_nonnull<DotOp>(op)    ? StringRef("matrix.acc")
           : isa_and_nonnull<LoadOp>(op) ? StringRef(kDeviceMemory)
                                         : StringRef("vector");
  }
  static StringRef consumerNode(OpOperand &use) {
    if (isa<DotOp>(use.getOwner()))
      return use.getOperandNumber() == 0 ? "matrix.a" : use.getOperandNumber() == 1 ? "matrix.b" : "matrix.acc";
    return isa<StoreOp, YieldOp>(use.getOwner()) ? StringRef(kDeviceMemory) : StringRef("vector");
  }

  LogicalResult assignMoves() {
    LogicalResult result = success();
    kernel.getBody().walk([&](Operation *op) {
      Route route;
      if (auto load = dyn_cast<LoadOp>(op)) {
        if (load.getTile().use_empty())
          return;
        route = machine.route(kDeviceMemory, consumerNode(*load.getTile().use_begin()));
        if (!route.empty())
          setUnit(op, route.front()->unit);
      } else if (auto store = dyn_cast<StoreOp>(op)) {
        route = machine.route(producerNode(store.getTile()), kDeviceMemory);
        if (!route.empty())
          setUnit(op, route.back()->unit);
      } else {
        return;
      }
      if (route.empty()) {
        op->emitOpError() << "in kernel @" << kernel.getSymName() << ": machine " << machine->name
                          << " has no path for this move; complete its table of paths";
        result = failure();
      }
    });
    return result;
  }

  /// A condition whose ops all belong to one unit is an op of that unit; others are computed by every unit concerned.
  void markUniformRegions(Block &block) {
    for (Operation &op : block) {
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          markUniformRegions(inner);
      auto cond = dyn_cast<scf::IfOp>(op);
      if (!cond)
        continue;
      StringRef unit;
      bool same = true;
      cond.walk([&](Operation *inner) {
        StringRef u = unitOf(inner);
        if (inner == cond.getOperation() || u.empty())
          return;
        same &= unit.empty() || unit == u;
        unit = u;
      });
      if (same && unit.empty() && llvm::any_of(cond.getResults(), isTile))
        unit = machine.unitFor("vector")->name;
      if (same && !unit.empty())
        setUnit(&op, unit);
    }
  }

  //===-- stages
  //---------------------------------------------------------------------------------------------------===//

  std::optional<int64_t> tagStage(DictionaryAttr stages, Operation *op) {
    std::optional<int64_t> found;
    op->walk([&](Operation *inner) {
      auto tag = inner->getAttrOfType<StringAttr>("tag");
      auto number = tag && stages ? stages.getAs<IntegerAttr>(tag.getValue()) : IntegerAttr();
      if (number && !found)
        found = number.getInt();
    });
    return found;
  }

  DictionaryAttr stagesOf(scf::ForOp loop) {
    auto name = loop->getAttrOfType<LoopAttr>(kLoopAttr);
    auto schedule = kernel.getSchedule();
    if (!name || !schedule || !schedule->getLoops())
      return {};
    auto entry = schedule->getLoops().getAs<DictionaryAttr>(name.getName());
    return entry ? entry.getAs<DictionaryAttr>("stages") : DictionaryAttr();
  }

  /// A unit that loads for itself does so when it needs the tile.
  int64_t leadOf(Operation *load) {
    auto tag = load->getAttrOfType<StringAttr>("tag");
    auto lead = dyn_cast_or_null<IntegerAttr>(opField(kernel, tag ? tag.getValue() : "", "lead"));
    if (lead)
      return lead.getInt();
    return unitOf(load) == machine.unitFor("vector")->name ? 0 : machine->value("default_lead", 1);
  }

  /// Users of an op's results as ops of `block`.
  static SmallVector<Operation *> usersIn(Block *block, Operation *op) {
    SmallVector<Operation *> users;
    for (Operation *user : op->getUsers())
      if (Operation *top = block->findAncestorOpInBlock(*user))
        users.push_back(top);
    return users;
  }
  /// Ops of `block` that define what `op` (with its regions) reads.
  static SmallVector<Operation *> sourcesIn(Block *block, Operation *op) {
    SmallVector<Operation *> sources;
    op->walk([&](Operation *inner) {
      for (Value v : inner->getOperands())
        if (Operation *def = v.getDefiningOp(); def && def->getBlock() == block)
          sources.push_back(def);
    });
    return sources;
  }

  /// Own tag, else the nearest consumer's stage, else the latest producer's.
  LogicalResult assignStages(scf::ForOp loop) {
    Block *block = loop.getBody();
    DictionaryAttr stages = stagesOf(loop);
    llvm::MapVector<Operation *, std::optional<int64_t>> stage;
    for (Operation &op : block->without_terminator())
      if (!unitOf(&op).empty())
        stage[&op] = tagStage(stages, &op);
    for (Operation &op : llvm::reverse(*block)) {
      if (!stage.count(&op) || stage[&op])
        continue;
      for (Operation *user : usersIn(block, &op))
        if (auto it = stage.find(user); it != stage.end() && it->second && (!stage[&op] || *it->second < *stage[&op]))
          stage[&op] = it->second;
    }
    for (auto &[op, s] : stage) {
      if (s)
        continue;
      s = 0;
      for (Operation *source : sourcesIn(block, op))
        if (auto it = stage.find(source); it != stage.end() && it->second)
          s = std::max(*s, *it->second);
    }
    for (auto &[op, s] : stage) {
      int64_t lead = isa<LoadOp>(op) ? leadOf(op) : 0;
      setStage(op, *s - lead);
      if (lead)
        op->setAttr(kLead, Builder(op).getI64IntegerAttr(lead));
    }
    return checkStages(loop);
  }

  /// Values never flow to an earlier stage, and what reads a loop-carried tile computes its next value too.
  LogicalResult checkStages(scf::ForOp loop) {
    Block *block = loop.getBody();
    for (Operation &op : block->without_terminator()) {
      if (unitOf(&op).empty())
        continue;
      for (Operation *source : sourcesIn(block, &op))
        if (!unitOf(source).empty() && stageOf(source) > stageOf(&op))
          return op.emitOpError() << "is in stage " << stageOf(&op) << " and reads a value of stage " << stageOf(source)
                                  << "; give it a later stage in #tile.schedule";
    }
    for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs())) {
      Operation *owner = loop.getYieldedValues()[i].getDefiningOp();
      if (!isTile(arg) || !owner || owner->getBlock() != block || unitOf(owner).empty())
        continue;
      for (Operation *user : arg.getUsers()) {
        Operation *top = block->findAncestorOpInBlock(*user);
        if (top == block->getTerminator() || isFree(top))
          continue;
        if (unitOf(top) != unitOf(owner) || stageOf(top) != stageOf(owner))
          return top->emitOpError() << "reads loop-carried value " << i << " on unit " << unitOf(top) << " in stage "
                                    << stageOf(top) << ", which is computed on " << unitOf(owner) << " in stage "
                                    << stageOf(owner) << "; put the whole cycle into one stage";
      }
    }
    return success();
  }

  KernelOp kernel;
  MachineView machine;
};

} // namespace

LogicalResult assignUnits(KernelOp kernel, const Machine &machine) { return UnitAssigner(kernel, machine).run(); }

namespace {
struct AssignUnitsPass : impl::AssignUnitsBase<AssignUnitsPass> {
  using AssignUnitsBase::AssignUnitsBase;
  void runOnOperation() override {
    FailureOr<Machine> machine = machineForPass(getOperation(), this->machine);
    if (failed(machine))
      return signalPassFailure();
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (failed(assignUnits(kernel, *machine)))
        return signalPassFailure();
  }
};
} // namespace

} // namespace adze::schedule
