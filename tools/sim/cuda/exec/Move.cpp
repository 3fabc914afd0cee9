// mov with packing, special registers, cvta, and the hints. PTX ISA, "Data Movement and Conversion Instructions",
// "Special Registers".
#include "Alu.h"
#include "Block.h"
#include "DecodeState.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

namespace adze::sim {

void decodePredicateMove(Decoder &d, Instr &out); // Logic.cpp

// --- special registers ---

namespace {

enum Special : int {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  ClusteridX,
  ClusteridY,
  ClusteridZ,
  NclusteridX,
  NclusteridY,
  NclusteridZ,
  ClusterCtaidX,
  ClusterCtaidY,
  ClusterCtaidZ,
  ClusterNctaidX,
  ClusterNctaidY,
  ClusterNctaidZ,
  ClusterCtarank,
  ClusterNctarank,
  Laneid,
  Warpid,
  Nwarpid,
  Smid,
  Nsmid,
  Gridid,
  LanemaskEq,
  LanemaskLe,
  LanemaskLt,
  LanemaskGe,
  LanemaskGt,
  Clock,
  ClockHi,
  Clock64,
  Globaltimer,
  GlobaltimerLo,
  GlobaltimerHi,
  DynamicSmemSize,
  TotalSmemSize,
  AggrSmemSize,
  SpecialCount
};
constexpr const char *specialNames[SpecialCount] = {"%tid.x",
                                                    "%tid.y",
                                                    "%tid.z",
                                                    "%ntid.x",
                                                    "%ntid.y",
                                                    "%ntid.z",
                                                    "%ctaid.x",
                                                    "%ctaid.y",
                                                    "%ctaid.z",
                                                    "%nctaid.x",
                                                    "%nctaid.y",
                                                    "%nctaid.z",
                                                    "%clusterid.x",
                                                    "%clusterid.y",
                                                    "%clusterid.z",
                                                    "%nclusterid.x",
                                                    "%nclusterid.y",
                                                    "%nclusterid.z",
                                                    "%cluster_ctaid.x",
                                                    "%cluster_ctaid.y",
                                                    "%cluster_ctaid.z",
                                                    "%cluster_nctaid.x",
                                                    "%cluster_nctaid.y",
                                                    "%cluster_nctaid.z",
                                                    "%cluster_ctarank",
                                                    "%cluster_nctarank",
                                                    "%laneid",
                                                    "%warpid",
                                                    "%nwarpid",
                                                    "%smid",
                                                    "%nsmid",
                                                    "%gridid",
                                                    "%lanemask_eq",
                                                    "%lanemask_le",
                                                    "%lanemask_lt",
                                                    "%lanemask_ge",
                                                    "%lanemask_gt",
                                                    "%clock",
                                                    "%clock_hi",
                                                    "%clock64",
                                                    "%globaltimer",
                                                    "%globaltimer_lo",
                                                    "%globaltimer_hi",
                                                    "%dynamic_smem_size",
                                                    "%total_smem_size",
                                                    "%aggr_smem_size"};

uint32_t axis(const Dim3 &d, int index) { return index == 0 ? d.x : index == 1 ? d.y : d.z; }

/// A value that is the same in all lanes. The clock counts instructions of the cluster.
uint64_t uniformSpecial(const Warp &w, int which) {
  const Block &block = *w.block;
  const LaunchContext &launch = *block.launch;
  const Dim3 &c = launch.cluster;
  constexpr uint32_t multiprocessors = 108;
  if (which >= NtidX && which <= NtidZ)
    return axis(launch.block, which - NtidX);
  if (which >= CtaidX && which <= CtaidZ)
    return axis(block.id, which - CtaidX);
  if (which >= NctaidX && which <= NctaidZ)
    return axis(launch.grid, which - NctaidX);
  if (which >= ClusteridX && which <= ClusteridZ)
    return axis(block.cluster->id, which - ClusteridX);
  if (which >= NclusteridX && which <= NclusteridZ)
    return axis(launch.grid, which - NclusteridX) / axis(c, which - NclusteridX);
  if (which >= ClusterCtaidX && which <= ClusterCtaidZ)
    return axis({block.rank % c.x, block.rank / c.x % c.y, block.rank / c.x / c.y}, which - ClusterCtaidX);
  if (which >= ClusterNctaidX && which <= ClusterNctaidZ)
    return axis(c, which - ClusterNctaidX);
  uint64_t time = block.cluster->instructions;
  switch (which) {
  case ClusterCtarank:
    return block.rank;
  case ClusterNctarank:
    return c.count();
  case Warpid:
    return w.index;
  case Nwarpid:
    return 64;
  case Smid:
    return block.linear % multiprocessors;
  case Nsmid:
    return multiprocessors;
  case Gridid:
    return 1;
  case ClockHi:
  case GlobaltimerHi:
    return time >> 32;
  case DynamicSmemSize:
    return launch.dynamicShared;
  case TotalSmemSize:
  case AggrSmemSize:
    return launch.sharedBytes;
  default:
    return time; // the clocks
  }
}

uint32_t laneSpecial(const Warp &w, int which, unsigned lane) {
  Mask eq = Mask(1) << lane;
  switch (which) {
  case TidX:
  case TidY:
  case TidZ:
    return w.tid[which - TidX][lane];
  case Laneid:
    return lane;
  case LanemaskEq:
    return eq;
  case LanemaskLe:
    return eq | (eq - 1);
  case LanemaskLt:
    return eq - 1;
  case LanemaskGe:
    return ~(eq - 1);
  default:
    return ~(eq | (eq - 1));
  }
}

bool isUniform(int which) {
  return !(which <= TidZ || which == Laneid || (which >= LanemaskEq && which <= LanemaskGt));
}

template <typename T>
Flow execSpecial(Warp &w, const Instr &i, Mask m) {
  int which = int(i.immediate);
  T *d = w.write<T>(i.slot[0]);
  w.setPoison(i.slot[0], m, 0);
  if (isUniform(which)) {
    T value = T(uniformSpecial(w, which));
    for (; m; m &= m - 1)
      d[firstLane(m)] = value;
  } else {
    for (; m; m &= m - 1)
      d[firstLane(m)] = laneSpecial(w, which, firstLane(m));
  }
  return Flow::Next;
}

} // namespace

int specialRegister(const std::string &name) {
  if (name[0] != '%')
    return -1;
  for (int i = 0; i != SpecialCount; ++i)
    if (name == specialNames[i])
      return i;
  return -1;
}
unsigned specialBytes(int special) { return special == Clock64 || special == Globaltimer || special == Gridid ? 8 : 4; }
void makeSpecialMove(int special, Slot to, Instr &out) {
  out.pseudo = true;
  out.immediate = uint64_t(special);
  out.slot[0] = to;
  out.handler = specialBytes(special) == 8 ? execSpecial<uint64_t> : execSpecial<uint32_t>;
}

namespace {

// --- mov ---

template <typename T>
struct Copy : std::conditional_t<sizeof(T) == 4, HalvesApart<1>, std::tuple<>> {
  using R = T;
  using A = T;
  static ADZE_SIM_INLINE T apply(T a) { return a; }
};

/// The address of a .local variable: the frame of the running function is added. immediate: offset in the frame.
Flow execLocalAddress(Warp &w, const Instr &i, Mask m) {
  uint64_t address = i.immediate + w.current().localFrame;
  w.setPoison(i.slot[0], m, 0);
  for (; m; m &= m - 1)
    w.writeLane(i.slot[0], firstLane(m), i.count, address);
  return Flow::Next;
}

/// Packing and unpacking: `count` parts of `bytes` each.
struct PackExtra : InstrExtra {
  std::vector<Slot> parts;
  unsigned bytes = 4;
};
Flow execPack(Warp &w, const Instr &i, Mask m) {
  const PackExtra &extra = static_cast<const PackExtra &>(*i.extra);
  Mask poison = 0;
  for (Slot part : extra.parts)
    poison |= w.poison(part);
  w.setPoison(i.slot[0], m, poison);
  unsigned bits = extra.bytes * 8;
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    uint64_t value = 0;
    for (size_t k = 0; k != extra.parts.size(); ++k)
      value |= w.readLane(extra.parts[k], l, extra.bytes) << k * bits;
    w.writeLane(i.slot[0], l, i.count, value);
  }
  return Flow::Next;
}
Flow execUnpack(Warp &w, const Instr &i, Mask m) {
  const PackExtra &extra = static_cast<const PackExtra &>(*i.extra);
  Mask poison = w.poison(i.slot[1]), low = w.lowPoison(i.slot[1]), high = w.highPoison(i.slot[1]);
  uint64_t value[warpSize];
  for (Mask rest = m; rest; rest &= rest - 1)
    value[firstLane(rest)] = w.readLane(i.slot[1], firstLane(rest), i.count);
  uint64_t mask = (uint64_t(1) << extra.bytes * 8) - 1;
  for (size_t k = 0; k != extra.parts.size(); ++k) {
    if (!extra.parts[k].valid())
      continue;
    bool halves = i.count == 4 && extra.bytes == 2;
    w.setPoison(extra.parts[k], m, !halves ? poison : k ? high : low);
    for (Mask rest = m; rest; rest &= rest - 1)
      w.writeLane(extra.parts[k], firstLane(rest), extra.bytes, value[firstLane(rest)] >> k * extra.bytes * 8 & mask);
  }
  return Flow::Next;
}
/// .b128: two arrays of 64 bits.
Flow execWide(Warp &w, const Instr &i, Mask m) {
  const PackExtra &extra = static_cast<const PackExtra &>(*i.extra);
  bool packs = i.flags;
  Slot whole = i.slot[packs ? 0 : 1];
  for (unsigned k = 0; k != 2; ++k) {
    Slot part = extra.parts[k], half = whole;
    half.offset += k * warpSize * 8;
    if (!part.valid())
      continue;
    for (Mask rest = m; rest; rest &= rest - 1) {
      unsigned l = firstLane(rest);
      w.writeLane(packs ? half : part, l, 8, w.readLane(packs ? part : half, l, 8));
    }
  }
  if (packs)
    w.setPoison(whole, m, w.poison(extra.parts[0]) | w.poison(extra.parts[1]));
  else
    for (Slot part : extra.parts)
      if (part.valid())
        w.setPoison(part, m, w.poison(whole));
  return Flow::Next;
}

template <typename T>
ADZE_SIM_INLINE T joinHalves(uint32_t low, uint32_t high) {
  return T(high) << 32 | low;
}
struct Join64 {
  using R = uint64_t;
  using A = uint32_t;
  using B = uint32_t;
  static ADZE_SIM_INLINE uint64_t apply(uint32_t a, uint32_t b) { return joinHalves<uint64_t>(a, b); }
};
struct Join32 {
  static void poison(Warp &w, const Instr &i, Mask m) {
    w.setHalfPoison(i.slot[0], m, w.poison(i.slot[1]), w.poison(i.slot[2]));
  }
  using R = uint32_t;
  using A = uint16_t;
  using B = uint16_t;
  static ADZE_SIM_INLINE uint32_t apply(uint16_t a, uint16_t b) { return uint32_t(b) << 16 | a; }
};

void decodePacked(Decoder &d, Instr &out, unsigned bytes, const ptx::Operand &list, bool packs) {
  PackExtra &extra = d.makeExtra<PackExtra>(out);
  unsigned count = unsigned(list.elements.size());
  if (count < 2 || bytes % count || (bytes == 16 && count != 2))
    d.fail("a vector of " + std::to_string(count) + " does not make " + std::to_string(bytes * 8) + " bits");
  extra.bytes = bytes / count;
  out.count = uint8_t(bytes);
  out.flags = packs;
  if (packs) {
    extra.parts = d.readVector(list, extra.bytes, count);
    out.slot[0] = d.writeRegister(d.operand(0), bytes);
    out.handler = execPack;
    if (count == 2 && (bytes == 8 || bytes == 4)) {
      out.slot[1] = extra.parts[0];
      out.slot[2] = extra.parts[1];
      out.handler = bytes == 8 ? binary<Join64>() : binary<Join32>();
    }
  } else {
    out.slot[1] = d.readOperand(d.operand(1), bytes);
    extra.parts = d.writeVector(list, extra.bytes, count);
    out.handler = execUnpack;
  }
  if (bytes == 16)
    out.handler = execWide;
}

void decodeMove(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (t.cls == ElementType::Class::Predicate)
    return decodePredicateMove(d, out);
  const ptx::Operand &to = d.operand(0), &from = d.operand(1);
  unsigned bytes = t.bytes();
  if (to.kind == ptx::Operand::Kind::Vector)
    return decodePacked(d, out, bytes, to, false);
  if (from.kind == ptx::Operand::Kind::Vector)
    return decodePacked(d, out, bytes, from, true);
  if (from.kind == ptx::Operand::Kind::Name) {
    if (int special = specialRegister(from.name); special >= 0) {
      unsigned width = specialBytes(special);
      if (width != bytes && !(width == 8 && bytes == 4))
        d.fail(from.name + " has " + std::to_string(width * 8) + " bits");
      makeSpecialMove(special, d.writeRegister(to, bytes), out);
      out.pseudo = false;
      out.handler = bytes == 8 ? execSpecial<uint64_t> : execSpecial<uint32_t>;
      return;
    }
    const Symbol *symbol = d.internals().find(from.name);
    if (symbol && symbol->kind == Symbol::Kind::Variable && symbol->space == Space::Local) {
      out.immediate = symbol->address + uint64_t(from.offset);
      out.slot[0] = d.writeRegister(to, bytes);
      out.count = uint8_t(bytes);
      out.handler = execLocalAddress;
      return;
    }
  }
  if (bytes == 16) {
    out.slot[1] = d.readOperand(from, 16);
    out.slot[0] = d.writeRegister(to, 16);
    out.handler = [](Warp &w, const Instr &i, Mask m) {
      for (unsigned k = 0; k != 2; ++k)
        for (Mask rest = m; rest; rest &= rest - 1)
          w.write<uint64_t>(i.slot[0])[k * warpSize + firstLane(rest)] =
              w.read<uint64_t>(i.slot[1])[k * warpSize + firstLane(rest)];
      w.setPoison(i.slot[0], m, w.poison(i.slot[1]));
      return Flow::Next;
    };
    return;
  }
  if (bytes < 2)
    d.fail("type ." + t.name + " is not supported");
  plainOperands(d, out, 1, bytes);
  out.handler = bytes == 2 ? unary<Copy<uint16_t>>() : bytes == 4 ? unary<Copy<uint32_t>>() : unary<Copy<uint64_t>>();
}

// --- cvta: generic addresses from and to those of a window; immediate: what is added ---

struct AddBase {
  using R = uint64_t;
  using A = uint64_t;
  static ADZE_SIM_INLINE uint64_t apply(uint64_t a, const Instr &i) { return a + i.immediate; }
};
void decodeConvertAddress(Decoder &d, Instr &out) {
  bool back = d.take("to");
  Space space = d.takeSpace();
  if (!d.take("u64"))
    d.fail("needs .u64");
  if (space == Space::Generic)
    d.fail("the state space is missing");
  uint64_t base = Window::base(space);
  out.immediate = back ? uint64_t(0) - base : base;
  const ptx::Operand &from = d.operand(1);
  const Symbol *symbol = from.kind == ptx::Operand::Kind::Name ? d.internals().find(from.name) : nullptr;
  out.slot[0] = d.writeRegister(d.operand(0), 8);
  if (symbol && symbol->kind == Symbol::Kind::Variable && symbol->space == Space::Local) {
    out.immediate = base + symbol->address + uint64_t(from.offset);
    out.count = 8;
    out.handler = execLocalAddress;
    return;
  }
  out.slot[1] = d.readOperand(from, 8);
  out.handler = unary<AddBase>();
}

// --- hints: parsed and without effect ---

Flow execNothing(Warp &, const Instr &, Mask) { return Flow::Next; }
void decodeHint(Decoder &d, Instr &out) {
  d.takeSpace();
  d.takeCacheHints();
  d.takeOne({"L1", "L2"});
  d.take("tensormap");
  for (unsigned i = 0; i != d.operandCount(); ++i)
    if (d.operand(i).kind == ptx::Operand::Kind::Address)
      d.address(d.operand(i));
    else
      d.immediate(d.operand(i), "the size");
  out.handler = execNothing;
}
/// The policy is a value that cache hints take; nothing looks inside.
void decodePolicy(Decoder &d, Instr &out) {
  while (!d.left().empty())
    d.take(d.left().front());
  out.slot[0] = d.writeRegister(d.operand(0), 8);
  for (unsigned i = 1; i < d.operandCount(); ++i) {
    unsigned width = 0;
    if (d.operand(i).kind == ptx::Operand::Kind::Address)
      d.address(d.operand(i));
    else
      d.readWide(d.operand(i), 4, width);
  }
  out.slot[1] = d.constant(0x12f0000000000000, 8);
  out.handler = unary<Copy<uint64_t>>();
}

} // namespace

void registerMove(DecodeTable &table) {
  table.add("mov", decodeMove);
  table.add("cvta", decodeConvertAddress);
  table.add("prefetch", decodeHint);
  table.add("prefetchu", decodeHint);
  table.add("discard", decodeHint);
  table.add("applypriority", decodeHint);
  table.add("createpolicy", decodePolicy);
}

} // namespace adze::sim
