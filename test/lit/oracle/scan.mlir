// RUN: adze-tile-run %s --arg=2x3xf32=iota:1 --arg=2x3xf32=out --arg=2x3xf32=out --arg=2x3xf32=out --arg=2x3xf32=out | FileCheck %s

// Inclusive, exclusive and reverse running sums.
// CHECK: arg1: tensor<2x3xf32>
// CHECK-NEXT: {{^ +}}1 3 6{{$}}
// CHECK-NEXT: {{^ +}}4 9 15{{$}}
// CHECK: arg2: tensor<2x3xf32>
// CHECK-NEXT: {{^ +}}0 1 3{{$}}
// CHECK-NEXT: {{^ +}}0 4 9{{$}}
// CHECK: arg3: tensor<2x3xf32>
// CHECK-NEXT: {{^ +}}5 3 0{{$}}
// CHECK-NEXT: {{^ +}}11 6 0{{$}}
// CHECK: arg4: tensor<2x3xf32>
// CHECK-NEXT: {{^ +}}1 2 3{{$}}
// CHECK-NEXT: {{^ +}}4 10 18{{$}}

tile.kernel @scan attributes {key = "scan", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %r_out2: !tile.ref<f32, out>, %r_out3: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<2x3xf32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<2x3xf32, in> -> tensor<2x3xf32>
  %a = tile.scan add %x {dim = 1 : i64} : tensor<2x3xf32> -> tensor<2x3xf32>
  %b = tile.scan add %x {dim = 1 : i64, exclusive} : tensor<2x3xf32> -> tensor<2x3xf32>
  %c = tile.scan add %x {dim = 1 : i64, reverse, exclusive} : tensor<2x3xf32> -> tensor<2x3xf32>
  %d = tile.scan mul %x {dim = 0 : i64} : tensor<2x3xf32> -> tensor<2x3xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<2x3xf32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x3xf32>, !tile.view<2x3xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<2x3xf32, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<2x3xf32>, !tile.view<2x3xf32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<f32, out> -> !tile.view<2x3xf32, out>
  tile.store %c, %v_out2[%c0, %c0] : tensor<2x3xf32>, !tile.view<2x3xf32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<f32, out> -> !tile.view<2x3xf32, out>
  tile.store %d, %v_out3[%c0, %c0] : tensor<2x3xf32>, !tile.view<2x3xf32, out>
  tile.yield
}
