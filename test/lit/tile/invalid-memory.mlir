// RUN: adze-opt %s -split-input-file -verify-diagnostics

// Each case breaks one rule of a view, or of an op that moves a tile.
func.func @effect(%r: !tile.ref<f32, in>) {
  // expected-error @+1 {{view must keep the ref's element type and effect}}
  %0 = tile.view %r[] : !tile.ref<f32, in> -> !tile.view<4xf32, out>
  return
}

// -----
func.func @extents(%r: !tile.ref<f32, in>, %n: index) {
  // expected-error @+1 {{has 1 extents for 2 dynamic dims}}
  %0 = tile.view %r[%n] : !tile.ref<f32, in> -> !tile.view<?x?xf32, in>
  return
}

// -----
func.func @strides(%r: !tile.ref<f32, in>, %n: index) {
  // expected-error @+1 {{has 1 strides for 2 physical dims}}
  %0 = tile.view %r[] strides [%n] : !tile.ref<f32, in> -> !tile.view<2x2xf32, in>
  return
}

// -----
func.func @packedStrides(%r: !tile.ref<f32, in>, %n: index) {
  // expected-error @+1 {{a packed view has neither strides nor offset}}
  %0 = tile.view %r[] offset %n : !tile.ref<f32, in> -> !tile.view<4xf32, in, #tile.pack<(n) -> (n floordiv 2, n mod 2), [2]>>
  return
}

// -----
// expected-error @+1 {{#tile.pack: d0 with block 2 must appear once as floordiv and once as mod}}
func.func private @pack(!tile.view<4xf32, in, #tile.pack<(n) -> (n floordiv 2), [2]>>)

// -----
// expected-error @+1 {{#tile.pack: divisor 4 of d0 is not its block, 2}}
func.func private @packBlock(!tile.view<4xf32, in, #tile.pack<(n) -> (n floordiv 4, n mod 4), [2]>>)

// -----
// expected-error @+1 {{#tile.composite: extent 7 of dim 0 is not a multiple of its inner factors, 2}}
func.func private @composite(!tile.view<7xf32, in, #tile.composite<[2], [2]>>)

// -----
func.func @subview(%v: !tile.view<4x8xf32, in, #tile.pack<(n, k) -> (n floordiv 2, k, n mod 2), [2, 1]>>, %n: index) {
  // expected-error @+1 {{fixes dim 0, which is blocked by 2}}
  %0 = tile.subview %v[%n] : !tile.view<4x8xf32, in, #tile.pack<(n, k) -> (n floordiv 2, k, n mod 2), [2, 1]>> -> !tile.view<8xf32, in>
  return
}

// -----
func.func @subviewType(%v: !tile.view<4x8xf32, in>, %n: index) {
  // expected-error @+1 {{result must be '!tile.view<8xf32, in>'}}
  %0 = tile.subview %v[%n] : !tile.view<4x8xf32, in> -> !tile.view<4xf32, in>
  return
}

// -----
func.func @window(%v: !tile.view<1x8x8x4xf32, in>, %n: index) {
  // expected-error @+1 {{kernel, stride and dilation need 2 entries, pad (all begins, then all ends) 4}}
  %0 = tile.window %v[%n, %n] {kernel = array<i64: 3, 3>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, pad = array<i64: 1, 1>} : !tile.view<1x8x8x4xf32, in> -> !tile.view<?x3x3x4xf32, in, #tile.windowed<2>>
  return
}

// -----
func.func @windowType(%v: !tile.view<1x8x4xf32, in>, %n: index) {
  // expected-error @+1 {{result must be '!tile.view<?x3x4xf32, in, #tile.windowed<1>>'}}
  %0 = tile.window %v[%n] {kernel = array<i64: 3>, stride = array<i64: 1>, dilation = array<i64: 1>, pad = array<i64: 1, 1>} : !tile.view<1x8x4xf32, in> -> !tile.view<?x3x8xf32, in, #tile.windowed<1>>
  return
}

// -----
func.func @dim(%v: !tile.view<1x8x4xf32, in>) {
  // expected-error @+1 {{dim 3 is not in [0, 3)}}
  %0 = tile.dim %v, 3 : !tile.view<1x8x4xf32, in>
  return
}

// -----
func.func @loadOut(%v: !tile.view<8xf32, out>, %n: index) {
  // expected-error @+1 {{reads an `out` argument}}
  %0 = tile.load %v[%n] : !tile.view<8xf32, out> -> tensor<4xf32>
  return
}

// -----
func.func @loadOffsets(%v: !tile.view<8x8xf32, in>, %n: index) {
  // expected-error @+1 {{has 1 offsets for a view with 2 dims; give one a dim}}
  %0 = tile.load %v[%n] : !tile.view<8x8xf32, in> -> tensor<4xf32>
  return
}

// -----
func.func @loadPad(%v: !tile.view<8xf16, in>, %n: index) {
  // expected-error @+1 {{pad has type 'f32', the tile holds 'f16'}}
  %0 = tile.load %v[%n] {pad = 0.0 : f32} : !tile.view<8xf16, in> -> tensor<4xf16>
  return
}

// -----
func.func @loadType(%v: !tile.view<8xf16, in>, %n: index) {
  // expected-error @+1 {{tile of 'f32' does not match the view's 'f16'; convert with tile.cast}}
  %0 = tile.load %v[%n] : !tile.view<8xf16, in> -> tensor<4xf32>
  return
}

// -----
func.func @loadBlock(%v: !tile.view<12xf16, in, #tile.pack<(n) -> (n floordiv 4, n mod 4), [4]>>, %n: index) {
  // expected-error @+1 {{tile dim 0 of size 6 cuts the layout's block of 4; use a multiple or a divisor}}
  %0 = tile.load %v[%n] : !tile.view<12xf16, in, #tile.pack<(n) -> (n floordiv 4, n mod 4), [4]>> -> tensor<6xf16>
  return
}

// -----
func.func @loadScalar(%v: !tile.view<8xi32, in>, %n: index) {
  // expected-error @+1 {{result must be 'i32', got 'i64'}}
  %0 = tile.load_scalar %v[%n] : !tile.view<8xi32, in> -> i64
  return
}

// -----
func.func @storeIn(%v: !tile.view<8xi32, in>, %n: index, %t: tensor<4xi32>) {
  // expected-error @+1 {{writes an `in` argument; declare it out or inout}}
  tile.store %t, %v[%n] : tensor<4xi32>, !tile.view<8xi32, in>
  return
}

// -----
func.func @storeMask(%v: !tile.view<8xi32, out>, %n: index, %t: tensor<4xi32>, %m: tensor<2xi1>) {
  // expected-error @+1 {{mask must be 'tensor<4xi1>', got 'tensor<2xi1>'}}
  tile.store %t, %v[%n] mask %m : tensor<2xi1> : tensor<4xi32>, !tile.view<8xi32, out>
  return
}

// -----
func.func @valid(%v: !tile.view<8xi32, in>, %n: index) {
  // expected-error @+1 {{result must be a tile of i1}}
  %0 = tile.valid %v[%n] : !tile.view<8xi32, in> -> tensor<4xi8>
  return
}

// -----
func.func @gather(%v: !tile.view<8x8xf32, in>, %n: index, %i: tensor<3xi32>) {
  // expected-error @+1 {{must be 1-D with the tile's extent in dim 0 of the view, or have the tile's own shape}}
  %0 = tile.gather %v by %i[%n, %n] {dim = 0 : i64} : !tile.view<8x8xf32, in>, tensor<3xi32> -> tensor<4x8xf32>
  return
}

// -----
func.func @gatherType(%v: !tile.view<8x8xf32, in>, %n: index, %i: tensor<4xi8>) {
  // expected-error @+1 {{indices must be i32 or i64, got 'i8'}}
  %0 = tile.gather %v by %i[%n, %n] {dim = 0 : i64} : !tile.view<8x8xf32, in>, tensor<4xi8> -> tensor<4x8xf32>
  return
}

// -----
func.func @scatter(%v: !tile.view<8xf32, out>, %n: index, %i: tensor<4xi32>, %t: tensor<4xf32>) {
  // expected-error @+1 {{combines with the old value, so its argument must be inout}}
  tile.scatter %t, %v by %i[%n] add {dim = 0 : i64} : tensor<4xf32>, !tile.view<8xf32, out>, tensor<4xi32>
  return
}
