// RUN: adze-tile-run %s --arg=8xf32=2.5,-2.5,-0.5,300,-300,nan,inf,3.7 --arg=8xi8=out --arg=8xi8=out --arg=8xi8=out --arg=8xi8=out --arg=8xi1=out | FileCheck %s

// Float to integer: rounding, saturation, wrapping; NaN and infinities.
// CHECK: arg1: tensor<8xi8>
// CHECK-NEXT: {{^ +}}2 -2 0 127 -128 0 127 4{{$}}
// CHECK: arg2: tensor<8xi8>
// CHECK-NEXT: {{^ +}}2 -2 0 44 -44 0 0 3{{$}}
// CHECK: arg3: tensor<8xi8>
// CHECK-NEXT: {{^ +}}2 -3 -1 127 -128 0 127 3{{$}}
// CHECK: arg4: tensor<8xi8>
// CHECK-NEXT: {{^ +}}2 0 0 -1 0 0 -1 4{{$}}
// CHECK: arg5: tensor<8xi1>
// CHECK-NEXT: {{^ +}}1 1 1 1 1 1 1 1{{$}}

tile.kernel @cast_int attributes {key = "cast_int", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i1, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<i8, out>, %r_out1: !tile.ref<i8, out>, %r_out2: !tile.ref<i8, out>, %r_out3: !tile.ref<i8, out>, %r_out4: !tile.ref<i1, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<8xf32, in>
  %x = tile.load %v_x[%c0] : !tile.view<8xf32, in> -> tensor<8xf32>
  %a = tile.cast %x {sat} : tensor<8xf32> -> tensor<8xi8>
  %b = tile.cast %x {round = #tile<round rtz>} : tensor<8xf32> -> tensor<8xi8>
  %c = tile.cast %x {round = #tile<round floor>, sat} : tensor<8xf32> -> tensor<8xi8>
  %d = tile.cast %x {sat, unsigned_dst} : tensor<8xf32> -> tensor<8xi8>
  %e = tile.cast %x : tensor<8xf32> -> tensor<8xi1>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i8, out> -> !tile.view<8xi8, out>
  tile.store %a, %v_out0[%c0] : tensor<8xi8>, !tile.view<8xi8, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i8, out> -> !tile.view<8xi8, out>
  tile.store %b, %v_out1[%c0] : tensor<8xi8>, !tile.view<8xi8, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i8, out> -> !tile.view<8xi8, out>
  tile.store %c, %v_out2[%c0] : tensor<8xi8>, !tile.view<8xi8, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i8, out> -> !tile.view<8xi8, out>
  tile.store %d, %v_out3[%c0] : tensor<8xi8>, !tile.view<8xi8, out>
  %v_out4 = tile.view %r_out4[] : !tile.ref<i1, out> -> !tile.view<8xi1, out>
  tile.store %e, %v_out4[%c0] : tensor<8xi1>, !tile.view<8xi1, out>
  tile.yield
}
