// The driver's table (adze/driver.h): every function makes the device's context current and turns errors into a status.
#include "targets/cuda/driver/Error.h"
#include "targets/cuda/driver/Queue.h"

#include <cstring>

using namespace adze::cuda;

namespace {

adze_status_t driverOpen(int ordinal, const adze_options_t *, adze_device_t **out) {
  return guard([&] {
    auto device = std::make_unique<adze_device>(Api::load());
    device->open(ordinal);
    *out = device.release();
  });
}

void driverClose(adze_device_t *device) { delete device; }

adze_status_t driverQuery(adze_device_t *device, adze_device_info_t *out) {
  return guard([&] {
    Current current(*device);
    adze_device_info_t info{};
    info.struct_size = out->struct_size;
    std::strncpy(info.name, device->name.c_str(), sizeof(info.name) - 1);
    std::strncpy(info.arch, device->arch().c_str(), sizeof(info.arch) - 1);
    size_t freeBytes = 0, total = 0;
    device->check(device->api.memGetInfo(&freeBytes, &total), "cannot query the device's memory");
    info.total_bytes = total;
    info.free_bytes = freeBytes;
    info.num_units = device->units;
    info.host_memory = 0;
    std::memcpy(out, &info, std::min(out->struct_size, sizeof(info)));
  });
}

adze_status_t driverAllocate(adze_device_t *device, size_t bytes, adze_address_t *out) {
  return guard([&] {
    Current current(*device);
    *out = device->allocate(bytes);
  });
}

void driverRelease(adze_device_t *device, adze_address_t address, size_t) {
  guard([&] {
    Current current(*device);
    device->release(address);
  });
}

adze_status_t driverLoad(adze_device_t *device, const void *code, size_t bytes, const char *arch, adze_image_t **out) {
  return guard([&] {
    Current current(*device);
    *out = device->load(code, bytes, arch);
  });
}

void driverUnload(adze_device_t *device, adze_image_t *image) {
  std::unique_ptr<adze_image> owned(image);
  guard([&] {
    Current current(*device);
    device->unload(*image);
  });
}

adze_status_t driverQueueCreate(adze_device_t *device, adze_queue_t **out) {
  return guard([&] {
    Current current(*device);
    *out = new adze_queue(*device, nullptr);
  });
}

adze_status_t driverWrapQueue(adze_device_t *device, void *native, adze_queue_t **out) {
  return guard([&] {
    Current current(*device);
    *out = new adze_queue(*device, static_cast<CUstream>(native));
  });
}

void driverQueueDestroy(adze_device_t *device, adze_queue_t *queue) {
  std::unique_ptr<adze_queue> owned(queue); // of a lost device: its calls only answer errors
  guard([&] {
    Current current(*device);
    owned.reset();
  });
}

adze_status_t driverLaunch(adze_queue_t *queue, const adze_launch_t *launch) {
  return guard([&] {
    Current current(queue->device);
    queue->launch(*launch);
  });
}

adze_status_t driverCopy(adze_queue_t *queue, adze_address_t to, adze_address_t from, size_t bytes, int kind) {
  return guard([&] {
    Current current(queue->device);
    if (kind == 0)
      queue->upload(to, reinterpret_cast<const void *>(uintptr_t(from)), bytes);
    else if (kind == 1)
      queue->download(reinterpret_cast<void *>(uintptr_t(to)), from, bytes);
    else
      queue->copy(to, from, bytes);
  });
}

adze_status_t driverFill(adze_queue_t *queue, adze_address_t to, uint64_t pattern, uint32_t patternBytes,
                         size_t bytes) {
  return guard([&] {
    Current current(queue->device);
    queue->fill(to, pattern, patternBytes, bytes);
  });
}

adze_status_t driverSignal(adze_queue_t *queue, uint64_t *ticket) {
  return guard([&] {
    Current current(queue->device);
    *ticket = queue->signal();
  });
}

adze_status_t driverWait(adze_queue_t *queue, uint64_t ticket) {
  return guard([&] {
    Current current(queue->device);
    queue->wait(ticket);
  });
}

adze_status_t driverElapsed(adze_queue_t *queue, uint64_t from, uint64_t to, uint64_t *nanoseconds) {
  return guard([&] {
    Current current(queue->device);
    *nanoseconds = queue->elapsed(from, to);
  });
}

adze_status_t driverSynchronize(adze_queue_t *queue) {
  return guard([&] {
    Current current(queue->device);
    queue->synchronize();
  });
}

const char *driverLastError(adze_device_t *) { return lastError(); }

adze_status_t driverBuildDescriptor(adze_device_t *device, const int64_t *recipe, size_t words, void **out) {
  return guard([&] {
    Current current(*device);
    *out = device->tensorMaps.get(device->api, std::vector<int64_t>(recipe, recipe + words));
  });
}

void driverReleaseDescriptor(adze_device_t *device, void *descriptor) {
  device->tensorMaps.release(static_cast<const CUtensorMap *>(descriptor));
}

adze_status_t driverCapture(adze_queue_t *queue, int begin, adze_capture_t **out) {
  return guard([&] {
    Current current(queue->device);
    if (begin) {
      queue->beginCapture();
      return;
    }
    adze_capture *capture = queue->endCapture(out != nullptr);
    if (out)
      *out = capture;
  });
}

adze_status_t driverReplay(adze_queue_t *queue, adze_capture_t *capture) {
  return guard([&] {
    Current current(queue->device);
    queue->replay(*capture);
  });
}

void driverReleaseCapture(adze_device_t *device, adze_capture_t *capture) {
  guard([&] {
    Current current(*device);
    device->api.graphExecDestroy(capture->graph);
  });
  delete capture;
}

const adze_driver_t kDriver = {sizeof(adze_driver_t),
                               ADZE_DRIVER_VERSION,
                               "cuda",
                               driverOpen,
                               driverClose,
                               driverQuery,
                               driverAllocate,
                               driverRelease,
                               driverLoad,
                               driverUnload,
                               driverQueueCreate,
                               driverQueueDestroy,
                               driverLaunch,
                               driverCopy,
                               driverFill,
                               driverSignal,
                               driverWait,
                               driverSynchronize,
                               driverLastError,
                               driverWrapQueue,
                               driverBuildDescriptor,
                               driverCapture,
                               driverReplay,
                               driverReleaseDescriptor,
                               driverReleaseCapture,
                               driverElapsed};

} // namespace

extern "C" __attribute__((visibility("default"))) const adze_driver_t *adze_driver_get(uint32_t abi) {
  return abi == ADZE_DRIVER_VERSION ? &kDriver : nullptr;
}
