#include "targets/cuda/driver/Api.h"

#include "targets/cuda/driver/Error.h"

#include <cstdlib>
#include <dlfcn.h>

namespace adze::cuda {

namespace {

/// Finds functions through cuGetProcAddress where the library has it: with the version that a declaration was written
/// for, so that a newer driver still answers with that ABI. Exported symbols keep theirs too and serve as the fallback.
class Resolver {
public:
  explicit Resolver(void *handle) : handle_(handle) {
    v2_ = reinterpret_cast<GetV2>(dlsym(handle, "cuGetProcAddress_v2"));
    v1_ = reinterpret_cast<GetV1>(dlsym(handle, "cuGetProcAddress"));
  }

  void *find(const char *symbol, const char *name, int version) const {
    void *found = nullptr;
    if (v2_ && v2_(name, &found, version, 0, nullptr) == kSuccess && found)
      return found;
    if (v1_ && v1_(name, &found, version, 0) == kSuccess && found)
      return found;
    return dlsym(handle_, symbol);
  }

private:
  using GetV2 = CUresult (*)(const char *, void **, int, uint64_t, int *);
  using GetV1 = CUresult (*)(const char *, void **, int, uint64_t);
  void *handle_;
  GetV2 v2_;
  GetV1 v1_;
};

} // namespace

Api Api::load() {
  const char *chosen = std::getenv("ADZE_CUDA_LIBRARY");
  Api api;
  // Never libcuda.so: that is the toolkit's stub.
  api.library = chosen && *chosen ? chosen : "libcuda.so.1";
  // A driver must not be unloaded: its threads and exit handlers stay. Each device opens it again, at no cost.
  void *handle = dlopen(api.library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    const char *why = dlerror();
    fail(ADZE_DEVICE, "the NVIDIA driver cannot be loaded", api.library, why ? why : "unknown reason",
         chosen && *chosen ? "correct ADZE_CUDA_LIBRARY, or unset it to use the installed driver"
                           : "install NVIDIA's driver for this GPU, or use the simulator (--sim)");
  }
  Resolver resolver(handle);
  std::string missing;
#define ADZE_CUDA_RESOLVE(member, symbol, name, version, required, parameters)                                         \
  api.member = reinterpret_cast<CUresult(*) parameters>(resolver.find(symbol, name, version));                         \
  if (required && !api.member)                                                                                         \
    missing += std::string(missing.empty() ? "" : ", ") + symbol;
  ADZE_CUDA_FUNCTIONS(ADZE_CUDA_RESOLVE)
#undef ADZE_CUDA_RESOLVE
  api.simLastError = reinterpret_cast<const char *(*)()>(dlsym(handle, "adzeSimLastError"));
  if (!missing.empty())
    fail(ADZE_DEVICE, "the NVIDIA driver is too old", api.library, "it lacks " + missing,
         "install a driver of CUDA 11.0 or newer");
  return api;
}

std::string Api::text(CUresult result) const {
  const char *name = nullptr, *about = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &about);
  return std::string(name ? name : "unknown error") + " (" + std::to_string(result) + ")" +
         (about ? std::string(": ") + about : std::string());
}

} // namespace adze::cuda
