// Runs ONNX test directories on the interpreter: import, kernels of every op (or fused), no code generator.
//
// usage: kernels_oracle_runner [--fuse] [--plan="BM=8 ..."] DIR...
//
// Every DIR holds model.onnx and test_data_set_0/{input,output}_J.pb. Prints one line a directory: ok, refused, error,
// differs (with the largest error relative to 1 + |want|) or crash. Races and unwritten elements are errors.
#include "compiler/fuse/GraphFuse.h"
#include "compiler/kernels/Kernels.h"
#include "compiler/kernels/PlainTarget.h"
#include "compiler/oracle/GraphOracle.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/verify/TileVerify.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <sys/wait.h>
#include <unistd.h>

using namespace adze;
using namespace mlir;

namespace {

bool readAll(const std::string &folder, const char *kind, std::vector<HostTensor> &tensors, ErrorSink &errors) {
  for (size_t j = 0;; ++j) {
    std::string file = llvm::formatv("{0}/{1}_{2}.pb", folder, kind, j);
    if (!llvm::sys::fs::exists(file))
      return true;
    auto tensor = readTensorProto(file, errors);
    if (!tensor)
      return false;
    tensors.push_back(std::move(*tensor));
  }
}

double worst(const HostTensor &want, const HostTensor &got) {
  if (want.dtype != got.dtype || want.dims != got.dims)
    return INFINITY;
  double result = 0;
  size_t bytes = unpackedBytes(want.dtype);
  for (size_t i = 0; i * bytes < want.bytes.size(); ++i) {
    double a = elementToDouble(want.dtype, &want.bytes[i * bytes]),
           b = elementToDouble(got.dtype, &got.bytes[i * bytes]);
    if (a == b || (std::isnan(a) && std::isnan(b)))
      continue;
    double error = std::abs(a - b) / (1 + std::abs(a));
    result = std::max(result, std::isnan(error) ? INFINITY : error);
  }
  return result;
}

std::string judge(const std::string &folder, bool fuse, const std::string &plan) {
  MLIRContext context;
  DialectRegistry registry;
  registerCompilerDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  context.disableMultithreading();
  context.printOpOnDiagnostic(false);
  std::string said;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    said += d.str() + "; ";
    return success();
  });
  ErrorSink errors;
  CompileOptions options;
  auto model = importToGraph(context, folder + "/model.onnx", options, errors);
  if (failed(model))
    return "import " + errors.text() + said;
  ModuleOp module = *model->module;
  std::string refused;
  module.walk([&](Operation *op) {
    if (std::string why = unsupportedReason(op); !why.empty())
      refused += op->getName().getStringRef().str() + ": " + why + "; ";
  });
  if (!refused.empty())
    return "refused " + refused;
  if (fuse && failed(fuseGraph(module, FuseOptions())))
    return "error fuse " + said;
  PlainTarget target(parsePlan(plan));
  if (failed(buildKernels(module, target, {}, model->weights.get(), KernelOptions())) || failed(mlir::verify(module)))
    return "error build " + said;
  LogicalResult verified = success();
  module.walk([&](tile::KernelOp kernel) {
    verified = success(succeeded(verified) && succeeded(verifyKernel(kernel, TileVerifyOptions{})));
  });
  if (failed(verified))
    return "error verify " + said;
  std::vector<HostTensor> inputs, outputs;
  if (!readAll(folder + "/test_data_set_0", "input", inputs, errors) ||
      !readAll(folder + "/test_data_set_0", "output", outputs, errors))
    return "skip unreadable data";
  oracle::GraphRunOptions run;
  run.interpreter.mode = oracle::Mode::Typed;
  run.interpreter.checkRaces = run.interpreter.checkUnwritten = true;
  auto result = oracle::runGraph(module, *model->weights, inputs, run);
  if (failed(result))
    return "error run " + said;
  double error = 0;
  if (result->outputs.size() != outputs.size())
    return "error number of outputs";
  for (auto [want, got] : llvm::zip(outputs, result->outputs))
    error = std::max(error, worst(want, got.toHost()));
  return llvm::formatv("{0} {1}", error < 2e-3 ? "ok" : "differs", error).str();
}

} // namespace

int main(int argc, char **argv) {
  bool fuse = false;
  std::string plan;
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef arg = argv[i];
    if (arg == "--fuse") {
      fuse = true;
    } else if (arg.consume_front("--plan=")) {
      plan = arg.str();
    } else {
      std::fflush(stdout);
      pid_t child = fork(); // a crash is a result like any other
      if (child == 0) {
        std::string line = argv[i] + std::string(": ") + judge(argv[i], fuse, plan);
        std::replace(line.begin(), line.end(), '\n', ' ');
        std::puts(line.c_str());
        std::fflush(stdout);
        _exit(0);
      }
      int status = 0;
      waitpid(child, &status, 0);
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        std::printf("%s: crash\n", argv[i]);
    }
  }
  return 0;
}
