// RUN: adze-tile-run %s --arg=3x2xf32=iota:1 --arg=3xi64=2,0,2 --arg=3x2xf32=fill:10 --arg=3x2xf32=fill:10 --arg=3x2xf32=fill:10 --check-races | FileCheck %s

// Duplicate rows apply in order; `add` combines; rows outside are dropped.
// CHECK: arg2: tensor<3x2xf32>
// CHECK-NEXT: {{^ +}}3 4
// CHECK-NEXT: {{^ +}}10 10
// CHECK-NEXT: {{^ +}}5 6
// CHECK: arg3: tensor<3x2xf32>
// CHECK-NEXT: {{^ +}}13 14
// CHECK-NEXT: {{^ +}}10 10
// CHECK-NEXT: {{^ +}}16 18
// The offset of the indirect dim is added to the index: -1, 1 and out of range.
// CHECK: arg4: tensor<3x2xf32>
// CHECK-NEXT: {{^ +}}10 10
// CHECK-NEXT: {{^ +}}3 4
// CHECK-NEXT: {{^ +}}10 10

tile.kernel @scatter attributes {key = "scatter", dims = [],
    arg_types = [!tile.ref<f32, in>, !tile.ref<i64, in>, !tile.ref<f32, inout>, !tile.ref<f32, inout>, !tile.ref<f32, inout>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>, numerics = #tile.numerics<acc = f32, order = "exact", flush = false>} body {
^bb0(%x: !tile.ref<f32, in>, %r: !tile.ref<i64, in>, %y: !tile.ref<f32, inout>, %z: !tile.ref<f32, inout>, %w: !tile.ref<f32, inout>, %i: index):
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<3x2xf32, in>
  %vr = tile.view %r[] : !tile.ref<i64, in> -> !tile.view<3xi64, in>
  %vy = tile.view %y[] : !tile.ref<f32, inout> -> !tile.view<3x2xf32, inout>
  %vz = tile.view %z[] : !tile.ref<f32, inout> -> !tile.view<3x2xf32, inout>
  %vw = tile.view %w[] : !tile.ref<f32, inout> -> !tile.view<3x2xf32, inout>
  %t = tile.load %vx[%c0, %c0] : !tile.view<3x2xf32, in> -> tensor<3x2xf32>
  %rows = tile.load %vr[%c0] : !tile.view<3xi64, in> -> tensor<3xi64>
  tile.scatter %t, %vy by %rows[%c0, %c0] set {dim = 0 : i64} : tensor<3x2xf32>, !tile.view<3x2xf32, inout>, tensor<3xi64>
  tile.scatter %t, %vz by %rows[%c0, %c0] add {dim = 0 : i64} : tensor<3x2xf32>, !tile.view<3x2xf32, inout>, tensor<3xi64>
  tile.scatter %t, %vw by %rows[%c1, %c0] unique {dim = 0 : i64} : tensor<3x2xf32>, !tile.view<3x2xf32, inout>, tensor<3xi64>
  tile.yield
}
