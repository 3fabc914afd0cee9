// Shared memory of one block, and what the blocks of a cluster have in common for the race checker.
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_SHARED_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_SHARED_H

#include "tools/sim/cuda/async/MBarrier.h"
#include "tools/sim/cuda/memory/Shadow.h"

#include <algorithm>

namespace adze::sim {

/// Addresses of the shared window: the own block lies at 0, block r of the cluster at (r + 1) << 24. mapa computes
/// them.
struct SharedAddress {
  static constexpr unsigned rankShift = 24;
  static constexpr uint64_t ownLimit = uint64_t(1) << rankShift;
  static uint64_t of(unsigned rank, uint64_t offset) { return (uint64_t(rank + 1) << rankShift) | offset; }
};

/// The bytes of one block's shared memory. Offsets are those of the block's own shared window.
class SharedMemory {
public:
  SharedMemory(unsigned rank, uint32_t bytes)
      : rank(rank), size(bytes), bytes(bytes, 0xff), validity(bytes, uint8_t(Fresh)), shadow(bytes, false),
        guards((bytes + 15) / 16) {}

  const unsigned rank; ///< of the block in its cluster
  const uint32_t size;
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> validity;
  Shadow shadow;
  bool exited = false;
  /// The latest access by threads of other blocks and by copies, by actor: the block may exit only after them.
  std::map<unsigned, Tag> visitors;
  void visited(Tag tag) {
    Tag &latest = visitors[tag.actor()];
    if (!latest || latest.clock() <= tag.clock())
      latest = tag;
  }

  /// Read locks: asynchronous units still read these bytes; a write before their covering wait is an error.
  void lock(uint32_t offset, uint32_t count) { change(offset, count, 1); }
  void unlock(uint32_t offset, uint32_t count) { change(offset, count, uint16_t(-1)); }
  bool locked(uint64_t offset, uint64_t count) const {
    for (uint64_t i = offset / 16, e = (offset + count + 15) / 16; i != e; ++i)
      if (guards[i] & ~barrierBit)
        return true;
    return false;
  }
  /// Is there a live mbarrier among these bytes?
  bool holdsBarrier(uint64_t offset, uint64_t count) const;
  /// Neither locks nor barriers there: the fast path of plain accesses.
  bool unguarded(uint64_t offset, uint64_t count) const {
    for (uint64_t i = offset / 16, e = (offset + count + 15) / 16; i != e; ++i)
      if (guards[i])
        return false;
    return true;
  }

  MBarrier *findBarrier(uint32_t offset) {
    auto it = barriers.find(offset);
    return it == barriers.end() ? nullptr : it->second.get();
  }
  MBarrier &barrierAt(uint32_t offset, unsigned actorIfNew);
  const std::map<uint32_t, std::unique_ptr<MBarrier>> &allBarriers() const { return barriers; }
  void guardBarrier(uint32_t offset, bool live) {
    if (live)
      guards[offset / 16] |= barrierBit;
    else if (!holdsBarrier(offset & ~15u, 16))
      guards[offset / 16] &= uint16_t(~barrierBit);
  }

private:
  enum : uint8_t { Fresh = 0 };
  static constexpr uint16_t barrierBit = 0x8000;
  void change(uint32_t offset, uint32_t count, uint16_t by) {
    for (uint32_t i = offset / 16, e = (offset + count + 15) / 16; i != e; ++i)
      guards[i] = uint16_t((guards[i] & barrierBit) | ((guards[i] + by) & ~barrierBit));
  }
  std::vector<uint16_t> guards; ///< by 16 bytes
  std::map<uint32_t, std::unique_ptr<MBarrier>> barriers;
};

} // namespace adze::sim
#endif
