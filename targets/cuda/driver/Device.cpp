#include "targets/cuda/driver/Device.h"

#include "targets/cuda/driver/Error.h"
#include "targets/cuda/driver/Image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace adze::cuda;

// --- contexts and errors ---

Current::Current(const adze_device &device) : api_(device.api) {
  api_.ctxGetCurrent(&previous_);
  if (previous_ == device.context)
    return;
  device.check(api_.ctxSetCurrent(device.context), "cannot use the device's context");
  changed_ = true;
}

Current::~Current() {
  if (changed_)
    api_.ctxSetCurrent(previous_);
}

bool adze::cuda::isSticky(CUresult result) {
  switch (result) {
  case kDeviceUnavailable:
  case kEccUncorrectable:
  case kNvlinkUncorrectable:
  case kContained:
  case kIllegalAddress:
  case kLaunchTimeout:
  case kAssert:
  case kTensorMemoryLeak:
  case kExternalDevice:
  case kUnknown:
    return true;
  default:
    return result >= kHardwareStackError && result <= kLaunchFailed;
  }
}

void adze_device::check(CUresult result, const std::string &what, const std::vector<Launched> &launched) const {
  if (result == kSuccess)
    return;
  if (isSticky(result))
    lost(result, what, launched);
  std::string why = api.text(result);
  if (const char *text = api.simLastError ? api.simLastError() : nullptr; text && *text)
    why += "; " + std::string(text);
  if (result == kOutOfMemory)
    fail(ADZE_RESOURCE, what, title(), why, "use smaller inputs, or free memory of the device");
  if (result == kLaunchOutOfResources)
    fail(ADZE_RESOURCE, what, title(), why, "compile the model for this architecture");
  fail(ADZE_INTERNAL, what, title(), why, "report this with the package");
}

/// The device cannot go on. Kernels run after the call that launched them, so all that were not waited for come into
/// question, unless the text of the simulator names one.
void adze_device::lost(CUresult result, const std::string &what, const std::vector<Launched> &launched) const {
  constexpr size_t kMaxNamed = 8;
  const char *simText = api.simLastError ? api.simLastError() : nullptr;
  std::string text = simText ? simText : "", suspects;
  std::vector<Launched> named;
  for (const Launched &launch : launched)
    if (text.find("kernel " + std::string(launch.symbol) + ",") != std::string::npos) {
      named = {launch};
      break;
    }
  if (named.empty())
    for (const Launched &launch : launched) // each kernel once
      if (std::none_of(named.begin(), named.end(),
                       [&](const Launched &other) { return !std::strcmp(other.symbol, launch.symbol); }))
        named.push_back(launch);
  for (size_t i = 0; i < named.size() && i < kMaxNamed; ++i)
    suspects += std::string(i ? ", " : "") + "kernel '" + named[i].symbol + "' of " + named[i].nodes;
  if (named.size() > kMaxNamed)
    suspects += " and " + std::to_string(named.size() - kMaxNamed) + " more";
  std::string where = title() + (suspects.empty() ? "" : ": " + suspects);
  std::string remedy = "start the process again and report this with the package";
  if (named.size() > 1)
    remedy += "; with ADZE_CUDA_SYNC=1 the error names the kernel";
  fail(ADZE_DEVICE, "device lost: " + what, where, api.text(result) + (text.empty() ? "" : "; " + text), remedy);
}

// --- opening ---

namespace {

[[noreturn]] void failToStart(const Api &api, CUresult result) {
  std::string remedy = "check the driver's installation (nvidia-smi)";
  if (result == kNoDevice)
    remedy =
        "run on a machine with an NVIDIA GPU that this process may see (CUDA_VISIBLE_DEVICES), or use the simulator "
        "(--sim)";
  else if (result == kStubLibrary)
    remedy = "take the toolkit's stubs folder out of the loader's path: libcuda.so.1 must be the driver's";
  fail(ADZE_DEVICE, "the NVIDIA driver does not start", api.library, api.text(result), remedy);
}

} // namespace

void adze_device::open(int number) {
  ordinal = number;
  if (CUresult result = api.init(0); result != kSuccess)
    failToStart(api, result);
  int count = 0;
  check(api.deviceGetCount(&count), "cannot count devices");
  if (number >= count)
    fail(ADZE_DEVICE, "no such device", "cuda:" + std::to_string(number),
         "there are " + std::to_string(count) + " CUDA devices, numbered from 0",
         count ? "use a number below that" : "run on a machine with an NVIDIA GPU, or use the simulator (--sim)");
  check(api.deviceGet(&device, number), "cannot open the device");
  char buffer[256] = {};
  check(api.deviceGetName(buffer, sizeof(buffer) - 1, device), "cannot query the device");
  name = buffer;
  auto attribute = [&](int which) {
    int value = 0;
    check(api.deviceGetAttribute(&value, which, device), "cannot query the device");
    return value;
  };
  major = unsigned(attribute(kComputeMajor));
  minor = unsigned(attribute(kComputeMinor));
  units = attribute(kMultiprocessorCount);
  sharedOptIn = attribute(kSharedPerBlockOptIn);
  const char *sync = std::getenv("ADZE_CUDA_SYNC");
  synchronous = sync && *sync && std::strcmp(sync, "0") != 0;
  check(api.primaryCtxRetain(&context, device), "cannot make a context on the device");
  Current current(*this);
  check(api.streamCreateWithPriority(&memoryStream, 1, 0), "cannot make a stream");
  if (!api.hasPools() || !attribute(kMemoryPoolsSupported))
    return;
  CUmemPoolProps properties;
  properties.locationId = device;
  check(api.memPoolCreate(&pool, &properties), "cannot make a memory pool");
  uint64_t keepAll = UINT64_MAX; // what a session frees, the next one takes
  constexpr int kReleaseThreshold = 4;
  check(api.memPoolSetAttribute(pool, kReleaseThreshold, &keepAll), "cannot set up the memory pool");
}

adze_device::~adze_device() {
  if (!context)
    return;
  try {
    Current current(*this);
    tensorMaps.clear();
    if (memoryStream)
      api.streamSynchronize(memoryStream);
    if (pool)
      api.memPoolDestroy(pool);
    if (memoryStream)
      api.streamDestroy(memoryStream);
  } catch (const Error &) { // NOLINT(bugprone-empty-catch): a lost device's context takes everything with it
  }
  api.primaryCtxRelease(device);
}

std::string adze_device::arch() const {
  // From 9.0 on, the architecture's own features are what its images are built for.
  return archName(10 * major + minor, major >= 9);
}

std::string adze_device::title() const {
  return (name.empty() ? std::string() : name + " ") + "(cuda:" + std::to_string(ordinal) +
         (major ? ", " + arch() : "") + ")";
}

// --- memory ---

CUresult adze_device::tryAllocate(size_t bytes, CUdeviceptr &out) {
  if (!pool)
    return api.memAlloc(&out, bytes);
  CUresult result = api.memAllocFromPoolAsync(&out, bytes, pool, memoryStream);
  if (result != kSuccess)
    return result;
  // From here on every stream may use it.
  result = api.streamSynchronize(memoryStream);
  if (result != kSuccess)
    api.memFreeAsync(out, memoryStream);
  return result;
}

CUdeviceptr adze_device::allocate(size_t bytes) {
  std::lock_guard<std::mutex> lock(memoryMutex);
  bytes = std::max<size_t>(bytes, 256);
  CUdeviceptr out = 0;
  CUresult result = tryAllocate(bytes, out);
  if (result == kOutOfMemory) {
    // What was freed may still be held by the pool, or by work that has not run.
    api.ctxSynchronize();
    if (pool)
      api.memPoolTrimTo(pool, 0);
    result = tryAllocate(bytes, out);
  }
  check(result, "out of device memory: " + std::to_string(bytes) + " bytes were refused");
  return out;
}

void adze_device::release(CUdeviceptr address) {
  std::lock_guard<std::mutex> lock(memoryMutex);
  if (pool)
    api.memFreeAsync(address, memoryStream);
  else
    api.memFree(address);
}

// --- code ---

CUresult adze_device::loadModule(const char *code, CUmodule &out, std::string &log) const {
  char errors[8192] = {}, info[1024] = {};
  int options[] = {kJitErrorLog, kJitErrorLogBytes, kJitInfoLog, kJitInfoLogBytes};
  void *values[] = {errors, reinterpret_cast<void *>(sizeof(errors)), info, reinterpret_cast<void *>(sizeof(info))};
  CUresult result = api.moduleLoadDataEx(&out, code, 4, options, values);
  errors[sizeof(errors) - 1] = 0;
  log = errors;
  return result;
}

adze_image *adze_device::load(const void *section, size_t bytes, const char *archText) {
  std::string where = std::string("the image for ") + archText, reasons;
  std::vector<ImageCode> all;
  if (std::string why = readImage(section, bytes, all); !why.empty())
    fail(ADZE_BAD_PACKAGE, "a code image is not valid", where, why, "compile the package again");
  auto image = std::make_unique<adze_image>();
  bool tooNew = true;
  for (const ImageCode &code : candidates(all, major, minor)) {
    std::string log;
    CUresult result = loadModule(code.data, image->module, log);
    if (result == kSuccess)
      return image.release();
    if (isSticky(result) || result == kOutOfMemory)
      check(result, "cannot load code");
    tooNew &= result == kUnsupportedPtxVersion || result == kNoBinaryForGpu || result == kJitCompilerNotFound;
    if (const char *text = api.simLastError ? api.simLastError() : nullptr; text && *text && log.empty())
      log = text;
    reasons += (reasons.empty() ? "" : "; ") + code.name() + ": " + api.text(result) + (log.empty() ? "" : ", " + log);
  }
  if (reasons.empty())
    for (const ImageCode &code : all)
      reasons += (reasons.empty() ? "the device is " + arch() + ", the image has " : ", ") + code.name();
  if (tooNew) // or there was nothing to try
    fail(ADZE_UNSUPPORTED, "this device cannot run a code image", where, reasons,
         "compile the package for " + arch() + ", or install a newer driver");
  fail(ADZE_BAD_PACKAGE, "the driver refuses a code image", where, reasons, "report this with the package");
}

void adze_device::unload(adze_image &image) {
  if (image.module)
    api.moduleUnload(image.module);
}

size_t adze_device::countParameters(CUfunction function) const {
  if (!api.funcGetParamInfo)
    return SIZE_MAX;
  size_t count = 0, offset = 0, bytes = 0;
  while (api.funcGetParamInfo(function, count, &offset, &bytes) == kSuccess)
    ++count;
  return count;
}

CUfunction adze_device::prepare(adze_image &image, const adze_launch_t &launch) {
  std::lock_guard<std::mutex> lock(image.mutex);
  std::string where = std::string("kernel '") + launch.symbol + "' of " + launch.nodes;
  Function &function = image.functions[launch.symbol];
  if (!function.handle) {
    if (api.moduleGetFunction(&function.handle, image.module, launch.symbol) != kSuccess) {
      function.handle = nullptr;
      fail(ADZE_BAD_PACKAGE, "a kernel is missing", where, "the code image does not export it",
           "compile the package again");
    }
    check(api.funcGetAttribute(&function.staticShared, kStaticShared, function.handle), "cannot query " + where);
    function.parameters = countParameters(function.handle);
  }
  // The driver reads as many arguments as the kernel has parameters, whatever it is given.
  size_t given = size_t(launch.num_buffers) + launch.num_scalars + launch.num_descriptors;
  if (function.parameters != SIZE_MAX && function.parameters != given)
    fail(ADZE_BAD_PACKAGE, "a kernel is launched with the wrong number of arguments", where,
         "it has " + std::to_string(function.parameters) + " parameters and is given " + std::to_string(given),
         "compile the package again and report this");
  uint64_t limit = uint64_t(std::max(sharedOptIn, 0)), fixed = uint64_t(std::max(function.staticShared, 0));
  if (launch.shared_bytes > limit || fixed > limit - launch.shared_bytes)
    fail(ADZE_RESOURCE, "a kernel needs more shared memory than the device has", where,
         "it needs " + std::to_string(fixed) + " + " + std::to_string(launch.shared_bytes) + " bytes, " + title() +
             " has " + std::to_string(limit),
         "compile the package for " + arch());
  constexpr int kDefaultShared = 49152; // what every kernel may use without asking
  int dynamic = int(launch.shared_bytes);
  if (dynamic + function.staticShared > kDefaultShared && dynamic > function.dynamicShared) {
    check(api.funcSetAttribute(function.handle, kMaxDynamicShared, dynamic), "cannot set up " + where);
    function.dynamicShared = dynamic;
  }
  return function.handle;
}
