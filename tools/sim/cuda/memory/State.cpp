#include "tools/sim/cuda/memory/State.h"

using namespace adze::sim;

// --- synchronisation through memory ---

void SyncTable::publish(uint64_t address, const SyncLocation::Published &what, bool isReadModifyWrite) {
  std::lock_guard lock(mutex);
  SyncLocation &location = locations[address];
  // A plain write starts a new release sequence; read-modify-writes continue it.
  if (!isReadModifyWrite)
    location.published.clear();
  if (what.knowledge)
    location.published.push_back(what);
  count.store(locations.size(), std::memory_order_relaxed);
}

std::vector<SyncLocation::Published> SyncTable::read(uint64_t address) {
  std::lock_guard lock(mutex);
  auto it = locations.find(address);
  return it == locations.end() ? std::vector<SyncLocation::Published>() : it->second.published;
}

/// The table and the key of a location.
static SyncTable &tableOf(Warp &warp, const Place &place, uint64_t &key) {
  ClusterState &cluster = *WarpState::of(warp).block->cluster;
  if (place.shared) {
    key = SharedAddress::of(place.shared->rank, place.offset);
    return cluster.sharedSync;
  }
  key = place.global ? place.global->base + place.offset : 0;
  return cluster.launch.globalSync;
}

static bool releases(Order order) {
  return order == Order::Release || order == Order::AcquireRelease || order == Order::SequentiallyConsistent;
}
static bool acquires(Order order) {
  return order == Order::Acquire || order == Order::AcquireRelease || order == Order::SequentiallyConsistent;
}

void adze::sim::beforeStrongWrite(Warp &warp, unsigned lane, const Place &place, uint64_t, Order order, Scope scope,
                                  bool readModifyWrite) {
  if (!place.shared && !place.global)
    return;
  WarpState &state = WarpState::of(warp);
  uint64_t key;
  SyncTable &table = tableOf(warp, place, key);
  SyncLocation::Published published{state.clocks.unit(), scope == Scope::None ? Scope::System : scope, warp.block->rank,
                                    nullptr};
  if (releases(order)) {
    auto knowledge = std::make_shared<Knowledge>();
    state.clocks.release(1u << lane, *knowledge);
    published.knowledge = knowledge;
  } else if (state.fenced[lane]) {
    published.knowledge = state.fenced[lane];
    published.scope = std::min(published.scope, state.fencedScope[lane]);
  } else if (readModifyWrite || table.empty()) {
    return;
  }
  table.publish(key, published, readModifyWrite);
}

/// Do both scopes include the other thread?
static bool inScope(const Warp &warp, unsigned unit, const SyncLocation::Published &published, Scope scope) {
  scope = scope == Scope::None ? Scope::System : scope;
  Scope needed = published.unit != unit                     ? Scope::Device
                 : published.actorBlock != warp.block->rank ? Scope::Cluster
                                                            : Scope::Block;
  return published.scope >= needed && scope >= needed;
}

void adze::sim::afterStrongRead(Warp &warp, unsigned lane, const Place &place, uint64_t, Order order, Scope scope) {
  if (!place.shared && !place.global)
    return;
  uint64_t key;
  SyncTable &table = tableOf(warp, place, key);
  if (table.empty())
    return;
  WarpState &state = WarpState::of(warp);
  for (const SyncLocation::Published &published : table.read(key)) {
    if (!inScope(warp, state.clocks.unit(), published, scope))
      continue;
    if (acquires(order)) {
      state.clocks.acquireForeign(1u << lane, published.unit, published.knowledge);
      continue;
    }
    auto &seen = state.seen[lane];
    bool known = false;
    for (const SyncLocation::Published &other : seen)
      known |= other.knowledge == published.knowledge;
    if (!known)
      seen.push_back(published);
    state.anySeen |= 1u << lane;
  }
}

void adze::sim::fenceLanes(Warp &warp, Mask active, Scope scope) {
  WarpState &state = WarpState::of(warp);
  for (Mask rest = state.anySeen & active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    for (const SyncLocation::Published &published : state.seen[lane])
      if (inScope(warp, state.clocks.unit(), published, scope))
        state.clocks.acquireForeign(1u << lane, published.unit, published.knowledge);
    state.seen[lane].clear();
  }
  state.anySeen &= ~active;
  auto knowledge = std::make_shared<Knowledge>();
  state.clocks.release(active, *knowledge);
  for (Mask rest = active; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    state.fenced[lane] = knowledge;
    state.fencedScope[lane] = scope;
  }
  state.anyFenced |= active;
}

// --- launches ---

static AsyncMode modeOf(uint64_t seed) {
  switch (seed & 3) {
  case 2:
    return AsyncMode::Early;
  case 3:
    return AsyncMode::Random;
  default:
    return AsyncMode::Late;
  }
}

ClusterState::ClusterState(LaunchState &launch, Cluster &cluster, unsigned id, AsyncMode mode)
    : launch(launch), unit(id, unsigned(cluster.blocks.size()), unsigned(cluster.blocks[0]->warps.size()),
                           launch.global, launch.context.options.seed ^ (uint64_t(id) << 20), mode),
      copies(unit), cluster(cluster) {
  if (launch.context.options.programmaticSerialization)
    unit.makeDependent();
  unit.phaseCompleted = [this](SharedMemory &, MBarrier &) { progress(); };
}

LaunchState::LaunchState(const LaunchContext &context, GlobalMemory &global)
    : context(context), global(global), number(global.beginLaunch()), checks(context.options.checkRaces) {}

void LaunchState::beginCluster(Cluster &cluster) {
  auto state = std::make_unique<ClusterState>(*this, cluster, unsigned(cluster.linear), modeOf(context.options.seed));
  for (std::unique_ptr<Block> &block : cluster.blocks) {
    auto its = std::make_unique<BlockState>(*block, block->rank, context.sharedBytes);
    its->cluster = state.get();
    state->unit.blocks.push_back(&its->shared);
    for (Warp &warp : block->warps) {
      auto ofWarp = std::make_unique<WarpState>(state->unit.id, state->unit.actorOf(block->rank, warp.index));
      ofWarp->block = its.get();
      ofWarp->clocks.setLive(warp.live);
      warp.memory = std::move(ofWarp);
    }
    block->memory = std::move(its);
  }
  cluster.memory = std::move(state);
}

void LaunchState::lanesExited(Warp &warp, Mask lanes) {
  WarpState &state = WarpState::of(warp);
  BlockState &block = *state.block;
  ClusterState &cluster = *block.cluster;
  for (Mask rest = lanes; rest; rest &= rest - 1) {
    Issuer issuer{&state.clocks, warp.block->rank, warp.index, firstLane(rest), 0};
    cluster.copies.threadExits(issuer);
  }
  // Copies that nobody waits for any more land unobserved.
  for (PendingCopy &copy : state.copies)
    copy.lanes &= ~lanes;
  if (warp.live)
    state.clocks.setLive(warp.live);
  unsigned live = warp.block->liveThreads();
  for (unsigned id = 0; id != 16; ++id)
    if (block.barriers[id].afterExit(live))
      block.completeBarrier(id);
  cluster.checkClusterBarrier();
}

void BlockState::completeBarrier(unsigned id) {
  NamedBarrier &barrier = barriers[id];
  for (uint32_t rest = barrier.waiting(); rest; rest &= rest - 1) {
    Warp &warp = block.warps[firstLane(rest)];
    WarpState::of(warp).clocks.acquire(fullMask, barrier.knowledge());
  }
  reduced[id] = {barrier.reducedCount, barrier.reducedThreads};
  ++barrierGeneration[id];
  barrier.reset();
  cluster->progress();
}

void ClusterState::checkClusterBarrier() {
  uint32_t live = 0;
  for (const std::unique_ptr<Block> &block : cluster.blocks)
    live += block->liveThreads();
  if (arrivedThreads == 0 || arrivedThreads < live)
    return;
  completed = std::move(arriving);
  arriving.clear();
  arrivedThreads = 0;
  ++generation;
  progress();
}

void LaunchState::endBlock(Block &block) {
  BlockState &state = BlockState::of(block);
  ClusterState &cluster = *state.cluster;
  cluster.copies.blockExits(block.rank);
  Knowledge all;
  for (Warp &warp : block.warps)
    WarpState::of(warp).clocks.collect(all);
  for (const auto &[actor, tag] : state.shared.visitors)
    if (!all.generic.covers(tag.actor(), tag.lane(), tag.clock()))
      throw protocolFault("a block exits although " + cluster.unit.describe(tag) +
                          " may still access its shared memory: nothing orders the exit after it (cluster barrier, "
                          "mbarrier wait)");
  for (const auto &[offset, barrier] : state.shared.allBarriers())
    if (barrier->live() && barrier->txCount() != 0)
      throw protocolFault("a block exits with a transaction count that is not zero: " + barrier->describe() + ", " +
                          std::to_string(barrier->expectedInPhase) + " bytes expected and " +
                          std::to_string(barrier->landedInPhase) + " landed in this phase");
  state.shared.exited = true;
}

void LaunchState::endCluster(Cluster &cluster) {
  for (std::unique_ptr<Block> &block : cluster.blocks) {
    for (Warp &warp : block->warps)
      warp.memory.reset();
    block->memory.reset();
  }
  cluster.memory.reset();
}

void LaunchState::warpSynchronised(Warp &warp, Mask mask, bool orders) {
  if (orders)
    WarpState::of(warp).clocks.syncWarp(mask);
}

std::string LaunchState::describe(Block &block) {
  BlockState &state = BlockState::of(block);
  std::string text;
  for (NamedBarrier &barrier : state.barriers)
    if (barrier.inUse())
      text += barrier.describe() + "\n";
  for (const auto &[offset, barrier] : state.shared.allBarriers())
    if (barrier->live()) {
      text += barrier->describe();
      if (barrier->expectedInPhase || barrier->landedInPhase)
        text += ", " + std::to_string(barrier->expectedInPhase) + " bytes expected and " +
                std::to_string(barrier->landedInPhase) + " landed in this phase";
      text += "\n";
    }
  if (state.cluster->arrivedThreads)
    text += "cluster barrier: " + std::to_string(state.cluster->arrivedThreads) + " threads have arrived\n";
  return text;
}

// --- device memory ---

uint64_t SimulatedMemory::allocateVariable(const std::string &name, uint64_t bytes, uint64_t alignment, bool constant,
                                           const std::vector<uint8_t> &initial) {
  uint64_t address = global.allocate(bytes, name, alignment, /*valid=*/true, constant);
  if (!address)
    return 0;
  std::string error;
  if (!initial.empty())
    global.write(address, initial.data(), std::min<uint64_t>(bytes, initial.size()), error);
  return address;
}

std::unique_ptr<LaunchMemory> SimulatedMemory::beginLaunch(const LaunchContext &launch) {
  return std::make_unique<LaunchState>(launch, global);
}
