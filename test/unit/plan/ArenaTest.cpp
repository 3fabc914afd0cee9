// The arena planner: no two live buffers overlap, static plans are tight, dynamic plans hold for every size.
#include "compiler/plan/Arena.h"
#include "mlir/IR/MLIRContext.h"
#include <gtest/gtest.h>
#include <random>

using namespace adze;
using namespace mlir;

namespace {

class Arena : public ::testing::Test {
protected:
  AffineExpr c(int64_t v) { return getAffineConstantExpr(v, &context); }
  AffineExpr s(unsigned i) { return getAffineSymbolExpr(i, &context); }

  int64_t value(AffineExpr e, ArrayRef<int64_t> symbolValues) {
    SmallVector<AffineExpr> constants;
    for (int64_t v : symbolValues)
      constants.push_back(c(v));
    AffineExpr folded = simplifyAffineExpr(e.replaceSymbols(constants), 0, 0);
    return cast<AffineConstantExpr>(folded).getValue();
  }

  void addSymbol(int64_t min, int64_t max) {
    graph::Symbol symbol;
    symbol.name = "s";
    symbol.min = min;
    symbol.max = max;
    symbols.add(&context, symbol);
  }

  /// Every pair that is live together must be disjoint, and everything lies inside the arena.
  void expectValid(ArrayRef<ArenaRequest> requests, const ArenaPlan &plan, ArrayRef<int64_t> values) {
    int64_t total = value(plan.bytes, values);
    for (size_t i = 0; i < requests.size(); ++i) {
      int64_t from = value(plan.offsets[i], values), size = value(requests[i].bytes, values);
      EXPECT_GE(from, 0);
      EXPECT_LE(from + size, total);
      for (size_t j = 0; j < i; ++j) {
        if (requests[i].last < requests[j].first || requests[j].last < requests[i].first)
          continue;
        int64_t other = value(plan.offsets[j], values), otherSize = value(requests[j].bytes, values);
        EXPECT_TRUE(from + size <= other || other + otherSize <= from)
            << "buffers " << i << " and " << j << " overlap: " << from << "+" << size << ", " << other << "+"
            << otherSize;
      }
    }
  }

  MLIRContext context;
  graph::SymbolTable symbols;
};

TEST_F(Arena, ChainReusesTwoSlots) {
  std::vector<ArenaRequest> requests;
  for (int64_t i = 0; i < 10; ++i)
    requests.push_back({c(1024), i, i + 1});
  ArenaPlan plan = planArena(&context, requests, symbols);
  expectValid(requests, plan, {});
  EXPECT_EQ(value(plan.bytes, {}), 2048);
  EXPECT_EQ(value(plan.lowerBound, {}), 2048);
}

TEST_F(Arena, RandomStaticPlansStayNearTheLowerBound) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<ArenaRequest> requests;
    for (int64_t i = 0; i < 40; ++i) {
      int64_t size = 64 * (1 + random() % 100);
      requests.push_back({c(size), i, i + int64_t(random() % 6)});
    }
    ArenaPlan plan = planArena(&context, requests, symbols);
    expectValid(requests, plan, {});
    EXPECT_GE(value(plan.bytes, {}), value(plan.lowerBound, {}));
    EXPECT_LE(value(plan.bytes, {}), value(plan.lowerBound, {}) * 3 / 2);
  }
}

TEST_F(Arena, OneDynamicPlanServesEverySize) {
  addSymbol(1, 4096);
  addSymbol(1, 512);
  std::vector<ArenaRequest> requests = {
      {s(0) * 3072, 0, 1},
      {s(0) * s(1) * 4, 1, 3},
      {s(0) * 12288 + 64, 2, 4},
      {c(100), 0, 5},
      {s(1).floorDiv(2) * s(0) * 8, 3, 5},
      {s(0) * 4, 4, 6},
      {s(0) * s(1) * 64, 5, 6},
      {s(0) + s(1), 5, 7},
  };
  ArenaPlan plan = planArena(&context, requests, symbols);
  for (int64_t a : {1, 2, 7, 4096})
    for (int64_t b : {1, 3, 512})
      expectValid(requests, plan, {a, b});
}

TEST_F(Arena, SizeThatMayBeZeroDoesNotBoundAnother) {
  addSymbol(0, 100);
  std::vector<ArenaRequest> requests = {{s(0) * 64 + 64, 0, 1}, {s(0) * 64, 1, 2}, {c(64), 1, 2}};
  ArenaPlan plan = planArena(&context, requests, symbols);
  for (int64_t n : {0, 1, 100})
    expectValid(requests, plan, {n});
}

TEST_F(Arena, NothingToPlace) {
  ArenaPlan plan = planArena(&context, {}, symbols);
  EXPECT_EQ(value(plan.bytes, {}), 0);
}

} // namespace
