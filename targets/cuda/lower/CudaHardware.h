// What targets/gpu asks of an NVIDIA GPU.
#ifndef ADZE_TARGETS_CUDA_LOWER_CUDAHARDWARE_H
#define ADZE_TARGETS_CUDA_LOWER_CUDAHARDWARE_H

#include "compiler/target/Target.h"
#include "targets/gpu/lower/Hardware.h"
#include "targets/gpu/lower/PredicatedLoads.h"

namespace adze::cuda {
using namespace mlir;

/// Conversions and functions that the machine has instructions for.
class CudaArithmetic : public scalar::Hooks {
public:
  explicit CudaArithmetic(unsigned sm) : sm(sm) {}
  Value function(ImplicitLocOpBuilder &b, Operation *op, Type compute, ValueRange operands) const override;
  Value widen(ImplicitLocOpBuilder &b, Value reg, Type from) const override;
  Value narrow(ImplicitLocOpBuilder &b, Value f32, Type to, bool sat) const override;
  Value combine(ImplicitLocOpBuilder &b, tile::TileReduceKind kind, bool isUnsigned, Type element, Value x,
                Value y) const override;

private:
  unsigned sm; // compute capability, 80 ...
};

/// One kernel's view of the machine. Positions, exchanges, barriers, copies and launch bounds are in CudaHardware.cpp;
/// how dots and pipelined loops are done is in the other files of this folder.
class CudaHardware : public gpu::Hardware, public gpu::PredicatedLoads {
public:
  explicit CudaHardware(const TargetArch &arch);

  const TargetArch &arch;
  const unsigned sm; // 10 * major + minor of the compute capability
  const bool sm90a;  // wgmma, TMA and the rest of sm_90a's own features may be used

  const scalar::Hooks *arithmetic() const override { return &hooks; }
  Value threadInBlock(ImplicitLocOpBuilder &b) override;
  Value block(ImplicitLocOpBuilder &b) override;
  Value shuffleXor(ImplicitLocOpBuilder &b, Value v, unsigned mask) override;
  Value shuffleFrom(ImplicitLocOpBuilder &b, Value v, Value lane) override;
  void barrier(ImplicitLocOpBuilder &b, const gpu::Group &group) override;
  Value loadWhere(ImplicitLocOpBuilder &b, Value ok, Value pointer, Type type, unsigned align,
                  Value otherwise) override;
  void asyncCopy(ImplicitLocOpBuilder &b, Value sharedPtr, Value globalPtr, unsigned bytes, Value live) override;
  void asyncCommit(ImplicitLocOpBuilder &b) override;
  void asyncWait(ImplicitLocOpBuilder &b, unsigned pending) override;
  LogicalResult atomic(ImplicitLocOpBuilder &b, gpu::AtomicKind kind, bool isUnsigned, Type element, Value ptr,
                       Value v) override;
  LogicalResult fence(ImplicitLocOpBuilder &b) override;
  Value countTo(ImplicitLocOpBuilder &b, Value ptr, Value last) override;
  void finishKernel(LLVM::LLVMFuncOp f, unsigned threads) override;

  // Dots and pipelined loops: lower/Dot*.cpp, lower/sm90/
  std::unique_ptr<gpu::DotForm> chooseDot(tile::DotOp dot, unsigned warps) override;
  FailureOr<SmallVector<Value>> emitDot(gpu::Lowering &l, tile::DotOp dot, const gpu::DotForm &form) override;
  FailureOr<bool> lowerLoop(gpu::Lowering &l, scf::ForOp loop) override;
  bool loadShared(gpu::Lowering &l, tile::LoadOp load, const gpu::DotForm::Operand &want) override;
  unsigned preferredWarps(tile::KernelOp kernel) override;

private:
  CudaArithmetic hooks;
};

} // namespace adze::cuda

#endif
