// Activations that exporters spell out: GELU (erf and tanh), SiLU, HardSwish.
#include "compiler/fuse/patterns/Match.h"
#include "compiler/fuse/patterns/Patterns.h"
#include <cmath>

using namespace mlir;

namespace adze {
using namespace graph;

namespace {

constexpr double kSqrt2 = 1.41421356237309505;       // erf argument of the Gaussian's distribution function
constexpr double kSqrt2OverPi = 0.79788456080286536; // of the tanh approximation, as is the next
constexpr double kCubic = 0.044715;

/// The coefficient c if v = c * x * gate.
std::optional<double> matchGated(Value v, Value x, Value gate, const Constants &constants) {
  Product p = flattenProduct(v, constants, {x, gate});
  bool two = p.factors.size() == 2 &&
             ((p.factors[0] == x && p.factors[1] == gate) || (p.factors[1] == x && p.factors[0] == gate));
  return two ? std::optional<double>(p.coefficient) : std::nullopt;
}

/// u = sqrt(2/pi) * (x + 0.044715 x^3), as that or as sqrt(2/pi) * x * (1 + 0.044715 x^2).
bool isTanhArgument(Value u, Value x, const Constants &constants) {
  Product p = flattenProduct(u, constants, x);
  if (!nearly(p.coefficient, kSqrt2OverPi))
    return false;
  auto isPower = [&](Value term, unsigned power) {
    Product cubic = flattenProduct(term, constants, x);
    return nearly(cubic.coefficient, kCubic) && cubic.factors.size() == power &&
           llvm::all_of(cubic.factors, [&](Value f) { return f == x; });
  };
  if (p.factors.size() == 1) {
    auto sum = p.factors[0].getDefiningOp<AddOp>();
    return sum && ((sum.getA() == x && isPower(sum.getB(), 3)) || (sum.getB() == x && isPower(sum.getA(), 3)));
  }
  if (p.factors.size() != 2)
    return false;
  for (int i : {0, 1})
    if (Value square = matchAddConstant(p.factors[1 - i], 1, constants); square && p.factors[i] == x)
      return isPower(square, 2);
  return false;
}

/// gate = 1 + erf(x/sqrt 2) or 1 + tanh(...): x, and which of the two (true: tanh).
std::optional<std::pair<Value, bool>> matchGeluGate(Value gate, const Constants &constants) {
  Value inner = matchAddConstant(gate, 1, constants);
  if (!inner)
    return std::nullopt;
  if (auto erf = inner.getDefiningOp<ErfOp>())
    for (Value x : subexpressions(erf.getX(), 2, constants)) {
      Product p = flattenProduct(erf.getX(), constants, x);
      if (p.factors.size() == 1 && p.factors[0] == x && nearly(p.coefficient, 1 / kSqrt2))
        return std::pair(x, false);
    }
  if (auto tanh = inner.getDefiningOp<TanhOp>())
    for (Value x : subexpressions(tanh.getX(), 3, constants))
      if (isTanhArgument(tanh.getX(), x, constants))
        return std::pair(x, true);
  return std::nullopt;
}

struct FindGelu : OpRewritePattern<MulOp> {
  FindGelu(MLIRContext *context, const Constants &constants) : OpRewritePattern(context), constants(constants) {}

  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (Value gate : subexpressions(op.getY(), 3, constants)) {
      auto found = matchGeluGate(gate, constants);
      if (!found || found->first.getType() != op.getType())
        continue;
      std::optional<double> half = matchGated(op.getY(), found->first, gate, constants);
      if (!half || !nearly(*half, 0.5))
        continue;
      rewriter.replaceOpWithNewOp<GeluOp>(op, op.getType(), found->first, found->second);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "not 0.5 * x * (1 + erf or tanh)");
  }
  Constants constants;
};

struct FindSilu : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [x, gate] : {std::pair(op.getA(), op.getB()), std::pair(op.getB(), op.getA())})
      if (auto sigmoid = gate.getDefiningOp<SigmoidOp>(); sigmoid && sigmoid.getX() == x) {
        rewriter.replaceOpWithNewOp<SiluOp>(op, op.getType(), x);
        return success();
      }
    return rewriter.notifyMatchFailure(op, "not x * sigmoid(x)");
  }
};

/// v = min(max(u, 0), high) in either nesting: u and high.
std::optional<std::pair<Value, double>> matchClip(Value v, const Constants &constants) {
  auto constantOperand = [&](auto op) -> std::optional<std::pair<Value, double>> {
    if (std::optional<double> c = constants.splat(op.getB()))
      return std::pair(Value(op.getA()), *c);
    if (std::optional<double> c = constants.splat(op.getA()))
      return std::pair(Value(op.getB()), *c);
    return std::nullopt;
  };
  if (auto min = v.getDefiningOp<MinOp>())
    if (auto high = constantOperand(min))
      if (auto max = high->first.getDefiningOp<MaxOp>())
        if (auto low = constantOperand(max); low && low->second == 0)
          return std::pair(low->first, high->second);
  if (auto max = v.getDefiningOp<MaxOp>())
    if (auto low = constantOperand(max); low && low->second == 0)
      if (auto min = low->first.getDefiningOp<MinOp>())
        if (auto high = constantOperand(min))
          return std::pair(high->first, high->second);
  return std::nullopt;
}

/// k * x * clip(a*x + b, 0, h) with k*h = 1, k*a = 1/6, k*b = 1/2.
struct FindHardSwish : OpRewritePattern<MulOp> {
  FindHardSwish(MLIRContext *context, const Constants &constants) : OpRewritePattern(context), constants(constants) {}

  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    return rewrite(op, op.getY(), rewriter);
  }
  LogicalResult rewrite(Operation *op, Value y, PatternRewriter &rewriter) const {
    for (Value gate : subexpressions(y, 3, constants)) {
      auto clip = matchClip(gate, constants);
      if (!clip)
        continue;
      for (Value x : subexpressions(clip->first, 3, constants)) {
        std::optional<double> k = matchGated(y, x, gate, constants);
        std::optional<Affine> line = k ? matchAffine(clip->first, x, constants) : std::nullopt;
        if (!line || x.getType() != y.getType() || !nearly(*k * clip->second, 1) ||
            !nearly(*k * line->scale, 1.0 / 6) || !nearly(*k * line->offset, 0.5))
          continue;
        rewriter.replaceOpWithNewOp<HardSwishOp>(op, y.getType(), x);
        return success();
      }
    }
    return rewriter.notifyMatchFailure(op, "not x * clip(x/6 + 1/2, 0, 1)");
  }
  Constants constants;
};

/// The same where the last op is a division: x * relu6(x + 3) / 6.
struct FindHardSwishDiv : OpRewritePattern<DivOp> {
  FindHardSwishDiv(MLIRContext *context, const Constants &constants)
      : OpRewritePattern(context), inner(context, constants) {}
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    return inner.rewrite(op, op.getY(), rewriter);
  }
  FindHardSwish inner;
};

} // namespace

void populateActivationPatterns(RewritePatternSet &patterns, const Constants &constants) {
  patterns.add<FindGelu, FindHardSwish, FindHardSwishDiv>(patterns.getContext(), constants);
  patterns.add<FindSilu>(patterns.getContext());
}

} // namespace adze
