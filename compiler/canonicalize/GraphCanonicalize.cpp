#include "compiler/canonicalize/GraphCanonicalize.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace adze {

#define GEN_PASS_DEF_GRAPHCANONICALIZE
#include "compiler/canonicalize/GraphCanonicalize.h.inc"

void rewriteGreedily(ModuleOp module, RewritePatternSet &&patterns) {
  int64_t ops = 0;
  module.walk([&](Operation *) { ++ops; });
  GreedyRewriteConfig config;
  config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  // Every rewrite shrinks the graph or moves a view towards its end. The bound turns a cycle between two patterns,
  // which would be a bug, into a missed rewrite: whatever the driver leaves is a correct graph.
  config.setMaxNumRewrites(50 * ops + 1000);
  (void)applyPatternsGreedily(module, std::move(patterns), config);
}

namespace {
struct GraphCanonicalize : impl::GraphCanonicalizeBase<GraphCanonicalize> {
  explicit GraphCanonicalize(WeightStore *weights = nullptr) : weights(weights) {}

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    Constants constants(weights);
    populateIdentityPatterns(patterns, constants);
    populateViewPatterns(patterns, constants);
    rewriteGreedily(getOperation(), std::move(patterns));
  }

  WeightStore *weights;
};
} // namespace

LogicalResult canonicalizeGraph(ModuleOp module, WeightStore &weights) {
  PassManager passes(module.getContext());
  passes.addPass(createGraphCanonicalizePass(&weights));
  passes.addPass(createCSEPass());
  return passes.run(module);
}

std::unique_ptr<Pass> createGraphCanonicalizePass(WeightStore *weights) {
  return std::make_unique<GraphCanonicalize>(weights);
}

void registerGraphCanonicalizePass() {
  ::mlir::registerPass([] { return createGraphCanonicalizePass(nullptr); });
}

} // namespace adze
