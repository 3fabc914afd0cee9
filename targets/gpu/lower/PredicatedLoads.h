// An ability that some machines have, beside those of Hardware.
#ifndef ADZE_TARGETS_GPU_LOWER_PREDICATEDLOADS_H
#define ADZE_TARGETS_GPU_LOWER_PREDICATEDLOADS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace adze::gpu {

/// A Hardware that derives from this as well has loads under a predicate.
class PredicatedLoads {
public:
  virtual ~PredicatedLoads() = default;
  /// Loads `type` (1 to 16 bytes, a scalar or a vector) from device memory where `ok`, else gives `otherwise`, without
  /// a branch; `align` is the pointer's. Only for memory that nobody writes while the kernel runs. Null: not of that
  /// size.
  virtual mlir::Value loadWhere(mlir::ImplicitLocOpBuilder &b, mlir::Value ok, mlir::Value pointer, mlir::Type type,
                                unsigned align, mlir::Value otherwise) = 0;
};

} // namespace adze::gpu

#endif
