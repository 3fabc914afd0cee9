// RUN: adze-tile-run %s --arg=2x3x4xf32=iota --arg=4x2x3xf32=out | FileCheck %s

// Dim i of the result is dim perm[i] of the source.
// CHECK: arg1: tensor<4x2x3xf32>
// CHECK-NEXT: {{^ +}}0 4 8{{$}}
// CHECK-NEXT: {{^ +}}12 16 20{{$}}
// CHECK-NEXT: {{^ +}}1 5 9{{$}}
// CHECK-NEXT: {{^ +}}13 17 21{{$}}
// CHECK-NEXT: {{^ +}}2 6 10{{$}}
// CHECK-NEXT: {{^ +}}14 18 22{{$}}
// CHECK-NEXT: {{^ +}}3 7 11{{$}}
// CHECK-NEXT: {{^ +}}15 19 23{{$}}

tile.kernel @transpose attributes {key = "transpose", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<2x3x4xf32, in>
  %x = tile.load %v_x[%c0, %c0, %c0] : !tile.view<2x3x4xf32, in> -> tensor<2x3x4xf32>
  %a = tile.transpose %x {perm = array<i64: 2, 0, 1>} : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<4x2x3xf32, out>
  tile.store %a, %v_out0[%c0, %c0, %c0] : tensor<4x2x3xf32>, !tile.view<4x2x3xf32, out>
  tile.yield
}
