// RUN: adze-opt %s --graph-fuse --build-kernels="plan='BM=16 BN=32 BK=8 split=3'" --tile-verify --canonicalize --cse | FileCheck %s

// The batch merges into the rows, because b has none; the epilogue runs in finish; split shares of K are merged in fold.
func.func @main(%a: tensor<2x37x50xf16>, %b: tensor<50x70xf16>, %r: tensor<70xf16>) -> tensor<2x37x70xf16> {
  %y = graph.matmul %a, %b {trans_a = false, trans_b = false} : (tensor<2x37x50xf16>, tensor<50x70xf16>) -> tensor<2x37x70xf16>
  %z = graph.add %y, %r : (tensor<2x37x70xf16>, tensor<70xf16>) -> tensor<2x37x70xf16>
  %q = graph.sigmoid %z : (tensor<2x37x70xf16>) -> tensor<2x37x70xf16>
  return %q : tensor<2x37x70xf16>
}
// CHECK: #[[GRID:.*]] = affine_map<() -> (74, 70, 3)>
// CHECK: exec.launch @matmul_plain_0(%arg0, %arg1, %arg2) dims
// CHECK: tile.kernel @matmul_plain_0 {{.*}}grid_extents = #[[GRID]], grid_steps = array<i64: 16, 32, 1>
// CHECK-SAME: numerics = #tile.numerics<acc = f32, order = "tree", flush = false>
// CHECK-SAME: split = 2
// CHECK: %[[A:.*]] = tile.view %{{.*}} : <f16, in> -> <74x50xf16, in>
// CHECK: tile.part
// CHECK: scf.for
// CHECK: tile.load %[[A]][%{{.*}}, %{{.*}}] {tag = "a"} : <74x50xf16, in> -> tensor<16x8xf16>
// CHECK: tile.dot {{.*}} {tag = "mma"} : tensor<16x8xf16>, tensor<8x32xf16> -> tensor<16x32xf32>
// CHECK: tile.loop = #tile.loop<"k", reduce>
// CHECK: } fold {
// CHECK: arith.addf
// CHECK: } finish {
// CHECK: tile.cast %{{.*}} : tensor<1x32xf16> -> tensor<1x32xf32>
// CHECK: math.exp
// CHECK: tile.store %{{.*}} : tensor<16x32xf16>, <74x70xf16, out>
