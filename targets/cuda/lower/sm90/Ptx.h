// The instructions of sm_90a that a specialised kernel is made of, as inline PTX. One function an instruction (or a
// short fixed sequence); shared addresses are 32-bit, in the window of the block's shared memory.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_PTX_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_PTX_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace adze::cuda::sm90 {
using namespace mlir;

class Ptx {
public:
  explicit Ptx(ImplicitLocOpBuilder &b) : b(b) {}
  ImplicitLocOpBuilder &builder() { return b; }

  // Constants and i32 arithmetic
  Value i32(int64_t v);
  Value i64(int64_t v);
  Value add(Value x, Value y);
  Value mul(Value x, Value y);

  /// Runs `body` where the i1 `condition` holds.
  void when(Value condition, llvm::function_ref<void()> body);

  // mbarrier (PTX ISA, "mbarrier"): 8 bytes, 8-aligned
  void barrierInit(Value address, unsigned count);
  /// Makes the initialised barriers known to asynchronous copies; a barrier of the block must follow.
  void fenceBarrierInit();
  void arrive(Value address);
  /// One arrival that also announces `bytes` of asynchronous copies.
  void arriveExpect(Value address, unsigned bytes);
  /// Waits until the phase of this parity (i32, 0 or 1) has completed.
  void wait(Value address, Value parity);

  // Bulk tensor copies ("cp.async.bulk.tensor"). Coordinates i32, innermost first.
  void prefetchMap(Value map);
  void loadTile(Value to, Value map, ArrayRef<Value> coordinates, Value barrier);
  /// offsets: i16, of the filter's taps.
  void loadIm2col(Value to, Value map, ArrayRef<Value> coordinates, Value barrier, ArrayRef<Value> offsets);
  void storeTile(Value map, ArrayRef<Value> coordinates, Value from);
  void commitStores();
  /// Until the sources of all but the newest `pending` groups were read; `complete`: until they were written.
  void waitStores(unsigned pending, bool complete = false);

  // wgmma
  /// The fence with the registers that the instructions behind it use: they are computed before it, and nothing touches
  /// them in between.
  SmallVector<Value> wgmmaFence(ValueRange registers);
  void wgmmaCommit();
  void wgmmaWait(unsigned pending);
  /// The wait with the accumulators that it makes readable: uses of the results cannot move before it.
  SmallVector<Value> wgmmaWait(unsigned pending, ValueRange accumulators);

  /// What generic code wrote to shared memory becomes visible to asynchronous units; by each writer.
  void fenceProxyAsync();
  void setRegisters(unsigned count, bool grow);
  /// Named barrier of `threads` threads; `id` i32.
  void namedBarrier(Value id, unsigned threads);
  /// Four 8x8 matrices of 16-bit elements ("stmatrix"); `address`: lane l gives row l%8 of matrix l/8.
  void storeMatrix4(Value address, ArrayRef<Value> registers);

  /// Inline assembly with side effects. `constraints` as in LLVM.
  Value assembly(StringRef text, StringRef constraints, ValueRange operands, Type result = {});
  SmallVector<Value> assembly(StringRef text, StringRef constraints, ValueRange operands, TypeRange results);

private:
  ImplicitLocOpBuilder &b;
};

} // namespace adze::cuda::sm90

#endif
