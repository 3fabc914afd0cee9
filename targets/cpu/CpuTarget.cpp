#include "targets/cpu/CpuTarget.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "targets/cpu/lower/Lowering.h"
#include "targets/llvm/Steps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include <shared_mutex>

using namespace mlir;

namespace adze {
namespace {

/// Guards the global options of LLVM, which lld resets; holds no state of ours.
std::shared_mutex &llvmMutex() {
  static std::shared_mutex mutex;
  return mutex;
}

constexpr llvm::StringLiteral kV3 = "x86-64-v3", kV4 = "x86-64-v4";

TargetArch makeArch(llvm::StringRef level) {
  bool wide = level == kV4;
  TargetArch a;
  a.target = "cpu";
  a.arch = level.str();
  a.triple = "x86_64-unknown-linux-gnu";
  a.cpu = level.str();
  a.machine.name = a.arch;
  a.machine.units = {{"core", {"load", "matrix", "vector", "store"}, 1, false, ""}};
  a.machine.memories = {{"l1", 32 << 10, 64, 64}, {"l2", 1 << 20, 64, 64}, {"dram", 0, 64, 64}};
  a.machine.paths = {{"dram", "l2", "core", {"cast", "im2col"}}, {"l2", "l1", "core", {}}};
  a.machine.values = {{"vector_bits", wide ? 512 : 256}, {"dot_rows", wide ? 12 : 6}, {"dot_columns", wide ? 32 : 16}};
  return a;
}

/// The level of the machine that compiles; empty if it is older than x86-64-v3.
llvm::StringRef hostLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  auto all = [&](std::initializer_list<const char *> names) {
    return llvm::all_of(names, [&](const char *n) { return features.lookup(n); });
  };
  if (!all({"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"}))
    return "";
  return all({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}) ? kV4 : kV3;
}

llvm::Error archError(llvm::StringRef spec, llvm::StringRef why) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 "unknown CPU level '" + spec.str() + "' in the target 'cpu:" + spec.str() +
                                     "': " + why.str() +
                                     "; use cpu (an image for each level), cpu:x86-64-v3, cpu:x86-64-v4 or cpu:host");
}

class CpuTarget : public Target {
public:
  llvm::StringRef name() const override { return "cpu"; }

  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<affine::AffineDialect, arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                    LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect>();
    // Here and not where code is generated: two images are compiled at once, and extending a context is not
    // thread-safe.
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
  }

  llvm::Expected<std::vector<TargetArch>> resolve(llvm::StringRef spec) const override {
    if (spec.empty())
      return std::vector<TargetArch>{makeArch(kV3), makeArch(kV4)};
    if (spec == kV3 || spec == kV4)
      return std::vector<TargetArch>{makeArch(spec)};
    if (spec == "host") {
      llvm::StringRef level = hostLevel();
      if (level.empty())
        return archError(spec, "this machine has no AVX2 and FMA, so it is older than x86-64-v3");
      return std::vector<TargetArch>{makeArch(level)};
    }
    if (spec == "x86-64" || spec == "x86-64-v1" || spec == "x86-64-v2")
      return archError(spec, "code is generated for x86-64-v3 (AVX2, FMA) and newer");
    return archError(spec, "no such level");
  }

  std::vector<std::pair<std::string, std::string>> architectures() const override {
    return {{"", "images for x86-64-v3 and x86-64-v4; the runtime takes the best that the machine runs"},
            {kV3.str(), "AVX2 and FMA (Haswell, Zen and newer)"},
            {kV4.str(), "AVX-512 (Skylake-SP, Zen 4 and newer)"},
            {"host", "the level of the machine that compiles"}};
  }

  Support support(Operation *op, const TargetArch &) const override {
    for (Type t : op->getOperandTypes())
      if (isa<ComplexType>(getElementTypeOrSelf(t)))
        return {SupportLevel::Host, "complex numbers"};
    return {SupportLevel::Native, ""};
  }

  Plan plan(const Problem &problem, llvm::ArrayRef<TargetArch> archs) const override {
    return cpu::planFor(problem, archs);
  }

  FailureOr<Image> compile(ModuleOp module, const TargetArch &arch, const SerializeOptions &options) const override {
    // Many images may be lowered at once, but nothing may run beside lld: it resets LLVM's global options.
    std::shared_lock<std::shared_mutex> generating(llvmMutex());
    std::vector<cpu::LoweredKernel> kernels;
    auto lowered = cpu::lowerTiles(module, arch, &kernels);
    if (failed(lowered))
      return failure();
    Image image;
    image.arch = arch.arch;
    std::vector<std::string> symbols;
    for (const cpu::LoweredKernel &k : kernels) {
      image.kernels[k.symbol] = {k.symbol, k.scratch, {}, {}, {}, 0};
      symbols.push_back(k.symbol);
    }
    auto objects = cpu::generateObjects(**lowered, arch, options);
    if (failed(objects))
      return failure();
    generating.unlock();
    llvm::Expected<std::string> code = [&] {
      std::unique_lock<std::shared_mutex> linking(llvmMutex());
      return cpu::linkShared(*objects, symbols);
    }();
    if (!code)
      return module.emitError() << "linking the cpu image for " << arch.arch
                                << " failed: " << llvm::toString(code.takeError())
                                << "; this is a defect of the compiler, please report the model";
    image.code = std::move(*code);
    dumpFile(options, arch.arch + ".so", [&](llvm::raw_ostream &os) { os << image.code; });
    return image;
  }
};

} // namespace

std::unique_ptr<Target> createCpuTarget() { return std::make_unique<CpuTarget>(); }

} // namespace adze
