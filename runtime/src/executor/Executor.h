// Runs one program for one request: evaluates its sizes, places its buffers, walks its commands.
#ifndef ADZE_RUNTIME_EXECUTOR_EXECUTOR_H
#define ADZE_RUNTIME_EXECUTOR_EXECUTOR_H

#include "runtime/src/executor/Context.h"
#include "runtime/src/executor/Evaluator.h"

#include <atomic>
#include <chrono>

namespace adze::rt {

/// Memory of one session with its cap. Device memory comes from the driver, host memory from the options' callbacks.
class SessionMemory {
public:
  /// An area that is kept between runs and grows when needed.
  struct Area {
    adze_address_t address = 0;
    uint64_t bytes = 0;
  };

  SessionMemory(const DeviceContext &context, uint64_t limit) : context_(context), limit_(limit) {}
  /// Counts memory that something else allocates for the session.
  void reserve(uint64_t bytes, const char *what);
  /// Makes the area hold at least `bytes` bytes; the old contents are lost when it grows.
  void growDevice(Area &area, uint64_t bytes, const char *what);
  void growHost(Area &area, uint64_t bytes, const char *what);
  void releaseDevice(Area &area);
  void releaseHost(Area &area);

private:
  const DeviceContext &context_;
  uint64_t limit_, used_ = 0;
};

class Executor {
public:
  Executor(const DeviceContext &context, SessionMemory &memory);
  ~Executor();

  /// inputs and outputs are checked and have host memory of the right size. queue null: the executor's own.
  void run(const adze_tensor_t *inputs, const adze_tensor_t *outputs, const uint64_t *outputBytes, adze_queue_t *queue,
           const std::atomic<bool> &cancel, bool profile);

  const Evaluator &symbols() const { return symbols_; }
  uint64_t arenaBytes() const { return arenaBytes_; }
  const std::vector<adze_event_t> &events() const { return events_; }

private:
  struct Place {
    adze_address_t address;
    uint64_t size;
  };
  using Clock = std::chrono::steady_clock;

  void placeBuffers(const adze_tensor_t *inputs, const adze_tensor_t *outputs, const uint64_t *outputBytes);
  adze_address_t placeHostTensor(const adze_tensor_t &tensor, uint64_t bytes, SessionMemory::Area &area, bool upload);
  void readOutputs(const adze_tensor_t *outputs, const uint64_t *outputBytes);
  void runChecks();
  void runBlock(size_t block);
  void runCommand(const Command &command);
  void run(const DispatchCommand &command);
  void run(const CopyCommand &command);
  void run(const FillCommand &command);
  void run(const StoreCommand &command);
  void run(const HostCommand &command);
  void run(const IfCommand &command);
  void run(const LoopCommand &command);
  bool readFlag(uint32_t buffer);
  void write(uint32_t buffer, const void *data, uint64_t bytes);
  void read(uint32_t buffer, void *data, uint64_t bytes);
  int64_t known(uint32_t expr) const;
  uint64_t size(uint32_t expr, const char *what) const;
  void within(uint32_t buffer, uint64_t bytes, const char *what) const;
  void checkCancel() const;
  [[noreturn]] void bad(const std::string &why) const;
  void synchronize();
  const char *commandName(const Command &command) const;
  const char *commandNodes(const Command &command) const;

  const DeviceContext &context_;
  const Program &program_;
  SessionMemory &memory_;
  Evaluator symbols_;
  adze_queue_t *ownQueue_ = nullptr, *queue_ = nullptr;
  SessionMemory::Area arena_;
  std::vector<SessionMemory::Area> deviceInputs_, deviceOutputs_; // where the device has its own memory
  std::vector<Place> places_;
  uint64_t arenaBytes_ = 0;
  const std::atomic<bool> *cancel_ = nullptr;
  bool profile_ = false;
  Clock::time_point start_;
  std::vector<adze_event_t> events_;
  // Reused by dispatches.
  std::vector<adze_address_t> launchBuffers_;
  std::vector<int64_t> launchScalars_;
  std::vector<void *> launchDescriptors_, recipes_;
};

} // namespace adze::rt

#endif
