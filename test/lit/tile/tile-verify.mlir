// RUN: adze-opt %s -split-input-file -verify-diagnostics --tile-verify
// RUN: not adze-opt %s -split-input-file --tile-verify=max-tile-bytes=64 2>&1 | FileCheck %s --check-prefix=BYTES
// RUN: not adze-opt %s -split-input-file --tile-verify=check-schedule=false 2>&1 | FileCheck %s --check-prefix=LOOSE

// BYTES: in kernel @fine: has a tile of 128 bytes; the largest memory holds 64; plan smaller tiles
// LOOSE-NOT: in kernel @schedule:

// No finding: a staged loop whose cycles stay in one stage.
tile.kernel @fine attributes {key = "", dims = ["N"], arg_types = [!tile.ref<f32, in>], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 8>,
    schedule = #tile.schedule<grid = {}, loops = {k = {stages = {a = 0, s = 1}}}, ops = {a = {lead = 1}}>} body {
^bb0(%n: index, %r: !tile.ref<f32, in>, %i: index):
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant dense<0.0> : tensor<32xf32>
  %v = tile.view %r[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %s = scf.for %k = %c0 to %n step %c8 iter_args(%c = %z) -> tensor<32xf32> {
    %t = tile.load %v[%k] {tag = "a"} : !tile.view<?xf32, in> -> tensor<32xf32>
    %d = arith.addf %t, %c {tag = "s"} : tensor<32xf32>
    scf.yield %d : tensor<32xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield
}

// -----
tile.kernel @loop attributes {key = "", dims = ["N"], arg_types = [], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 8>} body {
^bb0(%n: index, %i: index):
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  // expected-error @+1 {{in kernel @loop: has no #tile.loop: a pass dropped its name and kind; keep the attribute `tile.loop`}}
  scf.for %k = %c0 to %n step %c8 {
  }
  // expected-error @+1 {{loop "k" needs a constant positive step}}
  scf.for %k = %c0 to %n step %n {
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield
}

// -----
tile.kernel @ops attributes {key = "", dims = ["N"], arg_types = [], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 8>} body {
^bb0(%n: index, %i: index):
  // expected-error @+1 {{is not an op of the kernel tier}}
  %m = memref.alloc() : memref<4xf32>
  %x = arith.constant dense<0.0> : tensor<4xf32>
  // expected-error @+1 {{converts a tile; use tile.cast, which states rounding and saturation}}
  %y = arith.truncf %x : tensor<4xf32> to tensor<4xf16>
  // expected-error @+1 {{has a tile of index; use i32 or i64}}
  %z = arith.constant dense<0> : tensor<4xindex>
  tile.yield
}

// -----
tile.kernel @fold attributes {key = "", dims = [], arg_types = [!tile.ref<f32, out>], grid_extents = affine_map<() -> (2)>, grid_steps = array<i64: 1>, split = 0} body {
^bb0(%r: !tile.ref<f32, out>, %i: index):
  %c = arith.constant dense<0.0> : tensor<4xf32>
  tile.yield %c : tensor<4xf32>
} fold {
^bb0(%r: !tile.ref<f32, out>, %p: tensor<4xf32>, %q: tensor<4xf32>):
  %v = tile.view %r[] : !tile.ref<f32, out> -> !tile.view<4xf32, out>
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{fold must have no memory effects; move this to finish}}
  tile.store %p, %v[%c0] : tensor<4xf32>, !tile.view<4xf32, out>
  tile.yield %p : tensor<4xf32>
} finish {
^bb0(%r: !tile.ref<f32, out>, %c: tensor<4xf32>):
  tile.yield
}

// -----
tile.kernel @align attributes {key = "", dims = ["N"], arg_types = [!tile.ref<f32, in>], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 6>} body {
^bb0(%n: index, %r: !tile.ref<f32, in>, %i: index):
  %v = tile.view %r[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in, #tile.pack<(n) -> (n floordiv 4, n mod 4), [4]>>
  // expected-error @+1 {{offset 0 moves in steps of 6 and cuts the packed block of 4; use multiples of 4}}
  %t = tile.load %v[%i] : !tile.view<?xf32, in, #tile.pack<(n) -> (n floordiv 4, n mod 4), [4]>> -> tensor<8xf32>
  %u = tile.load %v[%i] : !tile.view<?xf32, in, #tile.pack<(n) -> (n floordiv 4, n mod 4), [4]>> -> tensor<2xf32>
  tile.yield
}

// -----
// expected-error @+3 {{the schedule names op "b", which no op is tagged with}}
// expected-error @+2 {{the schedule names loop "j", which does not exist}}
// expected-error @+1 {{a stage of loop "k" names op "c", which no op is tagged with}}
tile.kernel @schedule attributes {key = "", dims = ["N"], arg_types = [], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 8>,
    schedule = #tile.schedule<grid = {}, loops = {j = {}, k = {stages = {c = 0}}}, ops = {b = {}}>} body {
^bb0(%n: index, %i: index):
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  scf.for %k = %c0 to %n step %c8 {
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield
}

// -----
tile.kernel @cycle attributes {key = "", dims = ["N"], arg_types = [], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 8>,
    schedule = #tile.schedule<grid = {}, loops = {k = {stages = {p = 0, q = 1}}}, ops = {}>} body {
^bb0(%n: index, %i: index):
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %r = scf.for %k = %c0 to %n step %c8 iter_args(%c = %z) -> tensor<4xf32> {
    // expected-error @+1 {{loop-carried value 0 is computed in stages 1 and 0; put its whole cycle into one stage}}
    %a = arith.addf %c, %c {tag = "p"} : tensor<4xf32>
    %b = arith.addf %a, %c {tag = "q"} : tensor<4xf32>
    scf.yield %b : tensor<4xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield
}
