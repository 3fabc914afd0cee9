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

namespace {
/// Moves the ops of a group into a new region where its last op stands.
class RegionBuilder {
public:
  RegionBuilder(const Group &group, const Grouping &grouping)
      : group(group), grouping(grouping), members(group.ops.begin(), group.ops.end()), b(group.ops.back()) {}

  RegionOp build(ArrayRef<Value> outputs) {
    llvm::SmallSetVector<Value, 8> inputs; // as they are now: earlier regions have replaced some of group.inputs
    for (Operation *op : group.ops)
      for (Value v : op->getOperands())
        if (Value from = grouping.source(v); !isInside(from))
          inputs.insert(from);
    Operation *anchor = group.anchor ? group.anchor : group.ops.back();
    StringAttr reason = group.reason.empty() ? StringAttr() : b.getStringAttr(group.reason);
    auto region = RegionOp::create(b, locationOf(group), TypeRange(ValueRange(outputs)), inputs.getArrayRef(),
                                   familyOf(anchor), reason);
    body = b.createBlock(&region.getBody());
    for (Value v : inputs)
      inner[v] = body->addArgument(v.getType(), v.getLoc());
    for (Operation *op : group.ops) {
      for (OpOperand &operand : op->getOpOperands())
        operand.set(inside(operand.get()));
      op->moveBefore(body, body->end());
      b.setInsertionPointToEnd(body);
    }
    YieldOp::create(b, region.getLoc(), outputs);
    return region;
  }
  Block *getBody() const { return body; }

private:
  /// True for what needs no region operand.
  bool isInside(Value v) const {
    Operation *def = v.getDefiningOp();
    return def && (members.contains(def) || isSplatConstant(def));
  }
  /// `v` as the region's ops see it; clones splat constants and views at their first use.
  Value inside(Value v) {
    Operation *def = v.getDefiningOp();
    if (def && members.contains(def))
      return v;
    if (Value known = inner.lookup(v))
      return known;
    Value operand = grouping.isInlined(def) ? inside(def->getOperand(0)) : Value();
    Operation *clone = b.clone(*def);
    if (operand)
      clone->setOperand(0, operand);
    return inner[v] = clone->getResult(0);
  }

  const Group &group;
  const Grouping &grouping;
  DenseSet<Operation *> members;
  DenseMap<Value, Value> inner;
  OpBuilder b;
  Block *body = nullptr;
};
} // namespace

static RegionOp makeRegion(const Group &group, const Grouping &grouping) {
  SmallVector<Value> outputs = outputsOf(group, grouping);
  RegionBuilder builder(group, grouping);
  RegionOp region = builder.build(outputs);
  for (auto [output, result] : llvm::zip_equal(outputs, region.getOutputs())) {
    Value v = output;
    v.replaceUsesWithIf(result, [&](OpOperand &use) { return use.getOwner()->getBlock() != builder.getBody(); });
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
    if (!isRegionOp(&op) || grouping.isInlined(&op) || !grouping.isLast(&op))
      continue;
    const Group &group = grouping.groupOf(&op);
    RegionOp region = makeRegion(group, grouping);
    if (report)
      reportRegion(group, region, *report);
  }
  eraseDeadOps(block); // the constants and views that every user has cloned
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
