// RUN: adze-opt %s --graph-fuse --split-input-file | FileCheck %s

// A transpose and a slice that only elementwise ops read go into their region, once for each reader.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<4x6xf32>
// CHECK-NEXT: %[[Z:.*]] = graph.region "pointwise"(%[[X]]) :
// CHECK: graph.transpose
// CHECK-NEXT: graph.neg
// CHECK: %[[Y:.*]] = graph.region "pointwise"(%[[X]]) :
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<4x6xf32>):
// CHECK-NEXT: %[[T:.*]] = graph.transpose %[[A]]
// CHECK-NEXT: %[[S:.*]] = graph.slice %[[T]]
// CHECK-NEXT: %[[E:.*]] = graph.exp %[[S]]
// CHECK-NEXT: graph.yield %[[E]]
// CHECK: return %[[Y]], %[[Z]]
func.func @main(%x: tensor<4x6xf32>) -> (tensor<3x4xf32>, tensor<6x4xf32>) {
  %0 = graph.transpose %x {perm = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %1 = graph.slice %0 {starts = affine_map<() -> (0, 0)>, steps = array<i64: 2, 1>} : (tensor<6x4xf32>) -> tensor<3x4xf32>
  %2 = graph.exp %1 : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = graph.neg %0 : (tensor<6x4xf32>) -> tensor<6x4xf32>
  return %2, %3 : tensor<3x4xf32>, tensor<6x4xf32>
}
// -----
// Heads moved in front: the rows stay runs, so both products read through the views.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "move"
// CHECK: graph.region "matmul"
// CHECK-COUNT-2: graph.transpose
// CHECK-NEXT: graph.matmul
func.func @main(%q: tensor<2x6x4x8xf32>, %k: tensor<2x6x4x8xf32>) -> tensor<2x4x6x6xf32> {
  %0 = graph.transpose %q {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %1 = graph.transpose %k {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %2 = graph.matmul %0, %1 {trans_a = false, trans_b = true} : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x6xf32>
  return %2 : tensor<2x4x6x6xf32>
}
// -----
// A view that leaves the model, or that a concat reads, is a copy; then everybody reads the copy.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[T:.*]] = graph.region "move"
// CHECK: graph.region "pointwise"(%[[T]])
// CHECK: graph.region "move"(%[[T]]) :
// CHECK: graph.concat
func.func @main(%x: tensor<4x6xf32>) -> (tensor<12x4xf32>, tensor<6x4xf32>) {
  %0 = graph.transpose %x {perm = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %1 = graph.neg %0 : (tensor<6x4xf32>) -> tensor<6x4xf32>
  %2 = graph.concat %0, %0 {axis = 0 : i64} : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<12x4xf32>
  return %2, %1 : tensor<12x4xf32>, tensor<6x4xf32>
}
// -----
// The sum reads exp's result also transposed: elements that other programs compute, so it is no member of exp's region.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[E:.*]] = graph.region "pointwise"({{.*}}) attributes {reason = "it is read through a view"}
// CHECK: graph.exp
// CHECK-NEXT: graph.yield
// CHECK: graph.region "pointwise"(%[[E]]) :
// CHECK: graph.transpose
// CHECK-NEXT: graph.add
// CHECK-NEXT: graph.neg
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = graph.exp %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = graph.transpose %0 {perm = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = graph.add %0, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = graph.neg %2 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}
// -----
// A transposed residual keeps the sum out of the product's finish.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: graph.region "matmul"({{.*}}) attributes {reason = "the op also reads a transposed operand
// CHECK: graph.region "pointwise"
// CHECK: graph.transpose
// CHECK-NEXT: graph.add
func.func @main(%x: tensor<4x4xf32>, %r: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = graph.matmul %x, %x {trans_a = false, trans_b = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = graph.transpose %r {perm = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = graph.add %0, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}
// -----
// q, k and v of an attention are read through the move of the heads; the mask is not a row.
// CHECK-LABEL: func.func @main
// CHECK: graph.region "move"
// CHECK: graph.region "attention"
// CHECK-COUNT-2: graph.transpose
// CHECK-NEXT: graph.attention
func.func @main(%q: tensor<2x6x4x8xf32>, %k: tensor<2x6x4x8xf32>, %m: tensor<6x6xf32>) -> tensor<2x4x6x8xf32> {
  %0 = graph.transpose %q {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %1 = graph.transpose %k {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %2 = graph.transpose %m {perm = array<i64: 1, 0>} : (tensor<6x6xf32>) -> tensor<6x6xf32>
  %3 = graph.attention %0, %1, %1, %2 {scale = 1.0 : f32, causal = false} : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<6x6xf32>) -> tensor<2x4x6x8xf32>
  return %3 : tensor<2x4x6x8xf32>
}
