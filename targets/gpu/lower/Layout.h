// Which thread of a group holds which elements of a tile, as data.
//
// A layout is separable: element coordinate d of (thread, register) is
//     sum over the thread's set lane bits and warp bits with that dim of their strides  +  offset_d(register).
// A bit without a dim replicates: both its halves hold the same elements. Coordinates beyond the tile's shape are dead:
// sizes need not be powers of two. Transposing, dropping and adding dims of size 1 and slicing relabel the data only.
#ifndef ADZE_TARGETS_GPU_LOWER_LAYOUT_H
#define ADZE_TARGETS_GPU_LOWER_LAYOUT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <string>

namespace adze::gpu {

/// What one bit of a thread's number adds to the coordinates. dim < 0: nothing (replicated).
struct Bit {
  int dim = -1;
  int64_t stride = 0;
  bool operator==(const Bit &o) const { return dim == o.dim && stride == o.stride; }
};

struct Layout {
  llvm::SmallVector<int64_t, 5> shape;    // of the tile
  llvm::SmallVector<Bit, 5> lanes, warps; // bit 0 first
  llvm::SmallVector<int32_t, 0> offsets;  // register r, dim d: offsets[r * rank + d]

  unsigned rank() const { return shape.size(); }
  unsigned registers() const { return rank() ? offsets.size() / rank() : 1; }
  int32_t offset(unsigned reg, unsigned dim) const { return offsets[reg * rank() + dim]; }
  llvm::ArrayRef<int32_t> at(unsigned reg) const { return llvm::ArrayRef(offsets).slice(reg * rank(), rank()); }
  /// Largest coordinate that any thread's bits contribute to `dim`.
  int64_t threadSpan(unsigned dim) const;
  /// Some thread's element of this register lies outside the shape in `dim`.
  bool mayBeDead(unsigned reg, unsigned dim) const { return threadSpan(dim) + offset(reg, dim) >= shape[dim]; }
  bool mayBeDead(unsigned reg) const;
  /// Every thread's element of this register lies outside the shape.
  bool isDead(unsigned reg) const;
  bool isReplicated() const;
  /// Registers come in runs of this many (a power of two <= most) with consecutive coordinates along `dim`, each run
  /// starting at a multiple of its length for every thread.
  unsigned vectorWidth(unsigned dim, unsigned most) const;
  /// Short text for diagnostics, attributes and tests: "reg d1:1x4 d0:8x2 lane d1:4.8.16 d0:1.2 warp d0:4.-".
  std::string str() const;
  bool operator==(const Layout &o) const {
    return shape == o.shape && lanes == o.lanes && warps == o.warps && offsets == o.offsets;
  }
  bool operator!=(const Layout &o) const { return !(*this == o); }
};

/// Threads of a group as powers of two: 2^lanes of 2^warps.
struct Threads {
  unsigned lanes = 5, warps = 0;
  unsigned count() const { return 1u << (lanes + warps); }
};

/// Coalesced: `vec` (a power of two) consecutive elements along order[0] in each thread, then lanes along order[0],
/// order[1], .. and warps along warpOrder[0], .. (empty: as order) as far as the shape goes; what is left of the shape
/// is repeated in registers, and what is left of the threads replicates. Orders list all dims.
Layout rowBlocked(llvm::ArrayRef<int64_t> shape, Threads threads, llvm::ArrayRef<unsigned> order, unsigned vec,
                  llvm::ArrayRef<unsigned> warpOrder = {});
/// Every thread holds every element: for tiny tiles.
Layout replicated(llvm::ArrayRef<int64_t> shape, Threads threads);
/// Dims `dims` become 1: what a reduction over them leaves, and what broadcasting along them needs. `map`, where given,
/// receives for each register of `full` its register in the slice.
Layout slice(const Layout &full, llvm::ArrayRef<unsigned> dims, llvm::SmallVectorImpl<unsigned> *map = nullptr);
/// Dim i of the result is dim perm[i] of `from`.
Layout permute(const Layout &from, llvm::ArrayRef<int64_t> perm);
/// Nothing lies outside the shape in a dim of size 1 (a matrix instruction's block may reach beyond a single row).
bool unitsAreClean(const Layout &layout);
/// The same elements with the dims of size 1 dropped and others added; `shape` has the same dims otherwise, in order.
/// Needs unitsAreClean(from).
Layout reshapeUnits(const Layout &from, llvm::ArrayRef<int64_t> shape);

/// One warp's share of a matrix instruction: an accumulator or operand block. Offsets and strides as in Layout; `shape`
/// is that of the instruction (m16n8: {16, 8}).
using Atom = Layout;
/// Repeats an atom (rank 2) over the last two dims of `shape`, rows outermost: `warps` gives for each warp bit the dim
/// (of the tile) along which that half is shifted and by how many atoms; -1 replicates. Registers: atoms in row-major
/// order of the tile, the atom's own registers innermost. Leading dims of the tile repeat.
Layout tileAtom(const Atom &atom, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<Bit> warps);

} // namespace adze::gpu

#endif
