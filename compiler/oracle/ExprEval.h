// Values of affine expressions, semi-affine ones (products and quotients of symbols) included.
#ifndef ADZE_COMPILER_ORACLE_EXPREVAL_H
#define ADZE_COMPILER_ORACLE_EXPREVAL_H

#include "mlir/IR/AffineExpr.h"

namespace adze::oracle {

// Division by zero gives 0, so that no input stops the oracle.
inline int64_t floorDiv(int64_t a, int64_t b) { return b == 0 ? 0 : a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }
inline int64_t ceilDiv(int64_t a, int64_t b) { return b == 0 ? 0 : a / b + ((a % b != 0) && ((a < 0) == (b < 0))); }

inline int64_t evaluate(mlir::AffineExpr e, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> symbols) {
  if (auto c = llvm::dyn_cast<mlir::AffineConstantExpr>(e))
    return c.getValue();
  if (auto d = llvm::dyn_cast<mlir::AffineDimExpr>(e))
    return dims[d.getPosition()];
  if (auto s = llvm::dyn_cast<mlir::AffineSymbolExpr>(e))
    return symbols[s.getPosition()];
  auto b = llvm::cast<mlir::AffineBinaryOpExpr>(e);
  int64_t l = evaluate(b.getLHS(), dims, symbols), r = evaluate(b.getRHS(), dims, symbols);
  switch (e.getKind()) {
  case mlir::AffineExprKind::Add:
    return l + r;
  case mlir::AffineExprKind::Mul:
    return l * r;
  case mlir::AffineExprKind::Mod:
    return r == 0 ? 0 : l - floorDiv(l, r) * r;
  case mlir::AffineExprKind::FloorDiv:
    return floorDiv(l, r);
  default:
    return ceilDiv(l, r);
  }
}

} // namespace adze::oracle

#endif
