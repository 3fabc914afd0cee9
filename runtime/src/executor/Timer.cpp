#include "runtime/src/executor/Timer.h"

namespace adze::rt {

void CommandTimer::start(const DeviceContext &context, bool on, adze_queue_t *queue) {
  context_ = &context;
  queue_ = queue;
  start_ = Clock::now();
  pending_.clear();
  byDevice_ = on && !context.hostMemory() && context.driver().elapsed;
  if (!byDevice_)
    return;
  base_ = signal();
  baseTime_ = 0;
}

uint64_t CommandTimer::now() const {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count());
}

uint64_t CommandTimer::signal() {
  uint64_t ticket = 0;
  context_->check(context_->driver().signal(queue_, &ticket), "cannot take the time", "the device");
  return ticket;
}

uint64_t CommandTimer::elapsed(uint64_t from, uint64_t to) {
  uint64_t nanoseconds = 0;
  context_->check(context_->driver().elapsed(queue_, from, to, &nanoseconds), "cannot read the time", "the device");
  return nanoseconds;
}

void CommandTimer::begin() {
  if (byDevice_)
    beginTicket_ = signal();
  else
    hostBegin_ = now();
}

void CommandTimer::end(const char *kernel, const char *nodes, std::vector<adze_event_t> &events) {
  if (!byDevice_) {
    context_->check(context_->driver().synchronize(queue_), "the device failed", nodes);
    events.push_back({kernel, nodes, hostBegin_, now()});
    return;
  }
  pending_.push_back({beginTicket_, signal(), events.size()});
  events.push_back({kernel, nodes, 0, 0});
  if (pending_.size() == kMaxPending) {
    context_->check(context_->driver().synchronize(queue_), "the device failed", nodes);
    resolve(events);
  }
}

void CommandTimer::finish(std::vector<adze_event_t> &events) {
  if (byDevice_)
    resolve(events);
}

void CommandTimer::resolve(std::vector<adze_event_t> &events) {
  for (const Tickets &tickets : pending_) {
    uint64_t begin = baseTime_ + elapsed(base_, tickets.begin);
    events[tickets.event].start_ns = begin;
    events[tickets.event].end_ns = begin + elapsed(tickets.begin, tickets.end);
  }
  if (pending_.empty())
    return;
  baseTime_ += elapsed(base_, pending_.back().end);
  base_ = pending_.back().end;
  pending_.clear();
}

} // namespace adze::rt
