#include "compiler/import/handlers/RuntimeAxes.h"

using namespace adze;
using namespace adze::graph;
using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

std::optional<AxisSet> adze::axisSet(NodeContext &n, ArrayRef<AffineExpr> axes, int64_t rank) {
  Symbolic &sym = n.sym();
  AffineExpr zero = n.expr(0), size = n.expr(rank), total = zero;
  AxisSet set;
  for (AffineExpr axis : axes) {
    AffineExpr at = sym.select(sym.less(axis, zero), sym.add(axis, size), axis);
    if (!n.checkTrue(sym.less(at, size), "an axis must be below the rank") ||
        !n.checkTrue(sym.lessOrEqual(zero, at), "an axis must not be below -rank"))
      return std::nullopt;
    set.axes.push_back(at);
  }
  for (int64_t d = 0; d < rank; ++d) {
    AffineExpr member = zero;
    for (AffineExpr axis : set.axes)
      member = sym.max(member, sym.equal(axis, n.expr(d)));
    set.member.push_back(member);
    total = sym.add(total, member);
  }
  if (!n.checkEqual(total, n.expr(static_cast<int64_t>(axes.size())), "axes must be distinct"))
    return std::nullopt;
  return set;
}

/// Of `values`, the one at the position that an expression gives.
static AffineExpr pick(NodeContext &n, ArrayRef<AffineExpr> values, AffineExpr at) {
  AffineExpr result = n.expr(1);
  for (auto [i, value] : llvm::enumerate(values))
    result = n.sym().select(n.sym().equal(at, n.expr(static_cast<int64_t>(i))), value, result);
  return result;
}

Dims adze::withoutMembers(NodeContext &n, ArrayRef<AffineExpr> dims, const AxisSet &set) {
  Symbolic &sym = n.sym();
  Dims out;
  for (size_t j = 0; j + set.axes.size() < dims.size(); ++j) {
    AffineExpr before = n.expr(0), result = n.expr(1);
    for (auto [d, dim] : llvm::enumerate(dims)) {
      AffineExpr stays = sym.sub(n.expr(1), set.member[d]);
      AffineExpr here = sym.min(stays, sym.equal(before, n.expr(static_cast<int64_t>(j))));
      result = sym.select(here, dim, result);
      before = sym.add(before, stays);
    }
    out.push_back(result);
  }
  return out;
}

Dims adze::withMembers(NodeContext &n, ArrayRef<AffineExpr> dims, const AxisSet &set) {
  Symbolic &sym = n.sym();
  Dims out;
  AffineExpr before = n.expr(0);
  for (AffineExpr member : set.member) {
    out.push_back(sym.select(member, n.expr(1), pick(n, dims, before)));
    before = sym.add(before, sym.sub(n.expr(1), member));
  }
  return out;
}

Value adze::membersLast(NodeContext &n, Value x, const AxisSet &set) {
  if (!x || n.failed())
    return {};
  Symbolic &sym = n.sym();
  Dims dims = NodeContext::dimsOf(x);
  SmallVector<AffineExpr> kept, reduced;
  for (auto [d, dim] : llvm::enumerate(dims)) {
    kept.push_back(sym.select(set.member[d], n.expr(1), dim));
    reduced.push_back(sym.select(set.member[d], dim, n.expr(1)));
  }
  AffineExpr outer = product(n.context(), kept), inner = product(n.context(), reduced);
  mlir::Type type = n.element(DType::I64);
  // Row and column numbers, taken apart from the last dim on: each dim's index comes from one of the two.
  Value row = n.createTyped<IotaOp>(makeTensorType({outer, n.expr(1)}, type), int64_t(0));
  Value column = n.createTyped<IotaOp>(makeTensorType({n.expr(1), inner}, type), int64_t(1));
  Value index;
  AffineExpr stride = n.expr(1);
  for (size_t d = dims.size(); d-- > 0;) {
    Value part;
    for (auto [number, size] : {std::pair(&row, kept[d]), std::pair(&column, reduced[d])}) {
      Value extent = n.exprValue(size, type);
      Value digit = n.create<RemOp>(*number, extent);
      *number = n.create<DivOp>(*number, extent);
      part = part ? n.create<AddOp>(part, digit) : digit;
    }
    part = n.create<MulOp>(part, n.exprValue(stride, type));
    index = index ? n.create<AddOp>(index, part) : part;
    stride = sym.mul(stride, dims[d]);
  }
  if (!index)
    return n.reshape(x, {n.expr(1), n.expr(1)});
  return n.create<GatherOp>(n.reshape(x, {stride}), index, int64_t(0));
}

AffineExpr adze::entryOf(NodeContext &n, int64_t d, ArrayRef<AffineExpr> axes, ArrayRef<AffineExpr> entries,
                         AffineExpr otherwise) {
  AffineExpr result = otherwise;
  for (auto [axis, entry] : llvm::zip(axes, entries))
    result = n.sym().select(n.sym().equal(axis, n.expr(d)), entry, result);
  return result;
}
