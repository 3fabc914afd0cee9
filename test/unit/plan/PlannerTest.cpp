// @main on tensors becomes a program on buffers.
#include "compiler/plan/Planner.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace adze;
using namespace mlir;

namespace {

/// A kernel of one input and one output over M elements, and a model that launches it.
constexpr const char *kPrefix = R"mlir(
tile.kernel @k attributes {key = "k", dims = ["M"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 16>} body {
^bb0(%M: index, %x: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %a = tile.view %x[%M] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %b = tile.view %y[%M] : !tile.ref<f32, out> -> !tile.view<?xf32, out>
  %t = tile.load %a[%i] : !tile.view<?xf32, in> -> tensor<16xf32>
  tile.store %t, %b[%i] : tensor<16xf32>, !tile.view<?xf32, out>
  tile.yield
}
)mlir";

class PlannerTest : public ::testing::Test {
protected:
  PlannerTest() {
    DialectRegistry registry;
    registry.insert<graph::GraphDialect, tile::TileDialect, exec::ExecDialect, func::FuncDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  exec::ProgramOp plan(const std::string &main) {
    module = parseSourceString<ModuleOp>(std::string(kPrefix) + main, ParserConfig(&context));
    EXPECT_TRUE(module);
    if (!module)
      return {};
    FailureOr<exec::ProgramOp> program = planProgram(*module, "test", weights);
    return failed(program) ? exec::ProgramOp() : *program;
  }

  template <typename Op>
  unsigned count(exec::ProgramOp program) {
    unsigned n = 0;
    program.walk([&](Op) { ++n; });
    return n;
  }

  int64_t arena(exec::ProgramOp program) {
    return cast<AffineConstantExpr>(program.getArena().getResult(0)).getValue();
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  WeightStore weights;
};

TEST_F(PlannerTest, LastResultGoesStraightToTheOutput) {
  exec::ProgramOp program = plan(R"mlir(
func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
  %a = exec.launch @k(%x) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  %b = exec.launch @k(%a) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  return %b : tensor<64xf32>
})mlir");
  ASSERT_TRUE(program);
  EXPECT_EQ(count<exec::DispatchOp>(program), 2u);
  EXPECT_EQ(count<exec::CopyOp>(program), 0u);
  EXPECT_EQ(arena(program), 256); // only the middle value lives in the arena
}

TEST_F(PlannerTest, InputAsOutputIsCopied) {
  exec::ProgramOp program = plan(R"mlir(
func.func @main(%x: tensor<8x8xf32>) -> tensor<64xf32> {
  %a = graph.reshape %x : (tensor<8x8xf32>) -> tensor<64xf32>
  return %a : tensor<64xf32>
})mlir");
  ASSERT_TRUE(program);
  EXPECT_EQ(count<exec::CopyOp>(program), 1u);
}

TEST_F(PlannerTest, OneValueAsTwoOutputs) {
  exec::ProgramOp program = plan(R"mlir(
func.func @main(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %a = exec.launch @k(%x) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  return %a, %a : tensor<64xf32>, tensor<64xf32>
})mlir");
  ASSERT_TRUE(program);
  EXPECT_EQ(count<exec::DispatchOp>(program), 1u);
  EXPECT_EQ(count<exec::CopyOp>(program), 1u);
}

TEST_F(PlannerTest, InPlaceChainNeedsOneBuffer) {
  exec::ProgramOp program = plan(R"mlir(
func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
  %a = exec.launch @k(%x) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  %b = exec.launch @k(%a) dims affine_map<() -> (64)> {aliases = array<i64: 0>} : (tensor<64xf32>) -> tensor<64xf32>
  %c = exec.launch @k(%b) dims affine_map<() -> (64)> {aliases = array<i64: 0>} : (tensor<64xf32>) -> tensor<64xf32>
  %d = exec.launch @k(%c) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  return %d : tensor<64xf32>
})mlir");
  ASSERT_TRUE(program);
  EXPECT_EQ(arena(program), 256);
}

TEST_F(PlannerTest, InPlaceIsRefusedWhileTheOperandLives) {
  exec::ProgramOp program = plan(R"mlir(
func.func @main(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %a = exec.launch @k(%x) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  %b = exec.launch @k(%a) dims affine_map<() -> (64)> {aliases = array<i64: 0>} : (tensor<64xf32>) -> tensor<64xf32>
  %c = exec.launch @k(%a) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  %d = exec.launch @k(%b) dims affine_map<() -> (64)> : (tensor<64xf32>) -> tensor<64xf32>
  return %c, %d : tensor<64xf32>, tensor<64xf32>
})mlir");
  ASSERT_TRUE(program);
  EXPECT_EQ(arena(program), 512);
}

TEST_F(PlannerTest, DynamicSizesAreExpressions) {
  module = parseSourceString<ModuleOp>(
      "module attributes {graph.symbols = [{name = \"batch\", kind = \"input_dim\", input = 0 : i64, axis = 0 : i64, "
      "min = 1 : i64, max = 100 : i64}]} {" +
          std::string(kPrefix) + R"mlir(
func.func @main(%x: tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0)>> {
  %a = exec.launch @k(%x) dims affine_map<()[s0] -> (s0)> : (tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0)>>
  %b = exec.launch @k(%a) dims affine_map<()[s0] -> (s0)> : (tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0)>>
  return %b : tensor<?xf32, affine_map<()[s0] -> (s0)>>
}})mlir",
      ParserConfig(&context));
  ASSERT_TRUE(module);
  FailureOr<exec::ProgramOp> dynamic = planProgram(*module, "test", weights);
  ASSERT_TRUE(succeeded(dynamic));
  exec::DispatchOp first = *(*dynamic).getOps<exec::DispatchOp>().begin();
  AffineExpr s0 = getAffineSymbolExpr(0, &context);
  EXPECT_EQ(first.getGrid().getResult(0), s0.ceilDiv(16));
  EXPECT_EQ(first.getScalars().getResult(0), s0);
  EXPECT_FALSE(isa<AffineConstantExpr>(dynamic->getArena().getResult(0)));
}

TEST_F(PlannerTest, UnknownOpIsRefused) {
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) { message += d.str(); });
  exec::ProgramOp program = plan(R"mlir(
func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
  %a = graph.exp %x : (tensor<64xf32>) -> tensor<64xf32>
  return %a : tensor<64xf32>
})mlir");
  EXPECT_FALSE(program);
  EXPECT_NE(message.find("should have become a kernel"), std::string::npos);
}

} // namespace
