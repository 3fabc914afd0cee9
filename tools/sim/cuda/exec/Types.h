// Small types of the executor, shared by all folders of the simulator.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_TYPES_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_TYPES_H

#include <cstdint>
#include <string>

namespace adze::sim {

/// A bit a lane of a warp.
using Mask = uint32_t;
inline constexpr unsigned warpSize = 32;
inline constexpr Mask fullMask = ~Mask(0);

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

/// State spaces. PTX ISA, "State Spaces". Register and special registers are not memory.
enum class Space : uint8_t { Generic, Global, Shared, SharedCluster, Local, Param, Const };

/// Ordering of a memory operation. PTX ISA, "Memory Consistency Model".
enum class Order : uint8_t { Weak, Volatile, Relaxed, Acquire, Release, AcquireRelease, SequentiallyConsistent, Mmio };
enum class Scope : uint8_t { None, Block, Cluster, Device, System };

/// The generic address space: device allocations have addresses of their own (GlobalMemory::lowest up); these windows
/// hold the rest. Shared addresses inside the shared window are those of SharedAddress.
struct Window {
  static constexpr uint64_t shared = uint64_t(0x7f10) << 32;
  static constexpr uint64_t local = uint64_t(0x7f20) << 32;
  static constexpr uint64_t param = uint64_t(0x7f30) << 32; ///< kernel parameters (__grid_constant__)
  static constexpr uint64_t size = uint64_t(1) << 32;
  /// Which window a generic address is in; Global when in none.
  static Space of(uint64_t address) {
    switch (address >> 32) {
    case shared >> 32:
      return Space::Shared;
    case local >> 32:
      return Space::Local;
    case param >> 32:
      return Space::Param;
    default:
      return Space::Global;
    }
  }
  static uint64_t base(Space space) {
    return space == Space::Shared || space == Space::SharedCluster ? shared
           : space == Space::Local                                 ? local
           : space == Space::Param                                 ? param
                                                                   : 0;
  }
};

/// What .target names, and what the simulated device is: 90 and 'a' for sm_90a.
struct Architecture {
  unsigned number = 80;
  char suffix = 0;
  std::string name() const { return "sm_" + std::to_string(number) + (suffix ? std::string(1, suffix) : ""); }
};

} // namespace adze::sim
#endif
