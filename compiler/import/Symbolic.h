// Integer arithmetic on expressions over a module's symbols. What affine expressions cannot say (minimum, selection,
// division that truncates) becomes a derived symbol; whatever a range decides is decided here.
#pragma once
#include "compiler/import/ImportedValue.h"
#include "mlir/IR/MLIRContext.h"
#include <map>

namespace adze {

class Symbolic {
public:
  explicit Symbolic(mlir::MLIRContext *context) : context(context) {}

  mlir::AffineExpr constant(int64_t value) const { return graph::constantExpr(context, value); }
  mlir::AffineExpr add(mlir::AffineExpr a, mlir::AffineExpr b) { return simplify(a + b); }
  mlir::AffineExpr sub(mlir::AffineExpr a, mlir::AffineExpr b) { return simplify(a - b); }
  mlir::AffineExpr mul(mlir::AffineExpr a, mlir::AffineExpr b);
  /// Rounds toward zero, as ONNX integer Div; a / 0 = 0.
  mlir::AffineExpr truncDiv(mlir::AffineExpr a, mlir::AffineExpr b);
  /// Rounds down; null when the divisor may be zero or negative.
  mlir::AffineExpr floorDiv(mlir::AffineExpr a, mlir::AffineExpr b);
  /// Remainder with the sign of b, as ONNX Mod; null when the divisor may be zero or negative.
  mlir::AffineExpr mod(mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr min(mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr max(mlir::AffineExpr a, mlir::AffineExpr b);
  /// 0 or 1.
  mlir::AffineExpr equal(mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr less(mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr lessOrEqual(mlir::AffineExpr a, mlir::AffineExpr b) { return sub(constant(1), less(b, a)); }
  mlir::AffineExpr select(mlir::AffineExpr condition, mlir::AffineExpr a, mlir::AffineExpr b);

  std::pair<int64_t, int64_t> range(mlir::AffineExpr expr) const { return table.range(expr); }
  /// The constant that the expression is; ranges count too.
  std::optional<int64_t> constantOf(mlir::AffineExpr expr) const;
  bool isConstant(llvm::ArrayRef<mlir::AffineExpr> exprs) const;

  mlir::MLIRContext *context;
  graph::SymbolTable table;

private:
  mlir::AffineExpr simplify(mlir::AffineExpr expr) const;
  mlir::AffineExpr derive(graph::DerivedOp op, llvm::ArrayRef<mlir::AffineExpr> operands, int64_t min, int64_t max);
  std::map<std::vector<const void *>, mlir::AffineExpr> derived; ///< equal derivations share one symbol
};

} // namespace adze
