// What the target cannot lower is an error that names the kernel and a remedy.
// RUN: not adze-opt --cpu-lower-tiles %s 2>&1 | FileCheck %s

// CHECK: error: the cpu target cannot lower 'tile.dot' in kernel @half_sums: a dot accumulates in f32, f64, i32 or i64; choose another form
tile.kernel @half_sums attributes {key = "k", dims = [], arg_types = [!tile.ref<f16, in>, !tile.ref<f16, out>],
                 grid_extents = affine_map<() -> (16)>, grid_steps = array<i64: 16>} body {
^bb0(%x: !tile.ref<f16, in>, %y: !tile.ref<f16, out>, %i: index):
  %c0 = arith.constant 0 : index
  %vx = tile.view %x[] : !tile.ref<f16, in> -> !tile.view<16x16xf16, in>
  %vy = tile.view %y[] : !tile.ref<f16, out> -> !tile.view<16x16xf16, out>
  %z = arith.constant dense<0.0> : tensor<16x16xf16>
  %a = tile.load %vx[%i, %c0] : !tile.view<16x16xf16, in> -> tensor<16x16xf16>
  %d = tile.dot %a, %a, %z : tensor<16x16xf16>, tensor<16x16xf16> -> tensor<16x16xf16>
  tile.store %d, %vy[%i, %c0] : tensor<16x16xf16>, !tile.view<16x16xf16, out>
  tile.yield
}
