// Data races, barriers, clusters, poison and bounds in hand-written kernels: wrong and corrected.
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

void output(Kernels &kernels) { kernels.param(kernels.fresh(512)); }
auto expectCounting(uint32_t add = 0) {
  return [add](Kernels &kernels) {
    uint64_t out;
    std::memcpy(&out, kernels.params.data(), 8);
    EXPECT_EQ(kernels.read<uint32_t>(out, 128), counting(128, add));
  };
}
void nothing(Kernels &) {}

/// 128 threads; %r1 is the thread, %r4 its word of buf, %rd4 its word of out.
std::string kernel(const std::string &body, const char *shared = "512") {
  return std::string(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<16>; .reg .b64 %rd<10>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[)") +
         shared + R"(];
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  add.s32 %r4, %r3, %r2;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
)" + body +
         R"(
  ret;
})";
}
void outputOnly(Kernels &kernels) {
  output(kernels);
  kernels.param(0);
}

// --- shared memory ---

TEST(Race, SharedWithoutBarrier) {
  bugAndFix(kernel(R"(
  st.shared.u32 [%r4], %r1;
+ bar.sync 0;
  xor.b32 %r5, %r2, 508;
  add.s32 %r6, %r3, %r5;
  ld.shared.u32 %r7, [%r6];
  xor.b32 %r7, %r7, 127;
  st.global.u32 [%rd4], %r7;
)"),
            "", outputOnly, expectCounting());
}

TEST(Race, SharedReusedWithoutBarrier) {
  bugAndFix(kernel(R"(
  st.shared.u32 [%r4], %r1;
  bar.sync 0;
  xor.b32 %r5, %r2, 508;
  add.s32 %r6, %r3, %r5;
  ld.shared.u32 %r7, [%r6];
+ bar.sync 0;
  st.shared.u32 [%r4], 7;
  xor.b32 %r7, %r7, 127;
  st.global.u32 [%rd4], %r7;
)"),
            "data race", outputOnly, expectCounting());
}

TEST(Race, LanesOfAWarpNeedAWarpBarrier) {
  bugAndFix(kernel(R"(
  st.shared.u32 [%r4], %r1;
+ bar.warp.sync 0xffffffff;
  xor.b32 %r5, %r2, 4;
  add.s32 %r6, %r3, %r5;
  ld.shared.u32 %r7, [%r6];
  xor.b32 %r7, %r7, 1;
  st.global.u32 [%rd4], %r7;
)"),
            "data race", outputOnly, expectCounting());
}

// A shuffle brings the lanes together, but does not order memory.
TEST(Race, ShufflesDoNotOrderMemory) {
  bugAndFix(kernel(R"(
  st.shared.u32 [%r4], %r1;
- shfl.sync.idx.b32 %r8, %r1, 0, 31, 0xffffffff;
+ bar.warp.sync 0xffffffff;
  xor.b32 %r5, %r2, 4;
  add.s32 %r6, %r3, %r5;
  ld.shared.u32 %r7, [%r6];
  xor.b32 %r7, %r7, 1;
  st.global.u32 [%rd4], %r7;
)"),
            "data race", outputOnly, expectCounting());
}

// Neighbouring bytes are no race, the same byte is.
TEST(Race, ToTheByte) {
  bugAndFix(kernel(R"(
  add.s32 %r5, %r3, %r1;
- shr.u32 %r6, %r1, 1;
- add.s32 %r5, %r3, %r6;
  st.shared.u8 [%r5], %r1;
  bar.sync 0;
  ld.shared.u8 %r7, [%r5];
  st.global.u32 [%rd4], %r7;
)"),
            "data race", outputOnly, expectCounting());
}

// Several threads may store the same value to the same place.
TEST(Race, TheSameValueTwiceIsNoRace) {
  Kernels kernels;
  outputOnly(kernels);
  LaunchResult result = kernels.run(kernel(R"(
  st.shared.u32 [%r3], 5;
  bar.sync 0;
  ld.shared.u32 %r7, [%r3];
  add.s32 %r7, %r7, %r1;
  st.global.u32 [%rd4], %r7;
)"));
  EXPECT_EQ(result.code, 0) << result.text;
  expectCounting(5)(kernels);
}

// --- named barriers ---

// 16. Half of the threads jump over the barrier; warps disagree on the count; a lane predicate.
TEST(Race, BarrierUnderALanePredicate) {
  bugAndFix(kernel(R"(
  and.b32 %r5, %r1, 1;
  setp.eq.u32 %p1, %r5, 0;
- @%p1 bar.sync 0;
+ bar.sync 0;
  st.global.u32 [%rd4], %r1;
)"),
            "", outputOnly, expectCounting());
}

TEST(Race, BarrierThatAWarpNeverReaches) {
  bugAndFix(kernel(R"(
  setp.lt.u32 %p1, %r1, 32;
- @%p1 bra SKIP;
  bar.sync 1, 128;
SKIP:
  st.global.u32 [%rd4], %r1;
)"),
            "96 of 128", outputOnly, expectCounting());
}

TEST(Race, CountsThatDisagree) {
  bugAndFix(kernel(R"(
  mov.u32 %r5, 128;
  setp.lt.u32 %p1, %r1, 32;
- @%p1 mov.u32 %r5, 64;
  bar.sync 1, %r5;
  st.global.u32 [%rd4], %r1;
)"),
            "disagree", outputOnly, expectCounting());
}

TEST(Race, ProducerAndConsumerByNamedBarrier) {
  bugAndFix(kernel(R"(
  setp.lt.u32 %p1, %r1, 64;
  @!%p1 bra CONSUME;
- bar.arrive 1, 128;
  st.shared.u32 [%r4], %r1;
+ bar.arrive 1, 128;
  st.global.u32 [%rd4], %r1;
  bra DONE;
CONSUME:
  bar.sync 1, 128;
  ld.shared.u32 %r5, [%r4+-256];
  add.s32 %r5, %r5, 64;
  st.global.u32 [%rd4], %r5;
DONE:
)"),
            "", outputOnly, [](Kernels &kernels) { expectCounting()(kernels); });
}

TEST(Race, ReductionByBarrier) {
  Kernels kernels;
  outputOnly(kernels);
  LaunchResult result = kernels.run(kernel(R"(
  and.b32 %r5, %r1, 3;
  setp.eq.u32 %p1, %r5, 0;
  bar.red.popc.u32 %r6, 0, %p1;
  bar.red.or.pred %p2, 0, %p1;
  bar.red.and.pred %p3, 0, %p1;
  selp.u32 %r7, 100, 0, %p2;
  selp.u32 %r8, 1000, 0, %p3;
  add.s32 %r6, %r6, %r7;
  add.s32 %r6, %r6, %r8;
  add.s32 %r6, %r6, %r1;
  st.global.u32 [%rd4], %r6;
)"));
  EXPECT_EQ(result.code, 0) << result.text;
  expectCounting(132)(kernels);
}

// --- global memory ---

TEST(Race, GlobalInABlock) {
  bugAndFix(kernel(R"(
  st.global.u32 [%rd4], %r1;
+ bar.sync 0;
  xor.b32 %r5, %r1, 127;
  mul.wide.u32 %rd5, %r5, 4;
  add.s64 %rd6, %rd1, %rd5;
  ld.global.u32 %r6, [%rd6];
+ bar.sync 0;
  xor.b32 %r6, %r6, 127;
  add.s32 %r6, %r6, 1;
  st.global.u32 [%rd4], %r6;
)"),
            "data race", outputOnly, expectCounting(1));
}

TEST(Race, BlocksAreNotOrdered) {
  auto prepare = [](Kernels &kernels) {
    outputOnly(kernels);
    kernels.grid = {2, 1, 1};
  };
  bugAndFix(kernel(R"(
  mov.u32 %r5, %ctaid.x;
  add.s32 %r6, %r1, %r5;
- mov.u32 %r7, 0;
+ setp.ne.u32 %p1, %r5, 0;
+ @%p1 bra DONE;
- add.s32 %r1, %r1, %r5;
  st.global.u32 [%rd4], %r1;
DONE:
)"),
            "data race", prepare, expectCounting());
}

// Split-K: each block adds a partial result; the last one to arrive at a counter sums them.
std::string splitKernel(const char *fence) {
  return std::string(R"(
.visible .entry k(.param .u64 out, .param .u64 partial, .param .u64 counter) {
  .reg .b32 %r<16>; .reg .b64 %rd<12>; .reg .pred %p<6>;
  .shared .align 4 .b8 last[4];
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [partial];
  ld.param.u64 %rd3, [counter];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ctaid.x;
  shl.b32 %r3, %r2, 7;
  add.s32 %r3, %r3, %r1;
  mul.wide.u32 %rd4, %r3, 4;
  add.s64 %rd5, %rd2, %rd4;
  st.global.u32 [%rd5], %r1;
  bar.sync 0;
  setp.ne.u32 %p1, %r1, 0;
  mov.u32 %r9, last;
  @%p1 bra COUNTED;
)") + fence +
         R"(
  setp.eq.u32 %p2, %r4, 3;
  selp.u32 %r5, 1, 0, %p2;
  st.shared.u32 [%r9], %r5;
COUNTED:
  bar.sync 0;
  ld.shared.u32 %r5, [%r9];
  setp.eq.u32 %p3, %r5, 0;
  @%p3 bra DONE;
  mul.wide.u32 %rd6, %r1, 4;
  add.s64 %rd7, %rd2, %rd6;
  ld.global.u32 %r6, [%rd7];
  ld.global.u32 %r7, [%rd7+512];
  add.s32 %r6, %r6, %r7;
  ld.global.u32 %r7, [%rd7+1024];
  add.s32 %r6, %r6, %r7;
  ld.global.u32 %r7, [%rd7+1536];
  add.s32 %r6, %r6, %r7;
  add.s64 %rd8, %rd1, %rd6;
  st.global.u32 [%rd8], %r6;
DONE:
  ret;
})";
}
void splitBuffers(Kernels &kernels) {
  kernels.param(kernels.fresh(512));
  kernels.param(kernels.fresh(2048));
  kernels.param(kernels.buffer(std::vector<uint32_t>{0}));
  kernels.grid = {4, 1, 1};
  kernels.options.threads = 2;
}
void checkSplit(Kernels &kernels) {
  uint64_t out;
  std::memcpy(&out, kernels.params.data(), 8);
  std::vector<uint32_t> values = kernels.read<uint32_t>(out, 128);
  for (uint32_t i = 0; i != 128; ++i)
    EXPECT_EQ(values[i], 4 * i);
}

TEST(Race, CounterWithoutFence) {
  bugAndFix(splitKernel(R"(
+ membar.gl;
  atom.global.add.u32 %r4, [%rd3], 1;
+ membar.gl;
)"),
            "data race", splitBuffers, checkSplit);
}
TEST(Race, CounterWithoutReleasingFence) {
  bugAndFix(splitKernel(R"(
+ fence.acq_rel.gpu;
  atom.global.add.u32 %r4, [%rd3], 1;
  fence.acq_rel.gpu;
)"),
            "data race", splitBuffers, checkSplit);
}
TEST(Race, CounterWithoutAcquiringFence) {
  bugAndFix(splitKernel(R"(
  fence.acq_rel.gpu;
  atom.global.add.u32 %r4, [%rd3], 1;
+ fence.acq_rel.gpu;
)"),
            "data race", splitBuffers, checkSplit);
}
TEST(Race, CounterOfBlockScope) {
  bugAndFix(splitKernel(R"(
- atom.acq_rel.cta.global.add.u32 %r4, [%rd3], 1;
+ atom.acq_rel.gpu.global.add.u32 %r4, [%rd3], 1;
)"),
            "data race", splitBuffers, checkSplit);
}

// A barrier over the grid: every block counts itself and polls until all are there.
std::string gridBarrier(const char *arrive, const char *poll) {
  return std::string(R"(
.visible .entry k(.param .u64 out, .param .u64 data, .param .u64 counter) {
  .reg .b32 %r<16>; .reg .b64 %rd<12>; .reg .pred %p<6>;
  ld.param.u64 %rd1, [out];
  ld.param.u64 %rd2, [data];
  ld.param.u64 %rd3, [counter];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ctaid.x;
  shl.b32 %r3, %r2, 5;
  add.s32 %r3, %r3, %r1;
  mul.wide.u32 %rd4, %r3, 4;
  add.s64 %rd5, %rd2, %rd4;
  st.global.u32 [%rd5], %r3;
  bar.sync 0;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra PASSED;
)") + arrive +
         "POLL:\n" + poll + R"(
  setp.lt.u32 %p2, %r4, 4;
  @%p2 bra POLL;
PASSED:
  bar.sync 0;
  xor.b32 %r5, %r3, 127;
  mul.wide.u32 %rd6, %r5, 4;
  add.s64 %rd7, %rd2, %rd6;
  ld.global.u32 %r6, [%rd7];
  add.s64 %rd8, %rd1, %rd6;
  st.global.u32 [%rd8], %r6;
  ret;
})";
}
void gridBuffers(Kernels &kernels) {
  kernels.param(kernels.fresh(512));
  kernels.param(kernels.fresh(512));
  kernels.param(kernels.buffer(std::vector<uint32_t>{0}));
  kernels.grid = {4, 1, 1};
  kernels.block = {32, 1, 1};
  kernels.options.maxInstructions = 0;
}

TEST(Race, GridBarrierByRelease) {
  bugAndFix(gridBarrier("- red.relaxed.gpu.global.add.u32 [%rd3], 1;\n+ red.release.gpu.global.add.u32 [%rd3], 1;\n",
                        "  ld.acquire.gpu.global.u32 %r4, [%rd3];\n"),
            "data race", gridBuffers, expectCounting());
}
TEST(Race, GridBarrierByAcquire) {
  bugAndFix(gridBarrier("  red.release.gpu.global.add.u32 [%rd3], 1;\n",
                        "- ld.relaxed.gpu.global.u32 %r4, [%rd3];\n+ ld.acquire.gpu.global.u32 %r4, [%rd3];\n"),
            "data race", gridBuffers, expectCounting());
}
TEST(Race, PollingByAPlainLoad) {
  bugAndFix(gridBarrier("  red.release.gpu.global.add.u32 [%rd3], 1;\n",
                        "- ld.global.u32 %r4, [%rd3];\n+ ld.acquire.gpu.global.u32 %r4, [%rd3];\n"),
            "data race", gridBuffers, expectCounting());
}

TEST(Race, NonCoherentReadOfWrittenData) {
  bugAndFix(kernel(R"(
  st.global.u32 [%rd4], %r1;
- ld.global.nc.u32 %r5, [%rd4];
+ ld.global.u32 %r5, [%rd4];
  st.global.u32 [%rd4], %r5;
)"),
            "non-coherent", outputOnly, expectCounting());
}

// 17. A dependent launch touches its predecessor's data before griddepcontrol.wait.
TEST(Race, DependentLaunch) {
  for (bool correct : {false, true}) {
    Kernels kernels;
    outputOnly(kernels);
    ASSERT_EQ(kernels.run(kernel("  st.global.u32 [%rd4], %r1;\n")).code, 0);
    kernels.options.programmaticSerialization = true;
    LaunchResult result = kernels.run(variant(kernel(R"(
+ griddepcontrol.wait;
  ld.global.u32 %r5, [%rd4];
- griddepcontrol.wait;
  add.s32 %r5, %r5, 1;
  st.global.u32 [%rd4], %r5;
)"),
                                              correct));
    if (correct) {
      EXPECT_EQ(result.code, 0) << result.text;
      expectCounting(1)(kernels);
    } else {
      EXPECT_NE(result.text.find("griddepcontrol.wait"), std::string::npos) << result.text;
    }
  }
}

// One warp waits for the preceding grid; a barrier passes that on. A bulk copy counts like a load.
TEST(Race, DependentLaunchByOneThread) {
  const char *const variants[] = {R"(
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra WAITED;
  griddepcontrol.wait;
WAITED:
+ bar.sync 0;
  ld.global.u32 %r5, [%rd4];
  add.s32 %r5, %r5, 1;
  st.global.u32 [%rd4], %r5;
)",
                                  R"(
+ griddepcontrol.wait;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra DONE;
  st.shared.v4.u32 [%r3], {%r1, %r1, %r1, %r1};
  cp.async.bulk.prefetch.L2.global [%rd1], 512;
  fence.proxy.async.shared::cta;
  cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%rd1], [%r3], 16;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
)"};
  for (const char *text : variants)
    for (bool correct : {false, true}) {
      Kernels kernels;
      outputOnly(kernels);
      ASSERT_EQ(kernels.run(kernel("  st.global.u32 [%rd4], %r1;\n")).code, 0);
      kernels.options.programmaticSerialization = true;
      LaunchResult result = kernels.run(variant(kernel(text), correct));
      if (correct)
        EXPECT_EQ(result.code, 0) << result.text;
      else
        EXPECT_NE(result.text.find("griddepcontrol.wait"), std::string::npos) << result.text;
    }
}

// --- clusters ---

void clusterOutput(Kernels &kernels) {
  kernels.param(kernels.fresh(512));
  kernels.param(0);
  kernels.grid = kernels.cluster = {2, 1, 1};
  kernels.block = {64, 1, 1};
}

/// Block rank r writes its words, the other block reads them.
std::string clusterKernel(const std::string &between, const std::string &end) {
  return std::string(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<16>; .reg .b64 %rd<10>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[256];
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r8, %cluster_ctarank;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  add.s32 %r4, %r3, %r2;
  shl.b32 %r9, %r8, 6;
  add.s32 %r9, %r9, %r1;
  st.shared.u32 [%r4], %r9;
)") + between +
         R"(
  xor.b32 %r10, %r8, 1;
  mapa.shared::cluster.u32 %r11, %r4, %r10;
  ld.shared::cluster.u32 %r12, [%r11];
)" + end +
         R"(
  mul.wide.u32 %rd3, %r12, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r12;
  ret;
})";
}
const char *const clusterBarrier = "  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;\n";

// 14. Nothing says that the peer has started and written; the peer may have exited.
TEST(Race, PeerMayNotHaveStarted) {
  bugAndFix(clusterKernel("- bar.sync 0;\n+ barrier.cluster.arrive.aligned;\n+ barrier.cluster.wait.aligned;\n",
                          clusterBarrier),
            "may not have started", clusterOutput, expectCounting());
}
TEST(Race, PeerMayHaveExited) {
  bugAndFix(clusterKernel(clusterBarrier, "+ barrier.cluster.arrive.aligned;\n+ barrier.cluster.wait.aligned;\n"),
            "exit", clusterOutput, expectCounting());
}
TEST(Race, ClusterBarrierWithoutWait) {
  bugAndFix(clusterKernel("  barrier.cluster.arrive.aligned;\n+ barrier.cluster.wait.aligned;\n",
                          "- barrier.cluster.wait.aligned;\n" + std::string(clusterBarrier)),
            "", clusterOutput, expectCounting());
}
TEST(Race, RelaxedClusterArriveDoesNotPublish) {
  bugAndFix(clusterKernel(std::string(clusterBarrier) + R"(
  add.s32 %r9, %r9, 0;
  st.shared.u32 [%r4], %r9;
- st.shared.u32 [%r4], 5;
- barrier.cluster.arrive.relaxed.aligned;
+ barrier.cluster.arrive.release.aligned;
  barrier.cluster.wait.aligned;
)",
                          clusterBarrier),
            "data race", clusterOutput, expectCounting());
}

// A remote arrival of block scope publishes nothing to the other block.
TEST(Race, RemoteArrivalNeedsClusterScope) {
  bugAndFix(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<16>; .reg .b64 %rd<10>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[256];
  .shared .align 8 .b64 full;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r8, %cluster_ctarank;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  mov.u32 %r5, full;
  add.s32 %r4, %r3, %r2;
  shl.b32 %r9, %r8, 6;
  add.s32 %r9, %r9, %r1;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r5], 64;
  fence.mbarrier_init.release.cluster;
INITED:
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  xor.b32 %r10, %r8, 1;
  mapa.shared::cluster.u32 %r11, %r4, %r10;
  mapa.shared::cluster.u32 %r12, %r5, %r10;
  st.shared::cluster.u32 [%r11], %r9;
- mbarrier.arrive.shared::cluster.b64 _, [%r12];
+ mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r12];
WAIT:
- mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r5], 0;
+ mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p2, [%r5], 0;
  @!%p2 bra WAIT;
  ld.shared.u32 %r13, [%r4];
  mul.wide.u32 %rd3, %r13, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r13;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  ret;
})",
            "data race", clusterOutput, expectCounting());
}

// --- poison ---

TEST(Poison, StoredAndCopiedToTheHost) {
  for (bool correct : {false, true}) {
    Kernels kernels;
    outputOnly(kernels);
    LaunchResult result = kernels.run(variant(kernel(R"(
+ st.shared.u32 [%r4], %r1;
  ld.shared.u32 %r5, [%r4];
  add.s32 %r5, %r5, 1;
  st.global.u32 [%rd4], %r5;
)"),
                                              correct));
    ASSERT_EQ(result.code, 0) << result.text;
    uint64_t out, poison;
    std::memcpy(&out, kernels.params.data(), 8);
    uint32_t values[128];
    std::string error;
    EXPECT_EQ(kernels.memory.global.read(values, out, sizeof values, error, poison), correct) << error;
    EXPECT_EQ(poison, correct ? 0 : out);
  }
}

TEST(Poison, AddressAndBranch) {
  bugAndFix(kernel(R"(
+ st.shared.u32 [%r4], 0;
  ld.shared.u32 %r5, [%r4];
  cvt.u64.u32 %rd5, %r5;
  add.s64 %rd6, %rd4, %rd5;
  st.global.u32 [%rd6], %r1;
)"),
            "uninitialised", outputOnly, expectCounting());
  bugAndFix(kernel(R"(
+ st.shared.u32 [%r4], 0;
  ld.shared.u32 %r5, [%r4];
  setp.ne.u32 %p1, %r5, 0;
  @%p1 bra DONE;
  st.global.u32 [%rd4], %r1;
DONE:
)"),
            "uninitialised", outputOnly, expectCounting());
}

// Lanes that do not use what they loaded are no error.
TEST(Poison, DeadLanesAreFine) {
  Kernels kernels;
  outputOnly(kernels);
  LaunchResult result = kernels.run(kernel(R"(
  setp.lt.u32 %p1, %r1, 64;
  @%p1 st.shared.u32 [%r4], %r1;
  ld.shared.u32 %r5, [%r4];
  selp.u32 %r6, %r5, %r1, %p1;
  st.global.u32 [%rd4], %r6;
)"));
  EXPECT_EQ(result.code, 0) << result.text;
  (void)nothing;
}

// --- bounds and alignment ---

TEST(Bounds, Global) {
  bugAndFix(kernel(R"(
- add.s64 %rd4, %rd4, 1;
+ add.s64 %rd4, %rd4, 0;
  st.global.u8 [%rd4+3], %r1;
  st.global.u32 [%rd4], %r1;
)"),
            "", outputOnly, expectCounting());
  bugAndFix(
      kernel(R"(
  st.global.u32 [%rd4], %r1;
- st.global.u8 [%rd1+512], 0;
)"),
      "past the end of the allocation of 512 bytes",
      [](Kernels &kernels) {
        outputOnly(kernels);
        kernels.block = {128, 1, 1};
      },
      expectCounting());
}

TEST(Bounds, SharedAndNull) {
  bugAndFix(kernel(R"(
- st.shared.u32 [%r4+4], 0;
+ st.shared.u32 [%r4], 0;
  st.global.u32 [%rd4], %r1;
)"),
            "out of bounds", outputOnly, expectCounting());
  bugAndFix(kernel(R"(
- mov.u64 %rd5, 0;
+ mov.u64 %rd5, %rd4;
  st.u32 [%rd5], %r1;
)"),
            "null", outputOnly, expectCounting());
}

TEST(Bounds, Misaligned) {
  bugAndFix(
      kernel(R"(
  st.global.u32 [%rd4], %r1;
- ld.global.v2.u32 {%r5, %r6}, [%rd1+4];
+ ld.global.v2.u32 {%r5, %r6}, [%rd4];
)",
             "512"),
      "",
      [](Kernels &kernels) {
        outputOnly(kernels);
        kernels.block = {1, 1, 1};
      },
      nothing);
}

TEST(Bounds, UseAfterFree) {
  Kernels kernels;
  uint64_t freed = kernels.fresh(512);
  kernels.param(freed);
  kernels.param(0);
  kernels.memory.global.free(freed);
  LaunchResult result = kernels.run(kernel("  st.global.u32 [%rd4], %r1;\n"));
  EXPECT_EQ(result.code, 700);
  EXPECT_NE(result.text.find("use after free"), std::string::npos) << result.text;
}

// --- generic addresses and atomics ---

TEST(Addresses, GenericAndSpaces) {
  Kernels kernels;
  outputOnly(kernels);
  LaunchResult result = kernels.run(kernel(R"(
  cvt.u64.u32 %rd5, %r4;
  cvta.shared.u64 %rd6, %rd5;
  st.u32 [%rd6], %r1;
  isspacep.shared %p1, %rd6;
  isspacep.global %p2, %rd6;
  isspacep.global %p3, %rd4;
  ld.shared.u32 %r5, [%r4];
  selp.u32 %r6, 0, 1000, %p1;
  selp.u32 %r7, 1000, 0, %p2;
  selp.u32 %r8, 0, 1000, %p3;
  add.s32 %r5, %r5, %r6;
  add.s32 %r5, %r5, %r7;
  add.s32 %r5, %r5, %r8;
  st.u32 [%rd4], %r5;
)"));
  EXPECT_EQ(result.code, 0) << result.text;
  expectCounting()(kernels);
}

TEST(Addresses, Atomics) {
  Kernels kernels;
  kernels.param(kernels.buffer(std::vector<uint32_t>(128)));
  kernels.param(0);
  kernels.grid = {4, 1, 1};
  LaunchResult result = kernels.run(kernel(R"(
  red.global.add.u32 [%rd4], %r1;
  atom.global.max.u32 %r5, [%rd1], 3;
  atom.global.cas.b32 %r6, [%rd1], 3, 0;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra DONE;
  st.shared.u32 [%r3], 0;
DONE:
  bar.sync 0;
  atom.shared.inc.u32 %r7, [%r3], 1000;
  bar.sync 0;
  ld.shared.u32 %r8, [%r3];
  setp.eq.u32 %p2, %r8, 128;
  @!%p2 trap;
)"));
  EXPECT_EQ(result.code, 0) << result.text;
  uint64_t out;
  std::memcpy(&out, kernels.params.data(), 8);
  std::vector<uint32_t> values = kernels.read<uint32_t>(out, 128);
  for (uint32_t i = 1; i != 128; ++i)
    EXPECT_EQ(values[i], 4 * i);
}

} // namespace
