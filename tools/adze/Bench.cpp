// adze bench: latency.
#include "tools/adze/Engine.h"
#include "tools/adze/Verb.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <chrono>
#include <sys/resource.h>

using namespace adze;
using namespace adze::cli;

namespace {
struct Timing {
  double firstRun = 0;
  std::vector<double> samples; // microseconds, sorted
  double at(double quantile) const {
    double place = quantile * static_cast<double>(samples.size() - 1);
    auto low = static_cast<size_t>(place);
    size_t high = std::min(low + 1, samples.size() - 1);
    return samples[low] + (samples[high] - samples[low]) * (place - static_cast<double>(low));
  }
};
struct Effort {
  int64_t iterations; // 0: as many as fit into minTime, at least 10
  int64_t warmup;
  double minTime;
};
} // namespace

static double microseconds(std::chrono::steady_clock::time_point from) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - from).count();
}

static int measure(Engine &engine, const Effort &plan, Timing &timing, Console &console) {
  auto once = [&](double &time) {
    auto started = std::chrono::steady_clock::now();
    adze_status_t status = engine.runOnce();
    time = microseconds(started);
    return status;
  };
  double time = 0;
  if (adze_status_t status = once(timing.firstRun); status != ADZE_OK)
    return failRuntime(status, console);
  for (int64_t i = 1; i < plan.warmup; ++i)
    if (adze_status_t status = once(time); status != ADZE_OK)
      return failRuntime(status, console);
  auto started = std::chrono::steady_clock::now();
  auto enough = [&] {
    auto n = static_cast<int64_t>(timing.samples.size());
    double spent = microseconds(started) / 1e6;
    if (plan.iterations > 0)
      return n >= plan.iterations && (plan.minTime <= 0 || spent >= plan.minTime);
    return n >= 10 && spent >= plan.minTime;
  };
  while (!enough()) {
    if (interrupted())
      return kInterrupted;
    if (adze_status_t status = once(time); status != ADZE_OK)
      return failRuntime(status, console);
    timing.samples.push_back(time);
    console.progress("run", timing.samples.size(), static_cast<size_t>(plan.iterations));
  }
  std::sort(timing.samples.begin(), timing.samples.end());
  return kOk;
}

static int64_t peakBytes() {
  struct rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

static void print(const Timing &timing, const Engine &engine, Console &console) {
  auto n = static_cast<int64_t>(timing.samples.size());
  if (console.json) {
    console.result(llvm::json::Object{{"median_us", timing.at(0.5)},
                                      {"p10_us", timing.at(0.1)},
                                      {"p90_us", timing.at(0.9)},
                                      {"iters", n},
                                      {"load_us", engine.loadMicroseconds()},
                                      {"first_run_us", timing.firstRun},
                                      {"peak_rss_bytes", peakBytes()},
                                      {"arena_bytes", static_cast<int64_t>(adze_session_arena_bytes(engine.session()))},
                                      {"package_bytes", static_cast<int64_t>(engine.packageBytes())}});
    return;
  }
  console.print(llvm::formatv("median {0:f1} us, p10 {1:f1} us, p90 {2:f1} us over {3} runs\n"
                              "load {4:f0} us, first run {5:f0} us, peak memory {6:f1} MB\n",
                              timing.at(0.5), timing.at(0.1), timing.at(0.9), n, engine.loadMicroseconds(),
                              timing.firstRun, static_cast<double>(peakBytes()) / 1e6)
                    .str());
}

static int bench(const Flags &flags, Console &console) {
  if (flags.has("--sim"))
    return console.usage("--sim with bench", "the time that the simulator takes says nothing about a device",
                         "run on a device, or use `adze run --sim`");
  std::optional<CompileOptions> compile = readCompileOptions(flags, console);
  std::optional<SessionOptions> options = readSessionOptions(flags, console);
  std::optional<int64_t> seed = flags.integer("--random-seed", 0, 0, INT64_MAX, console);
  std::optional<int64_t> iterations = flags.integer("--iters", 0, 1, 1000000000, console);
  std::optional<int64_t> warmup = flags.integer("--warmup", 3, 1, 1000000000, console);
  std::optional<double> minTime = flags.number("--min-time", iterations && *iterations ? 0 : 1, 0, 86400, console);
  if (!compile || !options || !seed || !iterations || !warmup || !minTime)
    return kUsage;
  int exit = kOk;
  std::unique_ptr<Engine> engine = Engine::open(flags.positional[0], *compile, *options, console, exit);
  if (!engine)
    return exit;
  std::vector<HostTensor> tensors;
  if (!readInputs(flags, *engine, *compile, {true, static_cast<uint64_t>(*seed)}, tensors, console, exit))
    return exit;
  engine->bind(tensors);
  Timing timing;
  if ((exit = measure(*engine, {*iterations, *warmup, *minTime}, timing, console)) != kOk)
    return exit;
  print(timing, *engine, console);
  return kOk;
}

Verb adze::cli::benchVerb() {
  static const FlagSpec own[] = {
      {"--iters", "N", "runs to time (default: what fits into --min-time, at least 10)"},
      {"--min-time", "S", "seconds to measure for (default 1; 0 when --iters is given)"},
      {"--warmup", "N", "runs before the clock starts, the first one included (default 3)"},
      {"--sim", nullptr, "refused: a simulator has no speed of its own"},
      kFormatFlag,
  };
  return {
      "bench",
      "measures the latency of a package or a model",
      "PACKAGE|MODEL.onnx",
      1,
      1,
      joinFlags({inputFlags(), own, sessionFlags(), compileFlags()}),
      {"adze bench model.adze --threads=1", "adze bench model.adze --iters=100 --format=json",
       "adze bench model.adze --dim batch=16 --min-time=5          made-up inputs of that size"},
      bench,
      "Inputs that are not given are random. Peak memory is the process's: give a package, not a model, to leave the\n"
      "compiler out of it.\n"};
}
