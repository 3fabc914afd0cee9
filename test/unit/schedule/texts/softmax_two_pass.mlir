// TILE text (c), two_pass: the row is read in chunks, once for its statistics and once for its result.
tile.kernel @softmax2 attributes {
    key = "softmax.f32.two_pass", dims = ["R", "C"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(d0, d1) -> (d0)>, grid_steps = array<i64: 16>} body {
^bb0(%R: index, %C: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %r: index):
  %c0 = arith.constant 0 : index
  %c256 = arith.constant 256 : index
  %X = tile.view %x[%R, %C] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  %Y = tile.view %y[%R, %C] : !tile.ref<f32, out> -> !tile.view<?x?xf32, out>
  %log2e = arith.constant dense<1.44269502> : tensor<16x256xf32>
  %log2e1 = arith.constant dense<1.44269502> : tensor<16x1xf32>
  %minf = arith.constant dense<0xFF800000> : tensor<16x1xf32>
  %zero = arith.constant dense<0.0> : tensor<16x1xf32>
  %m, %l = scf.for %k = %c0 to %C step %c256 iter_args(%m0 = %minf, %l0 = %zero) -> (tensor<16x1xf32>, tensor<16x1xf32>) {
    %t = tile.load %X[%r, %k] {pad = 0xFF800000 : f32, tag = "x1"} : !tile.view<?x?xf32, in> -> tensor<16x256xf32>
    %mx = tile.reduce max %t {dim = 1 : i64} : tensor<16x256xf32> -> tensor<16x1xf32>
    %mn = arith.maxnumf %m0, %mx : tensor<16x1xf32>
    %mb = tile.broadcast %mn : tensor<16x1xf32> -> tensor<16x256xf32>
    %d = arith.subf %t, %mb : tensor<16x256xf32>
    %s = arith.mulf %d, %log2e : tensor<16x256xf32>
    %e = math.exp2 %s : tensor<16x256xf32>
    %sum = tile.reduce add %e {dim = 1 : i64} : tensor<16x256xf32> -> tensor<16x1xf32>
    %dm = arith.subf %m0, %mn : tensor<16x1xf32>
    %dms = arith.mulf %dm, %log2e1 : tensor<16x1xf32>
    %al = math.exp2 %dms : tensor<16x1xf32>
    %ln = math.fma %l0, %al, %sum : tensor<16x1xf32>
    scf.yield %mn, %ln : tensor<16x1xf32>, tensor<16x1xf32>
  } {tile.loop = #tile.loop<"pass1", reduce>}
  scf.for %k = %c0 to %C step %c256 {
    %t = tile.load %X[%r, %k] {pad = 0xFF800000 : f32, tag = "x2"} : !tile.view<?x?xf32, in> -> tensor<16x256xf32>
    %mb = tile.broadcast %m : tensor<16x1xf32> -> tensor<16x256xf32>
    %d = arith.subf %t, %mb : tensor<16x256xf32>
    %s = arith.mulf %d, %log2e : tensor<16x256xf32>
    %e = math.exp2 %s : tensor<16x256xf32>
    %lb = tile.broadcast %l : tensor<16x1xf32> -> tensor<16x256xf32>
    %q = arith.divf %e, %lb : tensor<16x256xf32>
    tile.store %q, %Y[%r, %k] {tag = "y"} : tensor<16x256xf32>, !tile.view<?x?xf32, out>
  } {tile.loop = #tile.loop<"pass2", parallel>}
  tile.yield
}
