// form-strips: a tile is not an on-chip buffer. Dots are cut along N or K until their operands fit the matrix unit's
// buffers twice; chains of row-wise work run strip by strip, so that values private to a strip never exist as whole
// tiles.
//
// Bits: a strip computes rows that do not depend on each other. A cut along N neither. A cut along K adds to the
// accumulator in ascending K, which is the order of the uncut dot (docs/staging.md).
#include "compiler/schedule/form-strips/FormStrips.h"
#include "compiler/schedule/form-strips/RowWise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include <numeric>

using namespace mlir;

namespace adze::schedule {
#define GEN_PASS_DEF_FORMSTRIPS
#include "compiler/schedule/form-strips/FormStrips.h.inc"

namespace {
using namespace tile;

StringRef tagOf(Operation *op) {
  auto tag = op->getAttrOfType<StringAttr>("tag");
  return tag ? tag.getValue() : StringRef();
}

Value indexConstant(OpBuilder &b, Location loc, int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

/// A loop of one unit over parts of a tile.
scf::ForOp partLoop(OpBuilder &b, Operation *like, StringRef name, LoopKind kind, int64_t extent, int64_t step,
                    ValueRange inits) {
  Location loc = like->getLoc();
  auto loop = scf::ForOp::create(b, loc, indexConstant(b, loc, 0), indexConstant(b, loc, extent),
                                 indexConstant(b, loc, step), inits);
  if (inits.empty() && !loop.getBody()->empty())
    loop.getBody()->getTerminator()->erase();
  loop->setAttr(kLoopAttr, LoopAttr::get(b.getContext(), name, kind));
  setUnit(loop, unitOf(like));
  if (like->hasAttr(kStage))
    loop->setAttr(kStage, like->getAttr(kStage));
  if (like->hasAttr(kLead))
    loop->setAttr(kLead, like->getAttr(kLead));
  b.setInsertionPointToStart(loop.getBody());
  return loop;
}

class StripFormer {
public:
  StripFormer(KernelOp kernel, const Machine &machine, const StripOptions &options)
      : kernel(kernel), machine(machine), options(options) {}

  LogicalResult run() {
    SmallVector<Block *> blocks;
    collectBlocks(kernel.getBody().front(), blocks);
    for (Block *block : blocks) {
      orderByUnit(*block);
      sinkBroadcasts(*block);
    }
    for (Block *block : blocks)
      if (failed(cutDots(*block)) || failed(stripClusters(*block)))
        return failure();
    for (Block *block : blocks) {
      stripResults(*block);
      if (failed(stripMoves(*block)))
        return failure();
    }
    return success();
  }

private:
  /// The body and the bodies of loops and conditions that several units share.
  static void collectBlocks(Block &block, SmallVectorImpl<Block *> &blocks) {
    blocks.push_back(&block);
    for (Operation &op : block)
      if (unitOf(&op).empty() && !isa<ProcessOp>(op))
        for (Region &region : op.getRegions())
          for (Block &inner : region)
            collectBlocks(inner, blocks);
  }

  //===-- order
  //----------------------------------------------------------------------------------------------------===//

  /// Brings ops of one stage and unit together: lower stages first, and within a stage one unit as long as it has work.
  /// Shared loops stay where they are; what is before one stays before it.
  void orderByUnit(Block &block) {
    SmallVector<Operation *> segment;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      bool barrier = op.hasTrait<OpTrait::IsTerminator>() || (unitOf(&op).empty() && op.getNumRegions());
      if (!barrier) {
        segment.push_back(&op);
        continue;
      }
      orderSegment(segment, &op);
      segment.clear();
    }
  }

  void orderSegment(ArrayRef<Operation *> ops, Operation *before) {
    llvm::SmallPtrSet<Operation *, 32> pending(ops.begin(), ops.end());
    auto ready = [&](Operation *op) {
      bool result = true;
      op->walk([&](Operation *inner) {
        for (Value v : inner->getOperands())
          if (Operation *def = v.getDefiningOp(); def && def != op && pending.contains(def))
            result = false;
      });
      if (isa<StoreOp>(op)) // stores keep their order
        for (Operation *other : ops) {
          if (other == op)
            break;
          result &= !isa<StoreOp>(other) || !pending.contains(other);
        }
      return result;
    };
    std::pair<int64_t, StringRef> current;
    while (!pending.empty()) {
      Operation *best = nullptr;
      for (Operation *op : ops) {
        if (!pending.contains(op) || !ready(op))
          continue;
        if (unitOf(op).empty()) {
          best = op;
          break;
        }
        std::pair<int64_t, StringRef> key{stageOf(op), unitOf(op)};
        bool same = key == current;
        bool bestSame = best && std::make_pair(stageOf(best), unitOf(best)) == current;
        if (!best || (same && !bestSame) || (!bestSame && stageOf(op) < stageOf(best)))
          best = op;
      }
      if (!unitOf(best).empty())
        current = {stageOf(best), unitOf(best)};
      best->moveBefore(before);
      pending.erase(best);
    }
  }

  /// A broadcast belongs to its reader: handed on between strips it would be a whole tile.
  static void sinkBroadcasts(Block &block) {
    SmallVector<Operation *> broadcasts; // copies stand before their reader already
    for (Operation &op : block)
      if (isa<BroadcastOp>(op) && !unitOf(&op).empty())
        broadcasts.push_back(&op);
    for (Operation *op : broadcasts) {
      for (OpOperand &use : llvm::make_early_inc_range(op->getUses())) {
        Operation *user = block.findAncestorOpInBlock(*use.getOwner());
        if (unitOf(user).empty())
          continue;
        OpBuilder b(user);
        Operation *copy = b.clone(*op);
        setUnit(copy, unitOf(user));
        if (user->hasAttr(kStage))
          setStage(copy, stageOf(user));
        use.set(copy->getResult(0));
      }
      if (op->use_empty())
        op->erase();
    }
  }

  //===-- dots
  //-----------------------------------------------------------------------------------------------------===//

  /// The memory from which a port of the matrix unit reads, or into which it writes; null when no path says.
  const Memory *portMemory(StringRef port) {
    for (const Path &p : machine->paths)
      if (p.to == port || p.from == port)
        return machine.memory(p.to == port ? p.from : p.to);
    return nullptr;
  }

  struct DotSizes {
    int64_t m, n, k;
  };
  static DotSizes sizesOf(DotOp dot) {
    auto acc = cast<RankedTensorType>(dot.getAcc().getType()), a = cast<RankedTensorType>(dot.getA().getType());
    return {acc.getDimSize(0), acc.getDimSize(1), a.getDimSize(dot.getTransA() ? 0 : 1)};
  }

  LogicalResult cutDots(Block &block) {
    if (machine.unitFor("matrix") == machine.unitFor("vector"))
      return success(); // rows are divided among instances with the rest of the cluster
    for (Operation &op : llvm::make_early_inc_range(block))
      if (auto dot = dyn_cast<DotOp>(op); dot && !unitOf(dot).empty() && failed(cutDot(dot)))
        return failure();
    return success();
  }

  LogicalResult cutDot(DotOp dot) {
    if (cast<RankedTensorType>(dot.getAcc().getType()).getRank() != 2)
      return dot.emitOpError("with a batch dim is not staged; loop over the batch in the grid");
    const Memory *ma = portMemory("matrix.a"), *mb = portMemory("matrix.b"), *mc = portMemory("matrix.acc");
    auto half = [](const Memory *m) { return m && m->bytes ? m->bytes / 2 : UINT64_MAX; };
    uint64_t ea = cast<RankedTensorType>(dot.getA().getType()).getElementTypeBitWidth();
    uint64_t eb = cast<RankedTensorType>(dot.getB().getType()).getElementTypeBitWidth();
    DotSizes whole = sizesOf(dot), part = whole;
    bool fresh = dot.getAcc().getDefiningOp() && isFree(dot.getAcc().getDefiningOp());
    int64_t granule = machine->value("matrix_granule", 16);
    int64_t promote = dot.getPromote().value_or(1);
    auto tooBigA = [&] { return uint64_t(part.m * part.k) * ea / 8 > half(ma); };
    auto tooBigB = [&] { return uint64_t(part.k * part.n) * eb / 8 > half(mb); };
    auto tooBigC = [&] {
      uint64_t bytes = uint64_t(part.m * part.n) * 4;
      return fresh ? bytes > half(mc) : mc && mc->bytes && bytes > mc->bytes;
    };
    auto canHalve = [&](int64_t size, int64_t unit) { return size % (2 * unit) == 0; };
    while (tooBigA() || tooBigB() || tooBigC()) {
      bool cutN = fresh && canHalve(part.n, granule);
      bool cutK = canHalve(part.k, std::lcm(granule, promote)) && !tooBigC();
      if (tooBigC() ? cutN : cutN && !tooBigA() && (part.n >= part.k || !cutK))
        part.n /= 2;
      else if (cutK)
        part.k /= 2;
      else
        return dot.emitOpError() << "of " << whole.m << "x" << whole.n << "x" << whole.k
                                 << " does not fit the matrix unit of " << machine->name << " at " << part.m << "x"
                                 << part.n << "x" << part.k << "; plan smaller tiles";
    }
    if (part.n != whole.n && part.k != whole.k)
      return dot.emitOpError() << "of " << whole.m << "x" << whole.n << "x" << whole.k
                               << " would have to be cut along both N and K to fit the matrix unit of " << machine->name
                               << "; plan a smaller tile of N or K";
    if (part.n != whole.n)
      cutN(dot, whole, part.n);
    else if (part.k != whole.k)
      cutK(dot, whole, part.k);
    return success();
  }

  Value extract(OpBuilder &b, Value source, ArrayRef<int64_t> sizes, Value offset, unsigned dim) {
    Location loc = source.getLoc();
    SmallVector<Value> offsets(sizes.size(), indexConstant(b, loc, 0));
    offsets[dim] = offset;
    auto type = RankedTensorType::get(sizes, cast<RankedTensorType>(source.getType()).getElementType());
    return ExtractOp::create(b, loc, type, source, offsets);
  }

  DotOp dotOfParts(OpBuilder &b, DotOp dot, Value a, Value bTile, Value acc) {
    OperationState state(dot.getLoc(), DotOp::getOperationName(), {a, bTile, acc}, {acc.getType()}, dot->getAttrs());
    auto part = cast<DotOp>(b.create(state));
    for (StringRef name : {kUnit, kStage})
      part->removeAttr(name);
    return part;
  }

  void cutN(DotOp dot, DotSizes whole, int64_t n) {
    OpBuilder b(dot);
    Location loc = dot.getLoc();
    Value empty = EmptyOp::create(b, loc, dot.getType());
    scf::ForOp loop = partLoop(b, dot, (tagOf(dot) + ".n").str(), LoopKind::parallel, whole.n, n, empty);
    unsigned dim = dot.getTransB() ? 0 : 1;
    SmallVector<int64_t> bSizes = dim ? SmallVector<int64_t>{whole.k, n} : SmallVector<int64_t>{n, whole.k};
    Value bPart = extract(b, dot.getB(), bSizes, loop.getInductionVar(), dim);
    auto accType = RankedTensorType::get({whole.m, n}, dot.getType().getElementType());
    Value part = dotOfParts(b, dot, dot.getA(), bPart, resizeFree(b, dot.getAcc(), accType, Value()));
    Value zero = indexConstant(b, loc, 0);
    Value all = InsertOp::create(b, loc, part, loop.getRegionIterArg(0), ValueRange{zero, loop.getInductionVar()});
    scf::YieldOp::create(b, loc, all);
    dot.replaceAllUsesWith(loop.getResult(0));
    dot.erase();
  }

  void cutK(DotOp dot, DotSizes whole, int64_t k) {
    OpBuilder b(dot);
    scf::ForOp loop = partLoop(b, dot, (tagOf(dot) + ".k").str(), LoopKind::reduce, whole.k, k, dot.getAcc());
    Value iv = loop.getInductionVar();
    SmallVector<int64_t> aSizes{whole.m, k}, bSizes{k, whole.n};
    if (dot.getTransA())
      std::swap(aSizes[0], aSizes[1]);
    if (dot.getTransB())
      std::swap(bSizes[0], bSizes[1]);
    Value aPart = extract(b, dot.getA(), aSizes, iv, dot.getTransA() ? 0 : 1);
    Value bPart = extract(b, dot.getB(), bSizes, iv, dot.getTransB() ? 1 : 0);
    scf::YieldOp::create(b, dot.getLoc(), dotOfParts(b, dot, aPart, bPart, loop.getRegionIterArg(0)).getResult());
    dot.replaceAllUsesWith(loop.getResult(0));
    dot.erase();
  }

  //===-- rows
  //-----------------------------------------------------------------------------------------------------===//

  LogicalResult stripClusters(Block &block) {
    SmallVector<SmallVector<Operation *>> clusters;
    StringRef vector = machine.unitFor("vector")->name;
    Operation *last = nullptr; // of the open cluster; a load by the same unit leaves it open
    for (Operation &op : block) {
      if (unitOf(&op).empty())
        continue;
      if (unitOf(&op) != vector || isa<StoreOp>(op)) {
        last = nullptr;
        continue;
      }
      if (isa<LoadOp>(op))
        continue;
      if (!last || stageOf(last) != stageOf(&op))
        clusters.emplace_back();
      clusters.back().push_back(&op);
      last = &op;
    }
    for (auto &cluster : clusters)
      if (failed(stripCluster(cluster)))
        return failure();
    return success();
  }

  /// Rows of a strip: a divisor of an instance's share. Dots take the whole share.
  int64_t stripRows(ArrayRef<Operation *> ops, int64_t share) {
    for (Operation *op : ops)
      if (isa<DotOp>(op))
        return share;
    int64_t rows = std::min(options.rows ? options.rows : share, share);
    while (share % rows)
      --rows;
    return rows;
  }

  LogicalResult stripCluster(ArrayRef<Operation *> ops) {
    int64_t instances = machine.instances(unitOf(ops.front()));
    FailureOr<int64_t> rows = commonRows(ops);
    if (failed(rows) || (*rows && *rows % instances)) {
      if (instances == 1)
        return success(); // whole tiles
      auto error = ops.front()->emitOpError() << "cannot be divided among the " << instances << " instances of unit "
                                              << unitOf(ops.front()) << ": ";
      if (failed(rows))
        return error << "work of this stage is not row by row; split the kernel or choose another form";
      return error << *rows << " rows are not a multiple; plan a multiple of " << instances;
    }
    if (!*rows)
      return success(); // nothing has rows: every instance computes it
    int64_t strip = stripRows(ops, *rows / instances);
    StringRef name = tagOf(ops.back());
    for (Operation *op : ops)
      if (name.empty())
        name = tagOf(op);
    buildStripLoop(ops, *rows, strip, name.empty() ? "rows" : (name + ".rows").str());
    return success();
  }

  void buildStripLoop(ArrayRef<Operation *> ops, int64_t rows, int64_t strip, StringRef name) {
    llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
    auto usedOutside = [&](Value v) {
      return llvm::any_of(v.getUsers(), [&](Operation *user) {
        Operation *top = ops.front()->getBlock()->findAncestorOpInBlock(*user);
        return !inside.contains(top);
      });
    };
    SmallVector<Value> outputs;
    SmallVector<Operation *> rowOps;
    for (Operation *op : ops) {
      if (!touchesRows(op, rows))
        continue; // stays whole, before the loop
      rowOps.push_back(op);
      for (Value v : op->getResults())
        if (usedOutside(v))
          outputs.push_back(v);
    }
    OpBuilder b(ops.back());
    SmallVector<Value> inits;
    for (Value v : outputs)
      inits.push_back(EmptyOp::create(b, v.getLoc(), v.getType()));
    scf::ForOp loop = partLoop(b, ops.back(), name, LoopKind::parallel, rows, strip, inits);
    loop->setAttr(kRows, b.getI64IntegerAttr(rows));
    loop->removeAttr(kLead);

    RowCloner cloner(b, loop.getInductionVar(), rows, strip);
    for (Operation *op : rowOps)
      cloner.clone(op);
    SmallVector<Value> results;
    Location loc = loop.getLoc();
    for (auto [v, iter] : llvm::zip_equal(outputs, loop.getRegionIterArgs())) {
      SmallVector<Value> offsets(cast<RankedTensorType>(v.getType()).getRank(), indexConstant(b, loc, 0));
      offsets[0] = loop.getInductionVar();
      results.push_back(InsertOp::create(b, loc, cloner.rowsOf(v), iter, offsets));
    }
    scf::YieldOp::create(b, loc, results);
    for (auto [v, result] : llvm::zip_equal(outputs, loop.getResults()))
      v.replaceUsesWithIf(result, [&](OpOperand &use) {
        Operation *top = loop->getBlock()->findAncestorOpInBlock(*use.getOwner());
        return top != loop.getOperation() && !inside.contains(top);
      });
    for (Operation *op : llvm::reverse(rowOps))
      op->erase();
  }

  /// A tile that a shared loop carries lies in parts at the instances that made it: other units take it by strips.
  void stripResults(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      auto shared = dyn_cast<scf::ForOp>(op);
      if (!shared || !unitOf(shared).empty())
        continue;
      OpBuilder b(&block, std::next(Block::iterator(shared)));
      for (auto [result, yielded] : llvm::zip_equal(shared.getResults(), shared.getYieldedValues())) {
        auto maker = yielded.getDefiningOp<scf::ForOp>();
        if (!maker || !maker->hasAttr(kRows) || machine.instances(unitOf(maker)) == 1)
          continue;
        auto foreign = [&](OpOperand &use) {
          Operation *top = block.findAncestorOpInBlock(*use.getOwner());
          return unitOf(top) != unitOf(maker) && (!unitOf(top).empty() || isa<YieldOp>(top));
        };
        if (llvm::any_of(result.getUses(), foreign))
          result.replaceUsesWithIf(copyByRows(b, result, maker), foreign);
      }
    }
  }

  Value copyByRows(OpBuilder &b, Value tile, scf::ForOp maker) {
    OpBuilder::InsertionGuard guard(b);
    auto type = cast<RankedTensorType>(tile.getType());
    Value empty = EmptyOp::create(b, tile.getLoc(), type);
    auto name = cast<LoopAttr>(maker->getAttr(kLoopAttr)).getName();
    scf::ForOp loop = partLoop(b, maker, name, LoopKind::parallel, type.getDimSize(0), stepOf(maker), empty);
    loop->removeAttr(kStage);
    loop->setAttr(kRows, b.getI64IntegerAttr(type.getDimSize(0)));
    SmallVector<int64_t> sizes(type.getShape());
    sizes[0] = stepOf(maker);
    Value part = extract(b, tile, sizes, loop.getInductionVar(), 0);
    SmallVector<Value> offsets(type.getRank(), indexConstant(b, tile.getLoc(), 0));
    offsets[0] = loop.getInductionVar();
    Value all = InsertOp::create(b, tile.getLoc(), part, loop.getRegionIterArg(0), offsets);
    scf::YieldOp::create(b, tile.getLoc(), all);
    b.setInsertionPointAfter(loop);
    return loop.getResult(0);
  }

  //===-- loads and stores
  //-----------------------------------------------------------------------------------------===//

  /// The strip loop of the same block that alone reads `tile`, by extract; null otherwise.
  static scf::ForOp soleStripReader(Value tile, Block *block) {
    scf::ForOp found;
    for (Operation *user : tile.getUsers()) {
      auto part = dyn_cast<ExtractOp>(user);
      auto loop = part ? dyn_cast<scf::ForOp>(part->getParentOp()) : scf::ForOp();
      if (!loop || !loop->hasAttr(kRows) || loop->getBlock() != block || (found && found != loop))
        return {};
      found = loop;
    }
    return found;
  }

  static int64_t stepOf(scf::ForOp loop) { return *getConstantIntValue(loop.getStep()); }

  LogicalResult stripMoves(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto load = dyn_cast<LoadOp>(op)) {
        if (scf::ForOp reader = soleStripReader(load.getTile(), &block))
          stripLoad(load, reader);
      } else if (auto store = dyn_cast<StoreOp>(op); store && !unitOf(store).empty()) {
        auto writer = store.getTile().getDefiningOp<scf::ForOp>();
        if (writer && writer->hasAttr(kRows) && writer->getBlock() == &block)
          stripStore(store, writer);
        else if (machine.instances(unitOf(store)) > 1)
          return store.emitOpError() << "stores a tile that is not made row by row, so the "
                                     << machine.instances(unitOf(store)) << " instances of unit " << unitOf(store)
                                     << " cannot divide it; choose another form";
      }
    }
    return success();
  }

  static SmallVector<Value> shifted(OpBuilder &b, OperandRange offsets, RankedTensorType tile, Value by) {
    SmallVector<Value> result(offsets);
    Value &row = result[offsets.size() - tile.getRank()];
    row = arith::AddIOp::create(b, by.getLoc(), row, by);
    return result;
  }

  void stripLoad(LoadOp load, scf::ForOp reader) {
    auto type = cast<RankedTensorType>(load.getTile().getType());
    int64_t strip = stepOf(reader), rows = type.getDimSize(0);
    OpBuilder b(load);
    Value empty = EmptyOp::create(b, load.getLoc(), type);
    scf::ForOp loop = partLoop(b, load, (tagOf(load) + ".rows").str(), LoopKind::parallel, rows, strip, empty);
    loop->setAttr(kRows, b.getI64IntegerAttr(rows));
    auto part = cast<LoadOp>(b.clone(*load));
    part.getOffsetsMutable().assign(SmallVector<Value>());
    b.setInsertionPoint(part);
    part.getOffsetsMutable().assign(shifted(b, load.getOffsets(), type, loop.getInductionVar()));
    part.getTile().setType(withRows(type, strip));
    for (StringRef name : {kUnit, kStage, kLead})
      part->removeAttr(name);
    b.setInsertionPointAfter(part);
    SmallVector<Value> offsets(type.getRank(), indexConstant(b, load.getLoc(), 0));
    offsets[0] = loop.getInductionVar();
    Value all = InsertOp::create(b, load.getLoc(), part.getTile(), loop.getRegionIterArg(0), offsets);
    scf::YieldOp::create(b, load.getLoc(), all);
    load.getTile().replaceAllUsesWith(loop.getResult(0));
    load.erase();
  }

  void stripStore(StoreOp store, scf::ForOp writer) {
    auto type = cast<RankedTensorType>(store.getTile().getType());
    int64_t strip = stepOf(writer), rows = type.getDimSize(0);
    OpBuilder b(store);
    scf::ForOp loop = partLoop(b, store, (tagOf(store) + ".rows").str(), LoopKind::parallel, rows, strip, {});
    loop->setAttr(kRows, b.getI64IntegerAttr(rows));
    auto part = [&](Value v) {
      auto t = cast<RankedTensorType>(v.getType());
      SmallVector<int64_t> sizes(t.getShape());
      sizes[0] = strip;
      return extract(b, v, sizes, loop.getInductionVar(), 0);
    };
    Value tile = part(store.getTile()), mask = store.getMask() ? part(store.getMask()) : Value();
    auto offsets = shifted(b, store.getOffsets(), type, loop.getInductionVar());
    StoreOp::create(b, store.getLoc(), tile, store.getView(), offsets, mask, store.getInbounds(), store.getTagAttr());
    scf::YieldOp::create(b, store.getLoc());
    store.erase();
  }

  KernelOp kernel;
  MachineView machine;
  StripOptions options;
};

} // namespace

LogicalResult formStrips(KernelOp kernel, const Machine &machine, const StripOptions &options) {
  return StripFormer(kernel, machine, options).run();
}

namespace {
struct FormStripsPass : impl::FormStripsBase<FormStripsPass> {
  using FormStripsBase::FormStripsBase;
  void runOnOperation() override {
    FailureOr<Machine> machine = machineForPass(getOperation(), this->machine);
    if (failed(machine))
      return signalPassFailure();
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (failed(formStrips(kernel, *machine, {stripRows})))
        return signalPassFailure();
  }
};
} // namespace

} // namespace adze::schedule
