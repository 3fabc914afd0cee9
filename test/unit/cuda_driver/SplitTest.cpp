// Work that several blocks share: the workspace and the counters that the runtime gives to a launch.
#include "Harness.h"

using namespace adze;
using namespace adze::test;

namespace {

/// y = 2 x by n / 512 + 1 blocks (of 128 elements a program): each hands over x, the last one adds what the first and
/// the last share have. x, y, workspace, counters, n.
const char *kSplitScale = R"(
.visible .entry split_scale(.param .u64 px, .param .u64 py, .param .u64 pw, .param .u64 pc, .param .u64 pn)
.maxntid 128, 1, 1
{
  .reg .pred %p<5>;
  .reg .b32 %r<16>;
  .reg .f32 %f<3>;
  .reg .b64 %rd<16>;
  .shared .align 4 .b8 flag[4];
  ld.param.u64 %rd1, [px];
  cvta.to.global.u64 %rd1, %rd1;
  ld.param.u64 %rd2, [py];
  cvta.to.global.u64 %rd2, %rd2;
  ld.param.u64 %rd5, [pn];
  shr.u64 %rd6, %rd5, 9;
  cvt.u32.u64 %r1, %rd6;
  add.u32 %r1, %r1, 1;
  mov.u32 %r2, %ctaid.x;
  div.u32 %r3, %r2, %r1;
  mul.lo.u32 %r4, %r3, %r1;
  mov.u32 %r6, %tid.x;
  mad.lo.u32 %r7, %r3, 128, %r6;
  cvt.u64.u32 %rd7, %r7;
  setp.lt.u64 %p1, %rd7, %rd5;
  shl.b64 %rd8, %rd7, 2;
  add.s64 %rd9, %rd1, %rd8;
  mov.f32 %f1, 0f00000000;
  @%p1 ld.global.f32 %f1, [%rd9];
  mov.f32 %f2, %f1;
  setp.eq.u32 %p2, %r1, 1;
  @%p2 bra $store;
  ld.param.u64 %rd3, [pw];
  cvta.to.global.u64 %rd3, %rd3;
  ld.param.u64 %rd4, [pc];
  cvta.to.global.u64 %rd4, %rd4;
  mad.lo.u32 %r8, %r2, 128, %r6;
  mul.wide.u32 %rd10, %r8, 4;
  add.s64 %rd10, %rd3, %rd10;
  st.global.f32 [%rd10], %f1;
  bar.sync 0;
  sub.u32 %r9, %r1, 1;
  setp.ne.u32 %p3, %r6, 0;
  @%p3 bra $wait;
  mul.wide.u32 %rd11, %r3, 4;
  add.s64 %rd11, %rd4, %rd11;
  fence.acq_rel.gpu;
  atom.global.inc.u32 %r10, [%rd11], %r9;
  fence.acq_rel.gpu;
  st.shared.u32 [flag], %r10;
$wait:
  bar.sync 0;
  ld.shared.u32 %r11, [flag];
  setp.ne.u32 %p4, %r11, %r9;
  @%p4 bra $done;
  mad.lo.u32 %r12, %r4, 128, %r6;
  mul.wide.u32 %rd12, %r12, 4;
  add.s64 %rd12, %rd3, %rd12;
  ld.global.f32 %f1, [%rd12];
  mul.wide.u32 %rd13, %r9, 512;
  add.s64 %rd13, %rd12, %rd13;
  ld.global.f32 %f2, [%rd13];
$store:
  add.rn.f32 %f1, %f1, %f2;
  add.s64 %rd14, %rd2, %rd8;
  @%p1 st.global.f32 [%rd14], %f1;
$done:
  ret;
}
)";

/// The first kernel of the package becomes split_scale.
void useSplit(TestPackage &p) {
  auto op = [](fb::ExprOp op) { return static_cast<int64_t>(op); };
  fb::KernelT &kernel = *p.program->images[0]->kernels[0];
  kernel.symbol = "split_scale";
  kernel.partial = 512;
  kernel.shares = {op(fb::ExprOp::symbol),   0, op(fb::ExprOp::constant), 512, op(fb::ExprOp::floordiv), 0,
                   op(fb::ExprOp::constant), 1, op(fb::ExprOp::add),      0};
}

class CudaSplit : public Simulated {
protected:
  CudaSplit() : file_("split.adze") {}
  void write(const std::function<void(TestPackage &)> &change = useSplit) {
    extraKernels() = kSplitScale;
    writeCudaAffine(file_.path(), {"sm_80"}, change);
    extraKernels().clear();
    package = openPackage(file_.path());
    options = deviceOptions("cuda");
  }
  adze_status_t run(adze_session_t *session, int64_t n, float first) {
    std::vector<float> x(size_t(n) * 4);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = first + float(i % 1000);
    adze_tensor_t in = tensor(x, {n, 4}), out{};
    adze_status_t status = adze_session_run(session, &in, 1, &out, 1);
    if (status == ADZE_OK) {
      EXPECT_EQ(values<float>(out), affine(x)) << n << " rows";
    }
    return status;
  }

  TempFile file_;
  PackagePtr package;
  adze_options_t options{};
};

TEST_F(CudaSplit, TheWorkspaceGrows) {
  write();
  for (const char *seed : {"0", "7"}) {
    restart();
    set("ADZE_SIM_SEED", seed);
    SessionPtr session = createSession(package, &options);
    // 1 to 16 shares; every second request is equal to the one before, and recorded or replayed.
    for (int64_t n : {10, 10, 200, 200, 200, 1000, 1000, 1000, 100, 200, 200, 2000, 10, 1000, 1000})
      ASSERT_EQ(run(session.get(), n, float(n)), ADZE_OK) << adze_last_error();
    EXPECT_GT(count("graph_launches"), 4);
    session.reset();
    expectNothingLeft();
  }
}

TEST_F(CudaSplit, OneShareNeedsNoMemory) {
  write();
  SessionPtr session = createSession(package, &options);
  ASSERT_EQ(run(session.get(), 100, 0), ADZE_OK) << adze_last_error();
  int64_t before = count("allocations");
  ASSERT_EQ(run(session.get(), 127, 0), ADZE_OK) << adze_last_error(); // larger buffers
  EXPECT_EQ(count("allocations"), before);
  ASSERT_EQ(run(session.get(), 128, 0), ADZE_OK) << adze_last_error(); // two shares: workspace and counters
  EXPECT_EQ(count("allocations"), before + 2);
}

TEST_F(CudaSplit, EveryAllocationMayFail) {
  write();
  int failures = 0;
  for (int at = 1;; ++at) {
    ASSERT_LT(at, 100) << "there is no end";
    SCOPED_TRACE("allocation " + std::to_string(at));
    restart();
    set("ADZE_SIM_OOM_AT", std::to_string(at));
    adze_session_t *raw = nullptr;
    bool failed = adze_session_create(package.get(), &options, &raw) != ADZE_OK;
    SessionPtr session(raw);
    if (failed) {
      expectNothingLeft();
      unset("ADZE_SIM_OOM_AT");
      session = createSession(package, &options);
      ASSERT_TRUE(session);
    }
    // Plain, recorded, replayed; a failed one is tried again with less.
    for (int turn = 0; turn < 3; ++turn) {
      adze_status_t status = run(session.get(), 1000, float(turn));
      if (status == ADZE_OK)
        continue;
      failed = true;
      expectError(status, ADZE_RESOURCE, "CUDA_ERROR_OUT_OF_MEMORY");
      ASSERT_EQ(run(session.get(), 200, float(turn)), ADZE_OK) << adze_last_error();
    }
    session.reset();
    expectNothingLeft();
    failures += failed;
    if (!failed && at > 20)
      break;
  }
  EXPECT_GE(failures, 7); // context, stream, pool, module, weights, arena, input, output, workspace, counters
}

TEST_F(CudaSplit, ASmallerRequestFollowsALargeOne) {
  write();
  set("ADZE_SIM_MEMORY", "3000000");
  SessionPtr session = createSession(package, &options);
  for (int64_t n : {1000, 20000, 1000, 200, 20000, 1000}) { // 20000: 157 shares, 50 MB
    adze_status_t status = run(session.get(), n, 1);
    if (n == 20000)
      expectError(status, ADZE_RESOURCE, "50240000 bytes"); // the workspace
    else
      ASSERT_EQ(status, ADZE_OK) << adze_last_error();
  }
  session.reset();
  expectNothingLeft();
}

TEST_F(CudaSplit, TheWorkspaceCountsAgainstTheCap) {
  write();
  options.max_bytes = 200000;
  SessionPtr session = createSession(package, &options);
  ASSERT_EQ(run(session.get(), 200, 1), ADZE_OK) << adze_last_error();
  expectError(run(session.get(), 2000, 1), ADZE_RESOURCE, "max_bytes"); // 63 programs of 16 shares: 516096 bytes
  ASSERT_EQ(run(session.get(), 200, 2), ADZE_OK) << adze_last_error();
}

TEST_F(CudaSplit, ImpossibleSharesAreRefused) {
  auto op = [](fb::ExprOp op) { return static_cast<int64_t>(op); };
  auto refuses = [&](std::vector<int64_t> shares, const char *why) {
    extraKernels() = kSplitScale;
    writeCudaAffine(file_.path(), {"sm_80"}, [&](TestPackage &p) {
      useSplit(p);
      p.program->images[0]->kernels[0]->shares = std::move(shares);
    });
    extraKernels().clear();
    adze_package_t *raw = nullptr;
    expectError(adze_package_open(file_.path().c_str(), &raw), ADZE_BAD_PACKAGE, why);
    EXPECT_EQ(raw, nullptr);
  };
  refuses({op(fb::ExprOp::symbol), 1}, "argument");
  refuses({16, 0}, "addresses");
  refuses({op(fb::ExprOp::add), 0}, "empty stack");
  write([&](TestPackage &p) {
    useSplit(p);
    std::vector<int64_t> &shares = p.program->images[0]->kernels[0]->shares;
    shares.insert(shares.end(), {op(fb::ExprOp::constant), 1}); // two values
  });
  SessionPtr session = createSession(package, &options);
  expectError(run(session.get(), 10, 0), ADZE_BAD_PACKAGE, "number of shares");
}

} // namespace
