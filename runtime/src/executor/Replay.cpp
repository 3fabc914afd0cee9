#include "runtime/src/executor/Replay.h"

#include "runtime/src/status/Dtype.h"

#include <algorithm>

namespace adze::rt {

namespace {

/// Whether the device can go through the program's commands without the host.
bool runsAlone(const Program &program) {
  return std::all_of(program.blocks[0].begin(), program.blocks[0].end(), [](const Command &command) {
    if (const auto *store = std::get_if<StoreCommand>(&command))
      return store->exprs.size() * dtypeBytes(store->dtype) <= kMaxFilledStore;
    return std::holds_alternative<DispatchCommand>(command) || std::holds_alternative<CopyCommand>(command) ||
           std::holds_alternative<FillCommand>(command);
  });
}

} // namespace

ReplayCache::ReplayCache(const DeviceContext &context) : context_(context) {
  const adze_driver_t &driver = context.driver();
  enabled_ = driver.capture && driver.replay && driver.release_capture && !context.hostMemory() &&
             !(context.options().flags & ADZE_NO_REPLAY) && runsAlone(context.program());
}

ReplayCache::~ReplayCache() { disable(); }

void ReplayCache::release(Entry &entry) {
  if (entry.capture)
    context_.driver().release_capture(context_.device(), entry.capture);
  entry.capture = nullptr;
}

void ReplayCache::disable() {
  enabled_ = false;
  for (Entry &entry : entries_)
    release(entry);
  entries_.clear();
}

ReplayCache::Entry &ReplayCache::find(const Key &key, bool &known) {
  ++clock_;
  auto byUse = [](const Entry &a, const Entry &b) { return a.lastUse < b.lastUse; };
  auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry &entry) { return entry.key == key; });
  known = found != entries_.end();
  if (!known) {
    if (entries_.size() < kMaxEntries) {
      entries_.emplace_back();
      found = entries_.end() - 1;
    } else {
      found = std::min_element(entries_.begin(), entries_.end(), byUse);
      release(*found);
    }
    found->key = key;
  }
  found->lastUse = clock_;
  return *found;
}

} // namespace adze::rt
