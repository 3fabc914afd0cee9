#include "targets/gpu/lower/Shared.h"
#include "llvm/ADT/STLExtras.h"

namespace adze::gpu {

static uint64_t roundUp(uint64_t v, uint64_t to) { return (v + to - 1) / to * to; }

std::optional<uint64_t> SharedMemory::allocateWithin(uint64_t bytes, uint64_t align, uint64_t limit) {
  bytes = roundUp(std::max<uint64_t>(bytes, 1), 16);
  align = std::max<uint64_t>(align, 16);
  for (unsigned i = 0; i < regions.size(); ++i) {
    Region &r = regions[i];
    uint64_t start = roundUp(r.offset, align);
    if (r.used || start + bytes > r.offset + r.bytes)
      continue;
    Region before{r.offset, start - r.offset, false};
    Region after{start + bytes, r.offset + r.bytes - start - bytes, false};
    r = {start, bytes, true};
    if (after.bytes)
      regions.insert(regions.begin() + i + 1, after);
    if (before.bytes)
      regions.insert(regions.begin() + i, before);
    return start;
  }
  uint64_t end = regions.empty() ? 0 : regions.back().offset + regions.back().bytes;
  if (!regions.empty() && !regions.back().used)
    end = regions.back().offset;
  uint64_t start = roundUp(end, align);
  if (start + bytes > limit)
    return std::nullopt;
  if (!regions.empty() && !regions.back().used)
    regions.pop_back();
  if (start > end)
    regions.push_back({end, start - end, false});
  regions.push_back({start, bytes, true});
  high = std::max(high, start + bytes);
  return start;
}

void SharedMemory::release(uint64_t offset) { waiting.push_back(offset); }

void SharedMemory::barrier() {
  for (uint64_t offset : waiting)
    for (Region &r : regions)
      if (r.offset == offset)
        r.used = false;
  waiting.clear();
  for (unsigned i = 1; i < regions.size();) {
    if (!regions[i - 1].used && !regions[i].used) {
      regions[i - 1].bytes += regions[i].bytes;
      regions.erase(regions.begin() + i);
    } else {
      ++i;
    }
  }
}

uint64_t SharedMemory::inUse() const {
  uint64_t sum = 0;
  for (const Region &r : regions)
    sum += r.used ? r.bytes : 0;
  return sum;
}

bool SharedMemory::pendingSince(const State &before) const {
  return llvm::any_of(waiting, [&](uint64_t o) { return !llvm::is_contained(before.waiting, o); });
}

} // namespace adze::gpu
