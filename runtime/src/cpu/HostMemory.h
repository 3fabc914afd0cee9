// Host memory, from the caller's callbacks where given.
#ifndef ADZE_RUNTIME_CPU_HOSTMEMORY_H
#define ADZE_RUNTIME_CPU_HOSTMEMORY_H

#include "adze/adze.h"

#include <algorithm>
#include <cstdlib>
#include <sys/mman.h>

namespace adze::rt {

/// Large areas are aligned for huge pages, others to 256 bytes; the size is rounded up to the alignment.
struct HostBlock {
  size_t bytes, alignment;
  explicit HostBlock(size_t wanted) {
    constexpr size_t huge = size_t(2) << 20;
    alignment = wanted >= 2 * huge ? huge : 256;
    bytes = (std::max<size_t>(wanted, 1) + alignment - 1) / alignment * alignment;
  }
  bool isHuge() const { return alignment > 256; }
};

/// Null when there is no memory left.
inline void *hostAllocate(const adze_options_t &options, size_t wanted) {
  HostBlock block(wanted);
  if (block.bytes < wanted)
    return nullptr;
  if (options.allocate)
    return options.allocate(options.user, block.bytes, block.alignment);
  void *memory = std::aligned_alloc(block.alignment, block.bytes);
#ifdef MADV_HUGEPAGE
  if (memory && block.isHuge())
    madvise(memory, block.bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

/// wanted is what hostAllocate() was asked for.
inline void hostRelease(const adze_options_t &options, void *pointer, size_t wanted) {
  if (options.release)
    options.release(options.user, pointer, HostBlock(wanted).bytes);
  else
    std::free(pointer);
}

} // namespace adze::rt

#endif
