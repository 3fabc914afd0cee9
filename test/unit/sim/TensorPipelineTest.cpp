// A warp-specialised matmul loop: one producer thread fills a ring of two stages with bulk copies, two warpgroups
// multiply (each its own 64 rows, both the same B) and release a stage with one arrival a warpgroup. Each mutant leaves
// out one synchronisation and must be reported under every seed; the kernel itself must not.
#include "test/unit/sim/KernelHarness.h"
#include "tools/sim/cuda/number/Format.h"

using namespace adze::sim;
using namespace adze::sim::test;

namespace {

constexpr int steps = 7, stageBytes = 4608, rowBytes = 2048;

// Stage s at 4608 * s: 64 rows of A for warpgroup 0, for warpgroup 1, 8 columns of B; no swizzle. full[s] at 9216 + 8
// s, empty[s] at 9232 + 8 s.
const char *const kernel = R"(
.visible .entry k(.param .u64 in, .param .u64 out) {
  .reg .b32 %r<32>; .reg .b64 %rd<16>; .reg .pred %p<8>; .reg .f32 %d<8>;
  .shared .align 1024 .b8 buf[9248];
  ld.param.u64 %rd1, [in];
  ld.param.u64 %rd2, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, buf;
  add.s32 %r3, %r2, 9216;
  add.s32 %r4, %r2, 9232;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra READY;
  mbarrier.init.shared::cta.b64 [%r3], 1;
  mbarrier.init.shared::cta.b64 [%r3+8], 1;
  mbarrier.init.shared::cta.b64 [%r4], 2;
  mbarrier.init.shared::cta.b64 [%r4+8], 2;
  fence.mbarrier_init.release.cluster;
READY:
  bar.sync 0;
  mov.u32 %r10, 0;
  mov.u32 %r11, 0;
  mov.u32 %r12, 0;
  setp.ge.u32 %p2, %r1, 256;
  @%p2 bra PRODUCER;
  shr.u32 %r5, %r1, 7;
  mov.f32 %d0, 0f00000000;
  mov.f32 %d1, %d0; mov.f32 %d2, %d0; mov.f32 %d3, %d0;
CONSUME:
  mul.lo.s32 %r13, %r11, 4608;
  shl.b32 %r14, %r11, 3;
  add.s32 %r15, %r3, %r14;
  add.s32 %r16, %r4, %r14;
  setp.lt.u32 %p7, %r1, 96;
FULL:
  @WAITERS mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r15], %r12;
  @WAITERS @!%p3 bra FULL;
  add.s32 %r17, %r2, %r13;
  add.s32 %r18, %r17, 4096;
  mad.lo.s32 %r17, %r5, 2048, %r17;
  shr.u32 %r17, %r17, 4;
  shr.u32 %r18, %r18, 4;
  cvt.u64.u32 %rd4, %r17;
  cvt.u64.u32 %rd5, %r18;
  add.s64 %rd4, %rd4, 0x1000080000;
  add.s64 %rd5, %rd5, 0x1000080000;
  setp.ne.u32 %p4, %r10, 0;
#fence  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3}, %rd4, %rd5, %p4, 1, 1, 0, 0;
  wgmma.commit_group.sync.aligned;
#wait  wgmma.wait_group.sync.aligned 0;
  and.b32 %r19, %r1, 127;
  setp.eq.u32 %p5, %r19, 37;
  @%p5 mbarrier.arrive.shared::cta.b64 _, [%r16];
  add.s32 %r10, %r10, 1;
  xor.b32 %r11, %r11, 1;
  setp.eq.u32 %p6, %r11, 0;
  @%p6 xor.b32 %r12, %r12, 1;
  setp.lt.u32 %p6, %r10, 7;
  @%p6 bra CONSUME;
  wgmma.wait_group.sync.aligned 0;
  mul.wide.u32 %rd6, %r1, 16;
  add.s64 %rd2, %rd2, %rd6;
  st.global.v4.f32 [%rd2], {%d0, %d1, %d2, %d3};
  ret;
PRODUCER:
  setp.ne.u32 %p3, %r1, 256;
  @%p3 ret;
  mov.u32 %r12, 1;
PRODUCE:
  mul.lo.s32 %r13, %r11, 4608;
  shl.b32 %r14, %r11, 3;
  add.s32 %r15, %r3, %r14;
  add.s32 %r16, %r4, %r14;
EMPTY:
#empty  mbarrier.try_wait.parity.shared::cta.b64 %p4, [%r16], %r12;
#empty  @!%p4 bra EMPTY;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r15], 4608;
  add.s32 %r17, %r2, %r13;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r17], [%rd1], 4608, [%r15];
  add.s64 %rd1, %rd1, 4608;
  add.s32 %r10, %r10, 1;
  xor.b32 %r11, %r11, 1;
  setp.eq.u32 %p6, %r11, 0;
  @%p6 xor.b32 %r12, %r12, 1;
  setp.lt.u32 %p6, %r10, 7;
  @%p6 bra PRODUCE;
  ret;
}
)";

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// The kernel without the lines marked #NAME; the other marks are taken off. `somebody` waits for full stages only in
/// three of four warps.
std::string build(const std::string &without, bool somebody = false) {
  std::string text = kernel;
  if (!without.empty()) {
    std::string mark = "#" + without;
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark))
      text.erase(at, text.find('\n', at) - at);
  }
  for (const char *mark : {"#fence", "#wait", "#empty"})
    text = replaced(text, mark, "");
  if (somebody) {
    text = replaced(text, "  @WAITERS mbarrier", "  @!%p7 bra GO;\n  mbarrier");
    text = replaced(text, "  @WAITERS @!%p3 bra FULL;", "  @!%p3 bra FULL;\nGO:");
    return text;
  }
  return replaced(text, "@WAITERS ", "");
}

LaunchResult run(const std::string &text, uint64_t seed, std::vector<float> *results = nullptr) {
  Kernels kernels;
  kernels.options.seed = seed;
  kernels.options.maxInstructions = 1000000;
  kernels.block = {288, 1, 1};
  // Element (line, k) at line / 8 * 256 + k / 8 * 128 + line % 8 * 16 + k % 8 * 2 of its operand.
  std::vector<uint16_t> data(static_cast<size_t>(steps * stageBytes / 2));
  for (int step = 0; step < steps; ++step)
    for (int line = 0; line < 136; ++line)
      for (int k = 0; k < 16; ++k) {
        int base = line < 64 ? 0 : line < 128 ? rowBytes : 2 * rowBytes, at = line < 128 ? line % 64 : line - 128;
        int offset = step * stageBytes + base + at / 8 * 256 + k / 8 * 128 + at % 8 * 16 + k % 8 * 2;
        int value = line < 128 ? (line + step) % 5 : (at + k) % 3;
        data[static_cast<size_t>(offset / 2)] = static_cast<uint16_t>(roundTo(bf16Format, fromDouble(value)));
      }
  kernels.param(kernels.buffer(data));
  uint64_t out = kernels.fresh(4096);
  kernels.param(out);
  LaunchResult result = kernels.run(text);
  if (results && result.code == 0)
    *results = kernels.read<float>(out, 1024);
  return result;
}

TEST(TensorPipeline, RightUnderEverySeed) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    std::vector<float> values;
    LaunchResult result = run(build(""), seed, &values);
    ASSERT_EQ(result.code, 0) << "seed " << seed << ": " << result.text;
    for (int row = 0; row < 128; ++row)
      for (int column = 0; column < 8; ++column) {
        float expected = 0;
        for (int step = 0; step < steps; ++step)
          for (int k = 0; k < 16; ++k)
            expected += static_cast<float>((row + step) % 5 * ((column + k) % 3));
        int thread = row / 16 * 32 + row % 8 * 4 + column / 2;
        ASSERT_EQ(values[static_cast<size_t>(4 * thread + row % 16 / 8 * 2 + column % 2)], expected)
            << row << " " << column;
      }
  }
}

void expectReported(const std::string &text, const std::string &part) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    LaunchResult result = run(text, seed);
    EXPECT_NE(result.code, 0) << "seed " << seed << ": not reported";
    EXPECT_NE(result.text.find(part), std::string::npos) << "seed " << seed << ": " << result.text;
  }
}

TEST(TensorPipeline, ProducerDoesNotWaitForEmptyStages) { expectReported(build("empty"), "shared"); }
TEST(TensorPipeline, StageReleasedBeforeTheWait) { expectReported(build("wait"), "shared"); }
TEST(TensorPipeline, OneWarpDoesNotWaitForFullStages) { expectReported(build("", true), "shared"); }
TEST(TensorPipeline, MissingFence) { expectReported(build("fence"), "missing wgmma.fence"); }
TEST(TensorPipeline, ReleasedByTooFew) { expectReported(replaced(build(""), "[%r4], 2;", "[%r4], 1;"), "shared"); }

} // namespace
