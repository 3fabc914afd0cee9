// Sums of constant integer tensors, computed when the package is written.
#pragma once
#include "compiler/weights/WeightStore.h"

namespace adze {

/// An i32 entry with the sums of an 8-bit integer entry along `axis`, which becomes 1. nullopt: another type, or no
/// such axis.
std::optional<WeightStore::Id> addSums(WeightStore &store, WeightStore::Id source, unsigned axis);

} // namespace adze
