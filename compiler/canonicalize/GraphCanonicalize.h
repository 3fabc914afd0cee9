// Graph tier: exact, target-independent clean-up. See GraphCanonicalize.td.
#ifndef ADZE_COMPILER_CANONICALIZE_GRAPHCANONICALIZE_H
#define ADZE_COMPILER_CANONICALIZE_GRAPHCANONICALIZE_H

#include "compiler/canonicalize/Constants.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace adze {

void populateIdentityPatterns(mlir::RewritePatternSet &patterns, const Constants &constants);
void populateViewPatterns(mlir::RewritePatternSet &patterns, const Constants &constants);

/// Applies the patterns until none matches.
void rewriteGreedily(mlir::ModuleOp module, mlir::RewritePatternSet &&patterns);

/// The pass as a function: graph-canonicalize, then equal ops merged (CSE).
mlir::LogicalResult canonicalizeGraph(mlir::ModuleOp module, WeightStore &weights);

/// `weights` may be null (constants in the weight store are then opaque) and must outlive the pass.
std::unique_ptr<mlir::Pass> createGraphCanonicalizePass(WeightStore *weights);
void registerGraphCanonicalizePass();

} // namespace adze

#endif
