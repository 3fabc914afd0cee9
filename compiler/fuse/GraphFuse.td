#ifndef ADZE_COMPILER_FUSE_GRAPHFUSE_TD
#define ADZE_COMPILER_FUSE_GRAPHFUSE_TD
include "mlir/Pass/PassBase.td"

def GraphFuse : Pass<"graph-fuse", "::mlir::ModuleOp"> {
  let summary = "group the ops of @main into graph.region ops, each of which becomes one kernel";
  let description = [{
    An elementwise op joins the region of the op that computes its operand when it runs over the same dims, so a matrix
    product, a convolution, a pooling, a reduction, a softmax or a normalisation takes its bias, activation and residual
    into its finish, and trees of elementwise ops become one loop. What no rule joins becomes a region of its own. The
    rules are in Legal.h; the cuts and their reasons go into the report and into the regions' `reason`.

    Example:
    ```mlir
    %0 = graph.matmul %x, %w {trans_a = false, trans_b = false} : ...
    %1 = graph.add %0, %bias : ...
    ```
    becomes
    ```mlir
    %1 = graph.region "matmul"(%x, %w, %bias) : ... {
    ^bb0(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>, %c: tensor<2xf32>):
      %2 = graph.matmul %a, %b {trans_a = false, trans_b = false} : ...
      %3 = graph.add %2, %c : ...
      graph.yield %3 : tensor<4x2xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::graph::GraphDialect"];
  let options = [
    Option<"noFuse", "no-fuse", "bool", "false", "Put every op into a region of its own">,
    Option<"maxOperands", "max-operands", "unsigned", "24", "Most inputs and outputs of a region together">,
    Option<"maxOps", "max-ops", "unsigned", "128", "Most ops of a region">
  ];
}
#endif
