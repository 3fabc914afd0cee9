// A block and its cluster while they run.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_BLOCK_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_BLOCK_H

#include "Launch.h"
#include "Memory.h"
#include "Warp.h"

#include <memory>
#include <random>
#include <vector>

namespace adze::sim {

struct BlockExtension {
  virtual ~BlockExtension() = default;
};
class Cluster;

/// Facts of the running launch, the same for all its blocks.
struct LaunchContext {
  const Program *program = nullptr;
  const KernelCode *kernel = nullptr;
  Dim3 grid, block, cluster;
  uint32_t sharedBytes = 0; ///< static and dynamic
  uint32_t dynamicShared = 0;
  uint32_t localBytes = 0; ///< a lane's local memory
  std::vector<uint8_t> params;
  LaunchOptions options;
  LaunchMemory *memory = nullptr;
  Architecture device;
};

class Block {
public:
  const LaunchContext *launch = nullptr;
  Cluster *cluster = nullptr; ///< always there; a launch without clusters has clusters of one block
  unsigned rank = 0;          ///< in the cluster
  Dim3 id;                    ///< %ctaid
  uint64_t linear = 0;        ///< of id in the grid, x fastest
  unsigned threads = 0;
  std::vector<Warp> warps;
  unsigned liveThreads() const {
    unsigned count = 0;
    for (const Warp &warp : warps)
      count += warp.threads();
    return count;
  }
  bool done() const { return liveWarps == 0; }
  unsigned liveWarps = 0;

  /// Something changed that waiting warps may wait for: handlers that release others call this.
  void notify();

  std::unique_ptr<BlockMemory> memory; ///< made by LaunchMemory::createBlock
  std::unique_ptr<BlockExtension> async, tensor;
};

class Cluster {
public:
  const LaunchContext *launch = nullptr;
  uint64_t linear = 0; ///< in the grid of clusters
  Dim3 id;
  std::vector<std::unique_ptr<Block>> blocks; ///< by rank
  uint64_t progress = 1;                      ///< counts notify()
  bool polls = false;                         ///< some thread reads memory again and again: let other clusters run
  std::mt19937_64 random;                     ///< seeded by the launch's seed and `linear`: the only source of choice
  std::unique_ptr<BlockExtension> memory, async;
  uint64_t instructions = 0;
};

inline void Block::notify() { ++cluster->progress; }

} // namespace adze::sim
#endif
