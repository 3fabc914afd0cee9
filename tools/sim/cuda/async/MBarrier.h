// The state machine of an mbarrier object, with what its phases publish. PTX ISA, "mbarrier".
#ifndef ADZE_TOOLS_SIM_CUDA_ASYNC_MBARRIER_H
#define ADZE_TOOLS_SIM_CUDA_ASYNC_MBARRIER_H

#include "tools/sim/cuda/memory/Clocks.h"

#include <string>

namespace adze::sim {

/// Phases are numbered from 0; the parity of phase n is n & 1. Every operation throws MemoryFault on misuse.
class MBarrier {
public:
  static constexpr uint32_t maxCount = (1u << 20) - 1;

  /// `actor`: the clock of the copies that complete here, in the unit of the barrier.
  MBarrier(uint32_t offset, unsigned actor) : offset(offset), actor(actor) {}

  void init(uint32_t count, Tag by, uint32_t line);
  void inval();
  bool live() const { return isLive; }

  /// Adds to / subtracts from the transaction count of the current phase.
  void expectTx(uint32_t bytes);
  void completeTx(uint32_t bytes);
  /// One arrive-on with `count`; answers the state token: the phase arrived at, and the pending count before in the low
  /// 20 bits. The caller has joined what the arriving threads publish into arriving(). `noComplete`: completing the
  /// phase is an error.
  uint64_t arrive(uint32_t count, bool noComplete = false);
  uint64_t arriveDrop(uint32_t count, bool noComplete = false);
  /// cp.async.mbarrier.arrive without .noinc.
  void raisePending();

  /// Has the phase of `parity` completed? (The current phase's parity differs.)
  bool completed(unsigned parity) const { return (phase & 1) != (parity & 1); }
  /// Has the phase of a token completed? Throws for tokens two phases old.
  bool tokenCompleted(uint64_t token) const;
  /// A successful wait: what the completed phase published to threads of the block, and what (`fromCluster`) threads of
  /// other blocks published, which only a wait of cluster scope acquires.
  const Knowledge &observe(unsigned parity);
  const Knowledge &fromCluster(unsigned parity) const { return publishedCluster[parity & 1]; }
  /// Number of the phase that a wait for `parity` waits for, or that has completed for it.
  uint32_t phaseOf(unsigned parity) const {
    return (phase & 1) == (parity & 1) ? phase : phase - 1; // a fresh barrier: -1, "the phase before the first"
  }

  Knowledge &arriving() { return publishing; }
  Knowledge &arrivingFromCluster() { return publishingCluster; }
  uint32_t currentPhase() const { return phase; }
  uint32_t pendingCount() const { return pending; }
  uint32_t expectedCount() const { return expected; }
  int32_t txCount() const { return tx; }
  /// The stamp of a copy that counts in the current phase.
  Tag copyTag(unsigned unit, uint64_t flags) const {
    return Tag::make(unit, actor, Tag::noLane, phase + 1 + phasesBefore, flags);
  }
  std::string describe() const; ///< "mbarrier at shared 0x40: phase 3, pending 1 of 2, tx 512"
  Tag initTag() const { return initBy; }
  uint32_t initLine() const { return lineOfInit; }

  bool initFenced = false; ///< fence.mbarrier_init (or fence.proxy.async) by the initialising thread
  const uint32_t offset;   ///< in its block's shared memory
  const unsigned actor;
  uint32_t expectedInPhase = 0, landedInPhase = 0; ///< bytes, for reports
  bool everArrived = false;

private:
  void checkLive(const char *what) const;
  void takeArrival(uint32_t count, bool noComplete, const char *what);
  void completePhaseIfDone();

  bool isLive = false, wasLive = false;
  uint32_t phase = 0, pending = 0, expected = 0;
  uint32_t phasesBefore = 0; ///< of earlier lives: the actor's clock never goes back
  int32_t tx = 0;
  uint32_t observedPhases = 0; ///< phases [0, observedPhases) were observed by a successful wait
  Tag initBy;
  uint32_t lineOfInit = 0;
  Knowledge publishing, published[2], publishingCluster, publishedCluster[2];
};

} // namespace adze::sim
#endif
