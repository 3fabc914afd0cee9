// RUN: adze-tile-run %s  --arg=2x3xi32=out --arg=2x3xi8=out | FileCheck %s

// The index along a dim, plus a start.
// CHECK: arg0: tensor<2x3xi32>
// CHECK-NEXT: {{^ +}}0 1 2{{$}}
// CHECK-NEXT: {{^ +}}0 1 2{{$}}
// CHECK: arg1: tensor<2x3xi8>
// CHECK-NEXT: {{^ +}}126 127 -128{{$}}
// CHECK-NEXT: {{^ +}}126 127 -128{{$}}

tile.kernel @iota attributes {key = "iota", dims = [], arg_types = [!tile.ref<i32, out>, !tile.ref<i8, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i8, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c126 = arith.constant 126 : index
  %a = tile.iota {dim = 1 : i64} : tensor<2x3xi32>
  %b = tile.iota %c126 {dim = 1 : i64} : tensor<2x3xi8>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<2x3xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x3xi32>, !tile.view<2x3xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i8, out> -> !tile.view<2x3xi8, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<2x3xi8>, !tile.view<2x3xi8, out>
  tile.yield
}
