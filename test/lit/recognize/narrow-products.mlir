// Products of dequantised 8-bit integers are integer products where a target asks for it, and only then.
// RUN: adze-opt %s --graph-recognize=narrow-products=1 --cse --split-input-file | FileCheck %s
// RUN: adze-opt %s --graph-recognize --cse --split-input-file | FileCheck %s --check-prefix=WIDE

// Unsigned rows with a zero point, signed columns with a scale each.
// CHECK-LABEL: func.func @columns
// CHECK: %[[Y:.*]] = graph.matmul %arg0, %arg1 {{.*}} : (tensor<5x64xui8>, tensor<64x7xi8>) -> tensor<5x7xi32>
// CHECK: graph.reduce {{.*}} {axes = array<i64: 0>, kind = #graph<reduce_kind sum>} : (tensor<64x7xi32>) -> tensor<1x7xi32>
// CHECK: graph.sub %[[Y]], {{.*}} -> tensor<5x7xi32>
// CHECK: graph.mul {{.*}} : (tensor<5x7xf32>, tensor<7xf32>) -> tensor<5x7xf32>
// WIDE-LABEL: func.func @columns
// WIDE: graph.matmul {{.*}} -> tensor<5x7xf32>
func.func @columns(%a: tensor<5x64xui8>, %b: tensor<64x7xi8>, %za: tensor<i32>, %sa: tensor<f32>, %sb: tensor<7xf32>) -> tensor<5x7xf32> {
  %0 = graph.cast %a {round = #graph<cast_round rtz>, saturate = false} : (tensor<5x64xui8>) -> tensor<5x64xi32>
  %1 = graph.sub %0, %za : (tensor<5x64xi32>, tensor<i32>) -> tensor<5x64xi32>
  %2 = graph.cast %1 {round = #graph<cast_round rtz>, saturate = false} : (tensor<5x64xi32>) -> tensor<5x64xf32>
  %3 = graph.mul %2, %sa : (tensor<5x64xf32>, tensor<f32>) -> tensor<5x64xf32>
  %4 = graph.cast %b {round = #graph<cast_round rtz>, saturate = false} : (tensor<64x7xi8>) -> tensor<64x7xf32>
  %5 = graph.mul %4, %sb : (tensor<64x7xf32>, tensor<7xf32>) -> tensor<64x7xf32>
  %6 = graph.matmul %3, %5 {trans_a = false, trans_b = false} : (tensor<5x64xf32>, tensor<64x7xf32>) -> tensor<5x7xf32>
  return %6 : tensor<5x7xf32>
}
// -----
// A scale that varies along k cannot be taken out of the sum.
// CHECK-LABEL: func.func @scale_along_k
// CHECK: graph.matmul {{.*}} -> tensor<5x7xf32>
// WIDE-LABEL: func.func @scale_along_k
func.func @scale_along_k(%a: tensor<5x64xi8>, %b: tensor<64x7xi8>, %sa: tensor<64xf32>, %sb: tensor<f32>) -> tensor<5x7xf32> {
  %0 = graph.cast %a {round = #graph<cast_round rtz>, saturate = false} : (tensor<5x64xi8>) -> tensor<5x64xf32>
  %1 = graph.mul %0, %sa : (tensor<5x64xf32>, tensor<64xf32>) -> tensor<5x64xf32>
  %2 = graph.cast %b {round = #graph<cast_round rtz>, saturate = false} : (tensor<64x7xi8>) -> tensor<64x7xf32>
  %3 = graph.mul %2, %sb : (tensor<64x7xf32>, tensor<f32>) -> tensor<64x7xf32>
  %4 = graph.matmul %1, %3 {trans_a = false, trans_b = false} : (tensor<5x64xf32>, tensor<64x7xf32>) -> tensor<5x7xf32>
  return %4 : tensor<5x7xf32>
}
// -----
// Longer sums than 31 bits hold.
// CHECK-LABEL: func.func @long
// CHECK: graph.matmul {{.*}} -> tensor<5x7xf32>
// WIDE-LABEL: func.func @long
func.func @long(%a: tensor<5x32769xi8>, %b: tensor<32769x7xi8>, %s: tensor<f32>) -> tensor<5x7xf32> {
  %0 = graph.cast %a {round = #graph<cast_round rtz>, saturate = false} : (tensor<5x32769xi8>) -> tensor<5x32769xf32>
  %1 = graph.mul %0, %s : (tensor<5x32769xf32>, tensor<f32>) -> tensor<5x32769xf32>
  %2 = graph.cast %b {round = #graph<cast_round rtz>, saturate = false} : (tensor<32769x7xi8>) -> tensor<32769x7xf32>
  %3 = graph.mul %2, %s : (tensor<32769x7xf32>, tensor<f32>) -> tensor<32769x7xf32>
  %4 = graph.matmul %1, %3 {trans_a = false, trans_b = false} : (tensor<5x32769xf32>, tensor<32769x7xf32>) -> tensor<5x7xf32>
  return %4 : tensor<5x7xf32>
}
