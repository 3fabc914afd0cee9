// cvt. PTX ISA, "cvt". Values come from tools/sim/cuda/number; what compiled code converts all the time runs natively.
#include "../number/Convert.h"
#include "../number/Arithmetic.h"
#include "Alu.h"

#include <cmath>

namespace adze::sim {
namespace {

struct ConvertExtra : InstrExtra {
  Conversion conversion;
};

/// Any conversion. count: bytes of the source, immediate: of its register; flags: bytes of the destination register.
Flow execConvert(Warp &w, const Instr &i, Mask m) {
  const Conversion &c = static_cast<const ConvertExtra &>(*i.extra).conversion;
  bool two = i.slot[2].valid();
  if (two && i.flags == 4)
    w.setHalfPoison(i.slot[0], m, w.poison(i.slot[2]), w.poison(i.slot[1]));
  else
    w.setPoison(i.slot[0], m, w.poison(i.slot[1]) | (two ? w.poison(i.slot[2]) : 0));
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    uint64_t b = two ? w.readLane(i.slot[2], l, i.count) : 0;
    w.writeLane(i.slot[0], l, i.flags, convert(c, w.readLane(i.slot[1], l, i.count), b));
  }
  return Flow::Next;
}

// --- native forms ---

/// Integer to integer without .sat: extend or truncate. D is the destination register as a whole.
template <typename D, typename To, typename From, typename Register>
struct Resize {
  /// What is narrowed to 16 bits or less depends on the low half only.
  static void poison(Warp &w, const Instr &i, Mask m) {
    bool low = sizeof(Register) == 4 && (sizeof(From) <= 2 || sizeof(To) <= 2);
    w.setPoison(i.slot[0], m, low ? w.lowPoison(i.slot[1]) : w.poison(i.slot[1]));
  }
  using R = D;
  using A = Register;
  static ADZE_SIM_INLINE D apply(Register a) { return D(To(From(a))); }
};
template <typename To, typename From>
struct FromInteger {
  using R = To;
  using A = From;
  static ADZE_SIM_INLINE To apply(From a) { return To(a); }
};
struct HalfToFloat {
  using R = float;
  using A = uint16_t;
  static ADZE_SIM_INLINE float apply(uint16_t a) { return toFloat(canonical(halfToFloat(a))); }
};
struct BfloatToFloat {
  using R = float;
  using A = uint16_t;
  static ADZE_SIM_INLINE float apply(uint16_t a) { return toFloat(canonical(bfloatToFloat(a))); }
};
ADZE_SIM_INLINE uint16_t roundToBfloat(float a) {
  uint32_t bits = fromFloat(a);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return uint16_t((bits & 0x7fffffff) > 0x7f800000 ? 0x7fff : rounded);
}
struct FloatToBfloat {
  using R = uint16_t;
  using A = float;
  static ADZE_SIM_INLINE uint16_t apply(float a) { return roundToBfloat(a); }
};
/// The first operand goes into the upper half.
struct PairPoison {
  static void poison(Warp &w, const Instr &i, Mask m) {
    w.setHalfPoison(i.slot[0], m, w.poison(i.slot[2]), w.poison(i.slot[1]));
  }
};
struct FloatsToBfloats : PairPoison {
  using R = uint32_t;
  using A = float;
  using B = float;
  static ADZE_SIM_INLINE uint32_t apply(float a, float b) {
    return uint32_t(roundToBfloat(a)) << 16 | roundToBfloat(b);
  }
};
struct FloatToHalf {
  using R = uint16_t;
  using A = float;
  static uint16_t apply(float a) { return floatToHalf(a); }
};
struct FloatsToHalves : PairPoison {
  using R = uint32_t;
  using A = float;
  using B = float;
  static uint32_t apply(float a, float b) { return uint32_t(floatToHalf(a)) << 16 | floatToHalf(b); }
};
/// Clamps; NaN gives 0.
struct FloatToS32 {
  using R = int32_t;
  using A = float;
  static ADZE_SIM_INLINE int32_t apply(float a) {
    if (a != a)
      return 0;
    return a >= 2147483648.0f ? INT32_MAX : a < -2147483648.0f ? INT32_MIN : int32_t(a);
  }
};

template <typename D, typename To>
Handler resizeTo(NumberType from, unsigned registerBytes) {
  switch (from) {
  case NumberType::U8:
    return registerBytes <= 2   ? unary<Resize<D, To, uint8_t, uint16_t>>()
           : registerBytes == 4 ? unary<Resize<D, To, uint8_t, uint32_t>>()
                                : unary<Resize<D, To, uint8_t, uint64_t>>();
  case NumberType::S8:
    return registerBytes <= 2   ? unary<Resize<D, To, int8_t, uint16_t>>()
           : registerBytes == 4 ? unary<Resize<D, To, int8_t, uint32_t>>()
                                : unary<Resize<D, To, int8_t, uint64_t>>();
  case NumberType::U16:
    return registerBytes <= 2   ? unary<Resize<D, To, uint16_t, uint16_t>>()
           : registerBytes == 4 ? unary<Resize<D, To, uint16_t, uint32_t>>()
                                : unary<Resize<D, To, uint16_t, uint64_t>>();
  case NumberType::S16:
    return registerBytes <= 2   ? unary<Resize<D, To, int16_t, uint16_t>>()
           : registerBytes == 4 ? unary<Resize<D, To, int16_t, uint32_t>>()
                                : unary<Resize<D, To, int16_t, uint64_t>>();
  case NumberType::U32:
    return registerBytes == 4 ? unary<Resize<D, To, uint32_t, uint32_t>>() : unary<Resize<D, To, uint32_t, uint64_t>>();
  case NumberType::S32:
    return registerBytes == 4 ? unary<Resize<D, To, int32_t, uint32_t>>() : unary<Resize<D, To, int32_t, uint64_t>>();
  case NumberType::U64:
    return unary<Resize<D, To, uint64_t, uint64_t>>();
  default:
    return unary<Resize<D, To, int64_t, uint64_t>>();
  }
}
/// Destination registers that are wider than the type get the sign or zero extended value.
template <typename To>
Handler resize(NumberType from, unsigned fromBytes, unsigned toBytes) {
  constexpr bool s = std::is_signed_v<To>;
  using D16 = std::conditional_t<s, int16_t, uint16_t>;
  using D32 = std::conditional_t<s, int32_t, uint32_t>;
  using D64 = std::conditional_t<s, int64_t, uint64_t>;
  if (toBytes <= 2)
    return resizeTo<D16, To>(from, fromBytes);
  return toBytes == 4 ? resizeTo<D32, To>(from, fromBytes) : resizeTo<D64, To>(from, fromBytes);
}
Handler integerHandler(const Conversion &c, unsigned fromBytes, unsigned toBytes) {
  switch (c.to) {
  case NumberType::U8:
    return resize<uint8_t>(c.from, fromBytes, toBytes);
  case NumberType::U16:
    return resize<uint16_t>(c.from, fromBytes, toBytes);
  case NumberType::U32:
    return resize<uint32_t>(c.from, fromBytes, toBytes);
  case NumberType::U64:
    return resize<uint64_t>(c.from, fromBytes, toBytes);
  case NumberType::S8:
    return resize<int8_t>(c.from, fromBytes, toBytes);
  case NumberType::S16:
    return resize<int16_t>(c.from, fromBytes, toBytes);
  case NumberType::S32:
    return resize<int32_t>(c.from, fromBytes, toBytes);
  default:
    return resize<int64_t>(c.from, fromBytes, toBytes);
  }
}

/// Native forms of frequent float conversions, for registers that are as wide as the types; null if there is none.
Handler floatHandler(const Conversion &c) {
  if (c.flush || c.saturate || c.finite || c.relu)
    return nullptr;
  using N = NumberType;
  bool nearest = c.hasRound && c.round == Round::Nearest && !c.integral;
  bool toZero = c.hasRound && c.round == Round::Zero && c.integral;
  if (c.to == N::F32 && c.from == N::F16)
    return unary<HalfToFloat>();
  if (c.to == N::F32 && c.from == N::BF16)
    return unary<BfloatToFloat>();
  if (nearest && c.from == N::F32)
    return c.to == N::BF16     ? unary<FloatToBfloat>()
           : c.to == N::F16    ? unary<FloatToHalf>()
           : c.to == N::BF16x2 ? binary<FloatsToBfloats>()
           : c.to == N::F16x2  ? binary<FloatsToHalves>()
                               : nullptr;
  if (nearest && c.to == N::F32)
    return c.from == N::S32   ? unary<FromInteger<float, int32_t>>()
           : c.from == N::U32 ? unary<FromInteger<float, uint32_t>>()
           : c.from == N::S64 ? unary<FromInteger<float, int64_t>>()
           : c.from == N::U64 ? unary<FromInteger<float, uint64_t>>()
                              : nullptr;
  if (toZero && c.from == N::F32 && c.to == N::S32)
    return unary<FloatToS32>();
  return nullptr;
}

// --- decoding ---

bool parseNumberType(const std::string &text, NumberType &type) {
  static const std::pair<const char *, NumberType> names[] = {
      {"u8", NumberType::U8},         {"u16", NumberType::U16},      {"u32", NumberType::U32},
      {"u64", NumberType::U64},       {"s8", NumberType::S8},        {"s16", NumberType::S16},
      {"s32", NumberType::S32},       {"s64", NumberType::S64},      {"f16", NumberType::F16},
      {"bf16", NumberType::BF16},     {"tf32", NumberType::TF32},    {"f32", NumberType::F32},
      {"f64", NumberType::F64},       {"f16x2", NumberType::F16x2},  {"bf16x2", NumberType::BF16x2},
      {"e4m3x2", NumberType::E4M3x2}, {"e5m2x2", NumberType::E5M2x2}};
  for (auto &[name, value] : names)
    if (text == name) {
      type = value;
      return true;
    }
  return false;
}
NumberType takeNumberType(Decoder &d) {
  for (const std::string &modifier : d.left()) {
    NumberType type;
    if (parseNumberType(modifier, type)) {
      d.take(modifier);
      return type;
    }
  }
  d.fail("a type is missing or not supported");
}

void requireConversionTarget(Decoder &d, const Conversion &c) {
  auto either = [&](NumberType t) { return c.to == t || c.from == t; };
  if (either(NumberType::E4M3x2) || either(NumberType::E5M2x2))
    d.requireTarget(89);
  if (either(NumberType::BF16) || c.to == NumberType::BF16x2 || c.to == NumberType::F16x2 || c.to == NumberType::TF32)
    d.requireTarget(80);
}

void decodeConvert(Decoder &d, Instr &out) {
  ConvertExtra &extra = d.makeExtra<ConvertExtra>(out);
  Conversion &c = extra.conversion;
  int round = d.takeOne({"rn", "rz", "rm", "rp", "rna", "rni", "rzi", "rmi", "rpi"});
  static constexpr Round rounds[] = {Round::Nearest, Round::Zero, Round::Down, Round::Up, Round::Away,
                                     Round::Nearest, Round::Zero, Round::Down, Round::Up};
  c.hasRound = round >= 0;
  c.round = round < 0 ? Round::Nearest : rounds[round];
  c.integral = round > 4;
  c.flush = d.take("ftz");
  c.saturate = d.take("sat");
  c.finite = d.take("satfinite");
  c.relu = d.take("relu");
  c.to = takeNumberType(d);
  c.from = takeNumberType(d);
  std::string wrong = check(c);
  if (!wrong.empty())
    d.fail(wrong);
  requireConversionTarget(d, c);
  unsigned fromBytes = unsigned(widthOf(c.from)) / 8, toBytes = unsigned(widthOf(c.to)) / 8, fromWidth = 0, toWidth = 0;
  bool two = isPacked(c.to) && !isPacked(c.from);
  out.slot[1] = d.readWide(d.operand(1), fromBytes, fromWidth);
  if (two)
    out.slot[2] = d.readOperand(d.operand(2), fromBytes);
  out.slot[0] = d.writeWide(d.operand(0), toBytes, toWidth);
  if (!out.slot[0].valid())
    d.fail("the destination cannot be '_'");
  auto fits = [](unsigned width, unsigned bytes) { return width >= bytes || (width == 2 && bytes == 1); };
  if (!fits(fromWidth, fromBytes) || !fits(toWidth, toBytes))
    d.fail("a register is narrower than the type");
  if ((!isInteger(c.from) && fromWidth != fromBytes) || (!isInteger(c.to) && toWidth != toBytes))
    d.fail("registers of floating-point operands must be as wide as the type");
  out.count = uint8_t(fromBytes);
  out.flags = uint8_t(toWidth);
  out.handler = execConvert;
  if (isInteger(c.from) && isInteger(c.to) && !c.saturate)
    out.handler = integerHandler(c, fromWidth, toWidth);
  else if (fromWidth == fromBytes && toWidth == toBytes)
    if (Handler native = floatHandler(c))
      out.handler = native;
}

} // namespace

void registerConvert(DecodeTable &table) { table.add("cvt", decodeConvert); }

} // namespace adze::sim
