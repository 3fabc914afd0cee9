// Handlers whose decomposition is easy to get wrong: what they build and what they refuse.
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "Models.h"

using namespace adze;
using namespace adze::test;

namespace {

void setString(onnx::NodeProto &node, const char *name, const char *value) {
  auto &a = *node.add_attribute();
  a.set_name(name);
  a.set_type(onnx::AttributeProto::STRING);
  a.set_s(value);
}

TEST(Handlers, ResizeOfFixedSizesReadsConstantTaps) {
  ModelBuilder m(18);
  m.input("x", 1, {1, 1, 2, 4}).ints("sizes", {1, 1, 2, 8}).output("y");
  setString(m.node("Resize", {"x", "", "", "sizes"}, {"y"}), "mode", "linear");
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  int resized = 0;
  result.module->walk([&](graph::ResizeOp op) {
    ++resized;
    EXPECT_EQ(3, static_cast<int64_t>(op.getAxis())) << "dims that stay are left alone";
    // half_pixel at scale 2: output 1 lies at 0.25, between elements 0 and 1.
    auto weights = op.getWeights().getDefiningOp<graph::ConstantOp>();
    ASSERT_TRUE(weights);
    auto values = llvm::to_vector(mlir::cast<mlir::DenseElementsAttr>(weights.getValue()).getValues<float>());
    EXPECT_FLOAT_EQ(0.75f, values[2]);
    EXPECT_FLOAT_EQ(0.25f, values[3]);
  });
  EXPECT_EQ(1, resized);
}

TEST(Handlers, ResizeScalesThatOnlyTheDeviceKnowsAreRefused) {
  ModelBuilder m(18);
  m.input("x", 1, {1, 1, 2, 4}).input("scales", 1, {4}).output("y");
  m.node("Resize", {"x", "", "scales"}, {"y"});
  EXPECT_EQ(4, Imported(m).sink.exitCode());
}

TEST(Handlers, ResizeToSizesOfTheLaunchComputesItsTaps) {
  ModelBuilder m(18);
  m.input("x", 1, {1, 1, "h", 4}).input("sizes", 7, {4}).output("y");
  setString(m.node("Resize", {"x", "", "", "sizes"}, {"y"}), "mode", "cubic");
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_TRUE(result.has("graph.resize")) << result.text;
  EXPECT_TRUE(result.has("f64")) << "coordinates in double, like the definition";
}

TEST(Handlers, NonZeroDefinesASymbolThatBoundsItsResult) {
  ModelBuilder m(17);
  m.input("x", 1, {3, 5}).output("y", 7);
  m.node("NonZero", {"x"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  graph::SymbolTable symbols(*result.module);
  ASSERT_EQ(1u, symbols.size());
  EXPECT_EQ(graph::SymbolKind::Data, symbols[0].kind);
  EXPECT_EQ(15, symbols[0].max);
}

TEST(Handlers, AResultWithoutABoundIsRefused) {
  ModelBuilder m(17);
  m.input("x", 1, {"n", 5}).output("y", 7);
  m.node("NonZero", {"x"}, {"y"});
  EXPECT_EQ(4, Imported(m).sink.exitCode());
}

TEST(Handlers, EinsumIsOneMatrixProduct) {
  ModelBuilder m(17);
  m.input("a", 1, {2, 3, 4}).input("b", 1, {5, 4, 2}).output("y");
  setString(m.node("Einsum", {"a", "b"}, {"y"}), "equation", "bij, kjb -> bki");
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  int products = 0;
  result.module->walk([&](graph::MatmulOp) { ++products; });
  EXPECT_EQ(1, products);
  auto main = result.module->lookupSymbol<mlir::func::FuncOp>(graph::kMainFunction);
  EXPECT_EQ((llvm::SmallVector<int64_t>{2, 5, 3}),
            llvm::SmallVector<int64_t>(mlir::cast<mlir::RankedTensorType>(main.getResultTypes()[0]).getShape()));
}

TEST(Handlers, EinsumThatDoesNotFitIsMalformed) {
  for (const char *equation : {"ij->ijk", "i->i", "ij,jk->ik", "ij->ii", "i(j->i"}) {
    ModelBuilder m(17);
    m.input("a", 1, {3, 4}).output("y");
    setString(m.node("Einsum", {"a"}, {"y"}), "equation", equation);
    EXPECT_EQ(3, Imported(m).sink.exitCode()) << equation;
  }
}

TEST(Handlers, TheFourierTableIsAConstant) {
  ModelBuilder m(17);
  m.input("x", 1, {1, 4, 1}).output("y");
  ModelBuilder::attr(m.node("DFT", {"x"}, {"y"}), "axis", 1);
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  result.module->walk([&](graph::MatmulOp op) {
    auto table = op.getB().getDefiningOp<graph::ConstantOp>();
    ASSERT_TRUE(table);
    auto values = llvm::to_vector(mlir::cast<mlir::DenseElementsAttr>(table.getValue()).getValues<float>());
    // Row 1 holds e^(-2 pi i k / 4) for k = 0..3: 1, -i, -1, i.
    const float expected[] = {1, 0, 0, -1, -1, 0, 0, 1};
    for (int i = 0; i < 8; ++i)
      EXPECT_NEAR(expected[i], values[8 + i], 1e-6) << i;
  });
}

TEST(Handlers, LinearAttentionOverALongSequenceIsRefused) {
  auto exitCode = [](int length) {
    ModelBuilder m(27, 10);
    m.input("q", 1, {1, length, 8}).input("k", 1, {1, length, 8}).input("v", 1, {1, length, 8}).output("y");
    auto &n = m.node("LinearAttention", {"q", "k", "v"}, {"y"});
    ModelBuilder::attr(n, "q_num_heads", 2);
    ModelBuilder::attr(n, "kv_num_heads", 2);
    setString(n, "update_rule", "linear");
    return Imported(m).sink.exitCode();
  };
  EXPECT_EQ(0, exitCode(4));
  EXPECT_EQ(4, exitCode(1000));
}

TEST(Handlers, HalfPrecisionAttentionRoundsOnce) {
  ModelBuilder m(23, 10);
  m.input("q", 10, {1, 2, 4, 8}).input("k", 10, {1, 2, 4, 8}).input("v", 10, {1, 2, 4, 8}).output("y", 10);
  m.node("Attention", {"q", "k", "v"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  int found = 0;
  result.module->walk([&](graph::AttentionOp op) {
    ++found;
    EXPECT_TRUE(mlir::cast<mlir::RankedTensorType>(op.getY().getType()).getElementType().isF32());
  });
  EXPECT_EQ(1, found);
}

TEST(Handlers, GridSampleRefusesWhatItDoesNotInterpolate) {
  auto exitCode = [](const char *mode, int type) {
    ModelBuilder m(20, 9);
    m.input("x", type, {1, 1, 3, 3, 3}).input("g", 1, {1, 2, 2, 2, 3}).output("y", type);
    setString(m.node("GridSample", {"x", "g"}, {"y"}), "mode", mode);
    return Imported(m).sink.exitCode();
  };
  EXPECT_EQ(0, exitCode("linear", 1));
  EXPECT_EQ(0, exitCode("nearest", 6));
  EXPECT_EQ(4, exitCode("linear", 6));
  EXPECT_EQ(4, exitCode("cubic", 1));
  EXPECT_EQ(3, exitCode("smooth", 1));
}

TEST(Handlers, ScanRepeatsItsBodyForEachStep) {
  auto imported = [](int length, int bodyInputs) {
    ModelBuilder m(17);
    m.input("start", 1, {2}).input("x", 1, {length, 2}).output("last").output("sums");
    auto &n = m.node("Scan", {"start", "x"}, {"last", "sums"});
    ModelBuilder::attr(n, "num_scan_inputs", 1);
    auto &a = *n.add_attribute();
    a.set_name("body");
    a.set_type(onnx::AttributeProto::GRAPH);
    auto &body = *a.mutable_g();
    for (int i = 0; i < bodyInputs; ++i)
      ModelBuilder::info(*body.add_input(), i ? "now" : "sum", 1, {2});
    ModelBuilder::fill(*body.add_node(), "Add", {"sum", bodyInputs > 1 ? "now" : "sum"}, {"next"});
    for (int i = 0; i < 2; ++i)
      body.add_output()->set_name("next");
    return std::make_unique<Imported>(m);
  };
  auto good = imported(3, 2);
  ASSERT_TRUE(good->module) << good->sink.text();
  int additions = 0;
  good->module->walk([&](graph::AddOp) { ++additions; });
  EXPECT_EQ(3, additions);
  EXPECT_EQ(4, imported(1000, 2)->sink.exitCode());
  EXPECT_EQ(3, imported(3, 1)->sink.exitCode()) << "the body takes fewer inputs than the node gives";
}

TEST(Handlers, RoiAlignNeedsAFixedNumberOfSamples) {
  auto exitCode = [](int ratio) {
    ModelBuilder m(16);
    m.input("x", 1, {1, 2, 8, 8}).input("rois", 1, {"r", 4}).input("b", 7, {"r"}).output("y");
    ModelBuilder::attr(m.node("RoiAlign", {"x", "rois", "b"}, {"y"}), "sampling_ratio", ratio);
    return Imported(m).sink.exitCode();
  };
  EXPECT_EQ(0, exitCode(2));
  EXPECT_EQ(4, exitCode(0));
}

} // namespace
