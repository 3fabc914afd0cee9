// Splits, joins and calls of a warp.
#include "Block.h"
#include "DecodeState.h"

#include <algorithm>
#include <cstring>

namespace adze::sim {

void fault(unsigned lane, FaultCode code, const std::string &text) { throw LaneFault(code, lane, text); }

uint64_t Warp::readLane(Slot slot, unsigned lane, unsigned bytes) const {
  switch (bytes) {
  case 1:
    return read<uint16_t>(slot)[lane] & 0xff;
  case 2:
    return read<uint16_t>(slot)[lane];
  case 4:
    return read<uint32_t>(slot)[lane];
  default:
    return read<uint64_t>(slot)[lane];
  }
}

void Warp::writeLane(Slot slot, unsigned lane, unsigned bytes, uint64_t value) {
  if (bytes <= 2)
    write<uint16_t>(slot)[lane] = uint16_t(value);
  else if (bytes == 4)
    write<uint32_t>(slot)[lane] = uint32_t(value);
  else
    write<uint64_t>(slot)[lane] = value;
}

uint64_t Warp::uniform(Slot slot, Mask active, unsigned bytes, const char *what) {
  requireDefined(*this, slot, active, what);
  uint64_t value = readLane(slot, firstLane(active), bytes);
  for (Mask rest = active & (active - 1); rest; rest &= rest - 1)
    if (readLane(slot, firstLane(rest), bytes) != value)
      fault(firstLane(rest), FaultCode::LaunchFailed, std::string(what) + " differs between the lanes of the warp");
  return value;
}

void requireConverged(const Warp &warp, Mask active, const char *what) {
  if (active == warp.live)
    return;
  fault(firstLane(warp.live & ~active), FaultCode::LaunchFailed,
        std::string(what) + " must be executed by all threads of the warp together (.aligned); this one is elsewhere");
}

// --- splits ---

void Warp::enter(unsigned split) {
  active = split;
  Split &s = splits[split];
  registers = registerFile.data() + s.frame;
  poisons = poisonFile.data() + s.poisonFrame;
}

void Warp::removeSplit() {
  splits.erase(splits.begin() + active);
  if (!splits.empty())
    enter(unsigned(splits.size()) - 1);
}

namespace {

int32_t newJoin(Warp &warp, const Instr *at, uint32_t depth, Mask expected, int32_t parent) {
  size_t index = 0;
  while (index != warp.joins.size() && !warp.joins[index].free)
    ++index;
  if (index == warp.joins.size())
    warp.joins.emplace_back();
  Join &join = warp.joins[index];
  join.at = at;
  join.depth = depth;
  join.expected = expected;
  join.arrived = 0;
  join.parent = parent;
  join.free = false;
  return int32_t(index);
}

/// All lanes have come that will: they go on together.
void release(Warp &warp, Join &join) {
  Split split = std::move(join.resume);
  split.pc = join.at; // again: the join around this one may be at the same place
  split.mask = join.arrived;
  split.join = join.parent;
  split.blocked = false;
  join.free = true;
  warp.splits.push_back(std::move(split));
}

} // namespace

void Warp::diverge(Mask taken, const Instr *target, const Instr *rest, const Instr *meet) {
  Split &split = splits[active];
  if (meet &&
      (split.join < 0 || joins[size_t(split.join)].at != meet || joins[size_t(split.join)].depth != split.depth))
    split.join = newJoin(*this, meet, split.depth, split.mask, split.join);
  Split other = split;
  other.mask = taken;
  other.pc = target;
  split.mask &= ~taken;
  split.pc = rest;
  splits.push_back(std::move(other));
}

void Warp::arrive(const Instr *at) {
  Split &split = splits[active];
  Join &join = joins[size_t(split.join)];
  if (join.arrived == 0)
    join.resume = split;
  join.arrived |= split.mask;
  splits.erase(splits.begin() + active);
  if (join.arrived == join.expected)
    release(*this, join);
  if (!splits.empty())
    enter(unsigned(splits.size()) - 1);
}

/// `lanes` will not come to the joins from `from` up to, but without, `to`.
void Warp::leaveJoins(Mask lanes, int32_t from, int32_t to) {
  for (int32_t index = from; index != to && index >= 0;) {
    Join &join = joins[size_t(index)];
    index = join.parent;
    join.expected &= ~lanes;
    if (join.expected == 0)
      join.free = true;
    else if (join.arrived == join.expected)
      release(*this, join);
  }
}

void Warp::exitLanes(Mask lanes) {
  if (lockCount)
    fault(firstLane(lanes), FaultCode::LaunchFailed,
          "exits while a wgmma of its warp is in flight: wgmma.commit_group and wgmma.wait_group must come first");
  // Joins of callers are reached through the call records' joins, which are parents of the inner ones.
  int32_t join = splits[active].join;
  splits[active].mask &= ~lanes;
  live &= ~lanes;
  leaveJoins(lanes, join, -1);
  if (splits[active].mask == 0)
    removeSplit();
}

// --- calls ---

namespace {

/// Moves the bytes of parameters between two frames.
void copyParameters(Warp &warp, const std::vector<CallExtra::Copy> &copies, Mask lanes, uint32_t fromFrame,
                    uint32_t fromPoison, uint32_t toFrame, uint32_t toPoison) {
  for (const CallExtra::Copy &copy : copies) {
    for (Mask rest = lanes; rest; rest &= rest - 1) {
      unsigned lane = firstLane(rest);
      std::memcpy(warp.registerFile.data() + toFrame + copy.to.offset + lane * copy.bytes,
                  warp.registerFile.data() + fromFrame + copy.from.offset + lane * copy.bytes, copy.bytes);
    }
    for (unsigned byte = 0; byte != copy.bytes; ++byte) {
      Mask &to = warp.poisonFile[toPoison + copy.to.poison + byte * poisonStride];
      to = (to & ~lanes) | (warp.poisonFile[fromPoison + copy.from.poison + byte * poisonStride] & lanes);
    }
  }
}

/// Behind all frames in use: diverged lanes may be in different functions, whose registers lie differently.
void nextFrame(const Warp &warp, uint32_t &frame, uint32_t &poisonFrame) {
  frame = poisonFrame = 0;
  auto behind = [&](const Split &split) {
    frame = std::max(frame, split.frame + split.code->frameBytes);
    poisonFrame = std::max(poisonFrame, split.poisonFrame + split.code->poisonCount);
  };
  for (const Split &split : warp.splits)
    behind(split);
  for (const Join &join : warp.joins)
    if (!join.free && join.arrived)
      behind(join.resume);
}

} // namespace

void Warp::call(const Instr *instr, const CallExtra &call, Mask lanes) {
  constexpr uint32_t maxDepth = 64;
  if (splits[active].depth == maxDepth)
    fault(firstLane(lanes), FaultCode::HardwareStack, "calls are nested more than 64 deep");
  if (lanes != splits[active].mask) { // a guarded call: the others go on and wait behind it
    diverge(lanes, instr, instr + 1, instr + 1);
    enter(unsigned(splits.size()) - 1);
  }
  Split &split = splits[active];
  CallRecord record;
  record.returnTo = instr + 1;
  record.call = &call;
  record.code = split.code;
  record.frame = split.frame;
  record.poisonFrame = split.poisonFrame;
  record.localFrame = split.localFrame;
  record.join = newJoin(*this, instr + 1, split.depth, split.mask, split.join);
  split.join = record.join;
  uint32_t frame = 0, poisonFrame = 0;
  nextFrame(*this, frame, poisonFrame);
  split.frame = frame;
  split.poisonFrame = poisonFrame;
  split.localFrame += record.code->localBytes;
  split.code = call.callee;
  split.depth += 1;
  split.pc = call.callee->code.data();
  split.calls.push_back(record);
  if (registerFile.size() < split.frame + call.callee->frameBytes)
    registerFile.resize(split.frame + call.callee->frameBytes);
  if (poisonFile.size() < split.poisonFrame + call.callee->poisonCount)
    poisonFile.resize(split.poisonFrame + call.callee->poisonCount);
  std::fill_n(&poisonFile[split.poisonFrame], poisonStride, 0); // constants; another frame may have lain here
  for (uint32_t i = poisonStride; i < call.callee->poisonCount; i += poisonStride) {
    Mask *masks = &poisonFile[split.poisonFrame + i];
    masks[0] |= lanes;
    masks[1] &= ~lanes;
    masks[2] &= ~lanes;
  }
  copyParameters(*this, call.arguments, lanes, record.frame, record.poisonFrame, split.frame, split.poisonFrame);
  enter(active);
}

void Warp::returnLanes(Mask lanes) {
  if (lanes != splits[active].mask) {
    Split others = splits[active];
    others.mask &= ~lanes;
    others.pc += 1;
    splits[active].mask = lanes;
    splits.push_back(std::move(others));
  }
  Split &split = splits[active];
  CallRecord record = split.calls.back();
  split.calls.pop_back();
  copyParameters(*this, record.call->results, lanes, split.frame, split.poisonFrame, record.frame, record.poisonFrame);
  int32_t inner = split.join;
  split.join = record.join;
  split.depth -= 1;
  split.code = record.code;
  split.frame = record.frame;
  split.poisonFrame = record.poisonFrame;
  split.localFrame = record.localFrame;
  split.pc = record.returnTo;
  enter(active);
  leaveJoins(lanes, inner, record.join);
  enter(active); // leaveJoins may have moved the splits
}

// --- lanes of a warp that meet ---

Mask gather(Warp &warp, const Instr &instr, Mask active, Slot members, const char *what) {
  requireDefined(warp, members, active, "the member mask");
  const uint32_t *masks = warp.read<uint32_t>(members);
  Mask named = 0;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    if (!(masks[lane] >> lane & 1))
      fault(lane, FaultCode::LaunchFailed, std::string(what) + ": the executing lane is not in its own member mask");
    named |= masks[lane];
  }
  named &= warp.live;
  if (!(named & ~active))
    return active;
  // Others must come: do they wait here already?
  Mask here = active;
  for (size_t i = 0; i != warp.splits.size(); ++i)
    if (i != warp.active && warp.splits[i].pc == &instr && warp.splits[i].frame == warp.current().frame)
      here |= warp.splits[i].gathering;
  for (Mask rest = here & ~active; rest; rest &= rest - 1)
    named |= masks[firstLane(rest)] & warp.live;
  if (named & ~here) {
    warp.current().gathering = active;
    return 0;
  }
  for (size_t i = 0; i != warp.splits.size(); ++i) {
    Split &split = warp.splits[i];
    if (i == warp.active || split.pc != &instr || split.frame != warp.current().frame || !split.gathering)
      continue;
    split.pc += 1;
    split.gathering = 0;
    split.blocked = false;
    split.waitState = 0;
  }
  warp.current().gathering = 0;
  return here;
}

} // namespace adze::sim
