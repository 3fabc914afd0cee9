// RUN: adze-tile-run %s --arg=2x3xf32=iota --arg=2x4xi1=out --arg=4xi1=out | FileCheck %s

// Which elements lie inside; leading dims are dropped.
// CHECK: arg1: tensor<2x4xi1>
// CHECK-NEXT: {{^ +}}1 1 0 0{{$}}
// CHECK-NEXT: {{^ +}}0 0 0 0{{$}}
// CHECK: arg2: tensor<4xi1>
// CHECK-NEXT: {{^ +}}0 0 0 0{{$}}

tile.kernel @valid attributes {key = "valid", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<i1, out>, !tile.ref<i1, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<i1, out>, %r_out1: !tile.ref<i1, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<2x3xf32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<2x3xf32, in> -> tensor<2x3xf32>
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %a = tile.valid %v_x[%c1, %c1] : !tile.view<2x3xf32, in> -> tensor<2x4xi1>
  %b = tile.valid %v_x[%c2, %c0] : !tile.view<2x3xf32, in> -> tensor<4xi1>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i1, out> -> !tile.view<2x4xi1, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x4xi1>, !tile.view<2x4xi1, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i1, out> -> !tile.view<4xi1, out>
  tile.store %b, %v_out1[%c0] : tensor<4xi1>, !tile.view<4xi1, out>
  tile.yield
}
