// In-order work on one stream: launches, copies through pinned memory, fills, signals, recordings.
#ifndef ADZE_TARGETS_CUDA_DRIVER_QUEUE_H
#define ADZE_TARGETS_CUDA_DRIVER_QUEUE_H

#include "targets/cuda/driver/Device.h"

struct adze_capture {
  adze::cuda::CUgraphExec graph = nullptr;
  std::vector<adze::cuda::Launched> launches;
};

struct adze_queue {
  adze_device &device;
  adze::cuda::CUstream stream = nullptr;

  /// stream: the caller's; null makes an own one. Throws Error.
  adze_queue(adze_device &device, adze::cuda::CUstream stream);
  ~adze_queue();

  void launch(const adze_launch_t &launch);
  void upload(adze::cuda::CUdeviceptr to, const void *from, size_t bytes);
  void download(void *to, adze::cuda::CUdeviceptr from, size_t bytes);
  void copy(adze::cuda::CUdeviceptr to, adze::cuda::CUdeviceptr from, size_t bytes);
  void fill(adze::cuda::CUdeviceptr to, uint64_t pattern, uint32_t patternBytes, size_t bytes);
  uint64_t signal();
  void wait(uint64_t ticket);
  uint64_t elapsed(uint64_t from, uint64_t to);
  void synchronize();
  void beginCapture();
  /// wanted false: what was recorded is dropped.
  adze_capture *endCapture(bool wanted);
  void replay(const adze_capture &capture);

private:
  static constexpr size_t kChunkBytes = size_t(1) << 20, kChunks = 2;
  static constexpr size_t kSignals = 1024, kMaxLaunched = 4096;
  struct Chunk {
    void *memory = nullptr;
    adze::cuda::CUevent done = nullptr;
    bool busy = false;
  };

  void check(adze::cuda::CUresult result, const std::string &what) { device.check(result, what, launched_); }
  void remember(adze::cuda::Launched launched);
  bool isPinned(const void *pointer) const;
  bool makeChunks();
  Chunk &nextChunk();
  void release();

  bool own_;
  bool capturing_ = false;
  Chunk chunks_[kChunks];
  size_t chunk_ = 0;
  bool chunksRefused_ = false; // no pinned memory: copies go without
  std::vector<adze::cuda::CUevent> signals_;
  uint64_t tickets_ = 0;
  std::vector<adze::cuda::Launched> launched_; // since the last time that the queue was seen empty
  std::vector<void *> parameters_;
};

#endif
