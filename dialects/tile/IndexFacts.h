// What is known of the indices in a kernel's text before it runs: ranges and divisors. No code is emitted here.
#ifndef ADZE_DIALECTS_TILE_INDEXFACTS_H
#define ADZE_DIALECTS_TILE_INDEXFACTS_H

#include "dialects/tile/TileDialect.h"
#include <optional>
#include <utility>

namespace adze::tile {

class IndexFacts {
public:
  using Range = std::pair<int64_t, int64_t>;
  explicit IndexFacts(KernelOp kernel) : kernel(kernel) {}

  /// Inclusive range of an index of the text; nullopt: unknown.
  std::optional<Range> rangeOf(mlir::Value v) const;
  /// A number that divides the index whatever the launch; 0: the index is 0.
  int64_t divisorOf(mlir::Value v) const;
  /// A tile's `size` elements from offsets[dim] lie inside the view whatever the launch.
  bool provenInside(mlir::Value view, mlir::ValueRange offsets, unsigned dim, int64_t size) const;

protected:
  /// Of two divisors; one of them alone where the product would overflow.
  static int64_t product(int64_t a, int64_t b);
  KernelOp kernel;

private:
  std::optional<Range> rangeOfArgument(mlir::BlockArgument v) const;
  int64_t divisorOfArgument(mlir::BlockArgument v) const;
  std::optional<unsigned> gridDim(mlir::BlockArgument v) const;
};

} // namespace adze::tile

#endif
