// RUN: adze-tile-run %s --arg=3x4xf32=iota --arg=3xi64=2,-1,0 --arg=2x4xi32=0,1,2,3,2,2,0,0 --arg=3x2xf32=out --arg=2x4xf32=out --arg=2x3xf32=out | FileCheck %s

// Rows by a 1-D index tile; single elements by a tile of indices; outside reads the pad.
// CHECK: arg3: tensor<3x2xf32>
// CHECK-NEXT: {{^ +}}9 10{{$}}
// CHECK-NEXT: {{^ +}}7 7{{$}}
// CHECK-NEXT: {{^ +}}1 2{{$}}
// CHECK: arg4: tensor<2x4xf32>
// CHECK-NEXT: {{^ +}}0 5 10 0{{$}}
// CHECK-NEXT: {{^ +}}8 9 2 3{{$}}
// CHECK: arg5: tensor<2x3xf32>
// CHECK-NEXT: {{^ +}}7 4 5{{$}}
// CHECK-NEXT: {{^ +}}11 8 9{{$}}

tile.kernel @gather attributes {key = "gather", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<i64, in>, !tile.ref<i32, in>, !tile.ref<f32, out>, !tile.ref<f32, out>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_r: !tile.ref<i64, in>, %r_e: !tile.ref<i32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<f32, out>, %r_out2: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<3x4xf32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<3x4xf32, in> -> tensor<3x4xf32>
  %v_r = tile.view %r_r[] : !tile.ref<i64, in> -> !tile.view<3xi64, in>
  %r = tile.load %v_r[%c0] : !tile.view<3xi64, in> -> tensor<3xi64>
  %v_e = tile.view %r_e[] : !tile.ref<i32, in> -> !tile.view<2x4xi32, in>
  %e = tile.load %v_e[%c0, %c0] : !tile.view<2x4xi32, in> -> tensor<2x4xi32>
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %a = tile.gather %v_x by %r[%c0, %c1] {dim = 0 : i64, pad = 7.0 : f32} : !tile.view<3x4xf32, in>, tensor<3xi64> -> tensor<3x2xf32>
  %b = tile.gather %v_x by %e[%c0, %c0] {dim = 0 : i64} : !tile.view<3x4xf32, in>, tensor<2x4xi32> -> tensor<2x4xf32>
  %c = tile.gather %v_x by %r[%c1, %c1] {dim = 1 : i64} : !tile.view<3x4xf32, in>, tensor<3xi64> -> tensor<2x3xf32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<3x2xf32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<3x2xf32>, !tile.view<3x2xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<f32, out> -> !tile.view<2x4xf32, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<2x4xf32>, !tile.view<2x4xf32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<f32, out> -> !tile.view<2x3xf32, out>
  tile.store %c, %v_out2[%c0, %c0] : tensor<2x3xf32>, !tile.view<2x3xf32, out>
  tile.yield
}
