// Sessions: running, dynamic shapes, wrong inputs, concurrency, cancelling, caps, callbacks.
#include "TestPackage.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

using namespace adze;
using namespace adze::test;

namespace {

std::vector<float> ramp(size_t count) {
  std::vector<float> out(count);
  std::iota(out.begin(), out.end(), -3.0f);
  return out;
}

class SessionTest : public ::testing::Test {
protected:
  void SetUp() override {
    writeAffine(file_.path());
    package_ = openPackage(file_.path());
    ASSERT_TRUE(package_);
  }
  TempFile file_{"session.adze"};
  PackagePtr package_;
};

adze_options_t options() {
  adze_options_t out{};
  out.struct_size = sizeof(out);
  return out;
}

TEST_F(SessionTest, RunsAnySizeOnAnyNumberOfThreads) {
  for (int threads : {1, 2, 5}) {
    adze_options_t opts = options();
    opts.num_threads = threads;
    SessionPtr session = createSession(package_, &opts);
    for (int64_t n : {1, 3, 4, 5, 1000, 2}) {
      std::vector<float> x = ramp(size_t(4 * n)), y(x.size(), 0);
      adze_tensor_t in = tensor(x, {n, 4}), out = tensor(y, {0});
      ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
      EXPECT_EQ(dims(out), (std::vector<int64_t>{n, 4}));
      EXPECT_EQ(out.data, y.data());
      EXPECT_EQ(y, affine(x));
      EXPECT_EQ(adze_session_arena_bytes(session.get()), uint64_t(64 + 16 * n));
    }
  }
}

TEST_F(SessionTest, AllocatesOutputsWhenAsked) {
  SessionPtr session = createSession(package_);
  for (int64_t n : {2, 9, 1}) {
    std::vector<float> x = ramp(size_t(4 * n));
    adze_tensor_t in = tensor(x, {n, 4}), out{};
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
    EXPECT_EQ(values<float>(out), affine(x));
    EXPECT_EQ(out.size_bytes, size_t(16 * n));
    EXPECT_EQ(out.dtype, ADZE_F32);
  }
}

TEST_F(SessionTest, TellsOutputShapes) {
  SessionPtr session = createSession(package_);
  std::vector<float> none;
  adze_tensor_t in = tensor(none, {7, 4}), out{};
  ASSERT_EQ(adze_session_output_shapes(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
  EXPECT_EQ(dims(out), (std::vector<int64_t>{7, 4}));
  EXPECT_EQ(out.size_bytes, 112u);
  EXPECT_EQ(out.data, nullptr);
}

TEST_F(SessionTest, RefusesWrongInputs) {
  SessionPtr session = createSession(package_);
  adze_session_t *s = session.get();
  std::vector<float> x = ramp(4004);
  adze_tensor_t out{};
  auto run = [&](const adze_tensor_t &in) { return adze_session_run(s, &in, 1, &out, 1); };
  expectError(run(tensor(x, {1001, 4})), ADZE_BAD_INPUT, "input 'x', dim 0 ('n')");
  expectError(run(tensor(x, {0, 4})), ADZE_BAD_INPUT, "compiled for 1 to 1000");
  expectError(run(tensor(x, {-1, 4})), ADZE_BAD_INPUT, "[-1, 4]");
  expectError(run(tensor(x, {int64_t(1) << 62, int64_t(1) << 62})), ADZE_BAD_INPUT, "too large");
  expectError(run(tensor(x, {3, 5})), ADZE_BAD_INPUT, "it is 5 (shape [3, 5]), expected 4");
  expectError(run(tensor(x, {12})), ADZE_BAD_INPUT, "rank 2");
  expectError(run(tensor(x, ADZE_I32, {3, 4})), ADZE_BAD_INPUT, "int32");
  expectError(run(tensor(x, {13, 4})), ADZE_BAD_INPUT, "n is not 13");
  adze_tensor_t bad = tensor(x, {3, 4});
  bad.size_bytes = 47;
  expectError(run(bad), ADZE_INVALID_ARGUMENT, "needs 48 bytes");
  bad = tensor(x, {3, 4});
  bad.data = nullptr;
  expectError(run(bad), ADZE_INVALID_ARGUMENT, "input 0 'x'");
  bad.data = reinterpret_cast<char *>(x.data()) + 1;
  expectError(run(bad), ADZE_INVALID_ARGUMENT, "aligned");
  bad = tensor(x, {3, 4});
  bad.rank = 99;
  expectError(run(bad), ADZE_BAD_INPUT, "rank is 99");
  adze_tensor_t two[2] = {tensor(x, {3, 4}), tensor(x, {3, 4})};
  expectError(adze_session_run(s, two, 2, &out, 1), ADZE_INVALID_ARGUMENT, "2 given, the model has 1");
  expectError(adze_session_run(s, nullptr, 0, &out, 1), ADZE_INVALID_ARGUMENT, "0 given");
  expectError(adze_session_run(s, two, 1, nullptr, 0), ADZE_INVALID_ARGUMENT, "outputs");
  std::vector<float> y(11);
  out = tensor(y, {3, 4});
  expectError(run(tensor(x, {3, 4})), ADZE_INVALID_ARGUMENT, "needs 48 bytes, size_bytes is 44");
  out = tensor(x, {3, 4});
  expectError(run(tensor(x, {3, 4})), ADZE_INVALID_ARGUMENT, "share memory");
  // And the session still works.
  out = {};
  x.resize(12);
  adze_tensor_t good = tensor(x, {3, 4});
  EXPECT_EQ(run(good), ADZE_OK);
  EXPECT_STREQ(adze_last_error(), "");
  EXPECT_EQ(values<float>(out), affine(x));
}

TEST_F(SessionTest, RefusesWrongArguments) {
  adze_session_t *session = nullptr;
  expectError(adze_session_create(nullptr, nullptr, &session), ADZE_INVALID_ARGUMENT, "package");
  expectError(adze_session_create(package_.get(), nullptr, nullptr), ADZE_INVALID_ARGUMENT, "out");
  adze_options_t opts{};
  expectError(adze_session_create(package_.get(), &opts, &session), ADZE_INVALID_ARGUMENT, "struct_size");
  opts = options();
  opts.num_threads = -1;
  expectError(adze_session_create(package_.get(), &opts, &session), ADZE_INVALID_ARGUMENT, "num_threads");
  opts = options();
  opts.device = "../evil";
  expectError(adze_session_create(package_.get(), &opts, &session), ADZE_INVALID_ARGUMENT, "../evil");
  opts.device = "other";
  expectError(adze_session_create(package_.get(), &opts, &session), ADZE_DEVICE, "no driver for device 'other'");
  opts.device = "cpu:1";
  expectError(adze_session_create(package_.get(), &opts, &session), ADZE_DEVICE, "cpu:1");
  EXPECT_EQ(session, nullptr);
  expectError(adze_session_run(nullptr, nullptr, 0, nullptr, 0), ADZE_INVALID_ARGUMENT, "session");
}

TEST_F(SessionTest, SessionsOutliveThePackageAndRunConcurrently) {
  SessionPtr a = createSession(package_), b = createSession(package_);
  package_.reset();
  std::atomic<int> failures{0};
  auto loop = [&](adze_session_t *session, int64_t n) {
    for (int i = 0; i < 300; ++i) {
      std::vector<float> x = ramp(size_t(4 * n)), y(x.size());
      adze_tensor_t in = tensor(x, {n, 4}), out = tensor(y, {0});
      if (adze_session_run(session, &in, 1, &out, 1) != ADZE_OK || y != affine(x))
        ++failures;
    }
  };
  std::thread first(loop, a.get(), 100), second(loop, b.get(), 31);
  first.join();
  second.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(SessionTest, CapsMemory) {
  adze_options_t opts = options();
  opts.num_threads = 1;
  opts.max_bytes = 64 + 64 + 16 * 100; // scratch, the arena for n = 100
  SessionPtr session = createSession(package_, &opts);
  std::vector<float> x = ramp(404), y(404);
  adze_tensor_t in = tensor(x, {100, 4}), out = tensor(y, {0});
  EXPECT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
  in = tensor(x, {101, 4});
  expectError(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_RESOURCE, "max_bytes = 1728");
  in = tensor(x, {100, 4});
  EXPECT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
  out = {};
  expectError(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_RESOURCE, "output");
  opts.max_bytes = 10;
  adze_session_t *none = nullptr;
  expectError(adze_session_create(package_.get(), &opts, &none), ADZE_RESOURCE, "scratch");
}

struct Accounting {
  std::mutex mutex;
  std::map<void *, size_t> live;
  size_t calls = 0, refuseAfter = ~size_t(0);
  std::string log;
};

adze_options_t countingOptions(Accounting &accounting) {
  adze_options_t opts = options();
  opts.user = &accounting;
  opts.allocate = [](void *user, size_t bytes, size_t alignment) -> void * {
    auto *self = static_cast<Accounting *>(user);
    std::lock_guard<std::mutex> lock(self->mutex);
    if (self->calls++ >= self->refuseAfter)
      return nullptr;
    void *memory = std::aligned_alloc(alignment, bytes);
    self->live[memory] = bytes;
    return memory;
  };
  opts.release = [](void *user, void *pointer, size_t bytes) {
    auto *self = static_cast<Accounting *>(user);
    std::lock_guard<std::mutex> lock(self->mutex);
    auto it = self->live.find(pointer);
    ASSERT_NE(it, self->live.end());
    EXPECT_EQ(it->second, bytes);
    self->live.erase(it);
    std::free(pointer);
  };
  opts.log = [](void *user, adze_log_level_t, const char *message) { static_cast<Accounting *>(user)->log += message; };
  return opts;
}

TEST_F(SessionTest, AllocatesThroughTheCallbacksAndLeaksNothing) {
  Accounting accounting;
  adze_options_t opts = countingOptions(accounting);
  {
    SessionPtr session = createSession(package_, &opts);
    for (int64_t n : {5, 50, 20}) {
      std::vector<float> x = ramp(size_t(4 * n));
      adze_tensor_t in = tensor(x, {n, 4}), out{};
      ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
      EXPECT_EQ(accounting.live.count(out.data), 1u);
    }
    EXPECT_GE(accounting.live.size(), 3u); // arena, output, scratch
  }
  EXPECT_TRUE(accounting.live.empty());
  EXPECT_NE(accounting.log.find("x86-64-v3"), std::string::npos);
}

TEST_F(SessionTest, SurvivesEveryFailingAllocation) {
  size_t needed = 0;
  for (size_t allowed = 0; allowed < 20; ++allowed) {
    Accounting accounting;
    accounting.refuseAfter = allowed;
    adze_options_t opts = countingOptions(accounting);
    opts.num_threads = 2;
    {
      SessionPtr session = createSession(package_, &opts);
      std::vector<float> x = ramp(400);
      adze_tensor_t in = tensor(x, {100, 4}), out{};
      adze_status_t status = adze_session_run(session.get(), &in, 1, &out, 1);
      if (status == ADZE_OK) {
        needed = allowed;
      } else {
        expectError(status, ADZE_RESOURCE, "out of memory");
        accounting.refuseAfter = ~size_t(0); // and it recovers
        out = {};
        EXPECT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
      }
      EXPECT_EQ(values<float>(out), affine(x));
    }
    EXPECT_TRUE(accounting.live.empty());
    if (needed)
      break;
  }
  EXPECT_EQ(needed, 4u); // arena, output, scratch of two threads
}

TEST_F(SessionTest, RunsAsynchronously) {
  SessionPtr session = createSession(package_);
  std::vector<float> x = ramp(40), y(40);
  adze_tensor_t in = tensor(x, {10, 4}), out = tensor(y, {0});
  // The callback starts the next run, three times.
  struct Chain {
    adze_session_t *session;
    adze_tensor_t *in, *out;
    std::atomic<int> left{3};
    std::atomic<int> statuses{0};
    static void done(void *user, adze_status_t status, const char *message) {
      auto *self = static_cast<Chain *>(user);
      self->statuses += status == ADZE_OK && std::string(message).empty() ? 1 : 100;
      if (self->left-- > 0) {
        EXPECT_EQ(adze_session_run_async(self->session, self->in, 1, self->out, 1, nullptr, done, user), ADZE_OK);
      }
    }
  } chain{session.get(), &in, &out};
  ASSERT_EQ(adze_session_run_async(session.get(), &in, 1, &out, 1, nullptr, Chain::done, &chain), ADZE_OK);
  EXPECT_EQ(adze_session_wait(session.get()), ADZE_OK) << adze_last_error();
  EXPECT_EQ(chain.statuses, 4);
  EXPECT_EQ(y, affine(x));
  // A failing one.
  in.dims[0] = 0;
  std::string text;
  auto note = [](void *user, adze_status_t, const char *message) { *static_cast<std::string *>(user) = message; };
  ASSERT_EQ(adze_session_run_async(session.get(), &in, 1, &out, 1, nullptr, note, &text), ADZE_OK);
  expectError(adze_session_wait(session.get()), ADZE_BAD_INPUT, "dim 0");
  EXPECT_EQ(text, adze_last_error());
  int dummy;
  expectError(adze_session_run_async(session.get(), &in, 1, &out, 1, &dummy, nullptr, nullptr), ADZE_INVALID_ARGUMENT,
              "queue");
}

/// Loops `trips` times over a copy; enough to be cancelled in the middle.
void writeLoop(const std::string &path, int64_t trips) {
  TestPackage package;
  uint32_t bytes = package.constant(4), one = package.constant(1);
  package.input("x", ADZE_F32, {one});
  package.output("y", ADZE_F32, {one});
  uint32_t x = package.buffer(fb::BufferKind::input, 0, bytes), y = package.buffer(fb::BufferKind::output, 0, bytes);
  size_t body = package.block();
  package.copy(y, x, bytes, body);
  fb::LoopT loop;
  loop.trip = package.constant(trips);
  loop.body = uint32_t(body);
  package.command(loop);
  package.write(path);
}

TEST(Session, IsBusyWhileItRunsAndCanBeCancelled) {
  TempFile file("loop.adze");
  writeLoop(file.path(), int64_t(1) << 60);
  PackagePtr package = openPackage(file.path());
  SessionPtr session = createSession(package);
  std::vector<float> x{7}, y{0};
  adze_tensor_t in = tensor(x, {1}), out = tensor(y, {1}), other{};
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(adze_session_run_async(session.get(), &in, 1, &out, 1, nullptr, nullptr, nullptr), ADZE_OK);
    expectError(adze_session_run(session.get(), &in, 1, &other, 1), ADZE_BUSY, "running");
    if (i > 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    adze_session_cancel(session.get());
    expectError(adze_session_wait(session.get()), ADZE_CANCELLED, "cancel");
  }
  // Destroying a running session ends the run.
  ASSERT_EQ(adze_session_run_async(session.get(), &in, 1, &out, 1, nullptr, nullptr, nullptr), ADZE_OK);
  session.reset();
}

TEST(Session, CancelBeforeARunDoesNothing) {
  TempFile file("loop2.adze");
  writeLoop(file.path(), 10);
  PackagePtr package = openPackage(file.path());
  SessionPtr session = createSession(package);
  adze_session_cancel(session.get());
  std::vector<float> x{7}, y{0};
  adze_tensor_t in = tensor(x, {1}), out = tensor(y, {1});
  EXPECT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
  EXPECT_EQ(y[0], 7);
}

TEST_F(SessionTest, RecordsEvents) {
  SessionPtr session = createSession(package_);
  std::vector<float> x = ramp(40);
  adze_tensor_t in = tensor(x, {10, 4}), out{};
  ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK);
  EXPECT_EQ(adze_session_num_events(session.get()), 0u);
  ASSERT_EQ(adze_session_set_profiling(session.get(), 1), ADZE_OK);
  ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK);
  ASSERT_EQ(adze_session_num_events(session.get()), 2u);
  adze_event_t event{};
  ASSERT_EQ(adze_session_event(session.get(), 1, &event), ADZE_OK);
  EXPECT_STREQ(event.kernel, "add_row");
  EXPECT_STREQ(event.nodes, "add_row (Test)");
  EXPECT_LE(event.start_ns, event.end_ns);
  expectError(adze_session_event(session.get(), 2, &event), ADZE_INVALID_ARGUMENT, "index 2");
}

TEST(Session, PicksTheLastImageThatTheCpuRuns) {
  TempFile file("archs.adze");
  writeAffine(file.path(), {"x86-64-v3", "x86-64-v4"});
  PackagePtr package = openPackage(file.path());
  Accounting accounting;
  adze_options_t opts = countingOptions(accounting);
  setenv("ADZE_CPU_ARCH", "x86-64-v3", 1);
  createSession(package, &opts);
  EXPECT_NE(accounting.log.find("image for x86-64-v3"), std::string::npos) << accounting.log;
  adze_session_t *none = nullptr;
  setenv("ADZE_CPU_ARCH", "x86-64-v2", 1);
  expectError(adze_session_create(package.get(), &opts, &none), ADZE_DEVICE, "x86-64-v2");
  setenv("ADZE_CPU_ARCH", "nonsense", 1);
  expectError(adze_session_create(package.get(), &opts, &none), ADZE_INVALID_ARGUMENT, "ADZE_CPU_ARCH");
  unsetenv("ADZE_CPU_ARCH");
  accounting.log.clear();
  createSession(package, &opts);
  __builtin_cpu_init();
  const char *expected = __builtin_cpu_supports("avx512vl") ? "image for x86-64-v4" : "image for x86-64-v3";
  EXPECT_NE(accounting.log.find(expected), std::string::npos) << accounting.log;
}

} // namespace
