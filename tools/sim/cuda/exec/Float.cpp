// Floating-point arithmetic of all formats. PTX ISA, "Floating Point Instructions", "Half Precision Floating Point
// Instructions". Values come from tools/sim/cuda/number; f32 and f64 rounded to nearest run natively.
#include "../number/Approximate.h"
#include "../number/Arithmetic.h"
#include "../number/Compare.h"
#include "Alu.h"
#include "Block.h"

#include <algorithm>

namespace adze::sim {
namespace {

using U32 = uint32_t;

template <typename T>
struct Same {
  using R = T;
  using A = T;
  using B = T;
  using C = T;
};

// --- modifiers in Instr::flags ---

enum FloatFlags : uint8_t { RoundMask = 7, FlushBit = 8, SatBit = 16, ReluBit = 32, NaNBit = 64, XorSignBit = 128 };

ADZE_SIM_INLINE Modifiers modifiersOf(const Instr &i) {
  Modifiers m;
  m.round = Round(i.flags & RoundMask);
  m.flush = i.flags & FlushBit;
  m.saturate = i.flags & SatBit;
  m.relu = i.flags & ReluBit;
  return m;
}

// --- native f32 and f64: .rn without modifiers. f32 results that are NaN become the canonical one. ---

ADZE_SIM_INLINE float settle(float value) {
  U32 bits = fromFloat(value);
  return toFloat((bits & 0x7fffffff) > 0x7f800000 ? 0x7fffffff : bits);
}
struct AddNative : Same<float> {
  static ADZE_SIM_INLINE float apply(float a, float b) { return settle(a + b); }
};
struct SubNative : Same<float> {
  static ADZE_SIM_INLINE float apply(float a, float b) { return settle(a - b); }
};
struct MulNative : Same<float> {
  static ADZE_SIM_INLINE float apply(float a, float b) { return settle(a * b); }
};
struct FmaNative : Same<float> {
  static ADZE_SIM_INLINE float apply(float a, float b, float c) { return settle(__builtin_fmaf(a, b, c)); }
};
struct DivNative : Same<float> {
  static ADZE_SIM_INLINE float apply(float a, float b) { return settle(a / b); }
};
struct SqrtNative : Same<float> {
  static ADZE_SIM_INLINE float apply(float a) { return settle(__builtin_sqrtf(a)); }
};
struct RcpNative : Same<float> {
  static ADZE_SIM_INLINE float apply(float a) { return settle(1.0f / a); }
};

// --- any format with any modifiers ---

enum class FormatName : uint8_t { F16, BF16, F32, F64 };
template <FormatName name>
constexpr const Format &formatFor() {
  if constexpr (name == FormatName::F16)
    return f16Format;
  else if constexpr (name == FormatName::BF16)
    return bf16Format;
  else if constexpr (name == FormatName::F32)
    return f32Format;
  else
    return f64Format;
}
template <FormatName name>
using Storage =
    std::conditional_t<name == FormatName::F64, uint64_t, std::conditional_t<name == FormatName::F32, U32, uint16_t>>;

template <FormatName name, FloatOp op>
struct General : Same<Storage<name>> {
  using T = Storage<name>;
  static T apply(T a, const Instr &i) {
    bool flush = i.flags & FlushBit;
    if constexpr (op == FloatOp::Abs)
      return T(absolute(formatFor<name>(), a, flush));
    else
      return T(negate(formatFor<name>(), a, flush));
  }
  static T apply(T a, T b, const Instr &i) {
    if constexpr (op == FloatOp::Min || op == FloatOp::Max)
      return extremum(a, b, i);
    Modifiers m = modifiersOf(i);
    if constexpr (name == FormatName::F64) {
      if constexpr (op == FloatOp::Add)
        return addF64(a, b, m.round);
      else if constexpr (op == FloatOp::Sub)
        return subF64(a, b, m.round);
      else if constexpr (op == FloatOp::Mul)
        return mulF64(a, b, m.round);
      else
        return divF64(a, b, m.round);
    } else if constexpr (name == FormatName::F32) {
      if constexpr (op == FloatOp::Add)
        return addF32(a, b, m);
      else if constexpr (op == FloatOp::Sub)
        return subF32(a, b, m);
      else if constexpr (op == FloatOp::Mul)
        return mulF32(a, b, m);
      else
        return divF32(a, b, m);
    } else {
      if constexpr (op == FloatOp::Add)
        return addHalf(formatFor<name>(), a, b, m);
      else if constexpr (op == FloatOp::Sub)
        return subHalf(formatFor<name>(), a, b, m);
      else
        return mulHalf(formatFor<name>(), a, b, m);
    }
  }
  static T apply(T a, T b, T c, const Instr &i) {
    Modifiers m = modifiersOf(i);
    if constexpr (name == FormatName::F64)
      return fmaF64(a, b, c, m.round);
    else if constexpr (name == FormatName::F32)
      return fmaF32(a, b, c, m);
    else
      return fmaHalf(formatFor<name>(), a, b, c, m);
  }

private:
  static T extremum(T a, T b, const Instr &i) {
    ExtremumModifiers m;
    m.flush = i.flags & FlushBit;
    m.propagateNaN = i.flags & NaNBit;
    m.xorSign = i.flags & XorSignBit;
    return T(op == FloatOp::Min ? minimum(formatFor<name>(), a, b, m) : maximum(formatFor<name>(), a, b, m));
  }
};

/// One operand, two or three: apply() of a fixed signature for the loops of Alu.h.
template <FormatName name, FloatOp op>
struct General1 : Same<Storage<name>> {
  using T = Storage<name>;
  static T apply(T a, const Instr &i) { return General<name, op>::apply(a, i); }
};
template <FormatName name, FloatOp op>
struct General2 : Same<Storage<name>> {
  using T = Storage<name>;
  static T apply(T a, T b, const Instr &i) { return General<name, op>::apply(a, b, i); }
};
template <FormatName name, FloatOp op>
struct General3 : Same<Storage<name>> {
  using T = Storage<name>;
  static T apply(T a, T b, T c, const Instr &i) { return General<name, op>::apply(a, b, c, i); }
};
template <typename Op>
struct Packed1 : Same<U32>, HalvesApart<1> {
  static U32 apply(U32 a, const Instr &i) {
    return Op::apply(uint16_t(a), i) | U32(Op::apply(uint16_t(a >> 16), i)) << 16;
  }
};
template <typename Op>
struct Packed2 : Same<U32>, HalvesApart<2> {
  static U32 apply(U32 a, U32 b, const Instr &i) {
    return Op::apply(uint16_t(a), uint16_t(b), i) | U32(Op::apply(uint16_t(a >> 16), uint16_t(b >> 16), i)) << 16;
  }
};
template <typename Op>
struct Packed3 : Same<U32>, HalvesApart<3> {
  static U32 apply(U32 a, U32 b, U32 c, const Instr &i) {
    return Op::apply(uint16_t(a), uint16_t(b), uint16_t(c), i) |
           U32(Op::apply(uint16_t(a >> 16), uint16_t(b >> 16), uint16_t(c >> 16), i)) << 16;
  }
};

/// f32x2: both halves of 64-bit registers.
template <typename Op>
struct Double2 : Same<uint64_t> {
  static uint64_t apply(uint64_t a, uint64_t b, const Instr &i) {
    return Op::apply(U32(a), U32(b), i) | uint64_t(Op::apply(U32(a >> 32), U32(b >> 32), i)) << 32;
  }
};
template <typename Op>
struct Double3 : Same<uint64_t> {
  static uint64_t apply(uint64_t a, uint64_t b, uint64_t c, const Instr &i) {
    return Op::apply(U32(a), U32(b), U32(c), i) | uint64_t(Op::apply(U32(a >> 32), U32(b >> 32), U32(c >> 32), i))
                                                      << 32;
  }
};
/// The least or greatest of three.
template <typename Op>
struct Three : Same<U32> {
  static U32 apply(U32 a, U32 b, U32 c, const Instr &i) { return Op::apply(Op::apply(a, b, i), c, i); }
};

// Magnitude and sign in f32, plain minimum and maximum: quick forms of frequent instructions.
struct AbsNative : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a) { return a & 0x7fffffff; }
};
struct NegNative : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a) { return a ^ 0x80000000; }
};
/// -0 < +0; a NaN gives way to the other operand, two NaNs give the canonical one. Compares the bits as integers.
template <bool maximum>
struct ExtremumNative : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a, U32 b) {
    int32_t ka = int32_t(a ^ U32(int32_t(a) >> 31 & 0x7fffffff)), kb = int32_t(b ^ U32(int32_t(b) >> 31 & 0x7fffffff));
    bool nanA = (a & 0x7fffffff) > 0x7f800000, nanB = (b & 0x7fffffff) > 0x7f800000;
    U32 chosen = (maximum ? ka > kb : ka < kb) ? a : b;
    U32 result = nanA ? b : nanB ? a : chosen;
    return nanA && nanB ? 0x7fffffff : result;
  }
};

// --- decoding ---

FormatName nameOf(const ElementType &t) {
  return t.cls == ElementType::Class::BFloat ? FormatName::BF16
         : t.bits == 64                      ? FormatName::F64
         : t.bits == 32 && !t.packed         ? FormatName::F32
                                             : FormatName::F16;
}

/// .rn .rz .rm .rp into flags; false if none is there.
bool takeRounding(Decoder &d, Instr &out) {
  static constexpr Round rounds[] = {Round::Nearest, Round::Zero, Round::Down, Round::Up};
  int index = d.takeOne({"rn", "rz", "rm", "rp"});
  out.flags |= uint8_t(rounds[index < 0 ? 0 : index]);
  return index >= 0;
}

template <FloatOp op>
Handler general1(const ElementType &t) {
  switch (nameOf(t)) {
  case FormatName::F16:
    return t.packed ? unary<Packed1<General1<FormatName::F16, op>>>() : unary<General1<FormatName::F16, op>>();
  case FormatName::BF16:
    return t.packed ? unary<Packed1<General1<FormatName::BF16, op>>>() : unary<General1<FormatName::BF16, op>>();
  case FormatName::F32:
    return unary<General1<FormatName::F32, op>>();
  default:
    return unary<General1<FormatName::F64, op>>();
  }
}
template <FloatOp op>
Handler general2(const ElementType &t) {
  switch (nameOf(t)) {
  case FormatName::F16:
    return t.packed ? binary<Packed2<General2<FormatName::F16, op>>>() : binary<General2<FormatName::F16, op>>();
  case FormatName::BF16:
    return t.packed ? binary<Packed2<General2<FormatName::BF16, op>>>() : binary<General2<FormatName::BF16, op>>();
  case FormatName::F32:
    return binary<General2<FormatName::F32, op>>();
  default:
    return binary<General2<FormatName::F64, op>>();
  }
}
Handler general3(const ElementType &t) {
  constexpr FloatOp op = FloatOp::Fma;
  switch (nameOf(t)) {
  case FormatName::F16:
    return t.packed ? ternary<Packed3<General3<FormatName::F16, op>>>() : ternary<General3<FormatName::F16, op>>();
  case FormatName::BF16:
    return t.packed ? ternary<Packed3<General3<FormatName::BF16, op>>>() : ternary<General3<FormatName::BF16, op>>();
  case FormatName::F32:
    return ternary<General3<FormatName::F32, op>>();
  default:
    return ternary<General3<FormatName::F64, op>>();
  }
}

bool is16(const ElementType &t) { return t.bits == 16 || (t.packed && t.bits == 32); }

/// add, sub, mul, fma of two f32 in a 64-bit register: sm_100.
void decodePairs(Decoder &d, Instr &out, FloatOp op) {
  d.requireTarget(100);
  takeRounding(d, out);
  if (d.take("ftz"))
    out.flags |= FlushBit;
  plainOperands(d, out, op == FloatOp::Fma ? 3 : 2, 8);
  constexpr FormatName f32 = FormatName::F32;
  out.handler = op == FloatOp::Add   ? binary<Double2<General2<f32, FloatOp::Add>>>()
                : op == FloatOp::Sub ? binary<Double2<General2<f32, FloatOp::Sub>>>()
                : op == FloatOp::Mul ? binary<Double2<General2<f32, FloatOp::Mul>>>()
                                     : ternary<Double3<General3<f32, FloatOp::Fma>>>();
}

/// add, sub, mul, fma: rounding, .ftz, .sat, .relu.
void decodeArithmetic(Decoder &d, Instr &out, FloatOp op, const ElementType &t) {
  bool rounded = takeRounding(d, out);
  if (op == FloatOp::Fma && !rounded && d.statement().opcode == "fma")
    d.fail("the rounding is missing; known are .rn .rz .rm .rp");
  if (is16(t) && (out.flags & RoundMask) != uint8_t(Round::Nearest))
    d.fail("16-bit formats round to nearest only");
  bool bfloat = t.cls == ElementType::Class::BFloat;
  if (d.take("ftz")) {
    if (t.bits == 64 || bfloat)
      d.fail(".ftz is not for ." + t.name);
    out.flags |= FlushBit;
  }
  if (d.take("sat")) {
    if (t.bits == 64 || bfloat)
      d.fail(".sat is not for ." + t.name);
    out.flags |= SatBit;
  }
  if (op == FloatOp::Fma && d.take("relu")) {
    if (!is16(t))
      d.fail(".relu is for 16-bit formats");
    out.flags |= ReluBit;
  }
  if (bfloat && op != FloatOp::Fma)
    d.requireTarget(90);
  if (bfloat)
    d.requireTarget(80);
  plainOperands(d, out, op == FloatOp::Fma ? 3 : 2, t.bytes());
  if (t.name == "f32" && out.flags == 0) {
    out.handler = op == FloatOp::Add   ? binary<AddNative>()
                  : op == FloatOp::Sub ? binary<SubNative>()
                  : op == FloatOp::Mul ? binary<MulNative>()
                                       : ternary<FmaNative>();
    return;
  }
  out.handler = op == FloatOp::Add   ? general2<FloatOp::Add>(t)
                : op == FloatOp::Sub ? general2<FloatOp::Sub>(t)
                : op == FloatOp::Mul ? general2<FloatOp::Mul>(t)
                                     : general3(t);
}

void decodeExtremum(Decoder &d, Instr &out, bool maximum, const ElementType &t) {
  if (t.bits != 64 && d.take("ftz"))
    out.flags |= FlushBit;
  if (t.bits != 64 && d.take("NaN"))
    out.flags |= NaNBit;
  if (t.bits != 64 && d.take("xorsign")) {
    if (!d.take("abs"))
      d.fail(".xorsign needs .abs");
    out.flags |= XorSignBit;
  }
  if (t.bits != 64 && (is16(t) || (out.flags & (NaNBit | XorSignBit))))
    d.requireTarget(out.flags & XorSignBit ? 86 : 80);
  if (d.operandCount() == 4) {
    d.requireTarget(100);
    if (t.name != "f32")
      d.fail("three operands are for .f32 only");
    plainOperands(d, out, 3, 4);
    out.handler = maximum ? ternary<Three<General2<FormatName::F32, FloatOp::Max>>>()
                          : ternary<Three<General2<FormatName::F32, FloatOp::Min>>>();
    return;
  }
  plainOperands(d, out, 2, t.bytes());
  if (t.name == "f32" && out.flags == 0)
    out.handler = maximum ? binary<ExtremumNative<true>>() : binary<ExtremumNative<false>>();
  else
    out.handler = maximum ? general2<FloatOp::Max>(t) : general2<FloatOp::Min>(t);
}

// --- approximate functions; immediate: Function, immediate2: FormatName; div: flags bit 7 full ---

Accuracy accuracyOf(const Warp &w) { return w.block->launch->options.accuracy; }

template <typename T, unsigned shift>
Flow execApproximate(Warp &w, const Instr &i, Mask m) {
  const Format &format = FormatName(i.immediate2) == FormatName::F32    ? f32Format
                         : FormatName(i.immediate2) == FormatName::BF16 ? bf16Format
                                                                        : f16Format;
  const T *a = w.read<T>(i.slot[1]);
  T *d = w.write<T>(i.slot[0]);
  w.setPoison(i.slot[0], m, w.poison(i.slot[1]));
  Accuracy accuracy = accuracyOf(w);
  bool flush = i.flags & FlushBit;
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    U32 low = approximate(Function(i.immediate), format, shift ? a[l] & 0xffff : a[l], flush, accuracy);
    d[l] = T(shift ? low | approximate(Function(i.immediate), format, U32(a[l]) >> 16, flush, accuracy) << 16 : low);
  }
  return Flow::Next;
}
Flow execApproximateF64(Warp &w, const Instr &i, Mask m) {
  const uint64_t *a = w.read<uint64_t>(i.slot[1]);
  uint64_t *d = w.write<uint64_t>(i.slot[0]);
  w.setPoison(i.slot[0], m, w.poison(i.slot[1]));
  for (; m; m &= m - 1)
    d[firstLane(m)] = approximateF64(Function(i.immediate), a[firstLane(m)], accuracyOf(w));
  return Flow::Next;
}
Flow execDivide(Warp &w, const Instr &i, Mask m) {
  const U32 *a = w.read<U32>(i.slot[1]), *b = w.read<U32>(i.slot[2]);
  U32 *d = w.write<U32>(i.slot[0]);
  w.setPoison(i.slot[0], m, w.poison(i.slot[1]) | w.poison(i.slot[2]));
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    d[l] = divideApproximately(a[l], b[l], i.flags & 128, i.flags & FlushBit, accuracyOf(w));
  }
  return Flow::Next;
}

void decodeDivide(Decoder &d, Instr &out, const ElementType &t) {
  if (t.bits == 16 || t.packed)
    d.fail("type ." + t.name + " is not supported");
  int approximation = d.takeOne({"approx", "full"});
  bool rounded = approximation < 0 && takeRounding(d, out);
  if (d.take("ftz")) {
    if (t.bits == 64)
      d.fail(".ftz is not for .f64");
    out.flags |= FlushBit;
  }
  if (approximation < 0 && !rounded)
    d.fail("the rounding is missing; known are .approx .full .rn .rz .rm .rp");
  plainOperands(d, out, 2, t.bytes());
  if (approximation >= 0) {
    if (t.bits == 64)
      d.fail(".approx and .full are for .f32");
    out.flags |= approximation == 1 ? 128 : 0;
    out.handler = execDivide;
  } else {
    out.handler = t.name == "f32" && out.flags == 0 ? binary<DivNative>()
                  : t.bits == 32                    ? binary<General2<FormatName::F32, FloatOp::Div>>()
                                                    : binary<General2<FormatName::F64, FloatOp::Div>>();
  }
}

/// rcp and sqrt in any rounding.
struct RootF32 : Same<U32> {
  static U32 apply(U32 a, const Instr &i) { return sqrtF32(a, modifiersOf(i)); }
};
struct RootF64 : Same<uint64_t> {
  static uint64_t apply(uint64_t a, const Instr &i) { return sqrtF64(a, Round(i.flags & RoundMask)); }
};
struct ReciprocalF32 : Same<U32> {
  static U32 apply(U32 a, const Instr &i) { return rcpF32(a, modifiersOf(i)); }
};
struct ReciprocalF64 : Same<uint64_t> {
  static uint64_t apply(uint64_t a, const Instr &i) { return rcpF64(a, Round(i.flags & RoundMask)); }
};

void approximation(Decoder &d, Instr &out, Function function, const ElementType &t) {
  out.immediate = uint64_t(function);
  out.immediate2 = uint64_t(nameOf(t));
  plainOperands(d, out, 1, t.bytes());
  if (t.bits == 64)
    out.handler = execApproximateF64;
  else if (t.packed)
    out.handler = execApproximate<U32, 16>;
  else
    out.handler = t.bits == 32 ? execApproximate<U32, 0> : execApproximate<uint16_t, 0>;
}

template <bool root>
void decodeRcpSqrt(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (t.name != "f32" && t.name != "f64")
    d.fail("type ." + t.name + " is not supported");
  bool approximate = d.take("approx");
  bool rounded = !approximate && takeRounding(d, out);
  if (d.take("ftz"))
    out.flags |= FlushBit;
  if (!approximate && !rounded)
    d.fail("the rounding is missing; known are .approx .rn .rz .rm .rp");
  if (approximate) {
    if (t.bits == 64 && (root || !(out.flags & FlushBit)))
      d.fail(root ? "sqrt.approx is for .f32" : "rcp.approx.f64 needs .ftz");
    return approximation(d, out, root ? Function::Sqrt : Function::Reciprocal, t);
  }
  if (t.bits == 64 && (out.flags & FlushBit))
    d.fail(".ftz is not for .f64");
  plainOperands(d, out, 1, t.bytes());
  bool native = t.bits == 32 && out.flags == 0;
  if (root)
    out.handler = native ? unary<SqrtNative>() : t.bits == 32 ? unary<RootF32>() : unary<RootF64>();
  else
    out.handler = native ? unary<RcpNative>() : t.bits == 32 ? unary<ReciprocalF32>() : unary<ReciprocalF64>();
}

template <Function function>
void decodeFunction(Decoder &d, Instr &out) {
  if (!d.take("approx"))
    d.fail("needs .approx");
  if (d.take("ftz"))
    out.flags |= FlushBit;
  ElementType t = d.requireType();
  bool halves = (function == Function::Exp2 || function == Function::Tanh) && is16(t) && isFloat(t);
  bool doubles = function == Function::ReciprocalSqrt && t.name == "f64";
  if (t.name != "f32" && !halves && !doubles)
    d.fail("type ." + t.name + " is not supported");
  bool bfloat = t.cls == ElementType::Class::BFloat;
  if (function == Function::Tanh || halves)
    d.requireTarget(bfloat ? 90 : 75);
  if (halves && bfloat && function == Function::Exp2 && !(out.flags & FlushBit))
    d.fail("ex2 on .bf16 needs .ftz");
  approximation(d, out, function, t);
}

// --- testp, copysign ---

struct CopySignF32 : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a, U32 b) { return (b & 0x7fffffff) | (a & 0x80000000); }
};
struct CopySignF64 : Same<uint64_t> {
  static ADZE_SIM_INLINE uint64_t apply(uint64_t a, uint64_t b) { return uint64_t(copySign(f64Format, a, b)); }
};
void decodeCopySign(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (t.name != "f32" && t.name != "f64")
    d.fail("type ." + t.name + " is not supported");
  plainOperands(d, out, 2, t.bytes());
  out.handler = t.bits == 32 ? binary<CopySignF32>() : binary<CopySignF64>();
}
template <typename T>
Flow execTest(Warp &w, const Instr &i, Mask m) {
  const T *a = w.read<T>(i.slot[1]);
  Mask truth = 0;
  for (Mask rest = m; rest; rest &= rest - 1)
    truth |= Mask(testNumber(NumberClass(i.immediate), sizeof(T) == 8 ? f64Format : f32Format, a[firstLane(rest)]))
             << firstLane(rest);
  w.setPoison(i.slot[0], m, w.poison(i.slot[1]));
  w.setPredicate(i.slot[0], m, truth);
  return Flow::Next;
}
void decodeTest(Decoder &d, Instr &out) {
  out.immediate = d.requireOne("the property", {"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  ElementType t = d.requireType();
  if (t.name != "f32" && t.name != "f64")
    d.fail("type ." + t.name + " is not supported");
  out.slot[1] = d.readOperand(d.operand(1), t.bytes());
  out.slot[0] = d.writePredicate(d.operand(0));
  if (!out.slot[0].valid())
    d.fail("the destination cannot be '_'");
  out.handler = t.bits == 32 ? execTest<U32> : execTest<uint64_t>;
}

void decodeFma(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (!isFloat(t))
    d.fail("type ." + t.name + " is not supported");
  decodeFloat(d, out, FloatOp::Fma, t);
}

} // namespace

void decodeFloat(Decoder &d, Instr &out, FloatOp op, const ElementType &t) {
  if (t.name == "f32x2") {
    if (op > FloatOp::Fma)
      d.fail("type .f32x2 is not supported");
    return decodePairs(d, out, op);
  }
  switch (op) {
  case FloatOp::Add:
  case FloatOp::Sub:
  case FloatOp::Mul:
  case FloatOp::Fma:
    return decodeArithmetic(d, out, op, t);
  case FloatOp::Div:
    return decodeDivide(d, out, t);
  case FloatOp::Min:
  case FloatOp::Max:
    return decodeExtremum(d, out, op == FloatOp::Max, t);
  case FloatOp::Abs:
  case FloatOp::Neg:
    if (t.bits != 64 && d.take("ftz"))
      out.flags |= FlushBit;
    plainOperands(d, out, 1, t.bytes());
    if (t.name == "f32" && out.flags == 0)
      out.handler = op == FloatOp::Abs ? unary<AbsNative>() : unary<NegNative>();
    else
      out.handler = op == FloatOp::Abs ? general1<FloatOp::Abs>(t) : general1<FloatOp::Neg>(t);
  }
}

void registerFloat(DecodeTable &table) {
  table.add("fma", decodeFma);
  table.add("rcp", decodeRcpSqrt<false>);
  table.add("sqrt", decodeRcpSqrt<true>);
  table.add("rsqrt", decodeFunction<Function::ReciprocalSqrt>);
  table.add("ex2", decodeFunction<Function::Exp2>);
  table.add("lg2", decodeFunction<Function::Log2>);
  table.add("sin", decodeFunction<Function::Sin>);
  table.add("cos", decodeFunction<Function::Cos>);
  table.add("tanh", decodeFunction<Function::Tanh>);
  table.add("testp", decodeTest);
  table.add("copysign", decodeCopySign);
}

} // namespace adze::sim
