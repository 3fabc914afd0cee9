// Graph tier: from single ops to fused regions. See GraphFuse.td for what the pass does, Legal.h for the rules.
#ifndef ADZE_COMPILER_FUSE_GRAPHFUSE_H
#define ADZE_COMPILER_FUSE_GRAPHFUSE_H

#include "compiler/fuse/patterns/GraphRecognize.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>
#include <string>
#include <vector>

namespace adze {

struct FuseOptions {
  bool fuse = true;          // false: every op is a region of its own
  unsigned maxOperands = 24; // most inputs and outputs of a region together
  unsigned maxOps = 128;     // most ops of a region
};

/// What fusion did, in the order of execution; for --report.
struct FuseReport {
  struct Region {
    std::string family;
    std::vector<std::string> ops; // "graph.conv from node (Op)", the anchor first
    unsigned inputs = 0, outputs = 0;
  };
  /// An edge between two regions that no rule removed.
  struct Cut {
    std::string producer, consumer, reason;
  };
  std::vector<Region> regions;
  std::vector<Cut> cuts;
};

/// Groups the ops of @main; the pass as a function. Fails only on an op that no region can hold.
mlir::LogicalResult fuseGraph(mlir::ModuleOp module, const FuseOptions &options, FuseReport *report = nullptr);

/// `report` may be null and must outlive the pass.
std::unique_ptr<mlir::Pass> createGraphFusePass(const FuseOptions &options, FuseReport *report = nullptr);
void registerGraphFusePass();

} // namespace adze

#endif
