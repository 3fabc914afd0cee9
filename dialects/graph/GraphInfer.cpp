// Result types of the graph dialect's operations over symbolic dims, and the checks that must hold before a result type
// exists at all. Dims that cannot be proved equal are accepted: whoever builds the op records a graph.check.
#include "dialects/graph/GraphDialect.h"

using namespace mlir;

namespace adze::graph {
namespace {

/// What one inference works with: where to report, and the operands' module for the names of symbols.
class Inference {
public:
  Inference(StringRef op, MLIRContext *context, std::optional<Location> location, ValueRange operands,
            SmallVectorImpl<Type> &types)
      : context(context), op(op), location(location), types(types) {
    for (Value v : operands)
      if (Region *region = v.getParentRegion()) {
        module = region->getParentOfType<ModuleOp>();
        break;
      }
  }

  LogicalResult fail(const Twine &why) const { return emitOptionalError(location, op, ": ", why); }

  LogicalResult yield(ArrayRef<AffineExpr> dims, Type element) {
    types.push_back(makeTensorType(dims, element));
    return success();
  }
  LogicalResult yield(RankedTensorType type) {
    types.push_back(type);
    return success();
  }

  std::string text(Value v) const { return typeText(typeOf(v), module); }
  static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }
  static Type elementOf(Value v) { return typeOf(v).getElementType(); }
  static int64_t rankOf(Value v) { return typeOf(v).getRank(); }

  LogicalResult wantFloat(Value v) const {
    return isa<FloatType>(elementOf(v)) ? success() : fail("needs a floating-point operand, got " + text(v));
  }
  LogicalResult wantSameElement(Value a, Value b) const {
    return elementOf(a) == elementOf(b)
               ? success()
               : fail("operands have different element types: " + text(a) + " and " + text(b) + "; insert a cast");
  }
  LogicalResult wantIndex(Value v) const {
    Type t = elementOf(v);
    return t.isInteger(32) || t.isInteger(64) ? success() : fail("indices must be i32 or i64, got " + text(v));
  }
  LogicalResult wantAxis(int64_t axis, int64_t rank) const {
    return axis >= 0 && axis < rank
               ? success()
               : fail("axis " + Twine(axis) + " is outside a tensor of rank " + Twine(rank) + " (0 to rank - 1)");
  }
  LogicalResult wantRankAtLeast(Value v, int64_t rank, StringRef name) const {
    return rankOf(v) >= rank ? success()
                             : fail(Twine(name) + " must have rank " + Twine(rank) + " or more, got " + text(v));
  }
  LogicalResult wantEqual(AffineExpr a, AffineExpr b, const Twine &what) const {
    if (possiblyEqual(a, b))
      return success();
    SymbolTable symbols(module);
    return fail(what + ": " + symbols.text(a) + " and " + symbols.text(b));
  }

  FailureOr<Dims> broadcast(ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b) const {
    std::string why;
    FailureOr<Dims> dims = broadcastDims(context, a, b, nullptr, &why);
    if (failed(dims))
      return fail("shapes do not broadcast: " + why);
    return dims;
  }
  /// Of two dims that must be equal, the more telling one: a constant if either is.
  static AffineExpr better(AffineExpr a, AffineExpr b) { return constantOf(b) && !constantOf(a) ? b : a; }

  MLIRContext *context;

private:
  StringRef op;
  std::optional<Location> location;
  SmallVectorImpl<Type> &types;
  ModuleOp module;
};

LogicalResult inferUnary(Inference &in, Value x, bool floatOnly, bool toBool) {
  if (floatOnly && failed(in.wantFloat(x)))
    return failure();
  if (toBool)
    return in.yield(getDims(x), IntegerType::get(in.context, 1));
  return in.yield(in.typeOf(x));
}

LogicalResult inferBinary(Inference &in, Value a, Value b, Type result, bool sameElement = true) {
  if (sameElement && failed(in.wantSameElement(a, b)))
    return failure();
  FailureOr<Dims> dims = in.broadcast(getDims(a), getDims(b));
  return failed(dims) ? failure() : in.yield(*dims, result);
}

/// Attributes of a window over `spatial` dims: lengths, positive strides and dilations.
LogicalResult checkWindow(Inference &in, int64_t spatial, ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations,
                          ArrayRef<int64_t> pads) {
  if (spatial < 1 || spatial > 3)
    return in.fail("1 to 3 spatial dims are supported, got " + Twine(spatial));
  auto isSize = [&](ArrayRef<int64_t> list, int64_t factor) { return int64_t(list.size()) == spatial * factor; };
  if (!isSize(strides, 1) || !isSize(dilations, 1) || !isSize(pads, 2))
    return in.fail("strides and dilations need " + Twine(spatial) + " entries and pads " + Twine(2 * spatial) +
                   ", got " + Twine(strides.size()) + ", " + Twine(dilations.size()) + " and " + Twine(pads.size()));
  for (int64_t v : strides)
    if (v < 1)
      return in.fail("strides must be positive, got " + Twine(v));
  for (int64_t v : dilations)
    if (v < 1)
      return in.fail("dilations must be positive, got " + Twine(v));
  return success();
}

/// floor((input + pads - dilation*(kernel-1) - 1) / stride) + 1; fails where that is a negative constant.
FailureOr<AffineExpr> windowExtent(Inference &in, AffineExpr input, AffineExpr kernel, int64_t stride, int64_t dilation,
                                   int64_t low, int64_t high) {
  AffineExpr extent = (input + (low + high) - (kernel - 1) * dilation - 1).floorDiv(stride) + 1;
  if (constantOf(extent).value_or(0) < 0)
    return in.fail("the window of " + Twine((constantOf(kernel).value_or(1) - 1) * dilation + 1) +
                   " elements is larger than the padded input of " + Twine(constantOf(input).value_or(0) + low + high));
  return extent;
}

LogicalResult checkChannelVector(Inference &in, Value v, AffineExpr channels, StringRef name) {
  if (!v)
    return success();
  if (in.rankOf(v) != 1)
    return in.fail(Twine(name) + " must have rank 1, got " + in.text(v));
  return in.wantEqual(getDims(v)[0], channels, Twine(name) + "'s length is not the number of channels");
}

/// f32 for f32 and so on; i32 for integers.
Type contractionElement(Inference &in, Value a) {
  return isa<IntegerType>(in.elementOf(a)) ? Type(IntegerType::get(in.context, 32)) : in.elementOf(a);
}
LogicalResult checkContraction(Inference &in, Value a, Value b) {
  auto narrow = [&](Value v) {
    auto t = dyn_cast<IntegerType>(in.elementOf(v));
    return t && t.getWidth() <= 8 && t.getWidth() > 1;
  };
  return narrow(a) && narrow(b) ? success() : in.wantSameElement(a, b);
}

LogicalResult checkAxes(Inference &in, ArrayRef<int64_t> axes, int64_t rank) {
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (failed(in.wantAxis(axis, rank)))
      return failure();
    if (llvm::is_contained(axes.take_front(i), axis))
      return in.fail("axis " + Twine(axis) + " is listed twice");
  }
  return success();
}

} // namespace

// Opens the definition of OP::inferReturnTypes with `in` (Inference) and `op` (adaptor) in scope.
#define ADZE_INFER(OP)                                                                                                 \
  static LogicalResult infer##OP(Inference &in, OP::Adaptor op);                                                       \
  LogicalResult OP::inferReturnTypes(MLIRContext *context, std::optional<Location> location, ValueRange operands,      \
                                     DictionaryAttr attributes, OpaqueProperties properties, RegionRange regions,      \
                                     SmallVectorImpl<Type> &types) {                                                   \
    Inference in(OP::getOperationName(), context, location, operands, types);                                          \
    return infer##OP(in, OP::Adaptor(operands, attributes, properties, regions));                                      \
  }                                                                                                                    \
  static LogicalResult infer##OP(Inference &in, OP::Adaptor op)

//===-- elementwise ----------------------------------------------------------------------------------------------===//
#define ADZE_UNARY(OP, FLOAT, BOOL)                                                                                    \
  ADZE_INFER(OP) { return inferUnary(in, op.getX(), FLOAT, BOOL); }
ADZE_UNARY(NegOp, false, false)
ADZE_UNARY(AbsOp, false, false)
ADZE_UNARY(SignOp, false, false)
ADZE_UNARY(FloorOp, true, false)
ADZE_UNARY(CeilOp, true, false)
ADZE_UNARY(RoundOp, true, false)
ADZE_UNARY(ExpOp, true, false)
ADZE_UNARY(LogOp, true, false)
ADZE_UNARY(SqrtOp, true, false)
ADZE_UNARY(RsqrtOp, true, false)
ADZE_UNARY(ReciprocalOp, true, false)
ADZE_UNARY(SinOp, true, false)
ADZE_UNARY(CosOp, true, false)
ADZE_UNARY(TanOp, true, false)
ADZE_UNARY(AsinOp, true, false)
ADZE_UNARY(AcosOp, true, false)
ADZE_UNARY(AtanOp, true, false)
ADZE_UNARY(SinhOp, true, false)
ADZE_UNARY(CoshOp, true, false)
ADZE_UNARY(TanhOp, true, false)
ADZE_UNARY(AsinhOp, true, false)
ADZE_UNARY(AcoshOp, true, false)
ADZE_UNARY(AtanhOp, true, false)
ADZE_UNARY(ErfOp, true, false)
ADZE_UNARY(SigmoidOp, true, false)
ADZE_UNARY(SiluOp, true, false)
ADZE_UNARY(HardSwishOp, true, false)
ADZE_UNARY(GeluOp, true, false)
ADZE_UNARY(IsNanOp, true, true)
ADZE_UNARY(IsInfOp, true, true)
#undef ADZE_UNARY

ADZE_INFER(NotOp) {
  if (!isa<IntegerType>(in.elementOf(op.getX())))
    return in.fail("needs an integer or i1 operand, got " + in.text(op.getX()));
  return in.yield(in.typeOf(op.getX()));
}

#define ADZE_BINARY(OP)                                                                                                \
  ADZE_INFER(OP) { return inferBinary(in, op.getA(), op.getB(), in.elementOf(op.getA())); }
ADZE_BINARY(AddOp)
ADZE_BINARY(SubOp)
ADZE_BINARY(MulOp)
ADZE_BINARY(DivOp)
ADZE_BINARY(RemOp)
ADZE_BINARY(ModOp)
ADZE_BINARY(MaxOp)
ADZE_BINARY(MinOp)
#undef ADZE_BINARY

ADZE_INFER(PowOp) { return inferBinary(in, op.getA(), op.getB(), in.elementOf(op.getA()), /*sameElement=*/false); }

#define ADZE_BITS(OP)                                                                                                  \
  ADZE_INFER(OP) {                                                                                                     \
    if (!isa<IntegerType>(in.elementOf(op.getA())))                                                                    \
      return in.fail("needs integer or i1 operands, got " + in.text(op.getA()));                                       \
    return inferBinary(in, op.getA(), op.getB(), in.elementOf(op.getA()));                                             \
  }
ADZE_BITS(AndOp)
ADZE_BITS(OrOp)
ADZE_BITS(XorOp)
ADZE_BITS(ShlOp)
ADZE_BITS(ShrOp)
#undef ADZE_BITS

ADZE_INFER(CmpOp) { return inferBinary(in, op.getA(), op.getB(), IntegerType::get(in.context, 1)); }

ADZE_INFER(SelectOp) {
  if (!in.elementOf(op.getCondition()).isInteger(1))
    return in.fail("the condition must be i1, got " + in.text(op.getCondition()));
  if (failed(in.wantSameElement(op.getA(), op.getB())))
    return failure();
  FailureOr<Dims> dims = in.broadcast(getDims(op.getA()), getDims(op.getB()));
  if (failed(dims) || failed(dims = in.broadcast(getDims(op.getCondition()), *dims)))
    return failure();
  return in.yield(*dims, in.elementOf(op.getA()));
}

//===-- views and data movement ----------------------------------------------------------------------------------===//
ADZE_INFER(TransposeOp) {
  Dims x = getDims(op.getX()), y;
  ArrayRef<int64_t> perm = op.getPerm();
  if (perm.size() != x.size())
    return in.fail("perm has " + Twine(perm.size()) + " entries for " + in.text(op.getX()));
  if (failed(checkAxes(in, perm, x.size())))
    return failure();
  for (int64_t p : perm)
    y.push_back(x[p]);
  return in.yield(y, in.elementOf(op.getX()));
}

ADZE_INFER(ConcatOp) {
  ValueRange xs = op.getXs();
  if (xs.empty())
    return in.fail("needs at least one operand");
  Dims y = getDims(xs[0]);
  int64_t axis = op.getAxis();
  if (failed(in.wantAxis(axis, y.size())))
    return failure();
  for (Value x : xs.drop_front()) {
    Dims dims = getDims(x);
    if (failed(in.wantSameElement(xs[0], x)))
      return failure();
    if (dims.size() != y.size())
      return in.fail("operands have different ranks: " + in.text(xs[0]) + " and " + in.text(x));
    for (auto [i, d] : llvm::enumerate(dims)) {
      if (int64_t(i) == axis) {
        y[i] = y[i] + d;
        continue;
      }
      if (failed(in.wantEqual(y[i], d, "dim " + Twine(i) + " differs between operands")))
        return failure();
      y[i] = in.better(y[i], d);
    }
  }
  return in.yield(y, in.elementOf(xs[0]));
}

ADZE_INFER(GatherOp) {
  Dims x = getDims(op.getX()), indices = getDims(op.getIndices());
  int64_t axis = op.getAxis();
  if (failed(in.wantAxis(axis, x.size())) || failed(in.wantIndex(op.getIndices())))
    return failure();
  Dims y(x.begin(), x.begin() + axis);
  llvm::append_range(y, indices);
  y.append(x.begin() + axis + 1, x.end());
  return in.yield(y, in.elementOf(op.getX()));
}

ADZE_INFER(GatherElementsOp) {
  if (failed(in.wantAxis(op.getAxis(), in.rankOf(op.getX()))) || failed(in.wantIndex(op.getIndices())))
    return failure();
  if (in.rankOf(op.getIndices()) != in.rankOf(op.getX()))
    return in.fail("x and indices have different ranks: " + in.text(op.getX()) + " and " + in.text(op.getIndices()));
  return in.yield(getDims(op.getIndices()), in.elementOf(op.getX()));
}

/// The number of dims that the last dim of `indices` addresses, at most `rank`.
static FailureOr<int64_t> addressedDims(Inference &in, Value indices, int64_t rank) {
  if (failed(in.wantIndex(indices)) || failed(in.wantRankAtLeast(indices, 1, "indices")))
    return failure();
  std::optional<int64_t> depth = constantOf(getDims(indices).back());
  if (!depth || *depth < 0 || *depth > rank)
    return in.fail("the last dim of indices must be a constant of at most " + Twine(rank) + ", got " +
                   in.text(indices));
  return *depth;
}

ADZE_INFER(GatherNdOp) {
  Dims x = getDims(op.getX()), indices = getDims(op.getIndices());
  int64_t batch = op.getBatchDims();
  if (batch < 0 || batch >= int64_t(std::min(x.size(), indices.size())))
    return in.fail("batch_dims " + Twine(batch) + " must be below the ranks of x and indices");
  FailureOr<int64_t> depth = addressedDims(in, op.getIndices(), x.size() - batch);
  if (failed(depth))
    return failure();
  for (int64_t i = 0; i < batch; ++i)
    if (failed(in.wantEqual(x[i], indices[i], "batch dim " + Twine(i) + " differs between x and indices")))
      return failure();
  Dims y(indices.begin(), indices.end() - 1);
  y.append(x.begin() + batch + *depth, x.end());
  return in.yield(y, in.elementOf(op.getX()));
}

ADZE_INFER(ScatterElementsOp) {
  Dims indices = getDims(op.getIndices()), updates = getDims(op.getUpdates());
  int64_t rank = in.rankOf(op.getX());
  if (failed(in.wantAxis(op.getAxis(), rank)) || failed(in.wantIndex(op.getIndices())) ||
      failed(in.wantSameElement(op.getX(), op.getUpdates())))
    return failure();
  if (int64_t(indices.size()) != rank || int64_t(updates.size()) != rank)
    return in.fail("x, indices and updates must have the same rank, got " + in.text(op.getX()) + ", " +
                   in.text(op.getIndices()) + " and " + in.text(op.getUpdates()));
  for (int64_t i = 0; i < rank; ++i)
    if (failed(in.wantEqual(indices[i], updates[i], "dim " + Twine(i) + " differs between indices and updates")))
      return failure();
  return in.yield(in.typeOf(op.getX()));
}

ADZE_INFER(ScatterNdOp) {
  Dims x = getDims(op.getX()), indices = getDims(op.getIndices()), updates = getDims(op.getUpdates());
  FailureOr<int64_t> depth = addressedDims(in, op.getIndices(), x.size());
  if (failed(depth) || failed(in.wantSameElement(op.getX(), op.getUpdates())))
    return failure();
  Dims want(indices.begin(), indices.end() - 1);
  want.append(x.begin() + *depth, x.end());
  if (want.size() != updates.size())
    return in.fail("updates must have rank " + Twine(want.size()) + ", got " + in.text(op.getUpdates()));
  for (size_t i = 0; i < want.size(); ++i)
    if (failed(in.wantEqual(want[i], updates[i], "dim " + Twine(i) + " of updates is wrong")))
      return failure();
  return in.yield(in.typeOf(op.getX()));
}

//===-- reductions and scans -------------------------------------------------------------------------------------===//
ADZE_INFER(ReduceOp) {
  Dims y = getDims(op.getX());
  if (failed(checkAxes(in, op.getAxes(), y.size())))
    return failure();
  bool logical = op.getKind() == ReduceKind::all || op.getKind() == ReduceKind::any;
  if (logical && !in.elementOf(op.getX()).isInteger(1))
    return in.fail("all and any need an i1 operand, got " + in.text(op.getX()));
  for (int64_t axis : op.getAxes())
    y[axis] = constantExpr(in.context, 1);
  return in.yield(y, in.elementOf(op.getX()));
}

ADZE_INFER(ArgReduceOp) {
  Dims y = getDims(op.getX());
  if (failed(in.wantAxis(op.getAxis(), y.size())))
    return failure();
  y[op.getAxis()] = constantExpr(in.context, 1);
  return in.yield(y, IntegerType::get(in.context, 64));
}

ADZE_INFER(SoftmaxOp) {
  if (failed(in.wantAxis(op.getAxis(), in.rankOf(op.getX()))) || failed(in.wantFloat(op.getX())))
    return failure();
  return in.yield(in.typeOf(op.getX()));
}

ADZE_INFER(LayerNormOp) {
  Dims x = getDims(op.getX());
  if (failed(in.wantAxis(op.getAxis(), x.size())) || failed(in.wantFloat(op.getX())))
    return failure();
  for (Value v : {op.getScale(), op.getBias()}) {
    if (!v)
      continue;
    FailureOr<Dims> dims = in.broadcast(x, getDims(v));
    if (failed(dims))
      return failure();
    if (dims->size() != x.size())
      return in.fail("scale and bias must not have a higher rank than x: " + in.text(v) + " and " + in.text(op.getX()));
    for (size_t i = 0; i < x.size(); ++i)
      if (failed(in.wantEqual((*dims)[i], x[i], "scale or bias would change dim " + Twine(i) + " of x")))
        return failure();
  }
  return in.yield(in.typeOf(op.getX()));
}

ADZE_INFER(ScanOp) {
  if (failed(in.wantAxis(op.getAxis(), in.rankOf(op.getX()))))
    return failure();
  if (op.getKind() != ReduceKind::sum && op.getKind() != ReduceKind::prod)
    return in.fail("kind must be sum or prod, got " + stringifyReduceKind(op.getKind()));
  return in.yield(in.typeOf(op.getX()));
}

//===-- contractions and windows ---------------------------------------------------------------------------------===//
ADZE_INFER(MatmulOp) {
  Value a = op.getA(), b = op.getB();
  if (failed(in.wantRankAtLeast(a, 2, "a")) || failed(in.wantRankAtLeast(b, 2, "b")) ||
      failed(checkContraction(in, a, b)))
    return failure();
  Dims da = getDims(a), db = getDims(b);
  size_t ra = da.size(), rb = db.size();
  AffineExpr m = da[ra - (op.getTransA() ? 1 : 2)], ka = da[ra - (op.getTransA() ? 2 : 1)];
  AffineExpr kb = db[rb - (op.getTransB() ? 1 : 2)], n = db[rb - (op.getTransB() ? 2 : 1)];
  if (failed(in.wantEqual(ka, kb, "the contracted dims of a, " + in.text(a) + ", and b, " + in.text(b) + ", differ")))
    return failure();
  FailureOr<Dims> y = in.broadcast(ArrayRef(da).drop_back(2), ArrayRef(db).drop_back(2));
  if (failed(y))
    return failure();
  y->append({m, n});
  return in.yield(*y, contractionElement(in, a));
}

/// What conv and conv_transpose share: ranks, element types, window attributes, group.
template <typename Adaptor>
static LogicalResult checkConv(Inference &in, Adaptor op) {
  Value x = op.getX(), w = op.getW();
  if (failed(checkContraction(in, x, w)))
    return failure();
  if (in.rankOf(x) != in.rankOf(w))
    return in.fail("x and w must have the same rank, got " + in.text(x) + " and " + in.text(w));
  if (op.getGroup() < 1)
    return in.fail("group must be positive, got " + Twine(op.getGroup()));
  return checkWindow(in, in.rankOf(x) - 2, op.getStrides(), op.getDilations(), op.getPads());
}

ADZE_INFER(ConvOp) {
  if (failed(checkConv(in, op)))
    return failure();
  Dims x = getDims(op.getX()), w = getDims(op.getW());
  int64_t spatial = x.size() - 2, group = op.getGroup();
  if (constantOf(w[0]).value_or(0) % group != 0)
    return in.fail("group " + Twine(group) + " does not divide the output channels of w, " + in.text(op.getW()));
  if (failed(in.wantEqual(x[1], w[1] * group, "x's channels, and w's input channels times group, differ")) ||
      failed(checkChannelVector(in, op.getBias(), w[0], "bias")))
    return failure();
  Dims y = {x[0], w[0]};
  for (int64_t i = 0; i < spatial; ++i) {
    FailureOr<AffineExpr> extent = windowExtent(in, x[2 + i], w[2 + i], op.getStrides()[i], op.getDilations()[i],
                                                op.getPads()[i], op.getPads()[spatial + i]);
    if (failed(extent))
      return failure();
    y.push_back(*extent);
  }
  return in.yield(y, contractionElement(in, op.getX()));
}

ADZE_INFER(ConvTransposeOp) {
  if (failed(checkConv(in, op)))
    return failure();
  Dims x = getDims(op.getX()), w = getDims(op.getW());
  int64_t spatial = x.size() - 2, group = op.getGroup();
  if (int64_t(op.getOutputPadding().size()) != spatial)
    return in.fail("output_padding needs " + Twine(spatial) + " entries, got " + Twine(op.getOutputPadding().size()));
  if (constantOf(x[1]).value_or(0) % group != 0)
    return in.fail("group " + Twine(group) + " does not divide the channels of x, " + in.text(op.getX()));
  AffineExpr channels = w[1] * group;
  if (failed(in.wantEqual(x[1], w[0], "x's channels, and w's first dim, differ")) ||
      failed(checkChannelVector(in, op.getBias(), channels, "bias")))
    return failure();
  Dims y = {x[0], channels};
  for (int64_t i = 0; i < spatial; ++i) {
    AffineExpr extent = (x[2 + i] - 1) * op.getStrides()[i] + (w[2 + i] - 1) * op.getDilations()[i] + 1 +
                        (op.getOutputPadding()[i] - op.getPads()[i] - op.getPads()[spatial + i]);
    if (constantOf(extent).value_or(0) < 0)
      return in.fail("pads remove more than the whole of spatial dim " + Twine(i));
    y.push_back(extent);
  }
  return in.yield(y, contractionElement(in, op.getX()));
}

ADZE_INFER(PoolOp) {
  Dims x = getDims(op.getX());
  int64_t spatial = int64_t(x.size()) - 2;
  if (failed(checkWindow(in, spatial, op.getStrides(), op.getDilations(), op.getPads())))
    return failure();
  if (int64_t(op.getKernel().size()) != spatial || int64_t(op.getCountPads().size()) != 2 * spatial)
    return in.fail("kernel needs " + Twine(spatial) + " entries and count_pads " + Twine(2 * spatial) + ", got " +
                   Twine(op.getKernel().size()) + " and " + Twine(op.getCountPads().size()));
  Dims y = {x[0], x[1]};
  for (int64_t i = 0; i < spatial; ++i) {
    if (op.getKernel()[i] < 1)
      return in.fail("kernel sizes must be positive, got " + Twine(op.getKernel()[i]));
    FailureOr<AffineExpr> extent =
        windowExtent(in, x[2 + i], constantExpr(in.context, op.getKernel()[i]), op.getStrides()[i],
                     op.getDilations()[i], op.getPads()[i], op.getPads()[spatial + i]);
    if (failed(extent))
      return failure();
    y.push_back(*extent);
  }
  return in.yield(y, in.elementOf(op.getX()));
}

ADZE_INFER(BatchNormOp) {
  if (failed(in.wantRankAtLeast(op.getX(), 2, "x")) || failed(in.wantFloat(op.getX())))
    return failure();
  AffineExpr channels = getDims(op.getX())[1];
  std::pair<Value, StringRef> vectors[] = {
      {op.getScale(), "scale"}, {op.getBias(), "bias"}, {op.getMean(), "mean"}, {op.getVar(), "var"}};
  for (auto [v, name] : vectors)
    if (failed(checkChannelVector(in, v, channels, name)))
      return failure();
  return in.yield(in.typeOf(op.getX()));
}

ADZE_INFER(AttentionOp) {
  Value q = op.getQ(), k = op.getK(), v = op.getV();
  for (Value x : {q, k, v})
    if (in.rankOf(x) != 4 || failed(in.wantFloat(x)))
      return in.fail("q, k and v must be floating-point tensors of rank 4, got " + in.text(x));
  if (failed(in.wantSameElement(q, k)) || failed(in.wantSameElement(q, v)))
    return failure();
  Dims dq = getDims(q), dk = getDims(k), dv = getDims(v);
  if (failed(in.wantEqual(dq[0], dk[0], "the batch of q and k differs")) ||
      failed(in.wantEqual(dk[0], dv[0], "the batch of k and v differs")) ||
      failed(in.wantEqual(dk[1], dv[1], "the heads of k and v differ")) ||
      failed(in.wantEqual(dk[2], dv[2], "the lengths of k and v differ")) ||
      failed(in.wantEqual(dq[3], dk[3], "the last dims of q and k differ")))
    return failure();
  std::optional<int64_t> heads = constantOf(dq[1]), shared = constantOf(dk[1]);
  if (heads && shared && (*shared == 0 ? *heads != 0 : *heads % *shared != 0))
    return in.fail("the " + Twine(*heads) + " heads of q are not a multiple of the " + Twine(*shared) + " of k");
  if (Value mask = op.getMask()) {
    if (!in.elementOf(mask).isInteger(1) && failed(in.wantSameElement(q, mask)))
      return failure();
    if (in.rankOf(mask) > 4)
      return in.fail("the mask must have rank 4 or less, got " + in.text(mask));
    AffineExpr scores[] = {dq[0], dq[1], dq[2], dk[2]};
    if (failed(in.broadcast(scores, getDims(mask))))
      return failure();
  }
  return in.yield({in.better(dq[0], dk[0]), dq[1], dq[2], dv[3]}, in.elementOf(q));
}

} // namespace adze::graph
