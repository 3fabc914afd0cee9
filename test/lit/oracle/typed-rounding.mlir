// RUN: adze-tile-run %s --typed --arg=2xbf16=1,1 --arg=2xbf16=0.00390625,0.0078125 --arg=2xbf16=out --arg=2xf32=out | FileCheck %s

// Typed mode rounds every op to its type; wide mode only casts.
// CHECK: arg2: tensor<2xbf16>
// CHECK-NEXT: {{^ +}}1 1.0078125{{$}}
// CHECK: arg3: tensor<2xf32>
// CHECK-NEXT: {{^ +}}0 0.0078125{{$}}

tile.kernel @typed_rounding attributes {key = "typed_rounding", dims = [], arg_types = [!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<bf16, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<bf16, in>, %r_y: !tile.ref<bf16, in>, %r_out0: !tile.ref<bf16, out>, %r_out1: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<bf16, in> -> !tile.view<2xbf16, in>
  %x = tile.load %v_x[%c0] : !tile.view<2xbf16, in> -> tensor<2xbf16>
  %v_y = tile.view %r_y[] : !tile.ref<bf16, in> -> !tile.view<2xbf16, in>
  %y = tile.load %v_y[%c0] : !tile.view<2xbf16, in> -> tensor<2xbf16>
  %a = arith.addf %x, %y : tensor<2xbf16>
  %b = arith.subf %a, %x : tensor<2xbf16>
  %c = tile.cast %b : tensor<2xbf16> -> tensor<2xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<bf16, out> -> !tile.view<2xbf16, out>
  tile.store %a, %v_out0[%c0] : tensor<2xbf16>, !tile.view<2xbf16, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<2xf32, out>
  tile.store %c, %v_out1[%c0] : tensor<2xf32>, !tile.view<2xf32, out>
  tile.yield
}
