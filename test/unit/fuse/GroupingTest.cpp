// Fusion on random graphs: nothing is lost, every region obeys Legal.h, and no region needs a value that comes later
// (the verifier's dominance check).
#include "compiler/fuse/GraphFuse.h"
#include "compiler/fuse/Legal.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace mlir;
using namespace adze;
using namespace adze::graph;

namespace {

struct RandomGraph {
  explicit RandomGraph(unsigned seed, unsigned ops) : b(&context), random(seed) {
    context.loadDialect<GraphDialect, func::FuncDialect>();
    module = ModuleOp::create(b.getUnknownLoc());
    auto type = RankedTensorType::get({4, 4}, b.getF32Type());
    function = func::FuncOp::create(b, b.getUnknownLoc(), "main", b.getFunctionType({type, type}, {}));
    module->push_back(function);
    b.setInsertionPointToEnd(function.addEntryBlock());
    values.assign(function.args_begin(), function.args_end());
    auto scalar = RankedTensorType::get({}, b.getF32Type());
    values.push_back(
        ConstantOp::create(b, b.getUnknownLoc(), scalar, DenseElementsAttr::get(scalar, b.getF32FloatAttr(2.0f))));
    for (unsigned i = 0; i < ops; ++i)
      addOp();
    SmallVector<Value> results;
    for (Value v : values)
      if (v.use_empty() && v.getDefiningOp())
        results.push_back(v);
    func::ReturnOp::create(b, b.getUnknownLoc(), results);
    function.setFunctionType(b.getFunctionType(function.getArgumentTypes(), TypeRange(ValueRange(results))));
  }
  /// Mostly recent values, so that chains and diamonds appear.
  Value pick(bool matrix) {
    for (;;) {
      size_t back = std::min<size_t>(random() % 6, values.size() - 1);
      Value v = random() % 5 == 0 ? values[random() % values.size()] : values[values.size() - 1 - back];
      if (!matrix || cast<RankedTensorType>(v.getType()).getRank() == 2)
        return v;
    }
  }
  void addOp() {
    Location loc = b.getUnknownLoc();
    switch (random() % 9) {
    case 0:
      values.push_back(MatmulOp::create(b, loc, pick(true), pick(true), false, false));
      break;
    case 1:
      values.push_back(TransposeOp::create(b, loc, pick(true), ArrayRef<int64_t>{1, 0}));
      break;
    case 2:
      values.push_back(SoftmaxOp::create(b, loc, pick(true), b.getI64IntegerAttr(1), b.getBoolAttr(false)));
      break;
    case 3:
      values.push_back(ReshapeOp::create(b, loc, values[0].getType(), pick(true)));
      break;
    case 4:
      values.push_back(ExpOp::create(b, loc, pick(false)));
      break;
    default:
      values.push_back(AddOp::create(b, loc, pick(true), pick(false)));
      break;
    }
  }

  MLIRContext context;
  OpBuilder b;
  std::mt19937 random;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  std::vector<Value> values;
};

std::map<std::string, int> countOps(ModuleOp module) {
  std::map<std::string, int> counts;
  module.walk([&](Operation *op) {
    if (!isa<ConstantOp, RegionOp, YieldOp>(op))
      ++counts[op->getName().getStringRef().str()];
  });
  return counts;
}

std::string describe(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  op->print(os);
  return text;
}

/// Why a region breaks the rules of Legal.h; "" for none.
std::string illegal(RegionOp region) {
  Block &body = region.getBody().front();
  Operation *anchor = nullptr;
  for (Operation &op : body.without_terminator()) {
    bool inner = isInnerView(&op) && region.getFamily() != "move";
    if (inner && !isa<BlockArgument>(op.getOperand(0)) && !isInnerView(op.getOperand(0).getDefiningOp()))
      return "a view of a computed value";
    if (isSplatConstant(&op) || isPointwise(&op) || inner)
      continue;
    if (anchor)
      return "two anchors";
    anchor = &op;
  }
  Operation *decides = anchor ? anchor : body.getTerminator()->getPrevNode();
  if (region.getFamily() != familyOf(decides))
    return "wrong family";
  DenseSet<Operation *> prologue;
  SmallVector<Value> behind;
  if (anchor)
    behind.assign(anchor->operand_begin(), anchor->operand_end());
  while (!behind.empty())
    if (Operation *def = behind.pop_back_val().getDefiningOp(); def && prologue.insert(def).second)
      behind.append(def->operand_begin(), def->operand_end());
  for (Operation &op : body.without_terminator()) {
    if (&op == anchor || !isPointwise(&op) || isSplatConstant(&op))
      continue;
    bool before = prologue.contains(&op);
    Dims dims = getDims(before ? anchor->getOperand(0) : decides->getResult(0));
    if (!fitsFinish(&op, dims) || (before ? !takesPrologue(anchor, false) : anchor && !takesFinish(anchor)))
      return ("an elementwise op does not fit in " + describe(region));
  }
  for (Value v : cast<YieldOp>(body.getTerminator()).getValues())
    if (!compatibleTypes({v.getType()}, {decides->getResult(0).getType()}))
      return "an output of other dims";
  return region.getOutputs().empty() ? "no output" : "";
}

TEST(Grouping, RandomGraphsStayWhole) {
  unsigned joined = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    RandomGraph graph(seed, 60);
    ASSERT_TRUE(succeeded(verify(*graph.module))) << seed;
    std::map<std::string, int> before = countOps(*graph.module);
    FuseReport report;
    ASSERT_TRUE(succeeded(fuseGraph(*graph.module, FuseOptions(), &report))) << seed;
    ASSERT_TRUE(succeeded(verify(*graph.module))) << seed;
    std::map<std::string, int> after = countOps(*graph.module);
    before.erase("graph.transpose"); // cloned into its readers
    after.erase("graph.transpose");
    EXPECT_EQ(after, before) << seed;
    size_t regions = 0;
    for (Operation &op : graph.function.getOps()) {
      EXPECT_FALSE(isRegionOp(&op) && !isa<RegionOp>(op)) << seed;
      if (auto region = dyn_cast<RegionOp>(op)) {
        EXPECT_EQ(illegal(region), "") << seed;
        ASSERT_LT(regions, report.regions.size());
        EXPECT_EQ(report.regions[regions].family, region.getFamily().str());
        joined += report.regions[regions].ops.size() - 1;
        ++regions;
      }
    }
    EXPECT_EQ(regions, report.regions.size());
  }
  EXPECT_GT(joined, 1000u);
}

TEST(Grouping, WithoutFusionEveryOpIsARegion) {
  RandomGraph graph(7, 60);
  FuseOptions options;
  options.fuse = false;
  FuseReport report;
  ASSERT_TRUE(succeeded(fuseGraph(*graph.module, options, &report)));
  ASSERT_TRUE(succeeded(verify(*graph.module)));
  for (const FuseReport::Region &region : report.regions)
    EXPECT_EQ(region.ops.size(), 1u);
}

TEST(Grouping, SameGraphSameRegions) {
  auto text = [](unsigned seed) {
    RandomGraph graph(seed, 60);
    EXPECT_TRUE(succeeded(fuseGraph(*graph.module, FuseOptions(), nullptr)));
    std::string out;
    llvm::raw_string_ostream os(out);
    graph.module->print(os);
    return out;
  };
  EXPECT_EQ(text(3), text(3));
}

} // namespace
