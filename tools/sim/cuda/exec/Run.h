// Running warps and clusters: private to exec.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_RUN_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_RUN_H

#include "Block.h"

namespace adze::sim {

/// Why runWarp stopped.
enum class Stop : uint8_t { Budget, Parked, Yield, Done };

/// Runs up to `budget` instructions of a warp. Faults are thrown; the warp's running split then points at the culprit.
Stop runWarp(Warp &warp, uint64_t budget);

/// Orders of warps that a launch's seed picks.
enum class Policy : uint8_t { InTurn, Random, Reversed, Starved };

/// A cluster's warps, stepped until all are done or the slice is used up.
class ClusterRunner {
public:
  ClusterRunner(const LaunchContext &launch, uint64_t linear);
  /// False when more is to do. Throws KernelError.
  bool run(uint64_t slice);
  Cluster cluster;

private:
  void start();
  void fill(Warp &warp, Block &block, unsigned index);
  Warp *pick();
  void finishWarp(Warp &warp);
  [[noreturn]] void deadlock();
  std::vector<Warp *> waiting; ///< live warps
  Policy policy = Policy::InTurn;
  size_t turn = 0;
  uint64_t picks = 0;
  bool lastChance = false;
};

/// A kernel's end by an error, with the complete text.
struct KernelError : std::runtime_error {
  KernelError(int code, const std::string &text) : std::runtime_error(text), code(code) {}
  int code;
};

/// "kernel f, PTX line 12, block (0,0,0), thread (5,0,0): TEXT\n  <the line>"
std::string describePlace(const Warp &warp, const Instr *instr, int lane, const std::string &text);

} // namespace adze::sim
#endif
