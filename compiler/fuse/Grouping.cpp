#include "compiler/fuse/Grouping.h"
#include "compiler/fuse/Legal.h"
#include "compiler/support/NodeLoc.h"
#include <queue>

using namespace mlir;

namespace adze {
using namespace graph;

//===-- order ----------------------------------------------------------------------------------------------------===//

static constexpr unsigned kLastClass = 4;

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
  // A host op that finds a symbol's value divides the block: dims of later ops may use the symbol without reading any
  // result of the op.
  std::vector<unsigned> waiting(ops.size()), parts(ops.size()), classes(ops.size());
  unsigned part = 0;
  using Ready = std::tuple<unsigned, unsigned, unsigned>; // part, class, number
  std::priority_queue<Ready, std::vector<Ready>, std::greater<Ready>> ready;
  for (auto [i, op] : llvm::enumerate(ops)) {
    auto host = dyn_cast<HostOp>(op);
    bool divides = host && !host.getDefines().empty();
    parts[i] = part;
    classes[i] = divides ? kLastClass : orderClass(op);
    part += divides;
    for (Value v : op->getOperands())
      waiting[i] += v.getDefiningOp() != nullptr;
    if (waiting[i] == 0)
      ready.push({parts[i], classes[i], unsigned(i)});
  }
  Operation *end = block.getTerminator();
  while (!ready.empty()) {
    Operation *op = ops[std::get<2>(ready.top())];
    ready.pop();
    op->moveBefore(end);
    for (OpOperand &use : op->getUses()) { // an op that reads a value twice is listed twice, as it was counted
      auto it = number.find(use.getOwner());
      if (it != number.end() && --waiting[it->second] == 0)
        ready.push({parts[it->second], classes[it->second], it->second});
    }
  }
}

//===-- reports --------------------------------------------------------------------------------------------------===//

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

//===-- grouping -------------------------------------------------------------------------------------------------===//

Grouping::Grouping(Block &block, const FuseOptions &options, FuseReport *report) : options(options), report(report) {
  for (Operation &op : block) {
    index[&op] = groups.size();
    parent.push_back(groups.size());
    groups.emplace_back();
  }
  if (options.fuse)
    findInlined(block);
  for (Operation &op : block)
    place(&op);
}

void Grouping::findInlined(Block &block) {
  for (Operation &op : llvm::reverse(block)) // readers first, for views of views
    if (isInnerView(&op) && canInline(&op))
      inlined.insert(&op);
}

/// True when every reader can read through the view.
bool Grouping::canInline(Operation *view) const {
  return llvm::all_of(view->getUses(), [&](OpOperand &use) {
    Operation *user = use.getOwner();
    if (!inlined.contains(user))
      return isRegionOp(user) && readsThrough(use, view);
    // A view of a view: whoever reads the outer one must be able to read through both.
    return llvm::all_of(user->getUses(), [&](OpOperand &outer) { return readsThrough(outer, view); });
  });
}

bool Grouping::makesRegion(Operation *op) const { return isRegionOp(op) && !isInlined(op); }

Value Grouping::source(Value v) const {
  while (v.getDefiningOp() && isInlined(v.getDefiningOp()))
    v = v.getDefiningOp()->getOperand(0);
  return v;
}

unsigned Grouping::find(unsigned group) const {
  while (parent[group] != group)
    group = parent[group] = parent[parent[group]];
  return group;
}

void Grouping::place(Operation *op) {
  unsigned id = index.lookup(op);
  if (isInlined(op))
    return startGroup(op, id);
  SmallVector<unsigned, 4> members;
  if (options.fuse && isRegionOp(op))
    members = joinable(op);
  if (!members.empty())
    join(members, op, id);
  else if (std::optional<unsigned> prologue = prologueOf(op))
    absorb(*prologue, op, id);
  else
    startGroup(op, id);
  blockOthers(op, find(id));
}

/// Adds what `op` reads from outside group `id`.
void Grouping::addInputs(Operation *op, unsigned id) {
  for (Value operand : op->getOperands()) {
    Value v = source(operand);
    Operation *def = v.getDefiningOp();
    if (!def || (!isSplatConstant(def) && find(index.lookup(def)) != id))
      groups[id].inputs.insert(v);
  }
}

void Grouping::startGroup(Operation *op, unsigned id) {
  Group &group = groups[id];
  group.ops.push_back(op);
  if (!makesRegion(op))
    return;
  bool pointwise = isPointwise(op);
  group.anchor = pointwise ? nullptr : op;
  group.open = pointwise || takesFinish(op);
  if (group.open)
    group.dims = getDims(op->getResult(0));
  group.crossing = pointwise && readsAcross(op);
  addInputs(op, id);
}

/// The groups of `op`'s operands that it joins, the one with the anchor first; empty when it starts a group of its own.
SmallVector<unsigned, 4> Grouping::joinable(Operation *op) {
  llvm::SmallSetVector<unsigned, 4> producers, behindViews;
  for (Value v : op->getOperands()) {
    Operation *def = v.getDefiningOp(), *origin = source(v).getDefiningOp();
    if (origin && makesRegion(origin))
      (def == origin ? producers : behindViews).insert(find(index.lookup(origin)));
  }
  for (unsigned p : behindViews) {
    cut(p, op, "it is read through a view");
    producers.remove(p);
  }

  if (!isPointwise(op)) {
    std::optional<unsigned> prologue = prologueOf(op);
    for (unsigned p : producers)
      if (p != prologue)
        cut(p, op, op->getName().getStringRef() + " starts a kernel of its own");
    return {};
  }
  SmallVector<unsigned, 4> set;
  for (unsigned p : producers) {
    std::string why;
    if (!groups[p].open && groups[p].anchor && !takesFinish(groups[p].anchor))
      cut(p, op, familyOf(groups[p].anchor) + " regions take no finish");
    else if (!groups[p].open)
      cut(p, op, "another op reads its result through a view");
    else if (!fitsFinish(op, groups[p].dims, &why))
      cut(p, op, why);
    else
      set.push_back(p);
  }
  return compatible(std::move(set), op);
}

/// True when a view that `op` reads through does not keep its operand's runs.
bool Grouping::readsAcross(Operation *op) const {
  for (Value v : op->getOperands())
    for (Operation *view = v.getDefiningOp(); view && isInlined(view); view = view->getOperand(0).getDefiningOp())
      if (!keepsRuns(view))
        return true;
  return false;
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
  if (readsAcross(op) && !set.empty() && groups[set[0]].anchor)
    drop(0, "the op also reads a transposed operand, which only a pointwise region does well");
  if (!set.empty() && groups[set[0]].anchor)
    for (size_t i = set.size(); i-- > 1;)
      if (groups[set[i]].crossing)
        drop(i, "it reads a transposed operand, which only a pointwise region does well");
  // A reader outside the set would stand in between; one with an anchor in the set would read the group before its
  // anchor.
  auto isBlocked = [&](unsigned g) {
    return llvm::any_of(groups[g].blockers, [&](unsigned b) {
      unsigned reader = find(b);
      return !llvm::is_contained(set, reader) || groups[reader].anchor;
    });
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
  for (Value operand : op->getOperands()) {
    Value v = source(operand);
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
    group.crossing |= other.crossing;
    other = Group();
  }
  parent[id] = to;
  group.ops.push_back(op);
  group.crossing |= readsAcross(op);
  addInputs(op, to);
  auto isMember = [&](Operation *def) { return find(index.lookup(def)) == to; };
  if (members.size() > 1)
    group.inputs.remove_if([&](Value v) { return v.getDefiningOp() && isMember(v.getDefiningOp()); });
  group.blockers.remove_if([&](unsigned b) { return find(b) == to; });
}

/// The pointwise group that may compute the first operand of the anchor `op` inside its region: nothing else reads it.
std::optional<unsigned> Grouping::prologueOf(Operation *op) {
  Operation *def = options.fuse && makesRegion(op) && !isPointwise(op) && op->getNumOperands() > 0
                       ? op->getOperand(0).getDefiningOp()
                       : nullptr;
  if (!def || !makesRegion(def) || !takesPrologue(op, /*transcendental=*/false))
    return std::nullopt;
  unsigned p = find(index.lookup(def));
  const Group &group = groups[p];
  if (group.anchor || !group.open)
    return std::nullopt;
  bool transcendental = llvm::any_of(group.ops, [](Operation *member) {
    return cast<GraphNodeInterface>(member).getAccuracyClass() == AccuracyClass::transcendental;
  });
  auto staysInside = [&](Operation *member) {
    return llvm::all_of(member->getUses(), [&](OpOperand &use) {
      Operation *user = use.getOwner();
      return user == op ? use.getOperandNumber() == 0 : !isInlined(user) && find(index.lookup(user)) == p;
    });
  };
  std::string why;
  if (!takesPrologue(op, transcendental) || !llvm::all_of(group.ops, staysInside) || tooLarge(p, op, why))
    return std::nullopt;
  return p;
}

void Grouping::absorb(unsigned prologue, Operation *op, unsigned id) {
  Group &group = groups[prologue];
  parent[id] = prologue;
  group.anchor = op;
  group.ops.push_back(op);
  group.dims = getDims(op->getResult(0));
  group.open = takesFinish(op);
  addInputs(op, prologue);
}

/// From now on, `op`'s group stands between the groups of its operands and every later op. A group that is read through
/// a view is complete: a later op in it would have to follow this one.
void Grouping::blockOthers(Operation *op, unsigned id) {
  for (Value v : op->getOperands()) {
    Operation *origin = source(v).getDefiningOp();
    if (!origin)
      continue;
    unsigned producer = find(index.lookup(origin));
    if (producer == id)
      continue;
    groups[producer].blockers.insert(id);
    if (origin != v.getDefiningOp())
      groups[producer].open = false;
  }
}

} // namespace adze
