// RUN: adze-opt %s --graph-fuse --build-kernels="plan='swap=1 BM=8 BN=64 BK=32 granule=8 promote=128'" | FileCheck %s --check-prefix=SWAP
// RUN: adze-opt %s --graph-fuse --build-kernels="plan='form=gemv BM=1 BN=32 BK=16'" | FileCheck %s --check-prefix=GEMV

// y^T = b^T a^T: the weights' columns are rows of the product. Sums of 8-bit floats are promoted.
// SWAP: tile.dot {{.*}} {tag = "mma", trans_a, trans_b} : tensor<32x64xf16>, tensor<8x32xf16> -> tensor<64x8xf32>
// SWAP: tile.transpose {{.*}} tensor<64x8xf16> -> tensor<8x64xf16>
// SWAP: tile.dot {{.*}}promote = 128 : i64{{.*}} : tensor<64x32xf8E4M3FN>, tensor<8x32xf8E4M3FN> -> tensor<64x8xf32>

// No dot; products are summed where they are, and reduced once.
// GEMV-NOT: tile.dot
// GEMV: scf.for {{.*}} -> (tensor<1x16x32xf32>)
// GEMV: } finish {
// GEMV: tile.reduce add {{.*}} {dim = 1 : i64} : tensor<1x16x32xf32>
func.func @main(%a: tensor<1x64xf16>, %b: tensor<64x96xf16>, %c: tensor<1x64xf8E4M3FN>, %d: tensor<96x64xf8E4M3FN>) -> (tensor<1x96xf16>, tensor<1x96xf8E4M3FN>) {
  %y = graph.matmul %a, %b {trans_a = false, trans_b = false} : (tensor<1x64xf16>, tensor<64x96xf16>) -> tensor<1x96xf16>
  %z = graph.matmul %c, %d {trans_a = false, trans_b = true} : (tensor<1x64xf8E4M3FN>, tensor<96x64xf8E4M3FN>) -> tensor<1x96xf8E4M3FN>
  return %y, %z : tensor<1x96xf16>, tensor<1x96xf8E4M3FN>
}
