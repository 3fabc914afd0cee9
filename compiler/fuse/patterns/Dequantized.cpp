// Products of dequantised 8-bit integers (QuantizeLinear / DequantizeLinear around MatMul) as integer products.
#include "compiler/fuse/patterns/Match.h"
#include "compiler/fuse/patterns/Patterns.h"
#include "compiler/weights/Sums.h"

using namespace mlir;

namespace adze {
using namespace graph;

/// Every difference of two 8-bit integers is below 256 in magnitude: sums of so many products fit 31 bits.
static constexpr int64_t kMostProducts = 32768;

namespace {

/// (x - zero) * scale, x of 8-bit integers; zero (i32) may be null.
struct Dequantized {
  Value x, zero, scale;
};

std::optional<Dequantized> matchDequantized(Value v) {
  auto mul = v.getDefiningOp<MulOp>();
  if (!mul || !elementType(v).isF32())
    return std::nullopt;
  for (auto [wide, scale] : {std::pair(mul.getA(), mul.getB()), std::pair(mul.getB(), mul.getA())}) {
    auto cast = wide.getDefiningOp<CastOp>();
    if (!cast)
      continue;
    Dequantized d{cast.getX(), Value(), scale};
    if (auto sub = d.x.getDefiningOp<SubOp>()) {
      d.x = sub.getA();
      d.zero = sub.getB();
    }
    if (elementType(d.x).isInteger(32))
      if (auto widened = d.x.getDefiningOp<CastOp>())
        d.x = widened.getX();
    if (elementType(d.x).isInteger(8) && haveSameDims(d.x, v) && (!d.zero || elementType(d.zero).isInteger(32)))
      return d;
  }
  return std::nullopt;
}

/// The shape of a scale or zero point of a matrix that varies at most along its dim `axis`: a scalar's, or [length]
/// with a 1 behind it for rows.
std::optional<Dims> shapeAlong(Value v, Value matrix, unsigned axis, bool rows) {
  Dims dims = getDims(v), shape;
  unsigned rank = getDims(matrix).size();
  for (auto [i, d] : llvm::enumerate(dims)) {
    if (constantOf(d) == 1)
      continue;
    if (i + rank - dims.size() != axis)
      return std::nullopt;
    shape = {d};
    if (rows)
      shape.push_back(constantExpr(v.getContext(), 1));
  }
  return shape;
}

/// A product of floats becomes one of integers, exact, and is scaled once: y = (a b - za sums(b) - zb sums(a) + K za
/// zb)
/// * (sa sb). It differs from the product of the rounded floats by their rounding.
struct NarrowProduct : OpRewritePattern<MatmulOp> {
  NarrowProduct(MLIRContext *context, const Constants &constants) : OpRewritePattern(context), constants(constants) {}

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    auto a = matchDequantized(op.getA()), b = matchDequantized(op.getB());
    if (!a || !b || op.getTransA() || getDims(b->x).size() != 2)
      return failure();
    unsigned rank = getDims(a->x).size(), kOfB = op.getTransB() ? 1 : 0;
    auto depth = constantOf(getDims(b->x)[kOfB]);
    if (!depth || *depth > kMostProducts)
      return rewriter.notifyMatchFailure(op, "sums may exceed 32 bits");
    for (Dequantized *d : {&*a, &*b})
      if (d->zero && constants.isSplat(d->zero, 0))
        d->zero = Value();
    // Rows of a, columns of b: what varies along k cannot be taken out of the sum.
    auto shapeOf = [&](Value v, bool isA) {
      return v ? shapeAlong(v, isA ? a->x : b->x, isA ? rank - 2 : 1 - kOfB, isA) : Dims();
    };
    auto zeroA = shapeOf(a->zero, true), zeroB = shapeOf(b->zero, false), scaleA = shapeOf(a->scale, true),
         scaleB = shapeOf(b->scale, false);
    if (!zeroA || !zeroB || !scaleA || !scaleB)
      return rewriter.notifyMatchFailure(op, "a scale or a zero point varies along k");

    Location loc = op.getLoc();
    auto shaped = [&](Value v, ArrayRef<AffineExpr> dims) -> Value {
      return ReshapeOp::create(rewriter, loc, makeTensorType(dims, elementType(v)), v);
    };
    Value y = MatmulOp::create(rewriter, loc, a->x, b->x, false, op.getTransB());
    Value zb = b->zero ? shaped(b->zero, *zeroB) : Value();
    if (a->zero) {
      Value sums = shaped(sumsAlong(rewriter, loc, b->x, kOfB), getDims(b->x)[1 - kOfB]);
      if (zb) {
        Value k = makeScalar(rewriter, loc, double(*depth), rewriter.getI32Type());
        sums = SubOp::create(rewriter, loc, sums, MulOp::create(rewriter, loc, k, zb));
      }
      y = SubOp::create(rewriter, loc, y, MulOp::create(rewriter, loc, shaped(a->zero, *zeroA), sums));
    }
    if (zb)
      y = SubOp::create(rewriter, loc, y, MulOp::create(rewriter, loc, sumsAlong(rewriter, loc, a->x, rank - 1), zb));
    Value scale = MulOp::create(rewriter, loc, shaped(a->scale, *scaleA), shaped(b->scale, *scaleB));
    Value wide = castTo(rewriter, loc, y, rewriter.getF32Type());
    rewriter.replaceOpWithNewOp<MulOp>(op, wide, scale);
    return success();
  }

private:
  static Value castTo(PatternRewriter &rewriter, Location loc, Value v, Type element) {
    return CastOp::create(rewriter, loc, makeTensorType(getDims(v), element), v, /*saturate=*/false, CastRound::rne);
  }
  /// Sums in i32 along `axis`, which becomes 1; of constants when the package is written.
  Value sumsAlong(PatternRewriter &rewriter, Location loc, Value v, unsigned axis) const {
    if (auto id = constants.entry(v))
      if (auto sums = addSums(*constants.weights(), *id, axis))
        return constants.weight(rewriter, loc, *sums, rewriter.getI32Type());
    return ReduceOp::create(rewriter, loc, castTo(rewriter, loc, v, rewriter.getI32Type()), ArrayRef<int64_t>{axis},
                            ReduceKind::sum);
  }

  Constants constants;
};

} // namespace

void populateNarrowProductPatterns(RewritePatternSet &patterns, const Constants &constants) {
  patterns.add<NarrowProduct>(patterns.getContext(), constants);
}

} // namespace adze
