// Every op that is not plainly elementwise, printed and read back.
// RUN: adze-opt %s | adze-opt | FileCheck %s

#batch = affine_map<()[s0] -> (s0, 4)>
#starts = affine_map<() -> (1, 0)>
#low = affine_map<() -> (0, 1)>
module attributes {graph.symbols = [{name = "batch", kind = "input_dim", input = 0 : i64, axis = 0 : i64, min = 1 : i64, max = 64 : i64}]} {
  // CHECK-LABEL: func.func @constants
  func.func @constants() {
    // CHECK: graph.weight {id = 7 : i64, name = "w"}
    %0 = graph.weight {id = 7 : i64, name = "w"} : () -> tensor<1000x4xf32>
    // CHECK: graph.constant {value = dense<{{.*}}> : tensor<2xf32>}
    %1 = graph.constant {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
    // CHECK: graph.shape_value {exprs = {{.*}}} : () -> tensor<2xi64>
    %2 = graph.shape_value {exprs = affine_map<()[s0] -> (s0, s0 * 4)>} : () -> tensor<2xi64>
    %3 = graph.iota {axis = 1 : i64} : () -> tensor<2x8xi32>
    // CHECK: graph.check {{.*}}, "batch is even"
    graph.check affine_map<()[s0] -> (s0 mod 2, 0)>, "batch is even"
    return
  }
  // CHECK-LABEL: func.func @views
  func.func @views(%x: tensor<?x4xf32, #batch>, %s: tensor<4x4xf32>, %v: tensor<f32>) {
    %0 = graph.reshape %x : (tensor<?x4xf32, #batch>) -> tensor<?xf32, affine_map<()[s0] -> (s0 * 4)>>
    // CHECK: graph.transpose {{.*}} {perm = array<i64: 1, 0>}
    %1 = graph.transpose %x {perm = array<i64: 1, 0>} : (tensor<?x4xf32, #batch>) -> tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>
    %2 = graph.broadcast %v : (tensor<f32>) -> tensor<3x3xf32>
    // CHECK: graph.slice {{.*}} {starts = {{.*}}, steps = array<i64: 2, -1>}
    %3 = graph.slice %s {starts = affine_map<() -> (1, 3)>, steps = array<i64: 2, -1>} : (tensor<4x4xf32>) -> tensor<2x4xf32>
    %4 = graph.concat %s, %s {axis = 0 : i64} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
    // CHECK: graph.pad {{.*}} {low = {{.*}}, mode = #graph<pad_mode reflect>}
    %5 = graph.pad %s, %v {low = #low, mode = #graph<pad_mode reflect>} : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x6xf32>
    %6 = graph.cast %s {saturate = false, round = #graph<cast_round rtz>} : (tensor<4x4xf32>) -> tensor<4x4xi32>
    %7 = graph.bitcast %s : (tensor<4x4xf32>) -> tensor<4x4xi32>
    return
  }
  // CHECK-LABEL: func.func @contractions
  func.func @contractions(%x: tensor<1x8x9x9xf32>, %w: tensor<16x8x3x3xf32>, %b: tensor<16xf32>, %t: tensor<8x4x2x2xf32>) {
    // CHECK: graph.conv
    %0 = graph.conv %x, %w, %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x8x9x9xf32>, tensor<16x8x3x3xf32>, tensor<16xf32>) -> tensor<1x16x5x5xf32>
    %1 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x8x9x9xf32>, tensor<16x8x3x3xf32>) -> tensor<1x16x5x5xf32>
    %2 = graph.conv_transpose %x, %t {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x8x9x9xf32>, tensor<8x4x2x2xf32>) -> tensor<1x4x19x19xf32>
    %3 = graph.pool %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 1, 1>, count_pads = array<i64: 0, 0, 0, 0>, kind = #graph<pool_kind avgpool>} : (tensor<1x8x9x9xf32>) -> tensor<1x8x4x4xf32>
    %4 = graph.attention %x, %x, %x {scale = 1.0 : f32, causal = true} : (tensor<1x8x9x9xf32>, tensor<1x8x9x9xf32>, tensor<1x8x9x9xf32>) -> tensor<1x8x9x9xf32>
    return
  }
  // Optional operands in the middle: which are present survives.
  // CHECK-LABEL: func.func @optional
  func.func @optional(%x: tensor<5x2x3xf32>, %s: tensor<3xf32>, %w: tensor<16x3xf32>, %r: tensor<16x4xf32>, %h: tensor<2x4xf32>) {
    // CHECK: graph.layer_norm %{{[a-z0-9]+}} {axis
    %0 = graph.layer_norm %x {axis = 2 : i64, eps = 1.0 : f32, rms = true} : (tensor<5x2x3xf32>) -> tensor<5x2x3xf32>
    // CHECK: graph.layer_norm %{{[a-z0-9]+}} bias %{{[a-z0-9]+}} {axis
    %1 = graph.layer_norm %x bias %s {axis = 2 : i64, eps = 1.0 : f32, rms = false} : (tensor<5x2x3xf32>, tensor<3xf32>) -> tensor<5x2x3xf32>
    // CHECK: graph.layer_norm %{{[a-z0-9]+}} scale %{{[a-z0-9]+}} bias
    %2 = graph.layer_norm %x scale %s bias %s {axis = 2 : i64, eps = 1.0 : f32, rms = false} : (tensor<5x2x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<5x2x3xf32>
    // CHECK: graph.rnn {{.*}}operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1, 0, 0>
    %3:3 = graph.rnn %x, %w, %r, %h {kind = #graph<rnn_kind lstm>, reverse = false, linear_before_reset = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1, 0, 0>} : (tensor<5x2x3xf32>, tensor<16x3xf32>, tensor<16x4xf32>, tensor<2x4xf32>) -> (tensor<5x2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>)
    return
  }
  // CHECK-LABEL: func.func @region
  func.func @region(%x: tensor<4xf32>) -> tensor<4xf32> {
    // CHECK: graph.region "pointwise"(%{{.*}}) attributes {reason = "end"} : (tensor<4xf32>) -> tensor<4xf32> {
    // CHECK: graph.yield %{{.*}} : tensor<4xf32>
    %0 = graph.region "pointwise"(%x) attributes {reason = "end"} : (tensor<4xf32>) -> tensor<4xf32> {
    ^bb0(%a: tensor<4xf32>):
      %1 = graph.exp %a : (tensor<4xf32>) -> tensor<4xf32>
      graph.yield %1 : tensor<4xf32>
    }
    return %0 : tensor<4xf32>
  }
}
