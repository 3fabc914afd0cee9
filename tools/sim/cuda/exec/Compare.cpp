// Comparison and selection. PTX ISA, "Comparison and Selection Instructions", "Half Precision Comparison Instructions".
#include "../number/Compare.h"
#include "Alu.h"

namespace adze::sim {
namespace {

enum class Cmp : uint8_t { Eq, Ne, Lt, Le, Gt, Ge };
enum class Combine : uint8_t { None, And, Or, Xor };

/// Instr::flags of setp and set.
enum CompareFlags : uint8_t { CombineMask = 3, NotC = 4, Flush = 8 };

// --- what a pair of values compares to ---

template <typename T, Cmp cmp>
ADZE_SIM_INLINE bool holds(T a, T b) {
  switch (cmp) {
  case Cmp::Eq:
    return a == b;
  case Cmp::Ne:
    return a != b;
  case Cmp::Lt:
    return a < b;
  case Cmp::Le:
    return a <= b;
  case Cmp::Gt:
    return a > b;
  default:
    return a >= b;
  }
}

template <typename T, Cmp cmp>
ADZE_SIM_INLINE Mask compareLanes(Warp &w, const Instr &i) {
  const T *a = w.read<T>(i.slot[2]), *b = w.read<T>(i.slot[3]);
  Mask truth = 0;
  for (unsigned l = 0; l != warpSize; ++l)
    truth |= Mask(holds<T, cmp>(a[l], b[l])) << l;
  return truth;
}

/// Any float comparison of any format, by the numbers library. immediate: FloatCompare; immediate2: the format.
const Format &formatNumber(uint64_t number) {
  static const Format *const formats[] = {&f16Format, &bf16Format, &f32Format, &f64Format};
  return *formats[number];
}
template <typename T>
Mask compareFloats(Warp &w, const Instr &i, Mask m, unsigned shift) {
  const T *a = w.read<T>(i.slot[2]), *b = w.read<T>(i.slot[3]);
  const Format &format = formatNumber(i.immediate2 & 3);
  uint64_t bits = (i.immediate2 & 3) < 2 ? 0xffff : ~uint64_t(0);
  Mask truth = 0;
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    truth |=
        Mask(compare(FloatCompare(i.immediate), format, a[l] >> shift & bits, b[l] >> shift & bits, i.flags & Flush))
        << l;
  }
  return truth;
}

// --- setp: slots p, q, a, b, c ---

/// t BoolOp c with what is known of it: a known c that decides makes the result known.
ADZE_SIM_INLINE void setOne(Warp &w, const Instr &i, Slot to, Mask m, Mask truth, Mask poison) {
  if (!to.valid())
    return;
  Combine combine = Combine(i.flags & CombineMask);
  if (combine != Combine::None) {
    Mask c = w.predicate(i.slot[4]) ^ (i.flags & NotC ? fullMask : 0), pc = w.poison(i.slot[4]);
    Mask decides = combine == Combine::And ? ~c : combine == Combine::Or ? c : 0;
    poison = (poison | pc) & ~(decides & ~pc);
    truth = combine == Combine::And ? truth & c : combine == Combine::Or ? truth | c : truth ^ c;
  }
  w.setPoison(to, m, poison);
  w.setPredicate(to, m, truth);
}
ADZE_SIM_INLINE void setBoth(Warp &w, const Instr &i, Mask m, Mask truth) {
  Mask poison = w.poison(i.slot[2]) | w.poison(i.slot[3]);
  Slot q = i.slot[1];
  if (!q.valid())
    return setOne(w, i, i.slot[0], m, truth, poison);
  // c may be one of the destinations: it is read for both before either is written.
  if (i.slot[0].valid() && i.slot[4].valid() && i.slot[4].offset == i.slot[0].offset) {
    Mask oldValue = w.predicate(i.slot[4]), oldPoison = w.poison(i.slot[4]);
    setOne(w, i, i.slot[0], m, truth, poison);
    Mask value = w.predicate(i.slot[0]), valuePoison = w.poison(i.slot[0]);
    w.setPredicate(i.slot[0], fullMask, oldValue);
    w.setPoison(i.slot[0], fullMask, oldPoison);
    setOne(w, i, q, m, ~truth, poison);
    w.setPredicate(i.slot[0], fullMask, value);
    w.setPoison(i.slot[0], fullMask, valuePoison);
    return;
  }
  setOne(w, i, i.slot[0], m, truth, poison);
  setOne(w, i, q, m, ~truth, poison);
}
template <typename T, Cmp cmp>
Flow setpPlain(Warp &w, const Instr &i, Mask m) {
  setBoth(w, i, m, compareLanes<T, cmp>(w, i));
  return Flow::Next;
}
template <typename T, Cmp cmp>
ADZE_SIM_WIDE Flow setpWide(Warp &w, const Instr &i, Mask m) {
  setBoth(w, i, m, compareLanes<T, cmp>(w, i));
  return Flow::Next;
}
template <typename T>
Flow setpFloat(Warp &w, const Instr &i, Mask m) {
  setBoth(w, i, m, compareFloats<T>(w, i, m, 0));
  return Flow::Next;
}
/// f16x2, bf16x2: p is the result of the low halves, q that of the high ones.
Flow setpHalves(Warp &w, const Instr &i, Mask m) {
  Mask poison = w.poison(i.slot[2]) | w.poison(i.slot[3]);
  Mask low = compareFloats<uint32_t>(w, i, m, 0), high = compareFloats<uint32_t>(w, i, m, 16);
  setOne(w, i, i.slot[0], m, low, poison);
  setOne(w, i, i.slot[1], m, high, poison);
  return Flow::Next;
}

template <typename T>
Handler setpFor(Cmp cmp) {
  switch (cmp) {
  case Cmp::Eq:
    return hasWide() ? setpWide<T, Cmp::Eq> : setpPlain<T, Cmp::Eq>;
  case Cmp::Ne:
    return hasWide() ? setpWide<T, Cmp::Ne> : setpPlain<T, Cmp::Ne>;
  case Cmp::Lt:
    return hasWide() ? setpWide<T, Cmp::Lt> : setpPlain<T, Cmp::Lt>;
  case Cmp::Le:
    return hasWide() ? setpWide<T, Cmp::Le> : setpPlain<T, Cmp::Le>;
  case Cmp::Gt:
    return hasWide() ? setpWide<T, Cmp::Gt> : setpPlain<T, Cmp::Gt>;
  default:
    return hasWide() ? setpWide<T, Cmp::Ge> : setpPlain<T, Cmp::Ge>;
  }
}

/// What is compared, as decoded from the modifiers.
struct Comparison {
  bool floats = false, isSigned = false;
  Cmp cmp = Cmp::Eq; ///< integers, and ordered comparisons of plain floats
  FloatCompare floatCompare = FloatCompare::Eq;
  ElementType type;
};

/// The comparison operator, .BoolOp, .ftz; then types: `result` first if wanted.
Comparison takeComparison(Decoder &d, Instr &out, ElementType *result) {
  static const std::initializer_list<const char *> names = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",
                                                            "lo",  "ls",  "hi",  "hs",  "equ", "neu",
                                                            "ltu", "leu", "gtu", "geu", "num", "nan"};
  Comparison c;
  unsigned name = d.requireOne("the comparison", names);
  int combine = d.takeOne({"and", "or", "xor"});
  out.flags = uint8_t(combine + 1);
  bool flush = d.take("ftz");
  if (result)
    *result = d.requireType();
  c.type = d.requireType();
  c.floats = isFloat(c.type);
  if (c.type.name == "f32x2")
    d.fail("type .f32x2 is not supported");
  c.isSigned = isSigned(c.type);
  if (flush && (!c.floats || c.type.bits == 64))
    d.fail(".ftz is for .f32 and .f16 only");
  if (flush)
    out.flags |= Flush;
  if (c.floats) {
    if (name >= 6 && name <= 9)
      d.fail("comparison is for unsigned integers");
    c.floatCompare = FloatCompare(name < 6 ? name : name - 4);
    c.cmp = Cmp(name < 6 ? name : 0);
    return c;
  }
  bool bits = c.type.cls == ElementType::Class::Bits;
  if (name >= 10 || (bits && name > 1) || (c.isSigned && name >= 6))
    d.fail("comparison is not for ." + c.type.name);
  static constexpr Cmp unsignedNames[] = {Cmp::Lt, Cmp::Le, Cmp::Gt, Cmp::Ge};
  c.cmp = name < 6 ? Cmp(name) : unsignedNames[name - 6];
  return c;
}

void comparisonOperands(Decoder &d, Instr &out, const Comparison &c) {
  out.slot[2] = d.readOperand(d.operand(1), c.type.bytes());
  out.slot[3] = d.readOperand(d.operand(2), c.type.bytes());
  if ((out.flags & CombineMask) == 0)
    return;
  bool negated = false;
  out.slot[4] = d.readPredicate(d.operand(3), negated);
  out.flags |= negated ? NotC : 0;
}

void floatComparison(Instr &out, const Comparison &c) {
  out.immediate = uint64_t(c.floatCompare);
  bool bfloat = c.type.cls == ElementType::Class::BFloat;
  out.immediate2 = c.type.bits == 64 ? 3 : c.type.name == "f32" ? 2 : bfloat ? 1 : 0;
}

Handler setpHandler(Decoder &d, const Instr &out, const Comparison &c) {
  if (c.floats) {
    bool native = !(out.flags & Flush) && c.floatCompare <= FloatCompare::Ge && c.floatCompare != FloatCompare::Ne;
    if (c.type.packed)
      return setpHalves;
    if (c.type.bits == 16)
      return setpFloat<uint16_t>;
    if (c.type.bits == 32)
      return native ? setpFor<float>(c.cmp) : setpFloat<uint32_t>;
    return native ? setpFor<double>(c.cmp) : setpFloat<uint64_t>;
  }
  switch (c.type.packed ? 0 : c.type.bits * 2 + c.isSigned) {
  case 32:
    return setpFor<uint16_t>(c.cmp);
  case 33:
    return setpFor<int16_t>(c.cmp);
  case 64:
    return setpFor<uint32_t>(c.cmp);
  case 65:
    return setpFor<int32_t>(c.cmp);
  case 128:
    return setpFor<uint64_t>(c.cmp);
  case 129:
    return setpFor<int64_t>(c.cmp);
  default:
    d.fail("type ." + c.type.name + " is not supported");
  }
}

void decodeSetp(Decoder &d, Instr &out) {
  Comparison c = takeComparison(d, out, nullptr);
  comparisonOperands(d, out, c);
  floatComparison(out, c);
  const ptx::Operand &to = d.operand(0);
  if (to.kind == ptx::Operand::Kind::Pair) {
    out.slot[0] = d.writePredicate(to.elements[0]);
    out.slot[1] = d.writePredicate(to.elements[1]);
  } else {
    out.slot[0] = d.writePredicate(to);
    if (c.type.packed && c.floats)
      d.fail("packed comparisons need p|q");
  }
  out.handler = setpHandler(d, out, c);
}

// --- set: slots d, -, a, b, c ---

/// A setp whose truth becomes numbers: the comparison runs into two predicates kept in the extra data's temporary.
struct SetExtra : InstrExtra {
  Instr compare; ///< a setp into `predicate`
  Slot predicate;
  uint64_t truth = 0;
};
template <typename T>
Flow execSet(Warp &w, const Instr &i, Mask m) {
  const SetExtra &extra = static_cast<const SetExtra &>(*i.extra);
  extra.compare.handler(w, extra.compare, m);
  Mask truth = w.predicate(extra.predicate);
  w.setPoison(i.slot[0], m, w.poison(extra.predicate));
  T *d = w.write<T>(i.slot[0]);
  for (; m; m &= m - 1)
    d[firstLane(m)] = truth >> firstLane(m) & 1 ? T(extra.truth) : T(0);
  return Flow::Next;
}
void decodeSet(Decoder &d, Instr &out) {
  ElementType result;
  Comparison c = takeComparison(d, out, &result);
  if (c.type.packed || result.packed || result.bits > 32)
    d.fail("types ." + result.name + "." + c.type.name + " are not supported");
  SetExtra &extra = d.makeExtra<SetExtra>(out);
  extra.compare.flags = out.flags;
  comparisonOperands(d, extra.compare, c);
  floatComparison(extra.compare, c);
  extra.compare.handler = setpHandler(d, extra.compare, c);
  extra.predicate = d.temporary(4, true);
  extra.compare.slot[0] = extra.predicate;
  extra.truth = result.name == "f32"    ? 0x3f800000
                : result.name == "f16"  ? 0x3c00
                : result.name == "bf16" ? 0x3f80
                                        : ~0u;
  out.slot[0] = d.writeRegister(d.operand(0), result.bytes());
  out.handler = result.bits == 16 ? execSet<uint16_t> : execSet<uint32_t>;
}

// --- selp: slots d, a, b, p; flags bit 0: !p ---

template <typename T>
ADZE_SIM_INLINE void select(Warp &w, const Instr &i, Mask m) {
  Mask p = w.predicate(i.slot[3]) ^ (i.flags & 1 ? fullMask : 0);
  const T *a = w.read<T>(i.slot[1]), *b = w.read<T>(i.slot[2]);
  T *d = w.write<T>(i.slot[0]);
  Mask unknown = w.poison(i.slot[3]);
  if (sizeof(T) == 4)
    w.setHalfPoison(i.slot[0], m, (w.lowPoison(i.slot[1]) & p) | (w.lowPoison(i.slot[2]) & ~p) | unknown,
                    (w.highPoison(i.slot[1]) & p) | (w.highPoison(i.slot[2]) & ~p) | unknown);
  else
    w.setPoison(i.slot[0], m, (w.poison(i.slot[1]) & p) | (w.poison(i.slot[2]) & ~p) | unknown);
  if (m == fullMask) {
    ADZE_SIM_LANES
    for (unsigned l = 0; l != warpSize; ++l)
      d[l] = p >> l & 1 ? a[l] : b[l];
  } else {
    for (; m; m &= m - 1)
      d[firstLane(m)] = p >> firstLane(m) & 1 ? a[firstLane(m)] : b[firstLane(m)];
  }
}
template <typename T>
Flow selpPlain(Warp &w, const Instr &i, Mask m) {
  select<T>(w, i, m);
  return Flow::Next;
}
template <typename T>
ADZE_SIM_WIDE Flow selpWide(Warp &w, const Instr &i, Mask m) {
  select<T>(w, i, m);
  return Flow::Next;
}
void decodeSelp(Decoder &d, Instr &out) {
  ElementType t = d.requireType();
  if (t.bits < 16 || t.bits > 64)
    d.fail("type ." + t.name + " is not supported");
  plainOperands(d, out, 2, t.bytes());
  bool negated = false;
  out.slot[3] = d.readPredicate(d.operand(3), negated);
  out.flags = negated;
  out.handler = t.bits == 16   ? (hasWide() ? selpWide<uint16_t> : selpPlain<uint16_t>)
                : t.bits == 32 ? (hasWide() ? selpWide<uint32_t> : selpPlain<uint32_t>)
                               : (hasWide() ? selpWide<uint64_t> : selpPlain<uint64_t>);
}

// --- slct: d = c >= 0 ? a : b ---

template <typename T, bool floats>
struct Slct {
  using R = T;
  using A = T;
  using B = T;
  using C = uint32_t;
  static T apply(T a, T b, uint32_t c, const Instr &i) {
    if (!floats)
      return int32_t(c) >= 0 ? a : b;
    return compare(FloatCompare::Ge, f32Format, c, 0, i.flags & Flush) ? a : b; // -0 selects a, NaN b
  }
};
void decodeSlct(Decoder &d, Instr &out) {
  bool flush = d.take("ftz");
  ElementType t = d.requireType(), selector = d.requireType();
  bool floats = selector.name == "f32";
  if ((!floats && selector.name != "s32") || (flush && !floats) || t.bits < 16 || t.bits > 64)
    d.fail("types ." + t.name + "." + selector.name + " are not supported");
  plainOperands(d, out, 2, t.bytes());
  out.slot[3] = d.readOperand(d.operand(3), 4);
  out.flags = flush ? Flush : 0;
  out.handler = t.bits == 16   ? (floats ? ternary<Slct<uint16_t, true>>() : ternary<Slct<uint16_t, false>>())
                : t.bits == 32 ? (floats ? ternary<Slct<uint32_t, true>>() : ternary<Slct<uint32_t, false>>())
                               : (floats ? ternary<Slct<uint64_t, true>>() : ternary<Slct<uint64_t, false>>());
}

} // namespace

void registerCompare(DecodeTable &table) {
  table.add("setp", decodeSetp);
  table.add("set", decodeSet);
  table.add("selp", decodeSelp);
  table.add("slct", decodeSlct);
}

} // namespace adze::sim
