// RUN: adze-tile-run %s --arg=3x4xi32=iota --arg=2x2xi32=out | FileCheck %s

// Static offsets and strides.
// CHECK: arg1: tensor<2x2xi32>
// CHECK-NEXT: {{^ +}}4 7{{$}}
// CHECK-NEXT: {{^ +}}8 11{{$}}

tile.kernel @slice attributes {key = "slice", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<3x4xi32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<3x4xi32, in> -> tensor<3x4xi32>
  %a = tile.slice %x {offsets = array<i64: 1, 0>, strides = array<i64: 1, 3>} : tensor<3x4xi32> -> tensor<2x2xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<2x2xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x2xi32>, !tile.view<2x2xi32, out>
  tile.yield
}
