// Operations on registers: elementwise ops, integer division, combining.
#include "targets/scalar/Scalar.h"
#include <cmath>

namespace adze::scalar {
using namespace adze::tile;

static bool isUnsignedOp(Operation *op) {
  if (auto cmp = dyn_cast<arith::CmpIOp>(op))
    return cmp.getPredicate() >= arith::CmpIPredicate::ult;
  return isa<arith::DivUIOp, arith::RemUIOp, arith::MaxUIOp, arith::MinUIOp, arith::ShRUIOp, arith::ExtUIOp>(op);
}

Value Arithmetic::elementwise(Operation *op, SmallVector<Value> v, Type element, ArrayRef<Type> from) {
  // Conversions that builders may spell in arith.
  CastHow how;
  how.round = RoundMode::rtz;
  how.unsignedSrc = isa<arith::ExtUIOp, arith::UIToFPOp, arith::IndexCastUIOp>(op);
  how.unsignedDst = isa<arith::FPToUIOp>(op);
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    how.round = RoundMode::rne;
  if (isa<arith::ExtUIOp, arith::ExtSIOp, arith::TruncIOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp,
          arith::FPToUIOp, arith::ExtFOp, arith::TruncFOp>(op))
    return castValue(v[0], from[0], element, how);
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
    Type t = shapedLike(element, v[0].getType());
    return isa<arith::IndexCastOp>(op) ? Value(arith::IndexCastOp::create(b, t, v[0]))
                                       : Value(arith::IndexCastUIOp::create(b, t, v[0]));
  }
  if (isa<arith::BitcastOp>(op)) {
    Type t = shapedLike(regType(element), v[0].getType());
    return v[0].getType() == t ? v[0] : Value(arith::BitcastOp::create(b, t, v[0]));
  }
  if (isa<arith::SelectOp>(op))
    return arith::SelectOp::create(b, v[0], v[1], v[2]);
  if (isa<arith::MaxNumFOp, arith::MinNumFOp>(op))
    return combine(isa<arith::MaxNumFOp>(op) ? TileReduceKind::maxnum : TileReduceKind::minnum, false, element, v[0],
                   v[1]);
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp>(op) && !isSubByte(element))
    return divide(op, v[0], v[1]);

  if (hooks && isNarrowFloat(element))
    if (Value r = hooks->native(b, op, element, v))
      return r;
  for (auto [x, t] : llvm::zip(v, from)) {
    if (isNarrowFloat(t))
      x = widen(x, t);
    else if (isa<IntegerType>(t) && isSubByte(t) && !isUnsignedOp(op)) {
      Value s = constLike(x.getType(), int64_t(8 - bitWidth(t)));
      x = arith::ShRSIOp::create(b, arith::ShLIOp::create(b, x, s), s);
    }
  }
  if (isa<arith::RemFOp>(op)) {
    Value r = remainderF(v[0], v[1]);
    return isNarrowFloat(element) ? narrow(r, element) : r;
  }
  Type compute = isNarrowFloat(element) ? Type(f32) : regType(element);
  if (isa<math::MathDialect>(op->getDialect())) {
    Type in = isNarrowFloat(from[0]) ? Type(f32) : regType(from[0]);
    if (Value r = expandMath(op, in, v))
      return isNarrowFloat(element) ? narrow(r, element) : r;
  }
  OperationState state(b.getLoc(), op->getName());
  state.addOperands(v);
  state.addTypes(shapedLike(compute, v.back().getType()));
  state.addAttributes(op->getAttrs());
  state.attributes.erase("tag");
  Value r = b.create(state)->getResult(0);
  if (isNarrowFloat(element))
    return narrow(r, element);
  if (isa<IntegerType>(element) && isSubByte(element))
    r = arith::AndIOp::create(b, r, constLike(r.getType(), (int64_t(1) << bitWidth(element)) - 1));
  return r;
}

/// Division toward zero with x / 0 = 0, x % 0 = 0 and MIN / -1 = MIN.
Value Arithmetic::divide(Operation *op, Value a, Value d) {
  Type t = a.getType();
  Value zero = constLike(t, int64_t(0)), one = constLike(t, int64_t(1));
  bool isSigned = isa<arith::DivSIOp, arith::RemSIOp>(op), rem = isa<arith::RemSIOp, arith::RemUIOp>(op);
  Value isZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, d, zero);
  Value bad = isZero, minusOne;
  if (isSigned) {
    minusOne = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, d, constLike(t, int64_t(-1)));
    bad = arith::OrIOp::create(b, bad, minusOne);
  }
  Value safe = arith::SelectOp::create(b, bad, one, d);
  unsigned bits = bitWidth(getElementTypeOrSelf(t));
  Value q;
  if (bits <= 16 &&
      isa<VectorType>(t)) { // exact in single precision: |q| < 2^16 and the quotient is never rounded up to an integer
    Type tf = shapedLike(f32, t), w = shapedLike(i32, t);
    Value x = isSigned ? Value(arith::SIToFPOp::create(b, tf, a)) : Value(arith::UIToFPOp::create(b, tf, a));
    Value y = isSigned ? Value(arith::SIToFPOp::create(b, tf, safe)) : Value(arith::UIToFPOp::create(b, tf, safe));
    q = arith::TruncIOp::create(b, t, arith::FPToSIOp::create(b, w, arith::DivFOp::create(b, x, y)));
  } else if (bits == 32 && isa<VectorType>(t)) {
    Type tf = shapedLike(f64, t), w = shapedLike(i64, t);
    Value x = isSigned ? Value(arith::SIToFPOp::create(b, tf, a)) : Value(arith::UIToFPOp::create(b, tf, a));
    Value y = isSigned ? Value(arith::SIToFPOp::create(b, tf, safe)) : Value(arith::UIToFPOp::create(b, tf, safe));
    q = arith::TruncIOp::create(b, t, arith::FPToSIOp::create(b, w, arith::DivFOp::create(b, x, y)));
  } else {
    q = isSigned ? Value(arith::DivSIOp::create(b, a, safe)) : Value(arith::DivUIOp::create(b, a, safe));
  }
  Value r = rem ? Value(arith::SubIOp::create(b, a, arith::MulIOp::create(b, q, safe))) : q;
  if (minusOne)
    r = arith::SelectOp::create(b, minusOne, rem ? zero : Value(arith::SubIOp::create(b, zero, a)), r);
  return arith::SelectOp::create(b, isZero, zero, r);
}

//===-- combining
//--------------------------------------------------------------------------------------------------===//

Value Arithmetic::combine(TileReduceKind kind, bool isUnsigned, Type element, Value a, Value c) {
  bool isFloat = isa<FloatType>(element);
  if (isFloat && bitWidth(element) < 32) {
    Value r = combine(kind, isUnsigned, f32, widen(a, element), widen(c, element));
    return narrow(r, element);
  }
  if (hooks)
    if (Value r = hooks->combine(b, kind, isUnsigned, element, a, c))
      return r;
  switch (kind) {
  case TileReduceKind::add:
    return isFloat ? Value(arith::AddFOp::create(b, a, c)) : Value(arith::AddIOp::create(b, a, c));
  case TileReduceKind::mul:
    return isFloat ? Value(arith::MulFOp::create(b, a, c)) : Value(arith::MulIOp::create(b, a, c));
  case TileReduceKind::max:
    if (isFloat)
      return arith::MaximumFOp::create(b, a, c);
    return isUnsigned || element.isInteger(1) ? Value(arith::MaxUIOp::create(b, a, c))
                                              : Value(arith::MaxSIOp::create(b, a, c));
  case TileReduceKind::min:
    if (isFloat)
      return arith::MinimumFOp::create(b, a, c);
    return isUnsigned || element.isInteger(1) ? Value(arith::MinUIOp::create(b, a, c))
                                              : Value(arith::MinSIOp::create(b, a, c));
  case TileReduceKind::maxnum:
  case TileReduceKind::minnum: {
    // Not arith.maxnumf: LLVM narrows it to half precision where the operands came from there, and then calls fmaxf.
    auto p = kind == TileReduceKind::maxnum ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
    Value first = arith::SelectOp::create(b, arith::CmpFOp::create(b, p, a, c), a, c); // c where either is NaN
    return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, c, c), a, first);
  }
  case TileReduceKind::And:
    return arith::AndIOp::create(b, a, c);
  case TileReduceKind::Or:
    return arith::OrIOp::create(b, a, c);
  case TileReduceKind::Xor:
    return arith::XOrIOp::create(b, a, c);
  }
  return a;
}

/// The value that combining leaves unchanged, as a scalar register. maxnum and minnum: NaN.
Value Arithmetic::identityOf(TileReduceKind kind, bool isUnsigned, Type element) {
  if (auto ft = dyn_cast<FloatType>(element)) {
    double v = 0;
    switch (kind) {
    case TileReduceKind::mul:
      v = 1;
      break;
    case TileReduceKind::max:
      v = -INFINITY;
      break;
    case TileReduceKind::min:
      v = INFINITY;
      break;
    case TileReduceKind::maxnum:
    case TileReduceKind::minnum:
      v = NAN;
      break;
    default:
      v = -0.0;
    }
    APFloat f(v);
    bool lost;
    f.convert(ft.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
    return constantOf(FloatAttr::get(element, f), element);
  }
  unsigned n = bitWidth(element);
  bool u = isUnsigned || n == 1;
  APInt v = APInt::getZero(n);
  switch (kind) {
  case TileReduceKind::mul:
    v = APInt(n, 1);
    break;
  case TileReduceKind::max:
  case TileReduceKind::maxnum:
    v = u ? APInt::getMinValue(n) : APInt::getSignedMinValue(n);
    break;
  case TileReduceKind::min:
  case TileReduceKind::minnum:
    v = u ? APInt::getMaxValue(n) : APInt::getSignedMaxValue(n);
    break;
  case TileReduceKind::And:
    v = APInt::getAllOnes(n);
    break;
  default:
    break;
  }
  return constantOf(IntegerAttr::get(element, v), element);
}

/// a sorts before c: NaN is the largest value.
Value Arithmetic::lessThan(Value a, Value c, Type element, bool isUnsigned) {
  if (!isa<FloatType>(element))
    return arith::CmpIOp::create(
        b, isUnsigned || element.isInteger(1) ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt, a, c);
  Value x = widen(a, element), y = widen(c, element);
  Value less = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
  Value nanY = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, y, y);
  Value numX = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, x, x);
  return arith::OrIOp::create(b, less, arith::AndIOp::create(b, nanY, numX));
}

} // namespace adze::scalar
