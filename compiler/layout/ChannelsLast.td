#ifndef ADZE_COMPILER_LAYOUT_CHANNELSLAST_TD
#define ADZE_COMPILER_LAYOUT_CHANNELSLAST_TD
include "mlir/Pass/PassBase.td"

def ChannelsLast : Pass<"channels-last", "::mlir::ModuleOp"> {
  let summary = "let values between regions around convolutions lie in memory with their channels last";
  let description = [{
    Runs after graph-fuse. A chosen value has the type [N, spatial..., C] in @main; a region that reads it begins with a
    transpose back to [N, C, spatial...], one that computes it yields a transpose of its result. Both are strides of the
    kernel's loads and stores: no data moves. Inputs and outputs of the model keep their order. README.md has the rules.

    Example: the second convolution reads sixteen channels of a pixel in one piece.
    ```mlir
    %0 = graph.region "conv"(%x, %w0) : (tensor<1x8x9x9xf16>, ...) -> tensor<1x16x9x9xf16> {...}
    %1 = graph.region "conv"(%0, %w1) : (tensor<1x16x9x9xf16>, ...) -> tensor<1x16x9x9xf16> {...}
    ```
    becomes
    ```mlir
    %0 = graph.region "conv"(%x, %w0) : (tensor<1x8x9x9xf16>, ...) -> tensor<1x9x9x16xf16> {
      ...
      %y = graph.conv %a, %b ...
      %t = graph.transpose %y {perm = array<i64: 0, 2, 3, 1>} : ...
      graph.yield %t : tensor<1x9x9x16xf16>
    }
    %1 = graph.region "conv"(%0, %w1) : (tensor<1x9x9x16xf16>, ...) -> tensor<1x16x9x9xf16> {
    ^bb0(%a: tensor<1x9x9x16xf16>, ...):
      %t = graph.transpose %a {perm = array<i64: 0, 3, 1, 2>} : ...
      %y = graph.conv %t, ...
      graph.yield %y : tensor<1x16x9x9xf16>
    }
    ```
  }];
  let dependentDialects = ["::adze::graph::GraphDialect"];
}
#endif
