#include "tools/sim/cuda/memory/Global.h"

#include <cinttypes>
#include <cstdio>
#include <mutex>
#include <sys/mman.h>

using namespace adze::sim;

/// How many freed allocations are remembered to explain stale pointers.
static constexpr size_t rememberedFrees = 4096;

static uint8_t *mapPages(uint64_t size) {
  void *pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return pages == MAP_FAILED ? nullptr : static_cast<uint8_t *>(pages);
}

static std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

Allocation::~Allocation() {
  if (bytes)
    munmap(bytes, size);
  if (validity)
    munmap(validity, size);
}

GlobalMemory::~GlobalMemory() = default;

uint64_t GlobalMemory::allocate(uint64_t size, std::string name, uint64_t alignment, bool valid, bool constant) {
  std::unique_lock lock(mutex);
  if (size == 0 || size > limit || usedBytes > limit - size)
    return 0;
  auto made = std::make_unique<Allocation>();
  made->bytes = mapPages(size);
  made->validity = mapPages(size);
  made->size = size;
  if (!made->bytes || !made->validity)
    return 0;
  if (valid)
    std::memset(made->validity, int(Validity::Valid), size);
  alignment = alignment < 256 ? 256 : alignment;
  // A gap between allocations: an overrun lands in nobody's bytes.
  made->base = (next + 4096 + alignment - 1) / alignment * alignment;
  made->shadow = std::make_unique<Shadow>(size, /*shared=*/true);
  made->name = std::move(name);
  made->serial = ++serials;
  made->constant = constant;
  next = made->base + size;
  usedBytes += size;
  uint64_t base = made->base;
  allocations[base] = std::move(made);
  return base;
}

bool GlobalMemory::free(uint64_t address) {
  std::unique_lock lock(mutex);
  auto it = allocations.find(address);
  if (it == allocations.end() || it->second->freed)
    return false;
  Allocation &allocation = *it->second;
  allocation.freed = true;
  usedBytes -= allocation.size;
  munmap(allocation.bytes, allocation.size);
  munmap(allocation.validity, allocation.size);
  allocation.bytes = allocation.validity = nullptr;
  allocation.shadow.reset();
  if (allocations.size() > rememberedFrees)
    for (auto oldest = allocations.begin(); oldest != allocations.end() && allocations.size() > rememberedFrees / 2;)
      oldest = oldest->second->freed ? allocations.erase(oldest) : std::next(oldest);
  return true;
}

Allocation *GlobalMemory::findAny(uint64_t address) const {
  auto it = allocations.upper_bound(address);
  return it == allocations.begin() ? nullptr : std::prev(it)->second.get();
}

Allocation *GlobalMemory::find(uint64_t address, uint64_t size) const {
  std::shared_lock lock(mutex);
  Allocation *allocation = findAny(address);
  return allocation && !allocation->freed && allocation->contains(address, size) ? allocation : nullptr;
}

std::string GlobalMemory::explain(uint64_t address, uint64_t size) const {
  std::shared_lock lock(mutex);
  auto named = [](const Allocation &allocation) {
    std::string text = allocation.name.empty() ? "the allocation" : "variable '" + allocation.name + "'";
    return text + " of " + std::to_string(allocation.size) + " bytes at " + hex(allocation.base);
  };
  if (address == 0)
    return "the address is null";
  const Allocation *before = findAny(address);
  if (before && address - before->base < before->size) {
    if (before->freed)
      return "use after free: it lies in " + named(*before) + ", which was freed";
    return std::to_string(address + size - before->base - before->size) + " bytes beyond the end of " + named(*before);
  }
  auto after = allocations.upper_bound(address);
  uint64_t distanceBefore = before ? address - (before->base + before->size) : ~uint64_t(0);
  uint64_t distanceAfter = after != allocations.end() ? after->first - address : ~uint64_t(0);
  if (before && distanceBefore <= distanceAfter && distanceBefore < (uint64_t(1) << 32))
    return "it begins " + std::to_string(distanceBefore) + " bytes past the end of " + named(*before) +
           (before->freed ? ", which was freed" : "");
  if (after != allocations.end() && distanceAfter < (uint64_t(1) << 32))
    return "it begins " + std::to_string(distanceAfter) + " bytes before " + named(*after->second);
  return "it is not a device address";
}

static std::string outside(const GlobalMemory &memory, const char *what, uint64_t address, uint64_t size) {
  return std::string(what) + " of " + std::to_string(size) + " bytes at " + hex(address) + ": " +
         memory.explain(address, size);
}

bool GlobalMemory::write(uint64_t address, const void *from, uint64_t size, std::string &error) {
  Allocation *allocation = find(address, size);
  if (!allocation) {
    error = outside(*this, "copy to the device", address, size);
    return false;
  }
  std::memcpy(allocation->bytes + (address - allocation->base), from, size);
  std::memset(allocation->validity + (address - allocation->base), int(Validity::Valid), size);
  return true;
}

bool GlobalMemory::fill(uint64_t address, const void *pattern, unsigned patternSize, uint64_t count,
                        std::string &error) {
  Allocation *allocation = find(address, count * patternSize);
  if (!allocation) {
    error = outside(*this, "fill", address, count * patternSize);
    return false;
  }
  uint8_t *to = allocation->bytes + (address - allocation->base);
  if (patternSize == 1)
    std::memset(to, *static_cast<const uint8_t *>(pattern), count);
  else
    for (uint64_t i = 0; i != count; ++i)
      std::memcpy(to + i * patternSize, pattern, patternSize);
  std::memset(allocation->validity + (address - allocation->base), int(Validity::Valid), count * patternSize);
  return true;
}

bool GlobalMemory::copy(uint64_t to, uint64_t from, uint64_t size, std::string &error) {
  Allocation *target = find(to, size), *source = find(from, size);
  if (!target || !source) {
    error = outside(*this, target ? "copy from the device" : "copy to the device", target ? from : to, size);
    return false;
  }
  std::memmove(target->bytes + (to - target->base), source->bytes + (from - source->base), size);
  std::memmove(target->validity + (to - target->base), source->validity + (from - source->base), size);
  return true;
}

bool GlobalMemory::read(void *to, uint64_t address, uint64_t size, std::string &error, uint64_t &poison) const {
  poison = 0;
  Allocation *allocation = find(address, size);
  if (!allocation) {
    error = outside(*this, "copy to the host", address, size);
    return false;
  }
  std::memcpy(to, allocation->bytes + (address - allocation->base), size);
  const uint8_t *validity = allocation->validity + (address - allocation->base);
  const void *found = std::memchr(validity, int(Validity::Poisoned), size);
  if (!found)
    return true;
  poison = address + uint64_t(static_cast<const uint8_t *>(found) - validity);
  error = "copy to the host of " + std::to_string(size) + " bytes at " + hex(address) + ": the byte at offset " +
          std::to_string(poison - address) + " was stored by a kernel from an uninitialised value";
  return false;
}

size_t GlobalMemory::liveAllocations() const {
  std::shared_lock lock(mutex);
  size_t count = 0;
  for (const auto &[base, allocation] : allocations)
    count += !allocation->freed;
  return count;
}

uint32_t GlobalMemory::beginLaunch() {
  uint32_t number = ++launchNumber;
  std::shared_lock lock(mutex);
  for (auto &[base, allocation] : allocations)
    if (!allocation->freed)
      allocation->shadow->trim(number);
  return number;
}
