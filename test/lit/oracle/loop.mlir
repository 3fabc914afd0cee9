// RUN: adze-tile-run %s --arg=2xi32=1,2 --arg=2xi32=10,20 --arg=2xi32=out --arg=2xi32=out --arg=2xi32=out --arg=2xi32=out | FileCheck %s

// Loop-carried values: exchanged, kept and computed; a loop without trips keeps the initial ones.
// CHECK: arg2: tensor<2xi32>
// CHECK-NEXT: {{^ +}}10 20{{$}}
// CHECK: arg3: tensor<2xi32>
// CHECK-NEXT: {{^ +}}1 2{{$}}
// CHECK: arg4: tensor<2xi32>
// CHECK-NEXT: {{^ +}}22 44{{$}}
// CHECK: arg5: tensor<2xi32>
// CHECK-NEXT: {{^ +}}10 20{{$}}

tile.kernel @loop attributes {key = "loop", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, in>, !tile.ref<i32, out>, !tile.ref<i32, out>, !tile.ref<i32, out>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_y: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i32, out>, %r_out2: !tile.ref<i32, out>, %r_out3: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<2xi32, in>
  %x = tile.load %v_x[%c0] : !tile.view<2xi32, in> -> tensor<2xi32>
  %v_y = tile.view %r_y[] : !tile.ref<i32, in> -> !tile.view<2xi32, in>
  %y = tile.load %v_y[%c0] : !tile.view<2xi32, in> -> tensor<2xi32>
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %r:3 = scf.for %k = %c0 to %c3 step %c1 iter_args(%a = %x, %b = %y, %s = %x) -> (tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) {
    %n = arith.addi %s, %b : tensor<2xi32>
    scf.yield %b, %a, %n : tensor<2xi32>, tensor<2xi32>, tensor<2xi32>
  } {tile.loop = #tile.loop<"k", serial>}
  %q = scf.for %k = %c3 to %c1 step %c1 iter_args(%a = %y) -> (tensor<2xi32>) {
    scf.yield %x : tensor<2xi32>
  } {tile.loop = #tile.loop<"none", serial>}
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<2xi32, out>
  tile.store %r#0, %v_out0[%c0] : tensor<2xi32>, !tile.view<2xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i32, out> -> !tile.view<2xi32, out>
  tile.store %r#1, %v_out1[%c0] : tensor<2xi32>, !tile.view<2xi32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i32, out> -> !tile.view<2xi32, out>
  tile.store %r#2, %v_out2[%c0] : tensor<2xi32>, !tile.view<2xi32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i32, out> -> !tile.view<2xi32, out>
  tile.store %q, %v_out3[%c0] : tensor<2xi32>, !tile.view<2xi32, out>
  tile.yield
}
