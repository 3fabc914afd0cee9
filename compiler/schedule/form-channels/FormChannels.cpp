// form-channels: every tile that crosses units or stages travels through bounded channels, one for each memory in which
// it rests on its route; nothing else gets a ring. docs/staging.md has the rules for chunks, stages and depths.
#include "compiler/schedule/form-channels/FormChannels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <set>

using namespace mlir;

namespace adze::schedule {
#define GEN_PASS_DEF_FORMCHANNELS
#include "compiler/schedule/form-channels/FormChannels.h.inc"

namespace {
using namespace tile;

/// How a tile is cut on one end: whole, or parts of `size` along `dim`. `rows`: the parts are strips of rows, which the
/// instances of a unit divide among them.
struct Chunk {
  unsigned dim = 0;
  int64_t size = 0; // 0 = whole
  bool rows = false;
  bool whole() const { return size == 0; }
  bool operator==(const Chunk &o) const { return dim == o.dim && size == o.size && rows == o.rows; }
};

/// The uses of one value on one unit in one stage.
struct Group {
  StringRef unit;
  int64_t stage = 0;
  Block *block = nullptr;
  SmallVector<OpOperand *> uses;
  SmallVector<Operation *> items; // in block order
};

class ChannelFormer {
public:
  ChannelFormer(KernelOp kernel, const Machine &machine)
      : kernel(kernel), machine(machine), body(kernel.getBody().front()) {}

  LogicalResult run() {
    SmallVector<Value> values;
    collect(body, values);
    anchor = &body.front();
    for (Value v : values)
      if (failed(formValue(v)))
        return failure();
    dropDeadResults();
    interleaveStreams(body);
    return success();
  }

private:
  //===-- reading the text
  //-----------------------------------------------------------------------------------------===//

  void collect(Block &block, SmallVectorImpl<Value> &values) {
    for (Operation &op : block) {
      if (!unitOf(&op).empty())
        op.setAttr(kItem, Builder(&op).getI64IntegerAttr(nextItem++));
      else
        for (Region &region : op.getRegions())
          for (Block &inner : region)
            collect(inner, values);
      for (Value v : op.getResults())
        if (isTile(v) && !isFree(&op) && !ownerUnit(v).empty())
          values.push_back(v);
    }
  }

  static StringRef ownerUnit(Value v) {
    Operation *op = ownerOf(v);
    return op ? unitOf(op) : StringRef();
  }

  /// The node at which the value appears: a port of the unit that computes it, or device memory.
  static StringRef sourceNode(Value v) {
    while (true) {
      auto result = dyn_cast<OpResult>(v);
      if (!result)
        return "vector";
      Operation *op = result.getOwner();
      if (auto loop = dyn_cast<scf::ForOp>(op))
        v = loop.getYieldedValues()[result.getResultNumber()];
      else if (auto cond = dyn_cast<scf::IfOp>(op))
        v = cond.thenYield().getOperand(result.getResultNumber());
      else if (auto insert = dyn_cast<InsertOp>(op))
        v = insert.getSource();
      else
        return isa<DotOp>(op)    ? StringRef("matrix.acc")
               : isa<LoadOp>(op) ? StringRef(kDeviceMemory)
                                 : StringRef("vector");
    }
  }

  static StringRef targetNode(OpOperand *use) {
    Operation *op = use->getOwner();
    if (auto part = dyn_cast<ExtractOp>(op))
      return part.getTile().use_empty() ? StringRef("vector") : targetNode(&*part.getTile().use_begin());
    if (isa<DotOp>(op))
      return use->getOperandNumber() == 0   ? StringRef("matrix.a")
             : use->getOperandNumber() == 1 ? StringRef("matrix.b")
                                            : StringRef("matrix.acc");
    return isa<StoreOp, YieldOp>(op) ? StringRef(kDeviceMemory) : StringRef("vector");
  }

  /// The nearest enclosing op that belongs to a unit; the body's terminator belongs to the program.
  static Operation *itemOf(Operation *op) {
    while (op && unitOf(op).empty() && !isa<YieldOp>(op))
      op = isa<KernelOp>(op->getParentOp()) ? nullptr : op->getParentOp();
    return op;
  }

  LogicalResult group(Value v, SmallVectorImpl<Group> &groups) {
    for (OpOperand &use : v.getUses()) {
      Operation *user = use.getOwner();
      if (isa<scf::YieldOp>(user) && unitOf(user->getParentOp()).empty())
        continue; // carried by its own unit, or the result of a shared loop
      if (auto loop = dyn_cast<scf::ForOp>(user); loop && unitOf(loop).empty()) {
        unsigned i = use.getOperandNumber() - loop.getNumControlOperands();
        StringRef owner = ownerUnit(loop.getResult(i));
        if (owner.empty() || owner == ownerUnit(v))
          continue;
        return loop.emitOpError() << "starts loop-carried value " << i << " of unit " << owner
                                  << " with a tile of unit " << ownerUnit(v)
                                  << ", which is not staged; start it with a constant";
      }
      Operation *item = itemOf(user);
      if (!item)
        continue;
      StringRef unit = isa<YieldOp>(item) ? StringRef(kProgramUnit) : unitOf(item);
      int64_t stage = stageOf(item);
      auto it = llvm::find_if(
          groups, [&](const Group &g) { return g.unit == unit && g.stage == stage && g.block == item->getBlock(); });
      if (it == groups.end()) {
        groups.push_back({unit, stage, item->getBlock(), {}, {}});
        it = std::prev(groups.end());
      }
      it->uses.push_back(&use);
      if (!llvm::is_contained(it->items, item))
        it->items.push_back(item);
    }
    for (Group &g : groups)
      llvm::sort(g.items, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    return success();
  }

  LogicalResult formValue(Value v) {
    SmallVector<Group> groups;
    if (failed(group(v, groups)))
      return failure();
    Operation *def = v.getDefiningOp(), *owner = ownerOf(v);
    StringRef unit = unitOf(owner);
    int64_t stage = owner == def ? stageOf(owner) : 0;
    for (Group &g : groups) {
      bool sameBlock = g.block == def->getBlock();
      if (g.unit == unit && (!sameBlock || g.stage == stage))
        continue;
      if (failed(formRoute(v, unit, sameBlock ? stage : g.stage, g, sameBlock)))
        return failure();
    }
    return success();
  }

  //===-- one route
  //------------------------------------------------------------------------------------------------===//

  struct Stop { // a memory on the route
    const Memory *memory;
    StringRef from, to; // units
    Chunk chunk;
    int64_t fromStage, toStage;
    int64_t copies = 1;
    Value channel;
  };

  /// How the producing item inserts the value part by part.
  Chunk producerChunk(Value v) {
    auto loop = v.getDefiningOp<scf::ForOp>();
    if (!loop || unitOf(loop).empty())
      return {};
    auto insert = loop.getYieldedValues()[cast<OpResult>(v).getResultNumber()].getDefiningOp<InsertOp>();
    if (!insert)
      return {};
    return chunkOf(loop, insert.getOffsets(), cast<RankedTensorType>(insert.getSource().getType()));
  }
  Chunk consumerChunk(const Group &g) {
    if (g.items.size() != 1 || g.uses.size() != 1)
      return {};
    auto loop = dyn_cast<scf::ForOp>(g.items.front());
    auto part = dyn_cast<ExtractOp>(g.uses.front()->getOwner());
    if (!loop || !part || part->getParentOp() != loop)
      return {};
    return chunkOf(loop, part.getOffsets(), cast<RankedTensorType>(part.getTile().getType()));
  }
  static Chunk chunkOf(scf::ForOp loop, OperandRange offsets, RankedTensorType part) {
    for (auto [d, offset] : llvm::enumerate(offsets))
      if (offset == loop.getInductionVar())
        return {static_cast<unsigned>(d), part.getDimSize(d), loop->hasAttr(kRows)};
    return {};
  }

  LogicalResult formRoute(Value v, StringRef unit, int64_t stage, Group &g, bool sameBlock) {
    auto type = cast<RankedTensorType>(v.getType());
    SmallVector<Stop> stops;
    if (failed(findStops(v, unit, stage, g, stops)))
      return failure();
    chooseChunks(v, g, stops, sameBlock);
    // Hops up to the boundary run with the producer, later ones with the consumer. A tile from outside the loop rests
    // in the last memory but one for the whole loop.
    size_t n = stops.size(), boundary = 0;
    if (sameBlock) {
      boundary = boundaryOf(stops);
      for (size_t i = 0; i < n; ++i) {
        stops[i].fromStage = i <= boundary ? stage : g.stage;
        stops[i].toStage = i < boundary ? stage : g.stage;
      }
    } else {
      boundary = n >= 2 ? n - 2 : 0;
      for (size_t i = 0; i < n; ++i)
        stops[i].fromStage = stops[i].toStage = g.stage;
    }
    Operation *around = g.block->getParentOp();
    bool inLoop = isa<scf::ForOp>(around) || around->getParentOfType<scf::ForOp>();
    for (size_t i = 0; i < n; ++i) {
      bool staged = inLoop && (sameBlock || i > boundary);
      // Flags of rings in device memory are set once a step; elsewhere each iteration has its own slot. A unit does all
      // iterations of a step in one stage before it goes on to the next stage.
      auto loop = dyn_cast<scf::ForOp>(g.block->getParentOp());
      int64_t batch = loop && stops[i].memory->bytes ? loopBatch(kernel, loop) : 1;
      makeChannel(v, type, stops[i], staged, batch);
    }
    Operation *def = v.getDefiningOp();
    Operation *outer = sameBlock ? nullptr : def->getBlock()->findAncestorOpInBlock(*g.items.front());
    putValue(v, stops[0]);
    // Hops of the producer, each after the one before.
    Operation *after = lastOf[v];
    for (size_t i = 1; i <= boundary && i < n; ++i) {
      OpBuilder b(after->getBlock(), std::next(Block::iterator(after)));
      after = hop(b, v, type, stops[i - 1], stops[i], Value());
    }
    lastOf[v] = after;
    // The channel that a loop-invariant tile rests in is taken once, around the loop.
    Value resident;
    if (outer) {
      OpBuilder before(outer);
      Stop &rest = stops[boundary];
      resident = mark(WaitOp::create(before, v.getLoc(), SlotType::get(kernel.getContext(), itemType(type, rest)),
                                     rest.channel, Value()),
                      rest.to, 0, 0, outer->getBlock())
                     ->getResult(0);
      OpBuilder behind(outer->getBlock(), std::next(Block::iterator(outer)));
      mark(ReleaseOp::create(behind, v.getLoc(), resident), rest.to, 0, 0, outer->getBlock());
    }
    // Hops of the consumer, before its first item.
    for (size_t i = boundary + 1; i < n; ++i) {
      OpBuilder b(g.items.front());
      hop(b, v, type, stops[i - 1], stops[i], i == boundary + 1 ? resident : Value());
    }
    getValue(v, type, stops[n - 1], g, n - 1 == boundary ? resident : Value());
    return success();
  }

  LogicalResult findStops(Value v, StringRef unit, int64_t stage, Group &g, SmallVectorImpl<Stop> &stops) {
    StringRef from = sourceNode(v), to = targetNode(g.uses.front());
    if (g.unit == unit) { // a ring for a later stage of the same unit, where its results first rest
      auto home = llvm::find_if(machine->paths, [&](const Path &p) { return p.from == from && p.unit == unit; });
      if (home == machine->paths.end())
        return g.items.front()->emitOpError() << "needs a tile of an earlier stage, but machine " << machine->name
                                              << " has no path from " << from << " on unit " << unit;
      stops.push_back({machine.memory(home->to), unit, g.unit, {}, stage, g.stage, 1, {}});
      return success();
    }
    Route route = machine.route(from, to);
    if (route.empty())
      return g.items.front()->emitOpError()
             << "needs a tile of unit " << unit << ", but machine " << machine->name << " has no path from " << from
             << " to " << to << "; complete its table of paths";
    for (size_t i = 0; i < route.size(); ++i) {
      StringRef next = i + 1 < route.size() ? StringRef(route[i + 1]->unit) : g.unit;
      if (route[i]->unit != next)
        stops.push_back({machine.memory(route[i]->to), route[i]->unit, next, {}, stage, g.stage, 1, {}});
    }
    if (stops.empty() || stops.front().from != unit || stops.back().to != g.unit)
      return g.items.front()->emitOpError()
             << "on unit " << g.unit << " cannot take a tile of unit " << unit << ": the route from " << from << " to "
             << to << " of machine " << machine->name << " begins or ends with another unit";
    return success();
  }

  void chooseChunks(Value v, const Group &g, MutableArrayRef<Stop> stops, bool sameBlock) {
    Chunk first = producerChunk(v), last = consumerChunk(g);
    auto bounded = [](const Stop &s) { return s.memory->bytes != 0; };
    size_t n = stops.size();
    if (n == 1) {
      stops[0].chunk = first == last && bounded(stops[0]) && sameBlock ? first : Chunk();
    } else {
      stops.front().chunk = bounded(stops.front()) ? first : Chunk();
      stops.back().chunk = bounded(stops.back()) ? last : Chunk();
      for (size_t i = 0; i + 1 < n; ++i)
        if (!stops[i].chunk.whole() && !stops[i + 1].chunk.whole() && !(stops[i].chunk == stops[i + 1].chunk))
          stops[i].chunk = {};
    }
    for (Stop &s : stops) {
      int64_t np = machine.instances(s.from), nc = machine.instances(s.to);
      if (s.chunk.rows)
        s.copies = std::max(np, nc);
      else if (np == nc && s.memory->perInstance)
        s.copies = np;
    }
  }

  /// The memory that holds the value between the producer's stage and the consumer's: device memory if it passes there,
  /// else the last one that may hold rings.
  static size_t boundaryOf(ArrayRef<Stop> stops) {
    for (auto [i, s] : llvm::enumerate(stops))
      if (s.memory->bytes == 0)
        return i;
    for (size_t i = stops.size(); i-- > 0;)
      if (stops[i].memory->ring)
        return i;
    return 0;
  }

  //===-- channels
  //-------------------------------------------------------------------------------------------------===//

  RankedTensorType itemType(RankedTensorType whole, const Stop &s) const {
    SmallVector<int64_t> shape(whole.getShape());
    if (!s.chunk.whole())
      shape[s.chunk.dim] = s.chunk.size;
    return RankedTensorType::get(shape, whole.getElementType());
  }
  /// Items of one iteration in one copy.
  int64_t itemsPerIteration(RankedTensorType whole, const Stop &s) const {
    if (s.chunk.whole())
      return 1;
    int64_t parts = whole.getDimSize(s.chunk.dim) / s.chunk.size;
    return s.chunk.rows ? parts / s.copies : parts;
  }

  std::string nameOf(Value v, StringRef memory) {
    std::string base;
    Operation *def = v.getDefiningOp();
    if (auto loop = dyn_cast<scf::ForOp>(def))
      if (auto attr = loop->getAttrOfType<LoopAttr>(kLoopAttr)) {
        base = attr.getName().split('.').first.str();
        if (loop.getNumResults() > 1)
          base += "." + std::to_string(cast<OpResult>(v).getResultNumber());
      }
    if (auto tag = def->getAttrOfType<StringAttr>("tag"))
      base = tag.getValue().str();
    if (base.empty())
      base = "t";
    std::string name = base + "." + memory.str();
    for (int n = 2; !names.insert(name).second; ++n)
      name = base + "." + memory.str() + "." + std::to_string(n);
    return name;
  }

  void makeChannel(Value v, RankedTensorType type, Stop &s, bool staged, int64_t batch) {
    OpBuilder b(anchor);
    int64_t items = itemsPerIteration(type, s);
    int64_t distance = staged ? s.toStage - s.fromStage : 0;
    bool local = s.from == s.to;
    // A strip ring between stages holds all strips of every iteration between the two ends.
    int64_t needed = distance > 0 ? (distance + 1) * batch * items : 1;
    // Between asynchronous units of one stage a second slot lets them overlap; plan-memory may take it back.
    bool spare = !local && distance == 0 && (staged || items > 1) && s.memory->bytes;
    auto channel = ChannelOp::create(b, v.getLoc(), ChannelType::get(kernel.getContext(), itemType(type, s)),
                                     b.getStringAttr(nameOf(v, s.memory->name)), b.getStringAttr(s.memory->name),
                                     b.getI64IntegerAttr(needed + spare), b.getI64IntegerAttr(1),
                                     b.getI64IntegerAttr(s.copies), b.getStringAttr(s.from), b.getStringAttr(s.to),
                                     local ? b.getUnitAttr() : UnitAttr(), UnitAttr(), IntegerAttr());
    channel->setAttr("tile.needed", b.getI64IntegerAttr(needed));
    channel->setAttr("tile.items", b.getI64IntegerAttr(staged ? items : 0));
    if (!s.chunk.whole())
      channel->setAttr("tile.parts", b.getI64IntegerAttr(items));
    s.channel = channel.getChannel();
  }

  //===-- emission
  //-------------------------------------------------------------------------------------------------===//

  /// Gives an op of a shared block its unit, stage and item.
  Operation *mark(Operation *op, StringRef unit, int64_t stage, int64_t item, Block *block) {
    if (op->getBlock() != block)
      return op;
    setUnit(op, unit);
    if (isa<scf::ForOp>(block->getParentOp()))
      setStage(op, stage);
    op->setAttr(kItem, Builder(op).getI64IntegerAttr(item));
    return op;
  }
  static int64_t itemNumber(Operation *op) {
    auto item = op->getAttrOfType<IntegerAttr>(kItem);
    return item ? item.getInt() : 0;
  }

  static SmallVector<Value> zeros(OpBuilder &b, Location loc, int64_t rank) {
    return SmallVector<Value>(rank, arith::ConstantIndexOp::create(b, loc, 0));
  }
  /// A unit with one instance names the copy that a strip belongs to; others use their own.
  Value copyOf(OpBuilder &b, const Stop &s, StringRef unit, Value row, int64_t rows) {
    if (s.copies == 1 || machine.instances(unit) > 1 || !row)
      return {};
    Value share = arith::ConstantIndexOp::create(b, row.getLoc(), rows / s.copies);
    return arith::DivUIOp::create(b, row.getLoc(), row, share);
  }
  Value acquire(OpBuilder &b, Location loc, RankedTensorType type, const Stop &s, Value copy) {
    return AcquireOp::create(b, loc, SlotType::get(kernel.getContext(), itemType(type, s)), s.channel, copy);
  }
  Value wait(OpBuilder &b, Location loc, RankedTensorType type, const Stop &s, Value copy) {
    return WaitOp::create(b, loc, SlotType::get(kernel.getContext(), itemType(type, s)), s.channel, copy);
  }

  /// The producing item writes the first channel. An in-place producer (a dot, a load) needs the slot before it starts.
  void putValue(Value v, const Stop &s) {
    Operation *def = v.getDefiningOp(), *owner = ownerOf(v);
    Block *block = def->getBlock();
    auto type = cast<RankedTensorType>(v.getType());
    Location loc = v.getLoc();
    int64_t item = itemNumber(def), stage = owner == def ? stageOf(def) : 0;
    auto tag = [&](Operation *op) { return mark(op, s.from, stage, item, block); };
    Chunk chunk = producerChunk(v);
    OpBuilder b(def);
    if (!lastOf.count(v))
      lastOf[v] = def;
    if (chunk.whole()) {
      Value slot = tag(acquire(b, loc, type, s, {}).getDefiningOp())->getResult(0);
      OpBuilder after(block, std::next(Block::iterator(def)));
      tag(PutOp::create(after, loc, v, slot, zeros(after, loc, type.getRank()), Value()));
      lastOf[v] = tag(CommitOp::create(after, loc, slot));
      return;
    }
    auto loop = cast<scf::ForOp>(def);
    auto insert = loop.getYieldedValues()[cast<OpResult>(v).getResultNumber()].getDefiningOp<InsertOp>();
    Operation *value = insert.getSource().getDefiningOp();
    OpBuilder inner(value && value->getBlock() == loop.getBody() ? value : insert.getOperation());
    OpBuilder end(insert);
    if (s.chunk.whole()) {
      Value slot = tag(acquire(b, loc, type, s, {}).getDefiningOp())->getResult(0);
      PutOp::create(end, loc, insert.getSource(), slot, SmallVector<Value>(insert.getOffsets()), Value());
      OpBuilder after(block, std::next(Block::iterator(def)));
      lastOf[v] = tag(CommitOp::create(after, loc, slot));
      return;
    }
    Value copy = copyOf(inner, s, s.from, chunk.rows ? loop.getInductionVar() : Value(), type.getDimSize(0));
    Value slot = acquire(inner, loc, type, s, copy);
    PutOp::create(end, loc, insert.getSource(), slot, zeros(end, loc, type.getRank()), Value());
    CommitOp::create(end, loc, slot);
  }

  /// Moves a value from one channel to the next on `to.from`'s unit; returns the last op. `resident`: the source slot
  /// when it is held around the loop.
  Operation *hop(OpBuilder &b, Value v, RankedTensorType type, const Stop &from, const Stop &to, Value resident) {
    Location loc = v.getLoc();
    StringRef unit = to.from;
    Block *block = b.getInsertionBlock();
    int64_t item = nextItem++, stage = to.fromStage, rank = type.getRank();
    auto tag = [&](Operation *op) { return mark(op, unit, stage, item, block); };
    Chunk chunk = from.chunk.whole() ? to.chunk : from.chunk;
    bool fromParts = !from.chunk.whole(), toParts = !to.chunk.whole();
    Value source = resident, target;
    if (!fromParts && !resident)
      source = tag(wait(b, loc, type, from, {}).getDefiningOp())->getResult(0);
    if (!toParts)
      target = tag(acquire(b, loc, type, to, {}).getDefiningOp())->getResult(0);
    Operation *last;
    if (chunk.whole()) {
      auto at = zeros(b, loc, rank);
      auto get = GetOp::create(b, loc, type, source, at, Value());
      tag(get);
      last = tag(PutOp::create(b, loc, get.getTile(), target, at, Value()));
    } else {
      last = hopLoop(b, v, type, from, to, chunk, source, target, tag);
    }
    if (!toParts)
      last = tag(CommitOp::create(b, loc, target));
    if (!fromParts && !resident)
      last = tag(ReleaseOp::create(b, loc, source));
    return last;
  }

  Operation *hopLoop(OpBuilder &b, Value v, RankedTensorType type, const Stop &from, const Stop &to, Chunk chunk,
                     Value source, Value target, llvm::function_ref<Operation *(Operation *)> tag) {
    Location loc = v.getLoc();
    StringRef unit = to.from;
    int64_t extent = type.getDimSize(chunk.dim);
    auto index = [&](OpBuilder &at, int64_t c) -> Value { return arith::ConstantIndexOp::create(at, loc, c); };
    auto loop = scf::ForOp::create(b, loc, index(b, 0), index(b, extent), index(b, chunk.size));
    tag(loop);
    loop->setAttr(kLoopAttr, LoopAttr::get(b.getContext(), "hop", LoopKind::parallel));
    if (chunk.rows)
      loop->setAttr(kRows, b.getI64IntegerAttr(extent));
    OpBuilder in = OpBuilder::atBlockBegin(loop.getBody());
    Value iv = loop.getInductionVar(), row = chunk.rows ? iv : Value();
    int64_t rank = type.getRank();
    SmallVector<int64_t> shape(type.getShape());
    shape[chunk.dim] = chunk.size;
    auto part = RankedTensorType::get(shape, type.getElementType());
    auto at = [&](bool parts) {
      auto offsets = zeros(in, loc, rank);
      if (!parts)
        offsets[chunk.dim] = iv;
      return offsets;
    };
    bool fromParts = !from.chunk.whole(), toParts = !to.chunk.whole();
    if (fromParts)
      source = wait(in, loc, type, from, copyOf(in, from, unit, row, extent));
    if (toParts)
      target = acquire(in, loc, type, to, copyOf(in, to, unit, row, extent));
    auto get = GetOp::create(in, loc, part, source, at(fromParts), Value());
    PutOp::create(in, loc, get.getTile(), target, at(toParts), Value());
    if (toParts)
      CommitOp::create(in, loc, target);
    if (fromParts)
      ReleaseOp::create(in, loc, source);
    return loop;
  }

  /// The consuming items read the last channel.
  void getValue(Value v, RankedTensorType type, const Stop &s, Group &g, Value resident) {
    Location loc = v.getLoc();
    Operation *first = g.items.front(), *last = g.items.back();
    auto tag = [&](Operation *op) { return mark(op, s.to, g.stage, itemNumber(first), g.block); };
    if (!s.chunk.whole()) {
      auto part = cast<ExtractOp>(g.uses.front()->getOwner());
      auto loop = cast<scf::ForOp>(first);
      OpBuilder b(part);
      Value copy = copyOf(b, s, s.to, s.chunk.rows ? loop.getInductionVar() : Value(), type.getDimSize(0));
      Value slot = wait(b, loc, type, s, copy);
      part.replaceAllUsesWith(
          GetOp::create(b, loc, part.getType(), slot, zeros(b, loc, type.getRank()), Value()).getTile());
      part.erase();
      OpBuilder end(loop.getBody()->getTerminator());
      ReleaseOp::create(end, loc, slot);
      return;
    }
    OpBuilder b(first);
    Value slot = resident ? resident : tag(wait(b, loc, type, s, {}).getDefiningOp())->getResult(0);
    Value all;
    for (OpOperand *use : g.uses) {
      if (auto part = dyn_cast<ExtractOp>(use->getOwner()); part && unitOf(part).empty()) {
        OpBuilder at(part);
        auto get = GetOp::create(at, loc, part.getType(), slot, SmallVector<Value>(part.getOffsets()), Value());
        part.replaceAllUsesWith(get.getTile());
        part.erase();
        continue;
      }
      if (!all) {
        auto get = GetOp::create(b, loc, type, slot, zeros(b, loc, type.getRank()), Value());
        tag(get);
        all = get.getTile();
      }
      use->set(all);
    }
    if (resident)
      return;
    if (isa<YieldOp>(last)) {
      OpBuilder end(last);
      tag(ReleaseOp::create(end, loc, slot));
      return;
    }
    OpBuilder end(last->getBlock(), std::next(Block::iterator(last)));
    tag(ReleaseOp::create(end, loc, slot));
  }

  //===-- streams
  //---------------------------------------------------------------------------------------------------===//

  /// A strip loop that takes parts of several tiles from one unit needs part i of each before part i + 1 of any: the
  /// unit's loops become one. It runs last before its reader, so that whole tiles which the reader awaits first are not
  /// behind it.
  void interleaveStreams(Block &block) {
    SmallVector<scf::ForOp> readers;
    for (Operation &op : block) {
      if (auto loop = dyn_cast<scf::ForOp>(op); loop && !unitOf(loop).empty())
        readers.push_back(loop);
      else if (unitOf(&op).empty())
        for (Region &region : op.getRegions())
          for (Block &inner : region)
            interleaveStreams(inner);
    }
    for (scf::ForOp reader : readers) {
      llvm::MapVector<std::pair<StringRef, int64_t>, SmallVector<scf::ForOp>> writers;
      for (scf::ForOp writer : readers)
        if (writer->getBlock() && writer != reader && writer.getNumResults() == 0 && feeds(writer, reader))
          writers[{unitOf(writer), stageOf(writer)}].push_back(writer);
      for (auto &[key, loops] : writers) {
        scf::ForOp merged = merge(loops);
        for (scf::ForOp &loop : readers)
          if (llvm::is_contained(loops, loop))
            loop = merged;
        if (stageOf(merged) == stageOf(reader))
          moveBefore(merged, reader);
      }
    }
  }

  static bool feeds(scf::ForOp writer, scf::ForOp reader) {
    bool found = false;
    for (auto acquire : writer.getBody()->getOps<AcquireOp>())
      for (auto wait : reader.getBody()->getOps<WaitOp>())
        found |= acquire.getChannel() == wait.getChannel();
    return found;
  }

  static bool sameRange(scf::ForOp a, scf::ForOp b) {
    return getConstantIntValue(a.getUpperBound()) == getConstantIntValue(b.getUpperBound()) &&
           getConstantIntValue(a.getStep()) == getConstantIntValue(b.getStep()) &&
           a->getAttr(kRows) == b->getAttr(kRows);
  }

  /// The releases that follow a loop as part of its item.
  static SmallVector<Operation *> trailing(scf::ForOp loop) {
    SmallVector<Operation *> ops;
    for (Operation *op = loop->getNextNode(); op; op = op->getNextNode())
      if (isa<ReleaseOp>(op) && itemNumber(op) == itemNumber(loop) && unitOf(op) == unitOf(loop))
        ops.push_back(op);
    return ops;
  }

  /// Joins loops of one unit over equal ranges, in block order, at the place of the last one.
  static scf::ForOp merge(MutableArrayRef<scf::ForOp> loops) {
    llvm::sort(loops, [](scf::ForOp a, scf::ForOp b) { return a->isBeforeInBlock(b); });
    scf::ForOp last = loops.back();
    Operation *first = &last.getBody()->front();
    for (scf::ForOp loop : loops.drop_back()) {
      if (!sameRange(loop, last))
        continue;
      Operation *end = last;
      for (Operation *op : trailing(loop)) {
        op->moveAfter(end);
        end = op;
        op->setAttr(kItem, last->getAttr(kItem));
      }
      for (Operation &op : *loop->getBlock())
        if (itemNumber(&op) == itemNumber(loop) && &op != loop.getOperation())
          op.setAttr(kItem, last->getAttr(kItem));
      loop.getInductionVar().replaceAllUsesWith(last.getInductionVar());
      loop.getBody()->getTerminator()->erase();
      last.getBody()->getOperations().splice(Block::iterator(first), loop.getBody()->getOperations());
      loop.erase();
    }
    return last;
  }

  static void moveBefore(scf::ForOp loop, scf::ForOp reader) {
    Operation *place = reader;
    for (Operation &op : *reader->getBlock())
      if (itemNumber(&op) == itemNumber(reader) && unitOf(&op) == unitOf(reader)) {
        place = &op;
        break;
      }
    if (!loop->isBeforeInBlock(place))
      return;
    SmallVector<Operation *> after = trailing(loop);
    // Index constants of the loop's bounds come before it already.
    loop->moveBefore(place);
    for (Operation *op : after)
      op->moveBefore(place);
  }

  //===-- clean-up
  //-------------------------------------------------------------------------------------------------===//

  /// Loop results that only channels carry now: their inserts go, so that no whole tile is left.
  void dropDeadResults() {
    SmallVector<scf::ForOp> loops;
    kernel.getBody().walk([&](scf::ForOp loop) {
      if (!unitOf(loop).empty())
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops)
      dropDeadResults(loop);
    kernel.getBody().walk([](EmptyOp op) {
      if (op->use_empty())
        op.erase();
    });
  }

  static void dropDeadResults(scf::ForOp loop) {
    llvm::BitVector dead(loop.getNumResults());
    SmallVector<Value> yields(loop.getYieldedValues());
    for (auto [i, result] : llvm::enumerate(loop.getResults())) {
      auto insert = yields[i].getDefiningOp<InsertOp>();
      if (result.use_empty() && insert && insert->hasOneUse() && loop.getRegionIterArg(i).hasOneUse() &&
          insert.getDest() == loop.getRegionIterArg(i))
        dead.set(i);
    }
    if (dead.none())
      return;
    SmallVector<Value> inits, kept;
    SmallVector<Operation *> inserts;
    for (unsigned i = 0; i < dead.size(); ++i) {
      if (dead[i]) {
        inserts.push_back(yields[i].getDefiningOp());
      } else {
        inits.push_back(loop.getInitArgs()[i]);
        kept.push_back(yields[i]);
      }
    }
    OpBuilder b(loop);
    auto fresh =
        scf::ForOp::create(b, loop.getLoc(), loop.getLowerBound(), loop.getUpperBound(), loop.getStep(), inits);
    fresh->setAttrs(loop->getAttrs());
    if (!fresh.getBody()->empty())
      fresh.getBody()->back().erase();
    auto *terminator = loop.getBody()->getTerminator();
    OpBuilder end(terminator);
    scf::YieldOp::create(end, terminator->getLoc(), kept);
    terminator->erase();
    for (Operation *insert : inserts)
      insert->erase();
    unsigned next = 0;
    loop.getInductionVar().replaceAllUsesWith(fresh.getInductionVar());
    for (unsigned i = 0; i < dead.size(); ++i)
      if (!dead[i]) {
        loop.getRegionIterArg(i).replaceAllUsesWith(fresh.getRegionIterArg(next));
        loop.getResult(i).replaceAllUsesWith(fresh.getResult(next++));
      }
    fresh.getBody()->getOperations().splice(fresh.getBody()->end(), loop.getBody()->getOperations());
    loop.erase();
  }

  KernelOp kernel;
  MachineView machine;
  Block &body;
  Operation *anchor = nullptr;
  int64_t nextItem = 1;
  std::set<std::string> names;
  llvm::DenseMap<Value, Operation *> lastOf; // the last op of a value's put and outbound hops
};

} // namespace

LogicalResult formChannels(KernelOp kernel, const Machine &machine) { return ChannelFormer(kernel, machine).run(); }

namespace {
struct FormChannelsPass : impl::FormChannelsBase<FormChannelsPass> {
  using FormChannelsBase::FormChannelsBase;
  void runOnOperation() override {
    FailureOr<Machine> machine = machineForPass(getOperation(), this->machine);
    if (failed(machine))
      return signalPassFailure();
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (failed(formChannels(kernel, *machine)))
        return signalPassFailure();
  }
};
} // namespace

} // namespace adze::schedule
