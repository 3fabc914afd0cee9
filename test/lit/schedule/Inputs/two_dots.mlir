// Two dots with row-wise work between them, in three stages: the smallest kernel in which both kinds of unit wait for each
// other.
tile.kernel @two_dots attributes {
    key = "test", dims = ["M", "K"],
    arg_types = [!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m, k) -> (m)>, grid_steps = array<i64: 64>,
    schedule = #tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 1, pv = 2}, batch = 1}}, ops = {}>} body {
^bb0(%M: index, %K: index, %q_: !tile.ref<bf16, in>, %k_: !tile.ref<bf16, in>, %v_: !tile.ref<bf16, in>, %o_: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %Q = tile.view %q_[%M] : !tile.ref<bf16, in> -> !tile.view<?x64xbf16, in>
  %KV = tile.view %k_[%K] : !tile.ref<bf16, in> -> !tile.view<?x64xbf16, in>
  %VV = tile.view %v_[%K] : !tile.ref<bf16, in> -> !tile.view<?x64xbf16, in>
  %O = tile.view %o_[%M] : !tile.ref<f32, out> -> !tile.view<?x64xf32, out>
  %z = arith.constant dense<0.0> : tensor<64x64xf32>
  %q = tile.load %Q[%i, %c0] {tag = "q"} : !tile.view<?x64xbf16, in> -> tensor<64x64xbf16>
  %o = scf.for %k = %c0 to %K step %c64 iter_args(%o0 = %z) -> (tensor<64x64xf32>) {
    %kt = tile.load %KV[%k, %c0] {tag = "k"} : !tile.view<?x64xbf16, in> -> tensor<64x64xbf16>
    %vt = tile.load %VV[%k, %c0] {tag = "v"} : !tile.view<?x64xbf16, in> -> tensor<64x64xbf16>
    %s = tile.dot %q, %kt, %z {trans_b, tag = "qk"} : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    %e = math.exp2 %s : tensor<64x64xf32>
    %p = tile.cast %e {tag = "soft"} : tensor<64x64xf32> -> tensor<64x64xbf16>
    %on = tile.dot %p, %vt, %o0 {tag = "pv"} : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %on : tensor<64x64xf32>
  } {tile.loop = #tile.loop<"kv", reduce>}
  tile.store %o, %O[%i, %c0] {tag = "o"} : tensor<64x64xf32>, !tile.view<?x64xf32, out>
  tile.yield
}
