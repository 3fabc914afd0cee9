// atom, red, and the instructions about addresses. PTX ISA, "atom", "red", "isspacep", "mapa", "getctarank".
#include "tools/sim/cuda/exec/Decode.h"
#include "tools/sim/cuda/memory/State.h"

using namespace adze::sim;

namespace {
struct AtomicExtra : InstrExtra {
  AddressSlot address;
  Space space = Space::Generic;
  Order order = Order::Relaxed;
  Scope scope = Scope::Device;
  AtomicOp op = AtomicOp::Add;
  AtomicType type = AtomicType::U32;
  std::vector<Slot> results, values; ///< one an element of the vector; results empty for red
  Slot compare;
};
} // namespace

/// One element of one lane; `poisoned` in: the operands, out: the old value.
static uint64_t applyLane(Warp &warp, const AtomicExtra &extra, const Place &place, uint64_t value, uint64_t compare,
                          bool &poisoned) {
  unsigned bytes = atomicBytes(extra.type);
  bool oldPoisoned = !allValid(place.validity, bytes);
  uint64_t old = atomicApply(place.bytes, extra.op, extra.type, value, compare, /*flush=*/place.global != nullptr);
  bool keepsOld = extra.op != AtomicOp::Exchange;
  if (poisoned || (oldPoisoned && keepsOld))
    std::memset(place.validity, int(Validity::Poisoned), bytes);
  else if (oldPoisoned)
    std::memset(place.validity, int(Validity::Valid), bytes);
  poisoned = oldPoisoned;
  (void)warp;
  return old;
}

static Flow execAtomic(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const AtomicExtra &>(*instr.extra);
  uint64_t address[32];
  evaluateAddress(warp, extra.address, active, address);
  unsigned bytes = atomicBytes(extra.type), count = unsigned(extra.values.size());
  bool alone = warp.block->cluster->blocks.size() == 1;
  ClusterState::of(*warp.block->cluster).strongRead();
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    if (address[lane] % (uint64_t(bytes) * count))
      fault(lane, FaultCode::Misaligned,
            "atomic operation on " + std::to_string(bytes * count) + " bytes at the misaligned address " +
                hexText(address[lane]));
    Place place = resolve(warp, lane, extra.space, address[lane], uint64_t(bytes) * count, "atom");
    if (place.readOnly || (!place.shared && !place.global))
      fault(lane, FaultCode::IllegalAddress, "atomic operation on memory that is neither global nor shared");
    bool reaches = extra.scope >= Scope::Device || (place.shared && (alone || extra.scope >= Scope::Cluster));
    beforeStrongWrite(warp, lane, place, address[lane], extra.order, extra.scope, true);
    checkAccess(warp, lane, instr.line, place, uint64_t(bytes) * count, /*write=*/true,
                reaches ? uint64_t(Tag::Strong) : 0);
    for (unsigned i = 0; i != count; ++i) {
      bool poisoned = warp.poison(extra.values[i]) >> lane & 1;
      uint64_t compare = 0;
      if (extra.op == AtomicOp::CompareSwap) {
        compare = warp.readLane(extra.compare, lane, bytes);
        poisoned |= warp.poison(extra.compare) >> lane & 1;
      }
      Place element = place;
      element.bytes += i * bytes;
      element.validity += i * bytes;
      uint64_t old = applyLane(warp, extra, element, warp.readLane(extra.values[i], lane, bytes), compare, poisoned);
      if (!extra.results.empty() && extra.results[i].valid()) {
        warp.writeLane(extra.results[i], lane, bytes, old);
        warp.setPoison(extra.results[i], 1u << lane, poisoned ? fullMask : 0);
      }
    }
    afterStrongRead(warp, lane, place, address[lane], extra.order, extra.scope);
  }
  return Flow::Next;
}

static AtomicType atomicType(Decoder &d, const ElementType &type, AtomicOp op) {
  using Class = ElementType::Class;
  if (type.bits == 128)
    d.fail("128-bit atomics are not modelled");
  switch (type.cls) {
  case Class::Float:
    return type.bits == 64   ? AtomicType::F64
           : type.packed     ? AtomicType::F16x2
           : type.bits == 32 ? AtomicType::F32
                             : AtomicType::F16;
  case Class::BFloat:
    return type.packed ? AtomicType::BF16x2 : AtomicType::BF16;
  case Class::Unsigned:
    return type.bits == 64 ? AtomicType::U64 : AtomicType::U32;
  case Class::Signed:
    return type.bits == 64 ? AtomicType::S64 : AtomicType::S32;
  default:
    if (op == AtomicOp::Add || op == AtomicOp::Min || op == AtomicOp::Max)
      d.fail("this atomic operation needs a numeric type");
    return type.bits == 64 ? AtomicType::B64 : type.bits == 16 ? AtomicType::B16 : AtomicType::B32;
  }
}

static void checkAtomicTarget(Decoder &d, AtomicOp op, AtomicType type, const ElementType &written) {
  switch (type) {
  case AtomicType::F16:
  case AtomicType::F16x2:
    if (!d.take("noftz"))
      d.fail("16-bit floating-point atomics need .noftz");
    break;
  case AtomicType::BF16:
  case AtomicType::BF16x2:
    if (!d.take("noftz"))
      d.fail("16-bit floating-point atomics need .noftz");
    d.requireTarget(90);
    break;
  case AtomicType::F32:
  case AtomicType::F64:
    if (op != AtomicOp::Add)
      d.fail("atomics on " + written.name + " have .add only");
    break;
  default:
    break;
  }
}

static void decodeAtomic(Decoder &d, Instr &out) {
  auto &extra = d.makeExtra<AtomicExtra>(out);
  bool returns = d.statement().opcode == "atom";
  int order = d.takeOne({"relaxed", "acquire", "release", "acq_rel"});
  static constexpr Order orders[] = {Order::Relaxed, Order::Acquire, Order::Release, Order::AcquireRelease};
  extra.order = order < 0 ? Order::Relaxed : orders[order];
  Scope scope = d.takeScope();
  extra.scope = scope == Scope::None ? Scope::Device : scope;
  extra.space = d.takeSpace();
  if (extra.space == Space::Local || extra.space == Space::Param || extra.space == Space::Const)
    d.fail("atomics work on global and shared memory only");
  extra.op =
      AtomicOp(d.requireOne("an operation", {"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"}));
  bool policy = d.takeCacheHints();
  int vector = d.takeOne({"v2", "v4", "v8"});
  unsigned count = vector < 0 ? 1 : 2u << vector;
  if (count > 1)
    d.requireTarget(90);
  ElementType type = d.requireType();
  extra.type = atomicType(d, type, extra.op);
  checkAtomicTarget(d, extra.op, extra.type, type);
  unsigned bytes = atomicBytes(extra.type), at = 0;
  if (returns)
    extra.results = d.writeVector(d.operand(at++), bytes, count);
  extra.address = d.address(d.operand(at++));
  if (extra.op == AtomicOp::CompareSwap)
    extra.compare = d.readOperand(d.operand(at++), bytes);
  extra.values = d.readVector(d.operand(at++), bytes, count);
  if (policy)
    d.readOperand(d.operand(at++), 8);
  out.handler = execAtomic;
}

// --- addresses ---

static Flow execIsSpace(Warp &warp, const Instr &instr, Mask active) {
  Space wanted = Space(instr.flags);
  const uint64_t *address = warp.read<uint64_t>(instr.slot[1]);
  Mask truth = 0;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    uint64_t value = address[lane];
    Space is = normalise(Space::Generic, value);
    bool own = is == Space::SharedCluster &&
               (value < SharedAddress::ownLimit || value >> SharedAddress::rankShift == warp.block->rank + 1);
    if (is == wanted || (wanted == Space::Shared && own))
      truth |= 1u << lane;
  }
  warp.setPredicate(instr.slot[0], active, truth);
  warp.setPoison(instr.slot[0], active, warp.poison(instr.slot[1]));
  return Flow::Next;
}

static void decodeIsSpace(Decoder &d, Instr &out) {
  Space space = d.takeSpace();
  if (space == Space::Generic)
    d.fail("isspacep names no state space");
  out.flags = uint8_t(space);
  out.slot[0] = d.writePredicate(d.operand(0));
  out.slot[1] = d.readOperand(d.operand(1), 8);
  out.handler = execIsSpace;
}

namespace {
struct MapExtra : InstrExtra {
  AddressSlot address;
  Slot rank, result;
  unsigned bytes = 4;
  bool generic = false;
};
} // namespace

static Flow execMapAddress(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const MapExtra &>(*instr.extra);
  uint64_t address[32];
  evaluateAddress(warp, extra.address, active, address);
  requireDefined(warp, extra.rank, active, "the block rank of mapa");
  size_t blocks = warp.block->cluster->blocks.size();
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    uint64_t value = address[lane], rank = warp.readLane(extra.rank, lane, 4);
    Space space = extra.generic ? normalise(Space::Generic, value) : Space::SharedCluster;
    if (space != Space::SharedCluster)
      fault(lane, FaultCode::IllegalAddress, "mapa of an address that is not in shared memory");
    if (rank >= blocks)
      fault(lane, FaultCode::IllegalAddress,
            "mapa to block rank " + std::to_string(rank) + " of a cluster of " + std::to_string(blocks));
    uint64_t mapped = SharedAddress::of(unsigned(rank), value & (SharedAddress::ownLimit - 1));
    warp.writeLane(extra.result, lane, extra.bytes, extra.generic ? mapped + Window::shared : mapped);
  }
  warp.setPoison(extra.result, active, 0);
  return Flow::Next;
}

static Flow execBlockRank(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const MapExtra &>(*instr.extra);
  uint64_t address[32];
  evaluateAddress(warp, extra.address, active, address);
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    uint64_t value = address[lane];
    if (extra.generic && normalise(Space::Generic, value) != Space::SharedCluster)
      fault(lane, FaultCode::IllegalAddress, "getctarank of an address that is not in shared memory");
    uint64_t rank = value >> SharedAddress::rankShift;
    warp.writeLane(extra.result, lane, 4, rank ? rank - 1 : warp.block->rank);
  }
  warp.setPoison(extra.result, active, 0);
  return Flow::Next;
}

/// The address operand of mapa is a register or a variable without brackets.
static AddressSlot bareAddress(Decoder &d, const ptx::Operand &operand) {
  ptx::Operand bracketed;
  bracketed.kind = ptx::Operand::Kind::Address;
  bracketed.elements.push_back(operand);
  bracketed.offset = operand.offset;
  bracketed.elements[0].offset = 0;
  return d.address(bracketed);
}

static void decodeMapAddress(Decoder &d, Instr &out) {
  d.requireTarget(90);
  auto &extra = d.makeExtra<MapExtra>(out);
  extra.generic = d.takeSpace() == Space::Generic;
  extra.bytes = d.requireType().bytes();
  extra.result = d.writeRegister(d.operand(0), extra.bytes);
  extra.address = bareAddress(d, d.operand(1));
  extra.rank = d.readOperand(d.operand(2), 4);
  out.handler = execMapAddress;
}

static void decodeBlockRank(Decoder &d, Instr &out) {
  d.requireTarget(90);
  auto &extra = d.makeExtra<MapExtra>(out);
  extra.generic = d.takeSpace() == Space::Generic;
  d.requireType();
  extra.result = d.writeRegister(d.operand(0), 4);
  extra.address = bareAddress(d, d.operand(1));
  out.handler = execBlockRank;
}

namespace adze::sim {
void registerBarriers(DecodeTable &table);
void registerMemory(DecodeTable &table) {
  registerBarriers(table);
  table.add("atom", decodeAtomic);
  table.add("red", decodeAtomic);
  table.add("isspacep", decodeIsSpace);
  table.add("mapa", decodeMapAddress);
  table.add("getctarank", decodeBlockRank);
}
} // namespace adze::sim
