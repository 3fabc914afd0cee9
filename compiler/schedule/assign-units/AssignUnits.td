#ifndef ADZE_COMPILER_SCHEDULE_ASSIGNUNITS_TD
#define ADZE_COMPILER_SCHEDULE_ASSIGNUNITS_TD
include "mlir/Pass/PassBase.td"

def AssignUnits : Pass<"assign-units", "::mlir::ModuleOp"> {
  let summary = "which unit executes each op, and in which stage";
  let description = [{
    Every op on tiles gets `tile.unit`, in loops also `tile.stage`; scalars, views and free tiles (constants, splats, index
    tiles, masks of views) get none: every unit computes them for itself. finish is appended to the body when the split dim
    has one share. Refused: values that flow to an earlier stage, cycles that span stages or units, moves without a path.

    Example: with `stages = {qk = 0, soft = 1}`
    ```mlir
    %s = tile.dot %q, %k, %z {tag = "qk"} : ...     // tile.unit = "cube", tile.stage = 0
    %p = math.exp2 %s {tag = "soft"} : ...          // tile.unit = "vector", tile.stage = 1
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::adze::tile::TileDialect"];
  let options = [
    Option<"machine", "machine", "std::string", "\"\"", "Machine table (JSON file)">
  ];
}
#endif
