// Operators whose result's size depends on data. The host does them; their extents are symbols that the run sets.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// The most that an expression can be, or nullopt (node refused) when the size has no static bound.
std::optional<int64_t> bound(NodeContext &n, AffineExpr e) {
  constexpr int64_t kLargest = int64_t(1) << 28; // the result's buffer is planned for this many elements
  int64_t most = n.sym().range(e).second;
  if (most <= kLargest)
    return std::max<int64_t>(most, 0);
  n.unsupported("the result's size depends on data and has no bound",
                "give the input sizes with --dim or --input-shape");
  return std::nullopt;
}

/// A new symbol that the host operation sets, from 0 to `most`.
AffineExpr dataSymbol(NodeContext &n, int64_t most) {
  Symbol symbol;
  symbol.name = "data" + std::to_string(n.sym().table.size());
  symbol.kind = SymbolKind::Data;
  symbol.min = 0;
  symbol.max = most;
  return n.sym().table.add(n.context(), std::move(symbol));
}

/// Builds the operation; its results in order, empty after a failure.
SmallVector<Value> host(NodeContext &n, llvm::StringRef name, llvm::ArrayRef<Value> xs,
                        llvm::ArrayRef<mlir::Type> results, llvm::ArrayRef<int64_t> attrs, AffineExpr defined,
                        llvm::ArrayRef<double> fattrs = {}) {
  if (llvm::any_of(xs, [](Value v) { return !v; }))
    return {};
  for (Value x : xs)
    if (bitWidth(dtypeOf(NodeContext::elementOf(x))) < 8) {
      n.unsupported("the host does not work on " + dtypeName(dtypeOf(NodeContext::elementOf(x))), "cast the operand");
      return {};
    }
  int64_t symbol = llvm::cast<mlir::AffineSymbolExpr>(defined).getPosition();
  return n.createMany<HostOp>(mlir::TypeRange(results), mlir::ValueRange(xs), name, attrs, fattrs,
                              llvm::ArrayRef<int64_t>(symbol));
}

AffineExpr elementCount(NodeContext &n, const Dims &dims) { return graph::product(n.context(), dims); }

void nonZero(NodeContext &n) {
  auto most = bound(n, elementCount(n, n.dims(0)));
  if (!most)
    return;
  AffineExpr count = dataSymbol(n, *most);
  // A scalar counts as a vector of one element.
  int64_t rank = std::max<int64_t>(n.rank(0), 1);
  Value x = n.rank(0) == 0 ? n.reshape(n.value(0), {n.expr(1)}) : n.value(0);
  mlir::Type type = graph::makeTensorType({n.expr(rank), count}, n.element(DType::I64));
  auto ys = host(n, "nonzero", {x}, type, {}, count);
  if (!ys.empty())
    n.out(0, ys[0]);
}

void compress(NodeContext &n) {
  bool hasAxis = n.hasAttr("axis");
  int64_t axis = hasAxis ? n.normalizeAxis(n.attrInt("axis", 0), n.rank(0)) : 0;
  if (n.failed())
    return;
  if (n.rank(1) != 1 || n.dtype(1) != DType::Bool)
    return n.malformed("the condition must be a vector of bool");
  Dims dims = n.dims(0);
  AffineExpr extent = hasAxis ? dims[axis] : elementCount(n, dims);
  auto most = bound(n, n.sym().min(extent, n.dims(1)[0]));
  if (!most)
    return;
  AffineExpr count = dataSymbol(n, *most);
  if (hasAxis)
    dims[axis] = count;
  else
    dims = {count};
  Value x = n.value(0), condition = n.value(1);
  if (n.failed())
    return;
  mlir::Type type = graph::makeTensorType(dims, NodeContext::elementOf(x));
  auto ys = host(n, "compress", {x, condition}, type, {hasAxis, axis}, count);
  if (!ys.empty())
    n.out(0, ys[0]);
}

void unique(NodeContext &n) {
  bool hasAxis = n.hasAttr("axis");
  int64_t axis = hasAxis ? n.normalizeAxis(n.attrInt("axis", 0), n.rank(0)) : 0;
  if (n.failed())
    return;
  Dims dims = n.dims(0);
  AffineExpr extent = hasAxis ? dims[axis] : elementCount(n, dims);
  auto most = bound(n, extent);
  Value x = n.value(0);
  if (!most || !x)
    return;
  AffineExpr count = dataSymbol(n, *most);
  if (hasAxis)
    dims[axis] = count;
  else
    dims = {count};
  mlir::Type index = n.element(DType::I64);
  SmallVector<mlir::Type> types = {graph::makeTensorType(dims, NodeContext::elementOf(x))};
  int64_t mask = 0;
  for (unsigned i = 1; i < 4; ++i)
    if (n.wants(i)) {
      mask |= int64_t(1) << (i - 1);
      types.push_back(graph::makeTensorType({i == 2 ? extent : count}, index));
    }
  auto ys = host(n, "unique", {x}, types, {n.attrBool("sorted", true), hasAxis, axis, mask}, count);
  if (ys.empty())
    return;
  n.out(0, ys[0]);
  for (unsigned i = 1, next = 1; i < 4; ++i)
    if (n.wants(i))
      n.out(i, ys[next++]);
}

void nonMaxSuppression(NodeContext &n) {
  if (n.rank(0) != 3 || n.rank(1) != 3 || n.dtype(0) != DType::F32 || n.dtype(1) != DType::F32)
    return n.malformed("boxes and scores must be float tensors of rank 3");
  const Dims &boxes = n.dims(0), &scores = n.dims(1);
  if (!n.checkEqual(boxes[2], n.expr(4), "a box has four numbers") ||
      !n.checkEqual(boxes[0], scores[0], "boxes and scores have the same batch") ||
      !n.checkEqual(boxes[1], scores[2], "there is one score a box"))
    return;
  int64_t center = n.attrInt("center_point_box", 0);
  // Limits come as operands; a constant number of boxes also bounds the result. Without one, nothing is selected.
  AffineExpr each = boxes[1];
  if (!n.has(2))
    each = n.expr(0);
  else if (auto limit = n.constantInts(2); limit && limit->size() == 1)
    each = n.sym().min(each, n.expr(std::max<int64_t>((*limit)[0], 0)));
  auto most = bound(n, n.sym().mul(n.sym().mul(scores[0], scores[1]), each));
  if (!most)
    return;
  SmallVector<Value> xs = {n.value(0), n.value(1)};
  int64_t mask = 0;
  for (unsigned i = 2; i < 5; ++i) {
    if (!n.has(i))
      continue;
    if (n.rank(i) > 1 || n.dtype(i) != (i == 2 ? DType::I64 : DType::F32))
      return n.malformed("operand " + llvm::Twine(i) + " must be one number");
    mask |= int64_t(1) << (i - 2);
    xs.push_back(n.value(i));
  }
  AffineExpr count = dataSymbol(n, *most);
  mlir::Type type = graph::makeTensorType({count, n.expr(3)}, n.element(DType::I64));
  auto ys = host(n, "nms", xs, type, {center, 0, mask}, count, {0.0, 0.0});
  if (!ys.empty())
    n.out(0, ys[0]);
}

} // namespace

void adze::registerDataDependentHandlers(HandlerTable &t) {
  t.add("", "Compress", 9, compress, 2, 2);
  t.add("", "NonMaxSuppression", 10, nonMaxSuppression, 2, 5);
  t.add("", "NonZero", 9, nonZero, 1, 1);
  t.add("", "Unique", 11, unique, 1, 1, 4);
}
