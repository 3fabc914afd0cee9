// Attention that was widened from float16 goes back to narrow products where a target asks for it, and only then.
// RUN: adze-opt %s --graph-recognize=narrow-products=1 --cse --split-input-file | FileCheck %s
// RUN: adze-opt %s --graph-recognize --cse --split-input-file | FileCheck %s --check-prefix=WIDE

// CHECK-LABEL: func.func @widened
// CHECK-NOT: graph.cast
// CHECK: graph.attention {{.*}} : (tensor<1x2x4x8xf16>, tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<4x6xf16>) -> tensor<1x2x4x8xf16>
// WIDE-LABEL: func.func @widened
// WIDE: graph.attention {{.*}} -> tensor<1x2x4x8xf32>
func.func @widened(%q: tensor<1x2x4x8xf16>, %k: tensor<1x2x6x8xf16>, %v: tensor<1x2x6x8xf16>, %m: tensor<4x6xf16>) -> tensor<1x2x4x8xf16> {
  %0 = graph.cast %q {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x4x8xf16>) -> tensor<1x2x4x8xf32>
  %1 = graph.cast %k {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf32>
  %2 = graph.cast %v {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf32>
  %3 = graph.cast %m {round = #graph<cast_round rtz>, saturate = false} : (tensor<4x6xf16>) -> tensor<4x6xf32>
  %4 = graph.attention %0, %1, %2, %3 {causal = false, scale = 1.250000e-01 : f32} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<4x6xf32>) -> tensor<1x2x4x8xf32>
  %5 = graph.cast %4 {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf16>
  return %5 : tensor<1x2x4x8xf16>
}
// -----
// The wide result has another reader.
// CHECK-LABEL: func.func @read_wide
// CHECK: graph.attention {{.*}} -> tensor<1x2x4x8xf32>
func.func @read_wide(%q: tensor<1x2x4x8xf16>, %k: tensor<1x2x6x8xf16>, %v: tensor<1x2x6x8xf16>) -> (tensor<1x2x4x8xf16>, tensor<1x2x4x8xf32>) {
  %0 = graph.cast %q {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x4x8xf16>) -> tensor<1x2x4x8xf32>
  %1 = graph.cast %k {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf32>
  %2 = graph.cast %v {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf32>
  %4 = graph.attention %0, %1, %2 {causal = false, scale = 1.250000e-01 : f32} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  %5 = graph.cast %4 {round = #graph<cast_round rtz>, saturate = false} : (tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf16>
  return %5, %4 : tensor<1x2x4x8xf16>, tensor<1x2x4x8xf32>
}
