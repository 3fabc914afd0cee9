// Arithmetic on register values with operators, for the elementary functions.
#ifndef ADZE_TARGETS_SCALAR_MATHBUILDER_H
#define ADZE_TARGETS_SCALAR_MATHBUILDER_H

#include "targets/scalar/Scalar.h"
#include <cmath>

namespace adze::scalar::elementary {

/// A float value (scalar or vector) and where to emit.
struct F {
  ImplicitLocOpBuilder *b;
  Value v;
  Type type() const { return v.getType(); }
  bool isDouble() const { return getElementTypeOrSelf(type()).isF64(); }
  F with(Value x) const { return {b, x}; }
  F c(double x) const {
    Type e = getElementTypeOrSelf(type());
    FloatAttr a = b->getFloatAttr(e, x);
    if (auto vec = dyn_cast<VectorType>(type()))
      return with(arith::ConstantOp::create(*b, DenseElementsAttr::get(vec, a.getValue())));
    return with(arith::ConstantOp::create(*b, a));
  }
  Type intType() const {
    Type i = isDouble() ? b->getI64Type() : b->getI32Type();
    return shapedLike(i, type());
  }
};

inline F operator+(F a, F c) { return a.with(arith::AddFOp::create(*a.b, a.v, c.v)); }
inline F operator-(F a, F c) { return a.with(arith::SubFOp::create(*a.b, a.v, c.v)); }
inline F operator*(F a, F c) { return a.with(arith::MulFOp::create(*a.b, a.v, c.v)); }
inline F operator/(F a, F c) { return a.with(arith::DivFOp::create(*a.b, a.v, c.v)); }
inline F operator-(F a) { return a.with(arith::NegFOp::create(*a.b, a.v)); }
inline F operator+(F a, double c) { return a + a.c(c); }
inline F operator-(F a, double c) { return a - a.c(c); }
inline F operator*(F a, double c) { return a * a.c(c); }
inline F operator/(double c, F a) { return a.c(c) / a; }
inline F operator-(double c, F a) { return a.c(c) - a; }
inline F fma(F a, F x, F y) { return a.with(math::FmaOp::create(*a.b, a.v, x.v, y.v)); }
inline F abs(F a) { return a.with(math::AbsFOp::create(*a.b, a.v)); }
inline F sqrt(F a) { return a.with(math::SqrtOp::create(*a.b, a.v)); }
inline F round(F a) { return a.with(math::RoundEvenOp::create(*a.b, a.v)); }
inline F trunc(F a) { return a.with(math::TruncOp::create(*a.b, a.v)); }
inline F copySign(F a, F s) { return a.with(math::CopySignOp::create(*a.b, a.v, s.v)); }
/// NaN operands are dropped.
inline F min(F a, F c) { return a.with(arith::MinNumFOp::create(*a.b, a.v, c.v)); }
inline F max(F a, F c) { return a.with(arith::MaxNumFOp::create(*a.b, a.v, c.v)); }
inline Value cmp(arith::CmpFPredicate p, F a, F c) { return arith::CmpFOp::create(*a.b, p, a.v, c.v); }
inline Value less(F a, F c) { return cmp(arith::CmpFPredicate::OLT, a, c); }
inline Value less(F a, double c) { return less(a, a.c(c)); }
inline Value more(F a, double c) { return cmp(arith::CmpFPredicate::OGT, a, a.c(c)); }
inline Value equal(F a, double c) { return cmp(arith::CmpFPredicate::OEQ, a, a.c(c)); }
inline Value isNan(F a) { return cmp(arith::CmpFPredicate::UNO, a, a); }
inline F select(Value cond, F a, F c) { return a.with(arith::SelectOp::create(*a.b, cond, a.v, c.v)); }
inline Value both(F ctx, Value a, Value c) { return arith::AndIOp::create(*ctx.b, a, c); }
inline Value either(F ctx, Value a, Value c) { return arith::OrIOp::create(*ctx.b, a, c); }
inline Value toInt(F a) { return arith::FPToSIOp::create(*a.b, a.intType(), a.v); }
inline Value bits(F a) { return arith::BitcastOp::create(*a.b, a.intType(), a.v); }
inline F fromBits(F ctx, Value i) { return ctx.with(arith::BitcastOp::create(*ctx.b, ctx.type(), i)); }
inline F fromInt(F ctx, Value i) { return ctx.with(arith::SIToFPOp::create(*ctx.b, ctx.type(), i)); }
inline Value icst(F ctx, int64_t v) {
  Type t = ctx.intType(), e = getElementTypeOrSelf(t);
  APInt i(e.getIntOrFloatBitWidth(), static_cast<uint64_t>(v), /*isSigned=*/true, /*implicitTrunc=*/true);
  if (auto vec = dyn_cast<VectorType>(t))
    return arith::ConstantOp::create(*ctx.b, DenseElementsAttr::get(vec, i));
  return arith::ConstantOp::create(*ctx.b, IntegerAttr::get(e, i));
}
/// c[0] + c[1] x + c[2] x^2 + ...
inline F horner(F x, ArrayRef<double> c) {
  F r = x.c(c.back());
  for (size_t i = c.size() - 1; i-- > 0;)
    r = fma(r, x, x.c(c[i]));
  return r;
}
inline F toDouble(F a) {
  return a.isDouble() ? a : a.with(arith::ExtFOp::create(*a.b, shapedLike(a.b->getF64Type(), a.type()), a.v));
}
inline F shorten(F a, F like) {
  return like.isDouble() ? a : like.with(arith::TruncFOp::create(*a.b, like.type(), a.v));
}

} // namespace adze::scalar::elementary

#endif
