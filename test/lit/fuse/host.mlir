// RUN: adze-opt %s --graph-fuse | FileCheck %s

// s0 is known after the host op only: the check and the broadcast, which do not read its result, stay behind it.
// CHECK-LABEL: func.func @main
// CHECK: graph.host
// CHECK: graph.check
// CHECK: graph.region "pointwise"
// CHECK: graph.broadcast
#n = affine_map<()[s0] -> (s0)>
#i = affine_map<()[s0] -> (1, s0)>
module attributes {graph.symbols = [{name = "count", kind = "data", min = 0 : i64, max = 8 : i64}]} {
  func.func @main(%x: tensor<8xf32>, %v: tensor<f32>) -> (tensor<1x?xi64, #i>, tensor<?xf32, #n>) {
    %0 = graph.host %x {op = "nonzero", attrs = array<i64>, fattrs = array<f64>, defines = array<i64: 0>} : (tensor<8xf32>) -> tensor<1x?xi64, #i>
    graph.check affine_map<()[s0] -> (s0 mod 2, 0)>, "even"
    %2 = graph.broadcast %v : (tensor<f32>) -> tensor<?xf32, #n>
    return %0, %2 : tensor<1x?xi64, #i>, tensor<?xf32, #n>
  }
}
