#ifndef ADZE_COMPILER_SCHEDULE_FORMSTRIPS_TD
#define ADZE_COMPILER_SCHEDULE_FORMSTRIPS_TD
include "mlir/Pass/PassBase.td"

def FormStrips : Pass<"form-strips", "::mlir::ModuleOp"> {
  let summary = "cut dots to the matrix unit's buffers and run row-wise work strip by strip";
  let description = [{
    Dots whose operands do not fit half of their buffer (or whose accumulator does not) become a loop over N or K. Runs of
    row-wise ops of one unit and stage become one loop over strips of rows; loads and stores of their tiles follow. Needs
    assign-units.

    Example: a 4x1024 row-wise chain on a unit with two instances
    ```mlir
    %y = scf.for %r = %c0 to %c4 step %c2 iter_args(%all = %empty) -> (tensor<4x1024xf32>) {
      %x = tile.extract %t[%r, %c0] : tensor<4x1024xf32> -> tensor<2x1024xf32>
      ...
    } {tile.rows = 4, tile.unit = "vector"}
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::adze::tile::TileDialect"];
  let options = [
    Option<"machine", "machine", "std::string", "\"\"", "Machine table (JSON file)">,
    Option<"stripRows", "strip-rows", "int64_t", "0", "Most rows of a strip (0: all rows of an instance)">
  ];
}
#endif
