#include "compiler/kernels/Scalar.h"
#include "compiler/kernels/RegionEval.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using mlir::arith::CmpFPredicate;
using mlir::arith::CmpIPredicate;

namespace adze::kernels {
using namespace graph;

static Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
static ArrayRef<int64_t> shapeOf(Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }

Type computeType(Type element) {
  if (isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32)
    return Float32Type::get(element.getContext());
  return tileType(element);
}

Value toStorage(KernelText &k, Value tile, Type graphElement) { return k.convert(tile, tileType(graphElement)); }
Value fromStorage(KernelText &k, Value tile, Type graphElement) { return k.convert(tile, computeType(graphElement)); }

static TypedAttr extremeValue(Type element, bool highest) {
  if (auto type = dyn_cast<FloatType>(element)) {
    const llvm::fltSemantics &semantics = type.getFloatSemantics();
    bool infinite = llvm::APFloatBase::semanticsHasInf(semantics);
    return FloatAttr::get(type,
                          infinite ? APFloat::getInf(semantics, !highest) : APFloat::getLargest(semantics, !highest));
  }
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isUnsignedType = isUnsigned(element) || bits == 1;
  APInt value = isUnsignedType ? (highest ? APInt::getMaxValue(bits) : APInt::getMinValue(bits))
                               : (highest ? APInt::getSignedMaxValue(bits) : APInt::getSignedMinValue(bits));
  return IntegerAttr::get(tileType(element), value);
}
TypedAttr lowestValue(Type element) { return extremeValue(element, false); }
TypedAttr highestValue(Type element) { return extremeValue(element, true); }

//===-- shorthand

ScalarBuilder::ScalarBuilder(KernelText &k, Value like) : k(k), shape(shapeOf(like)) {}

Value ScalarBuilder::f(double value, Type element) { return k.splat(shape, FloatAttr::get(element, value)); }
Value ScalarBuilder::i(int64_t value, Type element) {
  unsigned bits = element.getIntOrFloatBitWidth();
  return k.splat(shape, IntegerAttr::get(element, APInt(64, value, true).sextOrTrunc(bits)));
}
Value ScalarBuilder::addf(Value a, Value b) { return binary<arith::AddFOp>(a, b); }
Value ScalarBuilder::subf(Value a, Value b) { return binary<arith::SubFOp>(a, b); }
Value ScalarBuilder::mulf(Value a, Value b) { return binary<arith::MulFOp>(a, b); }
Value ScalarBuilder::divf(Value a, Value b) { return binary<arith::DivFOp>(a, b); }
Value ScalarBuilder::addi(Value a, Value b) { return binary<arith::AddIOp>(a, b); }
Value ScalarBuilder::subi(Value a, Value b) { return binary<arith::SubIOp>(a, b); }
Value ScalarBuilder::muli(Value a, Value b) { return binary<arith::MulIOp>(a, b); }
Value ScalarBuilder::select(Value c, Value a, Value b) { return arith::SelectOp::create(k.b, k.loc, c, a, b); }
Value ScalarBuilder::cmpf(CmpFPredicate p, Value a, Value b) { return arith::CmpFOp::create(k.b, k.loc, p, a, b); }
Value ScalarBuilder::cmpi(CmpIPredicate p, Value a, Value b) { return arith::CmpIOp::create(k.b, k.loc, p, a, b); }

namespace {
/// Emission of one op: `type` is the compute type of the first operand, `isU` its signedness.
class Emitter {
public:
  Emitter(KernelText &k, Operation *op, ArrayRef<Value> in, const KernelOptions &options)
      : s(k, in[0]), k(k), op(op), in(in), options(options), source(elementOf(op->getOperand(0))),
        type(elementOf(in[0])), isU(isUnsigned(source) || source.isInteger(1)), isF(isa<FloatType>(type)) {}
  Value emit();

private:
  Value unary();
  Value floatUnary();
  Value binary();
  Value integerDivision();
  Value mod();
  Value power();
  Value integerPower(Value base, Value exponent, bool exponentUnsigned);
  Value shift();
  Value compare();
  Value castTo(Type target, bool saturate, tile::RoundMode round);
  Value castToInteger(Type target, bool saturate, tile::RoundMode round);
  Value bitcast();
  /// Exact on small integers, so that targets can be compared bit by bit: a clamp stands in for any curve.
  Value standIn(Value x) { return s.binary<arith::MaximumFOp>(s.binary<arith::MinimumFOp>(x, f(4)), f(-4)); }
  Value f(double value) { return s.f(value, type); }
  Value i(int64_t value) { return s.i(value, type); }
  Value sigmoid(Value x) {
    if (options.integerData)
      return standIn(x);
    return s.divf(f(1), s.addf(f(1), s.unary<math::ExpOp>(s.unary<arith::NegFOp>(x))));
  }
  Value gelu(bool tanh);

  ScalarBuilder s;
  KernelText &k;
  Operation *op;
  ArrayRef<Value> in;
  const KernelOptions &options;
  Type source, type;
  bool isU, isF;
};
} // namespace

//===-- unary

Value Emitter::gelu(bool tanh) {
  Value x = in[0], half = s.mulf(x, f(0.5));
  if (options.integerData)
    return standIn(x);
  if (!tanh)
    return s.mulf(half, s.addf(f(1), s.unary<math::ErfOp>(s.mulf(x, f(0.70710678118654752440)))));
  Value cubic = s.mulf(s.mulf(s.mulf(x, x), x), f(0.044715));
  return s.mulf(half, s.addf(f(1), s.unary<math::TanhOp>(s.mulf(s.addf(x, cubic), f(0.79788456080286535588)))));
}

Value Emitter::floatUnary() {
  Value x = in[0];
  using V = Value;
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<ExpOp>([&](auto) -> V { return s.unary<math::ExpOp>(x); })
      .Case<LogOp>([&](auto) -> V { return s.unary<math::LogOp>(x); })
      .Case<SqrtOp>([&](auto) -> V { return s.unary<math::SqrtOp>(x); })
      .Case<RsqrtOp>([&](auto) -> V { return s.unary<math::RsqrtOp>(x); })
      .Case<ReciprocalOp>([&](auto) -> V { return s.divf(f(1), x); })
      .Case<SinOp>([&](auto) -> V { return s.unary<math::SinOp>(x); })
      .Case<CosOp>([&](auto) -> V { return s.unary<math::CosOp>(x); })
      .Case<TanOp>([&](auto) -> V { return s.unary<math::TanOp>(x); })
      .Case<AsinOp>([&](auto) -> V { return s.unary<math::AsinOp>(x); })
      .Case<AcosOp>([&](auto) -> V { return s.unary<math::AcosOp>(x); })
      .Case<AtanOp>([&](auto) -> V { return s.unary<math::AtanOp>(x); })
      .Case<SinhOp>([&](auto) -> V { return s.unary<math::SinhOp>(x); })
      .Case<CoshOp>([&](auto) -> V { return s.unary<math::CoshOp>(x); })
      .Case<TanhOp>([&](auto) -> V { return s.unary<math::TanhOp>(x); })
      .Case<AsinhOp>([&](auto) -> V { return s.unary<math::AsinhOp>(x); })
      .Case<AcoshOp>([&](auto) -> V { return s.unary<math::AcoshOp>(x); })
      .Case<AtanhOp>([&](auto) -> V { return s.unary<math::AtanhOp>(x); })
      .Case<ErfOp>([&](auto) -> V { return s.unary<math::ErfOp>(x); })
      .Default([](Operation *) -> V { return {}; });
}

Value Emitter::unary() {
  Value x = in[0];
  using V = Value;
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<NegOp>([&](auto) -> V { return isF ? s.unary<arith::NegFOp>(x) : s.subi(i(0), x); })
      .Case<AbsOp>([&](auto) -> V {
        if (isF)
          return s.unary<math::AbsFOp>(x);
        return isU ? x : s.select(s.cmpi(CmpIPredicate::slt, x, i(0)), s.subi(i(0), x), x);
      })
      .Case<SignOp>([&](auto) -> V {
        if (isF) { // NaN falls through both comparisons and stays
          Value zero = s.select(s.cmpf(CmpFPredicate::OEQ, x, f(0)), f(0), x);
          Value low = s.select(s.cmpf(CmpFPredicate::OLT, x, f(0)), f(-1), zero);
          return s.select(s.cmpf(CmpFPredicate::OGT, x, f(0)), f(1), low);
        }
        if (isU)
          return s.select(s.cmpi(CmpIPredicate::ne, x, i(0)), i(1), i(0));
        Value low = s.select(s.cmpi(CmpIPredicate::slt, x, i(0)), i(-1), i(0));
        return s.select(s.cmpi(CmpIPredicate::sgt, x, i(0)), i(1), low);
      })
      .Case<FloorOp>([&](auto) -> V { return s.unary<math::FloorOp>(x); })
      .Case<CeilOp>([&](auto) -> V { return s.unary<math::CeilOp>(x); })
      .Case<RoundOp>([&](auto) -> V { return s.unary<math::RoundEvenOp>(x); })
      .Case<NotOp>([&](auto) -> V { return s.binary<arith::XOrIOp>(x, i(-1)); })
      .Case<SigmoidOp>([&](auto) -> V { return sigmoid(x); })
      .Case<SiluOp>([&](auto) -> V { return options.integerData ? standIn(x) : s.mulf(x, sigmoid(x)); })
      .Case<HardSwishOp>([&](auto) -> V {
        if (options.integerData)
          return standIn(x);
        Value line = s.addf(s.mulf(x, f(1.0 / 6)), f(0.5));
        return s.mulf(x, s.binary<arith::MaximumFOp>(f(0), s.binary<arith::MinimumFOp>(f(1), line)));
      })
      .Case<GeluOp>([&](GeluOp g) -> V { return gelu(g.getTanh()); })
      .Case<IsNanOp>([&](auto) -> V { return s.cmpf(CmpFPredicate::UNO, x, x); })
      .Case<IsInfOp>([&](IsInfOp inf) -> V {
        auto equals = [&](double sign) {
          return s.cmpf(CmpFPredicate::OEQ, x, f(sign * std::numeric_limits<double>::infinity()));
        };
        if (inf.getPositive() && inf.getNegative())
          return s.binary<arith::OrIOp>(equals(1), equals(-1));
        if (inf.getPositive() || inf.getNegative())
          return equals(inf.getPositive() ? 1 : -1);
        return k.zeros(s.shape, k.b.getI1Type());
      })
      .Default([&](Operation *) -> V { return options.integerData ? standIn(x) : floatUnary(); });
}

//===-- binary

Value Emitter::integerDivision() {
  Value a = in[0], b = in[1], zero = s.cmpi(CmpIPredicate::eq, b, i(0));
  bool quotient = isa<DivOp>(op);
  if (isU) {
    Value safe = s.select(zero, i(1), b);
    return s.select(zero, i(0), quotient ? s.binary<arith::DivUIOp>(a, safe) : s.binary<arith::RemUIOp>(a, safe));
  }
  // -1 is handled apart: INT_MIN / -1 traps on some machines.
  Value minus = s.cmpi(CmpIPredicate::eq, b, i(-1));
  Value safe = s.select(s.binary<arith::OrIOp>(zero, minus), i(1), b);
  if (quotient)
    return s.select(zero, i(0), s.select(minus, s.subi(i(0), a), s.binary<arith::DivSIOp>(a, safe)));
  Value r = s.binary<arith::RemSIOp>(a, safe); // 0 for divisors 1, -1 and 0
  if (isa<RemOp>(op))
    return r;
  Value differs = s.cmpi(CmpIPredicate::slt, s.binary<arith::XOrIOp>(r, b), i(0));
  Value adjust = s.binary<arith::AndIOp>(s.cmpi(CmpIPredicate::ne, r, i(0)), differs);
  return s.select(adjust, s.addi(r, b), r);
}

Value Emitter::mod() {
  Value a = in[0], b = in[1];
  Value r = s.binary<arith::RemFOp>(a, b);
  if (isa<RemOp>(op))
    return r;
  Value negativeR = s.cmpf(CmpFPredicate::OLT, r, f(0)), negativeB = s.cmpf(CmpFPredicate::OLT, b, f(0));
  Value adjust =
      s.binary<arith::AndIOp>(s.cmpf(CmpFPredicate::ONE, r, f(0)), s.binary<arith::XOrIOp>(negativeR, negativeB));
  return s.select(adjust, s.addf(r, b), r);
}

/// Square and multiply; wraps. A negative exponent gives 1/base truncated: 1 for 1, +-1 for -1, otherwise 0.
Value Emitter::integerPower(Value base, Value exponent, bool exponentUnsigned) {
  auto step = [&](Value, ValueRange carried) -> SmallVector<Value> {
    Value result = carried[0], b = carried[1], e = carried[2];
    Value odd = s.cmpi(CmpIPredicate::ne, s.binary<arith::AndIOp>(e, i(1)), i(0));
    return {s.select(odd, s.muli(result, b), result), s.muli(b, b), s.binary<arith::ShRUIOp>(e, i(1))};
  };
  Value result = k.loop("pow", tile::LoopKind::serial, k.index(0), k.index(type.getIntOrFloatBitWidth()), 1,
                        {i(1), base, exponent}, step)[0];
  if (exponentUnsigned)
    return result;
  Value unit = s.select(s.cmpi(CmpIPredicate::eq, base, i(1)), i(1), i(0));
  if (!isU) {
    Value odd = s.cmpi(CmpIPredicate::ne, s.binary<arith::AndIOp>(exponent, i(1)), i(0));
    unit = s.select(s.cmpi(CmpIPredicate::eq, base, i(-1)), s.select(odd, i(-1), i(1)), unit);
  }
  return s.select(s.cmpi(CmpIPredicate::slt, exponent, i(0)), unit, result);
}

Value Emitter::power() {
  Value a = in[0], b = in[1];
  Type other = elementOf(op->getOperand(1));
  bool otherF = isa<FloatType>(other), otherU = isUnsigned(other);
  if (!isF && !otherF) {
    unsigned from = elementOf(b).getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
    Type target = k.tensor(s.shape, type);
    if (from < to)
      b = otherU ? Value(arith::ExtUIOp::create(k.b, k.loc, target, b))
                 : Value(arith::ExtSIOp::create(k.b, k.loc, target, b));
    else if (from > to)
      b = arith::TruncIOp::create(k.b, k.loc, target, b);
    return integerPower(a, b, otherU);
  }
  if (!isF) { // integer to a real power, in f64
    Type f64 = k.b.getF64Type();
    auto wide = tile::CastOp::create(k.b, k.loc, k.tensor(s.shape, f64), a, tile::RoundMode::rne, false, false, false,
                                     StringAttr());
    if (isU)
      wide.setUnsignedSrc(true);
    Value r = s.binary<math::PowFOp>(wide, k.convert(b, f64));
    auto back = tile::CastOp::create(k.b, k.loc, k.tensor(s.shape, type), r, tile::RoundMode::rne, false, false, false,
                                     StringAttr());
    back.setRound(tile::RoundMode::rtz);
    back.setUnsignedDst(isU);
    return back;
  }
  if (elementOf(b) != type) {
    auto same = tile::CastOp::create(k.b, k.loc, k.tensor(s.shape, type), b, tile::RoundMode::rne, false, false, false,
                                     StringAttr());
    same.setUnsignedSrc(!otherF && otherU);
    b = same;
  }
  if (auto c = b.getDefiningOp<arith::ConstantOp>())
    if (auto dense = dyn_cast<DenseFPElementsAttr>(c.getValue()); dense && dense.isSplat()) {
      double e = dense.getSplatValue<APFloat>().convertToDouble();
      if (e == 1)
        return a;
      if (e == 2)
        return s.mulf(a, a);
      if (e == 3)
        return s.mulf(s.mulf(a, a), a);
    }
  return options.integerData ? standIn(a) : s.binary<math::PowFOp>(a, b);
}

Value Emitter::shift() {
  Value a = in[0], b = in[1];
  int64_t width = type.getIntOrFloatBitWidth();
  Value inside = s.cmpi(CmpIPredicate::ult, b, i(width));
  Value amount = s.select(inside, b, i(0));
  if (isa<ShlOp>(op))
    return s.select(inside, s.binary<arith::ShLIOp>(a, amount), i(0));
  if (isU)
    return s.select(inside, s.binary<arith::ShRUIOp>(a, amount), i(0));
  return s.binary<arith::ShRSIOp>(a, s.select(inside, b, i(width - 1)));
}

Value Emitter::compare() {
  static constexpr CmpFPredicate kFloat[] = {CmpFPredicate::OEQ, CmpFPredicate::UNE, CmpFPredicate::OLT,
                                             CmpFPredicate::OLE, CmpFPredicate::OGT, CmpFPredicate::OGE};
  static constexpr CmpIPredicate kSigned[] = {CmpIPredicate::eq,  CmpIPredicate::ne,  CmpIPredicate::slt,
                                              CmpIPredicate::sle, CmpIPredicate::sgt, CmpIPredicate::sge};
  static constexpr CmpIPredicate kUnsigned[] = {CmpIPredicate::eq,  CmpIPredicate::ne,  CmpIPredicate::ult,
                                                CmpIPredicate::ule, CmpIPredicate::ugt, CmpIPredicate::uge};
  unsigned kind = unsigned(cast<CmpOp>(op).getKind());
  if (isF)
    return s.cmpf(kFloat[kind], in[0], in[1]);
  return s.cmpi(isU ? kUnsigned[kind] : kSigned[kind], in[0], in[1]);
}

Value Emitter::binary() {
  Value a = in[0], b = in[1];
  bool isB = type.isInteger(1);
  using V = Value;
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<AddOp>([&](auto) -> V { return isF   ? s.addf(a, b)
                                           : isB ? s.binary<arith::OrIOp>(a, b)
                                                 : s.addi(a, b); })
      .Case<SubOp>([&](auto) -> V { return isF ? s.subf(a, b) : s.subi(a, b); })
      .Case<MulOp>([&](auto) -> V { return isF   ? s.mulf(a, b)
                                           : isB ? s.binary<arith::AndIOp>(a, b)
                                                 : s.muli(a, b); })
      .Case<DivOp>([&](auto) -> V {
        if (isF)
          return options.integerData ? s.subf(a, b) : s.divf(a, b);
        return integerDivision();
      })
      .Case<RemOp, ModOp>([&](auto) -> V { return isF ? mod() : integerDivision(); })
      .Case<PowOp>([&](auto) -> V { return power(); })
      .Case<MaxOp>([&](auto) -> V {
        return isF   ? s.binary<arith::MaximumFOp>(a, b)
               : isU ? s.binary<arith::MaxUIOp>(a, b)
                     : s.binary<arith::MaxSIOp>(a, b);
      })
      .Case<MinOp>([&](auto) -> V {
        return isF   ? s.binary<arith::MinimumFOp>(a, b)
               : isU ? s.binary<arith::MinUIOp>(a, b)
                     : s.binary<arith::MinSIOp>(a, b);
      })
      .Case<AndOp>([&](auto) -> V { return s.binary<arith::AndIOp>(a, b); })
      .Case<OrOp>([&](auto) -> V { return s.binary<arith::OrIOp>(a, b); })
      .Case<XorOp>([&](auto) -> V { return s.binary<arith::XOrIOp>(a, b); })
      .Case<ShlOp, ShrOp>([&](auto) -> V { return shift(); })
      .Case<CmpOp>([&](auto) -> V { return compare(); })
      .Default([](Operation *) -> V { return {}; });
}

//===-- conversions

Value Emitter::castToInteger(Type target, bool saturate, tile::RoundMode round) {
  Type to = tileType(target);
  unsigned from = type.getIntOrFloatBitWidth(), width = to.getIntOrFloatBitWidth();
  if (!isF && !saturate) {
    if (from == width)
      return in[0];
    Type tensor = k.tensor(s.shape, to);
    if (from > width)
      return arith::TruncIOp::create(k.b, k.loc, tensor, in[0]);
    return isU ? Value(arith::ExtUIOp::create(k.b, k.loc, tensor, in[0]))
               : Value(arith::ExtSIOp::create(k.b, k.loc, tensor, in[0]));
  }
  auto cast = tile::CastOp::create(k.b, k.loc, k.tensor(s.shape, to), in[0], tile::RoundMode::rne, false, false, false,
                                   StringAttr());
  cast.setRound(round);
  cast.setSat(saturate);
  cast.setUnsignedSrc(!isF && isU);
  cast.setUnsignedDst(isUnsigned(target));
  return cast;
}

Value Emitter::castTo(Type target, bool saturate, tile::RoundMode round) {
  if (target.isInteger(1))
    return isF ? s.cmpf(CmpFPredicate::UNE, in[0], f(0)) : s.cmpi(CmpIPredicate::ne, in[0], i(0));
  if (isa<IntegerType>(target))
    return castToInteger(target, saturate, round);
  // To a float in one rounding: straight to the stored type, then up to the compute type.
  if (!isF && type.isInteger(1))
    return s.select(in[0], s.f(1, computeType(target)), s.f(0, computeType(target)));
  if (type == target)
    return in[0];
  auto cast = tile::CastOp::create(k.b, k.loc, k.tensor(s.shape, target), in[0], tile::RoundMode::rne, false, false,
                                   false, StringAttr());
  cast.setUnsignedSrc(!isF && isU);
  // Types below 8 bits cannot show an overflow.
  cast.setSat(target.getIntOrFloatBitWidth() < 8 || (saturate && target.getIntOrFloatBitWidth() == 8));
  if (isF && target.getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    cast.setRound(round);
  return k.convert(cast, computeType(target));
}

Value Emitter::bitcast() {
  Type target = elementOf(op->getResult(0));
  Value stored = toStorage(k, in[0], source);
  if (tileType(target) != elementOf(stored))
    stored = tile::BitcastOp::create(k.b, k.loc, k.tensor(s.shape, tileType(target)), stored);
  return fromStorage(k, stored, target);
}

Value Emitter::emit() {
  if (auto cast = dyn_cast<graph::CastOp>(op))
    return castTo(elementOf(cast.getY()), cast.getSaturate(),
                  cast.getRound() == CastRound::rne || (isF && isa<FloatType>(elementOf(cast.getY())))
                      ? tile::RoundMode::rne
                      : tile::RoundMode::rtz);
  if (isa<graph::BitcastOp>(op))
    return bitcast();
  if (isa<graph::SelectOp>(op))
    return s.select(in[0], in[1], in[2]);
  return in.size() == 1 ? unary() : binary();
}

Value emitScalar(KernelText &k, Operation *op, ArrayRef<Value> operands, const KernelOptions &options) {
  return Emitter(k, op, operands, options).emit();
}

} // namespace adze::kernels
