// Times of a run's commands: by the device's own clock where the driver has one, else by waiting after each command.
#ifndef ADZE_RUNTIME_EXECUTOR_TIMER_H
#define ADZE_RUNTIME_EXECUTOR_TIMER_H

#include "runtime/src/executor/Context.h"

#include <chrono>

namespace adze::rt {

class CommandTimer {
public:
  /// A run begins on the queue. Nothing else is of use while `on` is false.
  void start(const DeviceContext &context, bool on, adze_queue_t *queue);
  void begin();
  void end(const char *kernel, const char *nodes, std::vector<adze_event_t> &events);
  /// Completes the events; the queue is idle.
  void finish(std::vector<adze_event_t> &events);

private:
  using Clock = std::chrono::steady_clock;
  struct Tickets {
    uint64_t begin, end;
    size_t event;
  };
  /// Fewer than half of the signals that a driver keeps.
  static constexpr size_t kMaxPending = 500;
  uint64_t now() const;
  uint64_t signal();
  uint64_t elapsed(uint64_t from, uint64_t to);
  void resolve(std::vector<adze_event_t> &events);

  const DeviceContext *context_ = nullptr;
  adze_queue_t *queue_ = nullptr;
  bool byDevice_ = false;
  Clock::time_point start_;
  uint64_t hostBegin_ = 0;
  uint64_t base_ = 0, baseTime_ = 0, beginTicket_ = 0; // the signal that times count from, and its own time
  std::vector<Tickets> pending_;
};

} // namespace adze::rt

#endif
