// RUN: adze-tile-run %s --typed --arg=1x1xf32=1.00048828125 --arg=1x1xf32=1 --arg=1x1xf32=1.00390625 --arg=1x1xf32=out --arg=1x1xf32=out --arg=1x1xf32=out | FileCheck %s

// tf32 keeps 10 bits of each factor; bf16x3 keeps about 16.
// CHECK: arg3: tensor<1x1xf32>
// CHECK-NEXT: {{^ +}}1.0004883{{$}}
// CHECK: arg4: tensor<1x1xf32>
// CHECK-NEXT: {{^ +}}1{{$}}
// CHECK: arg5: tensor<1x1xf32>
// CHECK-NEXT: {{^ +}}1.0039062{{$}}

tile.kernel @dot_precision attributes {key = "dot_precision", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_a: !tile.ref<f32, in>, %r_b: !tile.ref<f32, in>, %r_c: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %r_out2: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_a = tile.view %r_a[] : !tile.ref<f32, in> -> !tile.view<1x1xf32, in>
  %a = tile.load %v_a[%c0, %c0] : !tile.view<1x1xf32, in> -> tensor<1x1xf32>
  %v_b = tile.view %r_b[] : !tile.ref<f32, in> -> !tile.view<1x1xf32, in>
  %b = tile.load %v_b[%c0, %c0] : !tile.view<1x1xf32, in> -> tensor<1x1xf32>
  %v_c = tile.view %r_c[] : !tile.ref<f32, in> -> !tile.view<1x1xf32, in>
  %c = tile.load %v_c[%c0, %c0] : !tile.view<1x1xf32, in> -> tensor<1x1xf32>
  %z = arith.constant dense<0.0> : tensor<1x1xf32>
  %x = tile.dot %a, %b, %z : tensor<1x1xf32>, tensor<1x1xf32> -> tensor<1x1xf32>
  %y = tile.dot %a, %b, %z {precision = #tile<precision tf32>} : tensor<1x1xf32>, tensor<1x1xf32> -> tensor<1x1xf32>
  %w = tile.dot %c, %b, %z {precision = #tile<precision bf16x3>} : tensor<1x1xf32>, tensor<1x1xf32> -> tensor<1x1xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<1x1xf32, out>
  tile.store %x, %v_out0[%c0, %c0] : tensor<1x1xf32>, !tile.view<1x1xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<1x1xf32, out>
  tile.store %y, %v_out1[%c0, %c0] : tensor<1x1xf32>, !tile.view<1x1xf32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<f32, out> -> !tile.view<1x1xf32, out>
  tile.store %w, %v_out2[%c0, %c0] : tensor<1x1xf32>, !tile.view<1x1xf32, out>
  tile.yield
}
