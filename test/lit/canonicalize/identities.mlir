// RUN: adze-opt %s --graph-canonicalize | FileCheck %s

// CHECK-LABEL: func.func @no_ops
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>
// CHECK-NEXT: return %[[X]]
func.func @no_ops(%x: tensor<2x3xf32>, %v: tensor<f32>) -> tensor<2x3xf32> {
  %0 = graph.transpose %x {perm = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = graph.reshape %0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = graph.slice %1 {starts = affine_map<() -> (0, 0)>, steps = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = graph.cast %2 {saturate = false, round = #graph<cast_round rtz>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %4 = graph.pad %3, %v {low = affine_map<() -> (0, 0)>, mode = #graph<pad_mode constant>} : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %5 = graph.concat %4 {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %6 = graph.broadcast %5 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %6 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @neutral
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @neutral(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = graph.constant {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %negative = graph.constant {value = dense<-0.0> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %low = graph.constant {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.sub %x, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = graph.mul %one, %0 : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.div %1, %one : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %3 = graph.max %low, %2 : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = graph.add %3, %negative : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}

// -0 + 0 is +0, 1/x is no identity, and a neutral value that widens the shape stays.
// CHECK-LABEL: func.func @not_neutral
// CHECK: graph.add
// CHECK: graph.div
// CHECK: graph.mul
func.func @not_neutral(%x: tensor<4xf32>) -> tensor<3x4xf32> {
  %zero = graph.constant {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %ones = graph.constant {value = dense<1.0> : tensor<3x1xf32>} : () -> tensor<3x1xf32>
  %0 = graph.add %x, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = graph.div %one, %0 : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.mul %1, %ones : (tensor<4xf32>, tensor<3x1xf32>) -> tensor<3x4xf32>
  return %2 : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @casts
// CHECK-SAME: (%[[X:.*]]: tensor<4xi32>
// CHECK-NEXT: %[[F:.*]] = graph.cast %[[X]] {{.*}} -> tensor<4xf16>
// CHECK-NEXT: %[[Y:.*]] = graph.cast %[[F]]
// CHECK-NEXT: return %[[X]], %[[Y]]
func.func @casts(%x: tensor<4xi32>) -> (tensor<4xi32>, tensor<4xi32>) {
  %0 = graph.cast %x {saturate = false, round = #graph<cast_round rtz>} : (tensor<4xi32>) -> tensor<4xi64>
  %1 = graph.cast %0 {saturate = false, round = #graph<cast_round rtz>} : (tensor<4xi64>) -> tensor<4xi32>
  %2 = graph.cast %x {saturate = false, round = #graph<cast_round rtz>} : (tensor<4xi32>) -> tensor<4xf16>
  %3 = graph.cast %2 {saturate = false, round = #graph<cast_round rtz>} : (tensor<4xf16>) -> tensor<4xi32>
  return %1, %3 : tensor<4xi32>, tensor<4xi32>
}
