// From exec.program ops to the package's FlatBuffers metadata. One to one: nothing is decided here.
#ifndef ADZE_COMPILER_PACKAGE_METADATA_H
#define ADZE_COMPILER_PACKAGE_METADATA_H

#include "compiler/target/Target.h"
#include "dialects/exec/ExecDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <string>
#include <utility>
#include <vector>

namespace adze {

/// Where a weight store entry lies in the package.
struct WeightPlace {
  uint32_t section = 0; // section index in the file
  uint64_t offset = 0;  // bytes
};

/// One target's part: the module with its exec.program and kernels, and its images (with their section indices).
struct ProgramPart {
  mlir::ModuleOp module;
  exec::ProgramOp program;
  std::vector<std::pair<const Image *, uint32_t>> images;
};

struct MetadataInput {
  mlir::ModuleOp graph; // names, types and symbols of the model's inputs and outputs
  std::vector<ProgramPart> programs;
  std::vector<std::pair<std::string, std::string>> provenance;
  std::vector<uint32_t> weightSections;
  uint32_t debugSection = 0;
};

/// The serialized metadata section. `place` is asked for every weight id that a program uses.
mlir::FailureOr<std::string> buildMetadata(const MetadataInput &input, llvm::function_ref<WeightPlace(uint32_t)> place);

} // namespace adze

#endif
