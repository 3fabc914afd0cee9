#include "targets/cuda/lower/sm90/Emitter.h"
#include "compiler/schedule/Staging.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "targets/cuda/CudaTarget.h"

using namespace mlir;

namespace adze::cuda::sm90 {

FailureOr<bool> StagedHardware::lowerFirst(gpu::Lowering &, Operation *op) { return emitter->handle(op); }
void StagedHardware::barrier(ImplicitLocOpBuilder &b, const gpu::Group &group) { emitter->groupBarrier(group); }

/// Barrier 0 is the block's; each consumer has one of its own.
void StagedEmitter::groupBarrier(const gpu::Group &group) {
  ptx.namedBarrier(ptx.add(instance, ptx.i32(1)), group.warps * 32);
}

//===-- what there is to emit

LogicalResult StagedEmitter::findProcesses() {
  for (auto process : kernel.getBody().front().getOps<tile::ProcessOp>()) {
    StringRef unit = process.getUnit();
    (unit == "producer" ? producer : unit == "consumer" ? consumer : storer) = process;
  }
  if (!producer || !consumer)
    return refuse("no loads or no products to overlap");
  consumers = consumer.getInstances();
  return success();
}

LogicalResult StagedEmitter::makeRings() {
  for (auto channel : kernel.getBody().front().getOps<tile::ChannelOp>()) {
    if (channel.getMemory() != "smem" || channel.getLocal() || !channel.getOffset() || channel.getBatch() != 1)
      return refuse("channel " + channel.getName() + " is not a ring in shared memory");
    auto tile = blockedTile(channel.getChannel().getType().getItem());
    if (!tile)
      return refuse("channel " + channel.getName() + " holds a tile that bulk copies cannot move");
    auto ring = std::make_unique<Ring>();
    ring->channel = channel;
    ring->tile = *tile;
    ring->depth = channel.getDepth();
    ring->copies = channel.getCopies();
    ring->slotBytes = llvm::alignTo(tile->bytes(), 1024);
    ring->offset = *channel.getOffset();
    ring->toStorer = channel.getTo() == "storer";
    bool fromConsumer = channel.getFrom() == "consumer";
    // Private rings have one instance at the consumers' end.
    unsigned ends = ring->copies > 1 ? 1 : consumers;
    ring->fullCount = fromConsumer ? 128 * ends : 1;
    ring->emptyCount = ring->toStorer ? 1 : 4 * ends;
    ring->firstBarrier = numBarriers;
    numBarriers += 2 * ring->slots();
    barrierOffset = std::max(barrierOffset, ring->offset + ring->slotBytes * ring->slots());
    ringOf[channel.getChannel()] = ring.get();
    rings[channel.getName().str()] = std::move(ring);
  }
  return success();
}

static bool isZero(Attribute pad) {
  if (auto f = dyn_cast<FloatAttr>(pad))
    return f.getValue().isZero();
  auto i = dyn_cast<IntegerAttr>(pad);
  return i && i.getValue().isZero();
}

/// The tensor map of every load of the producer and store of the storer.
LogicalResult StagedEmitter::describeMoves() {
  LogicalResult result = success();
  auto visit = [&](Operation *op) {
    Value view, tile;
    ValueRange offsets;
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      view = load.getView(), tile = load.getTile(), offsets = load.getOffsets();
      if (load.getPad() && !isZero(*load.getPad()))
        result = refuse("a load fills with something else than zeros");
    } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
      view = store.getView(), tile = store.getTile(), offsets = store.getOffsets();
      if (store.getMask())
        result = refuse("a store has a mask");
    } else {
      return;
    }
    auto type = cast<RankedTensorType>(tile.getType());
    auto blocked = blockedTile(type);
    auto access = accessOf(kernel, view, offsets, type, windows);
    if (!blocked || !access) {
      result = refuse("no tensor map describes " + op->getName().getStringRef() + " of " +
                      llvm::Twine(type.getNumElements()) + " elements");
      return;
    }
    Move move{*access, *blocked, 0};
    std::vector<int64_t> code = tensorMap(*access, *blocked, mapFacts);
    auto known = llvm::find(maps, code);
    move.map = known - maps.begin();
    if (known == maps.end())
      maps.push_back(code);
    moves[op] = std::move(move);
  };
  producer.walk(visit);
  if (storer)
    storer.walk(visit);
  if (mapFacts.impossible())
    return refuse("a stride or an extent breaks the rules of tensor maps");
  return result;
}

//===-- the function

void StagedEmitter::addMapParameters() {
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto object = LLVM::LLVMArrayType::get(b.getI8Type(), 128);
  SmallVector<Type> params(func.getArgumentTypes());
  SmallVector<DictionaryAttr> attrs;
  for (unsigned i = 0; i < params.size(); ++i)
    attrs.push_back(b.getDictionaryAttr(mlir::function_interface_impl::getArgAttrs(func, i)));
  params.append(maps.size(), pointer);
  attrs.append(maps.size(), b.getDictionaryAttr({b.getNamedAttr("llvm.align", b.getI64IntegerAttr(64)),
                                                 b.getNamedAttr("llvm.byval", TypeAttr::get(object)),
                                                 b.getNamedAttr("nvvm.grid_constant", b.getUnitAttr())}));
  func.setFunctionType(LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), params));
  func.setAllArgAttrs(attrs);
  for (size_t i = 0; i < maps.size(); ++i) {
    mapPointers.push_back(entry->addArgument(pointer, b.getLoc()));
  }
}

void StagedEmitter::initBarriers() {
  Value thread = arith::OrIOp::create(b, arith::ShLIOp::create(b, group.warp, c32(5)), group.lane);
  Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, c32(0));
  ptx.when(first, [&] {
    for (auto &[name, ring] : rings)
      for (unsigned i = 0; i < ring->slots(); ++i) {
        Slot slot{ring.get(), c32(i)};
        ptx.barrierInit(barrierAddress(slot, true), ring->fullCount);
        ptx.barrierInit(barrierAddress(slot, false), ring->emptyCount);
      }
    ptx.fenceBarrierInit();
    for (Value map : mapPointers)
      ptx.prefetchMap(map);
  });
  NVVM::BarrierOp::create(b);
}

/// Number of programs along each grid dim; a split dim has one share here.
SmallVector<Value> StagedEmitter::programCounts() {
  SmallVector<Value> dims, counts;
  for (Value v : kernel.getDimArgs(kernel.getBody()))
    dims.push_back(map(v));
  auto extents = affine::expandAffineMap(b, b.getLoc(), kernel.getGridExtents(), dims);
  for (unsigned g = 0; g < kernel.getGridRank(); ++g) {
    int64_t step = kernel.getGridSteps()[g];
    Value count = (*extents)[g];
    if (auto c = getConstantIntValue(count))
      count = cst((*c + step - 1) / step);
    else if (step != 1)
      count = arith::CeilDivSIOp::create(b, count, cst(step));
    counts.push_back(arith::IndexCastOp::create(b, i32, count));
  }
  return counts;
}

/// Binds the offsets of program `number`: row-major, the last dim fastest; the last two dims in groups of rows where
/// the schedule asks for it, so that programs that run at once share operands in L2.
void StagedEmitter::programOffsets(Value number, ArrayRef<Value> counts) {
  unsigned rank = counts.size();
  SmallVector<Value> at(rank);
  Value rest = number;
  auto peel = [&](Value by) {
    Value r = arith::RemUIOp::create(b, rest, by);
    rest = arith::DivUIOp::create(b, rest, by);
    return r;
  };
  int64_t groupRows = 0;
  if (auto attr = kernel->getAttrOfType<IntegerAttr>("cuda.group"))
    groupRows = attr.getInt();
  unsigned last = rank;
  if (groupRows > 1 && rank >= 2) {
    Value rows = counts[rank - 2], columns = counts[rank - 1];
    Value inside = peel(arith::MulIOp::create(b, rows, columns));
    Value wide = arith::MulIOp::create(b, columns, c32(groupRows));
    Value first = arith::MulIOp::create(b, arith::DivUIOp::create(b, inside, wide), c32(groupRows));
    Value size = arith::MinUIOp::create(b, arith::SubIOp::create(b, rows, first), c32(groupRows));
    Value within = arith::RemUIOp::create(b, inside, wide);
    at[rank - 2] = arith::AddIOp::create(b, first, arith::RemUIOp::create(b, within, size));
    at[rank - 1] = arith::DivUIOp::create(b, within, size);
    last = rank - 2;
  }
  for (unsigned g = last; g-- > 0;)
    at[g] = g == 0 ? rest : peel(counts[g]);
  SmallVector<Value> offsets;
  for (unsigned g = 0; g < rank; ++g)
    offsets.push_back(mul(toIndex(at[g]), cst(kernel.getGridSteps()[g])));
  bindRegion(kernel.getBody(), offsets);
}

FailureOr<ImageVariant> StagedEmitter::emit() {
  if (failed(findProcesses()) || failed(makeRings()) || failed(describeMoves()))
    return failure();
  group = {4, 0, 1, false, Value(), Value()};
  if (failed(assignLayouts()))
    return failure();
  barrierOffset = llvm::alignTo(barrierOffset, 1024);
  uint64_t bytes = llvm::alignTo(barrierOffset + 8 * numBarriers, 16);
  if (bytes > hw.limits.sharedBytes)
    return (void)refuse("it needs " + Twine(bytes) + " bytes of shared memory"), failure();
  (void)shared.allocateWithin(bytes, 1024, hw.limits.sharedBytes);
  emitEntry();
  auto fail = [&](const Twine &why) -> LogicalResult {
    if (reason.empty())
      reason = why.str();
    func.erase();
    return failure();
  };
  addMapParameters();
  sharedAddress = LLVM::PtrToIntOp::create(b, i32, sharedPointer(0));
  initBarriers();
  Value warp = group.warp; // in the block
  Value warpgroup = arith::ShRUIOp::create(b, warp, c32(2));
  group.warp = arith::AndIOp::create(b, warp, c32(3));
  instance = warpgroup;
  auto isConsumer = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, warpgroup, c32(consumers));
  auto roles = scf::IfOp::create(b, isConsumer, /*withElseRegion=*/true);
  // Registers move from the producer's warpgroup to the consumers: 65536 in all.
  bool move = consumers > 1;
  LogicalResult result = success();
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(roles.thenBlock());
    if (move)
      ptx.setRegisters(consumers == 2 ? 232 : 160, true);
    result = emitRole(Role::consumer);
    b.setInsertionPointToStart(roles.elseBlock());
    if (move)
      ptx.setRegisters(consumers == 2 ? 40 : 32, false);
    auto alone = [&](unsigned number, Role what) {
      Value mine = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, group.warp, c32(number));
      Value lane = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, group.lane, c32(0));
      ptx.when(arith::AndIOp::create(b, mine, lane), [&] {
        if (succeeded(result))
          result = emitRole(what);
      });
    };
    alone(0, Role::producer);
    if (storer)
      alone(1, Role::storer);
  }
  if (failed(result) || failedOnce)
    return fail("a part of the kernel has no staged form");
  if (shared.total() > bytes)
    return fail("its elementwise part would pass through shared memory");
  ImageVariant v;
  v.symbol = kernel.getSymName().str();
  v.scratch = bytes;
  v.block = {128 * (consumers + 1), 1, 1};
  v.facts = mapFacts.code();
  v.descriptors = maps;
  v.persistent = 1;
  hw.finishKernel(func, v.block[0]);
  func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
  return v;
}

/// One role: its loop over the programs of this block, with its own place in every ring.
LogicalResult StagedEmitter::emitRole(Role which) {
  role = which;
  tile::ProcessOp process = which == Role::producer ? producer : which == Role::storer ? storer : consumer;
  slots.clear();
  // A place for each ring in registers: the allocas disappear in LLVM's mem2reg.
  for (auto &[name, ring] : rings) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&func.getBody().front());
    Value one = LLVM::ConstantOp::create(b, i32, b.getI32IntegerAttr(1));
    auto pointer = LLVM::LLVMPointerType::get(b.getContext());
    ring->slot = LLVM::AllocaOp::create(b, pointer, i32, one, 4);
    ring->phase = LLVM::AllocaOp::create(b, pointer, i32, one, 4);
    Value zero = LLVM::ConstantOp::create(b, i32, b.getI32IntegerAttr(0));
    LLVM::StoreOp::create(b, zero, ring->slot);
    LLVM::StoreOp::create(b, zero, ring->phase);
  }
  SmallVector<Value> counts = programCounts();
  Value total = c32(1);
  for (Value c : counts)
    total = arith::MulIOp::create(b, total, c);
  Value step = NVVM::GridDimXOp::create(b, i32);
  auto loop =
      scf::ForOp::create(b, hw.block(b), total, step, ValueRange(), [](OpBuilder &, Location, Value, ValueRange) {});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    programOffsets(loop.getInductionVar(), counts);
    scalars.map(process.getBody().front().getArgument(0), toIndex(instance));
    for (Operation &op : kernel.getBody().front().without_terminator())
      if (!isa<tile::ChannelOp, tile::ProcessOp>(op) && failed(lowerOp(&op)))
        return failure();
    if (failed(lowerBlock(process.getBody().front())))
      return failure();
    scf::YieldOp::create(b);
  }
  if (which == Role::storer)
    ptx.waitStores(0, /*complete=*/true);
  return success();
}

//===-- rings

Value StagedEmitter::slotAddress(const Slot &slot) {
  Value offset = ptx.mul(slot.index, c32(slot.ring->slotBytes));
  return add(add(sharedAddress, c32(slot.ring->offset)), offset);
}

Value StagedEmitter::barrierAddress(const Slot &slot, bool full) {
  unsigned first = slot.ring->firstBarrier + (full ? 0 : slot.ring->slots());
  return add(add(sharedAddress, c32(barrierOffset + 8 * first)), ptx.mul(slot.index, c32(8)));
}

/// The next slot: waits until it is free (`toWrite`) or full.
StagedEmitter::Slot StagedEmitter::take(Ring &ring, bool toWrite) {
  Value slot = LLVM::LoadOp::create(b, i32, ring.slot), phase = LLVM::LoadOp::create(b, i32, ring.phase);
  Slot result{&ring, slot};
  if (ring.copies > 1) {
    Value number = role == Role::consumer ? instance : c32(copy);
    result.index = add(mul(number, c32(ring.depth)), slot);
  }
  // A fresh ring is free: the phase before the first counts as completed.
  Value parity = toWrite ? Value(arith::XOrIOp::create(b, phase, c32(1))) : phase;
  ptx.wait(barrierAddress(result, !toWrite), parity);
  if (role == Role::consumer || ring.copies == 1 || copy + 1 == int64_t(ring.copies))
    advance(ring, slot);
  return result;
}

void StagedEmitter::advance(Ring &ring, Value slot) {
  Value phase = LLVM::LoadOp::create(b, i32, ring.phase);
  if (ring.depth == 1) {
    LLVM::StoreOp::create(b, arith::XOrIOp::create(b, phase, c32(1)), ring.phase);
    return;
  }
  Value next = add(slot, c32(1));
  Value wraps = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, next, c32(ring.depth));
  LLVM::StoreOp::create(b, arith::SelectOp::create(b, wraps, c32(0), next), ring.slot);
  LLVM::StoreOp::create(b, arith::XOrIOp::create(b, phase, arith::ExtUIOp::create(b, i32, wraps)), ring.phase);
}

/// The slot is free again. By the consumers: one lane of each warp, once the warp has read it.
void StagedEmitter::release(const Slot &slot) {
  Value barrier = barrierAddress(slot, false);
  if (role != Role::consumer)
    return ptx.arrive(barrier);
  ptx.when(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, group.lane, c32(0)), [&] { ptx.arrive(barrier); });
}

//===-- ops of one thread

FailureOr<bool> StagedEmitter::handle(Operation *op) {
  if (isa<tile::AcquireOp, tile::PutOp, tile::CommitOp, tile::WaitOp, tile::GetOp, tile::ReleaseOp>(op))
    return handleChannel(op);
  if (role == Role::consumer)
    return handleConsumer(op);
  if (auto loop = dyn_cast<scf::ForOp>(op); loop && loop->hasAttr(schedule::kRows)) {
    if (failed(unroll(loop)))
      return failure();
    return true;
  }
  if (isa<tile::LoadOp>(op))
    return true; // emitted with its put
  if (auto store = dyn_cast<tile::StoreOp>(op)) {
    if (failed(emitStore(store)))
      return failure();
    return true;
  }
  return false;
}

/// Strips of a role of one thread: one for each private ring.
LogicalResult StagedEmitter::unroll(scf::ForOp loop) {
  auto lo = getConstantIntValue(loop.getLowerBound()), hi = getConstantIntValue(loop.getUpperBound()),
       step = getConstantIntValue(loop.getStep());
  if (!lo || !hi || !step || loop.getNumResults() || *hi - *lo != *step * int64_t(consumers))
    return refuse("a loop over strips does not have one for each consumer");
  for (copy = 0; copy < int64_t(consumers); ++copy) {
    scalars.map(loop.getInductionVar(), cst(*lo + copy * *step));
    if (failed(lowerBlock(*loop.getBody())))
      return failure();
  }
  copy = 0;
  return success();
}

FailureOr<bool> StagedEmitter::handleChannel(Operation *op) {
  if (auto acquire = dyn_cast<tile::AcquireOp>(op)) {
    Ring &ring = *ringOf.lookup(acquire.getChannel());
    Slot slot = take(ring, true);
    if (role == Role::producer)
      ptx.arriveExpect(barrierAddress(slot, true), ring.tile.bytes());
    slots[acquire.getSlot()] = slot;
  } else if (auto wait = dyn_cast<tile::WaitOp>(op)) {
    slots[wait.getSlot()] = take(*ringOf.lookup(wait.getChannel()), false);
  } else if (auto put = dyn_cast<tile::PutOp>(op)) {
    auto load = put.getTile().getDefiningOp<tile::LoadOp>();
    if (role == Role::producer ? !load || failed(emitLoad(load, slots.lookup(put.getSlot()))) : failed(emitPut(put)))
      return refuse("a channel's content is neither a load nor a result in registers");
  } else if (auto commit = dyn_cast<tile::CommitOp>(op)) {
    if (role == Role::consumer) { // copies count their bytes themselves
      ptx.fenceProxyAsync();
      ptx.arrive(barrierAddress(slots.lookup(commit.getSlot()), true));
    }
  } else if (auto done = dyn_cast<tile::ReleaseOp>(op)) {
    if (role == Role::storer) {
      ptx.commitStores();
      ptx.waitStores(0);
    }
    release(slots.lookup(done.getSlot()));
  }
  return true; // a get is read where it is used
}

/// The first window of a tile: (channel, position in each spatial dim, image).
SmallVector<Value> StagedEmitter::windowOf(const TensorAccess &access, Value channel) {
  const WindowBox &windows = *access.windows;
  SmallVector<Value> result = {channel};
  Value rest = arith::IndexCastOp::create(b, i32, map(access.coordinates[1]));
  for (auto [out, step, lower] : llvm::zip_equal(windows.out, windows.step, windows.lower)) {
    Value count =
        out.known()
            ? c32(*out.known())
            : Value(arith::IndexCastOp::create(b, i32, map(kernel.getDimArgs(kernel.getBody())[out.code()[1]])));
    Value at = arith::RemUIOp::create(b, rest, count);
    rest = arith::DivUIOp::create(b, rest, count);
    result.push_back(add(ptx.mul(at, c32(step)), c32(lower)));
  }
  result.push_back(rest);
  return result;
}

SmallVector<Value> StagedEmitter::coordinatesOf(const TensorAccess &access, int64_t block, const BlockedTile &tile) {
  if (access.windows) {
    Value channel = arith::IndexCastOp::create(b, i32, map(access.coordinates[0]));
    return windowOf(access, add(channel, c32(block * tile.blockColumns())));
  }
  SmallVector<Value> result;
  for (size_t i = 0; i < access.coordinates.size(); ++i) {
    Value at = c32(0);
    if (access.coordinates[i]) {
      Value v = map(access.coordinates[i]);
      if (access.divisors[i] > 1)
        v = arith::DivUIOp::create(b, v, cst(access.divisors[i]));
      at = getConstantIntValue(v) ? c32(*getConstantIntValue(v)) : Value(arith::IndexCastOp::create(b, i32, v));
    }
    result.push_back(i == 0 ? add(at, c32(block * tile.blockColumns())) : at);
  }
  return result;
}

LogicalResult StagedEmitter::emitLoad(tile::LoadOp load, const Slot &slot) {
  auto it = moves.find(load);
  if (it == moves.end())
    return failure();
  const Move &m = it->second;
  Value base = slotAddress(slot), barrier = barrierAddress(slot, true);
  SmallVector<Value> taps;
  for (Value tap : m.access.taps)
    taps.push_back(arith::IndexCastOp::create(b, i16, map(tap)));
  for (int64_t block = 0; block < m.tile.blocks(); ++block) {
    Value to = add(base, c32(block * m.tile.blockBytes()));
    SmallVector<Value> at = coordinatesOf(m.access, block, m.tile);
    if (m.access.windows)
      ptx.loadIm2col(to, mapPointers[m.map], at, barrier, taps);
    else
      ptx.loadTile(to, mapPointers[m.map], at, barrier);
  }
  return success();
}

LogicalResult StagedEmitter::emitStore(tile::StoreOp store) {
  auto it = moves.find(store);
  auto get = store.getTile().getDefiningOp<tile::GetOp>();
  if (it == moves.end() || !get)
    return refuse("a store is not of a channel's tile");
  const Move &m = it->second;
  Value base = slotAddress(slots.lookup(get.getSlot()));
  for (int64_t block = 0; block < m.tile.blocks(); ++block)
    ptx.storeTile(mapPointers[m.map], coordinatesOf(m.access, block, m.tile),
                  add(base, c32(block * m.tile.blockBytes())));
  return success();
}

} // namespace adze::cuda::sm90
