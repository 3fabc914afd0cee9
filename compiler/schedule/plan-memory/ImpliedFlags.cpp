// A release flag tells the producer that a slot may be written again. When the consumer's last read of step t comes
// before the producer's first write of step t + depth in every execution that the other flags allow, it tells nothing
// new.
//
// The order is a graph over (item, step): an item is one op or strip loop of a unit with its channel ops. `start` is
// its first write, `end` its last read or write. Edges:
//   end(I, t)   -> start(J, t')   J follows I in its unit's instruction stream;
//   end(P, t)   -> end(C, t)      C reads what P wrote last;
//   start(P, t) -> start(C, t)    C's first part needs P's first part;
//   end(P, t)   -> start(C, t)    the channel hands over whole tiles;
// the last three for each channel, whose "full" flag always stays. Steps outside [t, t + depth] are not used, so the
// proof holds in the first and last iterations too.
#include "compiler/schedule/plan-memory/ImpliedFlags.h"
#include <deque>

using namespace mlir;

namespace adze::schedule {
namespace {
using namespace tile;

struct Item {
  StringRef unit;
  int64_t stage;
};
struct Link {
  ChannelOp channel;
  unsigned producer, consumer; // items
  bool whole;                  // not handed over in parts
  bool perStep;                // all iterations of a step at once
};

/// Items and channels of one staged loop.
class OrderGraph {
public:
  OrderGraph(scf::ForOp loop, int64_t batch) : batch(batch) {
    Block &block = *loop.getBody();
    llvm::DenseMap<int64_t, unsigned> number;
    llvm::MapVector<Value, std::pair<int, int>> ends; // channel -> (producer, consumer) item, -1 = not seen
    for (Operation &op : block) {
      auto id = op.getAttrOfType<IntegerAttr>(kItem);
      if (!id)
        continue;
      auto known = number.try_emplace(id.getInt(), items.size());
      int item = known.first->second;
      if (known.second)
        items.push_back({unitOf(&op), stageOf(&op)});
      op.walk([&](Operation *inner) {
        if (auto acquire = dyn_cast<AcquireOp>(inner))
          ends.insert({acquire.getChannel(), {-1, -1}}).first->second.first = item;
        if (auto wait = dyn_cast<WaitOp>(inner))
          ends.insert({wait.getChannel(), {-1, -1}}).first->second.second = item;
      });
    }
    for (auto &[channel, pair] : ends)
      if (pair.first >= 0 && pair.second >= 0) {
        auto c = channel.getDefiningOp<ChannelOp>();
        links.push_back({c, unsigned(pair.first), unsigned(pair.second), !c->hasAttr("tile.parts"),
                         static_cast<int64_t>(c.getBatch()) == batch});
      }
    orderUnits();
  }

  /// True when the consumer's reads of step 0 come before the producer's writes of step `depth`.
  bool implies(const Link &target, int64_t depth) const {
    auto node = [&](unsigned item, int64_t step, bool end) { return (item * (depth + 1) + step) * 2 + end; };
    std::vector<bool> seen(items.size() * (depth + 1) * 2);
    std::deque<std::tuple<unsigned, int64_t, bool>> queue;
    auto visit = [&](unsigned item, int64_t step, bool end) {
      if (step < 0 || step > depth || seen[node(item, step, end)])
        return;
      seen[node(item, step, end)] = true;
      queue.push_back({item, step, end});
    };
    visit(target.consumer, 0, true);
    while (!queue.empty()) {
      auto [item, step, end] = queue.front();
      queue.pop_front();
      if (!end)
        visit(item, step, true);
      else
        for (auto [next, shift] : following(item))
          for (int64_t later = step + shift; later <= depth; ++later)
            visit(next, later, false);
      for (const Link &link : links) {
        if (link.producer != item)
          continue;
        if (end || link.whole || !mixesStreams(link.consumer))
          visit(link.consumer, step, end);
        if (end && link.whole && link.perStep)
          visit(link.consumer, step, false);
      }
    }
    return seen[node(target.producer, depth, false)];
  }

  ArrayRef<Link> allLinks() const { return links; }

private:
  /// An item that passes on parts of several tiles may write a part of one before it waits for a part of another.
  bool mixesStreams(unsigned item) const {
    return llvm::count_if(links, [&](const Link &l) { return l.consumer == item && !l.whole; }) > 1;
  }

  /// Items of each unit in the order of one step: lower stages (later iterations) first, then text order.
  void orderUnits() {
    order.resize(items.size());
    for (unsigned i = 0; i < items.size(); ++i)
      order[i] = i;
    llvm::sort(order,
               [&](unsigned a, unsigned b) { return std::pair(items[a].stage, a) < std::pair(items[b].stage, b); });
  }

  /// (J, shift): J works on step t + shift right after `item` worked on t, or later.
  SmallVector<std::pair<unsigned, int64_t>> following(unsigned item) const {
    SmallVector<std::pair<unsigned, int64_t>> result;
    bool after = false;
    for (unsigned other : order) {
      if (other == item) {
        after = true;
        result.push_back({other, 1});
        continue;
      }
      if (items[other].unit != items[item].unit)
        continue;
      // In one round of the unit's loop `item` is at t and `other` at t + stage(item) - stage(other).
      int64_t shift = items[item].stage - items[other].stage;
      // The iterations of one step interleave the items of one stage.
      bool interleaved = batch > 1 && shift == 0;
      result.push_back({other, after && !interleaved ? shift : shift + 1});
    }
    return result;
  }

  int64_t batch;
  SmallVector<Item> items;
  SmallVector<unsigned> order;
  SmallVector<Link> links;
};

void dropIn(scf::ForOp loop, KernelOp kernel, const Machine &machine) {
  MachineView view(machine);
  OrderGraph graph(loop, loopBatch(kernel, loop));
  for (const Link &link : graph.allLinks()) {
    ChannelOp c = link.channel;
    bool ring = view.memory(c.getMemory())->bytes == 0;
    if (c.getLocal() || !link.whole || (loopBatch(kernel, loop) > 1 && !ring))
      continue;
    int64_t depth = c.getDepth();
    for (int64_t d = depth; d <= depth + (ring ? 2 : 0); ++d) {
      if (!graph.implies(link, d))
        continue;
      c.setDepth(d);
      c.setImplied(true);
      if (measure(kernel, machine).overflow().empty())
        break;
      c.setDepth(depth);
      c.setImplied(false);
    }
  }
}

} // namespace

void dropImpliedFlags(KernelOp kernel, const Machine &machine) {
  SmallVector<scf::ForOp> loops;
  kernel.getBody().walk([&](scf::ForOp loop) {
    if (unitOf(loop).empty())
      loops.push_back(loop);
  });
  for (scf::ForOp loop : loops)
    dropIn(loop, kernel, machine);
}

} // namespace adze::schedule
