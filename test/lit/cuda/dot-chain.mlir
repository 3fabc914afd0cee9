// Two products in a row (attention without its softmax): the first one's accumulators, narrowed, are the second one's
// fragments. Nothing is stored to shared memory in the loop, there is one barrier in it and none
// behind it.
// RUN: adze-opt --cuda-lower-tiles=arch=sm_80 %s | FileCheck %s

// CHECK-LABEL: llvm.func @chain
// The operand that the loop does not change is stored before it.
// CHECK: llvm.store {{.*}} : vector<8xf16>, !llvm.ptr<3>
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 0
// CHECK-NEXT: nvvm.barrier
// CHECK: scf.if
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK-NOT: nvvm.barrier
// CHECK-NOT: llvm.store
// 4 tiles of keys x 4 steps of the head size, then 2 steps of keys x 6 tiles of columns.
// CHECK-COUNT-16: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT: {{llvm.store|nvvm.barrier}}
// CHECK-COUNT-12: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT: {{mma.sync|nvvm.barrier}}
// CHECK: llvm.return
tile.kernel @chain attributes {key = "chain", dims = [], arg_types = [!tile.ref<f16, in>, !tile.ref<f16, in>, !tile.ref<f16, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>, plan = {warps = 4 : i64, stages = 2 : i64}} body {
^bb0(%x: !tile.ref<f16, in>, %w: !tile.ref<f16, in>, %v: !tile.ref<f16, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %c256 = arith.constant 256 : index
  %vx = tile.view %x[] : !tile.ref<f16, in> -> !tile.view<64x64xf16, in>
  %vw = tile.view %w[] : !tile.ref<f16, in> -> !tile.view<256x64xf16, in>
  %vv = tile.view %v[] : !tile.ref<f16, in> -> !tile.view<256x48xf16, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<64x48xf32, out>
  %zs = arith.constant dense<0.0> : tensor<64x32xf32>
  %zo = arith.constant dense<0.0> : tensor<64x48xf32>
  %a = tile.load %vx[%c0, %c0] : !tile.view<64x64xf16, in> -> tensor<64x64xf16>
  %acc = scf.for %k = %c0 to %c256 step %c32 iter_args(%o = %zo) -> (tensor<64x48xf32>) {
    %b = tile.load %vw[%k, %c0] : !tile.view<256x64xf16, in> -> tensor<32x64xf16>
    %c = tile.load %vv[%k, %c0] : !tile.view<256x48xf16, in> -> tensor<32x48xf16>
    %s = tile.dot %a, %b, %zs {trans_b} : tensor<64x64xf16>, tensor<32x64xf16> -> tensor<64x32xf32>
    %p = tile.cast %s : tensor<64x32xf32> -> tensor<64x32xf16>
    %d = tile.dot %p, %c, %zo : tensor<64x32xf16>, tensor<32x48xf16> -> tensor<64x48xf32>
    %n = arith.addf %o, %d : tensor<64x48xf32>
    scf.yield %n : tensor<64x48xf32>
  } {tile.loop = #tile.loop<"kv", reduce>}
  tile.store %acc, %vy[%c0, %c0] : tensor<64x48xf32>, !tile.view<64x48xf32, out>
  tile.yield
}
