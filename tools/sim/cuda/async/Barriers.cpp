// The mbarrier instructions. PTX ISA, "mbarrier.init" and the pages after it.
#include "tools/sim/cuda/async/Common.h"
#include <cassert>

using namespace adze::sim;

namespace {
enum class Operation : uint8_t { Init, Inval, ExpectTx, CompleteTx, Arrive, ArriveDrop, TestWait, TryWait };

struct MBarrierExtra : InstrExtra {
  AddressSlot address;
  Space space = Space::Generic;
  Operation operation = Operation::Init;
  bool expectsTx = false, noComplete = false, parity = false, relaxed = false, hasCount = false;
  Scope scope = Scope::Block;
  Slot result;  ///< state or predicate
  Slot operand; ///< count, bytes, state or parity
};
} // namespace

MBarrier &adze::sim::usedBarrier(Warp &warp, unsigned lane, Space space, uint64_t address, SharedMemory *&memory,
                                 const char *what) {
  uint32_t offset;
  memory = &resolveShared(warp, lane, space, address, offset, what);
  if (offset % 8)
    fault(lane, FaultCode::Misaligned, std::string(what) + " on shared " + hexText(offset) + ": not a multiple of 8");
  MBarrier *barrier = memory->findBarrier(offset);
  if (!barrier || !barrier->live())
    fault(lane, FaultCode::LaunchFailed,
          std::string(what) + " on shared " + hexText(offset) + ", which was not initialised by mbarrier.init" +
              (barrier ? " again after mbarrier.inval" : ""));
  WarpState &state = WarpState::of(warp);
  bool remote = memory->rank != warp.block->rank;
  if (!state.clocks.ordered(barrier->initTag(), lane))
    fault(lane, FaultCode::LaunchFailed,
          std::string(what) + ": nothing orders it after the mbarrier.init of line " +
              std::to_string(barrier->initLine()) + " (a barrier is missing): " + barrier->describe());
  if (remote && !barrier->initFenced)
    fault(lane, FaultCode::LaunchFailed,
          std::string(what) + " on another block's mbarrier, whose init (line " + std::to_string(barrier->initLine()) +
              ") was not followed by fence.mbarrier_init: " + barrier->describe());
  return *barrier;
}

static void initBarrier(Warp &warp, const Instr &instr, const MBarrierExtra &extra, unsigned lane, uint64_t address) {
  WarpState &state = WarpState::of(warp);
  ClusterState &cluster = *state.block->cluster;
  uint32_t offset;
  SharedMemory &memory = resolveShared(warp, lane, extra.space, address, offset, "mbarrier.init");
  if (memory.rank != warp.block->rank)
    fault(lane, FaultCode::IllegalAddress, "mbarrier.init in another block's shared memory");
  if (offset % 8)
    fault(lane, FaultCode::Misaligned, "mbarrier.init at shared " + hexText(offset) + ": not a multiple of 8");
  if (extra.operation == Operation::Inval) {
    SharedMemory *its;
    MBarrier &barrier = usedBarrier(warp, lane, extra.space, address, its, "mbarrier.inval");
    barrier.inval();
    memory.guardBarrier(offset, false);
    std::memset(&memory.validity[offset], int(Validity::Fresh), 8);
    return;
  }
  MBarrier *known = memory.findBarrier(offset);
  MBarrier &barrier = known ? *known : memory.barrierAt(offset, cluster.unit.newActor());
  if (!barrier.live()) {
    Place place = resolve(warp, lane, extra.space, address, 8, "mbarrier.init");
    checkAccess(warp, lane, instr.line, place, 8, /*write=*/true, 0);
    std::memset(place.validity, int(Validity::Valid), 8);
  }
  barrier.init(uint32_t(warp.readLane(extra.operand, lane, 4)), state.clocks.tag(lane), instr.line);
  memory.guardBarrier(offset, true);
}

/// What the lanes of `mask` publish by arriving at `barrier` of `memory`.
static void publishArrival(Warp &warp, const MBarrierExtra &extra, Mask mask, SharedMemory &memory, MBarrier &barrier) {
  WarpState &state = WarpState::of(warp);
  bool remote = memory.rank != warp.block->rank;
  if (remote && extra.scope < Scope::Cluster)
    return; // a release of block scope does not reach another block
  Knowledge &to = remote ? barrier.arrivingFromCluster() : barrier.arriving();
  if (!extra.relaxed) {
    state.clocks.release(mask, to);
    return;
  }
  for (Mask rest = mask & state.anyFenced; rest; rest &= rest - 1)
    if (unsigned lane = firstLane(rest); state.fenced[lane])
      to.join(*state.fenced[lane]);
}

static void arriveLane(Warp &warp, const MBarrierExtra &extra, unsigned lane, MBarrier &barrier) {
  uint64_t value = extra.operand.valid() ? warp.readLane(extra.operand, lane, 4) : 1;
  uint64_t token = 0;
  if (extra.operation == Operation::ExpectTx) {
    barrier.expectTx(uint32_t(value));
    return;
  }
  if (extra.operation == Operation::CompleteTx) {
    barrier.completeTx(uint32_t(value));
    return;
  }
  uint32_t count = extra.expectsTx ? 1 : uint32_t(value);
  if (extra.expectsTx)
    barrier.expectTx(uint32_t(value));
  token = extra.operation == Operation::ArriveDrop ? barrier.arriveDrop(count, extra.noComplete)
                                                   : barrier.arrive(count, extra.noComplete);
  if (extra.result.valid()) {
    warp.writeLane(extra.result, lane, 8, token);
    warp.setPoison(extra.result, 1u << lane, 0);
  }
}

static const char *nameOf(Operation operation) {
  switch (operation) {
  case Operation::ExpectTx:
    return "mbarrier.expect_tx";
  case Operation::CompleteTx:
    return "mbarrier.complete_tx";
  case Operation::ArriveDrop:
    return "mbarrier.arrive_drop";
  case Operation::TestWait:
    return "mbarrier.test_wait";
  case Operation::TryWait:
    return "mbarrier.try_wait";
  default:
    return "mbarrier.arrive";
  }
}

static Flow execInit(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const MBarrierExtra &>(*instr.extra);
  uint64_t address[32];
  evaluateAddress(warp, extra.address, active, address);
  if (extra.operand.valid())
    requireDefined(warp, extra.operand, active, "the count of mbarrier.init");
  for (Mask rest = active; rest; rest &= rest - 1)
    initBarrier(warp, instr, extra, firstLane(rest), address[firstLane(rest)]);
  return Flow::Next;
}

static Flow execArrive(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const MBarrierExtra &>(*instr.extra);
  uint64_t address[32];
  evaluateAddress(warp, extra.address, active, address);
  if (extra.operand.valid())
    requireDefined(warp, extra.operand, active, "the operand of an mbarrier instruction");
  const char *what = nameOf(extra.operation);
  bool arrives = extra.operation == Operation::Arrive || extra.operation == Operation::ArriveDrop;
  for (Mask rest = active; rest;) {
    // Lanes that arrive at the same barrier publish together.
    unsigned first = firstLane(rest);
    Mask together = 0;
    for (Mask others = rest; others; others &= others - 1)
      if (address[firstLane(others)] == address[first])
        together |= 1u << firstLane(others);
    rest &= ~together;
    SharedMemory *memory;
    MBarrier &barrier = usedBarrier(warp, first, extra.space, address[first], memory, what);
    for (Mask others = together & (together - 1); others; others &= others - 1)
      usedBarrier(warp, firstLane(others), extra.space, address[first], memory, what);
    if (memory->rank != warp.block->rank && extra.result.valid())
      fault(first, FaultCode::IllegalInstruction, "an arrival at another block's mbarrier has no state (write _)");
    if (arrives)
      publishArrival(warp, extra, together, *memory, barrier);
    uint32_t phase = barrier.currentPhase();
    for (Mask others = together; others; others &= others - 1)
      arriveLane(warp, extra, firstLane(others), barrier);
    if (barrier.currentPhase() != phase)
      WarpState::of(warp).block->cluster->progress();
  }
  return Flow::Next;
}

// --- waits ---

static std::string describeWait(const Warp &warp, const Instr &instr) {
  const auto &extra = static_cast<const MBarrierExtra &>(*instr.extra);
  const BlockState &block = *static_cast<const WarpState &>(*warp.memory).block;
  uint32_t offset = uint32_t(warp.current().waitState >> 32);
  MBarrier *barrier = const_cast<SharedMemory &>(block.shared).findBarrier(offset);
  return std::string("waits in ") + nameOf(extra.operation) + " for " +
         (extra.parity ? "parity " + std::to_string(((warp.current().waitState & 0xffffffff) - 2) & 1) : "its phase") +
         " of the " + (barrier ? barrier->describe() : std::string("mbarrier"));
}

/// One lane: has the phase completed? `phase` answers its number.
static bool phaseDone(Warp &warp, const MBarrierExtra &extra, unsigned lane, MBarrier &barrier, uint32_t &phase,
                      unsigned &parity) {
  if (extra.parity) {
    parity = unsigned(warp.readLane(extra.operand, lane, 4));
    if (parity > 1)
      fault(lane, FaultCode::IllegalInstruction, "the parity of an mbarrier wait is " + std::to_string(parity));
    phase = barrier.phaseOf(parity);
    return barrier.completed(parity);
  }
  uint64_t token = warp.readLane(extra.operand, lane, 8);
  phase = uint32_t(token >> 20);
  parity = phase & 1;
  return barrier.tokenCompleted(token);
}

static Flow execWait(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const MBarrierExtra &>(*instr.extra);
  WarpState &state = WarpState::of(warp);
  ClusterState &cluster = *state.block->cluster;
  const char *what = nameOf(extra.operation);
  uint64_t address[32];
  evaluateAddress(warp, extra.address, active, address);
  requireDefined(warp, extra.operand, active, "the parity or state of an mbarrier wait");
  Mask done = 0;
  uint32_t firstPhase = 0;
  MBarrier *firstBarrier = nullptr;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    SharedMemory *memory;
    MBarrier &barrier = usedBarrier(warp, lane, extra.space, address[lane], memory, what);
    if (memory->rank != warp.block->rank)
      fault(lane, FaultCode::IllegalAddress,
            std::string(what) + " on another block's mbarrier: only its own threads wait");
    uint32_t phase;
    unsigned parity;
    if (phaseDone(warp, extra, lane, barrier, phase, parity))
      done |= 1u << lane;
    if (!firstBarrier) {
      firstBarrier = &barrier;
      firstPhase = phase;
    }
  }
  assert(firstBarrier && "a warp runs with lanes");
  // The low half of the scratch is the phase waited for, so that a waiter whom the ring laps is seen.
  uint64_t &scratch = warp.waitState();
  if (scratch && uint32_t(scratch) != firstPhase + 2)
    fault(firstLane(active), FaultCode::LaunchFailed,
          std::string(what) + ": the barrier went on by two phases while this thread waited for phase " +
              std::to_string(uint32_t(scratch) - 2) + ": " + firstBarrier->describe());
  bool first = scratch == 0;
  if (!done) {
    scratch = uint64_t(firstBarrier->offset) << 32 | uint32_t(firstPhase + 2);
    if (extra.operation == Operation::TryWait) {
      bool timeOut = first && cluster.unit.roll(8) == 0;
      if (!timeOut)
        return warp.wait(describeWait);
    } else if (first) {
      ++cluster.pollers;
      return warp.wait(describeWait);
    }
  }
  if (!first && extra.operation == Operation::TestWait)
    --cluster.pollers;
  for (Mask rest = done; rest;) {
    unsigned lane = firstLane(rest);
    Mask together = 0;
    for (Mask others = rest; others; others &= others - 1)
      if (address[firstLane(others)] == address[lane])
        together |= 1u << firstLane(others);
    rest &= ~together;
    SharedMemory *memory;
    MBarrier &barrier = usedBarrier(warp, lane, extra.space, address[lane], memory, what);
    uint32_t phase;
    unsigned parity;
    phaseDone(warp, extra, lane, barrier, phase, parity);
    const Knowledge &published = barrier.observe(parity);
    if (extra.relaxed)
      continue;
    state.clocks.acquire(together, published);
    if (extra.scope >= Scope::Cluster)
      state.clocks.acquire(together, barrier.fromCluster(parity));
  }
  scratch = 0;
  warp.setPredicate(extra.result, active, done);
  warp.setPoison(extra.result, active, 0);
  return Flow::Next;
}

// --- decoding ---

static MBarrierExtra &decodeCommon(Decoder &d, Instr &out, Operation operation) {
  auto &extra = d.makeExtra<MBarrierExtra>(out);
  extra.operation = operation;
  int order = d.takeOne({"release", "acquire", "relaxed"});
  extra.relaxed = order == 2;
  if (order == 2 && operation >= Operation::Arrive)
    d.requireVersion(8, 0);
  Scope scope = d.takeScope();
  extra.scope = scope == Scope::None ? Scope::Block : scope;
  extra.space = d.takeSpace();
  if (!d.take("b64"))
    d.fail("mbarrier instructions have the type .b64");
  return extra;
}

static void decodeInit(Decoder &d, Instr &out) {
  auto &extra = decodeCommon(d, out, Operation::Init);
  extra.address = d.address(d.operand(0));
  extra.operand = d.readOperand(d.operand(1), 4);
  out.handler = execInit;
}

static void decodeInval(Decoder &d, Instr &out) {
  auto &extra = decodeCommon(d, out, Operation::Inval);
  extra.address = d.address(d.operand(0));
  out.handler = execInit;
}

static void decodeTx(Decoder &d, Instr &out) {
  d.requireTarget(90);
  bool expects = d.statement().modifiers[0] == "expect_tx";
  auto &extra = decodeCommon(d, out, expects ? Operation::ExpectTx : Operation::CompleteTx);
  extra.address = d.address(d.operand(0));
  extra.operand = d.readOperand(d.operand(1), 4);
  out.handler = execArrive;
}

static void decodeArrive(Decoder &d, Instr &out) {
  bool drop = d.statement().modifiers[0] == "arrive_drop";
  bool expects = d.take("expect_tx"), noComplete = d.take("noComplete");
  auto &extra = decodeCommon(d, out, drop ? Operation::ArriveDrop : Operation::Arrive);
  extra.expectsTx = expects;
  extra.noComplete = noComplete;
  extra.result = d.writeRegister(d.operand(0), 8);
  extra.address = d.address(d.operand(1));
  if (expects)
    d.requireTarget(90);
  if (d.operandCount() > 2)
    extra.operand = d.readOperand(d.operand(2), 4);
  else if (expects || noComplete)
    d.fail("the operand list is too short");
  if (d.operandCount() > 2 && !expects && !noComplete && d.target().number < 90)
    d.fail("mbarrier.arrive with a count needs .noComplete before sm_90");
  out.handler = execArrive;
}

static void decodeWait(Decoder &d, Instr &out) {
  bool isTry = d.statement().modifiers[0] == "try_wait";
  if (isTry)
    d.requireTarget(90);
  bool parity = d.take("parity");
  auto &extra = decodeCommon(d, out, isTry ? Operation::TryWait : Operation::TestWait);
  extra.parity = parity;
  if (parity)
    d.requireVersion(7, 1);
  extra.result = d.writePredicate(d.operand(0));
  extra.address = d.address(d.operand(1));
  extra.operand = d.readOperand(d.operand(2), parity ? 4 : 8);
  if (isTry && d.operandCount() > 3)
    d.readOperand(d.operand(3), 4); // a hint of how long to suspend
  out.handler = execWait;
}

static Flow execPendingCount(Warp &warp, const Instr &instr, Mask active) {
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    warp.writeLane(instr.slot[0], lane, 4, warp.readLane(instr.slot[1], lane, 8) & 0xfffff);
  }
  warp.setPoison(instr.slot[0], active, warp.poison(instr.slot[1]));
  return Flow::Next;
}

static void decodePendingCount(Decoder &d, Instr &out) {
  if (!d.take("b64"))
    d.fail("mbarrier.pending_count has the type .b64");
  out.slot[0] = d.writeRegister(d.operand(0), 4);
  out.slot[1] = d.readOperand(d.operand(1), 8);
  out.handler = execPendingCount;
}

namespace adze::sim {
void registerMBarriers(DecodeTable &table) {
  table.add("mbarrier.init", decodeInit);
  table.add("mbarrier.inval", decodeInval);
  table.add("mbarrier.expect_tx", decodeTx);
  table.add("mbarrier.complete_tx", decodeTx);
  table.add("mbarrier.arrive", decodeArrive);
  table.add("mbarrier.arrive_drop", decodeArrive);
  table.add("mbarrier.test_wait", decodeWait);
  table.add("mbarrier.try_wait", decodeWait);
  table.add("mbarrier.pending_count", decodePendingCount);
}
} // namespace adze::sim
