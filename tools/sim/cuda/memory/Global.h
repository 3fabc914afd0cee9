// Device memory: allocations with byte-exact bounds at addresses of their own, never reused, so that a stale pointer is
// told from a valid one. Every byte knows whether it was ever written.
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_GLOBAL_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_GLOBAL_H

#include "tools/sim/cuda/memory/Shadow.h"

#include <shared_mutex>
#include <string>

namespace adze::sim {

/// What is known of a byte's value. Zero pages of a fresh mapping mean Fresh.
enum class Validity : uint8_t {
  Fresh = 0, ///< never written
  Valid = 1,
  Poisoned = 2 ///< a kernel stored a value that derives from an uninitialised one
};

/// Are all of `size` bytes at `validity` Valid?
inline bool allValid(const uint8_t *validity, size_t size) {
  if (size == 4) {
    uint32_t word;
    std::memcpy(&word, validity, 4);
    return word == 0x01010101;
  }
  for (; size >= 8; size -= 8, validity += 8) {
    uint64_t word;
    std::memcpy(&word, validity, 8);
    if (word != 0x0101010101010101)
      return false;
  }
  for (; size; --size, ++validity)
    if (*validity != 1)
      return false;
  return true;
}

struct Allocation {
  uint64_t base = 0, size = 0;
  uint8_t *bytes = nullptr;    ///< host memory behind it
  uint8_t *validity = nullptr; ///< a Validity per byte
  std::unique_ptr<Shadow> shadow;
  std::string name; ///< of a module variable; empty for the driver's allocations
  uint64_t serial = 0;
  bool freed = false;
  bool constant = false; ///< .const variables: kernels cannot write

  bool contains(uint64_t address, uint64_t count) const {
    return address >= base && count <= size && address - base <= size - count;
  }
  Allocation() = default;
  Allocation(const Allocation &) = delete;
  ~Allocation();
};

class GlobalMemory {
public:
  static constexpr uint64_t lowest = uint64_t(0x7000) << 32; ///< device addresses start here
  static constexpr uint64_t highest = uint64_t(0x7e00) << 32;

  explicit GlobalMemory(uint64_t capacity = uint64_t(16) << 30) : limit(capacity) {}
  ~GlobalMemory();

  /// The device address of `size` > 0 new bytes, aligned to 256 (`alignment` if larger), or 0 when the capacity is used
  /// up. `valid`: the bytes are zero and count as written (module variables).
  uint64_t allocate(uint64_t size, std::string name = {}, uint64_t alignment = 256, bool valid = false,
                    bool constant = false);
  /// False if `address` is not the start of a live allocation.
  bool free(uint64_t address);

  /// The live allocation that holds all of [address, address + size), or null.
  Allocation *find(uint64_t address, uint64_t size) const;
  /// Why find() answered null: which allocation is next to it, and how far away; or that it was freed.
  std::string explain(uint64_t address, uint64_t size) const;

  /// Copies and fills by the driver, ordered with all kernels. They fail on ranges outside one allocation, with a text.
  bool write(uint64_t address, const void *from, uint64_t size, std::string &error);
  bool fill(uint64_t address, const void *pattern, unsigned patternSize, uint64_t count, std::string &error);
  bool copy(uint64_t to, uint64_t from, uint64_t size, std::string &error);
  /// Copies to the host. Bytes that a kernel stored from an uninitialised value make it fail (`poison`: the first such
  /// address, otherwise 0); bytes that nobody ever wrote do not, for whole buffers are copied with their padding.
  bool read(void *to, uint64_t address, uint64_t size, std::string &error, uint64_t &poison) const;

  uint64_t used() const { return usedBytes; }
  uint64_t capacity() const { return limit; }
  void setCapacity(uint64_t capacity) { limit = capacity; }
  size_t liveAllocations() const;

  /// A launch begins: its number, by which shadows forget earlier launches.
  uint32_t beginLaunch();
  uint32_t launch() const { return launchNumber; }

private:
  Allocation *findAny(uint64_t address) const; ///< the allocation with the greatest base <= address, freed or not

  mutable std::shared_mutex mutex;
  std::map<uint64_t, std::unique_ptr<Allocation>> allocations;
  uint64_t next = lowest, limit, usedBytes = 0, serials = 0;
  std::atomic<uint32_t> launchNumber{1};
};

} // namespace adze::sim
#endif
