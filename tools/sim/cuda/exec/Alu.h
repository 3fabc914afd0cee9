// Handlers of instructions that map lanes of registers to lanes of a register: an operation per lane, wrapped into the
// loop over lanes. Private to exec.
//
// An operation is a struct with the types of its result and operands and a static apply(). Every handler exists twice,
// for any x86-64 and for machines with AVX2 and FMA, chosen when an instruction is decoded. Results do not depend on
// it.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_ALU_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_ALU_H

#include "Decode.h"
#include "Warp.h"

#include <type_traits>

#if defined(__x86_64__) && defined(__clang__)
#define ADZE_SIM_WIDE __attribute__((target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")))
#define ADZE_SIM_HAS_WIDE 1
#else
#define ADZE_SIM_WIDE
#define ADZE_SIM_HAS_WIDE 0
#endif
#define ADZE_SIM_INLINE inline __attribute__((always_inline))
#ifdef __clang__
#define ADZE_SIM_LANES _Pragma("clang loop vectorize(assume_safety)")
#else
#define ADZE_SIM_LANES _Pragma("GCC ivdep")
#endif

namespace adze::sim {

/// Does this machine run the AVX2 forms?
inline bool hasWide() {
#if ADZE_SIM_HAS_WIDE
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                          __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
  return has;
#else
  return false;
#endif
}

/// Operations that look at the instruction (modifiers) take it as last argument of apply().
template <typename Op, typename... T>
constexpr bool takesInstr = std::is_invocable_v<decltype(&Op::apply), T..., const Instr &>;

/// Operations that work on the 16-bit halves of 32-bit registers say what of the result is uninitialised: poison() sets
/// it, and is called only if some operand has poison. For all others it is the union of the operands'.
template <typename Op, typename = void>
struct HasPoison : std::false_type {};
template <typename Op>
struct HasPoison<Op, std::void_t<decltype(Op::poison(std::declval<Warp &>(), std::declval<const Instr &>(), Mask()))>>
    : std::true_type {};
template <typename Op>
ADZE_SIM_INLINE void poisonResult(Warp &w, const Instr &i, Mask m, Mask operands) {
  if constexpr (HasPoison<Op>::value) {
    if (operands & m) {
      Op::poison(w, i, m);
      return;
    }
  }
  w.setPoison(i.slot[0], m, operands);
}
/// Halves of the result depend on the same halves of the first `operands` operands.
template <unsigned operands>
struct HalvesApart {
  static void poison(Warp &w, const Instr &i, Mask m) {
    Mask low = 0, high = 0;
    for (unsigned k = 1; k <= operands; ++k) {
      low |= w.lowPoison(i.slot[k]);
      high |= w.highPoison(i.slot[k]);
    }
    w.setHalfPoison(i.slot[0], m, low, high);
  }
};

template <typename Op>
ADZE_SIM_INLINE void applyUnary(Warp &w, const Instr &i, Mask m) {
  auto *d = w.write<typename Op::R>(i.slot[0]);
  const auto *a = w.read<typename Op::A>(i.slot[1]);
  poisonResult<Op>(w, i, m, w.poison(i.slot[1]));
  auto one = [&](unsigned l) __attribute__((always_inline)) {
    if constexpr (takesInstr<Op, typename Op::A>)
      d[l] = Op::apply(a[l], i);
    else
      d[l] = Op::apply(a[l]);
  };
  if (m == fullMask) {
    ADZE_SIM_LANES
    for (unsigned l = 0; l != warpSize; ++l)
      one(l);
  } else {
    for (; m; m &= m - 1)
      one(firstLane(m));
  }
}

template <typename Op>
ADZE_SIM_INLINE void applyBinary(Warp &w, const Instr &i, Mask m) {
  auto *d = w.write<typename Op::R>(i.slot[0]);
  const auto *a = w.read<typename Op::A>(i.slot[1]);
  const auto *b = w.read<typename Op::B>(i.slot[2]);
  poisonResult<Op>(w, i, m, w.poison(i.slot[1]) | w.poison(i.slot[2]));
  auto one = [&](unsigned l) __attribute__((always_inline)) {
    if constexpr (takesInstr<Op, typename Op::A, typename Op::B>)
      d[l] = Op::apply(a[l], b[l], i);
    else
      d[l] = Op::apply(a[l], b[l]);
  };
  if (m == fullMask) {
    ADZE_SIM_LANES
    for (unsigned l = 0; l != warpSize; ++l)
      one(l);
  } else {
    for (; m; m &= m - 1)
      one(firstLane(m));
  }
}

template <typename Op>
ADZE_SIM_INLINE void applyTernary(Warp &w, const Instr &i, Mask m) {
  auto *d = w.write<typename Op::R>(i.slot[0]);
  const auto *a = w.read<typename Op::A>(i.slot[1]);
  const auto *b = w.read<typename Op::B>(i.slot[2]);
  const auto *c = w.read<typename Op::C>(i.slot[3]);
  poisonResult<Op>(w, i, m, w.poison(i.slot[1]) | w.poison(i.slot[2]) | w.poison(i.slot[3]));
  auto one = [&](unsigned l) __attribute__((always_inline)) {
    if constexpr (takesInstr<Op, typename Op::A, typename Op::B, typename Op::C>)
      d[l] = Op::apply(a[l], b[l], c[l], i);
    else
      d[l] = Op::apply(a[l], b[l], c[l]);
  };
  if (m == fullMask) {
    ADZE_SIM_LANES
    for (unsigned l = 0; l != warpSize; ++l)
      one(l);
  } else {
    for (; m; m &= m - 1)
      one(firstLane(m));
  }
}

#define ADZE_SIM_HANDLERS(NAME, FORM)                                                                                  \
  template <typename Op>                                                                                               \
  Flow NAME##Plain(Warp &w, const Instr &i, Mask m) {                                                                  \
    FORM<Op>(w, i, m);                                                                                                 \
    return Flow::Next;                                                                                                 \
  }                                                                                                                    \
  template <typename Op>                                                                                               \
  ADZE_SIM_WIDE Flow NAME##Wide(Warp &w, const Instr &i, Mask m) {                                                     \
    FORM<Op>(w, i, m);                                                                                                 \
    return Flow::Next;                                                                                                 \
  }                                                                                                                    \
  template <typename Op>                                                                                               \
  Handler NAME() {                                                                                                     \
    return hasWide() ? NAME##Wide<Op> : NAME##Plain<Op>;                                                               \
  }

ADZE_SIM_HANDLERS(unary, applyUnary)
ADZE_SIM_HANDLERS(binary, applyBinary)
ADZE_SIM_HANDLERS(ternary, applyTernary)

inline bool isInteger(const ElementType &t) {
  return !t.packed && (t.cls == ElementType::Class::Signed || t.cls == ElementType::Class::Unsigned);
}
inline bool isSigned(const ElementType &t) { return t.cls == ElementType::Class::Signed; }
inline bool isFloat(const ElementType &t) {
  return t.cls == ElementType::Class::Float || t.cls == ElementType::Class::BFloat;
}

/// Slots d, a / d, a, b / d, a, b, c of `bytes` each.
inline void plainOperands(Decoder &d, Instr &out, unsigned sources, unsigned bytes) {
  for (unsigned i = 1; i <= sources; ++i)
    out.slot[i] = d.readOperand(d.operand(i), bytes);
  out.slot[0] = d.writeRegister(d.operand(0), bytes);
  if (!out.slot[0].valid())
    d.fail("the destination cannot be '_'");
}

// Float.cpp: the floating-point forms of opcodes that integers have too.
enum class FloatOp : uint8_t { Add, Sub, Mul, Fma, Div, Abs, Neg, Min, Max };
void decodeFloat(Decoder &d, Instr &out, FloatOp op, const ElementType &type);

// registration of the files of this folder
void registerControl(DecodeTable &table);
void registerInteger(DecodeTable &table);
void registerLogic(DecodeTable &table);
void registerFloat(DecodeTable &table);
void registerCompare(DecodeTable &table);
void registerMove(DecodeTable &table);
void registerConvert(DecodeTable &table);
void registerWarpOps(DecodeTable &table);
void registerLoadStore(DecodeTable &table);

} // namespace adze::sim
#endif
