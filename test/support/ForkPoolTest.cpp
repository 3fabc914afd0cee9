#include "test/support/ForkPool.h"
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace adze::test;

TEST(ForkPool, ReportsEachJobByItself) {
  auto job = [](size_t i) -> std::string {
    if (i == 3)
      raise(SIGKILL);
    if (i == 5)
      sleep(30);
    if (i == 7)
      _exit(9);
    return "job " + std::to_string(i);
  };
  PoolOptions options;
  options.timeoutSeconds = 0.5;
  options.jobsPerWorker = 2;
  size_t seen = 0;
  std::vector<JobResult> results = runForked(10, job, options, [&](size_t, const JobResult &) { ++seen; });
  ASSERT_EQ(results.size(), 10u);
  EXPECT_EQ(seen, 10u);
  for (size_t i = 0; i < results.size(); ++i) {
    if (i == 3) {
      EXPECT_EQ(results[i].kind, JobResult::Crashed);
      EXPECT_EQ(results[i].signal, SIGKILL);
    } else if (i == 5) {
      EXPECT_EQ(results[i].kind, JobResult::TimedOut);
    } else if (i == 7) {
      EXPECT_EQ(results[i].kind, JobResult::Crashed);
      EXPECT_EQ(results[i].signal, 0);
    } else {
      EXPECT_EQ(results[i].kind, JobResult::Returned);
      EXPECT_EQ(results[i].text, "job " + std::to_string(i));
    }
  }
}

TEST(ForkPool, MeasuresMemory) {
  auto job = [](size_t i) -> std::string {
    std::vector<char> block(i * (size_t(64) << 20), 1);
    return std::to_string(block.size());
  };
  std::vector<JobResult> results = runForked(2, job, PoolOptions(), [](size_t, const JobResult &) {});
  EXPECT_LT(results[0].peakBytes, uint64_t(32) << 20);
  EXPECT_GE(results[1].peakBytes, uint64_t(60) << 20);
}
