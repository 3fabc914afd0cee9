#include "compiler/kernels/Rows.h"
#include "compiler/kernels/Scalar.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

RowSpace::RowSpace(KernelRequest &r, const RegionArgs &args, Value x, ArrayRef<int64_t> axes, Value y,
                   ArrayRef<Value> alsoReads)
    : r(r), args(args), context(x.getContext()), x(x) {
  Dims dims = getDims(x);
  isReduced.assign(dims.size(), false);
  for (int64_t a : axes)
    isReduced[a] = true;
  SmallVector<AffineExpr> extents(dims.begin(), dims.end());
  extents.push_back(constantExpr(context, 1));
  Space space(context, extents);
  for (unsigned d = 1; d < dims.size(); ++d)
    if (isReduced[d] != isReduced[d - 1])
      space.barrier(d);
  collectAccesses(x, full(), args, space);
  for (Value v : alsoReads)
    if (v)
      collectAccesses(v, broadcastAccess(getDims(v), dims, full()), args, space);
  bool keepsDims = getDims(y).size() == dims.size() &&
                   llvm::all_of(axes, [&](int64_t a) { return provablyEqual(getDims(y)[a], dims[a]); });
  collectResults(r.region, args, keepsDims ? full() : kept(), space, {y});
  sortGroups(space, isReduced);
}

/// Divides the merged groups into kept and reduced ones and picks the tile's two.
void RowSpace::sortGroups(const Space &space, ArrayRef<bool> isReduced) {
  unsigned extra = isReduced.size(); // the iteration dim of extent 1
  for (const Group &g : space.merge())
    (isReduced[g.first] ? reduced : keptGroups).push_back(g);
  Group single{extra, extra, constantExpr(context, 1)};
  if (keptGroups.empty())
    keptGroups.push_back(single);
  if (reduced.empty())
    reduced.push_back(single);
  LinearAccess lx = memoryAccess(x, full(), args, extra + 1);
  block = keptGroups.size() - 1;
  inner = !isConstant(groupStride(lx, keptGroups[block]), 1) || isConstant(groupStride(lx, reduced.back()), 1);
}

Access RowSpace::full() const { return identityAccess(context, getDims(x).size()); }

Access RowSpace::kept() const {
  Access access = full();
  for (auto [d, is] : llvm::enumerate(isReduced))
    if (is)
      access[d].terms.clear();
  return access;
}

Problem RowSpace::problem(StringRef family) const {
  Problem p;
  p.family = family.str();
  SmallVector<Group> outer(keptGroups.begin(), keptGroups.end());
  outer.erase(outer.begin() + block);
  auto extent = [&](AffineExpr e) { return extentOf(e, r.symbols); };
  p.extents["R"] = extent(extentProduct(context, outer));
  p.extents["M"] = extent(keptGroups[block].extent);
  p.extents["K"] = p.extents["C"] = extent(reduced.back().extent);
  p.extents["L"] = extent(extentProduct(context, ArrayRef(reduced).drop_back()));
  p.types["y"] = elementOf(r.region.getOutputs()[0]);
  p.flags["inner"] = inner;
  p.flags["finish"] = finishSize(r.region);
  return p;
}

void RowSpace::choose(const Plan &plan, int64_t bm, int64_t bk) {
  BM = tileSize(plan, "BM", bm, keptGroups[block].extent);
  BK = tileSize(plan, "BK", bk, reduced.back().extent);
  sizes.assign(keptGroups.size(), 0);
  sizes[block] = BM;
}

void RowSpace::makeGrid(KernelText &k) { grid = std::make_unique<GridMap>(k, keptGroups, sizes); }
void RowSpace::enter(KernelText &k) { offsets = grid->offsets(k); }

Frame RowSpace::frame(ValueRange reducedOffsets) const {
  Frame f;
  f.groups = keptGroups;
  f.sizes = sizes;
  f.offsets = offsets;
  f.groups.append(reduced.begin(), reduced.end());
  f.sizes.append(reduced.size() - 1, 0);
  f.sizes.push_back(BK);
  f.offsets.append(reducedOffsets.begin(), reducedOffsets.end());
  unsigned chunk = f.groups.size() - 1;
  f.tileDims = inner ? SmallVector<unsigned>{block, chunk} : SmallVector<unsigned>{chunk, block};
  return f;
}

SmallVector<Value> RowSpace::walk(KernelText &k, StringRef name, ValueRange init, Value lo, Value hi, Visit visit,
                                  tile::LoopKind kind) const {
  SmallVector<Value> at;
  std::function<SmallVector<Value>(size_t, ValueRange)> nest = [&](size_t level, ValueRange carried) {
    bool last = level + 1 == reduced.size();
    std::string label = last ? name.str() : name.str() + std::to_string(level);
    Value from = last ? lo : k.index(0), to = last ? hi : k.dim(reduced[level].extent);
    return k.loop(label, kind, from, to, last ? BK : 1, carried, [&](Value i, ValueRange inner) {
      at.push_back(i);
      SmallVector<Value> next = last ? visit(frame(at), inner) : nest(level + 1, inner);
      at.pop_back();
      return next;
    });
  };
  return nest(0, init);
}

bool RowSpace::hasTail() const {
  auto extent = constantOf(reduced.back().extent);
  return !extent || *extent % BK != 0;
}

Value RowSpace::inside(KernelText &k, const Frame &frame) const {
  SmallVector<int64_t> shape(2, 1);
  shape[reducedDim()] = BK;
  return k.broadcast(k.below(frame.offsets.back(), reduced.back().extent, shape, reducedDim()), tileShape());
}

Value RowSpace::maskedTile(KernelText &k, const Frame &frame, Value x, TypedAttr pad,
                           const KernelOptions &options) const {
  RegionEval eval(k, args, options, frame);
  Type element = elementOf(x);
  if (auto leaf = leafOf(x, full(), args))
    return k.broadcast(fromStorage(k, eval.load(leaf->arg, getDims(leaf->value), leaf->access, pad), element),
                       tileShape());
  Value tile = eval.evaluateFull(x, full());
  if (!hasTail())
    return tile;
  Value fill = fromStorage(k, k.splat(tileShape(), pad), element);
  return arith::SelectOp::create(k.b, k.loc, inside(k, frame), tile, fill);
}

void RowSpace::storeReduced(KernelText &k, Value y, Value tile, const KernelOptions &options) const {
  Frame f;
  f.groups = keptGroups;
  f.sizes = sizes;
  f.offsets = offsets;
  f.tileDims = {block};
  RegionEval eval(k, args, options, f);
  Type element = elementOf(y);
  if (options.roundFusedEdges && isa<FloatType>(element))
    tile = fromStorage(k, toStorage(k, tile, element), element);
  eval.bind(y, tile);
  storeResults(r.region, eval, args, kept());
}

} // namespace adze::kernels
