// RUN: not adze-tile-run %s --kernel=scalar --arg=2xi32=9,1 --arg=1xi32=out 2>&1 | FileCheck %s --check-prefix=SCALAR
// RUN: not adze-tile-run %s --kernel=assume --dims=6 --arg=1xi32=out 2>&1 | FileCheck %s --check-prefix=ASSUME
// RUN: not adze-tile-run %s --kernel=inbounds --dims=6 --arg=1xi32=out --arg=8xi32=iota 2>&1 | FileCheck %s --check-prefix=INBOUNDS
// RUN: adze-tile-run %s --kernel=inbounds --dims=8 --arg=1xi32=out --arg=8xi32=iota | FileCheck %s --check-prefix=FINE
// RUN: not adze-tile-run %s --kernel=inbounds --dims=6 --arg=1xf32=out --arg=8xi32=iota 2>&1 | FileCheck %s --check-prefix=TYPE

// Contracts that a kernel breaks at run time are errors that name the program.
// SCALAR: kernel @scalar, program 0: tile.load_scalar at 9 leaves dim 0 of extent 2
tile.kernel @scalar attributes {key = "scalar", dims = [], arg_types = [!tile.ref<i32, in>, !tile.ref<i32, out>], grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%x: !tile.ref<i32, in>, %y: !tile.ref<i32, out>, %i: index):
  %v = tile.view %x[] : !tile.ref<i32, in> -> !tile.view<2xi32, in>
  %a = tile.load_scalar %v[%i] : !tile.view<2xi32, in> -> i32
  %at = arith.index_cast %a : i32 to index
  %b = tile.load_scalar %v[%at] : !tile.view<2xi32, in> -> i32
  tile.yield
}

// ASSUME: program 0: tile.assume is false for the value 6
tile.kernel @assume attributes {key = "assume", dims = ["N"], arg_types = [!tile.ref<i32, out>], grid_extents = affine_map<(d0) -> (1)>, grid_steps = array<i64: 1>} body {
^bb0(%N: index, %y: !tile.ref<i32, out>, %i: index):
  %n = tile.assume %N {div = 4 : i64}
  tile.yield
}

// INBOUNDS: program 1: a load marked inbounds leaves dim 0: offset 4, size 4, extent 6
// FINE: arg0: tensor<1xi32>
// TYPE: buffer 0 holds 'f32', the kernel's argument 'i32'
tile.kernel @inbounds attributes {key = "inbounds", dims = ["N"], arg_types = [!tile.ref<i32, out>, !tile.ref<i32, in>], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 4>} body {
^bb0(%N: index, %y: !tile.ref<i32, out>, %x: !tile.ref<i32, in>, %i: index):
  %v = tile.view %x[%N] : !tile.ref<i32, in> -> !tile.view<?xi32, in>
  %t = tile.load %v[%i] {inbounds} : !tile.view<?xi32, in> -> tensor<4xi32>
  tile.yield
}
