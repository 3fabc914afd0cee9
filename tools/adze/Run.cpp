// adze run: one inference.
#include "tools/adze/Engine.h"
#include "tools/adze/Simulator.h"
#include "tools/adze/Verb.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cerrno>
#include <cstring>
#include <set>

using namespace adze;
using namespace adze::cli;

/// A file name from a tensor's name: other bytes than [A-Za-z0-9._-] become '_'; a number tells equal names apart.
static std::string fileName(llvm::StringRef name, std::set<std::string> &used) {
  std::string base;
  for (char c : name)
    base += llvm::isAlnum(c) || c == '.' || c == '_' || c == '-' ? c : '_';
  if (base.empty() || base[0] == '.')
    base = "_" + base;
  base.resize(std::min<size_t>(base.size(), 200));
  std::string unique = base;
  for (unsigned n = 1; !used.insert(unique).second; ++n)
    unique = base + "_" + std::to_string(n);
  return unique + ".npy";
}

static int makeDirectory(const std::string &path, Console &console) {
  if (std::error_code error = llvm::sys::fs::create_directories(path))
    return console.fail(kResource, "cannot make the output directory", path, error.message(),
                        "choose a folder that can be written");
  return kOk;
}

/// A Chrome trace, which Perfetto opens: one complete event for every command of the run.
static std::string traceText(const Engine &engine) {
  llvm::json::Array events;
  for (size_t i = 0; i < adze_session_num_events(engine.session()); ++i) {
    adze_event_t event{};
    if (adze_session_event(engine.session(), i, &event) != ADZE_OK)
      continue;
    events.push_back(llvm::json::Object{{"name", utf8(event.kernel ? event.kernel : "")},
                                        {"ph", "X"},
                                        {"pid", 1},
                                        {"tid", 1},
                                        {"ts", static_cast<double>(event.start_ns) / 1000},
                                        {"dur", static_cast<double>(event.end_ns - event.start_ns) / 1000},
                                        {"args", llvm::json::Object{{"nodes", utf8(event.nodes ? event.nodes : "")}}}});
  }
  llvm::json::Object trace{{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events)}};
  return llvm::formatv("{0}\n", llvm::json::Value(std::move(trace))).str();
}

static int writeTrace(const std::string &path, const Engine &engine, Console &console) {
  std::error_code error;
  llvm::raw_fd_ostream out(path, error);
  if (!error) {
    out << traceText(engine);
    out.close();
    error = out.error();
    out.clear_error();
  }
  if (!error)
    return kOk;
  return console.fail(kResource, "cannot write the profile", path, error.message(),
                      "choose a folder that can be written");
}

static int writeOutputs(const Flags &flags, const Engine &engine, const std::vector<HostTensor> &results,
                        Console &console) {
  std::string directory = flags.value("--output-dir");
  if (!directory.empty())
    if (int exit = makeDirectory(directory, console))
      return exit;
  std::set<std::string> used;
  llvm::json::Array list;
  std::string text;
  for (auto [port, tensor] : llvm::zip(engine.outputs(), results)) {
    llvm::json::Object entry{{"name", utf8(port.name)}, {"dtype", dtypeName(tensor.dtype)}};
    llvm::json::Array shape;
    for (int64_t dim : tensor.dims)
      shape.push_back(dim);
    entry["shape"] = std::move(shape);
    text += printable(port.name) + ": " + dtypeName(tensor.dtype).str() + " " + shapeText(tensor.dims);
    if (!directory.empty()) {
      std::string file = directory + "/" + fileName(port.name, used);
      ErrorSink errors;
      if (!writeNpy(file, tensor, errors))
        return console.fail(errors);
      entry["file"] = utf8(file);
      text += " -> " + file;
    }
    text += "\n";
    list.push_back(std::move(entry));
  }
  if (console.json)
    console.result(
        llvm::json::Object{{"ok", true},
                           {"outputs", std::move(list)},
                           {"arena_bytes", static_cast<int64_t>(adze_session_arena_bytes(engine.session()))}});
  else
    console.print(text);
  return kOk;
}

static int run(const Flags &flags, Console &console) {
  std::optional<CompileOptions> compile = readCompileOptions(flags, console);
  std::optional<SessionOptions> options = readSessionOptions(flags, console);
  std::optional<int64_t> seed = flags.integer("--random-seed", 0, 0, INT64_MAX, console);
  if (!compile || !options || !seed)
    return kUsage;
  options->profile = flags.has("--profile");
  int exit = kOk;
  std::unique_ptr<Engine> engine = Engine::open(flags.positional[0], *compile, *options, console, exit);
  if (!engine)
    return exit;
  std::vector<HostTensor> tensors, results;
  FillPolicy policy{flags.has("--random-seed"), static_cast<uint64_t>(*seed)};
  if (!readInputs(flags, *engine, *compile, policy, tensors, console, exit))
    return exit;
  if ((exit = engine->run(tensors, results, console)) != kOk)
    return exit;
  if (options->profile)
    if ((exit = writeTrace(flags.value("--profile"), *engine, console)) != kOk)
      return exit;
  return writeOutputs(flags, *engine, results, console);
}

Verb adze::cli::runVerb() {
  static const FlagSpec own[] = {
      {"--output-dir", "DIR", "write every output there as NAME.npy"},
      {"--profile", "FILE.json", "write the time of every kernel as a trace for Perfetto"},
      kFormatFlag,
  };
  return {
      "run",
      "runs one inference on a package or a model",
      "PACKAGE|MODEL.onnx",
      1,
      1,
      joinFlags({inputFlags(), own, sessionFlags(), simulatorFlags(), compileFlags()}),
      {"adze run model.adze --input x=x.npy --output-dir out",
       "adze run model.onnx --random-seed=1 --format=json          compiles to a temporary package first",
       "adze run model.onnx --random-seed=1 --device=cuda --sim     on a simulated GPU"},
      run,
      "The flags from --target on steer the compilation when a model is given. Without --output-dir only types and\n"
      "shapes are printed.\n"};
}
