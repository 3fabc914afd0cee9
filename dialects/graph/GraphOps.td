// The model tier: what is computed. See README.md beside this file for the rationale.
//
// Types: ranked tensors. A dynamic dim carries its expression in the tensor's encoding, an affine map without dims over
// the module's symbols, one result a dim: tensor<?x4xf32, affine_map<()[s0] -> (s0, 4)>>. Static tensors have no encoding.
// Element types: f16 bf16 f32 f64, i8..i64 (signed), ui8..ui64, i1 (bool), the fp8/fp4 types, i4/ui4/i2/ui2.
// Elementwise ops broadcast as NumPy does.
#ifndef ADZE_GRAPH_OPS_TD
#define ADZE_GRAPH_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/graph/GraphInterfaces.td"

def Graph_Dialect : Dialect {
  let name = "graph";
  let cppNamespace = "::adze::graph";
  let summary = "What a model computes: tensors, symbolic dims, named operations";
  let description = [{
    About 90 named operations on tensors. The importer decomposes the long tail of ONNX into them. Weights are referred to
    by their number in the weight store, never held as attributes.
  }];
  let useDefaultAttributePrinterParser = 1;
}

//===-- enums ------------------------------------------------------------------------------------------------------===//
class Graph_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::adze::graph";
  let genSpecializedAttr = 0;
}
class Cases<list<string> names> {
  list<I32EnumAttrCase> cases = !foreach(i, !range(!size(names)), I32EnumAttrCase<names[i], i, names[i]>);
}
def FusionRole : Graph_Enum<"FusionRole", "how the fuser may use an op",
  Cases<["anchor", "elementwise", "view", "reduction", "opaque", "constant"]>.cases>;
def AccuracyClass : Graph_Enum<"AccuracyClass", "row of the numeric contract",
  Cases<["exact", "elementwise", "transcendental", "reduction", "contraction", "attention"]>.cases>;
def ReduceKind : Graph_Enum<"ReduceKind", "reduction", Cases<["sum", "prod", "max", "min", "mean", "all", "any"]>.cases>;
def ArgKind : Graph_Enum<"ArgKind", "arg-reduction", Cases<["argmax", "argmin"]>.cases>;
def PoolKind : Graph_Enum<"PoolKind", "pooling", Cases<["maxpool", "avgpool", "avgpool_pad", "sumpool"]>.cases>;
def PadMode : Graph_Enum<"PadMode", "padding", Cases<["constant", "reflect", "edge", "wrap"]>.cases>;
def CmpKind : Graph_Enum<"CmpKind", "comparison", Cases<["eq", "ne", "lt", "le", "gt", "ge"]>.cases>;
def ScatterKind : Graph_Enum<"ScatterKind", "what a scatter does with the old value",
  Cases<["none", "add", "mul", "max", "min"]>.cases>;
def CastRound : Graph_Enum<"CastRound", "rounding of a cast to an integer or narrower float", Cases<["rne", "rtz"]>.cases>;
def RnnKind : Graph_Enum<"RnnKind", "recurrent cell", Cases<["lstm", "gru", "rnn"]>.cases>;
class Graph_EnumAttr<EnumInfo e, string mnemonic> : EnumAttr<Graph_Dialect, e, mnemonic> {
  let assemblyFormat = "$value";
}

//===-- base classes -----------------------------------------------------------------------------------------------===//
def Graph_Tensor : RankedTensorOf<[AnyType]>;

class Graph_Op<string mnemonic, string role, string accuracy, list<Trait> traits = []>
    : Op<Graph_Dialect, mnemonic, !listconcat(traits, [Pure, DeclareOpInterfaceMethods<GraphNodeInterface>])> {
  let hasVerifier = 1;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = !strconcat(
    "::adze::graph::FusionRole $cppClass::getFusionRole() { return ::adze::graph::FusionRole::", role, "; }\n",
    "::adze::graph::AccuracyClass $cppClass::getAccuracyClass() { return ::adze::graph::AccuracyClass::", accuracy, "; }\n");
}
// Result types follow from operands and attributes (dialects/graph/GraphInfer.cpp), which also checks the attributes: these
// ops need no verifier of their own. Two result types are compatible unless a dim of them provably differs.
class Graph_InferOp<string mnemonic, string role, string accuracy, list<Trait> traits = []>
    : Graph_Op<mnemonic, role, accuracy,
               !listconcat(traits, [DeclareOpInterfaceMethods<InferTypeOpInterface, ["isCompatibleReturnTypes"]>])> {
  let hasVerifier = 0;
  let extraClassDeclaration = "static bool isCompatibleReturnTypes(::mlir::TypeRange a, ::mlir::TypeRange b);";
  let extraClassDefinition = !strconcat(
    "::adze::graph::FusionRole $cppClass::getFusionRole() { return ::adze::graph::FusionRole::", role, "; }\n",
    "::adze::graph::AccuracyClass $cppClass::getAccuracyClass() { return ::adze::graph::AccuracyClass::", accuracy, "; }\n",
    "bool $cppClass::isCompatibleReturnTypes(::mlir::TypeRange a, ::mlir::TypeRange b) {\n",
    "  return ::adze::graph::compatibleTypes(a, b);\n}\n");
}

class Graph_Unary<string mnemonic, string accuracy, string what> : Graph_InferOp<mnemonic, "elementwise", accuracy> {
  let summary = what;
  let arguments = (ins Graph_Tensor:$x);
  let results = (outs Graph_Tensor:$y);
}
class Graph_Binary<string mnemonic, string accuracy, string what> : Graph_InferOp<mnemonic, "elementwise", accuracy> {
  let summary = what;
  let arguments = (ins Graph_Tensor:$a, Graph_Tensor:$b);
  let results = (outs Graph_Tensor:$y);
}

//===-- constants and indices --------------------------------------------------------------------------------------===//
def Graph_WeightOp : Graph_Op<"weight", "constant", "exact"> {
  let summary = "entry `id` of the weight store";
  let arguments = (ins I64Attr:$id, StrAttr:$name);
  let results = (outs Graph_Tensor:$y);
}
def Graph_ConstantOp : Graph_Op<"constant", "constant", "exact"> {
  let summary = "a small constant (at most 64 elements), visible to patterns";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Graph_Tensor:$y);
  let hasFolder = 0;
}
def Graph_ShapeValueOp : Graph_Op<"shape_value", "opaque", "exact"> {
  let summary = "symbolic integers as data: the results of `exprs`, row-major";
  let arguments = (ins AffineMapAttr:$exprs);
  let results = (outs Graph_Tensor:$y);
}
def Graph_IotaOp : Graph_Op<"iota", "elementwise", "exact"> {
  let summary = "the index along `axis`, converted to the element type";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Graph_Tensor:$y);
}
def Graph_CheckOp : Op<Graph_Dialect, "check", []> {
  let summary = "two expressions that must be equal at launch (result 0 and 1 of `exprs`), else exit 3 with `message`";
  let arguments = (ins AffineMapAttr:$exprs, StrAttr:$message);
  let assemblyFormat = "$exprs `,` $message attr-dict";
  let hasVerifier = 1;
}

//===-- elementwise ------------------------------------------------------------------------------------------------===//
def Graph_NegOp : Graph_Unary<"neg", "exact", "-x; integers wrap">;
def Graph_AbsOp : Graph_Unary<"abs", "exact", "|x|; integers wrap">;
def Graph_SignOp : Graph_Unary<"sign", "exact", "-1, 0 or 1; NaN stays NaN">;
def Graph_FloorOp : Graph_Unary<"floor", "exact", "largest integer <= x">;
def Graph_CeilOp : Graph_Unary<"ceil", "exact", "smallest integer >= x">;
def Graph_RoundOp : Graph_Unary<"round", "exact", "nearest integer, ties to even">;
def Graph_NotOp : Graph_Unary<"not", "exact", "logical for i1, bitwise for integers">;
def Graph_ExpOp : Graph_Unary<"exp", "transcendental", "e^x">;
def Graph_LogOp : Graph_Unary<"log", "transcendental", "natural logarithm">;
def Graph_SqrtOp : Graph_Unary<"sqrt", "elementwise", "square root">;
def Graph_RsqrtOp : Graph_Unary<"rsqrt", "elementwise", "1/sqrt(x)">;
def Graph_ReciprocalOp : Graph_Unary<"reciprocal", "elementwise", "1/x">;
def Graph_SinOp : Graph_Unary<"sin", "transcendental", "sine, radians">;
def Graph_CosOp : Graph_Unary<"cos", "transcendental", "cosine, radians">;
def Graph_TanOp : Graph_Unary<"tan", "transcendental", "tangent, radians">;
def Graph_AsinOp : Graph_Unary<"asin", "transcendental", "arc sine">;
def Graph_AcosOp : Graph_Unary<"acos", "transcendental", "arc cosine">;
def Graph_AtanOp : Graph_Unary<"atan", "transcendental", "arc tangent">;
def Graph_SinhOp : Graph_Unary<"sinh", "transcendental", "hyperbolic sine">;
def Graph_CoshOp : Graph_Unary<"cosh", "transcendental", "hyperbolic cosine">;
def Graph_TanhOp : Graph_Unary<"tanh", "transcendental", "hyperbolic tangent">;
def Graph_AsinhOp : Graph_Unary<"asinh", "transcendental", "inverse hyperbolic sine">;
def Graph_AcoshOp : Graph_Unary<"acosh", "transcendental", "inverse hyperbolic cosine">;
def Graph_AtanhOp : Graph_Unary<"atanh", "transcendental", "inverse hyperbolic tangent">;
def Graph_ErfOp : Graph_Unary<"erf", "transcendental", "error function">;
def Graph_SigmoidOp : Graph_Unary<"sigmoid", "transcendental", "1/(1+e^-x)">;
def Graph_SiluOp : Graph_Unary<"silu", "transcendental", "x*sigmoid(x)">;
def Graph_HardSwishOp : Graph_Unary<"hard_swish", "elementwise", "x*max(0, min(1, x/6 + 1/2))">;
def Graph_GeluOp : Graph_InferOp<"gelu", "elementwise", "transcendental"> {
  let summary = "x*Phi(x), by erf or by the tanh approximation (Hendrycks and Gimpel 2016)";
  let arguments = (ins Graph_Tensor:$x, BoolAttr:$tanh);
  let results = (outs Graph_Tensor:$y);
}
def Graph_IsNanOp : Graph_InferOp<"isnan", "elementwise", "exact"> {
  let summary = "i1: x is NaN";
  let arguments = (ins Graph_Tensor:$x);
  let results = (outs Graph_Tensor:$y);
}
def Graph_IsInfOp : Graph_InferOp<"isinf", "elementwise", "exact"> {
  let summary = "i1: x is an infinity of an enabled sign";
  let arguments = (ins Graph_Tensor:$x, BoolAttr:$positive, BoolAttr:$negative);
  let results = (outs Graph_Tensor:$y);
}
def Graph_AddOp : Graph_Binary<"add", "elementwise", "a+b; integers wrap">;
def Graph_SubOp : Graph_Binary<"sub", "elementwise", "a-b; integers wrap">;
def Graph_MulOp : Graph_Binary<"mul", "elementwise", "a*b; integers wrap">;
def Graph_DivOp : Graph_Binary<"div", "elementwise", "a/b; integers truncate toward zero, x/0 = 0, INT_MIN/-1 = INT_MIN">;
def Graph_RemOp : Graph_Binary<"rem", "elementwise", "C remainder: sign of a; integer x rem 0 = 0">;
def Graph_ModOp : Graph_Binary<"mod", "elementwise", "floor remainder: sign of b; integer x mod 0 = 0">;
def Graph_PowOp : Graph_Binary<"pow", "transcendental", "a^b; b may have another element type">;
def Graph_MaxOp : Graph_Binary<"max", "exact", "maximum; NaN wins">;
def Graph_MinOp : Graph_Binary<"min", "exact", "minimum; NaN wins">;
def Graph_AndOp : Graph_Binary<"and", "exact", "logical or bitwise and">;
def Graph_OrOp : Graph_Binary<"or", "exact", "logical or bitwise or">;
def Graph_XorOp : Graph_Binary<"xor", "exact", "logical or bitwise exclusive or">;
def Graph_ShlOp : Graph_Binary<"shl", "exact", "a << b; 0 where b >= width">;
def Graph_ShrOp : Graph_Binary<"shr", "exact", "a >> b by a's signedness; 0 (or sign) where b >= width">;
def Graph_CmpOp : Graph_InferOp<"cmp", "elementwise", "exact"> {
  let summary = "i1 comparison; NaN compares false except for ne";
  let arguments = (ins Graph_Tensor:$a, Graph_Tensor:$b, Graph_EnumAttr<CmpKind, "cmp_kind">:$kind);
  let results = (outs Graph_Tensor:$y);
}
def Graph_SelectOp : Graph_InferOp<"select", "elementwise", "exact"> {
  let summary = "condition ? a : b";
  let arguments = (ins Graph_Tensor:$condition, Graph_Tensor:$a, Graph_Tensor:$b);
  let results = (outs Graph_Tensor:$y);
}
def Graph_CastOp : Graph_Op<"cast", "elementwise", "exact"> {
  let summary = "numeric conversion";
  let description = [{float to int truncates (rtz) unless `round` = rne; out of range wraps as C on two's complement unless
    `saturate`. To fp8/fp4: `saturate` clamps to finite, otherwise overflow gives inf or NaN. To i1: x != 0.}];
  let arguments = (ins Graph_Tensor:$x, BoolAttr:$saturate, Graph_EnumAttr<CastRound, "cast_round">:$round);
  let results = (outs Graph_Tensor:$y);
}
def Graph_BitcastOp : Graph_Op<"bitcast", "elementwise", "exact"> {
  let summary = "same bits, another element type of the same width";
  let arguments = (ins Graph_Tensor:$x);
  let results = (outs Graph_Tensor:$y);
}

//===-- views and data movement ------------------------------------------------------------------------------------===//
def Graph_ReshapeOp : Graph_Op<"reshape", "view", "exact"> {
  let summary = "same elements in row-major order, another shape";
  let arguments = (ins Graph_Tensor:$x);
  let results = (outs Graph_Tensor:$y);
}
def Graph_TransposeOp : Graph_InferOp<"transpose", "view", "exact"> {
  let summary = "y's dim i is x's dim perm[i]";
  let arguments = (ins Graph_Tensor:$x, DenseI64ArrayAttr:$perm);
  let results = (outs Graph_Tensor:$y);
}
def Graph_BroadcastOp : Graph_Op<"broadcast", "view", "exact"> {
  let summary = "NumPy broadcast of x to the result's shape";
  let arguments = (ins Graph_Tensor:$x);
  let results = (outs Graph_Tensor:$y);
}
def Graph_SliceOp : Graph_Op<"slice", "view", "exact"> {
  let summary = "y[i...] = x[start + i*step...]; sizes are the result's; steps may be negative; always in bounds";
  let arguments = (ins Graph_Tensor:$x, AffineMapAttr:$starts, DenseI64ArrayAttr:$steps);
  let results = (outs Graph_Tensor:$y);
}
def Graph_ConcatOp : Graph_InferOp<"concat", "opaque", "exact"> {
  let summary = "concatenation along `axis`";
  let arguments = (ins Variadic<Graph_Tensor>:$xs, I64Attr:$axis);
  let results = (outs Graph_Tensor:$y);
}
def Graph_PadOp : Graph_Op<"pad", "opaque", "exact"> {
  let summary = "padding before each dim (`low`, may be negative: cropped); the result's shape gives the rest";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$value, AffineMapAttr:$low, Graph_EnumAttr<PadMode, "pad_mode">:$mode);
  let results = (outs Graph_Tensor:$y);
}
def Graph_GatherOp : Graph_InferOp<"gather", "opaque", "exact"> {
  let summary = "y[a..., i..., b...] = x[a..., indices[i...], b...]; negative indices count from the end; out of range is a launch error or 0";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$indices, I64Attr:$axis);
  let results = (outs Graph_Tensor:$y);
}
def Graph_GatherElementsOp : Graph_InferOp<"gather_elements", "opaque", "exact"> {
  let summary = "y[i...] = x[i... with dim axis replaced by indices[i...]]";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$indices, I64Attr:$axis);
  let results = (outs Graph_Tensor:$y);
}
def Graph_GatherNdOp : Graph_InferOp<"gather_nd", "opaque", "exact"> {
  let summary = "rows of x addressed by the last dim of indices (static size)";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$indices, I64Attr:$batch_dims);
  let results = (outs Graph_Tensor:$y);
}
def Graph_ScatterElementsOp : Graph_InferOp<"scatter_elements", "opaque", "exact"> {
  let summary = "x with elements along `axis` replaced or combined; duplicate indices apply in row-major order";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$indices, Graph_Tensor:$updates, I64Attr:$axis,
                       Graph_EnumAttr<ScatterKind, "scatter_kind">:$kind);
  let results = (outs Graph_Tensor:$y);
}
def Graph_ScatterNdOp : Graph_InferOp<"scatter_nd", "opaque", "exact"> {
  let summary = "x with slices addressed by indices replaced or combined; duplicates apply in row-major order";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$indices, Graph_Tensor:$updates,
                       Graph_EnumAttr<ScatterKind, "scatter_kind">:$kind);
  let results = (outs Graph_Tensor:$y);
}
def Graph_ResizeOp : Graph_Op<"resize", "opaque", "contraction"> {
  let summary = "separable interpolation: y[.., i, ..] along `axis` = sum over t < taps of weights[i, t] * x[.., indices[i, t], ..]";
  let description = [{ONNX Resize and Upsample become one op an axis; indices (i32) and weights (f32) are constants made by
    the importer, or computed from symbols by elementwise ops when the size is dynamic.}];
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$indices, Graph_Tensor:$weights, I64Attr:$axis);
  let results = (outs Graph_Tensor:$y);
}

//===-- reductions, scans, selection -------------------------------------------------------------------------------===//
def Graph_ReduceOp : Graph_InferOp<"reduce", "reduction", "reduction"> {
  let summary = "reduction over `axes`, which stay as size-1 dims; float sums accumulate in f32 or wider";
  let arguments = (ins Graph_Tensor:$x, DenseI64ArrayAttr:$axes, Graph_EnumAttr<ReduceKind, "reduce_kind">:$kind);
  let results = (outs Graph_Tensor:$y);
}
def Graph_ArgReduceOp : Graph_InferOp<"arg_reduce", "reduction", "exact"> {
  let summary = "i64 index of the extreme value along `axis` (kept as size 1); the first or the last one; the first NaN wins";
  let arguments = (ins Graph_Tensor:$x, I64Attr:$axis, Graph_EnumAttr<ArgKind, "arg_kind">:$kind, BoolAttr:$last);
  let results = (outs Graph_Tensor:$y);
}
def Graph_SoftmaxOp : Graph_InferOp<"softmax", "reduction", "transcendental"> {
  let summary = "softmax along `axis`; `log`: its logarithm";
  let arguments = (ins Graph_Tensor:$x, I64Attr:$axis, BoolAttr:$log);
  let results = (outs Graph_Tensor:$y);
}
def Graph_LayerNormOp : Graph_InferOp<"layer_norm", "reduction", "reduction", [AttrSizedOperandSegments]> {
  let summary = "(x-mean)/sqrt(var+eps) over the dims from `axis` on, times scale, plus bias (both optional, broadcast)";
  let arguments = (ins Graph_Tensor:$x, Optional<Graph_Tensor>:$scale, Optional<Graph_Tensor>:$bias, I64Attr:$axis,
                       F32Attr:$eps, BoolAttr:$rms);
  let results = (outs Graph_Tensor:$y);
  let assemblyFormat = "$x (`scale` $scale^)? (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
  let description = [{`rms`: no mean is subtracted (RMSNorm, Zhang and Sennrich 2019).}];
}
def Graph_ScanOp : Graph_InferOp<"scan", "opaque", "reduction"> {
  let summary = "running sum (or product) along `axis`";
  let arguments = (ins Graph_Tensor:$x, I64Attr:$axis, Graph_EnumAttr<ReduceKind, "reduce_kind">:$kind,
                       BoolAttr:$exclusive, BoolAttr:$reverse);
  let results = (outs Graph_Tensor:$y);
}
def Graph_TopKOp : Graph_Op<"topk", "opaque", "exact"> {
  let summary = "k (the result's dim) extreme values along `axis`, sorted, and their i64 indices; ties: lowest index first";
  let arguments = (ins Graph_Tensor:$x, I64Attr:$axis, BoolAttr:$largest);
  let results = (outs Graph_Tensor:$values, Graph_Tensor:$indices);
}

//===-- contractions and windows -----------------------------------------------------------------------------------===//
def Graph_MatmulOp : Graph_InferOp<"matmul", "anchor", "contraction"> {
  let summary = "a[..., M, K] * b[..., K, N], batch dims broadcast; `trans_a`: a is [..., K, M]; `trans_b`: b is [..., N, K]";
  let description = [{Integer operands give i32 (u8/i8 mixed allowed).}];
  let arguments = (ins Graph_Tensor:$a, Graph_Tensor:$b, BoolAttr:$trans_a, BoolAttr:$trans_b);
  let results = (outs Graph_Tensor:$y);
}
def Graph_ConvOp : Graph_InferOp<"conv", "anchor", "contraction"> {
  let summary = "convolution: x[N, C, spatial...], w[F, C/group, kernel...], optional bias[F]; 1 to 3 spatial dims";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$w, Optional<Graph_Tensor>:$bias, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads, I64Attr:$group);
  let description = [{`pads`: all the starts, then all the ends, as in ONNX. Integer operands give i32.}];
  let results = (outs Graph_Tensor:$y);
}
def Graph_ConvTransposeOp : Graph_InferOp<"conv_transpose", "anchor", "contraction"> {
  let summary = "transposed convolution: x[N, C, spatial...], w[C, F/group, kernel...], optional bias[F]";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$w, Optional<Graph_Tensor>:$bias, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$output_padding, I64Attr:$group);
  let results = (outs Graph_Tensor:$y);
}
def Graph_PoolOp : Graph_InferOp<"pool", "reduction", "reduction"> {
  let summary = "window reduction over the spatial dims of x[N, C, spatial...]";
  let description = [{`pads` as in conv; an end pad may be made larger by the importer for ceil_mode. avgpool divides by the
    number of elements inside the input, avgpool_pad by those inside the input and the pads named in `count_pads`
    (the model's own pads, without what ceil_mode added).}];
  let arguments = (ins Graph_Tensor:$x, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$count_pads,
                       Graph_EnumAttr<PoolKind, "pool_kind">:$kind);
  let results = (outs Graph_Tensor:$y);
}
def Graph_MaxPoolIndicesOp : Graph_Op<"max_pool_indices", "opaque", "exact"> {
  let summary = "i64 index of each window's maximum in the flattened x (row-major, or column-major spatial order)";
  let arguments = (ins Graph_Tensor:$x, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads, BoolAttr:$column_major);
  let results = (outs Graph_Tensor:$y);
}
def Graph_BatchNormOp : Graph_InferOp<"batch_norm", "elementwise", "elementwise"> {
  let summary = "(x - mean[C]) / sqrt(var[C] + eps) * scale[C] + bias[C] on x[N, C, ...], inference";
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$scale, Graph_Tensor:$bias, Graph_Tensor:$mean, Graph_Tensor:$var,
                       F32Attr:$eps);
  let results = (outs Graph_Tensor:$y);
}
def Graph_AttentionOp : Graph_InferOp<"attention", "anchor", "attention"> {
  let summary = "softmax(scale * q k^T + mask) v on q[B, H, S, D], k[B, HK, T, D], v[B, HK, T, DV]; H a multiple of HK";
  let description = [{`mask` broadcasts to [B, H, S, T] and is added (float) or keeps where true (i1). `causal`: key t is
    visible to query s when t <= s + T - S. A row without visible keys gives 0, or NaN with `nan_masked`: what softmax
    of nothing but -inf gives, where attention was recognised from its primitive spelling. Scores accumulate in f32.}];
  let arguments = (ins Graph_Tensor:$q, Graph_Tensor:$k, Graph_Tensor:$v, Optional<Graph_Tensor>:$mask, F32Attr:$scale,
                       BoolAttr:$causal, UnitAttr:$nan_masked);
  let results = (outs Graph_Tensor:$y);
}
def Graph_RnnOp : Graph_Op<"rnn", "opaque", "contraction", [AttrSizedOperandSegments]> {
  let summary = "one direction of an ONNX LSTM, GRU or RNN: x[T, B, I], w[G*H, I], r[G*H, H], bias[G*H] (both biases added; GRU with linear_before_reset: bias[4*H], the recurrent h bias last)";
  let description = [{Default activations. `lengths`[B] i32 optional. Results: y[T, B, H], the last h[B, H] and, for lstm,
    the last c[B, H]. Gate order as in ONNX (iofc, zrh). `peephole`[3*H] for lstm.}];
  let arguments = (ins Graph_Tensor:$x, Graph_Tensor:$w, Graph_Tensor:$r, Optional<Graph_Tensor>:$bias,
                       Optional<Graph_Tensor>:$h0, Optional<Graph_Tensor>:$c0, Optional<Graph_Tensor>:$lengths,
                       Optional<Graph_Tensor>:$peephole, Graph_EnumAttr<RnnKind, "rnn_kind">:$kind, BoolAttr:$reverse,
                       BoolAttr:$linear_before_reset);
  let results = (outs Variadic<Graph_Tensor>:$ys);
}

//===-- host and structure -----------------------------------------------------------------------------------------===//
// Not pure where it defines symbols: dims of other ops use them, which no SSA use shows.
def Graph_HostOp : Op<Graph_Dialect, "host", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
                                              DeclareOpInterfaceMethods<GraphNodeInterface>]> {
  let hasVerifier = 1;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = [{
    ::adze::graph::FusionRole $cppClass::getFusionRole() { return ::adze::graph::FusionRole::opaque; }
    ::adze::graph::AccuracyClass $cppClass::getAccuracyClass() { return ::adze::graph::AccuracyClass::exact; }
  }];
  let summary = "an operation of the runtime's fixed host table (data-dependent extents); `defines`: symbols that it sets";
  let arguments = (ins Variadic<Graph_Tensor>:$xs, StrAttr:$op, DenseI64ArrayAttr:$attrs, DenseF64ArrayAttr:$fattrs,
                       DenseI64ArrayAttr:$defines);
  let results = (outs Variadic<Graph_Tensor>:$ys);
}
def Graph_RegionOp : Op<Graph_Dialect, "region", [IsolatedFromAbove, SingleBlock]> {
  let summary = "a fused region: becomes one kernel";
  let description = [{The block's arguments are the operands. `family` names the kernel builder, `reason` why the region
    ends where it does. Values inside a region that are not yielded keep f32 where their type is f16 or bf16.}];
  let arguments = (ins Variadic<Graph_Tensor>:$inputs, StrAttr:$family, OptionalAttr<StrAttr>:$reason);
  let results = (outs Variadic<Graph_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
  let assemblyFormat = "$family `(` $inputs `)` attr-dict-with-keyword `:` functional-type($inputs, $outputs) $body";
}
def Graph_YieldOp : Op<Graph_Dialect, "yield", [Pure, Terminator, HasParent<"RegionOp">]> {
  let summary = "the results of a fused region";
  let arguments = (ins Variadic<Graph_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}
#endif
