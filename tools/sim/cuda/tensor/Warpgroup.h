// State of wgmma by warpgroup and by warp.
//
// An operation is collective: four warps issue it, the first that waits for it carries it out as late as possible:
// shared operands are read then (or at the issue, as the dice of the launch say), and each warp's rows of D are written
// when that warp waits. Until then D may not be touched and registers of A not be written (Warp::locks), and the shared
// operands are locked against writes and stamped as read by the warpgroup's own actor, of which a warp knows only what
// it has waited for. PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions".
#ifndef ADZE_TOOLS_SIM_CUDA_TENSOR_WARPGROUP_H
#define ADZE_TOOLS_SIM_CUDA_TENSOR_WARPGROUP_H

#include "tools/sim/cuda/tensor/Descriptor.h"
#include "tools/sim/cuda/tensor/Tensor.h"

#include <array>
#include <deque>
#include <map>

namespace adze::sim {

/// A decoded wgmma.mma_async.
struct WgmmaExtra : InstrExtra {
  int columns = 0, depth = 0;
  TensorType a = TensorType::F16, b = TensorType::F16;
  AccumulatorType to = AccumulatorType::F32;
  bool saturate = false, negateA = false, negateB = false, transposeA = false, transposeB = false;
  std::vector<Slot> d, aRegisters; ///< aRegisters empty: A is in shared memory
  Slot aDescriptor, bDescriptor, scale;
  bool scaleNegated = false;

  int elementBytes() const { return widthOf(a) / 8; }
  int values() const { return columns / 2; } ///< of D, a lane
};

/// One collective operation.
struct WgmmaOperation {
  const Instr *instr = nullptr;
  const WgmmaExtra *extra = nullptr;
  uint64_t aDescriptor = 0, bDescriptor = 0;
  bool accumulate = false;           ///< scale-d
  unsigned issued = 0, finished = 0; ///< warps, a bit each
  std::vector<MatrixPiece> aPieces, bPieces;
  bool read = false; ///< the shared operands have been
  // Operands, 64 rows of A and all columns of B.
  Operand a, b;
  std::vector<int32_t> aIntegers, bIntegers;
  std::array<std::vector<uint32_t>, 4> aRegisters; ///< by warp: 4 registers of 32 lanes, as they were at the issue
  uint64_t rowPoison = 0;
  std::vector<bool> columnPoison; ///< empty: none
};

struct Warpgroup {
  int actor = -1;     ///< of the race checker
  uint64_t first = 0; ///< number of operations[0]
  std::deque<std::unique_ptr<WgmmaOperation>> operations;
  WgmmaOperation &at(uint64_t number) { return *operations[number - first]; }
};

/// The warpgroups of a block.
struct WarpgroupBlock : BlockExtension {
  std::map<unsigned, Warpgroup> groups;
  std::vector<uint8_t> buffer;
  std::vector<uint32_t> accumulators;
};

/// What one warp has under way.
struct WarpgroupWarp : WarpExtension {
  uint64_t issued = 0;         ///< number of the warp's next operation
  uint64_t finished = 0;       ///< operations below it are complete for this warp
  std::deque<uint64_t> groups; ///< committed: one past the last operation of each
  uint64_t committed = 0;      ///< operations below it belong to a group
  uint64_t fence = 0;          ///< Warp::serial of the last wgmma.fence; 0: none yet
  struct Use {
    uint32_t accumulating = 0, reading = 0; ///< operations in flight
    uint64_t serial = 0;                    ///< Warp::serial of the last operation on it
    int columns = 0, depth = 0;             ///< shape of that operation
  };
  std::vector<Use> registers; ///< by poison index
  Use &use(uint32_t index) {
    if (index >= registers.size())
      registers.resize(index + 1);
    return registers[index];
  }
  static WarpgroupWarp &of(Warp &warp);
};

} // namespace adze::sim

#endif
