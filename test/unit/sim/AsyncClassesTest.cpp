// Tensor maps, the mbarrier state machine, named barriers and atomics, without a kernel.
#include "tools/sim/cuda/async/Atomic.h"
#include "tools/sim/cuda/async/MBarrier.h"
#include "tools/sim/cuda/async/TensorMap.h"
#include "tools/sim/cuda/memory/Fault.h"
#include "tools/sim/cuda/memory/NamedBarrier.h"

#include <cstring>
#include <gtest/gtest.h>
#include <set>

using namespace adze::sim;

namespace {

// --- tensor maps ---

TensorMap matrix(unsigned type = 6) {
  TensorMap map;
  map.type = type;
  map.rank = 2;
  map.address = 0x1000;
  map.dim = {100, 50};
  map.stride = {208};
  map.box = {64, 8};
  map.elementStride = {1, 1};
  map.swizzle = 3;
  return map;
}

TEST(TensorMap, EncodesAndDecodes) {
  TensorMapBytes bytes;
  ASSERT_EQ(encode(matrix(), bytes), "");
  TensorMap back;
  ASSERT_EQ(decode(bytes.bytes, back), "");
  EXPECT_EQ(back.dim[0], 100u);
  EXPECT_EQ(back.dim[1], 50u);
  EXPECT_EQ(back.stride[0], 208u);
  EXPECT_EQ(back.boxBytes(), 64u * 8 * 2);
  bytes.bytes[20] ^= 1;
  EXPECT_NE(decode(bytes.bytes, back).find("changed"), std::string::npos);
  std::memset(bytes.bytes, 0, 128);
  EXPECT_NE(decode(bytes.bytes, back).find("no tensor map"), std::string::npos);
}

TEST(TensorMap, LimitsOfTheEncoder) {
  auto refused = [](auto change) {
    TensorMap map = matrix();
    change(map);
    return map.check();
  };
  EXPECT_EQ(refused([](TensorMap &) {}), "");
  EXPECT_NE(refused([](TensorMap &m) { m.address = 0x1008; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.dim[0] = 0; }), "");
  EXPECT_EQ(refused([](TensorMap &m) { m.dim[0] = uint64_t(1) << 32; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.dim[0] = (uint64_t(1) << 32) + 1; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.stride[0] = 200; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.stride[0] = uint64_t(1) << 40; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.box[1] = 257; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.box[0] = 72; }), "") << "144 bytes under a 128-byte swizzle";
  EXPECT_NE(refused([](TensorMap &m) { m.box[0] = 4; }), "") << "8 bytes";
  EXPECT_NE(refused([](TensorMap &m) { m.elementStride[1] = 9; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.rank = 6; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.type = 1, m.nanFill = true; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.interleave = 2; }), "") << "rank below 3";
}

TEST(TensorMap, CornersOfIm2col) {
  TensorMap map;
  map.im2col = true;
  map.type = 6;
  map.rank = 4;
  map.address = 0x1000;
  map.dim = {64, 10, 12, 3};
  map.stride = {128, 1280, 15360};
  map.elementStride = {1, 1, 1, 1};
  map.channels = 64;
  map.pixels = 1024;
  EXPECT_EQ(map.check(), "");
  map.lower = {-128, 127};
  EXPECT_EQ(map.check(), "");
  map.lower = {-129, 0};
  EXPECT_NE(map.check().find("8 bits"), std::string::npos) << map.check();
  map.lower = {};
  map.pixels = 1025;
  EXPECT_NE(map.check(), "");
}

TEST(TensorMap, SwizzleIsAPermutationOfItsPeriod) {
  for (unsigned span : {32u, 64u, 128u}) {
    std::set<uint32_t> seen;
    for (uint32_t a = 0; a != span * 8; a += 16) {
      seen.insert(swizzled(a, span));
      EXPECT_EQ(swizzled(a, span) / 128, a / 128) << "stays in its 128 bytes";
    }
    EXPECT_EQ(seen.size(), span * 8 / 16);
  }
  // The formulas as written: 128B a ^= ((a>>7)&7)<<4; 64B &3; 32B &1.
  EXPECT_EQ(swizzled(0x380, 128), 0x380u ^ 0x70);
  EXPECT_EQ(swizzled(0x380, 64), 0x380u ^ 0x30);
  EXPECT_EQ(swizzled(0x380, 32), 0x380u ^ 0x10);
}

TEST(TensorMap, WalkClipsAtBothEnds) {
  TensorMap map = matrix();
  map.swizzle = 0;
  // Columns -8..55, rows 47..54 of a tensor of 100 columns and 50 rows.
  BoxPosition position;
  position.coordinate = {-8, 47};
  std::vector<BoxPiece> pieces = walkBox(map, position);
  uint32_t covered = 0, inside = 0;
  for (const BoxPiece &piece : pieces) {
    EXPECT_EQ(piece.boxOffset, covered);
    covered += piece.bytes;
    if (piece.address)
      inside += piece.bytes;
  }
  EXPECT_EQ(covered, map.boxBytes());
  EXPECT_EQ(inside, 3u * 56 * 2) << "3 rows of 56 columns lie inside";
  EXPECT_EQ(pieces[1].address, 0x1000u + 47 * 208);
  position.coordinate = {96, 0};
  pieces = walkBox(map, position);
  EXPECT_EQ(pieces[0].bytes, 8u) << "columns 96..99";
  EXPECT_EQ(pieces[0].address, 0x1000u + 96 * 2);
  EXPECT_EQ(pieces[1].address, 0u);
}

TEST(TensorMap, BoxStartMustBeAligned) {
  BoxPosition position;
  position.coordinate = {4, 0};
  EXPECT_NE(checkPosition(matrix(), position, false).find("multiple of 16"), std::string::npos);
  position.coordinate = {8, 0};
  EXPECT_EQ(checkPosition(matrix(), position, false), "");
  position.coordinate = {-8, 0};
  EXPECT_EQ(checkPosition(matrix(), position, false), "");
  EXPECT_NE(checkPosition(matrix(), position, true), "") << "stores have no negative coordinates";
}

TEST(TensorMap, Im2colWalksTheBoundingBox) {
  // 1 x 3 x 4 (h x w) image, 8 channels of f16, filter 3x3, padding 1: lower -1, upper 1 - 2 = -1.
  TensorMap map;
  map.im2col = true;
  map.type = 6;
  map.rank = 4;
  map.address = 0x1000;
  map.dim = {8, 4, 3, 1};
  map.stride = {16, 64, 192};
  map.elementStride = {1, 1, 1, 1};
  map.channels = 8;
  map.pixels = 12;
  map.lower = {-1, -1};
  map.upper = {-1, -1};
  ASSERT_EQ(map.check(), "");
  for (int r = 0; r != 3; ++r)
    for (int s = 0; s != 3; ++s) {
      BoxPosition position;
      position.coordinate = {0, -1, -1, 0};
      position.offset = {uint16_t(s), uint16_t(r)};
      std::vector<BoxPiece> pieces = walkBox(map, position);
      ASSERT_EQ(pieces.size(), 12u);
      for (int p = 0; p != 12; ++p) {
        int w = p % 4 - 1 + s, h = p / 4 - 1 + r;
        bool inside = w >= 0 && w < 4 && h >= 0 && h < 3;
        EXPECT_EQ(pieces[size_t(p)].address, inside ? uint64_t(0x1000 + h * 64 + w * 16) : 0)
            << "filter " << r << "," << s << " pixel " << p;
      }
    }
}

// --- mbarrier ---

std::string messageOf(const std::function<void()> &action) {
  try {
    action();
  } catch (const MemoryFault &fault) {
    return fault.what();
  }
  return "no fault";
}

struct MBarrierTest : testing::Test {
  MBarrier barrier{0x40, 8};
  void SetUp() override { barrier.init(2, Tag::make(0, 0, 0, 1), 1); }
};

TEST_F(MBarrierTest, CompletesWhenArrivalsAndBytesAreThere) {
  EXPECT_TRUE(barrier.completed(1)) << "producers start with parity 1";
  EXPECT_FALSE(barrier.completed(0));
  barrier.arrive(1);
  barrier.expectTx(64);
  barrier.arrive(1);
  EXPECT_FALSE(barrier.completed(0));
  barrier.completeTx(64);
  EXPECT_TRUE(barrier.completed(0));
  EXPECT_FALSE(barrier.completed(1));
  EXPECT_EQ(barrier.pendingCount(), 2u);
}

TEST_F(MBarrierTest, BytesMayLandFirst) {
  barrier.completeTx(64);
  barrier.arrive(1);
  barrier.expectTx(64);
  EXPECT_FALSE(barrier.completed(0));
  barrier.arrive(1);
  EXPECT_TRUE(barrier.completed(0));
}

TEST_F(MBarrierTest, ExpectAloneIsNoArrival) {
  barrier.arrive(1);
  barrier.expectTx(64);
  barrier.completeTx(64);
  EXPECT_FALSE(barrier.completed(0));
}

TEST_F(MBarrierTest, Misuse) {
  EXPECT_NE(messageOf([&] { barrier.init(1, Tag(), 2); }).find("live barrier"), std::string::npos);
  EXPECT_NE(messageOf([&] { barrier.arrive(3); }).find("more than the phase still expects"), std::string::npos);
  EXPECT_NE(messageOf([&] { barrier.arrive(2, true); }).find("noComplete"), std::string::npos);
  EXPECT_NE(messageOf([&] { barrier.expectTx(1 << 20); }).find("out of range"), std::string::npos);
  MBarrier fresh(0x80, 9);
  EXPECT_NE(messageOf([&] { fresh.arrive(1); }).find("not initialised"), std::string::npos);
  EXPECT_NE(messageOf([&] { fresh.init(0, Tag(), 1); }).find("count 0"), std::string::npos);
  EXPECT_NE(messageOf([&] { fresh.init(1 << 20, Tag(), 1); }).find("allowed"), std::string::npos);
  barrier.inval();
  EXPECT_NE(messageOf([&] { barrier.arrive(1); }).find("after mbarrier.inval"), std::string::npos);
}

TEST_F(MBarrierTest, APhaseMustBeObservedBeforeTheNextArrivals) {
  barrier.arrive(2);
  EXPECT_NE(messageOf([&] { barrier.arrive(1); }).find("nobody has waited for phase 0"), std::string::npos);
  barrier.observe(0);
  EXPECT_EQ(messageOf([&] { barrier.arrive(1); }), "no fault");
}

TEST_F(MBarrierTest, StatesOfOldPhases) {
  uint64_t token = barrier.arrive(1);
  EXPECT_FALSE(barrier.tokenCompleted(token));
  barrier.arrive(1);
  EXPECT_TRUE(barrier.tokenCompleted(token));
  barrier.observe(0);
  barrier.arrive(2);
  EXPECT_NE(messageOf([&] { barrier.tokenCompleted(token); }).find("neither the current nor the preceding"),
            std::string::npos);
}

TEST_F(MBarrierTest, DropLowersTheExpectedCount) {
  barrier.arriveDrop(1);
  barrier.arrive(1);
  EXPECT_TRUE(barrier.completed(0));
  EXPECT_EQ(barrier.pendingCount(), 1u);
}

TEST_F(MBarrierTest, WaitersLearnWhatWasPublished) {
  WarpClocks producer(0, 0), consumer(0, 1);
  Tag tag = producer.tag(0);
  producer.release(~0u, barrier.arriving());
  barrier.arrive(2);
  consumer.acquire(~0u, barrier.observe(0));
  EXPECT_TRUE(consumer.ordered(tag, 0));
  EXPECT_TRUE(consumer.ordered(Tag::make(0, 8, Tag::noLane, 1), 0)) << "copies of the completed phase";
  EXPECT_FALSE(consumer.ordered(Tag::make(0, 8, Tag::noLane, 2), 0)) << "copies of the next one";
}

// --- named barriers ---

NamedBarrier::Arrival arrival(unsigned warp, uint32_t count, NamedBarrier::Use use = NamedBarrier::Use::Sync) {
  NamedBarrier::Arrival a;
  a.warp = warp;
  a.count = count;
  a.use = use;
  return a;
}

TEST(NamedBarrier, CountsThreads) {
  NamedBarrier barrier(1);
  EXPECT_FALSE(barrier.arrive(arrival(0, 64, NamedBarrier::Use::Arrive), 128));
  EXPECT_TRUE(barrier.arrive(arrival(3, 64), 128));
  EXPECT_EQ(barrier.waiting(), 1u << 3);
}

TEST(NamedBarrier, Misuse) {
  NamedBarrier barrier(1);
  EXPECT_NE(messageOf([&] { barrier.arrive(arrival(0, 40), 128); }).find("multiple of 32"), std::string::npos);
  barrier.arrive(arrival(0, 96), 128);
  EXPECT_NE(messageOf([&] { barrier.arrive(arrival(1, 64), 128); }).find("disagree"), std::string::npos);
  EXPECT_NE(messageOf([&] { barrier.arrive(arrival(0, 96), 128); }).find("again before it completed"),
            std::string::npos);
  EXPECT_NE(messageOf([&] { barrier.arrive(arrival(2, 96, NamedBarrier::Use::Reduce), 128); }).find("mixed"),
            std::string::npos);
}

// --- atomics ---

TEST(Atomic, Results) {
  auto result = [](AtomicOp op, AtomicType type, uint64_t old, uint64_t value, uint64_t compare = 0) {
    return atomicResult(op, type, old, value, compare, false);
  };
  EXPECT_EQ(result(AtomicOp::Add, AtomicType::U32, 0xffffffff, 2), 1u);
  EXPECT_EQ(result(AtomicOp::Min, AtomicType::S32, 1, 0xffffffff), 0xffffffffu);
  EXPECT_EQ(result(AtomicOp::Min, AtomicType::U32, 1, 0xffffffff), 1u);
  EXPECT_EQ(result(AtomicOp::Max, AtomicType::S64, ~0ull, 3), 3u);
  EXPECT_EQ(result(AtomicOp::Increment, AtomicType::U32, 5, 5), 0u);
  EXPECT_EQ(result(AtomicOp::Increment, AtomicType::U32, 4, 5), 5u);
  EXPECT_EQ(result(AtomicOp::Decrement, AtomicType::U32, 0, 5), 5u);
  EXPECT_EQ(result(AtomicOp::Decrement, AtomicType::U32, 6, 5), 5u);
  EXPECT_EQ(result(AtomicOp::Decrement, AtomicType::U32, 3, 5), 2u);
  EXPECT_EQ(result(AtomicOp::CompareSwap, AtomicType::B32, 7, 9, 7), 9u);
  EXPECT_EQ(result(AtomicOp::CompareSwap, AtomicType::B32, 8, 9, 7), 8u);
  EXPECT_EQ(result(AtomicOp::Add, AtomicType::F32, 0x3f800000, 0x40000000), 0x40400000u);
  EXPECT_EQ(result(AtomicOp::Add, AtomicType::F16x2, 0x3c003c00, 0x3c004000), 0x40004200u);
  EXPECT_EQ(result(AtomicOp::Add, AtomicType::BF16x2, 0x3f803f80, 0x3f804000), 0x40004040u);
  EXPECT_EQ(atomicResult(AtomicOp::Add, AtomicType::F32, 1, 1, 0, false), 2u) << "subnormals are kept in shared memory";
  EXPECT_EQ(atomicResult(AtomicOp::Add, AtomicType::F32, 1, 1, 0, true), 0u) << "and flushed in global memory";
}

} // namespace
