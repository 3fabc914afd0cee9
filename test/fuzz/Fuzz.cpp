// Damaged models and packages: whatever the bytes, an answer or a clear refusal, within bounds.
//
// usage: adze_fuzz model MODEL.onnx [--truncations=STEP] [--mutations=N] [--seed=S] [--jobs=N] [--keep=DIR]
//        adze_fuzz package PACKAGE.adze [--stride=N]
//
// `model`: every STEP-th truncation (0: none) and N seeded mutations are compiled, and run when they compile. Allowed:
// exit 0, 3, 4 or 8, under 2 GB and 20 s. `package`: every N-th byte flipped, and every N-th truncation; all must be
// refused as a bad package. Offenders are listed, and with --keep written there.
#include "adze/adze.h"
#include "compiler/pipeline/Pipeline.h"
#include "targets/cpu/CpuTarget.h"
#include "test/support/ForkPool.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <cstring>
#include <map>
#include <unistd.h>

using namespace adze;

namespace {
constexpr uint64_t kMemoryLimit = uint64_t(2) << 30;
constexpr double kTimeLimit = 20;

struct Settings {
  uint64_t truncations = 1, mutations = 2000, seed = 1, stride = 1;
  unsigned jobs = 2;
  std::string keep;
};

/// SplitMix64.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return n ? next() % n : 0; }
};

/// One to four edits of the kinds that break parsers: flipped bits, extreme bytes, long numbers, moved and lost ranges.
/// Half of them fall into the first 2 KB, where a small model keeps its structure rather than its weights.
std::string mutate(llvm::StringRef source, uint64_t seed) {
  Random random{seed};
  std::string bytes = source.str();
  for (uint64_t edits = 1 + random.below(4); edits > 0; --edits) {
    size_t at = random.below(random.below(2) ? std::min<size_t>(bytes.size(), 2048) : bytes.size());
    size_t length = 1 + random.below(64);
    switch (random.below(7)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(random.below(256));
      break;
    case 2: {
      static const unsigned char extremes[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
      bytes[at] = static_cast<char>(extremes[random.below(5)]);
      break;
    }
    case 3: {
      static const char *const numbers[] = {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "\x80\x80\x80\x80\x08",
                                            "\xFF\xFF\xFF\xFF\x07", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"};
      bytes.insert(at, numbers[random.below(4)]);
      break;
    }
    case 4:
      bytes.erase(at, length);
      break;
    case 5:
      bytes.insert(at, bytes.substr(random.below(bytes.size()), length));
      break;
    default:
      std::string piece = bytes.substr(random.below(bytes.size()), length);
      bytes.replace(at, piece.size(), piece);
    }
    if (bytes.empty())
      bytes = "\x08";
  }
  return bytes;
}

/// Runs the package once on zeros, small inputs only: running is part of what may not crash.
int runOnce(const std::string &file) {
  adze_package_t *package = nullptr;
  adze_session_t *session = nullptr;
  adze_options_t options{};
  options.struct_size = sizeof options;
  options.num_threads = 1;
  options.max_bytes = uint64_t(1) << 30;
  adze_status_t status = adze_package_open(file.c_str(), &package);
  if (status == ADZE_OK)
    status = adze_session_create(package, &options, &session);
  size_t count = package ? adze_package_num_inputs(package) : 0;
  std::vector<adze_tensor_t> inputs(count), outputs(package ? adze_package_num_outputs(package) : 0);
  std::vector<std::vector<uint64_t>> storage(count);
  bool small = status == ADZE_OK;
  for (size_t i = 0; i < count && small; ++i) {
    adze_tensor_info_t info;
    if ((status = adze_package_input(package, i, &info)) != ADZE_OK)
      break;
    inputs[i].dtype = info.dtype;
    inputs[i].rank = info.rank;
    uint64_t elements = 1;
    for (int32_t d = 0; d < info.rank; ++d) {
      inputs[i].dims[d] = info.dims[d] >= 0 ? info.dims[d] : info.dim_min[d];
      small &= inputs[i].dims[d] <= (1 << 20) && elements <= (1 << 24);
      elements *= static_cast<uint64_t>(inputs[i].dims[d]);
    }
    if (!small || elements > (1 << 24)) {
      small = false;
      break;
    }
    inputs[i].size_bytes = elements * (adze_dtype_bits(info.dtype) + 7) / 8;
    storage[i].resize(inputs[i].size_bytes / 8 + 1);
    inputs[i].data = storage[i].data();
  }
  if (small && status == ADZE_OK)
    status = adze_session_run(session, inputs.data(), count, outputs.data(), outputs.size());
  if (session)
    adze_session_destroy(session);
  if (package)
    adze_package_close(package);
  return status;
}

/// The exit status that the command line would give, then the message.
std::string compileBytes(llvm::StringRef bytes, const std::string &scratch) {
  std::string model = scratch + "/" + std::to_string(getpid()) + ".onnx", package = model + ".adze";
  {
    std::error_code error;
    llvm::raw_fd_ostream out(model, error);
    out << bytes;
  }
  TargetRegistry targets;
  targets.add(createCpuTarget());
  CompileOptions options;
  options.targets = {"cpu:host"};
  options.optLevel = 0;
  options.threads = 1;
  CompileReport report;
  ErrorSink errors;
  int exit = 0;
  std::string text;
  if (!compileModel(model, package, targets, options, report, errors)) {
    exit = errors.exitCode() ? errors.exitCode() : 1;
    text = errors.text();
  } else if ((exit = runOnce(package)) != 0) {
    text = adze_last_error();
  }
  llvm::sys::fs::remove(package);
  llvm::sys::fs::remove(model);
  return std::to_string(exit) + "\n" + text;
}

std::string problemOf(const test::JobResult &result, int &exit) {
  exit = -1;
  if (result.kind == test::JobResult::Crashed)
    return "signal " + std::to_string(result.signal) + ": " + result.text;
  if (result.kind == test::JobResult::TimedOut)
    return "over 20 s";
  auto [code, text] = llvm::StringRef(result.text).split('\n');
  code.getAsInteger(10, exit);
  if (exit != 0 && exit != 3 && exit != 4 && exit != 8)
    return "exit " + std::to_string(exit) + ": " + text.str();
  if (exit != 0 && (!text.contains("\n  why: ") || !text.contains("\n  remedy: ")))
    return "an error without its four parts: " + text.str();
  if (result.peakBytes > kMemoryLimit)
    return std::to_string(result.peakBytes) + " bytes of memory";
  return "";
}

int fuzzModel(llvm::StringRef source, const Settings &settings) {
  char scratch[] = "/tmp/adze-fuzz-XXXXXX";
  if (!mkdtemp(scratch)) {
    llvm::errs() << "cannot make a directory in /tmp\n";
    return 1;
  }
  uint64_t truncations = settings.truncations ? (source.size() + settings.truncations - 1) / settings.truncations : 0;
  auto bytesOf = [&](size_t i) {
    return i < truncations ? source.take_front(i * settings.truncations).str()
                           : mutate(source, settings.seed * 1000003 + (i - truncations));
  };
  auto nameOf = [&](size_t i) {
    return i < truncations ? "truncation-" + std::to_string(i * settings.truncations)
                           : "mutation-" + std::to_string(i - truncations);
  };
  test::PoolOptions pool;
  pool.jobs = settings.jobs;
  pool.timeoutSeconds = kTimeLimit;
  pool.jobsPerWorker = 2000;
  std::map<int, size_t> exits;
  size_t offenders = 0;
  double slowest = 0;
  uint64_t largest = 0;
  auto done = [&](size_t i, const test::JobResult &result) {
    int exit = 0;
    std::string problem = problemOf(result, exit);
    ++exits[exit];
    slowest = std::max(slowest, result.seconds);
    largest = std::max(largest, result.peakBytes);
    if (problem.empty())
      return;
    ++offenders;
    if (offenders <= 20)
      llvm::outs() << nameOf(i) << ": " << llvm::StringRef(problem).take_back(1500) << "\n";
    if (!settings.keep.empty()) {
      std::error_code error;
      llvm::sys::fs::create_directories(settings.keep);
      llvm::raw_fd_ostream out(settings.keep + "/" + nameOf(i) + ".onnx", error);
      out << bytesOf(i);
    }
  };
  size_t count = truncations + settings.mutations;
  runForked(count, [&](size_t i) { return compileBytes(bytesOf(i), scratch); }, pool, done);
  llvm::sys::fs::remove_directories(scratch);
  llvm::outs() << count << " damaged models:";
  for (auto [exit, n] : exits)
    llvm::outs() << " exit " << exit << " x" << n << ",";
  llvm::outs() << llvm::formatv(" slowest {0:f1} s, largest {1} MB, {2} offenders\n", slowest, largest >> 20,
                                offenders);
  return offenders ? 1 : 0;
}

int fuzzPackage(llvm::StringRef source, const Settings &settings) {
  // 64-byte alignment is part of the interface.
  size_t capacity = (source.size() + 63) / 64 * 64;
  std::unique_ptr<char, void (*)(void *)> buffer(
      static_cast<char *>(std::aligned_alloc(64, std::max<size_t>(capacity, 64))), std::free);
  std::memcpy(buffer.get(), source.data(), source.size());
  auto open = [&](size_t size) {
    adze_package_t *package = nullptr;
    adze_status_t status = adze_package_open_memory(buffer.get(), size, &package);
    if (package)
      adze_package_close(package);
    return status;
  };
  if (adze_status_t status = open(source.size()); status != ADZE_OK) {
    llvm::outs() << "the sound package is refused: " << status << " " << adze_last_error() << "\n";
    return 1;
  }
  size_t offenders = 0, tried = 0;
  auto expectBad = [&](adze_status_t status, const char *what, size_t at) {
    ++tried;
    if (status != ADZE_BAD_PACKAGE && ++offenders <= 20)
      llvm::outs() << what << " " << at << ": status " << status << "\n";
  };
  for (size_t i = 0; i < source.size(); i += settings.stride) {
    buffer.get()[i] = static_cast<char>(source[i] ^ (1 << (i % 8)));
    expectBad(open(source.size()), "flip at byte", i);
    buffer.get()[i] = source[i];
  }
  for (size_t size = 0; size < source.size(); size += settings.stride)
    expectBad(open(size), "truncation to", size);
  llvm::outs() << tried << " damaged packages, " << offenders << " not refused as such\n";
  return offenders ? 1 : 0;
}

bool readSettings(int argc, char **argv, Settings &settings) {
  for (int i = 3; i < argc; ++i) {
    llvm::StringRef arg = argv[i];
    auto number = [&](llvm::StringRef name, auto &value) {
      llvm::StringRef rest = arg;
      return rest.consume_front(name) && !rest.getAsInteger(10, value);
    };
    if (number("--truncations=", settings.truncations) || number("--mutations=", settings.mutations) ||
        number("--seed=", settings.seed) || number("--stride=", settings.stride) || number("--jobs=", settings.jobs))
      continue;
    if (arg.consume_front("--keep=")) {
      settings.keep = arg.str();
      continue;
    }
    return false;
  }
  return settings.jobs > 0 && settings.stride > 0;
}
} // namespace

int main(int argc, char **argv) {
  Settings settings;
  llvm::StringRef mode = argc > 1 ? argv[1] : "";
  if (argc < 3 || (mode != "model" && mode != "package") || !readSettings(argc, argv, settings)) {
    llvm::errs() << "usage: adze_fuzz model MODEL.onnx [flags] | adze_fuzz package PACKAGE.adze [flags]\n";
    return 2;
  }
  auto buffer = llvm::MemoryBuffer::getFile(argv[2], /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    llvm::errs() << argv[2] << ": " << buffer.getError().message() << "\n";
    return 2;
  }
  return mode == "model" ? fuzzModel((*buffer)->getBuffer(), settings) : fuzzPackage((*buffer)->getBuffer(), settings);
}
