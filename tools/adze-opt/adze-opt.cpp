// The lit tool: reads MLIR, runs passes of the compiler, prints MLIR.
#include "compiler/canonicalize/GraphCanonicalize.h"
#include "compiler/fuse/GraphFuse.h"
#include "compiler/fuse/patterns/GraphRecognize.h"
#include "compiler/kernels/PlainTarget.h"
#include "compiler/layout/ChannelsLast.h"
#include "compiler/schedule/assign-units/AssignUnits.h"
#include "compiler/schedule/form-channels/FormChannels.h"
#include "compiler/schedule/form-strips/FormStrips.h"
#include "compiler/schedule/plan-memory/PlanMemory.h"
#include "compiler/schedule/split-units/SplitUnits.h"
#include "compiler/verify/TileVerify.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/graph/GraphDialect.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "targets/cpu/CpuTarget.h"
#include "targets/cuda/CudaTarget.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<adze::graph::GraphDialect, adze::tile::TileDialect, adze::exec::ExecDialect>();
  registry.insert<mlir::affine::AffineDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
                  mlir::LLVM::LLVMDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect>();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerInlinerPass();
  mlir::registerLoopInvariantCodeMotionPass();
  mlir::registerSymbolDCEPass();
  adze::registerGraphCanonicalizePass();
  adze::registerGraphRecognizePass();
  adze::registerGraphFusePass();
  adze::registerChannelsLastPass();
  adze::registerBuildKernelsPass();
  adze::registerTileVerify();
  adze::cpu::registerLowerTilesPass();
  adze::cuda::registerLowerTilesPass();
  adze::schedule::registerAssignUnits();
  adze::schedule::registerFormStrips();
  adze::schedule::registerFormChannels();
  adze::schedule::registerPlanMemory();
  adze::schedule::registerSplitUnits();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "adze's optimiser driver\n", registry));
}
