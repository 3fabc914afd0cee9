#ifndef ADZE_COMPILER_FUSE_PATTERNS_GRAPHRECOGNIZE_TD
#define ADZE_COMPILER_FUSE_PATTERNS_GRAPHRECOGNIZE_TD
include "mlir/Pass/PassBase.td"

def GraphRecognize : Pass<"graph-recognize", "::mlir::ModuleOp"> {
  let summary = "find named ops behind their spelling in primitive ops";
  let description = [{
    GELU (erf and tanh), SiLU, HardSwish, softmax and its logarithm, layer and RMS normalisation, scaled dot-product
    attention; and batch normalisation folded into the convolution before it. Results agree within the accuracy class of
    the named op. Runs graph-canonicalize's patterns too, since one rewrite uncovers the next.

    Example:
    ```mlir
    %1 = graph.sigmoid %0 : (tensor<4xf32>) -> tensor<4xf32>
    %2 = graph.mul %0, %1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    ```
    becomes
    ```mlir
    %2 = graph.silu %0 : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let dependentDialects = ["::adze::graph::GraphDialect"];
  let options = [
    Option<"narrowProducts", "narrow-products", "bool", "false",
           "Widened attention and products of dequantised 8-bit integers multiply the narrow operands">
  ];
}
#endif
