// Tensor copies in kernels: what lands where, and what the device would refuse or get wrong.
#include "test/unit/sim/KernelHarness.h"

#include <numeric>

using namespace adze::sim;
using namespace adze::sim::test;

namespace {

/// A matrix of 64 x 64 f16-sized elements, element (r, c) = 64 r + c; boxes of 64 x 16.
struct Matrix {
  unsigned swizzle = 0;
  uint64_t in = 0, out = 0;
  TensorMapBytes mapOf(uint64_t address) const {
    TensorMap map;
    map.type = 6;
    map.rank = 2;
    map.address = address;
    map.dim = {64, 64};
    map.stride = {128};
    map.box = {64, 16};
    map.elementStride = {1, 1};
    map.swizzle = swizzle;
    TensorMapBytes bytes;
    EXPECT_EQ(encode(map, bytes), "");
    return bytes;
  }
  void operator()(Kernels &kernels) {
    std::vector<uint16_t> values(64 * 64);
    std::iota(values.begin(), values.end(), uint16_t(0));
    in = kernels.buffer(values);
    out = kernels.buffer(std::vector<uint16_t>(64 * 64, 0xffff));
    kernels.block = {32, 1, 1};
    kernels.param(mapOf(in));
    kernels.param(mapOf(out));
  }
};

/// Lane 0 loads the box at (x, y), then stores it at (x2, y2).
std::string copyKernel(const std::string &parts) {
  return std::string(R"(
.visible .entry k(.param .align 64 .b8 from[128], .param .align 64 .b8 to[128]) {
  .reg .b32 %r<12>; .reg .b64 %rd<12>; .reg .pred %p<6>;
  .shared .align 1024 .b8 buf[4096];
  .shared .align 8 .b64 full;
  .local .align 64 .b8 copy[128];
  mov.b64 %rd1, from;
  cvta.param.u64 %rd2, %rd1;
  mov.b64 %rd3, to;
  cvta.param.u64 %rd4, %rd3;
  mov.u32 %r1, %tid.x;
  mov.u32 %r3, buf;
  mov.u32 %r6, full;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra DONE;
  mbarrier.init.shared::cta.b64 [%r6], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 2048;
)") + parts +
         R"(
DONE:
  ret;
})";
}
const char *const waitPart = R"(
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
  @!%p2 bra WAIT;
)";
std::string loadPart(const char *x, const char *y) {
  return std::string(
             "  cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r3], [%rd2, {") +
         x + ", " + y + "}], [%r6];\n";
}
std::string storePart(const char *x, const char *y) {
  return std::string("  cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%rd4, {") + x + ", " + y +
         "}], [%r3];\n  cp.async.bulk.commit_group;\n  cp.async.bulk.wait_group 0;\n";
}

void checkCopy(Kernels &kernels, uint64_t out, int x, int y, int x2, int y2) {
  std::vector<uint16_t> got = kernels.read<uint16_t>(out, 64 * 64);
  for (int r = 0; r != 64; ++r)
    for (int c = 0; c != 64; ++c) {
      int br = r - y2, bc = c - x2;
      uint16_t want = 0xffff;
      if (br >= 0 && br < 16 && bc >= 0 && bc < 64) {
        int sr = y + br, sc = x + bc;
        want = sr >= 0 && sr < 64 && sc >= 0 && sc < 64 ? uint16_t(64 * sr + sc) : 0;
      }
      ASSERT_EQ(got[size_t(r) * 64 + size_t(c)], want) << r << "," << c;
    }
}

TEST(AsyncTensor, LoadsAndStoresClip) {
  for (uint64_t seed = 0; seed != 4; ++seed)
    for (unsigned swizzle : {0u, 3u}) {
      Matrix matrix{swizzle};
      Kernels kernels;
      kernels.options.seed = seed;
      matrix(kernels);
      LaunchResult result = kernels.run(copyKernel(loadPart("-8", "56") + waitPart + storePart("16", "32")));
      ASSERT_EQ(result.code, 0) << result.text;
      checkCopy(kernels, matrix.out, -8, 56, 16, 32);
    }
}

// 10. What the swizzle puts where: the reader that ignores it gets other bytes.
TEST(AsyncTensor, SwizzleIsTheFormula) {
  Matrix matrix{3};
  Kernels kernels;
  matrix(kernels);
  uint64_t raw = kernels.fresh(2048);
  kernels.param(raw);
  std::string text = copyKernel(loadPart("0", "0") + waitPart + R"(
  ld.param.u64 %rd5, [raw];
  cp.async.bulk.global.shared::cta.bulk_group [%rd5], [%r3], 2048;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)");
  text.replace(text.find("to[128])"), 8, "to[128], .param .u64 raw)");
  LaunchResult result = kernels.run(text);
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint16_t> got = kernels.read<uint16_t>(raw, 1024);
  for (uint32_t r = 0; r != 16; ++r)
    for (uint32_t c = 0; c != 64; ++c) {
      uint32_t byte = r * 128 + c * 2;
      byte ^= (r & 7) << 4;
      ASSERT_EQ(got[byte / 2], 64 * r + c);
    }
}

// 10. The tile does not start at a multiple of the swizzle's period.
TEST(AsyncTensor, TileNotAtThePeriod) {
  Matrix matrix{3};
  bugAndFix(
      copyKernel("- add.s32 %r3, %r3, 128;\n" + loadPart("0", "0") + waitPart + storePart("0", "16")),
      "not a multiple of 1024", [&](Kernels &kernels) { matrix(kernels); },
      [&](Kernels &kernels) { checkCopy(kernels, matrix.out, 0, 0, 0, 16); });
}

TEST(AsyncTensor, BoxStartNotAligned) {
  Matrix matrix{0};
  std::string load = loadPart("4", "0");
  load = "-" + load + "+" + loadPart("8", "0");
  bugAndFix(
      copyKernel(load + waitPart + storePart("0", "0")), "not a multiple of 16",
      [&](Kernels &kernels) { matrix(kernels); },
      [&](Kernels &kernels) { checkCopy(kernels, matrix.out, 8, 0, 0, 0); });
}

// 15. The map was copied to local memory (a parameter that is not __grid_constant__); the map is misaligned; it changes
// while a copy is in flight.
TEST(AsyncTensor, MapInLocalMemory) {
  Matrix matrix{0};
  bugAndFix(
      copyKernel(R"(
- mov.b64 %rd5, copy;
- cvta.local.u64 %rd2, %rd5;
)" + loadPart("0", "0") +
                 waitPart + storePart("0", "0")),
      "local memory", [&](Kernels &kernels) { matrix(kernels); },
      [&](Kernels &kernels) { checkCopy(kernels, matrix.out, 0, 0, 0, 0); });
}

TEST(AsyncTensor, MapMisalignedOrNoMap) {
  Matrix matrix{0};
  bugAndFix(
      copyKernel("- add.s64 %rd2, %rd2, 8;\n" + loadPart("0", "0") + waitPart + storePart("0", "0")), "tensor map",
      [&](Kernels &kernels) { matrix(kernels); },
      [&](Kernels &kernels) { checkCopy(kernels, matrix.out, 0, 0, 0, 0); });
}

TEST(AsyncTensor, MapChangedInFlight) {
  for (bool correct : {false, true}) {
    Matrix matrix{0};
    Kernels kernels;
    matrix(kernels);
    TensorMapBytes bytes = matrix.mapOf(matrix.in);
    uint64_t map = kernels.memory.global.allocate(128);
    std::string error;
    ASSERT_TRUE(kernels.memory.global.write(map, bytes.bytes, 128, error));
    kernels.param(map);
    std::string change = "  st.global.u32 [%rd2+8], 8192;\n";
    std::string text = copyKernel("  ld.param.u64 %rd2, [map];\n" + loadPart("0", "0") +
                                  (correct ? waitPart + change : change + waitPart) + storePart("0", "0"));
    text.replace(text.find("to[128])"), 8, "to[128], .param .u64 map)");
    LaunchResult result = kernels.run(text);
    if (correct)
      EXPECT_EQ(result.code, 0) << result.text;
    else
      EXPECT_NE(result.text.find("changed while a copy"), std::string::npos) << result.text;
  }
}

TEST(AsyncTensor, WrongKindOfMap) {
  Matrix matrix{0};
  Kernels kernels;
  matrix(kernels);
  LaunchResult result =
      kernels.run(copyKernel("  cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], "
                             "[%rd2, {0, 0, 0}], [%r6];\n" +
                             std::string(waitPart)));
  EXPECT_EQ(result.code, 715);
  EXPECT_NE(result.text.find("3-dimensional"), std::string::npos) << result.text;
}

TEST(AsyncTensor, ReduceAdds) {
  Matrix matrix{0};
  Kernels kernels;
  matrix(kernels);
  // out = 1.0 everywhere; the box holds small integers' bit patterns: use rows of zeros (outside) and check that 1.0 +
  // 0 stays, then add the first rows' values as f16.
  std::vector<uint16_t> ones(64 * 64, 0x3c00);
  std::string error;
  ASSERT_TRUE(kernels.memory.global.write(matrix.out, ones.data(), ones.size() * 2, error));
  ASSERT_TRUE(kernels.memory.global.write(matrix.in, ones.data(), ones.size() * 2, error));
  LaunchResult result = kernels.run(copyKernel(loadPart("0", "56") + waitPart + R"(
  cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%rd4, {0, 0}], [%r3];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)"));
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint16_t> got = kernels.read<uint16_t>(matrix.out, 64 * 64);
  EXPECT_EQ(got[0], 0x4000) << "1 + 1";
  EXPECT_EQ(got[7 * 64], 0x4000);
  EXPECT_EQ(got[8 * 64], 0x3c00) << "the box's rows 8.. lie outside the source: zeros";
  EXPECT_EQ(got[16 * 64], 0x3c00);
}

// Multicast: one block loads for both.
TEST(AsyncTensor, Multicast) {
  const char *const text = R"(
.visible .entry k(.param .align 64 .b8 from[128], .param .align 64 .b8 to[128], .param .u64 out) {
  .reg .b32 %r<14>; .reg .b64 %rd<12>; .reg .pred %p<6>; .reg .b16 %h<2>;
  .shared .align 1024 .b8 buf[2048];
  .shared .align 8 .b64 full;
  mov.b64 %rd1, from;
  cvta.param.u64 %rd2, %rd1;
  ld.param.u64 %rd5, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %cluster_ctarank;
  mov.u32 %r3, buf;
  mov.u32 %r6, full;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra INITED;
  mbarrier.init.shared::cta.b64 [%r6], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r6], 2048;
INITED:
+ barrier.cluster.arrive.aligned;
+ barrier.cluster.wait.aligned;
  bar.sync 0;
  setp.ne.s32 %p3, %r2, 0;
  @%p3 bra ISSUED;
  @%p1 bra ISSUED;
  mov.u16 %h1, 3;
  cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%r3], [%rd2, {0, 16}], [%r6], %h1;
ISSUED:
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r6], 0;
  @!%p2 bra WAIT;
  shl.b32 %r7, %r1, 2;
  add.s32 %r7, %r3, %r7;
  ld.shared.u32 %r8, [%r7];
  shl.b32 %r9, %r2, 5;
  add.s32 %r9, %r9, %r1;
  mul.wide.u32 %rd6, %r9, 4;
  add.s64 %rd7, %rd5, %rd6;
  st.global.u32 [%rd7], %r8;
  ret;
})";
  Matrix matrix{0};
  uint64_t out = 0;
  bugAndFix(
      text, "may not have started",
      [&](Kernels &kernels) {
        matrix(kernels);
        kernels.grid = kernels.cluster = {2, 1, 1};
        out = kernels.fresh(256);
        kernels.param(out);
      },
      [&](Kernels &kernels) {
        std::vector<uint16_t> got = kernels.read<uint16_t>(out, 128);
        for (int block = 0; block != 2; ++block)
          for (int i = 0; i != 64; ++i)
            EXPECT_EQ(got[size_t(block) * 64 + size_t(i)], 1024 + i);
      });
}

} // namespace
