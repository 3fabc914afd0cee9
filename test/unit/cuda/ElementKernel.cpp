#include "test/unit/cuda/ElementKernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "targets/cuda/lower/CudaHardware.h"

using namespace mlir;

namespace adze::test {
namespace {

/// The body of the kernel: bounds, loads, the op, the store.
bool emitKernel(ModuleOp module, Operation &op, const TargetArch &arch) {
  MLIRContext *context = module.getContext();
  ImplicitLocOpBuilder b(module.getLoc(), context);
  b.setInsertionPointToEnd(module.getBody());
  Type i32 = b.getI32Type(), i64 = b.getI64Type(), ptr = LLVM::LLVMPointerType::get(context, 1);
  SmallVector<Type> params(op.getNumOperands() + 1, ptr);
  params.push_back(i64);
  auto f = LLVM::LLVMFuncOp::create(b, "f", LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), params));
  f->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  f->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(), b.getDenseI32ArrayAttr({128}));
  b.setInsertionPointToStart(f.addEntryBlock(b));
  Value thread = NVVM::ThreadIdXOp::create(b, i32), block = NVVM::BlockIdXOp::create(b, i32);
  Value c128 = arith::ConstantOp::create(b, b.getI32IntegerAttr(128));
  Value linear = arith::AddIOp::create(b, arith::MulIOp::create(b, block, c128), thread);
  Value at = arith::ExtUIOp::create(b, i64, linear);
  Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, f.getArguments().back());
  auto guard = scf::IfOp::create(b, inside, /*withElseRegion=*/false);
  b.setInsertionPointToStart(guard.thenBlock());
  cuda::CudaArithmetic hooks(cuda::smOf(arch));
  bool refused = false;
  scalar::Arithmetic math(b, [&](Operation *, const Twine &) { refused = true; }, &hooks);
  SmallVector<Value> operands;
  SmallVector<Type> from;
  for (auto [i, type] : llvm::enumerate(op.getOperandTypes())) {
    Type element = getElementTypeOrSelf(type), stored = math.storageType(element);
    Value address = LLVM::GEPOp::create(b, ptr, stored, f.getArgument(i), ArrayRef<LLVM::GEPArg>{at});
    operands.push_back(math.fromStorage(LLVM::LoadOp::create(b, stored, address), element));
    from.push_back(element);
  }
  Type element = getElementTypeOrSelf(op.getResult(0).getType());
  Value r;
  if (auto cast = dyn_cast<tile::CastOp>(op))
    r = math.castValue(operands[0], from[0], element,
                       {cast.getRound(), cast.getSat(), cast.getUnsignedSrc(), cast.getUnsignedDst()});
  else
    r = math.elementwise(&op, operands, element, from);
  Value address = LLVM::GEPOp::create(b, ptr, math.storageType(element), f.getArgument(op.getNumOperands()),
                                      ArrayRef<LLVM::GEPArg>{at});
  LLVM::StoreOp::create(b, math.toStorage(r, element), address);
  b.setInsertionPointAfter(guard);
  LLVM::ReturnOp::create(b, ValueRange());
  return !refused;
}

} // namespace

std::string elementPtx(const std::string &op, const std::vector<std::string> &operands, const std::string &result,
                       const std::string &archName) {
  DialectRegistry registry;
  registry.insert<func::FuncDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, LLVM::LLVMDialect,
                  NVVM::NVVMDialect, tile::TileDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string errors, text = "func.func @t(";
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    errors += d.str() + "\n";
    return success();
  });
  for (size_t i = 0; i < operands.size(); ++i)
    text += std::string(i ? ", %" : "%") + char('a' + i) + ": tensor<1x" + operands[i] + ">";
  text += ") -> tensor<1x" + result + "> {\n  %r = " + op + "\n  return %r : tensor<1x" + result + ">\n}\n";
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(text, &context);
  TargetArch arch = *cuda::archNamed(archName);
  OwningOpRef<ModuleOp> out = ModuleOp::create(UnknownLoc::get(&context));
  bool ok = source && emitKernel(*out, (*source->getOps<func::FuncOp>().begin()).getBody().front().front(), arch);
  FailureOr<std::string> ptx = failure();
  if (ok)
    ptx = cuda::generatePtx(*out, arch, {});
  EXPECT_TRUE(succeeded(ptx)) << op << ": " << errors;
  return succeeded(ptx) ? *ptx : "";
}

} // namespace adze::test
