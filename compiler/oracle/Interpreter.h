// Executes one tile.kernel over host memory: the meaning that every target's code is judged by (docs/tile.md, "The
// oracle").
#ifndef ADZE_COMPILER_ORACLE_INTERPRETER_H
#define ADZE_COMPILER_ORACLE_INTERPRETER_H

#include "compiler/oracle/HostBuffer.h"
#include "dialects/tile/TileDialect.h"
#include <memory>

namespace adze::oracle {

/// Wide: float arithmetic and reductions in f64, only casts (and stores to narrow buffers) round. Typed: every op
/// rounds to its type, reductions and dots run in ascending order.
enum class Mode : uint8_t { Wide, Typed };

struct InterpreterOptions {
  Mode mode = Mode::Wide;
  unsigned threads = 1; ///< programs run in parallel; results do not depend on it
  /// Number of shares of the split dim, whose extent must be one of the kernel's dims; 0 keeps that dim's value.
  int64_t splitCount = 0;
  /// Debug: two programs that write one element, or one that reads what another wrote, are errors.
  bool checkRaces = false;
  /// Staged kernels: the order in which processes take turns; no result bit depends on it.
  uint64_t unitOrderSeed = 0;
  /// Debug: elements of `out` arguments that no program wrote are errors.
  bool checkUnwritten = false;
};

/// A kernel compiled for the interpreter; may run many times, from one thread at a time.
class KernelProgram {
public:
  /// Diagnostics name the op that the interpreter does not know.
  static mlir::FailureOr<std::unique_ptr<KernelProgram>> create(tile::KernelOp kernel, Mode mode);
  ~KernelProgram();

  /// `dims`: values of the kernel's dims. `refs`: one buffer a ref argument. `scalars`: the other arguments, in order
  /// (integers must be exact in a double). Errors (a buffer too small, an access outside a buffer, a race) are
  /// diagnostics at the kernel.
  mlir::LogicalResult run(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<HostBuffer> refs, llvm::ArrayRef<double> scalars,
                          const InterpreterOptions &options);

private:
  struct Impl;
  explicit KernelProgram(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

/// create and run.
mlir::LogicalResult runKernel(tile::KernelOp kernel, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<HostBuffer> refs,
                              llvm::ArrayRef<double> scalars, const InterpreterOptions &options);

} // namespace adze::oracle

#endif
