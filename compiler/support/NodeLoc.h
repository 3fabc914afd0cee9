// The ONNX node that an operation came from, kept in its location through every pass.
#pragma once
#include "mlir/IR/Location.h"
#include <string>

namespace adze {

struct NodeRef {
  std::string node, op, domain;
  int64_t index = -1; ///< position in the model's graph
};

/// A fused location over the node's name whose metadata is {node, op, domain, index}. Fusing such locations
/// (FusedLoc::get) keeps all of them.
mlir::Location makeNodeLoc(mlir::MLIRContext *context, const NodeRef &ref);

/// The nodes in a location, in order, each once. Empty for locations that no importer made.
llvm::SmallVector<NodeRef, 2> nodesOf(mlir::Location location);

/// "name (Op), name (Op)" for reports; "" when there are none.
std::string nodesText(mlir::Location location);

} // namespace adze
