// REQUIRES: adze-opt
// RUN: adze-opt %s --split-input-file --verify-diagnostics --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json

// Scalars and views alone: nothing to assign.
tile.kernel @nothing attributes {key = "n", dims = ["M"], arg_types = [!tile.ref<f32, in>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 1>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %i: index):
  %X = tile.view %x[%M] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  tile.yield
}

// -----

tile.kernel @backwards attributes {key = "b", dims = ["M"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 16>,
    schedule = #tile.schedule<grid = {}, loops = {l = {stages = {late = 2, early = 1}}}, ops = {}>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %X = tile.view %x[%M] : !tile.ref<f32, in> -> !tile.view<?x16xf32, in>
  %Y = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?x16xf32, out>
  scf.for %k = %c0 to %M step %c16 {
    %t = tile.load %X[%k, %c0] : !tile.view<?x16xf32, in> -> tensor<16x16xf32>
    %a = math.exp2 %t {tag = "late"} : tensor<16x16xf32>
    // expected-error @+1 {{is in stage 1 and reads a value of stage 2; give it a later stage in #tile.schedule}}
    %b = math.exp2 %a {tag = "early"} : tensor<16x16xf32>
    tile.store %b, %Y[%k, %c0] : tensor<16x16xf32>, !tile.view<?x16xf32, out>
  } {tile.loop = #tile.loop<"l", parallel>}
  tile.yield
}

// -----

tile.kernel @cycle attributes {key = "c", dims = ["M"], arg_types = [!tile.ref<f32, in>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 16>,
    schedule = #tile.schedule<grid = {}, loops = {l = {stages = {one = 0, two = 1}}}, ops = {}>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %i: index):
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %z = arith.constant dense<0.0> : tensor<16x16xf32>
  %r = scf.for %k = %c0 to %M step %c16 iter_args(%c = %z) -> (tensor<16x16xf32>) {
    // expected-error @+1 {{reads loop-carried value 0 on unit vector in stage 0, which is computed on vector in stage 1; put the whole cycle into one stage}}
    %a = math.exp2 %c {tag = "one"} : tensor<16x16xf32>
    %b = math.exp2 %a {tag = "two"} : tensor<16x16xf32>
    scf.yield %b : tensor<16x16xf32>
  } {tile.loop = #tile.loop<"l", reduce>}
  tile.yield
}

// -----

tile.kernel @gather attributes {key = "g", dims = ["M"], arg_types = [!tile.ref<f32, in>, !tile.ref<i32, in>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 16>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %n: !tile.ref<i32, in>, %i: index):
  %c0 = arith.constant 0 : index
  %X = tile.view %x[%M] : !tile.ref<f32, in> -> !tile.view<?x16xf32, in>
  %N = tile.view %n[%M] : !tile.ref<i32, in> -> !tile.view<?xi32, in>
  %t = tile.load %N[%i] : !tile.view<?xi32, in> -> tensor<16xi32>
  // expected-error @+1 {{is not staged: no rule says which unit addresses memory by a tile; run this kernel unstaged}}
  %g = tile.gather %X by %t[%c0, %c0] {dim = 0 : i64} : !tile.view<?x16xf32, in>, tensor<16xi32> -> tensor<16x16xf32>
  tile.yield
}
