// RUN: adze-tile-run %s --arg=48xi32=iota --arg=5x6xi32=out --arg=4x2xi32=out --arg=1x3xi32=out | FileCheck %s

// Blocked storage [n/4, k/2, n%4, k%2] at logical coordinates; the tail of a block is not read.
// CHECK: arg1: tensor<5x6xi32>
// CHECK-NEXT: {{^ +}}0 1 8 9 16 17{{$}}
// CHECK-NEXT: {{^ +}}2 3 10 11 18 19{{$}}
// CHECK-NEXT: {{^ +}}4 5 12 13 20 21{{$}}
// CHECK-NEXT: {{^ +}}6 7 14 15 22 23{{$}}
// CHECK-NEXT: {{^ +}}24 25 32 33 40 41{{$}}
// CHECK: arg2: tensor<4x2xi32>
// CHECK-NEXT: {{^ +}}32 33{{$}}
// CHECK-NEXT: {{^ +}}-1 -1{{$}}
// CHECK-NEXT: {{^ +}}-1 -1{{$}}
// CHECK-NEXT: {{^ +}}-1 -1{{$}}
// CHECK: arg3: tensor<1x3xi32>
// CHECK-NEXT: {{^ +}}4 5 6{{$}}

tile.kernel @load_packed attributes {key = "load_packed", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, out>, !tile.ref<i32, out>, !tile.ref<i32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<i32, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i32, out>, %r_out2: !tile.ref<i32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<48xi32, in>
  %x = tile.load %v_x[%c0] : !tile.view<48xi32, in> -> tensor<48xi32>
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %v = tile.view %r_x[] : !tile.ref<i32, in> -> !tile.view<5x6xi32, in, #tile.pack<(n, k) -> (n floordiv 4, k floordiv 2, n mod 4, k mod 2), [4, 2]>>
  %t = tile.load %v[%c0, %c0] : !tile.view<5x6xi32, in, #tile.pack<(n, k) -> (n floordiv 4, k floordiv 2, n mod 4, k mod 2), [4, 2]>> -> tensor<8x6xi32>
  %a = tile.slice %t {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<8x6xi32> -> tensor<5x6xi32>
  %b = tile.load %v[%c4, %c2] {pad = -1 : i32} : !tile.view<5x6xi32, in, #tile.pack<(n, k) -> (n floordiv 4, k floordiv 2, n mod 4, k mod 2), [4, 2]>> -> tensor<4x2xi32>
  %sub = tile.subview %v_x[] : !tile.view<48xi32, in> -> !tile.view<48xi32, in>
  %l = tile.load %sub[%c4] : !tile.view<48xi32, in> -> tensor<3xi32>
  %c = tile.reshape %l : tensor<3xi32> -> tensor<1x3xi32>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<5x6xi32, out>
  tile.store %a, %v_out0[%c0, %c0] : tensor<5x6xi32>, !tile.view<5x6xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i32, out> -> !tile.view<4x2xi32, out>
  tile.store %b, %v_out1[%c0, %c0] : tensor<4x2xi32>, !tile.view<4x2xi32, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i32, out> -> !tile.view<1x3xi32, out>
  tile.store %c, %v_out2[%c0, %c0] : tensor<1x3xi32>, !tile.view<1x3xi32, out>
  tile.yield
}
