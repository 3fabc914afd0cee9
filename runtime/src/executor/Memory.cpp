#include "runtime/src/executor/Memory.h"

#include "runtime/src/cpu/HostMemory.h"
#include "runtime/src/status/Status.h"

namespace adze::rt {

void SessionMemory::reserve(uint64_t bytes, const char *what) {
  if (limit_ && (bytes > limit_ || used_ > limit_ - bytes))
    fail(ADZE_RESOURCE, "the session's memory cap is too small", what,
         cat(bytes, " more bytes are needed, ", used_, " of max_bytes = ", limit_, " are in use"),
         "raise max_bytes, use smaller inputs or fewer threads");
  used_ += bytes;
}

void SessionMemory::growDevice(Area &area, uint64_t bytes, const char *what) {
  if (bytes <= area.bytes && area.address)
    return;
  releaseDevice(area);
  reserve(bytes, what);
  area.bytes = bytes;
  adze_status_t status = context_.driver().allocate(context_.device(), bytes, &area.address);
  if (status != ADZE_OK) {
    used_ -= bytes;
    area = {};
    context_.check(status, "out of memory", what);
  }
}

void SessionMemory::growHost(Area &area, uint64_t bytes, const char *what) {
  if (bytes <= area.bytes && area.address)
    return;
  releaseHost(area);
  reserve(bytes, what);
  void *memory = hostAllocate(context_.options(), bytes);
  if (!memory) {
    used_ -= bytes;
    fail(ADZE_RESOURCE, "out of memory", what, cat("an allocation of ", bytes, " bytes was refused"),
         "use smaller inputs or free memory");
  }
  area = {reinterpret_cast<uintptr_t>(memory), bytes};
}

void SessionMemory::releaseDevice(Area &area) {
  if (area.address) {
    context_.driver().release(context_.device(), area.address, area.bytes);
    used_ -= area.bytes;
  }
  area = {};
}

void SessionMemory::releaseHost(Area &area) {
  if (area.address) {
    hostRelease(context_.options(), reinterpret_cast<void *>(uintptr_t(area.address)), area.bytes);
    used_ -= area.bytes;
  }
  area = {};
}

} // namespace adze::rt
