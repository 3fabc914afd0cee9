// RUN: adze-opt %s --graph-fuse="max-operands=3" | FileCheck %s --check-prefix=OPERANDS
// RUN: adze-opt %s --graph-fuse="max-ops=2" | FileCheck %s --check-prefix=OPS

// OPERANDS: graph.region "pointwise"(%{{.*}}, %{{.*}}) attributes {reason = "the region would have more than 3 operands"}
// OPERANDS: graph.region "pointwise"
// OPS: graph.region "pointwise"({{.*}}) attributes {reason = "the region would have more than 2 ops"}
// OPS: graph.region "pointwise"
func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>, %c: tensor<4xf32>) -> tensor<4xf32> {
  %0 = graph.add %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = graph.neg %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.mul %1, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}
