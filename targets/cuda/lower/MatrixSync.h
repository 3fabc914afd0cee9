// mma.sync and ldmatrix. PTX ISA "Matrix Fragments for mma.m16n8k16 with floating point type", "... for mma.m16n8k8",
// "... for mma.m16n8k32", "ldmatrix".
#ifndef ADZE_TARGETS_CUDA_LOWER_MATRIXSYNC_H
#define ADZE_TARGETS_CUDA_LOWER_MATRIXSYNC_H

#include "targets/gpu/lower/Dot.h"

namespace adze::cuda {
using namespace mlir;

class MatrixSync : public gpu::MatrixUnit {
public:
  /// 10 * major + minor of the compute capability and of the PTX version.
  MatrixSync(unsigned sm, unsigned ptx) : hasFp8(sm >= 89 && ptx >= 84) {}
  std::optional<gpu::MatrixInstruction> select(tile::DotOp dot) const override;
  SmallVector<Value> multiply(ImplicitLocOpBuilder &b, const gpu::MatrixInstruction &op, ValueRange a, ValueRange bb,
                              ValueRange c) const override;
  SmallVector<Value> loadMatrices(ImplicitLocOpBuilder &b, Value pointer, unsigned count,
                                  bool transposed) const override;
  Value roundOperand(ImplicitLocOpBuilder &b, Value f32Bits) const override;

private:
  bool hasFp8;
};

} // namespace adze::cuda

#endif
