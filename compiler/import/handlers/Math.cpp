// Elementwise arithmetic and activations.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using mlir::Value;

namespace {

template <typename Op>
void unary(NodeContext &n) {
  n.out(0, n.create<Op>(n.value(0)));
}
template <typename Op>
void binary(NodeContext &n) {
  n.out(0, n.binary<Op>(n.value(0), n.value(1)));
}
template <typename Op>
void variadic(NodeContext &n) {
  Value result = n.value(0);
  for (unsigned i = 1; i < n.numInputs(); ++i)
    result = n.binary<Op>(result, n.value(i));
  n.out(0, result);
}

Value add(NodeContext &n, Value a, double b) { return n.create<AddOp>(a, n.scalarLike(b, a)); }
Value mul(NodeContext &n, Value a, double b) { return n.create<MulOp>(a, n.scalarLike(b, a)); }
Value max(NodeContext &n, Value a, double b) { return n.create<MaxOp>(a, n.scalarLike(b, a)); }
Value min(NodeContext &n, Value a, double b) { return n.create<MinOp>(a, n.scalarLike(b, a)); }
Value negative(NodeContext &n, Value x) { return n.compare(CmpKind::lt, x, n.scalarLike(0, x)); }

void mean(NodeContext &n) {
  Value sum = n.value(0);
  for (unsigned i = 1; i < n.numInputs(); ++i)
    sum = n.binary<AddOp>(sum, n.value(i));
  n.out(0, n.numInputs() == 1 ? sum : n.create<DivOp>(sum, n.scalarLike(n.numInputs(), sum)));
}

void mod(NodeContext &n) {
  if (n.attrBool("fmod", false))
    return binary<RemOp>(n);
  if (isFloat(n.dtype(0)) && n.opset() < 28)
    return n.malformed("floating-point operands need fmod = 1", "set the attribute fmod");
  binary<ModOp>(n);
}

void relu(NodeContext &n) { n.out(0, max(n, n.value(0), 0)); }

void leakyRelu(NodeContext &n) {
  Value x = n.value(0);
  n.out(0, n.select(negative(n, x), mul(n, x, n.attrFloat("alpha", 0.01)), x));
}

void prelu(NodeContext &n) {
  Value x = n.value(0);
  n.out(0, n.select(negative(n, x), n.binary<MulOp>(x, n.value(1)), x));
}

Value expMinusOne(NodeContext &n, Value x) { return add(n, n.create<ExpOp>(x), -1); }

void elu(NodeContext &n) {
  Value x = n.value(0);
  n.out(0, n.select(negative(n, x), mul(n, expMinusOne(n, x), n.attrFloat("alpha", 1)), x));
}

void selu(NodeContext &n) {
  Value x = n.value(0);
  double alpha = n.attrFloat("alpha", 1.67326319217681884765625),
         gamma = n.attrFloat("gamma", 1.05070102214813232421875);
  n.out(0, mul(n, n.select(n.compare(CmpKind::gt, x, n.scalarLike(0, x)), x, mul(n, expMinusOne(n, x), alpha)), gamma));
}

void celu(NodeContext &n) {
  Value x = n.value(0);
  double alpha = n.attrFloat("alpha", 1);
  Value scaled = n.create<DivOp>(x, n.scalarLike(alpha, x));
  n.out(0, n.create<AddOp>(max(n, x, 0), min(n, mul(n, expMinusOne(n, scaled), alpha), 0)));
}

void hardSigmoid(NodeContext &n) {
  Value x = n.value(0);
  Value line = add(n, mul(n, x, n.attrFloat("alpha", 0.2)), n.attrFloat("beta", 0.5));
  n.out(0, max(n, min(n, line, 1), 0));
}

/// log(1 + e^x) without overflow: max(x, 0) + log(1 + e^-|x|).
Value softplusOf(NodeContext &n, Value x) {
  Value tail = n.create<LogOp>(add(n, n.create<ExpOp>(n.create<NegOp>(n.create<AbsOp>(x))), 1));
  return n.create<AddOp>(max(n, x, 0), tail);
}
void softplus(NodeContext &n) { n.out(0, softplusOf(n, n.value(0))); }
void mish(NodeContext &n) {
  Value x = n.value(0);
  n.out(0, n.create<MulOp>(x, n.create<TanhOp>(softplusOf(n, x))));
}

void softsign(NodeContext &n) {
  Value x = n.value(0);
  n.out(0, n.create<DivOp>(x, add(n, n.create<AbsOp>(x), 1)));
}

void thresholdedRelu(NodeContext &n) {
  Value x = n.value(0);
  Value keep = n.compare(CmpKind::gt, x, n.scalarLike(n.attrFloat("alpha", 1), x));
  n.out(0, n.select(keep, x, n.scalarLike(0, x)));
}

void shrink(NodeContext &n) {
  Value x = n.value(0);
  double lambda = n.attrFloat("lambd", 0.5), bias = n.attrFloat("bias", 0);
  Value below = n.compare(CmpKind::lt, x, n.scalarLike(-lambda, x));
  Value above = n.compare(CmpKind::gt, x, n.scalarLike(lambda, x));
  n.out(0, n.select(below, add(n, x, bias), n.select(above, add(n, x, -bias), n.scalarLike(0, x))));
}

void gelu(NodeContext &n) {
  std::string approximate = n.attrString("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return n.malformed("approximate is '" + approximate + "', allowed are none and tanh", "use one of them");
  n.out(0, n.create<GeluOp>(n.value(0), approximate == "tanh"));
}

void swish(NodeContext &n) {
  Value x = n.value(0);
  double alpha = n.attrFloat("alpha", 1);
  n.out(0, alpha == 1 ? n.create<SiluOp>(x) : n.create<MulOp>(x, n.create<SigmoidOp>(mul(n, x, alpha))));
}

void clipAttributes(NodeContext &n) {
  Value x = n.value(0);
  if (n.hasAttr("min"))
    x = max(n, x, n.attrFloat("min", 0));
  if (n.hasAttr("max"))
    x = min(n, x, n.attrFloat("max", 0));
  n.out(0, x);
}

void clip(NodeContext &n) {
  Value x = n.value(0);
  if (n.has(1))
    x = n.binary<MaxOp>(x, n.value(1));
  if (n.has(2))
    x = n.binary<MinOp>(x, n.value(2));
  n.out(0, x);
}

void bitShift(NodeContext &n) {
  std::string direction = n.attrString("direction", "");
  if (direction == "LEFT")
    return binary<ShlOp>(n);
  if (direction == "RIGHT")
    return binary<ShrOp>(n);
  n.malformed("direction is '" + direction + "', allowed are LEFT and RIGHT", "set the attribute");
}

} // namespace

void adze::registerMathHandlers(HandlerTable &t) {
  t.add("", "Abs", 1, unary<AbsOp>, 1, 1);
  t.add("", "Acos", 7, unary<AcosOp>, 1, 1);
  t.add("", "Acosh", 9, unary<AcoshOp>, 1, 1);
  t.add("", "Add", 7, binary<AddOp>, 2, 2);
  t.add("", "Asin", 7, unary<AsinOp>, 1, 1);
  t.add("", "Asinh", 9, unary<AsinhOp>, 1, 1);
  t.add("", "Atan", 7, unary<AtanOp>, 1, 1);
  t.add("", "Atanh", 9, unary<AtanhOp>, 1, 1);
  t.add("", "BitShift", 11, bitShift, 2, 2);
  t.add("", "Ceil", 1, unary<CeilOp>, 1, 1);
  t.add("", "Celu", 12, celu, 1, 1);
  t.add("", "Clip", 6, clipAttributes, 1, 1);
  t.add("", "Clip", 11, clip, 1, 3);
  t.add("", "Cos", 7, unary<CosOp>, 1, 1);
  t.add("", "Cosh", 9, unary<CoshOp>, 1, 1);
  t.add("", "Div", 7, binary<DivOp>, 2, 2);
  t.add("", "Elu", 6, elu, 1, 1);
  t.add("", "Erf", 9, unary<ErfOp>, 1, 1);
  t.add("", "Exp", 1, unary<ExpOp>, 1, 1);
  t.add("", "Floor", 1, unary<FloorOp>, 1, 1);
  t.add("", "Gelu", 20, gelu, 1, 1);
  t.add("", "HardSigmoid", 6, hardSigmoid, 1, 1);
  t.add("", "HardSwish", 14, unary<HardSwishOp>, 1, 1);
  t.add("", "LeakyRelu", 6, leakyRelu, 1, 1);
  t.add("", "Log", 1, unary<LogOp>, 1, 1);
  t.add("", "Max", 6, variadic<MaxOp>, 1, kVariadic);
  t.add("", "Mean", 6, mean, 1, kVariadic);
  t.add("", "Min", 6, variadic<MinOp>, 1, kVariadic);
  t.add("", "Mish", 18, mish, 1, 1);
  t.add("", "Mod", 10, mod, 2, 2);
  t.add("", "Mul", 7, binary<MulOp>, 2, 2);
  t.add("", "Neg", 1, unary<NegOp>, 1, 1);
  t.add("", "PRelu", 7, prelu, 2, 2);
  t.add("", "Pow", 7, binary<PowOp>, 2, 2);
  t.add("", "Reciprocal", 1, unary<ReciprocalOp>, 1, 1);
  t.add("", "Relu", 6, relu, 1, 1);
  t.add("", "Round", 11, unary<RoundOp>, 1, 1);
  t.add("", "Selu", 6, selu, 1, 1);
  t.add("", "Shrink", 9, shrink, 1, 1);
  t.add("", "Sigmoid", 1, unary<SigmoidOp>, 1, 1);
  t.add("", "Sign", 9, unary<SignOp>, 1, 1);
  t.add("", "Sin", 7, unary<SinOp>, 1, 1);
  t.add("", "Sinh", 9, unary<SinhOp>, 1, 1);
  t.add("", "Softplus", 1, softplus, 1, 1);
  t.add("", "Softsign", 1, softsign, 1, 1);
  t.add("", "Sqrt", 1, unary<SqrtOp>, 1, 1);
  t.add("", "Sub", 7, binary<SubOp>, 2, 2);
  t.add("", "Sum", 6, variadic<AddOp>, 1, kVariadic);
  t.add("", "Swish", 24, swish, 1, 1);
  t.add("", "Tan", 7, unary<TanOp>, 1, 1);
  t.add("", "Tanh", 1, unary<TanhOp>, 1, 1);
  t.add("", "ThresholdedRelu", 10, thresholdedRelu, 1, 1);
}
