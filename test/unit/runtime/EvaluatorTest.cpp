#include "runtime/src/executor/Evaluator.h"
#include "runtime/src/status/Status.h"

#include <gtest/gtest.h>

#include <limits>

using namespace adze::rt;

namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();

/// A table of constants, and operations on them; everything is one stage.
class Table {
public:
  uint32_t constant(int64_t value) { return add({ExprOp::constant, value, 0, 0, 0, -1}); }
  uint32_t op(ExprOp op, uint32_t a, uint32_t b, uint32_t c = 0) { return add({op, 0, a, b, c, -1}); }
  Evaluator evaluate() {
    table_.order.resize(table_.exprs.size());
    for (uint32_t i = 0; i < table_.order.size(); ++i)
      table_.order[i] = i;
    table_.stage = {0, uint32_t(table_.exprs.size())};
    return Evaluator(table_);
  }

private:
  uint32_t add(Expr expr) {
    table_.exprs.push_back(expr);
    return uint32_t(table_.exprs.size()) - 1;
  }
  SymbolTable table_;
};

int64_t eval(ExprOp op, int64_t a, int64_t b) {
  Table table;
  uint32_t x = table.constant(a), y = table.constant(b), z = table.op(op, x, y);
  return table.evaluate().value(z);
}

TEST(Evaluator, RoundsQuotients) {
  EXPECT_EQ(eval(ExprOp::floordiv, 7, 2), 3);
  EXPECT_EQ(eval(ExprOp::floordiv, -7, 2), -4);
  EXPECT_EQ(eval(ExprOp::floordiv, 7, -2), -4);
  EXPECT_EQ(eval(ExprOp::floordiv, -8, 2), -4);
  EXPECT_EQ(eval(ExprOp::ceildiv, 7, 2), 4);
  EXPECT_EQ(eval(ExprOp::ceildiv, -7, 2), -3);
  EXPECT_EQ(eval(ExprOp::ceildiv, 8, 2), 4);
  EXPECT_EQ(eval(ExprOp::truncdiv, -7, 2), -3);
  EXPECT_EQ(eval(ExprOp::truncdiv, 7, -2), -3);
  EXPECT_EQ(eval(ExprOp::mod, 7, 3), 1);
  EXPECT_EQ(eval(ExprOp::mod, -7, 3), 2);
  EXPECT_EQ(eval(ExprOp::mod, 7, -3), -2);
  EXPECT_EQ(eval(ExprOp::mod, kMin, -1), 0);
  EXPECT_EQ(eval(ExprOp::mod, kMin, 3), 1);
}

TEST(Evaluator, ComparesAndSelects) {
  EXPECT_EQ(eval(ExprOp::min, -1, 2), -1);
  EXPECT_EQ(eval(ExprOp::max, -1, 2), 2);
  EXPECT_EQ(eval(ExprOp::eq, 3, 3), 1);
  EXPECT_EQ(eval(ExprOp::lt, 3, 3), 0);
  EXPECT_EQ(eval(ExprOp::logicalAnd, 4, 2), 1);
  EXPECT_EQ(eval(ExprOp::logicalOr, 0, 0), 0);
}

TEST(Evaluator, ReportsOverflowWhereItIsUsed) {
  EXPECT_THROW(eval(ExprOp::add, kMax, 1), Error);
  EXPECT_THROW(eval(ExprOp::sub, kMin, 1), Error);
  EXPECT_THROW(eval(ExprOp::mul, kMax, 2), Error);
  EXPECT_THROW(eval(ExprOp::floordiv, 1, 0), Error);
  EXPECT_THROW(eval(ExprOp::truncdiv, kMin, -1), Error);
  EXPECT_THROW(eval(ExprOp::mod, 1, 0), Error);
  // The arm that select does not take may overflow.
  Table table;
  uint32_t one = table.constant(1), zero = table.constant(0), bad = table.op(ExprOp::floordiv, one, zero);
  uint32_t good = table.op(ExprOp::select, zero, bad, one), chosen = table.op(ExprOp::select, one, bad, one);
  uint32_t after = table.op(ExprOp::add, chosen, one);
  Evaluator evaluator = table.evaluate();
  EXPECT_EQ(evaluator.value(good), 1);
  EXPECT_FALSE(evaluator.hasValue(chosen));
  EXPECT_FALSE(evaluator.hasValue(after));
  try {
    evaluator.value(after);
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.status, ADZE_BAD_INPUT);
  }
}

TEST(Evaluator, BoundsExpressions) {
  SymbolTable table;
  table.symbols.push_back({"n", SymbolKind::inputDim, 0, 0, 0, 2, 10});
  table.exprs = {{ExprOp::constant, 3, 0, 0, 0, -1}, {ExprOp::symbol, 0, 0, 0, 0, 0},   {ExprOp::mul, 0, 1, 0, 0, 0},
                 {ExprOp::sub, 0, 0, 1, 0, 0},       {ExprOp::floordiv, 0, 2, 0, 0, 0}, {ExprOp::mul, 0, 1, 3, 0, 0}};
  table.order = {0, 1, 2, 3, 4, 5};
  table.stage = {0, 1, 6};
  std::vector<Interval> ranges = intervalsOf(table);
  auto expect = [&](size_t index, int64_t min, int64_t max) {
    EXPECT_EQ(ranges[index].min, min) << index;
    EXPECT_EQ(ranges[index].max, max) << index;
  };
  expect(0, 3, 3);
  expect(1, 2, 10);
  expect(2, 6, 30);
  expect(3, -7, 1);
  expect(4, 2, 10);
  expect(5, -70, 10);
}

} // namespace
