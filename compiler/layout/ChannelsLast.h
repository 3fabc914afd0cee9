// Graph tier, after fusion: which values between kernels lie in memory with their channels last. README.md has the
// rules, ChannelsLast.td an example.
#ifndef ADZE_COMPILER_LAYOUT_CHANNELSLAST_H
#define ADZE_COMPILER_LAYOUT_CHANNELSLAST_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>
#include <string>
#include <vector>

namespace adze {

/// What the pass decided, in the order of execution; for --report.
struct LayoutReport {
  std::vector<std::string> channelsLast; // "node (Op), ..." of the region that computes the value
  /// A value that a convolution would rather read or write with its channels last.
  struct Kept {
    std::string value, reason;
  };
  std::vector<Kept> kept;
};

/// The pass as a function; changes nothing where no convolution gains. `report` may be null.
void placeChannelsLast(mlir::ModuleOp module, LayoutReport *report = nullptr);

/// `report` may be null and must outlive the pass.
std::unique_ptr<mlir::Pass> createChannelsLastPass(LayoutReport *report = nullptr);
void registerChannelsLastPass();

} // namespace adze

#endif
