// The block's shared memory: tiles in it, and who may use which bytes when.
#ifndef ADZE_TARGETS_GPU_LOWER_SHARED_H
#define ADZE_TARGETS_GPU_LOWER_SHARED_H

#include "mlir/IR/Types.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>

namespace adze::gpu {

/// A tile in shared memory: rows of dim `inner` (by default the last), padded or swizzled; rows are numbered in
/// row-major order of the other dims. With swizzle s > 0 the 16-byte chunks of a row are permuted: chunk c of row r
/// lies at c ^ ((r >> (3 - s)) mod 2^s), where 2^s (s <= 3) divides the chunks of a row. Eight consecutive rows then
/// lie in eight different groups of banks at any chunk; for rows of 2^s chunks it is the pattern of bulk copies.
struct SharedTile {
  uint64_t offset = 0; // bytes, of the block's shared memory
  mlir::Value slot;    // i32, bytes, added to offset: the current slot of a ring; null: 0
  unsigned inner = 0;  // the dim with stride 1
  mlir::Type element;
  llvm::SmallVector<int64_t, 5> shape, strides; // strides in elements
  unsigned swizzle = 0;
  uint64_t bytes = 0;
};

/// Hands out bytes of shared memory. A region that was released may be handed out again after the next barrier only,
/// since other threads may still read it: release() makes it pending, barrier() frees what is pending.
class SharedMemory {
public:
  /// Offset of `bytes` bytes, in free space where some is large enough; nullopt: the total would exceed `limit`.
  std::optional<uint64_t> allocateWithin(uint64_t bytes, uint64_t align, uint64_t limit);
  void release(uint64_t offset);
  void barrier(); // a barrier of all threads was emitted
  bool pending() const { return !waiting.empty(); }
  uint64_t total() const { return high; }
  uint64_t inUse() const;

  struct Region {
    uint64_t offset, bytes;
    bool used;
  };
  /// A branch or loop may run or not: barriers inside it free nothing for the code behind it. It starts from the state
  /// before it, must not leave anything of its own pending (its end is a barrier then), and ends with the state before.
  struct State {
    llvm::SmallVector<Region, 8> regions;
    llvm::SmallVector<uint64_t, 4> waiting;
  };
  State state() const { return {regions, waiting}; }
  void restore(const State &s) {
    regions = s.regions;
    waiting = s.waiting;
  }
  bool pendingSince(const State &before) const;

private:
  llvm::SmallVector<Region, 8> regions; // ascending, disjoint
  llvm::SmallVector<uint64_t, 4> waiting;
  uint64_t high = 0;
};

} // namespace adze::gpu

#endif
