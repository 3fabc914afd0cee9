// REQUIRES: adze-opt
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json --form-strips="machine=%S/../../unit/schedule/machines/arch2201.json strip-rows=16" | FileCheck %s
// RUN: adze-opt %s --split-input-file --verify-diagnostics --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json --form-strips="machine=%S/../../unit/schedule/machines/arch2201.json strip-rows=16" | FileCheck %s --check-prefix=CUT

// Dots that fit stay whole; the vector unit's chain becomes one loop over strips, and only the strip's values are in it.
// CHECK: tile.dot {{.*}}tag = "qk"
// CHECK: %[[ALL:.*]] = tile.empty : tensor<64x64xbf16>
// CHECK: scf.for %[[R:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[P:.*]] = %[[ALL]]) -> (tensor<64x64xbf16>)
// CHECK-NEXT: arith.constant
// CHECK-NEXT: tile.extract %{{.*}}[%[[R]], %{{.*}}] : tensor<64x64xf32> -> tensor<16x64xf32>
// CHECK-NEXT: math.exp2 {{.*}} : tensor<16x64xf32>
// CHECK-NEXT: tile.cast
// CHECK: tile.insert %{{.*}} into %[[P]][%[[R]], %{{.*}}] : tensor<16x64xbf16> -> tensor<64x64xbf16>
// CHECK: tile.rows = 64 : i64, tile.stage = 1 : i64, tile.unit = "vector"
// CHECK: tile.dot {{.*}}tag = "pv"

// 512 keys: B would fill its buffer twice over, so the dot is cut along N, in ascending order.
// CUT-LABEL: @wide
// CUT: scf.for %[[N:.*]] = %c0{{.*}} to %c512{{.*}} step %c128
// CUT: tile.extract %{{.*}}[%[[N]], %{{.*}}] : tensor<512x128xbf16> -> tensor<128x128xbf16>
// CUT: tile.dot {{.*}} -> tensor<128x128xf32>
// CUT: #tile.loop<"qk.n", parallel>
tile.kernel @wide attributes {key = "w", dims = ["M"], arg_types = [!tile.ref<bf16, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 128>} body {
^bb0(%M: index, %x: !tile.ref<bf16, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %X = tile.view %x[%M] : !tile.ref<bf16, in> -> !tile.view<?x128xbf16, in>
  %Y = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?x512xf32, out>
  %z = arith.constant dense<0.0> : tensor<128x512xf32>
  %a = tile.load %X[%i, %c0] : !tile.view<?x128xbf16, in> -> tensor<128x128xbf16>
  %b = tile.load %X[%c0, %c0] : !tile.view<?x128xbf16, in> -> tensor<512x128xbf16>
  %d = tile.dot %a, %b, %z {trans_b, tag = "qk"} : tensor<128x128xbf16>, tensor<512x128xbf16> -> tensor<128x512xf32>
  tile.store %d, %Y[%i, %c0] : tensor<128x512xf32>, !tile.view<?x512xf32, out>
  tile.yield
}

// -----

// A transpose mixes rows: two vector cores cannot divide it.
tile.kernel @mixes attributes {key = "t", dims = ["M"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(m) -> (m)>, grid_steps = array<i64: 32>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %X = tile.view %x[%M] : !tile.ref<f32, in> -> !tile.view<?x32xf32, in>
  %Y = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?x32xf32, out>
  %a = tile.load %X[%i, %c0] : !tile.view<?x32xf32, in> -> tensor<32x32xf32>
  // expected-error @+1 {{cannot be divided among the 2 instances of unit vector: work of this stage is not row by row}}
  %t = tile.transpose %a {perm = array<i64: 1, 0>} : tensor<32x32xf32> -> tensor<32x32xf32>
  tile.store %t, %Y[%i, %c0] : tensor<32x32xf32>, !tile.view<?x32xf32, out>
  tile.yield
}
