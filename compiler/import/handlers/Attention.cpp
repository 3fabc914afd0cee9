// Scaled dot-product attention.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include <cmath>

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

namespace {

class Attention {
public:
  explicit Attention(NodeContext &n) : n(n) {}
  void run();

private:
  bool readOperands();
  Value heads(Value x, int64_t count);
  Value repeated(Value x);
  void maskBias();
  void positionBias();
  void addBias(Value more) { bias = bias ? n.binary<AddOp>(bias, more) : more; }
  Value allowedBias(Value allowed) { return n.select(allowed, n.scalar(0, element), n.scalar(-INFINITY, element)); }
  Value decomposed();
  Value whole();
  Value joined(Value y);

  NodeContext &n;
  Value q, k, v, bias;
  mlir::Type element;
  AffineExpr offset; ///< keys before the first query: the length of the cache
  bool flat = false; ///< operands came as [batch, length, heads * size]
  int64_t left = -1, right = -1;
  bool causal = false;
};

/// [B, S, heads*D] to [B, heads, S, D].
Value Attention::heads(Value x, int64_t count) {
  Dims dims = NodeContext::dimsOf(x);
  if (n.failed() || dims.size() != 3)
    return {};
  AffineExpr each = graph::exactQuotient(n.context(), {dims[2]}, {n.expr(count)});
  if (!n.checkEqual(n.sym().mul(each, n.expr(count)), dims[2], "the hidden size must be a multiple of the heads"))
    return {};
  return n.transpose(n.reshape(x, {dims[0], dims[1], n.expr(count), each}), {0, 2, 1, 3});
}

bool Attention::readOperands() {
  flat = n.rank(0) == 3;
  for (unsigned i = 0; i < 3; ++i)
    if (n.rank(i) != n.rank(0) || (n.rank(i) != 3 && n.rank(i) != 4))
      return n.malformed("Q, K and V must all have rank 3 or all rank 4"), false;
  if (n.has(4) != n.has(5) || (n.has(4) && (n.rank(4) != 4 || n.rank(5) != 4)))
    return n.malformed("past_key and past_value come together and have rank 4"), false;
  if (n.has(6) && n.has(4))
    return n.malformed("nonpad_kv_seqlen cannot be combined with past_key"), false;
  q = n.value(0), k = n.value(1), v = n.value(2);
  if (flat) {
    int64_t queryHeads = n.requireInt("q_num_heads"), keyHeads = n.requireInt("kv_num_heads");
    if (!n.failed() && (queryHeads < 1 || keyHeads < 1))
      n.malformed("q_num_heads and kv_num_heads must be positive");
    q = heads(q, queryHeads), k = heads(k, keyHeads), v = heads(v, keyHeads);
  }
  if (n.failed() || !q || !k || !v)
    return false;
  element = NodeContext::elementOf(q);
  offset = n.has(4) ? n.dims(4)[2] : n.expr(0);
  if (n.has(4)) {
    k = n.concat({n.value(4), k}, 2);
    v = n.concat({n.value(5), v}, 2);
  }
  causal = n.attrBool("is_causal", false);
  left = n.attrInt("left_window_size", -1);
  right = n.attrInt("right_window_size", -1);
  if (left < -1 || right < -1)
    n.malformed("window sizes must be -1 or more");
  return !n.failed() && k && v;
}

/// attn_mask, padded to the keys' length: an added float, or bools that keep where true.
void Attention::maskBias() {
  if (!n.has(3))
    return;
  Value mask = n.value(3);
  Dims dims = NodeContext::dimsOf(mask), keys = NodeContext::dimsOf(k);
  if (n.failed() || dims.empty())
    return n.malformed("the mask is a scalar");
  AffineExpr length = keys[2];
  bool boolean = n.dtype(3) == DType::Bool;
  if (n.sym().constantOf(dims.back()) != 1 && !graph::provablyEqual(dims.back(), length) &&
      n.sym().range(n.sym().sub(length, dims.back())).second > 0) {
    llvm::SmallVector<AffineExpr> low(dims.size(), n.expr(0));
    dims.back() = length;
    mask = n.createTyped<PadOp>(graph::makeTensorType(dims, NodeContext::elementOf(mask)), mask,
                                n.scalarLike(boolean ? 0.0 : -INFINITY, mask), graph::makeExprMap(n.context(), low),
                                PadMode::constant);
  }
  addBias(boolean ? allowedBias(mask) : n.cast(mask, element));
}

/// Causal order, sliding window and the number of valid keys. A query at row i stands at position i + offset.
void Attention::positionBias() {
  if (!causal && left < 0 && right < 0 && !n.has(6))
    return;
  mlir::Type index = n.element(DType::I64);
  Dims dq = NodeContext::dimsOf(q), dk = NodeContext::dimsOf(k);
  Value row = n.createTyped<IotaOp>(graph::makeTensorType({dq[2], n.expr(1)}, index), int64_t(0));
  Value column = n.createTyped<IotaOp>(graph::makeTensorType({n.expr(1), dk[2]}, index), int64_t(1));
  Value valid; // keys that count, [B, 1, 1, 1]
  if (n.has(6)) {
    if (n.rank(6) != 1)
      return n.malformed("nonpad_kv_seqlen must be a vector");
    valid = n.reshape(n.cast(n.value(6), index), {n.dims(6)[0], n.expr(1), n.expr(1), n.expr(1)});
    row = n.binary<AddOp>(row, n.create<SubOp>(valid, n.exprValue(dq[2], index)));
  } else {
    row = n.create<AddOp>(row, n.exprValue(offset, index));
  }
  if (causal)
    addBias(allowedBias(n.compare(CmpKind::le, column, row)));
  Value distance = n.binary<SubOp>(row, column);
  if (left >= 0)
    addBias(allowedBias(n.compare(CmpKind::le, distance, n.scalar(static_cast<double>(left), index))));
  if (right >= 0)
    addBias(allowedBias(n.compare(CmpKind::ge, distance, n.scalar(static_cast<double>(-right), index))));
  if (valid)
    addBias(allowedBias(n.compare(CmpKind::lt, column, valid)));
}

/// Each key head serves several query heads in a row.
Value Attention::repeated(Value x) {
  Dims dims = NodeContext::dimsOf(x);
  AffineExpr queryHeads = NodeContext::dimsOf(q)[1];
  if (graph::provablyEqual(dims[1], queryHeads))
    return x;
  AffineExpr times = graph::exactQuotient(n.context(), {queryHeads}, {dims[1]});
  if (!n.checkEqual(n.sym().mul(times, dims[1]), queryHeads, "query heads must be a multiple of key heads"))
    return {};
  Value spread = n.broadcastTo(n.unsqueeze(x, {2}), {dims[0], dims[1], times, dims[2], dims[3]});
  return n.reshape(spread, {dims[0], queryHeads, dims[2], dims[3]});
}

/// graph.attention, where that says all: no cap, default precision, scores not shown.
Value Attention::whole() {
  int64_t precision = n.attrInt("softmax_precision", 1);
  auto size = n.sym().constantOf(NodeContext::dimsOf(q)[3]), valueSize = n.sym().constantOf(NodeContext::dimsOf(v)[3]);
  bool narrow = element.getIntOrFloatBitWidth() <= 32;
  if (n.attrFloat("softcap", 0) > 0 || n.wants(3) || !narrow || precision == 11 || !size || !valueSize || *size < 1)
    return {};
  double scale = n.attrFloat("scale", 1 / std::sqrt(static_cast<double>(*size)));
  // One formula, so narrow floats are rounded once, at its end.
  mlir::Type wide = n.element(DType::F32);
  Value a = n.cast(q, wide), b = n.cast(k, wide), c = n.cast(v, wide), mask = bias ? n.cast(bias, wide) : bias;
  Value y = n.createOptional<AttentionOp>({a, b, c}, a, b, c, mask, llvm::APFloat(static_cast<float>(scale)), false);
  return n.cast(y, element);
}

Value Attention::decomposed() {
  double scale = n.attrFloat("scale", 0), softcap = n.attrFloat("softcap", 0);
  int64_t mode = n.attrInt("qk_matmul_output_mode", 0);
  auto size = n.sym().constantOf(NodeContext::dimsOf(q)[3]);
  if (!n.hasAttr("scale") && !size) {
    n.unsupported("the head size is not fixed, so the scale is unknown", "give the attribute scale");
    return {};
  }
  // Both factors take the root of the scale, which keeps narrow floats in range.
  double root = std::sqrt(n.hasAttr("scale") ? scale : 1 / std::sqrt(static_cast<double>(std::max<int64_t>(*size, 1))));
  k = repeated(k), v = repeated(v);
  if (n.failed() || !k || !v)
    return {};
  Value scores = n.create<MatmulOp>(n.create<MulOp>(q, n.scalar(root, element)),
                                    n.create<MulOp>(k, n.scalar(root, element)), false, true);
  if (softcap > 0) {
    Value cap = n.scalar(softcap, element);
    scores = n.create<MulOp>(n.create<TanhOp>(n.create<DivOp>(scores, cap)), cap);
  }
  Value exposed = scores;
  if (bias)
    scores = n.binary<AddOp>(scores, bias);
  if (mode == 2)
    exposed = scores;
  auto precision = dtypeFromOnnx(n.attrInt("softmax_precision", static_cast<int64_t>(n.dtype(0))));
  mlir::Type wide = precision ? n.element(*precision) : mlir::Type();
  if (!wide) {
    n.malformed("softmax_precision is no element type");
    return {};
  }
  Value weights = n.create<SoftmaxOp>(n.cast(scores, wide), int64_t(3), false);
  if (bias) {
    // A row without visible keys has weight 0 everywhere.
    Value best = n.reduce(bias, {NodeContext::rankOf(bias) - 1}, ReduceKind::max);
    Value hidden = n.create<IsInfOp>(best, false, true);
    weights = weights && hidden ? n.select(hidden, n.scalarLike(0, weights), weights) : Value();
  }
  weights = n.cast(weights, element);
  n.out(3, mode == 3 ? weights : exposed);
  return n.create<MatmulOp>(weights, v, false, false);
}

Value Attention::joined(Value y) {
  if (!flat || !y)
    return y;
  Dims dims = NodeContext::dimsOf(y);
  return n.reshape(n.transpose(y, {0, 2, 1, 3}), {dims[0], dims[2], n.sym().mul(dims[1], dims[3])});
}

void Attention::run() {
  if (!readOperands())
    return;
  n.out(1, k);
  n.out(2, v);
  maskBias();
  positionBias();
  if (n.failed())
    return;
  Value y = whole();
  n.out(0, joined(y ? y : decomposed()));
}

void attention(NodeContext &n) { Attention(n).run(); }

} // namespace

void adze::registerAttentionHandlers(HandlerTable &t) { t.add("", "Attention", 23, attention, 3, 7, 4); }
