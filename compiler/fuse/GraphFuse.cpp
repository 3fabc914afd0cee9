#include "compiler/fuse/GraphFuse.h"
#include "compiler/fuse/Grouping.h"
#include "compiler/fuse/Legal.h"
#include "compiler/fuse/patterns/Patterns.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace adze {
using namespace graph;

#define GEN_PASS_DECL_GRAPHFUSE
#define GEN_PASS_DEF_GRAPHFUSE
#include "compiler/fuse/GraphFuse.h.inc"

/// The values of a group that something outside reads, in block order.
static SmallVector<Value> outputsOf(const Group &group, const Grouping &grouping) {
  SmallVector<Value> outputs;
  for (Operation *op : group.ops)
    for (Value v : op->getResults()) {
      auto outside = [&](Operation *user) { return &grouping.groupOf(user) != &group; };
      if (llvm::any_of(v.getUsers(), outside))
        outputs.push_back(v);
    }
  return outputs;
}

static Location locationOf(const Group &group) {
  SmallVector<Location> locations;
  if (group.anchor)
    locations.push_back(group.anchor->getLoc());
  for (Operation *op : group.ops)
    if (op != group.anchor)
      locations.push_back(op->getLoc());
  return locations.size() == 1 ? locations[0] : FusedLoc::get(locations[0].getContext(), locations);
}

/// Moves the ops of a group into a new region where its last op stands.
static RegionOp makeRegion(const Group &group, const SmallVector<Value> &outputs) {
  Operation *last = group.ops.back();
  OpBuilder b(last);
  Operation *anchor = group.anchor ? group.anchor : last;
  DenseSet<Operation *> members(group.ops.begin(), group.ops.end());
  llvm::SmallSetVector<Value, 8> inputs; // as they are now: earlier regions have replaced some of group.inputs
  for (Operation *op : group.ops)
    for (Value v : op->getOperands())
      if (Operation *def = v.getDefiningOp(); !def || (!members.contains(def) && !isSplatConstant(def)))
        inputs.insert(v);
  auto region = RegionOp::create(b, locationOf(group), TypeRange(ValueRange(outputs)), inputs.getArrayRef(),
                                 familyOf(anchor), group.reason.empty() ? StringAttr() : b.getStringAttr(group.reason));
  Block *body = b.createBlock(&region.getBody());
  DenseMap<Value, Value> inner;
  for (Value v : inputs)
    inner[v] = body->addArgument(v.getType(), v.getLoc());
  for (Operation *op : group.ops) {
    for (OpOperand &operand : op->getOpOperands()) {
      Value v = operand.get();
      Operation *def = v.getDefiningOp();
      if (def && members.contains(def))
        continue;
      Value &replacement = inner[v];
      if (!replacement) // a splat constant, at its first use
        replacement = b.clone(*def)->getResult(0);
      operand.set(replacement);
    }
    op->moveBefore(body, body->end());
    b.setInsertionPointToEnd(body);
  }
  YieldOp::create(b, region.getLoc(), outputs);
  for (auto [output, result] : llvm::zip_equal(outputs, region.getOutputs())) {
    Value v = output;
    v.replaceUsesWithIf(result, [&](OpOperand &use) { return use.getOwner()->getBlock() != body; });
  }
  return region;
}

static void eraseDeadOps(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

static void reportRegion(const Group &group, RegionOp region, FuseReport &report) {
  FuseReport::Region entry;
  entry.family = region.getFamily().str();
  if (group.anchor)
    entry.ops.push_back(describeOp(group.anchor));
  for (Operation *op : group.ops)
    if (op != group.anchor)
      entry.ops.push_back(describeOp(op));
  entry.inputs = region.getInputs().size();
  entry.outputs = region.getOutputs().size();
  report.regions.push_back(std::move(entry));
}

LogicalResult fuseGraph(ModuleOp module, const FuseOptions &options, FuseReport *report) {
  auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
  if (!main || main.isExternal())
    return module.emitError("graph-fuse: the module has no function @main to fuse; import a model first");
  decomposeBatchNorms(main);
  Block &block = main.getBody().front();
  eraseDeadOps(block);
  orderForFusion(block);
  Grouping grouping(block, options, report);
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (!isRegionOp(&op) || !grouping.isLast(&op))
      continue;
    const Group &group = grouping.groupOf(&op);
    RegionOp region = makeRegion(group, outputsOf(group, grouping));
    if (report)
      reportRegion(group, region, *report);
  }
  eraseDeadOps(block); // the constants that every user has cloned
  return success();
}

namespace {
struct GraphFuse : impl::GraphFuseBase<GraphFuse> {
  using GraphFuseBase::GraphFuseBase;
  GraphFuse(const FuseOptions &options, FuseReport *report) : report(report) {
    noFuse = !options.fuse;
    maxOperands = options.maxOperands;
    maxOps = options.maxOps;
  }

  void runOnOperation() override {
    FuseOptions options;
    options.fuse = !noFuse;
    options.maxOperands = maxOperands;
    options.maxOps = maxOps;
    FuseReport own;
    FuseReport &result = report ? *report : own;
    if (failed(fuseGraph(getOperation(), options, &result)))
      return signalPassFailure();
    for (const FuseReport::Region &region : result.regions)
      numJoined += region.ops.size() - 1;
    numRegions += result.regions.size();
  }

  FuseReport *report = nullptr;
};
} // namespace

std::unique_ptr<Pass> createGraphFusePass(const FuseOptions &options, FuseReport *report) {
  return std::make_unique<GraphFuse>(options, report);
}

void registerGraphFusePass() {
  ::mlir::registerPass([]() -> std::unique_ptr<Pass> { return std::make_unique<GraphFuse>(); });
}

} // namespace adze
