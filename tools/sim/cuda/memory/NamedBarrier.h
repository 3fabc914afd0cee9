// The 16 barriers of a block: bar.sync, bar.arrive, bar.red. PTX ISA, "bar", "barrier".
//
// Arrival is by warp. A barrier's expected number of threads is fixed by its first arrival; everybody must agree on it.
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_NAMEDBARRIER_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_NAMEDBARRIER_H

#include "tools/sim/cuda/memory/Clocks.h"

#include <string>

namespace adze::sim {

class NamedBarrier {
public:
  enum class Use : uint8_t { Sync, Arrive, Reduce };
  /// What an arrival of one warp brings.
  struct Arrival {
    unsigned warp = 0;     ///< in the block
    unsigned threads = 32; ///< that it counts for
    uint32_t count = 0;    ///< operand b; 0: all threads of the block
    Use use = Use::Sync;
    uint32_t line = 0;
    uint32_t truth = 0;   ///< Reduce: lanes whose predicate holds
    uint32_t lanes = ~0u; ///< Reduce: lanes that take part
  };

  explicit NamedBarrier(unsigned id = 0) : id(id) {}

  /// Throws MemoryFault on misuse. The caller has joined what the warp publishes into knowledge(). Answers whether the
  /// barrier completed: waiting() then names the warps to resume, and reset() must follow.
  bool arrive(const Arrival &arrival, unsigned blockThreads);
  /// A warp has exited: barriers over the whole block do not wait for it. True if that completes this one.
  bool afterExit(unsigned liveThreads) const { return wholeBlock && arrived != 0 && arrived >= liveThreads; }
  bool inUse() const { return arrived != 0; }
  uint32_t waiting() const { return waitingWarps; }
  Knowledge &knowledge() { return published; }
  void reset();
  std::string describe() const;

  uint32_t reducedCount = 0; ///< threads whose predicate held
  uint32_t reducedThreads = 0;

private:
  unsigned id;
  uint32_t expected = 0, arrived = 0;
  uint32_t arrivedWarps = 0, waitingWarps = 0;
  uint32_t firstLine = 0;
  bool wholeBlock = false, reduces = false;
  Knowledge published;
};

} // namespace adze::sim
#endif
