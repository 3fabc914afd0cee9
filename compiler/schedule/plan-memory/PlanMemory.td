#ifndef ADZE_COMPILER_SCHEDULE_PLANMEMORY_TD
#define ADZE_COMPILER_SCHEDULE_PLANMEMORY_TD
include "mlir/Pass/PassBase.td"

def PlanMemory : Pass<"plan-memory", "::mlir::ModuleOp"> {
  let summary = "addresses for channels, within the capacities; drop flags that other waits imply";
  let description = [{
    Adds up rings, carried tiles and scratch of each memory. On overflow spare slots go first, then the leads of loads, the
    largest saving first; what still does not fit is refused with the numbers. Channels get their byte `offset`; those whose
    free slots other waits prove are marked `implied`. Needs form-channels.

    Example:
    ```mlir
    %c = tile.channel "qk.gm" in "gm" from "fix" to "vmte2" depth 3 {implied, offset = 0} : ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::adze::tile::TileDialect"];
  let options = [
    Option<"machine", "machine", "std::string", "\"\"", "Machine table (JSON file)">
  ];
}
#endif
