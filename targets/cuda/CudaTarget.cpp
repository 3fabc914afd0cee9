#include "targets/cuda/CudaTarget.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "targets/cuda/Image.h"
#include "targets/cuda/Ptxas.h"
#include "targets/gpu/lower/Lowering.h"
#include "targets/llvm/Steps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace adze {
namespace {

llvm::Error archError(llvm::StringRef spec, llvm::StringRef why) {
  std::string names;
  for (llvm::StringRef n : cuda::archNames())
    names += ", cuda:" + n.str();
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 "unknown GPU architecture '" + spec.str() + "' in the target 'cuda:" + spec.str() +
                                     "': " + why.str() + "; use cuda (images for sm_80 and sm_90a)" + names);
}

/// The cubin, or "" where the machine that compiles has no ptxas that knows the architecture. `ptx` may get directives.
FailureOr<std::string> assembleFor(ModuleOp module, std::string &ptx, const TargetArch &arch,
                                   const SerializeOptions &options) {
  auto ptxas = options.programs.find("ptxas");
  if (ptxas == options.programs.end() || ptxas->second.empty() || !cuda::ptxasKnows(ptxas->second, arch))
    return std::string();
  llvm::Expected<cuda::Assembled> assembled = cuda::assembleUnspilled(ptxas->second, ptx, arch.arch);
  if (!assembled)
    return module.emitError() << ptxas->second << " refuses the code for " << arch.arch << ": "
                              << llvm::toString(assembled.takeError())
                              << "; this is a defect of the compiler, please report the model";
  return std::move(assembled->cubin);
}

class CudaTarget : public Target {
public:
  llvm::StringRef name() const override { return "cuda"; }

  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<affine::AffineDialect, arith::ArithDialect, cf::ControlFlowDialect, LLVM::LLVMDialect,
                    math::MathDialect, NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
    // Here and not where code is generated: two images are compiled at once, and extending a context is not
    // thread-safe.
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    registerNVVMDialectTranslation(registry);
  }

  llvm::Expected<std::vector<TargetArch>> resolve(llvm::StringRef spec) const override {
    if (spec.empty())
      return std::vector<TargetArch>{*cuda::archNamed("sm_80"), *cuda::archNamed("sm_90a")};
    if (auto arch = cuda::archNamed(spec))
      return std::vector<TargetArch>{*arch};
    if (spec == "host")
      return archError(spec, "the compiler does not look for GPUs");
    if (spec == "sm_90")
      return archError(spec, "code for compute capability 9.0 uses its tensor cores, which only sm_90a has");
    if (spec.starts_with("sm_"))
      return archError(spec, "no code is generated for it; sm_80 runs on every later GPU");
    return archError(spec, "no such architecture");
  }

  std::vector<std::pair<std::string, std::string>> architectures() const override {
    return {{"", "images for sm_80 and sm_90a; the runtime takes the best that the GPU runs"},
            {"sm_80", "A100; runs on every later GPU (driver 470 or newer)"},
            {"sm_86", "A10, A40, RTX 30"},
            {"sm_89", "L4, L40, RTX 40 (driver 550 or newer)"},
            {"sm_90a", "H100, H200 (driver 525 or newer)"},
            {"sm_100", "B200, GB200 (driver 560 or newer)"},
            {"sm_120", "RTX 50, RTX PRO (driver 570 or newer)"}};
  }

  /// Everything that has a kernel runs on the device; what the runtime's table of host operations holds does not.
  Support support(Operation *op, const TargetArch &) const override {
    if (auto host = dyn_cast<graph::HostOp>(op))
      return {SupportLevel::Host, host.getOp().str() + " has a result whose size or order depends on values: the "
                                                       "runtime computes it on the host, from a copy of its operands"};
    for (Type t : op->getOperandTypes())
      if (isa<ComplexType>(getElementTypeOrSelf(t)))
        return {SupportLevel::Host, "complex numbers"};
    return {SupportLevel::Native, ""};
  }

  bool sharesProgram() const override { return false; }

  Plan plan(const Problem &problem, llvm::ArrayRef<TargetArch> archs) const override {
    return cuda::planFor(problem, archs);
  }

  FailureOr<Image> compile(ModuleOp module, const TargetArch &arch, const SerializeOptions &options) const override {
    std::vector<gpu::LoweredKernel> kernels;
    cuda::KernelVariants variants;
    auto lowered = cuda::lowerTiles(module, arch, &kernels, &variants);
    if (failed(lowered))
      return failure();
    Image image;
    image.arch = arch.arch;
    for (const gpu::LoweredKernel &k : kernels)
      image.kernels[k.symbol] = {k.symbol,           k.sharedBytes, {k.threads, 1, 1},
                                 variants[k.symbol], k.shares,      k.partialBytes};
    auto ptx = cuda::generatePtx(**lowered, arch, options);
    if (failed(ptx))
      return failure();
    dumpFile(options, arch.arch + ".ptx", [&](llvm::raw_ostream &os) { os << *ptx; });
    auto cubin = assembleFor(module, *ptx, arch, options);
    if (failed(cubin))
      return failure();
    std::vector<cuda::ImagePart> parts = {{false, std::move(*ptx)}};
    if (!cubin->empty())
      parts.push_back({true, std::move(*cubin)});
    image.code = cuda::packImage(arch, parts);
    return image;
  }
};

} // namespace

std::unique_ptr<Target> createCudaTarget() { return std::make_unique<CudaTarget>(); }

} // namespace adze
