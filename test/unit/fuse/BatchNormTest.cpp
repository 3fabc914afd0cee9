// Batch normalisation folded into a convolution: the computed weights against the formula.
#include "compiler/fuse/patterns/GraphRecognize.h"
#include "compiler/weights/WeightStore.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace adze;
using namespace adze::graph;

namespace {

constexpr double kEps = 1e-3;
const std::vector<float> kScale = {1.5f, -2.0f}, kBias = {0.25f, 3.0f}, kMean = {0.5f, -1.0f}, kVar = {4.0f, 0.25f},
                         kWeights = {1, 2, 3, 4, 5, 6}, kConvBias = {10, 20};

struct BatchNormTest : ::testing::Test {
  BatchNormTest() : b(&context) {
    context.loadDialect<GraphDialect, func::FuncDialect>();
    module = ModuleOp::create(b.getUnknownLoc());
    auto x = RankedTensorType::get({1, 3, 4}, b.getF32Type());
    function = func::FuncOp::create(b, b.getUnknownLoc(), "main", b.getFunctionType({x}, {}));
    module->push_back(function);
    b.setInsertionPointToEnd(function.addEntryBlock());
  }
  Value weight(const std::vector<float> &values, ArrayRef<int64_t> dims) {
    auto bytes = ArrayRef(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
    auto id = store.addInline(DType::F32, dims, bytes);
    return WeightOp::create(b, b.getUnknownLoc(), RankedTensorType::get(dims, b.getF32Type()), uint64_t(*id), "w");
  }
  /// As small initializers arrive: a constant in the IR.
  Value constant(const std::vector<float> &values, ArrayRef<int64_t> dims) {
    auto type = RankedTensorType::get(dims, b.getF32Type());
    return ConstantOp::create(b, b.getUnknownLoc(), type, DenseElementsAttr::get(type, ArrayRef(values)));
  }
  /// conv and batch_norm; `extraUse` also returns the convolution's result.
  void build(Value convBias, Value scale, bool extraUse = false) {
    auto conv = ConvOp::create(b, b.getUnknownLoc(), function.getArgument(0), weight(kWeights, {2, 3, 1}), convBias,
                               b.getDenseI64ArrayAttr({1}), b.getDenseI64ArrayAttr({1}), b.getDenseI64ArrayAttr({0, 0}),
                               b.getI64IntegerAttr(1));
    auto norm = BatchNormOp::create(b, b.getUnknownLoc(), conv, scale, constant(kBias, {2}), weight(kMean, {2}),
                                    constant(kVar, {2}), b.getF32FloatAttr(kEps));
    SmallVector<Value> results = {norm};
    if (extraUse)
      results.push_back(conv);
    func::ReturnOp::create(b, b.getUnknownLoc(), results);
    function.setFunctionType(b.getFunctionType(function.getArgumentTypes(), TypeRange(ValueRange(results))));
    ASSERT_TRUE(succeeded(verify(*module)));
    ASSERT_TRUE(succeeded(recognizePatterns(*module, store)));
    ASSERT_TRUE(succeeded(verify(*module)));
  }
  std::vector<float> read(Value v) {
    auto op = v.getDefiningOp<WeightOp>();
    if (!op)
      return {};
    std::vector<float> values(store.elements(op.getId()));
    EXPECT_TRUE(store.read(op.getId(), MutableArrayRef(reinterpret_cast<char *>(values.data()), values.size() * 4)));
    return values;
  }
  template <typename Op>
  SmallVector<Op> all() {
    return llvm::to_vector(function.getOps<Op>());
  }

  MLIRContext context;
  OpBuilder b;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  WeightStore store;
};

void expectFolded(const std::vector<float> &w, const std::vector<float> &bias, const std::vector<float> &before) {
  ASSERT_EQ(w.size(), 6u);
  ASSERT_EQ(bias.size(), 2u);
  for (int f = 0; f < 2; ++f) {
    double m = kScale[f] / std::sqrt(kVar[f] + double(float(kEps)));
    for (int i = 0; i < 3; ++i)
      EXPECT_FLOAT_EQ(w[f * 3 + i], float(kWeights[f * 3 + i] * m));
    EXPECT_FLOAT_EQ(bias[f], float(kBias[f] + (before[f] - kMean[f]) * m));
  }
}

TEST_F(BatchNormTest, FoldsWithoutBias) {
  build(Value(), weight(kScale, {2}));
  ASSERT_EQ(all<ConvOp>().size(), 1u);
  EXPECT_TRUE(all<BatchNormOp>().empty());
  ConvOp conv = all<ConvOp>()[0];
  expectFolded(read(conv.getW()), read(conv.getBias()), {0, 0});
}

TEST_F(BatchNormTest, FoldsTheConvolutionsBias) {
  build(weight(kConvBias, {2}), weight(kScale, {2}));
  ConvOp conv = all<ConvOp>()[0];
  expectFolded(read(conv.getW()), read(conv.getBias()), kConvBias);
}

TEST_F(BatchNormTest, LeavesAConvolutionThatIsReadElsewhere) {
  build(Value(), weight(kScale, {2}), /*extraUse=*/true);
  EXPECT_EQ(all<BatchNormOp>().size(), 1u);
}

TEST_F(BatchNormTest, LeavesAScaleThatIsComputed) {
  build(Value(), ExpOp::create(b, b.getUnknownLoc(), weight(kScale, {2})));
  EXPECT_EQ(all<BatchNormOp>().size(), 1u);
}

} // namespace
