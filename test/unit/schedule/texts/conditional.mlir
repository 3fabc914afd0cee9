// Several units under one uniform condition: a product that skips every third block of K.
tile.kernel @skip attributes {
    key = "test.skip", dims = ["M", "K"], arg_types = [!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m, k) -> (m)>, grid_steps = array<i64: 64>} body {
^bb0(%M: index, %K: index, %x: !tile.ref<bf16, in>, %w: !tile.ref<bf16, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c32 = arith.constant 32 : index
  %X = tile.view %x[%M, %K] : !tile.ref<bf16, in> -> !tile.view<?x?xbf16, in>
  %W = tile.view %w[%K] : !tile.ref<bf16, in> -> !tile.view<?x64xbf16, in>
  %Y = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?x64xf32, out>
  %z = arith.constant dense<0.0> : tensor<64x64xf32>
  %acc = scf.for %k = %c0 to %K step %c32 iter_args(%c = %z) -> (tensor<64x64xf32>) {
    %n = arith.divui %k, %c32 : index
    %m = arith.remui %n, %c3 : index
    %use = arith.cmpi ne, %m, %c2 : index
    %d = scf.if %use -> (tensor<64x64xf32>) {
      %a = tile.load %X[%i, %k] {tag = "a"} : !tile.view<?x?xbf16, in> -> tensor<64x32xbf16>
      %b = tile.load %W[%k, %c0] {tag = "b"} : !tile.view<?x64xbf16, in> -> tensor<32x64xbf16>
      %e = tile.dot %a, %b, %c {tag = "mma"} : tensor<64x32xbf16>, tensor<32x64xbf16> -> tensor<64x64xf32>
      scf.yield %e : tensor<64x64xf32>
    } else {
      scf.yield %c : tensor<64x64xf32>
    }
    scf.yield %d : tensor<64x64xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  %r = math.absf %acc {tag = "out"} : tensor<64x64xf32>
  tile.store %r, %Y[%i, %c0] {tag = "y"} : tensor<64x64xf32>, !tile.view<?x64xf32, out>
  tile.yield
}
