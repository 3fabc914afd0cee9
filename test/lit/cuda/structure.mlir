// What is emitted: 16-byte accesses where alignment is proved, no bounds where the grid fits, one barrier for a
// conversion, none for a reduction within a warp.
// RUN: adze-opt --cuda-lower-tiles=arch=sm_80 --split-input-file %s | FileCheck %s

// The whole tile is inside, in three accesses of 16 bytes.
// CHECK-LABEL: llvm.func @add
// CHECK-NOT: scf.if
// CHECK-COUNT-2: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK-NOT: llvm.load
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<1>
// CHECK-NOT: {{llvm.store|nvvm.barrier}}
tile.kernel @add attributes {key = "add", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
                 grid_extents = affine_map<() -> (1024)>, grid_steps = array<i64: 128>} body {
^bb0(%x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<1024xf32, in>
  %vw = tile.view %w[] : !tile.ref<f32, in> -> !tile.view<1024xf32, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<1024xf32, out>
  %a = tile.load %vx[%i] : !tile.view<1024xf32, in> -> tensor<128xf32>
  %b = tile.load %vw[%i] : !tile.view<1024xf32, in> -> tensor<128xf32>
  %r = arith.addf %a, %b : tensor<128xf32>
  tile.store %r, %vy[%i] : tensor<128xf32>, !tile.view<1024xf32, out>
  tile.yield
}

// -----

// An unknown length: a run of four is inside, or its elements are looked at one by one. Two per thread.
// CHECK-LABEL: llvm.func @tail
// CHECK: scf.if
// CHECK: llvm.load {{.*}} -> vector<4xf32>
// CHECK: } else {
// CHECK-COUNT-4: {{llvm.load .* -> f32|@.* ld.global.nc.b32}}
// CHECK: llvm.store {{.*}} : vector<4xf32>
// CHECK: } else {
// CHECK-COUNT-4: llvm.store {{.*}} : f32
tile.kernel @tail attributes {key = "tail", dims = ["N"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                  grid_extents = affine_map<(n) -> (n)>, grid_steps = array<i64: 128>} body {
^bb0(%n: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %vy = tile.view %y[%n] : !tile.ref<f32, out> -> !tile.view<?xf32, out>
  %a = tile.load %vx[%i] : !tile.view<?xf32, in> -> tensor<128xf32>
  %r = arith.negf %a : tensor<128xf32>
  tile.store %r, %vy[%i] : tensor<128xf32>, !tile.view<?xf32, out>
  tile.yield
}

// -----

// A known divisor of the length: runs are inside all together or not at all.
// CHECK-LABEL: llvm.func @whole
// CHECK: {{llvm.load .* -> vector<4xf32>|@.* ld.global.nc.v4.b32}}
// CHECK-NOT: {{llvm.load .* -> f32|ld.global.nc.b32}}
// CHECK: llvm.store {{.*}} : vector<4xf32>, !llvm.ptr<1>
// CHECK-NOT: llvm.store {{.*}} : f32
tile.kernel @whole attributes {key = "whole", dims = ["N"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                   grid_extents = affine_map<(n) -> (n)>, grid_steps = array<i64: 128>, facts = {N = {div = 4}}} body {
^bb0(%n: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %vy = tile.view %y[%n] : !tile.ref<f32, out> -> !tile.view<?xf32, out>
  %a = tile.load %vx[%i] : !tile.view<?xf32, in> -> tensor<128xf32>
  %r = arith.negf %a : tensor<128xf32>
  tile.store %r, %vy[%i] : tensor<128xf32>, !tile.view<?xf32, out>
  tile.yield
}

// -----

// Eight rows, eight warps: five exchanges between lanes and no barrier.
// CHECK-LABEL: llvm.func @rows
// CHECK-COUNT-5: nvvm.shfl.sync {{.*}}bfly
// CHECK-NOT: {{nvvm.shfl|nvvm.barrier}}
tile.kernel @rows attributes {key = "rows", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                  grid_extents = affine_map<() -> (64)>, grid_steps = array<i64: 8>} body {
^bb0(%x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<64x512xf32, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<64x1xf32, out>
  %a = tile.load %vx[%i, %c0] : !tile.view<64x512xf32, in> -> tensor<8x512xf32>
  %r = tile.reduce add %a {dim = 1} : tensor<8x512xf32> -> tensor<8x1xf32>
  tile.store %r, %vy[%i, %c0] : tensor<8x1xf32>, !tile.view<64x1xf32, out>
  tile.yield
}

// -----

// A transposed copy: 16-byte accesses on both sides and one barrier between them.
// CHECK-LABEL: llvm.func @turn
// CHECK: llvm.load {{.*}} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: llvm.store {{.*}}!llvm.ptr<3>
// CHECK: nvvm.barrier
// CHECK-NOT: nvvm.barrier
// CHECK: llvm.load {{.*}} : !llvm.ptr<3> -> vector<4xf32>
// CHECK: llvm.store {{.*}} : vector<4xf32>, !llvm.ptr<1>
// CHECK-NOT: nvvm.barrier
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

// -----

// A loop whose conversion is the only one: the next turn may not write what others still read.
// CHECK-LABEL: llvm.func @turns
// CHECK: scf.for
// CHECK: nvvm.barrier
// CHECK: nvvm.barrier
// CHECK-NOT: nvvm.barrier
tile.kernel @turns attributes {key = "turns", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                   grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %p: index):
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c256 = arith.constant 256 : index
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<256x32xf32, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<64x32xf32, out>
  %z = arith.constant dense<0.0> : tensor<64x32xf32>
  %acc = scf.for %k = %c0 to %c256 step %c64 iter_args(%c = %z) -> (tensor<64x32xf32>) {
    %a = tile.load %vx[%k, %c0] : !tile.view<256x32xf32, in> -> tensor<64x32xf32>
    %s = tile.slice %a {offsets = array<i64: 63, 0>, strides = array<i64: 1, 1>} : tensor<64x32xf32> -> tensor<1x32xf32>
    %b = tile.broadcast %s : tensor<1x32xf32> -> tensor<64x32xf32>
    %n = arith.addf %c, %b : tensor<64x32xf32>
    scf.yield %n : tensor<64x32xf32>
  } {tile.loop = #tile.loop<"k", serial>}
  tile.store %acc, %vy[%c0, %c0] : tensor<64x32xf32>, !tile.view<64x32xf32, out>
  tile.yield
}
