// A target that plans what it is told: for tests of the builders and as the smallest example of a plan.
#ifndef ADZE_COMPILER_KERNELS_PLAINTARGET_H
#define ADZE_COMPILER_KERNELS_PLAINTARGET_H

#include "compiler/target/Target.h"

namespace adze {

/// Gives every problem the same plan. Compiles nothing.
class PlainTarget : public Target {
public:
  explicit PlainTarget(Plan plan = {}) : fixed(std::move(plan)) {}
  llvm::StringRef name() const override { return "plain"; }
  void registerDialects(mlir::DialectRegistry &) const override {}
  llvm::Expected<std::vector<TargetArch>> resolve(llvm::StringRef) const override { return std::vector<TargetArch>(); }
  std::vector<std::pair<std::string, std::string>> architectures() const override { return {}; }
  Support support(mlir::Operation *, const TargetArch &) const override { return {}; }
  Plan plan(const Problem &, llvm::ArrayRef<TargetArch>) const override { return fixed; }
  mlir::FailureOr<Image> compile(mlir::ModuleOp module, const TargetArch &, const SerializeOptions &) const override {
    return module.emitError("the plain target has no code generator; it only plans");
  }

private:
  Plan fixed;
};

/// "BM=8 BN=16 form=row": params and the form.
Plan parsePlan(llvm::StringRef text);

void registerBuildKernelsPass();

} // namespace adze

#endif
