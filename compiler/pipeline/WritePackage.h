// The last step of the pipeline: weights, images, debug graph and metadata into one file.
#ifndef ADZE_COMPILER_PIPELINE_WRITEPACKAGE_H
#define ADZE_COMPILER_PIPELINE_WRITEPACKAGE_H

#include "compiler/package/Metadata.h"
#include "compiler/pipeline/Pipeline.h"

namespace adze {

/// One target, compiled.
struct CompiledTarget {
  std::string name;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  exec::ProgramOp program;
  std::vector<Image> images;
};

/// Writes the package. False with `errors` filled when the disk or a weight fails; nothing is left behind then.
bool writePackage(llvm::StringRef outputPath, mlir::ModuleOp graph, const WeightStore &weights,
                  llvm::ArrayRef<CompiledTarget> targets, const CompileOptions &options, CompileReport &report,
                  ErrorSink &errors);

} // namespace adze

#endif
