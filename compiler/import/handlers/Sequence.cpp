// Operators of sequence models: rotary positions, cache updates, linear attention, causal convolution, gated units.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include <cmath>

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

mlir::Type f32(NodeContext &n) { return n.element(DType::F32); }
/// Compounds of narrow floats are computed in f32 and rounded once.
Value widened(NodeContext &n, Value x) {
  return x && NodeContext::elementOf(x).getIntOrFloatBitWidth() < 32 ? n.cast(x, f32(n)) : x;
}

/// x[..., start + i * step of `axis`, ...], `size` elements.
Value sliceAxis(NodeContext &n, Value x, int64_t axis, AffineExpr start, AffineExpr size, int64_t step = 1) {
  Dims sizes = NodeContext::dimsOf(x);
  if (!x || n.failed())
    return {};
  SmallVector<AffineExpr> starts(sizes.size(), n.expr(0));
  SmallVector<int64_t> steps(sizes.size(), 1);
  starts[axis] = start, sizes[axis] = size, steps[axis] = step;
  return n.slice(x, starts, sizes, steps);
}

/// [B, T, heads*D] to [B, T, heads, D].
Value splitHeads(NodeContext &n, Value x, int64_t heads) {
  Dims dims = NodeContext::dimsOf(x);
  if (!x || n.failed())
    return {};
  AffineExpr each = graph::exactQuotient(n.context(), {dims[2]}, {n.expr(heads)});
  if (!n.checkEqual(n.sym().mul(each, n.expr(heads)), dims[2], "the hidden size must be a multiple of the heads"))
    return {};
  return n.reshape(x, {dims[0], dims[1], n.expr(heads), each});
}

//===- RotaryEmbedding --------------------------------------------------------------------------------------------===//

/// Pairs (x1, x2) of the last dim turn by the angles of the caches: (x1 cos - x2 sin, x1 sin + x2 cos).
void rotaryEmbedding(NodeContext &n) {
  bool flat = n.rank(0) == 3;
  if ((!flat && n.rank(0) != 4) || n.rank(1) != n.rank(2) || n.rank(1) != (n.has(3) ? 2 : 3) ||
      (n.has(3) && n.rank(3) != 2))
    return n.malformed("X must have rank 3 or 4, the caches rank 2 with position_ids (rank 2) and 3 without");
  Value x = n.value(0), cos = n.value(1), sin = n.value(2);
  if (flat) {
    int64_t heads = n.attrInt("num_heads", 0);
    if (heads < 1)
      return n.malformed("num_heads is needed for operands of rank 3", "give the attribute");
    x = splitHeads(n, x, heads); // [B, S, heads, D]
  }
  if (n.has(3)) {
    cos = n.create<GatherOp>(cos, n.value(3), int64_t(0));
    sin = n.create<GatherOp>(sin, n.value(3), int64_t(0));
  }
  cos = widened(n, n.unsqueeze(cos, {flat ? 2 : 1})), sin = widened(n, n.unsqueeze(sin, {flat ? 2 : 1}));
  if (n.failed() || !x || !cos || !sin)
    return;
  mlir::Type element = NodeContext::elementOf(x);
  auto size = n.sym().constantOf(NodeContext::dimsOf(x)[3]);
  if (!size)
    return n.unsupported("the head size is not fixed", "give it with --dim or --input-shape");
  int64_t turned = n.attrInt("rotary_embedding_dim", 0);
  turned = turned ? turned : *size;
  if (turned < 2 || turned > *size || turned % 2)
    return n.malformed("the rotated size " + llvm::Twine(turned) + " must be even and at most " + llvm::Twine(*size));
  if (!n.checkEqual(NodeContext::dimsOf(cos)[3], n.expr(turned / 2), "the caches hold half the rotated size") ||
      !n.checkEqual(NodeContext::dimsOf(sin)[3], n.expr(turned / 2), "the caches hold half the rotated size"))
    return;
  bool interleaved = n.attrBool("interleaved", false);
  AffineExpr half = n.expr(turned / 2);
  Value a = widened(n, sliceAxis(n, x, 3, n.expr(0), half, interleaved ? 2 : 1));
  Value b = widened(n, sliceAxis(n, x, 3, interleaved ? n.expr(1) : half, half, interleaved ? 2 : 1));
  Value real = n.create<SubOp>(n.binary<MulOp>(a, cos), n.binary<MulOp>(b, sin));
  Value imaginary = n.create<AddOp>(n.binary<MulOp>(a, sin), n.binary<MulOp>(b, cos));
  real = n.cast(real, element), imaginary = n.cast(imaginary, element);
  Value y;
  if (interleaved) {
    Dims dims = NodeContext::dimsOf(x);
    dims[3] = n.expr(turned);
    y = n.reshape(n.concat({n.unsqueeze(real, {4}), n.unsqueeze(imaginary, {4})}, 4), dims);
  } else {
    y = n.concat({real, imaginary}, 3);
  }
  if (turned < *size)
    y = n.concat({y, sliceAxis(n, x, 3, n.expr(turned), n.expr(*size - turned))}, 3);
  n.out(0, n.reshape(y, n.dims(0)));
}

//===- TensorScatter ----------------------------------------------------------------------------------------------===//

/// The cache with `update` written from write_indices[b] on, as a selection between two gathers.
void tensorScatter(NodeContext &n) {
  int64_t rank = n.rank(0), axis = n.normalizeAxis(n.attrInt("axis", -2), rank);
  std::string mode = n.attrString("mode", "linear");
  if (n.failed())
    return;
  if (rank != n.rank(1) || axis == 0 || (mode != "linear" && mode != "circular") || (n.has(2) && n.rank(2) != 1))
    return n.malformed("cache and update must have the same rank, axis not be 0, mode be linear or circular");
  Value cache = n.value(0), update = n.value(1);
  Dims full = n.dims(0), part = n.dims(1);
  for (int64_t d = 0; d < rank; ++d)
    if (d != axis && !n.checkEqual(full[d], part[d], "cache and update differ along the axis only"))
      return;
  if (!n.checkTrue(n.sym().lessOrEqual(part[axis], full[axis]), "the update must fit into the cache") ||
      !n.checkTrue(n.sym().less(n.expr(0), part[axis]), "the update must not be empty"))
    return;
  mlir::Type index = n.element(DType::I64);
  Dims shape(rank, n.expr(1));
  shape[axis] = full[axis];
  Value at = n.createTyped<IotaOp>(graph::makeTensorType(shape, index), axis);
  if (n.has(2)) {
    if (!n.checkEqual(n.dims(2)[0], full[0], "there is one write index a batch entry"))
      return;
    Dims batch(rank, n.expr(1));
    batch[0] = full[0];
    at = n.binary<SubOp>(at, n.reshape(n.value(2), batch));
  }
  if (mode == "circular")
    at = n.create<ModOp>(at, n.exprValue(full[axis], index));
  Value last = n.exprValue(n.sym().sub(part[axis], n.expr(1)), index), zero = n.scalar(0, index);
  Value inside = n.create<AndOp>(n.compare(CmpKind::ge, at, zero), n.compare(CmpKind::le, at, last));
  Value source = n.broadcastTo(n.create<MinOp>(n.create<MaxOp>(at, zero), last), full);
  n.out(0, n.select(inside, n.create<GatherElementsOp>(update, source, axis), cache));
}

//===- LinearAttention --------------------------------------------------------------------------------------------===//

/// The recurrence over time, unrolled: state[B, H, dk, dv] decays, is corrected, takes up k v^T, and is read by q.
class LinearAttention {
public:
  explicit LinearAttention(NodeContext &n) : n(n) {}
  void run();

private:
  bool readOperands();
  Value at(Value x, int64_t t, bool column);
  Value step(int64_t t);

  NodeContext &n;
  bool gated = false, corrected = false;
  int64_t queryHeads = 0, heads = 0, length = 0;
  double scale = 0;
  Value q, k, v, decay, beta, state;
};

constexpr int64_t kLongestUnrolled = 64;

bool LinearAttention::readOperands() {
  std::string rule = n.attrString("update_rule", "gated_delta");
  queryHeads = n.requireInt("q_num_heads"), heads = n.requireInt("kv_num_heads");
  gated = rule == "gated" || rule == "gated_delta";
  corrected = rule == "delta" || rule == "gated_delta";
  if (n.failed())
    return false;
  if (!gated && !corrected && rule != "linear")
    return n.malformed("update_rule is '" + rule + "'"), false;
  if (heads < 1 || queryHeads < 1 || queryHeads % heads)
    return n.malformed("q_num_heads must be a positive multiple of kv_num_heads"), false;
  if (n.has(4) != gated || n.has(5) != corrected)
    return n.malformed("decay belongs to gated rules, beta to delta rules, and each is needed there"), false;
  for (unsigned i : {0u, 1u, 2u, 4u, 5u})
    if (n.has(i) && n.rank(i) != 3)
      return n.malformed("operand " + llvm::Twine(i) + " must have rank 3"), false;
  auto steps = n.sym().constantOf(n.dims(0)[1]);
  if (!steps || *steps > kLongestUnrolled || *steps < 1)
    return n.unsupported("the sequence length must be fixed and at most " + llvm::Twine(kLongestUnrolled),
                         "split the sequence, passing the state on"),
           false;
  length = *steps;
  auto split = [&](unsigned i, int64_t count) { return widened(n, splitHeads(n, n.value(i), count)); };
  q = split(0, queryHeads), k = split(1, heads), v = split(2, heads);
  if (n.failed() || !q || !k || !v)
    return false;
  auto size = n.sym().constantOf(NodeContext::dimsOf(k)[3]);
  scale = n.attrFloat("scale", 0);
  if (scale == 0 && !size)
    return n.unsupported("the head size is not fixed, so the scale is unknown", "give the attribute scale"), false;
  scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(std::max<int64_t>(*size, 1))) : scale;
  if (gated) {
    // One number a head, or one a head and key entry.
    bool each = graph::provablyEqual(n.dims(4)[2], n.expr(heads));
    decay = n.create<ExpOp>(widened(n, each ? n.unsqueeze(n.value(4), {3}) : splitHeads(n, n.value(4), heads)));
  }
  if (corrected)
    beta = widened(n, n.unsqueeze(n.value(5), {3}));
  mlir::Type element = NodeContext::elementOf(q);
  Dims dims = {NodeContext::dimsOf(k)[0], n.expr(heads), NodeContext::dimsOf(k)[3], NodeContext::dimsOf(v)[3]};
  state = n.has(3) ? n.cast(n.value(3), element) : n.broadcastTo(n.scalar(0, element), dims);
  return !n.failed() && state;
}

/// Time t of x[B, T, H, D]: a column [B, H, D, 1] or a row [B, H, 1, D].
Value LinearAttention::at(Value x, int64_t t, bool column) {
  Dims dims = NodeContext::dimsOf(x);
  if (!x || n.failed())
    return {};
  Value now = sliceAxis(n, x, 1, n.expr(t), n.expr(1));
  Dims shape = column ? Dims{dims[0], dims[2], dims[3], n.expr(1)} : Dims{dims[0], dims[2], n.expr(1), dims[3]};
  return n.reshape(now, shape);
}

Value LinearAttention::step(int64_t t) {
  Value key = at(k, t, true), value = at(v, t, false);
  if (gated)
    state = n.binary<MulOp>(state, at(decay, t, true));
  if (corrected) {
    Value known = n.reduce(n.binary<MulOp>(state, key), {2}, ReduceKind::sum);
    value = n.binary<MulOp>(n.binary<SubOp>(value, known), at(beta, t, true));
  }
  state = n.binary<AddOp>(state, n.binary<MulOp>(key, value));
  Dims dims = NodeContext::dimsOf(q);
  if (n.failed() || !state)
    return {};
  Value query = n.reshape(sliceAxis(n, q, 1, n.expr(t), n.expr(1)),
                          {dims[0], n.expr(heads), n.expr(queryHeads / heads), dims[3]});
  Value read = n.create<MatmulOp>(query, state, false, false);
  Dims out = NodeContext::dimsOf(read);
  return read ? n.reshape(read, {dims[0], n.expr(1), n.sym().mul(n.expr(queryHeads), out[3])}) : read;
}

void LinearAttention::run() {
  if (!readOperands())
    return;
  mlir::Type narrow = n.element(n.dtype(0)), kept = n.element(n.has(3) ? n.dtype(3) : n.dtype(0));
  SmallVector<Value> outputs;
  for (int64_t t = 0; t < length && !n.failed(); ++t)
    outputs.push_back(step(t));
  Value y = n.concat(outputs, 1);
  y = n.create<MulOp>(y, n.scalarLike(scale, y));
  n.out(0, n.cast(y, narrow));
  n.out(1, n.cast(state, kept));
}
void linearAttention(NodeContext &n) { LinearAttention(n).run(); }

//===- CausalConvWithState ----------------------------------------------------------------------------------------===//

void causalConv(NodeContext &n) {
  std::string activation = n.attrString("activation", "none");
  bool silu = activation == "silu" || activation == "swish";
  if (!silu && activation != "none")
    return n.malformed("activation is '" + activation + "', allowed are none, silu and swish");
  if (n.rank(0) != 3 || n.rank(1) != 3 || (n.has(2) && n.rank(2) != 1) || (n.has(3) && n.rank(3) != 3))
    return n.malformed("input, weight and past_state must have rank 3, bias rank 1");
  auto channels = n.sym().constantOf(n.dims(1)[0]), kernel = n.sym().constantOf(n.dims(1)[2]);
  if (!channels || !kernel || *channels < 1 || *kernel < 1)
    return n.unsupported("the weight's shape is not fixed", "fix it");
  if (!n.checkEqual(n.dims(0)[1], n.expr(*channels), "there is one kernel a channel") ||
      !n.checkEqual(n.dims(1)[1], n.expr(1), "the weight's middle dim is 1"))
    return;
  Value x = n.value(0), w = n.value(1), bias = n.valueOrNull(2);
  Dims dims = n.dims(0);
  AffineExpr extra = n.expr(*kernel - 1), length = dims[2];
  if (n.has(3)) {
    if (!n.checkEqual(n.dims(3)[2], extra, "past_state holds one position less than the kernel"))
      return;
    x = n.concat({n.value(3), x}, 2);
  } else if (*kernel > 1 && x) {
    dims[2] = n.sym().add(length, extra);
    x = n.createTyped<PadOp>(graph::makeTensorType(dims, NodeContext::elementOf(x)), x, n.scalarLike(0, x),
                             graph::makeExprMap(n.context(), {n.expr(0), n.expr(0), extra}), PadMode::constant);
  }
  if (n.failed() || !x)
    return;
  SmallVector<int64_t> one = {1}, pads = {0, 0};
  Value y = n.createOptional<ConvOp>({x, w}, x, w, bias, one, one, pads, *channels);
  n.out(0, silu ? n.create<SiluOp>(y) : y);
  if (n.wants(1))
    n.out(1, sliceAxis(n, x, 2, length, extra));
}

//===- SwiGLU -----------------------------------------------------------------------------------------------------===//

void swiglu(NodeContext &n) {
  double alpha = n.attrFloat("alpha", 1);
  Value a = n.value(0), b = n.value(1);
  if (n.failed())
    return;
  mlir::Type element = NodeContext::elementOf(a);
  a = widened(n, a), b = widened(n, b);
  Value gate = alpha == 1 ? n.create<SiluOp>(a)
                          : n.create<MulOp>(a, n.create<SigmoidOp>(n.create<MulOp>(a, n.scalarLike(alpha, a))));
  n.out(0, n.cast(n.binary<MulOp>(gate, b), element));
}

//===- FlexAttention ----------------------------------------------------------------------------------------------===//

/// What the subgraph of this name, if any, makes of the scores.
Value modified(NodeContext &n, llvm::StringRef name, Value scores) {
  if (!n.hasAttr(name) || n.failed() || !scores)
    return scores;
  const onnx::GraphProto *graph = n.attrGraph(name);
  SmallVector<Value> results = graph ? n.callGraph(*graph, {scores}) : SmallVector<Value>();
  if (n.failed())
    return {};
  if (results.size() == 1 && results[0].getType() == scores.getType())
    return results[0];
  n.malformed(name + " must have one result of its operand's type");
  return {};
}

void flexAttention(NodeContext &n) {
  for (unsigned i = 0; i < 3; ++i)
    if (n.rank(i) != 4)
      return n.malformed("Q, K and V must have rank 4");
  Value q = n.value(0), k = n.value(1), v = n.value(2);
  auto size = n.sym().constantOf(n.dims(0)[3]), queryHeads = n.sym().constantOf(n.dims(0)[1]),
       heads = n.sym().constantOf(n.dims(1)[1]);
  if (!size || !queryHeads || !heads)
    return n.unsupported("heads and head size must be fixed", "give them with --dim or --input-shape");
  if (*heads < 1 || *queryHeads % *heads)
    return n.malformed("query heads must be a multiple of key heads");
  double scale = n.attrFloat("scale", 1 / std::sqrt(static_cast<double>(std::max<int64_t>(*size, 1))));
  auto precision = dtypeFromOnnx(n.attrInt("softmax_precision", n.dtype(0) == DType::F64 ? 11 : 1));
  mlir::Type wide = precision ? n.element(*precision) : mlir::Type();
  if (!wide)
    return n.malformed("softmax_precision is no element type");
  // Query heads that share a key head become rows of one matrix.
  Dims dims = n.dims(0), dk = n.dims(1), dv = n.dims(2);
  AffineExpr rows = n.sym().mul(n.expr(*queryHeads / *heads), dims[2]);
  Value grouped = n.reshape(n.cast(q, wide), {dims[0], n.expr(*heads), rows, dims[3]});
  Value scores = n.create<MatmulOp>(grouped, n.cast(k, wide), false, true);
  scores = n.create<MulOp>(scores, n.scalarLike(scale, scores));
  Dims grid = {dims[0], dims[1], dims[2], dk[2]}, joined = {dims[0], n.expr(*heads), rows, dk[2]};
  scores = modified(n, "score_mod", n.reshape(scores, grid));
  Value weights = modified(n, "prob_mod", n.create<SoftmaxOp>(scores, int64_t(3), false));
  weights = n.reshape(weights, joined);
  Value y = n.create<MatmulOp>(weights, n.cast(v, wide), false, false);
  n.out(0, n.cast(n.reshape(y, {dims[0], dims[1], dims[2], dv[3]}), n.element(n.dtype(0))));
}

} // namespace

void adze::registerSequenceHandlers(HandlerTable &t) {
  t.add("", "CausalConvWithState", 27, causalConv, 2, 4, 2);
  t.add("", "LinearAttention", 27, linearAttention, 3, 6, 2);
  t.add("", "RotaryEmbedding", 23, rotaryEmbedding, 3, 4);
  t.add("", "SwiGLU", 28, swiglu, 2, 2);
  t.add("", "TensorScatter", 24, tensorScatter, 2, 3);
  t.add("ai.onnx.preview", "FlexAttention", 1, flexAttention, 3, 3);
}
