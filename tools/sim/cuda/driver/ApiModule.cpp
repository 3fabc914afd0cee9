// Modules, functions, launches. CUDA driver API, "Module Management", "Execution Control".
#include "tools/sim/cuda/driver/Entry.h"

#include <algorithm>
#include <cstring>

using namespace adze::sim;
using namespace adze::sim::driver;

namespace {

// --- loading ---

/// Where the caller wants the translator's messages; both may be null.
struct JitLog {
  char *text = nullptr;
  size_t bytes = 0;
  void write(const std::string &message) const {
    if (!text || !bytes)
      return;
    size_t length = std::min(message.size(), bytes - 1);
    std::memcpy(text, message.data(), length);
    text[length] = 0;
  }
};

JitLog errorLog(unsigned count, const int *options, void **values) {
  JitLog log;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == 5)
      log.text = static_cast<char *>(values[i]);
    else if (options[i] == 6)
      log.bytes = reinterpret_cast<uintptr_t>(values[i]);
    else if (options[i] == 3 && values[i])
      *static_cast<char *>(values[i]) = 0; // no news
    else if (options[i] < 0 || options[i] > 30)
      fail(InvalidValue, "the simulator does not know JIT option " + std::to_string(options[i]));
  }
  return log;
}

void refuseBinaries(const char *image) {
  static constexpr unsigned char fat[] = {0x50, 0xed, 0x55, 0xba};
  if (!std::memcmp(image, "\177ELF", 4) || !std::memcmp(image, fat, 4))
    fail(NoBinary, "the simulator runs PTX, this image is a binary");
}

/// The device must be able to run what the text asks for. PTX ISA, ".target": a later device runs earlier texts, except
/// those for the features of one architecture.
void checkTarget(const State &state, const Program &program) {
  const Architecture &device = state.settings.arch;
  if (program.versionMajor > kPtxMajor || (program.versionMajor == kPtxMajor && program.versionMinor > kPtxMinor))
    fail(UnsupportedPtxVersion, "the text is of PTX " + std::to_string(program.versionMajor) + "." +
                                    std::to_string(program.versionMinor) + ", the simulated driver knows " +
                                    std::to_string(kPtxMajor) + "." + std::to_string(kPtxMinor));
  bool runs = program.target.suffix ? program.target.number == device.number : program.target.number <= device.number;
  if (!runs)
    fail(InvalidPtx, "the text is for " + program.target.name() + ", the device is " + device.name());
}

void loadData(State &state, void **out, const char *image, unsigned count, const int *options, void **values) {
  requirePointer(out, "module");
  requirePointer(image, "image");
  state.requireContext();
  if (count) {
    requirePointer(options, "options");
    requirePointer(values, "optionValues");
  }
  JitLog log = errorLog(count, options, values);
  log.write("");
  state.countAllocation("module", std::strlen(image));
  try {
    refuseBinaries(image);
    LoadResult result = loadModule(image, state.settings.arch, *state.device);
    if (result.code)
      fail(result.code, result.text);
    checkTarget(state, *result.program);
    auto module = std::make_unique<Module>();
    module->program = std::move(result.program);
    *out = state.modules.add(std::move(module));
  } catch (const Failure &failure) {
    log.write(failure.text);
    throw;
  }
}

Module &findModule(State &state, void *handle) {
  Module *module = state.modules.find(handle);
  if (!module)
    fail(InvalidHandle, "the module does not exist or was unloaded");
  return *module;
}

Kernel *kernelOf(Module &module, const char *name) {
  std::unique_ptr<Kernel> &kernel = module.kernels[name];
  if (!kernel) {
    const KernelCode *code = module.program->find(name);
    if (!code) {
      module.kernels.erase(name);
      fail(NotFound, std::string("the module has no kernel '") + name + "'");
    }
    kernel = std::make_unique<Kernel>();
    kernel->module = &module;
    kernel->code = code;
  }
  return kernel.get();
}

Kernel &findKernel(State &state, void *handle) {
  for (auto &[address, module] : state.modules)
    for (auto &[name, kernel] : module->kernels)
      if (kernel.get() == handle)
        return *kernel;
  fail(InvalidHandle, "the function does not exist, or its module was unloaded");
}

uint64_t maxThreads(const KernelCode &code) {
  uint64_t limit = 1024;
  for (const Dim3 &given : {code.maxThreads, code.requiredThreads})
    if (given.count())
      limit = std::min(limit, given.count());
  return limit;
}

// --- launching ---

struct LaunchShape {
  Dim3 grid, block, cluster{1, 1, 1};
  uint32_t shared = 0;
  bool programmatic = false;
};

std::string text(Dim3 d) {
  return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
}

bool within(Dim3 d, Dim3 limit) {
  return d.x >= 1 && d.y >= 1 && d.z >= 1 && d.x <= limit.x && d.y <= limit.y && d.z <= limit.z;
}

void checkShape(const State &state, const Kernel &kernel, LaunchShape &shape) {
  const KernelCode &code = *kernel.code;
  DeviceLimits limits = limitsOf(state.settings.arch);
  std::string who = "kernel '" + code.name + "'";
  if (!within(shape.grid, limits.grid))
    fail(InvalidValue, who + ": the grid is " + text(shape.grid) + ", the limit is " + text(limits.grid));
  if (!within(shape.block, limits.block) || shape.block.count() > limits.threadsPerBlock)
    fail(InvalidValue, who + ": the block is " + text(shape.block));
  if (shape.block.count() > maxThreads(code))
    fail(InvalidValue, who + ": the block has " + std::to_string(shape.block.count()) + " threads, .maxntid allows " +
                           std::to_string(maxThreads(code)));
  if (code.requiredThreads.count() &&
      (shape.block.x != code.requiredThreads.x || shape.block.y != code.requiredThreads.y ||
       shape.block.z != code.requiredThreads.z))
    fail(InvalidValue, who + ": the block is " + text(shape.block) + ", .reqntid wants " + text(code.requiredThreads));
  uint32_t room = kernel.maxDynamicShared ? limits.sharedOptIn : limits.sharedDefault;
  uint32_t dynamicRoom = kernel.maxDynamicShared ? kernel.maxDynamicShared : limits.sharedDefault;
  if (shape.shared > dynamicRoom || uint64_t(shape.shared) + code.sharedBytes > room)
    fail(InvalidValue, who + ": " + std::to_string(code.sharedBytes) + " + " + std::to_string(shape.shared) +
                           " bytes of shared memory; allowed are " + std::to_string(dynamicRoom) + " dynamic and " +
                           std::to_string(room) + " altogether");
  if (code.requiredCluster.count()) {
    if (shape.cluster.count() > 1 &&
        (shape.cluster.x != code.requiredCluster.x || shape.cluster.y != code.requiredCluster.y ||
         shape.cluster.z != code.requiredCluster.z))
      fail(InvalidClusterSize,
           who + ": launched with clusters of " + text(shape.cluster) + ", compiled for " + text(code.requiredCluster));
    shape.cluster = code.requiredCluster;
  }
  uint64_t clusterLimit = limits.cluster > 1 && kernel.nonPortableCluster ? 16 : limits.cluster;
  if (shape.cluster.count() > std::max<uint64_t>(clusterLimit, 1))
    fail(InvalidClusterSize, who + ": clusters of " + text(shape.cluster) + ", the device allows " +
                                 std::to_string(clusterLimit) + " blocks");
  if (shape.grid.x % shape.cluster.x || shape.grid.y % shape.cluster.y || shape.grid.z % shape.cluster.z)
    fail(InvalidValue,
         who + ": the grid " + text(shape.grid) + " is not a multiple of the cluster " + text(shape.cluster));
}

/// Copies the arguments now: the caller may reuse them when the call returns.
std::vector<uint8_t> packParameters(const KernelCode &code, void **params, void **extra) {
  std::vector<uint8_t> buffer(code.paramBytes);
  if (extra) { // CU_LAUNCH_PARAM_BUFFER_POINTER 1, _SIZE 2, END 0
    const void *from = nullptr;
    size_t bytes = 0;
    for (size_t i = 0; extra[i]; i += 2) {
      if (extra[i] == reinterpret_cast<void *>(1))
        from = extra[i + 1];
      else if (extra[i] == reinterpret_cast<void *>(2))
        bytes = *static_cast<size_t *>(extra[i + 1]);
    }
    if (!from || bytes < buffer.size())
      fail(InvalidValue, "kernel '" + code.name + "': the parameter buffer is smaller than its parameters");
    std::memcpy(buffer.data(), from, buffer.size());
    return buffer;
  }
  if (!code.params.empty())
    requirePointer(params, "kernelParams");
  for (size_t i = 0; i < code.params.size(); ++i) {
    if (!params[i])
      fail(InvalidValue, "kernel '" + code.name + "': the address of parameter " + std::to_string(i) + " is null");
    std::memcpy(buffer.data() + code.params[i].offset, params[i], code.params[i].bytes);
  }
  return buffer;
}

void runKernel(State &state, const Kernel &kernel, const LaunchShape &shape, const std::vector<uint8_t> &params) {
  LaunchOptions options;
  // Each launch meets another order; the same seed gives the same ones.
  options.seed = state.settings.seed * 1000003 + state.launches++;
  options.maxDynamicShared = kernel.maxDynamicShared;
  options.nonPortableCluster = kernel.nonPortableCluster;
  options.programmaticSerialization = shape.programmatic;
  options.checkRaces = state.settings.races;
  options.maxInstructions = state.settings.maxInstructions;
  options.accuracy = state.settings.accuracy;
  options.promisedSums = state.settings.promisedSums;
  LaunchResult result = adze::sim::launch(*kernel.module->program, *kernel.code, shape.grid, shape.block, shape.cluster,
                                          shape.shared, params, *state.device, state.settings.arch, options);
  if (result.code)
    fault(result.code == InvalidValue ? int(LaunchFailed) : result.code, result.text);
}

void launchKernel(State &state, void *function, LaunchShape shape, void *handle, void **params, void **extra) {
  state.requireContext();
  Kernel &kernel = findKernel(state, function);
  Stream &stream = state.stream(handle, "cuLaunchKernel");
  checkShape(state, kernel, shape);
  std::vector<uint8_t> buffer = packParameters(*kernel.code, params, extra);
  Kernel snapshot = kernel; // attributes may change before it runs
  state.submit(stream, [&state, snapshot, shape, buffer] { runKernel(state, snapshot, shape, buffer); });
}

} // namespace

// --- modules ---

ADZE_SIM_EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
  return entry("cuModuleLoadDataEx", [&](State &state) {
    loadData(state, module, static_cast<const char *>(image), count, options, values);
  });
}

ADZE_SIM_EXPORT int cuModuleLoadData(void **module, const void *image) {
  return entry("cuModuleLoadData",
               [&](State &state) { loadData(state, module, static_cast<const char *>(image), 0, nullptr, nullptr); });
}

ADZE_SIM_EXPORT int cuModuleUnload(void *handle) {
  return entry("cuModuleUnload", [&](State &state) {
    state.requireContext();
    findModule(state, handle);
    state.completeAll(); // its kernels may be waiting
    state.modules.remove(handle);
  });
}

ADZE_SIM_EXPORT int cuModuleGetFunction(void **function, void *module, const char *name) {
  return entry("cuModuleGetFunction", [&](State &state) {
    requirePointer(function, "hfunc");
    requirePointer(name, "name");
    state.requireContext();
    *function = kernelOf(findModule(state, module), name);
  });
}

ADZE_SIM_EXPORT int cuModuleGetGlobal_v2(uint64_t *address, size_t *bytes, void *module, const char *name) {
  return entry("cuModuleGetGlobal", [&](State &state) {
    requirePointer(name, "name");
    state.requireContext();
    const auto &variables = findModule(state, module).program->variables;
    auto found = variables.find(name);
    if (found == variables.end())
      fail(NotFound, std::string("the module has no variable '") + name + "'");
    if (address)
      *address = found->second.address;
    if (bytes)
      *bytes = found->second.bytes;
  });
}

// --- functions ---

ADZE_SIM_EXPORT int cuFuncGetAttribute(int *value, int which, void *function) {
  return entry("cuFuncGetAttribute", [&](State &state) {
    requirePointer(value, "pi");
    state.requireContext();
    const Kernel &kernel = findKernel(state, function);
    const KernelCode &code = *kernel.code;
    switch (which) {
    case 0:
      *value = int(maxThreads(code));
      return;
    case 1:
      *value = int(code.sharedBytes);
      return;
    case 2: // constant bytes
      *value = 0;
      return;
    case 3:
      *value = int(code.localBytes);
      return;
    case 4: // what ptxas would make of it is not known here
      *value = int(std::min<uint32_t>(code.registers32, 255));
      return;
    case 5:
    case 6: // PTX and binary version
      *value = int(state.settings.arch.number);
      return;
    case 8:
      *value = int(kernel.maxDynamicShared ? kernel.maxDynamicShared : limitsOf(state.settings.arch).sharedDefault);
      return;
    default:
      fail(InvalidValue, "the simulator does not know function attribute " + std::to_string(which));
    }
  });
}

ADZE_SIM_EXPORT int cuFuncSetAttribute(void *function, int which, int value) {
  return entry("cuFuncSetAttribute", [&](State &state) {
    state.requireContext();
    Kernel &kernel = findKernel(state, function);
    DeviceLimits limits = limitsOf(state.settings.arch);
    switch (which) {
    case 8:
      if (value < 0 || uint64_t(value) + kernel.code->sharedBytes > limits.sharedOptIn)
        fail(InvalidValue, "kernel '" + kernel.code->name + "': " + std::to_string(value) +
                               " bytes of dynamic shared memory; the device has " + std::to_string(limits.sharedOptIn));
      kernel.maxDynamicShared = uint32_t(value);
      return;
    case 9: // carve-out: a hint
      return;
    case 14:
      kernel.nonPortableCluster = value != 0;
      return;
    default:
      fail(InvalidValue, "the simulator cannot set function attribute " + std::to_string(which));
    }
  });
}

ADZE_SIM_EXPORT int cuFuncGetParamInfo(void *function, size_t index, size_t *offset, size_t *bytes) {
  return entry("cuFuncGetParamInfo", [&](State &state) {
    requirePointer(offset, "paramOffset");
    state.requireContext();
    const KernelCode &code = *findKernel(state, function).code;
    if (index >= code.params.size())
      fail(InvalidValue, "kernel '" + code.name + "' has " + std::to_string(code.params.size()) + " parameters");
    *offset = code.params[index].offset;
    if (bytes)
      *bytes = code.params[index].bytes;
  });
}

ADZE_SIM_EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads,
                                                                size_t shared) {
  return entry("cuOccupancyMaxActiveBlocksPerMultiprocessor", [&](State &state) {
    requirePointer(blocks, "numBlocks");
    state.requireContext();
    const Kernel &kernel = findKernel(state, function);
    if (threads < 1 || uint64_t(threads) > maxThreads(*kernel.code))
      fail(InvalidValue, "a block of " + std::to_string(threads) + " threads");
    DeviceLimits limits = limitsOf(state.settings.arch);
    uint64_t bytes = shared + kernel.code->sharedBytes + 1024; // the system keeps 1 KB
    *blocks = int(std::max<uint64_t>(1, std::min<uint64_t>(1536 / uint64_t(threads), limits.sharedOptIn / bytes)));
  });
}

// --- launches ---

ADZE_SIM_EXPORT int cuLaunchKernel(void *function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                                   unsigned blockY, unsigned blockZ, unsigned shared, void *stream, void **params,
                                   void **extra) {
  return entry("cuLaunchKernel", [&](State &state) {
    LaunchShape shape{{gridX, gridY, gridZ}, {blockX, blockY, blockZ}, {1, 1, 1}, shared, false};
    launchKernel(state, function, shape, stream, params, extra);
  });
}

ADZE_SIM_EXPORT int cuLaunchKernelEx(const LaunchConfig *config, void *function, void **params, void **extra) {
  return entry("cuLaunchKernelEx", [&](State &state) {
    requirePointer(config, "config");
    LaunchShape shape{{config->grid[0], config->grid[1], config->grid[2]},
                      {config->block[0], config->block[1], config->block[2]},
                      {1, 1, 1},
                      config->shared,
                      false};
    if (config->count)
      requirePointer(config->attributes, "attrs");
    for (unsigned i = 0; i < config->count; ++i) {
      const LaunchAttribute &attribute = config->attributes[i];
      unsigned words[3];
      std::memcpy(words, attribute.value, sizeof(words));
      if (attribute.id == 4)
        shape.cluster = {words[0], words[1], words[2]};
      else if (attribute.id == 6)
        shape.programmatic = words[0] != 0;
      else if (attribute.id != 0 && attribute.id != 8) // none, priority
        fail(NotSupported, "the simulator does not know launch attribute " + std::to_string(attribute.id));
    }
    launchKernel(state, function, shape, config->stream, params, extra);
  });
}
