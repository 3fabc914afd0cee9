// Descriptors that a session's launches use, built by the driver when they are first needed.
#ifndef ADZE_RUNTIME_EXECUTOR_DESCRIPTORS_H
#define ADZE_RUNTIME_EXECUTOR_DESCRIPTORS_H

#include "runtime/src/executor/Context.h"

#include <map>

namespace adze::rt {

class DescriptorCache {
public:
  explicit DescriptorCache(const DeviceContext &context) : context_(context) {}
  ~DescriptorCache() { clear(); }
  DescriptorCache(const DescriptorCache &) = delete;
  DescriptorCache &operator=(const DescriptorCache &) = delete;

  /// The descriptor for these words, good until trim(). The kernel is named in errors.
  void *get(const std::vector<int64_t> &words, const Kernel &kernel);

  /// Between launches: addresses and shapes change from run to run, so a cache that has grown large is emptied.
  void trim();

private:
  static constexpr size_t kMaxEntries = 4096;
  void clear();

  const DeviceContext &context_;
  std::map<std::vector<int64_t>, void *> entries_;
};

} // namespace adze::rt

#endif
