// Steps that every code generator on LLVM takes alike.
#ifndef ADZE_TARGETS_LLVM_STEPS_H
#define ADZE_TARGETS_LLVM_STEPS_H

#include "compiler/target/Target.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

namespace adze {

/// LLVM's middle end at -O`level`. The lowering has placed vectors and registers already: no vectoriser, no unroller.
/// No function of libm or libc may be assumed.
void optimizeModule(llvm::Module &module, llvm::TargetMachine &machine, unsigned level);

/// Writes what `print` prints to the file `name` of options.dumpDir; nothing without one.
void dumpFile(const SerializeOptions &options, llvm::StringRef name,
              llvm::function_ref<void(llvm::raw_ostream &)> print);

} // namespace adze

#endif
