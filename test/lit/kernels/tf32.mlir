// RUN: adze-opt %s --graph-fuse --build-kernels="tf32" | FileCheck %s --check-prefix=TF32
// RUN: adze-opt %s --graph-fuse --build-kernels | FileCheck %s --check-prefix=IEEE

// The licence is for float32 products only.
func.func @main(%a: tensor<8x16xf32>, %b: tensor<16x8xf32>, %c: tensor<8x16xf16>, %d: tensor<16x8xf16>) -> (tensor<8x8xf32>, tensor<8x8xf16>) {
  %y = graph.matmul %a, %b {trans_a = false, trans_b = false} : (tensor<8x16xf32>, tensor<16x8xf32>) -> tensor<8x8xf32>
  %z = graph.matmul %c, %d {trans_a = false, trans_b = false} : (tensor<8x16xf16>, tensor<16x8xf16>) -> tensor<8x8xf16>
  return %y, %z : tensor<8x8xf32>, tensor<8x8xf16>
}
// TF32: tile.dot {{.*}}precision = #tile<precision tf32>{{.*}} -> tensor<8x8xf32>
// TF32: tile.dot {{.*}} {tag = "mma"} : tensor<8x16xf16>
// IEEE-NOT: tf32
