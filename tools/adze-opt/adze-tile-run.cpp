// Runs one kernel of a .mlir file on the interpreter and prints what it wrote: one test file an op (test/lit/oracle).
//
//   adze-tile-run kernel.mlir --dims=4,8 --arg=4x8xf32=iota --arg=4xf32=out
//
// One --arg a ref, in order: TYPE=VALUES, with the shape of the storage. VALUES: a comma list, or iota[:START[:STEP]],
// fill:VALUE, rand:SEED[:LO:HI] (integers in [LO, HI], default -4 to 4), out (zeros).
#include "compiler/oracle/Interpreter.h"
#include "compiler/verify/TileVerify.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include <random>

using namespace adze;
using namespace mlir;

namespace cl = llvm::cl;
static cl::opt<std::string> inputFile(cl::Positional, cl::desc("<kernel.mlir>"), cl::init("-"));
static cl::opt<std::string> kernelName("kernel", cl::desc("Kernel to run (default: the first)"));
static cl::list<int64_t> dimValues("dims", cl::CommaSeparated, cl::desc("Values of the kernel's dims"));
static cl::list<std::string> argSpecs("arg", cl::desc("TYPE=VALUES of a ref argument, in order"));
static cl::list<double> scalarValues("scalars", cl::CommaSeparated, cl::desc("Values of scalar arguments"));
static cl::opt<bool> typedMode("typed", cl::desc("Typed mode (default: wide)"));
static cl::opt<bool> wideBuffers("wide-buffers", cl::desc("Keep every float argument in f64"));
static cl::opt<int64_t> splitCount("splits", cl::desc("Number of shares of the split dim"), cl::init(0));
static cl::opt<unsigned> threadCount("jobs", cl::desc("Threads"), cl::init(1));
static cl::opt<bool> checkRaces("check-races", cl::desc("Programs must write disjoint elements"));
static cl::opt<bool> checkUnwritten("check-unwritten", cl::desc("Every element of out arguments must be written"));

namespace {

struct Argument {
  RankedTensorType type;
  Type element; // of the storage
  oracle::Storage storage;
  std::vector<char> bytes;
};

llvm::Error problem(const llvm::Twine &text) { return llvm::createStringError(llvm::inconvertibleErrorCode(), text); }

llvm::Expected<std::vector<double>> valuesOf(llvm::StringRef spec, int64_t count) {
  std::vector<double> values(count, 0);
  llvm::SmallVector<llvm::StringRef> parts;
  spec.split(parts, ':');
  auto number = [&](size_t i, double otherwise) {
    double v = otherwise;
    if (i < parts.size())
      v = std::strtod(parts[i].str().c_str(), nullptr);
    return v;
  };
  if (parts[0] == "out")
    return values;
  if (parts[0] == "iota") {
    for (int64_t i = 0; i < count; ++i)
      values[i] = number(1, 0) + i * number(2, 1);
    return values;
  }
  if (parts[0] == "fill") {
    std::fill(values.begin(), values.end(), number(1, 0));
    return values;
  }
  if (parts[0] == "rand") {
    std::mt19937_64 engine(static_cast<uint64_t>(number(1, 0)));
    int64_t lo = number(2, -4), hi = number(3, 4);
    for (double &v : values)
      v = lo + static_cast<int64_t>(engine() % static_cast<uint64_t>(hi - lo + 1));
    return values;
  }
  parts.clear();
  spec.split(parts, ',');
  if (static_cast<int64_t>(parts.size()) != count)
    return problem("--arg lists " + llvm::Twine(parts.size()) + " values for " + llvm::Twine(count) + " elements");
  for (auto [v, text] : llvm::zip(values, parts))
    v = std::strtod(text.str().c_str(), nullptr);
  return values;
}

llvm::Expected<Argument> parseArgument(llvm::StringRef spec, MLIRContext &context) {
  auto [typeText, valueText] = spec.split('=');
  Argument arg;
  arg.type = dyn_cast_or_null<RankedTensorType>(parseType(("tensor<" + typeText + ">").str(), &context));
  if (!arg.type || !arg.type.hasStaticShape())
    return problem("--arg needs a static type such as 4x8xf32, got " + typeText);
  arg.element = arg.type.getElementType();
  if (wideBuffers && isa<FloatType>(arg.element))
    arg.element = Float64Type::get(&context);
  auto storage = oracle::Storage::of(arg.element);
  if (!storage)
    return problem("--arg has an element type without storage: " + typeText);
  arg.storage = *storage;
  int64_t count = arg.type.getNumElements();
  auto values = valuesOf(valueText, count);
  if (!values)
    return values.takeError();
  arg.bytes.resize(count * storage->bytes());
  if (storage->isFloat()) {
    storage->write(arg.bytes.data(), 0, 1, count, values->data());
    return arg;
  }
  std::vector<int64_t> ints(values->begin(), values->end());
  storage->write(arg.bytes.data(), 0, 1, count, ints.data());
  return arg;
}

void printArgument(size_t number, const Argument &arg) {
  int64_t count = arg.type.getNumElements(), row = arg.type.getRank() ? arg.type.getShape().back() : 1;
  std::vector<double> floats(count);
  std::vector<int64_t> ints(count);
  if (arg.storage.isFloat())
    arg.storage.read(arg.bytes.data(), 0, 1, count, floats.data());
  else
    arg.storage.read(arg.bytes.data(), 0, 1, count, ints.data());
  llvm::outs() << "arg" << number << ": " << arg.type << "\n";
  for (int64_t i = 0; i < count; ++i) {
    llvm::outs() << (i % row ? " " : "  ");
    if (arg.storage.isFloat())
      llvm::outs() << llvm::format(arg.element.isF64() ? "%.15g" : "%.8g", floats[i]);
    else
      llvm::outs() << ints[i];
    if ((i + 1) % row == 0)
      llvm::outs() << "\n";
  }
}

int runFile(ModuleOp module) {
  tile::KernelOp kernel;
  module.walk([&](tile::KernelOp op) {
    if (!kernel && (kernelName.empty() || op.getSymName() == kernelName))
      kernel = op;
  });
  if (!kernel) {
    llvm::errs() << "adze-tile-run: the file has no such kernel\n";
    return 1;
  }
  if (failed(verifyKernel(kernel, TileVerifyOptions{})))
    return 1;
  std::vector<Argument> args;
  std::vector<oracle::HostBuffer> buffers;
  for (const std::string &spec : argSpecs) {
    auto arg = parseArgument(spec, *module.getContext());
    if (!arg) {
      llvm::errs() << "adze-tile-run: " << llvm::toString(arg.takeError()) << "\n";
      return 1;
    }
    args.push_back(std::move(*arg));
  }
  for (Argument &arg : args)
    buffers.push_back({arg.element, arg.bytes.data(), arg.bytes.size()});
  oracle::InterpreterOptions options;
  options.mode = typedMode ? oracle::Mode::Typed : oracle::Mode::Wide;
  options.threads = threadCount;
  options.splitCount = splitCount;
  options.checkRaces = checkRaces;
  options.checkUnwritten = checkUnwritten;
  std::vector<int64_t> dims(dimValues.begin(), dimValues.end());
  std::vector<double> scalars(scalarValues.begin(), scalarValues.end());
  if (failed(oracle::runKernel(kernel, dims, buffers, scalars, options)))
    return 1;
  for (auto [n, arg] : llvm::enumerate(args)) {
    auto ref = cast<tile::RefType>(cast<TypeAttr>(kernel.getArgTypes()[n]).getValue());
    if (ref.getEffect() != tile::Effect::in)
      printArgument(n, arg);
  }
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ParseCommandLineOptions(argc, argv, "runs a tile kernel on the interpreter\n");
  DialectRegistry registry;
  registry.insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  llvm::SourceMgr sources;
  std::string message;
  auto file = openInputFile(inputFile, &message);
  if (!file) {
    llvm::errs() << "adze-tile-run: " << message << "\n";
    return 1;
  }
  sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
  SourceMgrDiagnosticHandler handler(sources, &context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  return module ? runFile(*module) : 1;
}
