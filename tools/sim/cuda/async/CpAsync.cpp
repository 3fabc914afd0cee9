// cp.async, its groups, and its arrival on mbarriers. PTX ISA, "cp.async" and the pages after it.
#include "tools/sim/cuda/async/Common.h"

using namespace adze::sim;

namespace {
struct CopyExtra : InstrExtra {
  AddressSlot destination, source;
  unsigned bytes = 0;
  Slot sourceBytes; ///< fewer: the rest is zero
  Slot ignore;      ///< a predicate: the source is not read
  bool ignoreNegated = false;
};
} // namespace

/// Moves the bytes of one lane.
static void moveBytes(SharedMemory &memory, const PendingCopy &copy, unsigned lane) {
  uint32_t to = copy.destination[lane];
  unsigned count = copy.sourceBytes[lane];
  if (count) {
    const Allocation &from = *copy.source[lane];
    std::memcpy(&memory.bytes[to], from.bytes + copy.sourceOffset[lane], count);
    std::memcpy(&memory.validity[to], from.validity + copy.sourceOffset[lane], count);
  }
  std::memset(&memory.bytes[to + count], 0, copy.bytes - count);
  std::memset(&memory.validity[to + count], int(Validity::Valid), copy.bytes - count);
}

void adze::sim::completeCopies(Warp &warp, PendingCopy &copy, Mask lanes, const MBarrier *barrier) {
  WarpState &state = WarpState::of(warp);
  SharedMemory &memory = state.block->shared;
  for (Mask rest = lanes; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    if (!copy.moved)
      moveBytes(memory, copy, lane);
    Tag landed = barrier ? barrier->copyTag(state.clocks.unit(), 0) : state.clocks.tag(lane);
    memory.shadow.land(copy.destination[lane], copy.bytes, landed);
  }
  copy.lanes &= ~lanes;
}

static void dropFinished(WarpState &state) {
  while (!state.copies.empty() && state.copies.front().lanes == 0)
    state.copies.pop_front();
}

// --- the copy ---

/// Resolves, checks and records one lane.
static void prepareLane(Warp &warp, const Instr &instr, const CopyExtra &extra, PendingCopy &copy, unsigned lane,
                        uint64_t to, uint64_t from) {
  WarpState &state = WarpState::of(warp);
  unsigned count = copy.sourceBytes[lane];
  if (to % extra.bytes || (count && from % extra.bytes))
    fault(lane, FaultCode::Misaligned,
          "cp.async of " + std::to_string(extra.bytes) + " bytes from " + hexText(from) + " to shared " + hexText(to) +
              ": both must be multiples of " + std::to_string(extra.bytes));
  uint32_t offset;
  SharedMemory &memory = resolveShared(warp, lane, Space::Shared, to, offset, "cp.async");
  copy.destination[lane] = offset;
  if (count) {
    Place source = resolve(warp, lane, Space::Global, from, count, "cp.async");
    copy.source[lane] = source.global;
    copy.sourceOffset[lane] = source.offset;
    checkAccess(warp, lane, instr.line, source, count, /*write=*/false, 0);
  }
  Access access;
  access.clocks = &state.clocks;
  access.sets = &state.block->cluster->unit.sets;
  access.tag = state.clocks.tag(lane, Tag::Pending);
  access.lane = lane;
  access.line = instr.line;
  access.write = true;
  checkShared(state.block->cluster->unit, memory, access, offset, extra.bytes);
}

static Flow execCopy(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const CopyExtra &>(*instr.extra);
  WarpState &state = WarpState::of(warp);
  uint64_t to[32], from[32];
  evaluateAddress(warp, extra.destination, active, to);
  evaluateAddress(warp, extra.source, active, from);
  if (extra.sourceBytes.valid())
    requireDefined(warp, extra.sourceBytes, active, "the source size of cp.async");
  Mask ignored = 0;
  if (extra.ignore.valid()) {
    requireDefined(warp, extra.ignore, active, "the ignore-src predicate of cp.async");
    ignored = warp.predicate(extra.ignore) ^ (extra.ignoreNegated ? fullMask : 0);
  }
  state.copies.emplace_back();
  PendingCopy &copy = state.copies.back();
  copy.line = instr.line;
  copy.bytes = uint8_t(extra.bytes);
  copy.group = state.committed;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    uint64_t count = extra.sourceBytes.valid() ? warp.readLane(extra.sourceBytes, lane, 4) : extra.bytes;
    if (count > extra.bytes)
      fault(lane, FaultCode::IllegalInstruction,
            "the source size of cp.async is " + std::to_string(count) + ", more than the " +
                std::to_string(extra.bytes) + " bytes that it copies");
    copy.sourceBytes[lane] = uint8_t(ignored >> lane & 1 ? 0 : count);
    prepareLane(warp, instr, extra, copy, lane, to[lane], from[lane]);
  }
  copy.lanes = active;
  if (state.block->cluster->unit.now()) {
    for (Mask rest = active; rest; rest &= rest - 1)
      moveBytes(state.block->shared, copy, firstLane(rest));
    copy.moved = true;
  }
  return Flow::Next;
}

static void decodeCopy(Decoder &d, Instr &out) {
  d.requireTarget(80);
  auto &extra = d.makeExtra<CopyExtra>(out);
  bool global = d.takeOne({"cg"}) == 0;
  if (!global && !d.take("ca"))
    d.fail("cp.async is .ca or .cg");
  if (d.takeOne({"shared", "shared::cta"}) < 0 || !d.take("global"))
    d.fail("cp.async copies from .global to .shared");
  bool policy = d.takeCacheHints();
  extra.destination = d.address(d.operand(0));
  extra.source = d.address(d.operand(1));
  int64_t bytes = d.immediate(d.operand(2), "the size of cp.async");
  if (bytes != 16 && (global || (bytes != 4 && bytes != 8)))
    d.fail("cp.async copies " + std::string(global ? "16" : "4, 8 or 16") + " bytes");
  extra.bytes = unsigned(bytes);
  unsigned last = d.operandCount() - (policy ? 1 : 0);
  if (policy)
    d.readOperand(d.operand(last), 8);
  if (last > 3) {
    try {
      extra.sourceBytes = d.readOperand(d.operand(3), 4);
    } catch (const LoadError &) {
      extra.ignore = d.readPredicate(d.operand(3), extra.ignoreNegated);
    }
  }
  out.handler = execCopy;
}

// --- groups ---

static Flow execCommit(Warp &warp, const Instr &, Mask active) {
  WarpState &state = WarpState::of(warp);
  for (Mask rest = active; rest; rest &= rest - 1)
    ++state.committed[firstLane(rest)];
  return Flow::Next;
}

static Flow execWaitGroup(Warp &warp, const Instr &instr, Mask active) {
  WarpState &state = WarpState::of(warp);
  bool all = instr.flags & 1;
  for (PendingCopy &copy : state.copies) {
    if (copy.arrive)
      continue;
    Mask done = 0;
    for (Mask rest = copy.lanes & active; rest; rest &= rest - 1) {
      unsigned lane = firstLane(rest);
      uint64_t limit =
          all ? uint64_t(state.committed[lane]) + 1
              : uint64_t(state.committed[lane]) - std::min<uint64_t>(instr.immediate, state.committed[lane]);
      if (copy.group[lane] < limit)
        done |= 1u << lane;
    }
    if (done)
      completeCopies(warp, copy, done, nullptr);
  }
  dropFinished(state);
  return Flow::Next;
}

static void decodeCommit(Decoder &d, Instr &out) {
  d.requireTarget(80);
  out.handler = execCommit;
}

static void decodeWaitGroup(Decoder &d, Instr &out) {
  d.requireTarget(80);
  int64_t pending = d.immediate(d.operand(0), "the number of groups");
  if (pending < 0)
    d.fail("the number of groups is negative");
  out.immediate = uint64_t(pending);
  out.handler = execWaitGroup;
}

static void decodeWaitAll(Decoder &d, Instr &out) {
  d.requireTarget(80);
  out.flags = 1;
  out.handler = execWaitGroup;
}

// --- arrival on an mbarrier ---

namespace {
struct ArriveExtra : InstrExtra {
  AddressSlot address;
  Space space = Space::Generic;
  bool noIncrement = false;
};
} // namespace

bool adze::sim::deliverArrival(Warp &warp) {
  WarpState &state = WarpState::of(warp);
  ClusterState &cluster = *state.block->cluster;
  for (size_t i = 0; i != state.copies.size(); ++i) {
    PendingCopy &arrival = state.copies[i];
    if (!arrival.arrive || !arrival.lanes)
      continue;
    for (Mask rest = arrival.lanes; rest; rest &= rest - 1) {
      unsigned lane = firstLane(rest);
      MBarrier *barrier = state.block->shared.findBarrier(arrival.destination[lane]);
      if (!barrier || !barrier->live())
        throw protocolFault("cp.async.mbarrier.arrive (line " + std::to_string(arrival.line) +
                            ") arrives after its mbarrier was invalidated");
      for (size_t before = 0; before != i; ++before)
        if (PendingCopy &copy = state.copies[before]; !copy.arrive && (copy.lanes >> lane & 1))
          completeCopies(warp, copy, 1u << lane, barrier);
      uint32_t phase = barrier->currentPhase();
      barrier->arrive(1);
      if (barrier->currentPhase() != phase)
        cluster.progress();
    }
    arrival.lanes = 0;
    dropFinished(state);
    return true;
  }
  return false;
}

static Flow execCopyArrive(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const ArriveExtra &>(*instr.extra);
  WarpState &state = WarpState::of(warp);
  uint64_t address[32];
  evaluateAddress(warp, extra.address, active, address);
  state.copies.emplace_back();
  PendingCopy &arrival = state.copies.back();
  arrival.arrive = true;
  arrival.line = instr.line;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    SharedMemory *memory;
    MBarrier &barrier = usedBarrier(warp, lane, extra.space, address[lane], memory, "cp.async.mbarrier.arrive");
    if (memory->rank != warp.block->rank)
      fault(lane, FaultCode::IllegalAddress, "cp.async.mbarrier.arrive on another block's mbarrier");
    if (!extra.noIncrement)
      barrier.raisePending();
    arrival.destination[lane] = barrier.offset;
  }
  arrival.lanes = active;
  if (state.block->cluster->unit.now())
    deliverArrival(warp);
  return Flow::Next;
}

static void decodeCopyArrive(Decoder &d, Instr &out) {
  d.requireTarget(80);
  auto &extra = d.makeExtra<ArriveExtra>(out);
  extra.noIncrement = d.take("noinc");
  extra.space = d.takeSpace();
  if (!d.take("b64"))
    d.fail("cp.async.mbarrier.arrive has the type .b64");
  extra.address = d.address(d.operand(0));
  out.handler = execCopyArrive;
}

namespace adze::sim {
void registerCpAsync(DecodeTable &table) {
  table.add("cp.async", decodeCopy);
  table.add("cp.async.commit_group", decodeCommit);
  table.add("cp.async.wait_group", decodeWaitGroup);
  table.add("cp.async.wait_all", decodeWaitAll);
  table.add("cp.async.mbarrier.arrive", decodeCopyArrive);
}
} // namespace adze::sim
