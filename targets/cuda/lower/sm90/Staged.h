// Warp-specialised kernels for sm_90a from the staged form (docs/staging.md). README.md in this folder describes them.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_STAGED_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_STAGED_H

#include "compiler/target/Target.h"
#include "dialects/tile/TileDialect.h"

namespace adze::cuda::sm90 {
using namespace mlir;

/// The machine table for a kernel with this many consumer warpgroups. `directStores`: results go from registers to
/// device memory, because tensor maps cannot describe where.
Machine stagedMachine(const Machine &machine, unsigned consumers, bool directStores);

/// Lowers `kernel` to a warp-specialised function in `dest`, named like the kernel with "_staged" behind it. No value
/// where the kernel has no such form: then `reason` says why, and nothing is left in `dest`.
std::optional<ImageVariant> lowerStaged(tile::KernelOp kernel, ModuleOp dest, const TargetArch &arch,
                                        std::string &reason);

} // namespace adze::cuda::sm90

#endif
