// Reductions, softmax, scans and selection.
#include "compiler/import/handlers/RuntimeAxes.h"
#include "compiler/import/HandlerTable.h"

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// Axes moved from an attribute to input 1 in version `since`. Sets `none` when the node is the identity.
std::optional<llvm::SmallVector<int64_t>> reductionAxes(NodeContext &n, int since, bool &none) {
  llvm::SmallVector<int64_t> axes;
  none = false;
  if (n.opset() < since) {
    axes = n.attrInts("axes");
  } else if (n.has(1)) {
    auto given = n.requireConstantInts(1, "axes");
    if (!given)
      return std::nullopt;
    axes = *given;
  }
  if (axes.empty()) {
    none = n.opset() >= since && n.attrBool("noop_with_empty_axes", false);
    for (int64_t i = 0; !none && i < n.rank(0); ++i)
      axes.push_back(i);
  }
  axes = n.normalizeAxes(axes, n.rank(0));
  return n.failed() ? std::nullopt : std::optional(axes);
}

using Reducer = Value (*)(NodeContext &, Value, llvm::ArrayRef<int64_t>);

template <ReduceKind kind>
Value plain(NodeContext &n, Value x, llvm::ArrayRef<int64_t> axes) {
  return n.reduce(x, axes, kind);
}
/// Bool maximum and minimum are "any" and "all".
template <ReduceKind kind, ReduceKind boolean>
Value extreme(NodeContext &n, Value x, llvm::ArrayRef<int64_t> axes) {
  return x ? n.reduce(x, axes, NodeContext::elementOf(x).isInteger(1) ? boolean : kind) : x;
}
Value sumSquare(NodeContext &n, Value x, llvm::ArrayRef<int64_t> axes) {
  return n.reduce(n.create<MulOp>(x, x), axes, ReduceKind::sum);
}
Value l1(NodeContext &n, Value x, llvm::ArrayRef<int64_t> axes) {
  return n.reduce(n.create<AbsOp>(x), axes, ReduceKind::sum);
}
Value l2(NodeContext &n, Value x, llvm::ArrayRef<int64_t> axes) { return n.create<SqrtOp>(sumSquare(n, x, axes)); }
Value logSum(NodeContext &n, Value x, llvm::ArrayRef<int64_t> axes) {
  return n.create<LogOp>(n.reduce(x, axes, ReduceKind::sum));
}
/// m + log(sum e^(x-m)) with m the maximum, or 0 where that is infinite.
Value logSumExp(NodeContext &n, Value x, llvm::ArrayRef<int64_t> axes) {
  Value top = n.reduce(x, axes, ReduceKind::max);
  Value infinite = n.create<IsInfOp>(top, true, true);
  Value shift = n.select(infinite, n.scalarLike(0, top), top);
  Value sum = n.reduce(n.create<ExpOp>(n.create<SubOp>(x, shift)), axes, ReduceKind::sum);
  return n.create<AddOp>(n.create<LogOp>(sum), shift);
}

/// Axes that only the launch tells: the members become the columns of a matrix, which is reduced.
void reduceRuntime(NodeContext &n, Reducer reducer) {
  auto axes = n.requireContents(1, "axes");
  auto set = axes ? axisSet(n, *axes, n.rank(0)) : std::nullopt;
  if (!set)
    return;
  Value y = reducer(n, membersLast(n, n.value(0), *set), {1});
  Dims dims;
  if (n.attrBool("keepdims", true))
    for (auto [member, dim] : llvm::zip(set->member, n.dims(0)))
      dims.push_back(n.sym().select(member, n.expr(1), dim));
  else
    dims = withoutMembers(n, n.dims(0), *set);
  // Equal element counts by construction, which the expressions do not show: no launch check.
  n.out(0, y ? n.createTyped<ReshapeOp>(graph::makeTensorType(dims, NodeContext::elementOf(y)), y) : y);
}

template <Reducer reducer, int since>
void reduce(NodeContext &n) {
  if (n.opset() >= since && n.has(1) && !n.constantInts(1))
    return reduceRuntime(n, reducer);
  bool none;
  auto axes = reductionAxes(n, since, none);
  if (!axes)
    return;
  Value y = reducer(n, n.value(0), *axes);
  n.out(0, n.attrBool("keepdims", true) || none ? y : n.squeeze(y, *axes));
}

template <ArgKind kind>
void argReduce(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", 0), n.rank(0));
  Value y = n.create<ArgReduceOp>(n.value(0), axis, kind, n.attrBool("select_last_index", false));
  n.out(0, n.attrBool("keepdims", true) ? y : n.squeeze(y, {axis}));
}

/// Before version 13 the dims from `axis` on are taken together.
template <bool log>
void softmax(NodeContext &n) {
  bool together = n.opset() < 13;
  int64_t rank = n.rank(0), given = n.attrInt("axis", together ? 1 : -1);
  if (rank == 0)
    return n.malformed("the operand is a scalar");
  int64_t axis = together && given == rank ? rank : n.normalizeAxis(given, rank);
  Value x = n.value(0);
  if (!together || axis == rank - 1)
    return n.out(0, n.create<SoftmaxOp>(x, axis, log));
  Dims dims = n.dims(0);
  llvm::ArrayRef<AffineExpr> list = dims;
  Value flat = n.reshape(
      x, {graph::product(n.context(), list.take_front(axis)), graph::product(n.context(), list.drop_front(axis))});
  n.out(0, n.reshape(n.create<SoftmaxOp>(flat, int64_t(1), log), dims));
}

/// 1 at the first maximum along the axis.
void hardmax(NodeContext &n) {
  bool together = n.opset() < 13;
  int64_t rank = n.rank(0), axis = n.normalizeAxis(n.attrInt("axis", together ? 1 : -1), rank);
  Value x = n.value(0);
  Dims dims = n.dims(0);
  if (n.failed())
    return;
  Dims work = dims;
  if (together && axis != rank - 1) {
    llvm::ArrayRef<AffineExpr> list = dims;
    work = {graph::product(n.context(), list.take_front(axis)), graph::product(n.context(), list.drop_front(axis))};
    axis = 1;
  }
  x = n.reshape(x, work);
  Value best = n.create<ArgReduceOp>(x, axis, ArgKind::argmax, false);
  Value index = n.createTyped<IotaOp>(graph::makeTensorType(work, n.element(DType::I64)), axis);
  Value hit = n.compare(CmpKind::eq, index, best);
  n.out(0, n.reshape(n.select(hit, n.scalarLike(1, x), n.scalarLike(0, x)), dims));
}

template <ReduceKind kind>
void scan(NodeContext &n) {
  auto axis = n.requireContents(1, "the axis");
  if (!axis)
    return;
  if (axis->size() != 1)
    return n.malformed("the axis must be one number");
  bool exclusive = n.attrBool("exclusive", false), reverse = n.attrBool("reverse", false);
  Value x = n.value(0);
  if (auto known = n.sym().constantOf((*axis)[0])) {
    int64_t at = n.normalizeAxis(*known, n.rank(0));
    return n.out(0, n.create<ScanOp>(x, at, kind, exclusive, reverse));
  }
  // Known at launch: the scan along each axis, and a selection.
  auto set = axisSet(n, *axis, n.rank(0));
  if (!set)
    return;
  Value y;
  for (int64_t d = 0; d < n.rank(0); ++d) {
    Value along = n.create<ScanOp>(x, d, kind, exclusive, reverse);
    y = y ? n.select(n.exprValue(set->member[d], n.element(DType::Bool)), along, y) : along;
  }
  n.out(0, y);
}

void topK(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", -1), n.rank(0));
  AffineExpr k;
  if (n.opset() < 10) {
    k = n.expr(n.requireInt("k"));
  } else {
    auto given = n.requireContents(1, "k");
    if (!given)
      return;
    if (given->size() != 1)
      return n.malformed("k must be one number");
    k = n.asDim((*given)[0]);
  }
  if (n.failed() || !n.checkTrue(n.sym().lessOrEqual(k, n.dims(0)[axis]), "k must not exceed the dim"))
    return;
  Dims dims = n.dims(0);
  dims[axis] = k;
  Value x = n.value(0);
  if (n.failed())
    return;
  mlir::Type types[] = {graph::makeTensorType(dims, NodeContext::elementOf(x)),
                        graph::makeTensorType(dims, n.element(DType::I64))};
  auto results = n.createMany<TopKOp>(types, x, axis, n.attrBool("largest", true));
  if (results.size() == 2) {
    n.out(0, results[0]);
    n.out(1, results[1]);
  }
}

template <Reducer reducer, int since>
void addReduction(HandlerTable &t, const char *name) {
  t.add("", name, 1, reduce<reducer, since>, 1, 1);
  t.add("", name, since, reduce<reducer, since>, 1, 2);
}

} // namespace

void adze::registerReductionHandlers(HandlerTable &t) {
  addReduction<l1, 18>(t, "ReduceL1");
  addReduction<l2, 18>(t, "ReduceL2");
  addReduction<logSum, 18>(t, "ReduceLogSum");
  addReduction<logSumExp, 18>(t, "ReduceLogSumExp");
  addReduction<extreme<ReduceKind::max, ReduceKind::any>, 18>(t, "ReduceMax");
  addReduction<plain<ReduceKind::mean>, 18>(t, "ReduceMean");
  addReduction<extreme<ReduceKind::min, ReduceKind::all>, 18>(t, "ReduceMin");
  addReduction<plain<ReduceKind::prod>, 18>(t, "ReduceProd");
  addReduction<plain<ReduceKind::sum>, 13>(t, "ReduceSum");
  addReduction<sumSquare, 18>(t, "ReduceSumSquare");
  t.add("", "ArgMax", 1, argReduce<ArgKind::argmax>, 1, 1);
  t.add("", "ArgMin", 1, argReduce<ArgKind::argmin>, 1, 1);
  t.add("", "CumProd", 26, scan<ReduceKind::prod>, 2, 2);
  t.add("", "CumSum", 11, scan<ReduceKind::sum>, 2, 2);
  t.add("", "Hardmax", 1, hardmax, 1, 1);
  t.add("", "LogSoftmax", 1, softmax<true>, 1, 1);
  t.add("", "Softmax", 1, softmax<false>, 1, 1);
  t.add("", "TopK", 1, topK, 1, 1, 2);
  t.add("", "TopK", 10, topK, 2, 2, 2);
}
