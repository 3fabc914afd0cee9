// What is known of a kernel's views before it runs: strides, alignment, what may be accessed as one. No code is emitted
// here.
#ifndef ADZE_TARGETS_GPU_LOWER_FACTS_H
#define ADZE_TARGETS_GPU_LOWER_FACTS_H

#include "dialects/tile/IndexFacts.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <optional>

namespace adze::gpu {
using namespace mlir;

class Facts : public tile::IndexFacts {
public:
  /// `align`: bytes to which every buffer is aligned unless the kernel states more.
  Facts(tile::KernelOp kernel, uint64_t align) : IndexFacts(kernel), bufferAlign(align) {}

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

private:
  uint64_t bufferAlign;
};

} // namespace adze::gpu

#endif
