// A matmul and attention as warp-specialised kernels: roles, stages, instructions of a step, what the launch must know.
// RUN: adze-opt %s --cuda-lower-tiles="arch=sm_90a ptx=1" | FileCheck %s
// RUN: adze-opt %s --cuda-lower-tiles="arch=sm_90a" | FileCheck %s --check-prefix=LAUNCH
// RUN: adze-opt %S/../../unit/schedule/texts/attention_128.mlir --cuda-lower-tiles="arch=sm_90a ptx=1" | FileCheck %s --check-prefix=ATTENTION

// Three tensor maps behind the arguments; one block a multiprocessor.
// CHECK-LABEL: .entry mm_staged(
// CHECK: mm_staged_param_8[128]
// CHECK: .maxntid 384
// CHECK: .minnctapersm 1
// Three stages: full and empty barriers of both rings of the left operand (one a consumer) and of the right one's.
// CHECK-COUNT-22: mbarrier.init
// CHECK: fence.mbarrier_init.release.cluster;
// CHECK: setmaxnreg.inc.sync.aligned.u32 232;
// Results go through shared memory.
// CHECK: stmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: fence.proxy.async.shared::cta;
// One step: two waits, four instructions between fence and commit, one group left in flight.
// CHECK: mbarrier.try_wait.parity
// CHECK: mbarrier.try_wait.parity
// CHECK: wgmma.fence.sync.aligned;
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16
// CHECK-NOT: wgmma.mma_async
// CHECK: wgmma.commit_group.sync.aligned;
// CHECK: wgmma.wait_group.sync.aligned 1;
// CHECK: wgmma.wait_group.sync.aligned 0;
// CHECK: setmaxnreg.dec.sync.aligned.u32 40;
// 64 x 64 of the left operand for each consumer, 64 x 256 of the right one in four boxes.
// CHECK-COUNT-6: cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
// CHECK-NOT: cp.async.bulk.tensor.2d.shared
// CHECK-COUNT-4: cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group
// CHECK: cp.async.bulk.commit_group;
// CHECK: cp.async.bulk.wait_group.read 0;

// Word by word: tiled, bf16, rank 2, buffer 2, no interleave, 128-byte swizzle, 128 bytes of L2, zeros, N x M, N * 2 bytes,
// boxes of 64 x 64. Facts: addresses (operation 16) and strides that 16 divides.
// LAUNCH: llvm.func @mm_staged
// LAUNCH-SAME: cuda.variant = {descriptors = [
// LAUNCH-SAME: array<i64: 0, 1, 0, 9, 0, 2, 16, 2, 0, 0, 0, 3, 0, 2, 0, 0, 1, 1, 1, 0, 1, 1, 0, 2, 4, 0, 0, 64, 0, 64, 0, 1, 0, 1>
// LAUNCH-SAME: facts = array<i64: 16, 0, 0, 16, 7, 0, 0, 0, 10, 0,
// LAUNCH-SAME: threads = 384

// Scores and values: operands in shared memory, then probabilities in registers (four, in braces).
// ATTENTION-LABEL: .entry attn_staged(
// ATTENTION: setmaxnreg.inc.sync.aligned.u32 232;
// ATTENTION-DAG: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{.*}}, %rd{{[0-9]+}}, %rd{{[0-9]+}}, 0, 1, 1, 0, 0;
// ATTENTION-DAG: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{.*}}, {%r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}}, %rd{{[0-9]+}}, 1, 1, 1, 1;
// ATTENTION-DAG: wgmma.wait_group.sync.aligned 0;

tile.kernel @mm attributes {
    key = "matmul.bf16", dims = ["M", "N", "K"],
    arg_types = [!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<bf16, out>],
    grid_extents = affine_map<(m, n, k) -> (m, n)>, grid_steps = array<i64: 128, 256>,
    schedule = #tile.schedule<grid = {group = 8 : i64}, loops = {}, ops = {a = {lead = 2 : i64}, b = {lead = 2 : i64}}>} body {
^bb0(%M: index, %N: index, %K: index, %x: !tile.ref<bf16, in>, %w: !tile.ref<bf16, in>, %y: !tile.ref<bf16, out>,
     %i: index, %j: index):
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %X = tile.view %x[%M, %K] : !tile.ref<bf16, in> -> !tile.view<?x?xbf16, in>
  %W = tile.view %w[%K, %N] : !tile.ref<bf16, in> -> !tile.view<?x?xbf16, in>
  %z = arith.constant dense<0.0> : tensor<128x256xf32>
  %acc = scf.for %k = %c0 to %K step %c64 iter_args(%c = %z) -> (tensor<128x256xf32>) {
    %a = tile.load %X[%i, %k] {tag = "a"} : !tile.view<?x?xbf16, in> -> tensor<128x64xbf16>
    %t = tile.load %W[%k, %j] {tag = "b"} : !tile.view<?x?xbf16, in> -> tensor<64x256xbf16>
    %d = tile.dot %a, %t, %c {tag = "mma"} : tensor<128x64xbf16>, tensor<64x256xbf16> -> tensor<128x256xf32>
    scf.yield %d : tensor<128x256xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %acc : tensor<128x256xf32>
} finish {
^bb0(%M: index, %N: index, %K: index, %x: !tile.ref<bf16, in>, %w: !tile.ref<bf16, in>, %y: !tile.ref<bf16, out>,
     %i: index, %j: index, %acc: tensor<128x256xf32>):
  %Y = tile.view %y[%M, %N] : !tile.ref<bf16, out> -> !tile.view<?x?xbf16, out>
  %o = tile.cast %acc {tag = "out"} : tensor<128x256xf32> -> tensor<128x256xbf16>
  tile.store %o, %Y[%i, %j] {tag = "y"} : tensor<128x256xbf16>, !tile.view<?x?xbf16, out>
  tile.yield
}
