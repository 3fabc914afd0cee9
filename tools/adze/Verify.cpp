// adze verify: does the device compute the model's numbers?
#include "tools/adze/Engine.h"
#include "tools/adze/Judge.h"
#include "tools/adze/Oracle.h"
#include "tools/adze/PackageView.h"
#include "tools/adze/Recording.h"
#include "tools/adze/Simulator.h"
#include "tools/adze/Verb.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <set>
#include <thread>

using namespace adze;
using namespace adze::cli;

namespace {
/// Inputs with the outputs that they should give.
struct Case {
  std::string name;
  std::vector<HostTensor> inputs, expected;
};

/// What was asked for, the same for every device.
struct Request {
  const Flags &flags;
  const CompileOptions &compile;
  std::string against; ///< "oracle", or a path
  uint64_t seed;
  bool perOp;
  const Recording *reference;                 ///< null unless --against names a recording
  bool record;                                ///< whether Outcome::recording is wanted
  ContractClass row = ContractClass::network; ///< that the package is held to
  unsigned threads() const {
    return compile.threads ? compile.threads : std::max(1u, std::thread::hardware_concurrency());
  }
};

/// What one device gave.
struct Outcome {
  std::string device;
  std::vector<Verdict> verdicts; ///< of the model's outputs, then of inner nodes
  size_t numOutputs = 0;
  Recording recording;
  /// The verdict to tell of: the first inner node that differs says more than the output behind it. Null: all is well.
  const Verdict *worst() const;
};

/// The graph compiled anew, unfused and with every node's result as an output.
struct NodeEngine {
  TemporaryDirectory scratch;
  std::vector<std::string> names; ///< of all outputs
  std::unique_ptr<Engine> engine;
};
} // namespace

const Verdict *Outcome::worst() const {
  const Verdict *worst = nullptr;
  for (auto [index, verdict] : llvm::enumerate(verdicts))
    if (!verdict.comparison.ok) {
      if (index >= numOutputs)
        return &verdict;
      worst = worst ? worst : &verdict;
    }
  return worst;
}

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
                        "--against takes `oracle`, a folder of ONNX test data or a recording");
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

/// Prints the verdicts, device by device; the first that differs is the error.
static int report(const std::vector<Outcome> &outcomes, const Request &request, const std::string &package,
                  Console &console) {
  llvm::json::Array list, devices;
  std::string text;
  const Outcome *bad = nullptr;
  for (const Outcome &outcome : outcomes) {
    bool ok = !outcome.worst();
    bad = bad || ok ? bad : &outcome;
    devices.push_back(llvm::json::Object{{"device", utf8(outcome.device)}, {"ok", ok}});
    for (const Verdict &verdict : outcome.verdicts) {
      llvm::json::Object entry = toJSON(verdict);
      entry["device"] = utf8(outcome.device);
      list.push_back(std::move(entry));
      text += (outcomes.size() > 1 ? outcome.device + ": " : "") + toText(verdict) + "\n";
    }
  }
  if (console.json)
    console.result(llvm::json::Object{{"ok", bad == nullptr},
                                      {"exit", bad ? static_cast<int>(kVerification) : static_cast<int>(kOk)},
                                      {"devices", std::move(devices)},
                                      {"outputs", std::move(list)}});
  else
    console.print(text);
  if (!bad)
    return kOk;
  const Verdict &worst = *bad->worst();
  bool json = std::exchange(console.json, false); // the result is printed already
  console.fail(kVerification, "the numbers differ from the reference", package + " on " + bad->device,
               "'" + printable(worst.name) + "': " + worst.comparison.reason,
               request.perOp       ? "that is the first to differ; report it with the model"
               : request.reference ? "--per-op names the first node that differs, when the recording holds them"
                                   : "--against=oracle --per-op names the first node that differs");
  console.json = json;
  return kVerification;
}

/// Names and tensors side by side, for a recording.
static std::vector<RecordedTensor> named(llvm::ArrayRef<std::string> names, llvm::ArrayRef<HostTensor> tensors) {
  std::vector<RecordedTensor> out;
  for (auto [name, tensor] : llvm::zip(names, tensors))
    out.push_back({name, tensor});
  return out;
}

static std::vector<std::string> portNames(const std::vector<Port> &ports) {
  std::vector<std::string> names;
  for (const Port &port : ports)
    names.push_back(port.name);
  return names;
}

static int verifyData(Engine &engine, const Request &request, Outcome &outcome, Console &console) {
  std::vector<Case> cases;
  int exit = kOk;
  if (!readTestData(request.against, engine, cases, console, exit))
    return exit;
  if (request.record && cases.size() != 1)
    return console.usage("--record with " + std::to_string(cases.size()) + " test data sets",
                         "a recording holds one set of inputs", "name one of the folders with --against");
  for (Case &item : cases) {
    std::vector<HostTensor> results;
    if ((exit = engine.run(item.inputs, results, console)) != kOk)
      return exit;
    for (auto [port, got, expected] : llvm::zip(engine.outputs(), results, item.expected))
      outcome.verdicts.push_back(
          judge(cases.size() > 1 ? item.name + "/" + port.name : port.name, got, expected, request.row));
    if (request.record) {
      outcome.recording.inputs = named(portNames(engine.inputs()), item.inputs);
      outcome.recording.outputs = named(portNames(engine.outputs()), results);
    }
  }
  outcome.numOutputs = outcome.verdicts.size();
  return kOk;
}

/// Outputs of the oracle against those of the engine, which must have as many. `results` are the engine's.
static int againstOracle(Engine &engine, Oracle &oracle, llvm::ArrayRef<HostTensor> inputs,
                         llvm::ArrayRef<std::string> names, const Request &request, std::vector<Verdict> &verdicts,
                         std::vector<HostTensor> &results, Console &console) {
  std::vector<oracle::GraphTensor> expected, typed;
  if (int exit = engine.run(inputs, results, console))
    return exit;
  if (int exit = oracle.run(inputs, request.threads(), oracle::Mode::Wide, expected, console))
    return exit;
  if (results.size() != expected.size())
    return console.fail(kInternal, "the oracle's outputs are not the package's", engine.packagePath(),
                        std::to_string(expected.size()) + " against " + std::to_string(results.size()), "report this");
  bool differ = false;
  for (auto [index, got] : llvm::enumerate(results)) {
    verdicts.push_back(judge(names[index], got, expected[index].toHost(), request.row));
    differ |= !verdicts.back().comparison.ok;
  }
  if (!differ)
    return kOk;
  // Perhaps the model is ill-conditioned: its own arithmetic says how far from y* a right result may be.
  if (int exit = oracle.run(inputs, request.threads(), oracle::Mode::Typed, typed, console))
    return exit;
  auto verdict = verdicts.end() - static_cast<std::ptrdiff_t>(results.size());
  for (auto [index, got] : llvm::enumerate(results))
    if (Verdict &v = verdict[static_cast<std::ptrdiff_t>(index)]; !v.comparison.ok)
      judgeByTypedError(v, got, expected[index].toHost(), expected[index].doubles(), typed[index].doubles());
  return kOk;
}

static int openNodes(NodeEngine &nodes, Oracle &oracle, const CompileOptions &compile, const SessionOptions &options,
                     Console &console) {
  if (nodes.scratch.path().empty())
    return console.fail(kResource, "cannot make a temporary directory", nodes.scratch.parent(), nodes.scratch.error(),
                        "set TMPDIR to a folder that can be written");
  nodes.names = oracle.exposeNodes();
  std::string package = nodes.scratch.path() + "/nodes.adze";
  if (int exit = oracle.compile(package, compile, console))
    return exit;
  int exit = kOk;
  nodes.engine = Engine::open(package, compile, options, console, exit);
  return exit;
}

static int verifyOracle(Engine &engine, Oracle &oracle, const Request &request, const SessionOptions &options,
                        Outcome &outcome, Console &console) {
  int exit = kOk;
  std::vector<HostTensor> inputs, results;
  if (!readInputs(request.flags, engine, request.compile, {true, request.seed}, inputs, console, exit))
    return exit;
  std::vector<std::string> names = portNames(engine.outputs());
  if ((exit = againstOracle(engine, oracle, inputs, names, request, outcome.verdicts, results, console)) != kOk)
    return exit;
  outcome.numOutputs = names.size();
  if (request.record) {
    outcome.recording.inputs = named(portNames(engine.inputs()), inputs);
    outcome.recording.outputs = named(names, results);
  }
  if (!request.perOp)
    return kOk;
  NodeEngine nodes;
  std::vector<Verdict> all;
  if ((exit = openNodes(nodes, oracle, request.compile, options, console)) != kOk ||
      (exit = againstOracle(*nodes.engine, oracle, inputs, nodes.names, request, all, results, console)) != kOk)
    return exit;
  // In the order of the graph: the model's outputs, which come first, are judged by the fused run already.
  outcome.verdicts.insert(outcome.verdicts.end(),
                          std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(names.size())),
                          std::make_move_iterator(all.end()));
  if (request.record)
    outcome.recording.nodes =
        named(llvm::ArrayRef(nodes.names).drop_front(names.size()), llvm::ArrayRef(results).drop_front(names.size()));
  return kOk;
}

/// Judges `results` by the recorded values, which must have the same names in the same order.
static int againstRecorded(llvm::ArrayRef<std::string> names, llvm::ArrayRef<HostTensor> results,
                           const std::vector<RecordedTensor> &expected, const Request &request, Outcome &outcome,
                           Console &console) {
  bool same = names.size() == expected.size() && results.size() == expected.size();
  for (size_t i = 0; same && i < names.size(); ++i)
    same = utf8(names[i]) == expected[i].name;
  if (!same)
    return console.fail(kMalformed, "the recording does not fit the package", request.against,
                        "it holds other results than the " + std::to_string(names.size()) + " that the package gives",
                        "record again with this version of adze");
  for (auto [name, got, reference] : llvm::zip(names, results, expected))
    outcome.verdicts.push_back(judge(name, got, reference.tensor, request.row));
  return kOk;
}

static int verifyRecording(Engine &engine, Oracle &oracle, const Request &request, const SessionOptions &options,
                           Outcome &outcome, Console &console) {
  const Recording &reference = *request.reference;
  std::string model = oracle.digest();
  if (model != reference.model)
    return console.fail(kMalformed, "the recording is of another model", request.against,
                        "the recorded model has the digest " + printable(reference.model) + ", this one " + model,
                        "name the recording's own model, compiled with the same --dim, --input-shape and --outputs");
  std::vector<HostTensor> inputs, results;
  for (const RecordedTensor &input : reference.inputs)
    inputs.push_back(input.tensor);
  if (inputs.size() != engine.inputs().size())
    return console.fail(kMalformed, "the recording does not fit the package", request.against,
                        "it holds " + std::to_string(inputs.size()) + " inputs, the package takes " +
                            std::to_string(engine.inputs().size()),
                        "record again");
  int exit = kOk;
  std::vector<std::string> names = portNames(engine.outputs());
  if ((exit = engine.run(inputs, results, console)) != kOk ||
      (exit = againstRecorded(names, results, reference.outputs, request, outcome, console)) != kOk)
    return exit;
  outcome.numOutputs = names.size();
  if (request.record) {
    outcome.recording.inputs = reference.inputs;
    outcome.recording.outputs = named(names, results);
  }
  if (!request.perOp)
    return kOk;
  NodeEngine nodes;
  if ((exit = openNodes(nodes, oracle, request.compile, options, console)) != kOk ||
      (exit = nodes.engine->run(inputs, results, console)) != kOk)
    return exit;
  llvm::ArrayRef<std::string> nodeNames = llvm::ArrayRef(nodes.names).drop_front(names.size());
  llvm::ArrayRef<HostTensor> nodeResults = llvm::ArrayRef(results).drop_front(names.size());
  if (request.record)
    outcome.recording.nodes = named(nodeNames, nodeResults);
  return againstRecorded(nodeNames, nodeResults, reference.nodes, request, outcome, console);
}

/// Verifies on one device. Returns the exit status of what went wrong; that numbers differ is in the outcome.
static int verifyDevice(Engine &engine, const Request &request, const SessionOptions &options, Outcome &outcome,
                        Console &console) {
  outcome.device = options.device;
  bool data = request.against != "oracle" && !request.reference;
  int exit = kOk;
  std::unique_ptr<Oracle> oracle;
  if (!data || request.record) // a recording names the model by its graph
    if (!(oracle = Oracle::open(engine.packagePath(), console, exit)))
      return exit;
  std::string model = request.record ? oracle->digest() : ""; // before the graph's nodes are exposed
  exit = data                ? verifyData(engine, request, outcome, console)
         : request.reference ? verifyRecording(engine, *oracle, request, options, outcome, console)
                             : verifyOracle(engine, *oracle, request, options, outcome, console);
  if (exit != kOk || !request.record)
    return exit;
  adze_status_t status = ADZE_OK;
  std::string message;
  std::optional<llvm::json::Object> package = describePackage(engine.packagePath(), status, message);
  if (!package)
    return console.failText(static_cast<int>(status), message);
  outcome.recording.model = std::move(model);
  outcome.recording.device = options.device;
  outcome.recording.against = data ? "data" : request.reference ? "recording" : "oracle";
  outcome.recording.ok = !outcome.worst();
  if (llvm::json::Object *provenance = package->getObject("provenance"))
    outcome.recording.provenance = std::move(*provenance);
  return kOk;
}

/// --device=A,B,...: one session on each; nothing runs before all are known to exist.
static int openDevices(const Flags &flags, const CompileOptions &compile, const SessionOptions &session,
                       std::vector<SessionOptions> &devices, std::vector<std::unique_ptr<Engine>> &engines,
                       Console &console) {
  llvm::SmallVector<llvm::StringRef> names;
  llvm::StringRef(session.device).split(names, ',');
  std::set<llvm::StringRef> seen;
  for (llvm::StringRef name : names) {
    if (!seen.insert(name).second)
      return console.usage("--device names '" + printable(name) + "' twice", "each device is verified once",
                           "leave one out");
    devices.push_back(session);
    devices.back().device = name.str();
  }
  if (devices.size() > 1 && flags.has("--record"))
    return console.usage("--record with several devices", "a recording holds the values of one device",
                         "name one device");
  for (const SessionOptions &device : devices) {
    int exit = kOk;
    // A model is compiled once: the later sessions open the first one's package.
    std::string path = engines.empty() ? flags.positional[0] : engines.front()->packagePath();
    engines.push_back(Engine::open(path, compile, device, console, exit));
    if (!engines.back())
      return exit;
  }
  return kOk;
}

/// Reads the recording that --against names, if it names one. False after an error.
static bool takeReference(Request &request, std::unique_ptr<Recording> &reference, Console &console, int &exit) {
  if (request.against == "oracle")
    return true;
  bool recording = llvm::sys::fs::is_regular_file(request.against);
  if (!recording && request.perOp) {
    exit = console.usage("--per-op needs the oracle or a recording", "test data holds no values of inner nodes",
                         "--against=oracle");
    return false;
  }
  if (!recording)
    return true;
  for (const char *flag : {"--input", "--random-seed"})
    if (request.flags.has(flag)) {
      exit = console.usage(std::string(flag) + " with a recording", "the recording holds the inputs",
                           std::string("leave out ") + flag);
      return false;
    }
  reference = readRecording(request.against, console, exit);
  if (!reference)
    return false;
  if (request.perOp && reference->nodes.empty()) {
    exit = console.fail(kMalformed, "the recording holds no values of inner nodes", request.against,
                        "it was made without --per-op, or the model has no inner nodes",
                        "record again with --per-op, or leave --per-op out");
    return false;
  }
  request.reference = reference.get();
  return true;
}

/// What the package was compiled to: its provenance holds the flags.
static ContractClass contractOf(const std::string &package) {
  adze_status_t status = ADZE_OK;
  std::string message;
  std::optional<llvm::json::Object> described = describePackage(package, status, message);
  const llvm::json::Object *provenance = described ? described->getObject("provenance") : nullptr;
  std::optional<llvm::StringRef> flags = provenance ? provenance->getString("flags") : std::nullopt;
  return flags && flags->contains(" --tf32") ? ContractClass::networkTf32 : ContractClass::network;
}

static int verify(const Flags &flags, Console &console) {
  std::optional<CompileOptions> compile = readCompileOptions(flags, console);
  std::optional<SessionOptions> options = readSessionOptions(flags, console);
  std::optional<int64_t> seed = flags.integer("--random-seed", 1, 0, INT64_MAX, console);
  if (!compile || !options || !seed)
    return kUsage;
  int exit = kOk;
  std::unique_ptr<Recording> reference;
  Request request{flags,
                  *compile,
                  flags.value("--against", "oracle"),
                  static_cast<uint64_t>(*seed),
                  flags.has("--per-op"),
                  nullptr,
                  flags.has("--record")};
  if (!takeReference(request, reference, console, exit))
    return exit;
  std::unique_ptr<RecordingFile> file;
  if (request.record && !(file = RecordingFile::create(flags.value("--record"), console, exit)))
    return exit;
  std::vector<SessionOptions> devices;
  std::vector<std::unique_ptr<Engine>> engines;
  if ((exit = openDevices(flags, *compile, *options, devices, engines, console)) != kOk)
    return exit;
  request.row = contractOf(engines.front()->packagePath());
  std::vector<Outcome> outcomes(devices.size());
  for (auto [engine, device, outcome] : llvm::zip(engines, devices, outcomes))
    if ((exit = verifyDevice(*engine, request, device, outcome, console)) != kOk)
      return exit;
  // Numbers that differ are recorded too: they are what somebody else wants to see.
  if (file && (exit = file->write(outcomes.front().recording, console)) != kOk)
    return exit;
  return report(outcomes, request, engines.front()->packagePath(), console);
}

Verb adze::cli::verifyVerb() {
  static const FlagSpec own[] = {
      {"--against", "oracle|DIR|FILE",
       "the judge: the interpreter on the unfused graph (default), a folder of ONNX test data, or a recording"},
      {"--per-op", nullptr, "compare node by node and name the first that differs"},
      {"--record", "FILE", "write the inputs and this device's results, with --per-op those of every node, to FILE"},
      {"--device", "LIST", "where to run, comma-separated: each is verified in turn (default cpu)"},
      {"--threads", "N", "CPU threads; 0 (the default): all cores"},
      kFormatFlag,
  };
  return {
      "verify",
      "compares a package's numbers with the model's",
      "PACKAGE|MODEL.onnx",
      1,
      1,
      joinFlags({own, inputFlags(), simulatorFlags(), compileFlags()}),
      {"adze verify model.adze --against=oracle --per-op --record=cpu.rec",
       "adze verify other.adze --against=cpu.rec --per-op          the recorded inputs and values",
       "adze verify model.onnx --against=test_data_set_0           input_0.pb, ..., output_0.pb, ..."},
      verify,
      "Limits are those of the class `network` in docs/numeric-contract.md; against the oracle, a result of an\n"
      "ill-conditioned model may be as uncertain as the model's own rounding makes it. --per-op compiles the graph\n"
      "again, unfused, with every node's result as an output: errors of earlier nodes are part of a later one's.\n"
      "Inputs that are not given are random. A recording is an .npz archive with a manifest, described in "
      "docs/cli.md.\n"
      "Exit status 7: the numbers differ.\n"};
}
