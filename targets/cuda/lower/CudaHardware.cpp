// Positions, exchanges, barriers, copies, atomics and launch bounds.
#include "targets/cuda/lower/CudaHardware.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "targets/cuda/CudaTarget.h"

namespace adze::cuda {

CudaHardware::CudaHardware(const TargetArch &arch)
    : arch(arch), sm(smOf(arch)), sm90a(sm == 90 && isArchSpecific(arch)), hooks(sm) {
  limits.sharedBytes = arch.machine.value("shared_bytes", 48 << 10);
  limits.asyncCopy = true;
}

Value CudaHardware::threadInBlock(ImplicitLocOpBuilder &b) { return NVVM::ThreadIdXOp::create(b, b.getI32Type()); }
Value CudaHardware::block(ImplicitLocOpBuilder &b) { return NVVM::BlockIdXOp::create(b, b.getI32Type()); }

static Value constant(ImplicitLocOpBuilder &b, int64_t v) {
  return LLVM::ConstantOp::create(b, b.getI32Type(), b.getI32IntegerAttr(v));
}

/// shfl.sync with all lanes of the warp. PTX ISA "shfl.sync": operand c holds the clamp (31) and no segments.
static Value shuffle(ImplicitLocOpBuilder &b, Value v, Value lane, NVVM::ShflKind kind) {
  return NVVM::ShflOp::create(b, v.getType(), constant(b, -1), v, lane, constant(b, 31), kind, UnitAttr());
}
Value CudaHardware::shuffleXor(ImplicitLocOpBuilder &b, Value v, unsigned mask) {
  return shuffle(b, v, constant(b, mask), NVVM::ShflKind::bfly);
}
Value CudaHardware::shuffleFrom(ImplicitLocOpBuilder &b, Value v, Value lane) {
  return shuffle(b, v, lane, NVVM::ShflKind::idx);
}

void CudaHardware::barrier(ImplicitLocOpBuilder &b, const gpu::Group &group) {
  if (group.wholeBlock)
    NVVM::BarrierOp::create(b);
  else if (group.warps == 1)
    NVVM::SyncWarpOp::create(b, constant(b, -1));
  else
    NVVM::BarrierOp::create(b, TypeRange(), constant(b, group.barrier), constant(b, group.warps * 32),
                            NVVM::BarrierReductionAttr(), Value());
}

/// A predicated load. `otherwise` is tied to the results, so that a lane that does not load keeps it.
Value CudaHardware::loadWhere(ImplicitLocOpBuilder &b, Value ok, Value pointer, Type type, unsigned align,
                              Value otherwise) {
  auto vec = dyn_cast<VectorType>(type);
  unsigned element = scalar::bitWidth(getElementTypeOrSelf(type)), bits = element * (vec ? vec.getNumElements() : 1);
  unsigned word = bits >= 32 ? 32 : bits, count = bits / word;
  if (word < 8 || count > 4 || count == 3 || word * count != bits || align * 8 < bits)
    return {};
  // A byte has no register of its own: it is loaded into one of 16 bits.
  Type wordType = b.getIntegerType(word), registerType = b.getIntegerType(std::max(16u, word));
  Type wordsType = count == 1 ? wordType : Type(VectorType::get({count}, wordType));
  Value words = type == wordsType ? otherwise : Value(LLVM::BitcastOp::create(b, wordsType, otherwise));
  std::string outs, names, ties, constraint = word == 32 ? "r" : "h";
  SmallVector<Value> operands = {ok, pointer};
  for (unsigned i = 0; i < count; ++i) {
    Value w = count == 1 ? words : Value(LLVM::ExtractElementOp::create(b, words, constant(b, i)));
    operands.push_back(word == 8 ? Value(arith::ExtUIOp::create(b, registerType, w)) : w);
    outs += "=" + constraint + ",";
    names += (i ? ", $" : "$") + std::to_string(i);
    ties += "," + std::to_string(i);
  }
  std::string vector = count == 1 ? "" : ".v" + std::to_string(count);
  std::string text = "@$" + std::to_string(count) + " ld.global.nc" + vector +
                     (word == 8 ? ".u8 " : ".b" + std::to_string(word) + " ") +
                     (count == 1 ? names : "{" + names + "}") + ", [$" + std::to_string(count + 1) + "];";
  Type result = registerType;
  if (count > 1)
    result = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(count, registerType));
  Value loaded =
      LLVM::InlineAsmOp::create(b, result, operands, text, outs + "b,l" + ties, /*has_side_effects=*/false,
                                /*is_align_stack=*/false, LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
          .getResult(0);
  if (count == 1) {
    if (word == 8)
      loaded = arith::TruncIOp::create(b, wordType, loaded);
    return type == wordType ? loaded : Value(LLVM::BitcastOp::create(b, type, loaded));
  }
  Value out = LLVM::UndefOp::create(b, wordsType);
  for (unsigned i = 0; i < count; ++i)
    out = LLVM::InsertElementOp::create(b, out, LLVM::ExtractValueOp::create(b, loaded, i), constant(b, i));
  return type == wordsType ? out : Value(LLVM::BitcastOp::create(b, type, out));
}

void CudaHardware::asyncCopy(ImplicitLocOpBuilder &b, Value sharedPtr, Value globalPtr, unsigned bytes, Value live) {
  // .cg (16 bytes only) keeps streamed tiles out of L1.
  auto cache = bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(b, sharedPtr, globalPtr, bytes, cache, live);
}
void CudaHardware::asyncCommit(ImplicitLocOpBuilder &b) { NVVM::CpAsyncCommitGroupOp::create(b); }
void CudaHardware::asyncWait(ImplicitLocOpBuilder &b, unsigned pending) {
  NVVM::CpAsyncWaitGroupOp::create(b, pending);
}

static tile::TileReduceKind reduceKind(gpu::AtomicKind kind) {
  switch (kind) {
  case gpu::AtomicKind::add:
    return tile::TileReduceKind::add;
  case gpu::AtomicKind::max:
    return tile::TileReduceKind::max;
  case gpu::AtomicKind::min:
    return tile::TileReduceKind::min;
  case gpu::AtomicKind::mul:
    return tile::TileReduceKind::mul;
  }
  return tile::TileReduceKind::add;
}

/// The machine's own operation, where its result is the tile dialect's: integers, and float32/64 sums.
static std::optional<LLVM::AtomicBinOp> machineAtomic(gpu::AtomicKind kind, bool isUnsigned, Type element) {
  bool wide = scalar::bitWidth(element) >= 32;
  if (!wide || kind == gpu::AtomicKind::mul)
    return std::nullopt;
  if (isa<FloatType>(element)) {
    if (kind == gpu::AtomicKind::add)
      return LLVM::AtomicBinOp::fadd;
    return std::nullopt;
  }
  if (kind == gpu::AtomicKind::add)
    return LLVM::AtomicBinOp::add;
  if (kind == gpu::AtomicKind::max)
    return isUnsigned ? LLVM::AtomicBinOp::umax : LLVM::AtomicBinOp::max;
  return isUnsigned ? LLVM::AtomicBinOp::umin : LLVM::AtomicBinOp::min;
}

LogicalResult CudaHardware::atomic(ImplicitLocOpBuilder &b, gpu::AtomicKind kind, bool isUnsigned, Type element,
                                   Value ptr, Value v) {
  constexpr auto relaxed = LLVM::AtomicOrdering::monotonic;
  if (auto op = machineAtomic(kind, isUnsigned, element)) {
    LLVM::AtomicRMWOp::create(b, *op, ptr, v, relaxed);
    return success();
  }
  // Everything else: compare and swap until nobody interfered.
  bool refused = false;
  scalar::Arithmetic math(b, [&](Operation *, const Twine &) { refused = true; }, &hooks);
  unsigned bytes = std::max(1u, scalar::bitWidth(math.storageType(element)) / 8);
  Type word = b.getIntegerType(8 * bytes), stored = v.getType();
  auto asWord = [&](Value x) -> Value { return x.getType() == word ? x : LLVM::BitcastOp::create(b, word, x); };
  auto fromWord = [&](Value x) -> Value {
    return math.fromStorage(stored == word ? x : Value(LLVM::BitcastOp::create(b, stored, x)), element);
  };
  Value first = LLVM::LoadOp::create(b, word, ptr, bytes, /*isVolatile=*/false, /*isNonTemporal=*/false,
                                     /*isInvariant=*/false, /*isInvariantGroup=*/false, relaxed);
  auto attempt = [&](OpBuilder &, Location, ValueRange carried) {
    Value sum = math.combine(reduceKind(kind), isUnsigned, element, fromWord(carried[0]), math.fromStorage(v, element));
    Value next = asWord(math.toStorage(sum, element));
    auto swap = LLVM::AtomicCmpXchgOp::create(b, ptr, carried[0], next, relaxed, relaxed);
    Value seen = LLVM::ExtractValueOp::create(b, swap, 0), done = LLVM::ExtractValueOp::create(b, swap, 1);
    Value again = arith::XOrIOp::create(b, done, arith::ConstantOp::create(b, b.getBoolAttr(true)));
    scf::ConditionOp::create(b, again, ValueRange{seen});
  };
  OpBuilder::InsertionGuard guard(b);
  scf::WhileOp::create(
      b, TypeRange{word}, ValueRange{first},
      [&](OpBuilder &inner, Location loc, ValueRange carried) {
        b.setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
        attempt(inner, loc, carried);
      },
      [](OpBuilder &inner, Location loc, ValueRange carried) { scf::YieldOp::create(inner, loc, carried); });
  return failure(refused);
}

/// fence.acq_rel.gpu
LogicalResult CudaHardware::fence(ImplicitLocOpBuilder &b) {
  LLVM::FenceOp::create(b, LLVM::AtomicOrdering::acq_rel, "device");
  return success();
}

/// atom.inc.u32, relaxed.
Value CudaHardware::countTo(ImplicitLocOpBuilder &b, Value ptr, Value last) {
  return LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::uinc_wrap, ptr, last, LLVM::AtomicOrdering::monotonic);
}

void CudaHardware::finishKernel(LLVM::LLVMFuncOp f, unsigned threads) {
  Builder b(f.getContext());
  f->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  f->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(), b.getDenseI32ArrayAttr({static_cast<int32_t>(threads)}));
}

} // namespace adze::cuda
