// arith and math, on scalars and tiles alike.
#include "compiler/oracle/ExprEval.h"
#include "compiler/oracle/Frame.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;

namespace adze::oracle {
namespace {

// Steps take the function twice: in typed mode types of up to 32 bits are computed in float and rounded to the type.

template <typename D, typename S>
bool unaryFloat(Operation &op, BuildContext &c, D wide, S single) {
  Place x = c.place(op.getOperand(0)), r = c.place(op.getResult(0));
  if (c.builder.typed() && !r.format->isDouble()) {
    c.add([=](Frame &frame) {
      const double *in = frame.f(x.slot);
      double *out = frame.f(r.slot);
      for (int64_t i = 0; i < r.count; ++i)
        out[i] = static_cast<double>(single(static_cast<float>(in[i])));
      if (!r.format->isSingle())
        roundSpan(*r.format, out, r.count);
    });
    return true;
  }
  c.add([=](Frame &frame) {
    const double *in = frame.f(x.slot);
    double *out = frame.f(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = wide(in[i]);
  });
  return true;
}

/// For functions whose double result, rounded once more, is the typed result (or whose result is exact).
template <typename F>
bool unaryFloat(Operation &op, BuildContext &c, F f) {
  Place x = c.place(op.getOperand(0)), r = c.place(op.getResult(0));
  bool typed = c.builder.typed();
  c.add([=](Frame &frame) {
    const double *in = frame.f(x.slot);
    double *out = frame.f(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = f(in[i]);
    if (typed)
      roundSpan(*r.format, out, r.count);
  });
  return true;
}

template <typename F>
bool binaryFloat(Operation &op, BuildContext &c, F f) {
  Place x = c.place(op.getOperand(0)), y = c.place(op.getOperand(1)), r = c.place(op.getResult(0));
  bool typed = c.builder.typed();
  c.add([=](Frame &frame) {
    const double *a = frame.f(x.slot), *b = frame.f(y.slot);
    double *out = frame.f(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = f(a[i], b[i]);
    if (typed)
      roundSpan(*r.format, out, r.count);
  });
  return true;
}

template <typename F>
bool binaryInt(Operation &op, BuildContext &c, F f) {
  Place x = c.place(op.getOperand(0)), y = c.place(op.getOperand(1)), r = c.place(op.getResult(0));
  unsigned w = r.width;
  c.add([=](Frame &frame) {
    const int64_t *a = frame.i(x.slot), *b = frame.i(y.slot);
    int64_t *out = frame.i(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = wrapInt(f(a[i], b[i]), w);
  });
  return true;
}

/// As binaryInt on the operands' unsigned values.
template <typename F>
bool binaryUnsigned(Operation &op, BuildContext &c, F f) {
  unsigned w = c.place(op.getOperand(0)).width;
  return binaryInt(op, c,
                   [=](int64_t a, int64_t b) { return static_cast<int64_t>(f(unsignedOf(a, w), unsignedOf(b, w))); });
}

template <typename F>
bool unaryInt(Operation &op, BuildContext &c, F f) {
  Place x = c.place(op.getOperand(0)), r = c.place(op.getResult(0));
  c.add([=](Frame &frame) {
    const int64_t *a = frame.i(x.slot);
    int64_t *out = frame.i(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = wrapInt(f(a[i]), r.width);
  });
  return true;
}

template <typename F>
bool floatToBool(Operation &op, BuildContext &c, F f) {
  Place x = c.place(op.getOperand(0)), r = c.place(op.getResult(0));
  c.add([=](Frame &frame) {
    const double *a = frame.f(x.slot);
    int64_t *out = frame.i(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = f(a[i]);
  });
  return true;
}

template <typename F>
bool compareFloat(Operation &op, BuildContext &c, F f) {
  Place x = c.place(op.getOperand(0)), y = c.place(op.getOperand(1)), r = c.place(op.getResult(0));
  c.add([=](Frame &frame) {
    const double *a = frame.f(x.slot), *b = frame.f(y.slot);
    int64_t *out = frame.i(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = f(a[i], b[i]);
  });
  return true;
}

bool buildCmpF(arith::CmpFOp op, BuildContext &c) {
  using P = arith::CmpFPredicate;
  auto unordered = [](double a, double b) { return std::isnan(a) || std::isnan(b); };
  switch (op.getPredicate()) {
  case P::AlwaysFalse:
    return compareFloat(*op, c, [](double, double) { return 0; });
  case P::OEQ:
    return compareFloat(*op, c, [](double a, double b) { return a == b; });
  case P::OGT:
    return compareFloat(*op, c, [](double a, double b) { return a > b; });
  case P::OGE:
    return compareFloat(*op, c, [](double a, double b) { return a >= b; });
  case P::OLT:
    return compareFloat(*op, c, [](double a, double b) { return a < b; });
  case P::OLE:
    return compareFloat(*op, c, [](double a, double b) { return a <= b; });
  case P::ONE:
    return compareFloat(*op, c, [](double a, double b) { return a < b || a > b; });
  case P::ORD:
    return compareFloat(*op, c, [=](double a, double b) { return !unordered(a, b); });
  case P::UEQ:
    return compareFloat(*op, c, [=](double a, double b) { return a == b || unordered(a, b); });
  case P::UGT:
    return compareFloat(*op, c, [](double a, double b) { return !(a <= b); });
  case P::UGE:
    return compareFloat(*op, c, [](double a, double b) { return !(a < b); });
  case P::ULT:
    return compareFloat(*op, c, [](double a, double b) { return !(a >= b); });
  case P::ULE:
    return compareFloat(*op, c, [](double a, double b) { return !(a > b); });
  case P::UNE:
    return compareFloat(*op, c, [](double a, double b) { return a != b; });
  case P::UNO:
    return compareFloat(*op, c, [=](double a, double b) { return unordered(a, b); });
  case P::AlwaysTrue:
    return compareFloat(*op, c, [](double, double) { return 1; });
  }
  llvm_unreachable("unknown predicate");
}

bool buildCmpI(arith::CmpIOp op, BuildContext &c) {
  using P = arith::CmpIPredicate;
  unsigned w = c.place(op.getLhs()).width;
  // i1 is kept as 0 or 1, but signed comparison reads 1 as -1.
  auto s = [w](int64_t v) { return w == 1 ? -v : v; };
  auto u = [w](int64_t v) { return unsignedOf(v, w); };
  switch (op.getPredicate()) {
  case P::eq:
    return binaryInt(*op, c, [](int64_t a, int64_t b) { return a == b; });
  case P::ne:
    return binaryInt(*op, c, [](int64_t a, int64_t b) { return a != b; });
  case P::slt:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return s(a) < s(b); });
  case P::sle:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return s(a) <= s(b); });
  case P::sgt:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return s(a) > s(b); });
  case P::sge:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return s(a) >= s(b); });
  case P::ult:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return u(a) < u(b); });
  case P::ule:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return u(a) <= u(b); });
  case P::ugt:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return u(a) > u(b); });
  case P::uge:
    return binaryInt(*op, c, [=](int64_t a, int64_t b) { return u(a) >= u(b); });
  }
  llvm_unreachable("unknown predicate");
}

bool buildSelect(arith::SelectOp op, BuildContext &c) {
  Place cond = c.place(op.getCondition()), a = c.place(op.getTrueValue()), b = c.place(op.getFalseValue()),
        r = c.place(op.getResult());
  // Slots of both kinds hold 64-bit words, so one copy serves floats and integers.
  if (cond.count == 1) {
    c.add([=](Frame &frame) { Builder::copy(frame, r, *frame.i(cond.slot) ? a : b); });
    return true;
  }
  c.add([=](Frame &frame) {
    const int64_t *m = frame.i(cond.slot), *x = frame.i(a.slot), *y = frame.i(b.slot);
    int64_t *out = frame.i(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = m[i] ? x[i] : y[i];
  });
  return true;
}

bool buildConstant(arith::ConstantOp op, BuildContext &c) {
  Builder::Constant k{c.place(op.getResult()), {}, {}};
  unsigned w = k.place.width;
  Attribute value = op.getValue();
  if (auto f = dyn_cast<FloatAttr>(value)) {
    k.floats = {f.getValueAsDouble()};
  } else if (auto i = dyn_cast<IntegerAttr>(value)) {
    k.ints = {wrapInt(i.getValue().getSExtValue(), w)};
  } else if (auto dense = dyn_cast<DenseFPElementsAttr>(value)) {
    auto toDouble = [](APFloat f) {
      bool lost;
      f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      return f.convertToDouble();
    };
    if (dense.isSplat())
      k.floats = {toDouble(dense.getSplatValue<APFloat>())};
    else
      for (APFloat f : dense.getValues<APFloat>())
        k.floats.push_back(toDouble(f));
  } else if (auto dense = dyn_cast<DenseIntElementsAttr>(value)) {
    if (dense.isSplat())
      k.ints = {wrapInt(dense.getSplatValue<APInt>().getSExtValue(), w)};
    else
      for (APInt i : dense.getValues<APInt>())
        k.ints.push_back(wrapInt(i.getSExtValue(), w));
  } else {
    return c.fail(*op, "only dense constants");
  }
  c.builder.addConstant(std::move(k));
  return true;
}

double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  return a == b ? (std::signbit(a) ? b : a) : a > b ? a : b;
}
double minimum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  return a == b ? (std::signbit(a) ? a : b) : a < b ? a : b;
}
double maxnum(double a, double b) { return std::isnan(a) ? b : std::isnan(b) ? a : maximum(a, b); }
double minnum(double a, double b) { return std::isnan(a) ? b : std::isnan(b) ? a : minimum(a, b); }

/// Division by zero gives 0 and the most negative number over -1 wraps, so that no input stops the oracle.
int64_t divSigned(int64_t a, int64_t b) {
  return b == 0 ? 0 : b == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(a)) : a / b;
}
int64_t remSigned(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }

bool buildFloatArith(Operation &op, BuildContext &c) {
  if (isa<arith::AddFOp>(op))
    return binaryFloat(op, c, [](double a, double b) { return a + b; });
  if (isa<arith::SubFOp>(op))
    return binaryFloat(op, c, [](double a, double b) { return a - b; });
  if (isa<arith::MulFOp>(op))
    return binaryFloat(op, c, [](double a, double b) { return a * b; });
  if (isa<arith::DivFOp>(op))
    return binaryFloat(op, c, [](double a, double b) { return a / b; });
  if (isa<arith::RemFOp>(op))
    return binaryFloat(op, c, [](double a, double b) { return std::fmod(a, b); });
  if (isa<arith::MaximumFOp>(op))
    return binaryFloat(op, c, maximum);
  if (isa<arith::MinimumFOp>(op))
    return binaryFloat(op, c, minimum);
  if (isa<arith::MaxNumFOp>(op))
    return binaryFloat(op, c, maxnum);
  if (isa<arith::MinNumFOp>(op))
    return binaryFloat(op, c, minnum);
  if (isa<arith::NegFOp>(op))
    return unaryFloat(op, c, [](double a) { return -a; });
  if (auto cmp = dyn_cast<arith::CmpFOp>(op))
    return buildCmpF(cmp, c);
  return false;
}

bool buildIntArith(Operation &op, BuildContext &c) {
  using I = int64_t;
  using U = uint64_t;
  if (isa<arith::AddIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return I(U(a) + U(b)); });
  if (isa<arith::SubIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return I(U(a) - U(b)); });
  if (isa<arith::MulIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return I(U(a) * U(b)); });
  if (isa<arith::DivSIOp>(op))
    return binaryInt(op, c, divSigned);
  if (isa<arith::RemSIOp>(op))
    return binaryInt(op, c, remSigned);
  if (isa<arith::DivUIOp>(op))
    return binaryUnsigned(op, c, [](U a, U b) { return b ? a / b : 0; });
  if (isa<arith::RemUIOp>(op))
    return binaryUnsigned(op, c, [](U a, U b) { return b ? a % b : 0; });
  if (isa<arith::CeilDivSIOp>(op))
    return binaryInt(op, c, ceilDiv);
  if (isa<arith::FloorDivSIOp>(op))
    return binaryInt(op, c, floorDiv);
  if (isa<arith::CeilDivUIOp>(op))
    return binaryUnsigned(op, c, [](U a, U b) { return b ? a / b + (a % b != 0) : 0; });
  if (isa<arith::AndIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return a & b; });
  if (isa<arith::OrIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return a | b; });
  if (isa<arith::XOrIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return a ^ b; });
  unsigned w = op.getNumOperands() ? c.place(op.getOperand(0)).width : 64;
  if (isa<arith::ShLIOp>(op))
    return binaryInt(op, c, [w](I a, I b) { return unsignedOf(b, w) < w ? I(U(a) << b) : 0; });
  if (isa<arith::ShRSIOp>(op))
    return binaryInt(op, c, [w](I a, I b) { return a >> std::min<U>(unsignedOf(b, w), 63); });
  if (isa<arith::ShRUIOp>(op))
    return binaryInt(op, c, [w](I a, I b) { return unsignedOf(b, w) < w ? I(unsignedOf(a, w) >> b) : 0; });
  if (isa<arith::MaxSIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return std::max(a, b); });
  if (isa<arith::MinSIOp>(op))
    return binaryInt(op, c, [](I a, I b) { return std::min(a, b); });
  if (isa<arith::MaxUIOp>(op))
    return binaryUnsigned(op, c, [](U a, U b) { return std::max(a, b); });
  if (isa<arith::MinUIOp>(op))
    return binaryUnsigned(op, c, [](U a, U b) { return std::min(a, b); });
  if (auto cmp = dyn_cast<arith::CmpIOp>(op))
    return buildCmpI(cmp, c);
  if (isa<arith::ExtSIOp, arith::IndexCastOp>(op))
    return unaryInt(op, c, [w](I a) { return w == 1 ? -a : a; });
  if (isa<arith::ExtUIOp, arith::IndexCastUIOp>(op))
    return unaryInt(op, c, [w](I a) { return I(unsignedOf(a, w)); });
  if (isa<arith::TruncIOp>(op))
    return unaryInt(op, c, [](I a) { return a; });
  return false;
}

#define FLOAT_FUNCTION(OP, FN)                                                                                         \
  if (isa<OP>(op))                                                                                                     \
  return unaryFloat(op, c, [](double x) { return std::FN(x); }, [](float x) { return std::FN(x); })

bool buildTranscendental(Operation &op, BuildContext &c) {
  FLOAT_FUNCTION(math::ExpOp, exp);
  FLOAT_FUNCTION(math::Exp2Op, exp2);
  FLOAT_FUNCTION(math::ExpM1Op, expm1);
  FLOAT_FUNCTION(math::LogOp, log);
  FLOAT_FUNCTION(math::Log2Op, log2);
  FLOAT_FUNCTION(math::Log10Op, log10);
  FLOAT_FUNCTION(math::Log1pOp, log1p);
  FLOAT_FUNCTION(math::CbrtOp, cbrt);
  FLOAT_FUNCTION(math::SinOp, sin);
  FLOAT_FUNCTION(math::CosOp, cos);
  FLOAT_FUNCTION(math::TanOp, tan);
  FLOAT_FUNCTION(math::AsinOp, asin);
  FLOAT_FUNCTION(math::AcosOp, acos);
  FLOAT_FUNCTION(math::AtanOp, atan);
  FLOAT_FUNCTION(math::SinhOp, sinh);
  FLOAT_FUNCTION(math::CoshOp, cosh);
  FLOAT_FUNCTION(math::TanhOp, tanh);
  FLOAT_FUNCTION(math::AsinhOp, asinh);
  FLOAT_FUNCTION(math::AcoshOp, acosh);
  FLOAT_FUNCTION(math::AtanhOp, atanh);
  FLOAT_FUNCTION(math::ErfOp, erf);
  FLOAT_FUNCTION(math::ErfcOp, erfc);
  return false;
}
#undef FLOAT_FUNCTION

bool buildExactMath(Operation &op, BuildContext &c) {
  if (isa<math::SqrtOp>(op))
    return unaryFloat(op, c, [](double x) { return std::sqrt(x); });
  if (isa<math::RsqrtOp>(op))
    return unaryFloat(op, c, [](double x) { return 1.0 / std::sqrt(x); });
  if (isa<math::FloorOp>(op))
    return unaryFloat(op, c, [](double x) { return std::floor(x); });
  if (isa<math::CeilOp>(op))
    return unaryFloat(op, c, [](double x) { return std::ceil(x); });
  if (isa<math::RoundOp>(op))
    return unaryFloat(op, c, [](double x) { return std::round(x); });
  if (isa<math::RoundEvenOp>(op))
    return unaryFloat(op, c, [](double x) { return std::nearbyint(x); });
  if (isa<math::TruncOp>(op))
    return unaryFloat(op, c, [](double x) { return std::trunc(x); });
  if (isa<math::AbsFOp>(op))
    return unaryFloat(op, c, [](double x) { return std::fabs(x); });
  if (isa<math::CopySignOp>(op))
    return binaryFloat(op, c, [](double a, double b) { return std::copysign(a, b); });
  if (isa<math::Atan2Op>(op))
    return binaryFloat(op, c, [](double a, double b) { return std::atan2(a, b); });
  if (isa<math::PowFOp>(op))
    return binaryFloat(op, c, [](double a, double b) { return std::pow(a, b); });
  if (isa<math::IsNaNOp>(op))
    return floatToBool(op, c, [](double x) { return std::isnan(x); });
  if (isa<math::IsInfOp>(op))
    return floatToBool(op, c, [](double x) { return std::isinf(x); });
  if (isa<math::IsFiniteOp>(op))
    return floatToBool(op, c, [](double x) { return std::isfinite(x); });
  return false;
}

bool buildFma(math::FmaOp op, BuildContext &c) {
  Place x = c.place(op.getA()), y = c.place(op.getB()), z = c.place(op.getC()), r = c.place(op.getResult());
  // For types of up to 32 bits the product is exact in f64: one rounding to f64, one to the type.
  bool typed = c.builder.typed(), fused = r.format->isDouble();
  c.add([=](Frame &frame) {
    const double *a = frame.f(x.slot), *b = frame.f(y.slot), *d = frame.f(z.slot);
    double *out = frame.f(r.slot);
    if (fused)
      for (int64_t i = 0; i < r.count; ++i)
        out[i] = std::fma(a[i], b[i], d[i]);
    else
      for (int64_t i = 0; i < r.count; ++i)
        out[i] = a[i] * b[i] + d[i];
    if (typed)
      roundSpan(*r.format, out, r.count);
  });
  return true;
}

bool buildClamp(math::ClampFOp op, BuildContext &c) {
  Place x = c.place(op.getValue()), lo = c.place(op.getMin()), hi = c.place(op.getMax()), r = c.place(op.getResult());
  c.add([=](Frame &frame) {
    const double *v = frame.f(x.slot), *a = frame.f(lo.slot), *b = frame.f(hi.slot);
    double *out = frame.f(r.slot);
    for (int64_t i = 0; i < r.count; ++i)
      out[i] = minimum(maximum(v[i], a[i]), b[i]);
  });
  return true;
}

int64_t powInt(int64_t base, int64_t exponent, bool negativeOne) {
  if (exponent < 0)
    return base == 1 ? 1 : negativeOne ? (exponent & 1 ? -1 : 1) : 0;
  uint64_t r = 1, b = static_cast<uint64_t>(base);
  for (uint64_t e = static_cast<uint64_t>(exponent); e; e >>= 1, b *= b)
    if (e & 1)
      r *= b;
  return static_cast<int64_t>(r);
}

bool buildIntMath(Operation &op, BuildContext &c) {
  unsigned w = op.getNumOperands() ? c.place(op.getOperand(0)).width : 64;
  if (isa<math::AbsIOp>(op))
    return unaryInt(op, c, [](int64_t a) { return a < 0 ? static_cast<int64_t>(-static_cast<uint64_t>(a)) : a; });
  if (isa<math::IPowIOp>(op))
    return binaryInt(op, c, [](int64_t a, int64_t b) { return powInt(a, b, a == -1); });
  if (isa<math::CtPopOp>(op))
    return unaryInt(op, c, [w](int64_t a) { return static_cast<int64_t>(llvm::popcount(unsignedOf(a, w))); });
  if (isa<math::CountLeadingZerosOp>(op))
    return unaryInt(op, c,
                    [w](int64_t a) { return static_cast<int64_t>(llvm::countl_zero(unsignedOf(a, w))) - (64 - w); });
  if (isa<math::CountTrailingZerosOp>(op))
    return unaryInt(op, c, [w](int64_t a) {
      return std::min<int64_t>(static_cast<int64_t>(llvm::countr_zero(unsignedOf(a, w))), w);
    });
  if (isa<math::FPowIOp>(op)) {
    Place x = c.place(op.getOperand(0)), e = c.place(op.getOperand(1)), r = c.place(op.getResult(0));
    bool typed = c.builder.typed();
    c.add([=](Frame &frame) {
      for (int64_t i = 0; i < r.count; ++i)
        frame.f(r.slot)[i] = std::pow(frame.f(x.slot)[i], static_cast<double>(frame.i(e.slot)[i]));
      if (typed)
        roundSpan(*r.format, frame.f(r.slot), r.count);
    });
    return true;
  }
  return false;
}

} // namespace

bool buildElementwise(Operation &op, BuildContext &c) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return buildConstant(constant, c);
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return buildSelect(select, c);
  if (auto fma = dyn_cast<math::FmaOp>(op))
    return buildFma(fma, c);
  if (auto clamp = dyn_cast<math::ClampFOp>(op))
    return buildClamp(clamp, c);
  return buildFloatArith(op, c) || buildIntArith(op, c) || buildTranscendental(op, c) || buildExactMath(op, c) ||
         buildIntMath(op, c);
}

//===-- index arithmetic
//-------------------------------------------------------------------------------------------===//

namespace {

/// affine.apply, min and max: all results of the map, combined.
bool buildMap(Operation &op, AffineMap map, BuildContext &c, int kind) {
  SmallVector<Place, 8> operands;
  for (Value v : op.getOperands())
    operands.push_back(c.place(v));
  Place r = c.place(op.getResult(0));
  c.add([=](Frame &frame) {
    SmallVector<int64_t, 8> values;
    for (const Place &p : operands)
      values.push_back(*frame.i(p.slot));
    ArrayRef<int64_t> all(values);
    int64_t best = 0;
    for (auto [n, e] : llvm::enumerate(map.getResults())) {
      int64_t v = evaluate(e, all.take_front(map.getNumDims()), all.drop_front(map.getNumDims()));
      best = n == 0 ? v : kind < 0 ? std::min(best, v) : std::max(best, v);
    }
    *frame.i(r.slot) = best;
  });
  return true;
}

/// One entry of a mixed static and dynamic list: a constant or a place.
struct MixedIndex {
  std::optional<Place> place;
  int64_t constant = 0;
  int64_t get(Frame &frame) const { return place ? *frame.i(place->slot) : constant; }
};

SmallVector<MixedIndex, 4> mixed(ArrayRef<OpFoldResult> values, BuildContext &c) {
  SmallVector<MixedIndex, 4> result;
  for (OpFoldResult v : values) {
    if (auto attr = dyn_cast<Attribute>(v))
      result.push_back({std::nullopt, cast<IntegerAttr>(attr).getInt()});
    else
      result.push_back({c.place(cast<Value>(v)), 0});
  }
  return result;
}

bool buildDelinearize(affine::AffineDelinearizeIndexOp op, BuildContext &c) {
  Place linear = c.place(op.getLinearIndex());
  SmallVector<MixedIndex, 4> basis = mixed(op.getMixedBasis(), c);
  if (op.hasOuterBound())
    basis.erase(basis.begin()); // the outer bound only promises a range
  SmallVector<Place, 4> results;
  for (Value v : op.getResults())
    results.push_back(c.place(v));
  c.add([=](Frame &frame) {
    int64_t rest = *frame.i(linear.slot);
    for (size_t d = results.size(); d-- > 1;) {
      int64_t b = basis[d - 1].get(frame), q = floorDiv(rest, b);
      *frame.i(results[d].slot) = rest - q * b;
      rest = q;
    }
    *frame.i(results[0].slot) = rest;
  });
  return true;
}

bool buildLinearize(affine::AffineLinearizeIndexOp op, BuildContext &c) {
  SmallVector<Place, 4> parts;
  for (Value v : op.getMultiIndex())
    parts.push_back(c.place(v));
  SmallVector<MixedIndex, 4> basis = mixed(op.getMixedBasis(), c);
  if (basis.size() == parts.size())
    basis.erase(basis.begin());
  Place r = c.place(op.getResult());
  c.add([=](Frame &frame) {
    int64_t sum = *frame.i(parts[0].slot);
    for (size_t d = 1; d < parts.size(); ++d)
      sum = sum * basis[d - 1].get(frame) + *frame.i(parts[d].slot);
    *frame.i(r.slot) = sum;
  });
  return true;
}

} // namespace

bool buildIndexMath(Operation &op, BuildContext &c) {
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
    return buildMap(op, apply.getAffineMap(), c, 1);
  if (auto minimum = dyn_cast<affine::AffineMinOp>(op))
    return buildMap(op, minimum.getMap(), c, -1);
  if (auto maximum = dyn_cast<affine::AffineMaxOp>(op))
    return buildMap(op, maximum.getMap(), c, 1);
  if (auto split = dyn_cast<affine::AffineDelinearizeIndexOp>(op))
    return buildDelinearize(split, c);
  if (auto join = dyn_cast<affine::AffineLinearizeIndexOp>(op))
    return buildLinearize(join, c);
  if (auto assume = dyn_cast<tile::AssumeOp>(op)) {
    Place x = c.place(assume.getValue()), r = c.place(assume.getResult());
    int64_t div = assume.getDiv();
    auto lo = assume.getMin(), hi = assume.getMax();
    c.add([=](Frame &frame) {
      int64_t v = *frame.i(x.slot);
      if (v % div || (lo && v < static_cast<int64_t>(*lo)) || (hi && v > static_cast<int64_t>(*hi)))
        frame.error = "tile.assume is false for the value " + std::to_string(v);
      *frame.i(r.slot) = v;
    });
    return true;
  }
  if (auto part = dyn_cast<tile::PartOp>(op)) {
    Place s = c.place(part.getIndex()), n = c.place(part.getCount()), lo = c.place(part.getLo()),
          hi = c.place(part.getHi()), from = c.place(part.getFrom()), to = c.place(part.getTo());
    int64_t step = part.getStep();
    c.add([=](Frame &frame) {
      int64_t a = *frame.i(lo.slot), b = std::max(*frame.i(hi.slot), a);
      int64_t chunk = ceilDiv(ceilDiv(b - a, step), *frame.i(n.slot)) * step;
      *frame.i(from.slot) = std::min(a + *frame.i(s.slot) * chunk, b);
      *frame.i(to.slot) = std::min(*frame.i(from.slot) + chunk, b);
    });
    return true;
  }
  return false;
}

} // namespace adze::oracle
