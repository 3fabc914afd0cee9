// Runs a whole @main on the interpreter: the model's own numbers, from the unfused graph.
#ifndef ADZE_COMPILER_ORACLE_GRAPHORACLE_H
#define ADZE_COMPILER_ORACLE_GRAPHORACLE_H

#include "compiler/oracle/Interpreter.h"
#include "compiler/tensorio/TensorIO.h"
#include "compiler/weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <functional>

namespace adze::oracle {

/// A value of the graph. In wide mode float tensors that a kernel computed are kept in f64.
struct GraphTensor {
  mlir::Type element; ///< of the graph
  mlir::Type stored;  ///< what `bytes` holds: `element`, or f64
  llvm::SmallVector<int64_t, 4> dims;
  std::vector<char> bytes; ///< dense; 4- and 2-bit elements share bytes

  int64_t count() const;
  /// All elements; exact for floats and for integers of up to 53 bits.
  std::vector<double> doubles() const;
  /// All elements of an integer tensor, exact; unsigned values are zero extended.
  std::vector<int64_t> ints() const;
  /// As the runtime gives it: rounded to `element`, 4- and 2-bit elements one a byte.
  HostTensor toHost() const;
};

struct GraphRunOptions {
  InterpreterOptions interpreter;
  /// Called for every launch and host op, in order, with its results. `--per-op` compares here.
  std::function<void(mlir::Operation *, llvm::ArrayRef<const GraphTensor *>)> observe;
  /// Refuse to hold more than this at once (bytes; 0: no limit).
  uint64_t maxBytes = 0;
};

struct GraphRunResult {
  std::vector<GraphTensor> outputs;
  std::vector<int64_t> symbols; ///< values of the module's symbols
};

/// A copy of an unfused graph with every op as a kernel of its own, built with the default plans of the families.
/// `integerData`: with the exact stand-ins of KernelOptions::integerData.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> toOracleKernels(mlir::ModuleOp graph, bool integerData = false);

/// Runs @main of a module of exec.launch, graph.weight, constant, reshape, shape_value, check and host ops. `inputs`:
/// as the runtime takes them (4- and 2-bit elements one a byte), of the arguments' types. Errors are diagnostics at the
/// op.
mlir::FailureOr<GraphRunResult> runGraph(mlir::ModuleOp module, const WeightStore &weights,
                                         llvm::ArrayRef<HostTensor> inputs, const GraphRunOptions &options);

/// Replaces ops of @main whose operands are all constant by weights (and by graph.constant for single elements). Ops
/// with results or operands of more than `maxElements` elements stay. Typed mode, so that the result is the model's
/// own. Returns the number of ops replaced.
mlir::FailureOr<unsigned> foldConstants(mlir::ModuleOp module, WeightStore &weights, int64_t maxElements);

} // namespace adze::oracle

#endif
