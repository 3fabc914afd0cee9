// Errors inside the driver are exceptions; the functions of the driver's table turn them into a status.
#ifndef ADZE_TARGETS_CUDA_DRIVER_ERROR_H
#define ADZE_TARGETS_CUDA_DRIVER_ERROR_H

#include "adze/driver.h"

#include <string>

namespace adze::cuda {

struct Error {
  adze_status_t status;
  std::string message;
};

/// Throws an Error whose text has four parts.
[[noreturn]] void fail(adze_status_t status, const std::string &what, const std::string &where, const std::string &why,
                       const std::string &remedy);

/// The status for the exception in flight, with its text kept for lastError(); call inside a catch block.
adze_status_t currentStatus() noexcept;
/// The text of the last failure on this thread.
const char *lastError() noexcept;

template <typename Body>
adze_status_t guard(Body &&body) noexcept {
  try {
    body();
    return ADZE_OK;
  } catch (...) {
    return currentStatus();
  }
}

} // namespace adze::cuda

#endif
