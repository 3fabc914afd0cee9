// The decision which ops share a region, apart from the rewriting of the IR.
#ifndef ADZE_COMPILER_FUSE_GROUPING_H
#define ADZE_COMPILER_FUSE_GROUPING_H

#include "compiler/fuse/GraphFuse.h"
#include "dialects/graph/GraphTypes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

namespace adze {

/// Reorders the ops of a block so that elementwise ops follow their operands as closely as the data flow allows, other
/// ops keeping their order: then fewer ops stand between a producer and the consumer that may join it.
void orderForFusion(mlir::Block &block);

/// Ops that become one region. `position` is the place in the block where all of it runs: that of its last op.
struct Group {
  mlir::Operation *anchor = nullptr;           // null: pointwise
  graph::Dims dims;                            // iteration dims, where `open`
  bool open = false;                           // elementwise ops may join
  bool crossing = false;                       // reads an operand through a view that does not keep its runs
  llvm::SmallVector<mlir::Operation *, 4> ops; // in block order
  llvm::SmallSetVector<mlir::Value, 4> inputs; // without splat constants; views seen through
  /// Groups that use a value of this one and run before any op that could still join.
  llvm::SmallSetVector<unsigned, 2> blockers;
  std::string reason; // the first cut behind the region
};

/// Assigns every op of a block to a group.
///
/// The order of groups by position is a topological order throughout: an edge of the data flow between two groups
/// always goes to a higher position. An op may therefore join the groups of its operands exactly when no third group
/// that already stands uses them, and no search for cycles is needed.
class Grouping {
public:
  Grouping(mlir::Block &block, const FuseOptions &options, FuseReport *report);
  /// The group that `op` ended up in.
  const Group &groupOf(mlir::Operation *op) const { return groups[find(index.lookup(op))]; }
  /// True for a view that is cloned into the groups of its readers.
  bool isInlined(mlir::Operation *op) const { return inlined.contains(op); }
  /// What `v` is read from: the operand behind inlined views.
  mlir::Value source(mlir::Value v) const;
  /// The last op of a group stands for its position.
  bool isLast(mlir::Operation *op) const { return groupOf(op).ops.back() == op; }

private:
  unsigned find(unsigned group) const;
  void findInlined(mlir::Block &block);
  bool canInline(mlir::Operation *view) const;
  bool makesRegion(mlir::Operation *op) const;
  bool readsAcross(mlir::Operation *op) const;
  std::optional<unsigned> prologueOf(mlir::Operation *op);
  void absorb(unsigned prologue, mlir::Operation *op, unsigned id);
  void addInputs(mlir::Operation *op, unsigned id);
  void place(mlir::Operation *op);
  void startGroup(mlir::Operation *op, unsigned id);
  llvm::SmallVector<unsigned, 4> joinable(mlir::Operation *op);
  llvm::SmallVector<unsigned, 4> compatible(llvm::SmallVector<unsigned, 4> set, mlir::Operation *op);
  void join(llvm::ArrayRef<unsigned> members, mlir::Operation *op, unsigned id);
  void blockOthers(mlir::Operation *op, unsigned id);
  void cut(unsigned producer, mlir::Operation *consumer, const llvm::Twine &reason);
  bool tooLarge(llvm::ArrayRef<unsigned> members, mlir::Operation *op, std::string &why) const;

  const FuseOptions &options;
  FuseReport *report;
  llvm::DenseSet<mlir::Operation *> inlined;
  llvm::DenseMap<mlir::Operation *, unsigned> index; // op -> its number, which is its first group's
  std::vector<Group> groups;
  mutable std::vector<unsigned> parent;
};

/// "graph.conv from node (Op)" for reports.
std::string describeOp(mlir::Operation *op);

} // namespace adze

#endif
