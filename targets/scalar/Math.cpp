// Elementary functions as vector code, without a math library; test/unit/{cpu,cuda}/MathTest.cpp hold them to their
// bounds.
//
// float32: exp, exp2, log within 2 ulp, tanh and erf within 4, own polynomials (near-minimax fits on the interval that
// the comment gives). Everything else in float32 is computed in float64 and rounded once. float64: Taylor series after
// an argument reduction, a few ulp. Trigonometric arguments are reduced by a three-part pi/2, good to |x| < 2^50.
#include "targets/scalar/MathBuilder.h"

namespace adze::scalar {
using namespace elementary;

namespace {
constexpr double kInf = INFINITY;
constexpr double kLn2 = 0.693147180559945309417;
constexpr double kLog2e = 1.44269504088896340736;
constexpr double kLn2Hi = 0x1.62e42fee00000p-1, kLn2Lo = 0x1.a39ef35793c76p-33; // 32 bits, rest
constexpr double kPi2Hi = 0x1.921fb54442d18p+0, kPi2Mid = 0x1.1a62633145c07p-54, kPi2Lo = -0x1.f1976b7ed8fbcp-110;
constexpr double kTwoOverPi = 0.636619772367581343076;

/// p * 2^n in two steps, so that subnormal results and the largest powers are right. |n| < 2 * (bias).
F scale(F p, Value n) {
  bool d = p.isDouble();
  int64_t mantissa = d ? 52 : 23, bias = d ? 1023 : 127;
  Value half = arith::ShRSIOp::create(*p.b, n, icst(p, 1));
  Value rest = arith::SubIOp::create(*p.b, n, half);
  auto power = [&](Value k) {
    Value e = arith::ShLIOp::create(*p.b, arith::AddIOp::create(*p.b, k, icst(p, bias)), icst(p, mantissa));
    return fromBits(p, e);
  };
  return p * power(half) * power(rest);
}

std::vector<double> inverseFactorials(unsigned from, unsigned to, unsigned step, bool alternate) {
  std::vector<double> c;
  double f = 1;
  for (unsigned i = 2; i <= from; ++i)
    f *= i;
  double sign = 1;
  for (unsigned k = from; k <= to; k += step) {
    c.push_back(sign / f);
    for (unsigned i = k + 1; i <= k + step; ++i)
      f *= i;
    if (alternate)
      sign = -sign;
  }
  return c;
}

/// e^(x + low), |low| tiny.
F expD(F x, std::optional<F> low = {}) {
  F c = max(min(x, x.c(710)), x.c(-746));
  F n = round(c * kLog2e);
  F r = fma(-n, n.c(kLn2Hi), c);
  F tail = -n * kLn2Lo;
  if (low)
    tail = tail + *low;
  r = r + tail;
  return select(isNan(x), x, scale(horner(r, inverseFactorials(0, 13, 1, false)), toInt(n)));
}

F exp32(F x) { // fit of e^r on |r| <= ln2 / 2
  F c = max(min(x, x.c(89.0)), x.c(-104.0));
  F n = round(c * kLog2e);
  F r = fma(n, n.c(-0.693359375), c);
  r = fma(n, n.c(2.12194440054690571e-4), r);
  F p = horner(r, {1.0, 1.0000000363270882, 0.49999992078608341, 0.16666420152089398, 0.041668225758800088,
                   0.0083748173083199422, 0.0013836839933272791});
  return select(isNan(x), x, scale(p, toInt(n)));
}

F exp2_32(F x) { // fit of 2^r on |r| <= 1/2
  F c = max(min(x, x.c(129.0)), x.c(-151.0));
  F n = round(c);
  F p = horner(c - n, {1.0, 0.69314720573720379, 0.24022646890481203, 0.055503287770678957, 0.0096184889736056524,
                       0.001339993118634793, 0.00015345807569717369});
  return select(isNan(x), x, scale(p, toInt(n)));
}

F exp2D(F x) {
  F c = max(min(x, x.c(1025)), x.c(-1076));
  F n = round(c);
  F f = c - n;
  F r = f * kLn2;
  return select(isNan(x), x, scale(horner(r, inverseFactorials(0, 13, 1, false)), toInt(n)));
}

/// x = m * 2^e with m in [sqrt(1/2), sqrt(2)); subnormals are scaled up first.
F splitExponent(F x, F &exponent) {
  bool d = x.isDouble();
  int64_t mantissa = d ? 52 : 23;
  Value tiny = less(x, d ? 0x1p-1022 : 0x1p-126);
  F s = select(tiny, x * (d ? 0x1p54 : 0x1p24), x);
  Value i = bits(s), root = icst(x, d ? 0x3fe6a09e667f3bcdLL : 0x3f3504f3);
  Value e = arith::ShRSIOp::create(*x.b, arith::SubIOp::create(*x.b, i, root), icst(x, mantissa));
  F m = fromBits(x, arith::SubIOp::create(*x.b, i, arith::ShLIOp::create(*x.b, e, icst(x, mantissa))));
  exponent = fromInt(x, e);
  exponent = select(tiny, exponent - (d ? 54 : 24), exponent);
  return m;
}

F logSpecial(F x, F r) {
  r = select(equal(x, kInf), x, r);
  r = select(less(x, 0.0), x.c(NAN), r);
  r = select(equal(x, 0.0), x.c(-kInf), r);
  return select(isNan(x), x, r);
}

/// (log(1 + f) - f + f^2/2) / f^3 on [sqrt(1/2) - 1, sqrt(2) - 1]
constexpr double kLogTail[] = {0.3333333291786415,  -0.24999966983259231, 0.20000032082581709, -0.16669386986854837,
                               0.14287006265468094, -0.12425887453218476, 0.110119195201949,   -0.1078915681778983,
                               0.10741375507744327, -0.061580301168381854};

F log32(F x) {
  F e = x;
  F f = splitExponent(x, e) - 1.0;
  F f2 = f * f;
  F tail = f2 * fma(f, horner(f, kLogTail), f.c(-0.5));
  F low = fma(e, e.c(-2.12194440054690571e-4), tail);
  return logSpecial(x, fma(e, e.c(0.693359375), f + low));
}

F log2_32(F x) {
  F e = x;
  F f = splitExponent(x, e) - 1.0;
  F f2 = f * f;
  F tail = f2 * fma(f, horner(f, kLogTail), f.c(-0.5));
  // log2(e) = 1.4375 + 5.195e-3: f times the short part is nearly exact.
  F low = fma(tail, f.c(kLog2e), f * (kLog2e - 1.4375));
  return logSpecial(x, e + fma(f, f.c(1.4375), low));
}

/// log(x) as high + low; x finite and positive.
void logParts(F x, F &high, F &low) {
  F e = x;
  F m = splitExponent(x, e);
  F f = m - 1.0, d = m + 1.0;
  F s = f / d;
  // Remainder of the division; d may have been rounded.
  F dLow = m - (d - 1.0);
  F sLow = (fma(-s, d, f) - s * dLow) / d;
  F z = s * s;
  std::vector<double> c;
  for (int k = 1; k <= 11; ++k)
    c.push_back(2.0 / (2 * k + 1));
  F series = s * z * horner(z, c);
  F a = e * kLn2Hi, t = s * 2.0;
  high = a + t;
  low = (t - (high - a)) + sLow * 2.0 + series + e * kLn2Lo;
  F sum = high + low;
  low = low - (sum - high);
  high = sum;
}

F logD(F x) {
  F high = x, low = x;
  logParts(x, high, low);
  return logSpecial(x, high);
}

F log1pD(F x) {
  F u = x + 1.0;
  F correction = (x - (u - 1.0)) / u;
  Value plain = either(x, equal(u, kInf), cmp(arith::CmpFPredicate::OLE, u, u.c(0.0)));
  F r = logD(u);
  r = select(plain, r, r + correction);
  r = select(equal(x, 0.0), x, r);
  return select(isNan(x), x, r);
}

F expm1D(F x) {
  F small = x * horner(x, inverseFactorials(1, 15, 1, false));
  F big = expD(x) - 1.0;
  return select(less(abs(x), 0.35), small, big);
}

F tanhD(F x) {
  F a = min(abs(x), x.c(22.0));
  F e = expm1D(a * 2.0);
  return select(isNan(x), x, copySign(e / (e + 2.0), x));
}

F tanh32(F x) { // fit of (tanh(x)/x - 1) / x^2 for |x| <= 0.625
  F a = abs(x), z = x * x;
  F small = fma(x * z,
                horner(z, {-0.3333333081956914, 0.13333205077921687, -0.053946505316709588, 0.021698697759152369,
                           -0.0081712392913534607, 0.0021363932465990007}),
                x);
  F e = exp32(min(a, a.c(10.0)) * 2.0);
  F big = copySign(1.0 - 2.0 / (e + 1.0), x);
  return select(isNan(x), x, select(less(a, 0.625), small, big));
}

F erf32(F x) { // fits of erf(x)/x for |x| <= 1 and of log(erfc(x)) on [1, 4]
  F a = abs(x), z = x * x;
  F small =
      x * horner(z, {1.1283791670580221, -0.37612638434651141, 0.11283781974110303, -0.026865400042517973,
                     0.0052209454338980723, -0.00084828288596904499, 0.0001125694799837404, -9.641516291753522e-06});
  F c = max(min(a, a.c(4.0)), a.c(1.0));
  F p = horner(c, {0.00018804022835716694, -1.1295784242624918, -0.63321989309107174, -0.10841857733129454,
                   0.025208256737343733, -0.0042045618740394006, 0.00044133637718221652, -2.1686849966903286e-05});
  F big = copySign(1.0 - exp32(p), x);
  return select(isNan(x), x, select(less(a, 1.0), small, big));
}

/// |x| < 1.5: 2/sqrt(pi) e^(-x^2) times the sum of (2 x^2)^n x / (2n+1)!!, all terms positive. Else 1 - erfc(x), erfc
/// by its continued fraction e^(-x^2) / (x sqrt(pi)) / (1 + v/(1 + 2v/(1 + 3v/...))), v = 1/(2 x^2).
F erfD(F x, F sum, F fraction) {
  F a = min(abs(x), x.c(6.5));
  F s = a * a, sLow = fma(a, a, -s);
  F e = expD(-s, -sLow);
  F small = sum * e * 1.12837916709551257390;
  F big = 1.0 - e * 0.56418958354775628695 / (a * fraction);
  F r = select(less(a, 1.5), small, big);
  return select(isNan(x), x, copySign(r, x));
}

/// Reduces x by multiples of pi/2; `quadrant` gets the multiple modulo 4.
F reduceAngle(F x, Value &quadrant) {
  F n = round(x * kTwoOverPi);
  F r = fma(-n, n.c(kPi2Hi), x);
  r = fma(-n, n.c(kPi2Mid), r);
  r = fma(-n, n.c(kPi2Lo), r);
  F q = n - round(n * 0.25) * 4.0; // -2 .. 2
  quadrant = arith::AndIOp::create(*x.b, toInt(q), icst(x, 3));
  return r;
}

void sinCosD(F x, F *sine, F *cosine) {
  // Infinity and NaN: arithmetic on them gives NaN in the end, but not in the conversion to integers.
  Value finite = less(abs(x), kInf);
  Value q;
  F r = reduceAngle(select(finite, x, x.c(0.0)), q);
  F z = r * r;
  F s = fma(r * z, horner(z, inverseFactorials(3, 19, 2, true)) * -1.0, r);
  F c = horner(z, inverseFactorials(0, 20, 2, true));
  auto is = [&](int64_t k) -> Value { return arith::CmpIOp::create(*x.b, arith::CmpIPredicate::eq, q, icst(x, k)); };
  Value odd = either(x, is(1), is(3));
  if (sine) {
    F v = select(odd, c, s);
    v = select(either(x, is(2), is(3)), -v, v);
    *sine = select(equal(x, 0.0), x, select(finite, v, x.c(NAN)));
  }
  if (cosine) {
    F v = select(odd, s, c);
    v = select(either(x, is(1), is(2)), -v, v);
    *cosine = select(finite, v, x.c(NAN));
  }
}

F atanD(F x) {
  F a = abs(x);
  Value inverted = more(a, 1.0);
  F t = select(inverted, 1.0 / a, a); // 0 .. 1
  Value upper = more(t, 0.41421356237309503);
  F u = select(upper, (t - 1.0) / (t + 1.0), t);
  F z = u * u;
  std::vector<double> c;
  for (int k = 0; k <= 21; ++k)
    c.push_back((k % 2 ? -1.0 : 1.0) / (2 * k + 1));
  F r = u * horner(z, c);
  r = select(upper, r + 0.785398163397448309616 + 3.06161699786838301793e-17, r);
  r = select(inverted, 1.57079632679489661923 - (r - 6.12323399573676603587e-17), r);
  return select(isNan(x), x, copySign(r, x));
}

F atan2D(F y, F x) {
  F ay = abs(y), ax = abs(x);
  Value bothInf = both(x, equal(ay, kInf), equal(ax, kInf));
  Value bothZero = both(x, equal(ay, 0.0), equal(ax, 0.0));
  F r = atanD(select(either(x, bothInf, bothZero), x.c(1.0), ay / ax));
  r = select(bothZero, x.c(0.0), r);
  // The sign bit of x, so that -0 counts as negative.
  F sign = copySign(x.c(1.0), x);
  r = select(less(sign, 0.0), 3.14159265358979323846 - (r - 1.22464679914735317720e-16), r);
  r = copySign(r, y);
  return select(either(x, isNan(x), isNan(y)), x + y, r);
}

F sinhD(F x) {
  F a = abs(x);
  F e = expm1D(min(a, a.c(40.0)));
  F small = (e + e / (e + 1.0)) * 0.5;
  F h = expD(a * 0.5);
  return copySign(select(less(a, 22.0), small, select(isNan(x), x, h * 0.5 * h)), x);
}

F coshD(F x) {
  F a = abs(x);
  F e = expD(min(a, a.c(40.0)));
  F h = expD(a * 0.5);
  return select(isNan(x), x, select(less(a, 22.0), (e + 1.0 / e) * 0.5, h * 0.5 * h));
}

F asinhD(F x) {
  F a = abs(x), z = a * a;
  F small = log1pD(a + z / (sqrt(z + 1.0) + 1.0));
  return select(isNan(x), x, copySign(select(less(a, 1e8), small, logD(a) + kLn2), x));
}

F acoshD(F x) {
  F t = x - 1.0;
  F small = log1pD(t + sqrt(t * 2.0 + t * t));
  return select(less(x, 1.0), x.c(NAN), select(less(x, 1e8), small, logD(x) + kLn2));
}

F atanhD(F x) {
  F a = abs(x);
  F r = log1pD(a * 2.0 / (1.0 - a)) * 0.5;
  return copySign(select(more(a, 1.0), x.c(NAN), r), x);
}

/// C's pow.
F powD(F x, F y) {
  F a = abs(x);
  Value regular = both(x, more(a, 0.0), less(a, kInf));
  F high = x, low = x;
  logParts(select(regular, a, x.c(1.0)), high, low);
  F yc = max(min(y, y.c(1e300)), y.c(-1e300));
  F p = yc * high;
  F pLow = fma(yc, high, -p) + yc * low;
  Value huge = cmp(arith::CmpFPredicate::UGE, abs(p), p.c(750.0));
  F r = expD(p, select(huge, p.c(0.0), pLow));
  // |x| = 0 or inf: the result is 0, 1 or inf by the signs.
  Value up = arith::XOrIOp::create(*x.b, more(a, 1.0), less(y, 0.0));
  r = select(regular, r, select(up, x.c(kInf), x.c(0.0)));
  F t = trunc(y);
  Value integer = cmp(arith::CmpFPredicate::OEQ, t, y);
  F half = y * 0.5;
  Value odd = both(x, both(x, integer, cmp(arith::CmpFPredicate::ONE, trunc(half), half)), less(abs(y), 0x1p53));
  F sign = copySign(x.c(1.0), x);
  Value negative = less(sign, 0.0);
  r = select(both(x, negative, odd), -r, r);
  Value notReal = both(x, both(x, less(x, 0.0), more(x, -kInf)), cmp(arith::CmpFPredicate::UNE, t, y));
  r = select(notReal, x.c(NAN), r);
  // y = +-inf
  Value yInf = equal(abs(y), kInf);
  Value grows = arith::XOrIOp::create(*x.b, more(a, 1.0), less(y, 0.0));
  F atInf = select(equal(a, 1.0), x.c(1.0), select(grows, x.c(kInf), x.c(0.0)));
  r = select(yInf, atInf, r);
  r = select(either(x, isNan(x), isNan(y)), x.c(NAN), r);
  return select(either(x, equal(y, 0.0), equal(x, 1.0)), x.c(1.0), r);
}

F cbrtD(F x) {
  F a = abs(x);
  Value regular = both(x, more(a, 0.0), less(a, kInf));
  F s = select(regular, a, x.c(1.0));
  F r = expD(logD(s) * (1.0 / 3));
  r = r - (r - s / (r * r)) * (1.0 / 3);
  return select(regular, copySign(r, x), x);
}

F roundAway(F x) {
  F t = trunc(x);
  F up = select(cmp(arith::CmpFPredicate::OGE, abs(x - t), x.c(0.5)), x.c(1.0), x.c(0.0));
  return copySign(abs(t) + up, x);
}

bool isClass(Operation *op) { return isa<math::IsNaNOp, math::IsInfOp, math::IsFiniteOp, math::IsNormalOp>(op); }

Value classify(Operation *op, F x) {
  F a = abs(x);
  if (isa<math::IsNaNOp>(op))
    return isNan(x);
  if (isa<math::IsInfOp>(op))
    return equal(a, kInf);
  if (isa<math::IsFiniteOp>(op))
    return less(a, kInf);
  return both(x, less(a, kInf), cmp(arith::CmpFPredicate::OGE, a, a.c(x.isDouble() ? 0x1p-1022 : 0x1p-126)));
}

/// Functions of one argument that go through float64.
std::optional<F> throughDouble(Operation *op, F x) {
  return TypeSwitch<Operation *, std::optional<F>>(op)
      .Case<math::ExpOp>([&](auto) { return expD(x); })
      .Case<math::Exp2Op>([&](auto) { return exp2D(x); })
      .Case<math::ExpM1Op>([&](auto) { return expm1D(x); })
      .Case<math::LogOp>([&](auto) { return logD(x); })
      .Case<math::Log2Op>([&](auto) {
        F e = x;
        F m = splitExponent(x, e);
        return logSpecial(x, e + logD(m) * kLog2e);
      })
      .Case<math::Log10Op>([&](auto) { return logD(x) * 0.434294481903251827651; })
      .Case<math::Log1pOp>([&](auto) { return log1pD(x); })
      .Case<math::TanhOp>([&](auto) { return tanhD(x); })
      .Case<math::SinhOp>([&](auto) { return sinhD(x); })
      .Case<math::CoshOp>([&](auto) { return coshD(x); })
      .Case<math::AsinhOp>([&](auto) { return asinhD(x); })
      .Case<math::AcoshOp>([&](auto) { return acoshD(x); })
      .Case<math::AtanhOp>([&](auto) { return atanhD(x); })
      .Case<math::AtanOp>([&](auto) { return atanD(x); })
      .Case<math::AsinOp>([&](auto) { return atan2D(x, sqrt((1.0 - x) * (x + 1.0))); })
      .Case<math::AcosOp>([&](auto) { return atan2D(sqrt((1.0 - x) * (x + 1.0)), x); })
      .Case<math::CbrtOp>([&](auto) { return cbrtD(x); })
      .Case<math::SinOp>([&](auto) {
        F s = x;
        sinCosD(x, &s, nullptr);
        return s;
      })
      .Case<math::CosOp>([&](auto) {
        F c = x;
        sinCosD(x, nullptr, &c);
        return c;
      })
      .Case<math::TanOp>([&](auto) {
        F s = x, c = x;
        sinCosD(x, &s, &c);
        return s / c;
      })
      .Default([](Operation *) { return std::optional<F>(); });
}
} // namespace

/// Integer power by squaring; a negative exponent gives 1/x rounded toward zero (0 for |x| > 1, and 0 for x = 0).
Value Arithmetic::integerPower(Value x, Value y) {
  Type t = x.getType();
  Value zero = constLike(t, int64_t(0)), one = constLike(t, int64_t(1)), minusOne = constLike(t, int64_t(-1));
  unsigned width = bitWidth(getElementTypeOrSelf(t));
  scf::ForOp loopOp = turns(width, ValueRange{one, x, y});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loopOp.getBody());
    Value r = loopOp.getRegionIterArg(0), p = loopOp.getRegionIterArg(1), e = loopOp.getRegionIterArg(2);
    Value bit = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, e, one), zero);
    Value next = arith::SelectOp::create(b, bit, arith::MulIOp::create(b, r, p), r);
    scf::YieldOp::create(b, ValueRange{next, arith::MulIOp::create(b, p, p), arith::ShRUIOp::create(b, e, one)});
  }
  Value r = loopOp.getResult(0);
  Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, y, zero);
  Value isOne = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, one);
  Value isMinus = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, minusOne);
  // (-1)^y and 1^y by squaring are right for negative y too: their low bit decides.
  Value unit = arith::OrIOp::create(b, isOne, isMinus);
  Value out = arith::SelectOp::create(b, negative, zero, r);
  return arith::SelectOp::create(b, unit, r, out);
}

Value Arithmetic::erfDouble(Value of) {
  F x{&b, of};
  F a = min(abs(x), x.c(6.5)), low = min(a, x.c(1.5)), high = max(a, x.c(1.5));
  F twice = low * low * 2.0, v = 1.0 / (high * high * 2.0);
  // Both in one loop: the series upwards, the fraction from its end downwards.
  constexpr int kTerms = 100;
  scf::ForOp loopOp = turns(kTerms, ValueRange{low.v, low.v, x.c(3.0).v, x.c(1.0).v, x.c(kTerms).v});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loopOp.getBody());
    auto arg = [&](unsigned i) { return x.with(loopOp.getRegionIterArg(i)); };
    F term = arg(1) * twice / arg(2);
    F fraction = fma(arg(4), v / arg(3), x.c(1.0));
    scf::YieldOp::create(b, ValueRange{(arg(0) + term).v, term.v, (arg(2) + 2.0).v, fraction.v, (arg(4) - 1.0).v});
  }
  return erfD(x, x.with(loopOp.getResult(0)), x.with(loopOp.getResult(3))).v;
}

Value Arithmetic::expandMath(Operation *op, Type element, ValueRange v) {
  if (isa<math::IPowIOp>(op))
    return integerPower(v[0], v[1]);
  if (!isa<FloatType>(element))
    return {};
  F x{&b, v[0]};
  if (Value r = hooks ? hooks->function(b, op, getElementTypeOrSelf(x.type()), v) : Value())
    return r;
  if (isClass(op))
    return classify(op, x);
  if (isa<math::AbsFOp, math::CeilOp, math::FloorOp, math::TruncOp, math::RoundEvenOp, math::SqrtOp, math::FmaOp,
          math::CopySignOp>(op))
    return {};
  if (isa<math::RsqrtOp>(op))
    return (1.0 / sqrt(x)).v;
  if (isa<math::RoundOp>(op))
    return roundAway(x).v;
  if (isa<math::PowFOp>(op))
    return shorten(powD(toDouble(x), toDouble(F{&b, v[1]})), x).v;
  if (isa<math::FPowIOp>(op)) {
    F wide = toDouble(x);
    F y = wide.with(arith::SIToFPOp::create(b, wide.type(), v[1]));
    return shorten(powD(wide, y), x).v;
  }
  if (isa<math::Atan2Op>(op))
    return shorten(atan2D(toDouble(x), toDouble(F{&b, v[1]})), x).v;
  if (isa<math::ErfOp>(op)) {
    if (!x.isDouble())
      return erf32(x).v;
    return erfDouble(x.v);
  }
  if (!x.isDouble()) {
    if (isa<math::ExpOp>(op))
      return exp32(x).v;
    if (isa<math::Exp2Op>(op))
      return exp2_32(x).v;
    if (isa<math::LogOp>(op))
      return log32(x).v;
    if (isa<math::Log2Op>(op))
      return log2_32(x).v;
    if (isa<math::TanhOp>(op))
      return tanh32(x).v;
  }
  if (std::optional<F> r = throughDouble(op, toDouble(x)))
    return shorten(*r, x).v;
  refuse(op, "no approximation of this function");
  return constLike(v[0].getType(), 0.0);
}

} // namespace adze::scalar
