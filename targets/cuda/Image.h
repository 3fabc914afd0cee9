// The bytes of a code section (driver/ImageFormat.h).
#ifndef ADZE_TARGETS_CUDA_IMAGE_H
#define ADZE_TARGETS_CUDA_IMAGE_H

#include "compiler/target/Target.h"
#include <string>
#include <vector>

namespace adze::cuda {

/// One text or binary of a code section.
struct ImagePart {
  bool cubin = false; // else PTX
  std::string bytes;  // PTX without a terminating NUL
};

std::string packImage(const TargetArch &arch, llvm::ArrayRef<ImagePart> parts);

} // namespace adze::cuda

#endif
