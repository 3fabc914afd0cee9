// A row of pixels under one tap of a window: masked registers without a branch or a gather, every other element by two
// registers and a shuffle, and what body yields has no buffer.
// RUN: adze-opt --cpu-lower-tiles=arch=x86-64-v4 %s | FileCheck %s

// CHECK-LABEL: func.func @taps
// CHECK-NOT: {{llvm.store|llvm.intr.masked.(gather|store)}}
// CHECK-COUNT-7: llvm.intr.masked.load {{.*}} -> vector<16xf32>
// CHECK: vector.shuffle {{.*}} [0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31]
// CHECK: llvm.intr.masked.load {{.*}} -> vector<16xf32>
// CHECK-NOT: llvm.intr.masked.load
// CHECK: llvm.intr.masked.store
// CHECK-NOT: llvm.intr.masked.store
// CHECK: return
tile.kernel @taps attributes {key = "taps", dims = ["w"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                 grid_extents = affine_map<(d0) -> (8, d0)>, grid_steps = array<i64: 8, 32>} body {
^bb0(%w: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %c: index, %i: index):
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %vx = tile.view %x[%w] : !tile.ref<f32, in> -> !tile.view<8x?xf32, in>
  %m1 = arith.subi %i, %c1 : index
  %m2 = arith.subi %i, %c2 : index
  %p1 = arith.addi %i, %c1 : index
  %p2 = arith.addi %i, %c2 : index
  %c3 = arith.constant 3 : index
  %p3 = arith.addi %i, %c3 : index
  %even = arith.muli %i, %c2 : index
  %odd = arith.subi %even, %c1 : index
  %a = tile.load %vx[%c, %m2] : !tile.view<8x?xf32, in> -> tensor<8x32xf32>
  %b = tile.load %vx[%c, %m1] : !tile.view<8x?xf32, in> -> tensor<8x32xf32>
  %d = tile.load %vx[%c, %i] : !tile.view<8x?xf32, in> -> tensor<8x32xf32>
  %e = tile.load %vx[%c, %p1] : !tile.view<8x?xf32, in> -> tensor<8x32xf32>
  %f = tile.load %vx[%c, %p2] : !tile.view<8x?xf32, in> -> tensor<8x32xf32>
  %g = tile.load %vx[%c, %odd] : !tile.view<8x?xf32, in> -> tensor<8x63xf32>
  %h = tile.slice %g {offsets = array<i64: 0, 0>, strides = array<i64: 1, 2>} : tensor<8x63xf32> -> tensor<8x32xf32>
  %k = tile.load %vx[%c, %p3] : !tile.view<8x?xf32, in> -> tensor<8x32xf32>
  %s0 = arith.addf %a, %b : tensor<8x32xf32>
  %s1 = arith.addf %s0, %d : tensor<8x32xf32>
  %s2 = arith.addf %s1, %e : tensor<8x32xf32>
  %s3 = arith.addf %s2, %f : tensor<8x32xf32>
  %s4 = arith.addf %s3, %h : tensor<8x32xf32>
  %s5 = arith.addf %s4, %k : tensor<8x32xf32>
  tile.yield %s5 : tensor<8x32xf32>
} finish {
^bb0(%w: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %c: index, %i: index, %acc: tensor<8x32xf32>):
  %vy = tile.view %y[%w] : !tile.ref<f32, out> -> !tile.view<8x?xf32, out>
  tile.store %acc, %vy[%c, %i] : tensor<8x32xf32>, !tile.view<8x?xf32, out>
  tile.yield
}
