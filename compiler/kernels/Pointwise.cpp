// Elementwise trees over one iteration space, and views (transpose, slice, broadcast) as strided accesses.
//
// Dims are merged as far as every access allows; the program owns a tile of the innermost dim and of one other: the
// next one out, or the dim along which some operand is contiguous (then its tile is loaded as it lies and transposed).
#include "compiler/kernels/Families.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

/// A group other than the last along which some access is contiguous while it strides along the last.
static std::optional<unsigned> crosswiseGroup(const Space &space, ArrayRef<Group> groups) {
  for (const LinearAccess &a : space.getAccesses()) {
    AffineExpr last = groupStride(a, groups.back());
    if (isConstant(last, 0) || isConstant(last, 1))
      continue;
    for (unsigned g = 0; g + 1 < groups.size(); ++g)
      if (isConstant(groupStride(a, groups[g]), 1))
        return g;
  }
  return std::nullopt;
}

BuildResult buildPointwise(KernelRequest &r) {
  MLIRContext *context = r.region.getContext();
  YieldOp yield = yieldOf(r.region);
  RegionArgs args(r.region);
  // The iteration runs in the order in which the first result lies in memory.
  Value first = yield.getValues()[0];
  Dims dims = getDims(first);
  Access access = identityAccess(context, dims.size());
  if (auto transpose = first.getDefiningOp<TransposeOp>())
    access = *throughView(transpose, access);
  Space space(context, dims);
  collectResults(r.region, args, access, space, {});
  SmallVector<Group> groups = space.merge();
  if (groups.empty())
    groups.push_back({0, 0, constantExpr(context, 1)});

  std::optional<unsigned> cross = crosswiseGroup(space, groups);
  unsigned n = groups.size() - 1;
  std::optional<unsigned> m = cross ? cross : n > 0 ? std::optional<unsigned>(n - 1) : std::nullopt;
  Problem problem;
  problem.family = "pointwise";
  problem.extents["N"] = extentOf(groups[n].extent, r.symbols);
  problem.extents["M"] = m ? extentOf(groups[*m].extent, r.symbols) : Extent{1, 1};
  SmallVector<Group> rest;
  for (unsigned g = 0; g < n; ++g)
    if (g != m)
      rest.push_back(groups[g]);
  problem.extents["R"] = extentOf(extentProduct(context, rest), r.symbols);
  problem.types["y"] = elementOf(first);
  problem.flags = {{"inputs", r.region.getInputs().size()},
                   {"outputs", r.region.getOutputs().size()},
                   {"ops", finishSize(r.region)},
                   {"transposed", cross.has_value()}};
  Plan plan = planFor(r, problem);

  Frame frame;
  frame.groups = groups;
  frame.sizes.assign(groups.size(), 0);
  frame.sizes[n] = tileSize(plan, "BN", cross ? 64 : 1024, groups[n].extent);
  if (m) {
    int64_t rows = cross ? 64 : std::max<int64_t>(1, 4096 / frame.sizes[n]);
    frame.sizes[*m] = tileSize(plan, "BM", rows, groups[*m].extent);
    frame.tileDims.push_back(*m);
  }
  frame.tileDims.push_back(n);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), r.region.getFamily(), "flat", r.symbols);
  args.declare(k);
  GridMap grid(k, groups, frame.sizes);
  k.beginBody();
  frame.offsets = grid.offsets(k);
  RegionEval eval(k, args, r.options, frame);
  storeResults(r.region, eval, args, access);
  k.yield();
  return finish(r, k, plan);
}

} // namespace adze::kernels
