// A session: one request at a time, its memory, its worker thread for asynchronous runs.
#ifndef ADZE_RUNTIME_EXECUTOR_SESSION_H
#define ADZE_RUNTIME_EXECUTOR_SESSION_H

#include "runtime/src/executor/Executor.h"
#include "runtime/src/status/Status.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace adze::rt {

class Session {
public:
  Session(std::shared_ptr<DeviceContext> context, uint64_t maxBytes);
  ~Session();
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  struct Request {
    const adze_tensor_t *inputs;
    size_t numInputs;
    adze_tensor_t *outputs;
    size_t numOutputs;
    const uint8_t *inputLocations, *outputLocations; // adze_location_t; null: all in host memory
    adze_queue_t *queue;
    void (*done)(void *user, adze_status_t status, const char *message);
    void *user;
  };

  void outputShapes(const adze_tensor_t *inputs, size_t numInputs, adze_tensor_t *outputs, size_t numOutputs) const;
  /// nativeQueue: the caller's stream, or null.
  void run(Request request, void *nativeQueue);
  void runAsync(Request request, void *nativeQueue);
  /// Waits for the asynchronous run, its callback included, and throws its error.
  void wait();
  void cancel();
  void setProfiling(bool on);
  uint64_t arenaBytes() const;
  size_t numEvents() const;
  adze_event_t event(size_t index) const;

private:
  void begin();
  void end();
  void execute(const Request &request);
  void readLocations(const Request &request);
  adze_queue_t *wrapQueue(void *nativeQueue);
  const adze_tensor_t *steeringInputs(const Request &request);
  void bindOutputs(const Request &request, const Evaluator &symbols);
  bool ownsOutput(size_t index) const;
  void checkOverlap(const Request &request) const;
  void work();

  std::shared_ptr<DeviceContext> context_;
  SessionMemory memory_;
  std::vector<SessionMemory::Area> outputAreas_;
  std::vector<uint64_t> outputBytes_;
  std::vector<adze_tensor_t> boundOutputs_;
  std::vector<uint8_t> inputOnDevice_, outputOnDevice_; // where the device has memory of its own
  std::vector<adze_tensor_t> steering_;                 // the inputs, with host copies of those that steer shapes
  std::vector<std::vector<unsigned char>> steeringData_;
  Executor executor_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool busy_ = false, profiling_ = false;
  std::atomic<bool> cancel_{false};
  std::vector<adze_event_t> events_;
  uint64_t arenaBytes_ = 0;

  // Asynchronous runs.
  std::thread worker_;
  bool pending_ = false; // handed to the worker; until its callback has returned
  bool queued_ = false, stop_ = false;
  Request request_{};
  Error lastError_{ADZE_OK, {}};
  adze_queue_t *wrapped_ = nullptr;
  void *wrappedNative_ = nullptr;
};

} // namespace adze::rt

#endif
