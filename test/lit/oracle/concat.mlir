// RUN: adze-tile-run %s --arg=2x1xi32=1,2 --arg=2x2xi32=3,4,5,6 --arg=2x4xi32=out | FileCheck %s

// Concatenation along an inner dim.
// CHECK: arg2: tensor<2x4xi32>
// CHECK-NEXT: {{^ +}}1 3 4 1{{$}}
// CHECK-NEXT: {{^ +}}2 5 6 2{{$}}

tile.kernel @concat attributes {key = "concat", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, in>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_y: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<2x1xi32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<2x1xi32, in> -> tensor<2x1xi32>
  %v_y = tile.view %r_y[] : !tile.ref<i32, in> -> !tile.view<2x2xi32, in>
  %y = tile.load %v_y[%c0, %c0] : !tile.view<2x2xi32, in> -> tensor<2x2xi32>
  %a = tile.concat %x, %y, %x {dim = 1 : i64} : tensor<2x1xi32>, tensor<2x2xi32>, tensor<2x1xi32> -> tensor<2x4xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<2x4xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x4xi32>, !tile.view<2x4xi32, out>
  tile.yield
}
