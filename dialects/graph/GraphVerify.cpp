// Verifiers of the operations whose result types do not follow from their operands. The others are checked by inference
// (GraphInfer.cpp), which the InferTypeOpInterface trait compares with the actual result types.
#include "dialects/graph/GraphDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace adze::graph {
namespace {

constexpr int64_t kMaxConstantElements = 64;

RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }
Type elementOf(Value v) { return typeOf(v).getElementType(); }
int64_t rankOf(Value v) { return typeOf(v).getRank(); }
std::string text(Operation *op, Value v) { return typeText(typeOf(v), op->getParentOfType<ModuleOp>()); }

/// x and y have the same dims as far as can be told; `what` names them in the message.
LogicalResult checkSameDims(Operation *op, Value x, Value y, const Twine &what) {
  Dims dx = getDims(x), dy = getDims(y);
  bool same = dx.size() == dy.size();
  for (size_t i = 0; same && i < dx.size(); ++i)
    same = possiblyEqual(dx[i], dy[i]);
  return same ? success()
              : op->emitOpError() << what << " must have the same shape: " << text(op, x) << " and " << text(op, y);
}

LogicalResult checkSameElement(Operation *op, Value x, Value y) {
  return elementOf(x) == elementOf(y)
             ? success()
             : op->emitOpError() << "element types differ: " << text(op, x) << " and " << text(op, y);
}

LogicalResult checkAxis(Operation *op, int64_t axis, int64_t rank) {
  return axis >= 0 && axis < rank ? success()
                                  : op->emitOpError() << "axis " << axis << " is outside a tensor of rank " << rank;
}

LogicalResult checkRank(Operation *op, Value v, int64_t rank, StringRef name) {
  return !v || rankOf(v) == rank ? success()
                                 : op->emitOpError() << name << " must have rank " << rank << ", got " << text(op, v);
}

/// A map that gives `count` expressions over symbols.
LogicalResult checkExprMap(Operation *op, AffineMap map, int64_t count, StringRef name) {
  if (map.getNumDims() != 0)
    return op->emitOpError() << name << " must use symbols only, not dims";
  if (int64_t(map.getNumResults()) != count)
    return op->emitOpError() << name << " must have " << count << " results, got " << map.getNumResults();
  return success();
}

LogicalResult checkEqualDim(Operation *op, AffineExpr a, AffineExpr b, const Twine &what) {
  if (possiblyEqual(a, b))
    return success();
  SymbolTable symbols(op->getParentOfType<ModuleOp>());
  return op->emitOpError() << what << ": " << symbols.text(a) << " and " << symbols.text(b);
}

} // namespace

//===-- constants and indices ------------------------------------------------------------------------------------===//
LogicalResult WeightOp::verify() {
  if (getIdAttr().getInt() < 0)
    return emitOpError("id must not be negative, got ") << getIdAttr().getInt();
  if (!typeOf(getY()).hasStaticShape())
    return emitOpError("a weight has a static shape, got ") << text(*this, getY());
  return success();
}

LogicalResult ConstantOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getValue().getType());
  if (type != getY().getType())
    return emitOpError("value's type must be the result's, ") << getY().getType();
  if (type.getNumElements() > kMaxConstantElements)
    return emitOpError("holds at most ") << kMaxConstantElements << " elements, got " << type.getNumElements()
                                         << "; larger constants belong in the weight store";
  return success();
}

LogicalResult ShapeValueOp::verify() {
  RankedTensorType type = typeOf(getY());
  if (!type.hasStaticShape() || !isa<IntegerType>(type.getElementType()))
    return emitOpError("the result must be a static tensor of integers, got ") << text(*this, getY());
  return checkExprMap(*this, getExprs(), type.getNumElements(), "exprs");
}

LogicalResult IotaOp::verify() { return checkAxis(*this, getAxis(), rankOf(getY())); }

LogicalResult CheckOp::verify() { return checkExprMap(*this, getExprs(), 2, "exprs"); }

//===-- conversions and views ------------------------------------------------------------------------------------===//
LogicalResult CastOp::verify() { return checkSameDims(*this, getX(), getY(), "operand and result"); }

LogicalResult BitcastOp::verify() {
  if (getElementTypeOrSelf(getX()).getIntOrFloatBitWidth() != getElementTypeOrSelf(getY()).getIntOrFloatBitWidth())
    return emitOpError("element types must have the same width: ")
           << text(*this, getX()) << " and " << text(*this, getY());
  return checkSameDims(*this, getX(), getY(), "operand and result");
}

LogicalResult ReshapeOp::verify() {
  if (failed(checkSameElement(*this, getX(), getY())))
    return failure();
  AffineExpr x = product(getContext(), getDims(getX())), y = product(getContext(), getDims(getY()));
  if (!possiblyEqual(x, y))
    return emitOpError("changes the number of elements: ") << text(*this, getX()) << " and " << text(*this, getY());
  return success();
}

LogicalResult BroadcastOp::verify() {
  if (failed(checkSameElement(*this, getX(), getY())))
    return failure();
  Dims x = getDims(getX()), y = getDims(getY());
  bool fits = x.size() <= y.size();
  for (size_t i = 0; fits && i < x.size(); ++i)
    fits = constantOf(x[i]) == 1 || possiblyEqual(x[i], y[i + y.size() - x.size()]);
  return fits ? success() : emitOpError("cannot broadcast ") << text(*this, getX()) << " to " << text(*this, getY());
}

LogicalResult SliceOp::verify() {
  Dims x = getDims(getX()), y = getDims(getY());
  if (failed(checkSameElement(*this, getX(), getY())) || failed(checkExprMap(*this, getStarts(), x.size(), "starts")))
    return failure();
  if (y.size() != x.size() || getSteps().size() != x.size())
    return emitOpError("operand, result and steps must have the same rank: ")
           << text(*this, getX()) << ", " << text(*this, getY()) << " and " << getSteps().size() << " steps";
  for (size_t i = 0; i < x.size(); ++i) {
    std::optional<int64_t> start = constantOf(getStarts().getResult(i)), size = constantOf(x[i]),
                           count = constantOf(y[i]);
    int64_t step = getSteps()[i];
    if (step == 0)
      return emitOpError("the step of dim ") << i << " is zero";
    if (!start || !count || *count == 0)
      continue;
    int64_t last = *start + (*count - 1) * step;
    if (std::min(*start, last) < 0 || (size && std::max(*start, last) >= *size))
      return emitOpError("reads outside dim ")
             << i << " of " << text(*this, getX()) << ": elements " << *start << " to " << last;
  }
  return success();
}

LogicalResult PadOp::verify() {
  Dims x = getDims(getX()), y = getDims(getY());
  if (failed(checkSameElement(*this, getX(), getY())) || failed(checkSameElement(*this, getX(), getValue())) ||
      failed(checkExprMap(*this, getLow(), x.size(), "low")))
    return failure();
  if (y.size() != x.size())
    return emitOpError("operand and result must have the same rank: ")
           << text(*this, getX()) << " and " << text(*this, getY());
  Dims value = getDims(getValue());
  if (constantOf(product(getContext(), value)) != 1)
    return emitOpError("value must have one element, got ") << text(*this, getValue());
  return success();
}

LogicalResult ResizeOp::verify() {
  int64_t axis = getAxis();
  if (failed(checkAxis(*this, axis, rankOf(getX()))) || failed(checkSameElement(*this, getX(), getY())) ||
      failed(checkRank(*this, getIndices(), 2, "indices")) ||
      failed(checkSameDims(*this, getIndices(), getWeights(), "indices and weights")))
    return failure();
  if (!elementOf(getIndices()).isInteger(32) || !elementOf(getWeights()).isF32())
    return emitOpError("indices must be i32 and weights f32");
  Dims want = getDims(getX()), y = getDims(getY());
  want[axis] = getDims(getIndices())[0];
  if (want.size() != y.size())
    return emitOpError("operand and result must have the same rank");
  for (size_t i = 0; i < y.size(); ++i)
    if (failed(checkEqualDim(*this, want[i], y[i], "dim " + Twine(i) + " of the result is wrong")))
      return failure();
  return success();
}

//===-- selection and windows ------------------------------------------------------------------------------------===//
LogicalResult TopKOp::verify() {
  Dims x = getDims(getX()), y = getDims(getValues());
  if (failed(checkAxis(*this, getAxis(), x.size())) || failed(checkSameElement(*this, getX(), getValues())) ||
      failed(checkSameDims(*this, getValues(), getIndices(), "values and indices")))
    return failure();
  if (!elementOf(getIndices()).isInteger(64))
    return emitOpError("indices must be i64");
  if (x.size() != y.size())
    return emitOpError("operand and results must have the same rank");
  for (size_t i = 0; i < x.size(); ++i)
    if (int64_t(i) != int64_t(getAxis()) &&
        failed(checkEqualDim(*this, x[i], y[i], "dim " + Twine(i) + " of the results is wrong")))
      return failure();
  std::optional<int64_t> size = constantOf(x[getAxis()]), k = constantOf(y[getAxis()]);
  if (size && k && *k > *size)
    return emitOpError("selects ") << *k << " of " << *size << " elements";
  return success();
}

LogicalResult MaxPoolIndicesOp::verify() {
  int64_t spatial = rankOf(getX()) - 2;
  if (spatial < 1 || spatial > 3)
    return emitOpError("1 to 3 spatial dims are supported, got ") << spatial;
  auto wrong = [&](ArrayRef<int64_t> list, int64_t size) { return int64_t(list.size()) != size; };
  if (wrong(getKernel(), spatial) || wrong(getStrides(), spatial) || wrong(getDilations(), spatial) ||
      wrong(getPads(), 2 * spatial))
    return emitOpError("kernel, strides and dilations need ") << spatial << " entries and pads " << 2 * spatial;
  for (ArrayRef<int64_t> list : {getKernel(), getStrides(), getDilations()})
    if (llvm::any_of(list, [](int64_t v) { return v < 1; }))
      return emitOpError("kernel, strides and dilations must be positive");
  if (!elementOf(getY()).isInteger(64) || rankOf(getY()) != rankOf(getX()))
    return emitOpError("the result must be i64 of the operand's rank, got ") << text(*this, getY());
  return success();
}

LogicalResult RnnOp::verify() {
  static constexpr int64_t kGates[] = {4, 3, 1};
  int64_t gates = kGates[unsigned(getKind())];
  if (failed(checkRank(*this, getX(), 3, "x")) || failed(checkRank(*this, getW(), 2, "w")) ||
      failed(checkRank(*this, getR(), 2, "r")) || failed(checkRank(*this, getBias(), 1, "bias")) ||
      failed(checkRank(*this, getH0(), 2, "h0")) || failed(checkRank(*this, getC0(), 2, "c0")) ||
      failed(checkRank(*this, getLengths(), 1, "lengths")) || failed(checkRank(*this, getPeephole(), 1, "peephole")))
    return failure();
  Dims x = getDims(getX()), w = getDims(getW()), r = getDims(getR());
  AffineExpr hidden = r[1];
  if (failed(checkEqualDim(*this, x[2], w[1], "the input sizes of x and w differ")) ||
      failed(checkEqualDim(*this, w[0], hidden * gates, "w's first dim must be gates times hidden size")) ||
      failed(checkEqualDim(*this, r[0], hidden * gates, "r's first dim must be gates times hidden size")))
    return failure();
  bool lstm = getKind() == RnnKind::lstm, gru = getKind() == RnnKind::gru;
  if (getBias() &&
      failed(checkEqualDim(*this, getDims(getBias())[0], hidden * (gru && getLinearBeforeReset() ? 4 : gates),
                           "bias has a wrong length")))
    return failure();
  if (getPeephole() &&
      failed(checkEqualDim(*this, getDims(getPeephole())[0], hidden * 3, "peephole has a wrong length")))
    return failure();
  if (!lstm && (getC0() || getPeephole()))
    return emitOpError("c0 and peephole belong to lstm only");
  if (!gru && getLinearBeforeReset())
    return emitOpError("linear_before_reset belongs to gru only");
  if (getLengths() && !elementOf(getLengths()).isInteger(32))
    return emitOpError("lengths must be i32");
  if (getYs().size() != (lstm ? 3u : 2u))
    return emitOpError("must have ") << (lstm ? 3 : 2) << " results, got " << getYs().size();
  Dims step = {x[1], hidden}, all = {x[0], x[1], hidden};
  for (auto [i, y] : llvm::enumerate(getYs()))
    if (!compatibleTypes(TypeRange(makeTensorType(i == 0 ? all : step, elementOf(getX()))), TypeRange(y.getType())))
      return emitOpError("result ") << i << " has a wrong type: " << text(*this, y);
  return success();
}

//===-- host and structure ---------------------------------------------------------------------------------------===//
LogicalResult HostOp::verify() {
  if (getOp().empty())
    return emitOpError("op names an entry of the host table and must not be empty");
  if (llvm::any_of(getDefines(), [](int64_t s) { return s < 0; }))
    return emitOpError("defines lists symbol numbers, which are not negative");
  return success();
}

LogicalResult RegionOp::verify() {
  Block &body = getBody().front();
  if (getFamily().empty())
    return emitOpError("family names a kernel builder and must not be empty");
  if (TypeRange(body.getArgumentTypes()) != TypeRange(getInputs().getTypes()))
    return emitOpError("the block's arguments must have the operands' types");
  auto yield = body.empty() ? YieldOp() : dyn_cast<YieldOp>(body.back());
  if (!yield)
    return emitOpError("the body must end in graph.yield");
  if (TypeRange(yield.getValues().getTypes()) != TypeRange(getOutputs().getTypes()))
    return yield.emitOpError("values must have the types of the region's results");
  for (Operation &op : body.without_terminator()) {
    if (!isa<GraphNodeInterface>(op))
      return op.emitOpError("is not an operation of the model tier and cannot be in a region");
    if (isa<WeightOp>(op))
      return op.emitOpError("cannot be in a region: pass it as an operand");
  }
  return success();
}

} // namespace adze::graph
