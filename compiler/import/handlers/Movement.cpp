// Data movement: transposition, slicing, joining, gathering, padding.
#include "compiler/import/handlers/RuntimeAxes.h"
#include "compiler/import/HandlerTable.h"
#include <cstring>

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// A transposed constant is computed when it is read.
bool foldTranspose(NodeContext &n, llvm::ArrayRef<int64_t> perm) {
  auto id = n.constantId(0);
  if (!id || bitWidth(n.dtype(0)) < 8)
    return false;
  SmallVector<int64_t> from(n.store().dims(*id)), to, strides(from.size(), 1), steps;
  for (size_t d = from.size(); d-- > 1;)
    strides[d - 1] = strides[d] * from[d];
  for (int64_t p : perm) {
    to.push_back(from[p]);
    steps.push_back(strides[p]);
  }
  WeightStore::Id source = *id;
  unsigned width = unpackedBytes(n.dtype(0));
  auto fill = [=](const WeightStore &store, llvm::MutableArrayRef<char> out) {
    std::vector<char> bytes(store.byteSize(source));
    if (!store.read(source, bytes))
      return false;
    SmallVector<int64_t> index(to.size(), 0);
    int64_t at = 0;
    for (size_t i = 0; i < out.size(); i += width) {
      std::memcpy(out.data() + i, bytes.data() + at * width, width);
      for (size_t d = to.size(); d-- > 0;) {
        at += steps[d];
        if (++index[d] < to[d])
          break;
        at -= steps[d] * to[d];
        index[d] = 0;
      }
    }
    return true;
  };
  std::string name = n.store().name(source).str();
  if (auto result = n.store().addComputed(n.dtype(0), to, fill, name))
    n.outConstant(0, *result);
  return true;
}

void transpose(NodeContext &n) {
  SmallVector<int64_t> perm = n.attrInts("perm");
  if (!n.hasAttr("perm"))
    for (int64_t i = n.rank(0); i-- > 0;)
      perm.push_back(i);
  if (static_cast<int64_t>(perm.size()) != n.rank(0))
    return n.malformed("perm has " + llvm::Twine(perm.size()) + " entries, the operand has rank " +
                       llvm::Twine(n.rank(0)));
  perm = n.normalizeAxes(perm, n.rank(0));
  if (!n.failed() && !foldTranspose(n, perm))
    n.out(0, n.transpose(n.value(0), perm));
}

void concat(NodeContext &n) {
  int64_t axis = n.hasAttr("axis") || n.opset() >= 4 ? n.requireInt("axis") : 1;
  axis = n.normalizeAxis(axis, n.rank(0));
  SmallVector<Value> xs;
  for (unsigned i = 0; i < n.numInputs(); ++i) {
    if (!n.has(i))
      return n.malformed("operand " + llvm::Twine(i) + " is absent");
    xs.push_back(n.value(i));
  }
  n.out(0, n.concat(xs, axis));
}

//===- Slice ------------------------------------------------------------------------------------------------------===//

struct SliceOperands {
  SmallVector<AffineExpr> starts, ends, axes, steps; ///< one entry an axis
};

std::optional<SliceOperands> sliceOperands(NodeContext &n) {
  SliceOperands s;
  SmallVector<AffineExpr> *lists[] = {&s.starts, &s.ends, &s.axes, &s.steps};
  static constexpr const char *kNames[] = {"starts", "ends", "axes", "steps"};
  for (unsigned i = 0; i < 4; ++i) {
    bool given = n.opset() < 10 ? n.hasAttr(kNames[i]) : n.has(i + 1);
    if (!given) {
      if (i < 2)
        n.malformed(llvm::Twine("attribute '") + kNames[i] + "' is required and missing");
      for (size_t k = 0; i >= 2 && k < s.starts.size(); ++k)
        lists[i]->push_back(n.expr(i == 2 ? static_cast<int64_t>(k) : 1));
    } else if (n.opset() < 10) {
      for (int64_t v : n.attrInts(kNames[i]))
        lists[i]->push_back(n.expr(v));
    } else if (auto contents = n.requireContents(i + 1, kNames[i])) {
      lists[i]->assign(contents->begin(), contents->end());
    }
    if (n.failed())
      return std::nullopt;
  }
  if (s.ends.size() != s.starts.size() || s.axes.size() != s.starts.size() || s.steps.size() != s.starts.size())
    n.malformed("starts, ends, axes and steps have different lengths");
  for (AffineExpr step : s.steps)
    if (n.sym().constantOf(step) == 0)
      n.malformed("a step is zero");
  auto set = n.failed() ? std::nullopt : axisSet(n, s.axes, n.rank(0));
  if (!set)
    return std::nullopt;
  s.axes = set->axes;
  return s;
}

/// First element and number of elements of one dim, clamped as ONNX says: starting points lie in [0, dim] going up and
/// [0, dim - 1] going down, ends in [0, dim] and [-1, dim - 1].
std::pair<AffineExpr, AffineExpr> sliceRange(NodeContext &n, AffineExpr dim, AffineExpr start, AffineExpr end,
                                             AffineExpr step) {
  Symbolic &sym = n.sym();
  AffineExpr zero = n.expr(0), one = n.expr(1), up = sym.less(zero, step);
  auto fromEnd = [&](AffineExpr at) { return sym.select(sym.less(at, zero), sym.add(at, dim), at); };
  AffineExpr low = sym.sub(up, one), high = sym.sub(dim, sym.sub(one, up));
  AffineExpr first = sym.min(sym.max(fromEnd(start), zero), high);
  AffineExpr last = sym.min(sym.max(fromEnd(end), low), high);
  AffineExpr span = sym.sub(last, first);
  auto known = sym.constantOf(step);
  if (known && *known == 1)
    return {first, sym.max(span, zero)};
  if (known) {
    int64_t length = std::abs(std::max(*known, -INT64_MAX));
    AffineExpr distance = *known > 0 ? span : sym.mul(span, n.expr(-1));
    // A step longer than any dim takes at most one element; adding it to the distance could overflow.
    if (length > sym.range(dim).second)
      return {first, sym.min(sym.max(distance, zero), one)};
    return {first, sym.max(sym.floorDiv(sym.add(distance, n.expr(length - 1)), n.expr(length)), zero)};
  }
  n.checkEqual(sym.equal(step, zero), zero, "a step must not be zero");
  AffineExpr rounded = sym.sub(sym.add(span, step), sym.select(up, one, n.expr(-1)));
  return {first, sym.max(sym.truncDiv(rounded, step), zero)};
}

void slice(NodeContext &n) {
  auto s = sliceOperands(n);
  if (!s)
    return;
  Symbolic &sym = n.sym();
  Dims sizes = n.dims(0);
  SmallVector<AffineExpr> starts(sizes.size(), n.expr(0));
  SmallVector<int64_t> steps(sizes.size(), 1);
  SmallVector<std::pair<int64_t, AffineExpr>> gathered; // dims whose step is known at launch only
  for (int64_t d = 0; d < n.rank(0); ++d) {
    if (llvm::all_of(s->axes, [&](AffineExpr a) { return sym.constantOf(sym.equal(a, n.expr(d))) == 0; }))
      continue;
    AffineExpr dim = n.dims(0)[d], step = entryOf(n, d, s->axes, s->steps, n.expr(1));
    auto [first, count] =
        sliceRange(n, dim, entryOf(n, d, s->axes, s->starts, n.expr(0)), entryOf(n, d, s->axes, s->ends, dim), step);
    auto known = sym.constantOf(step);
    if (!known)
      gathered.push_back({d, step});
    starts[d] = first;
    sizes[d] = count;
    steps[d] = known.value_or(1);
  }
  Value x = n.value(0);
  mlir::Type index = n.element(DType::I64);
  for (auto [d, step] : gathered) {
    Value at = n.createTyped<IotaOp>(graph::makeTensorType({sizes[d]}, index), int64_t(0));
    at = n.create<AddOp>(n.create<MulOp>(at, n.exprValue(step, index)), n.exprValue(starts[d], index));
    x = n.create<GatherOp>(x, at, d);
    starts[d] = n.expr(0);
  }
  n.out(0, n.slice(x, starts, sizes, steps));
}

//===- Split ------------------------------------------------------------------------------------------------------===//

void split(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", 0), n.rank(0));
  if (n.failed())
    return;
  AffineExpr dim = n.dims(0)[axis];
  Symbolic &sym = n.sym();
  int64_t parts = n.opset() >= 18 ? n.attrInt("num_outputs", n.numOutputs()) : n.numOutputs();
  SmallVector<AffineExpr> sizes;
  if (n.opset() < 13 && n.hasAttr("split")) {
    for (int64_t v : n.attrInts("split"))
      sizes.push_back(n.expr(v));
  } else if (n.has(1)) {
    auto given = n.requireContents(1, "the split sizes");
    if (!given)
      return;
    sizes.assign(given->begin(), given->end());
  }
  if (sizes.empty()) {
    if (parts != static_cast<int64_t>(n.numOutputs()) || parts < 1)
      return n.malformed("num_outputs is " + llvm::Twine(parts) + ", the node has " + llvm::Twine(n.numOutputs()));
    // Equal chunks, the last one smaller where the dim does not divide.
    AffineExpr each = sym.floorDiv(sym.add(dim, n.expr(parts - 1)), n.expr(parts));
    for (int64_t i = 0; i < parts; ++i) {
      AffineExpr left = sym.max(sym.sub(dim, sym.mul(each, n.expr(i))), n.expr(0));
      sizes.push_back(i + 1 == parts ? left : sym.min(each, left));
    }
  }
  if (sizes.size() != n.numOutputs())
    return n.malformed("there are " + llvm::Twine(sizes.size()) + " sizes for " + llvm::Twine(n.numOutputs()) +
                       " outputs");
  AffineExpr total = n.expr(0);
  Value x = n.value(0);
  for (auto [i, size] : llvm::enumerate(sizes)) {
    Dims result = n.dims(0);
    result[axis] = n.asDim(size);
    SmallVector<AffineExpr> starts(result.size(), n.expr(0));
    starts[axis] = total;
    total = sym.add(total, size);
    if (n.wants(i))
      n.out(i, n.slice(x, starts, result, SmallVector<int64_t>(result.size(), 1)));
  }
  n.checkEqual(total, dim, "the split sizes must add up to the dim");
}

//===- Gather and scatter -----------------------------------------------------------------------------------------===//

/// A constant scalar index is a slice.
void gather(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", 0), n.rank(0));
  if (n.failed())
    return;
  auto index = n.rank(1) == 0 ? n.constantInts(1) : std::nullopt;
  if (index && index->size() == 1) {
    AffineExpr dim = n.dims(0)[axis],
               at = (*index)[0] < 0 ? n.sym().add(dim, n.expr((*index)[0])) : n.expr((*index)[0]);
    Dims sizes = n.dims(0);
    SmallVector<AffineExpr> starts(sizes.size(), n.expr(0));
    if (!n.checkTrue(n.sym().less(at, dim), "a gather index must lie inside the dim") ||
        !n.checkTrue(n.sym().lessOrEqual(n.expr(0), at), "a gather index must lie inside the dim"))
      return;
    starts[axis] = at;
    sizes[axis] = n.expr(1);
    SmallVector<int64_t> steps(sizes.size(), 1);
    return n.out(0, n.squeeze(n.slice(n.value(0), starts, sizes, steps), {axis}));
  }
  n.out(0, n.create<GatherOp>(n.value(0), n.value(1), axis));
}

void gatherElements(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", 0), n.rank(0));
  n.out(0, n.create<GatherElementsOp>(n.value(0), n.value(1), axis));
}

void gatherNd(NodeContext &n) {
  n.out(0, n.create<GatherNdOp>(n.value(0), n.value(1), n.opset() < 12 ? int64_t(0) : n.attrInt("batch_dims", 0)));
}

std::optional<ScatterKind> scatterKind(NodeContext &n) {
  std::string text = n.attrString("reduction", "none");
  for (auto [name, kind] : {std::pair("none", ScatterKind::none),
                            {"add", ScatterKind::add},
                            {"mul", ScatterKind::mul},
                            {"max", ScatterKind::max},
                            {"min", ScatterKind::min}})
    if (text == name)
      return kind;
  n.malformed("reduction is '" + text + "', allowed are none, add, mul, max and min");
  return std::nullopt;
}

void scatterElements(NodeContext &n) {
  int64_t axis = n.normalizeAxis(n.attrInt("axis", 0), n.rank(0));
  if (auto kind = scatterKind(n))
    n.out(0, n.create<ScatterElementsOp>(n.value(0), n.value(1), n.value(2), axis, *kind));
}

void scatterNd(NodeContext &n) {
  if (auto kind = scatterKind(n))
    n.out(0, n.create<ScatterNdOp>(n.value(0), n.value(1), n.value(2), *kind));
}

//===- Padding and repetition -------------------------------------------------------------------------------------===//

std::optional<PadMode> padMode(NodeContext &n) {
  std::string text = n.attrString("mode", "constant");
  for (auto [name, mode] : {std::pair("constant", PadMode::constant),
                            {"reflect", PadMode::reflect},
                            {"edge", PadMode::edge},
                            {"wrap", PadMode::wrap}})
    if (text == name)
      return mode;
  n.malformed("mode is '" + text + "', allowed are constant, reflect, edge and wrap");
  return std::nullopt;
}

/// Low and high pads a dim, from the attribute or the operand, spread over the axes given.
bool padAmounts(NodeContext &n, SmallVector<AffineExpr> &low, SmallVector<AffineExpr> &high) {
  int64_t rank = n.rank(0);
  SmallVector<AffineExpr> pads, axes;
  for (int64_t i = 0; i < rank; ++i)
    axes.push_back(n.expr(i));
  if (n.opset() < 11) {
    for (int64_t v : n.requireInts("pads"))
      pads.push_back(n.expr(v));
  } else {
    auto given = n.requireContents(1, "the pads");
    if (!given)
      return false;
    pads.assign(given->begin(), given->end());
    if (n.has(3)) {
      auto listed = n.requireContents(3, "axes");
      auto set = listed ? axisSet(n, *listed, rank) : std::nullopt;
      if (!set)
        return false;
      axes = set->axes;
    }
  }
  if (pads.size() != 2 * axes.size())
    n.malformed("pads has " + llvm::Twine(pads.size()) + " entries, " + llvm::Twine(2 * axes.size()) + " are needed");
  if (n.failed())
    return false;
  llvm::ArrayRef<AffineExpr> all = pads;
  for (int64_t d = 0; d < rank; ++d) {
    low.push_back(entryOf(n, d, axes, all.take_front(axes.size()), n.expr(0)));
    high.push_back(entryOf(n, d, axes, all.drop_front(axes.size()), n.expr(0)));
  }
  return true;
}

void pad(NodeContext &n) {
  auto mode = padMode(n);
  SmallVector<AffineExpr> low, high;
  if (!mode || !padAmounts(n, low, high))
    return;
  Value x = n.value(0), value;
  if (n.failed())
    return;
  mlir::Type element = NodeContext::elementOf(x);
  if (n.opset() < 11)
    value = n.scalar(n.attrFloat("value", 0), element);
  else
    value = n.has(2) ? n.reshape(n.value(2), {}) : n.scalar(0, element);
  Dims dims = n.dims(0);
  bool reflects = *mode == PadMode::reflect, any = false;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    AffineExpr size = n.dims(0)[i];
    for (AffineExpr amount : {low[i], high[i]}) {
      any |= n.sym().constantOf(amount) != 0;
      // Reflection needs enough elements, the other modes at least one.
      AffineExpr most = reflects ? n.sym().sub(size, n.expr(1)) : size;
      if (reflects && !n.checkTrue(n.sym().lessOrEqual(amount, most), "a reflected pad must be below the dim"))
        return;
    }
    dim = n.asDim(n.sym().add(size, n.sym().add(low[i], high[i])));
  }
  if (!any)
    return n.outSame(0, n.in(0));
  n.out(0, n.createTyped<PadOp>(graph::makeTensorType(dims, element), x, value, graph::makeExprMap(n.context(), low),
                                *mode));
}

/// Repetition as a broadcast of a dim of size 1 beside each repeated dim.
void tile(NodeContext &n) {
  auto repeats = n.requireContents(1, "repeats");
  if (!repeats)
    return;
  if (static_cast<int64_t>(repeats->size()) != n.rank(0))
    return n.malformed("repeats has " + llvm::Twine(repeats->size()) + " entries, the operand has rank " +
                       llvm::Twine(n.rank(0)));
  Dims split, spread, joined;
  for (auto [i, dim] : llvm::enumerate(n.dims(0))) {
    AffineExpr count = n.asDim((*repeats)[i]);
    if (n.sym().constantOf(count) != 1) {
      split.push_back(n.expr(1));
      spread.push_back(count);
    }
    split.push_back(dim);
    spread.push_back(dim);
    joined.push_back(n.sym().mul(count, dim));
  }
  n.out(0, n.reshape(n.broadcastTo(n.reshape(n.value(0), split), spread), joined));
}

/// Rearranges blocks between depth and space: reshape, transpose, reshape.
void depthToSpace(NodeContext &n) {
  bool toSpace = n.op() == "DepthToSpace";
  int64_t block = n.requireInt("blocksize");
  std::string mode = n.attrString("mode", "DCR");
  if (n.failed())
    return;
  if (n.rank(0) != 4 || block < 1 || (mode != "DCR" && mode != "CRD"))
    return n.malformed("the operand must have rank 4, blocksize be positive and mode be DCR or CRD");
  const Dims &x = n.dims(0);
  AffineExpr b = n.expr(block);
  auto divide = [&](AffineExpr dim, int64_t by, const char *what) {
    AffineExpr part = graph::exactQuotient(n.context(), {dim}, {n.expr(by)});
    n.checkEqual(n.sym().mul(part, n.expr(by)), dim, what);
    return part;
  };
  Value v = n.value(0);
  if (toSpace) {
    AffineExpr c = divide(x[1], block * block, "channels must divide by the squared block size");
    bool depthFirst = mode == "DCR";
    Dims split = depthFirst ? Dims{x[0], b, b, c, x[2], x[3]} : Dims{x[0], c, b, b, x[2], x[3]};
    SmallVector<int64_t> perm =
        depthFirst ? SmallVector<int64_t>{0, 3, 4, 1, 5, 2} : SmallVector<int64_t>{0, 1, 4, 2, 5, 3};
    Dims joined = {x[0], c, n.sym().mul(x[2], b), n.sym().mul(x[3], b)};
    return n.out(0, n.reshape(n.transpose(n.reshape(v, split), perm), joined));
  }
  AffineExpr h = divide(x[2], block, "height must divide by the block size");
  AffineExpr w = divide(x[3], block, "width must divide by the block size");
  bool depthFirst = mode == "DCR";
  SmallVector<int64_t> perm =
      depthFirst ? SmallVector<int64_t>{0, 3, 5, 1, 2, 4} : SmallVector<int64_t>{0, 1, 3, 5, 2, 4};
  Dims joined = {x[0], n.sym().mul(x[1], n.expr(block * block)), h, w};
  n.out(0, n.reshape(n.transpose(n.reshape(v, {x[0], x[1], h, b, w, b}), perm), joined));
}

//===- Generated tensors ------------------------------------------------------------------------------------------===//

/// start + i * delta for numbers known at compile time or launch.
void range(NodeContext &n) {
  auto start = n.contents(0), limit = n.contents(1), delta = n.contents(2);
  auto steps = n.constantDoubles(2);
  mlir::Type element = n.element(n.dtype(0));
  auto indices = [&](AffineExpr count) {
    return n.createTyped<IotaOp>(graph::makeTensorType({count}, element), int64_t(0));
  };
  if (!start || !limit || !delta) {
    auto first = n.constantDoubles(0), last = n.constantDoubles(1);
    if (!first || !last || !steps || first->size() != 1 || last->size() != 1 || steps->size() != 1 || (*steps)[0] == 0)
      return n.unsupported("its operands depend on data that only the device computes", "make them constants");
    double count = std::max(0.0, std::ceil(((*last)[0] - (*first)[0]) / (*steps)[0]));
    if (!(count < 1e12))
      return n.resource("the range has over 10^12 elements");
    Value scaled = n.create<MulOp>(indices(n.expr(static_cast<int64_t>(count))), n.scalar((*steps)[0], element));
    return n.out(0, n.create<AddOp>(scaled, n.scalar((*first)[0], element)));
  }
  if (start->size() != 1 || limit->size() != 1 || delta->size() != 1)
    return n.malformed("its operands must be scalars");
  auto step = n.sym().constantOf((*delta)[0]);
  if (!step || *step == 0)
    return n.unsupported("the step must be a constant other than zero", "fold it into the model");
  int64_t length = std::abs(std::max(*step, -INT64_MAX));
  AffineExpr span = *step > 0 ? n.sym().sub((*limit)[0], (*start)[0]) : n.sym().sub((*start)[0], (*limit)[0]);
  AffineExpr count = n.sym().floorDiv(n.sym().add(span, n.expr(length - 1)), n.expr(length));
  Value index = indices(n.sym().max(count, n.expr(0)));
  if (*step != 1)
    index = n.create<MulOp>(index, n.scalar(static_cast<double>(*step), element));
  if (n.sym().constantOf((*start)[0]) != 0)
    index = n.create<AddOp>(index, n.reshape(n.value(0), {}));
  n.out(0, index);
}

} // namespace

void adze::registerMovementHandlers(HandlerTable &t) {
  t.add("", "Concat", 1, concat, 1, kVariadic);
  t.add("", "DepthToSpace", 1, depthToSpace, 1, 1);
  t.add("", "Gather", 1, gather, 2, 2);
  t.add("", "GatherElements", 11, gatherElements, 2, 2);
  t.add("", "GatherND", 11, gatherNd, 2, 2);
  t.add("", "Pad", 2, pad, 1, 1);
  t.add("", "Pad", 11, pad, 2, 4);
  t.add("", "Range", 11, range, 3, 3);
  t.add("", "Scatter", 9, scatterElements, 3, 3);
  t.add("", "ScatterElements", 11, scatterElements, 3, 3);
  t.add("", "ScatterND", 11, scatterNd, 3, 3);
  t.add("", "Slice", 1, slice, 1, 1);
  t.add("", "Slice", 10, slice, 3, 5);
  t.add("", "SpaceToDepth", 1, depthToSpace, 1, 1);
  t.add("", "Split", 2, split, 1, 1, kVariadic);
  t.add("", "Split", 13, split, 1, 2, kVariadic);
  t.add("", "Tile", 6, tile, 2, 2);
  t.add("", "Transpose", 1, transpose, 1, 1);
}
