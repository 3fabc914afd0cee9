// Tensors made from indices: triangles, diagonals, one-hot rows, windows; and operators that rearrange by computed
// index.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include <cmath>

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// The index along one dim of a shape, as an i64 tensor that broadcasts over the shape.
Value indexAlong(NodeContext &n, const Dims &dims, int64_t axis) {
  Dims shape(dims.size(), n.expr(1));
  shape[axis] = dims[axis];
  return n.createTyped<IotaOp>(graph::makeTensorType(shape, n.element(DType::I64)), axis);
}

void trilu(NodeContext &n) {
  int64_t rank = n.rank(0);
  if (rank < 2)
    return n.malformed("the operand must have rank 2 or more, it has " + llvm::Twine(rank));
  Value x = n.value(0), row = indexAlong(n, n.dims(0), rank - 2), column = indexAlong(n, n.dims(0), rank - 1);
  if (n.has(1))
    row = n.create<AddOp>(row, n.reshape(n.cast(n.value(1), n.element(DType::I64)), {}));
  Value keep = n.compare(n.attrBool("upper", true) ? CmpKind::ge : CmpKind::le, column, row);
  n.out(0, n.select(keep, x, n.scalarLike(0, x)));
}

void eyeLike(NodeContext &n) {
  if (n.rank(0) != 2)
    return n.malformed("the operand must be a matrix, it has rank " + llvm::Twine(n.rank(0)));
  auto type = dtypeFromOnnx(n.attrInt("dtype", static_cast<int64_t>(n.dtype(0))));
  mlir::Type element = type ? n.element(*type) : mlir::Type();
  if (!element)
    return n.malformed("attribute dtype is no element type");
  Value row = indexAlong(n, n.dims(0), 0), column = indexAlong(n, n.dims(0), 1);
  row = n.create<AddOp>(row, n.scalarLike(static_cast<double>(n.attrInt("k", 0)), row));
  n.out(0, n.cast(n.compare(CmpKind::eq, row, column), element));
}

/// Element `i` of a vector, as a scalar.
Value elementAt(NodeContext &n, Value vector, int64_t i) {
  return n.reshape(n.slice(vector, {n.expr(i)}, {n.expr(1)}, {1}), {});
}

void oneHot(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", -1), n.rank(0) + 1);
  AffineExpr depth;
  if (auto fixed = n.constantDoubles(1); fixed && fixed->size() == 1 && (*fixed)[0] >= 0 && (*fixed)[0] < 1e15)
    depth = n.expr(static_cast<int64_t>((*fixed)[0]));
  else if (auto given = n.requireContents(1, "the depth"); given && given->size() == 1)
    depth = n.asDim((*given)[0]);
  else
    return n.malformed("the depth must be one non-negative number");
  if (n.rank(2) != 1 || !n.checkEqual(n.dims(2)[0], n.expr(2), "values are two numbers, off and on"))
    return n.malformed("values must be a vector of two numbers");
  mlir::Type index = n.element(DType::I64);
  Value at = n.unsqueeze(n.cast(n.value(0), index), {axis});
  Dims dims = NodeContext::dimsOf(at);
  if (n.failed() || !at)
    return;
  dims[axis] = depth;
  Value wrapped = n.create<AddOp>(at, n.exprValue(depth, index));
  at = n.select(n.compare(CmpKind::lt, at, n.scalar(0, index)), wrapped, at);
  Value hit = n.compare(CmpKind::eq, at, indexAlong(n, dims, axis)), values = n.value(2);
  n.out(0, n.select(hit, elementAt(n, values, 1), elementAt(n, values, 0)));
}

/// a0 - a1 cos(2 pi i / N) + a2 cos(4 pi i / N), N the size or, for the symmetric form, one less.
void window(NodeContext &n, double a0, double a1, double a2) {
  auto size = n.requireContents(0, "the size");
  auto type = dtypeFromOnnx(n.attrInt("output_datatype", 1));
  if (!size)
    return;
  mlir::Type element = type ? n.element(*type) : mlir::Type();
  if (size->size() != 1 || !element)
    return n.malformed("the size must be one number and output_datatype an element type");
  AffineExpr count = n.asDim((*size)[0]);
  AffineExpr period = n.attrBool("periodic", true) ? count : n.sym().sub(count, n.expr(1));
  mlir::Type f32 = n.element(DType::F32);
  Value i = n.createTyped<IotaOp>(graph::makeTensorType({count}, f32), int64_t(0));
  Value steps = n.cast(n.exprValue(period, n.element(DType::I64)), f32);
  Value angle = n.create<DivOp>(n.create<MulOp>(i, n.scalar(2 * M_PI, f32)), steps);
  Value y = n.create<SubOp>(n.scalar(a0, f32), n.create<MulOp>(n.create<CosOp>(angle), n.scalar(a1, f32)));
  if (a2 != 0) {
    Value twice = n.create<CosOp>(n.create<AddOp>(angle, angle));
    y = n.create<AddOp>(y, n.create<MulOp>(twice, n.scalar(a2, f32)));
  }
  n.out(0, n.cast(y, element));
}
void hann(NodeContext &n) { window(n, 0.5, 0.5, 0); }
void hamming(NodeContext &n) { window(n, 25.0 / 46, 21.0 / 46, 0); }
void blackman(NodeContext &n) { window(n, 0.42, 0.5, 0.08); }

void bitCast(NodeContext &n) {
  auto to = dtypeFromOnnx(n.requireInt("to"));
  if (n.failed())
    return;
  mlir::Type element = to ? n.element(*to) : mlir::Type();
  if (!element)
    return n.malformed("attribute 'to' is no supported element type");
  if (*to == n.dtype(0))
    return n.outSame(0, n.in(0));
  if (bitWidth(*to) != bitWidth(n.dtype(0)))
    return n.malformed("the types have " + llvm::Twine(bitWidth(n.dtype(0))) + " and " + llvm::Twine(bitWidth(*to)) +
                       " bits, which must be equal");
  // A bool is a byte that holds 0 or 1.
  if (n.dtype(0) == DType::Bool)
    return n.out(0, n.cast(n.value(0), element));
  if (*to == DType::Bool)
    return n.out(0, n.cast(n.value(0), element));
  Value x = n.value(0);
  n.out(0, n.createTyped<BitcastOp>(graph::makeTensorType(n.dims(0), element), x));
}

/// y[t, b] = x[len[b] - 1 - t, b] for t < len[b], x[t, b] beyond.
void reverseSequence(NodeContext &n) {
  int64_t time = n.attrInt("time_axis", 0), batch = n.attrInt("batch_axis", 1), rank = n.rank(0);
  if (rank < 2 || time + batch != 1 || time * batch != 0)
    return n.malformed("the operand must have rank 2 or more and the axes be 0 and 1");
  Value x = n.value(0);
  if (n.rank(1) != 1 || !n.checkEqual(n.dims(1)[0], n.dims(0)[batch], "there is one length a batch entry"))
    return n.malformed("sequence_lens must be a vector of one length a batch entry");
  Dims shape(rank, n.expr(1));
  shape[batch] = n.dims(0)[batch];
  Value length = n.reshape(n.cast(n.value(1), n.element(DType::I64)), shape), t = indexAlong(n, n.dims(0), time);
  Value mirrored = n.create<SubOp>(n.create<SubOp>(length, n.scalarLike(1, length)), t);
  Value index = n.select(n.compare(CmpKind::lt, t, length), mirrored, t);
  n.out(0, n.create<GatherElementsOp>(x, n.broadcastTo(index, n.dims(0)), time));
}

void centerCropPad(NodeContext &n) {
  auto target = n.requireContents(1, "the shape");
  llvm::SmallVector<int64_t> axes = n.attrInts("axes");
  if (!target)
    return;
  for (int64_t i = 0; !n.hasAttr("axes") && i < n.rank(0); ++i)
    axes.push_back(i);
  axes = n.normalizeAxes(axes, n.rank(0));
  if (n.failed())
    return;
  if (axes.size() != target->size())
    return n.malformed("the shape has " + llvm::Twine(target->size()) + " entries for " + llvm::Twine(axes.size()) +
                       " axes");
  Symbolic &sym = n.sym();
  AffineExpr zero = n.expr(0), two = n.expr(2);
  Dims cropped = n.dims(0), padded = n.dims(0);
  llvm::SmallVector<AffineExpr> starts(cropped.size(), zero), low(cropped.size(), zero);
  for (auto [k, axis] : llvm::enumerate(axes)) {
    AffineExpr dim = n.dims(0)[axis], wanted = n.asDim((*target)[k]);
    starts[axis] = sym.floorDiv(sym.max(sym.sub(dim, wanted), zero), two);
    low[axis] = sym.floorDiv(sym.max(sym.sub(wanted, dim), zero), two);
    cropped[axis] = sym.min(dim, wanted);
    padded[axis] = wanted;
  }
  Value x = n.slice(n.value(0), starts, cropped, llvm::SmallVector<int64_t>(cropped.size(), 1));
  if (!x)
    return;
  auto type = graph::makeTensorType(padded, NodeContext::elementOf(x));
  n.out(0, type == x.getType() ? x
                               : n.createTyped<PadOp>(type, x, n.scalarLike(0, x), graph::makeExprMap(n.context(), low),
                                                      PadMode::constant));
}

} // namespace

void adze::registerGeneratedHandlers(HandlerTable &t) {
  t.add("", "BitCast", 26, bitCast, 1, 1);
  t.add("", "BlackmanWindow", 17, blackman, 1, 1);
  t.add("", "CenterCropPad", 18, centerCropPad, 2, 2);
  t.add("", "EyeLike", 9, eyeLike, 1, 1);
  t.add("", "HammingWindow", 17, hamming, 1, 1);
  t.add("", "HannWindow", 17, hann, 1, 1);
  t.add("", "OneHot", 9, oneHot, 3, 3);
  t.add("", "ReverseSequence", 10, reverseSequence, 2, 2);
  t.add("", "Trilu", 14, trilu, 1, 2);
}
