// One opened device: its primary context, memory pool, images and tensor maps.
#ifndef ADZE_TARGETS_CUDA_DRIVER_DEVICE_H
#define ADZE_TARGETS_CUDA_DRIVER_DEVICE_H

#include "adze/driver.h"
#include "targets/cuda/driver/Api.h"
#include "targets/cuda/driver/TensorMaps.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace adze::cuda {

/// A launch that has not been waited for; the strings belong to the package.
struct Launched {
  const char *symbol, *nodes;
};

/// Kernels of one image by name, with what was found out about them.
struct Function {
  CUfunction handle = nullptr;
  int staticShared = 0;
  size_t parameters = 0; // number; SIZE_MAX: the driver does not tell
  int dynamicShared = 0; // what the device was told to allow
};

} // namespace adze::cuda

struct adze_image {
  adze::cuda::CUmodule module = nullptr;
  std::map<std::string, adze::cuda::Function> functions;
  std::mutex mutex; // images are shared by the queues of a device
};

struct adze_device {
  adze::cuda::Api api;
  adze::cuda::CUdevice device = 0;
  int ordinal = 0;
  adze::cuda::CUcontext context = nullptr;
  std::string name;
  unsigned major = 0, minor = 0;
  int units = 0, sharedOptIn = 0;
  adze::cuda::CUmemoryPool pool = nullptr;     // null: plain allocations
  adze::cuda::CUstream memoryStream = nullptr; // orders the pool's work
  bool synchronous = false;                    // ADZE_CUDA_SYNC: wait after every launch
  std::mutex memoryMutex;
  adze::cuda::TensorMaps tensorMaps;

  explicit adze_device(adze::cuda::Api api) : api(std::move(api)) {}
  /// Opens device number `ordinal`. Throws Error.
  void open(int ordinal);
  ~adze_device();

  std::string arch() const;
  /// What errors call it: "NVIDIA H100 (cuda:0, sm_90a)".
  std::string title() const;
  adze::cuda::CUdeviceptr allocate(size_t bytes);
  void release(adze::cuda::CUdeviceptr address);
  adze_image *load(const void *section, size_t bytes, const char *arch);
  void unload(adze_image &image);
  /// The kernel, ready for a launch with that much dynamic shared memory.
  adze::cuda::CUfunction prepare(adze_image &image, const adze_launch_t &launch);

  /// Throws the Error for a result that is not success: out of memory, a device that is lost, or a bug. `launched` are
  /// the kernels that may be the cause.
  void check(adze::cuda::CUresult result, const std::string &what,
             const std::vector<adze::cuda::Launched> &launched = {}) const;

private:
  size_t countParameters(adze::cuda::CUfunction function) const;
  adze::cuda::CUresult tryAllocate(size_t bytes, adze::cuda::CUdeviceptr &out);
  adze::cuda::CUresult loadModule(const char *code, adze::cuda::CUmodule &out, std::string &log) const;
  [[noreturn]] void lost(adze::cuda::CUresult result, const std::string &what,
                         const std::vector<adze::cuda::Launched> &launched) const;
};

namespace adze::cuda {

/// Makes the device's context current, and at the end the one that was (the thread may be the caller's).
class Current {
public:
  explicit Current(const adze_device &device);
  ~Current();
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;

private:
  const Api &api_;
  CUcontext previous_ = nullptr;
  bool changed_ = false;
};

/// Errors after which the context, or the process, is of no further use (cuda.h).
bool isSticky(CUresult result);

} // namespace adze::cuda

#endif
