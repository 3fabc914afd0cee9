// Asynchronous stores, copies between blocks, bulk reductions and im2col copies in kernels.
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

void clusterOutput(Kernels &kernels) {
  kernels.param(kernels.fresh(256));
  kernels.grid = kernels.cluster = {2, 1, 1};
  kernels.block = {32, 1, 1};
}
template <typename Check>
auto onOutput(Check check) {
  return [check](Kernels &kernels) {
    uint64_t out;
    std::memcpy(&out, kernels.params.data(), 8);
    check(kernels.read<uint32_t>(out, 64));
  };
}

/// Two blocks of 32 threads. %r1 thread, %r8 own rank, %r4 own word of buf, %r5 own mbarrier (1 arrival), %r11 and %r12
/// the peer's word and mbarrier; thread 0 expects 128 bytes.
std::string peerKernel(const std::string &send, const std::string &wait) {
  return std::string(R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<20>; .reg .b64 %rd<10>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[128];
  .shared .align 128 .b8 own[128];
  .shared .align 8 .b64 full;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r8, %cluster_ctarank;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  mov.u32 %r5, full;
  mov.u32 %r6, own;
  add.s32 %r4, %r3, %r2;
  add.s32 %r7, %r6, %r2;
  shl.b32 %r9, %r8, 5;
  add.s32 %r9, %r9, %r1;
  st.shared.u32 [%r4], 1000;
  st.shared.u32 [%r7], %r9;
  fence.proxy.async.shared::cta;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r5], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r5], 128;
INITED:
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  xor.b32 %r10, %r8, 1;
  mapa.shared::cluster.u32 %r11, %r4, %r10;
  mapa.shared::cluster.u32 %r12, %r5, %r10;
)") + send +
         wait +
         R"(
  ld.shared.u32 %r13, [%r4];
  mul.wide.u32 %rd3, %r9, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4], %r13;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  ret;
})";
}
const char *const waitHere = R"(
+WAIT:
+ mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p2, [%r5], 0;
+ @!%p2 bra WAIT;
)";
void checkSwapped(const std::vector<uint32_t> &values) {
  for (uint32_t i = 0; i != 64; ++i)
    EXPECT_EQ(values[i], i ^ 32) << i;
}

TEST(AsyncCluster, StoreAsync) {
  bugAndFix(
      peerKernel("  st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [%r11], %r9, [%r12];\n", waitHere),
      "", clusterOutput, onOutput(checkSwapped), 90, "8.1");
}

TEST(AsyncCluster, ReduceAsync) {
  bugAndFix(
      peerKernel(
          "  red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32 [%r11], %r9, [%r12];\n",
          waitHere),
      "", clusterOutput, onOutput([](const std::vector<uint32_t> &values) {
        for (uint32_t i = 0; i != 64; ++i)
          EXPECT_EQ(values[i], 1000 + (i ^ 32)) << i;
      }),
      90, "8.1");
}

TEST(AsyncCluster, CopyToThePeer) {
  bugAndFix(peerKernel(R"(
  @%p1 bra SENT;
  cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r11], [%r6], 128, [%r12];
SENT:
)",
                       waitHere),
            "", clusterOutput, onOutput(checkSwapped));
}

// The source of a copy to the peer is overwritten while it may still be read.
TEST(AsyncCluster, SourceOfACopyToThePeer) {
  bugAndFix(peerKernel(R"(
  @%p1 bra SENT;
  cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r11], [%r6], 128, [%r12];
SENT:
- bar.sync 0;
- st.shared.u32 [%r7], 5;
)",
                       "WAIT:\n  mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p2, [%r5], 0;\n"
                       "  @!%p2 bra WAIT;\n"),
            "", clusterOutput, onOutput(checkSwapped));
}

TEST(AsyncCluster, BulkReduction) {
  for (uint64_t seed = 0; seed != 4; ++seed) {
    Kernels kernels;
    kernels.options.seed = seed;
    uint64_t out = kernels.buffer(counting(32, 7));
    kernels.param(out);
    kernels.grid = {3, 1, 1};
    kernels.block = {32, 1, 1};
    LaunchResult result = kernels.run(R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<20>; .reg .b64 %rd<10>; .reg .pred %p<6>;
  .shared .align 128 .b8 buf[128];
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, buf;
  add.s32 %r4, %r3, %r2;
  st.shared.u32 [%r4], %r1;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra DONE;
  cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%rd1], [%r3], 128;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
})");
    ASSERT_EQ(result.code, 0) << result.text;
    std::vector<uint32_t> values = kernels.read<uint32_t>(out, 32);
    for (uint32_t i = 0; i != 32; ++i)
      EXPECT_EQ(values[i], 7 + i + 3 * i);
  }
}

// A 3x3 filter with padding 1 over 4 x 3 pixels of 8 channels: filter position (r, s) = (0, 2).
TEST(AsyncCluster, Im2colLoad) {
  Kernels kernels;
  std::vector<uint16_t> image(3 * 4 * 8);
  std::iota(image.begin(), image.end(), uint16_t(1));
  TensorMap map;
  map.im2col = true;
  map.type = 6;
  map.rank = 4;
  map.address = kernels.buffer(image);
  map.dim = {8, 4, 3, 1};
  map.stride = {16, 64, 192};
  map.elementStride = {1, 1, 1, 1};
  map.channels = 8;
  map.pixels = 12;
  map.lower = {-1, -1};
  map.upper = {-1, -1};
  TensorMapBytes bytes;
  ASSERT_EQ(encode(map, bytes), "");
  uint64_t out = kernels.fresh(192);
  kernels.param(bytes);
  kernels.param(out);
  kernels.block = {32, 1, 1};
  LaunchResult result = kernels.run(R"(
.visible .entry k(.param .align 64 .b8 from[128], .param .u64 out) {
  .reg .b32 %r<12>; .reg .b64 %rd<12>; .reg .pred %p<6>; .reg .b16 %h<4>;
  .shared .align 128 .b8 buf[256];
  .shared .align 8 .b64 full;
  mov.b64 %rd1, from;
  cvta.param.u64 %rd2, %rd1;
  ld.param.u64 %rd3, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r3, buf;
  mov.u32 %r6, full;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra DONE;
  mbarrier.init.shared::cta.b64 [%r6], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 192;
  mov.u16 %h1, 2;
  mov.u16 %h2, 0;
  cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%r3], [%rd2, {0, -1, -1, 0}], [%r6], {%h1, %h2};
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
  @!%p2 bra WAIT;
  cp.async.bulk.global.shared::cta.bulk_group [%rd3], [%r3], 192;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
})");
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint16_t> got = kernels.read<uint16_t>(out, 96);
  for (int pixel = 0; pixel != 12; ++pixel)
    for (int c = 0; c != 8; ++c) {
      int w = pixel % 4 - 1 + 2, h = pixel / 4 - 1 + 0;
      bool inside = w >= 0 && w < 4 && h >= 0 && h < 3;
      uint16_t want = inside ? uint16_t(1 + (h * 4 + w) * 8 + c) : 0;
      EXPECT_EQ(got[size_t(pixel) * 8 + size_t(c)], want) << pixel << " " << c;
    }
}

} // namespace
