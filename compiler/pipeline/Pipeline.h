// The whole compiler: ONNX file in, package out. Pipeline.cpp is meant to be read from top to bottom.
#ifndef ADZE_COMPILER_PIPELINE_PIPELINE_H
#define ADZE_COMPILER_PIPELINE_PIPELINE_H

#include "compiler/import/Import.h"
#include "compiler/support/Status.h"
#include "compiler/target/Target.h"
#include "compiler/weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/JSON.h"
#include <atomic>
#include <functional>
#include <string>
#include <vector>

namespace adze {

/// Told of every step: name, items done, items in all (0 = not counted). May be called from any thread.
using ProgressFn = std::function<void(llvm::StringRef step, size_t done, size_t total)>;

struct CompileOptions {
  ImportOptions import;
  std::vector<std::string> targets = {"cpu"}; ///< "NAME[:ARCH]", as given with --target
  unsigned optLevel = 2;
  unsigned threads = 0; ///< 0 = all cores
  bool fuse = true;
  bool stripDebug = false;
  bool tf32 = false;                           ///< float32 products may be tf32
  bool integerData = false;                    ///< KernelOptions::integerData, for the test suite
  std::string dumpDir;                         ///< "" = no dumps; otherwise one numbered file a tier and target
  std::string commandLine;                     ///< flags for the provenance record, without paths
  std::map<std::string, std::string> programs; ///< SerializeOptions::programs
  ProgressFn progress;
  const std::atomic<bool> *cancelled = nullptr; ///< polled; set by Ctrl-C
};

/// What a compilation decided, for --report, --check and the command line's summary.
struct CompileReport {
  llvm::json::Object json; ///< {"model", "targets": [{"target", "regions", "cuts", "kernels", "arena_bytes", ...}]}
  uint64_t packageBytes = 0;
};

/// An imported model: the module and the store that its graph.weight ops refer to.
struct ImportedModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<WeightStore> weights;
};

/// Dialects that the compiler itself needs; targets add theirs.
void registerCompilerDialects(mlir::DialectRegistry &registry);

/// Import, canonicalise, fold constants, verify: the unfused graph that the oracle judges by.
mlir::FailureOr<ImportedModel> importToGraph(mlir::MLIRContext &context, llvm::StringRef modelPath,
                                             const CompileOptions &options, ErrorSink &errors);

/// Fuses (or not), plans and builds kernels for one target, in place: @main then holds exec.launch ops.
mlir::LogicalResult graphToKernels(mlir::ModuleOp module, const Target &target, llvm::ArrayRef<TargetArch> archs,
                                   WeightStore &weights, const CompileOptions &options, CompileReport *report);

/// The whole way. Writes `outputPath` only when everything succeeded. False on failure, with `errors` filled.
bool compileModel(llvm::StringRef modelPath, llvm::StringRef outputPath, const TargetRegistry &targets,
                  const CompileOptions &options, CompileReport &report, ErrorSink &errors);

/// The same from a graph that was imported already, or read back from a package. Its context must have the dialects of
/// the compiler and of the targets loaded.
bool compileGraph(ImportedModel &model, llvm::StringRef outputPath, const TargetRegistry &targets,
                  const CompileOptions &options, CompileReport &report, ErrorSink &errors);

/// The unfused graph and its weights from a package's debug section, for the oracle.
mlir::FailureOr<ImportedModel> loadDebugGraph(mlir::MLIRContext &context, llvm::StringRef packagePath,
                                              ErrorSink &errors);

} // namespace adze

#endif
