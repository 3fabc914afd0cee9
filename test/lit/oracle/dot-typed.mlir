// RUN: adze-tile-run %s --typed --arg=1x3xf32=16777216,1,1 --arg=3x1xf32=fill:1 --arg=1x4xf32=16777216,0,1,1 --arg=4x1xf32=fill:1 --arg=1x1xf32=out --arg=1x1xf32=out | FileCheck %s

// Typed mode rounds every step: 2^24 + 1 + 1 stays, unless the ones are a promoted chunk of their own.
// CHECK: arg4: tensor<1x1xf32>
// CHECK-NEXT: {{^ +}}16777216{{$}}
// CHECK: arg5: tensor<1x1xf32>
// CHECK-NEXT: {{^ +}}16777218{{$}}

tile.kernel @dot_typed attributes {key = "dot_typed", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_a: !tile.ref<f32, in>, %r_b: !tile.ref<f32, in>, %r_c: !tile.ref<f32, in>, %r_d: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_a = tile.view %r_a[] : !tile.ref<f32, in> -> !tile.view<1x3xf32, in>
  %a = tile.load %v_a[%c0, %c0] : !tile.view<1x3xf32, in> -> tensor<1x3xf32>
  %v_b = tile.view %r_b[] : !tile.ref<f32, in> -> !tile.view<3x1xf32, in>
  %b = tile.load %v_b[%c0, %c0] : !tile.view<3x1xf32, in> -> tensor<3x1xf32>
  %v_c = tile.view %r_c[] : !tile.ref<f32, in> -> !tile.view<1x4xf32, in>
  %c = tile.load %v_c[%c0, %c0] : !tile.view<1x4xf32, in> -> tensor<1x4xf32>
  %v_d = tile.view %r_d[] : !tile.ref<f32, in> -> !tile.view<4x1xf32, in>
  %d = tile.load %v_d[%c0, %c0] : !tile.view<4x1xf32, in> -> tensor<4x1xf32>
  %z = arith.constant dense<0.0> : tensor<1x1xf32>
  %x = tile.dot %a, %b, %z : tensor<1x3xf32>, tensor<3x1xf32> -> tensor<1x1xf32>
  %y = tile.dot %c, %d, %z {promote = 2 : i64} : tensor<1x4xf32>, tensor<4x1xf32> -> tensor<1x1xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<1x1xf32, out>
  tile.store %x, %v_out0[%c0, %c0] : tensor<1x1xf32>, !tile.view<1x1xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<1x1xf32, out>
  tile.store %y, %v_out1[%c0, %c0] : tensor<1x1xf32>, !tile.view<1x1xf32, out>
  tile.yield
}
