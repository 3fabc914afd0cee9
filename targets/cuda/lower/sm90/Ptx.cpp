#include "targets/cuda/lower/sm90/Ptx.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace adze::cuda::sm90 {

Value Ptx::i32(int64_t v) { return arith::ConstantIntOp::create(b, b.getLoc(), v, 32); }
Value Ptx::i64(int64_t v) { return arith::ConstantIntOp::create(b, b.getLoc(), v, 64); }
Value Ptx::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
Value Ptx::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }

void Ptx::when(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&branch.getThenRegion().front());
  body();
}

Value Ptx::assembly(StringRef text, StringRef constraints, ValueRange operands, Type result) {
  auto op = LLVM::InlineAsmOp::create(b, result ? TypeRange(result) : TypeRange(), operands, text, constraints,
                                      /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                      LLVM::AsmDialectAttr(), ArrayAttr());
  return result ? op.getRes() : Value();
}

SmallVector<Value> Ptx::assembly(StringRef text, StringRef constraints, ValueRange operands, TypeRange results) {
  if (results.size() == 1)
    return {assembly(text, constraints, operands, results.front())};
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), llvm::to_vector(results));
  Value all = assembly(text, constraints, operands, type);
  SmallVector<Value> values;
  for (unsigned i = 0; i < results.size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(b, all, i));
  return values;
}

//===-- mbarrier

void Ptx::barrierInit(Value address, unsigned count) {
  assembly("mbarrier.init.shared::cta.b64 [$0], " + std::to_string(count) + ";", "r,~{memory}", {address});
}
void Ptx::fenceBarrierInit() { assembly("fence.mbarrier_init.release.cluster;", "~{memory}", {}); }
void Ptx::arrive(Value address) { assembly("mbarrier.arrive.shared::cta.b64 _, [$0];", "r,~{memory}", {address}); }
void Ptx::arriveExpect(Value address, unsigned bytes) {
  assembly("mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], " + std::to_string(bytes) + ";", "r,~{memory}",
           {address});
}
void Ptx::wait(Value address, Value parity) {
  // Labels are local to the braces.
  assembly("{\n\t.reg .pred done;\n\tagain:\n\t"
           "mbarrier.try_wait.parity.shared::cta.b64 done, [$0], $1;\n\t@!done bra again;\n\t}",
           "r,r,~{memory}", {address, parity});
}

//===-- bulk copies

/// "{$n, $n+1, ..}" for `count` operands from `first` on.
static std::string operandList(unsigned first, size_t count) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i)
    text += (i ? ", $" : "$") + std::to_string(first + i);
  return text + "}";
}
static std::string repeated(StringRef constraint, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += "," + constraint.str();
  return text;
}

void Ptx::prefetchMap(Value map) { assembly("prefetch.tensormap [$0];", "l,~{memory}", {map}); }

void Ptx::loadTile(Value to, Value map, ArrayRef<Value> coordinates, Value barrier) {
  size_t rank = coordinates.size();
  SmallVector<Value> operands = {to, map, barrier};
  operands.append(coordinates.begin(), coordinates.end());
  assembly("cp.async.bulk.tensor." + std::to_string(rank) +
               "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [$0], [$1, " + operandList(3, rank) +
               "], [$2];",
           "r,l,r" + repeated("r", rank) + ",~{memory}", operands);
}

void Ptx::loadIm2col(Value to, Value map, ArrayRef<Value> coordinates, Value barrier, ArrayRef<Value> offsets) {
  size_t rank = coordinates.size();
  SmallVector<Value> operands = {to, map, barrier};
  operands.append(coordinates.begin(), coordinates.end());
  operands.append(offsets.begin(), offsets.end());
  assembly("cp.async.bulk.tensor." + std::to_string(rank) +
               "d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [$0], [$1, " + operandList(3, rank) +
               "], [$2], " + operandList(3 + rank, offsets.size()) + ";",
           "r,l,r" + repeated("r", rank) + repeated("h", offsets.size()) + ",~{memory}", operands);
}

void Ptx::storeTile(Value map, ArrayRef<Value> coordinates, Value from) {
  size_t rank = coordinates.size();
  SmallVector<Value> operands = {map, from};
  operands.append(coordinates.begin(), coordinates.end());
  assembly("cp.async.bulk.tensor." + std::to_string(rank) + "d.global.shared::cta.tile.bulk_group [$0, " +
               operandList(2, rank) + "], [$1];",
           "l,r" + repeated("r", rank) + ",~{memory}", operands);
}

void Ptx::commitStores() { assembly("cp.async.bulk.commit_group;", "~{memory}", {}); }
void Ptx::waitStores(unsigned pending, bool complete) {
  assembly("cp.async.bulk.wait_group" + std::string(complete ? " " : ".read ") + std::to_string(pending) + ";",
           "~{memory}", {});
}

//===-- wgmma and the rest

/// An instruction without register operands that these values pass through: outputs tied to inputs.
static SmallVector<Value> through(Ptx &ptx, StringRef text, ValueRange registers) {
  std::string constraints;
  for (Value v : registers)
    constraints += isa<FloatType>(v.getType()) ? "=f," : "=r,";
  for (size_t i = 0; i < registers.size(); ++i)
    constraints += std::to_string(i) + ",";
  return ptx.assembly(text, constraints + "~{memory}", registers, registers.getTypes());
}

SmallVector<Value> Ptx::wgmmaFence(ValueRange registers) {
  if (!registers.empty())
    return through(*this, "wgmma.fence.sync.aligned;", registers);
  assembly("wgmma.fence.sync.aligned;", "~{memory}", {});
  return {};
}
void Ptx::wgmmaCommit() { assembly("wgmma.commit_group.sync.aligned;", "~{memory}", {}); }
void Ptx::wgmmaWait(unsigned pending) {
  assembly("wgmma.wait_group.sync.aligned " + std::to_string(pending) + ";", "~{memory}", {});
}

SmallVector<Value> Ptx::wgmmaWait(unsigned pending, ValueRange accumulators) {
  return through(*this, "wgmma.wait_group.sync.aligned " + std::to_string(pending) + ";", accumulators);
}

void Ptx::fenceProxyAsync() { assembly("fence.proxy.async.shared::cta;", "~{memory}", {}); }
void Ptx::setRegisters(unsigned count, bool grow) {
  assembly("setmaxnreg." + std::string(grow ? "inc" : "dec") + ".sync.aligned.u32 " + std::to_string(count) + ";", "",
           {});
}
void Ptx::namedBarrier(Value id, unsigned threads) {
  assembly("bar.sync $0, " + std::to_string(threads) + ";", "r,~{memory}", {id});
}
void Ptx::storeMatrix4(Value address, ArrayRef<Value> registers) {
  SmallVector<Value> operands = {address};
  operands.append(registers.begin(), registers.end());
  assembly("stmatrix.sync.aligned.m8n8.x4.shared.b16 [$0], {$1, $2, $3, $4};", "r,r,r,r,r,~{memory}", operands);
}

} // namespace adze::cuda::sm90
