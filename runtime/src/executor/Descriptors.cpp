#include "runtime/src/executor/Descriptors.h"

#include "runtime/src/status/Status.h"

namespace adze::rt {

void *DescriptorCache::get(const std::vector<int64_t> &words, const Kernel &kernel) {
  const adze_driver_t &driver = context_.driver();
  if (!driver.build_descriptor)
    fail(ADZE_BAD_PACKAGE, "a kernel needs descriptors, which the driver cannot build", kernel.nodes,
         cat("kernel '", kernel.symbol, "' on device ", context_.info().name), "compile the package for this device");
  auto [entry, isNew] = entries_.try_emplace(words, nullptr);
  if (isNew) {
    adze_status_t status = driver.build_descriptor(context_.device(), words.data(), words.size(), &entry->second);
    if (status != ADZE_OK) {
      entries_.erase(entry);
      context_.check(status, "cannot build a descriptor", kernel.nodes);
    }
  }
  return entry->second;
}

void DescriptorCache::trim() {
  if (entries_.size() > kMaxEntries)
    clear();
}

void DescriptorCache::clear() {
  const adze_driver_t &driver = context_.driver();
  if (driver.release_descriptor)
    for (auto &[words, descriptor] : entries_)
      driver.release_descriptor(context_.device(), descriptor);
  entries_.clear();
}

} // namespace adze::rt
