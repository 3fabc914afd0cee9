// REQUIRES: adze-opt
// RUN: adze-opt %s --split-input-file --verify-diagnostics

tile.kernel @channel attributes {key = "k", dims = ["M"], arg_types = [!tile.ref<f32, in>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 1>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %i: index):
  // expected-error @+1 {{depth, batch and copies must be at least 1}}
  %c = tile.channel "c" in "m" from "a" to "b" depth 0 : !tile.channel<tensor<4xf32>>
  tile.yield
}

// -----

tile.kernel @local attributes {key = "k", dims = ["M"], arg_types = [!tile.ref<f32, in>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 1>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %i: index):
  // expected-error @+1 {{is `local` exactly when both ends are one unit}}
  %c = tile.channel "c" in "m" from "a" to "b" depth 1 {local} : !tile.channel<tensor<4xf32>>
  tile.yield
}

// -----

tile.kernel @origin attributes {key = "k", dims = ["M"], arg_types = [!tile.ref<f32, in>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 1>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %i: index):
  %c = tile.channel "c" in "m" from "a" to "b" depth 1 : !tile.channel<tensor<4xf32>>
  tile.process "a" instances 1 {
  ^bb0(%n: index):
    %s = tile.acquire %c : !tile.channel<tensor<4xf32>> -> !tile.slot<tensor<4xf32>>
    // expected-error @+1 {{needs a slot from tile.wait}}
    tile.release %s : !tile.slot<tensor<4xf32>>
  }
  tile.yield
}

// -----

tile.kernel @part attributes {key = "k", dims = ["M"], arg_types = [!tile.ref<f32, in>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 1>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %i: index):
  %t = tile.empty : tensor<4xf32>
  // expected-error @+1 {{is larger than 'tensor<4xf32>' in dim 0}}
  %p = tile.extract %t[%i] : tensor<4xf32> -> tensor<8xf32>
  tile.yield
}
