// Fused kernels under several plans give the numbers of the unfused graph: fusion, tile sizes, ragged edges and shares
// change no more than the order of f64 sums.
#include "compiler/fuse/GraphFuse.h"
#include "compiler/kernels/Kernels.h"
#include "compiler/kernels/PlainTarget.h"
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
#include "mlir/Pass/PassManager.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace adze;
using namespace adze::oracle;
using namespace mlir;

namespace {

const char *kPerceptron =
    R"(func.func @main(%x: tensor<13x37xf32>, %w: tensor<37x29xf32>, %b: tensor<29xf32>, %r: tensor<13x29xf32>) -> tensor<13x29xf32> {
  %0 = graph.matmul %x, %w {trans_a = false, trans_b = false} : (tensor<13x37xf32>, tensor<37x29xf32>) -> tensor<13x29xf32>
  %1 = graph.add %0, %b : (tensor<13x29xf32>, tensor<29xf32>) -> tensor<13x29xf32>
  %2 = graph.gelu %1 {tanh = false} : (tensor<13x29xf32>) -> tensor<13x29xf32>
  %3 = graph.add %2, %r : (tensor<13x29xf32>, tensor<13x29xf32>) -> tensor<13x29xf32>
  return %3 : tensor<13x29xf32>
})";

const char *kConvolution =
    R"(func.func @main(%x: tensor<2x5x9x8xf32>, %w: tensor<7x5x3x3xf32>, %b: tensor<7xf32>) -> tensor<2x7x5x4xf32> {
  %0 = graph.conv %x, %w, %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<2x5x9x8xf32>, tensor<7x5x3x3xf32>, tensor<7xf32>) -> tensor<2x7x5x4xf32>
  %1 = graph.sigmoid %0 : (tensor<2x7x5x4xf32>) -> tensor<2x7x5x4xf32>
  return %1 : tensor<2x7x5x4xf32>
})";

const char *kSoftmax = R"(func.func @main(%x: tensor<7x45xf32>, %y: tensor<7x45xf32>) -> tensor<7x45xf32> {
  %0 = graph.mul %x, %y : (tensor<7x45xf32>, tensor<7x45xf32>) -> tensor<7x45xf32>
  %1 = graph.softmax %0 {axis = 1 : i64, log = false} : (tensor<7x45xf32>) -> tensor<7x45xf32>
  %2 = graph.exp %1 : (tensor<7x45xf32>) -> tensor<7x45xf32>
  return %2 : tensor<7x45xf32>
})";

struct FusionCase {
  const char *graph;
  const char *plan;
};

class FusionTest : public ::testing::TestWithParam<FusionCase> {};

HostTensor randomTensor(RankedTensorType type, int seed) {
  HostTensor t;
  t.dtype = DType::F32;
  t.dims.assign(type.getShape().begin(), type.getShape().end());
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(type.getNumElements());
  for (float &v : values)
    v = normal(engine);
  t.bytes.resize(values.size() * sizeof(float));
  std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
  return t;
}

TEST_P(FusionTest, KeepsTheNumbers) {
  DialectRegistry registry;
  registry.insert<graph::GraphDialect, tile::TileDialect, exec::ExecDialect, func::FuncDialect, arith::ArithDialect,
                  math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = parseSourceString<ModuleOp>(GetParam().graph, &context);
  ASSERT_TRUE(module);
  std::vector<HostTensor> inputs;
  for (BlockArgument a : module->lookupSymbol<func::FuncOp>("main").getArguments())
    inputs.push_back(randomTensor(cast<RankedTensorType>(a.getType()), a.getArgNumber()));
  WeightStore weights;
  auto reference = toOracleKernels(*module);
  ASSERT_TRUE(succeeded(reference));
  PassManager passes(&context);
  passes.addPass(createGraphFusePass(FuseOptions(), nullptr));
  ASSERT_TRUE(succeeded(passes.run(*module)));
  ASSERT_TRUE(succeeded(buildKernels(*module, PlainTarget(parsePlan(GetParam().plan)), {}, &weights, {})));
  unsigned launches = 0;
  module->walk([&](exec::LaunchOp) { ++launches; });
  EXPECT_LT(launches, 3u) << "the finish was not fused";
  GraphRunOptions options;
  options.interpreter.threads = 2;
  options.interpreter.checkRaces = options.interpreter.checkUnwritten = true;
  auto expected = runGraph(**reference, weights, inputs, options), got = runGraph(*module, weights, inputs, options);
  ASSERT_TRUE(succeeded(expected) && succeeded(got));
  std::vector<double> a = expected->outputs[0].doubles(), b = got->outputs[0].doubles();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], b[i], 1e-12) << "element " << i;
}

INSTANTIATE_TEST_SUITE_P(Plans, FusionTest,
                         ::testing::Values(FusionCase{kPerceptron, ""}, FusionCase{kPerceptron, "BM=4 BN=6 BK=5"},
                                           FusionCase{kPerceptron, "BM=8 BN=16 BK=8 split=3"},
                                           FusionCase{kPerceptron, "BM=32 BN=64 BK=64"}, FusionCase{kConvolution, ""},
                                           FusionCase{kConvolution, "BF=4 BP=6 BC=3 swap=0 form=row"},
                                           FusionCase{kConvolution, "BF=4 BP=6 BC=2"}, FusionCase{kSoftmax, ""},
                                           FusionCase{kSoftmax, "BM=2 BC=8 form=two_pass"}));

} // namespace
