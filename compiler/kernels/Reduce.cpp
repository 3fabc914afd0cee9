// Reductions over any axes, and the position of an extreme value along one axis.
//
// The program owns a block of the innermost kept dim and walks the reduced dims; the innermost reduced one in chunks.
// The accumulator has the chunk's shape (one lane an element), so that the walk is elementwise; finish reduces the
// lanes.
#include "compiler/kernels/Rows.h"
#include "compiler/kernels/Scalar.h"

using namespace mlir;
using mlir::arith::CmpFPredicate;
using mlir::arith::CmpIPredicate;

namespace adze::kernels {
using namespace graph;
using tile::TileReduceKind;

namespace {
/// How one kind combines elements of a type.
struct Combiner {
  TileReduceKind kind;
  bool isUnsigned;
  TypedAttr identity; // in the compute type
  TypedAttr pad;      // in the stored type
};
} // namespace

static TypedAttr numberAttr(Type type, double value) {
  if (isa<FloatType>(type))
    return FloatAttr::get(type, value);
  return IntegerAttr::get(type, int64_t(value));
}

static Combiner combinerOf(ReduceKind kind, Type element) {
  Type compute = computeType(element), stored = tileType(element);
  bool isBool = element.isInteger(1), isU = isUnsigned(element);
  auto extreme = [&](bool highest) -> std::pair<TypedAttr, TypedAttr> {
    TypedAttr at = highest ? highestValue(element) : lowestValue(element);
    TypedAttr wide = at;
    if (compute != stored)
      wide = FloatAttr::get(compute, highest ? INFINITY : -INFINITY);
    return {wide, at};
  };
  switch (kind) {
  case ReduceKind::prod:
    return {isBool ? TileReduceKind::And : TileReduceKind::mul, isU, numberAttr(compute, 1), numberAttr(stored, 1)};
  case ReduceKind::max: {
    auto [wide, pad] = extreme(false);
    return {isBool ? TileReduceKind::Or : TileReduceKind::max, isU, wide, pad};
  }
  case ReduceKind::min: {
    auto [wide, pad] = extreme(true);
    return {isBool ? TileReduceKind::And : TileReduceKind::min, isU, wide, pad};
  }
  case ReduceKind::all:
    return {TileReduceKind::And, isU, numberAttr(compute, 1), numberAttr(stored, 1)};
  case ReduceKind::any:
    return {TileReduceKind::Or, isU, numberAttr(compute, 0), numberAttr(stored, 0)};
  default:
    return {isBool ? TileReduceKind::Or : TileReduceKind::add, isU, numberAttr(compute, 0), numberAttr(stored, 0)};
  }
}

static Value combine(KernelText &k, const Combiner &c, Value a, Value b) {
  ScalarBuilder s(k, a);
  bool isF = isa<FloatType>(elementOf(a));
  switch (c.kind) {
  case TileReduceKind::mul:
    return isF ? s.mulf(a, b) : s.muli(a, b);
  case TileReduceKind::max:
    return isF            ? s.binary<arith::MaximumFOp>(a, b)
           : c.isUnsigned ? s.binary<arith::MaxUIOp>(a, b)
                          : s.binary<arith::MaxSIOp>(a, b);
  case TileReduceKind::min:
    return isF            ? s.binary<arith::MinimumFOp>(a, b)
           : c.isUnsigned ? s.binary<arith::MinUIOp>(a, b)
                          : s.binary<arith::MinSIOp>(a, b);
  case TileReduceKind::And:
    return s.binary<arith::AndIOp>(a, b);
  case TileReduceKind::Or:
    return s.binary<arith::OrIOp>(a, b);
  default:
    return isF ? s.addf(a, b) : s.addi(a, b);
  }
}

/// The sum divided by the number of reduced elements.
static Value meanOf(KernelText &k, Value sum, AffineExpr count, bool isU) {
  ScalarBuilder s(k, sum);
  Type element = elementOf(sum);
  if (isa<FloatType>(element))
    return s.divf(sum, k.convert(k.splatIndex(s.shape, k.dim(count), k.b.getI64Type()), element));
  Value n = k.splatIndex(s.shape, k.max(k.dim(count), k.index(1)), element);
  return isU ? s.binary<arith::DivUIOp>(sum, n) : s.binary<arith::DivSIOp>(sum, n);
}

BuildResult buildReduce(KernelRequest &r) {
  auto op = cast<ReduceOp>(anchorOf(r.region));
  RegionArgs args(r.region);
  RowSpace rows(r, args, op.getX(), op.getAxes(), op.getY());
  Type element = elementOf(op.getX());
  Combiner c = combinerOf(op.getKind(), element);
  Problem p = rows.problem("reduce");
  p.types["x"] = element;
  Plan plan = planFor(r, p);
  rows.choose(plan, rows.inner ? 8 : 128, rows.inner ? 256 : 8);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "reduce", stringifyReduceKind(op.getKind()),
               r.symbols);
  args.declare(k);
  rows.makeGrid(k);
  auto shares = sharesOf(plan, rows.reduced.back().extent);
  if (shares)
    k.addSplit(*shares);
  k.beginBody();
  rows.enter(k);
  auto [lo, hi] = k.part(k.index(0), k.dim(rows.reduced.back().extent), rows.BK);
  Value init = k.splat(rows.tileShape(), c.identity);
  auto acc = rows.walk(k, "k", init, lo, hi, [&](Frame frame, ValueRange carried) -> SmallVector<Value> {
    return {combine(k, c, carried[0], rows.maskedTile(k, frame, op.getX(), c.pad, r.options))};
  });
  k.yield(acc);
  Type accType = acc[0].getType();
  if (shares) {
    k.beginFold(accType);
    k.yield(combine(k, c, k.accumulator(0), k.accumulator(1)));
  }
  k.beginFinish(accType);
  rows.enter(k);
  Value lanes = k.reduce(k.accumulator(0), rows.reducedDim(), c.kind, c.isUnsigned);
  Value result = k.reshape(lanes, {rows.BM});
  if (op.getKind() == ReduceKind::mean && !r.options.integerData)
    result = meanOf(k, result, extentProduct(k.context, rows.reduced), c.isUnsigned);
  rows.storeReduced(k, op.getY(), result, r.options);
  k.yield();
  return finish(r, k, plan, elementOf(k.kernel().getBody().front().getTerminator()->getOperand(0)));
}

//===-- arg_reduce

BuildResult buildArgReduce(KernelRequest &r) {
  auto op = cast<ArgReduceOp>(anchorOf(r.region));
  RegionArgs args(r.region);
  int64_t axis = op.getAxis();
  RowSpace rows(r, args, op.getX(), axis, op.getY());
  Type element = elementOf(op.getX()), compute = computeType(element), i64 = IntegerType::get(op.getContext(), 64);
  bool minimum = op.getKind() == ArgKind::argmin, isU = isUnsigned(element) || element.isInteger(1);
  Combiner c = combinerOf(minimum ? ReduceKind::min : ReduceKind::max, element);
  Problem p = rows.problem("arg_reduce");
  p.types["x"] = element;
  Plan plan = planFor(r, p);
  rows.choose(plan, rows.inner ? 8 : 128, rows.inner ? 256 : 8);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "arg_reduce", stringifyArgKind(op.getKind()),
               r.symbols);
  args.declare(k);
  rows.makeGrid(k);
  k.beginBody();
  rows.enter(k);
  SmallVector<int64_t> one = rows.tileShape();
  one[rows.reducedDim()] = 1;
  Value init[] = {k.splat(one, c.identity), k.zeros(one, i64)};
  auto best =
      rows.walk(k, "k", init, k.index(0), k.dim(rows.reduced.back().extent), [&](Frame frame, ValueRange carried) {
        Value x = rows.maskedTile(k, frame, op.getX(), c.pad, r.options);
        auto chunk = tile::ArgReduceOp::create(k.b, k.loc, k.tensor(one, compute), k.tensor(one, i64), x,
                                               uint64_t(rows.reducedDim()), minimum, op.getLast(), isU);
        ScalarBuilder s(k, chunk.getValue());
        Value start = k.splatIndex(one, frame.offsets.back(), i64);
        Value v = chunk.getValue(), at = s.addi(chunk.getIndex(), start), better;
        if (isa<FloatType>(compute)) {
          CmpFPredicate than = minimum ? (op.getLast() ? CmpFPredicate::OLE : CmpFPredicate::OLT)
                                       : (op.getLast() ? CmpFPredicate::OGE : CmpFPredicate::OGT);
          Value firstNan = s.binary<arith::AndIOp>(s.cmpf(CmpFPredicate::UNO, v, v),
                                                   s.cmpf(CmpFPredicate::ORD, carried[0], carried[0]));
          better = s.binary<arith::OrIOp>(s.cmpf(than, v, carried[0]), firstNan);
        } else {
          CmpIPredicate strict = minimum ? (isU ? CmpIPredicate::ult : CmpIPredicate::slt)
                                         : (isU ? CmpIPredicate::ugt : CmpIPredicate::sgt);
          CmpIPredicate loose = minimum ? (isU ? CmpIPredicate::ule : CmpIPredicate::sle)
                                        : (isU ? CmpIPredicate::uge : CmpIPredicate::sge);
          better = s.cmpi(op.getLast() ? loose : strict, v, carried[0]);
        }
        return SmallVector<Value>{s.select(better, v, carried[0]), s.select(better, at, carried[1])};
      });
  // Where every element is the identity, `last` may have found one of the pads behind the end.
  ScalarBuilder s(k, best[1]);
  Value limit = k.splatIndex(s.shape, k.sub(k.dim(rows.reduced.back().extent), k.index(1)), i64);
  Value index = k.reshape(s.binary<arith::MinSIOp>(best[1], limit), {rows.BM});
  rows.storeReduced(k, op.getY(), index, r.options);
  k.yield();
  return finish(r, k, plan);
}

} // namespace adze::kernels
