#include "ControlFlow.h"

namespace adze::sim {
namespace {

/// The reverse graph with a virtual exit node `exit`, in an order where post-dominators come first.
class ReverseGraph {
public:
  explicit ReverseGraph(const std::vector<std::vector<unsigned>> &successors)
      : exit(unsigned(successors.size())), forward(successors), backward(exit + 1), order(exit + 1, -1) {
    for (unsigned node = 0; node != exit; ++node) {
      if (forward[node].empty())
        forward[node].push_back(exit);
      for (unsigned to : forward[node])
        backward[to].push_back(node);
    }
    forward.emplace_back();
    visit(exit);
    for (unsigned node = exit; node-- != 0;) {
      if (order[node] >= 0)
        continue;
      forward[node].push_back(exit);
      backward[exit].push_back(node);
      visit(node);
    }
    // visit() appends nodes after all that are reached from them.
    order[exit] = int(finished.size());
    finished.push_back(exit);
  }

  unsigned exit;
  std::vector<std::vector<unsigned>> forward, backward;
  std::vector<int> order;         ///< position in `finished`
  std::vector<unsigned> finished; ///< post-order of the reverse graph

private:
  /// Depth first along backward edges from `root`, without recursion.
  void visit(unsigned root) {
    std::vector<std::pair<unsigned, size_t>> stack{{root, 0}};
    order[root] = 0;
    while (!stack.empty()) {
      auto &[node, next] = stack.back();
      if (next < backward[node].size()) {
        unsigned to = backward[node][next++];
        if (order[to] < 0) {
          order[to] = 0;
          stack.push_back({to, 0});
        }
        continue;
      }
      if (node != exit) {
        order[node] = int(finished.size());
        finished.push_back(node);
      }
      stack.pop_back();
    }
  }
};

} // namespace

std::vector<int> immediatePostDominators(const std::vector<std::vector<unsigned>> &successors) {
  ReverseGraph graph(successors);
  const int none = -1;
  std::vector<int> dominator(graph.exit + 1, none);
  dominator[graph.exit] = int(graph.exit);
  auto meet = [&](int a, int b) {
    while (a != b) {
      while (graph.order[a] < graph.order[b])
        a = dominator[a];
      while (graph.order[b] < graph.order[a])
        b = dominator[b];
    }
    return a;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = graph.finished.size() - 1; i-- != 0;) {
      unsigned node = graph.finished[i];
      int found = none;
      for (unsigned to : graph.forward[node])
        if (dominator[to] != none)
          found = found == none ? int(to) : meet(found, int(to));
      if (found != none && found != dominator[node]) {
        dominator[node] = found;
        changed = true;
      }
    }
  }
  dominator.pop_back();
  for (int &d : dominator)
    if (d == int(graph.exit))
      d = none;
  return dominator;
}

} // namespace adze::sim
