#include "tools/sim/cuda/async/Copies.h"

using namespace adze::sim;

static uint64_t threadKey(const Issuer &issuer) { return uint64_t(issuer.rank) << 32 | issuer.warp << 8 | issuer.lane; }

static uint32_t alignmentOfSwizzle(unsigned span) { return span ? span * 8 : 128; }

static void requireAligned(uint64_t value, uint32_t alignment, const std::string &what) {
  if (value % alignment)
    throw MemoryFault(FaultCode::Misaligned,
                      what + " " + hexText(value) + " is not a multiple of " + std::to_string(alignment));
}

Transfer adze::sim::tensorTransfer(const MapInMemory &where, const BoxPosition &position, uint32_t shared, bool im2col,
                                   unsigned rank, bool store) {
  requireAligned(where.address, 64, "the address of the tensor map,");
  TensorMap map;
  if (std::string text = decode(where.bytes, map); !text.empty())
    throw MemoryFault(FaultCode::IllegalInstruction, "tensor map at " + hexText(where.address) + ": " + text);
  if (map.rank != rank || map.im2col != im2col)
    throw MemoryFault(FaultCode::IllegalInstruction, "the instruction is for a " + std::to_string(rank) +
                                                         "-dimensional " + (im2col ? "im2col" : "tiled") +
                                                         " tensor map, this one is " + std::to_string(map.rank) +
                                                         "-dimensional " + (map.im2col ? "im2col" : "tiled"));
  if (std::string text = checkPosition(map, position, store); !text.empty())
    throw MemoryFault(FaultCode::IllegalInstruction, "tensor copy: " + text);
  // The pattern of the swizzle is a function of the absolute address: a tile that starts inside a period is not what
  // its reader expects.
  requireAligned(
      shared, alignmentOfSwizzle(map.swizzleBytes()),
      "the shared address of a tensor copy" +
          (map.swizzle ? " with " + std::to_string(map.swizzleBytes()) + "-byte swizzle," : std::string(",")));
  Transfer transfer;
  transfer.pieces = walkBox(map, position);
  transfer.bytes = uint32_t(map.boxBytes());
  transfer.shared = shared;
  transfer.swizzle = map.swizzleBytes();
  transfer.fill = fillElement(map);
  transfer.elementBytes = map.elementBytes();
  transfer.map = where;
  return transfer;
}

Transfer adze::sim::bulkTransfer(uint64_t global, uint32_t shared, uint32_t bytes) {
  requireAligned(global, 16, "the global address of a bulk copy,");
  requireAligned(shared, 16, "the shared address of a bulk copy,");
  requireAligned(bytes, 16, "the size of a bulk copy,");
  Transfer transfer;
  if (bytes)
    transfer.pieces.push_back({0, bytes, global});
  transfer.bytes = bytes;
  transfer.shared = shared;
  return transfer;
}

MBarrier &CopyEngine::barrierFor(const Issuer &issuer, unsigned rank, uint32_t offset) {
  MBarrier *barrier =
      unit.peer(rank, issuer.rank, *issuer.clocks, issuer.lane, "the mbarrier of a bulk copy", /*visits=*/false)
          .findBarrier(offset);
  if (!barrier || !barrier->live())
    throw protocolFault("bulk copy completes on shared " + hexText(offset) + ", which holds no initialised mbarrier");
  if (!barrier->initFenced)
    throw protocolFault("bulk copy completes on an mbarrier whose init (line " + std::to_string(barrier->initLine()) +
                        ") was not followed by fence.mbarrier_init or fence.proxy.async: " + barrier->describe());
  if (!issuer.clocks->ordered(barrier->initTag(), issuer.lane))
    throw protocolFault("bulk copy completes on an mbarrier whose init (line " + std::to_string(barrier->initLine()) +
                        ") is not ordered before it: " + barrier->describe());
  return *barrier;
}

/// Marks the destination as in flight.
void CopyEngine::claimDestination(const Issuer &issuer, SharedMemory &memory, uint32_t offset, uint32_t bytes,
                                  Tag tag) {
  Access access;
  access.clocks = issuer.clocks;
  access.sets = &unit.sets;
  access.tag = tag.with(Tag::Async).with(Tag::Pending);
  access.lane = issuer.lane;
  access.line = issuer.line;
  access.write = true;
  if (memory.rank != issuer.rank)
    unit.peer(memory.rank, issuer.rank, *issuer.clocks, issuer.lane, "a bulk copy", /*visits=*/false);
  checkShared(unit, memory, access, offset, bytes);
  memory.visited(tag);
}

/// Finds the allocation behind every piece and checks the accesses to global memory.
void CopyEngine::findSources(Copy &copy, bool write) {
  Access access;
  access.clocks = copy.issuer.clocks;
  access.sets = &unit.sets;
  access.tag = write ? copy.tag.with(Tag::Async).with(Tag::Pending) : copy.tag.with(Tag::Async);
  if (copy.reduction.active)
    access.tag = access.tag.with(Tag::Strong);
  access.lane = copy.issuer.lane;
  access.line = copy.issuer.line;
  access.write = write;
  access.space = ProxySpace::Global;
  Allocation *last = nullptr;
  for (const BoxPiece &piece : copy.transfer.pieces) {
    if (!piece.address) {
      copy.allocations.push_back(nullptr);
      continue;
    }
    if (!last || !last->contains(piece.address, piece.bytes))
      last = unit.global.find(piece.address, piece.bytes);
    if (!last)
      throw MemoryFault(FaultCode::IllegalAddress, std::string("bulk copy ") + (write ? "to " : "from ") +
                                                       std::to_string(piece.bytes) + " bytes of global memory at " +
                                                       hexText(piece.address) + ": " +
                                                       unit.global.explain(piece.address, piece.bytes));
    copy.allocations.push_back(last);
    Conflict conflict;
    if (unit.mayTouchPredecessors(*access.clocks, access.lane))
      conflict = last->shadow->access(access, piece.address - last->base, piece.bytes, unit.global.launch());
    else if (last->shadow->touchedByPredecessor(piece.address - last->base, piece.bytes, write, unit.global.launch()))
      conflict.kind = Conflict::Predecessor;
    if (conflict)
      throw unit.race(conflict, "global", piece.address, access, piece.bytes);
  }
}

void CopyEngine::load(const Issuer &issuer, const Transfer &transfer, uint32_t ranks, uint32_t barrier) {
  if (ranks == 0 || ranks >> unit.blocks.size())
    throw protocolFault("multicast mask " + hexText(ranks) + " names blocks outside the cluster of " +
                        std::to_string(unit.blocks.size()));
  auto copy = std::make_unique<Copy>();
  copy->issuer = issuer;
  copy->transfer = transfer;
  copy->ranks = ranks;
  copy->barrier = barrier;
  if (transfer.map.bytes)
    std::memcpy(copy->mapAtIssue.bytes, transfer.map.bytes, 128);
  bool first = true;
  for (uint32_t rest = ranks; rest; rest &= rest - 1) {
    unsigned rank = unsigned(__builtin_ctz(rest));
    MBarrier &its = barrierFor(issuer, rank, barrier);
    Tag tag = its.copyTag(unit.id, Tag::Async);
    if (first)
      copy->tag = tag;
    first = false;
    claimDestination(issuer, unit.peer(rank, "a bulk copy"), transfer.shared, transfer.bytes, tag);
  }
  findSources(*copy, /*write=*/false);
  ++issued;
  loads.push_back(std::move(copy));
  if (unit.now()) {
    std::unique_ptr<Copy> landing = std::move(loads.back());
    loads.pop_back();
    land(*landing);
  }
}

void CopyEngine::sharedToPeer(const Issuer &issuer, uint32_t from, unsigned rank, uint32_t to, uint32_t bytes,
                              unsigned barrierRank, uint32_t barrier) {
  requireAligned(from, 16, "the source of a bulk copy,");
  requireAligned(to, 16, "the destination of a bulk copy,");
  requireAligned(bytes, 16, "the size of a bulk copy,");
  if (barrierRank != rank)
    throw protocolFault("a bulk copy to block rank " + std::to_string(rank) +
                        " completes on an mbarrier of block rank " + std::to_string(barrierRank) +
                        ": both must be the destination's");
  auto copy = std::make_unique<Copy>();
  copy->issuer = issuer;
  copy->transfer.bytes = bytes;
  copy->transfer.shared = to;
  copy->ranks = 1u << rank;
  copy->barrier = barrier;
  copy->toPeer = true;
  MBarrier &its = barrierFor(issuer, rank, barrier);
  copy->tag = its.copyTag(unit.id, Tag::Async);
  SharedMemory &own = unit.peer(issuer.rank, "a bulk copy");
  Access access;
  access.clocks = issuer.clocks;
  access.sets = &unit.sets;
  access.tag = copy->tag;
  access.lane = issuer.lane;
  access.line = issuer.line;
  checkShared(unit, own, access, from, bytes);
  claimDestination(issuer, unit.peer(rank, "a bulk copy"), to, bytes, copy->tag);
  copy->transfer.pieces.push_back({0, bytes, 0});
  copy->transfer.fill = from; // where the source lies
  own.lock(from, bytes);
  ++issued;
  loads.push_back(std::move(copy));
  if (unit.now()) {
    std::unique_ptr<Copy> landing = std::move(loads.back());
    loads.pop_back();
    land(*landing);
  }
}

void CopyEngine::storeAsync(const Issuer &issuer, unsigned rank, uint32_t to, const uint8_t *value, uint32_t bytes,
                            bool poisoned, uint32_t barrier, const Reduction &reduction) {
  requireAligned(to, bytes, "the destination of st.async or red.async,");
  auto copy = std::make_unique<Copy>();
  copy->issuer = issuer;
  copy->transfer.bytes = bytes;
  copy->transfer.shared = to;
  copy->ranks = 1u << rank;
  copy->barrier = barrier;
  copy->toPeer = copy->inlineValue = true;
  copy->reduction = reduction;
  copy->payload.assign(value, value + bytes);
  copy->validity.assign(bytes, uint8_t(poisoned ? Validity::Poisoned : Validity::Valid));
  MBarrier &its = barrierFor(issuer, rank, barrier);
  copy->tag = its.copyTag(unit.id, Tag::Async);
  if (reduction.active)
    copy->tag = copy->tag.with(Tag::Strong);
  claimDestination(issuer, unit.peer(rank, "st.async"), to, bytes, copy->tag);
  ++issued;
  loads.push_back(std::move(copy));
}

void CopyEngine::checkMapUnchanged(const Copy &copy) {
  if (copy.transfer.map.bytes && std::memcmp(copy.mapAtIssue.bytes, copy.transfer.map.bytes, 128) != 0)
    throw protocolFault("the tensor map at " + hexText(copy.transfer.map.address) +
                        " changed while a copy that reads it was in flight (issued at line " +
                        std::to_string(copy.issuer.line) + ")");
}

/// Fills payload and validity from global memory.
void CopyEngine::readGlobal(Copy &copy) {
  const Transfer &transfer = copy.transfer;
  copy.payload.resize(transfer.bytes);
  copy.validity.assign(transfer.bytes, uint8_t(Validity::Valid));
  for (size_t i = 0; i != transfer.pieces.size(); ++i) {
    const BoxPiece &piece = transfer.pieces[i];
    if (Allocation *from = copy.allocations[i]) {
      uint64_t offset = piece.address - from->base;
      std::memcpy(&copy.payload[piece.boxOffset], from->bytes + offset, piece.bytes);
      std::memcpy(&copy.validity[piece.boxOffset], from->validity + offset, piece.bytes);
      continue;
    }
    for (uint32_t at = 0; at < piece.bytes; at += transfer.elementBytes)
      std::memcpy(&copy.payload[piece.boxOffset + at], &transfer.fill, transfer.elementBytes);
  }
}

/// Calls f(box offset, shared offset, bytes) for the runs that the swizzle keeps together.
template <typename Function>
static void forSwizzledRuns(const Transfer &transfer, Function f) {
  if (!transfer.swizzle) {
    f(0, transfer.shared, transfer.bytes);
    return;
  }
  for (uint32_t at = 0; at < transfer.bytes; at += 16)
    f(at, swizzled(transfer.shared + at, transfer.swizzle), std::min(16u, transfer.bytes - at));
}

void CopyEngine::readShared(Copy &copy, SharedMemory &memory, uint32_t offset) {
  Transfer transfer = copy.transfer;
  transfer.shared = offset;
  copy.payload.resize(transfer.bytes);
  copy.validity.resize(transfer.bytes);
  forSwizzledRuns(transfer, [&](uint32_t box, uint32_t shared, uint32_t bytes) {
    std::memcpy(&copy.payload[box], &memory.bytes[shared], bytes);
    std::memcpy(&copy.validity[box], &memory.validity[shared], bytes);
  });
}

static void applyReduction(uint8_t *to, const uint8_t *from, uint32_t bytes, const CopyEngine::Reduction &reduction,
                           bool flush) {
  unsigned size = atomicBytes(reduction.type);
  for (uint32_t at = 0; at + size <= bytes; at += size) {
    uint64_t value = 0;
    std::memcpy(&value, from + at, size);
    atomicApply(to + at, reduction.op, reduction.type, value, 0, flush);
  }
}

/// The bytes arrive, and the mbarriers count them.
void CopyEngine::land(Copy &copy) {
  checkMapUnchanged(copy);
  Transfer &transfer = copy.transfer;
  if (copy.toPeer && !copy.inlineValue) {
    SharedMemory &own = unit.peer(copy.issuer.rank, "a bulk copy");
    readShared(copy, own, uint32_t(transfer.fill));
    own.unlock(uint32_t(transfer.fill), transfer.bytes);
  } else if (!copy.inlineValue) {
    readGlobal(copy);
  }
  for (uint32_t rest = copy.ranks; rest; rest &= rest - 1) {
    unsigned rank = unsigned(__builtin_ctz(rest));
    SharedMemory &memory = unit.peer(rank, "a bulk copy");
    MBarrier *barrier = memory.findBarrier(copy.barrier);
    if (!barrier || !barrier->live())
      throw protocolFault("a bulk copy issued at line " + std::to_string(copy.issuer.line) +
                          " lands after its mbarrier at shared " + hexText(copy.barrier) + " was invalidated");
    Tag landed = barrier->copyTag(unit.id, copy.tag.is(Tag::Strong) ? Tag::Async | Tag::Strong : Tag::Async);
    forSwizzledRuns(transfer, [&](uint32_t box, uint32_t shared, uint32_t bytes) {
      if (copy.reduction.active)
        applyReduction(&memory.bytes[shared], &copy.payload[box], bytes, copy.reduction, /*flush=*/false);
      else
        std::memcpy(&memory.bytes[shared], &copy.payload[box], bytes);
      std::memcpy(&memory.validity[shared], &copy.validity[box], bytes);
    });
    memory.shadow.land(transfer.shared, transfer.bytes, landed);
    uint32_t phase = barrier->currentPhase();
    barrier->completeTx(transfer.bytes);
    if (barrier->currentPhase() != phase && unit.phaseCompleted)
      unit.phaseCompleted(memory, *barrier);
  }
}

bool CopyEngine::deliverOne() {
  if (loads.empty())
    return false;
  size_t which = unit.mode == AsyncMode::Late ? 0 : unit.roll(uint32_t(loads.size()));
  std::unique_ptr<Copy> copy = std::move(loads[which]);
  loads.erase(loads.begin() + long(which));
  land(*copy);
  return true;
}

void CopyEngine::store(const Issuer &issuer, const Transfer &transfer, const Reduction &reduction) {
  SharedMemory &memory = unit.peer(issuer.rank, "a bulk store");
  auto copy = std::make_unique<Copy>();
  copy->issuer = issuer;
  copy->transfer = transfer;
  copy->reduction = reduction;
  copy->tag = issuer.clocks->tag(issuer.lane);
  if (transfer.map.bytes)
    std::memcpy(copy->mapAtIssue.bytes, transfer.map.bytes, 128);
  Access access;
  access.clocks = issuer.clocks;
  access.sets = &unit.sets;
  access.tag = copy->tag.with(Tag::Async);
  access.lane = issuer.lane;
  access.line = issuer.line;
  checkShared(unit, memory, access, transfer.shared, transfer.bytes);
  findSources(*copy, /*write=*/true);
  memory.lock(transfer.shared, transfer.bytes);
  ++issued;
  if (unit.now())
    readShared(*copy, memory, transfer.shared);
  groups[threadKey(issuer)].open.push_back(std::move(copy));
}

void CopyEngine::commitGroup(const Issuer &issuer) {
  Groups &its = groups[threadKey(issuer)];
  its.committed.push_back(std::move(its.open));
  its.open.clear();
}

/// The source has been read: whoever is ordered after this thread may overwrite it.
void CopyEngine::readSource(Copy &copy, const Issuer &by) {
  if (copy.sourceRead)
    return;
  checkMapUnchanged(copy);
  SharedMemory &memory = unit.peer(copy.issuer.rank, "a bulk store");
  if (copy.payload.empty())
    readShared(copy, memory, copy.transfer.shared);
  memory.unlock(copy.transfer.shared, copy.transfer.bytes);
  Access access;
  access.clocks = by.clocks;
  access.sets = &unit.sets;
  access.tag = by.clocks->tag(by.lane, Tag::Async);
  access.lane = by.lane;
  access.line = copy.issuer.line;
  checkShared(unit, memory, access, copy.transfer.shared, copy.transfer.bytes);
  copy.sourceRead = true;
}

void CopyEngine::writeGlobal(Copy &copy, const Issuer &by) {
  bool strong = copy.reduction.active;
  Tag landed = by.clocks->tag(by.lane, strong ? Tag::Async | Tag::Strong : Tag::Async);
  for (size_t i = 0; i != copy.transfer.pieces.size(); ++i) {
    const BoxPiece &piece = copy.transfer.pieces[i];
    Allocation *to = copy.allocations[i];
    if (!to)
      continue;
    uint64_t offset = piece.address - to->base;
    const uint8_t *from = &copy.payload[piece.boxOffset];
    const uint8_t *validity = &copy.validity[piece.boxOffset];
    bool valid = allValid(validity, piece.bytes);
    if (strong)
      applyReduction(to->bytes + offset, from, piece.bytes, copy.reduction, /*flush=*/true);
    else
      std::memcpy(to->bytes + offset, from, piece.bytes);
    if (!strong && valid)
      std::memset(to->validity + offset, int(Validity::Valid), piece.bytes);
    else if (!valid)
      for (uint32_t b = 0; b != piece.bytes; ++b)
        if (!strong || validity[b] != uint8_t(Validity::Valid))
          to->validity[offset + b] =
              uint8_t(validity[b] == uint8_t(Validity::Valid) ? Validity::Valid : Validity::Poisoned);
    to->shadow->land(offset, piece.bytes, landed);
  }
}

void CopyEngine::waitGroup(const Issuer &issuer, unsigned pending, bool readOnly) {
  auto it = groups.find(threadKey(issuer));
  if (it == groups.end())
    return;
  auto &committed = it->second.committed;
  size_t done = committed.size() > pending ? committed.size() - pending : 0;
  for (size_t i = 0; i != done; ++i)
    for (auto &copy : committed[i])
      readSource(*copy, issuer);
  if (readOnly)
    return;
  for (size_t i = 0; i != done; ++i) {
    for (auto &copy : committed.front())
      writeGlobal(*copy, issuer);
    committed.pop_front();
  }
}

void CopyEngine::threadExits(const Issuer &issuer) {
  auto it = groups.find(threadKey(issuer));
  if (it == groups.end())
    return;
  auto check = [&](const Copy &copy) {
    if (!copy.sourceRead)
      throw protocolFault("a thread exits although its bulk store of line " + std::to_string(copy.issuer.line) +
                          " may not have read shared memory yet: commit_group and wait_group.read must come first");
  };
  for (auto &copy : it->second.open)
    check(*copy);
  for (auto &group : it->second.committed)
    for (auto &copy : group)
      check(*copy);
  // The end of the grid makes the writes visible.
  for (auto &group : it->second.committed)
    for (auto &copy : group)
      writeGlobal(*copy, issuer);
  groups.erase(it);
}

void CopyEngine::blockExits(unsigned rank) {
  for (const auto &copy : loads)
    if ((copy->ranks >> rank & 1) || (copy->toPeer && copy->issuer.rank == rank && !copy->inlineValue))
      throw protocolFault("a block exits while a bulk copy (line " + std::to_string(copy->issuer.line) +
                          ") is on its way " + (copy->ranks >> rank & 1 ? "to" : "from") +
                          " its shared memory: wait on its mbarrier first");
}

std::string adze::sim::tensorReductionType(const Transfer &transfer, CopyEngine::Reduction &reduction) {
  TensorMap map;
  if (std::string text = decode(transfer.map.bytes, map); !text.empty())
    return text;
  switch (map.type) {
  case 2:
    reduction.type = AtomicType::U32;
    break;
  case 3:
    reduction.type = AtomicType::S32;
    break;
  case 4:
    reduction.type = AtomicType::U64;
    break;
  case 5:
    reduction.type = AtomicType::S64;
    break;
  case 6:
    reduction.type = AtomicType::F16;
    break;
  case 7:
    reduction.type = AtomicType::F32;
    break;
  case 9:
    reduction.type = AtomicType::BF16;
    break;
  default:
    return "tensor reductions have no element type number " + std::to_string(map.type);
  }
  bool isFloat = map.isFloat(), isHalf = isFloat && map.elementBytes() == 2;
  bool extreme = reduction.op == AtomicOp::Min || reduction.op == AtomicOp::Max;
  if (isFloat && reduction.op != AtomicOp::Add && !(isHalf && extreme))
    return "this reduction does not exist for floating-point tensors";
  return {};
}
