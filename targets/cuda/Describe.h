// What a code section says of one kernel, for `adze inspect --source`.
#ifndef ADZE_TARGETS_CUDA_DESCRIBE_H
#define ADZE_TARGETS_CUDA_DESCRIBE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace adze::cuda {

/// Whether the bytes are a code section for CUDA devices.
bool isImage(llvm::ArrayRef<char> section);

/// PTX of the kernel under comment lines with its registers and static shared memory where a cubin tells them. No
/// value, with `why`: the section is damaged or has no such kernel.
std::optional<std::string> describeKernel(llvm::ArrayRef<char> section, llvm::StringRef kernel, std::string &why);

/// The text of one kernel (from .entry to its closing brace) in a PTX text; empty: there is none.
llvm::StringRef entryText(llvm::StringRef ptx, llvm::StringRef kernel);

} // namespace adze::cuda

#endif
