// plan-memory: rings, carried tiles and scratch get their places; flags that other waits imply are dropped.
#include "compiler/schedule/plan-memory/PlanMemory.h"
#include "compiler/schedule/plan-memory/ImpliedFlags.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace adze::schedule {
#define GEN_PASS_DEF_PLANMEMORY
#include "compiler/schedule/plan-memory/PlanMemory.h.inc"

namespace {
using namespace tile;

SmallVector<ChannelOp> channelsOf(KernelOp kernel) {
  SmallVector<ChannelOp> channels;
  for (ChannelOp c : kernel.getBody().front().getOps<ChannelOp>())
    channels.push_back(c);
  return channels;
}

/// Copies of a channel that lie in one memory.
uint64_t copiesIn(const Memory &m, ChannelOp c) { return m.perInstance ? 1 : c.getCopies(); }

uint64_t slotBytes(const Memory &m, ChannelOp c) {
  return llvm::alignTo(tileBytes(c.getChannel().getType().getItem()), m.align) * c.getBatch();
}
uint64_t ringBytes(const Memory &m, ChannelOp c) { return slotBytes(m, c) * c.getDepth() * copiesIn(m, c); }

/// Memory that a unit's own values lie in: where its results first rest.
const Memory *homeOf(const MachineView &machine, StringRef unit) {
  for (StringRef port : {"vector", "matrix.acc"})
    for (const Path &p : machine->paths)
      if (p.from == port && p.unit == unit)
        return machine.memory(p.to);
  return nullptr;
}

//===-- scratch
//----------------------------------------------------------------------------------------------------===//

/// Peak bytes of the tiles that live inside one strip or op sequence. A result takes the place of an operand that dies
/// with it and is at least as large; free tiles, broadcasts and what is computed from them alone cost nothing (a stride
/// of zero, an index computed per element); a dot added to an accumulator at its only use accumulates in place (licence
/// F2).
class ScratchMeter {
public:
  explicit ScratchMeter(StringRef home) : home(home) {}
  uint64_t peakOf(Block &block) {
    run(block);
    return peak;
  }

private:
  static bool isView(Operation *op) { return isa<BroadcastOp, ReshapeOp, SliceOp, ExtractOp, GetOp>(op); }
  static bool addsInPlace(Operation *op) {
    return isa<DotOp>(op) && op->getResult(0).hasOneUse() &&
           (*op->getUsers().begin())->getName().getStringRef() == "math.fma";
  }
  bool costsNothing(Operation *op) {
    if (isFree(op) || isView(op) || addsInPlace(op) || isa<EmptyOp, InsertOp>(op))
      return true;
    return !op->getNumRegions() &&
           llvm::all_of(op->getOperands(), [&](Value v) { return !isTile(v) || cheap.contains(v); });
  }

  /// The value whose storage a view uses.
  static Value storageOf(Value v) {
    while (Operation *def = v.getDefiningOp()) {
      if (!isView(def) || isa<GetOp, ExtractOp>(def))
        return v;
      v = def->getOperand(0);
    }
    return v;
  }

  void run(Block &block) {
    llvm::DenseMap<Value, Operation *> lastUse;
    for (Operation &op : block)
      op.walk([&](Operation *inner) {
        for (Value v : inner->getOperands())
          if (Operation *top = block.findAncestorOpInBlock(*inner))
            lastUse[storageOf(v)] = top;
      });
    for (Operation &op : block) {
      SmallVector<Value> dying = dyingAt(op, block, lastUse);
      uint64_t before = live;
      llvm::DenseSet<Value> outer;
      outer.insert(dying.begin(), dying.end());
      std::swap(outer, dyingOutside);
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          run(inner);
      std::swap(outer, dyingOutside);
      live = before;
      for (Value result : op.getResults())
        if (isTile(result))
          place(op, result, dying);
      for (Value v : dying)
        live -= places[v].charged;
    }
  }

  /// Values whose last use is `op`. A part that is read from a slot or a larger tile for the last time lends its
  /// storage.
  SmallVector<Value> dyingAt(Operation &op, Block &block, const llvm::DenseMap<Value, Operation *> &lastUse) {
    llvm::SetVector<Value> dying;
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        Value v = storageOf(operand);
        Operation *def = v.getDefiningOp();
        if (!isTile(v) || lastUse.lookup(v) != &op || !def)
          continue;
        if (def->getBlock() != &block && !dyingOutside.contains(v))
          continue;
        if (isa<ExtractOp>(def) || (isa<GetOp>(def) && !isCopiedHere(cast<GetOp>(def))))
          places.try_emplace(v, Place{tileBytes(v.getType()), 0});
        if (places.count(v))
          dying.insert(v);
      }
    });
    return dying.takeVector();
  }

  /// A result that only goes into a channel of the unit's own memory is computed in the slot.
  bool isComputedInSlot(Value v) const {
    if (!v.hasOneUse())
      return false;
    auto put = dyn_cast<PutOp>(*v.getUsers().begin());
    auto acquire = put ? put.getSlot().getDefiningOp<AcquireOp>() : AcquireOp();
    return acquire && acquire.getChannel().getDefiningOp<ChannelOp>().getMemory() == home;
  }

  /// A tile from another memory than the unit's own is copied when it is read, unless the matrix unit reads it there.
  bool isCopiedHere(GetOp get) const {
    Operation *origin = get.getSlot().getDefiningOp();
    auto channel = origin ? origin->getOperand(0).getDefiningOp<ChannelOp>() : ChannelOp();
    return channel && channel.getMemory() != home &&
           !llvm::all_of(get.getTile().getUsers(), [](Operation *user) { return isa<DotOp>(user); });
  }

  void place(Operation &op, Value result, SmallVectorImpl<Value> &dying) {
    bool copied = isa<GetOp>(op) && isCopiedHere(cast<GetOp>(op));
    if (!copied && costsNothing(&op)) {
      if (!isa<GetOp, ExtractOp, InsertOp>(op))
        cheap.insert(result);
      return;
    }
    if (isComputedInSlot(result))
      return;
    uint64_t bytes = tileBytes(result.getType());
    auto reused = llvm::find_if(dying, [&](Value v) { return places[v].storage >= bytes; });
    if (reused != dying.end()) {
      places[result] = places[*reused];
      dying.erase(reused);
      return;
    }
    places[result] = {bytes, bytes};
    live += bytes;
    peak = std::max(peak, live);
  }

  StringRef home;
  struct Place {
    uint64_t storage, charged; // charged: 0 where the storage is a channel's or a larger tile's
  };
  llvm::DenseMap<Value, Place> places;
  llvm::DenseSet<Value> cheap, dyingOutside; // dyingOutside: last used by the op whose region is being run
  uint64_t live = 0, peak = 0;
};

class Meter {
public:
  Meter(KernelOp kernel, const Machine &machine) : kernel(kernel), machine(machine) {}

  Footprint run() {
    for (const Memory &m : machine->memories)
      use.memories[m.name].capacity = m.bytes;
    for (ChannelOp c : channelsOf(kernel))
      addChannel(c);
    addValues(kernel.getBody().front());
    for (auto &[key, bytes] : scratch)
      add(key.first, "scratch of unit " + key.second, bytes);
    use.totalRingBytes = use.ringBytes * machine->value("programs", 1);
    use.l2Bytes = machine->value("l2_bytes");
    return std::move(use);
  }

private:
  void add(StringRef memory, const Twine &what, uint64_t bytes) {
    const Memory *m = machine.memory(memory);
    if (!m || !bytes)
      return;
    MemoryUse &u = use.memories[memory.str()];
    bytes = llvm::alignTo(bytes, m->align);
    u.bytes += bytes;
    u.occupants.push_back({what.str(), bytes});
  }

  void addChannel(ChannelOp c) {
    const Memory *m = machine.memory(c.getMemory());
    if (!m)
      return;
    uint64_t bytes = ringBytes(*m, c);
    std::string what =
        c.getName().str() + " (" + std::to_string(c.getDepth()) + " slots of " + std::to_string(slotBytes(*m, c)) + ")";
    add(m->name, what, bytes);
    bool partials = c.getTo() == kProgramUnit;
    if (m->bytes == 0 && !partials)
      use.ringBytes += bytes;
    auto items = c->getAttrOfType<IntegerAttr>("tile.items");
    if (!items || !items.getInt() || c.getLocal())
      return;
    const Unit *from = machine.unit(c.getFrom()), *to = machine.unit(c.getTo());
    // One flag for full and one for free, each once a slot.
    int64_t flags = (c.getImplied() ? 1 : 2) * items.getInt() * (use.batch / c.getBatch());
    (from && to && from->core == to->core ? use.coreFlags : use.crossFlags) += flags;
  }

  /// Tiles that a unit holds for longer than a strip: carried by shared loops, or passed on inside one unit.
  void addValues(Block &block) {
    for (Operation &op : block) {
      StringRef unit = unitOf(&op);
      if (auto loop = dyn_cast<scf::ForOp>(op); loop && unit.empty())
        addCarried(loop);
      if (isa<ProcessOp>(op) || (unit.empty() && op.getNumRegions())) {
        for (Region &region : op.getRegions())
          for (Block &inner : region)
            addValues(inner);
        continue;
      }
      if (unit.empty())
        continue;
      const Memory *home = homeOf(machine, unit);
      if (!home)
        continue;
      addScratch(op, unit, *home);
      for (Value v : op.getResults())
        if (isTile(v) && isHeld(v))
          add(home->name, "tile of " + nameOf(op), share(v.getType(), unit, *home));
    }
  }

  /// A tile that another item of the same unit reads whole or in strips: it exists as a whole.
  static bool isHeld(Value v) {
    Operation *def = v.getDefiningOp();
    if (isa<GetOp>(def) || !isa<scf::ForOp>(def))
      return false;
    return llvm::any_of(v.getUsers(), [](Operation *user) {
      return !isa<PutOp>(user) && !(isa<scf::YieldOp>(user) && unitOf(user->getParentOp()).empty());
    });
  }

  static std::string nameOf(Operation &op) {
    if (auto loop = op.getAttrOfType<LoopAttr>(kLoopAttr))
      return loop.getName().str();
    auto tag = op.getAttrOfType<StringAttr>("tag");
    return tag ? tag.getValue().str() : op.getName().getStringRef().str();
  }

  /// Bytes of a unit's tile in one memory: instances that have a memory each divide its rows.
  uint64_t share(Type type, StringRef unit, const Memory &home) {
    uint64_t bytes = tileBytes(type), n = machine.instances(unit);
    return home.perInstance && cast<RankedTensorType>(type).getDimSize(0) % n == 0 ? bytes / n : bytes;
  }

  void addCarried(scf::ForOp loop) {
    for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs())) {
      Operation *owner = ownerOf(loop.getYieldedValues()[i]);
      if (!isTile(arg) || !owner)
        continue;
      // An accumulator that leaves by a channel lies in that channel's slot from the start.
      bool inSlot = llvm::any_of(loop.getResult(i).getUsers(), [](Operation *user) { return isa<PutOp>(user); });
      const Memory *home = homeOf(machine, unitOf(owner));
      if (home && !inSlot)
        add(home->name, "carried value " + std::to_string(i) + " of loop " + nameOf(*loop.getOperation()),
            share(arg.getType(), unitOf(owner), *home));
    }
  }

  void addScratch(Operation &op, StringRef unit, const Memory &home) {
    auto loop = dyn_cast<scf::ForOp>(op);
    if (!loop || machine.unitFor("vector")->name != unit)
      return;
    uint64_t bytes = ScratchMeter(home.name).peakOf(*loop.getBody());
    if (!home.perInstance)
      bytes *= machine.instances(unit);
    uint64_t &most = scratch[{home.name, unit.str()}];
    most = std::max(most, bytes);
  }

public:
  Footprint use;

private:
  KernelOp kernel;
  MachineView machine;
  std::map<std::pair<std::string, std::string>, uint64_t> scratch;
};

/// Steps of the kernel's staged loop: the largest batch of any channel.
int64_t batchOf(KernelOp kernel) {
  int64_t batch = 1;
  for (ChannelOp c : channelsOf(kernel))
    batch = std::max<int64_t>(batch, c.getBatch());
  return batch;
}

/// Channels of whole tiles in a loop with `batch = n` hand over n iterations with one flag.
void applyBatch(KernelOp kernel, const MachineView &machine) {
  kernel.getBody().walk([&](scf::ForOp loop) {
    if (!unitOf(loop).empty())
      return;
    int64_t batch = loopBatch(kernel, loop);
    for (Operation &op : *loop.getBody())
      if (auto acquire = dyn_cast<AcquireOp>(op)) {
        auto c = acquire.getChannel().getDefiningOp<ChannelOp>();
        if (machine.memory(c.getMemory())->bytes == 0)
          c.setBatch(batch);
      }
  });
}

/// Gives up what is not needed: spare slots first, then the leads of loads; the largest saving first. False when
/// nothing in `memory` can be given up.
bool relax(KernelOp kernel, const MachineView &machine, StringRef memory) {
  const Memory &m = *machine.memory(memory);
  ChannelOp best;
  for (ChannelOp c : channelsOf(kernel)) {
    auto needed = c->getAttrOfType<IntegerAttr>("tile.needed");
    if (c.getMemory() == memory && needed && static_cast<int64_t>(c.getDepth()) > needed.getInt() &&
        (!best || slotBytes(m, c) * copiesIn(m, c) > slotBytes(m, best) * copiesIn(m, best)))
      best = c;
  }
  if (best) {
    best.setDepth(best.getDepth() - 1);
    return true;
  }
  Operation *load = nullptr;
  kernel.getBody().walk([&](Operation *op) {
    if (!op->hasAttr(kLead) || op->getAttrOfType<IntegerAttr>(kLead).getInt() < 1)
      return;
    for (Operation &other : *op->getBlock())
      if (auto put = dyn_cast<PutOp>(other); put && put.getTile().getDefiningOp() == op)
        if (auto c = put.getSlot().getDefiningOp<AcquireOp>().getChannel().getDefiningOp<ChannelOp>();
            c.getMemory() == memory && c.getDepth() > 1 && (!best || slotBytes(m, c) > slotBytes(m, best))) {
          best = c;
          load = op;
        }
  });
  if (!load)
    return false;
  // A load that does not run ahead shares its reader's stage: there one slot does, whatever the batch.
  int64_t items = best->getAttrOfType<IntegerAttr>("tile.items").getInt();
  if (auto loop = dyn_cast<scf::ForOp>(load->getParentOp()))
    items *= loopBatch(kernel, loop);
  bool last = load->getAttrOfType<IntegerAttr>(kLead).getInt() == 1;
  best.setDepth(last ? 1 : std::max<int64_t>(1, best.getDepth() - items));
  best->setAttr("tile.needed", Builder(best).getI64IntegerAttr(best.getDepth()));
  int64_t item = load->getAttrOfType<IntegerAttr>(kItem).getInt();
  load->setAttr(kLead, Builder(load).getI64IntegerAttr(load->getAttrOfType<IntegerAttr>(kLead).getInt() - 1));
  for (Operation &op : *load->getBlock())
    if (auto number = op.getAttrOfType<IntegerAttr>(kItem);
        number && number.getInt() == item && unitOf(&op) == unitOf(load))
      setStage(&op, stageOf(&op) + 1);
  return true;
}

/// Channels of a memory lie one after the other; carried tiles and scratch follow.
void placeChannels(KernelOp kernel, const MachineView &machine) {
  std::map<std::string, uint64_t> next;
  for (ChannelOp c : channelsOf(kernel)) {
    const Memory *m = machine.memory(c.getMemory());
    uint64_t &at = next[m->name];
    at = llvm::alignTo(at, m->align);
    c.setOffset(at);
    at += ringBytes(*m, c);
  }
}

} // namespace

std::string Footprint::overflow() const {
  for (const auto &[name, u] : memories) {
    if (!u.capacity || u.bytes <= u.capacity)
      continue;
    std::string text =
        "memory " + name + " needs " + std::to_string(u.bytes) + " bytes of " + std::to_string(u.capacity) + ":";
    for (const Occupant &o : u.occupants)
      text += " " + o.what + " " + std::to_string(o.bytes) + ";";
    return text;
  }
  if (l2Bytes && totalRingBytes > l2Bytes) {
    auto it = memories.find(kDeviceMemory.str());
    std::string text = "the rings in device memory need " + std::to_string(totalRingBytes) + " bytes of L2 of " +
                       std::to_string(l2Bytes) + ", " + std::to_string(ringBytes) + " a program:";
    if (it != memories.end())
      for (const Occupant &o : it->second.occupants)
        text += " " + o.what + " " + std::to_string(o.bytes) + ";";
    return text;
  }
  return "";
}

Footprint measure(KernelOp kernel, const Machine &machine) {
  Meter meter(kernel, machine);
  meter.use.batch = batchOf(kernel);
  return meter.run();
}

LogicalResult planMemory(KernelOp kernel, const Machine &machine, bool reportOverflow) {
  MachineView view(machine);
  applyBatch(kernel, view);
  Footprint use = measure(kernel, machine);
  while (!use.overflow().empty()) {
    bool relaxed = false;
    for (const auto &[name, u] : use.memories)
      if (u.capacity && u.bytes > u.capacity)
        relaxed |= relax(kernel, view, name);
    if (!relaxed) {
      if (reportOverflow)
        kernel.emitError() << "kernel @" << kernel.getSymName() << " does not fit " << machine.name << ": "
                           << use.overflow() << " plan smaller tiles";
      return failure();
    }
    use = measure(kernel, machine);
  }
  dropImpliedFlags(kernel, machine);
  placeChannels(kernel, view);
  return success();
}

namespace {
struct PlanMemoryPass : impl::PlanMemoryBase<PlanMemoryPass> {
  using PlanMemoryBase::PlanMemoryBase;
  void runOnOperation() override {
    FailureOr<Machine> machine = machineForPass(getOperation(), this->machine);
    if (failed(machine))
      return signalPassFailure();
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (failed(planMemory(kernel, *machine)))
        return signalPassFailure();
  }
};
} // namespace

} // namespace adze::schedule
