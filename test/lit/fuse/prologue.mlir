// RUN: adze-opt %s --graph-fuse --split-input-file | FileCheck %s

// The square is computed where it is summed; the mean's factor follows.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: graph.region "reduce"
// CHECK-NEXT: ^bb0
// CHECK-NEXT: graph.mul
// CHECK-NEXT: graph.reduce
// CHECK-NEXT: graph.constant
// CHECK-NEXT: graph.mul
// CHECK-NEXT: graph.yield %{{.*}} : tensor<4x1xf32>
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
  %c = graph.constant {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.mul %x, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = graph.reduce %0 {axes = array<i64: 1>, kind = #graph<reduce_kind sum>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %2 = graph.mul %1, %c : (tensor<4x1xf32>, tensor<f32>) -> tensor<4x1xf32>
  return %2 : tensor<4x1xf32>
}
// -----
// The square has another reader: it is computed once, on its own.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: graph.region "pointwise"({{.*}}) attributes {reason = "graph.reduce starts a kernel of its own"}
// CHECK: graph.region "reduce"
func.func @main(%x: tensor<4x8xf32>) -> (tensor<4x1xf32>, tensor<4x8xf32>) {
  %0 = graph.mul %x, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = graph.reduce %0 {axes = array<i64: 1>, kind = #graph<reduce_kind sum>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  return %1, %0 : tensor<4x1xf32>, tensor<4x8xf32>
}
// -----
// A softmax may read its row more than once: a scale is computed again, an exponential is not.
// CHECK-LABEL: func.func @main
// CHECK: graph.region "pointwise"
// CHECK: graph.exp
// CHECK: graph.region "rowwise"
// CHECK: graph.mul
// CHECK-NEXT: graph.softmax
// CHECK: graph.region "rowwise"
// CHECK-NEXT: ^bb0
// CHECK-NEXT: graph.softmax
func.func @main(%x: tensor<4x8xf32>, %s: tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = graph.mul %x, %s : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %1 = graph.softmax %0 {axis = 1 : i64, log = false} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = graph.exp %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %3 = graph.softmax %2 {axis = 1 : i64, log = false} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1, %3 : tensor<4x8xf32>, tensor<4x8xf32>
}
