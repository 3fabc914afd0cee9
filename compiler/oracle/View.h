// A tile.view at run time: where each logical element lies in its buffer.
//
// Strided, composite and packed layouts are sums of one function per logical dim: coordinate c adds
// sum over terms of ((c floordiv div) mod mod) * stride. A window adds the pixel arithmetic of tile.window on top.
#ifndef ADZE_COMPILER_ORACLE_VIEW_H
#define ADZE_COMPILER_ORACLE_VIEW_H

#include "compiler/oracle/HostBuffer.h"
#include "llvm/ADT/SmallVector.h"

namespace adze::oracle {

struct ViewTerm {
  int64_t div = 1, mod = 0; ///< mod 0: none
  int64_t stride = 1;       ///< elements
};

struct ViewDim {
  int64_t extent = 0;
  llvm::SmallVector<ViewTerm, 2> terms;

  int64_t address(int64_t c) const {
    int64_t a = 0;
    for (const ViewTerm &t : terms) {
      int64_t q = t.div == 1 ? c : c / t.div;
      a += (t.mod ? q % t.mod : q) * t.stride;
    }
    return a;
  }
  /// Length of the stretches in which the address grows by one constant stride; 0 = the whole dim.
  int64_t run() const {
    int64_t r = 0;
    for (const ViewTerm &t : terms)
      if (t.mod && t.div == 1)
        r = t.mod;
    return r;
  }
  int64_t runStride() const {
    for (const ViewTerm &t : terms)
      if (t.div == 1)
        return t.stride;
    return 0;
  }
};

/// Geometry of tile.window. The view's own dims are [pixel, taps..., C]; those of `source` are [N, spatial..., C].
struct Window {
  llvm::SmallVector<int64_t, 3> out, kernel, stride, dilation, pad;
  bool transposed = false;
  llvm::SmallVector<ViewDim, 5> source;
};

struct RuntimeView {
  Buffer *buffer = nullptr;
  int64_t offset = 0;
  llvm::SmallVector<ViewDim, 6> dims; ///< of a window: extents only
  std::shared_ptr<const Window> window;
};

/// Row-major strides over `extents`.
inline llvm::SmallVector<int64_t, 8> rowMajor(llvm::ArrayRef<int64_t> extents) {
  llvm::SmallVector<int64_t, 8> strides(extents.size(), 1);
  for (size_t i = extents.size(); i-- > 1;)
    strides[i - 1] = strides[i] * extents[i];
  return strides;
}

/// Indirection of gather and scatter. `indices` has one entry a position of `dim` (row form), or one an element.
struct Indirection {
  int64_t dim = 0;
  const int64_t *indices = nullptr;
  bool elementwise = false;
};

/// Coordinates of one view dim under a tile: addresses, and which lie inside the extents.
struct DimTable {
  llvm::SmallVector<int64_t, 64> address;
  llvm::SmallVector<uint8_t, 64> valid;
  int64_t size = 1, first = 0;
  bool allValid = true;

  void fill(const ViewDim &dim, int64_t offset, int64_t count, const int64_t *indices) {
    size = count;
    first = offset;
    allValid = true;
    address.resize(count);
    valid.resize(count);
    for (int64_t i = 0; i < count; ++i) {
      int64_t c = offset + (indices ? indices[i] : i);
      valid[i] = c >= 0 && c < dim.extent;
      address[i] = valid[i] ? dim.address(c) : 0;
      allValid &= valid[i];
    }
  }
};

/// Calls run(position in the tile, first address, stride, count) for every stretch of elements of a tile (row-major
/// positions, consecutive within a stretch) that lies inside the view. `shape` covers the trailing dims of the view.
template <typename Run>
void forEachRun(const RuntimeView &view, const int64_t *offsets, llvm::ArrayRef<int64_t> shape,
                const Indirection *indirection, Run &&run);

} // namespace adze::oracle

#include "compiler/oracle/ViewWalk.h"

#endif
