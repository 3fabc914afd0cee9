#ifndef ADZE_COMPILER_SCHEDULE_SPLITUNITS_TD
#define ADZE_COMPILER_SCHEDULE_SPLITUNITS_TD
include "mlir/Pass/PassBase.td"

def SplitUnits : Pass<"split-units", "::mlir::ModuleOp"> {
  let summary = "one sequential process for each unit";
  let description = [{
    Each unit gets a tile.process with copies of the shared loops that hold only its ops. Stages become skewed iterations,
    guarded at both ends. Needs plan-memory (or at least form-channels).

    Example:
    ```mlir
    tile.process "cube" instances 1 {
    ^bb0(%instance: index):
      scf.for %t = %lo to %end step %c128 {
        scf.if %in_range_0 { ... }                  // stage 0 on iteration t
        scf.if %in_range_2 { ... }                  // stage 2 on iteration t - 2
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::adze::tile::TileDialect"];
  let options = [
    Option<"machine", "machine", "std::string", "\"\"", "Machine table (JSON file)">
  ];
}
#endif
