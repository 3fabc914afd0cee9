// mma.sync: m16n8k4/k8/k16/k32 on f16, bf16, tf32, e4m3, e5m2, s8, u8, and m8n8k4 on f64.
// PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions", "mma".
#include "tools/sim/cuda/tensor/Tensor.h"

#include "tools/sim/cuda/exec/Block.h"
#include "tools/sim/cuda/number/Arithmetic.h"
#include "tools/sim/cuda/tensor/Fragments.h"

namespace adze::sim {
namespace {

struct MmaExtra : InstrExtra {
  int depth = 0;
  TensorType a = TensorType::F16, b = TensorType::F16;
  AccumulatorType to = AccumulatorType::F32;
  bool saturate = false;
  std::vector<Slot> d, aRegisters, bRegisters, c;
};

constexpr int rows = 16, columns = 8;

/// Scratch of one product: the transposed problem, so that the 16 rows of D fill a vector. acc[column][row].
struct MmaScratch : BlockExtension {
  Operand left{Operand::Arrangement::LineMajor, columns, 32}, right{Operand::Arrangement::DepthMajor, rows, 32};
  int32_t leftIntegers[columns * 32], rightIntegers[32 * rows];
  uint32_t accumulators[columns * rows];
  alignas(64) uint8_t buffer[32 * rows * 4];
};

/// What of the result derives from something uninitialised: rows of A, columns of B, single elements of C.
struct PoisonMap {
  uint32_t rowMask = 0, columnMask = 0;
  bool any = false;
};

PoisonMap poisonOf(const Warp &warp, const MmaExtra &extra) {
  PoisonMap map;
  for (size_t reg = 0; reg < extra.aRegisters.size(); ++reg)
    for (Mask lanes = warp.poison(extra.aRegisters[reg]); lanes; lanes &= lanes - 1)
      map.rowMask |= 1u << fragmentA(32, static_cast<int>(reg), 0, static_cast<int>(firstLane(lanes))).row;
  for (Slot slot : extra.bRegisters)
    for (Mask lanes = warp.poison(slot); lanes; lanes &= lanes - 1)
      map.columnMask |= 1u << (firstLane(lanes) >> 2);
  map.any = map.rowMask || map.columnMask;
  for (Slot slot : extra.c)
    map.any |= warp.poison(slot) != 0;
  return map;
}

/// Spreads the registers of a fragment over `buffer`: [line][depth] of the elements as they are in the registers.
template <typename Element>
void spreadColumns(const Warp &warp, const std::vector<Slot> &registers, int depth, uint8_t *buffer) {
  Element *out = reinterpret_cast<Element *>(buffer);
  constexpr int each = 4 / sizeof(Element);
  for (size_t reg = 0; reg < registers.size(); ++reg) {
    const Element *in = reinterpret_cast<const Element *>(warp.read<uint32_t>(registers[reg]));
    for (int lane = 0; lane < 32; ++lane) {
      Coordinate at = fragmentB(32 / each, static_cast<int>(reg), 0, lane);
      for (int e = 0; e < each; ++e)
        out[at.column * depth + at.row + e] = in[lane * each + e];
    }
  }
}
template <typename Element>
void spreadRows(const Warp &warp, const std::vector<Slot> &registers, uint8_t *buffer) {
  Element *out = reinterpret_cast<Element *>(buffer);
  constexpr int each = 4 / sizeof(Element);
  for (size_t reg = 0; reg < registers.size(); ++reg) {
    const Element *in = reinterpret_cast<const Element *>(warp.read<uint32_t>(registers[reg]));
    for (int lane = 0; lane < 32; ++lane) {
      Coordinate at = fragmentA(32 / each, static_cast<int>(reg), 0, lane);
      for (int e = 0; e < each; ++e)
        out[(at.column + e) * rows + at.row] = in[lane * each + e];
    }
  }
}

void spreadBoth(const Warp &warp, const MmaExtra &extra, uint8_t *left, uint8_t *right) {
  switch (widthOf(extra.a)) {
  case 8:
    spreadColumns<uint8_t>(warp, extra.bRegisters, extra.depth, left);
    spreadRows<uint8_t>(warp, extra.aRegisters, right);
    break;
  case 16:
    spreadColumns<uint16_t>(warp, extra.bRegisters, extra.depth, left);
    spreadRows<uint16_t>(warp, extra.aRegisters, right);
    break;
  default:
    spreadColumns<uint32_t>(warp, extra.bRegisters, extra.depth, left);
    spreadRows<uint32_t>(warp, extra.aRegisters, right);
    break;
  }
}

void loadAccumulators(const Warp &warp, const MmaExtra &extra, uint32_t *accumulators) {
  for (int index = 0; index < 4; ++index) {
    bool half = extra.to == AccumulatorType::F16;
    const uint32_t *in = warp.read<uint32_t>(extra.c[half ? index / 2 : index]);
    for (int lane = 0; lane < 32; ++lane) {
      Coordinate at = fragmentC(index, lane);
      uint32_t bits = in[lane];
      if (half)
        bits = fromFloat(halfToFloat(static_cast<uint16_t>(index & 1 ? bits >> 16 : bits)));
      accumulators[at.column * rows + at.row] = bits;
    }
  }
}

void storeAccumulators(Warp &warp, const MmaExtra &extra, const uint32_t *accumulators, const PoisonMap &poison) {
  bool half = extra.to == AccumulatorType::F16;
  Mask poisoned[4] = {};
  if (poison.any)
    for (int index = 0; index < 4; ++index) {
      poisoned[index] = warp.poison(extra.c[half ? index / 2 : index]);
      for (int lane = 0; lane < 32; ++lane) {
        Coordinate at = fragmentC(index, lane);
        if (poison.rowMask >> at.row & 1 || poison.columnMask >> at.column & 1)
          poisoned[index] |= Mask(1) << lane;
      }
    }
  for (int index = 0; index < 4; ++index) {
    Slot slot = extra.d[half ? index / 2 : index];
    if (!slot.valid())
      continue;
    uint32_t *out = warp.write<uint32_t>(slot);
    for (int lane = 0; lane < 32; ++lane) {
      Coordinate at = fragmentC(index, lane);
      uint32_t bits = accumulators[at.column * rows + at.row];
      if (!half)
        out[lane] = bits;
      else if (index & 1)
        out[lane] = (out[lane] & 0xffff) | uint32_t(floatToHalf(toFloat(bits))) << 16;
      else
        out[lane] = floatToHalf(toFloat(bits));
    }
    warp.setPoison(slot, fullMask, half ? poisoned[index | 1] | poisoned[index & ~1] : poisoned[index]);
  }
}

MmaScratch &scratchOf(Warp &warp) { return TensorBlock::of(*warp.block).scratch<MmaScratch>(); }

Flow execMma(Warp &warp, const Instr &instr, Mask active) {
  requireWholeWarp(warp, active, "mma.sync");
  const MmaExtra &extra = static_cast<const MmaExtra &>(*instr.extra);
  MmaScratch &scratch = scratchOf(warp);
  PoisonMap poison = poisonOf(warp, extra);
  alignas(64) uint8_t left[columns * 32 * 4];
  spreadBoth(warp, extra, left, scratch.buffer);
  loadAccumulators(warp, extra, scratch.accumulators);
  int depth = extra.depth;
  if (isInteger(extra.a)) {
    for (int i = 0; i < columns * depth; ++i)
      scratch.leftIntegers[i] = extra.b == TensorType::S8 ? int8_t(left[i]) : left[i];
    for (int i = 0; i < rows * depth; ++i)
      scratch.rightIntegers[i] = extra.a == TensorType::S8 ? int8_t(scratch.buffer[i]) : scratch.buffer[i];
    multiplyIntegers(scratch.leftIntegers, scratch.rightIntegers, columns, rows, depth, extra.saturate,
                     reinterpret_cast<int32_t *>(scratch.accumulators), rows);
  } else {
    int step = widthOf(extra.a) / 8;
    scratch.left.reset(Operand::Arrangement::LineMajor, columns, depth);
    scratch.right.reset(Operand::Arrangement::DepthMajor, rows, depth);
    scratch.left.setRun(extra.b, 0, left, columns * depth, step);
    scratch.right.setRun(extra.a, 0, scratch.buffer, rows * depth, step);
    const LaunchContext &launch = *warp.block->launch;
    multiply(scratch.left, scratch.right,
             accumulationFor(static_cast<int>(launch.device.number), extra.a, extra.to, false, tensorMode(launch)),
             scratch.accumulators, rows);
  }
  storeAccumulators(warp, extra, scratch.accumulators, poison);
  return Flow::Next;
}

/// m8n8k4 on f64: a chain of fused multiply-adds in order of k, rounded to nearest.
Flow execMmaDouble(Warp &warp, const Instr &instr, Mask active) {
  requireWholeWarp(warp, active, "mma.sync");
  const MmaExtra &extra = static_cast<const MmaExtra &>(*instr.extra);
  const uint64_t *a = warp.read<uint64_t>(extra.aRegisters[0]), *b = warp.read<uint64_t>(extra.bRegisters[0]);
  Mask poisonA = warp.poison(extra.aRegisters[0]), poisonB = warp.poison(extra.bRegisters[0]);
  uint64_t result[2][32];
  Mask poisoned[2] = {};
  for (int index = 0; index < 2; ++index)
    for (int lane = 0; lane < 32; ++lane) {
      int row = lane >> 2, column = 2 * (lane & 3) + index;
      uint64_t sum = warp.read<uint64_t>(extra.c[index])[lane];
      bool bad = warp.poison(extra.c[index]) >> lane & 1;
      for (int k = 0; k < 4; ++k) {
        sum = fmaF64(a[4 * row + k], b[4 * column + k], sum);
        bad |= (poisonA >> (4 * row + k) & 1) || (poisonB >> (4 * column + k) & 1);
      }
      result[index][lane] = sum;
      poisoned[index] |= Mask(bad) << lane;
    }
  for (int index = 0; index < 2; ++index)
    if (extra.d[index].valid()) {
      std::copy(result[index], result[index] + 32, warp.write<uint64_t>(extra.d[index]));
      warp.setPoison(extra.d[index], fullMask, poisoned[index]);
    }
  return Flow::Next;
}

void checkMmaTypes(Decoder &d, const MmaExtra &extra, const std::string &c, const std::string &to) {
  if (c != to)
    d.fail("the types of C and D must be equal for these operands");
  int width = widthOf(extra.a), depth = extra.depth;
  if (widthOf(extra.b) != width || isInteger(extra.a) != isInteger(extra.b) || (width == 16 && extra.a != extra.b))
    d.fail("the types of A and B do not go together");
  bool shape = width == 8    ? depth == 16 || depth == 32
               : width == 16 ? depth == 8 || depth == 16
                             : depth == 4 || depth == 8;
  if (!shape)
    d.fail("this shape does not exist for the operands' type");
  if (isInteger(extra.a) != (extra.to == AccumulatorType::S32))
    d.fail("8-bit integers accumulate in .s32, and only they do");
  if (extra.to == AccumulatorType::F16 && (extra.a == TensorType::BF16 || extra.a == TensorType::TF32))
    d.fail("bf16 and tf32 accumulate in .f32 only");
  if (extra.saturate && extra.to != AccumulatorType::S32)
    d.fail(".satfinite is for .s32");
  bool narrow = width == 8 && !isInteger(extra.a);
  d.requireTarget(narrow ? 89 : 80);
  if (narrow)
    d.requireVersion(8, depth == 16 || extra.to == AccumulatorType::F16 ? 7 : 4);
}

void decodeMma(Decoder &d, Instr &out) {
  if (!d.take("aligned"))
    d.fail(".aligned is missing");
  unsigned shape = d.requireOne("the shape", {"m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32", "m8n8k4"});
  if (!d.take("row") || !d.take("col"))
    d.fail("needs .row.col");
  MmaExtra &extra = d.makeExtra<MmaExtra>(out);
  extra.saturate = d.take("satfinite");
  std::vector<std::string> types = d.left();
  if (types.size() != 4)
    d.fail("four types are expected behind the layout (D, A, B, C)");
  for (const std::string &type : types)
    d.take(type);
  if (shape == 4) {
    for (const std::string &type : types)
      if (type != "f64")
        d.fail(".m8n8k4 is supported for .f64 only");
    extra.d = d.writeVector(d.operand(0), 8, 2);
    extra.aRegisters = d.readVector(d.operand(1), 8, 1);
    extra.bRegisters = d.readVector(d.operand(2), 8, 1);
    extra.c = d.readVector(d.operand(3), 8, 2);
    d.requireTarget(80);
    out.handler = execMmaDouble;
    return;
  }
  extra.depth = 4 << shape;
  extra.to = accumulatorTypeNamed(d, types[0]);
  extra.a = tensorTypeNamed(d, types[1]);
  extra.b = tensorTypeNamed(d, types[2]);
  checkMmaTypes(d, extra, types[3], types[0]);
  unsigned accumulators = extra.to == AccumulatorType::F16 ? 2 : 4;
  unsigned bCount = static_cast<unsigned>(extra.depth * widthOf(extra.a) / 128);
  extra.d = d.writeVector(d.operand(0), 4, accumulators);
  extra.aRegisters = d.readVector(d.operand(1), 4, 2 * bCount);
  extra.bRegisters = d.readVector(d.operand(2), 4, bCount);
  extra.c = d.readVector(d.operand(3), 4, accumulators);
  out.handler = execMma;
}

} // namespace

void registerMma(DecodeTable &table) { table.add("mma.sync", decodeMma); }

} // namespace adze::sim
