// Compiles and runs many small models in a few processes.
//
// usage: adze_conformance LIST RESULTS.json [--jobs=N] [--timeout=S] [--opt=0..3] [--target=LIST] [--device=NAME]
//        [--no-fuse]
//
// LIST names a directory a line. Each holds model.onnx and test_data_set_K/input_J.pb; the outputs go beside them as
// got_J.npy. RESULTS maps every directory to {"status": "ok" | "refused" | "error" | "crash" | "timeout", "exit",
// "errors", "text", "seconds", "peak_bytes"}. Comparing numbers is the caller's business.
#include "adze/adze.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/tensorio/TensorIO.h"
#include "targets/AllTargets.h"
#include "test/support/ForkPool.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstring>

using namespace adze;
using llvm::json::Object;

namespace {
struct Settings {
  CompileOptions compile;
  std::string device = "cpu";
  test::PoolOptions pool;
};

Object failure(const char *status, int exit, std::string text) {
  if (!llvm::json::isUTF8(text))
    text = llvm::json::fixUTF8(text);
  return Object{{"status", status}, {"exit", exit}, {"text", std::move(text)}};
}

Object fromErrors(const ErrorSink &errors) {
  int exit = errors.exitCode();
  Object out = failure(exit == 4 ? "refused" : "error", exit ? exit : 1, errors.text());
  out["errors"] = errors.json();
  return out;
}

/// The inputs of one data set, in the order of their numbers.
bool readSet(const std::string &folder, std::vector<HostTensor> &tensors, ErrorSink &errors) {
  for (size_t j = 0;; ++j) {
    std::string file = folder + "/input_" + std::to_string(j) + ".pb";
    if (!llvm::sys::fs::exists(file))
      return true;
    std::optional<HostTensor> tensor = readTensorProto(file, errors);
    if (!tensor)
      return false;
    tensors.push_back(std::move(*tensor));
  }
}

HostTensor fromNative(const adze_tensor_t &native) {
  HostTensor tensor;
  tensor.dtype = static_cast<DType>(native.dtype);
  tensor.dims.assign(native.dims, native.dims + native.rank);
  tensor.bytes.resize(numElements(tensor.dims).value_or(0) * unpackedBytes(tensor.dtype));
  if (!tensor.bytes.empty())
    std::memcpy(tensor.bytes.data(), native.data, tensor.bytes.size());
  return tensor;
}

std::optional<Object> runSet(adze_session_t *session, size_t numOutputs, const std::string &folder) {
  ErrorSink errors;
  std::vector<HostTensor> tensors;
  if (!readSet(folder, tensors, errors))
    return fromErrors(errors);
  std::vector<adze_tensor_t> inputs(tensors.size()), outputs(numOutputs);
  for (auto [tensor, native] : llvm::zip(tensors, inputs)) {
    native.data = tensor.bytes.data();
    native.size_bytes = tensor.bytes.size();
    native.dtype = static_cast<adze_dtype_t>(tensor.dtype);
    native.rank = static_cast<int32_t>(tensor.dims.size());
    std::copy(tensor.dims.begin(), tensor.dims.end(), native.dims);
  }
  adze_status_t status = adze_session_run(session, inputs.data(), inputs.size(), outputs.data(), outputs.size());
  if (status != ADZE_OK)
    return failure(status == ADZE_UNSUPPORTED ? "refused" : "error", status, adze_last_error());
  for (auto [index, native] : llvm::enumerate(outputs))
    if (!writeNpy(folder + "/got_" + std::to_string(index) + ".npy", fromNative(native), errors))
      return fromErrors(errors);
  return std::nullopt;
}

std::optional<Object> runPackage(const std::string &folder, const std::string &file, const std::string &device) {
  adze_package_t *package = nullptr;
  adze_session_t *session = nullptr;
  adze_options_t options{};
  options.struct_size = sizeof options;
  options.num_threads = 1;
  options.device = device.c_str();
  std::optional<Object> problem;
  adze_status_t status = adze_package_open(file.c_str(), &package);
  if (status == ADZE_OK)
    status = adze_session_create(package, &options, &session);
  if (status != ADZE_OK)
    problem = failure("error", status, adze_last_error());
  for (size_t k = 0; !problem; ++k) {
    std::string set = folder + "/test_data_set_" + std::to_string(k);
    if (!llvm::sys::fs::is_directory(set))
      break;
    problem = runSet(session, adze_package_num_outputs(package), set);
  }
  if (session)
    adze_session_destroy(session);
  if (package)
    adze_package_close(package);
  return problem;
}

std::string runOne(const std::string &folder, const Settings &settings) {
  TargetRegistry targets = allTargets();
  ErrorSink errors;
  CompileReport report;
  std::string file = folder + "/model.adze";
  std::optional<Object> problem;
  if (!compileModel(folder + "/model.onnx", file, targets, settings.compile, report, errors))
    problem = fromErrors(errors);
  else
    problem = runPackage(folder, file, settings.device);
  llvm::sys::fs::remove(file);
  Object result = problem ? std::move(*problem) : Object{{"status", "ok"}, {"exit", 0}};
  return llvm::formatv("{0}", llvm::json::Value(std::move(result))).str();
}

Object toObject(const test::JobResult &result) {
  Object out;
  if (result.kind == test::JobResult::Returned) {
    llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(result.text);
    if (parsed)
      out = *parsed->getAsObject();
    else
      out = failure("error", 1, llvm::toString(parsed.takeError()));
  } else {
    bool crash = result.kind == test::JobResult::Crashed;
    out = failure(crash ? "crash" : "timeout", 1, result.text);
    out["signal"] = result.signal;
  }
  out["seconds"] = result.seconds;
  out["peak_bytes"] = static_cast<int64_t>(result.peakBytes);
  return out;
}

std::vector<std::string> readList(const char *path) {
  std::vector<std::string> out;
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return out;
  llvm::SmallVector<llvm::StringRef> lines;
  (*buffer)->getBuffer().split(lines, '\n', -1, /*KeepEmpty=*/false);
  out.assign(lines.begin(), lines.end());
  return out;
}

bool readSettings(int argc, char **argv, Settings &settings) {
  settings.compile.targets = {"cpu:host"};
  settings.compile.optLevel = 1;
  settings.compile.threads = 1;
  for (int i = 3; i < argc; ++i) {
    llvm::StringRef arg = argv[i];
    if (arg.consume_front("--jobs=") && !arg.getAsInteger(10, settings.pool.jobs) && settings.pool.jobs > 0)
      continue;
    if (arg.consume_front("--timeout=") && !arg.getAsDouble(settings.pool.timeoutSeconds))
      continue;
    if (arg.consume_front("--opt=") && !arg.getAsInteger(10, settings.compile.optLevel))
      continue;
    if (arg.consume_front("--target=")) {
      settings.compile.targets = {arg.str()};
      continue;
    }
    if (arg.consume_front("--device=")) {
      settings.device = arg.str();
      continue;
    }
    if (arg == "--no-fuse") {
      settings.compile.fuse = false;
      continue;
    }
    return false;
  }
  return true;
}
} // namespace

int main(int argc, char **argv) {
  Settings settings;
  if (argc < 3 || !readSettings(argc, argv, settings)) {
    llvm::errs() << "usage: adze_conformance LIST RESULTS.json [--jobs=N] [--timeout=S] [--opt=N] [--target=LIST] "
                    "[--device=NAME] [--no-fuse]\n";
    return 2;
  }
  std::vector<std::string> folders = readList(argv[1]);
  size_t finished = 0;
  auto done = [&](size_t, const test::JobResult &) {
    if (++finished % 100 == 0)
      llvm::errs() << finished << "/" << folders.size() << "\n";
  };
  // The error of a device lasts as long as its process.
  settings.pool.spoils = [](const std::string &text) { return llvm::StringRef(text).contains("\"exit\":6"); };
  std::vector<test::JobResult> results =
      runForked(folders.size(), [&](size_t i) { return runOne(folders[i], settings); }, settings.pool, done);
  Object all;
  for (auto [folder, result] : llvm::zip(folders, results))
    all[folder] = toObject(result);
  std::error_code error;
  llvm::raw_fd_ostream out(argv[2], error);
  if (error) {
    llvm::errs() << argv[2] << ": " << error.message() << "\n";
    return 1;
  }
  out << llvm::formatv("{0:1}\n", llvm::json::Value(std::move(all)));
  return 0;
}
