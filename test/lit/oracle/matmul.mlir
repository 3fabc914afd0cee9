// RUN: adze-tile-run %s --dims=5,7,6,1 --arg=5x6xf32=iota:-7 --arg=6x7xf32=iota:-20 --arg=5x7xf32=out --check-races --check-unwritten | FileCheck %s
// RUN: adze-tile-run %s --dims=5,7,6,1 --arg=5x6xf32=iota:-7 --arg=6x7xf32=iota:-20 --arg=5x7xf32=out --typed | FileCheck %s
// Any number of shares of K gives the same sums on integers; more shares than steps leave empty ones.
// RUN: adze-tile-run %s --dims=5,7,6,1 --splits=2 --arg=5x6xf32=iota:-7 --arg=6x7xf32=iota:-20 --arg=5x7xf32=out --jobs=2 | FileCheck %s
// RUN: adze-tile-run %s --dims=5,7,6,5 --arg=5x6xf32=iota:-7 --arg=6x7xf32=iota:-20 --arg=5x7xf32=out --check-races | FileCheck %s

// A ragged split-K product.
// CHECK: arg2: tensor<5x7xf32>
// CHECK-NEXT: {{^ +}}190 163 136 109 82 55 28{{$}}
// CHECK-NEXT: {{^ +}}100 109 118 127 136 145 154{{$}}
// CHECK-NEXT: {{^ +}}10 55 100 145 190 235 280{{$}}
// CHECK-NEXT: {{^ +}}-80 1 82 163 244 325 406{{$}}
// CHECK-NEXT: {{^ +}}-170 -53 64 181 298 415 532{{$}}

tile.kernel @mm attributes {key = "mm", dims = ["M", "N", "K", "S"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, grid_steps = array<i64: 4, 4, 1>, split = 2} body {
^bb0(%M: index, %N: index, %K: index, %S: index, %x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %j: index, %s: index):
  %vx = tile.view %x[%M, %K] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  %vw = tile.view %w[%K, %N] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %z = arith.constant dense<0.0> : tensor<4x4xf32>
  %lo, %hi = tile.part %s of %S in %c0 to %K step 2
  %r = scf.for %k = %lo to %hi step %c2 iter_args(%c = %z) -> tensor<4x4xf32> {
    %a = tile.load %vx[%i, %k] {tag = "a"} : !tile.view<?x?xf32, in> -> tensor<4x2xf32>
    %b = tile.load %vw[%k, %j] {tag = "b"} : !tile.view<?x?xf32, in> -> tensor<2x4xf32>
    %d = tile.dot %a, %b, %c {tag = "mma"} : tensor<4x2xf32>, tensor<2x4xf32> -> tensor<4x4xf32>
    scf.yield %d : tensor<4x4xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %r : tensor<4x4xf32>
} fold {
^bb0(%M: index, %N: index, %K: index, %S: index, %x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %j: index, %p: tensor<4x4xf32>, %q: tensor<4x4xf32>):
  %r = arith.addf %p, %q : tensor<4x4xf32>
  tile.yield %r : tensor<4x4xf32>
} finish {
^bb0(%M: index, %N: index, %K: index, %S: index, %x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %j: index, %acc: tensor<4x4xf32>):
  %vy = tile.view %y[%M, %N] : !tile.ref<f32, out> -> !tile.view<?x?xf32, out>
  tile.store %acc, %vy[%i, %j] : tensor<4x4xf32>, !tile.view<?x?xf32, out>
  tile.yield
}
