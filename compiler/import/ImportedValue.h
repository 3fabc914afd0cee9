// A value of the ONNX graph while it is imported.
#pragma once
#include "compiler/support/DType.h"
#include "compiler/weights/WeightStore.h"
#include "dialects/graph/GraphTypes.h"
#include "mlir/IR/Value.h"

namespace adze {

struct NodeRecord;

/// The elements of a small integer (or bool) tensor as expressions over the module's symbols, row-major.
using Contents = llvm::SmallVector<mlir::AffineExpr, 6>;

/// What is known of a value. A constant or a value with contents becomes an operation only when somebody needs it as
/// data (NodeContext::materialize), so that shape arithmetic leaves no trace in the IR.
struct ImportedValue {
  DType dtype = DType::Undefined;
  graph::Dims dims;
  std::optional<WeightStore::Id> constant;
  std::optional<Contents> contents;
  mlir::Value value;                    ///< null until materialised
  bool poisoned = false;                ///< its node failed: whoever uses it is skipped, the error is already told
  int64_t input = -1;                   ///< graph input number
  const NodeRecord *producer = nullptr; ///< for evaluating contents on demand
  unsigned producerOutput = 0;
  std::string name;

  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
};
using Val = ImportedValue *;

} // namespace adze
