#ifndef ADZE_COMPILER_CANONICALIZE_GRAPHCANONICALIZE_TD
#define ADZE_COMPILER_CANONICALIZE_GRAPHCANONICALIZE_TD
include "mlir/Pass/PassBase.td"

def GraphCanonicalize : Pass<"graph-canonicalize", "::mlir::ModuleOp"> {
  let summary = "one spelling for equal graphs, on every target; no result bit changes";
  let description = [{
    Removes what does nothing (a transpose, reshape, slice, cast, pad or broadcast to the operand's own type; x - 0, x * 1,
    x / 1, max(x, -inf)), joins chains of views, moves broadcasts and size-1 reshapes behind elementwise ops, and takes
    transposes of the last two dims into a matrix product. Dead ops go.

    Example:
    ```mlir
    %1 = graph.transpose %0 {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
    %2 = graph.transpose %1 {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
    %3 = graph.exp %2 : (tensor<2x3xf32>) -> tensor<2x3xf32>
    ```
    becomes
    ```mlir
    %3 = graph.exp %0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
    ```
  }];
  let dependentDialects = ["::adze::graph::GraphDialect"];
}
#endif
