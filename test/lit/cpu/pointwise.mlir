// A clipped store bounds the loop, loads of the same extent need no checks, and the tail is one masked step.
// RUN: adze-opt --cpu-lower-tiles=arch=x86-64-v4 %s | FileCheck %s --check-prefixes=CHECK,V4
// RUN: adze-opt --cpu-lower-tiles=arch=x86-64-v3 %s | FileCheck %s --check-prefixes=CHECK,V3

// CHECK-LABEL: func.func @double
// CHECK-NOT: tensor<
// CHECK: scf.for
// CHECK: scf.for
// V4: llvm.load {{.*}} -> vector<16xf32>
// V3: llvm.load {{.*}} -> vector<8xf32>
// CHECK-NOT: scf.if
// CHECK: llvm.store
// CHECK: scf.if
// CHECK: llvm.intr.masked.load
// CHECK: llvm.intr.masked.store
// CHECK-NOT: llvm.store
tile.kernel @double attributes {key = "double", dims = ["N"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                   grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 128>} body {
^bb0(%n: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %vy = tile.view %y[%n] : !tile.ref<f32, out> -> !tile.view<?xf32, out>
  %a = tile.load %vx[%i] : !tile.view<?xf32, in> -> tensor<128xf32>
  %r = arith.addf %a, %a : tensor<128xf32>
  tile.store %r, %vy[%i] : tensor<128xf32>, !tile.view<?xf32, out>
  tile.yield
}
