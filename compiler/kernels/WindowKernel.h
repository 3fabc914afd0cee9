// What convolutions and poolings share: a tensor [N, C, spatial...] seen through windows, and results over
// (n, group, channel of the group, output pixels). How the tensors lie in memory is a matter of strides: the anchor may
// read x through a transpose, and the region may yield a transpose of its result.
#ifndef ADZE_COMPILER_KERNELS_WINDOWKERNEL_H
#define ADZE_COMPILER_KERNELS_WINDOWKERNEL_H

#include "compiler/kernels/Families.h"

namespace adze::kernels {

/// Geometry of the windows. `channels` of x belong to `groups` groups.
struct WindowShape {
  llvm::SmallVector<int64_t, 3> kernel, stride, dilation, pads; // pads: begins, then ends
  bool transposed = false;
  mlir::AffineExpr images, channels; // N, C of one group
  int64_t groups = 1;
  llvm::SmallVector<mlir::AffineExpr, 3> in, out; // spatial extents
  unsigned spatial() const { return kernel.size(); }
  int64_t taps() const;
  /// Every window is one element, and the pixels of input and output are the same.
  bool isPointwise() const;
};

/// Iteration dims: 0 image, 1 group, 2 channel of the group, 3.. output pixels.
class WindowKernel {
public:
  WindowKernel(KernelRequest &r, mlir::Value x, mlir::Value y, WindowShape shape, mlir::AffineExpr outChannels);

protected:
  /// Merges dims; `row`: the innermost spatial dim stays apart. Values in `bound` are the anchor's.
  void analyse(bool row);
  Problem problem(llvm::StringRef family) const;
  /// Grid over image, group, channels by `bf`, pixels by `bp`.
  void makeGrid(KernelText &k, int64_t bf, int64_t bp);
  /// In a new region: reads the grid.
  void enter(KernelText &k);
  /// The frame of the result's tile: dims (channel, pixel), or (pixel, channel).
  Frame frame(bool channelsFirst) const;
  /// Index of the tile's first pixel in the window's flattened (N, out...) dim.
  mlir::Value pixel(KernelText &k) const;
  /// The windows on x for the program's group.
  mlir::Value window(KernelText &k) const;
  /// Loads [BP x channels] of one tap.
  mlir::Value loadTap(KernelText &k, mlir::Value window, mlir::ValueRange taps, mlir::Value channel, int64_t channels,
                      mlir::TypedAttr pad = {}) const;
  /// Tiles of pixels lie in one row of the output and of x, so that one tap of them is a box of x.
  bool isRow() const;
  /// Loads [channels x BP] of one tap; needs isRow().
  mlir::Value loadRowTap(KernelText &k, mlir::ValueRange taps, mlir::Value channel, int64_t channels,
                         mlir::TypedAttr pad = {}) const;
  /// Loads [channels x BP] of one tap, through the windows unless isRow().
  mlir::Value loadPixels(KernelText &k, mlir::ValueRange taps, mlir::Value channel, int64_t channels,
                         mlir::TypedAttr pad = {}) const;
  /// Calls `body` for every tap with its indices, unrolled or as a loop over `carried`.
  llvm::SmallVector<mlir::Value>
  forTaps(KernelText &k, mlir::ValueRange init,
          llvm::function_ref<llvm::SmallVector<mlir::Value>(llvm::ArrayRef<mlir::Value>, mlir::ValueRange)> body) const;
  /// Output coordinate of every pixel of the tile in each spatial dim, as i64 tiles [1 x BP].
  llvm::SmallVector<mlir::Value> coordinates(KernelText &k) const;
  Access resultAccess() const;
  mlir::AffineExpr pixels() const { return graph::product(context, shape.out); }
  /// x is read through a view in which the channels of a pixel are neighbours.
  bool hasChannelsLast() const;
  /// The same of the region's first result.
  bool storesChannelsLast() const;

  KernelRequest &r;
  mlir::MLIRContext *context;
  RegionArgs args;
  mlir::Value x, y;  // the anchor's operand and result
  unsigned xArg = 0; // the argument that x is, seen through views
  LinearAccess xAt;  // where element (n, c, spatial...) of x lies in it
  WindowShape shape;
  mlir::AffineExpr outChannels; // of one group
  llvm::SmallVector<Group> groups;
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<mlir::Value> offsets;
  std::optional<unsigned> imageGroup, groupGroup;
  unsigned channelGroup = 0, pixelGroup = 0; // the last of the pixel groups is tiled
  unsigned firstPixelGroup = 0;
  bool rowForm = false;
  std::unique_ptr<GridMap> grid;
  mlir::Value firstPixel; // pixel(), where it was computed before a loop that loads taps
};

} // namespace adze::kernels

#endif
