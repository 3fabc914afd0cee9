// tile.kernel ops -> what one thread does; and the pass cuda-lower-tiles, for tests.
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/Passes.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/lower/CudaHardware.h"
#include "targets/cuda/lower/sm90/Staged.h"
#include "targets/gpu/lower/Dot.h"
#include "targets/gpu/lower/Lowering.h"

using namespace mlir;

namespace adze::cuda {

/// The warp-specialised form of a kernel, if it has one; what a launch of it needs stands on its function as well.
static void addVariant(tile::KernelOp kernel, ModuleOp out, const TargetArch &arch, KernelVariants &variants) {
  bool products = kernel.getBody().walk([](tile::DotOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (!products)
    return;
  Builder b(kernel.getContext());
  std::string reason;
  auto variant = sm90::lowerStaged(kernel, out, arch, reason);
  if (!variant) {
    out.lookupSymbol(kernel.getSymName())->setAttr("cuda.unstaged", b.getStringAttr(reason));
    return;
  }
  SmallVector<Attribute> descriptors;
  for (const std::vector<int64_t> &words : variant->descriptors)
    descriptors.push_back(b.getDenseI64ArrayAttr(words));
  out.lookupSymbol(variant->symbol)
      ->setAttr("cuda.variant",
                b.getDictionaryAttr({b.getNamedAttr("descriptors", b.getArrayAttr(descriptors)),
                                     b.getNamedAttr("facts", b.getDenseI64ArrayAttr(variant->facts)),
                                     b.getNamedAttr("shared", b.getI64IntegerAttr(variant->scratch)),
                                     b.getNamedAttr("threads", b.getI64IntegerAttr(variant->block[0]))}));
  variants[kernel.getSymName().str()].push_back(std::move(*variant));
}

FailureOr<OwningOpRef<ModuleOp>> lowerTiles(ModuleOp module, const TargetArch &arch,
                                            std::vector<gpu::LoweredKernel> *kernels, KernelVariants *variants) {
  MLIRContext *context = module.getContext();
  context->loadDialect<LLVM::LLVMDialect, NVVM::NVVMDialect, vector::VectorDialect, cf::ControlFlowDialect,
                       arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
  // Equal offsets and extents become one value, which is how bounds are recognised as equal.
  OwningOpRef<ModuleOp> text = ModuleOp::create(module.getLoc());
  for (tile::KernelOp kernel : module.getOps<tile::KernelOp>())
    text->push_back(kernel->clone());
  PassManager pm(context);
  pm.addPass(createCSEPass());
  if (failed(pm.run(*text)))
    return failure();
  OwningOpRef<ModuleOp> out = ModuleOp::create(module.getLoc());
  bool failedAny = false;
  for (tile::KernelOp kernel : text->getOps<tile::KernelOp>()) {
    CudaHardware hardware(arch);
    gpu::accumulateInPlace(kernel);
    gpu::splitLargeDots(kernel, hardware.limits);
    auto lowered = gpu::lowerKernel(kernel, *out, hardware);
    if (failed(lowered)) {
      failedAny = true; // go on: all kernels that cannot be lowered are reported in one run
      continue;
    }
    if (kernels)
      kernels->push_back(*lowered);
    if (variants && hardware.sm90a)
      addVariant(kernel, *out, arch, *variants);
  }
  if (failedAny)
    return failure();
  return out;
}

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
    if (layouts) {
      for (tile::KernelOp kernel : module.getOps<tile::KernelOp>()) {
        CudaHardware hardware(*target);
        if (failed(gpu::annotateLayouts(kernel, hardware)))
          return signalPassFailure();
      }
      return;
    }
    KernelVariants variants;
    auto lowered = lowerTiles(module, *target, nullptr, &variants);
    if (failed(lowered))
      return signalPassFailure();
    module.getBody()->clear();
    module.getBody()->getOperations().splice(module.getBody()->end(), (*lowered)->getBody()->getOperations());
    if (!ptx)
      return;
    SerializeOptions options;
    auto text = generatePtx(module, *target, options);
    if (failed(text))
      return signalPassFailure();
    module.getBody()->clear();
    llvm::outs() << *text;
  }

  Option<std::string> arch{*this, "arch", llvm::cl::desc("sm_80, sm_90a, ..."), llvm::cl::init("sm_80")};
  Option<bool> layouts{*this, "layouts", llvm::cl::desc("leave the kernels, with the layouts of their tiles"),
                       llvm::cl::init(false)};
  Option<bool> ptx{*this, "ptx", llvm::cl::desc("print PTX, leave nothing"), llvm::cl::init(false)};
};

} // namespace

void registerLowerTilesPass() { PassRegistration<LowerTilesPass>(); }

} // namespace adze::cuda
