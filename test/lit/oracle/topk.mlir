// RUN: adze-tile-run %s --arg=2x4xi32=1,7,7,3,-1,-1,-5,-9 --arg=2x4xi64=iota --arg=2x2xi32=out --arg=2x2xi64=out --arg=2x2xi32=out --arg=2x2xi64=out | FileCheck %s

// The k extreme keys, sorted; ties: lowest position first.
// CHECK: arg2: tensor<2x2xi32>
// CHECK-NEXT: {{^ +}}7 7{{$}}
// CHECK-NEXT: {{^ +}}-1 -1{{$}}
// CHECK: arg3: tensor<2x2xi64>
// CHECK-NEXT: {{^ +}}1 2{{$}}
// CHECK-NEXT: {{^ +}}4 5{{$}}
// CHECK: arg4: tensor<2x2xi32>
// CHECK-NEXT: {{^ +}}1 3{{$}}
// CHECK-NEXT: {{^ +}}-9 -5{{$}}
// CHECK: arg5: tensor<2x2xi64>
// CHECK-NEXT: {{^ +}}0 3{{$}}
// CHECK-NEXT: {{^ +}}7 6{{$}}

tile.kernel @topk attributes {key = "topk", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i64, in>, !tile.ref<i32, out>, !tile.ref<i64, out>, !tile.ref<i32, out>, !tile.ref<i64, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_k: !tile.ref<i32, in>, %r_v: !tile.ref<i64, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i64, out>, %r_out2: !tile.ref<i32, out>, %r_out3: !tile.ref<i64, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_k = tile.view %r_k[] : !tile.ref<i32, in> -> !tile.view<2x4xi32, in>
  %k = tile.load %v_k[%c0, %c0] : !tile.view<2x4xi32, in> -> tensor<2x4xi32>
  %v_v = tile.view %r_v[] : !tile.ref<i64, in> -> !tile.view<2x4xi64, in>
  %v = tile.load %v_v[%c0, %c0] : !tile.view<2x4xi64, in> -> tensor<2x4xi64>
  %a, %b = tile.topk %k, %v {dim = 1 : i64, largest} : tensor<2x4xi32>, tensor<2x4xi64> -> tensor<2x2xi32>, tensor<2x2xi64>
  %c, %d = tile.topk %k, %v {dim = 1 : i64} : tensor<2x4xi32>, tensor<2x4xi64> -> tensor<2x2xi32>, tensor<2x2xi64>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<2x2xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<2x2xi32>, !tile.view<2x2xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i64, out> -> !tile.view<2x2xi64, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<2x2xi64>, !tile.view<2x2xi64, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i32, out> -> !tile.view<2x2xi32, out>
  tile.store %c, %v_out2[%c0, %c0] : tensor<2x2xi32>, !tile.view<2x2xi32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i64, out> -> !tile.view<2x2xi64, out>
  tile.store %d, %v_out3[%c0, %c0] : tensor<2x2xi64>, !tile.view<2x2xi64, out>
  tile.yield
}
