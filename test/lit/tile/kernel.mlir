// RUN: adze-opt %s --tile-verify | adze-opt | FileCheck %s

// A kernel with all three regions survives printing and parsing.
// CHECK: tile.kernel @mm attributes {{.*}}split = 2
// CHECK: tile.load {{.*}} {pad = 1.000000e+00 : f32, tag = "a"}
// CHECK: tile.reduce add
// CHECK: fold
// CHECK: finish
tile.kernel @mm attributes {key = "mm", dims = ["M", "N"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>, f32], grid_extents = affine_map<(d0, d1) -> (d0, d1, 2)>, grid_steps = array<i64: 8, 8, 1>, split = 2} body {
^bb0(%M: index, %N: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %s: f32, %i: index, %j: index, %sp: index):
  %v = tile.view %x[%M, %N] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  %t = tile.load %v[%i, %j] {pad = 1.0 : f32, tag = "a"} : !tile.view<?x?xf32, in> -> tensor<8x8xf32>
  %r = tile.reduce add %t {dim = 1} : tensor<8x8xf32> -> tensor<8x1xf32>
  tile.yield %r : tensor<8x1xf32>
} fold {
^bb0(%M: index, %N: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %s: f32, %i: index, %j: index, %a: tensor<8x1xf32>, %b: tensor<8x1xf32>):
  %c = arith.addf %a, %b : tensor<8x1xf32>
  tile.yield %c : tensor<8x1xf32>
} finish {
^bb0(%M: index, %N: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %s: f32, %i: index, %j: index, %a: tensor<8x1xf32>):
  %v = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?x1xf32, out>
  %c0 = arith.constant 0 : index
  tile.store %a, %v[%i, %c0] : tensor<8x1xf32>, !tile.view<?x1xf32, out>
  tile.yield
}
