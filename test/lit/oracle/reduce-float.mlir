// RUN: adze-tile-run %s --arg=2x3xf32=1,nan,3,-4,5,-6 --arg=2x3xf32=iota --arg=2x1xf32=out --arg=2x1xf32=out --arg=1x3xf32=out --arg=2x1xf32=out --arg=2x1xf32=out | FileCheck %s

// max propagates NaN, maxnum drops it; sums along either dim.
// CHECK: arg2: tensor<2x1xf32>
// CHECK-NEXT: {{^ +}}nan{{$}}
// CHECK-NEXT: {{^ +}}5{{$}}
// CHECK: arg3: tensor<2x1xf32>
// CHECK-NEXT: {{^ +}}3{{$}}
// CHECK-NEXT: {{^ +}}5{{$}}
// CHECK: arg4: tensor<1x3xf32>
// CHECK-NEXT: {{^ +}}3 5 7{{$}}
// CHECK: arg5: tensor<2x1xf32>
// CHECK-NEXT: {{^ +}}0{{$}}
// CHECK-NEXT: {{^ +}}60{{$}}
// CHECK: arg6: tensor<2x1xf32>
// CHECK-NEXT: {{^ +}}1{{$}}
// CHECK-NEXT: {{^ +}}-6{{$}}

tile.kernel @reduce_float attributes {key = "reduce_float", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_y: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %r_out2: !tile.ref<f32, out>, %r_out3: !tile.ref<f32, out>, %r_out4: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<2x3xf32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<2x3xf32, in> -> tensor<2x3xf32>
  %v_y = tile.view %r_y[] : !tile.ref<f32, in> -> !tile.view<2x3xf32, in>
  %y = tile.load %v_y[%c0, %c0] : !tile.view<2x3xf32, in> -> tensor<2x3xf32>
  %a = tile.reduce max %x {dim = 1 : i64} : tensor<2x3xf32> -> tensor<2x1xf32>
  %b = tile.reduce maxnum %x {dim = 1 : i64} : tensor<2x3xf32> -> tensor<2x1xf32>
  %c = tile.reduce add %y {dim = 0 : i64} : tensor<2x3xf32> -> tensor<1x3xf32>
  %d = tile.reduce mul %y {dim = 1 : i64} : tensor<2x3xf32> -> tensor<2x1xf32>
  %e = tile.reduce minnum %x {dim = 1 : i64} : tensor<2x3xf32> -> tensor<2x1xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<2x1xf32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x1xf32>, !tile.view<2x1xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<2x1xf32, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<2x1xf32>, !tile.view<2x1xf32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<f32, out> -> !tile.view<1x3xf32, out>
  tile.store %c, %v_out2[%c0, %c0] : tensor<1x3xf32>, !tile.view<1x3xf32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<f32, out> -> !tile.view<2x1xf32, out>
  tile.store %d, %v_out3[%c0, %c0] : tensor<2x1xf32>, !tile.view<2x1xf32, out>
  %v_out4 = tile.view %r_out4[] : !tile.ref<f32, out> -> !tile.view<2x1xf32, out>
  tile.store %e, %v_out4[%c0, %c0] : tensor<2x1xf32>, !tile.view<2x1xf32, out>
  tile.yield
}
