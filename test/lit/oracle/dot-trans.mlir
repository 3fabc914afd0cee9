// RUN: adze-tile-run %s --arg=3x2xf32=iota:-2 --arg=4x3xf32=iota:-4 --arg=2x2x3xf32=iota --arg=2x3x2xf32=iota --arg=2x4xf32=out --arg=2x2x2xf32=out | FileCheck %s

// Either operand may lie transposed; a batch dim leads.
// CHECK: arg4: tensor<2x4xf32>
// CHECK-NEXT: {{^ +}}5 5 5 5{{$}}
// CHECK-NEXT: {{^ +}}-4 5 14 23{{$}}
// CHECK: arg5: tensor<2x2x2xf32>
// CHECK-NEXT: {{^ +}}10 13{{$}}
// CHECK-NEXT: {{^ +}}28 40{{$}}
// CHECK-NEXT: {{^ +}}172 193{{$}}
// CHECK-NEXT: {{^ +}}244 274{{$}}

tile.kernel @dot_trans attributes {key = "dot_trans", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_a: !tile.ref<f32, in>, %r_b: !tile.ref<f32, in>, %r_c: !tile.ref<f32, in>, %r_d: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_a = tile.view %r_a[] : !tile.ref<f32, in> -> !tile.view<3x2xf32, in>
  %a = tile.load %v_a[%c0, %c0] : !tile.view<3x2xf32, in> -> tensor<3x2xf32>
  %v_b = tile.view %r_b[] : !tile.ref<f32, in> -> !tile.view<4x3xf32, in>
  %b = tile.load %v_b[%c0, %c0] : !tile.view<4x3xf32, in> -> tensor<4x3xf32>
  %v_c = tile.view %r_c[] : !tile.ref<f32, in> -> !tile.view<2x2x3xf32, in>
  %c = tile.load %v_c[%c0, %c0, %c0] : !tile.view<2x2x3xf32, in> -> tensor<2x2x3xf32>
  %v_d = tile.view %r_d[] : !tile.ref<f32, in> -> !tile.view<2x3x2xf32, in>
  %d = tile.load %v_d[%c0, %c0, %c0] : !tile.view<2x3x2xf32, in> -> tensor<2x3x2xf32>
  %z = arith.constant dense<1.0> : tensor<2x4xf32>
  %x = tile.dot %a, %b, %z {trans_a, trans_b} : tensor<3x2xf32>, tensor<4x3xf32> -> tensor<2x4xf32>
  %w = arith.constant dense<0.0> : tensor<2x2x2xf32>
  %y = tile.dot %c, %d, %w : tensor<2x2x3xf32>, tensor<2x3x2xf32> -> tensor<2x2x2xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<2x4xf32, out>
  tile.store %x, %v_out0[%c0, %c0] : tensor<2x4xf32>, !tile.view<2x4xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<2x2x2xf32, out>
  tile.store %y, %v_out1[%c0, %c0, %c0] : tensor<2x2x2xf32>, !tile.view<2x2x2xf32, out>
  tile.yield
}
