// Reads by index: whole rows where the indices allow it, else single elements of the flattened tensor.
#include "compiler/kernels/Indexing.h"
#include "compiler/kernels/Scalar.h"
#include "compiler/kernels/Slabs.h"

using namespace mlir;
using mlir::arith::CmpIPredicate;

namespace adze::kernels {
using namespace graph;

Value wrapNegative(KernelText &k, Value index, AffineExpr extent) {
  ScalarBuilder s(k, index);
  Type type = elementOf(index);
  Value n = k.splatIndex(s.shape, k.dim(extent), type);
  return s.select(s.cmpi(CmpIPredicate::slt, index, s.i(0, type)), s.addi(index, n), index);
}

Value widenIndex(KernelText &k, Value index) {
  if (elementOf(index).isInteger(64))
    return index;
  auto type = k.tensor(cast<RankedTensorType>(index.getType()).getShape(), k.b.getI64Type());
  return arith::ExtSIOp::create(k.b, k.loc, type, index);
}

static Value gatherRows(KernelText &k, Value view, Value index, ValueRange at, ArrayRef<int64_t> shape, int64_t dim) {
  Type element = cast<tile::ViewType>(view.getType()).getElementType();
  return tile::GatherOp::create(k.b, k.loc, k.tensor(shape, element), view, index, at, k.b.getI64IntegerAttr(dim),
                                TypedAttr(), StringAttr());
}

/// y[outer, i, inner] = x[outer, indices[i], inner].
static BuildResult buildRowGather(KernelRequest &r, GatherOp op) {
  MLIRContext *context = r.region.getContext();
  RegionArgs args(r.region);
  Dims x = getDims(op.getX());
  AffineExpr count = product(context, getDims(op.getIndices())), length = x[op.getAxis()];
  Slabs slabs(context, x, op.getAxis());
  Plan plan = planFor(r, slabs.problem("gather", count, r));
  slabs.choose(plan, count, 64);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "gather", "row", r.symbols);
  args.declare(k);
  unsigned outer = k.addGrid(slabs.outer, slabs.BO), axis = k.addGrid(count, slabs.BA),
           inner = k.addGrid(slabs.inner, slabs.BI);
  k.beginBody();
  Value indices = k.view({*args.operand(op.getIndices()), {count}, {k.constant(1)}, k.constant(0)});
  Value index = k.load(indices, k.offset(axis), {slabs.BA});
  index = wrapNegative(k, index, length);
  Value from = slabs.view(k, *args.operand(op.getX()), length), to = slabs.view(k, args.result(0), count);
  Value tile =
      gatherRows(k, from, index, slabs.at(k.offset(outer), k.index(0), k.offset(inner)), slabs.shape(slabs.BA), 1);
  k.store(tile, to, slabs.at(k.offset(outer), k.offset(axis), k.offset(inner)));
  k.yield();
  return finish(r, k, plan);
}

/// Frame over the dims of `y`, merged only where nothing forbids it: a flat tile of the last dim and the one before.
static Frame elementFrame(KernelText &k, ArrayRef<AffineExpr> dims, std::optional<GridMap> &grid, const Plan &plan) {
  Frame f;
  for (unsigned d = 0; d < dims.size(); ++d)
    f.groups.push_back({d, d, dims[d]});
  if (f.groups.empty())
    f.groups.push_back({0, 0, k.constant(1)});
  unsigned n = f.groups.size() - 1;
  f.sizes.assign(n + 1, 0);
  f.sizes[n] = tileSize(plan, "BN", 512, f.groups[n].extent);
  if (n > 0) {
    f.sizes[n - 1] = tileSize(plan, "BM", std::max<int64_t>(1, 2048 / f.sizes[n]), f.groups[n - 1].extent);
    f.tileDims.push_back(n - 1);
  }
  f.tileDims.push_back(n);
  grid.emplace(k, f.groups, f.sizes);
  return f;
}

/// y[i...] = x[i... with the axis replaced by indices[i...]]: one index an element.
static BuildResult buildElementGather(KernelRequest &r, GatherElementsOp op) {
  MLIRContext *context = r.region.getContext();
  RegionArgs args(r.region);
  Dims x = getDims(op.getX()), y = getDims(op.getY());
  int64_t axis = op.getAxis();
  Problem p;
  p.family = "gather";
  p.extents["N"] = extentOf(y.back(), r.symbols);
  Plan plan = planFor(r, p);
  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "gather", "element", r.symbols);
  args.declare(k);
  std::optional<GridMap> grid;
  Frame frame = elementFrame(k, y, grid, plan);
  k.beginBody();
  frame.offsets = grid->offsets(k);
  RegionEval eval(k, args, r.options, frame);
  Access access = identityAccess(context, y.size());
  Value index = k.broadcast(eval.load(*args.operand(op.getIndices()), y, access), frame.shape());
  index = wrapNegative(k, widenIndex(k, index), x[axis]);
  Type i64 = k.b.getI64Type();
  ScalarBuilder s(k, index);
  AffineExpr stride = constantExpr(context, 1);
  Value linear = s.i(0, i64);
  for (size_t d = x.size(); d-- > 0; stride = product(context, {stride, x[d]})) {
    Value at = int64_t(d) == axis ? index : k.broadcast(eval.position(access[d], i64), s.shape);
    linear = s.addi(linear, s.muli(at, k.splatIndex(s.shape, k.dim(stride), i64)));
  }
  Value n = k.splatIndex(s.shape, k.dim(x[axis]), i64);
  linear = s.select(s.cmpi(CmpIPredicate::ult, index, n), linear, s.i(-1, i64)); // out of range reads 0
  Value tile = gatherFlat(k, *args.operand(op.getX()), product(context, x), linear);
  eval.store(tile, elementOf(op.getY()), args.result(0), y, access);
  k.yield();
  return finish(r, k, plan);
}

Value rowsOfIndices(KernelText &k, unsigned arg, AffineExpr rows, int64_t depth, ArrayRef<AffineExpr> extents,
                    Value first, int64_t count) {
  Type i64 = k.b.getI64Type();
  ScalarBuilder s(k, k.zeros({count}, i64));
  Value row = s.i(0, i64), valid;
  for (int64_t j = 0; j < depth; ++j) {
    Value view = k.view({arg, {rows}, {k.constant(depth)}, k.constant(j)});
    Value index = wrapNegative(k, widenIndex(k, k.load(view, first, {count})), extents[j]);
    Value n = k.splatIndex(s.shape, k.dim(extents[j]), i64);
    Value ok = s.cmpi(CmpIPredicate::ult, index, n);
    valid = valid ? s.binary<arith::AndIOp>(valid, ok) : ok;
    row = s.addi(s.muli(row, n), index);
  }
  return valid ? s.select(valid, row, s.i(-1, i64)) : row;
}

/// Rows of x (its dims behind the addressed ones) chosen by the last dim of indices.
static BuildResult buildNdGather(KernelRequest &r, GatherNdOp op) {
  MLIRContext *context = r.region.getContext();
  RegionArgs args(r.region);
  Dims x = getDims(op.getX()), indices = getDims(op.getIndices());
  int64_t batch = op.getBatchDims(), depth = *constantOf(indices.back());
  ArrayRef<AffineExpr> all(x), rowDims = ArrayRef<AffineExpr>(indices).drop_back();
  AffineExpr rows = product(context, rowDims), each = product(context, rowDims.drop_front(batch));
  AffineExpr table = product(context, all.slice(batch, depth)), inner = product(context, all.drop_front(batch + depth));
  AffineExpr batches = product(context, all.take_front(batch));
  Problem p;
  p.family = "gather";
  p.extents["R"] = extentOf(rows, r.symbols);
  p.extents["N"] = extentOf(inner, r.symbols);
  Plan plan = planFor(r, p);
  int64_t br = tileSize(plan, "BM", 64, rows), bc = tileSize(plan, "BN", 256, inner);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "gather", "nd", r.symbols);
  args.declare(k);
  unsigned rowGrid = k.addGrid(rows, br), columnGrid = k.addGrid(inner, bc);
  k.beginBody();
  Value first = k.offset(rowGrid);
  Type i64 = k.b.getI64Type();
  Value row = rowsOfIndices(k, *args.operand(op.getIndices()), rows, depth, all.slice(batch, depth), first, br);
  if (batch > 0) {
    ScalarBuilder s(k, row);
    Value per = k.splatIndex({br}, k.max(k.dim(each), k.index(1)), i64);
    Value number = s.binary<arith::DivUIOp>(k.iota({br}, 0, first, i64), per);
    Value base = s.muli(number, k.splatIndex({br}, k.dim(table), i64));
    row = s.select(s.cmpi(CmpIPredicate::slt, row, s.i(0, i64)), row, s.addi(row, base));
  }
  AffineExpr one = k.constant(1), zero = k.constant(0);
  Value from = k.view({*args.operand(op.getX()), {product(context, {batches, table}), inner}, {inner, one}, zero});
  Value to = k.view({args.result(0), {rows, inner}, {inner, one}, zero});
  Value tile = gatherRows(k, from, row, {k.index(0), k.offset(columnGrid)}, {br, bc}, 0);
  k.store(tile, to, {first, k.offset(columnGrid)});
  k.yield();
  return finish(r, k, plan);
}

BuildResult buildGather(KernelRequest &r) {
  Operation *anchor = anchorOf(r.region);
  if (auto op = dyn_cast<GatherOp>(anchor))
    return buildRowGather(r, op);
  if (auto op = dyn_cast<GatherElementsOp>(anchor))
    return buildElementGather(r, op);
  return buildNdGather(r, cast<GatherNdOp>(anchor));
}

//===-- resize

/// y[outer, i, inner] = sum over taps of weights[i, t] * x[outer, indices[i, t], inner].
BuildResult buildResize(KernelRequest &r) {
  MLIRContext *context = r.region.getContext();
  auto op = cast<ResizeOp>(anchorOf(r.region));
  RegionArgs args(r.region);
  Dims x = getDims(op.getX()), y = getDims(op.getY());
  AffineExpr length = x[op.getAxis()], count = y[op.getAxis()];
  int64_t taps = *constantOf(getDims(op.getIndices())[1]);
  Slabs slabs(context, x, op.getAxis());
  Plan plan = planFor(r, slabs.problem("resize", count, r));
  slabs.choose(plan, count, slabs.last ? 128 : 8);
  Type element = elementOf(op.getX());
  bool isF = isa<FloatType>(element), exact = isF && element.getIntOrFloatBitWidth() < 64;
  Type acc =
      exact || element.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(context)) : Type(Float64Type::get(context));

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "resize", "taps", r.symbols);
  args.declare(k);
  unsigned outer = k.addGrid(slabs.outer, slabs.BO), axis = k.addGrid(count, slabs.BA),
           inner = k.addGrid(slabs.inner, slabs.BI);
  k.beginBody();
  SmallVector<int64_t> shape = slabs.shape(slabs.BA), column(2, 1);
  column[slabs.axisDim()] = slabs.BA;
  Value from = slabs.view(k, *args.operand(op.getX()), length), to = slabs.view(k, args.result(0), count);
  Value sum = k.zeros(shape, acc);
  ScalarBuilder s(k, sum);
  for (int64_t t = 0; t < taps; ++t) {
    auto tapView = [&](Value v) { return k.view({*args.operand(v), {count}, {k.constant(taps)}, k.constant(t)}); };
    Value index = k.load(tapView(op.getIndices()), k.offset(axis), {slabs.BA});
    Value weight = k.convert(k.load(tapView(op.getWeights()), k.offset(axis), {slabs.BA}), acc);
    Value tile = gatherRows(k, from, index, slabs.at(k.offset(outer), k.index(0), k.offset(inner)), shape, 1);
    auto wide = tile::CastOp::create(k.b, k.loc, k.tensor(shape, acc), tile, tile::RoundMode::rne, false,
                                     !isF && (isUnsigned(element) || element.isInteger(1)), false, StringAttr());
    Value x = elementOf(tile) == acc ? tile : Value(wide);
    sum = s.addf(sum, s.mulf(x, k.broadcast(k.reshape(weight, column), shape)));
  }
  Value result = sum;
  if (element.isInteger(1))
    result = s.cmpf(arith::CmpFPredicate::UNE, sum, s.f(0, acc));
  else if (elementOf(sum) != tileType(element))
    result = tile::CastOp::create(k.b, k.loc, k.tensor(shape, tileType(element)), sum, tile::RoundMode::rne, !isF,
                                  false, isUnsigned(element), StringAttr());
  k.store(result, to, slabs.at(k.offset(outer), k.offset(axis), k.offset(inner)));
  k.yield();
  return finish(r, k, plan, acc);
}

} // namespace adze::kernels
