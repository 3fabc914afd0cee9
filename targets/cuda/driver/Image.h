// Code sections: which of their entries a device can run.
#ifndef ADZE_TARGETS_CUDA_DRIVER_IMAGE_H
#define ADZE_TARGETS_CUDA_DRIVER_IMAGE_H

#include "targets/cuda/driver/ImageFormat.h"

#include <string>
#include <vector>

namespace adze::cuda {

/// An entry with its bytes in the section.
struct ImageCode {
  ImageEntry entry;
  const char *data;
  /// "PTX for sm_90a", "cubin for sm_80".
  std::string name() const;
};

/// Checks the section's table and every payload's bounds. Returns why it is not valid, "" if it is.
std::string readImage(const void *section, uint64_t size, std::vector<ImageCode> &out);

/// Whether a device of that compute capability runs the code (a PTX text: after translation).
bool runsOn(const ImageEntry &entry, unsigned major, unsigned minor);

/// The entries that the device can run, the best first: cubins before PTX, higher architectures before lower ones.
std::vector<ImageCode> candidates(std::vector<ImageCode> all, unsigned major, unsigned minor);

/// "sm_90a": the architecture name of a compute capability, as in the target list.
std::string archName(unsigned arch, bool specific);

} // namespace adze::cuda

#endif
