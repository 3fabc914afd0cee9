// RUN: adze-opt %s --split-input-file --verify-diagnostics

// A check of an op's attributes comes with inference; the trait then adds its own line.
func.func @broadcast(%a: tensor<2x3xf32>, %b: tensor<4xf32>) {
  // expected-error @+2 {{graph.add: shapes do not broadcast: dim 1 is 3 in one operand and 4 in the other}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.add %a, %b : (tensor<2x3xf32>, tensor<4xf32>) -> tensor<2x3xf32>
  return
}
// -----
func.func @element_types(%a: tensor<2xf32>, %b: tensor<2xf16>) {
  // expected-error @+2 {{graph.mul: operands have different element types: f32[2] and f16[2]; insert a cast}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.mul %a, %b : (tensor<2xf32>, tensor<2xf16>) -> tensor<2xf32>
  return
}
// -----
func.func @result(%a: tensor<2xf32>) {
  // expected-error @+2 {{are incompatible with return type(s)}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.exp %a : (tensor<2xf32>) -> tensor<3xf32>
  return
}
// -----
func.func @integers(%a: tensor<2xi32>) {
  // expected-error @+2 {{graph.exp: needs a floating-point operand, got i32[2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.exp %a : (tensor<2xi32>) -> tensor<2xi32>
  return
}
// -----
// Symbols go by their names in messages.
module attributes {graph.symbols = [{name = "batch", kind = "input_dim", input = 0 : i64, axis = 0 : i64, min = 1 : i64, max = 64 : i64}]} {
  func.func @symbols(%a: tensor<?x8xf32, affine_map<()[s0] -> (s0, 8)>>, %b: tensor<9x2xf32>) {
    // expected-error @+2 {{graph.matmul: the contracted dims of a, f32[batch, 8], and b, f32[9, 2], differ: 8 and 9}}
    // expected-error @+1 {{failed to infer returned types}}
    %0 = graph.matmul %a, %b {trans_a = false, trans_b = false} : (tensor<?x8xf32, affine_map<()[s0] -> (s0, 8)>>, tensor<9x2xf32>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
    return
  }
}
// -----
func.func @transpose(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{graph.transpose: axis 1 is listed twice}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.transpose %a {perm = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<3x3xf32>
  return
}
// -----
func.func @groups(%x: tensor<1x6x5xf32>, %w: tensor<4x2x3xf32>) {
  // expected-error @+2 {{graph.conv: group 3 does not divide the output channels of w, f32[4, 2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, group = 3 : i64} : (tensor<1x6x5xf32>, tensor<4x2x3xf32>) -> tensor<1x4x3xf32>
  return
}
// -----
func.func @window(%x: tensor<1x2x5xf32>, %w: tensor<4x2x9xf32>) {
  // expected-error @+2 {{graph.conv: the window of 9 elements is larger than the padded input of 5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, group = 1 : i64} : (tensor<1x2x5xf32>, tensor<4x2x9xf32>) -> tensor<1x4x1xf32>
  return
}
// -----
func.func @strides(%x: tensor<1x2x5xf32>) {
  // expected-error @+2 {{graph.pool: strides must be positive, got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.pool %x {kernel = array<i64: 1>, strides = array<i64: 0>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, count_pads = array<i64: 0, 0>, kind = #graph<pool_kind maxpool>} : (tensor<1x2x5xf32>) -> tensor<1x2x5xf32>
  return
}
// -----
func.func @reshape(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{changes the number of elements: f32[2, 3] and f32[7]}}
  %0 = graph.reshape %x : (tensor<2x3xf32>) -> tensor<7xf32>
  return
}
// -----
func.func @slice(%x: tensor<4xf32>) {
  // expected-error @+1 {{reads outside dim 0 of f32[4]: elements 2 to 4}}
  %0 = graph.slice %x {starts = affine_map<() -> (2)>, steps = array<i64: 1>} : (tensor<4xf32>) -> tensor<3xf32>
  return
}
// -----
func.func @constant() {
  // expected-error @+1 {{holds at most 64 elements, got 65; larger constants belong in the weight store}}
  %0 = graph.constant {value = dense<0.0> : tensor<65xf32>} : () -> tensor<65xf32>
  return
}
// -----
func.func @topk(%x: tensor<4xf32>) {
  // expected-error @+1 {{selects 5 of 4 elements}}
  %0:2 = graph.topk %x {axis = 0 : i64, largest = true} : (tensor<4xf32>) -> (tensor<5xf32>, tensor<5xi64>)
  return
}
// -----
func.func @rnn(%x: tensor<5x2x3xf32>, %w: tensor<8x3xf32>, %r: tensor<8x2xf32>) {
  // expected-error @+1 {{must have 3 results, got 2}}
  %0:2 = graph.rnn %x, %w, %r {kind = #graph<rnn_kind lstm>, reverse = false, linear_before_reset = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>} : (tensor<5x2x3xf32>, tensor<8x3xf32>, tensor<8x2xf32>) -> (tensor<5x2x2xf32>, tensor<2x2xf32>)
  return
}
// -----
func.func @check() {
  // expected-error @+1 {{exprs must have 2 results, got 1}}
  graph.check affine_map<()[s0] -> (s0)>, "m"
  return
}
// -----
func.func @region(%x: tensor<4xf32>) {
  // expected-error @+1 {{the block's arguments must have the operands' types}}
  %0 = graph.region "pointwise"(%x) : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%a: tensor<5xf32>):
    graph.yield %a : tensor<5xf32>
  }
  return
}
// -----
func.func @region_weight(%x: tensor<4xf32>) {
  %0 = graph.region "pointwise"(%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    // expected-error @+1 {{cannot be in a region: pass it as an operand}}
    %1 = graph.weight {id = 0 : i64, name = "w"} : () -> tensor<4xf32>
    graph.yield %1 : tensor<4xf32>
  }
  return
}
