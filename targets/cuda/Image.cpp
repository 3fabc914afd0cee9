#include "targets/cuda/Image.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/driver/ImageFormat.h"
#include <cstring>

namespace adze::cuda {

/// 10 * major + minor of a PTX text's `.version` directive: it may be newer than the architecture's.
static uint32_t versionOf(llvm::StringRef ptx, const TargetArch &arch) {
  llvm::StringRef text = ptx.split(".version ").second;
  unsigned major = 0, minor = 0;
  bool none = text.consumeInteger(10, major) || !text.consume_front(".") || text.consumeInteger(10, minor);
  return none ? ptxVersionOf(arch) : 10 * major + minor;
}

std::string packImage(const TargetArch &arch, llvm::ArrayRef<ImagePart> parts) {
  ImageHeader header{};
  std::memcpy(header.magic, kImageMagic, sizeof kImageMagic);
  header.version = kImageVersion;
  header.count = static_cast<uint32_t>(parts.size());
  std::vector<ImageEntry> entries;
  std::string payload;
  auto align = [&] { payload.resize((payload.size() + kImageAlignment - 1) / kImageAlignment * kImageAlignment); };
  uint64_t start = sizeof header + parts.size() * sizeof(ImageEntry);
  start = (start + kImageAlignment - 1) / kImageAlignment * kImageAlignment;
  for (const ImagePart &part : parts) {
    align();
    ImageEntry e{part.cubin ? ImageKind::cubin : ImageKind::ptx,
                 smOf(arch),
                 isArchSpecific(arch) ? kArchSpecific : 0u,
                 part.cubin ? 0 : versionOf(part.bytes, arch),
                 start + payload.size(),
                 0};
    payload += part.bytes;
    if (!part.cubin)
      payload += '\0';
    e.size = start + payload.size() - e.offset;
    entries.push_back(e);
  }
  std::string out(reinterpret_cast<const char *>(&header), sizeof header);
  out.append(reinterpret_cast<const char *>(entries.data()), entries.size() * sizeof(ImageEntry));
  out.resize(start);
  return out + payload;
}

} // namespace adze::cuda
