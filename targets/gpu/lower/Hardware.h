// What the lowering asks of a GPU. The code generator of a vendor implements it; nothing here names one.
#ifndef ADZE_TARGETS_GPU_LOWER_HARDWARE_H
#define ADZE_TARGETS_GPU_LOWER_HARDWARE_H

#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "targets/gpu/lower/Layout.h"
#include "targets/scalar/Scalar.h"
#include <memory>
#include <optional>

namespace adze::gpu {
using namespace mlir;
class Lowering;

/// Limits of one block, address spaces.
struct Limits {
  unsigned laneBits = 5;           // lanes of a warp, log2
  unsigned maxWarps = 32;          // of a block
  uint64_t sharedBytes = 48 << 10; // of a block
  unsigned registers = 255;        // of a thread
  unsigned globalSpace = 1, sharedSpace = 3;
  bool asyncCopy = false; // global -> shared without registers
};

/// A set of warps that executes one piece of text together: the whole block, or a role in a specialised kernel. The
/// number of warps is a power of two.
struct Group {
  unsigned warps = 4, firstWarp = 0;
  unsigned barrier = 0;   // id of its barrier; 0: that of the whole block
  bool wholeBlock = true; // all threads of the block belong to it
  Value lane, warp;       // i32: lane in the warp, warp in the group
};

/// How one dot is done. Operands come in registers under a given layout, or in shared memory.
struct DotForm {
  virtual ~DotForm() = default;
  std::string name; // for dumps: "fma 4x8", "mma m16n8k16"
  Layout acc;       // of acc and of the result
  struct Operand {
    bool shared = false;
    Layout layout;        // !shared
    unsigned align = 16;  // shared: of the tile
    int inner = -1;       // shared: the dim along which rows run (SharedTile::inner); -1: the last
    unsigned swizzle = 0; // shared: log2 of the 16-byte chunks of a row that are permuted (SharedTile::swizzle)
    unsigned pad = 0;     // shared, not swizzled: elements added to each row
  } a, b;
};

enum class AtomicKind { add, max, min, mul };

class Hardware {
public:
  virtual ~Hardware() = default;
  Limits limits;
  /// Element arithmetic that the machine does itself; may be null.
  virtual const scalar::Hooks *arithmetic() const { return nullptr; }

  // Positions, i32
  virtual Value threadInBlock(ImplicitLocOpBuilder &b) = 0;
  virtual Value block(ImplicitLocOpBuilder &b) = 0;

  // Exchange between lanes of a full warp; `v` is an i32 or f32. All lanes take part.
  virtual Value shuffleXor(ImplicitLocOpBuilder &b, Value v, unsigned mask) = 0;
  virtual Value shuffleFrom(ImplicitLocOpBuilder &b, Value v, Value lane) = 0;

  /// All threads of the group wait; their accesses to shared and global memory before are visible after.
  virtual void barrier(ImplicitLocOpBuilder &b, const Group &group) = 0;

  // Asynchronous copies (only if limits.asyncCopy). `bytes` is 4, 8 or 16; of these `live` (i32, null: all) are read,
  // the rest is filled with zeros.
  virtual void asyncCopy(ImplicitLocOpBuilder &b, Value sharedPtr, Value globalPtr, unsigned bytes, Value live) {}
  virtual void asyncCommit(ImplicitLocOpBuilder &b) {}
  /// Waits for this thread's copies, all but the youngest `pending` commits.
  virtual void asyncWait(ImplicitLocOpBuilder &b, unsigned pending) {}

  /// Atomic old-value-discarding combination on device memory; `v` has storage type. Null result: not supported.
  virtual LogicalResult atomic(ImplicitLocOpBuilder &b, AtomicKind kind, bool isUnsigned, Type element, Value ptr,
                               Value v) {
    return failure();
  }

  // Order between blocks; null results: not supported.
  /// Device memory as this thread knows it (also through barriers) is known to whoever reads what it writes from here
  /// on; and what it has read before is the newest that it will see from here on: release and acquire for the device.
  virtual LogicalResult fence(ImplicitLocOpBuilder &b) { return failure(); }
  /// Atomically adds 1 to the 32-bit counter at `ptr` in device memory, or sets it to 0 where it is `last` (i32); gives
  /// the old value. Orders nothing by itself.
  virtual Value countTo(ImplicitLocOpBuilder &b, Value ptr, Value last) { return {}; }

  /// Attributes of the kernel function (calling convention, launch bounds).
  virtual void finishKernel(LLVM::LLVMFuncOp f, unsigned threads) = 0;

  /// How `dot` is done by `warps` warps; null: the caller refuses the kernel. `warps` is a power of two.
  virtual std::unique_ptr<DotForm> chooseDot(tile::DotOp dot, unsigned warps) { return nullptr; }
  /// Emits it; returns the registers of the result under form.acc. Operands: Lowering::operandRegisters /
  /// operandShared.
  virtual FailureOr<SmallVector<Value>> emitDot(Lowering &l, tile::DotOp dot, const DotForm &form) { return failure(); }
  /// The hardware may take over a whole loop (a pipelined product). True: it emitted the loop and bound its results.
  virtual FailureOr<bool> lowerLoop(Lowering &l, scf::ForOp loop) { return false; }
  /// Loads a dot's operand into shared memory asynchronously and binds it (Lowering::bindShared), with the waits and
  /// barriers that make it readable. False: the caller goes through registers.
  virtual bool loadShared(Lowering &l, tile::LoadOp load, const DotForm::Operand &want) { return false; }
  /// The hardware may take over any op of the text (those of a staged kernel); asked before the lowering's own rules.
  /// True: it was emitted and its results are bound.
  virtual FailureOr<bool> lowerFirst(Lowering &l, Operation *op) { return false; }
  /// Warps that the kernel's dots want; 0: no wish.
  virtual unsigned preferredWarps(tile::KernelOp kernel) { return 0; }
};

} // namespace adze::gpu

#endif
