#include "compiler/fuse/patterns/GraphRecognize.h"
#include "compiler/canonicalize/GraphCanonicalize.h"
#include "compiler/fuse/patterns/Patterns.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace adze {

#define GEN_PASS_DECL_GRAPHRECOGNIZE
#define GEN_PASS_DEF_GRAPHRECOGNIZE
#include "compiler/fuse/patterns/GraphRecognize.h.inc"

namespace {
struct GraphRecognize : impl::GraphRecognizeBase<GraphRecognize> {
  explicit GraphRecognize(const GraphRecognizeOptions &options, WeightStore *weights = nullptr)
      : GraphRecognizeBase(options), weights(weights) {}
  GraphRecognize() = default;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    Constants constants(weights);
    populateIdentityPatterns(patterns, constants);
    populateViewPatterns(patterns, constants);
    populateBatchNormPatterns(patterns, constants);
    populateActivationPatterns(patterns, constants);
    populateSoftmaxPatterns(patterns, constants);
    populateNormPatterns(patterns, constants);
    populateAttentionPatterns(patterns, constants);
    if (narrowProducts) {
      populateNarrowAttentionPatterns(patterns);
      populateNarrowProductPatterns(patterns, constants);
    }
    rewriteGreedily(getOperation(), std::move(patterns));
  }

  WeightStore *weights = nullptr;
};
} // namespace

LogicalResult recognizePatterns(ModuleOp module, WeightStore &weights) {
  PassManager passes(module.getContext());
  passes.addPass(createCSEPass());
  passes.addPass(createGraphRecognizePass(&weights));
  passes.addPass(createCSEPass());
  return passes.run(module);
}

std::unique_ptr<Pass> createGraphRecognizePass(WeightStore *weights, bool narrowProducts) {
  GraphRecognizeOptions options;
  options.narrowProducts = narrowProducts;
  return std::make_unique<GraphRecognize>(options, weights);
}

void registerGraphRecognizePass() {
  ::mlir::registerPass([] { return createGraphRecognizePass(nullptr); });
}

} // namespace adze
