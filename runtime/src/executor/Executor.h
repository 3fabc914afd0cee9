// Runs one program for one request: evaluates its sizes, places its buffers, walks its commands.
#ifndef ADZE_RUNTIME_EXECUTOR_EXECUTOR_H
#define ADZE_RUNTIME_EXECUTOR_EXECUTOR_H

#include "runtime/src/executor/Descriptors.h"
#include "runtime/src/executor/Evaluator.h"
#include "runtime/src/executor/Memory.h"
#include "runtime/src/executor/Replay.h"
#include "runtime/src/executor/Timer.h"

#include <atomic>

namespace adze::rt {

/// The tensors of a run: checked, and with memory of the right size (an output on the device may have none).
struct RunTensors {
  const adze_tensor_t *inputs, *outputs;
  const uint64_t *outputBytes;
  const uint8_t *inputOnDevice, *outputOnDevice; // one flag a tensor; all 0 where the device uses host memory
};

class Executor {
public:
  Executor(const DeviceContext &context, SessionMemory &memory);
  ~Executor();

  /// queue null: the executor's own. After an error, work may still be on the queue: drain() it.
  /// steering: the inputs again, with host memory where symbols read their values.
  void run(const RunTensors &tensors, const adze_tensor_t *steering, adze_queue_t *queue,
           const std::atomic<bool> &cancel, bool profile);
  /// Waits for everything on the executor's queue and on the given one (null: none), whatever it comes to.
  void drain(adze_queue_t *queue) noexcept;
  /// Reads device memory.
  void download(adze_queue_t *queue, void *to, const void *from, uint64_t bytes);
  /// Where the last run left an output that has no memory of the caller's.
  adze_address_t outputAddress(size_t output) const { return deviceOutputs_[output].address; }

  const Evaluator &symbols() const { return symbols_; }
  uint64_t arenaBytes() const { return arenaBytes_; }
  const std::vector<adze_event_t> &events() const { return events_; }

private:
  struct Place {
    adze_address_t address;
    uint64_t size;
  };
  /// A copy at the begin or the end of a run.
  struct Transfer {
    adze_address_t to, from;
    uint64_t bytes;
    int kind;
  };

  void placeBuffers(const RunTensors &tensors);
  adze_address_t placeInput(const adze_tensor_t &tensor, uint64_t bytes, bool onDevice, SessionMemory::Area &area);
  adze_address_t placeOutput(const adze_tensor_t &tensor, uint64_t bytes, bool onDevice, SessionMemory::Area &area);
  void copy(const Transfer &transfer, const char *what);
  void runChecks();
  void runProgram();
  bool record(ReplayCache::Entry &entry);
  void runBlock(size_t block);
  void runCommand(const Command &command);
  void run(const DispatchCommand &command);
  void findSplitWork();
  void placeWorkspace();
  int64_t sharesOf(const Kernel &kernel, const std::vector<int64_t> &scalars);
  void splitWork(const Kernel &kernel, int64_t programs, adze_launch_t &launch);
  bool useVariant(const Variant &variant, const Kernel &kernel, int64_t programs, adze_launch_t &launch);
  void run(const CopyCommand &command);
  void run(const FillCommand &command);
  void run(const StoreCommand &command);
  void run(const HostCommand &command);
  void run(const IfCommand &command);
  void run(const LoopCommand &command);
  bool readFlag(uint32_t buffer);
  void write(uint32_t buffer, const void *data, uint64_t bytes);
  void fillWith(uint32_t buffer, const unsigned char *data, uint64_t bytes);
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
  ReplayCache replays_;
  ReplayCache::Key replayKey_;
  adze_queue_t *ownQueue_ = nullptr, *queue_ = nullptr;
  SessionMemory::Area arena_;
  /// Partial results of work that several blocks share, for the largest launch; and a counter for each of its programs,
  /// which every launch leaves at 0.
  SessionMemory::Area workspace_, counters_;
  std::vector<const DispatchCommand *> splitDispatches_;          // whose kernels may need them
  std::vector<SessionMemory::Area> deviceInputs_, deviceOutputs_; // where the device has its own memory
  std::vector<Transfer> uploads_, downloads_;
  std::vector<Place> places_;
  uint64_t arenaBytes_ = 0;
  const std::atomic<bool> *cancel_ = nullptr;
  bool profile_ = false;
  CommandTimer timer_;
  std::vector<adze_event_t> events_;
  DescriptorCache descriptors_;
  // Reused by dispatches.
  std::vector<adze_address_t> launchBuffers_;
  std::vector<int64_t> launchScalars_, launchValues_;
  std::vector<void *> launchDescriptors_;
};

} // namespace adze::rt

#endif
