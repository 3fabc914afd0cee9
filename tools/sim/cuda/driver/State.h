// The simulated driver: one device, its primary context, and every object that the API hands out.
//
// All calls run under one lock. Work on streams is done as late as the API allows: when something has to be waited for,
// and then only what that depends on. So whoever forgets to wait sees the old contents of his memory, always.
#ifndef ADZE_TOOLS_SIM_CUDA_DRIVER_STATE_H
#define ADZE_TOOLS_SIM_CUDA_DRIVER_STATE_H

#include "tools/sim/cuda/driver/Types.h"
#include "tools/sim/cuda/exec/Launch.h"
#include "tools/sim/cuda/memory/Global.h"
#include "tools/sim/cuda/memory/State.h"

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace adze::sim::driver {

/// What a call answers when it fails: thrown inside, turned into the number by the entry points.
struct Failure {
  int code;
  std::string text;
};

struct Stream;

/// A place in a stream: everything up to and including operation number `ticket`.
struct Position {
  Stream *stream = nullptr;
  uint64_t ticket = 0;
};

/// One piece of work on a stream, or a node of a graph.
struct Operation {
  std::function<void()> run; ///< throws Failure
  std::vector<Position> after;
};

struct Graph {
  std::vector<Operation> nodes; ///< in order
};
struct GraphExec {
  std::vector<Operation> nodes;
};

struct Stream {
  uint64_t number = 0;  ///< in the order of creation
  bool blocking = true; ///< ordered with the legacy default stream
  std::deque<Operation> queue;
  uint64_t submitted = 0, done = 0; ///< operations; the queue holds done+1 ... submitted
  bool running = false;             ///< a guard against circular waits
  // Capture.
  std::unique_ptr<Graph> capture;
  bool invalidated = false;
  int captureMode = 0;
  uint64_t captureThread = 0;
  unsigned polls = 0;
};

struct Event {
  bool timing = true;
  Position at; ///< no stream: not recorded, counts as complete
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
  unsigned polls = 0;
  Stream *captured = nullptr; ///< recorded while that stream was capturing
};

struct Pool {
  uint64_t threshold = 0;
  uint64_t used = 0, cached = 0; ///< bytes handed out; bytes that were freed and not given back
};

struct DeviceBlock {
  uint64_t bytes = 0;
  Pool *pool = nullptr;
  bool freeing = false; ///< cuMemFreeAsync is on its way
};

struct Module;
struct Kernel {
  Module *module = nullptr;
  const KernelCode *code = nullptr;
  uint32_t maxDynamicShared = 0;
  bool nonPortableCluster = false;
};
struct Module {
  std::unique_ptr<Program> program;
  std::map<std::string, std::unique_ptr<Kernel>> kernels;
};

/// ADZE_SIM_*: read when nothing is alive, so that a process can go through several devices.
struct Settings {
  Architecture arch{90, 'a'};
  uint64_t memoryBytes = uint64_t(8) << 30;
  uint64_t oomAt = 0; ///< the number of the allocation that fails, from 1; 0: none
  uint64_t seed = 0;
  unsigned devices = 1;
  int multiprocessors = 0; ///< 0: as many as the real device has
  bool races = true;
  uint64_t maxInstructions = 0;        ///< warp instructions of one cluster before the watchdog ends it; 0: none
  Accuracy accuracy = Accuracy::Exact; ///< of the .approx functions
  bool promisedSums = false;           ///< tensor units: what PTX promises instead of what was measured
  static Settings fromEnvironment();
};

/// Live objects of one kind; a handle is the object's address.
template <typename T>
class Registry {
public:
  T *add(std::unique_ptr<T> object) {
    T *out = object.get();
    objects.emplace(out, std::move(object));
    return out;
  }
  T *find(const void *handle) const {
    auto it = objects.find(handle);
    return it == objects.end() ? nullptr : it->second.get();
  }
  void remove(const void *handle) { objects.erase(handle); }
  void clear() { objects.clear(); }
  size_t size() const { return objects.size(); }
  auto begin() { return objects.begin(); }
  auto end() { return objects.end(); }

private:
  std::map<const void *, std::unique_ptr<T>> objects;
};

class State {
public:
  static State &get();
  std::recursive_mutex mutex;

  bool initialised = false;
  Settings settings;
  unsigned contextUsers = 0; ///< references to the primary context
  int sticky = 0;            ///< the error that every call answers until the process ends
  std::string stickyText;

  std::unique_ptr<SimulatedMemory> device; ///< while the primary context is retained
  Registry<Stream> streams;
  Registry<Event> events;
  Registry<Pool> pools;
  Pool *defaultPool = nullptr; ///< of cuMemAllocAsync; made when it is first used
  Registry<Module> modules;
  Registry<Graph> graphs;
  Registry<GraphExec> execs;
  std::map<uint64_t, DeviceBlock> blocks; ///< device memory by address
  std::map<uint64_t, uint64_t> pinned;    ///< host memory by address: bytes
  std::set<uint64_t> registered;          ///< of these: registered, not allocated
  Stream legacy, perThread;               ///< handles 0/1 and 2
  std::mt19937_64 random;
  uint64_t launches = 0, graphLaunches = 0;
  uint64_t nextStream = 0;

  void *contextHandle() { return &contextTag; }
  /// Throws unless the API is initialised; re-reads the settings while nothing is alive.
  void requireInitialised();
  /// Throws unless the calling thread has the context current, or what it should answer after a sticky error.
  void requireContext();
  void retain();
  void release();
  /// As if the process had ended and started again; for tests.
  void reset();

  /// Counts an allocation of whatever kind; throws out of memory where that is to be injected. A second try for the
  /// same amount right behind it fails as well.
  void countAllocation(const char *kind, uint64_t bytes);

  // --- streams ---
  /// The stream of a handle; 0, 1 and 2 are the default ones.
  Stream &stream(void *handle, const char *call);
  /// Appends work. Snapshots of default-stream order are taken here. On a capturing stream it becomes a node.
  void submit(Stream &stream, std::function<void()> run, std::vector<Position> after = {});
  /// Runs what is on the stream up to the position, and what that waits for.
  void complete(Position position);
  void completeStream(Stream &stream) { complete({&stream, stream.submitted}); }
  /// Everything, stream by stream in random order.
  void completeAll();
  bool isComplete(Position position) const { return !position.stream || position.stream->done >= position.ticket; }
  /// A call that is not allowed while the calling thread captures a stream in the default or thread-local mode: fails,
  /// and the capture is invalid.
  void forbidInCapture(const char *call);

  // --- memory ---
  GlobalMemory &memory() { return device->global; }
  /// Allocates, or answers 0.
  uint64_t allocate(uint64_t bytes, Pool *pool);
  void freeBlock(uint64_t address);
  bool isPinned(const void *pointer, uint64_t bytes) const;

private:
  State() = default;
  void run(Operation &operation);
  char contextTag = 0;
  uint64_t allocations = 0;
  std::pair<std::string, uint64_t> failedAllocation;
};

/// The calling thread's current context: a handle of the state, or null.
void *currentContext();
void setCurrentContext(void *context);
/// A number for the calling thread.
uint64_t threadNumber();
/// What adzeSimLastError answers on this thread.
void setErrorText(const std::string &text);
const std::string &lastErrorText();

/// Runs the body of an entry point under the lock.
template <typename Body>
int entry(const char *call, Body &&body) noexcept;
int failed(const char *call) noexcept; ///< in a catch block: the code, with the text kept

template <typename Body>
int entry(const char *call, Body &&body) noexcept {
  try {
    std::lock_guard<std::recursive_mutex> lock(State::get().mutex);
    body(State::get());
    return Success;
  } catch (...) {
    return failed(call);
  }
}

/// Fails with a text that names the call.
[[noreturn]] void fail(int code, const std::string &text);
/// Fails with InvalidValue if the pointer is null.
void requirePointer(const void *pointer, const char *name);

} // namespace adze::sim::driver

#define ADZE_SIM_EXPORT extern "C" __attribute__((visibility("default")))

#endif
