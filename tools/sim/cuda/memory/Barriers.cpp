// bar, barrier, barrier.cluster, membar, fence. PTX ISA, "Parallel Synchronization and Communication Instructions".
#include "tools/sim/cuda/exec/Decode.h"
#include "tools/sim/cuda/memory/State.h"

using namespace adze::sim;

// --- bar and barrier ---

namespace {
struct BarrierExtra : InstrExtra {
  Slot id, count, predicate, result;
  bool negated = false, aligned = true, resultIsPredicate = false;
  NamedBarrier::Use use = NamedBarrier::Use::Sync;
  enum class Reduce : uint8_t { Popc, And, Or } reduce = Reduce::Popc;
};
} // namespace

static std::string describeBarrierWait(const Warp &warp, const Instr &instr) {
  const auto &extra = static_cast<const BarrierExtra &>(*instr.extra);
  uint64_t id = warp.read<uint32_t>(extra.id)[firstLane(warp.live ? warp.live : 1)];
  return "waits at " + BlockState::of(*warp.block).barriers[id & 15].describe();
}

static void writeReduction(Warp &warp, const BarrierExtra &extra, Mask active, const BlockState::ReduceResult &result) {
  if (!extra.result.valid())
    return;
  if (!extra.resultIsPredicate) {
    for (Mask rest = active; rest; rest &= rest - 1)
      warp.write<uint32_t>(extra.result)[firstLane(rest)] = result.count;
  } else {
    bool truth = extra.reduce == BarrierExtra::Reduce::And ? result.count == result.threads : result.count != 0;
    warp.setPredicate(extra.result, active, truth ? fullMask : 0);
  }
  warp.setPoison(extra.result, active, 0);
}

static Flow execBarrier(Warp &warp, const Instr &instr, Mask active) {
  const auto &extra = static_cast<const BarrierExtra &>(*instr.extra);
  // The unaligned form may be executed by parts of a warp one after the other; nobody generates that on purpose.
  requireConverged(warp, active, extra.aligned ? "bar.sync" : "barrier.sync (by a part of the warp: not modelled)");
  BlockState &block = BlockState::of(*warp.block);
  uint64_t id = warp.uniform(extra.id, active, 4, "the barrier's number");
  if (id >= 16)
    fault(firstLane(active), FaultCode::IllegalInstruction, "barrier " + std::to_string(id) + ": allowed are 0-15");
  if (warp.waitState() == 0) {
    NamedBarrier &barrier = block.barriers[id];
    NamedBarrier::Arrival arrival;
    arrival.warp = warp.index;
    arrival.count = extra.count.valid() ? uint32_t(warp.uniform(extra.count, active, 4, "the barrier's count")) : 0;
    arrival.threads = extra.count.valid() ? 32 : warp.threads();
    arrival.use = extra.use;
    arrival.line = instr.line;
    arrival.lanes = active;
    if (extra.use == NamedBarrier::Use::Reduce) {
      requireDefined(warp, extra.predicate, active, "the predicate of bar.red");
      arrival.truth = warp.predicate(extra.predicate) ^ (extra.negated ? fullMask : 0);
    }
    warp.waitState() = block.barrierGeneration[id] + 1;
    WarpState::of(warp).clocks.syncWarp(active);
    WarpState::of(warp).clocks.release(active, barrier.knowledge());
    if (barrier.arrive(arrival, warp.block->liveThreads()))
      block.completeBarrier(unsigned(id));
    if (extra.use == NamedBarrier::Use::Arrive) {
      warp.waitState() = 0;
      return Flow::Next;
    }
  }
  if (block.barrierGeneration[id] == warp.waitState() - 1)
    return warp.wait(describeBarrierWait);
  warp.waitState() = 0;
  if (extra.use == NamedBarrier::Use::Reduce)
    writeReduction(warp, extra, active, block.reduced[id]);
  return Flow::Next;
}

static void decodeBarrier(Decoder &d, Instr &out) {
  auto &extra = d.makeExtra<BarrierExtra>(out);
  bool isBar = d.statement().opcode == "bar";
  d.take("cta");
  extra.aligned = d.take("aligned") || isBar;
  unsigned use = d.requireOne("an operation", {"sync", "arrive", "red"});
  extra.use = NamedBarrier::Use(use);
  unsigned at = 0, last = d.operandCount();
  if (extra.use == NamedBarrier::Use::Reduce) {
    unsigned op = d.requireOne("a reduction", {"popc", "and", "or"});
    extra.reduce = BarrierExtra::Reduce(op);
    if (op == 0) {
      if (!d.take("u32"))
        d.fail("barrier.red.popc has the type .u32");
      extra.result = d.writeRegister(d.operand(at++), 4);
    } else {
      if (!d.take("pred"))
        d.fail("barrier.red.and and .or have the type .pred");
      extra.result = d.writePredicate(d.operand(at++));
      extra.resultIsPredicate = true;
    }
    extra.predicate = d.readPredicate(d.operand(--last), extra.negated);
  }
  extra.id = d.readOperand(d.operand(at++), 4);
  if (at < last)
    extra.count = d.readOperand(d.operand(at++), 4);
  else if (extra.use == NamedBarrier::Use::Arrive)
    d.fail("bar.arrive needs a thread count");
  out.handler = execBarrier;
}

// --- barrier.cluster ---

namespace {
enum ClusterFlag : uint8_t { ClusterAligned = 1, ClusterRelaxed = 2 };
} // namespace

static Flow execClusterArrive(Warp &warp, const Instr &instr, Mask active) {
  WarpState &state = WarpState::of(warp);
  ClusterState &cluster = *state.block->cluster;
  if (instr.flags & ClusterAligned)
    requireConverged(warp, active, "barrier.cluster.arrive.aligned");
  if (Mask again = state.clusterArrived & active)
    fault(firstLane(again), FaultCode::LaunchFailed, "barrier.cluster.arrive again without a wait in between");
  if (state.clusterArrived == 0)
    state.clusterGeneration = cluster.generation;
  state.clusterArrived |= active;
  if (!(instr.flags & ClusterRelaxed)) {
    state.clocks.syncWarp(active);
    state.clocks.release(active, cluster.arriving);
  } else {
    // The arrival publishes nothing by itself; what a fence of the thread published goes along.
    for (Mask rest = active & state.anyFenced; rest; rest &= rest - 1)
      if (unsigned lane = firstLane(rest); state.fenced[lane] && state.fencedScope[lane] >= Scope::Cluster)
        cluster.arriving.join(*state.fenced[lane]);
  }
  cluster.arrivedThreads += unsigned(__builtin_popcount(active));
  cluster.checkClusterBarrier();
  return Flow::Next;
}

static std::string describeClusterWait(const Warp &warp, const Instr &) {
  const ClusterState &cluster = *static_cast<const WarpState &>(*warp.memory).block->cluster;
  return "waits at the cluster barrier (" + std::to_string(cluster.arrivedThreads) + " threads have arrived)";
}

static Flow execClusterWait(Warp &warp, const Instr &instr, Mask active) {
  WarpState &state = WarpState::of(warp);
  ClusterState &cluster = *state.block->cluster;
  if (instr.flags & ClusterAligned)
    requireConverged(warp, active, "barrier.cluster.wait.aligned");
  if (Mask missing = active & ~state.clusterArrived)
    fault(firstLane(missing), FaultCode::LaunchFailed, "barrier.cluster.wait without an arrive before it");
  if (cluster.generation == state.clusterGeneration)
    return warp.wait(describeClusterWait);
  state.clocks.acquire(active, cluster.completed);
  state.clusterArrived &= ~active;
  return Flow::Next;
}

static void decodeClusterArrive(Decoder &d, Instr &out) {
  d.requireTarget(90);
  int order = d.takeOne({"release", "relaxed"});
  out.flags = uint8_t((order == 1 ? ClusterRelaxed : 0) | (d.take("aligned") ? ClusterAligned : 0));
  out.handler = execClusterArrive;
}

static void decodeClusterWait(Decoder &d, Instr &out) {
  d.requireTarget(90);
  d.take("acquire");
  out.flags = d.take("aligned") ? ClusterAligned : 0;
  out.handler = execClusterWait;
}

// --- fences ---

static Flow execFence(Warp &warp, const Instr &instr, Mask active) {
  fenceLanes(warp, active, Scope(instr.flags));
  return Flow::Next;
}

/// mbarriers that lanes of `active` initialised may be used by others (once a barrier orders them).
static void publishInits(Warp &warp, Mask active) {
  WarpState &state = WarpState::of(warp);
  for (const auto &[offset, barrier] : state.block->shared.allBarriers()) {
    Tag by = barrier->initTag();
    if (by && by.actor() == state.clocks.actor() && by.lane() < 32 && (active >> by.lane() & 1))
      barrier->initFenced = true;
  }
}

static Flow execProxyFence(Warp &warp, const Instr &instr, Mask active) {
  WarpState::of(warp).clocks.proxyFence(active, instr.flags & 1, instr.flags & 2);
  if (instr.flags & 1)
    publishInits(warp, active);
  return Flow::Next;
}

static Flow execInitFence(Warp &warp, const Instr &, Mask active) {
  publishInits(warp, active);
  return Flow::Next;
}

static Flow execNothing(Warp &, const Instr &, Mask) { return Flow::Next; }

static void decodeFence(Decoder &d, Instr &out) {
  d.takeOne({"sc", "acq_rel", "acquire", "release"});
  Scope scope = d.takeScope();
  if (scope == Scope::None)
    d.fail("the fence names no scope");
  out.flags = uint8_t(scope);
  out.handler = execFence;
}

static void decodeMembar(Decoder &d, Instr &out) {
  unsigned level = d.requireOne("a level", {"cta", "gl", "sys"});
  out.flags = uint8_t(level == 0 ? Scope::Block : level == 1 ? Scope::Device : Scope::System);
  out.handler = execFence;
}

static void decodeProxyFence(Decoder &d, Instr &out) {
  if (d.take("alias")) {
    out.handler = execNothing; // no aliased addresses exist here
    return;
  }
  if (d.take("async")) {
    d.requireTarget(90);
    int space = d.takeOne({"global", "shared::cta", "shared::cluster"});
    out.flags = uint8_t(space < 0 ? 3 : space == 0 ? 2 : 1);
    out.handler = execProxyFence;
    return;
  }
  if (d.take("tensormap::generic")) {
    d.requireTarget(90);
    bool acquire = d.requireOne("an order", {"release", "acquire"}) == 1;
    Scope scope = d.takeScope();
    if (acquire) {
      d.address(d.operand(0));
      d.immediate(d.operand(1), "the size");
    }
    out.flags = uint8_t(scope);
    out.handler = execFence;
    return;
  }
  d.fail("this proxy fence is not modelled");
}

static void decodeInitFence(Decoder &d, Instr &out) {
  d.requireTarget(90);
  d.take("release");
  d.take("cluster");
  out.handler = execInitFence;
}

namespace adze::sim {
void registerBarriers(DecodeTable &table) {
  table.add("bar", decodeBarrier);
  table.add("barrier", decodeBarrier);
  table.add("barrier.cluster.arrive", decodeClusterArrive);
  table.add("barrier.cluster.wait", decodeClusterWait);
  table.add("membar", decodeMembar);
  table.add("membar.proxy", decodeProxyFence);
  table.add("fence", decodeFence);
  table.add("fence.proxy", decodeProxyFence);
  table.add("fence.mbarrier_init", decodeInitFence);
}
} // namespace adze::sim
