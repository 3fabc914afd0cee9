#include "compiler/kernels/Families.h"
namespace adze::kernels {
#define NOT_BUILT(NAME)                                                                                                \
  BuildResult NAME(KernelRequest &r) { return r.region.emitError("no builder"), mlir::failure(); }
NOT_BUILT(buildReduce)
NOT_BUILT(buildArgReduce)
NOT_BUILT(buildRowwise)
NOT_BUILT(buildAttention)
NOT_BUILT(buildGather)
NOT_BUILT(buildScatter)
NOT_BUILT(buildResize)
NOT_BUILT(buildScan)
NOT_BUILT(buildTopK)
NOT_BUILT(buildRnn)
} // namespace adze::kernels
