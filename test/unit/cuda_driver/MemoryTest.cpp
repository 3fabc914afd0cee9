// Device memory that runs out: at every single allocation, a session fails with a text, leaks nothing, and goes on.
#include "Harness.h"

using namespace adze;
using namespace adze::test;

namespace {

class CudaMemory : public Simulated {
protected:
  CudaMemory() : file_("memory.adze") {}
  TempFile file_;
};

void expectResource(adze_status_t status) { expectError(status, ADZE_RESOURCE, "CUDA_ERROR_OUT_OF_MEMORY"); }

TEST_F(CudaMemory, EveryAllocationMayFail) {
  writeCudaAffine(file_.path());
  PackagePtr package = openPackage(file_.path());
  int failures = 0;
  for (int at = 1;; ++at) {
    ASSERT_LT(at, 100) << "there is no end";
    SCOPED_TRACE("allocation " + std::to_string(at));
    restart();
    set("ADZE_SIM_OOM_AT", std::to_string(at));
    adze_options_t options = deviceOptions("cuda");
    adze_session_t *raw = nullptr;
    bool failed = false;
    adze_status_t status = adze_session_create(package.get(), &options, &raw);
    SessionPtr session(raw);
    if (status != ADZE_OK) {
      failed = true;
      expectResource(status);
      EXPECT_EQ(raw, nullptr);
      expectNothingLeft();
      unset("ADZE_SIM_OOM_AT");
      session = createSession(package, &options);
      ASSERT_TRUE(session);
    }
    // Three runs: plain, recorded, replayed; a failed one is tried again with less.
    for (int run = 0; run < 3; ++run) {
      std::vector<float> x(size_t(400), float(run));
      adze_tensor_t in = tensor(x, {100, 4}), out{};
      status = adze_session_run(session.get(), &in, 1, &out, 1);
      if (status != ADZE_OK) {
        failed = true;
        expectResource(status);
        adze_tensor_t less = tensor(x, {10, 4}), smaller{};
        ASSERT_EQ(adze_session_run(session.get(), &less, 1, &smaller, 1), ADZE_OK) << adze_last_error();
        EXPECT_EQ(values<float>(smaller), affine(std::vector<float>(40, float(run))));
        continue;
      }
      EXPECT_EQ(values<float>(out), affine(x));
    }
    session.reset();
    expectNothingLeft();
    failures += failed;
    // Pinned memory, events and recordings are done without: those failures do not show.
    if (!failed && at > 20)
      break;
  }
  EXPECT_GE(failures, 5); // context, stream, pool, module, weights, arena, input, output
}

TEST_F(CudaMemory, ASmallerRequestFollowsALargeOne) {
  set("ADZE_SIM_MEMORY", "2000000");
  writeCudaAffine(file_.path());
  PackagePtr package = openPackage(file_.path());
  adze_options_t options = deviceOptions("cuda");
  SessionPtr session = createSession(package, &options);
  for (int64_t n : {1000, 1000000, 1000, 30000, 1000000, 2000}) {
    std::vector<float> x(size_t(n) * 4, 1);
    adze_tensor_t in = tensor(x, {n, 4}), out{};
    adze_status_t status = adze_session_run(session.get(), &in, 1, &out, 1);
    if (n == 1000000)
      expectResource(status);
    else
      ASSERT_EQ(status, ADZE_OK) << adze_last_error();
  }
  session.reset();
  expectNothingLeft();
}

TEST_F(CudaMemory, FreedMemoryIsTakenFromThePool) {
  // Two sessions that do not fit at once: what the first one left in the pool serves the second.
  set("ADZE_SIM_MEMORY", "2000000");
  writeCudaAffine(file_.path());
  PackagePtr package = openPackage(file_.path());
  adze_options_t options = deviceOptions("cuda");
  SessionPtr keeper = createSession(package, &options); // the device stays open
  for (int64_t n : {30000, 35000, 30000}) {
    SessionPtr session = createSession(package, &options);
    std::vector<float> x(size_t(n) * 4, 1);
    adze_tensor_t in = tensor(x, {n, 4}), out{};
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
  }
}

} // namespace
