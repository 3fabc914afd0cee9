// Allocations, clocks, and the shadow memory of the race checker, without a kernel.
#include "tools/sim/cuda/memory/Global.h"
#include "tools/sim/cuda/memory/Shadow.h"

#include <gtest/gtest.h>

using namespace adze::sim;

namespace {

TEST(GlobalMemory, BoundsAreExactToTheByte) {
  GlobalMemory memory;
  uint64_t a = memory.allocate(100);
  ASSERT_NE(a, 0u);
  EXPECT_EQ(a % 256, 0u);
  EXPECT_NE(memory.find(a, 100), nullptr);
  EXPECT_NE(memory.find(a + 99, 1), nullptr);
  EXPECT_EQ(memory.find(a + 99, 2), nullptr);
  EXPECT_EQ(memory.find(a + 100, 1), nullptr);
  EXPECT_EQ(memory.find(a - 1, 1), nullptr);
  EXPECT_NE(memory.explain(a + 96, 8).find("4 bytes beyond the end"), std::string::npos) << memory.explain(a + 96, 8);
  EXPECT_NE(memory.explain(0, 4).find("null"), std::string::npos);
}

TEST(GlobalMemory, AddressesAreNotReused) {
  GlobalMemory memory;
  uint64_t a = memory.allocate(64);
  ASSERT_TRUE(memory.free(a));
  EXPECT_FALSE(memory.free(a));
  uint64_t b = memory.allocate(64);
  EXPECT_NE(a, b);
  EXPECT_EQ(memory.find(a, 4), nullptr);
  EXPECT_NE(memory.explain(a, 4).find("use after free"), std::string::npos) << memory.explain(a, 4);
  EXPECT_EQ(memory.liveAllocations(), 1u);
}

TEST(GlobalMemory, CapacityIsEnforcedAndGivenBack) {
  GlobalMemory memory(1000);
  uint64_t a = memory.allocate(600);
  ASSERT_NE(a, 0u);
  EXPECT_EQ(memory.allocate(500), 0u);
  EXPECT_EQ(memory.used(), 600u);
  ASSERT_TRUE(memory.free(a));
  EXPECT_NE(memory.allocate(500), 0u);
}

TEST(GlobalMemory, PaddingIsCopiedPoisonIsNot) {
  GlobalMemory memory;
  uint64_t a = memory.allocate(16);
  uint8_t bytes[16] = {1, 2, 3, 4};
  std::string error;
  uint64_t poison;
  ASSERT_TRUE(memory.write(a, bytes, 4, error));
  EXPECT_TRUE(memory.read(bytes, a, 16, error, poison)) << "bytes that nobody wrote are padding";
  memory.find(a, 16)->validity[9] = uint8_t(Validity::Poisoned);
  EXPECT_FALSE(memory.read(bytes, a, 16, error, poison));
  EXPECT_EQ(poison, a + 9);
  EXPECT_NE(error.find("uninitialised"), std::string::npos);
  uint32_t zero = 0;
  ASSERT_TRUE(memory.fill(a, &zero, 4, 4, error));
  EXPECT_TRUE(memory.read(bytes, a, 16, error, poison));
  EXPECT_FALSE(memory.write(a, bytes, 17, error));
  EXPECT_NE(error.find("1 bytes beyond the end"), std::string::npos) << error;
}

// --- clocks ---

TEST(WarpClocks, LanesAreOrderedByAWarpBarrierOnly) {
  WarpClocks warp(0, 0);
  Tag lane3 = warp.tag(3);
  EXPECT_TRUE(warp.ordered(lane3, 3));
  EXPECT_FALSE(warp.ordered(lane3, 4));
  warp.syncWarp(~0u);
  EXPECT_TRUE(warp.ordered(lane3, 4));
}

TEST(WarpClocks, PartOfAWarpSynchronises) {
  WarpClocks warp(0, 0);
  Tag lane3 = warp.tag(3), lane9 = warp.tag(9);
  warp.syncWarp(0xff);
  EXPECT_TRUE(warp.ordered(lane3, 4));
  EXPECT_FALSE(warp.ordered(lane9, 4)) << "lane 9 was not in the barrier";
  EXPECT_FALSE(warp.ordered(lane3, 10));
}

TEST(WarpClocks, OneLanePublishesOnlyItself) {
  WarpClocks producer(0, 0), consumer(0, 1);
  Tag lane0 = producer.tag(0), lane1 = producer.tag(1);
  Knowledge barrier;
  producer.release(1, barrier);
  Tag later = producer.tag(0);
  consumer.acquire(~0u, barrier);
  EXPECT_TRUE(consumer.ordered(lane0, 7));
  EXPECT_FALSE(consumer.ordered(lane1, 7)) << "lane 1 did not take part in the release";
  EXPECT_FALSE(consumer.ordered(later, 7)) << "it came after the release";
}

TEST(WarpClocks, OneLaneAcquiresOnlyForItselfUntilTheWarpMeets) {
  WarpClocks producer(0, 0), consumer(0, 1);
  Tag tag = producer.tag(0);
  Knowledge barrier;
  producer.release(~0u, barrier);
  consumer.acquire(1u << 5, barrier);
  EXPECT_TRUE(consumer.ordered(tag, 5));
  EXPECT_FALSE(consumer.ordered(tag, 6));
  consumer.syncWarp(~0u);
  EXPECT_TRUE(consumer.ordered(tag, 6));
}

TEST(WarpClocks, ProxyFencesCoverTheFencingLanesWritesOnly) {
  WarpClocks writer(0, 0), issuer(0, 1);
  Tag early = writer.tag(0), other = writer.tag(1);
  writer.proxyFence(1, true, true);
  Tag late = writer.tag(0);
  Knowledge barrier;
  writer.release(~0u, barrier);
  issuer.acquire(~0u, barrier);
  EXPECT_TRUE(issuer.visibleToAsync(early, 0, ProxySpace::Shared));
  EXPECT_FALSE(issuer.visibleToAsync(late, 0, ProxySpace::Shared)) << "written after the fence";
  EXPECT_FALSE(issuer.visibleToAsync(other, 0, ProxySpace::Shared)) << "lane 1 executed no fence";
  EXPECT_TRUE(issuer.ordered(other, 0));
  issuer.proxyFence(~0u, true, true);
  EXPECT_FALSE(issuer.visibleToAsync(other, 0, ProxySpace::Shared)) << "a fence publishes its own thread's writes";
}

TEST(WarpClocks, OtherUnitsAreKnownThroughMemoryOnly) {
  WarpClocks first(1, 0), second(2, 0), third(3, 0);
  Tag tag = first.tag(4);
  auto published = std::make_shared<Knowledge>();
  first.release(~0u, *published);
  EXPECT_FALSE(second.ordered(tag, 0));
  second.acquireForeign(1, 1, published);
  EXPECT_TRUE(second.ordered(tag, 0));
  EXPECT_FALSE(second.ordered(tag, 1));
  auto further = std::make_shared<Knowledge>();
  second.release(1, *further);
  third.acquireForeign(~0u, 2, further);
  EXPECT_TRUE(third.ordered(tag, 9)) << "happens-before is transitive";
}

// --- shadow ---

struct ShadowTest : testing::Test {
  WarpClocks a{0, 0}, b{0, 1}, c{0, 2};
  ReaderSets sets;
  Shadow shadow{4096, false};

  Conflict::Kind touch(WarpClocks &warp, unsigned lane, bool write, uint64_t offset, uint64_t size,
                       uint64_t flags = 0) {
    Access access;
    access.clocks = &warp;
    access.sets = &sets;
    access.tag = warp.tag(lane, flags);
    access.lane = lane;
    access.write = write;
    return shadow.access(access, offset, size, 1).kind;
  }
  void barrier() {
    Knowledge all;
    for (WarpClocks *warp : {&a, &b, &c})
      warp->release(~0u, all);
    for (WarpClocks *warp : {&a, &b, &c})
      warp->acquire(~0u, all);
  }
};

TEST_F(ShadowTest, ThreeKindsOfRaces) {
  EXPECT_EQ(touch(a, 0, true, 0, 4), Conflict::None);
  EXPECT_EQ(touch(b, 0, false, 0, 4), Conflict::ReadAfterWrite);
  EXPECT_EQ(touch(b, 0, true, 0, 4), Conflict::WriteAfterWrite);
  EXPECT_EQ(touch(b, 0, false, 8, 4), Conflict::None);
  EXPECT_EQ(touch(c, 0, true, 8, 4), Conflict::WriteAfterRead);
}

TEST_F(ShadowTest, ABarrierOrders) {
  touch(a, 0, true, 0, 64);
  barrier();
  EXPECT_EQ(touch(b, 1, false, 0, 64), Conflict::None);
  EXPECT_EQ(touch(c, 2, false, 0, 64), Conflict::None);
  barrier();
  EXPECT_EQ(touch(a, 3, true, 0, 64), Conflict::None);
}

TEST_F(ShadowTest, ExactToTheByte) {
  EXPECT_EQ(touch(a, 0, true, 16, 16), Conflict::None);
  EXPECT_EQ(touch(b, 0, true, 32, 1), Conflict::None);
  EXPECT_EQ(touch(c, 0, true, 33, 1), Conflict::None);
  EXPECT_EQ(touch(a, 1, true, 34, 2), Conflict::None);
  EXPECT_EQ(touch(a, 1, false, 32, 4), Conflict::ReadAfterWrite);
  EXPECT_EQ(touch(b, 0, false, 31, 1), Conflict::ReadAfterWrite);
  EXPECT_EQ(touch(a, 0, false, 31, 1), Conflict::None);
}

TEST_F(ShadowTest, EveryReaderCounts) {
  touch(a, 0, false, 0, 4);
  touch(b, 0, false, 0, 4);
  touch(c, 0, false, 0, 4);
  Knowledge fromB;
  b.release(~0u, fromB);
  c.acquire(~0u, fromB);
  EXPECT_EQ(touch(c, 0, true, 0, 4), Conflict::WriteAfterRead) << "a's read is not ordered";
  Knowledge fromA;
  a.release(~0u, fromA);
  c.acquire(~0u, fromA);
  EXPECT_EQ(touch(c, 0, true, 0, 4), Conflict::None);
}

TEST_F(ShadowTest, LanesOfAWarp) {
  touch(a, 0, true, 0, 4);
  EXPECT_EQ(touch(a, 1, false, 0, 4), Conflict::ReadAfterWrite) << "no bar.warp.sync in between";
  a.syncWarp(~0u);
  EXPECT_EQ(touch(a, 1, false, 0, 4), Conflict::None);
  EXPECT_EQ(touch(a, 2, false, 0, 4), Conflict::None);
  EXPECT_EQ(touch(a, 1, true, 0, 4), Conflict::WriteAfterRead) << "lane 2 read it in the same interval";
}

TEST_F(ShadowTest, AtomicsDoNotRaceWithEachOther) {
  EXPECT_EQ(touch(a, 0, true, 0, 4, Tag::Strong), Conflict::None);
  EXPECT_EQ(touch(b, 0, true, 0, 4, Tag::Strong), Conflict::None);
  EXPECT_EQ(touch(c, 0, false, 0, 4), Conflict::ReadAfterWrite) << "a plain read is not atomic";
}

TEST_F(ShadowTest, CopiesInFlightMayNotBeTouched) {
  EXPECT_EQ(touch(a, 0, true, 64, 16, Tag::Pending), Conflict::None);
  EXPECT_EQ(touch(a, 0, false, 64, 4), Conflict::InFlight) << "not even by the thread that issued it";
  shadow.land(64, 16, a.tag(0));
  EXPECT_EQ(touch(a, 0, false, 64, 4), Conflict::None);
  EXPECT_EQ(touch(a, 1, false, 68, 4), Conflict::ReadAfterWrite) << "visible to the issuing thread only";
}

TEST_F(ShadowTest, AsyncReadsNeedTheWritersFence) {
  touch(a, 0, true, 0, 16);
  barrier();
  EXPECT_EQ(touch(b, 0, false, 0, 16, Tag::Async), Conflict::MissingProxyFence);
  touch(a, 0, true, 0, 16);
  a.proxyFence(1, true, false);
  barrier();
  EXPECT_EQ(touch(b, 0, false, 0, 16, Tag::Async), Conflict::None);
}

TEST_F(ShadowTest, LaunchesForget) {
  touch(a, 0, true, 0, 4);
  Access access;
  access.clocks = &b;
  access.sets = &sets;
  access.tag = b.tag(0);
  EXPECT_TRUE(shadow.touchedByPredecessor(0, 4, false, 2));
  EXPECT_FALSE(shadow.touchedByPredecessor(16, 4, false, 2));
  EXPECT_EQ(shadow.access(access, 0, 4, 2).kind, Conflict::None);
  EXPECT_TRUE(shadow.touchedByPredecessor(0, 4, false, 2)) << "remembered after the page was reused";
}

TEST(Shadow, CellsOfOldLaunchesAreGivenBack) {
  WarpClocks warp(0, 0);
  ReaderSets sets;
  Shadow shadow(5000 << 10, true);
  Access access;
  access.clocks = &warp;
  access.sets = &sets;
  access.tag = warp.tag(0);
  for (uint64_t page = 0; page != 4500; ++page)
    shadow.access(access, page << 10, 16, 1);
  EXPECT_EQ(shadow.pagesWithCells(), 4500u);
  shadow.access(access, 0, 16, 2);
  shadow.trim(2);
  EXPECT_EQ(shadow.pagesWithCells(), 4500u) << "launch 1 is the predecessor of launch 2";
  shadow.trim(3);
  EXPECT_EQ(shadow.pagesWithCells(), 1u);
  EXPECT_FALSE(shadow.access(access, 4096, 16, 3));
}

} // namespace
