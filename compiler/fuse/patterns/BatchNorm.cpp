// Inference-time batch normalisation is an affine map a channel, y = x*m + n with m = scale/sqrt(var + eps) and
// n = bias - mean*m. After a convolution with constant weights the map goes into its weights and bias; elsewhere it is
// spelled as elementwise ops.
#include "compiler/fuse/patterns/Patterns.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace adze {
using namespace graph;

namespace {

/// A tensor of the store as doubles; empty when it cannot be read.
std::vector<double> readAll(const WeightStore &store, WeightStore::Id id) {
  std::optional<SmallVector<double>> values = store.doubles(id, std::numeric_limits<uint64_t>::max());
  return values ? std::vector<double>(values->begin(), values->end()) : std::vector<double>();
}

struct ChannelMap {
  WeightStore::Id scale, bias, mean, var;
  double eps;

  /// m for every channel; empty on failure.
  std::vector<double> factors(const WeightStore &store) const {
    std::vector<double> s = readAll(store, scale), v = readAll(store, var);
    if (s.size() != v.size())
      return {};
    for (size_t i = 0; i < s.size(); ++i)
      s[i] /= std::sqrt(v[i] + eps);
    return s;
  }
};

/// w[f, ...] * m[f], computed when the weights are packed; one element at a time, so that no second copy of a large
/// tensor exists.
WeightStore::Compute scaledWeights(WeightStore::Id w, ChannelMap map, DType type) {
  return [=](const WeightStore &store, llvm::MutableArrayRef<char> out) {
    std::vector<double> m = map.factors(store);
    unsigned width = unpackedBytes(type);
    if (m.empty() || !store.read(w, out) || out.size() % (width * m.size()) != 0)
      return false;
    size_t inner = out.size() / width / m.size();
    for (size_t i = 0; i < m.size() * inner; ++i) {
      char *element = out.data() + i * width;
      if (!elementFromDouble(type, elementToDouble(type, element) * m[i / inner], element))
        return false;
    }
    return true;
  };
}

/// bias - mean*m (+ the convolution's own bias * m).
WeightStore::Compute shiftedBias(std::optional<WeightStore::Id> own, ChannelMap map, DType type) {
  return [=](const WeightStore &store, llvm::MutableArrayRef<char> out) {
    std::vector<double> m = map.factors(store), bias = readAll(store, map.bias), mean = readAll(store, map.mean);
    std::vector<double> before(m.size(), 0.0);
    if (own)
      before = readAll(store, *own);
    unsigned width = unpackedBytes(type);
    if (m.empty() || bias.size() != m.size() || mean.size() != m.size() || before.size() != m.size() ||
        out.size() != m.size() * width)
      return false;
    for (size_t i = 0; i < m.size(); ++i)
      if (!elementFromDouble(type, bias[i] + (before[i] - mean[i]) * m[i], out.data() + i * width))
        return false;
    return true;
  };
}

struct FoldBatchNorm : OpRewritePattern<BatchNormOp> {
  FoldBatchNorm(MLIRContext *context, const Constants &constants) : OpRewritePattern(context), constants(constants) {}

  LogicalResult matchAndRewrite(BatchNormOp op, PatternRewriter &rewriter) const override {
    auto conv = op.getX().getDefiningOp<ConvOp>();
    if (!conv || !conv->hasOneUse())
      return rewriter.notifyMatchFailure(op, "not the only user of a convolution");
    Type element = cast<RankedTensorType>(conv.getW().getType()).getElementType();
    DType type = dtypeOf(element);
    if (!isFloat(type))
      return rewriter.notifyMatchFailure(op, "not a floating-point convolution");
    SmallVector<WeightStore::Id> ids;
    SmallVector<Value> values = {op.getScale(), op.getBias(), op.getMean(), op.getVar(), conv.getW()};
    if (conv.getBias())
      values.push_back(conv.getBias());
    if (!llvm::all_of(values, [&](Value v) { return constants.isConstant(v); }))
      return rewriter.notifyMatchFailure(op, "an operand is not constant");
    for (Value v : values) {
      std::optional<WeightStore::Id> id = constants.entry(v);
      if (!id)
        return rewriter.notifyMatchFailure(op, "no weight store, or an operand that it cannot hold");
      ids.push_back(*id);
    }
    ChannelMap map{ids[0], ids[1], ids[2], ids[3], op.getEps().convertToDouble()};
    std::optional<WeightStore::Id> own;
    if (conv.getBias())
      own = ids[5];
    WeightStore &store = *constants.weights();
    SmallVector<int64_t> dims(store.dims(ids[4]));
    std::string name = store.name(ids[4]).str();
    auto w = store.addComputed(type, dims, scaledWeights(ids[4], map, type), name + "*bn");
    auto bias = store.addComputed(type, {dims[0]}, shiftedBias(own, map, type), name + "*bn bias");
    if (!w || !bias)
      return rewriter.notifyMatchFailure(op, "the weight store refused the folded weights");
    Location location = rewriter.getFusedLoc({conv.getLoc(), op.getLoc()});
    rewriter
        .replaceOpWithNewOp<ConvOp>(op, conv.getX(), constants.weight(rewriter, location, *w, element),
                                    constants.weight(rewriter, location, *bias, element), conv.getStridesAttr(),
                                    conv.getDilationsAttr(), conv.getPadsAttr(), conv.getGroupAttr())
        ->setLoc(location);
    return success();
  }

  Constants constants;
};

} // namespace

void populateBatchNormPatterns(RewritePatternSet &patterns, const Constants &constants) {
  patterns.add<FoldBatchNorm>(patterns.getContext(), constants);
}

/// A [C] vector as [C, 1, ...], which broadcasts along x's channels; in x's element type.
static Value perChannel(OpBuilder &b, Location location, Value vector, RankedTensorType x) {
  Dims dims(x.getRank() - 1, constantExpr(b.getContext(), 1));
  dims[0] = getDims(vector)[0];
  Type element = cast<RankedTensorType>(vector.getType()).getElementType();
  Value v = ReshapeOp::create(b, location, makeTensorType(dims, element), vector);
  if (element == x.getElementType())
    return v;
  return CastOp::create(b, location, makeTensorType(dims, x.getElementType()), v, /*saturate=*/false, CastRound::rne);
}

static void decompose(BatchNormOp op) {
  OpBuilder b(op);
  Location location = op.getLoc();
  auto x = cast<RankedTensorType>(op.getX().getType());
  Type wide = cast<RankedTensorType>(op.getVar().getType()).getElementType();
  Value eps = makeScalar(b, location, op.getEps().convertToDouble(), wide);
  Value deviation = SqrtOp::create(b, location, AddOp::create(b, location, op.getVar(), eps));
  Value centred = SubOp::create(b, location, op.getX(), perChannel(b, location, op.getMean(), x));
  Value scaled = DivOp::create(b, location, centred, perChannel(b, location, deviation, x));
  scaled = MulOp::create(b, location, scaled, perChannel(b, location, op.getScale(), x));
  Value y = AddOp::create(b, location, scaled, perChannel(b, location, op.getBias(), x));
  op.getY().replaceAllUsesWith(y);
  op.erase();
}

void decomposeBatchNorms(func::FuncOp function) {
  for (BatchNormOp op : llvm::make_early_inc_range(function.getOps<BatchNormOp>()))
    decompose(op);
}

} // namespace adze
