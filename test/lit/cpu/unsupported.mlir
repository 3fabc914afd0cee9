// What the target cannot lower is an error that names the kernel and a remedy.
// RUN: not adze-opt --cpu-lower-tiles %s 2>&1 | FileCheck %s

// CHECK: error: the cpu target cannot lower 'math.erfc' in kernel @tails: no approximation of this function; choose another form
tile.kernel @tails attributes {key = "k", dims = [], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                 grid_extents = affine_map<() -> (16)>, grid_steps = array<i64: 16>} body {
^bb0(%x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[] : !tile.ref<f32, in> -> !tile.view<16xf32, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<16xf32, out>
  %a = tile.load %vx[%i] : !tile.view<16xf32, in> -> tensor<16xf32>
  %d = math.erfc %a : tensor<16xf32>
  tile.store %d, %vy[%i] : tensor<16xf32>, !tile.view<16xf32, out>
  tile.yield
}
