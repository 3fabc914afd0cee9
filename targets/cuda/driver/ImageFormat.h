// The bytes of a code section for CUDA devices: a small table, then PTX texts and cubins. Written by the code
// generator, read by the driver; docs/package-format.md has the same in prose. Plain C++, little-endian.
#ifndef ADZE_TARGETS_CUDA_DRIVER_IMAGEFORMAT_H
#define ADZE_TARGETS_CUDA_DRIVER_IMAGEFORMAT_H

#include <cstdint>

namespace adze::cuda {

inline constexpr char kImageMagic[8] = {'A', 'D', 'Z', 'E', 'C', 'U', 'D', 'A'};
inline constexpr uint32_t kImageVersion = 1;
inline constexpr uint32_t kMaxImageEntries = 64;
/// Payloads start at multiples of this many bytes from the section's start.
inline constexpr uint64_t kImageAlignment = 64;

enum class ImageKind : uint32_t {
  ptx = 1,   // text; the size includes its terminating NUL, and there is no other
  cubin = 2, // ELF as ptxas writes it
};

enum ImageFlags : uint32_t {
  /// The code uses features of this one architecture (sm_90a): it runs on no other, not even a newer one.
  kArchSpecific = 1u,
};

struct ImageHeader {
  char magic[8];
  uint32_t version; // kImageVersion
  uint32_t count;   // entries, 1 to kMaxImageEntries; they follow the header
};
static_assert(sizeof(ImageHeader) == 16);

/// Entries are alternatives for the same kernels. The driver takes a cubin that the device runs as it is, otherwise a
/// PTX text that it can translate; of several, the one of the highest architecture.
struct ImageEntry {
  ImageKind kind;
  uint32_t arch;       // 10 * major + minor of the compute capability: 80, 86, 89, 90, 100, 120
  uint32_t flags;      // ImageFlags; other bits 0
  uint32_t ptxVersion; // 10 * major + minor of the PTX ISA version; 0 for a cubin
  uint64_t offset;     // from the section's start
  uint64_t size;       // bytes
};
static_assert(sizeof(ImageEntry) == 32);

} // namespace adze::cuda

#endif
