// RUN: adze-opt %s --graph-canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @chains
// CHECK-NEXT: %[[T:.*]] = graph.transpose %{{.*}} {perm = array<i64: 2, 1, 0>} : (tensor<2x3x4xf32>) -> tensor<4x3x2xf32>
// CHECK-NEXT: %[[R:.*]] = graph.reshape %{{.*}} : (tensor<2x3x4xf32>) -> tensor<24xf32>
// CHECK-NEXT: return %[[T]], %[[R]]
func.func @chains(%x: tensor<2x3x4xf32>) -> (tensor<4x3x2xf32>, tensor<24xf32>) {
  %0 = graph.transpose %x {perm = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %1 = graph.transpose %0 {perm = array<i64: 1, 0, 2>} : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
  %2 = graph.reshape %x : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
  %3 = graph.reshape %2 : (tensor<6x4xf32>) -> tensor<24xf32>
  return %1, %3 : tensor<4x3x2xf32>, tensor<24xf32>
}
// -----
// CHECK-LABEL: func.func @unit_transpose
// CHECK-NEXT: graph.reshape %{{.*}} : (tensor<2x1x4xf32>) -> tensor<1x2x4xf32>
func.func @unit_transpose(%x: tensor<2x1x4xf32>) -> tensor<1x2x4xf32> {
  %0 = graph.transpose %x {perm = array<i64: 1, 0, 2>} : (tensor<2x1x4xf32>) -> tensor<1x2x4xf32>
  return %0 : tensor<1x2x4xf32>
}
// -----
// CHECK-LABEL: func.func @matmul
// CHECK-SAME: (%[[A:.*]]: tensor<2x4x3xf32>, %[[B:.*]]: tensor<2x5x4xf32>
// CHECK-NEXT: graph.matmul %[[A]], %[[B]] {trans_a = true, trans_b = true}
func.func @matmul(%a: tensor<2x4x3xf32>, %b: tensor<2x5x4xf32>) -> tensor<2x3x5xf32> {
  %0 = graph.transpose %a {perm = array<i64: 0, 2, 1>} : (tensor<2x4x3xf32>) -> tensor<2x3x4xf32>
  %1 = graph.transpose %b {perm = array<i64: 0, 2, 1>} : (tensor<2x5x4xf32>) -> tensor<2x4x5xf32>
  %2 = graph.matmul %0, %1 {trans_a = false, trans_b = false} : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  return %2 : tensor<2x3x5xf32>
}
// -----
// A transpose that also moves the batch is no flag.
// CHECK-LABEL: func.func @matmul_batch
// CHECK: graph.transpose
// CHECK: graph.matmul {{.*}} {trans_a = false, trans_b = false}
func.func @matmul_batch(%a: tensor<3x4xf32>, %b: tensor<4x5x2xf32>) -> tensor<2x3x5xf32> {
  %0 = graph.transpose %b {perm = array<i64: 2, 0, 1>} : (tensor<4x5x2xf32>) -> tensor<2x4x5xf32>
  %1 = graph.matmul %a, %0 {trans_a = false, trans_b = false} : (tensor<3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  return %1 : tensor<2x3x5xf32>
}
// -----
// CHECK-LABEL: func.func @broadcast
// CHECK-SAME: (%[[X:.*]]: tensor<3x1xf32>, %[[Y:.*]]: tensor<3x4xf32>)
// CHECK-NEXT: %[[E:.*]] = graph.exp %[[X]] : (tensor<3x1xf32>) -> tensor<3x1xf32>
// CHECK-NEXT: %[[A:.*]] = graph.add %[[E]], %[[Y]]
// CHECK-NEXT: return %[[A]]
func.func @broadcast(%x: tensor<3x1xf32>, %y: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %0 = graph.broadcast %x : (tensor<3x1xf32>) -> tensor<3x4xf32>
  %1 = graph.exp %0 : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %2 = graph.add %1, %y : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %2 : tensor<3x4xf32>
}
// -----
// The result would lose its shape.
// CHECK-LABEL: func.func @broadcast_needed
// CHECK: graph.broadcast
func.func @broadcast_needed(%x: tensor<3x1xf32>, %y: tensor<4xf32>) -> tensor<2x3x4xf32> {
  %0 = graph.broadcast %x : (tensor<3x1xf32>) -> tensor<2x3x4xf32>
  %1 = graph.add %0, %y : (tensor<2x3x4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  return %1 : tensor<2x3x4xf32>
}
// -----
// A squeeze between a reduction and what follows moves behind it; the per-column operand follows.
// CHECK-LABEL: func.func @sink
// CHECK-SAME: (%[[X:.*]]: tensor<2x5x7xf32>, %[[C:.*]]: tensor<7xf32>)
// CHECK-NEXT: %[[R:.*]] = graph.reduce %[[X]]
// CHECK-NEXT: %[[V:.*]] = graph.reshape %[[C]] : (tensor<7xf32>) -> tensor<1x1x7xf32>
// CHECK-NEXT: %[[A:.*]] = graph.add %[[R]], %[[V]] : (tensor<2x1x7xf32>, tensor<1x1x7xf32>) -> tensor<2x1x7xf32>
// CHECK-NEXT: %[[Q:.*]] = graph.mul %[[A]], %[[A]] : (tensor<2x1x7xf32>, tensor<2x1x7xf32>) -> tensor<2x1x7xf32>
// CHECK-NEXT: %[[Y:.*]] = graph.reshape %[[Q]] : (tensor<2x1x7xf32>) -> tensor<2x7xf32>
// CHECK-NEXT: return %[[Y]]
func.func @sink(%x: tensor<2x5x7xf32>, %c: tensor<7xf32>) -> tensor<2x7xf32> {
  %0 = graph.reduce %x {axes = array<i64: 1>, kind = #graph<reduce_kind sum>} : (tensor<2x5x7xf32>) -> tensor<2x1x7xf32>
  %1 = graph.reshape %0 : (tensor<2x1x7xf32>) -> tensor<2x7xf32>
  %2 = graph.add %1, %c : (tensor<2x7xf32>, tensor<7xf32>) -> tensor<2x7xf32>
  %3 = graph.mul %2, %2 : (tensor<2x7xf32>, tensor<2x7xf32>) -> tensor<2x7xf32>
  return %3 : tensor<2x7xf32>
}
// -----
// A reshape that merges dims stays.
// CHECK-LABEL: func.func @no_sink
// CHECK: graph.exp
// CHECK-NEXT: graph.reshape
// CHECK-NEXT: graph.neg
func.func @no_sink(%x: tensor<2x6xf32>) -> tensor<12xf32> {
  %0 = graph.exp %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %1 = graph.reshape %0 : (tensor<2x6xf32>) -> tensor<12xf32>
  %2 = graph.neg %1 : (tensor<12xf32>) -> tensor<12xf32>
  return %2 : tensor<12xf32>
}
