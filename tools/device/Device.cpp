#include "tools/device/Device.h"
#include <cstdlib>
#include <dlfcn.h>
#include <stdexcept>

namespace adze::device {

template <typename F>
F Gpu::find(const char *function) const {
  void *f = dlsym(library_, function);
  if (!f)
    throw std::runtime_error(std::string("the CUDA driver has no function ") + function);
  return reinterpret_cast<F>(f);
}

template <typename... A>
void Gpu::call(const char *function, A... arguments) const {
  int status = find<int (*)(A...)>(function)(arguments...);
  if (status == 0)
    return;
  const char *name = nullptr;
  find<int (*)(int, const char **)>("cuGetErrorName")(status, &name);
  throw std::runtime_error(std::string(function) + ": " + (name ? name : std::to_string(status).c_str()));
}

Gpu::Gpu(int ordinal) {
  const char *chosen = std::getenv("ADZE_CUDA_LIBRARY");
  library_ = dlopen(chosen && *chosen ? chosen : "libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (!library_)
    throw std::runtime_error(std::string("no CUDA driver: ") + dlerror());
  call("cuInit", 0u);
  call("cuDeviceGet", &device_, ordinal);
  call("cuDevicePrimaryCtxRetain", &context_, device_);
  call("cuCtxSetCurrent", context_);
  call("cuStreamCreate", &stream_, 1u /* not synchronous with the legacy stream */);
}

Gpu::~Gpu() {
  if (stream_)
    find<int (*)(void *)>("cuStreamDestroy_v2")(stream_);
  if (context_)
    find<int (*)(int)>("cuDevicePrimaryCtxRelease_v2")(device_);
}

Gpu::Address Gpu::allocate(size_t bytes) {
  Address out = 0;
  call("cuMemAlloc_v2", &out, bytes);
  return out;
}
void Gpu::release(Address address) { call("cuMemFree_v2", address); }
void Gpu::upload(Address to, const void *from, size_t bytes) {
  call("cuMemcpyHtoDAsync_v2", to, from, bytes, stream_);
  synchronize();
}
void Gpu::copy(Address to, Address from, size_t bytes) { call("cuMemcpyDtoDAsync_v2", to, from, bytes, stream_); }
void Gpu::synchronize() { call("cuStreamSynchronize", stream_); }

Gpu::Event Gpu::event() {
  Event out = nullptr;
  call("cuEventCreate", &out, 0u);
  return out;
}
void Gpu::record(Event event) { call("cuEventRecord", event, stream_); }
void Gpu::destroy(Event event) { call("cuEventDestroy_v2", event); }
double Gpu::between(Event from, Event to) {
  float milliseconds = 0;
  call("cuEventSynchronize", to);
  call("cuEventElapsedTime", &milliseconds, from, to);
  return double(milliseconds) * 1000;
}

int Gpu::attribute(int number) const {
  int out = 0;
  call("cuDeviceGetAttribute", &out, number, device_);
  return out;
}
int Gpu::capability() const { return attribute(75) * 10 + attribute(76); }
int Gpu::multiprocessors() const { return attribute(16); }
std::string Gpu::name() const {
  char out[128] = {};
  call("cuDeviceGetName", &out[0], int(sizeof out), device_);
  return out;
}
std::string Gpu::driverVersion() const {
  int version = 0;
  call("cuDriverGetVersion", &version);
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

} // namespace adze::device
