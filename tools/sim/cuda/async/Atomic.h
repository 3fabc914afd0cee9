// Read-modify-write operations on memory, shared by atom, red and the bulk reductions. PTX ISA, "atom", "red",
// "cp.reduce.async.bulk".
#ifndef ADZE_TOOLS_SIM_CUDA_ASYNC_ATOMIC_H
#define ADZE_TOOLS_SIM_CUDA_ASYNC_ATOMIC_H

#include <cstdint>

namespace adze::sim {

enum class AtomicOp : uint8_t { Add, Min, Max, And, Or, Xor, Exchange, CompareSwap, Increment, Decrement };
enum class AtomicType : uint8_t { B32, B64, B128, U32, S32, U64, S64, F16, F16x2, BF16, BF16x2, F32, F64, B16 };

/// Bytes of one operand.
unsigned atomicBytes(AtomicType type);

/// What memory holds afterwards. `compare`: of CompareSwap. `flush`: f32 additions turn subnormals (operands and
/// result) into zeros, as they do in global memory.
uint64_t atomicResult(AtomicOp op, AtomicType type, uint64_t old, uint64_t value, uint64_t compare, bool flush);

/// The operation on host memory that several host threads may touch; answers the old value. At most 8 bytes.
uint64_t atomicApply(void *memory, AtomicOp op, AtomicType type, uint64_t value, uint64_t compare, bool flush);

} // namespace adze::sim
#endif
