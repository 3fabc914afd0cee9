// adze verify: does the device compute the model's numbers?
#include "tools/adze/Engine.h"
#include "tools/adze/Judge.h"
#include "tools/adze/Oracle.h"
#include "tools/adze/Verb.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <thread>

using namespace adze;
using namespace adze::cli;

namespace {
/// Inputs with the outputs that they should give.
struct Case {
  std::string name;
  std::vector<HostTensor> inputs, expected;
};
} // namespace

/// folder/PREFIX_0.pb, PREFIX_1.pb, ... up to the first that is missing. False after an error.
static bool readNumbered(const std::string &folder, llvm::StringRef prefix, const std::vector<Port> &ports,
                         std::vector<HostTensor> &out, Console &console, int &exit) {
  for (size_t i = 0; i < ports.size(); ++i) {
    std::string file = (folder + "/" + prefix + "_" + llvm::Twine(i) + ".pb").str();
    ErrorSink errors;
    std::optional<HostTensor> tensor = readTensorProto(file, errors);
    if (!tensor) {
      exit = console.fail(errors);
      return false;
    }
    out.push_back(std::move(*tensor));
  }
  return true;
}

/// ONNX test data: DIR holds input_0.pb, or folders test_data_set_0, test_data_set_1, ... that do.
static bool readTestData(const std::string &directory, const Engine &engine, std::vector<Case> &cases, Console &console,
                         int &exit) {
  std::vector<std::string> folders;
  bool direct = llvm::sys::fs::exists(directory + "/output_0.pb");
  if (direct)
    folders.push_back(directory);
  for (size_t i = 0; !direct; ++i) {
    std::string folder = directory + "/test_data_set_" + std::to_string(i);
    if (!llvm::sys::fs::is_directory(folder))
      break;
    folders.push_back(folder);
  }
  if (folders.empty()) {
    exit = console.fail(kMalformed, "no test data", directory,
                        "there is neither output_0.pb nor a folder test_data_set_0 in it",
                        "--against takes `oracle` or a folder of ONNX test data");
    return false;
  }
  for (const std::string &folder : folders) {
    Case item;
    item.name = llvm::sys::path::filename(folder).str();
    if (!readNumbered(folder, "input", engine.inputs(), item.inputs, console, exit) ||
        !readNumbered(folder, "output", engine.outputs(), item.expected, console, exit))
      return false;
    cases.push_back(std::move(item));
  }
  return true;
}

/// Prints the verdicts: first those of the model's `numOutputs` outputs, then those of inner nodes.
static int report(const std::vector<Verdict> &verdicts, size_t numOutputs, const std::string &package,
                  Console &console) {
  llvm::json::Array list;
  std::string text;
  const Verdict *worst = nullptr;
  for (const Verdict &verdict : verdicts) {
    list.push_back(toJSON(verdict));
    text += toText(verdict) + "\n";
    // The first inner node that differs says more than the output behind it.
    bool inner = &verdict >= verdicts.data() + numOutputs;
    if (!verdict.comparison.ok && (!worst || (inner && worst < verdicts.data() + numOutputs)))
      worst = &verdict;
  }
  if (console.json)
    console.result(llvm::json::Object{{"ok", worst == nullptr},
                                      {"exit", worst ? static_cast<int>(kVerification) : static_cast<int>(kOk)},
                                      {"outputs", std::move(list)}});
  else
    console.print(text);
  if (!worst)
    return kOk;
  bool json = std::exchange(console.json, false); // the result is printed already
  console.fail(kVerification, "the numbers differ from the reference", package,
               "'" + printable(worst->name) + "': " + worst->comparison.reason,
               verdicts.size() > numOutputs ? "that is the first to differ; report it with the model"
                                            : "--against=oracle --per-op names the first node that differs");
  console.json = json;
  return kVerification;
}

static int verifyData(Engine &engine, const std::string &directory, Console &console) {
  std::vector<Case> cases;
  int exit = kOk;
  if (!readTestData(directory, engine, cases, console, exit))
    return exit;
  std::vector<Verdict> verdicts;
  for (const Case &item : cases) {
    std::vector<HostTensor> results;
    if ((exit = engine.run(item.inputs, results, console)) != kOk)
      return exit;
    for (auto [port, got, expected] : llvm::zip(engine.outputs(), results, item.expected))
      verdicts.push_back(
          judge(cases.size() > 1 ? item.name + "/" + port.name : port.name, got, expected, ContractClass::network));
  }
  return report(verdicts, verdicts.size(), engine.packagePath(), console);
}

/// Outputs of the oracle against those of the engine, which must have as many.
static int againstOracle(Engine &engine, Oracle &oracle, llvm::ArrayRef<HostTensor> inputs,
                         llvm::ArrayRef<std::string> names, unsigned threads, std::vector<Verdict> &verdicts,
                         Console &console) {
  std::vector<HostTensor> results;
  std::vector<oracle::GraphTensor> expected, typed;
  if (int exit = engine.run(inputs, results, console))
    return exit;
  if (int exit = oracle.run(inputs, threads, oracle::Mode::Wide, expected, console))
    return exit;
  if (results.size() != expected.size())
    return console.fail(kInternal, "the oracle's outputs are not the package's", engine.packagePath(),
                        std::to_string(expected.size()) + " against " + std::to_string(results.size()), "report this");
  bool differ = false;
  for (auto [index, got] : llvm::enumerate(results)) {
    verdicts.push_back(judge(names[index], got, expected[index].toHost(), ContractClass::network));
    differ |= !verdicts.back().comparison.ok;
  }
  if (!differ)
    return kOk;
  // Perhaps the model is ill-conditioned: its own arithmetic says how far from y* a right result may be.
  if (int exit = oracle.run(inputs, threads, oracle::Mode::Typed, typed, console))
    return exit;
  auto verdict = verdicts.end() - static_cast<std::ptrdiff_t>(results.size());
  for (auto [index, got] : llvm::enumerate(results))
    if (Verdict &v = verdict[static_cast<std::ptrdiff_t>(index)]; !v.comparison.ok)
      judgeByTypedError(v, got, expected[index].toHost(), expected[index].doubles(), typed[index].doubles());
  return kOk;
}

/// Compiles the graph anew, unfused and with every node's result as an output, and compares node by node.
static int verifyNodes(Oracle &oracle, llvm::ArrayRef<HostTensor> inputs, const CompileOptions &compile,
                       const SessionOptions &options, std::vector<Verdict> &verdicts, Console &console) {
  TemporaryDirectory scratch;
  if (scratch.path().empty())
    return console.fail(kResource, "cannot make a temporary directory", scratch.parent(), scratch.error(),
                        "set TMPDIR to a folder that can be written");
  std::vector<std::string> names = oracle.exposeNodes();
  std::string package = scratch.path() + "/nodes.adze";
  if (int exit = oracle.compile(package, compile, console))
    return exit;
  int exit = kOk;
  std::unique_ptr<Engine> engine = Engine::open(package, compile, options, console, exit);
  if (!engine)
    return exit;
  std::vector<Verdict> all;
  if ((exit = againstOracle(*engine, oracle, inputs, names, compile.threads ? compile.threads : 2, all, console)) !=
      kOk)
    return exit;
  // In the order of the graph: the model's outputs, which come first, are judged by the fused run already.
  size_t own = verdicts.size();
  verdicts.insert(verdicts.end(), std::make_move_iterator(all.begin() + static_cast<long>(own)),
                  std::make_move_iterator(all.end()));
  return kOk;
}

static int verifyOracle(Engine &engine, const Flags &flags, const CompileOptions &compile,
                        const SessionOptions &options, uint64_t seed, Console &console) {
  int exit = kOk;
  std::unique_ptr<Oracle> oracle = Oracle::open(engine.packagePath(), console, exit);
  std::vector<HostTensor> inputs;
  if (!oracle || !readInputs(flags, engine, compile, {true, seed}, inputs, console, exit))
    return exit;
  std::vector<std::string> names;
  for (const Port &port : engine.outputs())
    names.push_back(port.name);
  std::vector<Verdict> verdicts;
  unsigned threads = compile.threads ? compile.threads : std::max(1u, std::thread::hardware_concurrency());
  if ((exit = againstOracle(engine, *oracle, inputs, names, threads, verdicts, console)) != kOk)
    return exit;
  if (flags.has("--per-op"))
    if ((exit = verifyNodes(*oracle, inputs, compile, options, verdicts, console)) != kOk)
      return exit;
  return report(verdicts, names.size(), engine.packagePath(), console);
}

static int verify(const Flags &flags, Console &console) {
  std::optional<CompileOptions> compile = readCompileOptions(flags, console);
  std::optional<SessionOptions> options = readSessionOptions(flags, console);
  std::optional<int64_t> seed = flags.integer("--random-seed", 1, 0, INT64_MAX, console);
  if (!compile || !options || !seed)
    return kUsage;
  std::string against = flags.value("--against", "oracle");
  if (against != "oracle" && flags.has("--per-op"))
    return console.usage("--per-op needs the oracle", "test data holds no values of inner nodes", "--against=oracle");
  int exit = kOk;
  std::unique_ptr<Engine> engine = Engine::open(flags.positional[0], *compile, *options, console, exit);
  if (!engine)
    return exit;
  if (against == "oracle")
    return verifyOracle(*engine, flags, *compile, *options, static_cast<uint64_t>(*seed), console);
  return verifyData(*engine, against, console);
}

Verb adze::cli::verifyVerb() {
  static const FlagSpec own[] = {
      {"--against", "oracle|DIR",
       "the judge: the interpreter on the unfused graph (default), or a folder of ONNX test data"},
      {"--per-op", nullptr, "compare node by node and name the first that differs"},
      kFormatFlag,
  };
  return {
      "verify",
      "compares a package's numbers with the model's",
      "PACKAGE|MODEL.onnx",
      1,
      1,
      joinFlags({own, inputFlags(), sessionFlags(), compileFlags()}),
      {"adze verify model.adze --against=oracle --per-op",
       "adze verify model.adze --against=test_data_set_0           input_0.pb, ..., output_0.pb, ...",
       "adze verify model.onnx --random-seed=5 --format=json"},
      verify,
      "Limits are those of the class `network` in docs/numeric-contract.md; against the oracle, a result of an\n"
      "ill-conditioned model may be as uncertain as the model's own rounding makes it. --per-op compiles the graph\n"
      "again, unfused, with every node's result as an output: errors of earlier nodes are part of a later one's.\n"
      "Inputs that are not given are random. Exit status 7: the numbers differ.\n"};
}
