// The meaning of every elementwise op of the graph dialect, written as arith and math on tiles.
#ifndef ADZE_COMPILER_KERNELS_SCALAR_H
#define ADZE_COMPILER_KERNELS_SCALAR_H

#include "compiler/kernels/Kernels.h"
#include "compiler/kernels/KernelText.h"

namespace adze::kernels {

/// Emits `op` on tiles of one shape. Operands are in their compute types, and so is the result. `op` is elementwise and
/// neither iota nor batch_norm.
mlir::Value emitScalar(KernelText &k, mlir::Operation *op, llvm::ArrayRef<mlir::Value> operands,
                       const KernelOptions &options);

/// Compute type -> stored type (the graph's element type), and back.
mlir::Value toStorage(KernelText &k, mlir::Value tile, mlir::Type graphElement);
mlir::Value fromStorage(KernelText &k, mlir::Value tile, mlir::Type graphElement);

/// The least and the greatest value of a graph element type, as an attribute of its tile type; infinities for floats.
mlir::TypedAttr lowestValue(mlir::Type graphElement);
mlir::TypedAttr highestValue(mlir::Type graphElement);

/// Shorthand for arith and math on tiles of one shape.
class ScalarBuilder {
public:
  ScalarBuilder(KernelText &k, mlir::Value like);
  KernelText &k;
  llvm::SmallVector<int64_t> shape;
  mlir::Value f(double value, mlir::Type element);  // float constant
  mlir::Value i(int64_t value, mlir::Type element); // integer constant
  mlir::Value addf(mlir::Value a, mlir::Value b);
  mlir::Value subf(mlir::Value a, mlir::Value b);
  mlir::Value mulf(mlir::Value a, mlir::Value b);
  mlir::Value divf(mlir::Value a, mlir::Value b);
  mlir::Value addi(mlir::Value a, mlir::Value b);
  mlir::Value subi(mlir::Value a, mlir::Value b);
  mlir::Value muli(mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value c, mlir::Value a, mlir::Value b);
  mlir::Value cmpf(mlir::arith::CmpFPredicate p, mlir::Value a, mlir::Value b);
  mlir::Value cmpi(mlir::arith::CmpIPredicate p, mlir::Value a, mlir::Value b);
  template <typename Op>
  mlir::Value unary(mlir::Value x) {
    return Op::create(k.b, k.loc, x);
  }
  template <typename Op>
  mlir::Value binary(mlir::Value a, mlir::Value b) {
    return Op::create(k.b, k.loc, a, b);
  }
};

} // namespace adze::kernels

#endif
