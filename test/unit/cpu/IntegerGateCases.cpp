// The graphs of the integer-data gate: every kernel family, with sizes that are divisible, ragged by one, smaller than
// a tile, zero and very long.
#include "test/unit/cpu/IntegerGate.h"

namespace adze::test {

/// Of one symbol: divisible, ragged, one, smaller than a tile, zero, long.
static const std::vector<Sizes> kLine = {{64, 0, 0}, {65, 0, 0}, {1, 0, 0}, {3, 0, 0}, {0, 0, 0}, {3001, 0, 0}};
static const std::vector<Sizes> kPlane = {{32, 64, 0}, {33, 65, 0},  {1, 3, 0},  {5, 0, 0},
                                          {0, 5, 0},   {2, 2003, 0}, {517, 2, 0}};
/// M, N and K of products.
static const std::vector<Sizes> kProduct = {{32, 64, 48}, {33, 65, 49}, {1, 3, 2},    {0, 5, 4},   {5, 0, 4},
                                            {5, 4, 0},    {1, 65, 47},  {7, 1, 1009}, {403, 17, 3}};
/// One spatial extent.
static const std::vector<Sizes> kImage = {{16, 0, 0}, {17, 0, 0}, {5, 0, 0}, {9, 0, 0}, {121, 0, 0}};
static const std::vector<Sizes> kBatch = {{2, 0, 0}, {1, 0, 0}, {0, 0, 0}, {5, 0, 0}};

const std::vector<GateCase> &gateCases() {
  static const std::vector<GateCase> cases = {
      //===-- pointwise, moves
      //--------------------------------------------------------------------------------------===//
      {"pointwise", R"(
in x [n,m]f32
in y [n,m]f32
a [n,m]f32 = mul x y {}
b [n,m]f32 = max a x {}
c [n,m]f32 = sub b y {}
d [n,m]f32 = abs c {}
out d b)",
       kPlane},
      {"pointwise_broadcast", R"(
in x [n,1,m]f32
in y [5,1]f32
in z []f32
a [n,5,m]f32 = add x y {}
b [n,5,m]f32 = mul a z {}
out b)",
       kPlane},
      {"pointwise_functions", R"(
in x [n]f32
a [n]f32 = exp x {}
b [n]f32 = tanh a {}
c [n]f32 = div b x {}
d [n]f32 = sqrt c {}
out d)",
       kLine},
      {"pointwise_compare", R"(
in x [n,m]f32
in y [m]f32
c [n,m]i1 = cmp x y {kind = #graph<cmp_kind lt>}
d [n,m]i1 = not c {}
z [n,m]f32 = select d x y {}
out z c)",
       kPlane},
      {"pointwise_f16", R"(
in x [n,m]f16
in y [m]f16
a [n,m]f16 = add x y {}
b [n,m]f16 = mul a x {}
out b)",
       kPlane},
      {"pointwise_bf16_casts", R"(
in x [n]bf16
a [n]f32 = cast x {saturate = false, round = #graph<cast_round rtz>}
b [n]f32 = mul a a {}
c [n]i32 = cast b {saturate = false, round = #graph<cast_round rtz>}
d [n]i8 = cast c {saturate = false, round = #graph<cast_round rtz>}
out c d)",
       kLine},
      {"pointwise_i64", R"(
in x [n]i64 -1000..1000
in y [n]i64 -7..7
a [n]i64 = div x y {}
b [n]i64 = mod x y {}
c [n]i64 = xor a b {}
out a b c)",
       kLine},
      {"transpose", R"(
in x [n,m]f32
a [m,n]f32 = transpose x {perm = array<i64: 1, 0>}
b [m,n]f32 = neg a {}
out b)",
       kPlane},
      {"transpose_4d", R"(
in x [2,n,3,m]f32
a [2,3,n,m]f32 = transpose x {perm = array<i64: 0, 2, 1, 3>}
b [m,3,n,2]f32 = transpose x {perm = array<i64: 3, 2, 1, 0>}
out a b)",
       kPlane},
      {"slice",
       R"(
in x [n,7,m]f32
a [n-4,3,m]f32 = slice x {starts = affine_map<() -> (3, 5, 0)>, steps = array<i64: 1, -2, 1>}
b [n-4,3,m]f32 = add a a {}
out b)",
       {{36, 64, 0}, {37, 65, 0}, {5, 3, 0}, {9, 0, 0}, {4, 5, 0}, {6, 2003, 0}}},
      {"concat", R"(
in x [n,m]f32
in y [n,3]f32
in z [n,m]f32
a [n,2*m+3]f32 = concat x y z {axis = 1 : i64}
b [2*n,m]f32 = concat x z {axis = 0 : i64}
out a b)",
       kPlane},
      {"pad",
       R"(
in x [n,m]f32
c []f32 = constant {value = dense<7.0> : tensor<f32>}
a [n+3,m+5]f32 = pad x c {low = affine_map<() -> (1, 2)>, mode = #graph<pad_mode constant>}
b [n+3,m+4]f32 = pad x c {low = affine_map<() -> (2, 2)>, mode = #graph<pad_mode reflect>}
d [n+2,m+1]f32 = pad x c {low = affine_map<() -> (2, 1)>, mode = #graph<pad_mode edge>}
out a b d)",
       {{32, 64, 0}, {33, 65, 0}, {3, 3, 0}, {4, 2003, 0}}},
      {"gather", R"(
in x [11,m]f32
in i [n]i64 -11..10
in j [n]i32 0..2
y [3,11]f32 = weight
a [n,m]f32 = gather x i {axis = 0 : i64}
b [n,11]f32 = gather y j {axis = 0 : i64}
out a b)",
       kPlane},
      {"gather_elements", R"(
in x [n,9]f32
in i [n,4]i64 -9..8
in j [n,5,2]i64 0..2
in z [3,3,m]f32
a [n,4]f32 = gather_elements x i {axis = 1 : i64}
b [n,5,m]f32 = gather_nd z j {batch_dims = 0 : i64}
out a b)",
       kPlane},
      {"scatter",
       R"(
in x [11,m]f32
in i [n,m]i64 -11..10
in u [n,m]f32
in j [n,1]i64 0..10
a [11,m]f32 = scatter_elements x i u {axis = 0 : i64, kind = #graph<scatter_kind add>}
b [11,m]f32 = scatter_nd x j u {kind = #graph<scatter_kind max>}
c [11,m]f32 = scatter_nd x j u {kind = #graph<scatter_kind none>}
out a b c)",
       {{32, 16, 0}, {33, 17, 0}, {1, 3, 0}, {0, 5, 0}, {5, 0, 0}, {3, 1009, 0}}},
      //===-- rows
      //--------------------------------------------------------------------------------------------------===//
      {"reduce_inner",
       R"(
in x [n,m]f32
a [n,1]f32 = reduce x {axes = array<i64: 1>, kind = #graph<reduce_kind sum>}
b [n,1]f32 = reduce x {axes = array<i64: 1>, kind = #graph<reduce_kind max>}
c [n,1]f32 = mul a b {}
out a c)",
       {{32, 64, 0}, {33, 65, 0}, {1, 3, 0}, {0, 5, 0}, {2, 2003, 0}, {517, 2, 0}}},
      {"reduce_outer",
       R"(
in x [n,m]f32
a [1,m]f32 = reduce x {axes = array<i64: 0>, kind = #graph<reduce_kind sum>}
b [1,m]f32 = reduce x {axes = array<i64: 0>, kind = #graph<reduce_kind min>}
c [1,m]f32 = reduce x {axes = array<i64: 0>, kind = #graph<reduce_kind mean>}
out a b c)",
       {{64, 32, 0}, {65, 33, 0}, {3, 1, 0}, {5, 0, 0}, {2003, 2, 0}, {2, 517, 0}}},
      {"reduce_axes",
       R"(
in x [3,n,4,m]f32
y [3,n,4,m]f32 = mul x x {}
a [1,n,1,m]f32 = reduce y {axes = array<i64: 0, 2>, kind = #graph<reduce_kind sum>}
b [3,1,4,1]f32 = reduce y {axes = array<i64: 1, 3>, kind = #graph<reduce_kind sum>}
c [1,1,1,1]f32 = reduce x {axes = array<i64: 0, 1, 2, 3>, kind = #graph<reduce_kind sum>}
out a b c)",
       {{16, 32, 0}, {17, 33, 0}, {1, 3, 0}, {0, 5, 0}, {5, 0, 0}, {2, 503, 0}}},
      {"reduce_ints", R"(
in x [n,m]i32 -9..9
in y [n,m]i1
a [n,1]i32 = reduce x {axes = array<i64: 1>, kind = #graph<reduce_kind sum>}
b [1,m]i1 = reduce y {axes = array<i64: 0>, kind = #graph<reduce_kind any>}
c [n,1]i1 = reduce y {axes = array<i64: 1>, kind = #graph<reduce_kind all>}
out a b c)",
       kPlane},
      {"arg_reduce",
       R"(
in x [n,m]f32
a [n,1]i64 = arg_reduce x {axis = 1 : i64, kind = #graph<arg_kind argmax>, last = false}
b [1,m]i64 = arg_reduce x {axis = 0 : i64, kind = #graph<arg_kind argmin>, last = true}
out a b)",
       {{32, 64, 0}, {33, 65, 0}, {1, 1, 0}, {2, 2003, 0}, {517, 2, 0}}},
      {"softmax", R"(
in x [n,m]f32
a [n,m]f32 = softmax x {axis = 1 : i64, log = false}
b [n,m]f32 = add a x {}
out b)",
       kPlane},
      {"softmax_outer", R"(
in x [n,5,m]f32
a [n,5,m]f32 = softmax x {axis = 1 : i64, log = true}
b [n,5,m]f32 = softmax x {axis = 0 : i64, log = false}
out a b)",
       kPlane},
      {"layer_norm", R"(
in x [n,40]f32
in r [n,40]f32
s [40]f32 = weight
b [40]f32 = weight
y [n,40]f32 = add x r {}
a [n,40]f32 = layer_norm y scale s bias b {axis = 1 : i64, eps = 1.0e-5 : f32, rms = false}
c [n,40]f32 = layer_norm x scale s {axis = 1 : i64, eps = 1.0e-5 : f32, rms = true}
out a c)",
       kLine},
      {"layer_norm_dynamic", R"(
in x [n,m]f32
a [n,m]f32 = layer_norm x {axis = 1 : i64, eps = 1.0e-5 : f32, rms = false}
out a)",
       kPlane},
      {"scan", R"(
in x [n,m]f32
a [n,m]f32 = scan x {axis = 1 : i64, kind = #graph<reduce_kind sum>, exclusive = false, reverse = false}
b [n,m]f32 = scan x {axis = 0 : i64, kind = #graph<reduce_kind sum>, exclusive = true, reverse = true}
out a b)",
       kPlane},
      {"topk",
       R"(
in x [n,m]f32 -9..9
v [n,4]f32, i [n,4]i64 = topk x {axis = 1 : i64, largest = true}
w [n,2]f32, j [n,2]i64 = topk x {axis = 1 : i64, largest = false}
out v i w j)",
       {{32, 64, 0}, {33, 65, 0}, {1, 4, 0}, {5, 4, 0}, {0, 5, 0}, {2, 2003, 0}, {517, 6, 0}}},
      //===-- products
      //----------------------------------------------------------------------------------------------===//
      {"matmul", R"(
in a [n,k]f32
in b [k,m]f32
in c [m]f32
p [n,m]f32 = matmul a b {trans_a = false, trans_b = false}
q [n,m]f32 = add p c {}
z []f32 = constant {value = dense<0.0> : tensor<f32>}
r [n,m]f32 = max q z {}
out r)",
       kProduct},
      {"matmul_transposed", R"(
in a [k,n]f32
in b [m,k]f32
in d [k,m]f32
p [n,m]f32 = matmul a b {trans_a = true, trans_b = true}
q [n,m]f32 = matmul a d {trans_a = true, trans_b = false}
out p q)",
       kProduct},
      {"matmul_trans_b", R"(
in a [n,k]f32
in b [m,k]f32
p [n,m]f32 = matmul a b {trans_a = false, trans_b = true}
out p)",
       kProduct},
      {"matmul_packed", R"(
in a [n,67]f32
b [67,45]f32 = weight
c [45]f32 = weight
p [n,45]f32 = matmul a b {trans_a = false, trans_b = false}
q [n,45]f32 = add p c {}
d [45,67]f32 = weight
r [n,45]f32 = matmul a d {trans_a = false, trans_b = true}
s [n,45]f32 = add q r {}
out s)",
       kLine},
      {"matmul_batched",
       R"(
in a [3,1,n,k]f32
in b [2,k,m]f32
p [3,2,n,m]f32 = matmul a b {trans_a = false, trans_b = false}
out p)",
       {{16, 32, 24}, {17, 33, 25}, {1, 3, 2}, {0, 5, 4}, {5, 4, 0}, {1, 33, 503}}},
      {"matmul_gemv", R"(
in a [1,k]f32
in b [k,m]f32
in c [n,k]f32
in d [k,1]f32
p [1,m]f32 = matmul a b {trans_a = false, trans_b = false}
q [n,1]f32 = matmul c d {trans_a = false, trans_b = false}
out p q)",
       kProduct},
      {"matmul_f16", R"(
in a [n,k]f16 -1..1
in b [k,m]f16 -1..1
p [n,m]f16 = matmul a b {trans_a = false, trans_b = false}
out p)",
       kProduct},
      {"matmul_i8", R"(
in a [n,k]ui8 0..9
in b [k,m]i8 -9..9
p [n,m]i32 = matmul a b {trans_a = false, trans_b = false}
out p)",
       kProduct},
      // Constant right operands, turned where a machine wants them along k; few rows, and many.
      {"matmul_weights_8bit",
       R"(
in a [n,112]ui8 0..9
in s [n,100]i8 -9..9
b [112,77]i8 = weight -9..9
c [100,80]i8 = weight -9..9
t [80,112]i8 = weight -9..9
p [n,77]i32 = matmul a b {trans_a = false, trans_b = false}
q [n,80]i32 = matmul s c {trans_a = false, trans_b = false}
r [n,80]i32 = matmul a t {trans_a = false, trans_b = true}
u [n,80]i32 = add q r {}
out p u)",
       {{1, 0, 0}, {40, 0, 0}, {0, 0, 0}, {150, 0, 0}}},
      {"matmul_weights_rows",
       R"(
in a [n,96]f16 -1..1
in c [n,72]f16 -1..1
in r [n,72]f16 -3..3
w [96,72]f16 = weight -1..1
d [96,75]f16 = weight -1..1
o [72]f16 = weight
p [n,72]f16 = matmul a w {trans_a = false, trans_b = false}
q [n,72]f16 = add p o {}
s [n,72]f16 = add q r {}
t [n,75]f16 = matmul a d {trans_a = false, trans_b = false}
out s t)",
       {{1, 0, 0}, {3, 0, 0}, {17, 0, 0}, {33, 0, 0}}},
      {"matmul_tf32", R"(
in a [n,k]f32
in b [k,m]f32
in d [m,k]f32
p [n,m]f32 = matmul a b {trans_a = false, trans_b = false}
q [n,m]f32 = matmul a d {trans_a = false, trans_b = true}
r [n,m]f32 = add p q {}
out r)",
       kProduct, true},
      {"matmul_tf32_weights",
       R"(
in a [n,68]f32
in c [n,67]f32
w [68,80]f32 = weight
v [67,80]f32 = weight
p [n,80]f32 = matmul a w {trans_a = false, trans_b = false}
q [n,80]f32 = matmul c v {trans_a = false, trans_b = false}
r [n,80]f32 = add p q {}
out r)",
       {{1, 0, 0}, {40, 0, 0}, {0, 0, 0}, {150, 0, 0}},
       true},
      {"attention_tf32",
       R"(
in q [2,4,n,16]f32
in k [2,2,m,16]f32
in v [2,2,m,8]f32
o [2,4,n,8]f32 = attention q k v {scale = 1.0 : f32, causal = false}
out o)",
       {{16, 32, 0}, {17, 33, 0}, {1, 3, 0}, {70, 100, 0}},
       true},
      {"attention",
       R"(
in q [2,4,n,16]f32
in k [2,2,m,16]f32
in v [2,2,m,8]f32
o [2,4,n,8]f32 = attention q k v {scale = 1.0 : f32, causal = false}
out o)",
       {{16, 32, 0}, {17, 33, 0}, {1, 3, 0}, {0, 5, 0}, {1, 503, 0}}},
      {"attention_causal_mask",
       R"(
in q [1,3,n,16]f32
in k [1,3,n,16]f32
in v [1,3,n,16]f32
in w [n,n]f32
o [1,3,n,16]f32 = attention q k v {scale = 1.0 : f32, causal = true}
p [1,3,n,16]f32 = attention q k v w {scale = 1.0 : f32, causal = false}
out o p)",
       {{32, 0, 0}, {33, 0, 0}, {1, 0, 0}, {3, 0, 0}, {0, 0, 0}, {203, 0, 0}}},
      // Few results, each a long sum: several blocks of a GPU share one.
      {"split",
       R"(
in a [2,1100]f32
in h [9,1088]f16 -1..1
in b [2,40000]f32
in c [1,96,5,5]f32
in q [1,4,n,16]f32
in k [1,2,m,16]f32
in v [1,2,m,8]f32
w [1100,24]f32 = weight
y [2,24]f32 = matmul a w {trans_a = false, trans_b = false}
g [1088,32]f16 = weight -1..1
i [9,32]f16 = matmul h g {trans_a = false, trans_b = false}
r [2,1]f32 = reduce b {axes = array<i64: 1>, kind = #graph<reduce_kind sum>}
s [2,1]f32 = reduce b {axes = array<i64: 1>, kind = #graph<reduce_kind max>}
f [8,96,3,3]f32 = weight
e [8]f32 = weight
z [1,8,5,5]f32 = conv c f e {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
o [1,4,n,8]f32 = attention q k v {scale = 1.0 : f32, causal = false}
out y i r s z o)",
       {{1, 512, 0}, {1, 511, 0}, {2, 1500, 0}, {1, 5, 0}, {1, 0, 0}}},
      {"rnn",
       R"(
in x [n,3,5]f32 -1..1
w [32,5]f32 = weight -1..1
r [32,8]f32 = weight -1..1
y [n,3,8]f32, h [3,8]f32, c [3,8]f32 = rnn x w r {kind = #graph<rnn_kind lstm>, reverse = false, linear_before_reset = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>}
out y h)",
       {{4, 0, 0}, {5, 0, 0}, {1, 0, 0}}},
      //===-- windows
      //-----------------------------------------------------------------------------------------------===//
      {"conv1d",
       R"(
in x [2,5,n]f32
w [7,5,3]f32 = weight
b [7]f32 = weight
y [2,7,n]f32 = conv x w b {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, group = 1 : i64}
z [2,7,(n-1) floordiv 2 + 1]f32 = conv x w {strides = array<i64: 2>, dilations = array<i64: 2>, pads = array<i64: 2, 2>, group = 1 : i64}
out y z)",
       {{16, 0, 0}, {17, 0, 0}, {1, 0, 0}, {5, 0, 0}, {1001, 0, 0}}},
      {"conv2d", R"(
in x [1,6,n,19]f32
in r [1,20,n,19]f32
w [20,6,3,3]f32 = weight
b [20]f32 = weight
y [1,20,n,19]f32 = conv x w b {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
s [1,20,n,19]f32 = add y r {}
c []f32 = constant {value = dense<0.0> : tensor<f32>}
z [1,20,n,19]f32 = max s c {}
out z)",
       kImage},
      {"conv2d_strided", R"(
in x [n,3,15,18]f32
w [8,3,5,3]f32 = weight
y [n,8,8,9]f32 = conv x w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 2, 1, 2, 1>, group = 1 : i64}
out y)",
       kBatch},
      {"conv2d_dilated", R"(
in x [1,4,n,14]f32
w [6,4,3,3]f32 = weight
y [1,6,n,10]f32 = conv x w {strides = array<i64: 1, 1>, dilations = array<i64: 3, 2>, pads = array<i64: 3, 0, 3, 0>, group = 1 : i64}
out y)",
       kImage},
      {"conv2d_groups", R"(
in x [1,6,n,13]f32
w [9,2,3,3]f32 = weight
y [1,9,n,13]f32 = conv x w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 3 : i64}
out y)",
       kImage},
      {"conv2d_1x1",
       R"(
in x [1,17,n,n]f32
w [33,17,1,1]f32 = weight
y [1,33,n,n]f32 = conv x w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64}
out y)",
       {{8, 0, 0}, {9, 0, 0}, {1, 0, 0}, {0, 0, 0}, {41, 0, 0}}},
      {"conv2d_weights_given", R"(
in x [1,5,n,11]f32
in w [7,5,3,3]f32
y [1,7,n,11]f32 = conv x w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
out y)",
       kImage},
      {"conv3d",
       R"(
in x [1,3,n,7,6]f32
w [5,3,3,3,3]f32 = weight
y [1,5,n,7,6]f32 = conv x w {strides = array<i64: 1, 1, 1>, dilations = array<i64: 1, 1, 1>, pads = array<i64: 1, 1, 1, 1, 1, 1>, group = 1 : i64}
out y)",
       {{4, 0, 0}, {5, 0, 0}, {1, 0, 0}, {33, 0, 0}}},
      {"depthwise", R"(
in x [1,19,n,17]f32
w [19,1,3,3]f32 = weight
b [19]f32 = weight
y [1,19,n,17]f32 = conv x w b {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 19 : i64}
z [1,19,(n-1) floordiv 2 + 1,9]f32 = conv x w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 19 : i64}
out y z)",
       kImage},
      {"conv_transpose", R"(
in x [1,5,n,7]f32
w [5,6,3,3]f32 = weight
y [1,6,2*n+1,15]f32 = conv_transpose x w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>, group = 1 : i64}
out y)",
       kImage},
      {"pool", R"(
in x [2,5,n,17]f32
y [2,5,(n-1) floordiv 2 + 1,9]f32 = pool x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, count_pads = array<i64: 1, 1, 1, 1>, kind = #graph<pool_kind maxpool>}
z [2,5,n,17]f32 = pool x {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, count_pads = array<i64: 1, 1, 1, 1>, kind = #graph<pool_kind avgpool>}
out y z)",
       kImage},
      {"pool1d",
       R"(
in x [3,n]f32
r [1,3,n]f32 = reshape x {}
y [1,3,n]f32 = pool r {kernel = array<i64: 5>, strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 2, 2>, count_pads = array<i64: 2, 2>, kind = #graph<pool_kind sumpool>}
out y)",
       {{16, 0, 0}, {17, 0, 0}, {1, 0, 0}, {3, 0, 0}, {3001, 0, 0}}},
      {"resize", R"(
in x [2,n,9]f32
i [14,2]i32 = weight 0..8
w [14,2]f32 = weight
y [2,n,14]f32 = resize x i w {axis = 2 : i64}
out y)",
       kLine},
      {"batch_norm", R"(
in x [n,6,5]f32
in s [6]f32
in b [6]f32
in a [6]f32
in v [6]f32 1..3
y [n,6,5]f32 = batch_norm x s b a v {eps = 0.0 : f32}
out y)",
       kBatch},
      {"max_pool_indices", R"(
in x [2,3,n,9]f32
i [2,3,n-1,8]i64 = max_pool_indices x {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, column_major = false}
out i)",
       kImage},
      {"conv_transpose_groups", R"(
in x [2,6,n,5]f32
w [6,2,2,4]f32 = weight
b [4]f32 = weight
y [2,4,3*n,8]f32 = conv_transpose x w b {strides = array<i64: 3, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 2, 0, 2>, output_padding = array<i64: 1, 0>, group = 2 : i64}
out y)",
       kImage},
      // The 16-bit values between these convolutions lie with their channels last where the target asks for it.
      {"channels_last",
       R"(
in x [2,3,n,15]f16 -1..1
w0 [32,3,3,3]f16 = weight -1..1
b0 [32]f16 = weight
w1 [32,32,3,3]f16 = weight -1..1
w2 [64,32,3,3]f16 = weight -1..1
w3 [64,1,3,3]f16 = weight -1..1
w4 [40,96,1,1]f16 = weight -1..1
w5 [33,40,2,2]f16 = weight -1..1
lo []f16 = constant {value = dense<0.0> : tensor<f16>}
hi []f16 = constant {value = dense<2.0> : tensor<f16>}
a [2,32,n,15]f16 = conv x w0 b0 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
a_ [2,32,n,15]f16 = max a lo {}
r [2,32,n,15]f16 = min a_ hi {}
b [2,32,n,15]f16 = conv r w1 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
s [2,32,n,15]f16 = add b r {}
s_ [2,32,n,15]f16 = max s lo {}
t [2,32,n,15]f16 = min s_ hi {}
p [2,32,(n-1) floordiv 2 + 1,8]f16 = pool t {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, count_pads = array<i64: 1, 1, 1, 1>, kind = #graph<pool_kind maxpool>}
c [2,64,(n-1) floordiv 2 + 1,8]f16 = conv t w2 {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
c_ [2,64,(n-1) floordiv 2 + 1,8]f16 = max c lo {}
u [2,64,(n-1) floordiv 2 + 1,8]f16 = min c_ hi {}
d [2,64,(n-1) floordiv 2 + 1,8]f16 = conv u w3 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 64 : i64}
d_ [2,64,(n-1) floordiv 2 + 1,8]f16 = max d lo {}
v [2,64,(n-1) floordiv 2 + 1,8]f16 = min d_ hi {}
e [2,96,(n-1) floordiv 2 + 1,8]f16 = concat v p {axis = 1 : i64}
f [2,40,(n-1) floordiv 2 + 1,8]f16 = conv e w4 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64}
f_ [2,40,(n-1) floordiv 2 + 1,8]f16 = max f lo {}
g [2,40,(n-1) floordiv 2 + 1,8]f16 = min f_ hi {}
h [2,40,(n-1) floordiv 2 + 3,10]f16 = pad g lo {low = affine_map<() -> (0, 0, 1, 1)>, mode = #graph<pad_mode constant>}
y [2,33,(n-1) floordiv 2 + 1,8]f16 = conv h w5 {strides = array<i64: 1, 1>, dilations = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, group = 1 : i64}
z [2,40,1,1]f16 = reduce g {axes = array<i64: 2, 3>, kind = #graph<reduce_kind sum>}
out y z)",
       {{8, 0, 0}, {9, 0, 0}, {1, 0, 0}, {23, 0, 0}}},
      {"channels_last_windows",
       R"(
in x [2,24,n]f16 -1..1
in z [1,8,n,5,6]f16 -1..1
in i [1,16,n,7]f16 -1..1
w0 [32,24,3]f16 = weight -1..1
w1 [48,32,5]f16 = weight -1..1
w2 [16,48,1]f16 = weight -1..1
v0 [32,8,1,3,3]f16 = weight -1..1
v1 [32,32,3,3,3]f16 = weight -1..1
v2 [9,32,1,1,1]f16 = weight -1..1
u0 [64,16,3,3]f16 = weight -1..1
u1 [64,32,3,3]f16 = weight -1..1
u2 [64,48,3,2]f16 = weight -1..1
u3 [48,48,3,3]f16 = weight -1..1
a [2,32,n]f16 = conv x w0 {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, group = 1 : i64}
b [2,48,(n-1) floordiv 2 + 1]f16 = conv a w1 {strides = array<i64: 2>, dilations = array<i64: 2>, pads = array<i64: 4, 4>, group = 1 : i64}
c [2,16,(n-1) floordiv 2 + 1]f16 = conv b w2 {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, group = 1 : i64}
d [1,32,n,5,6]f16 = conv z v0 {strides = array<i64: 1, 1, 1>, dilations = array<i64: 1, 1, 1>, pads = array<i64: 0, 1, 1, 0, 1, 1>, group = 1 : i64}
e [1,32,n,3,3]f16 = conv d v1 {strides = array<i64: 1, 2, 2>, dilations = array<i64: 1, 1, 1>, pads = array<i64: 1, 1, 1, 1, 1, 1>, group = 1 : i64}
f [1,9,n,3,3]f16 = conv e v2 {strides = array<i64: 1, 1, 1>, dilations = array<i64: 1, 1, 1>, pads = array<i64: 0, 0, 0, 0, 0, 0>, group = 1 : i64}
g [1,64,n,7]f16 = conv i u0 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
h [1,64,n,4]f16 = conv g u1 {strides = array<i64: 1, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 2, 1, 0, 1>, group = 2 : i64}
j [1,48,2*n+1,8]f16 = conv_transpose h u2 {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>, group = 1 : i64}
k [1,48,2*n+1,8]f16 = conv j u3 {strides = array<i64: 1, 1>, dilations = array<i64: 2, 1>, pads = array<i64: 2, 1, 2, 1>, group = 1 : i64}
out c f k)",
       {{8, 0, 0}, {9, 0, 0}, {1, 0, 0}}},
      {"conv2d_square",
       R"(
in x [n,40,12,14]f16 -1..1
w [64,40,3,3]f16 = weight -1..1
b [64]f16 = weight
y [n,64,12,14]f16 = conv x w b {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64}
c []f16 = constant {value = dense<0.0> : tensor<f16>}
z [n,64,12,14]f16 = max y c {}
out z)",
       {{1, 0, 0}, {3, 0, 0}}},
      {"conv1x1_strided_long", R"(
in x [n,64,37]f32
w [32,64,1]f32 = weight
y [n,32,19]f32 = conv x w {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, group = 1 : i64}
out y)",
       kBatch},
      {"gru",
       R"(
in x [n,2,5]f32 -1..1
w [24,5]f32 = weight -1..1
r [24,8]f32 = weight -1..1
b [24]f32 = weight -1..1
y [n,2,8]f32, h [2,8]f32 = rnn x w r b {kind = #graph<rnn_kind gru>, reverse = true, linear_before_reset = false, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0>}
out y h)",
       {{4, 0, 0}, {5, 0, 0}, {1, 0, 0}}},
      {"matmul_bf16",
       R"(
in a [n,k]bf16 -1..1
in b [k,m]bf16 -1..1
p [n,m]bf16 = matmul a b {trans_a = false, trans_b = false}
c [n,m]f32 = cast p {saturate = false, round = #graph<cast_round rtz>}
out c)",
       {{16, 32, 48}, {17, 33, 49}, {1, 3, 2}, {0, 5, 4}, {5, 4, 0}, {1, 33, 127}}},
      {"chain",
       R"(
in x [n,24]f32
w [24,24]f32 = weight -1..1
v [24,24]f32 = weight -1..1
s [24]f32 = weight
a [n,24]f32 = matmul x w {trans_a = false, trans_b = false}
b [n,24]f32 = add a x {}
c [n,24]f32 = layer_norm b scale s {axis = 1 : i64, eps = 1.0e-5 : f32, rms = false}
d [24,n]f32 = transpose c {perm = array<i64: 1, 0>}
e [n,n]f32 = matmul b d {trans_a = false, trans_b = false}
f [n,1]f32 = reduce e {axes = array<i64: 1>, kind = #graph<reduce_kind max>}
out e f)",
       {{32, 0, 0}, {33, 0, 0}, {1, 0, 0}, {3, 0, 0}, {0, 0, 0}, {203, 0, 0}}},
  };
  return cases;
}

} // namespace adze::test
