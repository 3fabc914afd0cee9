// launch(): limits, and clusters over host threads.
#include "Run.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>

namespace adze::sim {

DeviceLimits limitsOf(const Architecture &device) {
  DeviceLimits limits;
  switch (device.number) {
  case 80:
  case 87:
    limits.sharedOptIn = 166912;
    break;
  case 75:
    limits.sharedOptIn = 65536;
    break;
  case 86:
  case 89:
  case 120:
  case 121:
    limits.sharedOptIn = 101376;
    break;
  default:
    limits.sharedOptIn = device.number < 80 ? 98304 : 232448;
  }
  if (device.number >= 90)
    limits.cluster = 8;
  return limits;
}

namespace {

constexpr int invalidValue = 1, tooManyResources = 701, clusterSize = 912;

LaunchResult refuse(int code, const KernelCode &kernel, const std::string &text) {
  LaunchResult result;
  result.code = code;
  result.text = "launch of kernel " + kernel.name + ": " + text;
  return result;
}

std::string dims(const Dim3 &d) { return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z); }

/// Dynamic shared memory beyond the default needs cuFuncSetAttribute(max dynamic shared); static memory beyond it
/// sm_90.
LaunchResult checkShared(const LaunchContext &c, const DeviceLimits &limits) {
  const KernelCode &k = *c.kernel;
  uint32_t statics = std::min(k.sharedBytes, limits.sharedDefault);
  uint32_t dynamic = std::max(c.options.maxDynamicShared, limits.sharedDefault - statics);
  uint32_t total = c.dynamicShared || c.device.number >= 90 ? limits.sharedOptIn : limits.sharedDefault;
  if (c.dynamicShared > dynamic)
    return refuse(invalidValue, k,
                  std::to_string(c.dynamicShared) + " bytes of dynamic shared memory; allowed are " +
                      std::to_string(dynamic) + " (raise it with the function attribute 8)");
  if (c.sharedBytes > total)
    return refuse(invalidValue, k,
                  std::to_string(c.sharedBytes) + " bytes of shared memory; the limit of " + c.device.name() + " is " +
                      std::to_string(total));
  return {};
}

/// Everything that a device refuses before anything runs. Code 0: nothing.
LaunchResult checkLaunch(const LaunchContext &c) {
  const KernelCode &k = *c.kernel;
  DeviceLimits limits = limitsOf(c.device);
  if (std::make_pair(c.program->versionMajor, c.program->versionMinor) >= std::make_pair(8u, 1u))
    limits.paramBytes = 32764;
  auto within = [](const Dim3 &d, const Dim3 &max) {
    return d.x && d.y && d.z && d.x <= max.x && d.y <= max.y && d.z <= max.z;
  };
  if (!within(c.grid, limits.grid))
    return refuse(invalidValue, k, "grid " + dims(c.grid) + " is empty or above " + dims(limits.grid));
  if (!within(c.block, limits.block) || c.block.count() > limits.threadsPerBlock)
    return refuse(invalidValue, k, "block " + dims(c.block) + " is empty or above 1024 threads");
  if (k.requiredThreads.count() && k.requiredThreads.x &&
      (k.requiredThreads.x != c.block.x || k.requiredThreads.y != c.block.y || k.requiredThreads.z != c.block.z))
    return refuse(invalidValue, k, "block " + dims(c.block) + " is not the .reqntid " + dims(k.requiredThreads));
  if (k.maxThreads.x && c.block.count() > k.maxThreads.count())
    return refuse(invalidValue, k, "block " + dims(c.block) + " is above the .maxntid " + dims(k.maxThreads));
  uint64_t registers = k.maxRegisters * c.block.count();
  if (registers > 65536)
    return refuse(tooManyResources, k,
                  ".maxnreg " + std::to_string(k.maxRegisters) + " for " + std::to_string(c.block.count()) +
                      " threads is above 65536 registers");
  if (LaunchResult shared = checkShared(c, limits); shared.code)
    return shared;
  if (k.paramBytes > limits.paramBytes)
    return refuse(invalidValue, k,
                  std::to_string(k.paramBytes) + " bytes of parameters; the limit is " +
                      std::to_string(limits.paramBytes));
  if (c.params.size() < k.paramBytes)
    return refuse(invalidValue, k,
                  std::to_string(c.params.size()) + " bytes of parameters given, " + std::to_string(k.paramBytes) +
                      " needed");
  uint64_t ranks = c.cluster.count();
  if (ranks > 1 && c.device.number < 90)
    return refuse(clusterSize, k, "clusters need sm_90, the device is " + c.device.name());
  if (ranks == 0 || ranks > (c.options.nonPortableCluster ? 16 : std::max(limits.cluster, 1u)))
    return refuse(clusterSize, k,
                  "cluster " + dims(c.cluster) + " is above the limit of " +
                      std::to_string(c.options.nonPortableCluster ? 16 : limits.cluster) + " blocks");
  if (k.requiredCluster.x &&
      (k.requiredCluster.x != c.cluster.x || k.requiredCluster.y != c.cluster.y || k.requiredCluster.z != c.cluster.z))
    return refuse(clusterSize, k,
                  "cluster " + dims(c.cluster) + " is not the .reqnctapercluster " + dims(k.requiredCluster));
  if (c.grid.x % c.cluster.x || c.grid.y % c.cluster.y || c.grid.z % c.cluster.z)
    return refuse(invalidValue, k, "grid " + dims(c.grid) + " is no multiple of the cluster " + dims(c.cluster));
  return {};
}

/// Clusters in an order that the seed picks, over host threads. Every thread keeps several clusters going, so that
/// blocks which wait for each other through global memory all get on.
class Distributor {
public:
  explicit Distributor(const LaunchContext &launch) : launch(launch) {
    count = launch.grid.count() / launch.cluster.count();
    uint64_t seed = launch.options.seed;
    if (seed && count > 1) {
      std::mt19937_64 random(seed);
      start = random() % count;
      do
        step = 1 + random() % (count - 1);
      while (std::gcd(step, count) != 1);
    }
  }

  LaunchResult run() {
    unsigned threads =
        launch.options.threads ? launch.options.threads : std::max(1u, std::thread::hardware_concurrency());
    threads = unsigned(std::min<uint64_t>(threads, count));
    std::vector<std::thread> helpers;
    for (unsigned i = 1; i < threads; ++i)
      helpers.emplace_back([this] { work(); });
    work();
    for (std::thread &helper : helpers)
      helper.join();
    result.warpInstructions = instructions;
    return std::move(result);
  }

private:
  static constexpr uint64_t slice = 1000000; ///< instructions before another cluster gets its turn
  static constexpr size_t resident = 32;     ///< clusters a host thread

  std::unique_ptr<ClusterRunner> next() {
    uint64_t index = taken.fetch_add(1);
    if (index >= count)
      return nullptr;
    uint64_t linear = uint64_t((static_cast<unsigned __int128>(index) * step + start) % count);
    return std::make_unique<ClusterRunner>(launch, linear);
  }

  void work() {
    std::vector<std::unique_ptr<ClusterRunner>> running;
    size_t turn = 0;
    try {
      while (!failed) {
        if (running.size() < resident && (running.empty() || turn == running.size())) {
          turn = 0;
          if (auto fresh = next()) {
            running.push_back(std::move(fresh));
            turn = running.size() - 1;
          } else if (running.empty()) {
            return;
          }
        }
        turn %= running.size();
        if (running[turn]->run(slice)) {
          instructions += running[turn]->cluster.instructions;
          running.erase(running.begin() + long(turn));
        } else {
          ++turn;
        }
      }
    } catch (const KernelError &error) {
      fail(error.code, error.what());
    } catch (const MemoryFault &error) {
      fail(int(error.code), "kernel " + launch.kernel->name + ": " + error.what());
    } catch (const std::bad_alloc &) {
      fail(2, "kernel " + launch.kernel->name + ": the simulator ran out of host memory");
    }
    for (auto &runner : running)
      instructions += runner->cluster.instructions;
  }

  void fail(int code, const std::string &text) {
    std::lock_guard<std::mutex> guard(mutex);
    failed = true;
    if (result.code)
      return;
    result.code = code;
    result.text = text;
  }

  const LaunchContext &launch;
  uint64_t count = 0, start = 0, step = 1;
  std::atomic<uint64_t> taken{0}, instructions{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  LaunchResult result;
};

} // namespace

LaunchResult launch(const Program &program, const KernelCode &kernel, Dim3 grid, Dim3 block, Dim3 cluster,
                    uint32_t dynamicShared, const std::vector<uint8_t> &params, DeviceMemory &memory,
                    const Architecture &device, const LaunchOptions &options) {
  LaunchContext context;
  context.program = &program;
  context.kernel = &kernel;
  context.grid = grid;
  context.block = block;
  context.cluster = cluster;
  if (kernel.requiredCluster.x && cluster.count() == 1)
    context.cluster = kernel.requiredCluster;
  context.dynamicShared = dynamicShared;
  context.sharedBytes = dynamicShared ? kernel.dynamicSharedOffset + dynamicShared : kernel.sharedBytes;
  context.params = params;
  context.options = options;
  context.device = device;
  for (const auto &entry : program.functions)
    if (entry.second.get() == &kernel || entry.first.compare(0, kernel.name.size() + 1, kernel.name + "/") == 0)
      context.localBytes += entry.second->localBytes;
  LaunchResult refused = checkLaunch(context);
  if (refused.code)
    return refused;
  try {
    std::unique_ptr<LaunchMemory> launchMemory = memory.beginLaunch(context);
    context.memory = launchMemory.get();
    return Distributor(context).run();
  } catch (const MemoryFault &error) {
    return refuse(int(error.code), kernel, error.what());
  }
}

} // namespace adze::sim
