// adze verify: does the device compute the model's numbers?
#include "tools/adze/Engine.h"
#include "tools/adze/Judge.h"
#include "tools/adze/Verb.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

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

static int report(const std::vector<Verdict> &verdicts, const std::string &package, Console &console) {
  llvm::json::Array list;
  std::string text;
  const Verdict *worst = nullptr;
  for (const Verdict &verdict : verdicts) {
    list.push_back(toJSON(verdict));
    text += toText(verdict) + "\n";
    if (!verdict.comparison.ok && !worst)
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
               "output '" + printable(worst->name) + "': " + worst->comparison.reason,
               "--per-op names the first node that differs");
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
  return report(verdicts, engine.packagePath(), console);
}

static int verify(const Flags &flags, Console &console) {
  std::optional<CompileOptions> compile = readCompileOptions(flags, console);
  std::optional<SessionOptions> options = readSessionOptions(flags, console);
  std::optional<int64_t> seed = flags.integer("--random-seed", 1, 0, INT64_MAX, console);
  if (!compile || !options || !seed)
    return kUsage;
  std::string against = flags.value("--against", "oracle");
  int exit = kOk;
  std::unique_ptr<Engine> engine = Engine::open(flags.positional[0], *compile, *options, console, exit);
  if (!engine)
    return exit;
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
      "Limits are those of the class `network` in docs/numeric-contract.md, with --per-op those of each node's class.\n"
      "Inputs that are not given are random. Exit status 7: the numbers differ.\n"};
}
