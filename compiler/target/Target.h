// What a code generator must provide to the compiler.
//
// A target is stateless: every method is const and depends on its arguments only. Decisions travel in the Plan and in
// IR attributes. The compiler asks in this order: resolve, support (for each op), plan (for each fused region), lower,
// serialize.
#ifndef ADZE_COMPILER_TARGET_TARGET_H
#define ADZE_COMPILER_TARGET_TARGET_H

#include "compiler/target/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <memory>
#include <string>

namespace adze {

/// One architecture of a target, resolved from its name: data that planning and lowering read.
struct TargetArch {
  std::string target;                // "cpu"
  std::string arch;                  // canonical, e.g. "x86-64-v4"
  std::string triple, cpu, features; // for LLVM; empty where unused
  Machine machine;
};

enum class SupportLevel { Native, Decompose, Host, Unsupported };
struct Support {
  SupportLevel level = SupportLevel::Native;
  std::string reason; // for Host and Unsupported
};

/// A faster form of a kernel, taken where its facts hold at launch. Launch code: docs/package-format.md.
struct ImageVariant {
  std::string symbol;
  uint64_t scratch = 0;
  std::vector<uint32_t> block;
  std::vector<int64_t> facts;                    // launch code
  std::vector<std::vector<int64_t>> descriptors; // launch code
  uint32_t persistent = 0;                       // blocks per unit that loop over the programs; 0 = a block a program
  uint32_t cluster = 0;
};

/// One kernel of an image, as the package records it.
struct ImageKernel {
  std::string symbol;          // the function in the code
  uint64_t scratch = 0;        // bytes per thread (CPU), dynamic on-chip bytes otherwise
  std::vector<uint32_t> block; // threads per block; empty on the CPU
  std::vector<ImageVariant> variants;
  std::vector<int64_t> shares; // launch code: blocks that share a program's work; empty: the work is not split
  uint64_t partial = 0;        // bytes that a share's partial results take in the workspace
};
struct Image {
  std::string arch;
  std::string code;
  std::map<std::string, ImageKernel> kernels; // by the tile.kernel's symbol
};

struct SerializeOptions {
  unsigned optLevel = 2;
  unsigned threads = 1;
  std::string dumpDir; // "" = no dumps
  /// Programs of the machine that compiles which a target may use, by name ("" = not there): assemblers and the like.
  std::map<std::string, std::string> programs;
};

class Target {
public:
  virtual ~Target() = default;
  virtual llvm::StringRef name() const = 0;
  virtual void registerDialects(mlir::DialectRegistry &registry) const = 0;
  /// The architectures that `spec` (the part after the colon, "" for the default) stands for, in the order in which the
  /// package holds their images: the runtime takes the last one that the device can run. Error: four-part text.
  virtual llvm::Expected<std::vector<TargetArch>> resolve(llvm::StringRef spec) const = 0;
  /// Every name that resolve() takes, with a line of help each; a better architecture comes later.
  virtual std::vector<std::pair<std::string, std::string>> architectures() const = 0;
  virtual Support support(mlir::Operation *op, const TargetArch &arch) const = 0;
  /// Whether one program (fusion, kernels, plan of memory) serves all architectures. Otherwise each gets its own, and
  /// the package stores weights once where the packing is the same.
  virtual bool sharesProgram() const { return true; }
  /// Form, sizes, packing and schedule for a problem: closed-form rules, no search. All images of one program share the
  /// plan's packing, so `archs` holds every architecture that the kernel is built for.
  virtual Plan plan(const Problem &problem, llvm::ArrayRef<TargetArch> archs) const = 0;
  /// Compiles the tile.kernel ops of `module` for one architecture. Diagnostics go to the module's context.
  virtual mlir::FailureOr<Image> compile(mlir::ModuleOp module, const TargetArch &arch,
                                         const SerializeOptions &options) const = 0;
};

/// The targets of this build and of loaded plugins, by name.
class TargetRegistry {
public:
  void add(std::unique_ptr<Target> target);
  const Target *find(llvm::StringRef name) const;
  llvm::ArrayRef<std::unique_ptr<Target>> all() const { return targets; }

private:
  std::vector<std::unique_ptr<Target>> targets;
};

} // namespace adze

#endif
