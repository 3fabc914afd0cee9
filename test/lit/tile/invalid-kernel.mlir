// RUN: adze-opt %s -split-input-file -verify-diagnostics

// Each case breaks one rule of tile.kernel.
// expected-error @+1 {{grid_extents takes 0 dims and 0 symbols; the kernel has 1 dims}}
tile.kernel @map attributes {key = "", dims = ["N"], arg_types = [], grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%n: index, %i: index):
  tile.yield
}

// -----
// expected-error @+1 {{has 1 grid extents and 2 grid steps}}
tile.kernel @steps attributes {key = "", dims = [], arg_types = [], grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1, 1>} body {
^bb0(%i: index, %j: index):
  tile.yield
}

// -----
// expected-error @+1 {{arg_types must list refs before scalars}}
tile.kernel @args attributes {key = "", dims = [], arg_types = [f32, !tile.ref<f32, in>], grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%s: f32, %r: !tile.ref<f32, in>, %i: index):
  tile.yield
}

// -----
// expected-error @+1 {{body must take (dims, arguments, grid offsets, accumulators) = ('index', '!tile.ref<f32, in>', 'index'), got}}
tile.kernel @block attributes {key = "", dims = ["N"], arg_types = [!tile.ref<f32, in>], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 1>} body {
^bb0(%r: !tile.ref<f32, in>, %n: index, %i: index):
  tile.yield
}

// -----
// expected-error @+1 {{body yields accumulators, so the kernel needs finish}}
tile.kernel @finish attributes {key = "", dims = [], arg_types = [], grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%i: index):
  %c = arith.constant dense<0.0> : tensor<4xf32>
  tile.yield %c : tensor<4xf32>
}

// -----
// expected-error @+1 {{has a split grid dim but no fold}}
tile.kernel @fold attributes {key = "", dims = [], arg_types = [], grid_extents = affine_map<() -> (2)>, grid_steps = array<i64: 1>, split = 0} body {
^bb0(%i: index):
  %c = arith.constant dense<0.0> : tensor<4xf32>
  tile.yield %c : tensor<4xf32>
} finish {
^bb0(%c: tensor<4xf32>):
  tile.yield
}

// -----
// expected-error @+1 {{the split dim counts shares: its step must be 1}}
tile.kernel @splitStep attributes {key = "", dims = [], arg_types = [], grid_extents = affine_map<() -> (2)>, grid_steps = array<i64: 2>, split = 0} body {
^bb0(%i: index):
  tile.yield
}

// -----
// expected-error @+1 {{facts name an unknown dim "M"}}
tile.kernel @facts attributes {key = "", dims = ["N"], arg_types = [], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 1>, facts = {M = {div = 8}}} body {
^bb0(%n: index, %i: index):
  tile.yield
}
