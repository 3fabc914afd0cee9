// A product of float16 tiles: four stages of asynchronous copies, one barrier an iteration, fragments by matrix loads, no
// conversion inside the loop.
// RUN: adze-opt --cuda-lower-tiles="arch=sm_80 ptx=1" %s | FileCheck %s

// CHECK-LABEL: .entry mm(
// Three iterations ahead of the loop, each in a group of its own.
// CHECK-COUNT-8: cp.async.cg.shared.global
// CHECK: cp.async.commit_group
// CHECK-COUNT-8: cp.async.cg.shared.global
// CHECK: cp.async.commit_group
// CHECK-COUNT-8: cp.async.cg.shared.global
// CHECK: cp.async.commit_group
// The iteration after its copies were started: two steps of k, 2 x 2 warps of 64 x 64.
// CHECK: [[COMPUTE:\$L.*]]:
// CHECK-NEXT: cp.async.commit_group
// CHECK-NOT: bar.sync
// CHECK-NOT: st.shared
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK-COUNT-64: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT: mma.sync
// CHECK: [[LOOP:\$L.*]]:
// CHECK: cp.async.wait_group 2
// CHECK-NEXT: bar.sync
// CHECK-COUNT-8: cp.async.cg.shared.global
// CHECK-NOT: cp.async.c
// CHECK: ret;
tile.kernel @mm attributes {key = "mm", dims = [], arg_types = [!tile.ref<f16, in>, !tile.ref<f16, in>, !tile.ref<f32, out>],
                 grid_extents = affine_map<() -> (256, 256)>, grid_steps = array<i64: 128, 128>, plan = {warps = 4, stages = 4}} body {
^bb0(%x: !tile.ref<f16, in>, %w: !tile.ref<f16, in>, %y: !tile.ref<f32, out>, %i: index, %j: index):
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %c512 = arith.constant 512 : index
  %vx = tile.view %x[] : !tile.ref<f16, in> -> !tile.view<256x512xf16, in>
  %vw = tile.view %w[] : !tile.ref<f16, in> -> !tile.view<512x256xf16, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<256x256xf32, out>
  %z = arith.constant dense<0.0> : tensor<128x128xf32>
  %acc = scf.for %k = %c0 to %c512 step %c32 iter_args(%c = %z) -> (tensor<128x128xf32>) {
    %a = tile.load %vx[%i, %k] : !tile.view<256x512xf16, in> -> tensor<128x32xf16>
    %b = tile.load %vw[%k, %j] : !tile.view<512x256xf16, in> -> tensor<32x128xf16>
    %d = tile.dot %a, %b, %c : tensor<128x32xf16>, tensor<32x128xf16> -> tensor<128x128xf32>
    scf.yield %d : tensor<128x128xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.store %acc, %vy[%i, %j] : tensor<128x128xf32>, !tile.view<256x256xf32, out>
  tile.yield
}
