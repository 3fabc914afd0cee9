// Logic, shifts, bit fields and byte permutation. PTX ISA, "Logic and Shift Instructions", and the bit instructions of
// "Integer Arithmetic Instructions".
#include "Alu.h"

#include <algorithm>
#include <array>

namespace adze::sim {
namespace {

template <typename T>
struct Same {
  using R = T;
  using A = T;
  using B = T;
  using C = T;
};
using U32 = uint32_t;

struct Nothing {};
/// Bits of the result depend on the same bits of the operands; what a constant masks off does not matter.
template <bool masks>
struct BitsApart {
  static void poison(Warp &w, const Instr &i, Mask m) {
    Mask low = w.lowPoison(i.slot[1]) | w.lowPoison(i.slot[2]),
         high = w.highPoison(i.slot[1]) | w.highPoison(i.slot[2]);
    for (unsigned k = 1; masks && k <= 2; ++k)
      if (i.slot[k].constant()) {
        U32 bits = *w.read<U32>(i.slot[k]);
        low = bits & 0xffff ? low : 0;
        high = bits >> 16 ? high : 0;
      }
    w.setHalfPoison(i.slot[0], m, low, high);
  }
};
template <typename T, bool masks>
using BitPoison = std::conditional_t<sizeof(T) == 4, BitsApart<masks>, Nothing>;
/// A shift by 16 moves one half to the place of the other; other shifts mix them.
template <bool left, bool isSigned>
struct ShiftPoison {
  static void poison(Warp &w, const Instr &i, Mask m) {
    Mask low = w.lowPoison(i.slot[1]), high = w.highPoison(i.slot[1]), amount = w.poison(i.slot[2]), all = low | high;
    if (!i.slot[2].constant() || *w.read<U32>(i.slot[2]) != 16)
      w.setPoison(i.slot[0], m, all | amount);
    else
      w.setHalfPoison(i.slot[0], m, left ? 0 : high, left ? low : isSigned ? high : 0);
  }
};
template <typename T, bool left>
using ShiftHalves = std::conditional_t<sizeof(T) == 4, ShiftPoison<left, std::is_signed_v<T>>, Nothing>;

template <typename T>
struct And : Same<T>, BitPoison<T, true> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return a & b; }
};
template <typename T>
struct Or : Same<T>, BitPoison<T, false> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return a | b; }
};
template <typename T>
struct Xor : Same<T>, BitPoison<T, false> {
  static ADZE_SIM_INLINE T apply(T a, T b) { return a ^ b; }
};
template <typename T>
struct Not : Same<T>, std::conditional_t<sizeof(T) == 4, HalvesApart<1>, Nothing> {
  static ADZE_SIM_INLINE T apply(T a) { return T(~a); }
};
template <typename T>
struct CNot : Same<T> {
  static ADZE_SIM_INLINE T apply(T a) { return a == 0; }
};

/// Shift amounts are 32-bit and clamp at the width.
template <typename T>
struct Shl : ShiftHalves<T, true> {
  using R = T;
  using A = T;
  using B = U32;
  static ADZE_SIM_INLINE T apply(T a, U32 b) { return b < sizeof(T) * 8 ? T(a << b) : T(0); }
};
template <typename T>
struct Shr : ShiftHalves<T, false> {
  using R = T;
  using A = T;
  using B = U32;
  static ADZE_SIM_INLINE T apply(T a, U32 b) {
    constexpr U32 last = sizeof(T) * 8 - 1;
    if (std::is_signed_v<T>)
      return T(a >> (b < last ? b : last));
    return b <= last ? T(a >> b) : T(0);
  }
};
/// Funnel shift of the 64 bits b:a.
template <bool left, bool wrap>
struct Shf : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a, U32 b, U32 c) {
    U32 n = wrap ? c & 31 : c < 32 ? c : 32;
    uint64_t both = uint64_t(b) << 32 | a;
    return left ? U32((both << n) >> 32) : U32(both >> n);
  }
};
struct Lop3 : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a, U32 b, U32 c, const Instr &i) {
    U32 d = 0;
    for (unsigned k = 0; k != 8; ++k)
      d |= (i.immediate >> k & 1 ? ~U32(0) : 0) & (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
    return d;
  }
};

struct Prmt : Same<U32> {
  /// With a constant selector every byte comes from a known half.
  static void poison(Warp &w, const Instr &i, Mask m) {
    if (!i.slot[3].constant()) {
      w.setPoison(i.slot[0], m, w.poison(i.slot[1]) | w.poison(i.slot[2]) | w.poison(i.slot[3]));
      return;
    }
    Mask halves[2] = {0, 0};
    for (unsigned k = 0; k != 4; ++k) {
      U32 byte = *w.read<U32>(i.slot[3]) >> 4 * k & 7;
      Slot from = i.slot[byte < 4 ? 1 : 2];
      halves[k / 2] |= byte & 2 ? w.highPoison(from) : w.lowPoison(from);
    }
    w.setHalfPoison(i.slot[0], m, halves[0], halves[1]);
  }
  static ADZE_SIM_INLINE U32 apply(U32 a, U32 b, U32 c) {
    uint64_t bytes = uint64_t(b) << 32 | a;
    U32 d = 0;
    for (unsigned k = 0; k != 4; ++k) {
      U32 select = c >> 4 * k;
      U32 byte = U32(bytes >> 8 * (select & 7)) & 0xff;
      if (select & 8)
        byte = byte & 0x80 ? 0xff : 0;
      d |= byte << 8 * k;
    }
    return d;
  }
};
/// The named modes are tables of selectors, chosen by the low two bits of c.
struct PrmtMode : Same<U32> {
  static U32 apply(U32 a, U32 b, U32 c, const Instr &i) {
    static constexpr uint16_t selectors[6][4] = {{0x3210, 0x4321, 0x5432, 0x6543},  // f4e
                                                 {0x5670, 0x6701, 0x7012, 0x0123},  // b4e
                                                 {0x0000, 0x1111, 0x2222, 0x3333},  // rc8
                                                 {0x3210, 0x3211, 0x3222, 0x3333},  // ecl
                                                 {0x0000, 0x1110, 0x2210, 0x3210},  // ecr
                                                 {0x1010, 0x3232, 0x1010, 0x3232}}; // rc16
    return Prmt::apply(a, b, selectors[i.flags][c & 3]);
  }
};

// --- bit fields ---

/// Position and length are the low 8 bits of their operands. Bits beyond the operand's most significant one are its
/// sign (signed types, length not 0) or 0.
template <typename T>
struct Bfe {
  using R = T;
  using A = T;
  using B = U32;
  using C = U32;
  static ADZE_SIM_INLINE T apply(T a, U32 b, U32 c) {
    using U = std::make_unsigned_t<T>;
    constexpr U32 width = sizeof(T) * 8;
    U32 pos = b & 0xff, length = c & 0xff;
    if (length == 0)
      return 0;
    U32 last = std::min(pos + length - 1, width - 1);
    bool sign = std::is_signed_v<T> && (U(a) >> last & 1);
    U field = pos < width ? U(a) >> pos : 0;
    U32 kept = pos < width ? std::min(length, width - pos) : 0;
    U mask = kept >= width ? ~U(0) : (U(1) << kept) - 1;
    return T((field & mask) | (sign ? ~mask : 0));
  }
};
template <typename T>
T insertBits(T a, T b, U32 c, U32 d) {
  constexpr U32 width = sizeof(T) * 8;
  U32 pos = c & 0xff, length = d & 0xff;
  if (pos >= width || length == 0)
    return b;
  U32 kept = std::min(length, width - pos);
  T mask = (kept >= width ? ~T(0) : (T(1) << kept) - 1) << pos;
  return (b & ~mask) | ((a << pos) & mask);
}
template <typename T>
Flow execBfi(Warp &w, const Instr &i, Mask m) {
  const T *a = w.read<T>(i.slot[1]), *b = w.read<T>(i.slot[2]);
  const U32 *c = w.read<U32>(i.slot[3]), *len = w.read<U32>(i.slot[4]);
  T *d = w.write<T>(i.slot[0]);
  w.setPoison(i.slot[0], m, w.poison(i.slot[1]) | w.poison(i.slot[2]) | w.poison(i.slot[3]) | w.poison(i.slot[4]));
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    d[l] = insertBits(a[l], b[l], c[l], len[l]);
  }
  return Flow::Next;
}

template <typename T>
struct Popc {
  using R = U32;
  using A = T;
  static ADZE_SIM_INLINE U32 apply(T a) { return U32(__builtin_popcountll(a)); }
};
template <typename T>
struct Clz {
  using R = U32;
  using A = T;
  static ADZE_SIM_INLINE U32 apply(T a) {
    return a ? U32(__builtin_clzll(a)) - (64 - sizeof(T) * 8) : U32(sizeof(T) * 8);
  }
};
template <typename T, bool shiftAmount>
struct Bfind {
  using R = U32;
  using A = T;
  static ADZE_SIM_INLINE U32 apply(T a) {
    using U = std::make_unsigned_t<T>;
    U value = std::is_signed_v<T> && a < 0 ? U(~a) : U(a);
    if (!value)
      return ~U32(0);
    U32 clz = Clz<U>::apply(value);
    return shiftAmount ? clz : U32(sizeof(T) * 8 - 1) - clz;
  }
};
template <typename T>
struct Brev : Same<T> {
  static ADZE_SIM_INLINE T apply(T a) {
    if constexpr (sizeof(T) == 8)
      return T(Brev<U32>::apply(U32(a))) << 32 | Brev<U32>::apply(U32(a >> 32));
    a = (a >> 1 & 0x55555555) | (a & 0x55555555) << 1;
    a = (a >> 2 & 0x33333333) | (a & 0x33333333) << 2;
    a = (a >> 4 & 0x0f0f0f0f) | (a & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(U32(a));
  }
};
struct Fns {
  using R = U32;
  using A = U32;
  using B = U32;
  using C = int32_t;
  static U32 apply(U32 mask, U32 base, int32_t offset) {
    if (base > 31)
      return ~U32(0);
    int64_t left = offset < 0 ? -int64_t(offset) : offset;
    if (left == 0)
      return mask >> base & 1 ? base : ~U32(0);
    for (int pos = int(base); pos >= 0 && pos < 32; pos += offset > 0 ? 1 : -1)
      if (mask >> pos & 1 && --left == 0)
        return U32(pos);
    return ~U32(0);
  }
};
template <bool isSigned, bool clamp>
struct Szext : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a, U32 b) {
    if (clamp && b >= 32)
      return a;
    U32 n = b & 31;
    U32 above = ~U32(0) << n;
    bool sign = isSigned && n && (a >> (n - 1) & 1);
    return (a & ~above) | (sign ? above : 0);
  }
};
template <bool clamp>
struct Bmsk : Same<U32> {
  static ADZE_SIM_INLINE U32 apply(U32 a, U32 b) {
    U32 start = a & 31, width = b & 31;
    U32 low = clamp && a >= 32 ? 0 : ~U32(0) << start;
    U32 high = 0;
    bool open = start + width >= 32 || (clamp && (a >= 32 || b >= 32));
    if (!open)
      high = width == 0 ? ~U32(0) : ~U32(0) << (start + width);
    return low & ~high;
  }
};

// --- predicates ---

enum PredicateFlags : uint8_t { NotA = 1, NotB = 2 };
enum class PredicateOp : uint8_t { And, Or, Xor, Not, Move };

/// A known operand that decides the result makes it known.
template <PredicateOp op>
Flow execPredicate(Warp &w, const Instr &i, Mask m) {
  Mask a = w.predicate(i.slot[1]) ^ (i.flags & NotA ? fullMask : 0), pa = w.poison(i.slot[1]);
  Mask b = 0, pb = 0;
  if (op <= PredicateOp::Xor) {
    b = w.predicate(i.slot[2]) ^ (i.flags & NotB ? fullMask : 0);
    pb = w.poison(i.slot[2]);
  }
  Mask poison = pa | pb;
  if (op == PredicateOp::And)
    poison &= ~((~a & ~pa) | (~b & ~pb));
  if (op == PredicateOp::Or)
    poison &= ~((a & ~pa) | (b & ~pb));
  Mask d = op == PredicateOp::And   ? a & b
           : op == PredicateOp::Or  ? a | b
           : op == PredicateOp::Xor ? a ^ b
           : op == PredicateOp::Not ? ~a
                                    : a;
  w.setPoison(i.slot[0], m, poison);
  w.setPredicate(i.slot[0], m, d);
  return Flow::Next;
}

void predicateOperands(Decoder &d, Instr &out, unsigned sources) {
  bool negated = false;
  for (unsigned k = 1; k <= sources; ++k) {
    out.slot[k] = d.readPredicate(d.operand(k), negated);
    out.flags |= negated ? (k == 1 ? NotA : NotB) : 0;
  }
  out.slot[0] = d.writePredicate(d.operand(0));
  if (!out.slot[0].valid())
    d.fail("the destination cannot be '_'");
}

// --- decoding ---

template <template <typename> class Op>
Handler bitsBinary(Decoder &d, const ElementType &t) {
  switch (t.cls == ElementType::Class::Bits ? t.bits : 0) {
  case 16:
    return binary<Op<uint16_t>>();
  case 32:
    return binary<Op<U32>>();
  case 64:
    return binary<Op<uint64_t>>();
  }
  d.fail("type ." + t.name + " is not supported");
}
template <template <typename> class Op>
Handler bitsUnary(Decoder &d, const ElementType &t) {
  switch (t.cls == ElementType::Class::Bits ? t.bits : 0) {
  case 16:
    return unary<Op<uint16_t>>();
  case 32:
    return unary<Op<U32>>();
  case 64:
    return unary<Op<uint64_t>>();
  }
  d.fail("type ." + t.name + " is not supported");
}
template <template <typename> class Op>
Handler bits32Or64(Decoder &d, const ElementType &t) {
  if (t.cls == ElementType::Class::Bits && t.bits == 32)
    return unary<Op<U32>>();
  if (t.cls == ElementType::Class::Bits && t.bits == 64)
    return unary<Op<uint64_t>>();
  d.fail("type ." + t.name + " is not supported");
}

template <template <typename> class Op, PredicateOp predicateOp>
void decodeLogic(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (t.cls == ElementType::Class::Predicate) {
    predicateOperands(d, out, 2);
    out.handler = execPredicate<predicateOp>;
    return;
  }
  plainOperands(d, out, 2, t.bytes());
  out.handler = bitsBinary<Op>(d, t);
}
void decodeNot(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (t.cls == ElementType::Class::Predicate) {
    predicateOperands(d, out, 1);
    out.handler = execPredicate<PredicateOp::Not>;
    return;
  }
  plainOperands(d, out, 1, t.bytes());
  out.handler = bitsUnary<Not>(d, t);
}
void decodeCNot(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  plainOperands(d, out, 1, t.bytes());
  out.handler = bitsUnary<CNot>(d, t);
}

void shiftOperands(Decoder &d, Instr &out, unsigned bytes) {
  out.slot[1] = d.readOperand(d.operand(1), bytes);
  out.slot[2] = d.readOperand(d.operand(2), 4);
  out.slot[0] = d.writeRegister(d.operand(0), bytes);
}
void decodeShl(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  shiftOperands(d, out, t.bytes());
  out.handler = bitsBinary<Shl>(d, t);
}
void decodeShr(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  shiftOperands(d, out, t.bytes());
  if (isFloat(t) || t.packed || t.bits < 16)
    d.fail("type ." + t.name + " is not supported");
  switch (t.bits * 2 + isSigned(t)) {
  case 32:
    out.handler = binary<Shr<uint16_t>>();
    break;
  case 33:
    out.handler = binary<Shr<int16_t>>();
    break;
  case 64:
    out.handler = binary<Shr<uint32_t>>();
    break;
  case 65:
    out.handler = binary<Shr<int32_t>>();
    break;
  case 128:
    out.handler = binary<Shr<uint64_t>>();
    break;
  case 129:
    out.handler = binary<Shr<int64_t>>();
    break;
  default:
    d.fail("type ." + t.name + " is not supported");
  }
}
void requireB32(Decoder &d) {
  if (!d.take("b32"))
    d.fail("needs .b32");
}
void decodeShf(Decoder &d, Instr &out) {
  bool left = d.requireOne("the direction", {"l", "r"}) == 0;
  bool wrap = d.requireOne("the mode", {"wrap", "clamp"}) == 0;
  requireB32(d);
  plainOperands(d, out, 3, 4);
  out.handler = left ? (wrap ? ternary<Shf<true, true>>() : ternary<Shf<true, false>>())
                     : (wrap ? ternary<Shf<false, true>>() : ternary<Shf<false, false>>());
}

/// lop3.BoolOp.b32 d|p, a, b, c, immLut, q: p = (d != 0) BoolOp q. flags bit 0: .and, bit 1: q negated.
Flow execLop3Predicate(Warp &w, const Instr &i, Mask m) {
  const U32 *a = w.read<U32>(i.slot[1]), *b = w.read<U32>(i.slot[2]), *c = w.read<U32>(i.slot[3]);
  Mask poison = w.poison(i.slot[1]) | w.poison(i.slot[2]) | w.poison(i.slot[3]);
  Mask q = w.predicate(i.slot[4]) ^ (i.flags & 2 ? fullMask : 0), truth = 0;
  U32 result[warpSize];
  for (Mask rest = m; rest; rest &= rest - 1) {
    unsigned l = firstLane(rest);
    result[l] = Lop3::apply(a[l], b[l], c[l], i);
    truth |= Mask(result[l] != 0) << l;
  }
  if (i.slot[0].valid()) {
    U32 *d = w.write<U32>(i.slot[0]);
    for (Mask rest = m; rest; rest &= rest - 1)
      d[firstLane(rest)] = result[firstLane(rest)];
    w.setPoison(i.slot[0], m, poison);
  }
  w.setPoison(i.slot[5], m, poison | w.poison(i.slot[4]));
  w.setPredicate(i.slot[5], m, i.flags & 1 ? truth & q : truth | q);
  return Flow::Next;
}
void decodeLop3(Decoder &d, Instr &out) {
  int combine = d.takeOne({"or", "and"});
  requireB32(d);
  for (unsigned k = 1; k <= 3; ++k)
    out.slot[k] = d.readOperand(d.operand(k), 4);
  int64_t table = d.immediate(d.operand(4), "the look-up table");
  if (table < 0 || table > 255)
    d.fail("the look-up table must be 0 to 255");
  out.immediate = uint64_t(table);
  const ptx::Operand &to = d.operand(0);
  if (combine < 0) {
    out.slot[0] = d.writeRegister(to, 4);
    out.handler = ternary<Lop3>();
    return;
  }
  if (to.kind != ptx::Operand::Kind::Pair)
    d.fail("the destination must be d|p");
  bool negated = false;
  out.slot[4] = d.readPredicate(d.operand(5), negated);
  out.slot[0] = d.writeRegister(to.elements[0], 4);
  out.slot[5] = d.writePredicate(to.elements[1]);
  if (!out.slot[5].valid())
    d.fail("the predicate cannot be '_'");
  out.flags = uint8_t(combine | (negated ? 2 : 0));
  out.handler = execLop3Predicate;
}

void decodePrmt(Decoder &d, Instr &out) {
  requireB32(d);
  int mode = d.takeOne({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  plainOperands(d, out, 3, 4);
  out.flags = uint8_t(mode < 0 ? 0 : mode);
  out.handler = mode < 0 ? ternary<Prmt>() : ternary<PrmtMode>();
}

void decodeBfe(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (!isInteger(t) || t.bits < 32)
    d.fail("type ." + t.name + " is not supported");
  out.slot[1] = d.readOperand(d.operand(1), t.bytes());
  out.slot[2] = d.readOperand(d.operand(2), 4);
  out.slot[3] = d.readOperand(d.operand(3), 4);
  out.slot[0] = d.writeRegister(d.operand(0), t.bytes());
  out.handler = t.bits == 32 ? (isSigned(t) ? ternary<Bfe<int32_t>>() : ternary<Bfe<uint32_t>>())
                             : (isSigned(t) ? ternary<Bfe<int64_t>>() : ternary<Bfe<uint64_t>>());
}
void decodeBfi(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (t.cls != ElementType::Class::Bits || (t.bits != 32 && t.bits != 64))
    d.fail("type ." + t.name + " is not supported");
  out.slot[1] = d.readOperand(d.operand(1), t.bytes());
  out.slot[2] = d.readOperand(d.operand(2), t.bytes());
  out.slot[3] = d.readOperand(d.operand(3), 4);
  out.slot[4] = d.readOperand(d.operand(4), 4);
  out.slot[0] = d.writeRegister(d.operand(0), t.bytes());
  out.handler = t.bits == 32 ? execBfi<uint32_t> : execBfi<uint64_t>;
}

void countOperands(Decoder &d, Instr &out, unsigned bytes) {
  out.slot[1] = d.readOperand(d.operand(1), bytes);
  out.slot[0] = d.writeRegister(d.operand(0), 4);
}
void decodePopc(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  countOperands(d, out, t.bytes());
  out.handler = bits32Or64<Popc>(d, t);
}
void decodeClz(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  countOperands(d, out, t.bytes());
  out.handler = bits32Or64<Clz>(d, t);
}
template <bool amount>
Handler bfindFor(const ElementType &t) {
  return t.bits == 32 ? (isSigned(t) ? unary<Bfind<int32_t, amount>>() : unary<Bfind<uint32_t, amount>>())
                      : (isSigned(t) ? unary<Bfind<int64_t, amount>>() : unary<Bfind<uint64_t, amount>>());
}
void decodeBfind(Decoder &d, Instr &out) {
  bool amount = d.take("shiftamt");
  ElementType t = d.requireType();
  if (!isInteger(t) || t.bits < 32)
    d.fail("type ." + t.name + " is not supported");
  countOperands(d, out, t.bytes());
  out.handler = amount ? bfindFor<true>(t) : bfindFor<false>(t);
}
void decodeBrev(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  plainOperands(d, out, 1, t.bytes());
  out.handler = bits32Or64<Brev>(d, t);
}
void decodeFns(Decoder &d, Instr &out) {
  requireB32(d);
  plainOperands(d, out, 3, 4);
  out.handler = ternary<Fns>();
}
void decodeSzext(Decoder &d, Instr &out) {
  bool clamp = d.requireOne("the mode", {"clamp", "wrap"}) == 0;
  ElementType t = d.requireType();
  if (!isInteger(t) || t.bits != 32)
    d.fail("type ." + t.name + " is not supported");
  plainOperands(d, out, 2, 4);
  out.handler = isSigned(t) ? (clamp ? binary<Szext<true, true>>() : binary<Szext<true, false>>())
                            : (clamp ? binary<Szext<false, true>>() : binary<Szext<false, false>>());
}
void decodeBmsk(Decoder &d, Instr &out) {
  bool clamp = d.requireOne("the mode", {"clamp", "wrap"}) == 0;
  requireB32(d);
  plainOperands(d, out, 2, 4);
  out.handler = clamp ? binary<Bmsk<true>>() : binary<Bmsk<false>>();
}

} // namespace

/// mov.pred, used by Move.cpp.
void decodePredicateMove(Decoder &d, Instr &out) {
  predicateOperands(d, out, 1);
  out.handler = execPredicate<PredicateOp::Move>;
}

void registerLogic(DecodeTable &table) {
  table.add("and", decodeLogic<And, PredicateOp::And>);
  table.add("or", decodeLogic<Or, PredicateOp::Or>);
  table.add("xor", decodeLogic<Xor, PredicateOp::Xor>);
  table.add("not", decodeNot);
  table.add("cnot", decodeCNot);
  table.add("shl", decodeShl);
  table.add("shr", decodeShr);
  table.add("shf", decodeShf);
  table.add("lop3", decodeLop3);
  table.add("prmt", decodePrmt);
  table.add("bfe", decodeBfe);
  table.add("bfi", decodeBfi);
  table.add("popc", decodePopc);
  table.add("clz", decodeClz);
  table.add("bfind", decodeBfind);
  table.add("brev", decodeBrev);
  table.add("fns", decodeFns);
  table.add("szext", decodeSzext);
  table.add("bmsk", decodeBmsk);
}

} // namespace adze::sim
