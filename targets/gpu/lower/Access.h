// Addresses and bounds of a tile's elements in a view, register by register of a layout.
#ifndef ADZE_TARGETS_GPU_LOWER_ACCESS_H
#define ADZE_TARGETS_GPU_LOWER_ACCESS_H

#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {

class Access {
public:
  /// `offsets`: of the text, one a view dim. `clip`: extents that bound loads; dims without a check are proved inside.
  struct Options {
    bool inbounds = false;
    bool paddedExtents = false; // reads of the zeros that fill a block are fine
    int indirectDim = -1;       // this view dim's index comes from `indirect`, i64 by register, offset included
    ArrayRef<Value> indirect;
  };
  Access(Lowering &l, Value view, ValueRange offsets, ArrayRef<int64_t> tile, const Layout &layout, Options options);

  /// How many registers from a multiple of that many on are neighbours in memory, aligned as one access.
  unsigned vector() const { return width; }
  /// Whether the elements of such a run are inside all together or not at all.
  bool wholeRuns() const { return whole; }
  /// Pointer to the element of a register.
  Value pointer(unsigned reg);
  /// The elements of registers [reg, reg + count) exist in the tile and lie inside the view; null: they always do.
  Value inside(unsigned reg, unsigned count = 1);

private:
  struct Check {
    bool needed = false;
    bool lower = true; // also against 0
    Value lo, hi;      // i32, of tile coordinates; hi is at most the tile's size
  };
  int tileDim(unsigned viewDim) const { return static_cast<int>(viewDim) - static_cast<int>(lead); }
  int64_t registerOffset(unsigned reg, unsigned viewDim) const {
    return tileDim(viewDim) < 0 ? 0 : layout.offset(reg, tileDim(viewDim));
  }
  void prepareChecks();
  void preparePlain();
  Value coordinate(unsigned reg, unsigned viewDim);      // i32, in the tile
  Value position(unsigned reg, unsigned viewDim);        // index, in the view
  Value physical(const View::Phys &p, unsigned reg);     // index of a blocked dim, times its stride
  Value physicalOf(const View::Phys &p, Value position); // the same from a full position
  Value dimInside(unsigned viewDim, unsigned first, unsigned last);
  // Windows
  struct Pixel {
    Value image;
    SmallVector<Value, 3> at;
  };
  const Pixel &pixel(unsigned reg);
  Value sourcePosition(unsigned reg, unsigned s); // index
  Value sourceInside(unsigned reg, unsigned s);
  Value windowPointer(unsigned reg);

  Lowering &l;
  const View &view;
  SmallVector<Value, 6> offsets;
  SmallVector<int64_t, 5> tile;
  const Layout &layout;
  Options options;
  unsigned lead, width = 1;
  int vectorDim = -1; // view dim
  bool whole = true;
  bool pixelsAreFew = false; // all pixel numbers fit 31 bits
  SmallVector<Check, 6> checks;
  Value outer;                // i1: leading dims that the tile does not have lie inside
  Value base;                 // pointer with all that does not depend on the register
  SmallVector<bool, 6> plain; // by physical dim: position times stride
  std::map<std::pair<unsigned, int64_t>, Value> terms, conditions, positions, sourcePositions;
  std::map<std::pair<unsigned, std::pair<int64_t, int64_t>>, Value> sourceConditions;
  std::map<int64_t, Pixel> pixels;
  std::map<SmallVector<int64_t, 6>, Value> windows;
};

} // namespace adze::gpu

#endif
