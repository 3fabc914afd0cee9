// RUN: adze-opt %s -split-input-file -verify-diagnostics

// Each case breaks one rule of a shape op, a cast, a contraction or a reduction.
func.func @dynamic(%x: tensor<?xf32>) {
  // expected-error @+1 {{operand 0 must be a tile of static shape, got 'tensor<?xf32>'}}
  %0 = tile.reshape %x : tensor<?xf32> -> tensor<4xf32>
  return
}

// -----
func.func @rank(%x: tensor<1x1x1x1x1x4xf32>) {
  // expected-error @+1 {{operand 0 has 6 dims; a tile has at most 5}}
  %0 = tile.reshape %x : tensor<1x1x1x1x1x4xf32> -> tensor<4xf32>
  return
}

// -----
func.func @index(%x: tensor<4xindex>) {
  // expected-error @+1 {{operand 0 has element type 'index'; a tile holds floats or signless integers}}
  %0 = tile.reshape %x : tensor<4xindex> -> tensor<2x2xindex>
  return
}

// -----
func.func @splat(%x: f32) {
  // expected-error @+1 {{scalar of type 'f32' cannot fill 'tensor<4xf16>'}}
  %0 = tile.splat %x : f32 -> tensor<4xf16>
  return
}

// -----
func.func @iota() {
  // expected-error @+1 {{dim 2 is not in [0, 2)}}
  %0 = tile.iota {dim = 2 : i64} : tensor<4x4xi32>
  return
}

// -----
func.func @iotaFloat() {
  // expected-error @+1 {{result must hold integers}}
  %0 = tile.iota {dim = 0 : i64} : tensor<4x4xf32>
  return
}

// -----
func.func @broadcast(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{expands dim 0 of size 2; only size 1 expands}}
  %0 = tile.broadcast %x : tensor<2x4xf32> -> tensor<4x4xf32>
  return
}

// -----
func.func @reshape(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{must keep the number and type of elements}}
  %0 = tile.reshape %x : tensor<2x4xf32> -> tensor<9xf32>
  return
}

// -----
func.func @transpose(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{perm is not a permutation of the source's dims}}
  %0 = tile.transpose %x {perm = array<i64: 0, 0>} : tensor<2x4xf32> -> tensor<2x2xf32>
  return
}

// -----
func.func @slice(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{leaves the source in dim 1: offset 1, stride 2, size 3 of 4}}
  %0 = tile.slice %x {offsets = array<i64: 0, 1>, strides = array<i64: 1, 2>} : tensor<2x4xf32> -> tensor<2x3xf32>
  return
}

// -----
func.func @concat(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{sources add up to 8 in dim 1, the result has 9}}
  %0 = tile.concat %x, %x {dim = 1 : i64} : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x9xf32>
  return
}

// -----
func.func @cast(%x: tensor<4xf32>) {
  // expected-error @+1 {{to 'f4E2M1FN' needs `sat`: the type cannot show an overflow}}
  %0 = tile.cast %x : tensor<4xf32> -> tensor<4xf4E2M1FN>
  return
}

// -----
func.func @castSign(%x: tensor<4xf32>) {
  // expected-error @+1 {{unsigned_src needs an integer source, got 'f32'}}
  %0 = tile.cast %x {unsigned_src} : tensor<4xf32> -> tensor<4xi32>
  return
}

// -----
func.func @bitcast(%x: tensor<4x3xi8>) {
  // expected-error @+1 {{must keep leading dims and the bits of the last}}
  %0 = tile.bitcast %x : tensor<4x3xi8> -> tensor<4x1xi16>
  return
}

// -----
func.func @dotK(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{K of a is 8, K of b is 4}}
  %0 = tile.dot %a, %b, %c : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----
func.func @dotAcc(%a: tensor<4x8xf16>, %b: tensor<8x4xf16>, %c: tensor<4x4xf16>) {
  // expected-error @+1 {{of 'f16' and 'f16' accumulates in f32, got 'f16'}}
  %0 = tile.dot %a, %b, %c : tensor<4x8xf16>, tensor<8x4xf16> -> tensor<4x4xf16>
  return
}

// -----
func.func @dotMixed(%a: tensor<4x8xi8>, %b: tensor<8x4xf16>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{operands must be both floats or both integers}}
  %0 = tile.dot %a, %b, %c : tensor<4x8xi8>, tensor<8x4xf16> -> tensor<4x4xf32>
  return
}

// -----
func.func @dotPrecision(%a: tensor<4x8xf16>, %b: tensor<8x4xf16>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{precision tf32 is for f32 operands}}
  %0 = tile.dot %a, %b, %c {precision = #tile<precision tf32>} : tensor<4x8xf16>, tensor<8x4xf16> -> tensor<4x4xf32>
  return
}

// -----
func.func @reduceNarrow(%x: tensor<4x8xbf16>) {
  // expected-error @+1 {{accumulates in 'bf16'; cast to f32 first}}
  %0 = tile.reduce add %x {dim = 1 : i64} : tensor<4x8xbf16> -> tensor<4x1xbf16>
  return
}

// -----
func.func @reduceBits(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{kind and is not defined for 'f32'}}
  %0 = tile.reduce and %x {dim = 1 : i64} : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----
func.func @reduceShape(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{result must be 'tensor<4x1xf32>', got 'tensor<4xf32>'}}
  %0 = tile.reduce add %x {dim = 1 : i64} : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----
func.func @argReduce(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{index must be i32 or i64, got 'i8'}}
  %0, %1 = tile.arg_reduce %x {dim = 1 : i64} : tensor<4x8xf32> -> tensor<4x1xf32>, tensor<4x1xi8>
  return
}

// -----
func.func @scan(%x: tensor<4x8xf16>) {
  // expected-error @+1 {{accumulates in 'f16'; cast to f32 first}}
  %0 = tile.scan add %x {dim = 1 : i64} : tensor<4x8xf16> -> tensor<4x8xf16>
  return
}

// -----
func.func @sort(%x: tensor<4x8xf16>, %v: tensor<8xi32>) {
  // expected-error @+1 {{must have one shape}}
  %0, %1 = tile.sort %x, %v {dim = 1 : i64} : tensor<4x8xf16>, tensor<8xi32>
  return
}

// -----
func.func @topk(%x: tensor<4xf16>, %v: tensor<4xi32>) {
  // expected-error @+1 {{takes 5 of 4 keys}}
  %0, %1 = tile.topk %x, %v {dim = 0 : i64} : tensor<4xf16>, tensor<4xi32> -> tensor<5xf16>, tensor<5xi32>
  return
}

// -----
func.func @part(%i: index) {
  // expected-error @+1 {{step must be positive, got 0}}
  %0, %1 = tile.part %i of %i in %i to %i step 0
  return
}

// -----
func.func @assume(%i: index) {
  // expected-error @+1 {{min 4 exceeds max 3}}
  %0 = tile.assume %i {div = 1 : i64, min = 4 : i64, max = 3 : i64}
  return
}
