// A device with memory of its own, for tests: addresses are not pointers, so whoever mixes them up crashes. Its only
// kernel is "scale" (y = 2 x); its queue takes kernel launches and copies in order and runs them at synchronize().
#include "adze/driver.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

struct adze_device {
  int64_t live = 0;
  std::string error;
};
struct adze_image {
  std::string arch;
};
struct adze_queue {
  std::vector<std::function<void()>> work;
};

namespace {

constexpr adze_address_t kTag = adze_address_t(1) << 60;
void *real(adze_address_t address) { return reinterpret_cast<void *>(uintptr_t(address - kTag)); }
void *host(adze_address_t address) { return reinterpret_cast<void *>(uintptr_t(address)); }

adze_status_t open(int ordinal, const adze_options_t *, adze_device_t **out) {
  if (ordinal > 1)
    return ADZE_DEVICE;
  *out = new adze_device;
  return ADZE_OK;
}
void close(adze_device_t *device) {
  if (device->live != 0)
    std::abort(); // a leak
  delete device;
}
adze_status_t query(adze_device_t *, adze_device_info_t *out) {
  std::strcpy(out->name, "test device");
  std::strcpy(out->arch, "t2");
  out->num_units = 1;
  out->host_memory = 0;
  return ADZE_OK;
}
adze_status_t allocate(adze_device_t *device, size_t bytes, adze_address_t *out) {
  if (bytes > size_t(1) << 30) {
    device->error = "too much";
    return ADZE_RESOURCE;
  }
  *out = reinterpret_cast<uintptr_t>(std::aligned_alloc(256, (bytes + 511) / 256 * 256)) + kTag;
  device->live += int64_t(bytes);
  return ADZE_OK;
}
void release(adze_device_t *device, adze_address_t address, size_t bytes) {
  device->live -= int64_t(bytes);
  std::free(real(address));
}
adze_status_t load(adze_device_t *device, const void *, size_t, const char *arch, adze_image_t **out) {
  if (std::string(arch) == "t9")
    return ADZE_UNSUPPORTED;
  *out = new adze_image{arch};
  return ADZE_OK;
}
void unload(adze_device_t *, adze_image_t *image) { delete image; }
adze_status_t queueCreate(adze_device_t *, adze_queue_t **out) {
  *out = new adze_queue;
  return ADZE_OK;
}
void queueDestroy(adze_device_t *, adze_queue_t *queue) { delete queue; }
adze_status_t launch(adze_queue_t *queue, const adze_launch_t *launch) {
  if (std::string(launch->symbol) != "scale")
    return ADZE_DEVICE;
  const float *x = static_cast<const float *>(real(launch->buffers[0]));
  float *y = static_cast<float *>(real(launch->buffers[1]));
  int64_t total = launch->scalars[0];
  queue->work.push_back([=] {
    for (int64_t i = 0; i < total; ++i)
      y[i] = 2 * x[i];
  });
  return ADZE_OK;
}
adze_status_t copy(adze_queue_t *queue, adze_address_t to, adze_address_t from, size_t bytes, int kind) {
  void *target = kind == 1 ? host(to) : real(to);
  const void *source = kind == 0 ? host(from) : real(from);
  queue->work.push_back([=] { std::memcpy(target, source, bytes); });
  return ADZE_OK;
}
adze_status_t fill(adze_queue_t *queue, adze_address_t to, uint64_t pattern, uint32_t patternBytes, size_t bytes) {
  auto *target = static_cast<unsigned char *>(real(to));
  queue->work.push_back([=] {
    for (size_t i = 0; i < bytes; ++i)
      target[i] = reinterpret_cast<const unsigned char *>(&pattern)[i % patternBytes];
  });
  return ADZE_OK;
}
adze_status_t signal(adze_queue_t *, uint64_t *) { return ADZE_OK; }
adze_status_t synchronize(adze_queue_t *queue) {
  for (auto &item : queue->work)
    item();
  queue->work.clear();
  return ADZE_OK;
}
adze_status_t wait(adze_queue_t *queue, uint64_t) { return synchronize(queue); }
const char *lastError(adze_device_t *device) { return device ? device->error.c_str() : "no such test device"; }

const adze_driver_t driver = {sizeof(adze_driver_t),
                              ADZE_DRIVER_VERSION,
                              "testdev",
                              open,
                              close,
                              query,
                              allocate,
                              release,
                              load,
                              unload,
                              queueCreate,
                              queueDestroy,
                              launch,
                              copy,
                              fill,
                              signal,
                              wait,
                              synchronize,
                              lastError,
                              nullptr,
                              nullptr,
                              nullptr,
                              nullptr};

} // namespace

extern "C" __attribute__((visibility("default"))) const adze_driver_t *adze_driver_get(uint32_t abi) {
  return abi == ADZE_DRIVER_VERSION ? &driver : nullptr;
}
