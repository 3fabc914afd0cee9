// What is known of a kernel's indices and views before it runs: ranges, divisors, alignment. No code is emitted here.
#ifndef ADZE_TARGETS_GPU_LOWER_FACTS_H
#define ADZE_TARGETS_GPU_LOWER_FACTS_H

#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <optional>

namespace adze::gpu {
using namespace mlir;

class Facts {
public:
  using Range = std::pair<int64_t, int64_t>;
  /// `align`: bytes to which every buffer is aligned unless the kernel states more.
  Facts(tile::KernelOp kernel, uint64_t align) : kernel(kernel), bufferAlign(align) {}

  /// Inclusive range of an index of the text; nullopt: unknown.
  std::optional<Range> rangeOf(Value v) const;
  /// A number that divides the index whatever the launch; 0: the index is 0.
  int64_t divisorOf(Value v) const;

  /// One dim of a view's storage: physical index (coordinate[dim] / div) % mod (mod 0: none).
  struct Phys {
    unsigned dim;
    int64_t div, mod;
    int64_t stride;  // elements; 0: not static or broadcast (see isStatic)
    int64_t divisor; // of the stride; 0: the stride is 0
    bool isStatic;
  };
  struct ViewFacts {
    SmallVector<Phys, 6> phys;
    SmallVector<int64_t, 6> extentDivisor;
    uint64_t align; // of element 0, bytes
    int contiguous; // view dim along which neighbours are neighbours in memory; -1: none
    unsigned bytes; // of an element
    bool window = false;
    Value ref; // the kernel's argument
  };
  ViewFacts viewFacts(Value view) const;
  /// How many elements (a power of two) can be accessed as one from `offsets` + a multiple of that many along view dim
  /// `dim`, every other tile coordinate being arbitrary. Alignment only; bounds are another matter.
  unsigned vectorAt(Value view, ValueRange offsets, unsigned dim, unsigned most) const;
  /// A tile's `size` elements from offsets[dim] lie inside the view whatever the launch.
  bool provenInside(Value view, ValueRange offsets, unsigned dim, int64_t size) const;

private:
  std::optional<Range> rangeOfArgument(BlockArgument v) const;
  int64_t divisorOfArgument(BlockArgument v) const;
  std::optional<unsigned> gridDim(BlockArgument v) const;
  tile::KernelOp kernel;
  uint64_t bufferAlign;
};

} // namespace adze::gpu

#endif
