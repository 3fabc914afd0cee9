// RUN: not adze-opt %s --build-kernels 2>&1 | FileCheck %s

// What no builder takes is refused with its reason before anything is built.
// CHECK: error: a convolution's weights must have a static shape
module attributes {graph.symbols = [{name = "c", kind = "input_dim", input = 0, axis = 1, min = 1, max = 8}]} {
  func.func @main(%x: tensor<1x?x4x4xf32, affine_map<()[s0] -> (1, s0, 4, 4)>>, %w: tensor<8x?x1x1xf32, affine_map<()[s0] -> (8, s0, 1, 1)>>) -> tensor<1x8x4x4xf32> {
    %0 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x?x4x4xf32, affine_map<()[s0] -> (1, s0, 4, 4)>>, tensor<8x?x1x1xf32, affine_map<()[s0] -> (8, s0, 1, 1)>>) -> tensor<1x8x4x4xf32>
    return %0 : tensor<1x8x4x4xf32>
  }
}
