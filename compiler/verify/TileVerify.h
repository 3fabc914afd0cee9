// Rules of the tile dialect that need the whole kernel.
#ifndef ADZE_COMPILER_VERIFY_TILEVERIFY_H
#define ADZE_COMPILER_VERIFY_TILEVERIFY_H

#include "dialects/tile/TileDialect.h"
#include "mlir/Pass/Pass.h"

namespace adze {
#define GEN_PASS_DECL
#include "compiler/verify/TileVerify.h.inc"

/// Checks one kernel; every finding is a diagnostic.
mlir::LogicalResult verifyKernel(tile::KernelOp kernel, const TileVerifyOptions &options);

#define GEN_PASS_REGISTRATION
#include "compiler/verify/TileVerify.h.inc"
} // namespace adze

#endif
