// RUN: adze-tile-run %s --arg=3x1xi32=1,2,3 --arg=1x2xf32=4,5 --arg=3x2xi32=out --arg=3x2xf32=out | FileCheck %s

// Dims of size 1 expand.
// CHECK: arg2: tensor<3x2xi32>
// CHECK-NEXT: {{^ +}}1 1{{$}}
// CHECK-NEXT: {{^ +}}2 2{{$}}
// CHECK-NEXT: {{^ +}}3 3{{$}}
// CHECK: arg3: tensor<3x2xf32>
// CHECK-NEXT: {{^ +}}4 5{{$}}
// CHECK-NEXT: {{^ +}}4 5{{$}}
// CHECK-NEXT: {{^ +}}4 5{{$}}

tile.kernel @broadcast attributes {key = "broadcast", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<f32, in>, !tile.ref<i32, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_y: !tile.ref<f32, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<3x1xi32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<3x1xi32, in> -> tensor<3x1xi32>
  %v_y = tile.view %r_y[] : !tile.ref<f32, in> -> !tile.view<1x2xf32, in>
  %y = tile.load %v_y[%c0, %c0] : !tile.view<1x2xf32, in> -> tensor<1x2xf32>
  %a = tile.broadcast %x : tensor<3x1xi32> -> tensor<3x2xi32>
  %b = tile.broadcast %y : tensor<1x2xf32> -> tensor<3x2xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<3x2xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<3x2xi32>, !tile.view<3x2xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<3x2xf32, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<3x2xf32>, !tile.view<3x2xf32, out>
  tile.yield
}
