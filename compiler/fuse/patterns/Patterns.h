// The rewrites that find one named op behind its spelling in primitive ops, and those on batch normalisation.
#ifndef ADZE_COMPILER_FUSE_PATTERNS_PATTERNS_H
#define ADZE_COMPILER_FUSE_PATTERNS_PATTERNS_H

#include "compiler/canonicalize/Constants.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"

namespace adze {

void populateActivationPatterns(mlir::RewritePatternSet &patterns,
                                const Constants &constants);                              // gelu, silu, hard_swish
void populateNormPatterns(mlir::RewritePatternSet &patterns, const Constants &constants); // layer_norm, RMS norm
void populateSoftmaxPatterns(mlir::RewritePatternSet &patterns, const Constants &constants);
void populateAttentionPatterns(mlir::RewritePatternSet &patterns, const Constants &constants);
/// Attention on widened operands, on the narrow ones: where a target multiplies those faster.
void populateNarrowAttentionPatterns(mlir::RewritePatternSet &patterns);
/// Products of dequantised 8-bit integers as integer products, under the same condition.
void populateNarrowProductPatterns(mlir::RewritePatternSet &patterns, const Constants &constants);
/// batch_norm into the weights and the bias of the convolution before it, where all are constant.
void populateBatchNormPatterns(mlir::RewritePatternSet &patterns, const Constants &constants);

/// Spells every batch_norm that is left as elementwise ops on per-channel vectors; no region can hold the op itself.
void decomposeBatchNorms(mlir::func::FuncOp function);

} // namespace adze

#endif
