#include "runtime/src/status/Status.h"

#include <exception>
#include <new>

namespace adze::rt {

namespace {
thread_local std::string lastErrorText;
}

std::string formatDims(const int64_t *dims, size_t rank) {
  std::string out = "[";
  for (size_t i = 0; i < rank; ++i) {
    if (i)
      out += ", ";
    out += std::to_string(dims[i]);
  }
  return out + "]";
}

std::string fourParts(std::string_view what, std::string_view where, std::string_view why, std::string_view remedy) {
  return cat(what, "\n  where: ", where, "\n  why: ", why, "\n  remedy: ", remedy);
}

void fail(adze_status_t status, std::string_view what, std::string_view where, std::string_view why,
          std::string_view remedy) {
  throw Error{status, fourParts(what, where, why, remedy)};
}

void setLastError(std::string message) noexcept { lastErrorText = std::move(message); }

const char *lastError() noexcept { return lastErrorText.c_str(); }

Error currentError() noexcept {
  try {
    try {
      throw;
    } catch (Error &error) {
      return std::move(error);
    } catch (const std::bad_alloc &) {
      return {ADZE_RESOURCE, fourParts("out of memory", "the adze runtime", "an allocation was refused by the system",
                                       "free memory or use smaller inputs")};
    } catch (const std::exception &exception) {
      return {ADZE_INTERNAL,
              fourParts("internal error", "the adze runtime", exception.what(), "report this with the package")};
    } catch (...) {
      return {ADZE_INTERNAL,
              fourParts("internal error", "the adze runtime", "unknown exception", "report this with the package")};
    }
  } catch (...) {
    return {ADZE_RESOURCE, {}}; // no memory even for the message
  }
}

} // namespace adze::rt
