// RUN: adze-tile-run %s --arg=2x3x2xi32=iota --arg=6x2xi32=out --arg=2x2xi32=out | FileCheck %s

// One logical dim over two physical ones: rows (s, g) of storage [g][s].
// CHECK: arg1: tensor<6x2xi32>
// CHECK-NEXT: {{^ +}}0 1{{$}}
// CHECK-NEXT: {{^ +}}6 7{{$}}
// CHECK-NEXT: {{^ +}}2 3{{$}}
// CHECK-NEXT: {{^ +}}8 9{{$}}
// CHECK-NEXT: {{^ +}}4 5{{$}}
// CHECK-NEXT: {{^ +}}10 11{{$}}
// CHECK: arg2: tensor<2x2xi32>
// CHECK-NEXT: {{^ +}}4 5{{$}}
// CHECK-NEXT: {{^ +}}10 11{{$}}

tile.kernel @load_composite attributes {key = "load_composite", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, out>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<2x3x2xi32, in>
  %x = tile.load %v_x[%c0, %c0, %c0] : !tile.view<2x3x2xi32, in> -> tensor<2x3x2xi32>
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  %v = tile.view %r_x[%c3] strides [%c2, %c6, %c1] : !tile.ref<i32, in> -> !tile.view<?x2xi32, in, #tile.composite<[2, 1], [2]>>
  %a = tile.load %v[%c0, %c0] : !tile.view<?x2xi32, in, #tile.composite<[2, 1], [2]>> -> tensor<6x2xi32>
  %b = tile.load %v[%c4, %c0] : !tile.view<?x2xi32, in, #tile.composite<[2, 1], [2]>> -> tensor<2x2xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<6x2xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<6x2xi32>, !tile.view<6x2xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i32, out> -> !tile.view<2x2xi32, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<2x2xi32>, !tile.view<2x2xi32, out>
  tile.yield
}
