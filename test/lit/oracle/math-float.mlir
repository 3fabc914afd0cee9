// RUN: adze-tile-run %s --arg=3xf32=0.5,-2.25,4 --arg=3xf32=nan,1,inf --arg=3xf32=out --arg=3xf32=out --arg=3xf32=out --arg=3xf32=out --arg=3xf32=out --arg=3xf32=out --arg=3xf32=out --arg=3xf32=out --arg=3xi1=out | FileCheck %s

// Elementwise functions in f64; maximumf propagates NaN, maxnumf drops it.
// CHECK: arg2: tensor<3xf32>
// CHECK-NEXT: {{^ +}}1.6487212 0.10539922 54.598148{{$}}
// CHECK: arg3: tensor<3xf32>
// CHECK-NEXT: {{^ +}}0.46211717 -0.97802609 0.99932933{{$}}
// CHECK: arg4: tensor<3xf32>
// CHECK-NEXT: {{^ +}}0.52049989 -0.9985373 1{{$}}
// CHECK: arg5: tensor<3xf32>
// CHECK-NEXT: {{^ +}}nan 1 inf{{$}}
// CHECK: arg6: tensor<3xf32>
// CHECK-NEXT: {{^ +}}0.5 1 inf{{$}}
// CHECK: arg7: tensor<3xf32>
// CHECK-NEXT: {{^ +}}0 -2 4{{$}}
// CHECK: arg8: tensor<3xf32>
// CHECK-NEXT: {{^ +}}0 -3 4{{$}}
// CHECK: arg9: tensor<3xf32>
// CHECK-NEXT: {{^ +}}0.75 2.8125 20{{$}}
// CHECK: arg10: tensor<3xi1>
// CHECK-NEXT: {{^ +}}1 1 1{{$}}

tile.kernel @math_float attributes {key = "math_float", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<i1, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_y: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %r_out2: !tile.ref<f32, out>, %r_out3: !tile.ref<f32, out>, %r_out4: !tile.ref<f32, out>, %r_out5: !tile.ref<f32, out>, %r_out6: !tile.ref<f32, out>, %r_out7: !tile.ref<f32, out>, %r_out8: !tile.ref<i1, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<3xf32, in>
  %x = tile.load %v_x[%c0] : !tile.view<3xf32, in> -> tensor<3xf32>
  %v_y = tile.view %r_y[] : !tile.ref<f32, in> -> !tile.view<3xf32, in>
  %y = tile.load %v_y[%c0] : !tile.view<3xf32, in> -> tensor<3xf32>
  %a = math.exp %x : tensor<3xf32>
  %b = math.tanh %x : tensor<3xf32>
  %c = math.erf %x : tensor<3xf32>
  %d = arith.maximumf %x, %y : tensor<3xf32>
  %e = arith.maxnumf %x, %y : tensor<3xf32>
  %f = math.roundeven %x : tensor<3xf32>
  %g = math.floor %x : tensor<3xf32>
  %h = math.fma %x, %x, %x : tensor<3xf32>
  %i1 = arith.cmpf ult, %x, %y : tensor<3xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %a, %v_out0[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %b, %v_out1[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %c, %v_out2[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %d, %v_out3[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out4 = tile.view %r_out4[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %e, %v_out4[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out5 = tile.view %r_out5[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %f, %v_out5[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out6 = tile.view %r_out6[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %g, %v_out6[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out7 = tile.view %r_out7[] : !tile.ref<f32, out> -> !tile.view<3xf32, out>
  tile.store %h, %v_out7[%c0] : tensor<3xf32>, !tile.view<3xf32, out>
  %v_out8 = tile.view %r_out8[] : !tile.ref<i1, out> -> !tile.view<3xi1, out>
  tile.store %i1, %v_out8[%c0] : tensor<3xi1>, !tile.view<3xi1, out>
  tile.yield
}
