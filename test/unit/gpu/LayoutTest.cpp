// Layouts hold every element once, whatever the sizes; shared memory is handed out to one owner at a time.
#include "targets/gpu/lower/Layout.h"
#include "targets/gpu/lower/Shared.h"
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace adze::gpu;

namespace {

using Point = std::vector<int64_t>;

/// How many (thread, register) pairs hold each element; threads that repeat others are left out.
std::map<Point, int> holders(const Layout &l) {
  std::map<Point, int> out;
  unsigned bits = l.lanes.size() + l.warps.size();
  auto bit = [&](unsigned i) { return i < l.lanes.size() ? l.lanes[i] : l.warps[i - l.lanes.size()]; };
  for (unsigned thread = 0; thread < 1u << bits; ++thread) {
    Point base(l.rank(), 0);
    bool first = true;
    for (unsigned i = 0; i < bits; ++i) {
      if (!(thread >> i & 1))
        continue;
      if (bit(i).dim < 0)
        first = false;
      else
        base[bit(i).dim] += bit(i).stride;
    }
    for (unsigned r = 0; first && r < l.registers(); ++r) {
      Point p = base;
      bool alive = true;
      for (unsigned d = 0; d < l.rank(); ++d) {
        p[d] += l.offset(r, d);
        alive &= p[d] < l.shape[d];
        if (p[d] >= l.shape[d]) {
          EXPECT_TRUE(l.mayBeDead(r, d)) << l.str();
        }
      }
      EXPECT_FALSE(alive && l.isDead(r)) << l.str();
      if (alive)
        ++out[p];
    }
  }
  return out;
}

void expectOnce(const Layout &l) {
  auto held = holders(l);
  int64_t elements = 1;
  for (int64_t n : l.shape)
    elements *= n;
  EXPECT_EQ(int64_t(held.size()), elements) << l.str();
  for (auto &[p, n] : held)
    ASSERT_EQ(n, 1) << l.str() << " element " << p[0];
}

TEST(Layout, RowsHoldEveryElementOnce) {
  for (Threads threads : {Threads{5, 0}, {5, 2}, {6, 3}})
    for (llvm::SmallVector<int64_t> shape :
         {llvm::SmallVector<int64_t>{128}, {7}, {5, 37}, {48, 100}, {3, 1, 65}, {1, 1}})
      for (unsigned vec : {1u, 4u, 8u})
        for (bool turned : {false, true}) {
          llvm::SmallVector<unsigned> order, warps;
          for (unsigned d = 0; d < shape.size(); ++d)
            order.push_back(turned ? d : shape.size() - 1 - d);
          warps.assign(order.rbegin(), order.rend());
          if (vec > 1 && shape[order[0]] < vec)
            continue;
          Layout l = rowBlocked(shape, threads, order, vec, warps);
          expectOnce(l);
          EXPECT_GE(l.vectorWidth(order[0], vec), vec) << l.str();
          llvm::SmallVector<int64_t> perm(order.begin(), order.end());
          expectOnce(permute(l, perm));
          llvm::SmallVector<unsigned> map;
          Layout s = slice(l, {0}, &map);
          expectOnce(s);
          ASSERT_EQ(map.size(), l.registers());
          for (unsigned r = 0; r < l.registers(); ++r)
            for (unsigned d = 1; d < l.rank(); ++d)
              EXPECT_EQ(s.offset(map[r], d), l.offset(r, d));
        }
  expectOnce(replicated({3, 5}, {5, 2}));
}

/// m16n8 accumulators: lane / 4 is the row, lane % 4 a pair of columns, registers 2 and 3 are eight rows below.
TEST(Layout, AtomsCoverTheTile) {
  Atom atom;
  atom.shape = {16, 8};
  atom.lanes = {{1, 2}, {1, 4}, {0, 1}, {0, 2}, {0, 4}};
  atom.offsets = {0, 0, 0, 1, 8, 0, 8, 1};
  expectOnce(tileAtom(atom, {64, 32}, {{0, 1}, {0, 2}}));
  expectOnce(tileAtom(atom, {64, 32}, {{0, 1}, {1, 2}}));
  expectOnce(tileAtom(atom, {37, 20}, {{0, 1}, {1, 1}}));
  expectOnce(tileAtom(atom, {2, 16, 8}, {{-1, 0}, {-1, 0}}));
  EXPECT_FALSE(unitsAreClean(tileAtom(atom, {1, 8}, {})));
  EXPECT_TRUE(unitsAreClean(reshapeUnits(rowBlocked({4, 1, 8}, {5, 0}, {2, 1, 0}, 1), {1, 4, 8})));
}

TEST(Layout, Text) {
  EXPECT_EQ(rowBlocked({8, 64}, {5, 1}, {1, 0}, 4).str(),
            "reg d1:1x4 d0:4x2 lane d1:4 d1:8 d1:16 d1:32 d0:1 warp d0:2");
  EXPECT_EQ(replicated({2}, {5, 0}).str(), "reg d0:1x2 lane - - - - - warp 1");
}

TEST(SharedMemory, OneOwnerAtATimeAndOnlyAfterABarrier) {
  std::mt19937 random(3);
  SharedMemory memory;
  std::map<uint64_t, uint64_t> used, released; // offset -> bytes
  auto overlaps = [](const std::map<uint64_t, uint64_t> &regions, uint64_t at, uint64_t bytes) {
    for (auto [o, n] : regions)
      if (at < o + n && o < at + bytes)
        return true;
    return false;
  };
  for (int step = 0; step < 5000; ++step) {
    unsigned what = random() % 8;
    if (what < 4) {
      uint64_t bytes = 1 + random() % 3000, align = 16u << random() % 4;
      auto at = memory.allocateWithin(bytes, align, 40000);
      if (!at)
        continue;
      EXPECT_EQ(*at % align, 0u);
      EXPECT_LE(*at + bytes, 40000u);
      ASSERT_FALSE(overlaps(used, *at, bytes)) << "step " << step;
      ASSERT_FALSE(overlaps(released, *at, bytes)) << "no barrier before, step " << step;
      used[*at] = bytes;
    } else if (what < 7 && !used.empty()) {
      auto it = std::next(used.begin(), random() % used.size());
      memory.release(it->first);
      released.insert(*it);
      used.erase(it);
    } else {
      memory.barrier();
      released.clear();
    }
  }
  for (auto [o, n] : used)
    memory.release(o);
  memory.barrier();
  EXPECT_EQ(memory.inUse(), 0u);
  EXPECT_EQ(memory.allocateWithin(40000, 16, 40000), std::optional<uint64_t>(0)) << "free space is joined again";
}

} // namespace
