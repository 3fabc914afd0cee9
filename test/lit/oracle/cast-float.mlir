// RUN: adze-tile-run %s --arg=4xf32=1.0009765625,0.333333343,500,-70000 --arg=4xbf16=out --arg=4xf16=out --arg=4xf8E4M3FN=out --arg=4xf8E4M3FN=out --arg=4xf8E5M2=out --arg=4xf4E2M1FN=out | FileCheck %s

// Narrowing rounds in wide mode too; overflow shows, unless it saturates.
// CHECK: arg1: tensor<4xbf16>
// CHECK-NEXT: {{^ +}}1 0.33398438 500 -70144{{$}}
// CHECK: arg2: tensor<4xf16>
// CHECK-NEXT: {{^ +}}1.0009766 0.33325195 500 -inf{{$}}
// CHECK: arg3: tensor<4xf8E4M3FN>
// CHECK-NEXT: {{^ +}}1 0.34375 nan nan{{$}}
// CHECK: arg4: tensor<4xf8E4M3FN>
// CHECK-NEXT: {{^ +}}1 0.34375 448 -448{{$}}
// CHECK: arg5: tensor<4xf8E5M2>
// CHECK-NEXT: {{^ +}}1 0.3125 512 -inf{{$}}
// CHECK: arg6: tensor<4xf4E2M1FN>
// CHECK-NEXT: {{^ +}}1 0.5 6 -6{{$}}

tile.kernel @cast_float attributes {key = "cast_float", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<bf16, out>, !tile.ref<f16, out>, !tile.ref<f8E4M3FN, out>, !tile.ref<f8E4M3FN, out>, !tile.ref<f8E5M2, out>, !tile.ref<f4E2M1FN, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<bf16, out>, %r_out1: !tile.ref<f16, out>, %r_out2: !tile.ref<f8E4M3FN, out>, %r_out3: !tile.ref<f8E4M3FN, out>, %r_out4: !tile.ref<f8E5M2, out>, %r_out5: !tile.ref<f4E2M1FN, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<4xf32, in>
  %x = tile.load %v_x[%c0] : !tile.view<4xf32, in> -> tensor<4xf32>
  %a = tile.cast %x : tensor<4xf32> -> tensor<4xbf16>
  %b = tile.cast %x : tensor<4xf32> -> tensor<4xf16>
  %c = tile.cast %x : tensor<4xf32> -> tensor<4xf8E4M3FN>
  %d = tile.cast %x {sat} : tensor<4xf32> -> tensor<4xf8E4M3FN>
  %e = tile.cast %x : tensor<4xf32> -> tensor<4xf8E5M2>
  %f = tile.cast %x {sat} : tensor<4xf32> -> tensor<4xf4E2M1FN>
  %v_out0 = tile.view %r_out0[] : !tile.ref<bf16, out> -> !tile.view<4xbf16, out>
  tile.store %a, %v_out0[%c0] : tensor<4xbf16>, !tile.view<4xbf16, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f16, out> -> !tile.view<4xf16, out>
  tile.store %b, %v_out1[%c0] : tensor<4xf16>, !tile.view<4xf16, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<f8E4M3FN, out> -> !tile.view<4xf8E4M3FN, out>
  tile.store %c, %v_out2[%c0] : tensor<4xf8E4M3FN>, !tile.view<4xf8E4M3FN, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<f8E4M3FN, out> -> !tile.view<4xf8E4M3FN, out>
  tile.store %d, %v_out3[%c0] : tensor<4xf8E4M3FN>, !tile.view<4xf8E4M3FN, out>
  %v_out4 = tile.view %r_out4[] : !tile.ref<f8E5M2, out> -> !tile.view<4xf8E5M2, out>
  tile.store %e, %v_out4[%c0] : tensor<4xf8E5M2>, !tile.view<4xf8E5M2, out>
  %v_out5 = tile.view %r_out5[] : !tile.ref<f4E2M1FN, out> -> !tile.view<4xf4E2M1FN, out>
  tile.store %f, %v_out5[%c0] : tensor<4xf4E2M1FN>, !tile.view<4xf4E2M1FN, out>
  tile.yield
}
