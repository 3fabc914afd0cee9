// RUN: adze-opt %s --graph-fuse --channels-last --build-kernels="plan='swap=0 BP=32 BC=16'" --tile-verify --canonicalize --cse | FileCheck %s

// What moved is row-major as [N, H, W, C]: the first kernel stores rows of channels, the windows of the others read them. The last
// one stores channels first.
func.func @main(%x: tensor<1x8x9x9xf16>, %w: tensor<16x8x3x3xf16>, %v: tensor<4x16x3x3xf16>) -> tensor<1x4x9x9xf16> {
  %0 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x8x9x9xf16>, tensor<16x8x3x3xf16>) -> tensor<1x16x9x9xf16>
  %1 = graph.pool %0 {kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 1>, count_pads = array<i64: 0, 0, 0, 1>, kind = #graph<pool_kind maxpool>} : (tensor<1x16x9x9xf16>) -> tensor<1x16x9x9xf16>
  %2 = graph.conv %1, %v {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x16x9x9xf16>, tensor<4x16x3x3xf16>) -> tensor<1x4x9x9xf16>
  return %2 : tensor<1x4x9x9xf16>
}
// CHECK-LABEL: tile.kernel @conv_linear_0
// CHECK: tile.view %{{.*}}[] strides[%{{.*}}] : <f16, in> -> <1x9x9x8xf16, in>
// CHECK: tile.store %{{.*}} : tensor<32x16xf16>, <81x16xf16, out>
// CHECK-LABEL: tile.kernel @pool_maxpool_0
// CHECK: tile.view %{{.*}}[] : <f16, in> -> <1x9x9x16xf16, in>
// CHECK: tile.store %{{.*}}, <81x16xf16, out>
// CHECK-LABEL: tile.kernel @conv_linear_1
// CHECK: tile.view %{{.*}}[] : <f16, in> -> <1x9x9x16xf16, in>
// CHECK: tile.load %{{.*}} {tag = "x"} : {{.*}} -> tensor<32x1x1x16xf16>
// CHECK: tile.store %{{.*}} : tensor<4x32xf16>, <4x81xf16, out>
