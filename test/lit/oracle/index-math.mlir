// RUN: adze-tile-run %s  --arg=2xi64=out --arg=2xi64=out --arg=2xi64=out --arg=1xi64=out | FileCheck %s

// part, affine maps, delinearize and linearize.
// CHECK: arg0: tensor<2xi64>
// CHECK-NEXT: {{^ +}}16 23{{$}}
// CHECK: arg1: tensor<2xi64>
// CHECK-NEXT: {{^ +}}2 3{{$}}
// CHECK: arg2: tensor<2xi64>
// CHECK-NEXT: {{^ +}}7 5{{$}}
// CHECK: arg3: tensor<1xi64>
// CHECK-NEXT: {{^ +}}23{{$}}

tile.kernel @index_math attributes {key = "index_math", dims = [], arg_types = [!tile.ref<i64, out>, !tile.ref<i64, out>, !tile.ref<i64, out>, !tile.ref<i64, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_out0: !tile.ref<i64, out>, %r_out1: !tile.ref<i64, out>, %r_out2: !tile.ref<i64, out>, %r_out3: !tile.ref<i64, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c10 = arith.constant 10 : index
  %c23 = arith.constant 23 : index
  %lo, %hi = tile.part %c2 of %c4 in %c0 to %c23 step 4
  %l = arith.index_cast %lo : index to i64
  %h = arith.index_cast %hi : index to i64
  %p, %q = affine.delinearize_index %c23 into (3, 10) : index, index
  %p1 = arith.index_cast %p : index to i64
  %q1 = arith.index_cast %q : index to i64
  %m = affine.min affine_map<(d0)[s0] -> (d0 - s0, 7)> (%c10)[%c2]
  %n = affine.apply affine_map<(d0) -> (d0 ceildiv 4 + d0 mod 4)> (%c10)
  %m1 = arith.index_cast %m : index to i64
  %n1 = arith.index_cast %n : index to i64
  %o = affine.linearize_index [%p, %q] by (3, 10) : index
  %k = tile.assume %o {div = 1 : i64, min = 0 : i64, max = 29 : i64}
  %k1 = arith.index_cast %k : index to i64
  %l1 = tile.splat %l : i64 -> tensor<1xi64>
  %h1 = tile.splat %h : i64 -> tensor<1xi64>
  %a = tile.concat %l1, %h1 {dim = 0 : i64} : tensor<1xi64>, tensor<1xi64> -> tensor<2xi64>
  %p2 = tile.splat %p1 : i64 -> tensor<1xi64>
  %q2 = tile.splat %q1 : i64 -> tensor<1xi64>
  %b = tile.concat %p2, %q2 {dim = 0 : i64} : tensor<1xi64>, tensor<1xi64> -> tensor<2xi64>
  %m2 = tile.splat %m1 : i64 -> tensor<1xi64>
  %n2 = tile.splat %n1 : i64 -> tensor<1xi64>
  %c = tile.concat %m2, %n2 {dim = 0 : i64} : tensor<1xi64>, tensor<1xi64> -> tensor<2xi64>
  %d = tile.splat %k1 : i64 -> tensor<1xi64>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i64, out> -> !tile.view<2xi64, out>
  tile.store %a, %v_out0[%c0] : tensor<2xi64>, !tile.view<2xi64, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i64, out> -> !tile.view<2xi64, out>
  tile.store %b, %v_out1[%c0] : tensor<2xi64>, !tile.view<2xi64, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i64, out> -> !tile.view<2xi64, out>
  tile.store %c, %v_out2[%c0] : tensor<2xi64>, !tile.view<2xi64, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i64, out> -> !tile.view<1xi64, out>
  tile.store %d, %v_out3[%c0] : tensor<1xi64>, !tile.view<1xi64, out>
  tile.yield
}
