// What is scheduled together, a block or a cluster, as the memory system sees it: shared memories, the race checker's
// names for who is who, and the dice that decide when asynchronous effects happen.
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_UNIT_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_UNIT_H

#include "tools/sim/cuda/memory/Fault.h"
#include "tools/sim/cuda/memory/Global.h"
#include "tools/sim/cuda/memory/Shared.h"

#include <functional>

namespace adze::sim {

/// When asynchronous effects happen: as late as the waits allow, at once, or one or the other by chance.
enum class AsyncMode : uint8_t { Late, Early, Random };

class Unit {
public:
  /// `id`: of the unit in its launch. `blocks` blocks of `warpsPerBlock` warps.
  Unit(unsigned id, unsigned blocks, unsigned warpsPerBlock, GlobalMemory &global, uint64_t seed, AsyncMode mode)
      : id(id % 0xfffff), warpsPerBlock(warpsPerBlock), global(global), mode(mode), state(seed * 2 + 1),
        nextActor(blocks * warpsPerBlock) {}

  const unsigned id;
  const unsigned warpsPerBlock;
  GlobalMemory &global;
  const AsyncMode mode;
  ReaderSets sets;
  std::vector<SharedMemory *> blocks; ///< by rank

  unsigned actorOf(unsigned rank, unsigned warp) const { return rank * warpsPerBlock + warp; }
  unsigned newActor();
  /// A dependent launch (programmatic serialisation): whoever knows of `gridActor` is ordered after a
  /// griddepcontrol.wait; the others may not touch what the preceding grid uses.
  void makeDependent() {
    gridActor = newActor();
    dependent = true;
  }
  bool mayTouchPredecessors(const WarpClocks &clocks, unsigned lane) const {
    return !dependent || clocks.knowsActor(gridActor, lane);
  }
  bool dependent = false;
  unsigned gridActor = 0;
  /// An mbarrier's phase completed: resume who waits on it.
  std::function<void(SharedMemory &, MBarrier &)> phaseCompleted;

  bool now() { return mode == AsyncMode::Early || (mode == AsyncMode::Random && roll(2)); }
  uint32_t roll(uint32_t sides); ///< uniform in [0, sides)

  /// The shared memory of block `rank` for a thread of block `from`: throws if it does not exist, has exited, or if
  /// nothing tells the thread that it has started (a cluster barrier, say).
  /// `visits`: the thread itself touches the memory (not a copy that it issues), so the block may exit only after it.
  SharedMemory &peer(unsigned rank, unsigned from, const WarpClocks &clocks, unsigned lane, const char *what,
                     bool visits = true) const;
  /// The same without a thread: for copies that land.
  SharedMemory &peer(unsigned rank, const char *what) const;

  /// "warp 3, lane 5", "the copies on the mbarrier at shared 0x40", "another block".
  std::string describe(Tag tag) const;
  /// The fault for two unordered accesses at `address` of `space` ("shared", "global").
  MemoryFault race(const Conflict &conflict, const char *space, uint64_t address, const Access &access,
                   uint64_t size) const;

private:
  uint64_t state; ///< of the generator (SplitMix64)
  unsigned nextActor;
};

/// Checks and records an access to shared memory: bounds, read locks, live barriers, races.
void checkShared(const Unit &unit, SharedMemory &memory, const Access &access, uint64_t offset, uint64_t size);

std::string hexText(uint64_t value);

} // namespace adze::sim
#endif
