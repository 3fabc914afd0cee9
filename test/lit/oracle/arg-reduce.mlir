// RUN: adze-tile-run %s --arg=3x4xf32=1,3,3,2,5,nan,9,nan,-1,-1,0,-1 --arg=3x1xf32=out --arg=3x1xi64=out --arg=3x1xi32=out --arg=3x1xi64=out | FileCheck %s

// Ties give the lowest index, or the last; the first NaN wins.
// CHECK: arg1: tensor<3x1xf32>
// CHECK-NEXT: {{^ +}}3{{$}}
// CHECK-NEXT: {{^ +}}nan{{$}}
// CHECK-NEXT: {{^ +}}0{{$}}
// CHECK: arg2: tensor<3x1xi64>
// CHECK-NEXT: {{^ +}}1{{$}}
// CHECK-NEXT: {{^ +}}1{{$}}
// CHECK-NEXT: {{^ +}}2{{$}}
// CHECK: arg3: tensor<3x1xi32>
// CHECK-NEXT: {{^ +}}2{{$}}
// CHECK-NEXT: {{^ +}}1{{$}}
// CHECK-NEXT: {{^ +}}2{{$}}
// CHECK: arg4: tensor<3x1xi64>
// CHECK-NEXT: {{^ +}}0{{$}}
// CHECK-NEXT: {{^ +}}1{{$}}
// CHECK-NEXT: {{^ +}}0{{$}}

tile.kernel @arg_reduce attributes {key = "arg_reduce", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>, !tile.ref<i64, out>, !tile.ref<i32, out>, !tile.ref<i64, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_out0: !tile.ref<f32, out>, %r_out1: !tile.ref<i64, out>, %r_out2: !tile.ref<i32, out>, %r_out3: !tile.ref<i64, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<3x4xf32, in>
  %x = tile.load %v_x[%c0, %c0] : !tile.view<3x4xf32, in> -> tensor<3x4xf32>
  %v, %a = tile.arg_reduce %x {dim = 1 : i64} : tensor<3x4xf32> -> tensor<3x1xf32>, tensor<3x1xi64>
  %w, %b = tile.arg_reduce %x {dim = 1 : i64, last} : tensor<3x4xf32> -> tensor<3x1xf32>, tensor<3x1xi32>
  %u, %c = tile.arg_reduce %x {dim = 1 : i64, minimum} : tensor<3x4xf32> -> tensor<3x1xf32>, tensor<3x1xi64>
  %v_out0 = tile.view %r_out0[] : !tile.ref<f32, out> -> !tile.view<3x1xf32, out>
  tile.store %v, %v_out0[%c0, %c0] : tensor<3x1xf32>, !tile.view<3x1xf32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i64, out> -> !tile.view<3x1xi64, out>
  tile.store %a, %v_out1[%c0, %c0] : tensor<3x1xi64>, !tile.view<3x1xi64, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i32, out> -> !tile.view<3x1xi32, out>
  tile.store %b, %v_out2[%c0, %c0] : tensor<3x1xi32>, !tile.view<3x1xi32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i64, out> -> !tile.view<3x1xi64, out>
  tile.store %c, %v_out3[%c0, %c0] : tensor<3x1xi64>, !tile.view<3x1xi64, out>
  tile.yield
}
