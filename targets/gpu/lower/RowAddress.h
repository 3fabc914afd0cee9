// Addresses in a tile of shared rows, from parts that differ between threads and parts that are constants.
#ifndef ADZE_TARGETS_GPU_LOWER_ROWADDRESS_H
#define ADZE_TARGETS_GPU_LOWER_ROWADDRESS_H

#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {

/// Pointers into one SharedTile. Constants end up in the instruction's immediate, and, for the swizzled chunk, in one
/// exclusive or, because rows start at multiples of a swizzle's span.
class RowAddress {
public:
  RowAddress(Lowering &l, const SharedTile &tile);
  unsigned rowBytes() const { return bytes; }
  /// Row row + rowConst, 16-byte chunk chunk + chunkConst (i32; null: 0), `extra` bytes into it. `disjoint`: chunk and
  /// chunkConst have no bit in common.
  Value at(Value row, int64_t rowConst, Value chunk, int64_t chunkConst, bool disjoint, int64_t extra = 0);
  /// Row row + rowConst at `offset` + offsetConst bytes; not for swizzled tiles.
  Value linear(Value row, int64_t rowConst, Value offset, int64_t offsetConst);
  /// The element of a register of `layout`, which starts a run of `run` elements of a row.
  Value element(const Layout &layout, unsigned reg, unsigned run);

private:
  Value pointer(Value address, int64_t constant);
  Value threadPart(Value row, Value chunk);

  Lowering &l;
  Value base, slot; // i32
  unsigned bytes, swizzle, elementBytes, inner;
  SmallVector<int64_t, 5> rowsOf; // rows that one step along a dim skips; of inner: 0
  llvm::DenseMap<std::pair<Value, Value>, Value> parts;
  llvm::DenseMap<std::pair<Value, int64_t>, Value> pointers;
};

} // namespace adze::gpu

#endif
