// graph -> exec: fixes the order, places every buffer, and writes the program that the runtime walks.
#ifndef ADZE_COMPILER_PLAN_PLANNER_H
#define ADZE_COMPILER_PLAN_PLANNER_H

#include "compiler/weights/WeightStore.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// Adds the exec.program for @main to the module. @main may hold exec.launch, graph.weight, graph.constant,
/// graph.reshape, graph.shape_value, graph.check and graph.host; anything else is a diagnostic. Constants move to the
/// weight store. `target` names the program.
mlir::FailureOr<exec::ProgramOp> planProgram(mlir::ModuleOp module, llvm::StringRef target, WeightStore &weights);

/// Bytes of a tensor in memory, where every element takes whole bytes.
mlir::AffineExpr tensorBytes(mlir::RankedTensorType type);

/// Bytes of one element in memory: at least one.
int64_t elementBytes(mlir::Type element);

} // namespace adze

#endif
