// RUN: adze-opt %s --build-kernels --tile-verify --canonicalize --cse | FileCheck %s
// RUN: adze-opt %s --build-kernels="plan='form=row BP=8 swap=0'" --tile-verify --canonicalize --cse | FileCheck %s --check-prefix=ROW

// Few channels: all taps go into one dot. In row form the rows of the image are a grid dim.
func.func @main(%x: tensor<2x3x9x9xf32>, %w: tensor<8x3x3x3xf32>) -> tensor<2x8x9x9xf32> {
  %y = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<2x3x9x9xf32>, tensor<8x3x3x3xf32>) -> tensor<2x8x9x9xf32>
  return %y : tensor<2x8x9x9xf32>
}
// CHECK-LABEL: tile.kernel @conv_linear_0
// CHECK: tile.window %{{.*}}[%{{.*}}, %{{.*}}] {dilation = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>} : <2x9x9x3xf32, in> -> <162x3x3x3xf32, in, #tile.windowed<2>>
// CHECK: tile.load %{{.*}} {tag = "x"} : {{.*}} -> tensor<64x3x3x3xf32>
// CHECK: tile.dot {{.*}}trans_b} : tensor<8x27xf32>, tensor<64x27xf32> -> tensor<8x64xf32>
// CHECK: tile.store %{{.*}} : tensor<8x64xf32>, <2x8x81xf32, out>
// ROW: #[[GRID:.*]] = affine_map<() -> (18, 8, 9)>
// ROW-LABEL: tile.kernel @conv_row_0
// ROW-SAME: grid_extents = #[[GRID]]
// ROW: tile.dot {{.*}}trans_b} : tensor<8x27xf32>, tensor<8x27xf32> -> tensor<8x8xf32>
