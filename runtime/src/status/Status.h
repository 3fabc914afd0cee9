// Errors inside the runtime are exceptions of one type; guard() turns them into a status at the C interface.
#ifndef ADZE_RUNTIME_STATUS_STATUS_H
#define ADZE_RUNTIME_STATUS_STATUS_H

#include "adze/adze.h"

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace adze::rt {

struct Error {
  adze_status_t status;
  std::string message;
};

/// Joins strings and integers into one string.
template <typename... Parts>
std::string cat(const Parts &...parts) {
  std::string out;
  auto add = [&out](const auto &part) {
    using Part = std::decay_t<decltype(part)>;
    if constexpr (std::is_integral_v<Part>)
      out += std::to_string(part);
    else
      out += std::string_view(part);
  };
  (add(parts), ...);
  return out;
}

/// "[1, 3, 224]".
std::string formatDims(const int64_t *dims, size_t rank);

/// The text of a four-part error.
std::string fourParts(std::string_view what, std::string_view where, std::string_view why, std::string_view remedy);

/// Throws an Error whose text has four parts: what failed, where, why (the constraint and the actual value), remedy.
[[noreturn]] void fail(adze_status_t status, std::string_view what, std::string_view where, std::string_view why,
                       std::string_view remedy);

/// Sets the text that adze_last_error() returns on this thread.
void setLastError(std::string message) noexcept;
const char *lastError() noexcept;

/// The Error for the exception in flight; call inside a catch block.
Error currentError() noexcept;

/// Runs body, which may throw, and returns its status; the text goes to adze_last_error().
template <typename Body>
adze_status_t guard(Body &&body) noexcept {
  try {
    body();
    setLastError({});
    return ADZE_OK;
  } catch (...) {
    Error error = currentError();
    setLastError(std::move(error.message));
    return error.status;
  }
}

} // namespace adze::rt

#endif
