#include "tools/adze/Engine.h"
#include "tools/adze/Simulator.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cstdio>
#include <cstring>

using namespace adze;
using namespace adze::cli;

std::string adze::cli::shapeText(llvm::ArrayRef<int64_t> dims) {
  std::string out;
  llvm::raw_string_ostream os(out);
  os << "[";
  llvm::interleaveComma(dims, os);
  os << "]";
  return out;
}

std::string Port::shapeText() const {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    text += i ? ", " : "";
    text += dims[i] >= 0 ? std::to_string(dims[i]) : dimNames[i].empty() ? "?" : printable(dimNames[i], 60);
  }
  return text + "]";
}

int adze::cli::failRuntime(adze_status_t status, Console &console) {
  if (interrupted() || status == ADZE_CANCELLED)
    return kInterrupted;
  int exit = status == ADZE_BUSY ? static_cast<int>(kInternal) : static_cast<int>(status);
  llvm::StringRef text = adze_last_error();
  return console.failText(exit, text.empty() ? llvm::StringRef(adze_status_name(status)) : text);
}

bool adze::cli::looksLikePackage(const std::string &path) {
  FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return llvm::StringRef(path).ends_with(".adze");
  char head[7] = {};
  bool is = std::fread(head, 1, sizeof head, file) == sizeof head && std::memcmp(head, "ADZEPKG", sizeof head) == 0;
  std::fclose(file);
  // A package that is damaged at its first bytes is still reported as one.
  return is || llvm::StringRef(path).ends_with(".adze");
}

int adze::cli::compileTo(const std::string &model, const std::string &output, const CompileOptions &options,
                         CompileReport &report, Console &console) {
  ErrorSink errors;
  TargetRegistry targets = allTargets();
  bool ok = compileModel(model, output, targets, options, report, errors);
  console.endProgress();
  if (interrupted())
    return kInterrupted;
  if (ok)
    return kOk;
  int exit = console.fail(errors);
  if (exit == kInternal) {
    std::string path = writeReproducer("model: " + model + "\n" + errors.text());
    console.note("reproducer: " + (path.empty() ? "could not be written" : path));
  }
  return exit;
}

static Port toPort(const adze_tensor_info_t &info) {
  Port port;
  port.name = info.name;
  port.dtype = static_cast<DType>(info.dtype);
  for (int32_t i = 0; i < info.rank; ++i) {
    port.dims.push_back(info.dims[i]);
    port.min.push_back(info.dim_min[i]);
    port.max.push_back(info.dim_max[i]);
    port.dimNames.push_back(info.dim_names[i] ? info.dim_names[i] : "");
  }
  return port;
}

static adze_status_t openSession(adze_package_t *package, const SessionOptions &options, adze_session_t **out) {
  adze_options_t native{};
  native.struct_size = sizeof native;
  native.device = options.device.c_str();
  native.num_threads = options.threads;
  adze_status_t status = adze_session_create(package, &native, out);
  if (status == ADZE_OK && options.profile)
    status = adze_session_set_profiling(*out, 1);
  return status;
}

std::unique_ptr<Engine> Engine::open(const std::string &path, const CompileOptions &compile,
                                     const SessionOptions &options, Console &console, int &exit) {
  std::unique_ptr<Engine> engine(new Engine);
  engine->package = path;
  if (!looksLikePackage(path)) {
    engine->scratch = std::make_unique<TemporaryDirectory>();
    if (engine->scratch->path().empty()) {
      exit = console.fail(kResource, "cannot make a temporary directory", engine->scratch->parent(),
                          engine->scratch->error(), "set TMPDIR to a folder that can be written");
      return nullptr;
    }
    engine->package = engine->scratch->path() + "/model.adze";
    CompileReport report;
    if ((exit = compileTo(path, engine->package, compile, report, console)) != kOk)
      return nullptr;
  }
  auto started = std::chrono::steady_clock::now();
  adze_status_t status = adze_package_open(engine->package.c_str(), &engine->opened);
  if (status == ADZE_OK)
    status = openSession(engine->opened, options, &engine->handle);
  if (status != ADZE_OK) {
    exit = failRuntime(status, console);
    return nullptr;
  }
  engine->loadTime = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - started).count();
  adze_tensor_info_t info;
  for (size_t i = 0; i < adze_package_num_inputs(engine->opened); ++i)
    if (adze_package_input(engine->opened, i, &info) == ADZE_OK)
      engine->in.push_back(toPort(info));
  for (size_t i = 0; i < adze_package_num_outputs(engine->opened); ++i)
    if (adze_package_output(engine->opened, i, &info) == ADZE_OK)
      engine->out.push_back(toPort(info));
  return engine;
}

Engine::~Engine() {
  if (handle)
    adze_session_destroy(handle);
  if (opened)
    adze_package_close(opened);
}

uint64_t Engine::packageBytes() const {
  uint64_t size = 0;
  return llvm::sys::fs::file_size(package, size) ? 0 : size;
}

void Engine::bind(llvm::ArrayRef<HostTensor> tensors) {
  boundInputs.assign(tensors.size(), {});
  for (auto [tensor, native] : llvm::zip(tensors, boundInputs)) {
    native.data = const_cast<char *>(tensor.bytes.data()); // read only: it is an input
    native.size_bytes = tensor.bytes.size();
    native.dtype = static_cast<adze_dtype_t>(tensor.dtype);
    native.rank = static_cast<int32_t>(tensor.dims.size());
    std::copy_n(tensor.dims.begin(), std::min<size_t>(tensor.dims.size(), ADZE_MAX_RANK), native.dims);
  }
  boundOutputs.assign(out.size(), {});
}

adze_status_t Engine::runOnce() {
  for (adze_tensor_t &output : boundOutputs)
    output = {};
  return adze_session_run(handle, boundInputs.data(), boundInputs.size(), boundOutputs.data(), boundOutputs.size());
}

int Engine::run(llvm::ArrayRef<HostTensor> tensors, std::vector<HostTensor> &results, Console &console) {
  bind(tensors);
  if (adze_status_t status = runOnce(); status != ADZE_OK)
    return failRuntime(status, console);
  results.clear();
  for (const adze_tensor_t &native : boundOutputs) {
    HostTensor tensor;
    tensor.dtype = static_cast<DType>(native.dtype);
    tensor.dims.assign(native.dims, native.dims + native.rank);
    uint64_t count = numElements(tensor.dims).value_or(0);
    tensor.bytes.resize(count * unpackedBytes(tensor.dtype));
    if (!tensor.bytes.empty())
      std::memcpy(tensor.bytes.data(), native.data, tensor.bytes.size());
    results.push_back(std::move(tensor));
  }
  return kOk;
}

llvm::ArrayRef<FlagSpec> adze::cli::sessionFlags() {
  static const FlagSpec flags[] = {
      {"--device", "NAME[:N]", "where to run (default cpu)"},
      {"--threads", "N", "CPU threads; 0 (the default): all cores"},
  };
  return flags;
}

std::optional<SessionOptions> adze::cli::readSessionOptions(const Flags &flags, Console &console) {
  SessionOptions options;
  options.device = flags.value("--device", "cpu");
  if (prepareSimulator(flags, options.device, console) != kOk)
    return std::nullopt;
  std::optional<int64_t> threads = flags.integer("--threads", 0, 0, 1024, console);
  if (!threads)
    return std::nullopt;
  options.threads = static_cast<int>(*threads);
  return options;
}
