// From the view of a load or store to the tensor map that a bulk copy needs: launch code for its words and for the
// facts under which it is valid (docs/package-format.md, "Launch code"; the words: targets/cuda/driver/Recipe.h).
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_TENSORMAP_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_TENSORMAP_H

#include "dialects/tile/TileDialect.h"
#include "targets/cuda/lower/sm90/Wgmma.h"

namespace adze::cuda::sm90 {

/// A number that the launch knows, as launch code; constants are kept apart so that facts about them are decided here.
class LaunchValue {
public:
  static LaunchValue constant(int64_t v);
  static LaunchValue scalar(unsigned i);
  static LaunchValue address(unsigned buffer);
  std::optional<int64_t> known() const { return value; }
  const std::vector<int64_t> &code() const { return words; }

  friend LaunchValue operator+(const LaunchValue &a, const LaunchValue &b);
  friend LaunchValue operator-(const LaunchValue &a, const LaunchValue &b);
  friend LaunchValue operator*(const LaunchValue &a, const LaunchValue &b);
  enum Op {
    addOp = 2,
    subOp = 3,
    mulOp = 4,
    floorDivOp = 5,
    ceilDivOp = 6,
    modOp = 7,
    minOp = 8,
    maxOp = 9,
    eqOp = 10,
    ltOp = 11
  };
  static LaunchValue combine(Op op, const LaunchValue &a, const LaunchValue &b);

private:
  std::optional<int64_t> value;
  std::vector<int64_t> words;
};
/// An index of the kernel's text as launch code: the kernel's dims, constants and arithmetic on them.
std::optional<LaunchValue> launchValue(tile::KernelOp kernel, Value v);

/// Facts of a variant: what is known to be false makes the variant impossible.
class Facts {
public:
  /// a % divisor == 0
  void divides(const LaunchValue &a, int64_t divisor);
  /// low <= a <= high
  void within(const LaunchValue &a, int64_t low, int64_t high);
  bool impossible() const { return isFalse; }
  const std::vector<int64_t> &code() const { return words; }

private:
  void require(const LaunchValue &condition);
  bool isFalse = false;
  std::vector<int64_t> words;
};

/// The windows of a convolution over a tensor with contiguous channels. Dims innermost first; of the tensor: channels,
/// spatial dims, images; of the windows: spatial dims.
struct WindowBox {
  unsigned buffer = 0;
  LaunchValue offset; // of the tensor's first element
  SmallVector<LaunchValue> extents, strides;
  /// Windows begin at lower, lower + step, ...: `out` of them, the last one at most at extent - 1 + upper. A tap moves
  /// them by at most `reach`.
  SmallVector<LaunchValue> out, upper;
  SmallVector<int64_t> lower, step, reach;
};

/// Where a tile of a view lies: physical dims, innermost first.
struct TensorAccess {
  unsigned buffer = 0;              // number of the argument
  SmallVector<LaunchValue> extents; // elements
  SmallVector<LaunchValue> strides; // elements; [0] is 1
  LaunchValue offset;               // of the view's first element
  SmallVector<int64_t> box;         // elements; [0]: all columns of the tile
  SmallVector<Value> coordinates;   // of the text (index); null: 0
  SmallVector<int64_t> divisors;    // of the coordinates: physical dims of a composite dim
  /// Rows of the tile are windows (Im2col.h): coordinates are (channel, number of the first window); `taps`, innermost
  /// first, move them.
  const WindowBox *windows = nullptr;
  SmallVector<Value> taps;
};
/// The tensor behind a view with plain strides and contiguous last dim: buffer, offset, extents and strides.
std::optional<TensorAccess> tensorOf(tile::KernelOp kernel, tile::ViewOp view);
/// The access of a load or store of a 2-D tile; no value where a tensor map cannot describe it. `windows`: of the
/// kernel.
std::optional<TensorAccess> accessOf(tile::KernelOp kernel, Value view, ValueRange offsets, RankedTensorType type,
                                     ArrayRef<WindowBox> windows = {});

/// The descriptor's launch code, with its facts added to `facts`. The tile is split into boxes of tile.blockColumns().
std::vector<int64_t> tensorMap(const TensorAccess &access, const BlockedTile &tile, Facts &facts);

} // namespace adze::cuda::sm90

#endif
