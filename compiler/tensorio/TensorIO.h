// Tensors in files, for the tools: .npy, .npz and ONNX TensorProto (.pb).
#pragma once
#include "compiler/support/DType.h"
#include "compiler/support/Status.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>
#include <string>
#include <vector>

namespace adze {

/// A dense row-major tensor, little endian, as the runtime takes it: 4- and 2-bit elements one a byte.
struct HostTensor {
  DType dtype = DType::Undefined;
  llvm::SmallVector<int64_t, 4> dims;
  std::vector<char> bytes;
};

/// Parses .npy bytes (format 1.0, 2.0, 3.0; either byte order; C or Fortran order). `label` names the source in errors.
std::optional<HostTensor> parseNpy(llvm::StringRef bytes, llvm::StringRef label, ErrorSink &sink);
std::optional<HostTensor> readNpy(llvm::StringRef path, ErrorSink &sink);

/// All arrays of an .npz archive (stored or deflated), in archive order, names without ".npy".
std::optional<std::vector<std::pair<std::string, HostTensor>>> readNpz(llvm::StringRef path, ErrorSink &sink);

/// Members of a zip archive: name and bytes, in archive order.
using ZipMembers = std::vector<std::pair<std::string, std::string>>;
std::optional<ZipMembers> readZip(llvm::StringRef path, ErrorSink &sink);
/// The archive that holds `members`: stored, with the format's earliest date, so that equal members give equal bytes.
/// Nullopt beyond 4 GiB or 65534 members, which need another form of the directory.
std::optional<std::string> toZip(const ZipMembers &members);

/// A serialised ONNX TensorProto. Sequences and optionals are refused.
std::optional<HostTensor> readTensorProto(llvm::StringRef path, ErrorSink &sink);

/// By extension: .npy, .pb, or .npz (then the member `name`, or the only one).
std::optional<HostTensor> readTensorFile(llvm::StringRef path, llvm::StringRef name, ErrorSink &sink);

/// Types that numpy lacks travel as unsigned integers of the same storage width: gives `tensor` the type `wanted` when
/// it is such a stand-in. True when the tensor has type `wanted` afterwards.
bool retype(HostTensor &tensor, DType wanted);

/// The .npy file of a tensor (format 1.0 or 2.0). Types that numpy lacks are written as unsigned integers.
std::string toNpy(const HostTensor &tensor);
/// Writes atomically: a temporary file beside `path`, renamed at the end.
bool writeNpy(llvm::StringRef path, const HostTensor &tensor, ErrorSink &sink);

} // namespace adze
