// Concatenation and padding: copies whose source is only part of the result's index space.
#include "compiler/kernels/Families.h"
#include "compiler/kernels/Scalar.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

static Problem moveProblem(KernelRequest &r, AffineExpr rows, AffineExpr columns) {
  Problem problem;
  problem.family = "move";
  problem.extents["R"] = Extent{1, 1};
  problem.extents["M"] = extentOf(rows, r.symbols);
  problem.extents["N"] = extentOf(columns, r.symbols);
  problem.types["y"] = elementOf(r.region.getOutputs()[0]);
  problem.flags = {{"inputs", r.region.getInputs().size()}, {"outputs", 1}, {"ops", 1}, {"transposed", 0}};
  return problem;
}

static AffineExpr productOf(MLIRContext *context, ArrayRef<AffineExpr> dims) { return graph::product(context, dims); }

/// Every program copies one block of every piece: rows of the dims before the axis, columns of the axis and after.
BuildResult buildConcat(KernelRequest &r) {
  MLIRContext *context = r.region.getContext();
  auto concat = cast<ConcatOp>(anchorOf(r.region));
  RegionArgs args(r.region);
  Dims y = getDims(concat.getY());
  unsigned axis = concat.getAxis(), rank = y.size();
  AffineExpr rows = productOf(context, ArrayRef(y).take_front(axis));
  int64_t widest = 0;
  bool fixed = true;
  for (Value x : concat.getXs()) {
    auto columns = constantOf(productOf(context, ArrayRef<AffineExpr>(getDims(x)).drop_front(axis)));
    fixed &= columns.has_value();
    widest = std::max(widest, columns.value_or(0));
  }
  AffineExpr columns = fixed ? constantExpr(context, widest) : productOf(context, ArrayRef(y).drop_front(axis));
  Plan plan = planFor(r, moveProblem(r, rows, columns));

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "concat", "flat", r.symbols);
  args.declare(k);
  SmallVector<Group> groups;
  SmallVector<int64_t> sizes;
  if (axis > 0) {
    groups.push_back({0, axis - 1, rows});
    sizes.push_back(0);
  }
  groups.push_back({axis, rank - 1, columns});
  sizes.push_back(tileSize(plan, "BN", 1024, columns));
  if (axis > 0)
    sizes[0] = tileSize(plan, "BM", std::max<int64_t>(1, 4096 / sizes[1]), rows);
  GridMap grid(k, groups, sizes);
  k.beginBody();
  AffineExpr start = constantExpr(context, 0);
  for (Value x : concat.getXs()) {
    Dims dims = getDims(x);
    Frame frame;
    frame.groups = groups;
    frame.groups.back().extent = productOf(context, ArrayRef<AffineExpr>(dims).drop_front(axis));
    frame.sizes = sizes;
    frame.offsets = grid.offsets(k);
    frame.inbounds = provablyEqual(frame.groups.back().extent, columns);
    for (unsigned i = 0; i < groups.size(); ++i)
      frame.tileDims.push_back(i);
    RegionEval eval(k, args, r.options, frame);
    Access access = identityAccess(context, rank), shifted = access;
    shifted[axis].start = start;
    Value piece = eval.evaluateStored(x, access);
    eval.store(piece, elementOf(x), args.result(0), y, shifted);
    start = start + dims[axis];
  }
  k.yield();
  return finish(r, k, plan);
}

//===-- pad

namespace {
/// One padding: which dims are padded, and the frame over the result.
struct Padding {
  PadOp op;
  Dims x, y;
  SmallVector<AffineExpr> low;
  SmallVector<bool> padded;
};
} // namespace

/// Where a padded position lies in x (i64 tile), by mode; `p` is position - low.
static Value remap(KernelText &k, PadMode mode, Value p, AffineExpr extent) {
  ScalarBuilder s(k, p);
  Type i64 = k.b.getI64Type();
  Value n = k.splatIndex(s.shape, k.dim(extent), i64), zero = s.i(0, i64), one = s.i(1, i64);
  auto floorMod = [&](Value a, Value m) { // m >= 1
    Value rem = s.binary<arith::RemSIOp>(a, m);
    return s.select(s.cmpi(arith::CmpIPredicate::slt, rem, zero), s.addi(rem, m), rem);
  };
  if (mode == PadMode::edge)
    return s.binary<arith::MaxSIOp>(zero, s.binary<arith::MinSIOp>(p, s.subi(n, one)));
  Value safe = s.binary<arith::MaxSIOp>(n, one);
  if (mode == PadMode::wrap)
    return floorMod(p, safe);
  // reflect: period 2*(n - 1), without repeating the edge
  Value period = s.binary<arith::MaxSIOp>(s.muli(s.subi(n, one), s.i(2, i64)), one);
  Value m = floorMod(p, period);
  return s.binary<arith::MinSIOp>(m, s.subi(period, m));
}

static Value buildIndexedPad(KernelText &k, RegionEval &eval, Padding &pad, const RegionArgs &args) {
  MLIRContext *context = k.context;
  Access access = identityAccess(context, pad.y.size());
  Type i64 = k.b.getI64Type();
  AffineExpr stride = constantExpr(context, 1);
  Value linear;
  for (size_t d = pad.x.size(); d-- > 0;) {
    DimIndex at = access[d];
    at.start = constantExpr(context, 0) - pad.low[d];
    Value p = eval.position(at, i64);
    if (pad.padded[d])
      p = remap(k, pad.op.getMode(), p, pad.x[d]);
    auto shape = cast<RankedTensorType>(p.getType()).getShape();
    Value term = arith::MulIOp::create(k.b, k.loc, p, k.splatIndex(shape, k.dim(stride), i64));
    linear = linear ? addBroadcast(k, linear, term) : term;
    stride = graph::product(context, {stride, pad.x[d]});
  }
  if (!linear)
    linear = k.zeros({1}, i64);
  linear = k.broadcast(linear, eval.getFrame().shape());
  return gatherFlat(k, *args.operand(pad.op.getX()), stride, linear);
}

static Value buildConstantPad(KernelText &k, KernelRequest &r, const Frame &frame, Padding &pad,
                              const RegionArgs &args) {
  MLIRContext *context = k.context;
  Frame source = frame;
  source.inbounds = false;
  for (auto [g, group] : llvm::enumerate(source.groups))
    if (group.first == group.last && group.first < pad.padded.size() && pad.padded[group.first]) {
      group.extent = pad.x[group.first];
      source.offsets[g] = k.sub(source.offsets[g], k.dim(pad.low[group.first]));
    }
  RegionEval eval(k, args, r.options, source);
  Access access = identityAccess(context, pad.x.size());
  auto constant = pad.op.getValue().getDefiningOp<ConstantOp>();
  if (constant) {
    auto value = cast<DenseElementsAttr>(constant.getValue()).getSplatValue<Attribute>();
    TypedAttr attr = cast<TypedAttr>(value);
    if (auto integer = dyn_cast<IntegerAttr>(value))
      attr = IntegerAttr::get(tileType(integer.getType()), integer.getValue());
    return eval.load(*args.operand(pad.op.getX()), pad.x, access, attr);
  }
  Value x = k.broadcast(eval.load(*args.operand(pad.op.getX()), pad.x, access), frame.shape());
  Value fill = eval.load(*args.operand(pad.op.getValue()), getDims(pad.op.getValue()),
                         Access(getDims(pad.op.getValue()).size(), DimIndex{constantExpr(context, 0), {}}));
  Type i64 = k.b.getI64Type();
  ScalarBuilder s(k, x);
  for (size_t d = 0; d < pad.x.size(); ++d) {
    if (!pad.padded[d])
      continue;
    Value p = k.broadcast(eval.position(access[d], i64), s.shape);
    Value extent = k.splatIndex(s.shape, k.dim(pad.x[d]), i64);
    Value inside = s.binary<arith::AndIOp>(s.cmpi(arith::CmpIPredicate::sge, p, s.i(0, i64)),
                                           s.cmpi(arith::CmpIPredicate::slt, p, extent));
    x = s.select(inside, x, k.broadcast(fill, s.shape));
  }
  return x;
}

BuildResult buildPad(KernelRequest &r) {
  MLIRContext *context = r.region.getContext();
  Padding pad;
  pad.op = cast<PadOp>(anchorOf(r.region));
  pad.x = getDims(pad.op.getX());
  pad.y = getDims(pad.op.getY());
  RegionArgs args(r.region);
  Space space(context, pad.y);
  Access access = identityAccess(context, pad.y.size());
  for (size_t d = 0; d < pad.x.size(); ++d) {
    pad.low.push_back(pad.op.getLow().getResult(d));
    pad.padded.push_back(!isConstant(pad.low[d], 0) || !provablyEqual(pad.x[d], pad.y[d]));
    if (pad.padded[d] || pad.op.getMode() != PadMode::constant)
      space.isolate(d);
  }
  space.record(linearize(context, pad.y, access, pad.y.size()));
  SmallVector<Group> groups = space.merge();
  // A dim of extent 1 in the result may still be one that crops: it needs its offset.
  for (unsigned d = 0; d < pad.x.size(); ++d)
    if (pad.padded[d] && isConstant(pad.y[d], 1)) {
      auto *at = llvm::find_if(groups, [&](const Group &g) { return g.first > d; });
      groups.insert(at, Group{d, d, pad.y[d]});
    }
  if (groups.empty())
    groups.push_back({0, 0, constantExpr(context, 1)});
  unsigned n = groups.size() - 1;
  AffineExpr rows = n > 0 ? groups[n - 1].extent : constantExpr(context, 1);
  Plan plan = planFor(r, moveProblem(r, rows, groups[n].extent));

  Frame frame;
  frame.groups = groups;
  frame.sizes.assign(groups.size(), 0);
  frame.sizes[n] = tileSize(plan, "BN", 1024, groups[n].extent);
  if (n > 0) {
    frame.sizes[n - 1] = tileSize(plan, "BM", std::max<int64_t>(1, 4096 / frame.sizes[n]), rows);
    frame.tileDims.push_back(n - 1);
  }
  frame.tileDims.push_back(n);
  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "pad", stringifyPadMode(pad.op.getMode()),
               r.symbols);
  args.declare(k);
  GridMap grid(k, groups, frame.sizes);
  k.beginBody();
  frame.offsets = grid.offsets(k);
  RegionEval eval(k, args, r.options, frame);
  Value tile = pad.op.getMode() == PadMode::constant ? buildConstantPad(k, r, frame, pad, args)
                                                     : buildIndexedPad(k, eval, pad, args);
  eval.store(tile, elementOf(pad.op.getY()), args.result(0), pad.y, access);
  k.yield();
  return finish(r, k, plan);
}

} // namespace adze::kernels
