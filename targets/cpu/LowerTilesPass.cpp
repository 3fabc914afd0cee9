// The pass cpu-lower-tiles, for tests: replaces the tile.kernel ops of a module by their loops.
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "targets/cpu/CpuTarget.h"
#include "targets/cpu/lower/Lowering.h"

using namespace mlir;

namespace adze::cpu {
namespace {

struct LowerTilesPass : PassWrapper<LowerTilesPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerTilesPass)
  LowerTilesPass() = default;
  LowerTilesPass(const LowerTilesPass &other) : PassWrapper(other) {}
  StringRef getArgument() const final { return "cpu-lower-tiles"; }
  StringRef getDescription() const final { return "Lower tile kernels to loops of vectors for an x86-64 level"; }
  void getDependentDialects(DialectRegistry &registry) const override { createCpuTarget()->registerDialects(registry); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::Expected<std::vector<TargetArch>> archs = createCpuTarget()->resolve(arch);
    if (!archs) {
      module.emitError() << llvm::toString(archs.takeError());
      return signalPassFailure();
    }
    auto lowered = lowerTiles(module, archs->front());
    if (failed(lowered))
      return signalPassFailure();
    module.getBody()->clear();
    module.getBody()->getOperations().splice(module.getBody()->end(), (*lowered)->getBody()->getOperations());
  }

  Option<std::string> arch{*this, "arch", llvm::cl::desc("x86-64-v3 or x86-64-v4"), llvm::cl::init("x86-64-v4")};
};

} // namespace

void registerLowerTilesPass() { PassRegistration<LowerTilesPass>(); }

} // namespace adze::cpu
