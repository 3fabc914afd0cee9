// The package's debug section: the unfused graph, so that a package can be verified without the model it came from.
#ifndef ADZE_COMPILER_PIPELINE_DEBUGGRAPH_H
#define ADZE_COMPILER_PIPELINE_DEBUGGRAPH_H

#include "compiler/package/Metadata.h"
#include "compiler/weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// Where the debug graph finds a weight: its elements in order, or in the order of `packing` (which must be invertible)
/// because a kernel's packed copy is in the package anyway.
struct DebugPlace {
  WeightPlace place;
  const Packing *packing = nullptr;
};

/// The graph as MLIR bytecode, with a module attribute that says where each weight lies in the package. Splat weights
/// stay small; `place` is not asked for them.
mlir::FailureOr<std::string> writeDebugGraph(mlir::ModuleOp graph, const WeightStore &weights,
                                             llvm::function_ref<DebugPlace(uint32_t)> place);

/// Ids of the weights that a module refers to, ascending.
std::vector<uint32_t> usedWeights(mlir::ModuleOp module);

} // namespace adze

#endif
