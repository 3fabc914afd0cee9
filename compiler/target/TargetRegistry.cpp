#include "compiler/target/Target.h"

namespace adze {

void TargetRegistry::add(std::unique_ptr<Target> target) { targets.push_back(std::move(target)); }

const Target *TargetRegistry::find(llvm::StringRef name) const {
  for (const std::unique_ptr<Target> &target : targets)
    if (target->name() == name)
      return target.get();
  return nullptr;
}

} // namespace adze
