// RUN: adze-opt %s --graph-fuse --split-input-file | FileCheck %s
// RUN: adze-opt %s --graph-fuse=no-fuse --split-input-file | FileCheck %s --check-prefix=SINGLE

// Bias, a constant factor and a residual go into the finish; the constant goes inside.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[W:.*]]: tensor<8x2xf32>, %[[B:.*]]: tensor<2xf32>, %[[R:.*]]: tensor<4x2xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.region "matmul"(%[[X]], %[[W]], %[[B]], %[[R]]) :
// CHECK-NEXT: ^bb0(%[[P:.*]]: tensor<4x8xf32>, %[[Q:.*]]: tensor<8x2xf32>, %[[BI:.*]]: tensor<2xf32>, %[[RI:.*]]: tensor<4x2xf32>):
// CHECK-NEXT: %[[M:.*]] = graph.matmul %[[P]], %[[Q]]
// CHECK-NEXT: %[[A:.*]] = graph.add %[[M]], %[[BI]]
// CHECK-NEXT: %[[H:.*]] = graph.constant
// CHECK-NEXT: %[[S:.*]] = graph.mul %[[A]], %[[H]]
// CHECK-NEXT: %[[Z:.*]] = graph.add %[[S]], %[[RI]]
// CHECK-NEXT: graph.yield %[[Z]]
// CHECK: return %[[Y]]
// SINGLE-LABEL: func.func @main
// SINGLE: graph.region "matmul"
// SINGLE: graph.region "pointwise"
// SINGLE: graph.region "pointwise"
// SINGLE: graph.region "pointwise"
func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x2xf32>, %b: tensor<2xf32>, %r: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %h = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.matmul %x, %w {trans_a = false, trans_b = false} : (tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32>
  %1 = graph.add %0, %b : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %2 = graph.mul %1, %h : (tensor<4x2xf32>, tensor<f32>) -> tensor<4x2xf32>
  %3 = graph.add %2, %r : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  return %3 : tensor<4x2xf32>
}
// -----
// A tree of elementwise ops with two outputs, and one operand that broadcasts.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]]:2 = graph.region "pointwise"(%{{.*}}, %{{.*}}) :
// CHECK: graph.exp
// CHECK-NEXT: graph.neg
// CHECK-NEXT: graph.add
// CHECK-NEXT: graph.yield %{{.*}}, %{{.*}} : tensor<4x2xf32>, tensor<4x2xf32>
// CHECK: return %[[Y]]#0, %[[Y]]#1
func.func @main(%x: tensor<4x2xf32>, %b: tensor<2xf32>) -> (tensor<4x2xf32>, tensor<4x2xf32>) {
  %0 = graph.exp %x : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %1 = graph.neg %0 : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %2 = graph.add %1, %b : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  return %0, %2 : tensor<4x2xf32>, tensor<4x2xf32>
}
// -----
// Other dims, a second anchor, an op without a finish: cuts with their reasons.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: graph.region "matmul"({{.*}}) attributes {reason = "graph.matmul starts a kernel of its own"}
// CHECK: graph.region "matmul"({{.*}}) attributes {reason = "its dims differ from the region's"}
// CHECK: graph.region "pointwise"({{.*}}) attributes {reason = "graph.concat starts a kernel of its own"}
// CHECK: graph.region "move"({{.*}}) attributes {reason = "move regions take no finish"}
// CHECK: graph.region "pointwise"
func.func @main(%x: tensor<2x2xf32>, %y: tensor<1x2xf32>, %z: tensor<4x2xf32>) -> tensor<4x4xf32> {
  %0 = graph.matmul %x, %x {trans_a = false, trans_b = false} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = graph.matmul %y, %0 {trans_a = false, trans_b = false} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %2 = graph.add %z, %1 : (tensor<4x2xf32>, tensor<1x2xf32>) -> tensor<4x2xf32>
  %3 = graph.concat %2, %2 {axis = 1 : i64} : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x4xf32>
  %4 = graph.exp %3 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %4 : tensor<4x4xf32>
}
// -----
// The sum needs the second product, which needs the first: the sum joins the second, never the first.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[A:.*]] = graph.region "matmul"
// CHECK: graph.exp
// CHECK: %[[B:.*]] = graph.region "matmul"(%[[A]], %{{.*}})
// CHECK: graph.matmul
// CHECK-NEXT: graph.add
// CHECK: return %[[B]]
func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = graph.matmul %x, %x {trans_a = false, trans_b = false} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = graph.exp %0 : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = graph.matmul %1, %x {trans_a = false, trans_b = false} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = graph.add %1, %2 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %3 : tensor<2x2xf32>
}
// -----
// exp and add would be one region around the softmax, which needs exp first and gives add its operand: no such cycle.
// CHECK-LABEL: func.func @main
// CHECK: graph.region "pointwise"{{.*}}reason
// CHECK: graph.exp
// CHECK-NEXT: graph.yield
// CHECK: graph.region "rowwise"
// CHECK: graph.softmax
// CHECK-NEXT: graph.add
func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = graph.exp %x : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = graph.softmax %0 {axis = 1 : i64, log = false} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = graph.add %0, %1 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %2 : tensor<2x2xf32>
}
// -----
// Weights, reshapes and checks stay outside; what nothing reads goes.
// CHECK-LABEL: func.func @main
// CHECK-DAG: graph.check
// CHECK-DAG: %[[W:.*]] = graph.weight
// CHECK: %[[R:.*]] = graph.region "reduce"
// CHECK: %[[S:.*]] = graph.reshape %[[R]]
// CHECK: %[[Y:.*]] = graph.region "pointwise"(%[[S]], %[[W]])
// CHECK-NOT: graph.tanh
// CHECK: return %[[Y]]
func.func @main(%x: tensor<2x6xf32>) -> tensor<2xf32> {
  %w = graph.weight {id = 0 : i64, name = "w"} : () -> tensor<2xf32>
  graph.check affine_map<() -> (1, 1)>, "one"
  %dead = graph.tanh %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %0 = graph.reduce %x {axes = array<i64: 1>, kind = #graph<reduce_kind max>} : (tensor<2x6xf32>) -> tensor<2x1xf32>
  %1 = graph.reshape %0 : (tensor<2x1xf32>) -> tensor<2xf32>
  %2 = graph.mul %1, %w : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
// -----
// Dynamic dims join where they are the same expression.
// CHECK-LABEL: func.func @main
// CHECK: graph.region "rowwise"
// CHECK: graph.softmax
// CHECK-NEXT: graph.sqrt
func.func @main(%x: tensor<?x6xf32, affine_map<()[s0] -> (s0 * 2, 6)>>) -> tensor<?x6xf32, affine_map<()[s0] -> (s0 * 2, 6)>> {
  %0 = graph.softmax %x {axis = 1 : i64, log = false} : (tensor<?x6xf32, affine_map<()[s0] -> (s0 * 2, 6)>>) -> tensor<?x6xf32, affine_map<()[s0] -> (s0 * 2, 6)>>
  %1 = graph.sqrt %0 : (tensor<?x6xf32, affine_map<()[s0] -> (s0 * 2, 6)>>) -> tensor<?x6xf32, affine_map<()[s0] -> (s0 * 2, 6)>>
  return %1 : tensor<?x6xf32, affine_map<()[s0] -> (s0 * 2, 6)>>
}
// -----
// Batch normalisation that no convolution takes becomes elementwise ops, per channel, whatever the option.
// CHECK-LABEL: func.func @main
// CHECK-NOT: graph.batch_norm
// CHECK: graph.region "pointwise"
// CHECK: graph.sub
// CHECK-NEXT: graph.div
// CHECK-NEXT: graph.mul
// CHECK-NEXT: graph.add
// SINGLE-NOT: graph.batch_norm
func.func @main(%x: tensor<1x3x4x4xf32>, %c: tensor<3xf32>) -> tensor<1x3x4x4xf32> {
  %0 = graph.batch_norm %x, %c, %c, %c, %c {eps = 1.0e-5 : f32} : (tensor<1x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<1x3x4x4xf32>
  return %0 : tensor<1x3x4x4xf32>
}
