// LLVM functions with scf, arith and math -> LLVM dialect -> LLVM IR -> PTX text.
//
// The text of an image is made in parts of a few kernels, on several threads; each part is an LLVM module of its own
// and the texts are joined. No library function exists on the device, so LLVM is told that it knows none.
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/Passes.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/IdleBarriers.h"
#include "targets/cuda/lower/CudaHardware.h"
#include "targets/gpu/lower/Dot.h"
#include "targets/gpu/lower/Lowering.h"
#include "targets/llvm/Steps.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/CodeGen/CodeGenTargetMachineImpl.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include <atomic>
#include <mutex>
#include <thread>

using namespace mlir;

namespace adze::cuda {
namespace {

/// Kernels compiled as one LLVM module. Fixed, so that the bytes do not depend on the number of threads.
constexpr size_t kKernelsPerPart = 8;

LogicalResult toLLVMDialect(ModuleOp module) {
  MLIRContext *context = module.getContext();
  PassManager pm(context);
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  if (failed(pm.run(module)))
    return failure();
  LowerToLLVMOptions options(context);
  LLVMTypeConverter converter(context, options);
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  target.addLegalDialect<NVVM::NVVMDialect>();
  RewritePatternSet patterns(context);
  arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  populateMathToLLVMConversionPatterns(converter, patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  return applyFullConversion(module, target, std::move(patterns));
}

std::unique_ptr<llvm::TargetMachine> makeMachine(const TargetArch &arch, unsigned optLevel, std::string &error) {
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(llvm::Triple(arch.triple), error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast; // licence F4: a*b+c may contract
  auto level = optLevel >= 3   ? llvm::CodeGenOptLevel::Aggressive
               : optLevel == 0 ? llvm::CodeGenOptLevel::None
                               : llvm::CodeGenOptLevel::Default;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      llvm::Triple(arch.triple), arch.cpu, arch.features, options, std::nullopt, std::nullopt, level));
}

/// TargetMachine::addPassesToEmitFile without machine sinking: it moves a chain of sums behind the last barrier, where
/// its last user is, and all its operands stay alive until there (over 400 registers in a depthwise convolution).
bool addTextPasses(llvm::legacy::PassManager &pm, llvm::CodeGenTargetMachineImpl &machine,
                   llvm::raw_pwrite_stream &os) {
  auto *info = new llvm::MachineModuleInfoWrapperPass(&machine); // owned by pm
  llvm::TargetPassConfig *config = machine.createPassConfig(pm);
  config->disablePass(&llvm::MachineSinkingLegacyID);
  pm.add(config);
  pm.add(info);
  if (config->addISelPasses())
    return false;
  config->addMachinePasses();
  config->setInitialized();
  if (machine.addAsmPrinter(pm, os, nullptr, llvm::CodeGenFileType::AssemblyFile, info->getMMI().getContext()))
    return false;
  pm.add(llvm::createFreeMachineFunctionPass());
  return true;
}

/// What LLVM says while it generates code is an error of the compiler, never text on the terminal.
struct Messages : llvm::DiagnosticHandler {
  std::string *text;
  explicit Messages(std::string *text) : text(text) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() != llvm::DS_Error)
      return true;
    llvm::raw_string_ostream os(*text);
    llvm::DiagnosticPrinterRawOStream printer(os);
    info.print(printer);
    return true;
  }
};

/// Loops stay loops: what should be unrolled is by now, and ptxas unrolls the rest until it spills.
void keepLoops(llvm::Module &module) {
  for (llvm::Function &f : module) {
    if (f.isDeclaration())
      continue;
    llvm::DominatorTree dominators(f);
    llvm::LoopInfo loops(dominators);
    for (llvm::Loop *loop : loops.getLoopsInPreorder())
      llvm::addStringMetadataToLoop(loop, "llvm.loop.unroll.disable");
  }
}

/// One part: LLVM IR in a context of its own, then PTX. Returns an error text or "".
std::string generatePart(ModuleOp part, size_t number, const TargetArch &arch, const SerializeOptions &options,
                         std::string &ptx) {
  llvm::LLVMContext context;
  std::string error;
  context.setDiagnosticHandler(std::make_unique<Messages>(&error));
  std::unique_ptr<llvm::Module> module = translateModuleToLLVMIR(part, context, "adze");
  if (!module)
    return "the translation to LLVM IR failed";
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(arch, options.optLevel, error);
  if (!machine)
    return error;
  module->setTargetTriple(llvm::Triple(arch.triple));
  module->setDataLayout(machine->createDataLayout());
  for (llvm::Function &f : *module)
    if (!f.isDeclaration())
      f.addFnAttr(llvm::Attribute::NoUnwind);
  std::string name = arch.arch + ".part" + std::to_string(number);
  dumpFile(options, name + ".ll", [&](llvm::raw_ostream &os) { module->print(os, nullptr); });
  optimizeModule(*module, *machine, options.optLevel);
  removeIdleBarriers(*module);
  keepLoops(*module);
  dumpFile(options, name + ".opt.ll", [&](llvm::raw_ostream &os) { module->print(os, nullptr); });
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream os(buffer);
  llvm::legacy::PassManager pm;
  if (!addTextPasses(pm, static_cast<llvm::CodeGenTargetMachineImpl &>(*machine), os))
    return "the NVPTX back end cannot write text";
  pm.run(*module);
  ptx.assign(buffer.begin(), buffer.end());
  return error;
}

/// Joins the texts of the parts: one header, declarations of shared memory once.
std::string joinParts(ArrayRef<std::string> parts) {
  std::string out;
  llvm::StringSet<> declared;
  for (size_t i = 0; i < parts.size(); ++i) {
    bool header = true;
    for (StringRef rest = parts[i]; !rest.empty();) {
      auto [line, next] = rest.split('\n');
      rest = next;
      bool directive = line.starts_with(".version") || line.starts_with(".target") || line.starts_with(".address_size");
      if (header && i > 0 && !line.starts_with(".address_size"))
        continue;
      if (line.starts_with(".address_size"))
        header = false;
      if (i > 0 && directive)
        continue;
      if (line.starts_with(".extern ") && !declared.insert(line).second)
        continue;
      out.append(line.begin(), line.end());
      out += '\n';
    }
  }
  return out;
}

/// The function and the globals that it refers to. Declarations (the block's shared memory) are copied to each part.
void moveToPart(LLVM::LLVMFuncOp f, ModuleOp from, ModuleOp part) {
  SymbolTable source(from), target(part);
  f.walk([&](LLVM::AddressOfOp use) {
    auto global = source.lookup<LLVM::GlobalOp>(use.getGlobalName());
    if (!global || target.lookup(use.getGlobalName()))
      return;
    if (global.getInitializerBlock() || global.getValueAttr())
      global->moveBefore(part.getBody(), part.getBody()->begin());
    else
      part.getBody()->getOperations().insert(part.getBody()->begin(), global->clone());
    target = SymbolTable(part);
    source = SymbolTable(from);
  });
  f->moveBefore(part.getBody(), part.getBody()->end());
}

/// The architecture with the PTX version that the functions ask for: some instructions are younger than it.
TargetArch writtenFor(ModuleOp lowered, TargetArch arch) {
  auto version = static_cast<int64_t>(ptxVersionOf(arch));
  for (auto f : lowered.getOps<LLVM::LLVMFuncOp>())
    if (auto wanted = f->getAttrOfType<IntegerAttr>(kPtxVersionAttr))
      version = std::max(version, wanted.getInt());
  arch.features = "+ptx" + std::to_string(version);
  arch.machine.values["ptx"] = version;
  return arch;
}

} // namespace

FailureOr<std::string> generatePtx(ModuleOp lowered, const TargetArch &given, const SerializeOptions &options) {
  TargetArch arch = writtenFor(lowered, given);
  static std::once_flag once; // LLVM's own registry
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  dumpFile(options, arch.arch + ".threads.mlir", [&](llvm::raw_ostream &os) { lowered.print(os); });
  if (failed(toLLVMDialect(lowered)))
    return failure();
  SmallVector<LLVM::LLVMFuncOp> functions(lowered.getOps<LLVM::LLVMFuncOp>());
  std::vector<OwningOpRef<ModuleOp>> parts;
  // A program without kernels still has an image, so there is always one part.
  for (size_t i = 0; i == 0 || i < functions.size(); i += kKernelsPerPart) {
    OwningOpRef<ModuleOp> part = ModuleOp::create(lowered.getLoc());
    for (LLVM::LLVMFuncOp f : ArrayRef(functions).slice(i, std::min(kKernelsPerPart, functions.size() - i)))
      moveToPart(f, lowered, *part);
    parts.push_back(std::move(part));
  }
  std::vector<std::string> texts(parts.size()), errors(parts.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < parts.size(); i = next++)
      errors[i] = generatePart(*parts[i], i, arch, options, texts[i]);
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
  return joinParts(texts);
}

} // namespace adze::cuda
