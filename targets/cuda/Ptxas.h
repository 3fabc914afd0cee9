// NVIDIA's assembler, where the machine that compiles has one: cubins for the package, and the resources of each
// kernel.
#ifndef ADZE_TARGETS_CUDA_PTXAS_H
#define ADZE_TARGETS_CUDA_PTXAS_H

#include "compiler/target/Target.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <optional>
#include <string>

namespace adze::cuda {

/// What ptxas -v says of a kernel.
struct KernelResources {
  unsigned registers = 0;
  uint64_t sharedBytes = 0; // static
  uint64_t stackBytes = 0, spillStores = 0, spillLoads = 0;
  bool spills() const { return spillStores || spillLoads; }
};

struct Assembled {
  std::string cubin;
  std::string log; // ptxas's text
  std::map<std::string, KernelResources> kernels;
};

/// Path of a ptxas: $ADZE_PTXAS ("none": there is none), then PATH, then $CUDA_HOME/bin and /usr/local/cuda/bin.
/// "" if there is none.
std::string findPtxas();

/// Whether this ptxas is new enough for the architecture and the version of the texts for it.
bool ptxasKnows(llvm::StringRef ptxas, const TargetArch &arch);

/// Assembles a text. The cubin depends on the text and the version of ptxas only, not on any path. Error: what ptxas
/// says.
llvm::Expected<Assembled> assemble(llvm::StringRef ptxas, llvm::StringRef ptx, llvm::StringRef arch);

/// As assemble. ptxas may spill a few bytes to fit one more block on a multiprocessor; kernels that keep everything in
/// registers without that aim (.minnctapersm 1) get the directive, in `ptx` too.
llvm::Expected<Assembled> assembleUnspilled(llvm::StringRef ptxas, std::string &ptx, llvm::StringRef arch);

/// Lines of ptxas that mean that it changed or serialised what the text says: waits or fences that it adds to matrix
/// instructions (C7517, C7519), register allocations that it ignores (C7508), and spills.
std::vector<std::string> silentRepairs(const Assembled &assembled);

} // namespace adze::cuda

#endif
