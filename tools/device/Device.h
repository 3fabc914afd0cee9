// The few functions of the CUDA driver that measuring needs: memory, a stream, events. The functions are looked up at
// run time; sources: CUDA Driver API reference, sections "Memory Management", "Stream Management", "Event Management".
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace adze::device {

/// The first device, in its primary context (which the runtime's driver uses too). Every member throws
/// std::runtime_error with the driver's own name of the error.
class Gpu {
public:
  /// From $ADZE_CUDA_LIBRARY, else libcuda.so.1.
  explicit Gpu(int ordinal);
  ~Gpu();
  Gpu(const Gpu &) = delete;

  using Address = uint64_t;
  using Event = void *;
  Address allocate(size_t bytes);
  void release(Address address);
  void upload(Address to, const void *from, size_t bytes);
  void copy(Address to, Address from, size_t bytes); // on the stream
  void synchronize();
  void *stream() const { return stream_; }
  Event event();
  void record(Event event);
  void destroy(Event event);
  /// Microseconds between two recorded events; waits for the later one.
  double between(Event from, Event to);

  std::string name() const;
  std::string driverVersion() const; // "13.0"
  int capability() const;            // 90 for 9.0
  int multiprocessors() const;

private:
  template <typename... A>
  void call(const char *function, A... arguments) const;
  template <typename F>
  F find(const char *function) const;
  int attribute(int number) const;
  void *library_ = nullptr, *context_ = nullptr, *stream_ = nullptr;
  int device_ = 0;
};

} // namespace adze::device
