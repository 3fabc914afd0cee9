// TILE text (c), one_tile: a row fits one tile. Rows and columns may be ragged: pad = -inf gives exp2(-inf) = 0.
tile.kernel @softmax attributes {
    key = "softmax.f32.one_tile", dims = ["R", "C"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(d0, d1) -> (d0)>, grid_steps = array<i64: 4>} body {
^bb0(%R: index, %C: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %r: index):
  %c0 = arith.constant 0 : index
  %X = tile.view %x[%R, %C] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  %Y = tile.view %y[%R, %C] : !tile.ref<f32, out> -> !tile.view<?x?xf32, out>
  %log2e = arith.constant dense<1.44269502> : tensor<4x1024xf32>
  %t = tile.load %X[%r, %c0] {pad = 0xFF800000 : f32, tag = "x"} : !tile.view<?x?xf32, in> -> tensor<4x1024xf32>
  %m = tile.reduce max %t {dim = 1 : i64} : tensor<4x1024xf32> -> tensor<4x1xf32>
  %mb = tile.broadcast %m : tensor<4x1xf32> -> tensor<4x1024xf32>
  %d = arith.subf %t, %mb : tensor<4x1024xf32>
  %s = arith.mulf %d, %log2e : tensor<4x1024xf32>
  %e = math.exp2 %s : tensor<4x1024xf32>
  %l = tile.reduce add %e {dim = 1 : i64} : tensor<4x1024xf32> -> tensor<4x1xf32>
  %lb = tile.broadcast %l : tensor<4x1xf32> -> tensor<4x1024xf32>
  %q = arith.divf %e, %lb {tag = "soft"} : tensor<4x1024xf32>
  tile.store %q, %Y[%r, %c0] {tag = "y"} : tensor<4x1024xf32>, !tile.view<?x?xf32, out>
  tile.yield
}
