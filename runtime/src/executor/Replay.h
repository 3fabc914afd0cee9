// Recordings of a program's commands, replayed when the same request comes again.
#ifndef ADZE_RUNTIME_EXECUTOR_REPLAY_H
#define ADZE_RUNTIME_EXECUTOR_REPLAY_H

#include "runtime/src/executor/Context.h"

namespace adze::rt {

/// StoreExprs up to this size are done by fills, which can be recorded.
inline constexpr size_t kMaxFilledStore = 256;

/// The recordings of one executor, by everything that a command can depend on: the values of all symbols and the places
/// of all buffers. Empty and off where the driver cannot record or the program needs the host between its commands.
class ReplayCache {
public:
  using Key = std::vector<int64_t>;
  struct Entry {
    Key key;
    adze_capture_t *capture = nullptr;
    uint64_t lastUse = 0;
  };

  explicit ReplayCache(const DeviceContext &context);
  ~ReplayCache();
  ReplayCache(const ReplayCache &) = delete;
  ReplayCache &operator=(const ReplayCache &) = delete;

  bool enabled() const { return enabled_; }
  /// Recording failed once: it is not tried again.
  void disable();
  /// The entry of the key, made if there is none (`known` tells), in place of the one that was not used for longest.
  Entry &find(const Key &key, bool &known);

private:
  static constexpr size_t kMaxEntries = 8;
  void release(Entry &entry);

  const DeviceContext &context_;
  bool enabled_;
  uint64_t clock_ = 0;
  std::vector<Entry> entries_;
};

} // namespace adze::rt

#endif
