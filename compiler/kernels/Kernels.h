// From a fused region to kernels: one builder a family, each with a few forms that the target's plan chooses between.
#ifndef ADZE_COMPILER_KERNELS_KERNELS_H
#define ADZE_COMPILER_KERNELS_KERNELS_H

#include "compiler/target/Target.h"
#include "dialects/graph/GraphDialect.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>
#include <string>

namespace adze {
class WeightStore;

/// Options of the graph -> tile step.
struct KernelOptions {
  /// Replaces exp, division and the like by exact stand-ins, so that integer-valued data must agree bit for bit on
  /// every target (TILE.md 7, gate 1).
  bool integerData = false;
  /// Fused edges keep f32 instead of rounding to f16/bf16.
  bool roundFusedEdges = false;
  /// How float32 dots may multiply. A licence, not a demand: a target may be more precise.
  tile::DotPrecision dotPrecision = tile::DotPrecision::ieee;
};

/// What a family builder sees.
struct KernelRequest {
  graph::RegionOp region;
  const graph::SymbolTable &symbols;
  const Target &target;
  llvm::ArrayRef<TargetArch> archs;
  const KernelOptions &options;
  WeightStore *weights; // to pack constant operands; may be null (then nothing is packed)
  /// Packed entries made so far: "ID:pack" -> id in the weight store. Null: every request packs anew.
  std::map<std::string, uint32_t> *packed = nullptr;
};

/// Replaces every graph.region of @main by exec.launch of tile.kernel ops added to the module (kernels with equal keys
/// are built once). Every other graph op that remains is an alias (reshape), a constant, or host work.
mlir::LogicalResult buildKernels(mlir::ModuleOp module, const Target &target, llvm::ArrayRef<TargetArch> archs,
                                 WeightStore *weights, const KernelOptions &options);

/// "" when a builder exists for this op with these element types; otherwise why not, in one sentence with a remedy.
/// Nothing that this accepts fails in buildKernels for a reason that the model decides.
std::string unsupportedReason(mlir::Operation *op);

} // namespace adze

#endif
