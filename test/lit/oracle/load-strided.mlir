// RUN: adze-tile-run %s --arg=12xi32=iota --arg=3x2xi32=out --arg=4xi32=out | FileCheck %s

// Declared strides, an offset, and a negative stride.
// CHECK: arg1: tensor<3x2xi32>
// CHECK-NEXT: {{^ +}}1 5{{$}}
// CHECK-NEXT: {{^ +}}2 6{{$}}
// CHECK-NEXT: {{^ +}}3 7{{$}}
// CHECK: arg2: tensor<4xi32>
// CHECK-NEXT: {{^ +}}11 8 5 2{{$}}

tile.kernel @load_strided attributes {key = "load_strided", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, out>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<12xi32, in>
  %x = tile.load %v_x[%c0] : !tile.view<12xi32, in> -> tensor<12xi32>
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c11 = arith.constant 11 : index
  %m3 = arith.constant -3 : index
  %v1 = tile.view %r_x[] strides [%c1, %c4] offset %c1 : !tile.ref<i32, in> -> !tile.view<3x2xi32, in>
  %a = tile.load %v1[%c0, %c0] : !tile.view<3x2xi32, in> -> tensor<3x2xi32>
  %v2 = tile.view %r_x[] strides [%m3] offset %c11 : !tile.ref<i32, in> -> !tile.view<4xi32, in>
  %b = tile.load %v2[%c0] : !tile.view<4xi32, in> -> tensor<4xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<3x2xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<3x2xi32>, !tile.view<3x2xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i32, out> -> !tile.view<4xi32, out>
  tile.store %b, %v_out1[%c0] : tensor<4xi32>, !tile.view<4xi32, out>
  tile.yield
}
