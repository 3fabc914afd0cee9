// TILE text (a): batched matmul with packed weight, bias, GELU (tanh form) and residual; split along K.
#w = #tile.pack<(k, n) -> (n floordiv 256, k floordiv 64, n mod 256, k mod 64), [64, 256]>
tile.kernel @mm attributes {
    key = "matmul.bf16.bias.gelu.res", dims = ["B", "M", "N", "K", "S"],
    arg_types = [!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<f32, in>, !tile.ref<bf16, in>, !tile.ref<bf16, out>],
    grid_extents = affine_map<(b, m, n, k, s) -> (b, m, n, s)>, grid_steps = array<i64: 1, 128, 256, 1>, split = 3 : i64,
    facts = {S = {max = 1 : i64}}} body {
^bb0(%B: index, %M: index, %N: index, %K: index, %S: index, %x: !tile.ref<bf16, in>, %w: !tile.ref<bf16, in>,
     %bias: !tile.ref<f32, in>, %res: !tile.ref<bf16, in>, %y: !tile.ref<bf16, out>,
     %b: index, %i: index, %j: index, %s: index):
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %X = tile.view %x[%B, %M, %K] : !tile.ref<bf16, in> -> !tile.view<?x?x?xbf16, in>
  %W = tile.view %w[%K, %N] : !tile.ref<bf16, in> -> !tile.view<?x?xbf16, in, #w>
  %z = arith.constant dense<0.0> : tensor<128x256xf32>
  %lo, %hi = tile.part %s of %S in %c0 to %K step 64
  %acc = scf.for %k = %lo to %hi step %c64 iter_args(%c = %z) -> (tensor<128x256xf32>) {
    %a = tile.load %X[%b, %i, %k] {tag = "a"} : !tile.view<?x?x?xbf16, in> -> tensor<128x64xbf16>
    %t = tile.load %W[%k, %j] {tag = "b"} : !tile.view<?x?xbf16, in, #w> -> tensor<64x256xbf16>
    %d = tile.dot %a, %t, %c {tag = "mma"} : tensor<128x64xbf16>, tensor<64x256xbf16> -> tensor<128x256xf32>
    scf.yield %d : tensor<128x256xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %acc : tensor<128x256xf32>
} fold {
^bb0(%B: index, %M: index, %N: index, %K: index, %S: index, %x: !tile.ref<bf16, in>, %w: !tile.ref<bf16, in>,
     %bias: !tile.ref<f32, in>, %res: !tile.ref<bf16, in>, %y: !tile.ref<bf16, out>,
     %b: index, %i: index, %j: index, %p: tensor<128x256xf32>, %q: tensor<128x256xf32>):
  %r = arith.addf %p, %q : tensor<128x256xf32>
  tile.yield %r : tensor<128x256xf32>
} finish {
^bb0(%B: index, %M: index, %N: index, %K: index, %S: index, %x: !tile.ref<bf16, in>, %w: !tile.ref<bf16, in>,
     %bias: !tile.ref<f32, in>, %res: !tile.ref<bf16, in>, %y: !tile.ref<bf16, out>,
     %b: index, %i: index, %j: index, %acc: tensor<128x256xf32>):
  %BV = tile.view %bias[%N] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %RV = tile.view %res[%B, %M, %N] : !tile.ref<bf16, in> -> !tile.view<?x?x?xbf16, in>
  %YV = tile.view %y[%B, %M, %N] : !tile.ref<bf16, out> -> !tile.view<?x?x?xbf16, out>
  %half = arith.constant dense<0.5> : tensor<128x256xf32>
  %one = arith.constant dense<1.0> : tensor<128x256xf32>
  %k0 = arith.constant dense<0.797884583> : tensor<128x256xf32>
  %k1 = arith.constant dense<0.044715> : tensor<128x256xf32>
  %bt = tile.load %BV[%j] {tag = "bias"} : !tile.view<?xf32, in> -> tensor<256xf32>
  %b1 = tile.reshape %bt : tensor<256xf32> -> tensor<1x256xf32>
  %b2 = tile.broadcast %b1 : tensor<1x256xf32> -> tensor<128x256xf32>
  %v = arith.addf %acc, %b2 : tensor<128x256xf32>
  %v2 = arith.mulf %v, %v : tensor<128x256xf32>
  %v3 = arith.mulf %v2, %v : tensor<128x256xf32>
  %in = math.fma %v3, %k1, %v : tensor<128x256xf32>
  %arg = arith.mulf %in, %k0 : tensor<128x256xf32>
  %th = math.tanh %arg : tensor<128x256xf32>
  %th1 = arith.addf %th, %one : tensor<128x256xf32>
  %hv = arith.mulf %v, %half : tensor<128x256xf32>
  %g = arith.mulf %hv, %th1 : tensor<128x256xf32>
  %rt = tile.load %RV[%b, %i, %j] {tag = "res"} : !tile.view<?x?x?xbf16, in> -> tensor<128x256xbf16>
  %rf = tile.cast %rt : tensor<128x256xbf16> -> tensor<128x256xf32>
  %o = arith.addf %g, %rf : tensor<128x256xf32>
  %ob = tile.cast %o {tag = "out"} : tensor<128x256xf32> -> tensor<128x256xbf16>
  tile.store %ob, %YV[%b, %i, %j] {tag = "y"} : tensor<128x256xbf16>, !tile.view<?x?x?xbf16, out>
  tile.yield
}
