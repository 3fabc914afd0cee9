#ifndef ADZE_COMPILER_KERNELS_BUILDKERNELS_TD
#define ADZE_COMPILER_KERNELS_BUILDKERNELS_TD
include "mlir/Pass/PassBase.td"

def BuildKernels : Pass<"build-kernels", "::mlir::ModuleOp"> {
  let summary = "replace the graph ops and regions of @main by launches of tile kernels";
  let description = [{
    The compiler calls buildKernels() with its target; as a pass the target is a plain one that plans what `plan` says for
    every problem, which is how the builders' forms are tested.

    Example: `%1 = graph.add %0, %0 : ...` becomes
    ```mlir
    %1 = exec.launch @pointwise_flat_0(%0) dims affine_map<() -> ()> : (tensor<4x8xf32>) -> tensor<4x8xf32>
    ```
    and a `tile.kernel @pointwise_flat_0` at the end of the module.
  }];
  let dependentDialects = ["::adze::graph::GraphDialect", "::adze::tile::TileDialect", "::adze::exec::ExecDialect",
                           "::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::mlir::affine::AffineDialect"];
  let options = [
    Option<"plan", "plan", "std::string", "\"\"", "Params of every plan, e.g. \"BM=8 BN=16 form=row\"">,
    Option<"integerData", "integer-data", "bool", "false", "Exact stand-ins for functions without exact results">,
    Option<"tf32", "tf32", "bool", "false", "Float32 dots may round their operands to tf32">,
    Option<"roundFusedEdges", "round-fused-edges", "bool", "false", "Round f16 and bf16 at fused edges">
  ];
}
#endif
