// RUN: adze-tile-run %s --arg=2xf32=1,-2 --arg=4xi8=1,2,-1,-1 --arg=2xi32=out --arg=2xi16=out --arg=4xi16=out | FileCheck %s

// Same bits; the last dim scales, little endian.
// CHECK: arg2: tensor<2xi32>
// CHECK-NEXT: {{^ +}}1065353216 -1073741824{{$}}
// CHECK: arg3: tensor<2xi16>
// CHECK-NEXT: {{^ +}}513 -1{{$}}
// CHECK: arg4: tensor<4xi16>
// CHECK-NEXT: {{^ +}}0 16256 0 -16384{{$}}

tile.kernel @bitcast attributes {key = "bitcast", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<i8, in>, !tile.ref<i32, out>, !tile.ref<i16, out>, !tile.ref<i16, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%r_x: !tile.ref<f32, in>, %r_y: !tile.ref<i8, in>, %r_out0: !tile.ref<i32, out>, %r_out1: !tile.ref<i16, out>, %r_out2: !tile.ref<i16, out>, %i: index):
  %c0 = arith.constant 0 : index
  %v_x = tile.view %r_x[] : !tile.ref<f32, in> -> !tile.view<2xf32, in>
  %x = tile.load %v_x[%c0] : !tile.view<2xf32, in> -> tensor<2xf32>
  %v_y = tile.view %r_y[] : !tile.ref<i8, in> -> !tile.view<4xi8, in>
  %y = tile.load %v_y[%c0] : !tile.view<4xi8, in> -> tensor<4xi8>
  %a = tile.bitcast %x : tensor<2xf32> -> tensor<2xi32>
  %b = tile.bitcast %y : tensor<4xi8> -> tensor<2xi16>
  %c = tile.bitcast %x : tensor<2xf32> -> tensor<4xi16>
  %v_out0 = tile.view %r_out0[] : !tile.ref<i32, out> -> !tile.view<2xi32, out>
  tile.store %a, %v_out0[%c0] : tensor<2xi32>, !tile.view<2xi32, out>
  %v_out1 = tile.view %r_out1[] : !tile.ref<i16, out> -> !tile.view<2xi16, out>
  tile.store %b, %v_out1[%c0] : tensor<2xi16>, !tile.view<2xi16, out>
  %v_out2 = tile.view %r_out2[] : !tile.ref<i16, out> -> !tile.view<4xi16, out>
  tile.store %c, %v_out2[%c0] : tensor<4xi16>, !tile.view<4xi16, out>
  tile.yield
}
