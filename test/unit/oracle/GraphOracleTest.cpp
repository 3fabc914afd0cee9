// Whole graphs on the oracle, and folding of constants.
#include "compiler/oracle/GraphOracle.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::oracle;
using namespace mlir;

namespace {

template <typename T>
HostTensor host(DType type, llvm::ArrayRef<int64_t> dims, const std::vector<T> &values) {
  HostTensor t;
  t.dtype = type;
  t.dims.assign(dims.begin(), dims.end());
  t.bytes.resize(values.size() * sizeof(T));
  std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
  return t;
}

class GraphOracleTest : public ::testing::Test {
protected:
  GraphOracleTest() {
    DialectRegistry registry;
    registry.insert<graph::GraphDialect, tile::TileDialect, exec::ExecDialect, func::FuncDialect, arith::ArithDialect,
                    math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
    handler = std::make_unique<ScopedDiagnosticHandler>(&context, [this](Diagnostic &d) {
      message += d.str() + "\n";
      return success();
    });
  }
  OwningOpRef<ModuleOp> parse(llvm::StringRef text) {
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << message;
    return module;
  }
  FailureOr<GraphRunResult> run(ModuleOp graph, llvm::ArrayRef<HostTensor> inputs, Mode mode = Mode::Wide) {
    auto kernels = toOracleKernels(graph);
    EXPECT_TRUE(succeeded(kernels)) << message;
    GraphRunOptions options;
    options.interpreter.mode = mode;
    options.interpreter.checkRaces = options.interpreter.checkUnwritten = true;
    options.observe = [this](Operation *, llvm::ArrayRef<const GraphTensor *> results) { seen += results.size(); };
    return runGraph(**kernels, weights, inputs, options);
  }

  MLIRContext context;
  WeightStore weights;
  std::string message;
  size_t seen = 0;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
};

const char *kAdd = R"(module attributes {SYMBOLS} {
  func.func @main(%x: tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>> {
    %c = graph.constant {value = dense<[10.0, 20.0]> : tensor<2xf32>} : () -> tensor<2xf32>
    %0 = graph.add %x, %c : (tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>, tensor<2xf32>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
    %1 = graph.exp %0 : (tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
    return %1 : tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
  }
})";

TEST_F(GraphOracleTest, RunsDynamicGraphsInF64) {
  std::string text = kAdd;
  text.replace(text.find("SYMBOLS"), 7, "");
  auto module = parse(text);
  graph::SymbolTable table;
  graph::Symbol n;
  n.name = "n";
  table.add(&context, n);
  table.writeTo(*module);
  auto result = run(*module, {host<float>(DType::F32, {3, 2}, {0, 1, 2, 3, -4, 5})});
  ASSERT_TRUE(succeeded(result)) << message;
  EXPECT_EQ(result->symbols, std::vector<int64_t>{3});
  EXPECT_EQ(seen, 2u) << "one result of each of the two kernels";
  std::vector<double> y = result->outputs[0].doubles();
  ASSERT_EQ(y.size(), 6u);
  for (auto [v, x] : llvm::zip(y, std::vector<double>{10, 21, 12, 23, 6, 25}))
    EXPECT_DOUBLE_EQ(v, std::exp(x));
  HostTensor rounded = result->outputs[0].toHost();
  EXPECT_EQ(rounded.dtype, DType::F32);
  EXPECT_EQ(rounded.bytes.size(), 24u);
}

TEST_F(GraphOracleTest, RefusesInputsOfAnotherShape) {
  auto module = parse(R"(func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %0 = graph.neg %x : (tensor<2xf32>) -> tensor<2xf32>
    return %0 : tensor<2xf32>
  })");
  EXPECT_TRUE(failed(run(*module, {host<float>(DType::F32, {3}, {1, 2, 3})})));
  EXPECT_NE(message.find("other dims"), std::string::npos) << message;
  EXPECT_TRUE(failed(run(*module, {host<double>(DType::F64, {2}, {1, 2})})));
}

TEST_F(GraphOracleTest, FoldsChainsOfConstants) {
  auto id = weights.addInline(DType::F32, {2, 2}, host<float>(DType::F32, {2, 2}, {1, 2, 3, 4}).bytes, "w");
  ASSERT_EQ(*id, 0u);
  auto module = parse(R"(func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
    %w = graph.weight {id = 0, name = "w"} : () -> tensor<2x2xf32>
    %t = graph.transpose %w {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
    %n = graph.neg %t : (tensor<2x2xf32>) -> tensor<2x2xf32>
    %y = graph.add %x, %n : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    return %y : tensor<2x2xf32>
  })");
  auto above = foldConstants(*module, weights, 3);
  ASSERT_TRUE(succeeded(above));
  EXPECT_EQ(*above, 0u) << "beyond the cap";
  auto folded = foldConstants(*module, weights, 4);
  ASSERT_TRUE(succeeded(folded)) << message;
  EXPECT_EQ(*folded, 2u);
  unsigned negations = 0;
  module->walk([&](graph::NegOp) { ++negations; });
  EXPECT_EQ(negations, 0u);
  auto result = run(*module, {host<float>(DType::F32, {2, 2}, {0, 0, 0, 0})});
  ASSERT_TRUE(succeeded(result)) << message;
  EXPECT_EQ(result->outputs[0].doubles(), (std::vector<double>{-1, -3, -2, -4}));
}

TEST_F(GraphOracleTest, HostOperationsDefineSymbols) {
  std::string type = "tensor<1x?xi64, affine_map<()[s0] -> (1, s0)>>";
  auto module = parse("func.func @main(%x: tensor<4xf32>) -> " + type + R"( {
    %0 = graph.host %x {op = "nonzero", attrs = array<i64>, fattrs = array<f64>, defines = array<i64: 0>} : (tensor<4xf32>) -> )" +
                      type + "\n return %0 : " + type + "\n}");
  graph::SymbolTable table;
  graph::Symbol n;
  n.name = "n";
  n.kind = graph::SymbolKind::Data;
  n.max = 4;
  table.add(&context, n);
  table.writeTo(*module);
  auto result = run(*module, {host<float>(DType::F32, {4}, {0, 5, -0.0f, 7})});
  ASSERT_TRUE(succeeded(result)) << message;
  EXPECT_EQ(result->symbols[0], 2);
  EXPECT_EQ(result->outputs[0].doubles(), (std::vector<double>{1, 3}));
}

TEST_F(GraphOracleTest, UniqueSortsSlices) {
  std::string two = "tensor<?x2xi32, affine_map<()[s0] -> (s0, 2)>>", n = "tensor<?xi64, affine_map<()[s0] -> (s0)>>";
  auto module =
      parse("func.func @main(%x: tensor<4x2xi32>) -> (" + two + ", tensor<4xi64>, " + n + R"() {
    %0:3 = graph.host %x {op = "unique", attrs = array<i64: 1, 1, 0, 6>, fattrs = array<f64>, defines = array<i64: 0>} : (tensor<4x2xi32>) -> ()" +
            two + ", tensor<4xi64>, " + n + ")\n return %0#0, %0#1, %0#2 : " + two + ", tensor<4xi64>, " + n + "\n}");
  graph::SymbolTable table;
  graph::Symbol count;
  count.name = "n";
  count.kind = graph::SymbolKind::Data;
  count.max = 4;
  table.add(&context, count);
  table.writeTo(*module);
  auto result = run(*module, {host<int32_t>(DType::I32, {4, 2}, {5, 1, 2, 7, 5, 1, 2, 6})});
  ASSERT_TRUE(succeeded(result)) << message;
  EXPECT_EQ(result->outputs[0].ints(), (std::vector<int64_t>{2, 6, 2, 7, 5, 1}));
  EXPECT_EQ(result->outputs[1].ints(), (std::vector<int64_t>{2, 1, 2, 0}));
  EXPECT_EQ(result->outputs[2].ints(), (std::vector<int64_t>{1, 1, 2}));
}

TEST_F(GraphOracleTest, SizesInInputsAreExact) {
  auto module = parse(R"(func.func @main(%x: tensor<2xi64>) -> tensor<2xi64> {
    %0 = graph.shape_value {exprs = affine_map<()[s0, s1] -> (s0, s1 - 1)>} : () -> tensor<2xi64>
    return %0 : tensor<2xi64>
  })");
  graph::SymbolTable table;
  for (unsigned i : {0u, 1u}) {
    graph::Symbol s;
    s.name = "s" + std::to_string(i);
    s.kind = graph::SymbolKind::InputValue;
    s.axis = i;
    s.min = INT64_MIN;
    table.add(&context, s);
  }
  table.writeTo(*module);
  auto result = run(*module, {host<int64_t>(DType::I64, {2}, {INT64_MAX, INT64_MIN + 2})});
  ASSERT_TRUE(succeeded(result)) << message;
  EXPECT_EQ(result->outputs[0].ints(), (std::vector<int64_t>{INT64_MAX, INT64_MIN + 1}));
}

} // namespace
