#include "runtime/src/cpu/CpuDriver.h"

#include "runtime/src/cpu/ElfCheck.h"
#include "runtime/src/cpu/HostMemory.h"
#include "runtime/src/cpu/ThreadPool.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

using namespace adze::rt;

struct adze_device {
  adze_options_t options;
  unsigned numThreads;
  int level; // x86-64 level that images may use
};

struct adze_image {
  void *handle;
  std::unordered_map<std::string, adze_cpu_kernel_fn> kernels;
  std::mutex mutex; // images are shared by the queues of a device

  ~adze_image() { dlclose(handle); }
};

struct adze_queue {
  adze_device_t *device;
  ThreadPool pool;
  std::vector<void *> scratch; // one area a thread
  size_t scratchBytes = 0;

  explicit adze_queue(adze_device_t *device)
      : device(device), pool(device->numThreads), scratch(device->numThreads, nullptr) {}
};

namespace {

thread_local std::string deviceError;

/// As guard(), with the text kept for last_error() of this driver.
template <typename Body>
adze_status_t driverGuard(Body &&body) noexcept {
  try {
    body();
    return ADZE_OK;
  } catch (...) {
    Error error = currentError();
    deviceError = std::move(error.message);
    return error.status;
  }
}

// --- architectures ---

struct Arch {
  const char *name;
  int level;
};
constexpr Arch kArchs[] = {{"x86-64", 1}, {"x86-64-v2", 2}, {"x86-64-v3", 3}, {"x86-64-v4", 4}};

int levelOf(const std::string &name) {
  for (const Arch &arch : kArchs)
    if (name == arch.name)
      return arch.level;
  return 0;
}

int hostLevel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // The compiler's own check covers what the operating system saves (XCR0).
  bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? 4 : v3 ? 3 : v2 ? 2 : 1;
#else
  return 0;
#endif
}

bool hostHasFeature(const std::string &feature) {
#if defined(__x86_64__)
  if (feature == "avx512vnni")
    return __builtin_cpu_supports("avx512vnni");
  if (feature == "avx512bf16")
    return __builtin_cpu_supports("avx512bf16");
#endif
  return false;
}

/// Why an image of that architecture ("x86-64-v4" or "x86-64-v4+avx512vnni") cannot run here; "" if it can.
std::string whyNotRunnable(const adze_device_t &device, const std::string &arch) {
  size_t plus = std::min(arch.find('+'), arch.size());
  int level = levelOf(arch.substr(0, plus));
  if (level == 0)
    return cat("'", arch, "' is not an architecture of this runtime's CPU driver");
  if (level > device.level)
    return cat("it needs ", arch.substr(0, plus), ", this CPU provides ", kArchs[std::max(device.level, 1) - 1].name);
  while (plus < arch.size()) {
    size_t next = std::min(arch.find('+', plus + 1), arch.size());
    std::string feature = arch.substr(plus + 1, next - plus - 1);
    if (!hostHasFeature(feature))
      return cat("it needs the CPU feature ", feature);
    plus = next;
  }
  return {};
}

// --- device and memory ---

adze_status_t cpuOpen(int ordinal, const adze_options_t *options, adze_device_t **out) {
  return driverGuard([&] {
    if (ordinal != 0)
      fail(ADZE_DEVICE, "no such device", cat("cpu:", ordinal), "there is one CPU device", "use 'cpu'");
    auto device = std::make_unique<adze_device>();
    device->options = *options;
    device->numThreads = options->num_threads > 0 ? unsigned(options->num_threads) : availableCpus();
    device->level = hostLevel();
    if (const char *forced = std::getenv("ADZE_CPU_ARCH"); forced && *forced) {
      int level = levelOf(forced);
      if (level == 0)
        fail(ADZE_INVALID_ARGUMENT, "unknown CPU architecture", "environment variable ADZE_CPU_ARCH",
             cat("its value is '", forced, "'"), "use x86-64-v3 or x86-64-v4, or unset it");
      device->level = std::min(device->level, level);
    }
    *out = device.release();
  });
}

void cpuClose(adze_device_t *device) { delete device; }

adze_status_t cpuQuery(adze_device_t *device, adze_device_info_t *out) {
  size_t size = std::min(out->struct_size, sizeof(adze_device_info_t));
  adze_device_info_t info{};
  info.struct_size = out->struct_size;
  std::strcpy(info.name, "CPU");
  std::strcpy(info.arch, device->level ? kArchs[device->level - 1].name : "unknown");
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  info.total_bytes = page * static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES));
  info.free_bytes = page * static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES));
  info.num_units = static_cast<int32_t>(device->numThreads);
  info.host_memory = 1;
  std::memcpy(out, &info, size);
  return ADZE_OK;
}

adze_status_t cpuAllocate(adze_device_t *device, size_t bytes, adze_address_t *out) {
  return driverGuard([&] {
    void *memory = hostAllocate(device->options, bytes);
    if (!memory)
      fail(ADZE_RESOURCE, "out of memory", "the CPU device", cat("an allocation of ", bytes, " bytes was refused"),
           "use smaller inputs or free memory");
    *out = reinterpret_cast<uintptr_t>(memory);
  });
}

void cpuRelease(adze_device_t *device, adze_address_t address, size_t bytes) {
  if (address)
    hostRelease(device->options, reinterpret_cast<void *>(static_cast<uintptr_t>(address)), bytes);
}

// --- images ---

[[noreturn]] void badImage(const char *arch, const std::string &why) {
  fail(ADZE_BAD_PACKAGE, "a code image cannot be loaded", cat("the image for ", arch), why,
       "compile the package again");
}

/// Loads from an anonymous file: the bytes that were checked are the bytes that are mapped.
void *mapImage(const void *code, size_t bytes, const char *arch) {
  struct File {
    int fd;
    ~File() {
      if (fd >= 0)
        ::close(fd);
    }
  } file{memfd_create("adze-image", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (file.fd < 0)
    fail(ADZE_RESOURCE, "cannot load code", "memfd_create", std::strerror(errno), "raise the limits of this process");
  for (size_t done = 0; done < bytes;) {
    ssize_t count = write(file.fd, static_cast<const char *>(code) + done, bytes - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      fail(ADZE_RESOURCE, "cannot load code", "an anonymous file", std::strerror(errno), "free memory");
    done += static_cast<size_t>(count);
  }
  // The loader takes two files of one name for the same library, and descriptors are used again. So every load spells
  // the path differently: bit i of a counter chooses between "/" and "/./".
  static std::atomic<uint32_t> loads{0};
  std::string path = "/proc/self";
  for (uint32_t n = loads++, bit = 0; bit < 32; ++bit)
    path += n >> bit & 1 ? "/." : "/";
  path += cat("/fd/", file.fd);
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *why = dlerror();
    badImage(arch, cat("the system's loader refused it: ", why ? why : "unknown reason"));
  }
  return handle;
}

adze_status_t cpuLoad(adze_device_t *device, const void *code, size_t bytes, const char *arch, adze_image_t **out) {
  return driverGuard([&] {
    if (std::string why = whyNotRunnable(*device, arch); !why.empty())
      fail(ADZE_UNSUPPORTED, "this CPU cannot run a code image", cat("the image for ", arch), why,
           "compile the package for this CPU (--target=cpu)");
    if (std::string why = checkCpuImage(code, bytes); !why.empty())
      badImage(arch, why);
    void *handle = mapImage(code, bytes, arch);
    auto *image = new (std::nothrow) adze_image;
    if (!image) {
      dlclose(handle);
      throw std::bad_alloc();
    }
    image->handle = handle;
    *out = image;
  });
}

void cpuUnload(adze_device_t *, adze_image_t *image) { delete image; }

adze_cpu_kernel_fn findKernel(adze_image_t &image, const char *symbol) {
  std::lock_guard<std::mutex> lock(image.mutex);
  adze_cpu_kernel_fn &kernel = image.kernels[symbol];
  if (!kernel) {
    kernel = reinterpret_cast<adze_cpu_kernel_fn>(dlsym(image.handle, symbol));
    if (!kernel)
      fail(ADZE_BAD_PACKAGE, "a kernel is missing", cat("kernel '", symbol, "'"), "the code image does not export it",
           "compile the package again");
  }
  return kernel;
}

// --- queues ---

adze_status_t cpuQueueCreate(adze_device_t *device, adze_queue_t **out) {
  return driverGuard([&] { *out = new adze_queue(device); });
}

void releaseScratch(adze_queue_t &queue) {
  for (void *&area : queue.scratch)
    if (area) {
      hostRelease(queue.device->options, area, queue.scratchBytes);
      area = nullptr;
    }
  queue.scratchBytes = 0;
}

void cpuQueueDestroy(adze_device_t *, adze_queue_t *queue) {
  releaseScratch(*queue);
  delete queue;
}

void growScratch(adze_queue_t &queue, size_t bytes) {
  if (bytes <= queue.scratchBytes)
    return;
  releaseScratch(queue);
  queue.scratchBytes = bytes;
  for (void *&area : queue.scratch) {
    area = hostAllocate(queue.device->options, bytes);
    if (area)
      continue;
    releaseScratch(queue); // all or nothing
    fail(ADZE_RESOURCE, "out of memory", "a kernel's scratch memory",
         cat("an allocation of ", bytes, " bytes for each of ", queue.scratch.size(), " threads was refused"),
         "use fewer threads or free memory");
  }
}

struct LaunchContext {
  adze_cpu_kernel_fn kernel;
  void *const *buffers;
  const int64_t *scalars;
  void *const *scratch;
};

void runPrograms(void *opaque, int64_t begin, int64_t end, unsigned thread) {
  auto *context = static_cast<LaunchContext *>(opaque);
  context->kernel(context->buffers, context->scalars, begin, end, context->scratch[thread]);
}

adze_status_t cpuLaunch(adze_queue_t *queue, const adze_launch_t *launch) {
  static_assert(sizeof(void *) == sizeof(adze_address_t), "addresses are passed to kernels as they are");
  return driverGuard([&] {
    growScratch(*queue, launch->shared_bytes);
    LaunchContext context{findKernel(*launch->image, launch->symbol), reinterpret_cast<void *const *>(launch->buffers),
                          launch->scalars, queue->scratch.data()};
    queue->pool.run(launch->grid[0], runPrograms, &context);
  });
}

void *pointer(adze_address_t address) { return reinterpret_cast<void *>(static_cast<uintptr_t>(address)); }

adze_status_t cpuCopy(adze_queue_t *, adze_address_t to, adze_address_t from, size_t bytes, int) {
  if (bytes)
    std::memmove(pointer(to), pointer(from), bytes);
  return ADZE_OK;
}

adze_status_t cpuFill(adze_queue_t *, adze_address_t to, uint64_t pattern, uint32_t patternBytes, size_t bytes) {
  auto *target = static_cast<unsigned char *>(pointer(to));
  bool uniform = true;
  for (uint32_t i = 1; i < patternBytes; ++i)
    uniform &= ((pattern >> (8 * i)) & 255) == (pattern & 255);
  if (uniform) {
    std::memset(target, int(pattern & 255), bytes);
    return ADZE_OK;
  }
  for (size_t at = 0; at < bytes; at += patternBytes)
    std::memcpy(target + at, &pattern, std::min<size_t>(patternBytes, bytes - at)); // little-endian
  return ADZE_OK;
}

// Everything above is done when it returns, so there is nothing to wait for.
adze_status_t cpuSignal(adze_queue_t *, uint64_t *ticket) {
  *ticket = 0;
  return ADZE_OK;
}
adze_status_t cpuWait(adze_queue_t *, uint64_t) { return ADZE_OK; }
adze_status_t cpuSynchronize(adze_queue_t *) { return ADZE_OK; }
const char *cpuLastError(adze_device_t *) { return deviceError.c_str(); }

} // namespace

const adze_driver_t *adze::rt::cpuDriver() {
  static const adze_driver_t driver = {sizeof(adze_driver_t),
                                       ADZE_DRIVER_VERSION,
                                       "cpu",
                                       cpuOpen,
                                       cpuClose,
                                       cpuQuery,
                                       cpuAllocate,
                                       cpuRelease,
                                       cpuLoad,
                                       cpuUnload,
                                       cpuQueueCreate,
                                       cpuQueueDestroy,
                                       cpuLaunch,
                                       cpuCopy,
                                       cpuFill,
                                       cpuSignal,
                                       cpuWait,
                                       cpuSynchronize,
                                       cpuLastError,
                                       nullptr,
                                       nullptr,
                                       nullptr,
                                       nullptr,
                                       nullptr,
                                       nullptr,
                                       nullptr};
  return &driver;
}
