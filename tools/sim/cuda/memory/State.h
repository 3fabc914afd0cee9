// What the memory system keeps by launch, cluster, block and warp. Handlers of this folder and of async/ reach it
// through of().
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_STATE_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_STATE_H

#include "tools/sim/cuda/async/Copies.h"
#include "tools/sim/cuda/exec/Block.h"
#include "tools/sim/cuda/memory/NamedBarrier.h"
#include "tools/sim/cuda/memory/Unit.h"

#include <mutex>
#include <unordered_map>

namespace adze::sim {

/// What strong writes to one location have published. PTX ISA, "Release and Acquire Patterns".
struct SyncLocation {
  struct Published {
    unsigned unit;
    Scope scope;
    unsigned actorBlock; ///< unit-wide block rank of the publisher
    std::shared_ptr<const Knowledge> knowledge;
  };
  std::vector<Published> published;
};

/// Locations by address. Those of global memory are shared between host threads.
class SyncTable {
public:
  void publish(uint64_t address, const SyncLocation::Published &what, bool isReadModifyWrite);
  std::vector<SyncLocation::Published> read(uint64_t address);
  /// A weak store ends a location's release sequence.
  void forget(uint64_t address);
  bool empty() const { return count.load(std::memory_order_relaxed) == 0; }

private:
  std::mutex mutex;
  std::atomic<size_t> count{0};
  std::unordered_map<uint64_t, SyncLocation> locations;
};

class LaunchState;
struct BlockState;

/// A cp.async of one warp, or a cp.async.mbarrier.arrive behind such.
struct PendingCopy {
  Mask lanes = 0; ///< that have not completed
  uint32_t line = 0;
  bool arrive = false, noIncrement = false;
  uint8_t bytes = 0;
  std::array<uint32_t, 32> destination{}; ///< shared offset; of the mbarrier for `arrive`
  std::array<uint8_t, 32> sourceBytes{};
  std::array<Allocation *, 32> source{};
  std::array<uint64_t, 32> sourceOffset{};
  std::array<uint32_t, 32> group{}; ///< number of the group it belongs to, by lane
  bool moved = false;               ///< the bytes are there already (early mode); only visibility is outstanding
};

struct WarpState : WarpExtension {
  WarpState(unsigned unit, unsigned actor) : clocks(unit, actor) {}
  WarpClocks clocks;
  BlockState *block = nullptr;
  /// Allocations used lately; they do not change during a launch.
  std::array<Allocation *, 4> recent{};
  unsigned nextRecent = 0;
  /// The live allocation that holds all of [address, address + bytes), or null.
  Allocation *findGlobal(uint64_t address, uint64_t bytes);
  std::vector<uint8_t> local, localValidity; ///< 32 lanes, localStride bytes each
  uint32_t localStride = 0;
  // cp.async
  std::deque<PendingCopy> copies;
  std::array<uint32_t, 32> committed{}; ///< groups committed by lane; the open group has this number
  // fences: what lanes read relaxed and have not acquired
  std::array<std::vector<SyncLocation::Published>, 32> seen;
  std::array<std::shared_ptr<const Knowledge>, 32> fenced;
  std::array<Scope, 32> fencedScope{};
  Mask anySeen = 0, anyFenced = 0;
  Mask clusterArrived = 0; ///< barrier.cluster.arrive without its wait yet
  uint64_t clusterGeneration = 0;
  uint32_t registers = 0; ///< setmaxnreg; 0: the entry budget

  static WarpState &of(Warp &warp) { return static_cast<WarpState &>(*warp.memory); }
};

struct ClusterState : BlockExtension {
  ClusterState(LaunchState &launch, Cluster &cluster, unsigned id, AsyncMode mode);
  LaunchState &launch;
  Unit unit;
  CopyEngine copies;
  SyncTable sharedSync; ///< by SharedAddress
  // barrier.cluster
  uint64_t generation = 0;
  uint32_t arrivedThreads = 0;
  Knowledge arriving, completed;
  unsigned polls = 0;   ///< advance() calls without progress, while some warp only polls
  unsigned pollers = 0; ///< warps inside a test_wait that has failed
  /// A thread may be spinning on memory, so that the cluster never comes to rest: let a copy land now and then, and
  /// other clusters run.
  void strongRead() {
    if (++strongReads % 64)
      return;
    copies.deliverOne();
    cluster.polls = true;
  }
  unsigned strongReads = 0;
  Cluster &cluster;
  void progress() {
    polls = 0;
    ++cluster.progress;
  }
  /// Completes the cluster barrier if all threads that live have arrived.
  void checkClusterBarrier();

  static ClusterState &of(Cluster &cluster) { return static_cast<ClusterState &>(*cluster.memory); }
};

struct BlockState : BlockMemory {
  BlockState(Block &block, unsigned rank, uint32_t bytes) : block(block), shared(rank, bytes) {
    for (unsigned id = 0; id != 16; ++id)
      barriers[id] = NamedBarrier(id);
  }
  Block &block;
  ClusterState *cluster = nullptr;
  SharedMemory shared;
  std::array<NamedBarrier, 16> barriers;
  std::array<uint64_t, 16> barrierGeneration{};
  struct ReduceResult {
    uint32_t count = 0, threads = 0;
  };
  std::array<ReduceResult, 16> reduced{};
  int64_t freeRegisters = 0; ///< of the pool that setmaxnreg.dec fills
  /// Barrier `id` has all its arrivals: the waiting warps know what all published and go on.
  void completeBarrier(unsigned id);

  static BlockState &of(Block &block) { return static_cast<BlockState &>(*block.memory); }
};

/// One launch.
class LaunchState : public LaunchMemory {
public:
  LaunchState(const LaunchContext &context, GlobalMemory &global);

  void beginCluster(Cluster &cluster) override;
  void endBlock(Block &block) override;
  void endCluster(Cluster &cluster) override;
  void lanesExited(Warp &warp, Mask lanes) override;
  void load(Warp &warp, const Instr &instr, const MemoryOperation &operation, Mask active, const uint64_t *address,
            LaneBuffer &result) override;
  void store(Warp &warp, const Instr &instr, const MemoryOperation &operation, Mask active, const uint64_t *address,
             const LaneBuffer &value) override;
  void warpSynchronised(Warp &warp, Mask mask, bool orders) override;
  bool advance(Cluster &cluster) override;
  std::string describe(Block &block) override;

  const LaunchContext &context;
  GlobalMemory &global;
  const uint32_t number; ///< of the launch
  SyncTable globalSync;
  bool checks = true; ///< races
};

/// Device memory as the executor sees it.
class SimulatedMemory : public DeviceMemory {
public:
  explicit SimulatedMemory(uint64_t capacity = uint64_t(16) << 30) : global(capacity) {}
  GlobalMemory global;

  uint64_t allocateVariable(const std::string &name, uint64_t bytes, uint64_t alignment, bool constant,
                            const std::vector<uint8_t> &initial) override;
  void freeVariable(uint64_t address) override { global.free(address); }
  std::unique_ptr<LaunchMemory> beginLaunch(const LaunchContext &launch) override;
};

/// Where one lane's bytes are.
struct Place {
  uint8_t *bytes = nullptr, *validity = nullptr; ///< validity null: all valid
  SharedMemory *shared = nullptr;
  Allocation *global = nullptr;
  uint64_t offset = 0; ///< in the shared memory or the allocation
  bool readOnly = false;
};

/// Resolves an address of `space` and checks bounds; throws LaneFault. `what`: "ld", "st", ... for the text.
Place resolve(Warp &warp, unsigned lane, Space space, uint64_t address, uint64_t bytes, const char *what);
/// The block and offset behind a shared address (of .shared or .shared::cluster, or relative to the shared window).
SharedMemory &resolveShared(Warp &warp, unsigned lane, Space space, uint64_t address, uint32_t &offset,
                            const char *what);
/// A generic address as (space, address in it).
inline Space normalise(Space space, uint64_t &address) {
  if (space != Space::Generic)
    return space;
  Space is = Window::of(address);
  if (is == Space::Global)
    return is;
  address -= Window::base(is);
  return is == Space::Shared ? Space::SharedCluster : is;
}

/// Checks and records one lane's access for races. `write` of data that equals what is there counts as sameValue.
void checkAccess(Warp &warp, unsigned lane, uint32_t line, const Place &place, uint64_t bytes, bool write,
                 uint64_t flags, const uint8_t *data = nullptr, bool nonCoherent = false);

/// What an operation of `order` and `scope` on `address` publishes and acquires. Before a write; after a read.
void beforeStrongWrite(Warp &warp, unsigned lane, const Place &place, uint64_t address, Order order, Scope scope,
                       bool readModifyWrite);
void afterStrongRead(Warp &warp, unsigned lane, const Place &place, uint64_t address, Order order, Scope scope);
/// fence of `scope` by the lanes of `active`.
void fenceLanes(Warp &warp, Mask active, Scope scope);

Issuer issuerOf(Warp &warp, unsigned lane, const Instr &instr);

} // namespace adze::sim
#endif
