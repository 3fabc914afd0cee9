#include "compiler/kernels/Access.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

bool isConstant(AffineExpr expr, int64_t value) { return constantOf(expr) == value; }

static AffineExpr simplified(AffineExpr e) { return makeExprMap(e.getContext(), {e}).getResult(0); }

Access identityAccess(MLIRContext *context, size_t rank, unsigned first) {
  Access access;
  for (size_t i = 0; i < rank; ++i)
    access.push_back({constantExpr(context, 0), {{unsigned(first + i), constantExpr(context, 1)}}});
  return access;
}

Access broadcastAccess(ArrayRef<AffineExpr> operand, ArrayRef<AffineExpr> resultDims, const Access &result) {
  Access access;
  size_t shift = resultDims.size() - operand.size();
  for (size_t i = 0; i < operand.size(); ++i) {
    if (isConstant(operand[i], 1) && !isConstant(resultDims[i + shift], 1))
      access.push_back({constantExpr(operand[i].getContext(), 0), {}});
    else
      access.push_back(result[i + shift]);
  }
  return access;
}

std::optional<Access> throughView(Operation *op, const Access &y) {
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    Access x(y.size());
    for (auto [i, p] : llvm::enumerate(transpose.getPerm()))
      x[p] = y[i];
    return x;
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op))
    return broadcastAccess(getDims(broadcast.getX()), getDims(broadcast.getY()), y);
  if (auto slice = dyn_cast<SliceOp>(op)) {
    Access x;
    for (auto [i, index] : llvm::enumerate(y)) {
      int64_t step = slice.getSteps()[i];
      DimIndex d{simplified(slice.getStarts().getResult(i) + index.start * step), {}};
      for (auto [dim, coefficient] : index.terms)
        d.terms.push_back({dim, coefficient * step});
      x.push_back(d);
    }
    return x;
  }
  return std::nullopt;
}

LinearAccess linearize(MLIRContext *context, ArrayRef<AffineExpr> dims, const Access &access, size_t iterationDims) {
  LinearAccess result;
  AffineExpr zero = constantExpr(context, 0), stride = constantExpr(context, 1);
  result.offset = zero;
  result.strides.assign(std::max<size_t>(iterationDims, 1), zero);
  for (size_t i = dims.size(); i-- > 0;) {
    if (!isConstant(access[i].start, 0))
      result.offset = result.offset + product(context, {access[i].start, stride});
    for (auto [dim, coefficient] : access[i].terms)
      result.strides[dim] = result.strides[dim] + product(context, {coefficient, stride});
    // An empty tensor has no elements to tell apart; strides of 0 would mean that the access does not vary.
    if (!isConstant(dims[i], 0))
      stride = product(context, {stride, dims[i]});
  }
  result.offset = simplified(result.offset);
  for (AffineExpr &s : result.strides)
    s = simplified(s);
  return result;
}

SmallVector<Group> Space::merge() const {
  SmallVector<Group> groups;
  bool apart = false;
  for (unsigned d = 0; d < extents.size(); ++d) {
    apart |= barriers[d];
    if (isConstant(extents[d], 1))
      continue;
    bool joins = !groups.empty() && !apart;
    for (const LinearAccess &a : accesses) {
      if (!joins)
        break;
      AffineExpr outer = a.strides[groups.back().last], inner = product(context, {a.strides[d], extents[d]});
      joins = provablyEqual(outer, inner);
    }
    apart = false;
    if (joins) {
      groups.back().last = d;
      groups.back().extent = product(context, {groups.back().extent, extents[d]});
    } else {
      groups.push_back({d, d, extents[d]});
    }
  }
  return groups;
}

} // namespace adze::kernels
