// Bulk and tensor copies of one unit: what has been issued, what has read its source, what has landed.
//
// Completion by mbarrier: the bytes land and complete_tx is performed when the engine is told to (deliverOne: nothing
// else can make progress) or at once, as the unit's dice say. Completion by bulk group: the source is read at
// wait_group.read and the destination written at wait_group of the issuing thread, or when the block ends.
// PTX ISA, "cp.async.bulk", "cp.async.bulk.tensor", "cp.reduce.async.bulk", "cp.async.bulk.commit_group".
#ifndef ADZE_TOOLS_SIM_CUDA_ASYNC_COPIES_H
#define ADZE_TOOLS_SIM_CUDA_ASYNC_COPIES_H

#include "tools/sim/cuda/async/Atomic.h"
#include "tools/sim/cuda/async/TensorMap.h"
#include "tools/sim/cuda/memory/Unit.h"

#include <deque>
#include <list>

namespace adze::sim {

/// The thread that executes a copy instruction.
struct Issuer {
  const WarpClocks *clocks = nullptr;
  unsigned rank = 0, warp = 0, lane = 0;
  uint32_t line = 0;
};

/// A tensor map in memory: looked at again when the copy happens.
struct MapInMemory {
  const uint8_t *bytes = nullptr; ///< host address of the 128 bytes; null: a plain bulk copy
  uint64_t address = 0;           ///< as the kernel names it
};

/// A box (or a plain run of bytes) on both sides.
struct Transfer {
  std::vector<BoxPiece> pieces; ///< address 0: outside
  uint32_t bytes = 0;           ///< of the whole box
  uint32_t shared = 0;          ///< offset of the box in shared memory
  unsigned swizzle = 0;         ///< span in bytes
  uint64_t fill = 0;
  unsigned elementBytes = 1;
  MapInMemory map;
};

/// The transfer of a tensor copy; checks map, coordinates and the alignment of `shared`.
Transfer tensorTransfer(const MapInMemory &map, const BoxPosition &position, uint32_t shared, bool im2col,
                        unsigned rank, bool store);
/// The transfer of a plain bulk copy; checks sizes and alignments.
Transfer bulkTransfer(uint64_t global, uint32_t shared, uint32_t bytes);

class CopyEngine {
public:
  explicit CopyEngine(Unit &unit) : unit(unit) {}

  /// Global to shared memory of the blocks in `ranks` (a mask), each at the same offset, each counting on its own
  /// mbarrier at `barrier`.
  void load(const Issuer &issuer, const Transfer &transfer, uint32_t ranks, uint32_t barrier);
  /// Shared memory of the issuer's block to shared memory of another block.
  void sharedToPeer(const Issuer &issuer, uint32_t from, unsigned rank, uint32_t to, uint32_t bytes,
                    unsigned barrierRank, uint32_t barrier);
  /// Shared to global memory; with `reduce`, by read-modify-write.
  struct Reduction {
    bool active = false;
    AtomicOp op = AtomicOp::Add;
    AtomicType type = AtomicType::U32;
  };
  void store(const Issuer &issuer, const Transfer &transfer, const Reduction &reduction);
  /// st.async and red.async: `bytes` <= 16 of `value` to a peer, counting on the peer's mbarrier.
  void storeAsync(const Issuer &issuer, unsigned rank, uint32_t to, const uint8_t *value, uint32_t bytes, bool poisoned,
                  uint32_t barrier, const Reduction &reduction);

  void commitGroup(const Issuer &issuer);
  void waitGroup(const Issuer &issuer, unsigned pending, bool readOnly);

  /// Lets one copy that completes on an mbarrier land. False if there is none.
  bool deliverOne();
  bool idle() const { return loads.empty(); }
  /// A thread exits: its stores must have read their sources.
  void threadExits(const Issuer &issuer);
  /// A block exits: nothing may still be on its way to it. Stores of its threads are written.
  void blockExits(unsigned rank);
  /// Copies issued since the kernel began, by kind: for reports.
  uint64_t issued = 0;

private:
  struct Copy {
    Issuer issuer;
    Transfer transfer;
    std::vector<Allocation *> allocations; ///< by piece
    uint32_t ranks = 0, barrier = 0;
    unsigned barrierRank = 0;
    bool toPeer = false;
    bool inlineValue = false; ///< st.async: the payload is already there
    Reduction reduction;
    Tag tag;
    std::vector<uint8_t> payload, validity; ///< in box order
    TensorMapBytes mapAtIssue{};
    bool sourceRead = false;
  };
  struct Groups {
    std::vector<std::unique_ptr<Copy>> open;
    std::deque<std::vector<std::unique_ptr<Copy>>> committed;
  };

  MBarrier &barrierFor(const Issuer &issuer, unsigned rank, uint32_t offset);
  void claimDestination(const Issuer &issuer, SharedMemory &memory, uint32_t offset, uint32_t bytes, Tag tag);
  void findSources(Copy &copy, bool write);
  void readGlobal(Copy &copy);
  void readShared(Copy &copy, SharedMemory &memory, uint32_t offset);
  void land(Copy &copy);
  void readSource(Copy &copy, const Issuer &by);
  void writeGlobal(Copy &copy, const Issuer &by);
  static void checkMapUnchanged(const Copy &copy);

  Unit &unit;
  std::vector<std::unique_ptr<Copy>> loads;
  std::map<uint64_t, Groups> groups; ///< by rank, warp, lane
};

/// The element type of a tensor reduction, from the map behind `transfer`; a text if the operation has no such type.
std::string tensorReductionType(const Transfer &transfer, CopyEngine::Reduction &reduction);

} // namespace adze::sim
#endif
