// Runs many small jobs in a few forked processes: a crash, a hang or a leak of one job harms no other, and starting a
// process for each would cost more than the jobs do.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace adze::test {

struct JobResult {
  enum Kind { Returned, Crashed, TimedOut } kind = Crashed;
  std::string text; ///< what the job returned; for a crash the end of its stderr
  int signal = 0;   ///< the signal that ended a crashed worker; 0: it called exit
  double seconds = 0;
  uint64_t peakBytes = 0; ///< growth of the resident memory's high mark over the job's start
};

struct PoolOptions {
  unsigned jobs = 2;
  double timeoutSeconds = 20;
  size_t jobsPerWorker = 100;     ///< then a fresh process
  uint64_t addressSpaceLimit = 0; ///< bytes; 0: none
  /// Whether the job with this result leaves a process that no other should run in (a lost device). Null: never.
  std::function<bool(const std::string &)> spoils;
};

/// Calls job(i) for every i < count, each in some worker, and returns the results by index. `done` is called in the
/// calling process after each. The caller must not have started threads.
std::vector<JobResult> runForked(size_t count, const std::function<std::string(size_t)> &job,
                                 const PoolOptions &options,
                                 const std::function<void(size_t, const JobResult &)> &done);

} // namespace adze::test
