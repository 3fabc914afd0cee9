// RUN: adze-tile-run %s --arg=4xi8=127,-7,-128,5 --arg=4xi8=1,2,-1,0 --arg=4xi8=out --arg=4xi8=out --arg=4xi8=out --arg=4xi8=out --arg=4xi8=out --arg=4xi8=out --arg=4xi1=out --arg=4xi1=out --arg=4xi8=out | FileCheck %s

// Wrapping, truncating and floor division, shifts, signedness of comparisons.
// CHECK: arg2: tensor<4xi8>
// CHECK-NEXT: {{^ +}}-128 -5 127 5{{$}}
// CHECK: arg3: tensor<4xi8>
// CHECK-NEXT: {{^ +}}127 -3 -128 0{{$}}
// CHECK: arg4: tensor<4xi8>
// CHECK-NEXT: {{^ +}}0 -1 0 0{{$}}
// CHECK: arg5: tensor<4xi8>
// CHECK-NEXT: {{^ +}}127 -4 -128 0{{$}}
// CHECK: arg6: tensor<4xi8>
// CHECK-NEXT: {{^ +}}63 62 0 5{{$}}
// CHECK: arg7: tensor<4xi8>
// CHECK-NEXT: {{^ +}}63 -2 -1 5{{$}}
// CHECK: arg8: tensor<4xi1>
// CHECK-NEXT: {{^ +}}0 1 1 0{{$}}
// CHECK: arg9: tensor<4xi1>
// CHECK-NEXT: {{^ +}}0 0 1 0{{$}}
// CHECK: arg10: tensor<4xi8>
// CHECK-NEXT: {{^ +}}1 -7 -128 0{{$}}

tile.kernel @arith_int attributes {key = "arith_int", dims = [], arg_types = [!tile.ref<i8, in>, !tile.ref<i8, in>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i1, out>, !tile.ref<i1, out>, !tile.ref<i8, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i8, in>, %r_y: !tile.ref<i8, in>, %r_out0: !tile.ref<i8, out>, %r_out1: !tile.ref<i8, out>, %r_out2: !tile.ref<i8, out>, %r_out3: !tile.ref<i8, out>, %r_out4: !tile.ref<i8, out>, %r_out5: !tile.ref<i8, out>, %r_out6: !tile.ref<i1, out>, %r_out7: !tile.ref<i1, out>, %r_out8: !tile.ref<i8, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i8, in> -> !tile.view<4xi8, in>
  %x = tile.load %v_x[%c0] : !tile.view<4xi8, in> -> tensor<4xi8>
  %v_y = tile.view %r_y[] : !tile.ref<i8, in> -> !tile.view<4xi8, in>
  %y = tile.load %v_y[%c0] : !tile.view<4xi8, in> -> tensor<4xi8>
  %a = arith.addi %x, %y : tensor<4xi8>
  %b = arith.divsi %x, %y : tensor<4xi8>
  %c = arith.remsi %x, %y : tensor<4xi8>
  %d = arith.floordivsi %x, %y : tensor<4xi8>
  %e = arith.shrui %x, %y : tensor<4xi8>
  %f = arith.shrsi %x, %y : tensor<4xi8>
  %g = arith.cmpi slt, %x, %y : tensor<4xi8>
  %h = arith.cmpi ult, %x, %y : tensor<4xi8>
  %j = arith.select %g, %x, %y : tensor<4xi1>, tensor<4xi8>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i8, out> -> !tile.view<4xi8, out>
  tile.store %a, %v_out0[%c0] : tensor<4xi8>, !tile.view<4xi8, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i8, out> -> !tile.view<4xi8, out>
  tile.store %b, %v_out1[%c0] : tensor<4xi8>, !tile.view<4xi8, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i8, out> -> !tile.view<4xi8, out>
  tile.store %c, %v_out2[%c0] : tensor<4xi8>, !tile.view<4xi8, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i8, out> -> !tile.view<4xi8, out>
  tile.store %d, %v_out3[%c0] : tensor<4xi8>, !tile.view<4xi8, out>
  %v_out4 = tile.view %r_out4[] : !tile.ref<i8, out> -> !tile.view<4xi8, out>
  tile.store %e, %v_out4[%c0] : tensor<4xi8>, !tile.view<4xi8, out>
  %v_out5 = tile.view %r_out5[] : !tile.ref<i8, out> -> !tile.view<4xi8, out>
  tile.store %f, %v_out5[%c0] : tensor<4xi8>, !tile.view<4xi8, out>
  %v_out6 = tile.view %r_out6[] : !tile.ref<i1, out> -> !tile.view<4xi1, out>
  tile.store %g, %v_out6[%c0] : tensor<4xi1>, !tile.view<4xi1, out>
  %v_out7 = tile.view %r_out7[] : !tile.ref<i1, out> -> !tile.view<4xi1, out>
  tile.store %h, %v_out7[%c0] : tensor<4xi1>, !tile.view<4xi1, out>
  %v_out8 = tile.view %r_out8[] : !tile.ref<i8, out> -> !tile.view<4xi8, out>
  tile.store %j, %v_out8[%c0] : tensor<4xi8>, !tile.view<4xi8, out>
  tile.yield
}
