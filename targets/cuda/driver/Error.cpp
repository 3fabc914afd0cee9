#include "targets/cuda/driver/Error.h"

#include <exception>
#include <new>

namespace adze::cuda {

namespace {
thread_local std::string lastErrorText;
}

void fail(adze_status_t status, const std::string &what, const std::string &where, const std::string &why,
          const std::string &remedy) {
  throw Error{status, what + "\n  where: " + where + "\n  why: " + why + "\n  remedy: " + remedy};
}

adze_status_t currentStatus() noexcept {
  try {
    try {
      throw;
    } catch (Error &error) {
      lastErrorText = std::move(error.message);
      return error.status;
    } catch (const std::bad_alloc &) {
      lastErrorText =
          "out of memory\n  where: the CUDA driver library of adze\n  why: an allocation was refused by the "
          "system\n  remedy: free memory or use smaller inputs";
      return ADZE_RESOURCE;
    } catch (const std::exception &exception) {
      lastErrorText = std::string("internal error\n  where: the CUDA driver library of adze\n  why: ") +
                      exception.what() + "\n  remedy: report this with the package";
      return ADZE_INTERNAL;
    }
  } catch (...) {
    return ADZE_RESOURCE; // no memory even for the message
  }
}

const char *lastError() noexcept { return lastErrorText.c_str(); }

} // namespace adze::cuda
