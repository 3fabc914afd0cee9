// The package's debug section: the unfused graph, so that a package can be verified without the model it came from.
#ifndef ADZE_COMPILER_PIPELINE_DEBUGGRAPH_H
#define ADZE_COMPILER_PIPELINE_DEBUGGRAPH_H

#include "compiler/package/Metadata.h"
#include "compiler/weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// The graph as MLIR bytecode, with a module attribute that says where each weight lies in the package. Splat weights
/// and computed ones that `place` is not asked for stay small.
mlir::FailureOr<std::string> writeDebugGraph(mlir::ModuleOp graph, const WeightStore &weights,
                                             llvm::function_ref<WeightPlace(uint32_t)> place);

/// Ids of the weights that a module refers to, ascending.
std::vector<uint32_t> usedWeights(mlir::ModuleOp module);

} // namespace adze

#endif
