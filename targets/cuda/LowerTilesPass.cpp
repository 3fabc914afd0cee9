// The pass cuda-lower-tiles, for tests: replaces the tile.kernel ops of a module by what one thread does.
#include "targets/cuda/CudaTarget.h"
#include "targets/gpu/lower/Lowering.h"

using namespace mlir;

namespace adze::cuda {
namespace {

struct LowerTilesPass : PassWrapper<LowerTilesPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerTilesPass)
  LowerTilesPass() = default;
  LowerTilesPass(const LowerTilesPass &other) : PassWrapper(other) {}
  StringRef getArgument() const final { return "cuda-lower-tiles"; }
  StringRef getDescription() const final { return "Lower tile kernels to the text of one thread of an NVIDIA GPU"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    createCudaTarget()->registerDialects(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::optional<TargetArch> target = archNamed(arch);
    if (!target) {
      module.emitError() << "unknown architecture '" << arch << "'";
      return signalPassFailure();
    }
    auto lowered = lowerTiles(module, *target);
    if (failed(lowered))
      return signalPassFailure();
    module.getBody()->clear();
    module.getBody()->getOperations().splice(module.getBody()->end(), (*lowered)->getBody()->getOperations());
    if (!ptx)
      return;
    // The text as an attribute, so that tests can look at it.
    SerializeOptions options;
    auto text = generatePtx(module, *target, options);
    if (failed(text))
      return signalPassFailure();
    module.getBody()->clear();
    llvm::outs() << *text;
  }

  Option<std::string> arch{*this, "arch", llvm::cl::desc("sm_80, sm_90a, ..."), llvm::cl::init("sm_80")};
  Option<bool> ptx{*this, "ptx", llvm::cl::desc("print PTX, leave nothing"), llvm::cl::init(false)};
};

} // namespace

void registerLowerTilesPass() { PassRegistration<LowerTilesPass>(); }

} // namespace adze::cuda
