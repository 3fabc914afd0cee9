// Layer normalisation (Ba et al. 2016) and RMS normalisation (Zhang and Sennrich 2019) from their primitive spellings.
#include "compiler/fuse/patterns/Match.h"
#include "compiler/fuse/patterns/Patterns.h"
#include <cmath>

using namespace mlir;

namespace adze {
using namespace graph;

namespace {

/// The mean of `x` over its dims from `axis` on.
struct Mean {
  Value x;
  int64_t axis;
};

/// The first reduced dim if `axes` are the last dims of a tensor of this rank, in any order.
std::optional<int64_t> trailingAxis(ArrayRef<int64_t> axes, int64_t rank) {
  int64_t axis = rank - int64_t(axes.size());
  bool trailing = !axes.empty() && llvm::all_of(axes, [&](int64_t a) { return a >= axis; });
  return trailing ? std::optional<int64_t>(axis) : std::nullopt;
}

/// 1/n as f32 holds it; tighter than other constants, so that 1/(n - 1) of a long row is not taken for it.
bool isInverse(double c, int64_t n) { return std::abs(c * double(n) - 1) <= 2e-6; }

/// v = mean(x): as a mean, or as a sum divided by the number of elements.
std::optional<Mean> matchMean(Value v, const Constants &constants) {
  Product product = flattenProduct(v, constants);
  if (product.factors.size() != 1)
    return std::nullopt;
  auto reduce = product.factors[0].getDefiningOp<ReduceOp>();
  if (!reduce)
    return std::nullopt;
  Dims dims = getDims(reduce.getX());
  std::optional<int64_t> axis = trailingAxis(reduce.getAxes(), dims.size());
  if (!axis)
    return std::nullopt;
  if (reduce.getKind() == ReduceKind::mean && product.coefficient == 1)
    return Mean{reduce.getX(), *axis};
  std::optional<int64_t> count = constantOf(graph::product(v.getContext(), ArrayRef(dims).drop_front(*axis)));
  if (reduce.getKind() == ReduceKind::sum && count && *count > 0 && isInverse(product.coefficient, *count))
    return Mean{reduce.getX(), *axis};
  return std::nullopt;
}

/// v = x*x.
Value matchSquare(Value v, const Constants &constants) {
  if (auto mul = v.getDefiningOp<MulOp>(); mul && mul.getA() == mul.getB())
    return mul.getA();
  if (auto pow = v.getDefiningOp<PowOp>(); pow && constants.isSplat(pow.getB(), 2))
    return pow.getA();
  return {};
}

/// v = 1/sqrt(u): u.
Value matchInverseRoot(Value v, const Constants &constants) {
  if (auto rsqrt = v.getDefiningOp<RsqrtOp>())
    return rsqrt.getX();
  auto rootOf = [](Value s) {
    auto sqrt = s.getDefiningOp<SqrtOp>();
    return sqrt ? Value(sqrt.getX()) : Value();
  };
  if (auto reciprocal = v.getDefiningOp<ReciprocalOp>())
    return rootOf(reciprocal.getX());
  if (auto div = v.getDefiningOp<DivOp>(); div && constants.isSplat(div.getA(), 1))
    return rootOf(div.getB());
  if (auto pow = v.getDefiningOp<PowOp>(); pow && constants.isSplat(pow.getB(), -0.5))
    return pow.getA();
  return {};
}
/// v = sqrt(u): u.
Value matchRoot(Value v, const Constants &constants) {
  if (auto sqrt = v.getDefiningOp<SqrtOp>())
    return sqrt.getX();
  if (auto pow = v.getDefiningOp<PowOp>(); pow && constants.isSplat(pow.getB(), 0.5))
    return pow.getA();
  return {};
}

struct Normalised {
  Value x;
  int64_t axis;
  double eps;
  bool rms;
};

/// var(x) as mean(x^2) - mean(x)^2, perhaps clamped at 0; `mean` must be that of `x`.
bool isMomentVariance(Value v, Mean mean, const Constants &constants) {
  if (auto max = v.getDefiningOp<MaxOp>()) {
    Value inner = constants.isSplat(max.getA(), 0)   ? max.getB()
                  : constants.isSplat(max.getB(), 0) ? max.getA()
                                                     : Value();
    if (!inner)
      return false;
    v = inner;
  }
  auto sub = v.getDefiningOp<SubOp>();
  std::optional<Mean> second = sub ? matchMean(sub.getA(), constants) : std::nullopt;
  Value meanValue = sub ? matchSquare(sub.getB(), constants) : Value();
  std::optional<Mean> first = meanValue ? matchMean(meanValue, constants) : std::nullopt;
  return second && first && second->axis == mean.axis && first->axis == mean.axis && first->x == mean.x &&
         matchSquare(second->x, constants) == mean.x;
}

/// top / sqrt(u) where `top` is x - mean(x) or x, and u = variance + eps.
std::optional<Normalised> matchNormalised(Value top, Value u, const Constants &constants) {
  auto add = u.getDefiningOp<AddOp>();
  if (!add)
    return std::nullopt;
  Value variance = add.getA();
  std::optional<double> eps = constants.splat(add.getB());
  if (!eps) {
    variance = add.getB();
    eps = constants.splat(add.getA());
  }
  if (!eps || *eps < 0)
    return std::nullopt;
  std::optional<Mean> moment = matchMean(variance, constants);
  bool ofTop = moment && matchSquare(moment->x, constants) == top;
  auto sub = top.getDefiningOp<SubOp>();
  std::optional<Mean> mean = sub ? matchMean(sub.getB(), constants) : std::nullopt;
  if (mean && mean->x == sub.getA() &&
      ((ofTop && moment->axis == mean->axis) || isMomentVariance(variance, *mean, constants)))
    return Normalised{mean->x, mean->axis, *eps, /*rms=*/false};
  if (ofTop)
    return Normalised{top, moment->axis, *eps, /*rms=*/true};
  return std::nullopt;
}

Value makeNorm(PatternRewriter &rewriter, Location location, const Normalised &n, Value scale = {}) {
  return LayerNormOp::create(rewriter, location, n.x.getType(), n.x, scale, Value(), rewriter.getI64IntegerAttr(n.axis),
                             rewriter.getF32FloatAttr(float(n.eps)), rewriter.getBoolAttr(n.rms));
}

/// True when `v` has only the normalised dims (after leading ones), so that every row uses the same values.
bool isRowVector(Value v, Value x, int64_t axis) {
  Dims dims = getDims(v), xd = getDims(x);
  if (dims.size() > xd.size())
    return false;
  size_t missing = xd.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i) {
    bool normalised = int64_t(i + missing) >= axis;
    if (normalised ? !provablyEqual(dims[i], xd[i + missing]) : constantOf(dims[i]) != 1)
      return false;
  }
  return int64_t(missing) <= axis && elementType(v) == elementType(x);
}

/// (x - mean) / sqrt(var + eps)
struct FindNormDiv : OpRewritePattern<DivOp> {
  FindNormDiv(MLIRContext *context, const Constants &constants) : OpRewritePattern(context), constants(constants) {}
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    Value u = matchRoot(op.getB(), constants);
    std::optional<Normalised> n = u ? matchNormalised(op.getA(), u, constants) : std::nullopt;
    if (!n || n->x.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "not a value over the root of its variance");
    rewriter.replaceOp(op, makeNorm(rewriter, op.getLoc(), *n));
    return success();
  }
  Constants constants;
};

/// (x - mean) * rsqrt(var + eps), also with the scale multiplied into the root first.
struct FindNormMul : OpRewritePattern<MulOp> {
  FindNormMul(MLIRContext *context, const Constants &constants) : OpRewritePattern(context), constants(constants) {}
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [top, inverse] : {std::pair(op.getA(), op.getB()), std::pair(op.getB(), op.getA())}) {
      if (succeeded(tryRewrite(op, top, inverse, Value(), rewriter)))
        return success();
      auto scaled = inverse.getDefiningOp<MulOp>();
      if (!scaled)
        continue;
      if (succeeded(tryRewrite(op, top, scaled.getA(), scaled.getB(), rewriter)) ||
          succeeded(tryRewrite(op, top, scaled.getB(), scaled.getA(), rewriter)))
        return success();
    }
    return rewriter.notifyMatchFailure(op, "not a value times the inverse root of its variance");
  }
  LogicalResult tryRewrite(MulOp op, Value top, Value inverse, Value scale, PatternRewriter &rewriter) const {
    Value u = matchInverseRoot(inverse, constants);
    std::optional<Normalised> n = u ? matchNormalised(top, u, constants) : std::nullopt;
    if (!n || n->x.getType() != op.getType() || (scale && !isRowVector(scale, n->x, n->axis)))
      return failure();
    rewriter.replaceOp(op, makeNorm(rewriter, op.getLoc(), *n, scale));
    return success();
  }
  Constants constants;
};

/// layer_norm(x) * scale, then + bias, with row vectors.
template <typename Op, bool isScale>
struct AbsorbIntoNorm : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    for (auto [norm, vector] : {std::pair(op.getA(), op.getB()), std::pair(op.getB(), op.getA())}) {
      auto inner = norm.template getDefiningOp<LayerNormOp>();
      if (!inner || !inner->hasOneUse() || inner.getBias() || (isScale && inner.getScale()) ||
          inner.getType() != op.getType() || !isRowVector(vector, inner.getX(), inner.getAxis()))
        continue;
      Location location = rewriter.getFusedLoc({inner.getLoc(), op.getLoc()});
      auto fused =
          LayerNormOp::create(rewriter, location, op.getType(), inner.getX(), isScale ? vector : inner.getScale(),
                              isScale ? Value() : vector, inner.getAxisAttr(), inner.getEpsAttr(), inner.getRmsAttr());
      rewriter.replaceOp(op, fused);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no normalisation to take a row vector into");
  }
};

} // namespace

void populateNormPatterns(RewritePatternSet &patterns, const Constants &constants) {
  patterns.add<FindNormDiv, FindNormMul>(patterns.getContext(), constants);
  patterns.add<AbsorbIntoNorm<MulOp, true>, AbsorbIntoNorm<AddOp, false>>(patterns.getContext());
}

} // namespace adze
