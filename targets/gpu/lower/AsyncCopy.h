// Copies of a view's tile to shared memory that run while the threads compute.
#ifndef ADZE_TARGETS_GPU_LOWER_ASYNCCOPY_H
#define ADZE_TARGETS_GPU_LOWER_ASYNCCOPY_H

#include "targets/gpu/lower/RowAddress.h"

namespace adze::gpu {

/// One operand of a loop: every iteration copies another tile of the same view. Elements outside the view become zeros.
///
/// Addresses are split into what the thread contributes (prepare(), before the loop), what the iteration contributes
/// (uniform), and constants.
class AsyncCopy {
public:
  /// `operand` is a load, or one behind reshapes of unit dims. nullopt: alignment, element size, layout or pad do not
  /// allow copies of at least four bytes.
  static std::optional<AsyncCopy> plan(Lowering &l, Value operand, const SharedTile &rows, scf::ForOp loop);
  /// Emits what does not depend on the iteration.
  void prepare(Lowering &l);
  /// Emits this thread's copies to `to` for the iteration whose values l.scalars holds.
  void issue(Lowering &l, const SharedTile &to);
  unsigned bytes() const { return width; }

private:
  struct Piece { // one copy of this thread
    unsigned reg;
    Value pointer; // its part of the address; null: that of the first piece plus `constant` bytes
    int64_t constant = 0;
    unsigned pixel = 0; // of a window: index into `pixels`
  };
  struct Pixel { // of a window: where a tap of 0 lies
    SmallVector<Value, 3> at;
    Value inside, offset; // null: always; elements
  };
  unsigned viewDim(unsigned tileDim) const { return lead + tileDim; }
  bool isWindow(Lowering &l) { return l.view(load.getView()).window; }
  void preparePlain(Lowering &l);
  void prepareWindow(Lowering &l);
  Pixel pixelAt(Lowering &l, Value pixel);
  Value uniformOffset(Lowering &l);
  Value local(Lowering &l, unsigned reg, unsigned tileDim);
  Value inside(Lowering &l, const Piece &piece, Value &live);

  tile::LoadOp load;
  unsigned lead = 0, width = 16, each = 1; // bytes and elements of a copy
  SmallVector<int> dims;                   // of the operand -> of the loaded tile
  unsigned innerView = 0;                  // view dim of the rows
  bool checkedTail = false;                // a copy may be cut by the end of the view or the tile
  Layout layout;                           // of the operand
  SmallVector<Piece> pieces;
  SmallVector<Pixel> pixels;
  Value replica;
};

} // namespace adze::gpu

#endif
