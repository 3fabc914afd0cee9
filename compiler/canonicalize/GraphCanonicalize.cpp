#include "compiler/canonicalize/GraphCanonicalize.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace adze {

#define GEN_PASS_DEF_GRAPHCANONICALIZE
#include "compiler/canonicalize/GraphCanonicalize.h.inc"

namespace {
struct GraphCanonicalize : impl::GraphCanonicalizeBase<GraphCanonicalize> {
  explicit GraphCanonicalize(WeightStore *weights = nullptr) : weights(weights) {}

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    Constants constants(weights);
    populateIdentityPatterns(patterns, constants);
    populateViewPatterns(patterns, constants);
    GreedyRewriteConfig config;
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
    // Every rewrite shrinks the graph or moves a view towards its end, so the driver stops by itself.
    (void)applyPatternsGreedily(getOperation(), std::move(patterns), config);
  }

  WeightStore *weights;
};
} // namespace

std::unique_ptr<Pass> createGraphCanonicalizePass(WeightStore *weights) {
  return std::make_unique<GraphCanonicalize>(weights);
}

void registerGraphCanonicalizePass() {
  ::mlir::registerPass([] { return createGraphCanonicalizePass(nullptr); });
}

} // namespace adze
