// RUN: adze-tile-run %s --arg=6xi32=iota --arg=3x4xi32=fill:-1 | FileCheck %s

// Elements outside the extents, or where the mask is false, are dropped; the buffer keeps what it held.
// CHECK: arg1: tensor<3x4xi32>
// CHECK-NEXT: {{^ +}}4 5 -1 -1
// CHECK-NEXT: {{^ +}}-1 -1 -1 -1
// CHECK-NEXT: {{^ +}}-1 -1 1 2

tile.kernel @store attributes {key = "store", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, inout>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%x: !tile.ref<i32, in>, %y: !tile.ref<i32, inout>, %i: index):
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %m1 = arith.constant -1 : index
  %vx = tile.view %x[] : !tile.ref<i32, in> -> !tile.view<2x3xi32, in>
  %vy = tile.view %y[] : !tile.ref<i32, inout> -> !tile.view<3x4xi32, inout>
  %t = tile.load %vx[%c0, %c0] : !tile.view<2x3xi32, in> -> tensor<2x3xi32>
  tile.store %t, %vy[%m1, %m1] : tensor<2x3xi32>, !tile.view<3x4xi32, inout>
  %three = arith.constant dense<3> : tensor<2x3xi32>
  %less = arith.cmpi slt, %t, %three : tensor<2x3xi32>
  %zero = arith.constant dense<0> : tensor<2x3xi32>
  %more = arith.cmpi sgt, %t, %zero : tensor<2x3xi32>
  %mask = arith.andi %less, %more : tensor<2x3xi1>
  %c1 = arith.constant 1 : index
  tile.store %t, %vy[%c2, %c1] mask %mask : tensor<2x3xi1> : tensor<2x3xi32>, !tile.view<3x4xi32, inout>
  tile.yield
}
