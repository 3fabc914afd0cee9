#ifndef ADZE_COMPILER_SCHEDULE_FORMCHANNELS_TD
#define ADZE_COMPILER_SCHEDULE_FORMCHANNELS_TD
include "mlir/Pass/PassBase.td"

def FormChannels : Pass<"form-channels", "::mlir::ModuleOp"> {
  let summary = "bounded channels for every tile that crosses units or stages";
  let description = [{
    A tile that another unit or a later stage reads rests in one or more memories on its route; each is a tile.channel, and
    the units between two of them get the ops that move it on. Nothing else gets a ring. Needs form-strips.

    Example: a load for the vector unit
    ```mlir
    %c = tile.channel "x.ub" in "ub" from "loader" to "vector" depth 2 : !tile.channel<tensor<16x256xf32>>
    %s = tile.acquire %c : ...                      // tile.unit = "loader"
    tile.put %x, %s[%c0, %c0] : ...
    tile.commit %s : ...
    %f = tile.wait %c : ...                         // tile.unit = "vector"
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::adze::tile::TileDialect"];
  let options = [
    Option<"machine", "machine", "std::string", "\"\"", "Machine table (JSON file)">
  ];
}
#endif
