// NVIDIA GPUs from compute capability 8.0: PTX text (and cubins where ptxas is found). targets/cuda/README.md describes
// the code generator.
#ifndef ADZE_TARGETS_CUDA_CUDATARGET_H
#define ADZE_TARGETS_CUDA_CUDATARGET_H

#include "compiler/target/Target.h"

namespace adze {

std::unique_ptr<Target> createCudaTarget();

namespace gpu {
struct LoweredKernel;
class Hardware;
} // namespace gpu

namespace cuda {

/// "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120" with their tables. No value: unknown name.
std::optional<TargetArch> archNamed(llvm::StringRef name);
/// Every name that archNamed() takes, in the order in which a package holds the images.
llvm::ArrayRef<llvm::StringLiteral> archNames();

/// 10 * major + minor of the compute capability: 80 ... 120.
unsigned smOf(const TargetArch &arch);
/// 10 * major + minor of the PTX ISA version that the image is written in.
unsigned ptxVersionOf(const TargetArch &arch);
/// sm_90a: the code runs on no other architecture.
bool isArchSpecific(const TargetArch &arch);

/// Form, tile sizes and packing. Sm_80 and sm_90a share a package's weights, so what is visible in memory may not
/// differ between `archs`.
Plan planFor(const Problem &problem, llvm::ArrayRef<TargetArch> archs);

/// Lowers the tile.kernel ops of `module` into a new module of LLVM functions, still with scf, arith and math ops (for
/// tests and dumps). `kernels`, if given, receives what the package must know of each; `variants` the specialised forms
/// of the kernels that have some, by symbol. A kernel with products that has none says why in "cuda.unstaged".
using KernelVariants = std::map<std::string, std::vector<ImageVariant>>;
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> lowerTiles(mlir::ModuleOp module, const TargetArch &arch,
                                                              std::vector<gpu::LoweredKernel> *kernels = nullptr,
                                                              KernelVariants *variants = nullptr);

/// On a function: the PTX version (10 * major + minor) that it needs, where the architecture's is older.
inline constexpr llvm::StringLiteral kPtxVersionAttr = "cuda.ptx_version";

/// PTX of a module that lowerTiles() made, in the architecture's version or the newest that a function needs. Consumes
/// the module.
mlir::FailureOr<std::string> generatePtx(mlir::ModuleOp lowered, const TargetArch &arch,
                                         const SerializeOptions &options);

/// Registers the pass cuda-lower-tiles with the global registry (for adze-opt).
void registerLowerTilesPass();

} // namespace cuda
} // namespace adze

#endif
