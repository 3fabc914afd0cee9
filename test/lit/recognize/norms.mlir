// RUN: adze-opt %s --cse --graph-recognize --cse --split-input-file | FileCheck %s

// PyTorch's spelling: mean, difference, pow, mean, root, division, scale, bias.
// CHECK-LABEL: func.func @layer_norm
// CHECK-SAME: (%[[X:.*]]: tensor<2x5x8xf32>, %[[S:.*]]: tensor<8xf32>, %[[B:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.layer_norm %[[X]] scale %[[S]] bias %[[B]] {axis = 2 : i64, eps = {{.*}}, rms = false}
// CHECK-NEXT: return %[[Y]]
func.func @layer_norm(%x: tensor<2x5x8xf32>, %s: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<2x5x8xf32> {
  %two = graph.constant {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %eps = graph.constant {value = dense<1.0e-12> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.reduce %x {axes = array<i64: 2>, kind = #graph<reduce_kind mean>} : (tensor<2x5x8xf32>) -> tensor<2x5x1xf32>
  %1 = graph.sub %x, %0 : (tensor<2x5x8xf32>, tensor<2x5x1xf32>) -> tensor<2x5x8xf32>
  %2 = graph.pow %1, %two : (tensor<2x5x8xf32>, tensor<f32>) -> tensor<2x5x8xf32>
  %3 = graph.reduce %2 {axes = array<i64: 2>, kind = #graph<reduce_kind mean>} : (tensor<2x5x8xf32>) -> tensor<2x5x1xf32>
  %4 = graph.add %3, %eps : (tensor<2x5x1xf32>, tensor<f32>) -> tensor<2x5x1xf32>
  %5 = graph.sqrt %4 : (tensor<2x5x1xf32>) -> tensor<2x5x1xf32>
  %6 = graph.div %1, %5 : (tensor<2x5x8xf32>, tensor<2x5x1xf32>) -> tensor<2x5x8xf32>
  %7 = graph.mul %6, %s : (tensor<2x5x8xf32>, tensor<8xf32>) -> tensor<2x5x8xf32>
  %8 = graph.add %7, %b : (tensor<2x5x8xf32>, tensor<8xf32>) -> tensor<2x5x8xf32>
  return %8 : tensor<2x5x8xf32>
}
// -----
// tf2onnx's spelling: sums without kept dims, the variance from moments and clamped, the scale on the inverse root.
// CHECK-LABEL: func.func @moments
// CHECK-SAME: (%[[X:.*]]: tensor<?x5x8xf32, #{{.*}}>, %[[S:.*]]: tensor<1x1x8xf32>, %[[B:.*]]: tensor<1x1x8xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.layer_norm %[[X]] scale %[[S]] bias %[[B]] {axis = 2 : i64, eps = {{.*}}, rms = false}
// CHECK-NEXT: return %[[Y]]
#x = affine_map<()[s0] -> (s0, 5, 8)>
#r = affine_map<()[s0] -> (s0, 5)>
#k = affine_map<()[s0] -> (s0, 5, 1)>
func.func @moments(%x: tensor<?x5x8xf32, #x>, %s: tensor<1x1x8xf32>, %b: tensor<1x1x8xf32>) -> tensor<?x5x8xf32, #x> {
  %n = graph.constant {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
  %zero = graph.constant {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %eps = graph.constant {value = dense<1.0e-6> : tensor<1x1x1xf32>} : () -> tensor<1x1x1xf32>
  %0 = graph.reduce %x {axes = array<i64: 2>, kind = #graph<reduce_kind sum>} : (tensor<?x5x8xf32, #x>) -> tensor<?x5x1xf32, #k>
  %1 = graph.reshape %0 : (tensor<?x5x1xf32, #k>) -> tensor<?x5xf32, #r>
  %2 = graph.mul %x, %x : (tensor<?x5x8xf32, #x>, tensor<?x5x8xf32, #x>) -> tensor<?x5x8xf32, #x>
  %3 = graph.reduce %2 {axes = array<i64: 2>, kind = #graph<reduce_kind sum>} : (tensor<?x5x8xf32, #x>) -> tensor<?x5x1xf32, #k>
  %4 = graph.reshape %3 : (tensor<?x5x1xf32, #k>) -> tensor<?x5xf32, #r>
  %5 = graph.mul %4, %n : (tensor<?x5xf32, #r>, tensor<f32>) -> tensor<?x5xf32, #r>
  %6 = graph.mul %1, %n : (tensor<?x5xf32, #r>, tensor<f32>) -> tensor<?x5xf32, #r>
  %7 = graph.mul %6, %6 : (tensor<?x5xf32, #r>, tensor<?x5xf32, #r>) -> tensor<?x5xf32, #r>
  %8 = graph.sub %5, %7 : (tensor<?x5xf32, #r>, tensor<?x5xf32, #r>) -> tensor<?x5xf32, #r>
  %9 = graph.max %zero, %8 : (tensor<f32>, tensor<?x5xf32, #r>) -> tensor<?x5xf32, #r>
  %10 = graph.reshape %9 : (tensor<?x5xf32, #r>) -> tensor<?x5x1xf32, #k>
  %11 = graph.broadcast %10 : (tensor<?x5x1xf32, #k>) -> tensor<?x5x1xf32, #k>
  %12 = graph.add %11, %eps : (tensor<?x5x1xf32, #k>, tensor<1x1x1xf32>) -> tensor<?x5x1xf32, #k>
  %13 = graph.sqrt %12 : (tensor<?x5x1xf32, #k>) -> tensor<?x5x1xf32, #k>
  %14 = graph.reciprocal %13 : (tensor<?x5x1xf32, #k>) -> tensor<?x5x1xf32, #k>
  %15 = graph.mul %14, %s : (tensor<?x5x1xf32, #k>, tensor<1x1x8xf32>) -> tensor<?x5x8xf32, #x>
  %16 = graph.reshape %6 : (tensor<?x5xf32, #r>) -> tensor<?x5x1xf32, #k>
  %17 = graph.sub %x, %16 : (tensor<?x5x8xf32, #x>, tensor<?x5x1xf32, #k>) -> tensor<?x5x8xf32, #x>
  %18 = graph.mul %17, %15 : (tensor<?x5x8xf32, #x>, tensor<?x5x8xf32, #x>) -> tensor<?x5x8xf32, #x>
  %19 = graph.add %18, %b : (tensor<?x5x8xf32, #x>, tensor<1x1x8xf32>) -> tensor<?x5x8xf32, #x>
  return %19 : tensor<?x5x8xf32, #x>
}
// -----
// CHECK-LABEL: func.func @rms
// CHECK-SAME: (%[[X:.*]]: tensor<5x8xf32>, %[[S:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.layer_norm %[[X]] scale %[[S]] {axis = 1 : i64, eps = {{.*}}, rms = true}
// CHECK-NEXT: return %[[Y]]
func.func @rms(%x: tensor<5x8xf32>, %s: tensor<8xf32>) -> tensor<5x8xf32> {
  %eps = graph.constant {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.mul %x, %x : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %1 = graph.reduce %0 {axes = array<i64: 1>, kind = #graph<reduce_kind mean>} : (tensor<5x8xf32>) -> tensor<5x1xf32>
  %2 = graph.add %1, %eps : (tensor<5x1xf32>, tensor<f32>) -> tensor<5x1xf32>
  %3 = graph.sqrt %2 : (tensor<5x1xf32>) -> tensor<5x1xf32>
  %4 = graph.div %one, %3 : (tensor<f32>, tensor<5x1xf32>) -> tensor<5x1xf32>
  %5 = graph.mul %x, %4 : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  %6 = graph.mul %s, %5 : (tensor<8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  return %6 : tensor<5x8xf32>
}
// -----
// The mean of another axis than the variance's; a scale for every row: no norm takes those.
// CHECK-LABEL: func.func @not_norm
// CHECK-NOT: graph.layer_norm
// CHECK: graph.div
// CHECK: graph.layer_norm %{{[a-z0-9]+}} {
// CHECK-NEXT: graph.mul
func.func @not_norm(%x: tensor<5x8xf32>, %rows: tensor<5x1xf32>) -> (tensor<5x8xf32>, tensor<5x8xf32>) {
  %eps = graph.constant {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.reduce %x {axes = array<i64: 0>, kind = #graph<reduce_kind mean>} : (tensor<5x8xf32>) -> tensor<1x8xf32>
  %1 = graph.sub %x, %0 : (tensor<5x8xf32>, tensor<1x8xf32>) -> tensor<5x8xf32>
  %2 = graph.mul %1, %1 : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %3 = graph.reduce %2 {axes = array<i64: 0>, kind = #graph<reduce_kind mean>} : (tensor<5x8xf32>) -> tensor<1x8xf32>
  %4 = graph.add %3, %eps : (tensor<1x8xf32>, tensor<f32>) -> tensor<1x8xf32>
  %5 = graph.sqrt %4 : (tensor<1x8xf32>) -> tensor<1x8xf32>
  %6 = graph.div %1, %5 : (tensor<5x8xf32>, tensor<1x8xf32>) -> tensor<5x8xf32>
  %7 = graph.layer_norm %x {axis = 1 : i64, eps = 1.0e-5 : f32, rms = false} : (tensor<5x8xf32>) -> tensor<5x8xf32>
  %8 = graph.mul %7, %rows : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  return %6, %8 : tensor<5x8xf32>, tensor<5x8xf32>
}
// -----
// CHECK-LABEL: func.func @softmax
// CHECK-SAME: (%[[X:.*]]: tensor<5x8xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.softmax %[[X]] {axis = 1 : i64, log = false}
// CHECK-NEXT: return %[[Y]]
func.func @softmax(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %low = graph.constant {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.reduce %x {axes = array<i64: 1>, kind = #graph<reduce_kind max>} : (tensor<5x8xf32>) -> tensor<5x1xf32>
  %1 = graph.reshape %0 : (tensor<5x1xf32>) -> tensor<5xf32>
  %2 = graph.max %low, %1 : (tensor<f32>, tensor<5xf32>) -> tensor<5xf32>
  %3 = graph.reshape %2 : (tensor<5xf32>) -> tensor<5x1xf32>
  %4 = graph.sub %x, %3 : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  %5 = graph.exp %4 : (tensor<5x8xf32>) -> tensor<5x8xf32>
  %6 = graph.reduce %5 {axes = array<i64: 1>, kind = #graph<reduce_kind sum>} : (tensor<5x8xf32>) -> tensor<5x1xf32>
  %7 = graph.div %5, %6 : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  return %7 : tensor<5x8xf32>
}
// -----
// CHECK-LABEL: func.func @log_softmax
// CHECK-NEXT: graph.softmax %{{.*}} {axis = 0 : i64, log = true}
// CHECK-NEXT: return
func.func @log_softmax(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %0 = graph.reduce %x {axes = array<i64: 0>, kind = #graph<reduce_kind max>} : (tensor<5x8xf32>) -> tensor<1x8xf32>
  %1 = graph.sub %x, %0 : (tensor<5x8xf32>, tensor<1x8xf32>) -> tensor<5x8xf32>
  %2 = graph.exp %1 : (tensor<5x8xf32>) -> tensor<5x8xf32>
  %3 = graph.reduce %2 {axes = array<i64: 0>, kind = #graph<reduce_kind sum>} : (tensor<5x8xf32>) -> tensor<1x8xf32>
  %4 = graph.log %3 : (tensor<1x8xf32>) -> tensor<1x8xf32>
  %5 = graph.sub %1, %4 : (tensor<5x8xf32>, tensor<1x8xf32>) -> tensor<5x8xf32>
  return %5 : tensor<5x8xf32>
}
// -----
// The sum along another axis.
// CHECK-LABEL: func.func @not_softmax
// CHECK-NOT: graph.softmax
// CHECK: graph.div
func.func @not_softmax(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = graph.reduce %x {axes = array<i64: 1>, kind = #graph<reduce_kind max>} : (tensor<8x8xf32>) -> tensor<8x1xf32>
  %1 = graph.sub %x, %0 : (tensor<8x8xf32>, tensor<8x1xf32>) -> tensor<8x8xf32>
  %2 = graph.exp %1 : (tensor<8x8xf32>) -> tensor<8x8xf32>
  %3 = graph.reduce %2 {axes = array<i64: 0>, kind = #graph<reduce_kind sum>} : (tensor<8x8xf32>) -> tensor<1x8xf32>
  %4 = graph.div %2, %3 : (tensor<8x8xf32>, tensor<1x8xf32>) -> tensor<8x8xf32>
  return %4 : tensor<8x8xf32>
}
// -----
// The unbiased variance divides by n - 1, here nearly n: another function.
// CHECK-LABEL: func.func @unbiased
// CHECK-NOT: graph.layer_norm
// CHECK: return
func.func @unbiased(%x: tensor<2x20000xf32>) -> tensor<2x20000xf32> {
  %n1 = graph.constant {value = dense<5.000250e-05> : tensor<f32>} : () -> tensor<f32>
  %eps = graph.constant {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.reduce %x {axes = array<i64: 1>, kind = #graph<reduce_kind mean>} : (tensor<2x20000xf32>) -> tensor<2x1xf32>
  %1 = graph.sub %x, %0 : (tensor<2x20000xf32>, tensor<2x1xf32>) -> tensor<2x20000xf32>
  %2 = graph.mul %1, %1 : (tensor<2x20000xf32>, tensor<2x20000xf32>) -> tensor<2x20000xf32>
  %3 = graph.reduce %2 {axes = array<i64: 1>, kind = #graph<reduce_kind sum>} : (tensor<2x20000xf32>) -> tensor<2x1xf32>
  %4 = graph.mul %3, %n1 : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %5 = graph.add %4, %eps : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %6 = graph.sqrt %5 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %7 = graph.div %1, %6 : (tensor<2x20000xf32>, tensor<2x1xf32>) -> tensor<2x20000xf32>
  return %7 : tensor<2x20000xf32>
}
