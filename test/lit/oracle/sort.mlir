// RUN: adze-tile-run %s --arg=5xf32=3,nan,1,3,-2 --arg=5xi32=iota --arg=5xf32=out --arg=5xi32=out --arg=5xf32=out --arg=5xi32=out | FileCheck %s

// Stable, values carried along; NaN is largest.
// CHECK: arg2: tensor<5xf32>
// CHECK-NEXT: {{^ +}}-2 1 3 3 nan{{$}}
// CHECK: arg3: tensor<5xi32>
// CHECK-NEXT: {{^ +}}4 2 0 3 1{{$}}
// CHECK: arg4: tensor<5xf32>
// CHECK-NEXT: {{^ +}}nan 3 3 1 -2{{$}}
// CHECK: arg5: tensor<5xi32>
// CHECK-NEXT: {{^ +}}1 0 3 2 4{{$}}

tile.kernel @sort attributes {key = "sort", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<i32, in>, !tile.ref<f32, out>, !tile.ref<i32, out>, !tile.ref<f32, out>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_k: !tile.ref<f32, in>, %r_v: !tile.ref<i32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<i32, out>, %r_out2: !tile.ref<f32, out>, %r_out3: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_k = tile.view %r_k[] : !tile.ref<f32, in> -> !tile.view<5xf32, in>
  %k = tile.load %v_k[%c0] : !tile.view<5xf32, in> -> tensor<5xf32>
  %v_v = tile.view %r_v[] : !tile.ref<i32, in> -> !tile.view<5xi32, in>
  %v = tile.load %v_v[%c0] : !tile.view<5xi32, in> -> tensor<5xi32>
  %a, %b = tile.sort %k, %v {dim = 0 : i64} : tensor<5xf32>, tensor<5xi32>
  %c, %d = tile.sort %k, %v {dim = 0 : i64, descending} : tensor<5xf32>, tensor<5xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<5xf32, out>
  tile.store %a, %v_out0[%c0] : tensor<5xf32>, !tile.view<5xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i32, out> -> !tile.view<5xi32, out>
  tile.store %b, %v_out1[%c0] : tensor<5xi32>, !tile.view<5xi32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<f32, out> -> !tile.view<5xf32, out>
  tile.store %c, %v_out2[%c0] : tensor<5xf32>, !tile.view<5xf32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i32, out> -> !tile.view<5xi32, out>
  tile.store %d, %v_out3[%c0] : tensor<5xi32>, !tile.view<5xi32, out>
  tile.yield
}
