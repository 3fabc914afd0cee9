#include "tools/sim/cuda/memory/Operands.h"

#include "tools/sim/cuda/memory/State.h"

using namespace adze::sim;

/// Reads by the warp as a whole.
static Access operandAccess(Warp &warp, uint32_t line) {
  WarpState &state = WarpState::of(warp);
  Access access;
  access.clocks = &state.clocks;
  access.sets = &state.block->cluster->unit.sets;
  access.tag = state.clocks.tag(Tag::severalLanes, Tag::Async);
  access.lane = Tag::noLane;
  access.line = line;
  return access;
}

void adze::sim::beginOperandRead(Warp &warp, uint32_t line, const std::vector<SharedRange> &ranges) {
  BlockState &block = BlockState::of(*warp.block);
  Access access = operandAccess(warp, line);
  for (const SharedRange &range : ranges) {
    checkShared(block.cluster->unit, block.shared, access, range.offset, range.bytes);
    block.shared.lock(range.offset, range.bytes);
  }
}

void adze::sim::endOperandRead(Warp &warp, uint32_t line, const std::vector<SharedRange> &ranges) {
  BlockState &block = BlockState::of(*warp.block);
  Access access = operandAccess(warp, line);
  for (const SharedRange &range : ranges) {
    block.shared.unlock(range.offset, range.bytes);
    checkShared(block.cluster->unit, block.shared, access, range.offset, range.bytes);
  }
}

const uint8_t *adze::sim::sharedBytes(const Block &block) {
  return static_cast<const BlockState &>(*block.memory).shared.bytes.data();
}

uint32_t adze::sim::sharedSize(const Block &block) {
  return static_cast<const BlockState &>(*block.memory).shared.size;
}

bool adze::sim::sharedDefined(const Block &block, uint32_t offset, uint32_t bytes) {
  return allValid(static_cast<const BlockState &>(*block.memory).shared.validity.data() + offset, bytes);
}

bool adze::sim::operandsReadLate(Warp &warp) { return !BlockState::of(*warp.block).cluster->unit.now(); }
