// RUN: adze-opt %s --graph-fuse --channels-last --split-input-file | FileCheck %s

// Two convolutions: the value between them moves, the input and the output stay.
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = graph.region "conv"(%arg0, %arg1) {{.*}}: (tensor<1x8x9x9xf16>, tensor<16x8x3x3xf16>) -> tensor<1x9x9x16xf16>
// CHECK: %[[Y:.*]] = graph.max
// CHECK: %[[T:.*]] = graph.transpose %[[Y]] {perm = array<i64: 0, 2, 3, 1>}
// CHECK: graph.yield %[[T]] : tensor<1x9x9x16xf16>
// CHECK: graph.region "conv"(%[[A]], %arg2) : (tensor<1x9x9x16xf16>, tensor<4x16x1x1xf16>) -> tensor<1x4x9x9xf16>
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<1x9x9x16xf16>, %{{.*}}):
// CHECK-NEXT: %[[V:.*]] = graph.transpose %[[X]] {perm = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: graph.conv %[[V]]
// CHECK-NEXT: graph.yield %{{.*}} : tensor<1x4x9x9xf16>
func.func @main(%x: tensor<1x8x9x9xf16>, %w: tensor<16x8x3x3xf16>, %v: tensor<4x16x1x1xf16>) -> tensor<1x4x9x9xf16> {
  %c = graph.constant {value = dense<0.0> : tensor<f16>} : () -> tensor<f16>
  %0 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x8x9x9xf16>, tensor<16x8x3x3xf16>) -> tensor<1x16x9x9xf16>
  %1 = graph.max %0, %c : (tensor<1x16x9x9xf16>, tensor<f16>) -> tensor<1x16x9x9xf16>
  %2 = graph.conv %1, %v {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x16x9x9xf16>, tensor<4x16x1x1xf16>) -> tensor<1x4x9x9xf16>
  return %2 : tensor<1x4x9x9xf16>
}
// -----
// What a concatenation reads moves with its result, and its axis with them; a pooling and the residual follow.
// CHECK-LABEL: func.func @main
// CHECK: graph.region "conv"({{.*}}) -> tensor<1x9x9x16xf16>
// CHECK: graph.region "pool"({{.*}}) {{.*}}: (tensor<1x9x9x16xf16>) -> tensor<1x9x9x16xf16>
// CHECK: graph.region "move"({{.*}}) {{.*}}: (tensor<1x9x9x16xf16>, tensor<1x9x9x16xf16>) -> tensor<1x9x9x32xf16>
// CHECK: graph.concat %{{.*}}, %{{.*}} {axis = 3 : i64}
// CHECK-NEXT: graph.yield
// CHECK: graph.region "conv"(%{{.*}}, %{{.*}}, %{{.*}}) {{.*}}: (tensor<1x9x9x32xf16>, tensor<16x32x1x1xf16>, tensor<1x9x9x16xf16>) -> tensor<1x16x9x9xf16>
func.func @main(%x: tensor<1x3x9x9xf16>, %w: tensor<16x3x3x3xf16>, %v: tensor<16x32x1x1xf16>) -> tensor<1x16x9x9xf16> {
  %0 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x3x9x9xf16>, tensor<16x3x3x3xf16>) -> tensor<1x16x9x9xf16>
  %1 = graph.pool %0 {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, count_pads = array<i64: 1, 1, 1, 1>, kind = #graph<pool_kind maxpool>} : (tensor<1x16x9x9xf16>) -> tensor<1x16x9x9xf16>
  %2 = graph.concat %0, %1 {axis = 1 : i64} : (tensor<1x16x9x9xf16>, tensor<1x16x9x9xf16>) -> tensor<1x32x9x9xf16>
  %3 = graph.conv %2, %v {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x32x9x9xf16>, tensor<16x32x1x1xf16>) -> tensor<1x16x9x9xf16>
  %4 = graph.add %3, %0 : (tensor<1x16x9x9xf16>, tensor<1x16x9x9xf16>) -> tensor<1x16x9x9xf16>
  return %4 : tensor<1x16x9x9xf16>
}
// -----
// A concatenation with an input of the model keeps everything that it touches.
// CHECK-LABEL: func.func @main
// CHECK-NOT: tensor<1x9x9x
func.func @main(%x: tensor<1x16x9x9xf16>, %w: tensor<16x16x3x3xf16>, %v: tensor<16x32x1x1xf16>) -> tensor<1x16x9x9xf16> {
  %0 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x16x9x9xf16>, tensor<16x16x3x3xf16>) -> tensor<1x16x9x9xf16>
  %2 = graph.concat %0, %x {axis = 1 : i64} : (tensor<1x16x9x9xf16>, tensor<1x16x9x9xf16>) -> tensor<1x32x9x9xf16>
  %3 = graph.conv %2, %v {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x32x9x9xf16>, tensor<16x32x1x1xf16>) -> tensor<1x16x9x9xf16>
  return %3 : tensor<1x16x9x9xf16>
}
// -----
// Nothing to gain: float32, five channels, a value that a reshape reads too.
// CHECK-LABEL: func.func @main
// CHECK-NOT: graph.transpose
// CHECK: return
func.func @main(%x: tensor<1x8x9x9xf32>, %w: tensor<16x8x1x1xf32>, %v: tensor<4x16x1x1xf32>, %a: tensor<1x8x9x9xf16>, %b: tensor<5x8x1x1xf16>, %c: tensor<16x5x1x1xf16>, %d: tensor<4x16x1x1xf16>) -> (tensor<1x4x9x9xf32>, tensor<1x4x9x9xf16>, tensor<1x1296xf16>) {
  %0 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x8x9x9xf32>, tensor<16x8x1x1xf32>) -> tensor<1x16x9x9xf32>
  %1 = graph.conv %0, %v {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x16x9x9xf32>, tensor<4x16x1x1xf32>) -> tensor<1x4x9x9xf32>
  %2 = graph.conv %a, %b {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x8x9x9xf16>, tensor<5x8x1x1xf16>) -> tensor<1x5x9x9xf16>
  %3 = graph.conv %2, %c {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x5x9x9xf16>, tensor<16x5x1x1xf16>) -> tensor<1x16x9x9xf16>
  %4 = graph.conv %3, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64} : (tensor<1x16x9x9xf16>, tensor<4x16x1x1xf16>) -> tensor<1x4x9x9xf16>
  %5 = graph.reshape %3 : (tensor<1x16x9x9xf16>) -> tensor<1x1296xf16>
  return %1, %4, %5 : tensor<1x4x9x9xf32>, tensor<1x4x9x9xf16>, tensor<1x1296xf16>
}
