// RUN: adze-opt %s --cse --graph-recognize --cse --split-input-file | FileCheck %s

// As exported from PyTorch: heads by reshape and transpose, the scale on q, keys hidden by a select.
// CHECK-LABEL: func.func @masked
// CHECK-SAME: (%[[Q:.*]]: tensor<2x6x4x8xf32>, %[[K:.*]]: tensor<2x6x4x8xf32>, %[[V:.*]]: tensor<2x6x4x8xf32>, %[[M:.*]]: tensor<2x1x1x6xi1>)
// CHECK-DAG: %[[TQ:.*]] = graph.transpose %[[Q]] {perm = array<i64: 0, 2, 1, 3>}
// CHECK-DAG: %[[TK:.*]] = graph.transpose %[[K]] {perm = array<i64: 0, 2, 1, 3>}
// CHECK-DAG: %[[TV:.*]] = graph.transpose %[[V]] {perm = array<i64: 0, 2, 1, 3>}
// CHECK-DAG: %[[ADD:.*]] = graph.select %[[M]], %{{.*}}, %{{.*}} -> tensor<2x1x1x6xf32>
// CHECK: %[[Y:.*]] = graph.attention %[[TQ]], %[[TK]], %[[TV]], %[[ADD]] {causal = false, nan_masked, scale = 1.250000e-01 : f32}
// CHECK-NEXT: return %[[Y]]
func.func @masked(%q: tensor<2x6x4x8xf32>, %k: tensor<2x6x4x8xf32>, %v: tensor<2x6x4x8xf32>, %m: tensor<2x1x1x6xi1>) -> tensor<2x4x6x8xf32> {
  %eight = graph.constant {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
  %low = graph.constant {value = dense<-1.0e9> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.transpose %q {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %1 = graph.div %0, %eight : (tensor<2x4x6x8xf32>, tensor<f32>) -> tensor<2x4x6x8xf32>
  %2 = graph.transpose %k {perm = array<i64: 0, 2, 3, 1>} : (tensor<2x6x4x8xf32>) -> tensor<2x4x8x6xf32>
  %3 = graph.transpose %v {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %4 = graph.matmul %1, %2 {trans_a = false, trans_b = false} : (tensor<2x4x6x8xf32>, tensor<2x4x8x6xf32>) -> tensor<2x4x6x6xf32>
  %5 = graph.broadcast %m : (tensor<2x1x1x6xi1>) -> tensor<2x4x6x6xi1>
  %6 = graph.select %5, %low, %4 : (tensor<2x4x6x6xi1>, tensor<f32>, tensor<2x4x6x6xf32>) -> tensor<2x4x6x6xf32>
  %7 = graph.softmax %6 {axis = 3 : i64, log = false} : (tensor<2x4x6x6xf32>) -> tensor<2x4x6x6xf32>
  %8 = graph.matmul %7, %3 {trans_a = false, trans_b = false} : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %8 : tensor<2x4x6x8xf32>
}
// -----
// Rank 3 with an added mask and the scale on the scores.
// CHECK-LABEL: func.func @rank3
// CHECK-SAME: (%[[Q:.*]]: tensor<2x6x8xf32>, %[[K:.*]]: tensor<2x5x8xf32>, %[[V:.*]]: tensor<2x5x3xf32>, %[[M:.*]]: tensor<2x6x5xf32>)
// CHECK-DAG: %[[Q4:.*]] = graph.reshape %[[Q]] : (tensor<2x6x8xf32>) -> tensor<2x1x6x8xf32>
// CHECK-DAG: %[[K4:.*]] = graph.reshape %[[K]] : (tensor<2x5x8xf32>) -> tensor<2x1x5x8xf32>
// CHECK-DAG: %[[V4:.*]] = graph.reshape %[[V]] : (tensor<2x5x3xf32>) -> tensor<2x1x5x3xf32>
// CHECK-DAG: %[[M4:.*]] = graph.reshape %[[M]] : (tensor<2x6x5xf32>) -> tensor<2x1x6x5xf32>
// CHECK: %[[A:.*]] = graph.attention %[[Q4]], %[[K4]], %[[V4]], %[[M4]] {causal = false, nan_masked, scale = 5.000000e-01 : f32}
// CHECK-NEXT: %[[Y:.*]] = graph.reshape %[[A]] : (tensor<2x1x6x3xf32>) -> tensor<2x6x3xf32>
// CHECK-NEXT: return %[[Y]]
func.func @rank3(%q: tensor<2x6x8xf32>, %k: tensor<2x5x8xf32>, %v: tensor<2x5x3xf32>, %m: tensor<2x6x5xf32>) -> tensor<2x6x3xf32> {
  %half = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.matmul %q, %k {trans_a = false, trans_b = true} : (tensor<2x6x8xf32>, tensor<2x5x8xf32>) -> tensor<2x6x5xf32>
  %1 = graph.mul %0, %half : (tensor<2x6x5xf32>, tensor<f32>) -> tensor<2x6x5xf32>
  %2 = graph.add %1, %m : (tensor<2x6x5xf32>, tensor<2x6x5xf32>) -> tensor<2x6x5xf32>
  %3 = graph.softmax %2 {axis = 2 : i64, log = false} : (tensor<2x6x5xf32>) -> tensor<2x6x5xf32>
  %4 = graph.matmul %3, %v {trans_a = false, trans_b = false} : (tensor<2x6x5xf32>, tensor<2x5x3xf32>) -> tensor<2x6x3xf32>
  return %4 : tensor<2x6x3xf32>
}
// -----
// The weights are an output too: they must be computed.
// CHECK-LABEL: func.func @weights_needed
// CHECK-NOT: graph.attention
// CHECK: graph.softmax
func.func @weights_needed(%q: tensor<2x6x8xf32>, %v: tensor<2x6x3xf32>) -> (tensor<2x6x3xf32>, tensor<2x6x6xf32>) {
  %0 = graph.matmul %q, %q {trans_a = false, trans_b = true} : (tensor<2x6x8xf32>, tensor<2x6x8xf32>) -> tensor<2x6x6xf32>
  %1 = graph.softmax %0 {axis = 2 : i64, log = false} : (tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %2 = graph.matmul %1, %v {trans_a = false, trans_b = false} : (tensor<2x6x6xf32>, tensor<2x6x3xf32>) -> tensor<2x6x3xf32>
  return %2, %1 : tensor<2x6x3xf32>, tensor<2x6x6xf32>
}
// -----
// A softmax over queries, and a shared key batch: other computations.
// CHECK-LABEL: func.func @others
// CHECK-NOT: graph.attention
// CHECK: return
func.func @others(%q: tensor<2x6x8xf32>, %k: tensor<1x6x8xf32>, %v: tensor<2x6x3xf32>) -> (tensor<2x6x3xf32>, tensor<2x6x3xf32>) {
  %0 = graph.matmul %q, %q {trans_a = false, trans_b = true} : (tensor<2x6x8xf32>, tensor<2x6x8xf32>) -> tensor<2x6x6xf32>
  %1 = graph.softmax %0 {axis = 1 : i64, log = false} : (tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %2 = graph.matmul %1, %v {trans_a = false, trans_b = false} : (tensor<2x6x6xf32>, tensor<2x6x3xf32>) -> tensor<2x6x3xf32>
  %3 = graph.matmul %q, %k {trans_a = false, trans_b = true} : (tensor<2x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x6xf32>
  %4 = graph.softmax %3 {axis = 2 : i64, log = false} : (tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %5 = graph.matmul %4, %v {trans_a = false, trans_b = false} : (tensor<2x6x6xf32>, tensor<2x6x3xf32>) -> tensor<2x6x3xf32>
  return %2, %5 : tensor<2x6x3xf32>, tensor<2x6x3xf32>
}
// -----
// Heads of a size that only the launch knows have no attention kernel.
// CHECK-LABEL: func.func @dynamic_head
// CHECK-NOT: graph.attention
// CHECK: graph.softmax
#q = affine_map<()[s0] -> (2, 6, s0)>
func.func @dynamic_head(%q: tensor<2x6x?xf32, #q>) -> tensor<2x6x?xf32, #q> {
  %0 = graph.matmul %q, %q {trans_a = false, trans_b = true} : (tensor<2x6x?xf32, #q>, tensor<2x6x?xf32, #q>) -> tensor<2x6x6xf32>
  %1 = graph.softmax %0 {axis = 2 : i64, log = false} : (tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %2 = graph.matmul %1, %q {trans_a = false, trans_b = false} : (tensor<2x6x6xf32>, tensor<2x6x?xf32, #q>) -> tensor<2x6x?xf32, #q>
  return %2 : tensor<2x6x?xf32, #q>
}
