// Closed-form rules. A share has at least the steps that hide what splitting costs: a trip to L2 for its partial
// results, a fence, and its turn in the fold.
#include "targets/cuda/SplitPlan.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

namespace adze::cuda {
namespace {

constexpr int64_t kFewestSteps = 8; // of a share
/// Where only the launch knows how many keys there are, shares are as long as for this many of them.
constexpr int64_t kTypicalKeys = 8192, kShortestShare = 512, kLongestShare = 4096;

/// A plan's programs and the steps of each, with the sizes to plan for.
struct Work {
  int64_t programs = 1, steps = 1;
};

std::optional<Work> workOf(const Problem &p, const Plan &plan) {
  auto extent = [&](const char *name) { return std::max<int64_t>(1, p.extent(name)); };
  auto tiles = [&](const char *name, const char *size) {
    return llvm::divideCeilSigned(extent(name), std::max<int64_t>(1, plan.param(size, 1)));
  };
  if (p.family == "matmul")
    return Work{extent("B") * tiles("M", "BM") * tiles("N", "BN"), tiles("K", "BK")};
  if (p.family == "conv")
    return Work{extent("N") * extent("G") * tiles("F", "BF") * tiles("P", "BP"),
                plan.param("merge", 0) ? 1 : tiles("C", "BC") * extent("T")};
  if (p.family == "attention" && plan.param("pack", 0)) // all query heads of a key head are rows of one tile
    return Work{extent("B") * std::max<int64_t>(1, extent("H") / extent("G")) *
                    llvm::divideCeilSigned(extent("S") * extent("G"), std::max<int64_t>(1, plan.param("BM", 1))),
                tiles("T", "BN")};
  if (p.family == "attention")
    return Work{extent("B") * extent("H") * tiles("S", "BM"), tiles("T", "BN")};
  if (p.family == "reduce") // each turn of the loops around the chunks has this many steps
    return Work{extent("R") * tiles("M", "BM"), tiles("K", "BK")};
  return std::nullopt;
}

/// The last block folds all shares alone, and a share's turn there takes about as long as a step: the sum of both is
/// least where there are as many shares as steps in each.
int64_t sharesFor(const Work &work, int64_t units) {
  if (2 * work.programs > units)
    return 1;
  auto most = static_cast<int64_t>(std::sqrt(static_cast<double>(work.steps)));
  return std::max<int64_t>(1, std::min({units / work.programs, work.steps / kFewestSteps, most}));
}

} // namespace

void planSplit(const Problem &p, int64_t units, Plan &plan) {
  auto work = workOf(p, plan);
  if (!work)
    return;
  // Decoding: few rows over a cache whose length only the launch knows.
  if (p.family == "attention" && !p.extents.at("T").isStatic()) {
    int64_t block = std::max<int64_t>(1, plan.param("BN", 1));
    int64_t share = std::clamp(kTypicalKeys * work->programs / units, kShortestShare, kLongestShare);
    if (2 * work->programs <= units && p.extent("S") <= 64 && share < p.extents.at("T").max)
      plan.params["share"] = llvm::divideCeilSigned(share, block) * block;
    return;
  }
  plan.params["split"] = sharesFor(*work, units);
}

bool leavesIdle(const Problem &p, int64_t units, const Plan &staged, const Plan &other) {
  auto before = workOf(p, staged), after = workOf(p, other);
  // Without roles and bulk copies a multiprocessor does about half as much.
  return before && after && 4 * before->programs <= units && other.param("split", 1) > 1 &&
         after->programs * other.param("split", 1) >= 2 * before->programs;
}

} // namespace adze::cuda
