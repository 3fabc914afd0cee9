// RUN: adze-tile-run %s --arg=2xi32=1,2 --arg=1xi32=5 --arg=2xi32=out --arg=2xi32=out | FileCheck %s

// A uniform condition chooses a branch.
// CHECK: arg2: tensor<2xi32>
// CHECK-NEXT: {{^ +}}2 4{{$}}
// CHECK: arg3: tensor<2xi32>
// CHECK-NEXT: {{^ +}}1 2{{$}}

tile.kernel @if attributes {key = "if", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, in>, !tile.ref<i32, out>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_n: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<2xi32, in>
  %x = tile.load %v_x[%c0] : !tile.view<2xi32, in> -> tensor<2xi32>
  %v_n = tile.view %r_n[] : !tile.ref<i32, in> -> !tile.view<1xi32, in>
  %n = tile.load %v_n[%c0] : !tile.view<1xi32, in> -> tensor<1xi32>
  %s = tile.load_scalar %v_n[%c0] : !tile.view<1xi32, in> -> i32
  %c4 = arith.constant 4 : i32
  %t = arith.cmpi sgt, %s, %c4 : i32
  %f = arith.cmpi slt, %s, %c4 : i32
  %a = scf.if %t -> tensor<2xi32> {
    %d = arith.addi %x, %x : tensor<2xi32>
    scf.yield %d : tensor<2xi32>
  } else {
    scf.yield %x : tensor<2xi32>
  }
  %b = scf.if %f -> tensor<2xi32> {
    scf.yield %a : tensor<2xi32>
  } else {
    scf.yield %x : tensor<2xi32>
  }
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<2xi32, out>
  tile.store %a, %v_out0[%c0] : tensor<2xi32>, !tile.view<2xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i32, out> -> !tile.view<2xi32, out>
  tile.store %b, %v_out1[%c0] : tensor<2xi32>, !tile.view<2xi32, out>
  tile.yield
}
