// RUN: adze-opt %s --graph-fuse --build-kernels --tile-verify --canonicalize --cse | FileCheck %s

// Dims merge as far as the operands allow: a bias a channel leaves two (beside the batch), everything else one.
module attributes {graph.symbols = [{name = "n", kind = "input_dim", input = 0, axis = 0, min = 1, max = 8}]} {
  func.func @main(%x: tensor<?x8x4x4xf32, affine_map<()[s0] -> (s0, 8, 4, 4)>>, %b: tensor<8x1x1xf32>) -> (tensor<?x8x4x4xf32, affine_map<()[s0] -> (s0, 8, 4, 4)>>, tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>) {
    %0 = graph.add %x, %b : (tensor<?x8x4x4xf32, affine_map<()[s0] -> (s0, 8, 4, 4)>>, tensor<8x1x1xf32>) -> tensor<?x8x4x4xf32, affine_map<()[s0] -> (s0, 8, 4, 4)>>
    %s = graph.slice %x {starts = affine_map<() -> (0, 0, 0, 3)>, steps = array<i64: 1, 1, 1, -1>} : (tensor<?x8x4x4xf32, affine_map<()[s0] -> (s0, 8, 4, 4)>>) -> tensor<?x1x1x4xf32, affine_map<()[s0] -> (s0, 1, 1, 4)>>
    %r = graph.reshape %s : (tensor<?x1x1x4xf32, affine_map<()[s0] -> (s0, 1, 1, 4)>>) -> tensor<?x4xf32, affine_map<()[s0] -> (s0, 4)>>
    %t = graph.transpose %r {perm = array<i64: 1, 0>} : (tensor<?x4xf32, affine_map<()[s0] -> (s0, 4)>>) -> tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>
    return %0, %t : tensor<?x8x4x4xf32, affine_map<()[s0] -> (s0, 8, 4, 4)>>, tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>
  }
}
// CHECK: exec.launch @pointwise_flat_0(%arg0, %arg1)
// CHECK-LABEL: tile.kernel @pointwise_flat_0
// CHECK-SAME: facts = {d0 = {max = 8 : i64, min = 1 : i64}}
// CHECK-DAG: tile.view %{{.*}} : <f32, in> -> <?x8x16xf32, in>
// CHECK-DAG: tile.view %{{.*}} : <f32, in> -> <8xf32, in>
// CHECK: arith.addf
// A negative step is a negative stride.
// CHECK: tile.kernel
// CHECK-DAG: arith.constant -1 : index
// CHECK: tile.view %{{.*}} strides[%{{.*}}, %{{.*}}] offset %{{.*}} : <f32, in> -> <?x4xf32, in>
// A transposition loads the tile as it lies in memory.
// CHECK: tile.kernel
// CHECK: tile.load %{{.*}} : <?x4xf32, in> -> tensor<64x4xf32>
// CHECK: tile.transpose %{{.*}} {perm = array<i64: 1, 0>} : tensor<64x4xf32> -> tensor<4x64xf32>
