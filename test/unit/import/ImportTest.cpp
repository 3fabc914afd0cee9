#include "compiler/import/HandlerTable.h"
#include "compiler/support/NodeLoc.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "Models.h"

using namespace adze;
using namespace adze::test;

namespace {

void handlerA(NodeContext &) {}
void handlerB(NodeContext &) {}

TEST(HandlerTable, PicksTheNewestVersionNotAboveTheModels) {
  HandlerTable table;
  table.add("", "Op", 11, handlerB, 1, 1);
  table.add("", "Op", 7, handlerA, 1, 1);
  EXPECT_EQ(&handlerA, table.find("", "Op", 10)->handler);
  EXPECT_EQ(&handlerB, table.find("", "Op", 28)->handler);
  int first = 0;
  EXPECT_EQ(nullptr, table.find("", "Op", 6, &first));
  EXPECT_EQ(7, first);
  EXPECT_EQ(nullptr, table.find("x", "Op", 6, &first));
  EXPECT_EQ(0, first);
}

TEST(Import, DimsAreSymbolsAndCanBeFixed) {
  ModelBuilder m;
  m.input("x", 1, {"batch", 3}).output("y");
  m.node("Relu", {"x"}, {"y"});
  Imported dynamic(m);
  ASSERT_TRUE(dynamic.module) << dynamic.sink.text();
  EXPECT_TRUE(dynamic.has("name = \"batch\"")) << dynamic.text;
  EXPECT_TRUE(dynamic.has("tensor<?x3xf32"));
  ImportOptions options;
  options.dims["batch"] = {4, 4, 4};
  EXPECT_TRUE(Imported(m, options).has("tensor<4x3xf32>"));
  ImportOptions shape;
  shape.inputShapes["x"] = {5, 3};
  EXPECT_TRUE(Imported(m, shape).has("tensor<5x3xf32>"));
  shape.inputShapes["x"] = {5, 4};
  EXPECT_EQ(3, Imported(m, shape).sink.exitCode());
  ImportOptions unknown;
  unknown.dims["nope"] = {};
  EXPECT_EQ(3, Imported(m, unknown).sink.exitCode());
}

TEST(Import, ShapeArithmeticLeavesNoOperations) {
  // Reshape(x, Concat(Gather(Shape(x), 0), -1)) of x[batch, 4, 6] is [batch, 24].
  ModelBuilder m;
  m.input("x", 1, {"batch", 4, 6}).ints("zero", {0}, true).ints("axis", {0}).ints("rest", {-1}).output("y");
  m.node("Shape", {"x"}, {"shape"});
  m.node("Gather", {"shape", "zero"}, {"first"});
  m.node("Unsqueeze", {"first", "axis"}, {"vector"});
  ModelBuilder::attr(m.node("Concat", {"vector", "rest"}, {"target"}), "axis", 0);
  m.node("Reshape", {"x", "target"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_TRUE(result.has("(s0, 24)")) << result.text;
  for (const char *op : {"graph.concat", "graph.gather", "graph.shape_value", "graph.constant"})
    EXPECT_FALSE(result.has(op)) << result.text;
}

TEST(Import, AnInputThatSteersAShapeBecomesSymbols) {
  ModelBuilder m;
  m.input("x", 1, {24}).input("shape", 7, {2}).ints("one", {1}).output("y");
  m.node("Add", {"shape", "one"}, {"target"}); // looked through on demand
  m.node("Reshape", {"x", "target"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_TRUE(result.has("input_value")) << result.text;
  EXPECT_TRUE(result.has("graph.check")) << result.text;
}

TEST(Import, ShapeAsDataIsMaterialised) {
  ModelBuilder m;
  m.input("x", 1, {"batch", 4}).output("y", 7);
  m.node("Shape", {"x"}, {"y"});
  EXPECT_TRUE(Imported(m).has("graph.shape_value"));
}

TEST(Import, EveryUnsupportedNodeIsListedOnceWithItsPlace) {
  ModelBuilder m;
  m.input("x", 1, {2}).output("y");
  m.node("NoSuchOp", {"x"}, {"a"});
  m.node("Relu", {"a"}, {"b"}); // depends on a refused node: not an error of its own
  m.node("OtherOp", {"b"}, {"y"});
  Imported result(m);
  EXPECT_FALSE(result.module);
  ASSERT_EQ(2u, result.sink.size()) << result.sink.text();
  EXPECT_EQ(4, result.sink.exitCode());
  EXPECT_EQ("n_a", result.sink.errors()[0].where.node);
  EXPECT_EQ(2, result.sink.errors()[1].where.index);
  EXPECT_EQ("(float32[2])", result.sink.errors()[0].where.types);
}

TEST(Import, GraphFaultsAreMalformed) {
  auto code = [](auto change) {
    ModelBuilder m;
    m.input("x", 1, {2, 2}).output("y");
    m.node("Relu", {"x"}, {"y"});
    change(m);
    Imported result(m);
    EXPECT_FALSE(result.module);
    return result.sink.exitCode();
  };
  EXPECT_EQ(3, code([](ModelBuilder &m) { m.node("Relu", {"x"}, {"y"}); })) << "two producers";
  EXPECT_EQ(3, code([](ModelBuilder &m) { m.node("Relu", {"nothing"}, {"z"}); })) << "undefined input";
  EXPECT_EQ(3, code([](ModelBuilder &m) {
              m.node("Add", {"x", "q"}, {"p"});
              m.node("Relu", {"p"}, {"q"});
            }))
      << "cycle";
  EXPECT_EQ(3, code([](ModelBuilder &m) { m.output("missing"); }));
  EXPECT_EQ(3, code([](ModelBuilder &m) { m.model.mutable_graph()->mutable_node(0)->add_input("x"); })) << "arity";
  EXPECT_EQ(3, code([](ModelBuilder &m) {
              m.model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(7);
            }))
      << "output type";
  EXPECT_EQ(3, code([](ModelBuilder &m) {
              auto &n = *m.model.mutable_graph()->mutable_node(0);
              n.set_op_type("Softmax");
              auto &a = ModelBuilder::attr(n, "axis", 0);
              a.set_type(onnx::AttributeProto::FLOAT);
            }))
      << "mistyped attribute";
  EXPECT_EQ(3, code([](ModelBuilder &m) { m.model.mutable_graph()->mutable_node(0)->set_domain("com.example"); }));
}

TEST(Import, BadOperandsNameTheNodeAndTheReason) {
  ModelBuilder m;
  m.input("a", 1, {2, 3}).input("b", 1, {4, 5}).output("y");
  m.node("MatMul", {"a", "b"}, {"y"});
  Imported result(m);
  EXPECT_EQ(3, result.sink.exitCode());
  EXPECT_TRUE(result.says("n_y")) << result.sink.text();
  EXPECT_TRUE(result.says("inner dims")) << result.sink.text();
}

/// f(x; alpha) = LeakyRelu(x, alpha), called with alpha = 0.5.
ModelBuilder withFunction(bool recursive) {
  ModelBuilder m;
  auto *import = m.model.add_opset_import();
  import->set_domain("my");
  import->set_version(1);
  auto *f = m.model.add_functions();
  f->set_name("F");
  f->set_domain("my");
  f->add_input("u");
  f->add_output("v");
  f->add_attribute("alpha");
  for (const auto &i : m.model.opset_import())
    *f->add_opset_import() = i;
  auto &body = ModelBuilder::fill(*f->add_node(), recursive ? "F" : "LeakyRelu", {"u"}, {"v"});
  if (recursive)
    body.set_domain("my");
  auto *ref = body.add_attribute();
  ref->set_name("alpha");
  ref->set_type(onnx::AttributeProto::FLOAT);
  ref->set_ref_attr_name("alpha");
  m.input("x", 1, {2}).output("y");
  auto &call = m.node("F", {"x"}, {"y"});
  call.set_domain("my");
  auto *alpha = call.add_attribute();
  alpha->set_name("alpha");
  alpha->set_type(onnx::AttributeProto::FLOAT);
  alpha->set_f(0.5f);
  return m;
}

TEST(Import, FunctionsAreExpandedWithTheirAttributes) {
  Imported result(withFunction(false));
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_TRUE(result.has("dense<5.000000e-01>")) << result.text;
}

TEST(Import, RecursionIsRefused) {
  Imported result(withFunction(true));
  EXPECT_EQ(3, result.sink.exitCode());
  EXPECT_TRUE(result.says("calls itself")) << result.sink.text();
}

TEST(Import, ExpansionIsBounded) {
  // 30 functions, each calling the next twice: 2^30 nodes.
  ModelBuilder m;
  auto *import = m.model.add_opset_import();
  import->set_domain("my");
  import->set_version(1);
  for (int i = 0; i < 30; ++i) {
    auto *f = m.model.add_functions();
    f->set_name("F" + std::to_string(i));
    f->set_domain("my");
    f->add_input("u");
    f->add_output("w");
    for (const auto &o : m.model.opset_import())
      *f->add_opset_import() = o;
    std::string next = i == 29 ? "Relu" : "F" + std::to_string(i + 1);
    for (auto [from, to] : {std::pair("u", "v"), std::pair("v", "w")}) {
      auto &n = ModelBuilder::fill(*f->add_node(), next, {from}, {to});
      n.set_domain(i == 29 ? "" : "my");
    }
  }
  m.input("x", 1, {2}).output("y");
  m.node("F0", {"x"}, {"y"}).set_domain("my");
  ImportOptions options;
  options.maxNodes = 1000;
  Imported result(m, options);
  EXPECT_EQ(8, result.sink.exitCode()) << result.sink.text();
}

TEST(Import, IfWithAConstantConditionIsInlined) {
  ModelBuilder m;
  m.input("x", 1, {2}).output("y");
  auto *t = m.model.mutable_graph()->add_initializer();
  t->set_name("c");
  t->set_data_type(9);
  t->add_int32_data(1);
  auto &n = m.node("If", {"c"}, {"y"});
  for (auto [name, op] : {std::pair("then_branch", "Exp"), std::pair("else_branch", "NoSuchOp")}) {
    auto &a = *n.add_attribute();
    a.set_name(name);
    a.set_type(onnx::AttributeProto::GRAPH);
    ModelBuilder::fill(*a.mutable_g()->add_node(), op, {"x"}, {"r"}); // x comes from outside
    a.mutable_g()->add_output()->set_name("r");
  }
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_TRUE(result.has("graph.exp"));
}

TEST(Import, OutputsCanBeCutAndDeadNodesDoNotMatter) {
  ModelBuilder m;
  m.input("x", 1, {2}).output("y");
  m.node("Relu", {"x"}, {"mid"});
  m.node("NoSuchOp", {"mid"}, {"y"});
  ImportOptions options;
  options.outputs = {"mid"};
  EXPECT_TRUE(Imported(m, options).module);
  options.outputs = {"nowhere"};
  EXPECT_EQ(3, Imported(m, options).sink.exitCode());
}

TEST(Import, InitializersThatAreInputsAreConstantsUnlessOverridable) {
  ModelBuilder m(8, 3);
  m.input("x", 1, {2}).input("w", 1, {2}).floats("w", {2}, {3, 4}).output("y");
  m.node("Add", {"x", "w"}, {"y"});
  Imported constant(m);
  ASSERT_TRUE(constant.module) << constant.sink.text();
  EXPECT_TRUE(constant.has("graph.constant"));
  ImportOptions options;
  options.overridable = {"w"};
  Imported input(m, options);
  ASSERT_TRUE(input.module) << input.sink.text();
  EXPECT_FALSE(input.has("graph.constant"));
  EXPECT_TRUE(input.has("graph.default"));
}

TEST(Import, LocationsKeepTheNode) {
  ModelBuilder m;
  m.input("x", 1, {2}).output("y");
  m.node("Relu", {"x"}, {"h"});
  m.node("Exp", {"h"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module);
  std::vector<std::string> seen;
  result.module->walk([&](graph::ExpOp op) {
    for (const NodeRef &ref : nodesOf(op.getLoc()))
      seen.push_back(ref.node + "/" + ref.op + "/" + std::to_string(ref.index));
  });
  EXPECT_EQ((std::vector<std::string>{"n_y/Exp/1"}), seen);
}

TEST(Import, HostileSizesCostNothing) {
  // ConstantOfShape of 2^34 floats is a splat; nothing of that size is allocated here.
  ModelBuilder m;
  m.ints("shape", {int64_t(1) << 34}).output("y");
  m.node("ConstantOfShape", {"shape"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  ModelBuilder overflow;
  overflow.ints("shape", {int64_t(1) << 40, int64_t(1) << 40}).output("y");
  overflow.node("ConstantOfShape", {"shape"}, {"y"});
  EXPECT_EQ(3, Imported(overflow).sink.exitCode());
}

TEST(Import, VariadicOperandsMustBePresent) {
  ModelBuilder m;
  m.input("x", 1, {2}).output("y");
  m.node("Sum", {"x", "", "x"}, {"y"});
  Imported result(m);
  EXPECT_EQ(3, result.sink.exitCode());
  EXPECT_TRUE(result.says("required input 1 is absent")) << result.sink.text();
}

TEST(Import, QuantisationRoundsThenClamps) {
  ModelBuilder m(19);
  m.input("x", 1, {2}).floats("s", {}, {0.5f}).output("y", 3);
  auto *zero = m.model.mutable_graph()->add_initializer();
  zero->set_name("z");
  zero->set_data_type(3);
  zero->add_int32_data(1);
  m.node("QuantizeLinear", {"x", "s", "z"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  size_t round = result.text.find("graph.round"), clamp = result.text.find("graph.min");
  EXPECT_LT(round, clamp) << result.text;
  EXPECT_TRUE(result.has("-1.280000e+02") && result.has("1.270000e+02")) << result.text;
}

TEST(Import, RecurrentNetworksBecomeOneOperationADirection) {
  ModelBuilder m(14);
  m.input("x", 1, {"time", 2, 3}).input("w", 1, {2, 16, 3}).input("r", 1, {2, 16, 4}).output("y");
  auto &n = m.node("LSTM", {"x", "w", "r"}, {"y"});
  auto &a = *n.add_attribute();
  a.set_name("direction");
  a.set_type(onnx::AttributeProto::STRING);
  a.set_s("bidirectional");
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  int count = 0;
  result.module->walk([&](graph::RnnOp op) { count += 1 + op.getReverse(); });
  EXPECT_EQ(3, count) << "one forward, one reverse";
  a.set_s("sideways");
  EXPECT_EQ(3, Imported(m).sink.exitCode());
}

TEST(Import, CastsToFloatsRoundToNearest) {
  ModelBuilder m;
  m.input("x", 1, {2}).output("y", 10).output("z", 6);
  ModelBuilder::attr(m.node("Cast", {"x"}, {"y"}), "to", 10);
  ModelBuilder::attr(m.node("Cast", {"x"}, {"z"}), "to", 6);
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_TRUE(result.has("cast_round rne")) << result.text;
  EXPECT_TRUE(result.has("cast_round rtz")) << result.text;
}

TEST(Import, AxesKnownAtLaunchKeepTheRankStatic) {
  ModelBuilder m;
  m.input("x", 1, {3, 4, 5}).input("axes", 7, {1}).output("y");
  ModelBuilder::attr(m.node("ReduceSum", {"x", "axes"}, {"y"}), "keepdims", 0);
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_TRUE(result.has("graph.reduce"));
  EXPECT_TRUE(result.has("axes must be distinct") || result.has("below the rank")) << result.text;
}

TEST(Import, AnEndBeyondEveryDimIsTheDimItself) {
  ModelBuilder m;
  m.input("x", 1, {"batch", 8}).ints("starts", {0}).ints("ends", {1000000000}).ints("axes", {0}).output("y");
  m.node("Slice", {"x", "starts", "ends", "axes"}, {"y"});
  Imported result(m);
  ASSERT_TRUE(result.module) << result.sink.text();
  EXPECT_FALSE(result.has("derived")) << result.text;
}

TEST(Import, ConvolutionAttributesAreChecked) {
  auto code = [](const char *name, std::vector<int64_t> values) {
    ModelBuilder m;
    m.input("x", 1, {1, 2, 5, 5}).input("w", 1, {4, 2, 3, 3}).output("y");
    auto &n = m.node("Conv", {"x", "w"}, {"y"});
    auto &a = *n.add_attribute();
    a.set_name(name);
    a.set_type(onnx::AttributeProto::INTS);
    for (int64_t v : values)
      a.add_ints(v);
    return Imported(m).sink.exitCode();
  };
  EXPECT_EQ(0, code("strides", {2, 2}));
  EXPECT_EQ(3, code("strides", {0, 1}));
  EXPECT_EQ(3, code("strides", {1}));
  EXPECT_EQ(3, code("kernel_shape", {2, 3}));
  EXPECT_EQ(3, code("pads", {-1, 0, 0, 0}));
  EXPECT_EQ(3, code("dilations", {9, 9}));
}

TEST(Import, LongChainsImportInLinearTime) {
  ModelBuilder m;
  m.input("x", 1, {2}).output("v100000");
  std::string last = "x";
  for (int i = 1; i <= 100000; ++i) {
    std::string next = "v" + std::to_string(i);
    m.node("Relu", {last}, {next});
    last = next;
  }
  EXPECT_TRUE(Imported(m).module);
}

} // namespace
