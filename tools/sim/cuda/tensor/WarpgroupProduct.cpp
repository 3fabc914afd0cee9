#include "tools/sim/cuda/tensor/WarpgroupProduct.h"

#include "tools/sim/cuda/memory/State.h"
#include "tools/sim/cuda/number/Arithmetic.h"
#include "tools/sim/cuda/tensor/Fragments.h"

#include <cstring>

namespace adze::sim {
namespace {

constexpr int warpRows = 16;

/// The pieces of a shared operand side by side: [line][depth], or [k][line] for MN-major ones. Calls `poisoned(line)`
/// for lines with bytes that nobody has written.
template <typename Poisoned>
void gather(const SharedMemory &shared, const std::vector<MatrixPiece> &pieces, uint8_t *buffer, int elementBytes,
            Poisoned poisoned) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    const MatrixPiece &piece = pieces[i];
    std::memcpy(buffer + 16 * i, &shared.bytes[piece.shared], 16);
    if (!allValid(&shared.validity[piece.shared], 16))
      poisoned(piece, elementBytes);
  }
}

/// [lines][depth] to [depth][lines], `pitch` lines apart.
template <typename Element>
void transpose(const uint8_t *from, int lines, int depth, int pitch, uint8_t *to) {
  const Element *in = reinterpret_cast<const Element *>(from);
  Element *out = reinterpret_cast<Element *>(to);
  for (int line = 0; line < lines; ++line)
    for (int k = 0; k < depth; ++k)
      out[k * pitch + line] = in[line * depth + k];
}
void transpose(int elementBytes, const uint8_t *from, int lines, int depth, int pitch, uint8_t *to) {
  if (elementBytes == 1)
    transpose<uint8_t>(from, lines, depth, pitch, to);
  else if (elementBytes == 2)
    transpose<uint16_t>(from, lines, depth, pitch, to);
  else
    transpose<uint32_t>(from, lines, depth, pitch, to);
}

void widen(TensorType type, const uint8_t *from, size_t count, std::vector<int32_t> &to) {
  to.resize(count);
  for (size_t i = 0; i < count; ++i)
    to[i] = type == TensorType::S8 ? int8_t(from[i]) : from[i];
}

/// Marks the lines that a piece with unwritten bytes belongs to.
template <typename Mark>
void markLines(const MatrixPiece &piece, int elementBytes, bool mnMajor, Mark mark) {
  int count = mnMajor ? 16 / elementBytes : 1;
  for (int i = 0; i < count; ++i)
    mark(piece.line + i);
}

/// A: 64 rows, LineMajor.
void takeA(WgmmaOperation &operation, const uint8_t *lines) {
  const WgmmaExtra &extra = *operation.extra;
  size_t count = 64 * static_cast<size_t>(extra.depth);
  if (isInteger(extra.a)) {
    widen(extra.a, lines, count, operation.aIntegers);
    return;
  }
  operation.a.reset(Operand::Arrangement::LineMajor, 64, extra.depth);
  operation.a.setRun(extra.a, 0, lines, static_cast<int>(count), extra.elementBytes());
  if (extra.negateA)
    operation.a.negate();
}

/// The four warps' registers, back as 64 rows.
void spreadRegisters(WgmmaOperation &operation, uint8_t *lines) {
  const WgmmaExtra &extra = *operation.extra;
  int bytes = extra.elementBytes(), each = 4 / bytes;
  for (int rank = 0; rank < 4; ++rank)
    for (int reg = 0; reg < 4; ++reg)
      for (int lane = 0; lane < 32; ++lane) {
        Coordinate at = fragmentA(8 * bytes, reg, 0, lane);
        uint32_t value = operation.aRegisters[rank][static_cast<size_t>(32) * reg + lane];
        std::memcpy(lines + ((warpRows * rank + at.row) * extra.depth + at.column) * bytes, &value,
                    static_cast<size_t>(each) * bytes);
      }
}

void readA(Warp &warp, WgmmaOperation &operation, std::vector<uint8_t> &buffer) {
  const WgmmaExtra &extra = *operation.extra;
  const SharedMemory &shared = BlockState::of(*warp.block).shared;
  buffer.resize(2 * 64 * 32);
  uint8_t *lines = buffer.data(), *other = buffer.data() + 64 * 32;
  if (!extra.aRegisters.empty()) {
    spreadRegisters(operation, lines);
    takeA(operation, lines);
    return;
  }
  auto poisoned = [&](const MatrixPiece &piece, int bytes) {
    markLines(piece, bytes, extra.transposeA, [&](int line) { operation.rowPoison |= uint64_t(1) << line; });
  };
  gather(shared, operation.aPieces, lines, extra.elementBytes(), poisoned);
  if (extra.transposeA) // [k][row] as it comes
    transpose(extra.elementBytes(), lines, extra.depth, 64, extra.depth, other);
  takeA(operation, extra.transposeA ? other : lines);
}

void readB(Warp &warp, WgmmaOperation &operation, std::vector<uint8_t> &buffer) {
  const WgmmaExtra &extra = *operation.extra;
  const SharedMemory &shared = BlockState::of(*warp.block).shared;
  size_t bytes = static_cast<size_t>(extra.columns) * 32;
  buffer.resize(2 * bytes);
  uint8_t *raw = buffer.data(), *turned = buffer.data() + bytes;
  auto poisoned = [&](const MatrixPiece &piece, int elementBytes) {
    if (operation.columnPoison.empty())
      operation.columnPoison.resize(static_cast<size_t>(extra.columns));
    markLines(piece, elementBytes, extra.transposeB,
              [&](int line) { operation.columnPoison[static_cast<size_t>(line)] = true; });
  };
  gather(shared, operation.bPieces, raw, extra.elementBytes(), poisoned);
  const uint8_t *byDepth = raw;
  if (!extra.transposeB) {
    transpose(extra.elementBytes(), raw, extra.columns, extra.depth, extra.columns, turned);
    byDepth = turned;
  }
  if (isInteger(extra.b)) {
    widen(extra.b, byDepth, bytes, operation.bIntegers);
    return;
  }
  operation.b.reset(Operand::Arrangement::DepthMajor, extra.columns, extra.depth);
  int elementBytes = extra.elementBytes();
  for (int k = 0; k < extra.depth; ++k)
    operation.b.setRun(extra.b, operation.b.at(0, k), byDepth + static_cast<size_t>(k * extra.columns * elementBytes),
                       extra.columns, elementBytes);
  if (extra.negateB)
    operation.b.negate();
}

// --- accumulators of one warp: 16 rows, `pitch` columns ---

void load(const Warp &warp, const WgmmaExtra &extra, uint32_t *accumulators, int pitch) {
  bool half = extra.to == AccumulatorType::F16;
  for (int index = 0; index < extra.values(); ++index) {
    const uint32_t *in = warp.read<uint32_t>(extra.d[static_cast<size_t>(half ? index / 2 : index)]);
    for (int lane = 0; lane < 32; ++lane) {
      Coordinate at = fragmentC(index, lane);
      uint32_t bits = in[lane];
      if (half)
        bits = fromFloat(halfToFloat(static_cast<uint16_t>(index & 1 ? bits >> 16 : bits)));
      accumulators[at.row * pitch + at.column] = bits;
    }
  }
}

void store(Warp &warp, const WgmmaExtra &extra, const uint32_t *accumulators, int pitch) {
  bool half = extra.to == AccumulatorType::F16;
  for (int index = 0; index < extra.values(); ++index) {
    uint32_t *out = warp.write<uint32_t>(extra.d[static_cast<size_t>(half ? index / 2 : index)]);
    for (int lane = 0; lane < 32; ++lane) {
      Coordinate at = fragmentC(index, lane);
      uint32_t bits = accumulators[at.row * pitch + at.column];
      if (!half)
        out[lane] = bits;
      else if (index & 1)
        out[lane] = (out[lane] & 0xffff) | uint32_t(floatToHalf(toFloat(bits))) << 16;
      else
        out[lane] = floatToHalf(toFloat(bits));
    }
  }
}

/// D keeps its poison if it was added to, and takes that of the rows and columns of the operands.
void spreadPoison(Warp &warp, unsigned rank, const WgmmaOperation &operation) {
  const WgmmaExtra &extra = *operation.extra;
  uint32_t rows = static_cast<uint32_t>(operation.rowPoison >> (warpRows * rank) & 0xffff);
  if (!operation.accumulate)
    for (Slot slot : extra.d)
      warp.setPoison(slot, fullMask, 0);
  if (!rows && operation.columnPoison.empty())
    return;
  bool half = extra.to == AccumulatorType::F16;
  for (int index = 0; index < extra.values(); ++index) {
    Slot slot = extra.d[static_cast<size_t>(half ? index / 2 : index)];
    Mask poisoned = warp.poison(slot);
    for (int lane = 0; lane < 32; ++lane) {
      Coordinate at = fragmentC(index, lane);
      bool column = !operation.columnPoison.empty() && operation.columnPoison[static_cast<size_t>(at.column)];
      if (column || (rows >> at.row & 1))
        poisoned |= Mask(1) << lane;
    }
    warp.setPoison(slot, fullMask, poisoned);
  }
}

void accumulate(const LaunchContext &launch, unsigned rank, const WgmmaOperation &operation, uint32_t *accumulators,
                int pitch) {
  const WgmmaExtra &extra = *operation.extra;
  int firstRow = static_cast<int>(rank) * warpRows;
  if (isInteger(extra.a)) {
    multiplyIntegers(&operation.aIntegers[static_cast<size_t>(firstRow) * extra.depth], operation.bIntegers.data(),
                     warpRows, extra.columns, extra.depth, extra.saturate, reinterpret_cast<int32_t *>(accumulators),
                     pitch);
    return;
  }
  Accumulation how =
      accumulationFor(static_cast<int>(launch.device.number), extra.a, extra.to, true, tensorMode(launch));
  multiply(operation.a, firstRow, warpRows, operation.b, how, accumulators, pitch);
}

} // namespace

void snapshotRegisters(const Warp &warp, unsigned rank, WgmmaOperation &operation) {
  const WgmmaExtra &extra = *operation.extra;
  if (extra.aRegisters.empty())
    return;
  std::vector<uint32_t> &kept = operation.aRegisters[rank];
  kept.resize(4 * 32);
  for (size_t reg = 0; reg < 4; ++reg) {
    std::memcpy(&kept[32 * reg], warp.read<uint32_t>(extra.aRegisters[reg]), 32 * 4);
    for (Mask lanes = warp.poison(extra.aRegisters[reg]); lanes; lanes &= lanes - 1) {
      int row = fragmentA(32, static_cast<int>(reg), 0, static_cast<int>(firstLane(lanes))).row;
      operation.rowPoison |= uint64_t(1) << (warpRows * static_cast<int>(rank) + row);
    }
  }
}

void readOperands(Warp &warp, WgmmaOperation &operation) {
  // Registers of A are complete when all warps have issued; shared operands may be read before.
  bool registers = !operation.extra->aRegisters.empty();
  std::vector<uint8_t> &buffer = TensorBlock::of(*warp.block).scratch<WarpgroupBlock>().buffer;
  if (!operation.read) {
    readB(warp, operation, buffer);
    if (!registers)
      readA(warp, operation, buffer);
    operation.read = true;
  }
  if (registers && operation.issued == 15 && operation.a.lines == 0 && operation.aIntegers.empty())
    readA(warp, operation, buffer);
}

void writeAccumulators(Warp &warp, unsigned rank, const std::vector<WgmmaOperation *> &operations) {
  std::vector<uint32_t> &accumulators = TensorBlock::of(*warp.block).scratch<WarpgroupBlock>().accumulators;
  auto same = [](const WgmmaExtra &a, const WgmmaExtra &b) {
    if (a.d.size() != b.d.size() || a.to != b.to || a.columns != b.columns)
      return false;
    for (size_t i = 0; i < a.d.size(); ++i)
      if (a.d[i].offset != b.d[i].offset)
        return false;
    return true;
  };
  // Operations on the same registers in a row keep their sums here in between.
  for (size_t i = 0; i < operations.size();) {
    const WgmmaExtra &extra = *operations[i]->extra;
    int pitch = (extra.columns + 15) / 16 * 16;
    accumulators.assign(static_cast<size_t>(warpRows) * pitch, 0);
    if (operations[i]->accumulate)
      load(warp, extra, accumulators.data(), pitch);
    size_t begin = i;
    for (; i < operations.size() && same(extra, *operations[i]->extra); ++i) {
      if (i > begin && !operations[i]->accumulate)
        std::fill(accumulators.begin(), accumulators.end(), 0);
      accumulate(*warp.block->launch, rank, *operations[i], accumulators.data(), pitch);
      spreadPoison(warp, rank, *operations[i]);
    }
    store(warp, extra, accumulators.data(), pitch);
  }
}

} // namespace adze::sim
