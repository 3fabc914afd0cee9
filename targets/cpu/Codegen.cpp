// tile.kernel -> loops of vectors -> LLVM dialect -> LLVM IR -> objects.
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/Passes.h"
#include "targets/cpu/CpuTarget.h"
#include "targets/cpu/lower/Lowering.h"
#include "targets/llvm/Steps.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include <atomic>
#include <mutex>
#include <thread>

using namespace mlir;

namespace adze::cpu {
namespace {

/// Kernels compiled as one LLVM module. Fixed, so that the bytes do not depend on the number of threads.
constexpr size_t kKernelsPerPart = 8;

LowerOptions loweringOptions(const TargetArch &arch) {
  LowerOptions o;
  o.vectorBytes = arch.machine.value("vector_bits", 256) / 8;
  o.dotRows = arch.machine.value("dot_rows", 6);
  return o;
}

LogicalResult toLLVMDialect(ModuleOp module) {
  MLIRContext *context = module.getContext();
  PassManager pm(context);
  pm.addPass(createSCFToControlFlowPass());
  if (failed(pm.run(module)))
    return failure();
  LowerToLLVMOptions options(context);
  LLVMTypeConverter converter(context, options);
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  RewritePatternSet patterns(context);
  arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  populateMathToLLVMConversionPatterns(converter, patterns);
  vector::populateVectorBroadcastLoweringPatterns(patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  populateFuncToLLVMConversionPatterns(converter, patterns);
  return applyFullConversion(module, target, std::move(patterns));
}

std::unique_ptr<llvm::TargetMachine> makeMachine(const TargetArch &arch, unsigned optLevel, std::string &error) {
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(llvm::Triple(arch.triple), error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast; // licence F4: a*b+c may contract
  options.FunctionSections = true;
  auto level = optLevel >= 3   ? llvm::CodeGenOptLevel::Aggressive
               : optLevel == 0 ? llvm::CodeGenOptLevel::None
                               : llvm::CodeGenOptLevel::Default;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      llvm::Triple(arch.triple), arch.cpu, arch.features, options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
}

/// One part: LLVM IR in a context of its own, then an object. Returns an error text or "".
std::string generatePart(ModuleOp part, size_t number, const TargetArch &arch, const SerializeOptions &options,
                         std::string &object) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = translateModuleToLLVMIR(part, context, "adze");
  if (!module)
    return "the translation to LLVM IR failed";
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(arch, options.optLevel, error);
  if (!machine)
    return error;
  module->setTargetTriple(llvm::Triple(arch.triple));
  module->setDataLayout(machine->createDataLayout());
  bool wide = arch.machine.value("vector_bits", 256) == 512;
  for (llvm::Function &f : *module) {
    if (f.isDeclaration())
      continue;
    f.addFnAttr("target-cpu", arch.cpu);
    f.addFnAttr("prefer-vector-width", wide ? "512" : "256");
    f.addFnAttr("min-legal-vector-width", wide ? "512" : "256");
    f.addFnAttr(llvm::Attribute::NoUnwind);
  }
  std::string name = arch.arch + ".part" + std::to_string(number);
  dumpFile(options, name + ".ll", [&](llvm::raw_ostream &os) { module->print(os, nullptr); });
  optimizeModule(*module, *machine, options.optLevel);
  dumpFile(options, name + ".opt.ll", [&](llvm::raw_ostream &os) { module->print(os, nullptr); });
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream os(buffer);
  llvm::legacy::PassManager pm;
  if (machine->addPassesToEmitFile(pm, os, nullptr, llvm::CodeGenFileType::ObjectFile))
    return "the x86 back end cannot write objects";
  pm.run(*module);
  object.assign(buffer.begin(), buffer.end());
  return "";
}

} // namespace

FailureOr<OwningOpRef<ModuleOp>> lowerTiles(ModuleOp module, const TargetArch &arch,
                                            std::vector<LoweredKernel> *kernels) {
  MLIRContext *context = module.getContext();
  context->loadDialect<func::FuncDialect, LLVM::LLVMDialect, vector::VectorDialect, cf::ControlFlowDialect,
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
    auto lowered = lowerKernel(kernel, *out, loweringOptions(arch));
    if (failed(lowered)) {
      failedAny = true; // go on: all kernels that cannot be lowered are reported in one run
      continue;
    }
    if (kernels)
      kernels->push_back(*lowered);
  }
  if (failedAny)
    return failure();
  return out;
}

FailureOr<std::vector<std::string>> generateObjects(ModuleOp lowered, const TargetArch &arch,
                                                    const SerializeOptions &options) {
  static std::once_flag once; // LLVM's own registry
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  dumpFile(options, arch.arch + ".loops.mlir", [&](llvm::raw_ostream &os) { lowered.print(os); });
  if (failed(toLLVMDialect(lowered)))
    return failure();
  SmallVector<LLVM::LLVMFuncOp> functions(lowered.getOps<LLVM::LLVMFuncOp>());
  std::vector<OwningOpRef<ModuleOp>> parts;
  // A program without kernels still has an image, so there is always one part.
  for (size_t i = 0; i == 0 || i < functions.size(); i += kKernelsPerPart) {
    OwningOpRef<ModuleOp> part = ModuleOp::create(lowered.getLoc());
    for (LLVM::LLVMFuncOp f : ArrayRef(functions).slice(i, std::min(kKernelsPerPart, functions.size() - i))) {
      std::string prefix = (f.getSymName() + ".const").str();
      for (auto g : llvm::make_early_inc_range(lowered.getOps<LLVM::GlobalOp>()))
        if (g.getSymName().starts_with(prefix))
          g->moveBefore(part->getBody(), part->getBody()->end());
      f->moveBefore(part->getBody(), part->getBody()->end());
    }
    parts.push_back(std::move(part));
  }
  std::vector<std::string> objects(parts.size()), errors(parts.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < parts.size(); i = next++)
      errors[i] = generatePart(*parts[i], i, arch, options, objects[i]);
  };
  size_t workers = std::min<size_t>(std::max(1u, options.threads), parts.size());
  std::vector<std::thread> pool;
  for (size_t i = 1; i < workers; ++i)
    pool.emplace_back(work);
  work();
  for (std::thread &t : pool)
    t.join();
  for (const std::string &e : errors)
    if (!e.empty())
      return lowered.emitError() << "code generation for " << arch.arch << " failed: " << e
                                 << "; this is a defect of the compiler, please report the model";
  return objects;
}

} // namespace adze::cpu
