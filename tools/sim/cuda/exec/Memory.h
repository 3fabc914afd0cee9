// What the executor needs of memory. Implemented in tools/sim/cuda/memory.
//
// The executor evaluates addresses, checks that they are not poisoned, and moves bytes between registers and a
// LaneBuffer; everything else (bounds, alignment, validity, races, order) is the memory's.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_MEMORY_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_MEMORY_H

#include "Instr.h"
#include "Types.h"

#include <memory>
#include <string>
#include <vector>

namespace adze::sim {

class Warp;
class Block;
class Cluster;
struct LaunchContext;

/// A ld or st, decoded. `bytes` counts the whole vector of one lane: 1 to 32.
struct MemoryOperation {
  Space space = Space::Generic;
  Order order = Order::Weak;
  Scope scope = Scope::None;
  uint8_t bytes = 4;
  uint8_t elementBytes = 4;
  bool nonCoherent = false; ///< ld.global.nc
  bool unified = false;     ///< ldu
};

/// Values of a memory operation, by lane. Bit i of `poison[lane]`: byte i derives from something uninitialised.
struct LaneBuffer {
  alignas(64) uint8_t bytes[warpSize][32];
  uint32_t poison[warpSize];
};

/// One per block.
struct BlockMemory {
  virtual ~BlockMemory() = default;
};

/// One per launch. Calls for different clusters come from different host threads at once.
class LaunchMemory {
public:
  virtual ~LaunchMemory() = default;

  /// A cluster starts: its blocks exist with all their warps, nothing has run. Sets block.memory, cluster.memory and
  /// warp.memory as it likes.
  virtual void beginCluster(Cluster &cluster) = 0;
  /// All warps of a block have exited: checks for copies in flight, live transaction counts ...; may throw.
  virtual void endBlock(Block &block) = 0;
  virtual void endCluster(Cluster &cluster) = 0;
  /// Lanes of a warp have exited (barriers over the whole block count fewer threads).
  virtual void lanesExited(Warp &warp, Mask lanes) = 0;

  /// `address[lane]` for the lanes of `active`; window-relative for spaces other than generic and global.
  /// Space::Param is the kernel's parameters (bytes and bounds: LaunchContext::params); Space::Local the lane's own.
  virtual void load(Warp &warp, const Instr &instr, const MemoryOperation &operation, Mask active,
                    const uint64_t *address, LaneBuffer &result) = 0;
  virtual void store(Warp &warp, const Instr &instr, const MemoryOperation &operation, Mask active,
                     const uint64_t *address, const LaneBuffer &value) = 0;

  /// bar.warp.sync, shfl.sync, vote.sync ...: the lanes of `mask` have met. bar.warp.sync orders memory among them, the
  /// others do not (`orders`).
  virtual void warpSynchronised(Warp &warp, Mask mask, bool orders) = 0;

  /// No warp of the cluster can go on. Completes the oldest asynchronous operation that is still held back, or answers
  /// false if there is none: a deadlock.
  virtual bool advance(Cluster &cluster) = 0;
  /// For the deadlock report: state of barriers, one line each.
  virtual std::string describe(Block &block) = 0;
};

/// Device memory, as long as the device lives. The driver allocates here; modules put their variables here.
class DeviceMemory {
public:
  virtual ~DeviceMemory() = default;
  /// Module variables: zeroed or initialised, valid, read-only if `constant`. 0 when out of memory.
  virtual uint64_t allocateVariable(const std::string &name, uint64_t bytes, uint64_t alignment, bool constant,
                                    const std::vector<uint8_t> &initial) = 0;
  virtual void freeVariable(uint64_t address) = 0;
  virtual std::unique_ptr<LaunchMemory> beginLaunch(const LaunchContext &launch) = 0;
};

} // namespace adze::sim
#endif
