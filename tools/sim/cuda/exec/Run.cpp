#include "Run.h"

#include <algorithm>
#include <utility>

namespace adze::sim {

namespace {

[[noreturn]] void lockedRegister(const Warp &warp, bool write, uint8_t lock) {
  fault(firstLane(warp.live), FaultCode::LaunchFailed,
        std::string(write ? "writes" : "reads") + " a register that wgmma.mma_async still " +
            (lock == 2 ? "writes" : "reads") + ": wgmma.wait_group must come first");
}

/// Register locks and marks, for programs with wgmma.
void track(Warp &warp, const Instr &instr) {
  const Split &split = warp.current();
  const RegisterAccess *access = split.code->accesses.data() + instr.accesses;
  ++warp.serial;
  if (instr.checksLocks) // its accesses are no ordinary ones
    return;
  for (uint32_t i = 0; i != instr.accessCount; ++i) {
    size_t index = split.poisonFrame + access[i].poison;
    if (index >= warp.touched.size()) {
      warp.touched.resize(index + 1, 0);
      warp.locks.resize(index + 1, 0);
    }
    if (uint8_t lock = warp.locks[index])
      if (access[i].write || lock == 2)
        lockedRegister(warp, access[i].write, lock);
    warp.touched[index] = warp.serial;
  }
}

/// The next split that does not wait, or -1.
int nextSplit(const Warp &warp) {
  for (size_t i = warp.splits.size(); i-- != 0;)
    if (!warp.splits[i].blocked)
      return int(i);
  return -1;
}

template <bool tracked>
Stop runSplits(Warp &warp, uint64_t budget) {
  Cluster &cluster = *warp.block->cluster;
  uint64_t seen = cluster.progress, left = budget;
  for (Split &split : warp.splits)
    split.blocked = false;
  warp.enter(warp.splits.size() == 1 ? 0 : ++warp.turn % unsigned(warp.splits.size())); // all get on
  Stop stop = Stop::Budget;
  while (left) {
    Split &split = warp.splits[warp.active];
    const Instr *instr = split.pc;
    Mask mask = split.mask;
    if (instr->guard.valid()) {
      if (warp.poison(instr->guard) & mask)
        requireDefined(warp, instr->guard, mask, "the guard predicate");
      mask &= instr->guardNegated ? ~warp.predicate(instr->guard) : warp.predicate(instr->guard);
      if (!mask) {
        split.pc = instr + 1;
        --left;
        continue;
      }
    }
    if (tracked && !instr->pseudo)
      track(warp, *instr);
    left -= !instr->pseudo;
    Flow flow = instr->handler(warp, *instr, mask);
    if (flow == Flow::Next) {
      warp.splits[warp.active].pc = instr + 1;
      continue;
    }
    if (flow == Flow::Jumped) {
      if (!warp.live) {
        stop = Stop::Done;
        break;
      }
      continue;
    }
    Split &now = warp.splits[warp.active];
    if (flow == Flow::Yield) {
      now.pc = instr + 1;
      now.waitState = 0;
      stop = Stop::Yield;
      break;
    }
    now.blocked = true;
    ++left; // it did not run
    int next = nextSplit(warp);
    if (next < 0 && cluster.progress != seen) {
      seen = cluster.progress;
      for (Split &other : warp.splits)
        other.blocked = false;
      next = int(warp.active);
    }
    if (next < 0) {
      warp.parkedAt = seen;
      stop = Stop::Parked;
      break;
    }
    warp.enter(unsigned(next));
  }
  cluster.instructions += budget - left;
  return stop;
}

} // namespace

Stop runWarp(Warp &warp, uint64_t budget) {
  return warp.block->launch->program->trackRegisters ? runSplits<true>(warp, budget) : runSplits<false>(warp, budget);
}

std::string describePlace(const Warp &warp, const Instr *instr, int lane, const std::string &text) {
  const Block &block = *warp.block;
  const LaunchContext &launch = *block.launch;
  auto dims = [](uint32_t x, uint32_t y, uint32_t z) {
    return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
  };
  std::string place = "kernel " + launch.kernel->name;
  if (instr)
    place += ", PTX line " + std::to_string(instr->line);
  place += ", block " + dims(block.id.x, block.id.y, block.id.z);
  place += lane < 0 ? ", warp " + std::to_string(warp.index)
                    : ", thread " + dims(warp.tid[0][lane], warp.tid[1][lane], warp.tid[2][lane]);
  place += ": " + text;
  if (instr)
    place += "\n  " + launch.program->lineText(instr->line);
  return place;
}

// --- clusters ---

ClusterRunner::ClusterRunner(const LaunchContext &launch, uint64_t linear) {
  cluster.launch = &launch;
  cluster.linear = linear;
  uint64_t seed = launch.options.seed;
  cluster.random.seed(seed * 0x9e3779b97f4a7c15u + linear);
  if (seed)
    policy = Policy(cluster.random() % 4);
  start();
}

void ClusterRunner::start() {
  const LaunchContext &launch = *cluster.launch;
  Dim3 clusters{launch.grid.x / launch.cluster.x, launch.grid.y / launch.cluster.y, launch.grid.z / launch.cluster.z};
  uint64_t linear = cluster.linear;
  cluster.id = {uint32_t(linear % clusters.x), uint32_t(linear / clusters.x % clusters.y),
                uint32_t(linear / clusters.x / clusters.y)};
  unsigned ranks = unsigned(launch.cluster.count());
  for (unsigned rank = 0; rank != ranks; ++rank) {
    auto block = std::make_unique<Block>();
    block->launch = &launch;
    block->cluster = &cluster;
    block->rank = rank;
    const Dim3 &c = launch.cluster;
    block->id = {cluster.id.x * c.x + rank % c.x, cluster.id.y * c.y + rank / c.x % c.y,
                 cluster.id.z * c.z + rank / c.x / c.y};
    block->linear = block->id.x + uint64_t(launch.grid.x) * (block->id.y + uint64_t(launch.grid.y) * block->id.z);
    block->threads = unsigned(launch.block.count());
    unsigned warps = (block->threads + warpSize - 1) / warpSize;
    block->warps.resize(warps);
    block->liveWarps = warps;
    for (unsigned i = 0; i != warps; ++i)
      fill(block->warps[i], *block, i);
    cluster.blocks.push_back(std::move(block));
  }
  launch.memory->beginCluster(cluster);
  for (auto &block : cluster.blocks)
    for (Warp &warp : block->warps)
      waiting.push_back(&warp);
  if (policy == Policy::Reversed)
    std::reverse(waiting.begin(), waiting.end());
}

void ClusterRunner::fill(Warp &warp, Block &block, unsigned index) {
  const LaunchContext &launch = *cluster.launch;
  const KernelCode &kernel = *launch.kernel;
  warp.block = &block;
  warp.index = index;
  unsigned threads = std::min(warpSize, block.threads - index * warpSize);
  warp.live = warp.exists = threads == warpSize ? fullMask : (Mask(1) << threads) - 1;
  for (unsigned lane = 0; lane != threads; ++lane) {
    unsigned thread = index * warpSize + lane;
    warp.tid[0][lane] = thread % launch.block.x;
    warp.tid[1][lane] = thread / launch.block.x % launch.block.y;
    warp.tid[2][lane] = thread / launch.block.x / launch.block.y;
  }
  warp.constants = launch.program->constants.data();
  // 0xff everywhere: uninitialised floats are NaN, and nothing depends on it for correctness.
  warp.registerFile.assign(kernel.frameBytes, 0xff);
  warp.poisonFile.assign(kernel.poisonCount, 0);
  for (uint32_t i = poisonStride; i < kernel.poisonCount; i += poisonStride)
    warp.poisonFile[i] = fullMask;
  if (launch.program->trackRegisters) {
    warp.locks.assign(kernel.poisonCount, 0);
    warp.touched.assign(kernel.poisonCount, 0);
  }
  Split split;
  split.pc = kernel.code.data();
  split.mask = warp.live;
  split.code = &kernel;
  warp.splits.push_back(std::move(split));
  warp.enter(0);
}

Warp *ClusterRunner::pick() {
  size_t count = waiting.size();
  auto ready = [&](Warp *warp) { return warp->parkedAt != cluster.progress; };
  // Now and then anybody, or a warp that polls memory would keep those from running that it waits for.
  if (policy == Policy::Random || (policy != Policy::InTurn && ++picks % 256 == 0)) {
    size_t start = cluster.random() % count;
    for (size_t i = 0; i != count; ++i)
      if (Warp *warp = waiting[(start + i) % count]; ready(warp))
        return warp;
    return nullptr;
  }
  if (policy == Policy::Starved || policy == Policy::Reversed) { // the first ones always; the last one starves
    for (Warp *warp : waiting)
      if (ready(warp))
        return warp;
    return nullptr;
  }
  for (size_t i = 0; i != count; ++i) {
    turn = (turn + 1) % count;
    if (ready(waiting[turn]))
      return waiting[turn];
  }
  return nullptr;
}

void ClusterRunner::finishWarp(Warp &warp) {
  Block &block = *warp.block;
  waiting.erase(std::find(waiting.begin(), waiting.end(), &warp));
  block.notify();
  if (--block.liveWarps == 0)
    cluster.launch->memory->endBlock(block);
}

bool ClusterRunner::run(uint64_t slice) {
  const LaunchContext &launch = *cluster.launch;
  uint64_t end = cluster.instructions + slice;
  Warp *warp = nullptr;
  try {
    while (!waiting.empty()) {
      if (cluster.instructions >= end || std::exchange(cluster.polls, false))
        return false;
      if (launch.options.maxInstructions && cluster.instructions > launch.options.maxInstructions)
        throw KernelError(int(FaultCode::Timeout), "kernel " + launch.kernel->name + ": more than " +
                                                       std::to_string(launch.options.maxInstructions) +
                                                       " warp instructions in one cluster (endless loop?)");
      warp = pick();
      if (!warp) {
        // Nobody can go on: time passes until an asynchronous operation completes. Then every waiting warp is asked
        // once more before it is a deadlock.
        if (launch.memory->advance(cluster)) {
          ++cluster.progress;
          lastChance = false;
          continue;
        }
        if (lastChance)
          deadlock();
        lastChance = true;
        ++cluster.progress;
        continue;
      }
      uint64_t before = cluster.instructions;
      uint64_t quantum = policy == Policy::Random ? 1 + cluster.random() % 200 : 256;
      Stop stop = runWarp(*warp, quantum);
      if (cluster.instructions != before)
        lastChance = false;
      if (stop == Stop::Done)
        finishWarp(*warp);
      else if (stop != Stop::Parked && policy == Policy::Starved && waiting.size() > 1) {
        // One warp stays behind: the others take turns in front of it.
        auto at = std::find(waiting.begin(), waiting.end(), warp);
        if (at + 1 != waiting.end())
          std::rotate(at, at + 1, waiting.end() - 1);
      } else if (stop == Stop::Yield && policy == Policy::Reversed) {
        auto at = std::find(waiting.begin(), waiting.end(), warp);
        std::rotate(at, at + 1, waiting.end());
      }
    }
    launch.memory->endCluster(cluster);
    return true;
  } catch (const MemoryFault &error) {
    const auto *lane = dynamic_cast<const LaneFault *>(&error);
    if (!warp)
      throw KernelError(int(error.code), "kernel " + launch.kernel->name + ": " + error.what());
    const Instr *instr = warp->splits.empty() ? nullptr : warp->current().pc;
    throw KernelError(int(error.code), describePlace(*warp, instr, lane ? int(lane->lane) : -1, error.what()));
  }
}

void ClusterRunner::deadlock() {
  std::string text = "kernel " + cluster.launch->kernel->name + ": deadlock, no warp can go on";
  unsigned shown = 0;
  for (Warp *warp : waiting)
    for (unsigned i = 0; i != warp->splits.size() && shown != 40; ++i, ++shown) {
      warp->enter(i);
      const Split &split = warp->splits[i];
      std::string what = split.describe ? split.describe(*warp, *split.pc) : std::string("waits");
      if (split.mask != warp->live)
        what = "lanes " + std::to_string(__builtin_popcount(split.mask)) + " of " +
               std::to_string(__builtin_popcount(warp->live)) + ", " + what;
      text += "\n" + describePlace(*warp, split.pc, -1, what);
    }
  for (auto &block : cluster.blocks)
    if (!block->done()) {
      std::string state = cluster.launch->memory->describe(*block);
      if (!state.empty())
        text += "\nblock rank " + std::to_string(block->rank) + ": " + state;
    }
  throw KernelError(int(FaultCode::Timeout), text);
}

} // namespace adze::sim
