#include "compiler/kernels/Families.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
YieldOp yieldOf(RegionOp region) { return cast<YieldOp>(region.getBody().front().getTerminator()); }

static bool isElementwise(Operation &op) {
  FusionRole role = cast<GraphNodeInterface>(op).getFusionRole();
  return role == FusionRole::elementwise || role == FusionRole::constant || isa<BroadcastOp, TransposeOp, SliceOp>(op);
}

Operation *anchorOf(RegionOp region) {
  for (Operation &op : region.getBody().front().without_terminator())
    if (!isElementwise(op))
      return &op;
  return nullptr;
}

int64_t finishSize(RegionOp region) {
  int64_t count = 0;
  for (Operation &op : region.getBody().front().without_terminator())
    count += isElementwise(op) && !isa<ConstantOp>(op);
  return count;
}

Extent extentOf(AffineExpr expr, const SymbolTable &symbols) {
  Extent e;
  auto [lo, hi] = symbols.range(expr);
  e.min = std::max<int64_t>(lo, 0);
  e.max = hi;
  e.div = symbols.divisor(expr);
  if (auto s = dyn_cast<AffineSymbolExpr>(expr); s && s.getPosition() < symbols.size())
    e.optimum = symbols[s.getPosition()].optimum;
  return e;
}

int64_t packBlock(const Plan &plan, const std::string &operand, unsigned dim, size_t rank) {
  auto it = plan.packing.find(operand);
  auto pack = it == plan.packing.end() ? tile::PackAttr() : dyn_cast<tile::PackAttr>(it->second);
  return pack && pack.getBlocks().size() == rank ? pack.getBlocks()[dim] : 1;
}

int64_t tileSize(const Plan &plan, StringRef name, int64_t otherwise, AffineExpr extent, int64_t block) {
  int64_t size = std::max<int64_t>(1, plan.param(name.str(), otherwise));
  auto fixed = constantOf(extent);
  if (!fixed)
    return size;
  int64_t granule = std::max<int64_t>(block, plan.param("granule", 1));
  int64_t need = (std::max<int64_t>(*fixed, 1) + granule - 1) / granule * granule;
  return std::min(size, need);
}

std::optional<AffineExpr> sharesOf(const Plan &plan, AffineExpr extent) {
  int64_t split = plan.param("split", 1), share = plan.param("share", 0);
  MLIRContext *context = extent.getContext();
  auto fixed = constantOf(extent);
  if (share > 0 && fixed)
    split = (*fixed + share - 1) / share;
  else if (share > 0)
    return extent.floorDiv(share) + 1;
  if (split <= 1)
    return std::nullopt;
  return graph::constantExpr(context, split);
}

void foldSums(KernelText &k, Type accumulator) {
  k.beginFold(accumulator);
  Value p = k.accumulator(0), q = k.accumulator(1);
  k.yield(isa<FloatType>(elementOf(p)) ? Value(arith::AddFOp::create(k.b, k.loc, p, q))
                                       : Value(arith::AddIOp::create(k.b, k.loc, p, q)));
}

AffineExpr extentProduct(MLIRContext *context, ArrayRef<Group> groups) {
  SmallVector<AffineExpr> extents;
  for (const Group &g : groups)
    extents.push_back(g.extent);
  return graph::product(context, extents);
}

//===-- grid

GridMap::GridMap(KernelText &k, ArrayRef<Group> groups, ArrayRef<int64_t> sizes) : groups(groups), sizes(sizes) {
  SmallVector<unsigned> single;
  SmallVector<Group> singleGroups;
  for (unsigned i = 0; i < groups.size(); ++i)
    if (sizes[i] == 0) {
      single.push_back(i);
      singleGroups.push_back(groups[i]);
    }
  number.assign(groups.size(), 0);
  if (single.size() > 1 && groups.size() > 3) {
    outer = single;
    unsigned shared = k.addGrid(extentProduct(k.context, singleGroups));
    for (unsigned i : single)
      number[i] = shared;
  }
  for (unsigned i = 0; i < groups.size(); ++i)
    if (sizes[i] != 0 || outer.empty())
      number[i] = k.addGrid(groups[i].extent, std::max<int64_t>(1, sizes[i]));
}

SmallVector<Value> GridMap::offsets(KernelText &k) const {
  SmallVector<Value> result(groups.size());
  if (!outer.empty()) {
    SmallVector<AffineExpr> basis;
    for (unsigned i : outer)
      basis.push_back(groups[i].extent);
    for (auto [i, v] : llvm::zip_equal(outer, k.delinearize(k.offset(number[outer[0]]), basis)))
      result[i] = v;
  }
  for (unsigned i = 0; i < groups.size(); ++i)
    if (!result[i])
      result[i] = k.offset(number[i]);
  return result;
}

//===-- end

BuildResult finish(KernelRequest &r, KernelText &k, const Plan &plan, Type accumulator, ArrayRef<Value> operands) {
  BuiltKernel built;
  built.kernel = k.finalize(plan, accumulator);
  built.dims = k.launchDims();
  if (operands.empty())
    built.operands.assign(r.region.getInputs().begin(), r.region.getInputs().end());
  else
    built.operands.assign(operands.begin(), operands.end());
  return built;
}

//===-- tiles

Value addBroadcast(KernelText &k, Value a, Value b) {
  SmallVector<int64_t> joint;
  for (auto [x, y] :
       llvm::zip_equal(cast<RankedTensorType>(a.getType()).getShape(), cast<RankedTensorType>(b.getType()).getShape()))
    joint.push_back(std::max(x, y));
  return arith::AddIOp::create(k.b, k.loc, k.broadcast(a, joint), k.broadcast(b, joint));
}

Value gatherFlat(KernelText &k, unsigned arg, AffineExpr elements, Value linear) {
  auto type = cast<RankedTensorType>(linear.getType());
  Value view = k.view({arg, {elements}, {k.constant(1)}, k.constant(0)});
  Type element = cast<tile::ViewType>(view.getType()).getElementType();
  int64_t count = type.getNumElements();
  Value flat = k.reshape(linear, {count});
  Value tile = tile::GatherOp::create(k.b, k.loc, k.tensor({count}, element), view, flat, ValueRange{k.index(0)},
                                      k.b.getI64IntegerAttr(0), TypedAttr(), StringAttr());
  return k.reshape(tile, type.getShape());
}

} // namespace adze::kernels
