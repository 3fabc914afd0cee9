#include "compiler/kernels/Kernels.h"
#include "compiler/kernels/PlainTarget.h"
#include "dialects/exec/ExecDialect.h"

using namespace mlir;

namespace adze {

#define GEN_PASS_DECL_BUILDKERNELS
#define GEN_PASS_DEF_BUILDKERNELS
#include "compiler/kernels/BuildKernels.h.inc"

namespace {
struct BuildKernels : impl::BuildKernelsBase<BuildKernels> {
  using BuildKernelsBase::BuildKernelsBase;
  void runOnOperation() override {
    KernelOptions options;
    options.integerData = integerData;
    options.roundFusedEdges = roundFusedEdges;
    options.dotPrecision = tf32 ? tile::DotPrecision::tf32 : tile::DotPrecision::ieee;
    PlainTarget target(parsePlan(plan));
    if (failed(buildKernels(getOperation(), target, {}, nullptr, options)))
      signalPassFailure();
  }
};
} // namespace

Plan parsePlan(StringRef text) {
  Plan plan;
  SmallVector<StringRef> parts;
  text.split(parts, ' ', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    auto [name, value] = part.split('=');
    int64_t number;
    if (name == "form")
      plan.form = value.str();
    else if (!value.getAsInteger(10, number))
      plan.params[name.str()] = number;
  }
  return plan;
}

void registerBuildKernelsPass() {
  ::mlir::registerPass([]() -> std::unique_ptr<Pass> { return std::make_unique<BuildKernels>(); });
}

} // namespace adze
