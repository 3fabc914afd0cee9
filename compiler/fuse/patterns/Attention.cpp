// Scaled dot-product attention: softmax(scale * q k^T + mask) v between two matrix products.
//
// A mask that is chosen rather than added, select(hidden, c, scores), becomes the sum scores + select(hidden, c, 0):
// the same to rounding for the large negative or infinite c that hides a key. For a row whose keys are all hidden by
// -inf the spelled form gives NaN and graph.attention 0.
#include "compiler/fuse/patterns/Match.h"
#include "compiler/fuse/patterns/Patterns.h"
#include <cmath>

using namespace mlir;

namespace adze {
using namespace graph;

namespace {

constexpr double kHides = -1e4;      // a score below this never counts
constexpr int64_t kLongestRow = 512; // most elements of a head

/// The parts of a spelled attention; q [.., S, D], k [.., T, D] (transposed where `transK`), v [.., T, DV].
struct Parts {
  Value q, k, v;
  bool transK = false, transV = false;
  Value mask;            // added to the scores; null for none
  Value hidden;          // i1: the keys that get `hiddenScore` instead, where `mask` is null
  bool keepTrue = false; // the condition is true for the keys that are kept
  double hiddenScore = 0, scale = 1;
};

Value withoutBroadcast(Value v) {
  auto broadcast = v.getDefiningOp<BroadcastOp>();
  return broadcast ? Value(broadcast.getX()) : v;
}

/// Takes a mask off the scores; false where they are no plain or masked matrix product.
bool matchMask(Value &scores, Parts &parts, const Constants &constants) {
  auto isScores = [&](Value v) {
    double ignored = 1;
    return isa_and_nonnull<MatmulOp>(peelScale(v, ignored, constants).getDefiningOp());
  };
  if (isScores(scores))
    return true;
  if (auto add = scores.getDefiningOp<AddOp>()) {
    bool first = isScores(add.getA());
    if (!first && !isScores(add.getB()))
      return false;
    scores = first ? add.getA() : add.getB();
    parts.mask = withoutBroadcast(first ? add.getB() : add.getA());
    return true;
  }
  auto select = scores.getDefiningOp<SelectOp>();
  if (!select)
    return false;
  std::optional<double> whenTrue = constants.splat(select.getA()), whenFalse = constants.splat(select.getB());
  if (whenTrue && *whenTrue <= kHides && isScores(select.getB())) {
    scores = select.getB();
    parts.hiddenScore = *whenTrue;
  } else if (whenFalse && *whenFalse <= kHides && isScores(select.getA())) {
    scores = select.getA();
    parts.hiddenScore = *whenFalse;
    parts.keepTrue = true;
  } else {
    return false;
  }
  parts.hidden = withoutBroadcast(select.getCondition());
  return true;
}

/// The dim of `v` at place `i` from the right, 1 beyond its rank.
AffineExpr dimFromRight(Value v, int64_t i) {
  Dims dims = getDims(v);
  return i < int64_t(dims.size()) ? dims[dims.size() - 1 - i] : constantExpr(v.getContext(), 1);
}

bool sameBatch(Value a, Value b) {
  Dims x = getDims(a), y = getDims(b);
  for (size_t i = 0; i + 2 < x.size(); ++i)
    if (!provablyEqual(x[i], y[i]))
      return false;
  return true;
}

std::optional<Parts> matchAttention(MatmulOp op, const Constants &constants) {
  Parts parts;
  auto softmax = op.getA().getDefiningOp<SoftmaxOp>();
  int64_t rank = tensorType(op.getY()).getRank();
  if (!softmax || op.getTransA() || softmax.getLog() || !softmax->hasOneUse() || (rank != 3 && rank != 4) ||
      int64_t(softmax.getAxis()) != rank - 1 || tensorType(softmax.getX()).getRank() != rank)
    return std::nullopt;
  Value scores = softmax.getX();
  if (!matchMask(scores, parts, constants))
    return std::nullopt;
  scores = peelScale(scores, parts.scale, constants);
  auto product = scores.getDefiningOp<MatmulOp>();
  if (!product->hasOneUse() || product.getTransA() || tensorType(product.getY()).getRank() != rank)
    return std::nullopt;
  parts.q = peelScale(product.getA(), parts.scale, constants);
  parts.k = peelScale(product.getB(), parts.scale, constants);
  parts.v = op.getB();
  parts.transK = !product.getTransB();
  parts.transV = op.getTransB();
  for (Value x : {parts.q, parts.k, parts.v})
    if (tensorType(x).getRank() != rank || !isa<FloatType>(elementType(x)) || elementType(x) != elementType(parts.q))
      return std::nullopt;
  // The kernel keeps whole rows of q, k and v on chip.
  auto isRow = [](Value x, int64_t fromRight) {
    std::optional<int64_t> size = constantOf(dimFromRight(x, fromRight));
    return size && *size > 0 && *size <= kLongestRow;
  };
  if (!isRow(parts.q, 0) || !isRow(parts.v, parts.transV ? 1 : 0))
    return std::nullopt;
  if (!sameBatch(parts.q, parts.k) || !sameBatch(parts.q, parts.v))
    return std::nullopt;
  if (parts.mask && elementType(parts.mask) != elementType(parts.q))
    return std::nullopt;
  // A mask may not widen the scores.
  if (Value mask = parts.mask ? parts.mask : parts.hidden)
    for (int64_t i = 0; i < std::max(rank, tensorType(mask).getRank()); ++i)
      if (constantOf(dimFromRight(mask, i)) != 1 && !provablyEqual(dimFromRight(mask, i), dimFromRight(scores, i)))
        return std::nullopt;
  return parts;
}

class Builder4D {
public:
  Builder4D(PatternRewriter &rewriter, Location location) : rewriter(rewriter), location(location) {}

  /// Swaps the last two dims.
  Value swap(Value v) {
    SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, tensorType(v).getRank()));
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    Dims dims, x = getDims(v);
    for (int64_t p : perm)
      dims.push_back(x[p]);
    return TransposeOp::create(rewriter, location, makeTensorType(dims, elementType(v)), v, perm);
  }
  /// [B, M, N] as [B, 1, M, N]; other ranks as they are.
  Value lift(Value v) {
    if (tensorType(v).getRank() != 3)
      return v;
    Dims dims = getDims(v);
    dims.insert(dims.begin() + 1, constantExpr(v.getContext(), 1));
    return ReshapeOp::create(rewriter, location, makeTensorType(dims, elementType(v)), v);
  }
  /// The mask to add: `score` for hidden keys, else 0.
  Value addedMask(const Parts &parts) {
    Type element = elementType(parts.q);
    Value score = makeScalar(rewriter, location, parts.hiddenScore, element);
    Value zero = makeScalar(rewriter, location, 0.0, element);
    return SelectOp::create(rewriter, location, makeTensorType(getDims(parts.hidden), element), parts.hidden,
                            parts.keepTrue ? zero : score, parts.keepTrue ? score : zero);
  }

private:
  PatternRewriter &rewriter;
  Location location;
};

struct FindAttention : OpRewritePattern<MatmulOp> {
  FindAttention(MLIRContext *context, const Constants &constants) : OpRewritePattern(context), constants(constants) {}

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    std::optional<Parts> parts = matchAttention(op, constants);
    if (!parts)
      return rewriter.notifyMatchFailure(op, "not softmax(scale * q k^T + mask) v with static structure");
    auto softmax = op.getA().getDefiningOp<SoftmaxOp>();
    Location location = rewriter.getFusedLoc({softmax.getX().getLoc(), softmax.getLoc(), op.getLoc()});
    Builder4D b(rewriter, location);
    bool rank3 = tensorType(op.getY()).getRank() == 3;
    Value mask = parts->hidden ? b.addedMask(*parts) : parts->mask;
    Value k = parts->transK ? b.swap(parts->k) : parts->k, v = parts->transV ? b.swap(parts->v) : parts->v;
    if (mask && rank3)
      mask = b.lift(mask);
    Dims dims = getDims(op.getY());
    if (rank3)
      dims.insert(dims.begin() + 1, constantExpr(op.getContext(), 1));
    Value y = AttentionOp::create(rewriter, location, makeTensorType(dims, elementType(parts->q)), b.lift(parts->q),
                                  b.lift(k), b.lift(v), mask, rewriter.getF32FloatAttr(float(parts->scale)),
                                  rewriter.getBoolAttr(false), rewriter.getUnitAttr());
    if (rank3)
      y = ReshapeOp::create(rewriter, location, op.getType(), y);
    rewriter.replaceOp(op, y);
    return success();
  }
  Constants constants;
};

/// Attention on operands that were widened from f16 or bf16, with a result that is narrowed to the same type: products
/// of narrow operands summed in float32 differ from it by one rounding of the softmax's weights.
struct NarrowAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    auto narrow = [](Value v) -> Value {
      auto cast = v.getDefiningOp<CastOp>();
      return cast && (elementType(cast.getX()).isF16() || elementType(cast.getX()).isBF16()) ? cast.getX() : Value();
    };
    Value q = narrow(op.getQ()), k = narrow(op.getK()), v = narrow(op.getV());
    if (!elementType(op.getY()).isF32() || !q || !k || !v)
      return failure();
    Type element = elementType(q);
    Value mask = op.getMask();
    if (mask && !elementType(mask).isInteger(1)) {
      mask = narrow(mask);
      if (!mask || elementType(mask) != element)
        return failure();
    }
    auto narrows = [&](Operation *user) {
      auto cast = dyn_cast<CastOp>(user);
      return cast && elementType(cast.getY()) == element;
    };
    if (elementType(k) != element || elementType(v) != element || op.getY().use_empty() ||
        !llvm::all_of(op.getY().getUsers(), narrows))
      return failure();
    Value y = AttentionOp::create(rewriter, op.getLoc(), makeTensorType(getDims(op.getY()), element), q, k, v, mask,
                                  op.getScaleAttr(), op.getCausalAttr(), op.getNanMaskedAttr());
    for (Operation *user : llvm::make_early_inc_range(op.getY().getUsers()))
      rewriter.replaceOp(user, y);
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void populateNarrowAttentionPatterns(RewritePatternSet &patterns) {
  patterns.add<NarrowAttention>(patterns.getContext());
}

void populateAttentionPatterns(RewritePatternSet &patterns, const Constants &constants) {
  patterns.add<FindAttention>(patterns.getContext(), constants);
}

} // namespace adze
