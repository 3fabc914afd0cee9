// Symbolic dims: expressions, ranges, broadcast, exact division.
#include "dialects/graph/GraphDialect.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace adze::graph;

namespace {

struct TypesTest : ::testing::Test {
  TypesTest() { context.loadDialect<GraphDialect>(); }
  AffineExpr c(int64_t v) { return constantExpr(&context, v); }
  AffineExpr s(unsigned i) { return getAffineSymbolExpr(i, &context); }
  Type f32() { return Float32Type::get(&context); }
  MLIRContext context;
};

TEST_F(TypesTest, StaticTypesHaveNoEncoding) {
  RankedTensorType type = makeTensorType({c(2), c(3)}, f32());
  EXPECT_EQ(type, RankedTensorType::get({2, 3}, f32()));
}

TEST_F(TypesTest, EqualExpressionsGiveEqualTypes) {
  RankedTensorType a = makeTensorType({s(0) + s(0), c(3)}, f32()), b = makeTensorType({s(0) * 2, c(3)}, f32());
  EXPECT_EQ(a, b);
  EXPECT_TRUE(a.isDynamicDim(0));
  EXPECT_EQ(getDims(a)[0], s(0) * 2);
}

TEST_F(TypesTest, ProofsOfEquality) {
  EXPECT_TRUE(provablyEqual(s(0) + 1 - 1, s(0)));
  EXPECT_FALSE(provablyEqual(s(0), s(1)));
  EXPECT_TRUE(possiblyEqual(s(0), s(1)));
  EXPECT_TRUE(possiblyEqual(s(0), c(7)));
  EXPECT_FALSE(possiblyEqual(s(0) + 1, s(0)));
  EXPECT_FALSE(possiblyEqual(c(2), c(3)));
}

TEST_F(TypesTest, CompatibleTypes) {
  auto type = [&](ArrayRef<AffineExpr> dims) { return Type(makeTensorType(dims, f32())); };
  EXPECT_TRUE(compatibleTypes({type({s(0), c(2)})}, {type({s(1), c(2)})}));
  EXPECT_FALSE(compatibleTypes({type({s(0), c(2)})}, {type({s(0), c(3)})}));
  EXPECT_FALSE(compatibleTypes({type({c(2)})}, {type({c(2), c(1)})}));
  EXPECT_FALSE(compatibleTypes({type({c(2)})}, {Type(makeTensorType({c(2)}, Float16Type::get(&context)))}));
  EXPECT_FALSE(compatibleTypes({type({c(2)})}, {}));
}

TEST_F(TypesTest, BroadcastRecordsWhatItCannotProve) {
  SmallVector<std::pair<AffineExpr, AffineExpr>> checks;
  std::string why;
  FailureOr<Dims> dims = broadcastDims(&context, {s(0), c(1), c(4)}, {s(1), c(4)}, &checks, &why);
  ASSERT_TRUE(succeeded(dims));
  EXPECT_EQ((*dims)[1], s(1)); // 1 against a symbol: the symbol, without a check
  EXPECT_TRUE(checks.empty());
  dims = broadcastDims(&context, {s(0), c(4)}, {s(1), c(4)}, &checks, &why);
  ASSERT_TRUE(succeeded(dims));
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].first, s(0));
  dims = broadcastDims(&context, {s(0)}, {c(6)}, &checks, &why);
  EXPECT_EQ((*dims)[0], c(6));
  EXPECT_TRUE(failed(broadcastDims(&context, {c(3)}, {c(4)}, &checks, &why)));
  EXPECT_NE(why.find("3"), std::string::npos);
}

TEST_F(TypesTest, ExactQuotientCancels) {
  EXPECT_EQ(exactQuotient(&context, {s(0), c(12)}, {c(4)}), s(0) * 3);
  EXPECT_EQ(exactQuotient(&context, {s(0), s(1), c(8)}, {s(1), c(2)}), s(0) * 4);
  EXPECT_EQ(exactQuotient(&context, {c(24)}, {c(2), c(3)}), c(4));
  EXPECT_EQ(exactQuotient(&context, {s(0) * s(1)}, {s(0)}), s(1));
}

TEST_F(TypesTest, Ranges) {
  adze::graph::SymbolTable symbols;
  Symbol n;
  n.name = "n";
  n.min = 2;
  n.max = 10;
  symbols.add(&context, n);
  EXPECT_EQ(symbols.range(s(0) * 3 + 1), std::make_pair(int64_t(7), int64_t(31)));
  EXPECT_EQ(symbols.range(s(0) * -1), std::make_pair(int64_t(-10), int64_t(-2)));
  EXPECT_EQ(symbols.range(s(0).floorDiv(4)), std::make_pair(int64_t(0), int64_t(2)));
  EXPECT_EQ(symbols.range(s(0).ceilDiv(4)), std::make_pair(int64_t(0), int64_t(3)));
  EXPECT_EQ(symbols.divisor(s(0) * 6 + 9), 3);
  EXPECT_EQ(symbols.text(s(0) * 3 + 1), "(n*3) + 1");
}

TEST_F(TypesTest, SymbolsSurviveTheModule) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  adze::graph::SymbolTable symbols;
  Symbol n;
  n.name = "n";
  n.input = 3;
  n.axis = 1;
  n.min = 1;
  n.max = 512;
  n.optimum = 64;
  symbols.add(&context, n);
  Symbol derived;
  derived.name = "half";
  derived.kind = SymbolKind::Derived;
  derived.op = DerivedOp::TruncDiv;
  derived.operands = {s(0), c(2)};
  symbols.add(&context, derived);
  symbols.writeTo(*module);
  adze::graph::SymbolTable read(*module);
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].name, "n");
  EXPECT_EQ(read[0].input, 3u);
  EXPECT_EQ(read[0].axis, 1u);
  EXPECT_EQ(read[0].max, 512);
  EXPECT_EQ(read[0].optimum, 64);
  EXPECT_EQ(read[1].kind, SymbolKind::Derived);
  EXPECT_EQ(read[1].op, DerivedOp::TruncDiv);
  ASSERT_EQ(read[1].operands.size(), 2u);
  EXPECT_EQ(read[1].operands[0], s(0));
}

} // namespace
