// wgmma: issue, locks, groups and waits. The arithmetic is in WarpgroupProduct.cpp.
#include "tools/sim/cuda/tensor/Warpgroup.h"

#include "tools/sim/cuda/memory/State.h"
#include "tools/sim/cuda/tensor/WarpgroupProduct.h"

#include <algorithm>

namespace adze::sim {

WarpgroupWarp &WarpgroupWarp::of(Warp &warp) {
  if (!warp.tensor)
    warp.tensor = std::make_unique<WarpgroupWarp>();
  return static_cast<WarpgroupWarp &>(*warp.tensor);
}

namespace {

Warpgroup &groupOf(Warp &warp) {
  Block &block = *warp.block;
  return TensorBlock::of(block).scratch<WarpgroupBlock>().groups[warp.index / 4];
}

/// The rank of the warp in its warpgroup; faults if there are no four whole warps.
unsigned rankOf(Warp &warp, Mask active, const char *what) {
  requireWholeWarp(warp, active, what);
  if (warp.current().poisonFrame)
    fault(0, FaultCode::LaunchFailed, std::string(what) + " inside a called function is not supported");
  unsigned leader = warp.index & ~3u;
  if (leader + 4 > warp.block->warps.size())
    fault(0, FaultCode::LaunchFailed,
          std::string(what) + " needs a warpgroup of four warps; the block's last warpgroup is not complete");
  return warp.index & 3;
}

[[noreturn]] void protocol(const std::string &text) { fault(0, FaultCode::LaunchFailed, text); }

std::string atLine(const WgmmaOperation &operation) { return "line " + std::to_string(operation.instr->line); }

// --- register locks ---

void updateLock(Warp &warp, uint32_t index, const WarpgroupWarp::Use &use) {
  uint8_t value = use.accumulating ? 2 : use.reading ? 1 : 0;
  if (warp.locks.size() <= index)
    warp.locks.resize(index + 1);
  if (warp.locks[index] && !value)
    --warp.lockCount;
  if (!warp.locks[index] && value)
    ++warp.lockCount;
  warp.locks[index] = value;
}

/// An access by ordinary instructions since the last wgmma.fence makes the next wgmma's access unordered with it. The
/// executor stamps registers with the instruction that touched them; accesses of wgmma itself do not count, but two of
/// different shapes on one accumulator are as unordered as others.
void requireFence(Warp &warp, WarpgroupWarp &state, const WgmmaExtra &extra, Slot slot, bool accumulator) {
  uint32_t index = slot.poison;
  uint64_t touched = index < warp.touched.size() ? warp.touched[index] : 0;
  const WarpgroupWarp::Use &use = state.use(index);
  bool ours = use.serial && use.serial >= touched;
  const char *kind = accumulator ? "accumulator" : "A";
  if (!ours) {
    if (touched >= state.fence)
      protocol(std::string("missing wgmma.fence: a register of the ") + kind +
               " fragment was accessed after the last wgmma.fence of this warp");
    return;
  }
  if (use.serial < state.fence)
    return;
  if (accumulator && use.reading)
    protocol("an accumulator register is the A operand of a wgmma in flight");
  if (!accumulator && use.accumulating)
    protocol("a register of the A fragment is the accumulator of a wgmma in flight: wgmma.wait_group must come first");
  if (accumulator && (use.columns != extra.columns || use.depth != extra.depth))
    protocol("missing wgmma.fence: wgmmas of different shapes use the same accumulator registers");
}

/// Marks the registers of one operation as used (`by` = +1) or free again (-1).
void markRegisters(Warp &warp, WarpgroupWarp &state, const WgmmaExtra &extra, int by) {
  for (Slot slot : extra.d) {
    WarpgroupWarp::Use &use = state.use(slot.poison);
    use.accumulating += static_cast<uint32_t>(by);
    if (by > 0) {
      use.serial = warp.serial;
      use.columns = extra.columns;
      use.depth = extra.depth;
    }
    updateLock(warp, slot.poison, use);
  }
  for (Slot slot : extra.aRegisters) {
    WarpgroupWarp::Use &use = state.use(slot.poison);
    use.reading += static_cast<uint32_t>(by);
    if (by > 0)
      use.serial = warp.serial;
    updateLock(warp, slot.poison, use);
  }
}

// --- shared operands ---

/// Runs of neighbouring pieces, each as one access.
template <typename Body>
void forRuns(const std::vector<MatrixPiece> &pieces, Body body) {
  for (size_t i = 0; i < pieces.size();) {
    uint32_t low = pieces[i].shared, high = low + 16;
    size_t j = i + 1;
    for (; j < pieces.size() && (pieces[j].shared == high || pieces[j].shared + 16 == low); ++j) {
      low = std::min(low, pieces[j].shared);
      high = std::max(high, pieces[j].shared + 16);
    }
    body(i, low, high - low);
    i = j;
  }
}

/// Checks that every byte is there, written before this warp's issue and visible to the async proxy. The first warp
/// checks all, the others every eighth run: what distinguishes warps is which waits they executed, and that shows
/// anywhere.
void checkPieces(Warp &warp, Warpgroup &group, uint64_t number, const WgmmaOperation &operation,
                 const std::vector<MatrixPiece> &pieces, bool all) {
  BlockState &block = BlockState::of(*warp.block);
  Unit &unit = block.cluster->unit;
  WarpState &memory = WarpState::of(warp);
  Access access;
  access.clocks = &memory.clocks;
  access.sets = &unit.sets;
  access.tag = Tag::make(unit.id, static_cast<unsigned>(group.actor), Tag::noLane, static_cast<uint32_t>(number + 1),
                         Tag::Async);
  access.line = operation.instr->line;
  bool races = warp.block->launch->options.checkRaces;
  size_t count = 0;
  forRuns(pieces, [&](size_t, uint32_t offset, uint32_t bytes) {
    if (offset > block.shared.size || bytes > block.shared.size - offset)
      fault(0, FaultCode::IllegalAddress,
            "wgmma reads " + std::to_string(bytes) + " bytes at shared " + hexText(offset) + ": the block has " +
                std::to_string(block.shared.size) + " bytes of shared memory");
    if (races && (all || count++ % 8 == 0))
      checkShared(unit, block.shared, access, offset, bytes);
  });
}

void changeLocks(Warp &warp, const WgmmaOperation &operation, bool lock) {
  SharedMemory &shared = BlockState::of(*warp.block).shared;
  for (const auto *pieces : {&operation.aPieces, &operation.bPieces})
    forRuns(*pieces, [&](size_t, uint32_t offset, uint32_t bytes) {
      if (lock)
        shared.lock(offset, bytes);
      else
        shared.unlock(offset, bytes);
    });
}

MatrixDescriptor descriptorOf(uint64_t bits, const char *which) {
  MatrixDescriptor descriptor;
  std::string text = decode(bits, descriptor);
  if (!text.empty())
    fault(0, FaultCode::IllegalInstruction,
          std::string("the descriptor of ") + which + " (" + hexText(bits) + ") " + text);
  return descriptor;
}

void place(WgmmaOperation &operation) {
  const WgmmaExtra &extra = *operation.extra;
  if (extra.aRegisters.empty())
    matrixPieces(descriptorOf(operation.aDescriptor, "A"), extra.transposeA, 64, extra.elementBytes(),
                 operation.aPieces);
  matrixPieces(descriptorOf(operation.bDescriptor, "B"), extra.transposeB, extra.columns, extra.elementBytes(),
               operation.bPieces);
}

// --- the instructions ---

/// The group's operation that this warp issues as its `number`th: made by the first warp, compared by the others.
WgmmaOperation &join(Warp &warp, Warpgroup &group, uint64_t number, const WgmmaOperation &wanted) {
  if (number - group.first == group.operations.size()) {
    group.operations.push_back(std::make_unique<WgmmaOperation>(wanted));
    place(*group.operations.back());
    return *group.operations.back();
  }
  WgmmaOperation &operation = group.at(number);
  if (operation.instr != wanted.instr)
    protocol("the warps of the warpgroup execute different wgmma instructions: another warp is at " +
             atLine(operation));
  if (operation.aDescriptor != wanted.aDescriptor || operation.bDescriptor != wanted.bDescriptor)
    protocol("the descriptors differ between the warps of the warpgroup: " + hexText(wanted.aDescriptor) + ", " +
             hexText(wanted.bDescriptor) + " here, " + hexText(operation.aDescriptor) + ", " +
             hexText(operation.bDescriptor) + " in another warp");
  if (operation.accumulate != wanted.accumulate)
    protocol("scale-d differs between the warps of the warpgroup");
  return operation;
}

Flow execMmaAsync(Warp &warp, const Instr &instr, Mask active) {
  const WgmmaExtra &extra = static_cast<const WgmmaExtra &>(*instr.extra);
  unsigned rank = rankOf(warp, active, "wgmma.mma_async");
  Warpgroup &group = groupOf(warp);
  WarpgroupWarp &state = WarpgroupWarp::of(warp);
  Unit &unit = BlockState::of(*warp.block).cluster->unit;
  if (group.actor < 0)
    group.actor = static_cast<int>(unit.newActor());

  WgmmaOperation wanted;
  wanted.instr = &instr;
  wanted.extra = &extra;
  if (extra.aRegisters.empty())
    wanted.aDescriptor = warp.uniform(extra.aDescriptor, active, 8, "the descriptor of A");
  wanted.bDescriptor = warp.uniform(extra.bDescriptor, active, 8, "the descriptor of B");
  requireDefined(warp, extra.scale, active, "scale-d");
  Mask scale = extra.scaleNegated ? ~warp.predicate(extra.scale) : warp.predicate(extra.scale);
  if (scale != 0 && scale != fullMask)
    protocol("scale-d differs between the lanes of the warp");
  wanted.accumulate = scale != 0;

  if (!state.fence)
    protocol("missing wgmma.fence: this warp has executed none before its first wgmma");
  for (Slot slot : extra.d)
    requireFence(warp, state, extra, slot, true);
  for (Slot slot : extra.aRegisters)
    requireFence(warp, state, extra, slot, false);

  uint64_t number = state.issued;
  WgmmaOperation &operation = join(warp, group, number, wanted);
  bool first = operation.issued == 0;
  checkPieces(warp, group, number, operation, operation.aPieces, first);
  checkPieces(warp, group, number, operation, operation.bPieces, first);
  if (first)
    changeLocks(warp, operation, true);
  operation.issued |= 1u << rank;
  ++state.issued;
  snapshotRegisters(warp, rank, operation);
  if (first && unit.now())
    readOperands(warp, operation);
  markRegisters(warp, state, extra, 1);
  if (operation.issued == 15)
    warp.block->notify();
  return Flow::Next;
}

Flow execFence(Warp &warp, const Instr &, Mask active) {
  rankOf(warp, active, "wgmma.fence");
  WarpgroupWarp::of(warp).fence = std::max<uint64_t>(warp.serial, 1);
  return Flow::Next;
}

Flow execCommit(Warp &warp, const Instr &, Mask active) {
  rankOf(warp, active, "wgmma.commit_group");
  WarpgroupWarp &state = WarpgroupWarp::of(warp);
  state.groups.push_back(state.issued);
  state.committed = state.issued;
  return Flow::Next;
}

/// This warp's part of all operations below `end` is complete: D is written, locks are released, and the warp knows
/// that the shared operands have been read.
void finishUntil(Warp &warp, Warpgroup &group, WarpgroupWarp &state, unsigned rank, uint64_t end) {
  std::vector<WgmmaOperation *> due;
  for (uint64_t number = state.finished; number < end; ++number) {
    due.push_back(&group.at(number));
    readOperands(warp, group.at(number));
  }
  writeAccumulators(warp, rank, due);
  for (WgmmaOperation *operation : due) {
    markRegisters(warp, state, *operation->extra, -1);
    if (operation->finished == 0)
      changeLocks(warp, *operation, false);
    operation->finished |= 1u << rank;
  }
  Knowledge knowledge;
  knowledge.generic.at(static_cast<unsigned>(group.actor)).all = static_cast<uint32_t>(end);
  WarpState::of(warp).clocks.acquire(fullMask, knowledge);
  state.finished = end;
  while (!group.operations.empty() && group.operations.front()->finished == 15) {
    group.operations.pop_front();
    ++group.first;
  }
}

std::string describeWait(const Warp &warp, const Instr &) {
  return "warp " + std::to_string(warp.index) +
         " waits in wgmma.wait_group for the other warps of its warpgroup to issue the same wgmma";
}

Flow execWait(Warp &warp, const Instr &instr, Mask active) {
  unsigned rank = rankOf(warp, active, "wgmma.wait_group");
  Warpgroup &group = groupOf(warp);
  WarpgroupWarp &state = WarpgroupWarp::of(warp);
  if (state.groups.size() <= instr.immediate)
    return Flow::Next;
  size_t done = state.groups.size() - instr.immediate;
  uint64_t end = state.groups[done - 1];
  for (uint64_t number = state.finished; number < end; ++number)
    if (group.at(number).issued != 15)
      return warp.wait(describeWait);
  if (end > state.finished)
    finishUntil(warp, group, state, rank, end);
  state.groups.erase(state.groups.begin(), state.groups.begin() + static_cast<std::ptrdiff_t>(done));
  return Flow::Next;
}

// --- decoding ---

/// The operands behind D: descriptors or registers, scale-d, and the immediates that the types take.
void decodeOperands(Decoder &d, WgmmaExtra &extra) {
  const ptx::Operand &a = d.operand(1);
  if (a.kind == ptx::Operand::Kind::Vector)
    extra.aRegisters = d.readVector(a, 4, 4);
  else
    extra.aDescriptor = d.readOperand(a, 8);
  extra.bDescriptor = d.readOperand(d.operand(2), 8);
  extra.scale = d.readPredicate(d.operand(3), extra.scaleNegated);
  if (isInteger(extra.a))
    return;
  auto scale = [&](unsigned i, const char *what) {
    int64_t value = d.immediate(d.operand(i), what);
    if (value != 1 && value != -1)
      d.fail(std::string(what) + " must be 1 or -1");
    return value == -1;
  };
  auto transpose = [&](unsigned i, const char *what) {
    int64_t value = d.immediate(d.operand(i), what);
    if (value != 0 && value != 1)
      d.fail(std::string(what) + " must be 0 or 1");
    return value == 1;
  };
  extra.negateA = scale(4, "imm-scale-a");
  extra.negateB = scale(5, "imm-scale-b");
  if (widthOf(extra.a) != 16)
    return;
  unsigned next = 6;
  if (extra.aRegisters.empty())
    extra.transposeA = transpose(next++, "imm-trans-a");
  extra.transposeB = transpose(next, "imm-trans-b");
}

/// m64nNkK with the N and K that the type has.
void decodeShape(Decoder &d, WgmmaExtra &extra, const std::string &shape) {
  size_t n = shape.find('n'), k = shape.find('k');
  if (shape.compare(0, 4, "m64n") != 0 || k == std::string::npos)
    d.fail("the shape must be .m64nNkK");
  extra.columns = static_cast<unsigned>(std::strtoul(shape.c_str() + n + 1, nullptr, 10));
  extra.depth = static_cast<unsigned>(std::strtoul(shape.c_str() + k + 1, nullptr, 10));
  if ("m64n" + std::to_string(extra.columns) + "k" + std::to_string(extra.depth) != shape)
    d.fail("the shape must be .m64nNkK");
  if (extra.depth * widthOf(extra.a) != 256)
    d.fail("K must be " + std::to_string(256 / widthOf(extra.a)) + " for these types");
  bool step = extra.columns % 8 == 0;
  if (isInteger(extra.a))
    step = extra.columns == 8 || extra.columns == 24 || extra.columns % 16 == 0;
  if (!step || extra.columns < 8 || extra.columns > 256)
    d.fail("N = " + std::to_string(extra.columns) + " does not exist for these types");
}

void decodeMmaAsync(Decoder &d, Instr &out) {
  d.requireTarget(90, /*exactSuffix=*/true);
  d.requireVersion(8, 0);
  if (!d.take("sync") || !d.take("aligned"))
    d.fail(".sync.aligned is missing");
  WgmmaExtra &extra = d.makeExtra<WgmmaExtra>(out);
  extra.saturate = d.take("satfinite");
  std::vector<std::string> parts = d.left();
  if (parts.size() != 4)
    d.fail("expected the shape and three types (D, A, B)");
  for (const std::string &part : parts)
    d.take(part);
  extra.to = accumulatorTypeNamed(d, parts[1]);
  extra.a = tensorTypeNamed(d, parts[2]);
  extra.b = tensorTypeNamed(d, parts[3]);
  bool integers = isInteger(extra.a);
  if (widthOf(extra.a) != widthOf(extra.b) || integers != isInteger(extra.b) ||
      (widthOf(extra.a) != 8 && extra.a != extra.b))
    d.fail("the types of A and B do not go together");
  if (integers != (extra.to == AccumulatorType::S32))
    d.fail("8-bit integers accumulate in .s32, and only they do");
  if (extra.to == AccumulatorType::F16 && (extra.a == TensorType::BF16 || extra.a == TensorType::TF32))
    d.fail("bf16 and tf32 accumulate in .f32 only");
  if (extra.saturate && !integers)
    d.fail(".satfinite is for .s32");
  if (integers && extra.a != extra.b)
    d.requireVersion(8, 4);
  decodeShape(d, extra, parts[0]);
  unsigned registers = static_cast<unsigned>(extra.to == AccumulatorType::F16 ? extra.columns / 4 : extra.columns / 2);
  extra.d = d.updateVector(d.operand(0), 4, registers);
  decodeOperands(d, extra);
  d.trackRegisters();
  out.checksLocks = true;
  out.handler = execMmaAsync;
}

void decodeSimple(Decoder &d, Instr &out, Handler handler) {
  d.requireTarget(90, /*exactSuffix=*/true);
  d.requireVersion(8, 0);
  if (!d.take("sync") || !d.take("aligned"))
    d.fail(".sync.aligned is missing");
  d.trackRegisters();
  out.handler = handler;
}

} // namespace

void registerWarpgroup(DecodeTable &table) {
  table.add("wgmma.mma_async", decodeMmaAsync);
  table.add("wgmma.fence", [](Decoder &d, Instr &out) { decodeSimple(d, out, execFence); });
  table.add("wgmma.commit_group", [](Decoder &d, Instr &out) { decodeSimple(d, out, execCommit); });
  table.add("wgmma.wait_group", [](Decoder &d, Instr &out) {
    decodeSimple(d, out, execWait);
    int64_t pending = d.immediate(d.operand(0), "the number of groups");
    if (pending < 0)
      d.fail("the number of groups is negative");
    out.immediate = static_cast<uint64_t>(pending);
  });
}

} // namespace adze::sim
