// cp.async.bulk, cp.async.bulk.tensor, cp.reduce.async.bulk, their groups and prefetches, st.async and red.async.
// PTX ISA, "Asynchronous Data Movement".
#include "tools/sim/cuda/async/Common.h"

using namespace adze::sim;

namespace {
enum class Direction : uint8_t { Load, ToPeer, Store, Prefetch };

struct BulkExtra : InstrExtra {
  Direction direction = Direction::Load;
  bool tensor = false, im2col = false;
  unsigned rank = 0;
  bool clusterDestination = true;
  AddressSlot destination, source, barrier; ///< of tensor copies: destination or source is the map
  std::vector<Slot> coordinates, offsets;
  Slot size, multicast;
  CopyEngine::Reduction reduction;
};
} // namespace

/// The host bytes of the tensor map at a generic address.
static MapInMemory findMap(Warp &warp, unsigned lane, uint64_t address) {
  uint64_t inside = address;
  Space space = normalise(Space::Generic, inside);
  if (space == Space::Local)
    fault(lane, FaultCode::IllegalAddress,
          "the tensor map lies in local memory: a kernel parameter that is not __grid_constant__ was copied there");
  if (space == Space::SharedCluster)
    fault(lane, FaultCode::IllegalAddress, "the tensor map lies in shared memory");
  Place place = resolve(warp, lane, Space::Generic, address, 128, "tensor map");
  return {place.bytes, address};
}

static BoxPosition positionOf(Warp &warp, const BulkExtra &extra, unsigned lane) {
  BoxPosition position;
  for (size_t d = 0; d != extra.coordinates.size(); ++d) {
    requireDefined(warp, extra.coordinates[d], 1u << lane, "a coordinate of a tensor copy");
    position.coordinate[d] = int32_t(warp.readLane(extra.coordinates[d], lane, 4));
  }
  for (size_t d = 0; d != extra.offsets.size(); ++d) {
    requireDefined(warp, extra.offsets[d], 1u << lane, "an im2col offset");
    position.offset[d] = uint16_t(warp.readLane(extra.offsets[d], lane, 2));
  }
  return position;
}

/// The block and offset that a copy's address names; whether the block is there is the copy engine's question.
static uint32_t sharedOffset(Warp &warp, unsigned lane, uint64_t address, unsigned &rank, const char *what) {
  uint64_t block = address >> SharedAddress::rankShift;
  rank = block ? unsigned(block - 1) : warp.block->rank;
  if (rank >= warp.block->cluster->blocks.size())
    fault(lane, FaultCode::IllegalAddress,
          std::string(what) + " at " + hexText(address) + " is in no block's shared memory");
  return uint32_t(address & (SharedAddress::ownLimit - 1));
}

static void issueLoad(Warp &warp, const Instr &instr, const BulkExtra &extra, unsigned lane, uint64_t to, uint64_t from,
                      uint64_t barrierAddress) {
  ClusterState &cluster = ClusterState::of(*warp.block->cluster);
  unsigned rank, barrierRank;
  uint32_t shared = sharedOffset(warp, lane, to, rank, "the destination of a bulk copy");
  uint32_t barrier = sharedOffset(warp, lane, barrierAddress, barrierRank, "the mbarrier of a bulk copy");
  uint32_t ranks = 1u << rank;
  if (extra.multicast.valid()) {
    requireDefined(warp, extra.multicast, 1u << lane, "the multicast mask");
    ranks = uint32_t(warp.readLane(extra.multicast, lane, 2));
    if (barrierRank != rank)
      fault(lane, FaultCode::IllegalInstruction,
            "destination and mbarrier of a multicast copy are in different blocks");
  } else if (barrierRank != rank) {
    fault(lane, FaultCode::IllegalInstruction,
          "a bulk copy completes on an mbarrier of another block than its destination");
  }
  Transfer transfer;
  if (extra.tensor) {
    transfer = tensorTransfer(findMap(warp, lane, from), positionOf(warp, extra, lane), shared, extra.im2col,
                              extra.rank, /*store=*/false);
  } else {
    requireDefined(warp, extra.size, 1u << lane, "the size of a bulk copy");
    transfer = bulkTransfer(from, shared, uint32_t(warp.readLane(extra.size, lane, 4)));
  }
  cluster.copies.load(issuerOf(warp, lane, instr), transfer, ranks, barrier);
}

static void issueToPeer(Warp &warp, const Instr &instr, const BulkExtra &extra, unsigned lane, uint64_t to,
                        uint64_t from, uint64_t barrierAddress) {
  ClusterState &cluster = ClusterState::of(*warp.block->cluster);
  unsigned rank, barrierRank, sourceRank;
  uint32_t destination = sharedOffset(warp, lane, to, rank, "the destination of a bulk copy");
  uint32_t source = sharedOffset(warp, lane, from, sourceRank, "the source of a bulk copy");
  uint32_t barrier = sharedOffset(warp, lane, barrierAddress, barrierRank, "the mbarrier of a bulk copy");
  if (sourceRank != warp.block->rank)
    fault(lane, FaultCode::IllegalAddress, "the source of a bulk copy to another block is not the own shared memory");
  if (rank == warp.block->rank)
    fault(lane, FaultCode::IllegalAddress, "a bulk copy between shared memories needs another block as destination");
  requireDefined(warp, extra.size, 1u << lane, "the size of a bulk copy");
  cluster.copies.sharedToPeer(issuerOf(warp, lane, instr), source, rank, destination,
                              uint32_t(warp.readLane(extra.size, lane, 4)), barrierRank, barrier);
}

static void issueStore(Warp &warp, const Instr &instr, const BulkExtra &extra, unsigned lane, uint64_t to,
                       uint64_t from) {
  ClusterState &cluster = ClusterState::of(*warp.block->cluster);
  uint32_t shared;
  SharedMemory &memory = resolveShared(warp, lane, Space::Shared, from, shared, "the source of a bulk store");
  (void)memory;
  Transfer transfer;
  if (extra.tensor) {
    transfer = tensorTransfer(findMap(warp, lane, to), positionOf(warp, extra, lane), shared, extra.im2col, extra.rank,
                              /*store=*/true);
  } else {
    requireDefined(warp, extra.size, 1u << lane, "the size of a bulk copy");
    transfer = bulkTransfer(to, shared, uint32_t(warp.readLane(extra.size, lane, 4)));
  }
  CopyEngine::Reduction reduction = extra.reduction;
  if (reduction.active && extra.tensor)
    if (std::string text = tensorReductionType(transfer, reduction); !text.empty())
      fault(lane, FaultCode::IllegalInstruction, text);
  cluster.copies.store(issuerOf(warp, lane, instr), transfer, reduction);
}

static Flow execBulk(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const BulkExtra &>(*instr.extra);
  uint64_t to[32] = {}, from[32] = {}, barrier[32] = {};
  bool prefetch = extra.direction == Direction::Prefetch;
  if (!prefetch)
    evaluateAddress(warp, extra.destination, active, to);
  evaluateAddress(warp, extra.source, active, from);
  if (extra.direction == Direction::Load || extra.direction == Direction::ToPeer)
    evaluateAddress(warp, extra.barrier, active, barrier);
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    try {
      switch (extra.direction) {
      case Direction::Load:
        issueLoad(warp, instr, extra, lane, to[lane], from[lane], barrier[lane]);
        break;
      case Direction::ToPeer:
        issueToPeer(warp, instr, extra, lane, to[lane], from[lane], barrier[lane]);
        break;
      case Direction::Store:
        issueStore(warp, instr, extra, lane, to[lane], from[lane]);
        break;
      case Direction::Prefetch:
        if (extra.tensor)
          findMap(warp, lane, from[lane]);
        break;
      }
    } catch (const MemoryFault &error) {
      if (active & (active - 1))
        fault(lane, error.code,
              std::string(error.what()) + " (" + std::to_string(__builtin_popcount(active)) +
                  " lanes of the warp issue this copy, each once: elect one lane)");
      throw;
    }
  }
  return Flow::Next;
}

// --- decoding ---

/// Takes the first modifier among the state spaces.
static std::string takeFirstSpace(Decoder &d) {
  for (const std::string &modifier : d.left())
    if (modifier == "global" || modifier == "shared::cluster" || modifier == "shared::cta" || modifier == "shared") {
      std::string space = modifier;
      d.take(space);
      return space;
    }
  return {};
}

static void takeReduction(Decoder &d, BulkExtra &extra, bool hasType) {
  extra.reduction.active = true;
  static constexpr AtomicOp ops[] = {AtomicOp::Add, AtomicOp::Min, AtomicOp::Max,       AtomicOp::And,
                                     AtomicOp::Or,  AtomicOp::Xor, AtomicOp::Increment, AtomicOp::Decrement};
  extra.reduction.op = ops[d.requireOne("an operation", {"add", "min", "max", "and", "or", "xor", "inc", "dec"})];
  if (!hasType)
    return;
  bool noftz = d.take("noftz");
  ElementType type = d.requireType();
  switch (type.cls) {
  case ElementType::Class::Float:
    extra.reduction.type = type.bits == 64 ? AtomicType::F64 : type.bits == 32 ? AtomicType::F32 : AtomicType::F16;
    break;
  case ElementType::Class::BFloat:
    extra.reduction.type = AtomicType::BF16;
    break;
  case ElementType::Class::Signed:
    extra.reduction.type = type.bits == 64 ? AtomicType::S64 : AtomicType::S32;
    break;
  case ElementType::Class::Unsigned:
    extra.reduction.type = type.bits == 64 ? AtomicType::U64 : AtomicType::U32;
    break;
  default:
    extra.reduction.type = type.bits == 64 ? AtomicType::B64 : AtomicType::B32;
  }
  bool isHalf = extra.reduction.type == AtomicType::F16 || extra.reduction.type == AtomicType::BF16;
  if (isHalf && extra.reduction.op == AtomicOp::Add && !noftz)
    d.fail("16-bit floating-point bulk additions need .noftz");
}

static void decodePlain(Decoder &d, Instr &out, bool reduces) {
  d.requireTarget(90);
  d.requireVersion(8, 0);
  auto &extra = d.makeExtra<BulkExtra>(out);
  std::string to = takeFirstSpace(d), from = takeFirstSpace(d);
  bool store = to == "global";
  if (from.empty() || (to == "shared::cta" && from != "global"))
    d.fail("a bulk copy names its destination's and its source's state space");
  bool multicast = d.take("multicast::cluster"), policy = d.takeCacheHints();
  if (reduces && !store)
    d.fail("bulk reductions to shared memory are not modelled");
  if (d.take("cp_mask"))
    d.fail("byte masks of bulk copies are not modelled");
  if (!d.take(store ? "bulk_group" : "mbarrier::complete_tx::bytes"))
    d.fail("the completion mechanism is missing");
  if (to == "shared::cta")
    d.requireVersion(8, 6);
  if (reduces)
    takeReduction(d, extra, true);
  extra.direction = store ? Direction::Store : from == "global" ? Direction::Load : Direction::ToPeer;
  unsigned at = 0;
  extra.destination = d.address(d.operand(at++));
  extra.source = d.address(d.operand(at++));
  extra.size = d.readOperand(d.operand(at++), 4);
  if (!store)
    extra.barrier = d.address(d.operand(at++));
  if (multicast)
    extra.multicast = d.readOperand(d.operand(at++), 2);
  if (policy)
    d.readOperand(d.operand(at++), 8);
  out.handler = execBulk;
}

static void decodeBulk(Decoder &d, Instr &out) { decodePlain(d, out, false); }
static void decodeBulkReduce(Decoder &d, Instr &out) { decodePlain(d, out, true); }

static unsigned takeRank(Decoder &d) { return d.requireOne("a rank", {"1d", "2d", "3d", "4d", "5d"}) + 1; }

/// [map, {c0, c1, ...}]
static AddressSlot decodeMapOperand(Decoder &d, const ptx::Operand &operand, BulkExtra &extra) {
  if (operand.elements.size() != 2)
    d.fail("a tensor operand is [map, {coordinates}]");
  extra.coordinates = d.readVector(operand.elements[1], 4, extra.rank);
  return d.address(operand, 0);
}

static void decodeTensorCopy(Decoder &d, Instr &out, bool reduces) {
  d.requireTarget(90);
  d.requireVersion(8, 0);
  auto &extra = d.makeExtra<BulkExtra>(out);
  extra.tensor = true;
  extra.rank = takeRank(d);
  std::string to = takeFirstSpace(d), from = takeFirstSpace(d);
  bool store = to == "global";
  if (from.empty() || (!store && from != "global"))
    d.fail("a copy of a tensor's box names its destination's and its source's state space");
  extra.direction = store ? Direction::Store : Direction::Load;
  int mode = d.takeOne({"tile", "im2col", "im2col_no_offs"});
  extra.im2col = mode > 0;
  bool multicast = d.take("multicast::cluster"), policy = d.takeCacheHints();
  if (!d.take(store ? "bulk_group" : "mbarrier::complete_tx::bytes"))
    d.fail("the completion mechanism is missing");
  if (to == "shared::cta")
    d.requireVersion(8, 6);
  if (reduces)
    takeReduction(d, extra, false);
  unsigned at = 0;
  if (store) {
    extra.destination = decodeMapOperand(d, d.operand(at++), extra);
    extra.source = d.address(d.operand(at++));
  } else {
    extra.destination = d.address(d.operand(at++));
    extra.source = decodeMapOperand(d, d.operand(at++), extra);
    extra.barrier = d.address(d.operand(at++));
    if (mode == 1)
      extra.offsets = d.readVector(d.operand(at++), 2, extra.rank - 2);
    if (multicast)
      extra.multicast = d.readOperand(d.operand(at++), 2);
  }
  if (policy)
    d.readOperand(d.operand(at++), 8);
  out.handler = execBulk;
}

static void decodeTensor(Decoder &d, Instr &out) { decodeTensorCopy(d, out, false); }
static void decodeTensorReduce(Decoder &d, Instr &out) { decodeTensorCopy(d, out, true); }

static void decodePrefetch(Decoder &d, Instr &out) {
  d.requireTarget(90);
  auto &extra = d.makeExtra<BulkExtra>(out);
  extra.direction = Direction::Prefetch;
  bool tensor = d.take("tensor");
  if (tensor) {
    extra.tensor = true;
    extra.rank = takeRank(d);
  }
  d.take("L2");
  d.take("global");
  int mode = d.takeOne({"tile", "im2col"});
  bool policy = d.takeCacheHints();
  unsigned at = 0;
  if (tensor) {
    extra.source = decodeMapOperand(d, d.operand(at++), extra);
    if (mode == 1)
      extra.offsets = d.readVector(d.operand(at++), 2, extra.rank - 2);
  } else {
    extra.source = d.address(d.operand(at++));
    extra.size = d.readOperand(d.operand(at++), 4);
  }
  if (policy)
    d.readOperand(d.operand(at++), 8);
  out.handler = execBulk;
}

// --- groups ---

static Flow execCommit(Warp &warp, const Instr &instr, Mask active) {
  ClusterState &cluster = ClusterState::of(*warp.block->cluster);
  for (Mask rest = active; rest; rest &= rest - 1)
    cluster.copies.commitGroup(issuerOf(warp, firstLane(rest), instr));
  return Flow::Next;
}

static Flow execWait(Warp &warp, const Instr &instr, Mask active) {
  ClusterState &cluster = ClusterState::of(*warp.block->cluster);
  for (Mask rest = active; rest; rest &= rest - 1)
    cluster.copies.waitGroup(issuerOf(warp, firstLane(rest), instr), unsigned(instr.immediate), instr.flags & 1);
  return Flow::Next;
}

static void decodeCommit(Decoder &d, Instr &out) {
  d.requireTarget(90);
  out.handler = execCommit;
}

static void decodeWait(Decoder &d, Instr &out) {
  d.requireTarget(90);
  out.flags = d.take("read");
  int64_t pending = d.immediate(d.operand(0), "the number of groups");
  if (pending < 0)
    d.fail("the number of groups is negative");
  out.immediate = uint64_t(pending);
  out.handler = execWait;
}

// --- st.async and red.async ---

namespace {
struct StoreAsyncExtra : InstrExtra {
  AddressSlot address, barrier;
  std::vector<Slot> values;
  unsigned elementBytes = 4;
  CopyEngine::Reduction reduction;
};
} // namespace

static Flow execStoreAsync(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const StoreAsyncExtra &>(*instr.extra);
  ClusterState &cluster = ClusterState::of(*warp.block->cluster);
  uint64_t address[32], barrierAddress[32];
  evaluateAddress(warp, extra.address, active, address);
  evaluateAddress(warp, extra.barrier, active, barrierAddress);
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest), rank, barrierRank;
    uint32_t to = sharedOffset(warp, lane, address[lane], rank, "st.async");
    uint32_t barrier = sharedOffset(warp, lane, barrierAddress[lane], barrierRank, "the mbarrier of st.async");
    if (rank != barrierRank)
      fault(lane, FaultCode::IllegalInstruction,
            "st.async completes on an mbarrier of another block than its destination");
    uint8_t bytes[16];
    bool poisoned = false;
    for (size_t i = 0; i != extra.values.size(); ++i) {
      uint64_t value = warp.readLane(extra.values[i], lane, extra.elementBytes);
      std::memcpy(bytes + i * extra.elementBytes, &value, extra.elementBytes);
      poisoned |= warp.poison(extra.values[i]) >> lane & 1;
    }
    cluster.copies.storeAsync(issuerOf(warp, lane, instr), rank, to, bytes,
                              uint32_t(extra.elementBytes * extra.values.size()), poisoned, barrier, extra.reduction);
  }
  return Flow::Next;
}

static void decodeStoreAsync(Decoder &d, Instr &out) {
  d.requireTarget(90);
  auto &extra = d.makeExtra<StoreAsyncExtra>(out);
  bool reduces = d.statement().opcode == "red";
  d.takeOne({"weak", "relaxed"});
  d.takeScope();
  d.takeSpace();
  if (!d.take("mbarrier::complete_tx::bytes"))
    d.fail("the completion mechanism is missing");
  int vector = d.takeOne({"v2", "v4"});
  if (reduces) {
    BulkExtra taken;
    takeReduction(d, taken, true);
    extra.reduction = taken.reduction;
    extra.elementBytes = atomicBytes(extra.reduction.type);
  } else {
    extra.elementBytes = d.requireType().bytes();
  }
  extra.address = d.address(d.operand(0));
  extra.values = d.readVector(d.operand(1), extra.elementBytes, vector < 0 ? 1 : 2u << vector);
  extra.barrier = d.address(d.operand(2));
  out.handler = execStoreAsync;
}

namespace adze::sim {
void registerBulk(DecodeTable &table) {
  table.add("cp.async.bulk", decodeBulk);
  table.add("cp.async.bulk.tensor", decodeTensor);
  table.add("cp.async.bulk.prefetch", decodePrefetch);
  table.add("cp.async.bulk.commit_group", decodeCommit);
  table.add("cp.async.bulk.wait_group", decodeWait);
  table.add("cp.reduce.async.bulk", decodeBulkReduce);
  table.add("cp.reduce.async.bulk.tensor", decodeTensorReduce);
  table.add("st.async", decodeStoreAsync);
  table.add("red.async", decodeStoreAsync);
}
} // namespace adze::sim
