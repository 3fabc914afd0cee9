// Device memory, pools, pinned host memory, copies and fills. CUDA driver API, "Memory Management", "Stream Ordered
// Memory Allocator", and "API synchronization behavior" for what copies of pageable memory do.
#include "tools/sim/cuda/driver/Entry.h"

#include <cstdlib>
#include <cstring>

using namespace adze::sim;
using namespace adze::sim::driver;

void adze::sim::driver::requireRange(State &state, uint64_t address, uint64_t bytes, const char *what) {
  if (bytes && !state.memory().find(address, bytes))
    fail(InvalidValue, std::string(what) + ": " + state.memory().explain(address, bytes));
}

namespace {

uint64_t allocateOrFail(State &state, uint64_t bytes, Pool *pool, const char *kind) {
  if (!bytes)
    fail(InvalidValue, "an allocation of 0 bytes");
  state.countAllocation(kind, bytes);
  uint64_t address = state.allocate(bytes, pool);
  if (!address)
    fail(OutOfMemory, std::to_string(bytes) + " bytes were asked for, " + std::to_string(state.memory().used()) +
                          " of " + std::to_string(state.settings.memoryBytes) + " are in use");
  return address;
}

Pool &findPool(State &state, void *handle) {
  Pool *pool = state.pools.find(handle);
  if (!pool)
    fail(InvalidHandle, "the memory pool does not exist or was destroyed");
  return *pool;
}

/// The live block that starts at the address; a freed or foreign one is a misuse.
DeviceBlock &findBlock(State &state, uint64_t address) {
  auto found = state.blocks.find(address);
  if (found == state.blocks.end())
    fail(InvalidValue, "this address is not the start of an allocation: " + state.memory().explain(address, 1));
  if (found->second.freeing)
    fail(InvalidValue, "this memory was freed already");
  return found->second;
}

void allocateAsync(State &state, uint64_t *out, size_t bytes, Pool *pool, void *handle, const char *call) {
  requirePointer(out, "dptr");
  state.requireContext();
  Stream &stream = state.stream(handle, call);
  if (stream.capture)
    fail(CaptureUnsupported, "the simulator records no allocations");
  *out = allocateOrFail(state, bytes, pool, "stream-ordered memory");
  state.submit(stream, [] {});
}

Pool &defaultPool(State &state) {
  if (!state.defaultPool)
    state.defaultPool = state.pools.add(std::make_unique<Pool>());
  return *state.defaultPool;
}

// --- copies: checked when they are asked for, done when the stream gets there ---

void writeNow(State &state, uint64_t to, const void *from, uint64_t bytes) {
  std::string error;
  if (!state.memory().write(to, from, bytes, error))
    fault(IllegalAddress, "copy to the device: " + error);
}

void readNow(State &state, void *to, uint64_t from, uint64_t bytes) {
  std::string error;
  uint64_t poison = 0;
  if (state.memory().read(to, from, bytes, error, poison))
    return;
  if (poison)
    fault(LaunchFailed, "copy to the host: a kernel computed the byte " + std::to_string(poison - from) + " of " +
                            std::to_string(bytes) + " from something uninitialised; " + error);
  fault(IllegalAddress, "copy to the host: " + error);
}

void pageableInCapture(Stream &stream) {
  if (!stream.capture)
    return;
  stream.invalidated = true;
  fail(CaptureUnsupported, "a copy of pageable host memory cannot be recorded");
}

void copyToDevice(State &state, uint64_t to, const void *from, size_t bytes, Stream &stream) {
  requireRange(state, to, bytes, "the destination");
  if (!bytes)
    return;
  requirePointer(from, "srcHost");
  if (state.isPinned(from, bytes)) {
    state.submit(stream, [&state, to, from, bytes] { writeNow(state, to, from, bytes); });
    return;
  }
  pageableInCapture(stream);
  // The driver has taken pageable memory over when the call returns.
  auto bytesOf = std::make_shared<std::vector<uint8_t>>(static_cast<const uint8_t *>(from),
                                                        static_cast<const uint8_t *>(from) + bytes);
  state.submit(stream, [&state, to, bytesOf] { writeNow(state, to, bytesOf->data(), bytesOf->size()); });
}

void copyToHost(State &state, void *to, uint64_t from, size_t bytes, Stream &stream) {
  requireRange(state, from, bytes, "the source");
  if (!bytes)
    return;
  requirePointer(to, "dstHost");
  bool pinned = state.isPinned(to, bytes);
  if (!pinned)
    pageableInCapture(stream);
  state.submit(stream, [&state, to, from, bytes] { readNow(state, to, from, bytes); });
  if (!pinned) {
    state.completeStream(stream);
    state.requireContext();
  }
}

void copyOnDevice(State &state, uint64_t to, uint64_t from, size_t bytes, Stream &stream) {
  requireRange(state, to, bytes, "the destination");
  requireRange(state, from, bytes, "the source");
  if (!bytes)
    return;
  if (to < from + bytes && from < to + bytes)
    fail(InvalidValue, "source and destination overlap");
  state.submit(stream, [&state, to, from, bytes] {
    std::string error;
    if (!state.memory().copy(to, from, bytes, error))
      fault(IllegalAddress, "copy on the device: " + error);
  });
}

void fill(State &state, uint64_t to, uint32_t value, unsigned width, size_t count, Stream &stream) {
  if (to % width)
    fail(InvalidValue, "the address of a fill is not a multiple of its element");
  requireRange(state, to, count * width, "the destination");
  if (!count)
    return;
  state.submit(stream, [&state, to, value, width, count] {
    std::string error;
    if (!state.memory().fill(to, &value, width, count, error))
      fault(IllegalAddress, "fill: " + error);
  });
}

/// Calls body(state, stream) in the context.
template <typename Body>
int onStream(const char *call, void *handle, Body &&body) {
  return entry(call, [&](State &state) {
    state.requireContext();
    body(state, state.stream(handle, call));
  });
}

/// The same on the legacy default stream, and waits for it.
template <typename Body>
int synchronously(const char *call, Body &&body) {
  return entry(call, [&](State &state) {
    state.requireContext();
    state.forbidInCapture(call);
    body(state, state.legacy);
    state.completeStream(state.legacy);
    state.requireContext();
  });
}

} // namespace

// --- device memory ---

ADZE_SIM_EXPORT int cuMemAlloc_v2(uint64_t *out, size_t bytes) {
  return entry("cuMemAlloc", [&](State &state) {
    requirePointer(out, "dptr");
    state.requireContext();
    state.forbidInCapture("cuMemAlloc");
    *out = allocateOrFail(state, bytes, nullptr, "device memory");
  });
}

ADZE_SIM_EXPORT int cuMemFree_v2(uint64_t address) {
  return entry("cuMemFree", [&](State &state) {
    state.requireContext();
    state.forbidInCapture("cuMemFree");
    if (!address)
      return;
    findBlock(state, address);
    state.completeAll(); // it waits for the device
    state.freeBlock(address);
    state.requireContext();
  });
}

ADZE_SIM_EXPORT int cuMemGetInfo_v2(size_t *freeBytes, size_t *total) {
  return entry("cuMemGetInfo", [&](State &state) {
    state.requireContext();
    if (freeBytes)
      *freeBytes = state.settings.memoryBytes - std::min(state.settings.memoryBytes, state.memory().used());
    if (total)
      *total = state.settings.memoryBytes;
  });
}

ADZE_SIM_EXPORT int cuMemAllocAsync(uint64_t *out, size_t bytes, void *stream) {
  return entry("cuMemAllocAsync", [&](State &state) {
    state.requireContext();
    allocateAsync(state, out, bytes, &defaultPool(state), stream, "cuMemAllocAsync");
  });
}

ADZE_SIM_EXPORT int cuMemAllocFromPoolAsync(uint64_t *out, size_t bytes, void *pool, void *stream) {
  return entry("cuMemAllocFromPoolAsync", [&](State &state) {
    state.requireContext();
    allocateAsync(state, out, bytes, &findPool(state, pool), stream, "cuMemAllocFromPoolAsync");
  });
}

ADZE_SIM_EXPORT int cuMemFreeAsync(uint64_t address, void *handle) {
  return onStream("cuMemFreeAsync", handle, [&](State &state, Stream &stream) {
    DeviceBlock &block = findBlock(state, address);
    if (stream.capture)
      fail(CaptureUnsupported, "the simulator records no frees");
    block.freeing = true;
    state.submit(stream, [&state, address] { state.freeBlock(address); });
  });
}

// --- pools ---

ADZE_SIM_EXPORT int cuMemPoolCreate(void **pool, const void *properties) {
  return entry("cuMemPoolCreate", [&](State &state) {
    requirePointer(pool, "pool");
    requirePointer(properties, "poolProps");
    state.requireContext();
    const auto *words = static_cast<const int *>(properties); // allocType, handleTypes, location.type, location.id
    if (words[0] != 1 || words[2] != 1 || words[3] != 0)
      fail(InvalidValue, "the properties do not describe pinned memory of device 0");
    state.countAllocation("memory pool", 0);
    *pool = state.pools.add(std::make_unique<Pool>());
  });
}

ADZE_SIM_EXPORT int cuMemPoolDestroy(void *pool) {
  return entry("cuMemPoolDestroy", [&](State &state) {
    state.requireContext();
    Pool &found = findPool(state, pool);
    state.completeAll();
    for (auto &[address, block] : state.blocks)
      if (block.pool == &found)
        block.pool = nullptr; // it lives on until it is freed
    state.pools.remove(pool);
  });
}

ADZE_SIM_EXPORT int cuMemPoolSetAttribute(void *pool, int which, void *value) {
  return entry("cuMemPoolSetAttribute", [&](State &state) {
    requirePointer(value, "value");
    state.requireContext();
    Pool &found = findPool(state, pool);
    if (which == 4) // release threshold
      found.threshold = *static_cast<uint64_t *>(value);
    else if (which < 1 || which > 3) // reuse policies: any is right
      fail(InvalidValue, "the simulator cannot set pool attribute " + std::to_string(which));
  });
}

ADZE_SIM_EXPORT int cuMemPoolGetAttribute(void *pool, int which, void *value) {
  return entry("cuMemPoolGetAttribute", [&](State &state) {
    requirePointer(value, "value");
    state.requireContext();
    Pool &found = findPool(state, pool);
    uint64_t result = 0;
    if (which == 4)
      result = found.threshold;
    else if (which == 5) // reserved
      result = found.used + found.cached;
    else if (which == 7) // in use
      result = found.used;
    else
      fail(InvalidValue, "the simulator does not know pool attribute " + std::to_string(which));
    *static_cast<uint64_t *>(value) = result;
  });
}

ADZE_SIM_EXPORT int cuMemPoolTrimTo(void *pool, size_t keep) {
  return entry("cuMemPoolTrimTo", [&](State &state) {
    state.requireContext();
    Pool &found = findPool(state, pool);
    found.cached = std::min<uint64_t>(found.cached, keep > found.used ? keep - found.used : 0);
  });
}

ADZE_SIM_EXPORT int cuDeviceGetDefaultMemPool(void **pool, int device) {
  return entry("cuDeviceGetDefaultMemPool", [&](State &state) {
    requirePointer(pool, "pool_out");
    state.requireInitialised();
    if (device != 0)
      fail(InvalidDevice, "device " + std::to_string(device) + " does not exist");
    *pool = &defaultPool(state);
  });
}

// --- host memory ---

ADZE_SIM_EXPORT int cuMemHostAlloc(void **out, size_t bytes, unsigned) {
  return entry("cuMemHostAlloc", [&](State &state) {
    requirePointer(out, "pp");
    state.requireContext();
    state.forbidInCapture("cuMemHostAlloc");
    if (!bytes)
      fail(InvalidValue, "an allocation of 0 bytes");
    state.countAllocation("pinned host memory", bytes);
    void *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!memory)
      fail(OutOfMemory, "the host refused " + std::to_string(bytes) + " bytes");
    state.pinned[reinterpret_cast<uintptr_t>(memory)] = bytes;
    *out = memory;
  });
}

ADZE_SIM_EXPORT int cuMemFreeHost(void *memory) {
  return entry("cuMemFreeHost", [&](State &state) {
    auto address = reinterpret_cast<uintptr_t>(memory);
    auto found = state.pinned.find(address);
    if (found == state.pinned.end() || state.registered.count(address))
      fail(InvalidValue, "this is not the start of memory from cuMemHostAlloc, or it was freed already");
    if (!state.sticky && state.contextUsers)
      state.completeAll(); // it waits for what still uses the memory
    state.pinned.erase(found);
    std::free(memory);
  });
}

ADZE_SIM_EXPORT int cuMemHostRegister_v2(void *memory, size_t bytes, unsigned) {
  return entry("cuMemHostRegister", [&](State &state) {
    requirePointer(memory, "p");
    state.requireContext();
    if (!bytes)
      fail(InvalidValue, "0 bytes cannot be registered");
    if (state.isPinned(memory, 1))
      fail(HostMemoryAlreadyRegistered, "");
    state.pinned[reinterpret_cast<uintptr_t>(memory)] = bytes;
    state.registered.insert(reinterpret_cast<uintptr_t>(memory));
  });
}

ADZE_SIM_EXPORT int cuMemHostUnregister(void *memory) {
  return entry("cuMemHostUnregister", [&](State &state) {
    state.requireContext();
    auto address = reinterpret_cast<uintptr_t>(memory);
    if (!state.registered.erase(address))
      fail(HostMemoryNotRegistered, "");
    state.completeAll();
    state.pinned.erase(address);
  });
}

ADZE_SIM_EXPORT int cuPointerGetAttribute(void *out, int which, uint64_t address) {
  return entry("cuPointerGetAttribute", [&](State &state) {
    requirePointer(out, "data");
    state.requireContext();
    const Allocation *device = state.memory().find(address, 1);
    bool host = state.isPinned(reinterpret_cast<void *>(uintptr_t(address)), 1);
    if (!device && !host)
      fail(InvalidValue, "the driver does not know this address");
    switch (which) {
    case 1: // context
      *static_cast<void **>(out) = state.contextHandle();
      return;
    case 2: // memory type: host 1, device 2
      *static_cast<unsigned *>(out) = device ? 2 : 1;
      return;
    case 3: // device pointer
      *static_cast<uint64_t *>(out) = address;
      return;
    case 9: // device ordinal
      *static_cast<int *>(out) = 0;
      return;
    case 11: // range start
      if (device) {
        *static_cast<uint64_t *>(out) = device->base;
        return;
      }
      break;
    case 12: // range size
      if (device) {
        *static_cast<size_t *>(out) = device->size;
        return;
      }
      break;
    default:
      break;
    }
    fail(InvalidValue, "the simulator does not know pointer attribute " + std::to_string(which));
  });
}

// --- copies and fills ---

ADZE_SIM_EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *handle) {
  return onStream("cuMemcpyHtoDAsync", handle,
                  [&](State &state, Stream &stream) { copyToDevice(state, to, from, bytes, stream); });
}
ADZE_SIM_EXPORT int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *handle) {
  return onStream("cuMemcpyDtoHAsync", handle,
                  [&](State &state, Stream &stream) { copyToHost(state, to, from, bytes, stream); });
}
ADZE_SIM_EXPORT int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *handle) {
  return onStream("cuMemcpyDtoDAsync", handle,
                  [&](State &state, Stream &stream) { copyOnDevice(state, to, from, bytes, stream); });
}
ADZE_SIM_EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  return synchronously("cuMemcpyHtoD",
                       [&](State &state, Stream &stream) { copyToDevice(state, to, from, bytes, stream); });
}
ADZE_SIM_EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  return synchronously("cuMemcpyDtoH",
                       [&](State &state, Stream &stream) { copyToHost(state, to, from, bytes, stream); });
}
ADZE_SIM_EXPORT int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
  return synchronously("cuMemcpyDtoD",
                       [&](State &state, Stream &stream) { copyOnDevice(state, to, from, bytes, stream); });
}
ADZE_SIM_EXPORT int cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void *handle) {
  return onStream("cuMemsetD8Async", handle,
                  [&](State &state, Stream &stream) { fill(state, to, value, 1, count, stream); });
}
ADZE_SIM_EXPORT int cuMemsetD16Async(uint64_t to, unsigned short value, size_t count, void *handle) {
  return onStream("cuMemsetD16Async", handle,
                  [&](State &state, Stream &stream) { fill(state, to, value, 2, count, stream); });
}
ADZE_SIM_EXPORT int cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void *handle) {
  return onStream("cuMemsetD32Async", handle,
                  [&](State &state, Stream &stream) { fill(state, to, value, 4, count, stream); });
}
ADZE_SIM_EXPORT int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t count) {
  return synchronously("cuMemsetD8", [&](State &state, Stream &stream) { fill(state, to, value, 1, count, stream); });
}
ADZE_SIM_EXPORT int cuMemsetD32_v2(uint64_t to, unsigned value, size_t count) {
  return synchronously("cuMemsetD32", [&](State &state, Stream &stream) { fill(state, to, value, 4, count, stream); });
}
