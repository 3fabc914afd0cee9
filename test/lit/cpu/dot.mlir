// A dot is 12 x 2 accumulators carried by the loop over K; panels of packed weights are read where they lie.
// RUN: adze-opt --cpu-lower-tiles=arch=x86-64-v4 %s | FileCheck %s

// CHECK-LABEL: func.func @mm
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>, )+}}vector<16xf32>) {
// CHECK: llvm.load {{.*}} -> vector<16xf32>
// CHECK: llvm.load {{.*}} -> vector<16xf32>
// CHECK: llvm.load {{.*}} -> f32
// CHECK: vector.broadcast {{.*}} : f32 to vector<16xf32>
// CHECK-COUNT-96: math.fma {{.*}} : vector<16xf32>
// CHECK-NOT: math.fma
// CHECK-NOT: llvm.intr.masked.gather
// CHECK: return
tile.kernel @mm attributes {key = "mm", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
                 grid_extents = affine_map<() -> (24, 64)>, grid_steps = array<i64: 24, 64>} body {
^bb0(%x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %j: index):
  %c0 = arith.constant 0 : index
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<24x32xf32, in>
  %vw = tile.view %w[] : !tile.ref<f32, in> -> !tile.view<32x64xf32, in, #tile.pack<(d0, d1) -> (d1 floordiv 32, d0, d1 mod 32), [1, 32]>>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<24x64xf32, out>
  %z = arith.constant dense<0.0> : tensor<24x64xf32>
  %a = tile.load %vx[%i, %c0] : !tile.view<24x32xf32, in> -> tensor<24x32xf32>
  %b = tile.load %vw[%c0, %j] : !tile.view<32x64xf32, in, #tile.pack<(d0, d1) -> (d1 floordiv 32, d0, d1 mod 32), [1, 32]>> -> tensor<32x64xf32>
  %d = tile.dot %a, %b, %z : tensor<24x32xf32>, tensor<32x64xf32> -> tensor<24x64xf32>
  tile.store %d, %vy[%i, %j] : tensor<24x64xf32>, !tile.view<24x64xf32, out>
  tile.yield
}
