// Kernels without a warp-specialised form say why; the generic function stands alone.
// RUN: adze-opt %s --cuda-lower-tiles="arch=sm_90a" | FileCheck %s
// RUN: adze-opt %s --cuda-lower-tiles="arch=sm_80" | FileCheck %s --check-prefix=OLD

// CHECK: llvm.func @odd
// CHECK-SAME: cuda.unstaged = "its products do not have 64, 128 or 192 rows"
// CHECK-NOT: @odd_staged
// OLD-NOT: cuda.unstaged
tile.kernel @odd attributes {
    key = "odd", dims = ["M", "N", "K"],
    arg_types = [!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m, n, k) -> (m, n)>, grid_steps = array<i64: 32, 64>} body {
^bb0(%M: index, %N: index, %K: index, %x: !tile.ref<bf16, in>, %w: !tile.ref<bf16, in>, %y: !tile.ref<f32, out>,
     %i: index, %j: index):
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %X = tile.view %x[%M, %K] : !tile.ref<bf16, in> -> !tile.view<?x?xbf16, in>
  %W = tile.view %w[%K, %N] : !tile.ref<bf16, in> -> !tile.view<?x?xbf16, in>
  %Y = tile.view %y[%M, %N] : !tile.ref<f32, out> -> !tile.view<?x?xf32, out>
  %z = arith.constant dense<0.0> : tensor<32x64xf32>
  %acc = scf.for %k = %c0 to %K step %c64 iter_args(%c = %z) -> (tensor<32x64xf32>) {
    %a = tile.load %X[%i, %k] {tag = "a"} : !tile.view<?x?xbf16, in> -> tensor<32x64xbf16>
    %t = tile.load %W[%k, %j] {tag = "b"} : !tile.view<?x?xbf16, in> -> tensor<64x64xbf16>
    %d = tile.dot %a, %t, %c {tag = "mma"} : tensor<32x64xbf16>, tensor<64x64xbf16> -> tensor<32x64xf32>
    scf.yield %d : tensor<32x64xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.store %acc, %Y[%i, %j] : tensor<32x64xf32>, !tile.view<?x?xf32, out>
  tile.yield
}
