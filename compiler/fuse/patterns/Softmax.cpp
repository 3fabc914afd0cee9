// Softmax and its logarithm from exponentials of differences to the maximum.
#include "compiler/fuse/patterns/Match.h"
#include "compiler/fuse/patterns/Patterns.h"

using namespace mlir;

namespace adze {
using namespace graph;

namespace {

/// The one axis that v reduces, and what it reduces.
std::optional<std::pair<Value, int64_t>> matchReduce(Value v, ReduceKind kind) {
  auto reduce = v.getDefiningOp<ReduceOp>();
  if (!reduce || reduce.getKind() != kind || reduce.getAxes().size() != 1)
    return std::nullopt;
  return std::pair(Value(reduce.getX()), reduce.getAxes()[0]);
}

/// v = x - max(x) along `axis`: x.
Value matchShifted(Value v, int64_t axis) {
  auto sub = v.getDefiningOp<SubOp>();
  auto max = sub ? matchReduce(sub.getB(), ReduceKind::max) : std::nullopt;
  return max && max->first == sub.getA() && max->second == axis ? max->first : Value();
}

/// top / bottom = softmax(x): the op, or null.
Value makeSoftmax(PatternRewriter &rewriter, Location location, Value top, Value bottom, Type type) {
  auto exp = top.getDefiningOp<ExpOp>();
  auto sum = matchReduce(bottom, ReduceKind::sum);
  if (!exp || !sum || sum->first != top)
    return {};
  Value x = matchShifted(exp.getX(), sum->second);
  // Without the maximum the result is the same except where exp overflows; that spelling is kept as it is.
  if (!x || x.getType() != type)
    return {};
  return SoftmaxOp::create(rewriter, location, type, x, uint64_t(sum->second), /*log=*/false);
}

struct FindSoftmaxDiv : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    Value y = makeSoftmax(rewriter, op.getLoc(), op.getA(), op.getB(), op.getType());
    if (!y)
      return rewriter.notifyMatchFailure(op, "not exp(x - max) over its sum");
    rewriter.replaceOp(op, y);
    return success();
  }
};

struct FindSoftmaxMul : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [top, inverse] : {std::pair(op.getA(), op.getB()), std::pair(op.getB(), op.getA())}) {
      auto reciprocal = inverse.getDefiningOp<ReciprocalOp>();
      Value y = reciprocal ? makeSoftmax(rewriter, op.getLoc(), top, reciprocal.getX(), op.getType()) : Value();
      if (!y)
        continue;
      rewriter.replaceOp(op, y);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "not exp(x - max) times the reciprocal of its sum");
  }
};

/// (x - max) - log(sum(exp(x - max)))
struct FindLogSoftmax : OpRewritePattern<SubOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SubOp op, PatternRewriter &rewriter) const override {
    auto log = op.getB().getDefiningOp<LogOp>();
    auto sum = log ? matchReduce(log.getX(), ReduceKind::sum) : std::nullopt;
    auto exp = sum ? sum->first.getDefiningOp<ExpOp>() : ExpOp();
    Value x = exp && exp.getX() == op.getA() ? matchShifted(op.getA(), sum->second) : Value();
    if (!x || x.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "not the logarithm of a softmax");
    rewriter.replaceOpWithNewOp<SoftmaxOp>(op, op.getType(), x, uint64_t(sum->second), /*log=*/true);
    return success();
  }
};

} // namespace

void populateSoftmaxPatterns(RewritePatternSet &patterns, const Constants &) {
  patterns.add<FindSoftmaxDiv, FindSoftmaxMul, FindLogSoftmax>(patterns.getContext());
}

} // namespace adze
