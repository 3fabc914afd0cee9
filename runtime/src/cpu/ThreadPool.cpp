#include "runtime/src/cpu/ThreadPool.h"

#include <algorithm>
#include <sched.h>
#include <system_error>

namespace adze::rt {

namespace {

// About 20 us of polling before a thread sleeps: longer than the gap between two kernels, short for anyone else.
constexpr int kSpins = 500;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

} // namespace

unsigned availableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(unsigned numThreads) : numThreads_(std::max(1u, numThreads)), shares_(new Share[numThreads_]) {}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  wake_.notify_all();
  for (std::thread &thread : threads_)
    thread.join();
}

/// Starts the threads at the first parallel job. Where the system has no thread left, fewer do the same work.
void ThreadPool::start() {
  threads_.reserve(numThreads_ - 1);
  for (unsigned i = 1; i < numThreads_; ++i)
    try {
      threads_.emplace_back(&ThreadPool::work, this, i);
    } catch (const std::system_error &) {
      break;
    }
}

void ThreadPool::run(int64_t count, Body body, void *context) {
  if (count <= 0)
    return;
  if (numThreads_ == 1 || count == 1) {
    body(context, 0, count, 0);
    return;
  }
  if (threads_.empty())
    start();
  body_ = body;
  context_ = context;
  count_ = count;
  numShares_ = static_cast<unsigned>(std::min<int64_t>(count, numThreads_));
  remaining_.store(numShares_, std::memory_order_relaxed);
  uint64_t job = job_.load(std::memory_order_relaxed) + 1;
  // Shares that this job does not have count as claimed.
  for (unsigned i = numShares_; i < numThreads_; ++i)
    shares_[i].claimed.store(job, std::memory_order_relaxed);
  job_.store(job); // publishes the above
  if (sleepers_.load() > 0) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_.notify_all();
  }
  for (unsigned i = 0; i < numShares_; ++i)
    tryShare(i, 0, job);
  for (int spin = 0; spin < kSpins && remaining_.load(std::memory_order_acquire) != 0; ++spin)
    pause();
  if (remaining_.load(std::memory_order_acquire) != 0) {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return remaining_.load(std::memory_order_acquire) == 0; });
  }
}

void ThreadPool::tryShare(unsigned share, unsigned thread, uint64_t job) {
  // Every share of an old job has been claimed with its number or a later one, so a late thread never gets in here with
  // the fields of another job.
  uint64_t claimed = shares_[share].claimed.load(std::memory_order_acquire);
  if (claimed >= job || !shares_[share].claimed.compare_exchange_strong(claimed, job, std::memory_order_acq_rel))
    return;
  int64_t begin = count_ / numShares_ * share + std::min<int64_t>(share, count_ % numShares_);
  int64_t end = begin + count_ / numShares_ + (share < count_ % numShares_ ? 1 : 0);
  body_(context_, begin, end, thread);
  if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1 && thread != 0) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    done_.notify_one();
  }
}

void ThreadPool::work(unsigned thread) {
  uint64_t seen = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    uint64_t job = job_.load(std::memory_order_acquire);
    for (int spin = 0; spin < kSpins && job == seen; ++spin) {
      pause();
      job = job_.load(std::memory_order_acquire);
    }
    if (job == seen) {
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return stop_.load() || job_.load() != seen; });
      sleepers_.fetch_sub(1);
      continue;
    }
    seen = job;
    tryShare(thread, thread, job);
  }
}

} // namespace adze::rt
