#include "tools/sim/cuda/driver/State.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace adze::sim::driver {

namespace {

thread_local std::string errorText;
thread_local void *current = nullptr;

uint64_t number(const char *name, uint64_t otherwise) {
  const char *text = std::getenv(name);
  if (!text || !*text)
    return otherwise;
  char *end = nullptr;
  uint64_t value = std::strtoull(text, &end, 10);
  if (*end)
    fail(InvalidValue, std::string("the environment variable ") + name + " is '" + text + "', not a number");
  return value;
}

Architecture architecture() {
  const char *text = std::getenv("ADZE_SIM_ARCH");
  if (!text || !*text)
    return {90, 'a'};
  for (Architecture known : {Architecture{80, 0}, Architecture{86, 0}, Architecture{89, 0}, Architecture{90, 'a'},
                             Architecture{100, 0}, Architecture{120, 0}})
    if (known.name() == text)
      return known;
  fail(InvalidValue, std::string("the environment variable ADZE_SIM_ARCH is '") + text +
                         "'; it must be sm_80, sm_86, sm_89, sm_90a, sm_100 or sm_120");
}

/// The index of the variable's value among `choices`; 0 if it is not set.
size_t choice(const char *name, std::initializer_list<const char *> choices) {
  const char *text = std::getenv(name);
  if (!text || !*text)
    return 0;
  std::string known;
  size_t index = 0;
  for (const char *each : choices) {
    if (std::string(each) == text)
      return index;
    known += (index++ ? ", " : "") + std::string(each);
  }
  fail(InvalidValue,
       std::string("the environment variable ") + name + " is '" + text + "'; it must be one of " + known);
}

} // namespace

// --- errors ---

void fail(int code, const std::string &text) { throw Failure{code, text}; }

void requirePointer(const void *pointer, const char *name) {
  if (!pointer)
    fail(InvalidValue, std::string("the argument ") + name + " is null");
}

void setErrorText(const std::string &text) { errorText = text; }
const std::string &lastErrorText() { return errorText; }

int failed(const char *call) noexcept {
  try {
    try {
      throw;
    } catch (const Failure &failure) {
      errorText = failure.text.empty() ? std::string() : std::string(call) + ": " + failure.text;
      return failure.code;
    } catch (const std::bad_alloc &) {
      errorText = std::string(call) + ": the host is out of memory";
      return OutOfMemory;
    } catch (const std::exception &exception) {
      errorText = std::string(call) + ": the simulator failed: " + exception.what();
      return Unknown;
    }
  } catch (...) {
    return Unknown;
  }
}

// --- threads and contexts ---

void *currentContext() { return current; }
void setCurrentContext(void *context) { current = context; }

uint64_t threadNumber() {
  static std::atomic<uint64_t> next{1};
  thread_local uint64_t own = next++;
  return own;
}

Settings Settings::fromEnvironment() {
  Settings out;
  out.arch = architecture();
  out.memoryBytes = number("ADZE_SIM_MEMORY", out.memoryBytes);
  out.oomAt = number("ADZE_SIM_OOM_AT", 0);
  out.seed = number("ADZE_SIM_SEED", 0);
  out.devices = unsigned(number("ADZE_SIM_DEVICES", 1));
  out.multiprocessors = int(number("ADZE_SIM_MULTIPROCESSORS", 0));
  out.races = number("ADZE_SIM_RACES", 1) != 0;
  out.maxInstructions = number("ADZE_SIM_INSTRUCTIONS", 0);
  out.accuracy = Accuracy(choice("ADZE_SIM_ACCURACY", {"exact", "largest", "smallest"}));
  out.promisedSums = choice("ADZE_SIM_SUMS", {"measured", "promised"}) == 1;
  return out;
}

State &State::get() {
  static State *state = new State; // outlives every static object that may still call
  return *state;
}

void State::requireInitialised() {
  if (!initialised)
    fail(NotInitialised, "cuInit has not been called");
  if (contextUsers == 0 && !sticky)
    settings = Settings::fromEnvironment();
}

void State::requireContext() {
  if (sticky)
    fail(sticky, stickyText);
  if (!initialised)
    fail(NotInitialised, "cuInit has not been called");
  if (!current)
    fail(InvalidContext, "no context is current on this thread");
  if (current != contextHandle() || contextUsers == 0)
    fail(InvalidContext, "the current context was destroyed");
}

void State::retain() {
  if (sticky)
    fail(sticky, stickyText);
  if (contextUsers == 0) {
    settings = Settings::fromEnvironment();
    allocations = 0;
    failedAllocation = {};
    countAllocation("context", 0);
    device = std::make_unique<SimulatedMemory>(settings.memoryBytes);
    random.seed(settings.seed);
    launches = graphLaunches = 0;
  }
  ++contextUsers;
}

void State::release() {
  if (contextUsers == 0)
    fail(InvalidContext, "the primary context is not retained");
  if (--contextUsers)
    return;
  // Everything of the context goes with it; what has not run never does.
  for (auto &[handle, stream] : streams)
    stream->queue.clear();
  legacy.queue.clear();
  perThread.queue.clear();
  legacy.submitted = legacy.done = perThread.submitted = perThread.done = 0;
  legacy.capture.reset();
  perThread.capture.reset();
  execs.clear();
  graphs.clear();
  events.clear();
  modules.clear();
  streams.clear();
  pools.clear();
  defaultPool = nullptr;
  blocks.clear();
  device.reset();
  for (auto [address, bytes] : pinned)
    if (!registered.count(address))
      std::free(reinterpret_cast<void *>(uintptr_t(address)));
  pinned.clear();
  registered.clear();
}

void State::reset() {
  while (contextUsers)
    release();
  sticky = 0;
  stickyText.clear();
  initialised = false;
  current = nullptr;
}

void State::countAllocation(const char *kind, uint64_t bytes) {
  std::pair<std::string, uint64_t> request(kind, bytes);
  bool again = request == failedAllocation && bytes;
  failedAllocation = {};
  if (again)
    fail(OutOfMemory, "");
  if (++allocations != settings.oomAt)
    return;
  failedAllocation = request;
  fail(OutOfMemory, std::string("ADZE_SIM_OOM_AT: allocation number ") + std::to_string(allocations) + " (" + kind +
                        ", " + std::to_string(bytes) + " bytes) is made to fail");
}

// --- streams ---

Stream &State::stream(void *handle, const char *call) {
  auto value = reinterpret_cast<uintptr_t>(handle);
  if (value <= 1)
    return legacy;
  if (value == 2)
    return perThread;
  Stream *found = streams.find(handle);
  if (!found)
    fail(InvalidHandle, std::string("the stream of ") + call + " does not exist or was destroyed");
  return *found;
}

/// PTX does not know streams; CUDA driver API, "Stream synchronization behavior": the legacy default stream and the
/// blocking streams wait for each other.
void State::submit(Stream &stream, std::function<void()> run, std::vector<Position> after) {
  if (stream.capture) {
    if (!after.empty())
      fail(CaptureIsolation, "a captured stream waits for work outside its capture");
    stream.capture->nodes.push_back({std::move(run), {}});
    return;
  }
  auto legacyCapture = [](Stream &other) {
    if (other.capture) {
      other.invalidated = true;
      fail(CaptureImplicit, "the legacy default stream would depend on a stream that is being captured");
    }
  };
  if (&stream == &legacy) {
    for (auto &[handle, other] : streams)
      if (other->blocking) {
        legacyCapture(*other);
        after.push_back({other.get(), other->submitted});
      }
    after.push_back({&perThread, perThread.submitted});
  } else if (stream.blocking) {
    after.push_back({&legacy, legacy.submitted});
  }
  after.erase(std::remove_if(after.begin(), after.end(), [this](Position p) { return isComplete(p); }), after.end());
  stream.queue.push_back({std::move(run), std::move(after)});
  ++stream.submitted;
}

void State::run(Operation &operation) {
  for (Position position : operation.after)
    complete(position);
  if (sticky)
    return; // nothing more happens on a lost device
  try {
    operation.run();
  } catch (const Failure &failure) {
    sticky = failure.code;
    stickyText = failure.text;
  }
}

void State::complete(Position position) {
  Stream &stream = *position.stream;
  if (stream.done >= position.ticket)
    return;
  if (stream.running)
    fail(Unknown, "streams wait for each other in a circle");
  while (stream.done < position.ticket && !stream.queue.empty()) {
    Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    stream.running = true;
    try {
      run(operation);
    } catch (...) {
      stream.running = false;
      throw;
    }
    stream.running = false;
    ++stream.done;
  }
}

void State::completeAll() {
  std::vector<Stream *> all{&legacy, &perThread};
  for (auto &[handle, stream] : streams)
    all.push_back(stream.get());
  std::sort(all.begin() + 2, all.end(), [](Stream *a, Stream *b) { return a->number < b->number; });
  std::shuffle(all.begin(), all.end(), random);
  for (Stream *stream : all)
    completeStream(*stream);
}

void State::forbidInCapture(const char *call) {
  auto refuse = [&](Stream &stream) {
    bool mine = stream.captureMode == 0 || (stream.captureMode == 1 && stream.captureThread == threadNumber());
    if (!stream.capture || !mine)
      return;
    stream.invalidated = true;
    fail(CaptureUnsupported, std::string(call) + " is not allowed while a stream is being captured");
  };
  for (auto &[handle, stream] : streams)
    refuse(*stream);
  refuse(perThread);
}

// --- memory ---

uint64_t State::allocate(uint64_t bytes, Pool *pool) {
  uint64_t reserved = 0;
  for (auto &[handle, other] : pools)
    reserved += other->cached;
  uint64_t own = pool ? std::min(pool->cached, bytes) : 0;
  if (memory().used() + reserved - own + bytes > settings.memoryBytes)
    return 0;
  uint64_t address = memory().allocate(bytes);
  if (!address)
    return 0;
  if (pool) {
    pool->cached -= own;
    pool->used += bytes;
  }
  blocks[address] = {bytes, pool, false};
  return address;
}

void State::freeBlock(uint64_t address) {
  auto found = blocks.find(address);
  if (found == blocks.end())
    return;
  if (Pool *pool = found->second.pool) {
    pool->used -= found->second.bytes;
    pool->cached += found->second.bytes;
    pool->cached = std::min(pool->cached, pool->threshold);
  }
  memory().free(address);
  blocks.erase(found);
}

bool State::isPinned(const void *pointer, uint64_t bytes) const {
  uint64_t address = reinterpret_cast<uintptr_t>(pointer);
  auto it = pinned.upper_bound(address);
  if (it == pinned.begin())
    return false;
  --it;
  return address >= it->first && bytes <= it->second && address - it->first <= it->second - bytes;
}

} // namespace adze::sim::driver

/// What the last failing call on this thread failed of, "" if there is nothing to add to its code.
ADZE_SIM_EXPORT const char *adzeSimLastError() { return adze::sim::driver::lastErrorText().c_str(); }

/// For tests: how many there are of "contexts" (references), "allocations", "pinned", "streams", "events", "pools",
/// "modules", "graphs" (instantiated ones too); what was done in this context: "launches" (kernels that ran),
/// "graph_launches". -1: no such counter.
ADZE_SIM_EXPORT int64_t adzeSimCount(const char *what) {
  auto &state = adze::sim::driver::State::get();
  std::lock_guard<std::recursive_mutex> lock(state.mutex);
  const std::pair<const char *, uint64_t> counters[] = {
      {"contexts", state.contextUsers},  {"allocations", state.blocks.size()},
      {"pinned", state.pinned.size()},   {"streams", state.streams.size()},
      {"events", state.events.size()},   {"pools", state.pools.size()},
      {"modules", state.modules.size()}, {"graphs", state.graphs.size() + state.execs.size()},
      {"launches", state.launches},      {"graph_launches", state.graphLaunches}};
  for (const auto &[name, value] : counters)
    if (what && !std::strcmp(name, what))
      return int64_t(value);
  return -1;
}

/// As if the process had ended and started again: nothing is alive, a lost device is back, the environment is read
/// anew.
ADZE_SIM_EXPORT void adzeSimReset() {
  auto &state = adze::sim::driver::State::get();
  std::lock_guard<std::recursive_mutex> lock(state.mutex);
  state.reset();
}
