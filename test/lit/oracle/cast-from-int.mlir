// RUN: adze-tile-run %s --arg=4xi8=-1,127,-128,5 --arg=2xi32=300,-7 --arg=4xf32=out --arg=4xf32=out --arg=4xi32=out --arg=2xi8=out --arg=2xi8=out --arg=2xi8=out | FileCheck %s

// Integers to floats by signedness, to other integers by wrapping or clamping.
// CHECK: arg2: tensor<4xf32>
// CHECK-NEXT: {{^ +}}-1 127 -128 5{{$}}
// CHECK: arg3: tensor<4xf32>
// CHECK-NEXT: {{^ +}}255 127 128 5{{$}}
// CHECK: arg4: tensor<4xi32>
// CHECK-NEXT: {{^ +}}255 127 128 5{{$}}
// CHECK: arg5: tensor<2xi8>
// CHECK-NEXT: {{^ +}}44 -7{{$}}
// CHECK: arg6: tensor<2xi8>
// CHECK-NEXT: {{^ +}}127 -7{{$}}
// CHECK: arg7: tensor<2xi8>
// CHECK-NEXT: {{^ +}}-1 0{{$}}

tile.kernel @cast_from_int attributes {key = "cast_from_int", dims = [], arg_types = [!tile.ref<i8, in>, !tile.ref<i32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<i32, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i8, in>, %r_y: !tile.ref<i32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %r_out2: !tile.ref<i32, out>, %r_out3: !tile.ref<i8, out>, %r_out4: !tile.ref<i8, out>, %r_out5: !tile.ref<i8, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i8, in> -> !tile.view<4xi8, in>
  %x = tile.load %v_x[%c0] : !tile.view<4xi8, in> -> tensor<4xi8>
  %v_y = tile.view %r_y[] : !tile.ref<i32, in> -> !tile.view<2xi32, in>
  %y = tile.load %v_y[%c0] : !tile.view<2xi32, in> -> tensor<2xi32>
  %a = tile.cast %x : tensor<4xi8> -> tensor<4xf32>
  %b = tile.cast %x {unsigned_src} : tensor<4xi8> -> tensor<4xf32>
  %c = tile.cast %x {unsigned_src} : tensor<4xi8> -> tensor<4xi32>
  %d = tile.cast %y : tensor<2xi32> -> tensor<2xi8>
  %e = tile.cast %y {sat} : tensor<2xi32> -> tensor<2xi8>
  %f = tile.cast %y {sat, unsigned_dst} : tensor<2xi32> -> tensor<2xi8>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<4xf32, out>
  tile.store %a, %v_out0[%c0] : tensor<4xf32>, !tile.view<4xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<4xf32, out>
  tile.store %b, %v_out1[%c0] : tensor<4xf32>, !tile.view<4xf32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i32, out> -> !tile.view<4xi32, out>
  tile.store %c, %v_out2[%c0] : tensor<4xi32>, !tile.view<4xi32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i8, out> -> !tile.view<2xi8, out>
  tile.store %d, %v_out3[%c0] : tensor<2xi8>, !tile.view<2xi8, out>
  %v_out4 = tile.view %r_out4[] : !tile.ref<i8, out> -> !tile.view<2xi8, out>
  tile.store %e, %v_out4[%c0] : tensor<2xi8>, !tile.view<2xi8, out>
  %v_out5 = tile.view %r_out5[] : !tile.ref<i8, out> -> !tile.view<2xi8, out>
  tile.store %f, %v_out5[%c0] : tensor<2xi8>, !tile.view<2xi8, out>
  tile.yield
}
