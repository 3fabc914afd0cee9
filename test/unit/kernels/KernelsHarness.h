// Graph text in, numbers out: builds the kernels of a module with a given plan and runs them on the interpreter.
#ifndef ADZE_TEST_UNIT_KERNELS_HARNESS_H
#define ADZE_TEST_UNIT_KERNELS_HARNESS_H

#include "compiler/kernels/Kernels.h"
#include "compiler/kernels/PlainTarget.h"
#include "compiler/oracle/GraphOracle.h"
#include "compiler/verify/TileVerify.h"
#include "dialects/exec/ExecDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>
#include <random>

namespace adze::test {

using Values = std::vector<double>;

inline HostTensor host(DType type, llvm::ArrayRef<int64_t> dims, const Values &values) {
  HostTensor t;
  t.dtype = type;
  t.dims.assign(dims.begin(), dims.end());
  size_t bytes = unpackedBytes(type);
  t.bytes.resize(values.size() * bytes);
  for (size_t i = 0; i < values.size(); ++i)
    if (type == DType::Bool)
      t.bytes[i] = values[i] != 0;
    else if (isFloat(type))
      elementFromDouble(type, values[i], &t.bytes[i * bytes]);
    else
      elementFromInt(type, int64_t(values[i]), &t.bytes[i * bytes]);
  return t;
}

/// Small integers, so that sums of products are exact in any order.
inline Values integers(size_t count, unsigned seed, int low = -3, int high = 3) {
  std::mt19937 engine(seed);
  Values v(count);
  for (double &x : v)
    x = low + int(engine() % unsigned(high - low + 1));
  return v;
}

class KernelsTest : public ::testing::Test {
protected:
  KernelsTest() {
    mlir::DialectRegistry registry;
    registry.insert<graph::GraphDialect, tile::TileDialect, exec::ExecDialect, mlir::func::FuncDialect,
                    mlir::arith::ArithDialect, mlir::math::MathDialect, mlir::scf::SCFDialect,
                    mlir::affine::AffineDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
    handler = std::make_unique<mlir::ScopedDiagnosticHandler>(&context, [this](mlir::Diagnostic &d) {
      message += d.str() + "\n";
      return mlir::success();
    });
  }

  mlir::OwningOpRef<mlir::ModuleOp> build(llvm::StringRef text, const Target &target) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << message;
    if (!module)
      return module;
    bool ok = succeeded(buildKernels(*module, target, {}, &weights, options)) && succeeded(mlir::verify(*module));
    module->walk([&](tile::KernelOp kernel) { ok = ok && succeeded(verifyKernel(kernel, TileVerifyOptions{})); });
    EXPECT_TRUE(ok) << message;
    return module;
  }

  std::vector<Values> run(llvm::StringRef text, llvm::ArrayRef<HostTensor> inputs, const Target &target) {
    auto module = build(text, target);
    oracle::GraphRunOptions run;
    run.interpreter.mode = oracle::Mode::Typed;
    run.interpreter.checkRaces = run.interpreter.checkUnwritten = true;
    std::vector<Values> outputs;
    if (::testing::Test::HasFailure())
      return outputs;
    auto result = oracle::runGraph(*module, weights, inputs, run);
    EXPECT_TRUE(succeeded(result)) << message;
    if (succeeded(result))
      for (const oracle::GraphTensor &t : result->outputs)
        outputs.push_back(t.doubles());
    return outputs;
  }
  Values run1(llvm::StringRef text, llvm::ArrayRef<HostTensor> inputs, llvm::StringRef plan = "") {
    auto outputs = run(text, inputs, PlainTarget(parsePlan(plan)));
    return outputs.empty() ? Values() : outputs[0];
  }

  mlir::MLIRContext context;
  WeightStore weights;
  KernelOptions options;
  std::string message;
  std::unique_ptr<mlir::ScopedDiagnosticHandler> handler;
};

} // namespace adze::test

#endif
