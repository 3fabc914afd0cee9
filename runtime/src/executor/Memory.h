// The memory of one session, with its cap.
#ifndef ADZE_RUNTIME_EXECUTOR_MEMORY_H
#define ADZE_RUNTIME_EXECUTOR_MEMORY_H

#include "runtime/src/executor/Context.h"

namespace adze::rt {

/// Device memory comes from the driver, host memory from the options' callbacks.
class SessionMemory {
public:
  /// An area that is kept between runs and grows when needed.
  struct Area {
    adze_address_t address = 0;
    uint64_t bytes = 0;
  };

  SessionMemory(const DeviceContext &context, uint64_t limit) : context_(context), limit_(limit) {}
  /// Counts memory that something else allocates for the session.
  void reserve(uint64_t bytes, const char *what);
  /// Makes the area hold at least `bytes` bytes; the old contents are lost when it grows. When it cannot grow, it is
  /// empty afterwards, so that a smaller request may follow.
  void growDevice(Area &area, uint64_t bytes, const char *what);
  void growHost(Area &area, uint64_t bytes, const char *what);
  void releaseDevice(Area &area);
  void releaseHost(Area &area);

private:
  const DeviceContext &context_;
  uint64_t limit_, used_ = 0;
};

} // namespace adze::rt

#endif
