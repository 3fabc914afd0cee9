// ONNX model -> graph dialect. See docs/adding-an-op.md for how an operator gets its handler.
#pragma once
#include "compiler/support/Status.h"
#include "compiler/weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <map>
#include <set>

namespace adze {

/// Range of a symbolic dim; min == max specialises it. The default stays below the numbers that exporters write for "to
/// the end" in Slice (10^9, 2^31-1, 2^63-1), so that such an end is known to be the dim itself.
struct DimRange {
  int64_t min = 1, max = int64_t(1) << 29, optimum = 0;
};

struct ImportOptions {
  std::map<std::string, DimRange> dims;                    ///< --dim, by dim_param
  std::map<std::string, std::vector<int64_t>> inputShapes; ///< --input-shape; -1 leaves a dim as it is
  std::set<std::string> overridable;                       ///< initializers that stay inputs with a default
  std::vector<std::string> outputs;                        ///< cut the graph at these values; empty: the model's own
  std::string allowedRoot;                                 ///< --allow-external-root
  uint64_t maxNodes = uint64_t(1) << 18;                   ///< after expanding functions; beyond: Resource error
};

/// Reads the model at `path` and imports it into a module with one function, `main`. Every error of the run is in
/// `sink` when the result is null. Bytes of constants stay in `store`, which must outlive uses of the module's weight
/// ids.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, llvm::StringRef path,
                                              const ImportOptions &options, WeightStore &store, ErrorSink &sink);
/// The same for a model in memory. `path` ("" for none) is the base of external data.
mlir::OwningOpRef<mlir::ModuleOp> importModelBytes(mlir::MLIRContext &context, llvm::StringRef bytes,
                                                   llvm::StringRef path, const ImportOptions &options,
                                                   WeightStore &store, ErrorSink &sink);

/// The operators that have a handler: one line "domain op since-version" each, sorted. For docs and --help.
std::vector<std::string> importableOps();

} // namespace adze
