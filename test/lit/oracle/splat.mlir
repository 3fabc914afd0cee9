// RUN: adze-tile-run %s --arg=1xf32=2.5 --arg=2x3xf32=out | FileCheck %s

// One scalar fills the tile.
// CHECK: arg1: tensor<2x3xf32>
// CHECK-NEXT: {{^ +}}2.5 2.5 2.5{{$}}
// CHECK-NEXT: {{^ +}}2.5 2.5 2.5{{$}}

tile.kernel @splat attributes {key = "splat", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<1xf32, in>
  %x = tile.load %v_x[%c0] : !tile.view<1xf32, in> -> tensor<1xf32>
  %s = tile.load_scalar %v_x[%c0] : !tile.view<1xf32, in> -> f32
  %t = tile.splat %s : f32 -> tensor<2x3xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<2x3xf32, out>
  tile.store %t, %v_out0[%c0, %c0] : tensor<2x3xf32>, !tile.view<2x3xf32, out>
  tile.yield
}
