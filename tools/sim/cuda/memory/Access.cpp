// Loads and stores: where an address points, what is allowed there, what is known of the bytes.
#include "tools/sim/cuda/memory/State.h"

using namespace adze::sim;

static const char *spaceName(Space space) {
  switch (space) {
  case Space::Generic:
    return "generic";
  case Space::Global:
    return "global";
  case Space::Shared:
    return "shared";
  case Space::SharedCluster:
    return "shared::cluster";
  case Space::Local:
    return "local";
  case Space::Param:
    return "param";
  case Space::Const:
    return "const";
  }
  return "";
}

/// The local memory of one thread: 512 KB at most. PTX ISA, "Local State Space".
static constexpr uint64_t localLimit = 512 << 10;

static std::string accessText(const char *what, uint64_t bytes, Space space, uint64_t address) {
  return std::string(what) + " of " + std::to_string(bytes) + " bytes of " + spaceName(space) + " memory at " +
         hexText(address);
}

SharedMemory &adze::sim::resolveShared(Warp &warp, unsigned lane, Space space, uint64_t address, uint32_t &offset,
                                       const char *what) {
  if (space == Space::Generic) {
    space = normalise(space, address);
    if (space != Space::SharedCluster)
      fault(lane, FaultCode::IllegalAddress, std::string(what) + ": the generic address is not in shared memory");
  }
  BlockState &block = BlockState::of(*warp.block);
  offset = uint32_t(address & (SharedAddress::ownLimit - 1));
  uint64_t rank = address >> SharedAddress::rankShift;
  if (rank == 0 || rank - 1 == block.shared.rank)
    return block.shared;
  if (space == Space::Shared)
    fault(lane, FaultCode::IllegalAddress,
          accessText(what, 0, space, address) + ": the address is another block's; it needs .shared::cluster");
  return block.cluster->unit.peer(unsigned(rank - 1), block.shared.rank, WarpState::of(warp).clocks, lane, what);
}

/// Grows the warp's local memory so that `bytes` a lane are there.
static void growLocal(WarpState &state, uint64_t bytes) {
  uint32_t stride = uint32_t((bytes + 255) / 256 * 256);
  std::vector<uint8_t> local(size_t(stride) * 32), validity(size_t(stride) * 32);
  for (unsigned lane = 0; lane != 32 && state.localStride; ++lane) {
    std::memcpy(&local[size_t(lane) * stride], &state.local[size_t(lane) * state.localStride], state.localStride);
    std::memcpy(&validity[size_t(lane) * stride], &state.localValidity[size_t(lane) * state.localStride],
                state.localStride);
  }
  state.local.swap(local);
  state.localValidity.swap(validity);
  state.localStride = stride;
}

Allocation *WarpState::findGlobal(uint64_t address, uint64_t bytes) {
  for (Allocation *allocation : recent)
    if (allocation && allocation->contains(address, bytes))
      return allocation;
  Allocation *allocation = block->cluster->launch.global.find(address, bytes);
  if (allocation)
    recent[nextRecent++ % recent.size()] = allocation;
  return allocation;
}

static Place resolveGlobal(Warp &warp, unsigned lane, Space space, uint64_t address, uint64_t bytes, const char *what) {
  WarpState &state = WarpState::of(warp);
  Allocation *allocation = state.findGlobal(address, bytes);
  if (!allocation)
    fault(lane, FaultCode::IllegalAddress,
          accessText(what, bytes, space, address) +
              " is out of bounds: " + state.block->cluster->launch.global.explain(address, bytes));
  Place place;
  place.global = allocation;
  place.offset = address - allocation->base;
  place.bytes = allocation->bytes + place.offset;
  place.validity = allocation->validity + place.offset;
  place.readOnly = allocation->constant;
  return place;
}

Place adze::sim::resolve(Warp &warp, unsigned lane, Space space, uint64_t address, uint64_t bytes, const char *what) {
  space = normalise(space, address);
  Place place;
  switch (space) {
  case Space::Generic:
  case Space::Global:
  case Space::Const:
    return resolveGlobal(warp, lane, space, address, bytes, what);
  case Space::Shared:
  case Space::SharedCluster: {
    uint32_t offset;
    SharedMemory &memory = resolveShared(warp, lane, space, address, offset, what);
    if (offset > memory.size || bytes > memory.size - offset)
      fault(lane, FaultCode::IllegalAddress,
            accessText(what, bytes, space, address) + " is out of bounds: the block has " +
                std::to_string(memory.size) + " bytes of shared memory");
    place.shared = &memory;
    place.offset = offset;
    place.bytes = memory.bytes.data() + offset;
    place.validity = memory.validity.data() + offset;
    return place;
  }
  case Space::Local: {
    WarpState &state = WarpState::of(warp);
    if (address > localLimit || bytes > localLimit - address)
      fault(lane, FaultCode::IllegalAddress, accessText(what, bytes, space, address) + " is out of bounds");
    if (address + bytes > state.localStride)
      growLocal(state, address + bytes);
    place.offset = address;
    place.bytes = &state.local[size_t(lane) * state.localStride + address];
    place.validity = &state.localValidity[size_t(lane) * state.localStride + address];
    return place;
  }
  case Space::Param: {
    const std::vector<uint8_t> &params = warp.block->launch->params;
    if (address > params.size() || bytes > params.size() - address)
      fault(lane, FaultCode::IllegalAddress,
            accessText(what, bytes, space, address) + " is out of bounds: the kernel's parameters are " +
                std::to_string(params.size()) + " bytes");
    place.offset = address;
    place.bytes = const_cast<uint8_t *>(params.data()) + address;
    place.readOnly = true;
    return place;
  }
  }
  return place;
}

Issuer adze::sim::issuerOf(Warp &warp, unsigned lane, const Instr &instr) {
  return {&WarpState::of(warp).clocks, warp.block->rank, warp.index, lane, instr.line};
}

void adze::sim::checkAccess(Warp &warp, unsigned lane, uint32_t line, const Place &place, uint64_t bytes, bool write,
                            uint64_t flags, const uint8_t *data, bool nonCoherent) {
  WarpState &state = WarpState::of(warp);
  ClusterState &cluster = *state.block->cluster;
  Access access;
  access.clocks = &state.clocks;
  access.sets = &cluster.unit.sets;
  access.tag = state.clocks.tag(lane, flags);
  access.lane = lane;
  access.line = line;
  access.write = write;
  access.nonCoherent = nonCoherent;
  auto changesNothing = [&] {
    return write && data && std::memcmp(place.bytes, data, bytes) == 0 && allValid(place.validity, bytes);
  };
  if (place.shared) {
    SharedMemory &memory = *place.shared;
    if (!memory.unguarded(place.offset, bytes) || !cluster.launch.checks) {
      checkShared(cluster.unit, memory, access, place.offset, bytes);
      return;
    }
    Conflict conflict = memory.shadow.access(access, place.offset, bytes, 0);
    if (conflict && changesNothing()) {
      access.sameValue = true;
      conflict = memory.shadow.access(access, place.offset, bytes, 0);
    }
    if (conflict)
      throw LaneFault(FaultCode::LaunchFailed, lane,
                      cluster.unit.race(conflict, "shared", place.offset, access, bytes).what());
    return;
  }
  if (!place.global || place.global->constant)
    return;
  access.space = ProxySpace::Global;
  Allocation &allocation = *place.global;
  uint32_t launch = cluster.launch.number;
  Conflict conflict;
  if (!cluster.unit.mayTouchPredecessors(state.clocks, lane)) {
    // Until griddepcontrol.wait the preceding grid may still be running.
    if (allocation.shadow->touchedByPredecessor(place.offset, bytes, write, launch))
      conflict.kind = Conflict::Predecessor;
  } else {
    conflict = allocation.shadow->access(access, place.offset, bytes, launch);
    if (conflict && changesNothing()) {
      access.sameValue = true;
      conflict = allocation.shadow->access(access, place.offset, bytes, launch);
    }
  }
  if (conflict)
    throw LaneFault(FaultCode::LaunchFailed, lane,
                    cluster.unit.race(conflict, "global", allocation.base + place.offset, access, bytes).what());
}

/// Strong operations do not race with each other if their scopes include both threads; narrower scopes are treated like
/// weak ones where they do not reach.
static uint64_t strongFlag(const Warp &warp, Space space, Order order, Scope scope) {
  if (order == Order::Weak)
    return 0;
  if (order == Order::Volatile || order == Order::Mmio)
    return Tag::Strong;
  bool sharedOnly = space == Space::Shared || space == Space::SharedCluster;
  bool alone = warp.block->cluster->blocks.size() == 1;
  if (scope >= Scope::Device || (sharedOnly && (alone || scope >= Scope::Cluster)) || scope == Scope::None)
    return Tag::Strong;
  return 0;
}

static void requireAligned(unsigned lane, uint64_t address, uint64_t bytes, const char *what, Space space) {
  uint64_t alignment = bytes & (~bytes + 1); // the largest power of two that divides the vector
  if (address & (alignment - 1))
    fault(lane, FaultCode::Misaligned,
          accessText(what, bytes, space, address) + " is misaligned: the address must be a multiple of " +
              std::to_string(alignment));
}

/// Copies `bytes` (a power of two in almost all cases) and answers which of them are not valid.
static inline uint32_t copyIn(uint8_t *to, const Place &place, unsigned bytes) {
  if (!place.validity) {
    std::memcpy(to, place.bytes, bytes);
    return 0;
  }
  if (allValid(place.validity, bytes)) {
    switch (bytes) {
    case 4:
      std::memcpy(to, place.bytes, 4);
      break;
    case 16:
      std::memcpy(to, place.bytes, 16);
      break;
    default:
      std::memcpy(to, place.bytes, bytes);
    }
    return 0;
  }
  uint32_t poison = 0;
  for (unsigned i = 0; i != bytes; ++i) {
    bool valid = place.validity[i] == uint8_t(Validity::Valid);
    to[i] = place.validity[i] == uint8_t(Validity::Fresh) ? 0xff : place.bytes[i];
    poison |= valid ? 0u : 1u << i;
  }
  return poison;
}

// --- the common case: all lanes in one memory, aligned, nothing unusual ---

namespace {
/// Where the lanes of a warp go when they all go to one memory.
struct WarpPlace {
  uint8_t *bytes = nullptr, *validity = nullptr; ///< of offset 0
  SharedMemory *shared = nullptr;
  Allocation *global = nullptr;
  uint64_t offset[32];
};
} // namespace

static bool placeWarp(Warp &warp, Space space, unsigned bytes, Mask active, const uint64_t *address, bool write,
                      WarpPlace &place) {
  WarpState &state = WarpState::of(warp);
  unsigned first = firstLane(active);
  uint64_t base = 0, size;
  if (space == Space::Generic) {
    switch (Window::of(address[first])) {
    case Space::Shared:
      base = Window::shared;
      space = Space::Shared;
      break;
    case Space::Global:
      space = Space::Global;
      break;
    default:
      return false;
    }
  }
  if (space == Space::Shared) {
    SharedMemory &memory = state.block->shared;
    place.shared = &memory;
    place.bytes = memory.bytes.data();
    place.validity = memory.validity.data();
    size = memory.size;
  } else if (space == Space::Global) {
    Allocation *allocation = state.findGlobal(address[first], bytes);
    if (!allocation || (write && allocation->constant))
      return false;
    place.global = allocation;
    place.bytes = allocation->bytes;
    place.validity = allocation->validity;
    base = allocation->base;
    size = allocation->size;
  } else {
    return false;
  }
  if (size < bytes)
    return false;
  uint64_t misaligned = 0, alignment = bytes & (~bytes + 1u), guards = 0;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    uint64_t offset = address[lane] - base;
    place.offset[lane] = offset;
    misaligned |= address[lane] & (alignment - 1);
    if (offset > size - bytes)
      return false;
    if (place.shared)
      guards |= !place.shared->unguarded(offset, bytes);
  }
  return !misaligned && !guards;
}

/// The race checks of all lanes at once; false: do them one by one.
static bool checkWarp(Warp &warp, const Instr &instr, const WarpPlace &place, unsigned bytes, Mask active, bool write) {
  WarpState &state = WarpState::of(warp);
  LaunchState &launch = state.block->cluster->launch;
  if (place.global &&
      (place.global->constant || !state.block->cluster->unit.mayTouchPredecessors(state.clocks, Tag::noLane)))
    return false;
  Access access;
  access.clocks = &state.clocks;
  access.sets = &state.block->cluster->unit.sets;
  access.tag = state.clocks.tag(0);
  access.line = instr.line;
  access.write = write;
  access.space = place.global ? ProxySpace::Global : ProxySpace::Shared;
  return place.global ? place.global->shadow->accessWarp(access, active, place.offset, bytes, launch.number)
                      : place.shared->shadow.accessWarp(access, active, place.offset, bytes, 0);
}

template <unsigned size>
static void loadLanes(const WarpPlace &place, Mask active, LaneBuffer &result) {
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    uint64_t offset = place.offset[lane];
    Place one;
    one.bytes = place.bytes + offset;
    one.validity = place.validity + offset;
    result.poison[lane] = copyIn(result.bytes[lane], one, size);
  }
}

template <unsigned size>
static void storeLanes(const WarpPlace &place, Mask active, const LaneBuffer &value) {
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    uint64_t offset = place.offset[lane];
    std::memcpy(place.bytes + offset, value.bytes[lane], size);
    if (value.poison[lane] == 0)
      std::memset(place.validity + offset, int(Validity::Valid), size);
    else
      for (unsigned i = 0; i != size; ++i)
        place.validity[offset + i] = uint8_t(value.poison[lane] >> i & 1 ? Validity::Poisoned : Validity::Valid);
  }
}

/// Calls f<size>() for the usual sizes; false for others.
#define ADZE_SIM_FOR_SIZE(bytes, call)                                                                                 \
  switch (bytes) {                                                                                                     \
  case 1:                                                                                                              \
    call<1>(place, active, buffer);                                                                                    \
    return true;                                                                                                       \
  case 2:                                                                                                              \
    call<2>(place, active, buffer);                                                                                    \
    return true;                                                                                                       \
  case 4:                                                                                                              \
    call<4>(place, active, buffer);                                                                                    \
    return true;                                                                                                       \
  case 8:                                                                                                              \
    call<8>(place, active, buffer);                                                                                    \
    return true;                                                                                                       \
  case 16:                                                                                                             \
    call<16>(place, active, buffer);                                                                                   \
    return true;                                                                                                       \
  default:                                                                                                             \
    return false;                                                                                                      \
  }
static bool loadSized(const WarpPlace &place, unsigned bytes, Mask active, LaneBuffer &buffer) {
  ADZE_SIM_FOR_SIZE(bytes, loadLanes)
}
static bool storeSized(const WarpPlace &place, unsigned bytes, Mask active, const LaneBuffer &buffer) {
  ADZE_SIM_FOR_SIZE(bytes, storeLanes)
}
#undef ADZE_SIM_FOR_SIZE

// --- loads and stores ---

void LaunchState::load(Warp &warp, const Instr &instr, const MemoryOperation &operation, Mask active,
                       const uint64_t *address, LaneBuffer &result) {
  unsigned bytes = operation.bytes;
  uint64_t flags =
      operation.order == Order::Weak ? 0 : strongFlag(warp, operation.space, operation.order, operation.scope);
  if (flags)
    ClusterState::of(*warp.block->cluster).strongRead();
  WarpPlace all;
  if (operation.order == Order::Weak && !operation.nonCoherent &&
      placeWarp(warp, operation.space, bytes, active, address, /*write=*/false, all) &&
      (!checks || checkWarp(warp, instr, all, bytes, active, /*write=*/false)) && loadSized(all, bytes, active, result))
    return;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    requireAligned(lane, address[lane], bytes, "ld", operation.space);
    Place place = resolve(warp, lane, operation.space, address[lane], bytes, "ld");
    if (checks && (place.shared || place.global))
      checkAccess(warp, lane, instr.line, place, bytes, /*write=*/false, flags, nullptr, operation.nonCoherent);
    result.poison[lane] = copyIn(result.bytes[lane], place, bytes);
    if (flags)
      afterStrongRead(warp, lane, place, address[lane], operation.order, operation.scope);
  }
}

void LaunchState::store(Warp &warp, const Instr &instr, const MemoryOperation &operation, Mask active,
                        const uint64_t *address, const LaneBuffer &value) {
  unsigned bytes = operation.bytes;
  uint64_t flags =
      operation.order == Order::Weak ? 0 : strongFlag(warp, operation.space, operation.order, operation.scope);
  // Lanes that store to the same place differ in value or not: that is decided one by one.
  WarpPlace all;
  if (operation.order == Order::Weak && placeWarp(warp, operation.space, bytes, active, address, /*write=*/true, all) &&
      (!checks || checkWarp(warp, instr, all, bytes, active, /*write=*/true)) && storeSized(all, bytes, active, value))
    return;
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    requireAligned(lane, address[lane], bytes, "st", operation.space);
    Place place = resolve(warp, lane, operation.space, address[lane], bytes, "st");
    if (place.readOnly)
      fault(lane, FaultCode::IllegalAddress,
            accessText("st", bytes, operation.space, address[lane]) + ": the memory is read-only");
    if (flags)
      beforeStrongWrite(warp, lane, place, address[lane], operation.order, operation.scope, false);
    if (checks && (place.shared || place.global))
      checkAccess(warp, lane, instr.line, place, bytes, /*write=*/true, flags, value.bytes[lane]);
    std::memcpy(place.bytes, value.bytes[lane], bytes);
    if (value.poison[lane] == 0)
      std::memset(place.validity, int(Validity::Valid), bytes);
    else
      for (unsigned i = 0; i != bytes; ++i)
        place.validity[i] = uint8_t(value.poison[lane] >> i & 1 ? Validity::Poisoned : Validity::Valid);
  }
}
