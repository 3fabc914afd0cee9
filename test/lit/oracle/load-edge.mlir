// RUN: adze-tile-run %s --arg=2x3xf32=iota:1 --arg=4x5xf32=out | FileCheck %s

// Elements outside the extents read the pad, on every side.
// CHECK: arg1: tensor<4x5xf32>
// CHECK-NEXT: {{^ +}}9 9 9 9 9{{$}}
// CHECK-NEXT: {{^ +}}9 1 2 3 9{{$}}
// CHECK-NEXT: {{^ +}}9 4 5 6 9{{$}}
// CHECK-NEXT: {{^ +}}9 9 9 9 9{{$}}

tile.kernel @load_edge attributes {key = "load_edge", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<2x3xf32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<2x3xf32, in> -> tensor<2x3xf32>
  %m1 = arith.constant -1 : index
  %a = tile.load %v_x[%m1, %m1] {pad = 9.0 : f32} : !tile.view<2x3xf32, in> -> tensor<4x5xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<4x5xf32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<4x5xf32>, !tile.view<4x5xf32, out>
  tile.yield
}
