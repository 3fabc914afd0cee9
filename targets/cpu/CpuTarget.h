// The host CPU: x86-64 with AVX2 (x86-64-v3) or AVX-512 (x86-64-v4). targets/cpu/README.md describes the code
// generator.
#ifndef ADZE_TARGETS_CPU_CPUTARGET_H
#define ADZE_TARGETS_CPU_CPUTARGET_H

#include "compiler/target/Target.h"

namespace adze {

std::unique_ptr<Target> createCpuTarget();

namespace cpu {
struct LoweredKernel;

/// Lowers the tile.kernel ops of `module` into a new module of func.func (for tests and dumps). `kernels`, if given,
/// receives what the package must know of each.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> lowerTiles(mlir::ModuleOp module, const TargetArch &arch,
                                                              std::vector<LoweredKernel> *kernels = nullptr);

/// Machine code of a module that lowerTiles() made: an ELF object for each of up to `options.threads` parts. Consumes
/// it.
mlir::FailureOr<std::vector<std::string>> generateObjects(mlir::ModuleOp lowered, const TargetArch &arch,
                                                          const SerializeOptions &options);

/// Links objects into a shared object without dependencies that exports `symbols`. Error: lld's text. Nothing else of
/// LLVM may run in the process meanwhile: lld resets its global options.
llvm::Expected<std::string> linkShared(llvm::ArrayRef<std::string> objects, llvm::ArrayRef<std::string> symbols);

/// Registers the pass cpu-lower-tiles with the global registry (for adze-opt).
void registerLowerTilesPass();

Plan planFor(const Problem &problem, llvm::ArrayRef<TargetArch> archs);
} // namespace cpu
} // namespace adze

#endif
