// Pooling: a reduction over the taps of a window, and the position of a window's maximum.
#include "compiler/kernels/Scalar.h"
#include "compiler/kernels/WindowKernel.h"

using namespace mlir;
using mlir::arith::CmpFPredicate;
using mlir::arith::CmpIPredicate;

namespace adze::kernels {
using namespace graph;

template <typename Op>
static WindowShape shapeOfPool(Op op) {
  WindowShape s;
  Dims x = getDims(op.getX()), y = getDims(op.getY());
  s.images = x[0];
  s.channels = x[1];
  s.in.assign(x.begin() + 2, x.end());
  s.out.assign(y.begin() + 2, y.end());
  s.kernel.assign(op.getKernel().begin(), op.getKernel().end());
  s.stride.assign(op.getStrides().begin(), op.getStrides().end());
  s.dilation.assign(op.getDilations().begin(), op.getDilations().end());
  s.pads.assign(op.getPads().begin(), op.getPads().end());
  return s;
}

namespace {
class PoolBuilder : WindowKernel {
public:
  PoolBuilder(KernelRequest &r, PoolOp op)
      : WindowKernel(r, op.getX(), op.getY(), shapeOfPool(op), getDims(op.getX())[1]), op(op) {}
  BuildResult build();

private:
  Value combine(KernelText &k, Value acc, Value x);
  Value tapCount(KernelText &k);
  Value scaled(KernelText &k, Value sum);
  PoolOp op;
};

Value PoolBuilder::combine(KernelText &k, Value acc, Value x) {
  ScalarBuilder s(k, x);
  Type element = elementOf(op.getX());
  bool isF = isa<FloatType>(element);
  if (op.getKind() != PoolKind::maxpool)
    return isF ? s.addf(acc, x) : s.addi(acc, x);
  if (isF)
    return s.binary<arith::MaximumFOp>(acc, x);
  return isUnsigned(element) || element.isInteger(1) ? s.binary<arith::MaxUIOp>(acc, x)
                                                     : s.binary<arith::MaxSIOp>(acc, x);
}

/// Taps that count for each pixel of the tile, i64 [1 x BP]: a product over the spatial dims of how many taps lie in
/// [low, high) there.
Value PoolBuilder::tapCount(KernelText &k) {
  Type i64 = k.b.getI64Type();
  SmallVector<Value> at = coordinates(k);
  Value count;
  bool withPads = op.getKind() == PoolKind::avgpool_pad;
  for (unsigned i = 0; i < shape.spatial(); ++i) {
    ScalarBuilder s(k, at[i]);
    int64_t low = withPads ? -op.getCountPads()[i] : 0, d = shape.dilation[i];
    AffineExpr end = shape.in[i] + (withPads ? op.getCountPads()[shape.spatial() + i] : 0);
    Value high = k.splatIndex(s.shape, k.dim(end), i64);
    Value start = s.subi(s.muli(at[i], s.i(shape.stride[i], i64)), s.i(shape.pads[i], i64));
    Value zero = s.i(0, i64);
    Value before = s.binary<arith::MaxSIOp>(s.subi(s.i(low, i64), start), zero);
    Value first = s.binary<arith::DivUIOp>(s.addi(before, s.i(d - 1, i64)), s.i(d, i64));
    // One past the last tap: ceil((high - start) / d), at most the kernel's size.
    Value room = s.binary<arith::MaxSIOp>(s.subi(high, start), zero);
    Value past = s.binary<arith::DivUIOp>(s.addi(room, s.i(d - 1, i64)), s.i(d, i64));
    past = s.binary<arith::MinSIOp>(past, s.i(shape.kernel[i], i64));
    Value inside = s.binary<arith::MaxSIOp>(s.subi(past, first), zero);
    count = count ? s.muli(count, inside) : inside;
  }
  return count;
}

/// The average: the sum divided by the number of taps that count.
Value PoolBuilder::scaled(KernelText &k, Value sum) {
  if (op.getKind() == PoolKind::maxpool || op.getKind() == PoolKind::sumpool || r.options.integerData)
    return sum;
  ScalarBuilder s(k, sum);
  Type element = cast<RankedTensorType>(sum.getType()).getElementType();
  bool isF = isa<FloatType>(element);
  bool allCount = op.getKind() == PoolKind::avgpool_pad ? op.getCountPads() == op.getPads()
                                                        : llvm::all_of(op.getPads(), [](int64_t v) { return v == 0; });
  if (allCount && isF)
    return s.divf(sum, s.f(double(shape.taps()), element));
  if (isF)
    return s.divf(sum, k.broadcast(k.convert(tapCount(k), element), s.shape));
  Value count = s.binary<arith::MaxSIOp>(k.broadcast(tapCount(k), s.shape), s.i(1, k.b.getI64Type()));
  if (element != k.b.getI64Type())
    count = arith::TruncIOp::create(k.b, k.loc, sum.getType(), count);
  return isUnsigned(elementOf(op.getX())) ? s.binary<arith::DivUIOp>(sum, count) : s.binary<arith::DivSIOp>(sum, count);
}

BuildResult PoolBuilder::build() {
  Problem p = problem("pool");
  Type element = elementOf(op.getX());
  p.types["x"] = element;
  Plan plan = planFor(r, p);
  analyse(plan.form == "row");
  int64_t bc = tileSize(plan, "BC", 8, groups[channelGroup].extent);
  int64_t bp = tileSize(plan, "BP", 64, groups[pixelGroup].extent);
  bool isMax = op.getKind() == PoolKind::maxpool;
  bool isF = isa<FloatType>(element);
  // Maxima are exact in the stored type; sums accumulate wider.
  Type acc = isMax ? tileType(element) : computeType(element);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "pool", stringifyPoolKind(op.getKind()),
               r.symbols);
  args.declare(k);
  makeGrid(k, bc, bp);
  k.beginBody();
  enter(k);
  TypedAttr pad = isMax ? lowestValue(element) : TypedAttr();
  Value init = isMax ? k.splat({bc, bp}, pad) : k.zeros({bc, bp}, acc);
  Value result = forTaps(k, init, [&](ArrayRef<Value> taps, ValueRange carried) -> SmallVector<Value> {
    Value x = loadPixels(k, taps, offsets[channelGroup], bc, pad);
    if (!isMax && isF)
      x = k.convert(x, acc);
    return {combine(k, carried[0], x)};
  })[0];
  k.yield(result);
  k.beginFinish(result.getType());
  enter(k);
  RegionEval eval(k, args, r.options, frame(true));
  Value value = scaled(k, k.accumulator(0));
  if (isMax)
    value = fromStorage(k, value, element);
  else if (r.options.roundFusedEdges)
    value = fromStorage(k, toStorage(k, value, element), element);
  eval.bind(y, value);
  storeResults(r.region, eval, args, resultAccess());
  k.yield();
  return finish(r, k, plan, acc);
}

//===-- indices

class PoolIndexBuilder : WindowKernel {
public:
  PoolIndexBuilder(KernelRequest &r, MaxPoolIndicesOp op)
      : WindowKernel(r, op.getX(), op.getY(), shapeOfPool(op), getDims(op.getX())[1]), op(op) {}
  BuildResult build();

private:
  Value planeIndex(KernelText &k, ArrayRef<Value> at, ArrayRef<Value> taps, Value &inside);
  Value planeBase(KernelText &k, int64_t bc);
  MaxPoolIndicesOp op;
};

/// Index inside the plane of each pixel's element under one tap, i64 [1 x BP]; `inside`: it exists.
Value PoolIndexBuilder::planeIndex(KernelText &k, ArrayRef<Value> at, ArrayRef<Value> taps, Value &inside) {
  Type i64 = k.b.getI64Type();
  Value index;
  for (unsigned n = 0; n < shape.spatial(); ++n) {
    unsigned i = op.getColumnMajor() ? shape.spatial() - 1 - n : n; // slowest first
    ScalarBuilder s(k, at[i]);
    Value tap = k.splatIndex(s.shape, k.mul(taps[i], k.index(shape.dilation[i])), i64);
    Value start = s.subi(s.muli(at[i], s.i(shape.stride[i], i64)), s.i(shape.pads[i], i64));
    Value position = s.addi(start, tap), extent = k.splatIndex(s.shape, k.dim(shape.in[i]), i64);
    Value ok = s.cmpi(CmpIPredicate::ult, position, extent); // negative positions are large
    inside = inside ? s.binary<arith::AndIOp>(inside, ok) : ok;
    index = index ? s.addi(s.muli(index, extent), position) : position;
  }
  return index;
}

/// Index of the plane's first element, i64 [BC x 1].
Value PoolIndexBuilder::planeBase(KernelText &k, int64_t bc) {
  Type i64 = k.b.getI64Type();
  SmallVector<int64_t> tile = {bc, 1};
  Value image = imageGroup ? offsets[*imageGroup] : k.index(0);
  Value first = k.add(k.mul(image, k.dim(shape.channels)), offsets[channelGroup]);
  Value plane = k.iota(tile, 0, first, i64);
  return arith::MulIOp::create(k.b, k.loc, plane, k.splatIndex(tile, k.dim(product(context, shape.in)), i64));
}

BuildResult PoolIndexBuilder::build() {
  Problem p = problem("pool_indices");
  Type element = elementOf(op.getX()), i64 = IntegerType::get(context, 64);
  p.types["x"] = element;
  Plan plan = planFor(r, p);
  analyse(plan.form == "row");
  int64_t bc = tileSize(plan, "BC", 8, groups[channelGroup].extent);
  int64_t bp = tileSize(plan, "BP", 64, groups[pixelGroup].extent);
  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "pool", "indices", r.symbols);
  args.declare(k);
  makeGrid(k, bc, bp);
  k.beginBody();
  enter(k);
  Value windows = window(k);
  SmallVector<Value> at = coordinates(k);
  SmallVector<int64_t> shapeOfTile = {bc, bp};
  Type compute = computeType(element);
  bool isF = isa<FloatType>(element);
  Value best =
      isF ? k.splat(shapeOfTile, FloatAttr::get(compute, -INFINITY)) : k.splat(shapeOfTile, lowestValue(element));
  Value none = k.splat(shapeOfTile, IntegerAttr::get(i64, -1));
  auto found = forTaps(k, {best, none}, [&](ArrayRef<Value> taps, ValueRange carried) -> SmallVector<Value> {
    Value x = fromStorage(k, loadTap(k, windows, taps, offsets[channelGroup], bc, lowestValue(element)), element);
    x = k.transpose(x, {1, 0});
    ScalarBuilder s(k, x);
    Value inside, index = k.broadcast(planeIndex(k, at, taps, inside), shapeOfTile);
    inside = k.broadcast(inside, shapeOfTile);
    Value first = s.cmpi(CmpIPredicate::slt, carried[1], s.i(0, i64)), better;
    if (isF) { // greater, or the first NaN
      Value isNew =
          s.binary<arith::AndIOp>(s.cmpf(CmpFPredicate::UNO, x, x), s.cmpf(CmpFPredicate::ORD, carried[0], carried[0]));
      better = s.binary<arith::OrIOp>(s.cmpf(CmpFPredicate::OGT, x, carried[0]), isNew);
    } else {
      better = s.cmpi(isUnsigned(element) ? CmpIPredicate::ugt : CmpIPredicate::sgt, x, carried[0]);
    }
    Value take = s.binary<arith::AndIOp>(inside, s.binary<arith::OrIOp>(first, better));
    return {s.select(take, x, carried[0]), s.select(take, index, carried[1])};
  });
  Value base = k.broadcast(planeBase(k, bc), shapeOfTile);
  Value index = arith::AddIOp::create(k.b, k.loc, found[1], base);
  RegionEval eval(k, args, r.options, frame(true));
  eval.store(index, i64, args.result(0), getDims(op.getY()), resultAccess());
  k.yield();
  return finish(r, k, plan);
}
} // namespace

BuildResult buildPool(KernelRequest &r) {
  Operation *anchor = anchorOf(r.region);
  if (auto pool = dyn_cast<PoolOp>(anchor))
    return PoolBuilder(r, pool).build();
  return PoolIndexBuilder(r, cast<MaxPoolIndicesOp>(anchor)).build();
}

} // namespace adze::kernels
