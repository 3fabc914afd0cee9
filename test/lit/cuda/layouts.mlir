// Layouts: rows that are reduced stay within a warp, statistics are slices, masks have no place, and a transposed copy
// reads and writes along the contiguous dims.
// RUN: adze-opt --cuda-lower-tiles="arch=sm_80 layouts" %s | FileCheck %s

// CHECK-LABEL: tile.kernel @softmax
// CHECK-SAME: gpu.warps = 8
// CHECK: tile.load {{.*}}gpu.layout = "reg d1:1x4 d1:128x4 lane d1:4 d1:8 d1:16 d1:32 d1:64 warp d0:1 d0:2 d0:4"
// CHECK: tile.reduce maxnum {{.*}}gpu.layout = "reg 1 lane - - - - - warp d0:1 d0:2 d0:4"
// CHECK: tile.iota
// CHECK-NOT: gpu.layout
// CHECK: arith.cmpi
// CHECK: arith.select {{.*}}gpu.layout = "reg d1:1x4 d1:128x4 lane d1:4
tile.kernel @softmax attributes {key = "softmax", dims = ["M"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                     grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 8>} body {
^bb0(%m: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %vx = tile.view %x[%m] : !tile.ref<f32, in> -> !tile.view<?x512xf32, in>
  %vy = tile.view %y[%m] : !tile.ref<f32, out> -> !tile.view<?x512xf32, out>
  %a = tile.load %vx[%i, %c0] : !tile.view<?x512xf32, in> -> tensor<8x512xf32>
  %r = tile.reduce maxnum %a {dim = 1} : tensor<8x512xf32> -> tensor<8x1xf32>
  %b = tile.broadcast %r : tensor<8x1xf32> -> tensor<8x512xf32>
  %d = arith.subf %a, %b : tensor<8x512xf32>
  %n = tile.iota {dim = 1} : tensor<8x512xi32>
  %five = arith.constant dense<5> : tensor<8x512xi32>
  %k = arith.cmpi slt, %n, %five : tensor<8x512xi32>
  %s = arith.select %k, %d, %a : tensor<8x512xi1>, tensor<8x512xf32>
  tile.store %s, %vy[%i, %c0] : tensor<8x512xf32>, !tile.view<?x512xf32, out>
  tile.yield
}

// CHECK-LABEL: tile.kernel @turn
// CHECK: tile.load {{.*}}gpu.layout = "reg d1:1x4 d0:{{.*}} lane d1:4
// CHECK: tile.transpose {{.*}}gpu.layout = "reg d1:1x4 d0:{{.*}} lane d1:4
tile.kernel @turn attributes {key = "turn", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                  grid_extents = affine_map<() -> (256, 256)>, grid_steps = array<i64: 64, 32>} body {
^bb0(%x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %j: index):
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<256x256xf32, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<256x256xf32, out>
  %a = tile.load %vx[%i, %j] : !tile.view<256x256xf32, in> -> tensor<64x32xf32>
  %t = tile.transpose %a {perm = array<i64: 1, 0>} : tensor<64x32xf32> -> tensor<32x64xf32>
  tile.store %t, %vy[%j, %i] : tensor<32x64xf32>, !tile.view<256x256xf32, out>
  tile.yield
}
