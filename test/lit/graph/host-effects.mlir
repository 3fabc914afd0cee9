// RUN: adze-opt %s --cse --graph-canonicalize | FileCheck %s

// A host op that finds a symbol's value stays although nobody reads its result; one without symbols goes.
// CHECK-LABEL: func.func @main
// CHECK: graph.host {{.*}}defines = array<i64: 0>
// CHECK-NOT: graph.host
#i = affine_map<()[s0] -> (1, s0)>
module attributes {graph.symbols = [{name = "count", kind = "data", min = 0 : i64, max = 8 : i64}]} {
  func.func @main(%x: tensor<8xf32>) -> tensor<1xi64> {
    %0 = graph.host %x {op = "nonzero", attrs = array<i64>, fattrs = array<f64>, defines = array<i64: 0>} : (tensor<8xf32>) -> tensor<1x?xi64, #i>
    %1 = graph.host %x {op = "other", attrs = array<i64>, fattrs = array<f64>, defines = array<i64>} : (tensor<8xf32>) -> tensor<8xf32>
    %2 = graph.shape_value {exprs = affine_map<()[s0] -> (s0)>} : () -> tensor<1xi64>
    return %2 : tensor<1xi64>
  }
}
