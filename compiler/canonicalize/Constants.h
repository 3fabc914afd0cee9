// What patterns ask of constant operands, whether they are graph.constant or live in the weight store.
#ifndef ADZE_COMPILER_CANONICALIZE_CONSTANTS_H
#define ADZE_COMPILER_CANONICALIZE_CONSTANTS_H

#include "compiler/support/ElementTypes.h"
#include "compiler/weights/WeightStore.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/IR/Builders.h"

namespace adze {

class Constants {
public:
  /// `store` may be null: then entries of the weight store are opaque and nothing can be added.
  explicit Constants(WeightStore *store) : store(store) {}

  /// The value of every element, if that is one float or integer; looks through reshapes and broadcasts.
  std::optional<double> splat(mlir::Value v) const;
  /// True when every element is `want`, within one part in a hundred thousand for inexact numbers.
  bool isSplat(mlir::Value v, double want) const;

  /// The entry of the store that holds `v` (a graph.constant is added to it); nullopt where v is not constant.
  std::optional<WeightStore::Id> entry(mlir::Value v) const;
  bool isConstant(mlir::Value v) const;
  /// A graph.weight for an entry of the store.
  mlir::Value weight(mlir::OpBuilder &b, mlir::Location location, WeightStore::Id id, mlir::Type element) const;
  WeightStore *weights() const { return store; }

private:
  WeightStore *store;
};

/// A graph.constant of rank 0.
mlir::Value makeScalar(mlir::OpBuilder &b, mlir::Location location, double value, mlir::Type element);

} // namespace adze

#endif
