// How the elements of a dense tensor lie in another order, with zeros where a block is not full; forth and back.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>

namespace adze {

/// One dim of the packed tensor, outermost first: a step along it adds `factor` to the coordinate of `logical`. A dim
/// in blocks of c has two, (number of blocks, c) and (c, 1).
struct PackedDim {
  int64_t extent, factor;
  unsigned logical;
};

/// The element of logical coordinates (l0, l1, ...) is number offset + sum of strides * l of the source, and stands in
/// the packed tensor (row-major over `dims`) where the dims' steps add up to the same coordinates. Places beyond the
/// logical extents hold zero bytes.
struct Packing {
  llvm::SmallVector<int64_t, 4> extents, strides;
  llvm::SmallVector<PackedDim, 8> dims;
  int64_t offset = 0;

  /// Elements of the packed tensor; nullopt when the extents are negative or overflow.
  std::optional<uint64_t> packedElements() const;
  /// True when the packed tensor has every element of a source of `elements` elements, so that unpack() gives all of
  /// them and nothing else. Safe on values from a file that nobody has checked.
  bool invertible(uint64_t elements) const;

  /// Elements of `width` whole bytes. `source` and `packed` must have the sizes that the description implies.
  void pack(llvm::ArrayRef<char> source, size_t width, llvm::MutableArrayRef<char> packed) const;
  /// Writes the elements that the packed tensor has: all of them when invertible().
  void unpack(llvm::ArrayRef<char> packed, size_t width, llvm::MutableArrayRef<char> source) const;
};

} // namespace adze
