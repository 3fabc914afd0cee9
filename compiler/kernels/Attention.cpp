// Attention in one pass over the keys: the scores of a block of queries never leave the program (Dao et al. 2022).
//
// Iteration dims: 0 batch, 1 query head, 2 query, 3 key, 4 head size, 5 value size, 6 key head. The accumulators are
// the running maximum and sum of every row and the unnormalised output.
//
// `pack`: the query heads of a key head are rows of one tile, so that keys and values are read once for all of them.
// Dim 1 is then a member of the group, and a row is a pair of member and query.
#include "compiler/kernels/Families.h"
#include "compiler/kernels/Scalar.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using mlir::arith::CmpFPredicate;
using mlir::arith::CmpIPredicate;

namespace adze::kernels {
using namespace graph;
using tile::TileReduceKind;

static constexpr double kLog2E = 1.4426950408889634;

namespace {
class AttentionBuilder {
public:
  AttentionBuilder(KernelRequest &r)
      : r(r), context(r.region.getContext()), op(cast<AttentionOp>(anchorOf(r.region))), args(r.region),
        acc(computeType(elementOf(op.getQ()))) {
    Dims q = getDims(op.getQ()), k = getDims(op.getK()), v = getDims(op.getV());
    batch = q[0], heads = q[1], queries = q[2], keys = k[2], size = q[3], valueSize = v[3], keyHeads = k[1];
    D = *constantOf(size);
    DV = *constantOf(valueSize);
  }
  BuildResult build();

private:
  std::optional<Group> rowsOfGroup();
  void choose();
  Access rowAccess(unsigned last) const;
  Access keyAccess(unsigned last) const {
    AffineExpr zero = constantExpr(context, 0), one = constantExpr(context, 1);
    return {{zero, {{0, one}}}, {zero, {{6, one}}}, {zero, {{3, one}}}, {zero, {{last, one}}}};
  }
  Frame frame(ArrayRef<unsigned> tiled, Value key);
  Value loadTile(Value v, const Access &access, ArrayRef<unsigned> tiled, Value key, StringRef tag);
  Value scores(Value q, Value key);
  Value masked(Value s, Value key);
  Value maskTile(Value key);
  SmallVector<Value> step(Value q, Value key, ValueRange carried);
  Value exponential(Value v);
  void foldRegion(TypeRange types);
  void finishRegion(TypeRange types);
  Value position(ArrayRef<int64_t> shape, int64_t dim, Value start) {
    return text->iota(shape, dim, start, text->b.getI64Type());
  }

  KernelRequest &r;
  MLIRContext *context;
  AttentionOp op;
  RegionArgs args;
  Type acc;
  AffineExpr batch, heads, queries, keys, size, valueSize, keyHeads;
  int64_t D, DV, BM = 1, BN = 1;
  int64_t members = 1; // query heads of a key head, where tiles hold all of them
  Group rows = {};     // of a tile
  Plan plan;
  std::unique_ptr<KernelText> text;
  std::unique_ptr<GridMap> grid;
  SmallVector<Value> offsets; // batch, head (key head where heads are packed), row
};

/// Of q, the results, and what broadcasts to the scores: by batch, query head, query and the dim `last`.
Access AttentionBuilder::rowAccess(unsigned last) const {
  AffineExpr zero = constantExpr(context, 0), one = constantExpr(context, 1);
  DimIndex head{zero, {{1, one}}};
  if (members > 1)
    head = {zero, {{6, constantExpr(context, members)}, {1, one}}};
  return {{zero, {{0, one}}}, head, {zero, {{2, one}}}, {zero, {{last, one}}}};
}

/// Members and queries as one dim, if in all that is read or written by rows a member begins where the queries of the
/// one before it end. Sets `members`.
std::optional<Group> AttentionBuilder::rowsOfGroup() {
  auto h = constantOf(heads), hk = constantOf(keyHeads);
  if (!h || !hk || *hk == 0 || *h % *hk != 0 || *h == *hk)
    return std::nullopt;
  members = *h / *hk;
  Space space(context, {batch, constantExpr(context, members), queries, keys, size, valueSize, keyHeads});
  for (unsigned d : {1, 3, 4, 5, 6})
    space.barrier(d);
  collectAccesses(op.getQ(), rowAccess(4), args, space);
  if (op.getMask()) {
    AffineExpr dims[] = {batch, heads, queries, keys};
    collectAccesses(op.getMask(), broadcastAccess(getDims(op.getMask()), dims, rowAccess(3)), args, space);
  }
  collectResults(r.region, args, rowAccess(5), space, {op.getY()});
  for (const Group &g : space.merge())
    if (g.first == 1 && (g.last == 2 || isConstant(queries, 1)))
      return g;
  return std::nullopt;
}

Frame AttentionBuilder::frame(ArrayRef<unsigned> tiled, Value key) {
  KernelText &k = *text;
  AffineExpr extents[] = {batch, heads, queries, keys, size, valueSize, keyHeads};
  int64_t sizes[] = {0, 0, BM, BN, D, DV, 0};
  Value zero = k.index(0), head = offsets[1], keyHead = head;
  if (members == 1 && !provablyEqual(heads, keyHeads))
    keyHead = k.div(k.mul(head, k.dim(keyHeads)), k.dim(heads));
  Value starts[] = {offsets[0], head, offsets[2], key ? key : zero, zero, zero, keyHead};
  Frame f;
  unsigned positions[7];
  for (unsigned d = 0; d < 7; ++d) {
    positions[d] = f.groups.size();
    if (d == 1 && members > 1) // part of the rows
      continue;
    f.groups.push_back(d == 2 ? rows : Group{d, d, extents[d]});
    f.sizes.push_back(llvm::is_contained(tiled, d) ? sizes[d] : 0);
    f.offsets.push_back(starts[d]);
  }
  for (unsigned d : tiled)
    f.tileDims.push_back(positions[d]);
  return f;
}

/// A tile of q, k or v in its stored type.
Value AttentionBuilder::loadTile(Value v, const Access &access, ArrayRef<unsigned> tiled, Value key, StringRef tag) {
  Frame f = frame(tiled, key);
  RegionEval eval(*text, args, r.options, f);
  if (auto leaf = leafOf(v, access, args))
    return text->broadcast(eval.load(leaf->arg, getDims(leaf->value), leaf->access, {}, tag), f.shape());
  return text->broadcast(eval.evaluateStored(v, access), f.shape());
}

Value AttentionBuilder::exponential(Value v) {
  ScalarBuilder s(*text, v);
  if (!r.options.integerData)
    return s.unary<math::Exp2Op>(v);
  Value clamped = s.binary<arith::MaximumFOp>(s.binary<arith::MinimumFOp>(v, s.f(4, acc)), s.f(-4, acc));
  return s.select(s.cmpf(CmpFPredicate::OEQ, v, s.f(-INFINITY, acc)), s.f(0, acc), clamped);
}

/// The mask over the block: f32, or i1; its dims broadcast to the scores'.
Value AttentionBuilder::maskTile(Value key) {
  RegionEval eval(*text, args, r.options, frame({2, 3}, key));
  AffineExpr dims[] = {batch, heads, queries, keys};
  Access access = broadcastAccess(getDims(op.getMask()), dims, rowAccess(3));
  return eval.evaluateFull(op.getMask(), access);
}

/// Scores of keys that the causal rule or the end of the sequence hides become -inf.
Value AttentionBuilder::masked(Value s, Value key) {
  KernelText &k = *text;
  ScalarBuilder b(k, s);
  Value hidden = b.f(-INFINITY, acc);
  Type i64 = k.b.getI64Type();
  auto fixed = constantOf(keys);
  if (!fixed || *fixed % BN != 0)
    s = b.select(k.broadcast(k.below(key, keys, {1, BN}, 1), {BM, BN}), s, hidden);
  if (!op.getCausal())
    return s;
  Value column = k.broadcast(position({1, BN}, 1, key), {BM, BN});
  Value shift = k.sub(k.dim(keys), k.dim(queries));
  Value last = k.iota({BM, 1}, 0, members > 1 ? offsets[2] : k.add(offsets[2], shift), i64);
  if (members > 1) { // queries of a member follow each other
    last = b.binary<arith::RemUIOp>(last, k.splatIndex({BM, 1}, k.dim(queries), i64));
    last = b.binary<arith::AddIOp>(last, k.splatIndex({BM, 1}, shift, i64));
  }
  return b.select(b.cmpi(CmpIPredicate::sle, column, k.broadcast(last, {BM, BN})), s, hidden);
}

/// Scores in units of log2(e).
Value AttentionBuilder::scores(Value q, Value key) {
  KernelText &k = *text;
  Value kt = loadTile(op.getK(), keyAccess(4), {3, 4}, key, "k");
  KernelText::DotFlags flags;
  flags.transB = true;
  flags.precision = r.options.dotPrecision;
  Value s = k.dot(q, kt, k.zeros({BM, BN}, acc), flags, "qk");
  ScalarBuilder b(k, s);
  double unit = r.options.integerData ? 1 : kLog2E;
  s = b.mulf(s, b.f(op.getScale().convertToDouble() * unit, acc));
  if (!op.getMask())
    return s;
  Value mask = maskTile(key);
  if (elementOf(op.getMask()).isInteger(1))
    return b.select(mask, s, b.f(-INFINITY, acc));
  return b.addf(s, unit == 1 ? mask : b.mulf(mask, b.f(unit, acc)));
}

SmallVector<Value> AttentionBuilder::step(Value q, Value key, ValueRange carried) {
  KernelText &k = *text;
  Value vt = loadTile(op.getV(), keyAccess(5), {3, 5}, key, "v");
  Value s = masked(scores(q, key), key);
  ScalarBuilder row(k, carried[0]), b(k, s), wide(k, carried[2]);
  Value m = row.binary<arith::MaxNumFOp>(carried[0], k.reduce(s, 1, TileReduceKind::maxnum));
  Value safe = row.select(row.cmpf(CmpFPredicate::OEQ, m, row.f(-INFINITY, acc)), row.f(0, acc), m);
  // With integer data nothing is subtracted: the result must not depend on the block size.
  if (r.options.integerData)
    safe = row.f(0, acc);
  Value p = exponential(b.subf(s, k.broadcast(safe, {BM, BN})));
  Value alpha = r.options.integerData ? row.f(1, acc) : row.unary<math::Exp2Op>(row.subf(carried[0], safe));
  Value l = row.addf(row.mulf(carried[1], alpha), k.reduce(p, 1, TileReduceKind::add));
  Value stored = toStorage(k, p, elementOf(op.getV()));
  KernelText::DotFlags flags;
  flags.precision = r.options.dotPrecision;
  Value pv = k.dot(stored, vt, k.zeros({BM, DV}, acc), flags, "pv");
  Value o = wide.addf(wide.mulf(carried[2], k.broadcast(alpha, {BM, DV})), pv);
  return {m, l, o};
}

/// Two shares of the keys become one: both are scaled to the larger maximum.
void AttentionBuilder::foldRegion(TypeRange types) {
  KernelText &k = *text;
  k.beginFold(types);
  Value ma = k.accumulator(0), la = k.accumulator(1), oa = k.accumulator(2);
  Value mb = k.accumulator(3), lb = k.accumulator(4), ob = k.accumulator(5);
  ScalarBuilder row(k, ma), wide(k, oa);
  Value m = row.binary<arith::MaxNumFOp>(ma, mb);
  Value safe = row.select(row.cmpf(CmpFPredicate::OEQ, m, row.f(-INFINITY, acc)), row.f(0, acc), m);
  // Integer data has one unit of weight everywhere (step).
  auto scale = [&](Value of) {
    return r.options.integerData ? row.f(1, acc) : row.unary<math::Exp2Op>(row.subf(of, safe));
  };
  Value sa = scale(ma), sb = scale(mb);
  Value l = row.addf(row.mulf(la, sa), row.mulf(lb, sb));
  Value o = wide.addf(wide.mulf(oa, k.broadcast(sa, {BM, DV})), wide.mulf(ob, k.broadcast(sb, {BM, DV})));
  k.yield({m, l, o});
}

void AttentionBuilder::finishRegion(TypeRange types) {
  KernelText &k = *text;
  k.beginFinish(types);
  offsets = grid->offsets(k);
  Value l = k.accumulator(1), o = k.accumulator(2);
  ScalarBuilder s(k, o);
  Value sum = k.broadcast(l, {BM, DV});
  Value y = r.options.integerData ? s.subf(o, sum) : s.divf(o, sum);
  if (!op.getNanMasked())
    y = s.select(s.cmpf(CmpFPredicate::OEQ, sum, s.f(0, acc)), s.f(0, acc), y);
  RegionEval eval(k, args, r.options, frame({2, 5}, Value()));
  if (r.options.roundFusedEdges)
    y = fromStorage(k, toStorage(k, y, elementOf(op.getY())), elementOf(op.getY()));
  eval.bind(op.getY(), y);
  storeResults(r.region, eval, args, rowAccess(5));
  k.yield();
}

void AttentionBuilder::choose() {
  std::optional<Group> together = rowsOfGroup();
  Problem p;
  p.family = "attention";
  std::pair<const char *, AffineExpr> extents[] = {{"B", batch}, {"H", heads}, {"S", queries},
                                                   {"T", keys},  {"D", size},  {"DV", valueSize}};
  for (auto [name, e] : extents)
    p.extents[name] = extentOf(e, r.symbols);
  auto h = constantOf(heads), hk = constantOf(keyHeads);
  p.extents["G"] = extentOf(constantExpr(context, h && hk && *hk ? *h / *hk : 1), r.symbols);
  p.types["a"] = elementOf(op.getQ());
  p.types["y"] = elementOf(r.region.getOutputs()[0]);
  p.flags = {{"causal", op.getCausal()},
             {"mask", bool(op.getMask())},
             {"finish", finishSize(r.region)},
             {"packable", together.has_value()}};
  plan = planFor(r, p);
  rows = {2, 2, queries};
  if (together && plan.param("pack", 0))
    rows = *together;
  else
    members = 1;
  BM = tileSize(plan, "BM", 64, rows.extent);
  BN = tileSize(plan, "BN", 128, keys);
}

BuildResult AttentionBuilder::build() {
  choose();
  text = std::make_unique<KernelText>(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "attention", "flash",
                                      r.symbols);
  KernelText &k = *text;
  // A row's largest weight is 1, so weights below 2^-126 do not count in sums of products of narrow floats.
  k.flush = elementOf(op.getV()).getIntOrFloatBitWidth() < 32;
  args.declare(k);
  Group shared = members > 1 ? Group{6, 6, keyHeads} : Group{1, 1, heads};
  grid = std::make_unique<GridMap>(k, ArrayRef<Group>{{0, 0, batch}, shared, rows}, ArrayRef<int64_t>{0, 0, BM});
  auto shares = sharesOf(plan, keys);
  if (shares)
    k.addSplit(*shares);
  k.beginBody();
  offsets = grid->offsets(k);
  Value q = loadTile(op.getQ(), rowAccess(4), {2, 4}, Value(), "q");
  Value end = k.dim(keys);
  if (op.getCausal() && members == 1) // the last row of the block sees this many keys
    end = k.min(end, k.add(k.add(offsets[2], k.index(BM)), k.sub(k.dim(keys), k.dim(queries))));
  Value init[] = {k.splat({BM, 1}, FloatAttr::get(acc, -INFINITY)), k.zeros({BM, 1}, acc), k.zeros({BM, DV}, acc)};
  auto [lo, hi] = k.part(k.index(0), end, BN);
  auto state = k.loop("kv", tile::LoopKind::reduce, lo, hi, BN, init,
                      [&](Value key, ValueRange carried) { return step(q, key, carried); });
  k.yield(state);
  if (shares)
    foldRegion(ValueRange(state).getTypes());
  finishRegion(ValueRange(state).getTypes());
  return finish(r, k, plan, acc);
}
} // namespace

BuildResult buildAttention(KernelRequest &r) { return AttentionBuilder(r).build(); }

} // namespace adze::kernels
