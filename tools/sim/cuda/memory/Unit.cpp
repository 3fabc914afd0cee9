#include "tools/sim/cuda/memory/Unit.h"

#include <cinttypes>
#include <cstdio>

using namespace adze::sim;

std::string adze::sim::hexText(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

unsigned Unit::newActor() {
  if (nextActor >= 1024)
    throw protocolFault("more mbarriers than the race checker can tell apart (1024 warps and barriers a cluster)");
  return nextActor++;
}

uint32_t Unit::roll(uint32_t sides) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return uint32_t(((z ^ (z >> 31)) >> 32) * sides >> 32);
}

SharedMemory &Unit::peer(unsigned rank, const char *what) const {
  if (rank >= blocks.size())
    throw MemoryFault(FaultCode::IllegalAddress, std::string(what) + " names block rank " + std::to_string(rank) +
                                                     " of a cluster of " + std::to_string(blocks.size()));
  SharedMemory &memory = *blocks[rank];
  if (memory.exited)
    throw protocolFault(std::string(what) + " reaches the shared memory of block rank " + std::to_string(rank) +
                        ", which has exited: it must wait (cluster barrier, mbarrier) for its peers");
  return memory;
}

SharedMemory &Unit::peer(unsigned rank, unsigned from, const WarpClocks &clocks, unsigned lane, const char *what,
                         bool visits) const {
  SharedMemory &memory = peer(rank, what);
  if (rank == from)
    return memory;
  bool started = false;
  for (unsigned warp = 0; warp != warpsPerBlock && !started; ++warp)
    started = clocks.knowsActor(actorOf(rank, warp), lane);
  if (!started)
    throw protocolFault(std::string(what) + " reaches the shared memory of block rank " + std::to_string(rank) +
                        ", which may not have started: a cluster barrier must come first");
  if (visits)
    memory.visited(clocks.tag(lane));
  return memory;
}

std::string Unit::describe(Tag tag) const {
  if (tag.unit() != id)
    return "a thread of another block";
  unsigned rank = tag.actor() / warpsPerBlock;
  if (rank < blocks.size()) {
    std::string text = "warp " + std::to_string(tag.actor() % warpsPerBlock);
    if (tag.lane() < 32)
      text += ", lane " + std::to_string(tag.lane());
    if (blocks.size() > 1)
      text += " of block rank " + std::to_string(rank);
    return text;
  }
  for (const SharedMemory *memory : blocks)
    if (memory)
      for (const auto &[offset, barrier] : memory->allBarriers())
        if (barrier->actor == tag.actor())
          return "a copy that completes on the mbarrier at shared " + hexText(offset) +
                 (blocks.size() > 1 ? " of block rank " + std::to_string(memory->rank) : "");
  return "an asynchronous copy";
}

MemoryFault Unit::race(const Conflict &conflict, const char *space, uint64_t address, const Access &access,
                       uint64_t size) const {
  std::string by = describe(conflict.previous);
  if (conflict.line)
    by += " (line " + std::to_string(conflict.line) + ")";
  std::string what = access.write ? "write" : "read";
  if (access.tag.is(Tag::Async))
    what = "asynchronous " + what;
  what += " of " + std::to_string(size) + " bytes of " + space + " memory at " + hexText(address) + " by lane " +
          std::to_string(access.lane);
  std::string at = ", byte " + hexText(conflict.offset);
  switch (conflict.kind) {
  case Conflict::WriteAfterWrite:
    return protocolFault("data race: " + what + at + ": written by " + by + ", and nothing orders the two writes");
  case Conflict::ReadAfterWrite:
    return protocolFault("data race: " + what + at + ": written by " + by + ", and nothing orders the read after it");
  case Conflict::WriteAfterRead:
    return protocolFault("data race: " + what + at + ": read by " + by + ", and nothing orders the write after it");
  case Conflict::InFlight:
    return protocolFault("missing wait: " + what + at + ": an asynchronous copy issued by " + by +
                         " is in flight to it");
  case Conflict::MissingProxyFence:
    return protocolFault("missing proxy fence: " + what + at + ": written through the generic proxy by " + by +
                         ", which executed no fence.proxy.async after it");
  case Conflict::NonCoherent:
    return protocolFault("non-coherent " + what + at + ": written in the same launch by " + by +
                         "; ld.global.nc is for data that no thread writes");
  default:
    return protocolFault("access before griddepcontrol.wait: " + what + at + ": the preceding grid uses it");
  }
}

void adze::sim::checkShared(const Unit &unit, SharedMemory &memory, const Access &access, uint64_t offset,
                            uint64_t size) {
  if (offset > memory.size || size > memory.size - offset)
    throw MemoryFault(FaultCode::IllegalAddress, (access.write ? "write of " : "read of ") + std::to_string(size) +
                                                     " bytes at shared " + hexText(offset) + ": the block has " +
                                                     std::to_string(memory.size) + " bytes of shared memory");
  if (!memory.unguarded(offset, size)) {
    if (memory.holdsBarrier(offset, size))
      throw protocolFault((access.write ? "write to" : "read of") +
                          std::string(" the bytes of a live mbarrier at shared ") + hexText(offset));
    if (access.write && memory.locked(offset, size))
      throw protocolFault("missing wait: write of " + std::to_string(size) + " bytes at shared " + hexText(offset) +
                          " by lane " + std::to_string(access.lane) +
                          ", which an asynchronous operation still reads (no covering wait was executed)");
  }
  Conflict conflict = memory.shadow.access(access, offset, size, 0);
  if (conflict)
    throw unit.race(conflict, "shared", offset, access, size);
}
