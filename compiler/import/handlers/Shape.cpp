// Operators about shapes and element types.
#include "compiler/import/handlers/RuntimeAxes.h"
#include "compiler/import/HandlerTable.h"

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// A reshape of a constant is another view of the same bytes.
void outReshaped(NodeContext &n, llvm::ArrayRef<AffineExpr> dims) {
  if (n.failed())
    return;
  if (auto id = n.constantId(0); id && n.sym().isConstant(dims)) {
    llvm::SmallVector<int64_t> shape;
    for (AffineExpr e : dims)
      shape.push_back(*n.sym().constantOf(e));
    if (auto view = n.store().addReshaped(*id, shape))
      return n.outConstant(0, *view);
    return n.malformed("the new shape has another number of elements", "correct the shape");
  }
  n.out(0, n.reshape(n.value(0), dims));
}

void shape(NodeContext &n) {
  int64_t rank = n.rank(0), start = n.attrInt("start", 0), end = n.attrInt("end", rank);
  auto clamp = [&](int64_t at) { return std::min(std::max<int64_t>(at < 0 ? at + rank : at, 0), rank); };
  start = clamp(start), end = std::max(clamp(end), start);
  Contents contents;
  for (int64_t i = start; i < end; ++i)
    contents.push_back(n.dims(0)[i]);
  n.outContents(0, DType::I64, {end - start}, contents);
}

void size(NodeContext &n) { n.outContents(0, DType::I64, {}, Contents{graph::product(n.context(), n.dims(0))}); }

/// 0 copies a dim (unless allowzero), -1 takes what is left. Both may come from values known only at launch.
void reshape(NodeContext &n) {
  auto target = n.requireContents(1, "the new shape");
  if (!target)
    return;
  bool allowZero = n.attrBool("allowzero", false);
  Symbolic &sym = n.sym();
  const Dims &from = n.dims(0);
  AffineExpr zero = n.expr(0), one = n.expr(1), open = n.expr(-1);
  Dims dims;
  for (auto [i, wanted] : llvm::enumerate(*target)) {
    AffineExpr copied = i < from.size() ? from[i] : zero;
    dims.push_back(allowZero ? wanted : sym.select(sym.equal(wanted, zero), copied, wanted));
    if (!allowZero && i >= from.size() && sym.constantOf(wanted) == 0)
      return n.malformed("dim " + llvm::Twine(i) + " of the new shape is 0, but the operand has rank " +
                             llvm::Twine(from.size()),
                         "give the size itself");
  }
  llvm::SmallVector<AffineExpr> known;
  int certain = 0;
  for (AffineExpr &dim : dims) {
    certain += sym.constantOf(dim) == -1;
    known.push_back(sym.select(sym.equal(dim, open), one, dim));
  }
  if (certain > 1)
    return n.malformed("more than one dim of the new shape is -1", "give all but one");
  for (AffineExpr &dim : dims) {
    AffineExpr isOpen = sym.equal(dim, open);
    if (sym.constantOf(isOpen) == 0)
      continue;
    AffineExpr divisor = graph::product(n.context(), known);
    // Evaluated even where it is not selected, so it must never divide by zero.
    AffineExpr rest = sym.range(divisor).first > 0
                          ? graph::exactQuotient(n.context(), from, known)
                          : sym.truncDiv(graph::product(n.context(), from), sym.max(divisor, one));
    dim = sym.select(isOpen, rest, dim);
  }
  for (AffineExpr &dim : dims)
    dim = n.asDim(dim);
  outReshaped(n, dims);
}

/// Axes as an attribute before version 13 and as an operand since; nullopt when absent.
std::optional<Contents> axesOperand(NodeContext &n) {
  if (n.opset() >= 13)
    return n.has(1) ? n.requireContents(1, "axes") : std::nullopt;
  if (!n.hasAttr("axes"))
    return std::nullopt;
  Contents axes;
  for (int64_t axis : n.attrInts("axes"))
    axes.push_back(n.expr(axis));
  return axes;
}

llvm::SmallVector<int64_t> constants(NodeContext &n, llvm::ArrayRef<AffineExpr> exprs) {
  llvm::SmallVector<int64_t> out;
  for (AffineExpr e : exprs)
    out.push_back(*n.sym().constantOf(e));
  return out;
}

void squeeze(NodeContext &n) {
  auto given = axesOperand(n);
  if (n.failed())
    return;
  if (given && !n.sym().isConstant(*given)) {
    auto set = axisSet(n, *given, n.rank(0));
    if (!set)
      return;
    for (auto [member, dim] : llvm::zip(set->member, n.dims(0)))
      n.checkEqual(n.sym().select(member, dim, n.expr(1)), n.expr(1), "a squeezed dim must be 1");
    return outReshaped(n, withoutMembers(n, n.dims(0), *set));
  }
  auto axes = given ? n.normalizeAxes(constants(n, *given), n.rank(0)) : llvm::SmallVector<int64_t>();
  Dims dims;
  for (auto [i, dim] : llvm::enumerate(n.dims(0))) {
    bool drop = given ? llvm::is_contained(axes, static_cast<int64_t>(i)) : n.sym().constantOf(dim) == 1;
    if (drop)
      n.checkEqual(dim, n.expr(1), "a squeezed dim must be 1");
    else
      dims.push_back(dim);
  }
  outReshaped(n, dims);
}

void unsqueeze(NodeContext &n) {
  auto given = axesOperand(n);
  if (n.failed())
    return;
  if (!given)
    return n.malformed("axes are missing");
  int64_t rank = n.rank(0) + static_cast<int64_t>(given->size());
  if (!n.sym().isConstant(*given)) {
    auto set = axisSet(n, *given, rank);
    if (set)
      outReshaped(n, withMembers(n, n.dims(0), *set));
    return;
  }
  auto axes = n.normalizeAxes(constants(n, *given), rank);
  if (n.failed())
    return;
  Dims dims;
  const AffineExpr *next = n.dims(0).begin();
  for (int64_t i = 0; i < rank; ++i)
    dims.push_back(llvm::is_contained(axes, i) ? n.expr(1) : *next++);
  outReshaped(n, dims);
}

void flatten(NodeContext &n) {
  int64_t axis = n.attrInt("axis", 1), rank = n.rank(0);
  if (axis < -rank || axis > rank)
    return n.malformed("axis " + llvm::Twine(axis) + " is outside [" + llvm::Twine(-rank) + ", " + llvm::Twine(rank) +
                       "]");
  axis += axis < 0 ? rank : 0;
  llvm::ArrayRef<AffineExpr> dims = n.dims(0);
  outReshaped(n,
              {graph::product(n.context(), dims.take_front(axis)), graph::product(n.context(), dims.drop_front(axis))});
}

/// A dim that is 1 spreads; any other must meet 1 or itself, which a launch check says of sizes not known yet.
void expand(NodeContext &n) {
  auto target = n.requireContents(1, "the new shape");
  if (!target)
    return;
  Symbolic &sym = n.sym();
  const Dims &from = n.dims(0);
  Dims dims;
  AffineExpr one = n.expr(1);
  for (size_t i = 0, rank = std::max(from.size(), target->size()); i < rank; ++i) {
    AffineExpr x = i + from.size() >= rank ? from[i + from.size() - rank] : one;
    AffineExpr wanted = i + target->size() >= rank ? (*target)[i + target->size() - rank] : one;
    if (sym.constantOf(x) == 1) {
      dims.push_back(n.asDim(wanted));
      continue;
    }
    if (!n.checkEqual(sym.select(sym.equal(wanted, one), x, wanted), x, "an expanded dim must be 1 or stay as it is"))
      return;
    dims.push_back(x);
  }
  n.out(0, n.broadcastTo(n.value(0), dims));
}

/// Conversion of a constant, done when it is read.
bool foldCast(NodeContext &n, DType to) {
  auto id = n.constantId(0);
  DType from = n.dtype(0);
  char probe[16];
  if (!id || bitWidth(from) < 8 || bitWidth(to) < 8 || !elementFromDouble(from, 0, probe) ||
      !elementFromDouble(to, 0, probe))
    return false;
  // Floats to integers: out of range is the device's business; 64-bit integers do not pass through double.
  bool integers = !isFloat(from) && !isFloat(to);
  if (!integers && !(isFloat(to)))
    return false;
  if (!integers && (bitWidth(from) == 64 && !isFloat(from)))
    return false;
  WeightStore::Id source = *id;
  auto fill = [source, from, to, integers](const WeightStore &store, llvm::MutableArrayRef<char> out) {
    std::vector<char> bytes(store.byteSize(source));
    if (!store.read(source, bytes))
      return false;
    unsigned in = unpackedBytes(from), width = unpackedBytes(to);
    for (uint64_t i = 0, e = store.elements(source); i < e; ++i)
      if (integers)
        elementFromInt(to, elementToInt(from, bytes.data() + i * in), out.data() + i * width);
      else
        elementFromDouble(to, elementToDouble(from, bytes.data() + i * in), out.data() + i * width);
    return true;
  };
  llvm::SmallVector<int64_t> dims(n.store().dims(source));
  std::string name = n.store().name(source).str();
  if (auto result = n.store().addComputed(to, dims, fill, name))
    n.outConstant(0, *result);
  return true;
}

void castTo(NodeContext &n, DType to) {
  if (n.dtype(0) == to)
    return n.outSame(0, n.in(0));
  if (foldCast(n, to))
    return;
  mlir::Type element = n.element(to);
  if (!element)
    return n.unsupported("element type " + dtypeName(to) + " has no representation on a device", "use another type");
  CastRound round = isFloat(to) ? CastRound::rne : CastRound::rtz;
  if (to == DType::F8E8M0) {
    std::string mode = n.attrString("round_mode", "up");
    if (mode != "nearest")
      return n.unsupported("round_mode '" + mode + "' of float8e8m0 is not supported", "use 'nearest'");
  }
  bool narrow = isFloat(to) && bitWidth(to) <= 8;
  Value x = n.value(0);
  // float4 has no NaN: ONNX's reference gives -0.
  if (to == DType::F4E2M1 && x && isFloat(n.dtype(0)))
    x = n.select(n.create<IsNanOp>(x), n.scalarLike(-0.0, x), x);
  n.out(0, n.createTyped<CastOp>(graph::makeTensorType(n.dims(0), element), x, narrow && n.attrBool("saturate", true),
                                 round));
}

void cast(NodeContext &n) {
  int64_t number = n.requireInt("to");
  auto to = dtypeFromOnnx(number);
  if (n.failed())
    return;
  if (!to)
    return n.malformed("attribute 'to' is " + llvm::Twine(number) + ", which is no element type", "correct it");
  castTo(n, *to);
}

void castLike(NodeContext &n) { castTo(n, n.dtype(1)); }

} // namespace

void adze::registerShapeHandlers(HandlerTable &t) {
  t.add("", "Cast", 6, cast, 1, 1);
  t.add("", "CastLike", 15, castLike, 2, 2);
  t.add("", "Expand", 8, expand, 2, 2);
  t.add("", "Flatten", 1, flatten, 1, 1);
  t.add("", "Reshape", 5, reshape, 2, 2);
  t.add("", "Shape", 1, shape, 1, 1);
  t.add("", "Size", 1, size, 1, 1);
  t.add("", "Squeeze", 1, squeeze, 1, 1);
  t.add("", "Squeeze", 13, squeeze, 1, 2);
  t.add("", "Unsqueeze", 1, unsqueeze, 1, 1);
  t.add("", "Unsqueeze", 13, unsqueeze, 2, 2);
}
