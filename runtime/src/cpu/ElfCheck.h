#ifndef ADZE_RUNTIME_CPU_ELFCHECK_H
#define ADZE_RUNTIME_CPU_ELFCHECK_H

#include <cstddef>
#include <string>

namespace adze::rt {

/// Why the bytes are not an image that may be mapped ("" if they are): a little-endian 64-bit shared object for this
/// machine, with every structure inside the bytes, no NEEDED entry, no initialisers, no thread-local data, no memory
/// that is writable and executable, and no undefined symbol except memcpy, memmove, memset and memcmp.
std::string checkCpuImage(const void *bytes, size_t size);

} // namespace adze::rt

#endif
