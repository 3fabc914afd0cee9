// Running sums and products, and the k extreme values of a row: chunks of the axis, with what is carried between them.
#include "compiler/kernels/Rows.h"
#include "compiler/kernels/Scalar.h"
#include "compiler/kernels/Slabs.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;
using tile::TileReduceKind;

BuildResult buildScan(KernelRequest &r) {
  MLIRContext *context = r.region.getContext();
  auto op = cast<graph::ScanOp>(anchorOf(r.region));
  RegionArgs args(r.region);
  Dims dims = getDims(op.getX());
  AffineExpr length = dims[op.getAxis()];
  Slabs slabs(context, dims, op.getAxis());
  Plan plan = planFor(r, slabs.problem("scan", length, r));
  slabs.choose(plan, length, slabs.last ? 256 : 32);
  Type element = elementOf(op.getX()), compute = computeType(element);
  bool sums = op.getKind() == ReduceKind::sum;
  TileReduceKind kind = sums ? TileReduceKind::add : TileReduceKind::mul;

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "scan", stringifyReduceKind(op.getKind()),
               r.symbols);
  args.declare(k);
  unsigned outer = k.addGrid(slabs.outer, slabs.BO), inner = k.addGrid(slabs.inner, slabs.BI);
  k.beginBody();
  SmallVector<int64_t> shape = slabs.shape(slabs.BA), row = slabs.shape(1);
  Value from = slabs.view(k, *args.operand(op.getX()), length), to = slabs.view(k, args.result(0), length);
  auto number = [&](Type type) -> TypedAttr {
    if (isa<FloatType>(type))
      return FloatAttr::get(type, sums ? 0 : 1);
    return IntegerAttr::get(type, sums ? 0 : 1);
  };
  AffineExpr chunks = k.ceilDiv(length, slabs.BA);
  Value count = k.dim(chunks);
  auto merge = [&](Value a, Value b) -> Value {
    ScalarBuilder s(k, a);
    if (isa<FloatType>(compute))
      return sums ? s.addf(a, b) : s.mulf(a, b);
    return sums ? s.addi(a, b) : s.muli(a, b);
  };
  k.loop("chunks", tile::LoopKind::serial, k.index(0), count, 1, k.splat(row, number(compute)),
         [&](Value i, ValueRange carried) -> SmallVector<Value> {
           Value chunk = op.getReverse() ? k.sub(k.sub(count, k.index(1)), i) : i;
           auto at = slabs.at(k.offset(outer), k.mul(chunk, k.index(slabs.BA)), k.offset(inner));
           Value x = fromStorage(k, k.load(from, at, shape, number(tileType(element))), element);
           Value scan = tile::ScanOp::create(k.b, k.loc, x.getType(), x, uint64_t(slabs.axisDim()), kind,
                                             op.getExclusive(), op.getReverse(), isUnsigned(element));
           Value y = merge(scan, k.broadcast(carried[0], shape));
           k.store(toStorage(k, y, element), to, at);
           return {merge(carried[0], k.reduce(x, slabs.axisDim(), kind, isUnsigned(element)))};
         });
  k.yield();
  return finish(r, k, plan, compute);
}

//===-- top-k

/// Rows up to this length are one chunk.
static constexpr int64_t kLongestChunk = 4096;

/// The k best of the first chunk, then of the best so far and every further chunk. The best so far stand in front, so
/// that ties keep the lowest index.
BuildResult buildTopK(KernelRequest &r) {
  auto op = cast<graph::TopKOp>(anchorOf(r.region));
  MLIRContext *context = r.region.getContext();
  RegionArgs args(r.region);
  Dims x = getDims(op.getX()), y = getDims(op.getValues());
  int64_t axis = op.getAxis();
  AffineExpr length = x[axis];
  // A k that is known at launch only: the whole row is sorted, the store keeps its first k.
  int64_t count = constantOf(y[axis]).value_or(constantOf(length).value_or(1));
  Slabs slabs(context, x, axis);
  Plan plan = planFor(r, slabs.problem("topk", length, r));
  auto fixed = constantOf(length);
  int64_t chunk = fixed && *fixed <= kLongestChunk ? *fixed : plan.param("BK", 1024);
  slabs.BA = std::max({count, chunk, int64_t(1)});
  slabs.BO = slabs.last ? tileSize(plan, "BM", std::max<int64_t>(1, 2048 / slabs.BA), slabs.outer) : 1;
  slabs.BI = slabs.last ? 1 : tileSize(plan, "BN", std::max<int64_t>(1, 2048 / slabs.BA), slabs.inner);
  Type element = elementOf(op.getX()), compute = computeType(element), i64 = IntegerType::get(context, 64);
  bool largest = op.getLargest(), isU = isUnsigned(element) || element.isInteger(1);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "topk", largest ? "largest" : "smallest",
               r.symbols);
  args.declare(k);
  unsigned outer = k.addGrid(slabs.outer, slabs.BO), inner = k.addGrid(slabs.inner, slabs.BI);
  k.beginBody();
  if (count > 0) {
    Value from = slabs.view(k, *args.operand(op.getX()), length);
    SmallVector<int64_t> shape = slabs.shape(slabs.BA), best = slabs.shape(count),
                         joint = slabs.shape(count + slabs.BA);
    TypedAttr pad = largest ? lowestValue(element) : highestValue(element);
    int64_t dim = slabs.axisDim();
    auto load = [&](Value at) {
      Value tile = k.load(from, slabs.at(k.offset(outer), at, k.offset(inner)), shape, pad);
      return std::pair<Value, Value>{fromStorage(k, tile, element), k.broadcast(k.iota(shape, dim, at, i64), shape)};
    };
    auto pick = [&](Value keys, Value values) {
      auto top = tile::TopKOp::create(k.b, k.loc, k.tensor(best, compute), k.tensor(best, i64), keys, values,
                                      uint64_t(dim), largest, isU);
      return SmallVector<Value>{top.getTopKeys(), top.getTopValues()};
    };
    auto [keys, values] = load(k.index(0));
    auto result = k.loop("chunks", tile::LoopKind::reduce, k.index(slabs.BA), k.dim(length), slabs.BA,
                         pick(keys, values), [&](Value at, ValueRange carried) {
                           auto [keys, values] = load(at);
                           Value allKeys = tile::ConcatOp::create(k.b, k.loc, k.tensor(joint, compute),
                                                                  ValueRange{carried[0], keys}, uint64_t(dim));
                           Value allValues = tile::ConcatOp::create(k.b, k.loc, k.tensor(joint, i64),
                                                                    ValueRange{carried[1], values}, uint64_t(dim));
                           return pick(allKeys, allValues);
                         });
    auto at = slabs.at(k.offset(outer), k.index(0), k.offset(inner));
    if (auto values = args.resultOf(op.getValues()))
      k.store(toStorage(k, result[0], element), slabs.view(k, *values, y[axis]), at);
    if (auto indices = args.resultOf(op.getIndices()))
      k.store(result[1], slabs.view(k, *indices, y[axis]), at);
  }
  k.yield();
  return finish(r, k, plan);
}

} // namespace adze::kernels
