// Ops that give one of their operands back, exactly.
#include "compiler/canonicalize/GraphCanonicalize.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace adze {
using namespace graph;

namespace {

/// True when an op whose operand and result have this one type changes nothing.
bool isNoOp(TransposeOp op) { return llvm::equal(op.getPerm(), llvm::seq<int64_t>(0, op.getPerm().size())); }
bool isNoOp(ReshapeOp) { return true; }
bool isNoOp(BroadcastOp) { return true; }
bool isNoOp(CastOp) { return true; }
bool isNoOp(BitcastOp) { return true; }
bool isNoOp(SliceOp op) {
  return llvm::all_of(op.getSteps(), [](int64_t step) { return step == 1; }) &&
         llvm::all_of(op.getStarts().getResults(), [](AffineExpr e) { return constantOf(e) == 0; });
}
bool isNoOp(PadOp op) {
  return llvm::all_of(op.getLow().getResults(), [](AffineExpr e) { return constantOf(e) == 0; });
}

template <typename Op>
struct RemoveNoOp : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (op.getX().getType() != op.getY().getType() || !isNoOp(op))
      return rewriter.notifyMatchFailure(op, "changes its operand");
    rewriter.replaceOp(op, op.getX());
    return success();
  }
};

struct RemoveSingleConcat : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    if (op.getXs().size() != 1 || op.getXs()[0].getType() != op.getY().getType())
      return rewriter.notifyMatchFailure(op, "has several operands");
    rewriter.replaceOp(op, op.getXs()[0]);
    return success();
  }
};

/// An integer widened and narrowed again.
struct RemoveCastPair : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<CastOp>();
    if (!inner || inner.getX().getType() != op.getY().getType())
      return rewriter.notifyMatchFailure(op, "does not undo another cast");
    auto narrow = dyn_cast<IntegerType>(cast<RankedTensorType>(inner.getX().getType()).getElementType());
    auto wide = dyn_cast<IntegerType>(cast<RankedTensorType>(inner.getY().getType()).getElementType());
    bool exact = narrow && wide && wide.getWidth() > narrow.getWidth() && narrow.getWidth() > 1 &&
                 (narrow.isUnsigned() || !wide.isUnsigned());
    if (!exact)
      return rewriter.notifyMatchFailure(op, "the inner cast may change the value");
    rewriter.replaceOp(op, inner.getX());
    return success();
  }
};

/// op(x, c) = x for a constant that is neutral, bit for bit. x + 0 is not: -0 + 0 is +0.
template <typename Op>
struct RemoveNeutral : OpRewritePattern<Op> {
  RemoveNeutral(MLIRContext *context, const Constants &constants, double neutral, bool commutes)
      : OpRewritePattern<Op>(context), constants(constants), neutral(neutral), commutes(commutes) {}

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    auto isNeutral = [&](Value v) {
      std::optional<double> c = constants.splat(v);
      return c && *c == neutral && (std::signbit(*c) == std::signbit(neutral) || !isFloat(v));
    };
    Value x = isNeutral(op.getB()) ? op.getA() : commutes && isNeutral(op.getA()) ? op.getB() : Value();
    if (!x || x.getType() != op.getY().getType())
      return rewriter.notifyMatchFailure(op, "no neutral operand");
    rewriter.replaceOp(op, x);
    return success();
  }
  static bool isFloat(Value v) { return isa<FloatType>(cast<RankedTensorType>(v.getType()).getElementType()); }

  Constants constants;
  double neutral;
  bool commutes;
};

} // namespace

void populateIdentityPatterns(RewritePatternSet &patterns, const Constants &constants) {
  MLIRContext *context = patterns.getContext();
  patterns.add<RemoveNoOp<TransposeOp>, RemoveNoOp<ReshapeOp>, RemoveNoOp<BroadcastOp>, RemoveNoOp<CastOp>,
               RemoveNoOp<BitcastOp>, RemoveNoOp<SliceOp>, RemoveNoOp<PadOp>, RemoveSingleConcat, RemoveCastPair>(
      context);
  double infinity = std::numeric_limits<double>::infinity();
  patterns.add<RemoveNeutral<AddOp>>(context, constants, -0.0, true);
  patterns.add<RemoveNeutral<SubOp>>(context, constants, 0.0, false);
  patterns.add<RemoveNeutral<MulOp>>(context, constants, 1.0, true);
  patterns.add<RemoveNeutral<DivOp>>(context, constants, 1.0, false);
  patterns.add<RemoveNeutral<PowOp>>(context, constants, 1.0, false);
  patterns.add<RemoveNeutral<MaxOp>>(context, constants, -infinity, true);
  patterns.add<RemoveNeutral<MinOp>>(context, constants, infinity, true);
}

} // namespace adze
