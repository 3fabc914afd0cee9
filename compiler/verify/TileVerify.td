#ifndef ADZE_COMPILER_VERIFY_TILEVERIFY_TD
#define ADZE_COMPILER_VERIFY_TILEVERIFY_TD
include "mlir/Pass/PassBase.td"

def TileVerify : Pass<"tile-verify", "::mlir::ModuleOp"> {
  let summary = "check the rules of the tile dialect that need the whole kernel";
  let description = [{
    Closes the kernel tier: every tile.kernel holds only ops of the tier, loops carry #tile.loop and a constant step, fold
    has no effects, tiles at known offsets do not cut the blocks of a packed view, and the schedule names loops and tags
    that exist and keeps each loop-carried cycle in one stage. All findings of a module are reported in one run.

    Example: refused, because the loop lost its name and kind:
    ```mlir
    %r = scf.for %k = %c0 to %K step %c64 iter_args(%c = %z) -> (tensor<8x8xf32>) { ... }
    ```
  }];
  let options = [
    Option<"maxTileBytes", "max-tile-bytes", "uint64_t", "0", "Refuse tiles larger than this (0: no limit)">,
    Option<"checkSchedule", "check-schedule", "bool", "true",
           "Refuse schedule entries for loops and tags that do not exist (off after inlining single-trip loops)">
  ];
}
#endif
