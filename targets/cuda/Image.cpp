#include "targets/cuda/Image.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/driver/ImageFormat.h"
#include <cstring>

namespace adze::cuda {

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
                 part.cubin ? 0 : ptxVersionOf(arch),
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
