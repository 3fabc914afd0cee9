// Graph tier: named ops from their primitive spellings. See GraphRecognize.td.
#ifndef ADZE_COMPILER_FUSE_PATTERNS_GRAPHRECOGNIZE_H
#define ADZE_COMPILER_FUSE_PATTERNS_GRAPHRECOGNIZE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace adze {
class WeightStore;

/// The pass as a function, with equal ops merged before (a spelling is only found where equal values are one value) and
/// after.
mlir::LogicalResult recognizePatterns(mlir::ModuleOp module, WeightStore &weights);

/// `weights` may be null (then no batch normalisation is folded) and must outlive the pass; folded weights are added to
/// it as computed entries. `narrowProducts`: attention that was widened from f16 or bf16, and products of
/// dequantised 8-bit integers, multiply the narrow operands.
std::unique_ptr<mlir::Pass> createGraphRecognizePass(WeightStore *weights, bool narrowProducts = false);
void registerGraphRecognizePass();

} // namespace adze

#endif
