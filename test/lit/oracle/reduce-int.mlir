// RUN: adze-tile-run %s --arg=4xi8=100,100,-1,6 --arg=1xi8=out --arg=1xi8=out --arg=1xi8=out --arg=1xi8=out --arg=1xi8=out --arg=1xi8=out | FileCheck %s

// Sums wrap; the order is by signedness; bits.
// CHECK: arg1: tensor<1xi8>
// CHECK-NEXT: {{^ +}}-51{{$}}
// CHECK: arg2: tensor<1xi8>
// CHECK-NEXT: {{^ +}}100{{$}}
// CHECK: arg3: tensor<1xi8>
// CHECK-NEXT: {{^ +}}-1{{$}}
// CHECK: arg4: tensor<1xi8>
// CHECK-NEXT: {{^ +}}4{{$}}
// CHECK: arg5: tensor<1xi8>
// CHECK-NEXT: {{^ +}}-1{{$}}
// CHECK: arg6: tensor<1xi8>
// CHECK-NEXT: {{^ +}}-7{{$}}

tile.kernel @reduce_int attributes {key = "reduce_int", dims = [], arg_types = [!tile.ref<i8, in>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>, !tile.ref<i8, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i8, in>, %r_out0: !tile.ref<i8, out>, %r_out1: !tile.ref<i8, out>, %r_out2: !tile.ref<i8, out>, %r_out3: !tile.ref<i8, out>, %r_out4: !tile.ref<i8, out>, %r_out5: !tile.ref<i8, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i8, in> -> !tile.view<4xi8, in>
  %x = tile.load %v_x[%c0] : !tile.view<4xi8, in> -> tensor<4xi8>
  %a = tile.reduce add %x {dim = 0 : i64} : tensor<4xi8> -> tensor<1xi8>
  %b = tile.reduce max %x {dim = 0 : i64} : tensor<4xi8> -> tensor<1xi8>
  %c = tile.reduce max %x {dim = 0 : i64, is_unsigned} : tensor<4xi8> -> tensor<1xi8>
  %d = tile.reduce and %x {dim = 0 : i64} : tensor<4xi8> -> tensor<1xi8>
  %e = tile.reduce or %x {dim = 0 : i64} : tensor<4xi8> -> tensor<1xi8>
  %f = tile.reduce xor %x {dim = 0 : i64} : tensor<4xi8> -> tensor<1xi8>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i8, out> -> !tile.view<1xi8, out>
  tile.store %a, %v_out0[%c0] : tensor<1xi8>, !tile.view<1xi8, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i8, out> -> !tile.view<1xi8, out>
  tile.store %b, %v_out1[%c0] : tensor<1xi8>, !tile.view<1xi8, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i8, out> -> !tile.view<1xi8, out>
  tile.store %c, %v_out2[%c0] : tensor<1xi8>, !tile.view<1xi8, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i8, out> -> !tile.view<1xi8, out>
  tile.store %d, %v_out3[%c0] : tensor<1xi8>, !tile.view<1xi8, out>
  %v_out4 = tile.view %r_out4[] : !tile.ref<i8, out> -> !tile.view<1xi8, out>
  tile.store %e, %v_out4[%c0] : tensor<1xi8>, !tile.view<1xi8, out>
  %v_out5 = tile.view %r_out5[] : !tile.ref<i8, out> -> !tile.view<1xi8, out>
  tile.store %f, %v_out5[%c0] : tensor<1xi8>, !tile.view<1xi8, out>
  tile.yield
}
