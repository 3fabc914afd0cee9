#include "compiler/import/Symbolic.h"
#include "mlir/IR/MLIRContext.h"
#include <gtest/gtest.h>

using namespace adze;
using mlir::AffineExpr;

namespace {

class SymbolicTest : public ::testing::Test {
protected:
  AffineExpr symbol(int64_t min, int64_t max) {
    graph::Symbol s;
    s.name = "s";
    s.min = min;
    s.max = max;
    return sym.table.add(&context, s);
  }
  mlir::MLIRContext context;
  Symbolic sym{&context};
};

TEST_F(SymbolicTest, RangesDecideComparisons) {
  AffineExpr s = symbol(1, 100);
  EXPECT_EQ(0, sym.constantOf(sym.equal(s, sym.constant(-1))));
  EXPECT_EQ(1, sym.constantOf(sym.less(s, sym.constant(101))));
  EXPECT_EQ(s, sym.min(s, sym.constant(INT64_MAX)));
  EXPECT_EQ(s, sym.max(s, sym.constant(0)));
  EXPECT_EQ(s, sym.select(sym.equal(s, sym.constant(-1)), sym.constant(7), s));
  EXPECT_EQ(1u, sym.table.size()) << "no derived symbol was needed";
}

TEST_F(SymbolicTest, UndecidedOnesBecomeDerivedSymbolsOnce) {
  AffineExpr s = symbol(1, 100);
  AffineExpr a = sym.min(s, sym.constant(50)), b = sym.min(s, sym.constant(50));
  EXPECT_EQ(a, b);
  EXPECT_EQ(2u, sym.table.size());
  EXPECT_EQ((std::pair<int64_t, int64_t>(1, 50)), sym.range(a));
}

TEST_F(SymbolicTest, DivisionFollowsOnnx) {
  EXPECT_EQ(-2, sym.constantOf(sym.truncDiv(sym.constant(-7), sym.constant(3))));
  EXPECT_EQ(0, sym.constantOf(sym.truncDiv(sym.constant(5), sym.constant(0))));
  EXPECT_EQ(INT64_MIN, sym.constantOf(sym.truncDiv(sym.constant(INT64_MIN), sym.constant(-1))));
  EXPECT_FALSE(sym.floorDiv(symbol(1, 4), sym.constant(0)));
  EXPECT_EQ(2, sym.constantOf(sym.mod(sym.constant(-7), sym.constant(3))));
}

} // namespace
