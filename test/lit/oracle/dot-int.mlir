// RUN: adze-tile-run %s --arg=1x2xi8=-1,127 --arg=2x1xi8=-2,-1 --arg=1x1xi32=2147483647 --arg=1x1xi32=2 --arg=1x1xi32=out --arg=1x1xi32=out --arg=1x1xi32=out --arg=1x1xi32=out | FileCheck %s

// Exact i32 sums; each operand has its own signedness; wide integers wrap.
// CHECK: arg4: tensor<1x1xi32>
// CHECK-NEXT: {{^ +}}-125{{$}}
// CHECK: arg5: tensor<1x1xi32>
// CHECK-NEXT: {{^ +}}-637{{$}}
// CHECK: arg6: tensor<1x1xi32>
// CHECK-NEXT: {{^ +}}97155{{$}}
// CHECK: arg7: tensor<1x1xi32>
// CHECK-NEXT: {{^ +}}-2{{$}}

tile.kernel @dot_int attributes {key = "dot_int", dims = [], arg_types = [!tile.ref<i8, in>, !tile.ref<i8, in>, !tile.ref<i32, in>, !tile.ref<i32, in>, !tile.ref<i32, out>, !tile.ref<i32, out>, !tile.ref<i32, out>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_a: !tile.ref<i8, in>, %r_b: !tile.ref<i8, in>, %r_c: !tile.ref<i32, in>, %r_d: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i32, out>, %r_out2: !tile.ref<i32, out>, %r_out3: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_a = tile.view %r_a[] : !tile.ref<i8, in> -> !tile.view<1x2xi8, in>
  %a = tile.load %v_a[%c0, %c0] : !tile.view<1x2xi8, in> -> tensor<1x2xi8>
  %v_b = tile.view %r_b[] : !tile.ref<i8, in> -> !tile.view<2x1xi8, in>
  %b = tile.load %v_b[%c0, %c0] : !tile.view<2x1xi8, in> -> tensor<2x1xi8>
  %v_c = tile.view %r_c[] : !tile.ref<i32, in> -> !tile.view<1x1xi32, in>
  %c = tile.load %v_c[%c0, %c0] : !tile.view<1x1xi32, in> -> tensor<1x1xi32>
  %v_d = tile.view %r_d[] : !tile.ref<i32, in> -> !tile.view<1x1xi32, in>
  %d = tile.load %v_d[%c0, %c0] : !tile.view<1x1xi32, in> -> tensor<1x1xi32>
  %z = arith.constant dense<0> : tensor<1x1xi32>
  %w = tile.dot %a, %b, %z : tensor<1x2xi8>, tensor<2x1xi8> -> tensor<1x1xi32>
  %x = tile.dot %a, %b, %z {unsigned_a} : tensor<1x2xi8>, tensor<2x1xi8> -> tensor<1x1xi32>
  %y = tile.dot %a, %b, %z {unsigned_a, unsigned_b} : tensor<1x2xi8>, tensor<2x1xi8> -> tensor<1x1xi32>
  %v = tile.dot %c, %d, %z : tensor<1x1xi32>, tensor<1x1xi32> -> tensor<1x1xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<1x1xi32, out>
  tile.store %w, %v_out0[%c0, %c0] : tensor<1x1xi32>, !tile.view<1x1xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i32, out> -> !tile.view<1x1xi32, out>
  tile.store %x, %v_out1[%c0, %c0] : tensor<1x1xi32>, !tile.view<1x1xi32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i32, out> -> !tile.view<1x1xi32, out>
  tile.store %y, %v_out2[%c0, %c0] : tensor<1x1xi32>, !tile.view<1x1xi32, out>
  %v_out3 = tile.view %r_out3[] : !tile.ref<i32, out> -> !tile.view<1x1xi32, out>
  tile.store %v, %v_out3[%c0, %c0] : tensor<1x1xi32>, !tile.view<1x1xi32, out>
  tile.yield
}
