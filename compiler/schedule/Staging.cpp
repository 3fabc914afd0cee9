// The driver of staging: five passes, with strips halved until the kernel fits.
#include "compiler/schedule/Staging.h"

using namespace mlir;

namespace adze::schedule {
namespace {

/// The five passes on `kernel`; diagnostics of a memory overflow only when `last`.
FailureOr<Footprint> tryStage(tile::KernelOp kernel, const Machine &machine, int64_t rows, bool last,
                              bool &overflowed) {
  if (failed(assignUnits(kernel, machine)) || failed(formStrips(kernel, machine, {rows})) ||
      failed(formChannels(kernel, machine)))
    return failure();
  if (failed(planMemory(kernel, machine, last))) {
    overflowed = true;
    return failure();
  }
  Footprint use = measure(kernel, machine);
  if (failed(splitUnits(kernel, machine)))
    return failure();
  return use;
}

} // namespace

FailureOr<Footprint> stageKernel(tile::KernelOp kernel, const Machine &machine) {
  constexpr int64_t kSmallestStrip = 4;
  int64_t rows = machine.value("strip_rows", 64);
  while (true) {
    bool last = rows <= kSmallestStrip, overflowed = false;
    OwningOpRef<tile::KernelOp> trial(cast<tile::KernelOp>(kernel->clone()));
    FailureOr<Footprint> use = tryStage(*trial, machine, rows, last, overflowed);
    if (succeeded(use)) {
      // The caller's op becomes the trial: same op, new regions and attributes.
      kernel->copyProperties(trial.get()->getPropertiesStorage());
      kernel->setDiscardableAttrs(trial.get()->getDiscardableAttrDictionary());
      for (auto [to, from] : llvm::zip(kernel->getRegions(), trial.get()->getRegions()))
        to.takeBody(from);
      return use;
    }
    if (!overflowed || last)
      return failure();
    rows /= 2;
  }
}

FailureOr<Footprint> footprint(tile::KernelOp kernel, const Machine &machine) {
  OwningOpRef<tile::KernelOp> copy(cast<tile::KernelOp>(kernel->clone()));
  return stageKernel(*copy, machine);
}

} // namespace adze::schedule
