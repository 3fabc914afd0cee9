#include "targets/cuda/driver/Queue.h"

#include "targets/cuda/driver/Error.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>

using namespace adze::cuda;

adze_queue::adze_queue(adze_device &device, CUstream given) : device(device), stream(given), own_(!given) {
  const Api &api = device.api;
  if (own_) {
    constexpr unsigned kNonBlocking = 1;
    device.check(api.streamCreateWithPriority(&stream, kNonBlocking, 0), "cannot make a stream");
    return;
  }
  CUcontext context = nullptr;
  if (!api.streamGetCtx)
    return;
  if (CUresult result = api.streamGetCtx(stream, &context); result != kSuccess)
    fail(ADZE_INVALID_ARGUMENT, "the queue is not a stream", "the queue of a run", api.text(result),
         "pass a CUstream (or cudaStream_t) of the session's device");
  if (context != device.context)
    fail(ADZE_INVALID_ARGUMENT, "the queue belongs to another context", "the queue of a run",
         "sessions work in the primary context of " + device.title(),
         "pass a stream that was made in that device's primary context");
}

adze_queue::~adze_queue() { release(); }

void adze_queue::release() {
  const Api &api = device.api;
  for (Chunk &chunk : chunks_) {
    if (chunk.done)
      api.eventDestroy(chunk.done);
    if (chunk.memory)
      api.memFreeHost(chunk.memory);
  }
  for (CUevent event : signals_)
    api.eventDestroy(event);
  if (own_ && stream)
    api.streamDestroy(stream);
}

// --- launches ---

void adze_queue::remember(Launched launched) {
  if (launched_.size() < kMaxLaunched)
    launched_.push_back(launched);
}

namespace {

unsigned dimension(int64_t value, int64_t limit, const char *what, const adze_launch_t &launch) {
  if (value < 1 || value > limit)
    fail(ADZE_RESOURCE, "a kernel's launch is too large for the device",
         std::string("kernel '") + launch.symbol + "' of " + launch.nodes,
         std::string(what) + " is " + std::to_string(value) + ", the limit is " + std::to_string(limit),
         "use smaller inputs");
  return unsigned(value);
}

} // namespace

void adze_queue::launch(const adze_launch_t &launch) {
  CUfunction function = device.prepare(*launch.image, launch);
  unsigned grid[3], block[3];
  constexpr int64_t kGridLimits[] = {2147483647, 65535, 65535}, kBlockLimits[] = {1024, 1024, 64};
  for (int i = 0; i < 3; ++i) {
    grid[i] = dimension(launch.grid[i], kGridLimits[i], "a dim of the grid", launch);
    block[i] = dimension(std::max<int64_t>(launch.block[i], 1), kBlockLimits[i], "a dim of the block", launch);
  }
  // Each parameter is passed by the address of its value: buffers, scalars, tensor maps.
  parameters_.clear();
  for (uint32_t i = 0; i < launch.num_buffers; ++i)
    parameters_.push_back(const_cast<adze_address_t *>(launch.buffers + i));
  for (uint32_t i = 0; i < launch.num_scalars; ++i)
    parameters_.push_back(const_cast<int64_t *>(launch.scalars + i));
  for (uint32_t i = 0; i < launch.num_descriptors; ++i)
    parameters_.push_back(launch.descriptors[i]);
  remember({launch.symbol, launch.nodes});
  check(device.api.launchKernel(function, grid[0], grid[1], grid[2], block[0], block[1], block[2],
                                unsigned(launch.shared_bytes), stream, parameters_.data(), nullptr),
        std::string("kernel '") + launch.symbol + "' of " + launch.nodes + " cannot be launched");
  if (device.synchronous && !capturing_)
    synchronize();
}

// --- copies ---

bool adze_queue::isPinned(const void *pointer) const {
  constexpr int kMemoryType = 2;
  unsigned type = 0;
  return device.api.pointerGetAttribute(&type, kMemoryType, CUdeviceptr(reinterpret_cast<uintptr_t>(pointer))) ==
             kSuccess &&
         type == 1; // host memory that the driver knows
}

bool adze_queue::makeChunks() {
  if (chunks_[0].memory || chunksRefused_)
    return !chunksRefused_;
  const Api &api = device.api;
  constexpr unsigned kNoTiming = 2;
  for (Chunk &chunk : chunks_)
    if (api.memHostAlloc(&chunk.memory, kChunkBytes, 0) != kSuccess ||
        api.eventCreate(&chunk.done, kNoTiming) != kSuccess) {
      chunksRefused_ = true;
      for (Chunk &made : chunks_) {
        if (made.memory)
          api.memFreeHost(made.memory);
        if (made.done)
          api.eventDestroy(made.done);
        made = {};
      }
      break;
    }
  return !chunksRefused_;
}

adze_queue::Chunk &adze_queue::nextChunk() {
  Chunk &chunk = chunks_[chunk_];
  chunk_ = (chunk_ + 1) % kChunks;
  if (chunk.busy)
    check(device.api.eventSynchronize(chunk.done), "a copy to the device failed");
  chunk.busy = false;
  return chunk;
}

/// Memory that the driver does not know is copied through pinned memory: the copy engine works on one part while the
/// next one is filled.
void adze_queue::upload(CUdeviceptr to, const void *from, size_t bytes) {
  const Api &api = device.api;
  if (isPinned(from) || !makeChunks()) {
    check(api.memcpyHtoDAsync(to, from, bytes, stream), "a copy to the device failed");
    return;
  }
  for (size_t at = 0; at < bytes; at += kChunkBytes) {
    size_t part = std::min(kChunkBytes, bytes - at);
    Chunk &chunk = nextChunk();
    std::memcpy(chunk.memory, static_cast<const char *>(from) + at, part);
    check(api.memcpyHtoDAsync(to + at, chunk.memory, part, stream), "a copy to the device failed");
    chunk.busy = true;
    check(api.eventRecord(chunk.done, stream), "a copy to the device failed");
  }
}

void adze_queue::download(void *to, CUdeviceptr from, size_t bytes) {
  const Api &api = device.api;
  if (isPinned(to) || !makeChunks()) {
    check(api.memcpyDtoHAsync(to, from, bytes, stream), "a copy from the device failed");
    return;
  }
  char *pending = nullptr; // where the part before this one belongs
  size_t pendingBytes = 0;
  Chunk *before = nullptr;
  auto take = [&] {
    if (!before)
      return;
    before->busy = false;
    check(api.eventSynchronize(before->done), "a copy from the device failed");
    std::memcpy(pending, before->memory, pendingBytes);
  };
  for (size_t at = 0; at < bytes; at += kChunkBytes) {
    size_t part = std::min(kChunkBytes, bytes - at);
    Chunk &chunk = nextChunk();
    check(api.memcpyDtoHAsync(chunk.memory, from + at, part, stream), "a copy from the device failed");
    chunk.busy = true;
    check(api.eventRecord(chunk.done, stream), "a copy from the device failed");
    take();
    before = &chunk;
    pending = static_cast<char *>(to) + at;
    pendingBytes = part;
  }
  take();
}

void adze_queue::copy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  if (to != from)
    check(device.api.memcpyDtoDAsync(to, from, bytes, stream), "a copy on the device failed");
}

void adze_queue::fill(CUdeviceptr to, uint64_t pattern, uint32_t patternBytes, size_t bytes) {
  const Api &api = device.api;
  const char *what = "a fill failed";
  // The narrowest form that says the same.
  while (patternBytes > 1) {
    uint32_t half = patternBytes / 2;
    uint64_t mask = (uint64_t(1) << (8 * half)) - 1;
    if ((pattern & mask) != ((pattern >> (8 * half)) & mask))
      break;
    patternBytes = half;
  }
  assert(patternBytes && "a pattern has bytes");
  if (patternBytes == 1)
    return check(api.memsetD8Async(to, static_cast<unsigned char>(pattern), bytes, stream), what);
  size_t count = bytes / patternBytes, whole = count * patternBytes;
  if (patternBytes == 2 && count) {
    check(api.memsetD16Async(to, static_cast<unsigned short>(pattern), count, stream), what);
  } else if (patternBytes == 4 && count) {
    check(api.memsetD32Async(to, static_cast<unsigned>(pattern), count, stream), what);
  } else if (count) {
    // No function sets 8 bytes: the first pattern in halves, then what is there is copied behind itself.
    check(api.memsetD32Async(to, static_cast<unsigned>(pattern), 1, stream), what);
    check(api.memsetD32Async(to + 4, static_cast<unsigned>(pattern >> 32), 1, stream), what);
    for (size_t done = 8; done < whole; done += std::min(done, whole - done))
      check(api.memcpyDtoDAsync(to + done, to, std::min(done, whole - done), stream), what);
  }
  for (size_t at = whole; at < bytes; ++at)
    check(api.memsetD8Async(to + at, static_cast<unsigned char>(pattern >> (8 * (at - whole))), 1, stream), what);
}

// --- signals ---

uint64_t adze_queue::signal() {
  size_t slot = tickets_ % kSignals;
  if (slot == signals_.size()) {
    CUevent event = nullptr;
    check(device.api.eventCreate(&event, 0), "cannot make an event");
    signals_.push_back(event);
  }
  check(device.api.eventRecord(signals_[slot], stream), "cannot record an event");
  return ++tickets_;
}

/// An event that was recorded again since then is reached later, which is long enough to wait.
void adze_queue::wait(uint64_t ticket) {
  if (ticket == 0 || ticket > tickets_)
    fail(ADZE_INVALID_ARGUMENT, "no such signal", "a queue of " + device.title(), "ticket " + std::to_string(ticket),
         "wait for what signal() returned");
  check(device.api.eventSynchronize(signals_[(ticket - 1) % kSignals]), "the device failed");
}

uint64_t adze_queue::elapsed(uint64_t from, uint64_t to) {
  uint64_t oldest = tickets_ > kSignals ? tickets_ - kSignals + 1 : 1;
  if (from < oldest || to < oldest || from > tickets_ || to > tickets_)
    fail(ADZE_INVALID_ARGUMENT, "no such signal", "a queue of " + device.title(),
         "tickets " + std::to_string(from) + " and " + std::to_string(to), "ask for the last 1024 signals");
  float milliseconds = 0;
  check(device.api.eventElapsedTime(&milliseconds, signals_[(from - 1) % kSignals], signals_[(to - 1) % kSignals]),
        "cannot read the time");
  return milliseconds > 0 ? uint64_t(double(milliseconds) * 1e6) : 0;
}

void adze_queue::synchronize() {
  check(device.api.streamSynchronize(stream), "the device failed");
  launched_.clear();
}

// --- recordings ---

void adze_queue::beginCapture() {
  if (!device.api.hasGraphs() || device.synchronous)
    fail(ADZE_UNSUPPORTED, "runs cannot be recorded", device.title(),
         device.synchronous ? "ADZE_CUDA_SYNC is set" : "the driver is older than CUDA 11.4", "run without recording");
  constexpr int kThreadLocal = 1;
  check(device.api.streamBeginCapture(stream, kThreadLocal), "a recording cannot begin");
  capturing_ = true;
  launched_.clear();
}

adze_capture *adze_queue::endCapture(bool wanted) {
  const Api &api = device.api;
  if (!capturing_)
    return nullptr;
  capturing_ = false;
  CUgraph graph = nullptr;
  CUresult result = api.streamEndCapture(stream, &graph);
  auto capture = std::make_unique<adze_capture>();
  capture->launches = std::move(launched_);
  launched_.clear();
  if (result == kSuccess && wanted)
    result = api.graphInstantiate(&capture->graph, graph, 0);
  if (graph)
    api.graphDestroy(graph);
  if (!wanted)
    return nullptr;
  check(result, "a recording cannot be made");
  return capture.release();
}

void adze_queue::replay(const adze_capture &capture) {
  for (Launched launched : capture.launches)
    remember(launched);
  check(device.api.graphLaunch(capture.graph, stream), "a recorded run cannot be launched");
}
