#include "tools/sim/cuda/async/Atomic.h"

#include "tools/sim/cuda/number/Arithmetic.h"
#include "tools/sim/cuda/number/Compare.h"

#include <algorithm>

using namespace adze::sim;

unsigned adze::sim::atomicBytes(AtomicType type) {
  switch (type) {
  case AtomicType::F16:
  case AtomicType::BF16:
  case AtomicType::B16:
    return 2;
  case AtomicType::B32:
  case AtomicType::U32:
  case AtomicType::S32:
  case AtomicType::F16x2:
  case AtomicType::BF16x2:
  case AtomicType::F32:
    return 4;
  case AtomicType::B128:
    return 16;
  default:
    return 8;
  }
}

/// Addition and extremes of one 16-bit float.
static uint16_t halfResult(AtomicOp op, const Format &format, uint16_t old, uint16_t value) {
  switch (op) {
  case AtomicOp::Min:
    return uint16_t(minimum(format, old, value));
  case AtomicOp::Max:
    return uint16_t(maximum(format, old, value));
  default:
    return addHalf(format, old, value);
  }
}

static uint64_t floatResult(AtomicOp op, AtomicType type, uint64_t old, uint64_t value, bool flush) {
  switch (type) {
  case AtomicType::F16:
    return halfResult(op, f16Format, uint16_t(old), uint16_t(value));
  case AtomicType::BF16:
    return halfResult(op, bf16Format, uint16_t(old), uint16_t(value));
  case AtomicType::F16x2:
  case AtomicType::BF16x2: {
    const Format &format = type == AtomicType::F16x2 ? f16Format : bf16Format;
    return onHalves([&](uint16_t a, uint16_t b) { return halfResult(op, format, a, b); }, uint32_t(old),
                    uint32_t(value));
  }
  case AtomicType::F32: {
    Modifiers modifiers;
    modifiers.flush = flush;
    return addF32(uint32_t(old), uint32_t(value), modifiers);
  }
  default:
    return addF64(old, value);
  }
}

uint64_t adze::sim::atomicResult(AtomicOp op, AtomicType type, uint64_t old, uint64_t value, uint64_t compare,
                                 bool flush) {
  bool isSigned = type == AtomicType::S32 || type == AtomicType::S64;
  bool narrow = atomicBytes(type) == 4;
  auto asSigned = [&](uint64_t bits) { return narrow ? int64_t(int32_t(bits)) : int64_t(bits); };
  switch (op) {
  case AtomicOp::Exchange:
    return value;
  case AtomicOp::CompareSwap:
    return old == compare ? value : old;
  case AtomicOp::And:
    return old & value;
  case AtomicOp::Or:
    return old | value;
  case AtomicOp::Xor:
    return old ^ value;
  case AtomicOp::Increment:
    return old >= value ? 0 : old + 1;
  case AtomicOp::Decrement:
    return old == 0 || old > value ? value : old - 1;
  default:
    break;
  }
  if (type == AtomicType::F16 || type == AtomicType::BF16 || type == AtomicType::F16x2 || type == AtomicType::BF16x2 ||
      type == AtomicType::F32 || type == AtomicType::F64)
    return floatResult(op, type, old, value, flush);
  if (op == AtomicOp::Add)
    return narrow ? uint32_t(old + value) : old + value;
  bool less = isSigned ? asSigned(value) < asSigned(old) : value < old;
  return less == (op == AtomicOp::Min) ? value : old;
}

template <typename Word>
static uint64_t applyOn(Word *memory, AtomicOp op, AtomicType type, uint64_t value, uint64_t compare, bool flush) {
  Word old = __atomic_load_n(memory, __ATOMIC_RELAXED);
  for (;;) {
    Word result = Word(atomicResult(op, type, old, Word(value), Word(compare), flush));
    if (__atomic_compare_exchange_n(memory, &old, result, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
      return old;
  }
}

uint64_t adze::sim::atomicApply(void *memory, AtomicOp op, AtomicType type, uint64_t value, uint64_t compare,
                                bool flush) {
  switch (atomicBytes(type)) {
  case 2:
    return applyOn(static_cast<uint16_t *>(memory), op, type, value, compare, flush);
  case 4:
    return applyOn(static_cast<uint32_t *>(memory), op, type, value, compare, flush);
  default:
    return applyOn(static_cast<uint64_t *>(memory), op, type, value, compare, flush);
  }
}
