// Instructions in which the lanes of a warp meet. PTX ISA, "shfl.sync", "vote.sync", "match.sync", "redux.sync",
// "activemask", "elect.sync", "bar.warp.sync".
#include "Alu.h"
#include "Block.h"

#include <algorithm>

namespace adze::sim {
namespace {

std::string describeGather(const Warp &, const Instr &) { return "waits for the other lanes of its member mask"; }

/// Calls body(group) for the lanes that share a member mask, when all of them have met; answers Wait before.
template <typename Body>
Flow together(Warp &w, const Instr &i, Mask active, Slot members, const char *what, Body body) {
  Mask here = gather(w, i, active, members, what);
  if (!here)
    return w.wait(describeGather);
  const uint32_t *masks = w.read<uint32_t>(members);
  for (Mask rest = here; rest;) {
    uint32_t mask = masks[firstLane(rest)];
    Mask group = 0;
    if (members.constant()) {
      group = here;
    } else {
      for (Mask left = rest; left; left &= left - 1)
        if (masks[firstLane(left)] == mask)
          group |= Mask(1) << firstLane(left);
    }
    body(group & rest);
    w.block->launch->memory->warpSynchronised(w, group & rest, false);
    rest &= ~group;
  }
  return Flow::Next;
}

// --- shfl.sync: slots d, p, a, b, c, members ---

enum class Shuffle : uint8_t { Up, Down, Bfly, Idx };

template <Shuffle mode>
int source(int lane, uint32_t b, uint32_t c, bool &inRange) {
  int offset = int(b & 31), clamp = int(c & 31), segment = int(c >> 8 & 31);
  int maxLane = (lane & segment) | (clamp & ~segment), minLane = lane & segment;
  int j = mode == Shuffle::Up     ? lane - offset
          : mode == Shuffle::Down ? lane + offset
          : mode == Shuffle::Bfly ? lane ^ offset
                                  : minLane | (offset & ~segment);
  inRange = mode == Shuffle::Up ? j >= maxLane : j <= maxLane;
  return inRange ? j : lane;
}

template <Shuffle mode>
Flow execShuffle(Warp &w, const Instr &i, Mask active) {
  return together(w, i, active, i.slot[5], "shfl.sync", [&](Mask group) {
    const uint32_t *a = w.read<uint32_t>(i.slot[2]), *b = w.read<uint32_t>(i.slot[3]), *c = w.read<uint32_t>(i.slot[4]);
    Mask poisonA = w.poison(i.slot[2]), poison = w.poison(i.slot[3]) | w.poison(i.slot[4]), truth = 0;
    Mask poisonP = poison;
    uint32_t result[warpSize];
    for (Mask rest = group; rest; rest &= rest - 1) {
      unsigned lane = firstLane(rest);
      bool inRange = false;
      int from = source<mode>(int(lane), b[lane], c[lane], inRange) & 31;
      result[lane] = a[from];
      truth |= Mask(inRange) << lane;
      // What a lane outside the group holds is not defined here.
      if (poisonA >> from & 1 || !(group >> from & 1))
        poison |= Mask(1) << lane;
    }
    if (i.slot[0].valid()) {
      uint32_t *d = w.write<uint32_t>(i.slot[0]);
      for (Mask rest = group; rest; rest &= rest - 1)
        d[firstLane(rest)] = result[firstLane(rest)];
      w.setPoison(i.slot[0], group, poison);
    }
    if (i.slot[1].valid()) {
      w.setPoison(i.slot[1], group, poisonP);
      w.setPredicate(i.slot[1], group, truth);
    }
  });
}
void decodeShuffle(Decoder &d, Instr &out) {
  unsigned mode = d.requireOne("the mode", {"up", "down", "bfly", "idx"});
  if (!d.take("b32"))
    d.fail("needs .b32");
  for (unsigned k = 1; k <= 4; ++k)
    out.slot[k + 1] = d.readOperand(d.operand(k), 4);
  const ptx::Operand &to = d.operand(0);
  bool pair = to.kind == ptx::Operand::Kind::Pair;
  out.slot[0] = d.writeRegister(pair ? to.elements[0] : to, 4);
  if (pair)
    out.slot[1] = d.writePredicate(to.elements[1]);
  out.handler = mode == 0   ? execShuffle<Shuffle::Up>
                : mode == 1 ? execShuffle<Shuffle::Down>
                : mode == 2 ? execShuffle<Shuffle::Bfly>
                            : execShuffle<Shuffle::Idx>;
}

// --- vote.sync: slots d, a, members; flags bit 0: !a ---

enum class Vote : uint8_t { All, Any, Uni, Ballot };

template <Vote vote>
Flow execVote(Warp &w, const Instr &i, Mask active) {
  return together(w, i, active, i.slot[2], "vote.sync", [&](Mask group) {
    Mask truth = (w.predicate(i.slot[1]) ^ (i.flags & 1 ? fullMask : 0)) & group;
    Mask poison = w.poison(i.slot[1]) & group ? fullMask : 0;
    w.setPoison(i.slot[0], group, poison);
    if (vote == Vote::Ballot) {
      uint32_t *d = w.write<uint32_t>(i.slot[0]);
      for (Mask rest = group; rest; rest &= rest - 1)
        d[firstLane(rest)] = truth;
      return;
    }
    bool result = vote == Vote::All ? truth == group : vote == Vote::Any ? truth != 0 : truth == 0 || truth == group;
    w.setPredicate(i.slot[0], group, result ? fullMask : 0);
  });
}
void decodeVote(Decoder &d, Instr &out) {
  unsigned mode = d.requireOne("the mode", {"all", "any", "uni", "ballot"});
  if (!d.take(mode == 3 ? "b32" : "pred"))
    d.fail(mode == 3 ? "needs .b32" : "needs .pred");
  bool negated = false;
  out.slot[1] = d.readPredicate(d.operand(1), negated);
  out.flags = negated;
  out.slot[2] = d.readOperand(d.operand(2), 4);
  out.slot[0] = mode == 3 ? d.writeRegister(d.operand(0), 4) : d.writePredicate(d.operand(0));
  if (!out.slot[0].valid())
    d.fail("the destination cannot be '_'");
  out.handler = mode == 0   ? execVote<Vote::All>
                : mode == 1 ? execVote<Vote::Any>
                : mode == 2 ? execVote<Vote::Uni>
                            : execVote<Vote::Ballot>;
}

// --- match.sync: slots d, p, a, members ---

template <typename T, bool all>
Flow execMatch(Warp &w, const Instr &i, Mask active) {
  return together(w, i, active, i.slot[3], "match.sync", [&](Mask group) {
    const T *a = w.read<T>(i.slot[2]);
    uint32_t *d = w.write<uint32_t>(i.slot[0]);
    T value[warpSize];
    std::copy(a, a + warpSize, value);
    Mask poison = w.poison(i.slot[2]) & group ? fullMask : 0;
    Mask agree = 0;
    for (Mask rest = group; rest; rest &= rest - 1) {
      unsigned lane = firstLane(rest);
      Mask same = 0;
      for (Mask other = group; other; other &= other - 1)
        same |= Mask(value[firstLane(other)] == value[lane]) << firstLane(other);
      if (all)
        same = same == group ? group : 0;
      agree |= same ? Mask(1) << lane : 0;
      d[lane] = same;
    }
    w.setPoison(i.slot[0], group, poison);
    if (i.slot[1].valid()) {
      w.setPoison(i.slot[1], group, poison);
      w.setPredicate(i.slot[1], group, agree);
    }
  });
}
template <bool all>
void decodeMatch(Decoder &d, Instr &out) {
  if (!d.take("sync"))
    d.fail("needs .sync");
  unsigned wide = d.requireOne("the type", {"b32", "b64"});
  out.slot[2] = d.readOperand(d.operand(1), wide ? 8 : 4);
  out.slot[3] = d.readOperand(d.operand(2), 4);
  const ptx::Operand &to = d.operand(0);
  bool pair = all && to.kind == ptx::Operand::Kind::Pair;
  out.slot[0] = d.writeRegister(pair ? to.elements[0] : to, 4);
  if (pair)
    out.slot[1] = d.writePredicate(to.elements[1]);
  if (!out.slot[0].valid())
    d.fail("the destination cannot be '_'");
  out.handler = wide ? execMatch<uint64_t, all> : execMatch<uint32_t, all>;
}

// --- redux.sync: slots d, a, members ---

enum class Redux : uint8_t { Add, MinU, MinS, MaxU, MaxS, And, Or, Xor };
uint32_t reduceTwo(Redux op, uint32_t a, uint32_t b) {
  switch (op) {
  case Redux::Add:
    return a + b;
  case Redux::MinU:
    return std::min(a, b);
  case Redux::MinS:
    return uint32_t(std::min(int32_t(a), int32_t(b)));
  case Redux::MaxU:
    return std::max(a, b);
  case Redux::MaxS:
    return uint32_t(std::max(int32_t(a), int32_t(b)));
  case Redux::And:
    return a & b;
  case Redux::Or:
    return a | b;
  default:
    return a ^ b;
  }
}
Flow execRedux(Warp &w, const Instr &i, Mask active) {
  return together(w, i, active, i.slot[2], "redux.sync", [&](Mask group) {
    const uint32_t *a = w.read<uint32_t>(i.slot[1]);
    uint32_t result = a[firstLane(group)];
    for (Mask rest = group & (group - 1); rest; rest &= rest - 1)
      result = reduceTwo(Redux(i.flags), result, a[firstLane(rest)]);
    uint32_t *d = w.write<uint32_t>(i.slot[0]);
    w.setPoison(i.slot[0], group, w.poison(i.slot[1]) & group ? fullMask : 0);
    for (Mask rest = group; rest; rest &= rest - 1)
      d[firstLane(rest)] = result;
  });
}
void decodeRedux(Decoder &d, Instr &out) {
  d.requireTarget(80);
  unsigned op = d.requireOne("the operation", {"add", "min", "max", "and", "or", "xor"});
  ElementType t = d.requireType();
  bool bits = t.cls == ElementType::Class::Bits;
  if (t.bits != 32 || t.packed || isFloat(t) || bits != (op >= 3))
    d.fail("type ." + t.name + " is not supported");
  static constexpr Redux ops[] = {Redux::Add, Redux::MinU, Redux::MaxU, Redux::And, Redux::Or, Redux::Xor};
  out.flags = uint8_t(ops[op]) + uint8_t((op == 1 || op == 2) && isSigned(t));
  plainOperands(d, out, 2, 4);
  out.handler = execRedux;
}

// --- activemask, elect.sync, bar.warp.sync ---

Flow execActiveMask(Warp &w, const Instr &i, Mask active) {
  uint32_t *d = w.write<uint32_t>(i.slot[0]);
  w.setPoison(i.slot[0], active, 0);
  for (Mask rest = active; rest; rest &= rest - 1)
    d[firstLane(rest)] = active;
  return Flow::Next;
}
void decodeActiveMask(Decoder &d, Instr &out) {
  if (!d.take("b32"))
    d.fail("needs .b32");
  out.slot[0] = d.writeRegister(d.operand(0), 4);
  if (!out.slot[0].valid())
    d.fail("the destination cannot be '_'");
  out.handler = execActiveMask;
}

/// Which lane is elected is the same for the same mask within a launch, and not always the lowest.
Flow execElect(Warp &w, const Instr &i, Mask active) {
  return together(w, i, active, i.slot[2], "elect.sync", [&](Mask group) {
    unsigned skip = unsigned(w.block->launch->options.seed % unsigned(__builtin_popcount(group)));
    Mask left = group;
    for (; skip; --skip)
      left &= left - 1;
    unsigned leader = firstLane(left);
    if (i.slot[0].valid()) {
      uint32_t *d = w.write<uint32_t>(i.slot[0]);
      w.setPoison(i.slot[0], group, 0);
      for (Mask rest = group; rest; rest &= rest - 1)
        d[firstLane(rest)] = leader;
    }
    w.setPoison(i.slot[1], group, 0);
    w.setPredicate(i.slot[1], group, Mask(1) << leader);
  });
}
void decodeElect(Decoder &d, Instr &out) {
  d.requireTarget(90);
  d.requireVersion(8, 0);
  out.slot[2] = d.readOperand(d.operand(1), 4);
  const ptx::Operand &to = d.operand(0);
  if (to.kind != ptx::Operand::Kind::Pair)
    d.fail("the destination must be d|p");
  out.slot[0] = d.writeRegister(to.elements[0], 4);
  out.slot[1] = d.writePredicate(to.elements[1]);
  if (!out.slot[1].valid())
    d.fail("the predicate cannot be '_'");
  out.handler = execElect;
}

Flow execWarpBarrier(Warp &w, const Instr &i, Mask active) {
  Mask here = gather(w, i, active, i.slot[0], "bar.warp.sync");
  if (!here)
    return w.wait(describeGather);
  w.block->launch->memory->warpSynchronised(w, here, true);
  return Flow::Next;
}
void decodeWarpBarrier(Decoder &d, Instr &out) {
  out.slot[0] = d.readOperand(d.operand(0), 4);
  out.handler = execWarpBarrier;
}

} // namespace

void registerWarpOps(DecodeTable &table) {
  table.add("shfl.sync", decodeShuffle);
  table.add("vote.sync", decodeVote);
  table.add("match.any", decodeMatch<false>);
  table.add("match.all", decodeMatch<true>);
  table.add("redux.sync", decodeRedux);
  table.add("activemask", decodeActiveMask);
  table.add("elect.sync", decodeElect);
  table.add("bar.warp.sync", decodeWarpBarrier);
}

} // namespace adze::sim
