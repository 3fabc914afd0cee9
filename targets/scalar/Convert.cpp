// Registers and conversions. Everything is vector code without library calls.
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "targets/scalar/Scalar.h"
#include <cmath>

namespace adze::scalar {
using namespace adze::tile;

Arithmetic::Arithmetic(ImplicitLocOpBuilder &b, Refuse refuse, const Hooks *hooks)
    : b(b), i1(b.getI1Type()), i8(b.getI8Type()), i16(b.getI16Type()), i32(b.getI32Type()), i64(b.getI64Type()),
      f32(b.getF32Type()), f64(b.getF64Type()), index(b.getIndexType()), refuse(std::move(refuse)), hooks(hooks) {}

Type Arithmetic::regType(Type t) const {
  if (isa<FloatType>(t)) {
    if (t.isBF16())
      return i16;
    if (bitWidth(t) <= 8)
      return i8;
    return t;
  }
  return isSubByte(t) ? i8 : t;
}

Type Arithmetic::storageType(Type t) const {
  if (isa<LLVM::LLVMPointerType>(t))
    return t;
  if (t.isIndex())
    return i64;
  if (bitWidth(t) < 8)
    return i8;
  return regType(t);
}

Value Arithmetic::fromStorage(Value v, Type element) {
  if (element.isInteger(1))
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, v, constLike(v.getType(), int64_t(0)));
  if (element.isIndex())
    return arith::IndexCastOp::create(b, shapedLike(index, v.getType()), v);
  return v;
}

Value Arithmetic::toStorage(Value v, Type element) {
  if (element.isInteger(1))
    return arith::ExtUIOp::create(b, shapedLike(i8, v.getType()), v);
  if (element.isIndex())
    return arith::IndexCastOp::create(b, shapedLike(i64, v.getType()), v);
  return v;
}

Value Arithmetic::constLike(Type type, double v) {
  Type e = getElementTypeOrSelf(type);
  APFloat f(v);
  bool lost;
  f.convert(cast<FloatType>(e).getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
  auto attr = FloatAttr::get(e, f);
  if (auto vec = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(vec, f));
  return arith::ConstantOp::create(b, attr);
}

Value Arithmetic::constLike(Type type, int64_t v) {
  Type e = getElementTypeOrSelf(type);
  APInt i(bitWidth(e), static_cast<uint64_t>(v), /*isSigned=*/true, /*implicitTrunc=*/true);
  if (auto vec = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(vec, i));
  return arith::ConstantOp::create(b, IntegerAttr::get(e, i));
}

/// A constant of a tile's element type as a register value.
Value Arithmetic::constantOf(TypedAttr attr, Type element) {
  Type reg = regType(element);
  if (auto f = dyn_cast<FloatAttr>(attr)) {
    if (reg == element)
      return arith::ConstantOp::create(b, f);
    APInt bits = f.getValue().bitcastToAPInt().zext(bitWidth(reg));
    return arith::ConstantOp::create(b, IntegerAttr::get(reg, bits));
  }
  APInt i = cast<IntegerAttr>(attr).getValue();
  return arith::ConstantOp::create(b, IntegerAttr::get(reg, i.zextOrTrunc(bitWidth(reg))));
}

//===-- small floats
//-----------------------------------------------------------------------------------------------===//

namespace {
/// How a float of at most 8 bits is encoded.
struct Small {
  unsigned exponent, mantissa;
  int bias;
  bool sign = true, inf = false, fnuz = false; // fnuz: one zero, NaN is 0x80
  int nan = -1;                                // magnitude of the NaN; -1: none
  unsigned maxMag;                             // largest finite magnitude
};

Small smallOf(Type t) {
  if (isa<Float8E4M3FNType>(t))
    return {4, 3, 7, true, false, false, 0x7f, 0x7e};
  if (isa<Float8E5M2Type>(t))
    return {5, 2, 15, true, true, false, 0x7e, 0x7b};
  if (isa<Float8E4M3FNUZType>(t))
    return {4, 3, 8, true, false, true, -1, 0x7f};
  if (isa<Float8E5M2FNUZType>(t))
    return {5, 2, 16, true, false, true, -1, 0x7f};
  if (isa<Float8E4M3B11FNUZType>(t))
    return {4, 3, 11, true, false, true, -1, 0x7f};
  if (isa<Float8E4M3Type>(t))
    return {4, 3, 7, true, true, false, 0x7c, 0x77};
  if (isa<Float8E3M4Type>(t))
    return {3, 4, 3, true, true, false, 0x78, 0x6f};
  if (isa<Float8E8M0FNUType>(t))
    return {8, 0, 127, false, false, false, 0xff, 0xfe};
  if (isa<Float6E2M3FNType>(t))
    return {2, 3, 1, true, false, false, -1, 0x1f};
  if (isa<Float6E3M2FNType>(t))
    return {3, 2, 3, true, false, false, -1, 0x1f};
  return {2, 1, 1, true, false, false, -1, 0x7}; // f4E2M1FN
}
} // namespace

/// i8 bits of a small float -> f32, exactly. The magnitude's bits are a float with a wrong bias; a multiplication by a
/// power of two corrects it, subnormals included.
Value Arithmetic::decodeSmall(Value reg, Type from) {
  Small s = smallOf(from);
  Type ti = shapedLike(i32, reg.getType()), tf = shapedLike(f32, reg.getType());
  Value x = arith::ExtUIOp::create(b, ti, reg);
  unsigned width = s.exponent + s.mantissa;
  auto k = [&](int64_t v) { return constLike(ti, v); };
  Value mag = arith::AndIOp::create(b, x, k((1 << width) - 1));
  Value f;
  if (isa<Float8E8M0FNUType>(from)) {
    Value normal = arith::ShLIOp::create(b, mag, k(23));
    Value zero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, mag, k(0));
    f = arith::BitcastOp::create(b, tf, arith::SelectOp::create(b, zero, k(0x00400000), normal));
  } else {
    Value shifted = arith::ShLIOp::create(b, mag, k(23 - s.mantissa));
    f = arith::MulFOp::create(b, arith::BitcastOp::create(b, tf, shifted),
                              constLike(tf, std::ldexp(1.0, 127 - s.bias)));
  }
  auto when = [&](arith::CmpIPredicate p, Value a, int64_t v, double result) {
    f = arith::SelectOp::create(b, arith::CmpIOp::create(b, p, a, k(v)), constLike(tf, result), f);
  };
  if (s.inf) {
    int64_t inf = ((1 << s.exponent) - 1) << s.mantissa;
    when(arith::CmpIPredicate::eq, mag, inf, INFINITY);
    when(arith::CmpIPredicate::ugt, mag, inf, NAN);
  } else if (s.nan >= 0) {
    when(arith::CmpIPredicate::eq, mag, s.nan, NAN);
  }
  if (s.sign) {
    Value sign = arith::ShLIOp::create(b, arith::AndIOp::create(b, x, k(1 << width)), k(31 - width));
    f = arith::BitcastOp::create(b, tf, arith::OrIOp::create(b, arith::BitcastOp::create(b, ti, f), sign));
  }
  if (s.fnuz)
    when(arith::CmpIPredicate::eq, x, 0x80, NAN);
  return f;
}

/// f32 -> bits of a small float, to nearest even. Overflow gives the largest value with `sat` or where there is no
/// other, else infinity or NaN.
Value Arithmetic::encodeSmall(Value v, Type to, bool sat) {
  Small s = smallOf(to);
  Type tf = v.getType(), ti = shapedLike(i32, tf);
  auto k = [&](int64_t x) { return constLike(ti, x); };
  unsigned width = s.exponent + s.mantissa;
  Value bits = arith::BitcastOp::create(b, ti, v);
  Value abs = arith::AndIOp::create(b, bits, k(0x7fffffff));
  unsigned drop = 23 - s.mantissa;
  Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, abs, k(drop)), k(1));
  Value rounded = arith::AddIOp::create(b, arith::AddIOp::create(b, abs, k((int64_t(1) << (drop - 1)) - 1)), odd);
  Value normal =
      arith::SubIOp::create(b, arith::ShRUIOp::create(b, rounded, k(drop)), k(int64_t(127 - s.bias) << s.mantissa));
  int emin = 1 - s.bias;
  Value mag = normal;
  if (!isa<Float8E8M0FNUType>(to)) { // below the normal range: adding 2^(emin - M + 23) rounds at the smallest step
    Value c = constLike(tf, std::ldexp(1.0, emin - static_cast<int>(s.mantissa) + 23));
    Value sum = arith::AddFOp::create(b, arith::BitcastOp::create(b, tf, abs), c);
    Value sub = arith::SubIOp::create(b, arith::BitcastOp::create(b, ti, sum), arith::BitcastOp::create(b, ti, c));
    Value small = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, abs, k(int64_t(emin + 127) << 23));
    mag = arith::SelectOp::create(b, small, sub, normal);
  } else {
    mag = arith::MaxSIOp::create(b, mag, k(0));
  }
  int64_t over = s.maxMag;
  if (!sat && s.inf)
    over = ((1 << s.exponent) - 1) << s.mantissa;
  else if (!sat && s.nan >= 0)
    over = s.nan;
  Value tooBig = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, mag, k(s.maxMag));
  mag = arith::SelectOp::create(b, tooBig, k(over), mag);
  Value out = mag;
  if (s.sign) {
    Value sign = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, k(31 - width)), k(1 << width));
    out = arith::OrIOp::create(b, mag, sign);
  }
  if (s.fnuz) {
    Value zero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, mag, k(0));
    out = arith::SelectOp::create(b, zero, k(0), out);
    if (!sat)
      out = arith::SelectOp::create(b, tooBig, k(0x80), out);
  }
  Value isNan = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, abs, k(0x7f800000));
  int64_t nan = s.fnuz ? 0x80 : s.nan >= 0 ? s.nan : 0;
  Value nanBits = k(nan);
  if (!s.fnuz && s.nan >= 0 && s.sign)
    nanBits = arith::OrIOp::create(
        b, nanBits, arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, k(31 - width)), k(1 << width)));
  out = arith::SelectOp::create(b, isNan, nanBits, out);
  return arith::TruncIOp::create(b, shapedLike(i8, tf), out);
}

//===-- floats
//-----------------------------------------------------------------------------------------------------===//

Value Arithmetic::widen(Value reg, Type from) {
  if (from.isF32() || from.isF64())
    return reg;
  if (Value v = hooks ? hooks->widen(b, reg, from) : Value())
    return v;
  if (from.isF16())
    return arith::ExtFOp::create(b, shapedLike(f32, reg.getType()), reg);
  if (from.isBF16()) {
    Type ti = shapedLike(i32, reg.getType());
    Value x = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, ti, reg), constLike(ti, int64_t(16)));
    return arith::BitcastOp::create(b, shapedLike(f32, reg.getType()), x);
  }
  return decodeSmall(reg, from);
}

/// f64 -> f32 with the last bit set when inexact, so that a second rounding to a shorter type is correct.
Value Arithmetic::toOdd(Value v) {
  Type tf = shapedLike(f32, v.getType()), ti = shapedLike(i32, v.getType());
  Value f = arith::TruncFOp::create(b, tf, v);
  Value back = arith::ExtFOp::create(b, v.getType(), f);
  Value inexact = arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, back, v);
  Value above =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, math::AbsFOp::create(b, back), math::AbsFOp::create(b, v));
  Value bits = arith::BitcastOp::create(b, ti, f);
  Value down = arith::SubIOp::create(b, bits, arith::ExtUIOp::create(b, ti, above));
  Value odd = arith::OrIOp::create(b, down, constLike(ti, int64_t(1)));
  return arith::BitcastOp::create(b, tf, arith::SelectOp::create(b, inexact, odd, bits));
}

/// Moves a value that was rounded to nearest to the neighbour that `round` asks for. `rounded` is a register of type
/// `to`.
Value Arithmetic::towards(Value exact, Value rounded, Type to, RoundMode round) {
  unsigned width = bitWidth(to);
  Type reg = rounded.getType(), bitsType = shapedLike(b.getIntegerType(std::max(8u, width)), reg);
  Value value = widen(rounded, to);
  if (value.getType() != exact.getType())
    value = arith::ExtFOp::create(b, exact.getType(), value);
  Value bits = reg == bitsType ? rounded : Value(arith::BitcastOp::create(b, bitsType, rounded));
  Value one = constLike(bitsType, int64_t(1));
  Value down = arith::SubIOp::create(b, bits, one), up = arith::AddIOp::create(b, bits, one);
  Value tooFar = round == RoundMode::rtz
                     ? arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, math::AbsFOp::create(b, value),
                                             math::AbsFOp::create(b, exact))
                     : arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, value, exact);
  Value moved = down;
  if (round == RoundMode::floor) {
    Value zeroF = constLike(exact.getType(), 0.0);
    Value negative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, exact, zeroF);
    // A negative value rounds to -0, whose bits + 1 are the smallest negative value.
    moved = arith::SelectOp::create(b, negative, up, down);
  }
  Value r = arith::SelectOp::create(b, tooFar, moved, bits);
  return reg == bitsType ? r : Value(arith::BitcastOp::create(b, reg, r));
}

/// The largest finite value of `to`, or its negative, as a register in the shape of `like`.
Value Arithmetic::limit(FloatType to, bool negative, Type like) {
  APFloat max = APFloat::getLargest(to.getFloatSemantics(), negative);
  Value scalar = constantOf(FloatAttr::get(to, max), to);
  auto vec = dyn_cast<VectorType>(like);
  return vec ? Value(vector::BroadcastOp::create(b, VectorType::get(vec.getShape(), scalar.getType()), scalar))
             : scalar;
}

/// f32 or f64 -> a register of float type `to`.
Value Arithmetic::narrow(Value v, Type to, RoundMode round, bool sat) {
  Type from = getElementTypeOrSelf(v.getType()), like = v.getType();
  if (from == to)
    return v;
  Value r;
  if (to.isF64()) {
    r = arith::ExtFOp::create(b, shapedLike(f64, like), v);
    return r;
  }
  if (to.isF32()) {
    r = arith::TruncFOp::create(b, shapedLike(f32, like), v);
  } else {
    Value s = from.isF64() ? toOdd(v) : v;
    bool saturates = sat || round != RoundMode::rne; // directed rounding corrects a finite value
    if (hooks)
      r = hooks->narrow(b, s, to, bitWidth(to) <= 8 && saturates);
    if (r) {
    } else if (to.isF16()) {
      r = arith::TruncFOp::create(b, shapedLike(to, like), s);
    } else if (to.isBF16()) {
      Type ti = shapedLike(i32, like);
      auto k = [&](int64_t x) { return constLike(ti, x); };
      Value bits = arith::BitcastOp::create(b, ti, s);
      Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, k(16)), k(1));
      Value sum = arith::AddIOp::create(b, arith::AddIOp::create(b, bits, k(0x7fff)), odd);
      Value isNan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, s, s);
      sum = arith::SelectOp::create(b, isNan, arith::OrIOp::create(b, bits, k(0x400000)), sum);
      r = arith::TruncIOp::create(b, shapedLike(i16, like), arith::ShRUIOp::create(b, sum, k(16)));
    } else {
      r = encodeSmall(s, to, saturates);
    }
  }
  if (round != RoundMode::rne) {
    Value exact = v;
    if (bitWidth(to) <= 8) { // never move past the largest value
      double last = APFloat::getLargest(cast<FloatType>(to).getFloatSemantics()).convertToDouble();
      for (double limit : {last, -last}) {
        auto beyond = limit > 0 ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
        Value edge = constLike(like, limit);
        exact = arith::SelectOp::create(b, arith::CmpFOp::create(b, beyond, exact, edge), edge, exact);
      }
    }
    r = towards(exact, r, to, round);
    if (!sat && bitWidth(to) <= 8) { // directed rounding overflows only beyond the last value in its direction
      double last = APFloat::getLargest(cast<FloatType>(to).getFloatSemantics()).convertToDouble();
      Value over = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, v, constLike(like, INFINITY));
      Value under = round == RoundMode::floor
                        ? arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, v, constLike(like, -last))
                        : arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, v, constLike(like, -INFINITY));
      Value outside = constLike(shapedLike(f32, like), INFINITY);
      Value low = constLike(shapedLike(f32, like), -INFINITY);
      r = arith::SelectOp::create(b, over, encodeSmall(outside, to, false), r);
      r = arith::SelectOp::create(b, under, encodeSmall(low, to, false), r);
    }
  }
  if (sat && bitWidth(to) > 8 && !to.isF64()) { // clamp to the largest finite value; NaN stays
    Value top = limit(cast<FloatType>(to), false, like), bottom = limit(cast<FloatType>(to), true, like);
    Value inf = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, math::AbsFOp::create(b, widen(r, to)),
                                      constLike(shapedLike(f32, like), INFINITY));
    Value negative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, v, constLike(like, 0.0));
    r = arith::SelectOp::create(b, inf, arith::SelectOp::create(b, negative, bottom, top), r);
  }
  return r;
}

/// x - trunc(x / y) * y, exactly (C's fmod): the quotient is taken off 50 bits at a time.
Value Arithmetic::remainderF(Value x, Value y) {
  bool single = getElementTypeOrSelf(x.getType()).isF32();
  Type t = shapedLike(f64, x.getType());
  Value xd = single ? Value(arith::ExtFOp::create(b, t, x)) : x,
        yd = single ? Value(arith::ExtFOp::create(b, t, y)) : y;
  Value ay = math::AbsFOp::create(b, yd), r = math::AbsFOp::create(b, xd);
  // A quotient that was rounded up leaves a negative rest, which the next step or the end brings back.
  auto step = [&](Value r) -> Value {
    Value q = math::TruncOp::create(b, arith::DivFOp::create(b, r, ay));
    Value next = math::FmaOp::create(b, arith::NegFOp::create(b, q), ay, r);
    Value done = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, math::AbsFOp::create(b, r), ay);
    return arith::SelectOp::create(b, done, r, next);
  };
  scf::ForOp steps = turns(single ? 7 : 44, ValueRange{r});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(steps.getBody());
    scf::YieldOp::create(b, ValueRange{step(steps.getRegionIterArg(0))});
  }
  r = steps.getResult(0);
  Value negative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, r, constLike(t, 0.0));
  r = arith::SelectOp::create(b, negative, arith::AddFOp::create(b, r, ay), r);
  r = math::CopySignOp::create(b, r, xd);
  Value zeroDivisor = arith::CmpFOp::create(b, arith::CmpFPredicate::UEQ, ay, constLike(t, 0.0));
  Value infinite =
      arith::CmpFOp::create(b, arith::CmpFPredicate::UEQ, math::AbsFOp::create(b, xd), constLike(t, INFINITY));
  Value bad = arith::OrIOp::create(b, zeroDivisor, infinite);
  r = arith::SelectOp::create(b, bad, constLike(t, double(NAN)), r);
  Value bigDivisor = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, ay, constLike(t, INFINITY));
  Value keep = arith::AndIOp::create(
      b, bigDivisor,
      arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, math::AbsFOp::create(b, xd), constLike(t, INFINITY)));
  r = arith::SelectOp::create(b, keep, xd, r);
  return single ? Value(arith::TruncFOp::create(b, x.getType(), r)) : r;
}

scf::ForOp Arithmetic::turns(int64_t trips, ValueRange init) {
  Value zero = arith::ConstantIndexOp::create(b, 0), one = arith::ConstantIndexOp::create(b, 1);
  Value end = arith::ConstantIndexOp::create(b, trips);
  return scf::ForOp::create(b, zero, end, one, init, [](OpBuilder &, Location, Value, ValueRange) {});
}

//===-- integers
//---------------------------------------------------------------------------------------------------===//

/// Rounds f (f32 or f64) and converts it to integer type `to` (a register).
Value Arithmetic::floatToInt(Value f, Type to, bool isUnsigned, bool sat, RoundMode round) {
  Type tf = f.getType();
  unsigned n = bitWidth(to);
  Value r = round == RoundMode::rne     ? Value(math::RoundEvenOp::create(b, f))
            : round == RoundMode::floor ? Value(math::FloorOp::create(b, f))
                                        : Value(math::TruncOp::create(b, f));
  Value zero = constLike(tf, 0.0);
  Type wide = shapedLike(n < 32 ? i32 : i64, tf);
  auto cmp = [&](arith::CmpFPredicate p, Value a, Value c) { return arith::CmpFOp::create(b, p, a, c); };
  Type reg = shapedLike(regType(to), tf);
  auto fit = [&](Value v) -> Value {
    Value t = v.getType() == reg ? v : Value(arith::TruncIOp::create(b, reg, v));
    return isSubByte(to) ? Value(arith::AndIOp::create(b, t, constLike(reg, (int64_t(1) << n) - 1))) : t;
  };
  if (sat) {
    double lo = isUnsigned ? 0 : -std::ldexp(1.0, n - 1), top = std::ldexp(1.0, isUnsigned ? n : n - 1);
    Value over = cmp(arith::CmpFPredicate::OGE, r, constLike(tf, top));
    Value under = cmp(arith::CmpFPredicate::ULT, r, constLike(tf, lo)); // also NaN, fixed below
    Value safe = arith::SelectOp::create(b, arith::OrIOp::create(b, over, under), zero, r);
    Value v;
    if (isUnsigned && n == 64) {
      Value half = constLike(tf, std::ldexp(1.0, 63));
      Value high = cmp(arith::CmpFPredicate::OGE, safe, half);
      Value low = arith::SelectOp::create(b, high, arith::SubFOp::create(b, safe, half), safe);
      v = arith::FPToSIOp::create(b, wide, low);
      Value bit = arith::SelectOp::create(b, high, constLike(wide, INT64_MIN), constLike(wide, int64_t(0)));
      v = arith::OrIOp::create(b, v, bit);
    } else {
      v = arith::FPToSIOp::create(b, wide, safe);
    }
    v = fit(v);
    int64_t minI = isUnsigned ? 0 : static_cast<int64_t>(-(uint64_t(1) << (n - 1)));
    int64_t maxI =
        isUnsigned ? (n == 64 ? -1 : (int64_t(1) << n) - 1) : static_cast<int64_t>((uint64_t(1) << (n - 1)) - 1);
    if (isSubByte(to))
      minI &= (1 << n) - 1;
    v = arith::SelectOp::create(b, over, constLike(reg, maxI), v);
    v = arith::SelectOp::create(b, cmp(arith::CmpFPredicate::OLT, r, constLike(tf, lo)), constLike(reg, minI), v);
    return v;
  }
  // Modulo 2^n: multiples of 2^n come off exactly.
  Value finite = cmp(arith::CmpFPredicate::OLT, math::AbsFOp::create(b, r), constLike(tf, INFINITY));
  r = arith::SelectOp::create(b, finite, r, zero);
  Value whole = constLike(tf, std::ldexp(1.0, n)), half = constLike(tf, std::ldexp(1.0, n - 1));
  Value q = math::TruncOp::create(b, arith::MulFOp::create(b, r, constLike(tf, std::ldexp(1.0, -static_cast<int>(n)))));
  r = math::FmaOp::create(b, arith::NegFOp::create(b, q), whole, r);
  r = arith::SelectOp::create(b, cmp(arith::CmpFPredicate::OGE, r, half), arith::SubFOp::create(b, r, whole), r);
  Value below = cmp(arith::CmpFPredicate::OLT, r, arith::NegFOp::create(b, half));
  r = arith::SelectOp::create(b, below, arith::AddFOp::create(b, r, whole), r);
  return fit(arith::FPToSIOp::create(b, wide, r));
}

Value Arithmetic::castValue(Value v, Type from, Type to, CastHow how) {
  Type like = v.getType(), reg = shapedLike(regType(to), like);
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(to);
  if (fromFloat) {
    Value f = widen(v, from);
    if (toFloat) {
      // A type that holds every value of the source, infinities included, has nothing to saturate.
      auto &x = cast<FloatType>(from).getFloatSemantics(), &y = cast<FloatType>(to).getFloatSemantics();
      bool widens = bitWidth(to) > 8 && APFloat::semanticsPrecision(x) <= APFloat::semanticsPrecision(y) &&
                    APFloat::semanticsMaxExponent(x) <= APFloat::semanticsMaxExponent(y);
      bool sat = how.sat && !widens;
      return from == to && !sat ? v : narrow(f, to, how.round, sat);
    }
    if (to.isInteger(1))
      return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, f, constLike(f.getType(), 0.0));
    return floatToInt(f, to.isIndex() ? i64 : to, how.unsignedDst, how.sat, how.round);
  }
  // Sub-byte integers are kept without a sign.
  bool isUnsigned = how.unsignedSrc || from.isInteger(1);
  unsigned fromBits = bitWidth(from), toBits = bitWidth(to);
  if (isSubByte(from) && !isUnsigned) {
    Value s = constLike(like, int64_t(8 - fromBits));
    v = arith::ShRSIOp::create(b, arith::ShLIOp::create(b, v, s), s);
  }
  if (to.isInteger(1))
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, v, constLike(like, int64_t(0)));
  if (from.isIndex()) {
    v = arith::IndexCastOp::create(b, shapedLike(i64, like), v);
    from = i64;
  }
  if (toFloat) {
    bool viaDouble = to.isF64() || (bitWidth(to) < 32 && fromBits >= 32);
    Type t = shapedLike(viaDouble ? f64 : f32, like);
    Value f = isUnsigned ? Value(arith::UIToFPOp::create(b, t, v)) : Value(arith::SIToFPOp::create(b, t, v));
    return narrow(f, to, how.round, how.sat);
  }
  unsigned vBits = bitWidth(getElementTypeOrSelf(v.getType()));
  if (how.sat) { // clamp in 64 bits unless both sides are unsigned 64-bit
    Type w = shapedLike(i64, like);
    Value x = v;
    if (vBits < 64)
      x = isUnsigned ? Value(arith::ExtUIOp::create(b, w, v)) : Value(arith::ExtSIOp::create(b, w, v));
    bool fromU64 = isUnsigned && fromBits == 64, toU64 = how.unsignedDst && toBits == 64;
    if (!(fromU64 && toU64)) {
      int64_t lo = how.unsignedDst ? 0 : toBits == 64 ? INT64_MIN : -(int64_t(1) << (toBits - 1));
      int64_t hi =
          toBits == 64 ? INT64_MAX : (how.unsignedDst ? (int64_t(1) << toBits) - 1 : (int64_t(1) << (toBits - 1)) - 1);
      if (fromU64) {
        x = arith::MinUIOp::create(b, x, constLike(w, hi));
      } else {
        x = arith::MaxSIOp::create(b, x, constLike(w, lo));
        if (!toU64)
          x = arith::MinSIOp::create(b, x, constLike(w, hi));
      }
    }
    v = x;
    vBits = 64;
  }
  unsigned regBits = bitWidth(regType(to));
  Type target = shapedLike(to.isIndex() ? i64 : regType(to), like);
  if (regBits > vBits)
    v = isUnsigned ? Value(arith::ExtUIOp::create(b, target, v)) : Value(arith::ExtSIOp::create(b, target, v));
  else if (regBits < vBits)
    v = arith::TruncIOp::create(b, target, v);
  if (isSubByte(to))
    v = arith::AndIOp::create(b, v, constLike(target, (int64_t(1) << toBits) - 1));
  return to.isIndex() ? Value(arith::IndexCastOp::create(b, reg, v)) : v;
}

} // namespace adze::scalar
