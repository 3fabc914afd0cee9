// Result types over symbolic dims, as an importer sees them: through create() and inferReturnTypes.
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace adze::graph;

namespace {

struct InferTest : ::testing::Test {
  InferTest() : b(&context) {
    context.loadDialect<GraphDialect, func::FuncDialect>();
    module = ModuleOp::create(b.getUnknownLoc());
    auto function = func::FuncOp::create(b, b.getUnknownLoc(), "main", b.getFunctionType({}, {}));
    module->push_back(function);
    block = function.addEntryBlock();
    b.setInsertionPointToEnd(block);
  }
  AffineExpr c(int64_t v) { return constantExpr(&context, v); }
  AffineExpr s(unsigned i) { return getAffineSymbolExpr(i, &context); }
  Value arg(ArrayRef<AffineExpr> dims, Type element = {}) {
    return block->addArgument(makeTensorType(dims, element ? element : b.getF32Type()), b.getUnknownLoc());
  }
  Type type(ArrayRef<AffineExpr> dims, Type element = {}) {
    return makeTensorType(dims, element ? element : b.getF32Type());
  }
  Location loc() { return b.getUnknownLoc(); }

  MLIRContext context;
  OpBuilder b;
  OwningOpRef<ModuleOp> module;
  Block *block;
};

TEST_F(InferTest, Elementwise) {
  Value x = arg({s(0), c(4)}), y = arg({c(4)});
  EXPECT_EQ(AddOp::create(b, loc(), x, y).getType(), type({s(0), c(4)}));
  EXPECT_EQ(CmpOp::create(b, loc(), x, y, CmpKind::lt).getType(), type({s(0), c(4)}, b.getI1Type()));
  EXPECT_EQ(PowOp::create(b, loc(), x, arg({}, b.getI64Type())).getType(), type({s(0), c(4)}));
}

TEST_F(InferTest, MatmulBatchesAndFlags) {
  Value a = arg({s(0), c(1), c(5), c(7)}), w = arg({c(3), c(9), c(7)});
  EXPECT_EQ(MatmulOp::create(b, loc(), a, w, false, true).getType(), type({s(0), c(3), c(5), c(9)}));
  Value i8 = arg({c(2), c(3)}, b.getI8Type()), u8 = arg({c(3), c(2)}, b.getIntegerType(8, false));
  EXPECT_EQ(MatmulOp::create(b, loc(), i8, u8, false, false).getType(), type({c(2), c(2)}, b.getI32Type()));
}

TEST_F(InferTest, WindowsOverSymbols) {
  Value x = arg({s(0), c(8), s(1), c(9)}), w = arg({c(16), c(8), c(3), c(3)});
  // (h + 2 - 2 - 1) / 2 + 1 rows; columns the same from 9.
  auto conv = ConvOp::create(b, loc(), x, w, Value(), b.getDenseI64ArrayAttr({2, 2}), b.getDenseI64ArrayAttr({1, 1}),
                             b.getDenseI64ArrayAttr({1, 1, 1, 1}), b.getI64IntegerAttr(1));
  EXPECT_EQ(conv.getType(), type({s(0), c(16), (s(1) - 1).floorDiv(2) + 1, c(5)}));
  Value t = arg({c(8), c(4), c(2), c(2)});
  auto transposed = ConvTransposeOp::create(b, loc(), x, t, Value(), b.getDenseI64ArrayAttr({2, 3}),
                                            b.getDenseI64ArrayAttr({1, 1}), b.getDenseI64ArrayAttr({0, 0, 1, 1}),
                                            b.getDenseI64ArrayAttr({1, 0}), b.getI64IntegerAttr(1));
  EXPECT_EQ(transposed.getType(), type({s(0), c(4), s(1) * 2, c(25)}));
}

TEST_F(InferTest, DataMovement) {
  Value x = arg({s(0), c(4), c(6)}), indices = arg({c(2), c(3)}, b.getI64Type());
  EXPECT_EQ(GatherOp::create(b, loc(), x, indices, b.getI64IntegerAttr(1)).getType(), type({s(0), c(2), c(3), c(6)}));
  Value nd = arg({s(0), c(5), c(1)}, b.getI64Type());
  EXPECT_EQ(GatherNdOp::create(b, loc(), x, nd, b.getI64IntegerAttr(1)).getType(), type({s(0), c(5), c(6)}));
  Value y = arg({s(1), c(4), c(6)});
  EXPECT_EQ(ConcatOp::create(b, loc(), ValueRange{x, y}, b.getI64IntegerAttr(0)).getType(),
            type({s(0) + s(1), c(4), c(6)}));
  EXPECT_EQ(TransposeOp::create(b, loc(), x, ArrayRef<int64_t>{2, 0, 1}).getType(), type({c(6), s(0), c(4)}));
}

TEST_F(InferTest, ConcatPrefersConstants) {
  // The unequal-looking dim is the constant one in the result; the launch check is the importer's.
  Value x = arg({c(1), s(0)}), y = arg({c(1), c(4)});
  EXPECT_EQ(ConcatOp::create(b, loc(), ValueRange{x, y}, b.getI64IntegerAttr(0)).getType(), type({c(2), c(4)}));
}

TEST_F(InferTest, AttentionHeads) {
  Value q = arg({s(0), c(8), s(1), c(16)}), k = arg({s(0), c(2), s(2), c(16)}), v = arg({s(0), c(2), s(2), c(32)});
  auto op = AttentionOp::create(b, loc(), q, k, v, Value(), b.getF32FloatAttr(1), b.getBoolAttr(false));
  EXPECT_EQ(op.getType(), type({s(0), c(8), s(1), c(32)}));
}

/// Runs inference for wrong operands and returns the message.
template <typename Op>
std::string failure(MLIRContext &context, ValueRange operands, NamedAttrList attributes) {
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    text = d.str();
    return success();
  });
  OperationState state(UnknownLoc::get(&context), Op::getOperationName());
  typename Op::Properties properties;
  DictionaryAttr dictionary = attributes.getDictionary(&context);
  (void)Op::setPropertiesFromAttr(properties, dictionary, nullptr);
  SmallVector<Type> types;
  LogicalResult result = Op::inferReturnTypes(&context, UnknownLoc::get(&context), operands, dictionary,
                                              OpaqueProperties(&properties), {}, types);
  return succeeded(result) ? "accepted" : text;
}

TEST_F(InferTest, MessagesNameTheConstraintAndTheValues) {
  Value x = arg({c(2), c(3)}), y = arg({c(4), c(5)});
  NamedAttrList flags;
  flags.set("trans_a", b.getBoolAttr(false));
  flags.set("trans_b", b.getBoolAttr(false));
  EXPECT_EQ(failure<MatmulOp>(context, {x, y}, flags),
            "graph.matmul: the contracted dims of a, f32[2, 3], and b, f32[4, 5], differ: 3 and 4");
  NamedAttrList axes;
  axes.set("axes", b.getDenseI64ArrayAttr({0, 2}));
  axes.set("kind", ReduceKindAttr::get(&context, ReduceKind::sum));
  EXPECT_EQ(failure<ReduceOp>(context, {x}, axes),
            "graph.reduce: axis 2 is outside a tensor of rank 2 (0 to rank - 1)");
  axes.set("axes", b.getDenseI64ArrayAttr({0}));
  EXPECT_EQ(failure<ReduceOp>(context, {x}, axes), "accepted");
}

} // namespace
