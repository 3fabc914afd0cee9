// What several verbs share: compiling, opening a package and running it.
#pragma once
#include "adze/adze.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/tensorio/TensorIO.h"
#include "targets/AllTargets.h"
#include "tools/adze/Console.h"
#include "tools/adze/Flags.h"
#include "tools/adze/Interrupt.h"
#include <memory>

namespace adze::cli {

/// Flags that steer a compilation; `run`, `bench` and `verify` take them too, for models.
llvm::ArrayRef<FlagSpec> compileFlags();
/// Reads them. Prints the usage error and returns nullopt when one is wrong.
std::optional<CompileOptions> readCompileOptions(const Flags &flags, Console &console);

/// Compiles `model` to `output`. Returns the exit status; errors are printed.
int compileTo(const std::string &model, const std::string &output, const CompileOptions &options, CompileReport &report,
              Console &console);

/// Whether the file starts as a package does. Unreadable files count as models: their reader has the error message.
bool looksLikePackage(const std::string &path);

/// The exit status for a runtime status, and the printed error.
int failRuntime(adze_status_t status, Console &console);

/// A tensor of a package: its name, type and dims (-1 where dynamic).
struct Port {
  std::string name;
  DType dtype = DType::Undefined;
  std::vector<int64_t> dims, min, max;
  std::vector<std::string> dimNames; ///< "" where static
  std::string shapeText() const;     ///< "[batch, 2048]"
};

struct SessionOptions {
  std::string device = "cpu";
  int threads = 0;
  bool profile = false;
};

/// A package with one session on it.
class Engine {
public:
  /// Opens package or model `path` (a model is compiled to a temporary package first). Null on failure, with `exit` set
  /// and the error printed.
  static std::unique_ptr<Engine> open(const std::string &path, const CompileOptions &compile,
                                      const SessionOptions &options, Console &console, int &exit);
  ~Engine();

  const std::vector<Port> &inputs() const { return in; }
  const std::vector<Port> &outputs() const { return out; }
  /// The package's path: the given one, or the temporary one.
  const std::string &packagePath() const { return package; }

  /// One inference. Returns the exit status; on 0 `results` holds the outputs.
  int run(llvm::ArrayRef<HostTensor> tensors, std::vector<HostTensor> &results, Console &console);
  /// The same without copying the outputs out, for timing. `tensors` must be bound with bind() first.
  adze_status_t runOnce();
  void bind(llvm::ArrayRef<HostTensor> tensors);

  adze_session_t *session() const { return handle; }
  double loadMicroseconds() const { return loadTime; }
  uint64_t packageBytes() const;

private:
  Engine() = default;
  std::unique_ptr<TemporaryDirectory> scratch;
  std::string package;
  adze_package_t *opened = nullptr;
  adze_session_t *handle = nullptr;
  std::vector<Port> in, out;
  std::vector<adze_tensor_t> boundInputs, boundOutputs;
  double loadTime = 0;
};

/// --device, --threads: what `run`, `bench` and `verify` take.
llvm::ArrayRef<FlagSpec> sessionFlags();
std::optional<SessionOptions> readSessionOptions(const Flags &flags, Console &console);

/// --input, --random-seed: how the inputs are filled.
llvm::ArrayRef<FlagSpec> inputFlags();
struct FillPolicy {
  bool fill = false; ///< whether an input that is not given gets random values
  uint64_t seed = 0;
};
/// One tensor for every input of the engine, from files and random numbers. False after an error, with `exit` set.
bool readInputs(const Flags &flags, const Engine &engine, const CompileOptions &compile, FillPolicy policy,
                std::vector<HostTensor> &tensors, Console &console, int &exit);

/// Random values: floats from a normal distribution, bools, integers 0 and 1 (in range wherever they are an index).
HostTensor randomTensor(DType dtype, llvm::ArrayRef<int64_t> dims, uint64_t seed);

/// "2x3x4"-like text "[2, 3, 4]".
std::string shapeText(llvm::ArrayRef<int64_t> dims);

} // namespace adze::cli
