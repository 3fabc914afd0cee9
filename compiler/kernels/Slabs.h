// A tensor as [outer, axis, inner]: what ops along one axis that keep the others see.
#ifndef ADZE_COMPILER_KERNELS_SLABS_H
#define ADZE_COMPILER_KERNELS_SLABS_H

#include "compiler/kernels/Families.h"

namespace adze::kernels {

/// Programs over (outer, inner) or, where the axis is tiled too, (outer, axis, inner). Where inner is 1, tiles are
/// [outer block x axis block]; else [axis block x inner block] of one outer index.
struct Slabs {
  mlir::AffineExpr outer, inner;
  bool last = false; // the axis is the last dim that matters: inner is 1
  int64_t BO = 1, BA = 1, BI = 1;

  Slabs(mlir::MLIRContext *context, llvm::ArrayRef<mlir::AffineExpr> dims, int64_t axis)
      : outer(graph::product(context, dims.take_front(axis))),
        inner(graph::product(context, dims.drop_front(axis + 1))), last(isConstant(inner, 1)) {}
  /// Block sizes: params BM (outer block where inner is 1), BK (axis), BN (inner).
  void choose(const Plan &plan, mlir::AffineExpr axis, int64_t ba) {
    BA = tileSize(plan, "BK", ba, axis);
    BO = last ? tileSize(plan, "BM", std::max<int64_t>(1, 2048 / BA), outer) : 1;
    BI = last ? 1 : tileSize(plan, "BN", std::max<int64_t>(1, 4096 / BA), inner);
  }
  Problem problem(llvm::StringRef family, mlir::AffineExpr axis, KernelRequest &r) const {
    Problem p;
    p.family = family.str();
    p.extents["R"] = extentOf(outer, r.symbols);
    p.extents["K"] = extentOf(axis, r.symbols);
    p.extents["N"] = extentOf(inner, r.symbols);
    p.flags["inner"] = last;
    return p;
  }
  int64_t axisDim() const { return last ? 1 : 0; }
  llvm::SmallVector<int64_t> shape(int64_t ba) const {
    return last ? llvm::SmallVector<int64_t>{BO, ba} : llvm::SmallVector<int64_t>{ba, BI};
  }
  /// View of an argument with `axis` elements along the axis.
  mlir::Value view(KernelText &k, unsigned arg, mlir::AffineExpr axis) const {
    mlir::AffineExpr one = k.constant(1);
    if (last)
      return k.view({arg, {outer, axis}, {axis, one}, k.constant(0)});
    return k.view({arg, {outer, axis, inner}, {graph::product(k.context, {axis, inner}), inner, one}, k.constant(0)});
  }
  llvm::SmallVector<mlir::Value> at(mlir::Value outerOffset, mlir::Value axisOffset, mlir::Value innerOffset) const {
    if (last)
      return {outerOffset, axisOffset};
    return {outerOffset, axisOffset, innerOffset};
  }
};

} // namespace adze::kernels

#endif
