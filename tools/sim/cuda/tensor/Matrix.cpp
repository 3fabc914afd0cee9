// ldmatrix, stmatrix, movmatrix: 8x8 matrices of 16-bit elements between shared memory and registers.
// PTX ISA, "ldmatrix", "stmatrix", "movmatrix". Weak accesses of the generic proxy.
#include "tools/sim/cuda/tensor/Tensor.h"

#include <algorithm>
#include <cstring>

namespace adze::sim {
namespace {

struct MatrixExtra : InstrExtra {
  std::vector<Slot> registers; ///< one a matrix
  AddressSlot address;
  Space space = Space::Generic;
  bool transposed = false;
};

/// Lane l gives the address of row l % 8 of matrix l / 8; the other lanes' addresses are not looked at.
Mask addressLanes(size_t matrices) { return matrices == 4 ? fullMask : (Mask(1) << (8 * matrices)) - 1; }

MemoryOperation rowOperation(Space space) {
  MemoryOperation operation;
  operation.space = space;
  operation.bytes = operation.elementBytes = 16;
  return operation;
}

void rowAddresses(Warp &warp, const MatrixExtra &extra, Mask lanes, const char *what, uint64_t *addresses) {
  evaluateAddress(warp, extra.address, lanes, addresses);
  for (Mask rest = lanes; rest; rest &= rest - 1) {
    unsigned lane = firstLane(rest);
    if (extra.space == Space::Generic && Window::of(addresses[lane]) != Space::Shared)
      fault(lane, FaultCode::IllegalAddress, std::string(what) + " needs an address in shared memory");
    if (addresses[lane] & 15)
      fault(lane, FaultCode::Misaligned, std::string(what) + " needs row addresses that are multiples of 16");
  }
}

/// Where element `half` (0, 1) of `lane`'s register lies: (row, column) of the stored matrix.
struct Position {
  unsigned row, column;
};
Position positionOf(unsigned lane, unsigned half, bool transposed) {
  unsigned group = lane / 4, pair = 2 * (lane % 4) + half;
  return transposed ? Position{pair, group} : Position{group, pair};
}

Flow execLdmatrix(Warp &warp, const Instr &instr, Mask active) {
  requireWholeWarp(warp, active, "ldmatrix");
  const MatrixExtra &extra = static_cast<const MatrixExtra &>(*instr.extra);
  uint64_t addresses[warpSize];
  Mask lanes = addressLanes(extra.registers.size());
  rowAddresses(warp, extra, lanes, "ldmatrix", addresses);
  LaneBuffer rows;
  warp.block->cluster->launch->memory->load(warp, instr, rowOperation(extra.space), lanes, addresses, rows);
  for (size_t matrix = 0; matrix < extra.registers.size(); ++matrix) {
    if (!extra.registers[matrix].valid())
      continue;
    uint32_t *out = warp.write<uint32_t>(extra.registers[matrix]);
    Mask poisoned = 0;
    for (unsigned lane = 0; lane < warpSize; ++lane) {
      uint32_t value = 0;
      for (unsigned half = 0; half < 2; ++half) {
        Position at = positionOf(lane, half, extra.transposed);
        unsigned row = static_cast<unsigned>(8 * matrix) + at.row;
        uint16_t element;
        std::memcpy(&element, &rows.bytes[row][2 * at.column], 2);
        value |= uint32_t(element) << (16 * half);
        if (rows.poison[row] >> (2 * at.column) & 3)
          poisoned |= Mask(1) << lane;
      }
      out[lane] = value;
    }
    warp.setPoison(extra.registers[matrix], fullMask, poisoned);
  }
  return Flow::Next;
}

Flow execStmatrix(Warp &warp, const Instr &instr, Mask active) {
  requireWholeWarp(warp, active, "stmatrix");
  const MatrixExtra &extra = static_cast<const MatrixExtra &>(*instr.extra);
  uint64_t addresses[warpSize];
  Mask lanes = addressLanes(extra.registers.size());
  rowAddresses(warp, extra, lanes, "stmatrix", addresses);
  LaneBuffer rows;
  std::fill(std::begin(rows.poison), std::end(rows.poison), 0);
  for (size_t matrix = 0; matrix < extra.registers.size(); ++matrix) {
    const uint32_t *in = warp.read<uint32_t>(extra.registers[matrix]);
    Mask poisoned = warp.poison(extra.registers[matrix]);
    for (unsigned lane = 0; lane < warpSize; ++lane)
      for (unsigned half = 0; half < 2; ++half) {
        Position at = positionOf(lane, half, extra.transposed);
        unsigned row = static_cast<unsigned>(8 * matrix) + at.row;
        uint16_t element = static_cast<uint16_t>(in[lane] >> (16 * half));
        std::memcpy(&rows.bytes[row][2 * at.column], &element, 2);
        if (poisoned >> lane & 1)
          rows.poison[row] |= 3u << (2 * at.column);
      }
  }
  warp.block->cluster->launch->memory->store(warp, instr, rowOperation(extra.space), lanes, addresses, rows);
  return Flow::Next;
}

Flow execMovmatrix(Warp &warp, const Instr &instr, Mask active) {
  requireWholeWarp(warp, active, "movmatrix");
  uint32_t in[warpSize];
  std::copy_n(warp.read<uint32_t>(instr.slot[1]), warpSize, in);
  Mask poison = warp.poison(instr.slot[1]), poisoned = 0;
  uint32_t *out = warp.write<uint32_t>(instr.slot[0]);
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    uint32_t value = 0;
    for (unsigned half = 0; half < 2; ++half) {
      Position at = positionOf(lane, half, true); // lane 4r + c/2 holds (r, c) and (r, c + 1)
      unsigned source = 4 * at.row + at.column / 2;
      value |= (in[source] >> (16 * (at.column & 1)) & 0xffff) << (16 * half);
      if (poison >> source & 1)
        poisoned |= Mask(1) << lane;
    }
    out[lane] = value;
  }
  warp.setPoison(instr.slot[0], fullMask, poisoned);
  return Flow::Next;
}

/// .sync.aligned.m8n8.xN{.trans}{.shared}.b16; answers the number of matrices.
unsigned decodeShape(Decoder &d, MatrixExtra &extra) {
  if (!d.take("aligned"))
    d.fail(".aligned is missing");
  if (!d.take("m8n8"))
    d.fail("only the shape .m8n8 is supported");
  unsigned count = 1u << d.requireOne("the number of matrices", {"x1", "x2", "x4"});
  extra.transposed = d.take("trans");
  extra.space = d.takeSpace();
  if (extra.space != Space::Generic && extra.space != Space::Shared)
    d.fail("the address is in shared memory");
  if (!d.take("b16"))
    d.fail("only .b16 is supported");
  return count;
}

void decodeLdmatrix(Decoder &d, Instr &out) {
  MatrixExtra &extra = d.makeExtra<MatrixExtra>(out);
  unsigned count = decodeShape(d, extra);
  extra.registers = d.writeVector(d.operand(0), 4, count);
  extra.address = d.address(d.operand(1));
  out.handler = execLdmatrix;
}

void decodeStmatrix(Decoder &d, Instr &out) {
  MatrixExtra &extra = d.makeExtra<MatrixExtra>(out);
  unsigned count = decodeShape(d, extra);
  d.requireTarget(90);
  d.requireVersion(7, 8);
  extra.address = d.address(d.operand(0));
  extra.registers = d.readVector(d.operand(1), 4, count);
  out.handler = execStmatrix;
}

void decodeMovmatrix(Decoder &d, Instr &out) {
  if (!d.take("aligned") || !d.take("m8n8") || !d.take("trans") || !d.take("b16"))
    d.fail("the form is movmatrix.sync.aligned.m8n8.trans.b16");
  d.requireVersion(7, 8);
  out.slot[0] = d.writeRegister(d.operand(0), 4);
  out.slot[1] = d.readOperand(d.operand(1), 4);
  if (!out.slot[0].valid())
    d.fail("the destination must be a register");
  out.handler = execMovmatrix;
}

} // namespace

void registerMatrix(DecodeTable &table) {
  table.add("ldmatrix.sync", decodeLdmatrix);
  table.add("stmatrix.sync", decodeStmatrix);
  table.add("movmatrix.sync", decodeMovmatrix);
}

} // namespace adze::sim
