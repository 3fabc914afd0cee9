// Softmax, layer norm and RMS norm: statistics of a row, then an elementwise pass over it.
//
// one_tile: the row is one tile. two_pass: chunks; the statistics are merged as the walk goes (softmax: running maximum
// and sum, Milakov and Gimelshein 2018; layer norm: count, mean and centred sum of squares, Chan et al. 1983).
#include "compiler/kernels/Rows.h"
#include "compiler/kernels/Scalar.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using mlir::arith::CmpFPredicate;

namespace adze::kernels {
using namespace graph;
using tile::TileReduceKind;

/// Longest row that is one tile when the plan does not say.
static constexpr int64_t kLongestTile = 16384;

namespace {
class RowwiseBuilder {
public:
  RowwiseBuilder(KernelRequest &r)
      : r(r), op(anchorOf(r.region)), softmax(dyn_cast<SoftmaxOp>(op)), norm(dyn_cast<LayerNormOp>(op)), args(r.region),
        x(op->getOperand(0)), compute(computeType(elementOf(x))) {
    SmallVector<int64_t> axes;
    if (softmax)
      axes.push_back(softmax.getAxis());
    else
      for (int64_t d = norm.getAxis(), e = getDims(x).size(); d < e; ++d)
        axes.push_back(d);
    Value scale = norm ? norm.getScale() : Value(), bias = norm ? norm.getBias() : Value();
    rows.emplace(r, args, x, axes, op->getResult(0), ArrayRef<Value>{scale, bias});
  }
  BuildResult build();

private:
  /// Statistics of a row as tiles [rows x 1]: softmax: maximum and sum; norm: mean and the inverse deviation.
  struct Stats {
    Value a, b;
  };
  Stats oneTileSoftmax(Value x, const Frame &f);
  Stats oneTileNorm(Value x, const Frame &f);
  Stats walkSoftmax();
  Stats walkNorm();
  Stats walkSums();
  Value result(Value x, Stats stats, const Frame &f);
  void storeTile(Value tile, const Frame &f);
  Value loadRow(const Frame &f) {
    TypedAttr pad = softmax ? lowestValue(elementOf(x)) : TypedAttr(cast<TypedAttr>(text->b.getZeroAttr(elementOf(x))));
    return rows->maskedTile(*text, f, x, pad, r.options);
  }
  Value wide(Value v) { return text->broadcast(v, rows->tileShape()); }
  Value sum(Value tile) { return text->reduce(tile, rows->reducedDim(), TileReduceKind::add); }
  Value masked(Value tile, const Frame &f) {
    if (!rows->hasTail())
      return tile;
    Value zero = text->zeros(rows->tileShape(), compute);
    return arith::SelectOp::create(text->b, text->loc, rows->inside(*text, f), tile, zero);
  }
  Value exponential(Value v);
  Value count() {
    KernelText &k = *text;
    return k.convert(k.splatIndex(rows->rowShape(), k.dim(extentProduct(k.context, rows->reduced)), k.b.getI64Type()),
                     compute);
  }
  Value inverseDeviation(Value variance) {
    ScalarBuilder s(*text, variance);
    Value eps = s.f(norm.getEps().convertToDouble(), compute);
    return s.divf(s.f(1, compute), s.unary<math::SqrtOp>(s.addf(variance, eps)));
  }

  KernelRequest &r;
  Operation *op;
  SoftmaxOp softmax;
  LayerNormOp norm;
  RegionArgs args;
  Value x;
  Type compute;
  std::optional<RowSpace> rows;
  std::unique_ptr<KernelText> text;
};

/// e^v; with integer data a clamp that keeps "masked out" at 0.
Value RowwiseBuilder::exponential(Value v) {
  ScalarBuilder s(*text, v);
  if (!r.options.integerData)
    return s.unary<math::ExpOp>(v);
  Value clamped = s.binary<arith::MaximumFOp>(s.binary<arith::MinimumFOp>(v, s.f(4, compute)), s.f(-4, compute));
  return s.select(s.cmpf(CmpFPredicate::OEQ, v, s.f(-INFINITY, compute)), s.f(0, compute), clamped);
}

RowwiseBuilder::Stats RowwiseBuilder::oneTileSoftmax(Value tile, const Frame &f) {
  KernelText &k = *text;
  Value m = r.options.integerData ? k.zeros(rows->rowShape(), compute)
                                  : k.reduce(tile, rows->reducedDim(), TileReduceKind::max);
  ScalarBuilder s(k, tile);
  return {m, sum(exponential(s.subf(tile, wide(m))))};
}

RowwiseBuilder::Stats RowwiseBuilder::oneTileNorm(Value tile, const Frame &f) {
  KernelText &k = *text;
  ScalarBuilder s(k, tile), t(k, k.zeros(rows->rowShape(), compute));
  Value n = count(), mean = k.zeros(rows->rowShape(), compute), d = tile;
  if (!norm.getRms()) {
    mean = t.divf(sum(tile), n);
    d = masked(s.subf(tile, wide(mean)), f);
  }
  return {mean, inverseDeviation(t.divf(sum(s.mulf(d, d)), n))};
}

RowwiseBuilder::Stats RowwiseBuilder::walkSoftmax() {
  KernelText &k = *text;
  SmallVector<int64_t> shape = rows->rowShape();
  Value init[] = {k.splat(shape, FloatAttr::get(compute, -INFINITY)), k.zeros(shape, compute)};
  auto stats =
      rows->walk(k, "pass1", init, k.index(0), k.dim(rows->reduced.back().extent), [&](Frame f, ValueRange carried) {
        Value tile = loadRow(f);
        ScalarBuilder t(k, carried[0]), s(k, tile);
        Value m = t.binary<arith::MaximumFOp>(carried[0], k.reduce(tile, rows->reducedDim(), TileReduceKind::max));
        // A chunk of -inf only would make -inf - -inf.
        Value safe = t.select(t.cmpf(CmpFPredicate::OEQ, m, t.f(-INFINITY, compute)), t.f(0, compute), m);
        Value old = t.mulf(carried[1], exponential(t.subf(carried[0], safe)));
        return SmallVector<Value>{m, t.addf(old, sum(exponential(s.subf(tile, wide(safe)))))};
      });
  return {stats[0], stats[1]};
}

/// Sums only, for RMS norm and for integer data (where nothing is subtracted or divided, so that order is free).
RowwiseBuilder::Stats RowwiseBuilder::walkSums() {
  KernelText &k = *text;
  Value zero = k.zeros(rows->rowShape(), compute);
  Value total =
      rows->walk(k, "pass1", zero, k.index(0), k.dim(rows->reduced.back().extent), [&](Frame f, ValueRange carried) {
        Value tile = loadRow(f);
        ScalarBuilder s(k, tile), t(k, carried[0]);
        Value term = softmax ? exponential(tile) : norm.getRms() ? s.mulf(tile, tile) : tile;
        return SmallVector<Value>{t.addf(carried[0], sum(term))};
      })[0];
  if (r.options.integerData)
    return {zero, total};
  ScalarBuilder t(k, total);
  return {zero, inverseDeviation(t.divf(total, count()))};
}

RowwiseBuilder::Stats RowwiseBuilder::walkNorm() {
  KernelText &k = *text;
  Value zero = k.zeros(rows->rowShape(), compute);
  Value extent = k.dim(rows->reduced.back().extent);
  auto stats = rows->walk(k, "pass1", {zero, zero, zero}, k.index(0), extent, [&](Frame f, ValueRange carried) {
    Value tile = loadRow(f);
    ScalarBuilder t(k, zero), s(k, tile);
    Value n = carried[0], mean = carried[1], m2 = carried[2];
    Value here = k.min(k.sub(extent, f.offsets.back()), k.index(rows->BK));
    Value nb = k.convert(k.splatIndex(rows->rowShape(), here, k.b.getI64Type()), compute);
    Value mb = t.divf(sum(tile), nb);
    Value d = masked(s.subf(tile, wide(mb)), f);
    Value all = t.addf(n, nb), delta = t.subf(mb, mean), share = t.divf(nb, all);
    Value cross = t.mulf(t.mulf(delta, delta), t.mulf(n, share));
    return SmallVector<Value>{all, t.addf(mean, t.mulf(delta, share)), t.addf(m2, t.addf(sum(s.mulf(d, d)), cross))};
  });
  ScalarBuilder t(k, zero);
  return {stats[1], inverseDeviation(t.divf(stats[2], stats[0]))};
}

/// The anchor's result for one tile of the row.
Value RowwiseBuilder::result(Value tile, Stats stats, const Frame &f) {
  KernelText &k = *text;
  ScalarBuilder s(k, tile), t(k, stats.a);
  if (softmax) {
    Value shifted = s.subf(tile, wide(stats.a));
    if (r.options.integerData)
      return s.subf(exponential(shifted), wide(stats.b));
    if (softmax.getLog())
      return s.subf(shifted, wide(t.unary<math::LogOp>(stats.b)));
    return s.divf(exponential(shifted), wide(stats.b));
  }
  Value y = r.options.integerData ? s.subf(tile, wide(stats.b)) : s.mulf(s.subf(tile, wide(stats.a)), wide(stats.b));
  RegionEval eval(k, args, r.options, f);
  auto operand = [&](Value v) { return eval.evaluateFull(v, broadcastAccess(getDims(v), getDims(x), rows->full())); };
  if (norm.getScale())
    y = s.mulf(y, operand(norm.getScale()));
  if (norm.getBias())
    y = s.addf(y, operand(norm.getBias()));
  return y;
}

void RowwiseBuilder::storeTile(Value tile, const Frame &f) {
  RegionEval eval(*text, args, r.options, f);
  Value y = op->getResult(0);
  if (r.options.roundFusedEdges)
    tile = fromStorage(*text, toStorage(*text, tile, elementOf(y)), elementOf(y));
  eval.bind(y, tile);
  storeResults(r.region, eval, args, rows->full());
}

BuildResult RowwiseBuilder::build() {
  Problem p = rows->problem("rowwise");
  p.types["x"] = elementOf(x);
  p.flags["layer_norm"] = bool(norm);
  Plan plan = planFor(r, p);
  auto length = constantOf(rows->reduced.back().extent);
  bool whole = rows->reduced.size() == 1 && length && *length > 0 && plan.form != "two_pass" &&
               (*length <= kLongestTile || plan.form == "one_tile");
  if (whole)
    plan.params["BK"] = *length;
  else if (!plan.params.count("BK"))
    plan.params["BK"] = plan.param("BC", 1024);
  int64_t chunk = whole ? *length : plan.params["BK"];
  rows->choose(plan, std::max<int64_t>(1, std::min<int64_t>(64, 8192 / std::max<int64_t>(1, chunk))), chunk);

  StringRef name = softmax ? (softmax.getLog() ? "log_softmax" : "softmax") : norm.getRms() ? "rms_norm" : "layer_norm";
  text = std::make_unique<KernelText>(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), name,
                                      whole ? "one_tile" : "two_pass", r.symbols);
  KernelText &k = *text;
  args.declare(k);
  rows->makeGrid(k);
  k.beginBody();
  rows->enter(k);
  if (whole && !r.options.integerData) {
    Frame f = rows->frame(k.index(0));
    Value tile = loadRow(f);
    Stats stats = softmax ? oneTileSoftmax(tile, f) : oneTileNorm(tile, f);
    storeTile(result(tile, stats, f), f);
  } else {
    Stats stats = r.options.integerData ? walkSums()
                  : softmax             ? walkSoftmax()
                  : norm.getRms()       ? walkSums()
                                        : walkNorm();
    rows->walk(
        k, "pass2", {}, k.index(0), k.dim(rows->reduced.back().extent),
        [&](Frame f, ValueRange) -> SmallVector<Value> {
          storeTile(result(loadRow(f), stats, f), f);
          return {};
        },
        tile::LoopKind::parallel);
  }
  k.yield();
  return finish(r, k, plan, compute);
}
} // namespace

BuildResult buildRowwise(KernelRequest &r) { return RowwiseBuilder(r).build(); }

} // namespace adze::kernels
