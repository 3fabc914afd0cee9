// Runs ranges of independent programs on a fixed set of threads.
#ifndef ADZE_RUNTIME_CPU_THREADPOOL_H
#define ADZE_RUNTIME_CPU_THREADPOOL_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace adze::rt {

/// How many CPUs this process may use.
unsigned availableCpus();

class ThreadPool {
public:
  /// body(context, begin, end, thread): programs [begin, end) on thread 0 (the caller) to size() - 1.
  using Body = void (*)(void *context, int64_t begin, int64_t end, unsigned thread);

  explicit ThreadPool(unsigned numThreads);
  ~ThreadPool();

  unsigned size() const { return numThreads_; }

  /// Splits [0, count) into one contiguous share a thread, runs them and returns when all are done. A thread that is
  /// late leaves its share to the caller, so that a small grid never waits for a wake-up. One caller at a time.
  void run(int64_t count, Body body, void *context);

private:
  // One share of the job: claimed holds the job number of the last claim.
  struct alignas(64) Share {
    std::atomic<uint64_t> claimed{0};
  };

  void start();
  void work(unsigned thread);
  void tryShare(unsigned share, unsigned thread, uint64_t job);

  const unsigned numThreads_;
  std::unique_ptr<Share[]> shares_;
  std::vector<std::thread> threads_;

  // The current job. Valid for a thread from its successful claim to its decrement of remaining_.
  Body body_ = nullptr;
  void *context_ = nullptr;
  int64_t count_ = 0;
  unsigned numShares_ = 0;

  alignas(64) std::atomic<uint64_t> job_{0};
  alignas(64) std::atomic<unsigned> remaining_{0};
  alignas(64) std::atomic<unsigned> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_, done_;
};

} // namespace adze::rt

#endif
