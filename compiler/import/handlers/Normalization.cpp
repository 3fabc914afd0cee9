// Normalisations, in inference form.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

namespace {

llvm::APFloat epsilon(NodeContext &n) { return llvm::APFloat(static_cast<float>(n.attrFloat("epsilon", 1e-5))); }

void batchNorm(NodeContext &n) {
  if (n.attrBool("training_mode", false))
    return n.unsupported("training mode is not supported", "export the model for inference");
  if (n.opset() < 9 && n.attrInt("spatial", 1) != 1)
    return n.unsupported("spatial = 0 is not supported", "export the model with a newer opset");
  for (unsigned i = 1; i < n.numOutputs(); ++i)
    if (n.wants(i))
      return n.unsupported("outputs beyond Y belong to training", "export the model for inference");
  if (n.rank(0) < 2)
    return n.malformed("X must have rank 2 or more, it has " + llvm::Twine(n.rank(0)));
  for (unsigned i = 1; i < 5; ++i)
    if (n.rank(i) != 1 || !n.checkEqual(n.dims(i)[0], n.dims(0)[1], "scale, B, mean and var have one value a channel"))
      return n.malformed("operand " + llvm::Twine(i) + " must be a vector of one value a channel");
  mlir::Type type = n.element(n.dtype(0));
  Value x = n.value(0);
  Value scale = n.cast(n.value(1), type), bias = n.cast(n.value(2), type);
  Value mean = n.cast(n.value(3), type), var = n.cast(n.value(4), type);
  n.out(0, n.create<BatchNormOp>(x, scale, bias, mean, var, epsilon(n)));
}

llvm::SmallVector<int64_t> axesFrom(int64_t axis, int64_t rank) {
  llvm::SmallVector<int64_t> axes;
  for (int64_t i = axis; i < rank; ++i)
    axes.push_back(i);
  return axes;
}

/// Checks that v broadcasts into x's shape without growing it.
bool fitsInto(NodeContext &n, const Dims &x, const Dims &v) {
  auto dims = n.broadcastDims(x, v);
  if (!dims)
    return false;
  if (dims->size() == x.size())
    return true;
  n.malformed("scale or bias has a higher rank than the operand");
  return false;
}

void layerNorm(NodeContext &n, bool rms) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", -1), n.rank(0));
  for (unsigned i = 1; i < n.numInputs(); ++i)
    if (n.has(i) && !fitsInto(n, n.dims(0), n.dims(i)))
      return;
  Value x = n.value(0), scale = n.value(1), bias = rms ? Value() : n.valueOrNull(2);
  if (n.failed())
    return;
  mlir::Type element = NodeContext::elementOf(x);
  scale = n.cast(scale, element);
  if (bias)
    bias = n.cast(bias, element);
  llvm::APFloat eps = epsilon(n);
  n.out(0, n.createOptional<LayerNormOp>({x, scale}, x, scale, bias, axis, eps, rms));
  if (!n.wants(1) && !n.wants(2))
    return;
  // The statistics, in the type named by stash_type (f32 but for bfloat16).
  mlir::Type stash = n.element(n.attrInt("stash_type", 1) == 16 ? DType::BF16 : DType::F32);
  auto axes = axesFrom(axis, n.rank(0));
  Value wide = n.cast(x, stash), mean = n.reduce(wide, axes, ReduceKind::mean);
  Value centred = n.create<SubOp>(wide, mean);
  Value variance = n.reduce(n.create<MulOp>(centred, centred), axes, ReduceKind::mean);
  n.out(1, mean);
  n.out(2, n.create<RsqrtOp>(
               n.create<AddOp>(variance, n.scalarLike(static_cast<double>(eps.convertToFloat()), variance))));
}
void layerNormalization(NodeContext &n) { layerNorm(n, false); }
void rmsNormalization(NodeContext &n) { layerNorm(n, true); }

/// v[C] as a tensor that broadcasts over x[N, C, ...].
Value perChannel(NodeContext &n, Value v, int64_t rank) {
  Dims dims(static_cast<size_t>(rank - 1), n.expr(1));
  if (NodeContext::rankOf(v) == 1)
    dims[0] = NodeContext::dimsOf(v)[0];
  return n.reshape(v, dims);
}

/// Scale and bias of a channel-wise normalisation.
Value affine(NodeContext &n, Value y, Value scale, Value bias, int64_t rank) {
  scale = scale ? perChannel(n, scale, rank) : scale;
  bias = bias ? perChannel(n, bias, rank) : bias;
  return n.binary<AddOp>(n.binary<MulOp>(y, scale), bias);
}

void instanceNorm(NodeContext &n) {
  if (n.rank(0) < 3 || n.rank(1) != 1 || n.rank(2) != 1)
    return n.malformed("X must have rank 3 or more, scale and B rank 1");
  Value x = n.value(0);
  Value y = n.createOptional<LayerNormOp>({x}, x, Value(), Value(), int64_t(2), epsilon(n), false);
  n.out(0, affine(n, y, n.value(1), n.value(2), n.rank(0)));
}

/// Before version 21 scale and bias were given per group.
void groupNorm(NodeContext &n) {
  int64_t groups = n.requireInt("num_groups"), rank = n.rank(0);
  if (n.failed())
    return;
  if (rank < 3 || groups < 1 || n.rank(1) != 1 || n.rank(2) != 1)
    return n.malformed("X must have rank 3 or more, num_groups be positive, scale and bias have rank 1");
  const Dims &x = n.dims(0);
  AffineExpr each = graph::exactQuotient(n.context(), {x[1]}, {n.expr(groups)});
  if (!n.checkEqual(n.sym().mul(each, n.expr(groups)), x[1], "channels must be a multiple of num_groups"))
    return;
  Dims grouped = {x[0], n.expr(groups), each};
  grouped.append(x.begin() + 2, x.end());
  Value split = n.reshape(n.value(0), grouped);
  Value y = n.createOptional<LayerNormOp>({split}, split, Value(), Value(), int64_t(2), epsilon(n), false);
  if (n.opset() < 21)
    y = affine(n, y, n.value(1), n.value(2), rank + 1);
  y = n.reshape(y, x);
  n.out(0, n.opset() < 21 ? y : affine(n, y, n.value(1), n.value(2), rank));
}

void lpNormalization(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", -1), n.rank(0)), p = n.attrInt("p", 2);
  if (p != 1 && p != 2)
    return n.malformed("p is " + llvm::Twine(p) + ", allowed are 1 and 2");
  Value x = n.value(0);
  Value total = p == 1 ? n.reduce(n.create<AbsOp>(x), {axis}, ReduceKind::sum)
                       : n.create<SqrtOp>(n.reduce(n.create<MulOp>(x, x), {axis}, ReduceKind::sum));
  Value y = n.create<DivOp>(x, total);
  if (total) // an all-zero vector stays zero
    y = n.select(n.compare(CmpKind::eq, total, n.scalarLike(0, total)), n.scalarLike(0, x), y);
  n.out(0, y);
}

void meanVariance(NodeContext &n) {
  auto axes = n.normalizeAxes(n.attrInts("axes", {0, 2, 3}), n.rank(0));
  Value x = n.value(0);
  if (n.failed())
    return;
  Value centred = n.create<SubOp>(x, n.reduce(x, axes, ReduceKind::mean));
  Value variance = n.reduce(n.create<MulOp>(centred, centred), axes, ReduceKind::mean);
  Value deviation = n.create<SqrtOp>(variance);
  n.out(0, n.create<DivOp>(centred, n.create<AddOp>(deviation, n.scalarLike(1e-9, x))));
}

/// x / (bias + alpha/size * sum of squares over `size` neighbouring channels)^beta. The sum is a window over dim 1.
void lrn(NodeContext &n) {
  int64_t size = n.requireInt("size"), rank = n.rank(0);
  if (n.failed())
    return;
  if (rank < 2 || size < 1)
    return n.malformed("X must have rank 2 or more and size be positive");
  Value x = n.value(0);
  const Dims &dims = n.dims(0);
  Value squares = n.create<MulOp>(x, x);
  AffineExpr rest = graph::product(n.context(), llvm::ArrayRef<AffineExpr>(dims).drop_front(2));
  Value planes = n.reshape(squares, {dims[0], n.expr(1), dims[1], rest});
  int64_t low = (size - 1) / 2, high = size - 1 - low;
  llvm::SmallVector<int64_t> kernel = {size, 1}, ones = {1, 1}, pads = {low, 0, high, 0};
  Value sums = n.reshape(n.create<PoolOp>(planes, kernel, ones, ones, pads, pads, PoolKind::sumpool), dims);
  double alpha = n.attrFloat("alpha", 1e-4), beta = n.attrFloat("beta", 0.75), bias = n.attrFloat("bias", 1);
  Value scaled = n.create<MulOp>(sums, n.scalarLike(alpha / static_cast<double>(size), x));
  Value base = n.create<AddOp>(scaled, n.scalarLike(bias, x));
  n.out(0, n.create<DivOp>(x, n.create<PowOp>(base, n.scalarLike(beta, x))));
}

} // namespace

void adze::registerNormalizationHandlers(HandlerTable &t) {
  t.add("", "BatchNormalization", 7, batchNorm, 5, 5, 5);
  t.add("", "GroupNormalization", 18, groupNorm, 3, 3);
  t.add("", "InstanceNormalization", 6, instanceNorm, 3, 3);
  t.add("", "LRN", 1, lrn, 1, 1);
  t.add("", "LayerNormalization", 17, layerNormalization, 2, 3, 3);
  t.add("", "LpNormalization", 1, lpNormalization, 1, 1);
  t.add("", "MeanVarianceNormalization", 9, meanVariance, 1, 1);
  t.add("", "RMSNormalization", 23, rmsNormalization, 2, 2);
}
