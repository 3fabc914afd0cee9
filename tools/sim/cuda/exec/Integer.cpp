// Integer arithmetic and extended precision. PTX ISA, "Integer Arithmetic Instructions", "Extended-Precision Integer
// Arithmetic Instructions".
#include "Alu.h"

#include <algorithm>
#include <limits>

namespace adze::sim {
namespace {

template <typename T>
struct Same {
  using R = T;
  using A = T;
  using B = T;
  using C = T;
};
template <typename T>
using Unsigned = std::make_unsigned_t<T>;

template <typename T>
struct Twice;
template <>
struct Twice<uint16_t> {
  using type = uint32_t;
};
template <>
struct Twice<int16_t> {
  using type = int32_t;
};
template <>
struct Twice<uint32_t> {
  using type = uint64_t;
};
template <>
struct Twice<int32_t> {
  using type = int64_t;
};
template <>
struct Twice<uint64_t> {
  using type = unsigned __int128;
};
template <>
struct Twice<int64_t> {
  using type = __int128;
};
template <typename T>
using Wide = typename Twice<T>::type;

template <typename T>
struct Add : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return T(Unsigned<T>(a) + Unsigned<T>(b)); }
};
template <typename T>
struct Sub : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return T(Unsigned<T>(a) - Unsigned<T>(b)); }
};
template <typename T>
struct AddSat : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) {
    Wide<T> sum = Wide<T>(a) + b;
    return T(std::clamp<Wide<T>>(sum, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }
};
template <typename T>
struct SubSat : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) {
    Wide<T> sum = Wide<T>(a) - b;
    return T(std::clamp<Wide<T>>(sum, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }
};
template <typename T>
struct MulLo : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return T(Wide<Unsigned<T>>(Unsigned<T>(a)) * Unsigned<T>(b)); }
};
template <typename T>
ADZE_SIM_INLINE T highHalf(T a, T b) {
  return T(Wide<Unsigned<T>>(Wide<T>(a) * Wide<T>(b)) >> (sizeof(T) * 8));
}
template <typename T>
struct MulHi : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return highHalf(a, b); }
};
template <typename T>
struct MulWide {
  using R = Wide<T>;
  using A = T;
  using B = T;
  static ADZE_SIM_INLINE R apply(T a, T b) { return R(a) * R(b); }
};
template <typename T>
struct MadLo : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b, T c) { return Add<T>::apply(MulLo<T>::apply(a, b), c); }
};
/// The high half is taken first, then c is added.
template <typename T>
struct MadHi : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b, T c) { return Add<T>::apply(highHalf(a, b), c); }
};
struct MadHiSat : Same<int32_t> {
  static ADZE_SIM_INLINE int32_t apply(int32_t a, int32_t b, int32_t c) {
    return AddSat<int32_t>::apply(highHalf(a, b), c);
  }
};
template <typename T>
struct MadWide {
  using R = Wide<T>;
  using A = T;
  using B = T;
  using C = R;
  static ADZE_SIM_INLINE R apply(T a, T b, R c) { return R(Unsigned<R>(R(a) * R(b)) + Unsigned<R>(c)); }
};
/// Operands are the low 24 bits; .lo gives bits 0-31 of the 48-bit product, .hi bits 16-47.
template <typename T>
ADZE_SIM_INLINE int64_t product24(T a, T b) {
  if constexpr (std::is_signed_v<T>)
    return int64_t(int32_t(uint32_t(a) << 8) >> 8) * (int32_t(uint32_t(b) << 8) >> 8);
  else
    return int64_t(uint64_t(a & 0xffffff) * (b & 0xffffff));
}
template <typename T>
struct Mul24Lo : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return T(product24(a, b)); }
};
template <typename T>
struct Mul24Hi : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return T(product24(a, b) >> 16); }
};
template <typename T>
struct Mad24Lo : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b, T c) { return Add<T>::apply(T(product24(a, b)), c); }
};
template <typename T>
struct Mad24Hi : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b, T c) { return Add<T>::apply(T(product24(a, b) >> 16), c); }
};
struct Mad24HiSat : Same<int32_t> {
  static ADZE_SIM_INLINE int32_t apply(int32_t a, int32_t b, int32_t c) {
    return AddSat<int32_t>::apply(int32_t(product24(a, b) >> 16), c);
  }
};
template <typename T>
struct Sad : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b, T c) {
    Unsigned<T> distance =
        a < b ? Unsigned<T>(Unsigned<T>(b) - Unsigned<T>(a)) : Unsigned<T>(Unsigned<T>(a) - Unsigned<T>(b));
    return T(Unsigned<T>(c) + distance);
  }
};
/// Division by zero is not specified; hardware's software routine gives all ones, and the dividend as the remainder.
template <typename T>
struct Div : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) {
    if (b == 0)
      return T(-1);
    if (std::is_signed_v<T> && b == T(-1))
      return T(Unsigned<T>(0) - Unsigned<T>(a));
    return T(a / b);
  }
};
template <typename T>
struct Rem : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == T(-1))
      return 0;
    return T(a % b);
  }
};
template <typename T>
struct Abs : Same<T> {
  static ADZE_SIM_INLINE T apply(T a) { return a < 0 ? T(Unsigned<T>(0) - Unsigned<T>(a)) : a; }
};
template <typename T>
struct Neg : Same<T> {
  static ADZE_SIM_INLINE T apply(T a) { return T(Unsigned<T>(0) - Unsigned<T>(a)); }
};
template <typename T>
struct Min : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return a < b ? a : b; }
};
template <typename T>
struct Max : Same<T> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return a < b ? b : a; }
};
template <typename Op, bool relu>
struct Relu : Op {
  using T = typename Op::R;
  static ADZE_SIM_INLINE T apply(T a, T b) {
    T result = Op::apply(a, b);
    return relu && result < 0 ? 0 : result;
  }
};
/// Both 16-bit halves of 32-bit registers.
template <typename Op>
struct Halves : Same<uint32_t>, HalvesApart<2> {
  using T = typename Op::R;
  static ADZE_SIM_INLINE uint32_t apply(uint32_t a, uint32_t b) {
    return uint16_t(Op::apply(T(a), T(b))) | uint32_t(uint16_t(Op::apply(T(a >> 16), T(b >> 16)))) << 16;
  }
};

// --- choice by type ---

template <template <typename> class Op>
Handler binaryFor(Decoder &d, const ElementType &t) {
  if (isInteger(t))
    switch (t.bits * 2 + isSigned(t)) {
    case 32:
      return binary<Op<uint16_t>>();
    case 33:
      return binary<Op<int16_t>>();
    case 64:
      return binary<Op<uint32_t>>();
    case 65:
      return binary<Op<int32_t>>();
    case 128:
      return binary<Op<uint64_t>>();
    case 129:
      return binary<Op<int64_t>>();
    }
  d.fail("type ." + t.name + " is not supported");
}
template <template <typename> class Op>
Handler ternaryFor(Decoder &d, const ElementType &t) {
  if (isInteger(t))
    switch (t.bits * 2 + isSigned(t)) {
    case 32:
      return ternary<Op<uint16_t>>();
    case 33:
      return ternary<Op<int16_t>>();
    case 64:
      return ternary<Op<uint32_t>>();
    case 65:
      return ternary<Op<int32_t>>();
    case 128:
      return ternary<Op<uint64_t>>();
    case 129:
      return ternary<Op<int64_t>>();
    }
  d.fail("type ." + t.name + " is not supported");
}
template <template <typename> class Op>
Handler unaryFor(Decoder &d, const ElementType &t) {
  if (isInteger(t) && isSigned(t))
    switch (t.bits) {
    case 16:
      return unary<Op<int16_t>>();
    case 32:
      return unary<Op<int32_t>>();
    case 64:
      return unary<Op<int64_t>>();
    }
  d.fail("type ." + t.name + " is not supported");
}
/// .u16x2 and .s16x2, sm_90.
template <template <typename> class Op>
Handler halvesFor(Decoder &d, const ElementType &t) {
  d.requireTarget(90);
  return isSigned(t) ? binary<Halves<Op<int16_t>>>() : binary<Halves<Op<uint16_t>>>();
}
bool isHalves(const ElementType &t) { return t.name == "u16x2" || t.name == "s16x2"; }

// --- decoding ---

void requireSat(Decoder &d, const ElementType &t) {
  if (t.name != "s32")
    d.fail(".sat is for .s32 only");
}

// Extended precision: the carry flag is a bit a lane of the warp.
enum CarryFlags : uint8_t { ReadsCarry = 1, WritesCarry = 2 };

template <typename T, bool subtract>
Flow execCarry(Warp &w, const Instr &i, Mask m) {
  const T *a = w.read<T>(i.slot[1]), *b = w.read<T>(i.slot[2]);
  T *d = w.write<T>(i.slot[0]);
  Mask poison = w.poison(i.slot[1]) | w.poison(i.slot[2]);
  if (i.flags & ReadsCarry)
    poison |= w.carryPoison;
  Mask carry = 0;
  for (Mask rest = m; rest; rest &= rest - 1) {
    unsigned l = firstLane(rest);
    // A subtraction keeps the borrow: a + ~b + 1 with the carry inverted.
    T addend = subtract ? T(~b[l]) : b[l];
    bool in = i.flags & ReadsCarry ? w.carry >> l & 1 : 0;
    unsigned __int128 sum = (unsigned __int128)a[l] + addend + (subtract ? !in : in);
    d[l] = T(sum);
    bool out = sum >> (sizeof(T) * 8) & 1;
    carry |= Mask(subtract ? !out : out) << l;
  }
  w.setPoison(i.slot[0], m, poison);
  if (i.flags & WritesCarry) {
    w.carry = (w.carry & ~m) | carry;
    w.carryPoison = (w.carryPoison & ~m) | (poison & m);
  }
  return Flow::Next;
}

void decodeCarry(Decoder &d, Instr &out, bool subtract, bool reads) {
  bool writes = d.take("cc");
  ElementType t = d.requireType();
  if (!isInteger(t) || t.bits < 32)
    d.fail("type ." + t.name + " is not supported");
  out.flags = uint8_t((reads ? ReadsCarry : 0) | (writes ? WritesCarry : 0));
  plainOperands(d, out, 2, t.bytes());
  out.handler = t.bits == 32 ? (subtract ? execCarry<uint32_t, true> : execCarry<uint32_t, false>)
                             : (subtract ? execCarry<uint64_t, true> : execCarry<uint64_t, false>);
}

/// mad.cc, madc: a half of the product plus c plus carry.
template <typename T, bool high>
Flow execMadCarry(Warp &w, const Instr &i, Mask m) {
  const T *a = w.read<T>(i.slot[1]), *b = w.read<T>(i.slot[2]), *c = w.read<T>(i.slot[3]);
  T *d = w.write<T>(i.slot[0]);
  Mask poison = w.poison(i.slot[1]) | w.poison(i.slot[2]) | w.poison(i.slot[3]);
  if (i.flags & ReadsCarry)
    poison |= w.carryPoison;
  Mask carry = 0;
  for (Mask rest = m; rest; rest &= rest - 1) {
    unsigned l = firstLane(rest);
    T part = high ? highHalf(a[l], b[l]) : MulLo<T>::apply(a[l], b[l]);
    bool in = i.flags & ReadsCarry ? w.carry >> l & 1 : 0;
    unsigned __int128 sum = (unsigned __int128)Unsigned<T>(part) + Unsigned<T>(c[l]) + in;
    d[l] = T(sum);
    carry |= Mask(sum >> (sizeof(T) * 8) & 1) << l;
  }
  w.setPoison(i.slot[0], m, poison);
  if (i.flags & WritesCarry) {
    w.carry = (w.carry & ~m) | carry;
    w.carryPoison = (w.carryPoison & ~m) | (poison & m);
  }
  return Flow::Next;
}

void decodeMadCarry(Decoder &d, Instr &out, bool reads) {
  bool writes = d.take("cc");
  bool high = d.requireOne("the half", {"lo", "hi"}) == 1;
  ElementType t = d.requireType();
  if (!isInteger(t) || t.bits < 32)
    d.fail("type ." + t.name + " is not supported");
  out.flags = uint8_t((reads ? ReadsCarry : 0) | (writes ? WritesCarry : 0));
  plainOperands(d, out, 3, t.bytes());
  switch (t.bits * 2 + isSigned(t)) {
  case 64:
    out.handler = high ? execMadCarry<uint32_t, true> : execMadCarry<uint32_t, false>;
    break;
  case 65:
    out.handler = high ? execMadCarry<int32_t, true> : execMadCarry<int32_t, false>;
    break;
  case 128:
    out.handler = high ? execMadCarry<uint64_t, true> : execMadCarry<uint64_t, false>;
    break;
  default:
    out.handler = high ? execMadCarry<int64_t, true> : execMadCarry<int64_t, false>;
  }
}

bool hasModifier(const Decoder &d, const char *name) {
  return std::find(d.left().begin(), d.left().end(), name) != d.left().end();
}

template <bool subtract>
void decodeAddSub(Decoder &d, Instr &out) {
  if (hasModifier(d, "cc"))
    return decodeCarry(d, out, subtract, false);
  ElementType t = d.requireType();
  if (isFloat(t))
    return decodeFloat(d, out, subtract ? FloatOp::Sub : FloatOp::Add, t);
  bool sat = d.take("sat");
  plainOperands(d, out, 2, t.bytes());
  if (isHalves(t)) {
    out.handler = subtract ? halvesFor<Sub>(d, t) : halvesFor<Add>(d, t);
  } else if (sat) {
    requireSat(d, t);
    out.handler = subtract ? binary<SubSat<int32_t>>() : binary<AddSat<int32_t>>();
  } else {
    out.handler = subtract ? binaryFor<Sub>(d, t) : binaryFor<Add>(d, t);
  }
}
template <bool subtract>
void decodeWithCarry(Decoder &d, Instr &out) {
  decodeCarry(d, out, subtract, true);
}

void decodeMul(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (isFloat(t))
    return decodeFloat(d, out, FloatOp::Mul, t);
  unsigned part = d.requireOne("the part of the product", {"lo", "hi", "wide"});
  if (part != 2) {
    plainOperands(d, out, 2, t.bytes());
    out.handler = part == 0 ? binaryFor<MulLo>(d, t) : binaryFor<MulHi>(d, t);
    return;
  }
  out.slot[1] = d.readOperand(d.operand(1), t.bytes());
  out.slot[2] = d.readOperand(d.operand(2), t.bytes());
  out.slot[0] = d.writeRegister(d.operand(0), t.bytes() * 2);
  if (!isInteger(t) || t.bits > 32)
    d.fail("type ." + t.name + " is not supported");
  out.handler = t.bits == 16 ? (isSigned(t) ? binary<MulWide<int16_t>>() : binary<MulWide<uint16_t>>())
                             : (isSigned(t) ? binary<MulWide<int32_t>>() : binary<MulWide<uint32_t>>());
}

void decodeMad(Decoder &d, Instr &out) {
  if (hasModifier(d, "cc"))
    return decodeMadCarry(d, out, false);
  ElementType t = d.requireType();
  if (isFloat(t))
    return decodeFloat(d, out, FloatOp::Fma, t);
  unsigned part = d.requireOne("the part of the product", {"lo", "hi", "wide"});
  bool sat = d.take("sat");
  if (sat && (part != 1 || t.name != "s32"))
    d.fail(".sat is for mad.hi.s32 only");
  if (part != 2) {
    plainOperands(d, out, 3, t.bytes());
    out.handler = sat ? ternary<MadHiSat>() : part == 0 ? ternaryFor<MadLo>(d, t) : ternaryFor<MadHi>(d, t);
    return;
  }
  if (!isInteger(t) || t.bits > 32)
    d.fail("type ." + t.name + " is not supported");
  out.slot[1] = d.readOperand(d.operand(1), t.bytes());
  out.slot[2] = d.readOperand(d.operand(2), t.bytes());
  out.slot[3] = d.readOperand(d.operand(3), t.bytes() * 2);
  out.slot[0] = d.writeRegister(d.operand(0), t.bytes() * 2);
  out.handler = t.bits == 16 ? (isSigned(t) ? ternary<MadWide<int16_t>>() : ternary<MadWide<uint16_t>>())
                             : (isSigned(t) ? ternary<MadWide<int32_t>>() : ternary<MadWide<uint32_t>>());
}
void decodeMadc(Decoder &d, Instr &out) { decodeMadCarry(d, out, true); }

void decodeMul24(Decoder &d, Instr &out) {
  bool high = d.requireOne("the part", {"lo", "hi"}) == 1;
  ElementType t = d.requireType();
  if (!isInteger(t) || t.bits != 32)
    d.fail("type ." + t.name + " is not supported");
  plainOperands(d, out, 2, 4);
  out.handler = isSigned(t) ? (high ? binary<Mul24Hi<int32_t>>() : binary<Mul24Lo<int32_t>>())
                            : (high ? binary<Mul24Hi<uint32_t>>() : binary<Mul24Lo<uint32_t>>());
}
void decodeMad24(Decoder &d, Instr &out) {
  bool high = d.requireOne("the part", {"lo", "hi"}) == 1;
  bool sat = d.take("sat");
  ElementType t = d.requireType();
  if (!isInteger(t) || t.bits != 32 || (sat && (!high || !isSigned(t))))
    d.fail("type ." + t.name + " is not supported here");
  plainOperands(d, out, 3, 4);
  out.handler = sat           ? ternary<Mad24HiSat>()
                : isSigned(t) ? (high ? ternary<Mad24Hi<int32_t>>() : ternary<Mad24Lo<int32_t>>())
                              : (high ? ternary<Mad24Hi<uint32_t>>() : ternary<Mad24Lo<uint32_t>>());
}

void decodeSad(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  plainOperands(d, out, 3, t.bytes());
  out.handler = ternaryFor<Sad>(d, t);
}
void decodeDiv(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (isFloat(t))
    return decodeFloat(d, out, FloatOp::Div, t);
  plainOperands(d, out, 2, t.bytes());
  out.handler = binaryFor<Div>(d, t);
}
void decodeRem(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  plainOperands(d, out, 2, t.bytes());
  out.handler = binaryFor<Rem>(d, t);
}
void decodeAbs(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (isFloat(t))
    return decodeFloat(d, out, FloatOp::Abs, t);
  plainOperands(d, out, 1, t.bytes());
  out.handler = unaryFor<Abs>(d, t);
}
void decodeNeg(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (isFloat(t))
    return decodeFloat(d, out, FloatOp::Neg, t);
  plainOperands(d, out, 1, t.bytes());
  out.handler = unaryFor<Neg>(d, t);
}

template <template <typename> class Op>
Handler extremum(Decoder &d, const ElementType &t) {
  bool relu = d.take("relu");
  if (relu && t.name == "s32") {
    d.requireTarget(90);
    return binary<Relu<Op<int32_t>, true>>();
  }
  if (relu && t.name == "s16x2") {
    d.requireTarget(90);
    return binary<Halves<Relu<Op<int16_t>, true>>>();
  }
  if (relu)
    d.fail(".relu is for .s32 and .s16x2 only");
  return isHalves(t) ? halvesFor<Op>(d, t) : binaryFor<Op>(d, t);
}
template <bool maximum>
void decodeMinMax(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (isFloat(t))
    return decodeFloat(d, out, maximum ? FloatOp::Max : FloatOp::Min, t);
  plainOperands(d, out, 2, t.bytes());
  out.handler = maximum ? extremum<Max>(d, t) : extremum<Min>(d, t);
}

// --- dot products of packed bytes ---

/// flags: bit 0 a is signed, bit 1 b is signed, bit 2 the high half of a (dp2a.hi takes bytes 2, 3 of b).
int64_t extractSigned(uint32_t value, unsigned shift, unsigned bits, bool isSigned) {
  uint32_t part = value >> shift & ((1u << bits) - 1);
  return isSigned && (part >> (bits - 1)) ? int64_t(part) - (int64_t(1) << bits) : int64_t(part);
}
struct Dp4a : Same<uint32_t> {
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t c, const Instr &i) {
    int64_t sum = c;
    for (unsigned k = 0; k != 4; ++k)
      sum += extractSigned(a, 8 * k, 8, i.flags & 1) * extractSigned(b, 8 * k, 8, i.flags & 2);
    return uint32_t(sum);
  }
};
struct Dp2a : Same<uint32_t> {
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t c, const Instr &i) {
    int64_t sum = c;
    unsigned high = i.flags & 4 ? 16 : 0;
    for (unsigned k = 0; k != 2; ++k)
      sum += extractSigned(a, 16 * k, 16, i.flags & 1) * extractSigned(b, high + 8 * k, 8, i.flags & 2);
    return uint32_t(sum);
  }
};
template <bool two>
void decodeDotProduct(Decoder &d, Instr &out) {
  if (two && d.requireOne("the half of b", {"lo", "hi"}) == 1)
    out.flags |= 4;
  ElementType a = d.requireType(), b = d.requireType();
  if (!isInteger(a) || !isInteger(b) || a.bits != 32 || b.bits != 32)
    d.fail("types must be .u32 or .s32");
  out.flags |= uint8_t(isSigned(a) | isSigned(b) << 1);
  plainOperands(d, out, 3, 4);
  out.handler = two ? ternary<Dp2a>() : ternary<Dp4a>();
}

} // namespace

void registerInteger(DecodeTable &table) {
  table.add("add", decodeAddSub<false>);
  table.add("sub", decodeAddSub<true>);
  table.add("addc", decodeWithCarry<false>);
  table.add("subc", decodeWithCarry<true>);
  table.add("mul", decodeMul);
  table.add("mad", decodeMad);
  table.add("madc", decodeMadc);
  table.add("mul24", decodeMul24);
  table.add("mad24", decodeMad24);
  table.add("sad", decodeSad);
  table.add("div", decodeDiv);
  table.add("rem", decodeRem);
  table.add("abs", decodeAbs);
  table.add("neg", decodeNeg);
  table.add("min", decodeMinMax<false>);
  table.add("max", decodeMinMax<true>);
  table.add("dp4a", decodeDotProduct<false>);
  table.add("dp2a", decodeDotProduct<true>);
}

} // namespace adze::sim
