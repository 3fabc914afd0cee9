// The CPU driver's parts: thread pool and the check of code images.
#include "TestPackage.h"

#include "runtime/src/cpu/ElfCheck.h"
#include "runtime/src/cpu/ThreadPool.h"

#include <random>

using namespace adze;
using namespace adze::rt;
using namespace adze::test;

namespace {

TEST(ThreadPool, RunsEveryProgramOnce) {
  for (unsigned threads : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 2, 3, 7, 100, 1000}) {
      for (int repeat = 0; repeat < 200; ++repeat) {
        struct Context {
          std::vector<int> runs;
          unsigned threads;
          std::atomic<int> bad{0};
        } context{std::vector<int>(size_t(count), 0), threads};
        pool.run(
            count,
            [](void *opaque, int64_t begin, int64_t end, unsigned thread) {
              auto *self = static_cast<Context *>(opaque);
              if (thread >= self->threads)
                ++self->bad;
              for (int64_t i = begin; i < end; ++i)
                ++self->runs[size_t(i)];
            },
            &context);
        ASSERT_EQ(context.runs, std::vector<int>(size_t(count), 1));
        ASSERT_EQ(context.bad, 0);
      }
    }
  }
}

TEST(ThreadPool, SleepsAndWakes) {
  ThreadPool pool(4);
  std::atomic<int64_t> sum{0};
  for (int i = 0; i < 20; ++i) {
    pool.run(
        16,
        [](void *opaque, int64_t begin, int64_t end, unsigned) {
          static_cast<std::atomic<int64_t> *>(opaque)->fetch_add(end - begin);
        },
        &sum);
    std::this_thread::sleep_for(std::chrono::milliseconds(1)); // longer than the threads spin
  }
  EXPECT_EQ(sum, 320);
}

std::string check(const std::string &image) { return checkCpuImage(image.data(), image.size()); }

TEST(ElfCheck, AcceptsAndRefuses) {
  std::string good = readImage("kernels");
  EXPECT_EQ(check(good), "");
  EXPECT_NE(check(readImage("bad_needed")).find("needs another library"), std::string::npos);
  EXPECT_NE(check(readImage("bad_constructor")).find("load time"), std::string::npos);
  EXPECT_NE(check(readImage("bad_symbol")).find("'some_other_function'"), std::string::npos);
  EXPECT_NE(check(readImage("bad_tls")), "");
  EXPECT_NE(check(""), "");
  EXPECT_NE(check(std::string(10000, '\0')), "");
  std::string other = good;
  other[18] = 40; // e_machine: another processor
  EXPECT_NE(check(other).find("machine"), std::string::npos);
}

TEST(ElfCheck, StaysInsideDamagedImages) {
  std::string good = readImage("kernels");
  for (size_t size = 0; size < good.size(); size += 7)
    check(std::string(good.data(), size));
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) {
    std::string image = good;
    for (int c = 0; c < 3; ++c)
      image[random() % (i % 2 ? 1024 : image.size())] = char(random());
    check(image);
  }
}

} // namespace
