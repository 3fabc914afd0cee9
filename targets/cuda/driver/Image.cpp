#include "targets/cuda/driver/Image.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace adze::cuda {

std::string archName(unsigned arch, bool specific) { return "sm_" + std::to_string(arch) + (specific ? "a" : ""); }

std::string ImageCode::name() const {
  return (entry.kind == ImageKind::ptx ? "PTX for " : "cubin for ") +
         archName(entry.arch, (entry.flags & kArchSpecific) != 0);
}

std::string readImage(const void *section, uint64_t size, std::vector<ImageCode> &out) {
  const char *bytes = static_cast<const char *>(section);
  ImageHeader header;
  if (size < sizeof(header))
    return "the code section is shorter than its header";
  std::memcpy(&header, bytes, sizeof(header));
  if (std::memcmp(header.magic, kImageMagic, sizeof(kImageMagic)) != 0)
    return "the code section does not begin as one for CUDA devices does";
  if (header.version != kImageVersion)
    return "its version is " + std::to_string(header.version) + ", this driver reads " + std::to_string(kImageVersion);
  if (header.count == 0 || header.count > kMaxImageEntries)
    return "it has " + std::to_string(header.count) + " entries";
  uint64_t begin = sizeof(header) + header.count * sizeof(ImageEntry);
  if (size < begin)
    return "the code section is shorter than its table";
  for (uint32_t i = 0; i < header.count; ++i) {
    ImageCode code;
    std::memcpy(&code.entry, bytes + sizeof(header) + i * sizeof(ImageEntry), sizeof(ImageEntry));
    const ImageEntry &entry = code.entry;
    std::string where = "entry " + std::to_string(i) + ": ";
    if (entry.kind != ImageKind::ptx && entry.kind != ImageKind::cubin)
      return where + "its kind is unknown";
    if (entry.flags & ~kArchSpecific)
      return where + "it has unknown flags";
    if (entry.arch < 50 || entry.arch > 999)
      return where + "its architecture is " + std::to_string(entry.arch);
    if (entry.offset < begin || entry.offset > size || entry.size > size - entry.offset || entry.size == 0)
      return where + "its code lies outside the section";
    if (entry.offset % kImageAlignment)
      return where + "its code is not aligned";
    code.data = bytes + entry.offset;
    if (entry.kind == ImageKind::ptx && std::memchr(code.data, 0, entry.size) != code.data + entry.size - 1)
      return where + "the text does not end with its only zero byte";
    out.push_back(code);
  }
  return {};
}

bool runsOn(const ImageEntry &entry, unsigned major, unsigned minor) {
  unsigned device = 10 * major + minor;
  if (entry.flags & kArchSpecific)
    return entry.arch == device;
  // Binaries run on later devices of the same generation, texts on all later ones.
  return entry.arch <= device && (entry.kind == ImageKind::ptx || entry.arch / 10 == major);
}

std::vector<ImageCode> candidates(std::vector<ImageCode> all, unsigned major, unsigned minor) {
  all.erase(
      std::remove_if(all.begin(), all.end(), [&](const ImageCode &code) { return !runsOn(code.entry, major, minor); }),
      all.end());
  auto rank = [](const ImageCode &code) {
    return std::make_tuple(code.entry.kind == ImageKind::cubin, code.entry.arch, code.entry.flags & kArchSpecific);
  };
  std::sort(all.begin(), all.end(), [&](const ImageCode &a, const ImageCode &b) { return rank(a) > rank(b); });
  return all;
}

} // namespace adze::cuda
