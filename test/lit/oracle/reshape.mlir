// RUN: adze-tile-run %s --arg=2x6xi32=iota --arg=3x4xi32=out | FileCheck %s

// Same elements in row-major order.
// CHECK: arg1: tensor<3x4xi32>
// CHECK-NEXT: {{^ +}}0 1 2 3{{$}}
// CHECK-NEXT: {{^ +}}4 5 6 7{{$}}
// CHECK-NEXT: {{^ +}}8 9 10 11{{$}}

tile.kernel @reshape attributes {key = "reshape", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<2x6xi32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<2x6xi32, in> -> tensor<2x6xi32>
  %a = tile.reshape %x : tensor<2x6xi32> -> tensor<3x4xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<3x4xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<3x4xi32>, !tile.view<3x4xi32, out>
  tile.yield
}
