// RUN: adze-tile-run %s --arg=2x3x4xf32=iota --arg=2x2xf32=out | FileCheck %s

// Leading dims are fixed and dropped.
// CHECK: arg1: tensor<2x2xf32>
// CHECK-NEXT: {{^ +}}42 44{{$}}
// CHECK-NEXT: {{^ +}}-2 -2{{$}}

tile.kernel @subview attributes {key = "subview", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<2x3x4xf32, in>
  %x = tile.load %v_x[%c0, %c0, %c0] : !tile.view<2x3x4xf32, in> -> tensor<2x3x4xf32>
  %c1 = arith.constant 1 : index
  %s = tile.subview %v_x[%c1] : !tile.view<2x3x4xf32, in> -> !tile.view<3x4xf32, in>
  %n = tile.dim %s, 0 : !tile.view<3x4xf32, in>
  %k = arith.subi %n, %c1 : index
  %t = tile.load %s[%k, %c1] {pad = -1.0 : f32} : !tile.view<3x4xf32, in> -> tensor<2x2xf32>
  %a = arith.addf %t, %t : tensor<2x2xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<2x2xf32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x2xf32>, !tile.view<2x2xf32, out>
  tile.yield
}
