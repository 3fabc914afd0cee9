#include "compiler/fuse/Grouping.h"
#include "compiler/fuse/Legal.h"
#include "compiler/support/NodeLoc.h"
#include <queue>

using namespace mlir;

namespace adze {
using namespace graph;

//===-- order
//------------------------------------------------------------------------------------------------------===//

/// When several ops are ready, the lowest class goes first: checks and constants cost nothing, elementwise ops should
/// follow their producer at once, an alias would otherwise stand between a producer and its elementwise consumer.
static unsigned orderClass(Operation *op) {
  if (isa<CheckOp, WeightOp, ConstantOp, ShapeValueOp>(op))
    return 0;
  // An op that reads constants only could run at any time; early, its result would only occupy memory.
  bool onlyConstants = llvm::all_of(op->getOperands(), [](Value v) {
    return isa_and_nonnull<WeightOp, ConstantOp, ShapeValueOp>(v.getDefiningOp());
  });
  if (isPointwise(op))
    return onlyConstants ? 3 : 1;
  return isa<ReshapeOp>(op) ? 2 : 3;
}

void orderForFusion(Block &block) {
  std::vector<Operation *> ops;
  llvm::DenseMap<Operation *, unsigned> number;
  for (Operation &op : block.without_terminator()) {
    number[&op] = ops.size();
    ops.push_back(&op);
  }
  std::vector<unsigned> waiting(ops.size()), classes(ops.size());
  using Ready = std::pair<unsigned, unsigned>; // class, number
  std::priority_queue<Ready, std::vector<Ready>, std::greater<Ready>> ready;
  for (auto [i, op] : llvm::enumerate(ops)) {
    classes[i] = orderClass(op);
    for (Value v : op->getOperands())
      waiting[i] += v.getDefiningOp() != nullptr;
    if (waiting[i] == 0)
      ready.push({classes[i], unsigned(i)});
  }
  Operation *end = block.getTerminator();
  while (!ready.empty()) {
    Operation *op = ops[ready.top().second];
    ready.pop();
    op->moveBefore(end);
    for (OpOperand &use : op->getUses()) { // an op that reads a value twice is listed twice, as it was counted
      auto it = number.find(use.getOwner());
      if (it != number.end() && --waiting[it->second] == 0)
        ready.push({classes[it->second], it->second});
    }
  }
}

//===-- reports
//----------------------------------------------------------------------------------------------------===//

std::string describeOp(Operation *op) {
  std::string text = op->getName().getStringRef().str(), nodes = nodesText(op->getLoc());
  return nodes.empty() ? text : text + " from " + nodes;
}

void Grouping::cut(unsigned producer, Operation *consumer, const Twine &reason) {
  Group &group = groups[producer];
  std::string text = reason.str();
  if (group.reason.empty())
    group.reason = text;
  if (report)
    report->cuts.push_back({describeOp(group.ops.back()), describeOp(consumer), std::move(text)});
}

//===-- grouping
//---------------------------------------------------------------------------------------------------===//

Grouping::Grouping(Block &block, const FuseOptions &options, FuseReport *report) : options(options), report(report) {
  for (Operation &op : block) {
    index[&op] = groups.size();
    parent.push_back(groups.size());
    groups.emplace_back();
  }
  for (Operation &op : block)
    place(&op);
}

unsigned Grouping::find(unsigned group) const {
  while (parent[group] != group)
    group = parent[group] = parent[parent[group]];
  return group;
}

void Grouping::place(Operation *op) {
  unsigned id = index.lookup(op);
  SmallVector<unsigned, 4> members;
  if (options.fuse && isRegionOp(op))
    members = joinable(op);
  if (members.empty())
    startGroup(op, id);
  else
    join(members, op, id);
  blockOthers(op, find(id));
}

static void addInputs(Operation *op, Group &group, llvm::function_ref<bool(Operation *)> isMember) {
  for (Value v : op->getOperands()) {
    Operation *def = v.getDefiningOp();
    if (!def || (!isSplatConstant(def) && !isMember(def)))
      group.inputs.insert(v);
  }
}

void Grouping::startGroup(Operation *op, unsigned id) {
  Group &group = groups[id];
  group.ops.push_back(op);
  if (!isRegionOp(op))
    return;
  bool pointwise = isPointwise(op);
  group.anchor = pointwise ? nullptr : op;
  group.open = pointwise || takesFinish(op);
  if (group.open)
    group.dims = getDims(op->getResult(0));
  addInputs(op, group, [](Operation *) { return false; });
}

/// The groups of `op`'s operands that it joins, the one with the anchor first; empty when it starts a group of its own.
SmallVector<unsigned, 4> Grouping::joinable(Operation *op) {
  llvm::SmallSetVector<unsigned, 4> producers;
  for (Value v : op->getOperands())
    if (Operation *def = v.getDefiningOp(); def && isRegionOp(def))
      producers.insert(find(index.lookup(def)));

  if (!isPointwise(op)) {
    for (unsigned p : producers)
      cut(p, op, op->getName().getStringRef() + " starts a kernel of its own");
    return {};
  }
  SmallVector<unsigned, 4> set;
  for (unsigned p : producers) {
    std::string why;
    if (!groups[p].open)
      cut(p, op, familyOf(groups[p].anchor) + " regions take no finish");
    else if (!fitsFinish(op, groups[p].dims, &why))
      cut(p, op, why);
    else
      set.push_back(p);
  }
  return compatible(std::move(set), op);
}

/// Drops groups from `set` until the rest can be one region with `op`: one anchor (the one that runs last, since
/// nothing that depends on it can stand in the way), nothing that a third group needs before `op` runs, not too large.
SmallVector<unsigned, 4> Grouping::compatible(SmallVector<unsigned, 4> set, Operation *op) {
  auto position = [&](unsigned g) { return index.lookup(groups[g].ops.back()); };
  llvm::sort(set, [&](unsigned a, unsigned b) {
    bool anchorA = groups[a].anchor, anchorB = groups[b].anchor;
    return anchorA != anchorB ? anchorA : position(a) > position(b);
  });
  auto drop = [&](size_t i, const Twine &why) {
    cut(set[i], op, why);
    set.erase(set.begin() + i);
  };
  while (set.size() > 1 && groups[set[1]].anchor)
    drop(1, "a region has one anchor");
  auto isBlocked = [&](unsigned g) {
    return llvm::any_of(groups[g].blockers, [&](unsigned b) { return !llvm::is_contained(set, find(b)); });
  };
  while (!set.empty()) {
    std::string why;
    if (auto *blocked = llvm::find_if(set, isBlocked); blocked != set.end())
      drop(blocked - set.begin(), "another op needs its result before");
    else if (tooLarge(set, op, why))
      drop(set.size() - 1, why);
    else
      break;
  }
  return set;
}

bool Grouping::tooLarge(ArrayRef<unsigned> members, Operation *op, std::string &why) const {
  size_t ops = 1, inputs = 0;
  llvm::SmallSetVector<Value, 8> reads;
  for (unsigned m : members) {
    ops += groups[m].ops.size();
    if (members.size() > 1)
      reads.insert(groups[m].inputs.begin(), groups[m].inputs.end());
  }
  const llvm::SmallSetVector<Value, 4> *single = members.size() == 1 ? &groups[members[0]].inputs : nullptr;
  inputs = single ? single->size() : reads.size();
  for (Value v : op->getOperands()) {
    Operation *def = v.getDefiningOp();
    bool inside =
        def && (isSplatConstant(def) || (isRegionOp(def) && llvm::is_contained(members, find(index.lookup(def)))));
    inputs += !inside && !(single ? single->contains(v) : reads.contains(v));
  }
  if (ops > options.maxOps)
    why = "the region would have more than " + std::to_string(options.maxOps) + " ops";
  else if (inputs + 1 > options.maxOperands)
    why = "the region would have more than " + std::to_string(options.maxOperands) + " operands";
  return ops > options.maxOps || inputs + 1 > options.maxOperands;
}

void Grouping::join(ArrayRef<unsigned> members, Operation *op, unsigned id) {
  unsigned to = members[0];
  Group &group = groups[to];
  for (unsigned m : members.drop_front()) {
    Group &other = groups[m];
    parent[m] = to;
    // Both lists are in block order; merge the shorter tail into place.
    SmallVector<Operation *, 4> merged;
    merged.reserve(group.ops.size() + other.ops.size() + 1);
    std::merge(group.ops.begin(), group.ops.end(), other.ops.begin(), other.ops.end(), std::back_inserter(merged),
               [&](Operation *a, Operation *b) { return index.lookup(a) < index.lookup(b); });
    group.ops = std::move(merged);
    group.inputs.insert(other.inputs.begin(), other.inputs.end());
    group.blockers.insert(other.blockers.begin(), other.blockers.end());
    other = Group();
  }
  parent[id] = to;
  group.ops.push_back(op);
  auto isMember = [&](Operation *def) { return find(index.lookup(def)) == to; };
  addInputs(op, group, isMember);
  if (members.size() > 1)
    group.inputs.remove_if([&](Value v) { return v.getDefiningOp() && isMember(v.getDefiningOp()); });
  group.blockers.remove_if([&](unsigned b) { return find(b) == to; });
}

/// From now on, `op`'s group stands between the groups of its operands and every later op.
void Grouping::blockOthers(Operation *op, unsigned id) {
  for (Value v : op->getOperands()) {
    Operation *def = v.getDefiningOp();
    if (!def)
      continue;
    unsigned producer = find(index.lookup(def));
    if (producer != id)
      groups[producer].blockers.insert(id);
  }
}

} // namespace adze
