// Where diverged lanes meet again.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_CONTROLFLOW_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_CONTROLFLOW_H

#include <cstddef>
#include <vector>

namespace adze::sim {

/// The immediate post-dominator of each node of a flow graph; -1 for those whose only one is the function's end. A node
/// without successors leaves the function. Nodes in endless loops are taken to leave it from their last node.
/// Algorithm: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm".
std::vector<int> immediatePostDominators(const std::vector<std::vector<unsigned>> &successors);

} // namespace adze::sim
#endif
