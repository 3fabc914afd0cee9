// y[M, 2] = a[M, K] * b[K, 2], the work along K split over two programs; docs/tile.md explains it.
tile.kernel @split_matmul attributes {key = "example", dims = ["M", "K"],
    arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m, k) -> (m, 2)>, grid_steps = array<i64: 4, 1>, split = 1 : i64} body {
^bb0(%M: index, %K: index, %a: !tile.ref<f32, in>, %b: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index, %s: index):
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c2 = arith.constant 2 : index
  %A = tile.view %a[%M, %K] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  %B = tile.view %b[%K] : !tile.ref<f32, in> -> !tile.view<?x2xf32, in>
  %zero = arith.constant dense<0.0> : tensor<4x2xf32>
  %lo, %hi = tile.part %s of %c2 in %c0 to %K step 8
  %acc = scf.for %k = %lo to %hi step %c8 iter_args(%sum = %zero) -> (tensor<4x2xf32>) {
    %x = tile.load %A[%i, %k] {tag = "a"} : !tile.view<?x?xf32, in> -> tensor<4x8xf32>
    %w = tile.load %B[%k, %c0] {tag = "b"} : !tile.view<?x2xf32, in> -> tensor<8x2xf32>
    %d = tile.dot %x, %w, %sum {tag = "mma"} : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
    scf.yield %d : tensor<4x2xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %acc : tensor<4x2xf32>
} fold {
^bb0(%M: index, %K: index, %a: !tile.ref<f32, in>, %b: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index,
     %p: tensor<4x2xf32>, %q: tensor<4x2xf32>):
  %r = arith.addf %p, %q : tensor<4x2xf32>
  tile.yield %r : tensor<4x2xf32>
} finish {
^bb0(%M: index, %K: index, %a: !tile.ref<f32, in>, %b: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index,
     %acc: tensor<4x2xf32>):
  %c0 = arith.constant 0 : index
  %Y = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?x2xf32, out>
  tile.store %acc, %Y[%i, %c0] : tensor<4x2xf32>, !tile.view<?x2xf32, out>
  tile.yield
}
