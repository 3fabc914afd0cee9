// The model's own numbers: the unfused graph of a package on the interpreter.
#pragma once
#include "compiler/oracle/GraphOracle.h"
#include "compiler/pipeline/Pipeline.h"
#include "tools/adze/Engine.h"

namespace adze::cli {

class Oracle {
public:
  /// Reads the debug graph of a package. Null on failure, with `exit` set and the error printed.
  static std::unique_ptr<Oracle> open(const std::string &package, Console &console, int &exit);

  /// The values of the graph's outputs, wide (y*) or with every operation rounded to its type. Returns the exit status.
  int run(llvm::ArrayRef<HostTensor> inputs, unsigned threads, oracle::Mode mode,
          std::vector<oracle::GraphTensor> &outputs, Console &console);

  /// SHA-256 of the unfused graph and its weights, in hex: the same for every package of one model that was compiled
  /// with the same dims and outputs, whatever its targets. Asked for before exposeNodes(). "" when weights are
  /// unreadable.
  std::string digest() const;

  /// Makes the result of every node an output of the graph, behind the model's own; returns the names of all outputs.
  std::vector<std::string> exposeNodes();

  /// Compiles the graph as it is now, without fusion, to `package`. Returns the exit status.
  int compile(const std::string &package, const CompileOptions &options, Console &console);

private:
  Oracle() = default;
  std::string name;
  TargetRegistry targets;
  std::unique_ptr<mlir::MLIRContext> context;
  ImportedModel model;
};

} // namespace adze::cli
