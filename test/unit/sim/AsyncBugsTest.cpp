// Bugs of asynchronous kernels that only hardware shows: each must be reported, and its corrected twin must pass.
// Lines with "-" are the bug, lines with "+" its correction (see variant() of KernelHarness.h).
#include "test/unit/sim/KernelHarness.h"

#include <numeric>

using namespace adze::sim;
using namespace adze::sim::test;

namespace {

std::vector<uint32_t> counting(size_t count, uint32_t first = 0) {
  std::vector<uint32_t> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

/// One output buffer of 128 words, which must hold 0..127 (plus `add`).
struct Output {
  uint64_t address = 0;
  void operator()(Kernels &kernels) {
    address = kernels.fresh(512);
    kernels.param(address);
  }
};
auto expectCounting(uint32_t add = 0) {
  return [add](Kernels &kernels) {
    uint64_t out;
    std::memcpy(&out, kernels.params.data(), 8);
    std::vector<uint32_t> values = kernels.read<uint32_t>(out, 128);
    EXPECT_EQ(values, counting(128, add));
  };
}

/// Input words 100..227 as a second parameter.
void outputAndInput(Kernels &kernels) {
  Output()(kernels);
  kernels.param(kernels.buffer(counting(128, 100)));
}

// Every kernel stages 128 words in shared memory and one thread stores them with a bulk copy.
const char *const storeHead = R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[512];
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  add.s32 %r4, %r3, %r2;
  setp.ne.s32 %p1, %r1, 0;
)";

// 1. Written through the generic proxy, read by a bulk store, no proxy fence.
TEST(AsyncBugs, StoreWithoutProxyFence) {
  bugAndFix(std::string(storeHead) + R"(
  st.shared.u32 [%r4], %r1;
+ fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p1 bra DONE;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 512;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
})",
            "missing proxy fence", Output(), expectCounting());
}

// 2. The issuing thread fences, the writers do not.
TEST(AsyncBugs, ProxyFenceByTheIssuerOnly) {
  bugAndFix(std::string(storeHead) + R"(
  st.shared.u32 [%r4], %r1;
+ fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p1 bra DONE;
- fence.proxy.async.shared::cta;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 512;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
})",
            "missing proxy fence", Output(), expectCounting());
}

// The barrier between writers and issuer is as necessary as the fence.
TEST(AsyncBugs, StoreWithoutBarrier) {
  bugAndFix(std::string(storeHead) + R"(
  st.shared.u32 [%r4], %r1;
  fence.proxy.async.shared::cta;
+ bar.sync 0;
  @%p1 bra DONE;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 512;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
})",
            "", Output(), expectCounting());
}

// 13. The source of a bulk store is overwritten before it was read.
TEST(AsyncBugs, SourceReusedBeforeWaitRead) {
  bugAndFix(std::string(storeHead) + R"(
  st.shared.u32 [%r4], %r1;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p1 bra STORED;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 512;
  cp.async.bulk.commit_group;
+ cp.async.bulk.wait_group.read 0;
STORED:
  bar.sync 0;
  st.shared.u32 [%r4], 7;
  @%p1 bra DONE;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
})",
            "still reads", Output(), expectCounting());
}

// 13. Groups belong to the thread that committed them: another thread's wait does nothing.
TEST(AsyncBugs, AnotherThreadWaitsForTheStore) {
  bugAndFix(std::string(storeHead) + R"(
  st.shared.u32 [%r4], %r1;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p1 bra STORED;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 512;
  cp.async.bulk.commit_group;
+ cp.async.bulk.wait_group.read 0;
STORED:
- setp.ne.s32 %p2, %r1, 1;
- @%p2 bra WAITED;
- cp.async.bulk.wait_group.read 0;
WAITED:
  bar.sync 0;
  st.shared.u32 [%r4], 7;
  @%p1 bra DONE;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
})",
            "still reads", Output(), expectCounting());
}

TEST(AsyncBugs, ExitBeforeWaitRead) {
  bugAndFix(std::string(storeHead) + R"(
  st.shared.u32 [%r4], %r1;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p1 bra DONE;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 512;
  cp.async.bulk.commit_group;
+ cp.async.bulk.wait_group.read 0;
DONE:
  ret;
})",
            "exits although its bulk store", Output(), expectCounting());
}

// What a bulk store writes is visible after wait_group, not after wait_group.read.
TEST(AsyncBugs, WrittenDataReadAfterWaitReadOnly) {
  bugAndFix(std::string(storeHead) + R"(
  st.shared.u32 [%r4], %r1;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p1 bra STORED;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 512;
  cp.async.bulk.commit_group;
- cp.async.bulk.wait_group.read 0;
+ cp.async.bulk.wait_group 0;
STORED:
  bar.sync 0;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r5, [%rd3];
  st.global.u32 [%rd3], %r5;
  ret;
})",
            "in flight", Output(), expectCounting());
}

// --- loads ---

// One thread loads 128 words with a bulk copy; all wait on the mbarrier and add 1.
std::string loadKernel(const char *init, const char *issue, const char *wait, const char *after = "") {
  return std::string(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[1024];
  .shared .align 8 .b64 full;
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [in];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  add.s32 %r4, %r3, %r2;
  mov.u32 %r6, full;
  setp.ne.s32 %p1, %r1, 0;
)") + init +
         issue + wait + R"(
  ld.shared.u32 %r5, [%r4];
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r5;
)" + after +
         R"(
  ret;
})";
}

const char *const goodInit = R"(
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r6], 1;
  fence.mbarrier_init.release.cluster;
INITED:
  bar.sync 0;
)";
const char *const goodIssue = R"(
  @%p1 bra ISSUED;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 512;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], 512, [%r6];
ISSUED:
)";
const char *const goodWait = R"(
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
  @!%p2 bra WAIT;
)";

TEST(AsyncBugs, ReadBeforeTheWait) {
  bugAndFix(loadKernel(goodInit, goodIssue, R"(
+WAIT:
+ mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
+ @!%p2 bra WAIT;
- bar.sync 0;
)"),
            "", outputAndInput, expectCounting(100));
}

// try_wait may time out: without the loop the data may not be there.
TEST(AsyncBugs, WaitThatIsNotALoop) {
  bool reported = false;
  for (uint64_t seed = 0; seed != 40 && !reported; ++seed) {
    Kernels kernels;
    kernels.options.seed = seed * 4;
    outputAndInput(kernels);
    LaunchResult result = kernels.run(loadKernel(goodInit, goodIssue, R"(
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
)"));
    reported = result.code != 0;
  }
  EXPECT_TRUE(reported);
}

// 6. The parity of a fresh barrier's "phase before the first" is already complete.
TEST(AsyncBugs, WrongParity) {
  bugAndFix(loadKernel(goodInit, goodIssue, R"(
WAIT:
- mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 1;
+ mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
  @!%p2 bra WAIT;
)"),
            "", outputAndInput, expectCounting(100));
}

// 8. Fewer bytes expected than the copy brings; more; none arrives; no arrival.
TEST(AsyncBugs, TooFewBytesExpected) {
  bugAndFix(loadKernel(goodInit, R"(
  @%p1 bra ISSUED;
- mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 256;
+ mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 512;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], 512, [%r6];
ISSUED:
)",
                       goodWait),
            "256 bytes expected and 512 landed", outputAndInput, expectCounting(100));
}

TEST(AsyncBugs, TooManyBytesExpected) {
  bugAndFix(loadKernel(goodInit, R"(
  @%p1 bra ISSUED;
- mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 1024;
+ mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 512;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], 512, [%r6];
ISSUED:
)",
                       goodWait),
            "1024 bytes expected and 512 landed", outputAndInput, expectCounting(100));
}

TEST(AsyncBugs, ExpectWithoutArrive) {
  bugAndFix(loadKernel(goodInit, R"(
  @%p1 bra ISSUED;
- mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%r6], 512;
+ mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 512;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], 512, [%r6];
ISSUED:
)",
                       goodWait),
            "pending 1 of 1", outputAndInput, expectCounting(100));
}

// 9. Issued by all lanes of a warp, or by none.
TEST(AsyncBugs, IssuedByAllLanes) {
  bugAndFix(loadKernel(goodInit, R"(
  @%p1 bra EXPECTED;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 512;
EXPECTED:
- setp.gt.u32 %p1, %r1, 31;
  @%p1 bra ISSUED;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], 512, [%r6];
ISSUED:
)",
                       goodWait),
            "", outputAndInput, expectCounting(100));
}

TEST(AsyncBugs, IssuedByNobody) {
  bugAndFix(loadKernel(goodInit, R"(
  @%p1 bra EXPECTED;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 512;
EXPECTED:
- setp.ne.u32 %p1, %r1, 999;
  @%p1 bra ISSUED;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], 512, [%r6];
ISSUED:
)",
                       goodWait),
            "512 bytes expected and 0 landed", outputAndInput, expectCounting(100));
}

// The init must be fenced for the async proxy, and ordered before every use.
TEST(AsyncBugs, InitNotFenced) {
  bugAndFix(loadKernel(R"(
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r6], 1;
+ fence.mbarrier_init.release.cluster;
INITED:
  bar.sync 0;
)",
                       goodIssue, goodWait),
            "not followed by fence.mbarrier_init", outputAndInput, expectCounting(100));
}

TEST(AsyncBugs, InitNotOrdered) {
  bugAndFix(loadKernel(R"(
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r6], 1;
  fence.mbarrier_init.release.cluster;
INITED:
+ bar.sync 0;
)",
                       goodIssue, goodWait),
            "mbarrier.init", outputAndInput, expectCounting(100));
}

TEST(AsyncBugs, InitTwice) {
  bugAndFix(loadKernel(R"(
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r6], 1;
+ mbarrier.inval.shared::cta.b64 [%r6];
  mbarrier.init.shared::cta.b64 [%r6], 1;
  fence.mbarrier_init.release.cluster;
INITED:
  bar.sync 0;
)",
                       goodIssue, goodWait),
            "init of a live barrier", outputAndInput, expectCounting(100));
}

TEST(AsyncBugs, PlainStoreOnALiveBarrier) {
  bugAndFix(loadKernel(goodInit, goodIssue, goodWait, R"(
  bar.sync 0;
- st.shared.u32 [%r6], 0;
)"),
            "live mbarrier", outputAndInput, expectCounting(100));
}

TEST(AsyncBugs, ExitWithACopyOnItsWay) {
  bugAndFix(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[512];
  .shared .align 8 .b64 full;
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [in];
  mov.u32 %r1, %tid.x;
  mov.u32 %r3, buf;
  mov.u32 %r6, full;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r1;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra DONE;
  mbarrier.init.shared::cta.b64 [%r6], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 512;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], 512, [%r6];
+WAIT:
+ mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
+ @!%p2 bra WAIT;
DONE:
  ret;
})",
            "exits", outputAndInput, expectCounting());
}

// --- rings ---

// A producer warp fills a ring of two stages four times; three consumer warps read. 7: consumers must all have left
// before the stage is refilled. 6: the parity follows the use of the stage.
std::string ringKernel(const char *parity, const char *release) {
  return std::string(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<24>; .reg .b64 %rd<12>; .reg .pred %p<8>;
  .shared .align 128 .b8 buf[256];
  .shared .align 8 .b8 full[16];
  .shared .align 8 .b8 empty[16];
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [in];
  mov.u32 %r1, %tid.x;
  mov.u32 %r3, buf;
  mov.u32 %r5, full;
  mov.u32 %r6, empty;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r5], 1;
  mbarrier.init.shared::cta.b64 [%r5+8], 1;
  mbarrier.init.shared::cta.b64 [%r6], 3;
  mbarrier.init.shared::cta.b64 [%r6+8], 3;
  fence.mbarrier_init.release.cluster;
INITED:
  bar.sync 0;
  mov.u32 %r10, 0;
  setp.gt.u32 %p2, %r1, 31;
  @%p2 bra CONSUME;
  @%p1 bra DONE;
PRODUCE:
  and.b32 %r11, %r10, 1;
  shr.u32 %r12, %r10, 1;
  shl.b32 %r13, %r11, 3;
  add.s32 %r14, %r6, %r13;
  and.b32 %r15, %r12, 1;
  xor.b32 %r15, %r15, 1;
PWAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r14], %r15;
  @!%p3 bra PWAIT;
  add.s32 %r16, %r5, %r13;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r16], 128;
  shl.b32 %r17, %r11, 7;
  add.s32 %r17, %r3, %r17;
  mul.wide.u32 %rd3, %r10, 128;
  add.s64 %rd4, %rd2, %rd3;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r17], [%rd4], 128, [%r16];
  add.s32 %r10, %r10, 1;
  setp.lt.u32 %p4, %r10, 8;
  @%p4 bra PRODUCE;
  bra DONE;
CONSUME:
  and.b32 %r18, %r1, 31;
  mov.u32 %r20, 0;
LOOP:
  and.b32 %r11, %r10, 1;
  shr.u32 %r12, %r10, 1;
  shl.b32 %r13, %r11, 3;
  add.s32 %r16, %r5, %r13;
)") + parity +
         R"(
CWAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r16], %r15;
  @!%p3 bra CWAIT;
  shl.b32 %r17, %r11, 7;
  add.s32 %r17, %r3, %r17;
  shl.b32 %r19, %r18, 2;
  add.s32 %r17, %r17, %r19;
  ld.shared.u32 %r21, [%r17];
  add.s32 %r20, %r20, %r21;
)" + release +
         R"(
  add.s32 %r10, %r10, 1;
  setp.lt.u32 %p4, %r10, 8;
  @%p4 bra LOOP;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r20;
DONE:
  ret;
})";
}
const char *const ringParity = "  and.b32 %r15, %r12, 1;\n";
const char *const ringRelease = R"(
  bar.warp.sync 0xffffffff;
  setp.ne.s32 %p5, %r18, 0;
  add.s32 %r22, %r6, %r13;
  @%p5 bra RELEASED;
  mbarrier.arrive.shared::cta.b64 _, [%r22];
RELEASED:
)";

void ringBuffers(Kernels &kernels) {
  kernels.param(kernels.fresh(512));
  kernels.param(kernels.buffer(counting(256)));
}
void checkRing(Kernels &kernels) {
  uint64_t out;
  std::memcpy(&out, kernels.params.data(), 8);
  std::vector<uint32_t> values = kernels.read<uint32_t>(out, 128);
  for (uint32_t i = 32; i != 128; ++i)
    EXPECT_EQ(values[i], 8 * (i % 32) + 32 * 28) << i;
}

TEST(AsyncBugs, RingParityFromTheWrongCount) {
  bugAndFix(ringKernel("- and.b32 %r15, %r10, 1;\n+ and.b32 %r15, %r12, 1;\n", ringRelease), "", ringBuffers,
            checkRing);
}

// 7. The leader of each warp arrives although its siblings have not been waited for.
TEST(AsyncBugs, LeaderArrivesBeforeItsSiblings) {
  bugAndFix(ringKernel(ringParity, R"(
+ bar.warp.sync 0xffffffff;
  setp.ne.s32 %p5, %r18, 0;
  add.s32 %r22, %r6, %r13;
  @%p5 bra RELEASED;
  mbarrier.arrive.shared::cta.b64 _, [%r22];
RELEASED:
)"),
            "data race", ringBuffers, checkRing);
}

// 7. One warp arrives for all three.
TEST(AsyncBugs, OneWarpReleasesForAll) {
  bugAndFix(ringKernel(ringParity, R"(
  bar.warp.sync 0xffffffff;
  setp.ne.s32 %p5, %r18, 0;
- setp.ne.s32 %p5, %r1, 32;
  add.s32 %r22, %r6, %r13;
  @%p5 bra RELEASED;
- mbarrier.arrive.shared::cta.b64 _, [%r22], 3;
+ mbarrier.arrive.shared::cta.b64 _, [%r22];
RELEASED:
)"),
            "", ringBuffers, checkRing);
}

// 5. The buffer is refilled although nobody said that it is empty.
TEST(AsyncBugs, RefilledWithoutRelease) {
  std::string text = ringKernel(ringParity, ringRelease);
  std::string wait = "PWAIT:\n  mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r14], %r15;\n  @!%p3 bra PWAIT;\n";
  size_t at = text.find(wait);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, wait.size(),
               "+PWAIT:\n+ mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r14], %r15;\n+ @!%p3 bra PWAIT;\n");
  bugAndFix(text, "", ringBuffers, checkRing);
}

// --- cp.async ---

std::string cpAsyncKernel(const char *middle) {
  return std::string(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[512];
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [in];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  add.s32 %r4, %r3, %r2;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
  add.s64 %rd5, %rd2, %rd3;
  xor.b32 %r6, %r2, 252;
  add.s32 %r7, %r3, %r6;
  cp.async.ca.shared.global [%r4], [%rd5], 4;
)") + middle +
         R"(
  ld.shared.u32 %r5, [%r7];
  xor.b32 %r8, %r1, 63;
  mul.wide.u32 %rd3, %r8, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r5;
  ret;
})";
}

// 11. No barrier after the wait; the barrier before the wait; the commit after the wait; one group too few.
TEST(AsyncBugs, CpAsyncWithoutBarrier) {
  bugAndFix(cpAsyncKernel(R"(
  cp.async.commit_group;
  cp.async.wait_group 0;
+ bar.sync 0;
)"),
            "", outputAndInput, expectCounting(100), 80, "7.4");
}
TEST(AsyncBugs, CpAsyncBarrierBeforeTheWait) {
  bugAndFix(cpAsyncKernel(R"(
  cp.async.commit_group;
- bar.sync 0;
  cp.async.wait_group 0;
+ bar.sync 0;
)"),
            "", outputAndInput, expectCounting(100), 80, "7.4");
}
TEST(AsyncBugs, CpAsyncCommitAfterTheWait) {
  bugAndFix(cpAsyncKernel(R"(
+ cp.async.commit_group;
  cp.async.wait_group 0;
- cp.async.commit_group;
  bar.sync 0;
)"),
            "in flight", outputAndInput, expectCounting(100), 80, "7.4");
}
TEST(AsyncBugs, CpAsyncOneGroupTooFew) {
  bugAndFix(cpAsyncKernel(R"(
  cp.async.commit_group;
- cp.async.wait_group 1;
+ cp.async.commit_group;
+ cp.async.wait_group 1;
  bar.sync 0;
)"),
            "in flight", outputAndInput, expectCounting(100), 80, "7.4");
}
TEST(AsyncBugs, CpAsyncWaitAll) {
  bugAndFix(cpAsyncKernel(R"(
+ cp.async.wait_all;
  bar.sync 0;
)"),
            "in flight", outputAndInput, expectCounting(100), 80, "7.4");
}

TEST(AsyncBugs, CpAsyncArrivesOnAnMBarrier) {
  bugAndFix(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[512];
  .shared .align 8 .b64 full;
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [in];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  mov.u32 %r9, full;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra INITED;
  mbarrier.init.shared.b64 [%r9], 128;
INITED:
  bar.sync 0;
  add.s32 %r4, %r3, %r2;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd5, %rd2, %rd3;
  cp.async.ca.shared.global [%r4], [%rd5], 4;
  cp.async.mbarrier.arrive.noinc.shared.b64 [%r9];
WAIT:
  mbarrier.test_wait.parity.shared.b64 %p2, [%r9], 0;
+ @!%p2 bra WAIT;
  xor.b32 %r6, %r2, 252;
  add.s32 %r7, %r3, %r6;
  ld.shared.u32 %r5, [%r7];
  xor.b32 %r8, %r1, 63;
  mul.wide.u32 %rd3, %r8, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r5;
  ret;
})",
            "", outputAndInput, expectCounting(100), 80, "7.4");
}

// --- setmaxnreg ---

// 12. More registers asked for than the pool has: the warpgroups wait for ever.
TEST(AsyncBugs, RegisterPoolExhausted) {
  auto prepare = [](Kernels &kernels) {
    Output()(kernels);
    kernels.block = {384, 1, 1};
  };
  bugAndFix(R"(
.visible .entry k(.param .u64 out) .maxntid 384, 1, 1 .minnctapersm 1 {
  .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .pred %p<6>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  setp.lt.u32 %p1, %r1, 128;
  @%p1 bra PRODUCER;
  setmaxnreg.inc.sync.aligned.u32 240;
  bra JOINED;
PRODUCER:
- setmaxnreg.dec.sync.aligned.u32 40;
+ setmaxnreg.dec.sync.aligned.u32 24;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r1;
JOINED:
  ret;
})",
            "setmaxnreg.inc", prepare, expectCounting());
}

TEST(AsyncBugs, SetmaxnregIgnored) {
  bugAndFix(R"(
- .visible .entry k(.param .u64 out) {
+ .visible .entry k(.param .u64 out) .maxntid 128, 1, 1 .minnctapersm 1 {
  .reg .b32 %r<12>; .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  setmaxnreg.dec.sync.aligned.u32 40;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r1;
  ret;
})",
            "would be ignored", Output(), expectCounting());
}

} // namespace
