// Dots and loops of the generic path: targets/gpu's forms with mma.sync as the matrix unit. Kernels of sm_90a with warp
// roles are lowered apart (sm90/).
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/lower/CudaHardware.h"
#include "targets/cuda/lower/MatrixSync.h"

namespace adze::cuda {

std::unique_ptr<gpu::DotForm> CudaHardware::chooseDot(tile::DotOp dot, unsigned warps) {
  MatrixSync unit(sm, ptxVersionOf(arch));
  return gpu::chooseTiledDot(dot, warps, limits, &unit);
}

FailureOr<SmallVector<Value>> CudaHardware::emitDot(gpu::Lowering &l, tile::DotOp dot, const gpu::DotForm &form) {
  MatrixSync unit(sm, ptxVersionOf(arch));
  return gpu::emitTiledDot(l, dot, static_cast<const gpu::TiledDot &>(form), &unit);
}

bool CudaHardware::loadShared(gpu::Lowering &, tile::LoadOp load, const gpu::DotForm::Operand &) {
  return bool(gpu::plainLoad(load.getTile())); // the dot loads it, where it knows the form of the rows
}

FailureOr<bool> CudaHardware::lowerLoop(gpu::Lowering &l, scf::ForOp loop) { return gpu::pipelineLoop(l, loop); }

unsigned CudaHardware::preferredWarps(tile::KernelOp kernel) {
  if (auto plan = kernel.getPlan())
    if (auto warps = plan->getAs<IntegerAttr>("warps"))
      return std::min<unsigned>(llvm::PowerOf2Ceil(std::max<int64_t>(1, warps.getInt())), limits.maxWarps);
  int64_t most = 0;
  kernel.walk([&](tile::DotOp dot) {
    most = std::max(most, cast<RankedTensorType>(dot.getTile().getType()).getNumElements());
  });
  if (!most)
    return 0;
  // Four warps share a block's operands; more only where the accumulators of one thread would exceed 64.
  unsigned warps = 1;
  while (warps < 4 && most > warps * 32 * 8)
    warps *= 2;
  while (warps < 16 && most > warps * 32 * 64)
    warps *= 2;
  return warps;
}

} // namespace adze::cuda
