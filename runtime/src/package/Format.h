// The bytes of a package file: docs/package-format.md in C++. Shared by the reader and the compiler's writer.
#ifndef ADZE_RUNTIME_PACKAGE_FORMAT_H
#define ADZE_RUNTIME_PACKAGE_FORMAT_H

#include <cstddef>
#include <cstdint>

namespace adze::format {

inline constexpr char kMagic[8] = {'A', 'D', 'Z', 'E', 'P', 'K', 'G', '\0'};
inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kSectionAlignment = 4096;
inline constexpr uint64_t kTensorAlignment = 64;
inline constexpr uint32_t kMaxSections = 4096;

enum class SectionKind : uint32_t { metadata = 1, code = 2, weights = 3, debug = 4 };
enum class DigestKind : uint32_t { sha256 = 1, xxh3_128 = 2 };

/// Section flag: a reader that does not know the section's kind must refuse the package.
inline constexpr uint64_t kSectionRequired = 1;

/// All integers little-endian. The digest is SHA-256 over this header with `digest` and everything after it zeroed,
/// followed by the section table.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t headerBytes; // sizeof(Header)
  uint64_t fileSize;
  uint64_t tableOffset; // behind the last section, 64-byte aligned; the file ends with the table
  uint32_t sectionCount;
  uint32_t entryBytes; // sizeof(SectionEntry)
  uint64_t flags;      // zero in version 1
  uint8_t digest[32];
  uint32_t signatureKind; // 0 none; 1 (Ed25519 over `digest`) is reserved
  uint32_t reserved0;
  uint8_t publicKey[32];
  uint8_t signature[64];
  uint64_t reserved1;
};
static_assert(sizeof(Header) == 192);
static_assert(offsetof(Header, digest) == 48 && offsetof(Header, signature) == 120);

struct SectionEntry {
  uint32_t kind;
  uint32_t id; // counts the sections of one kind, from 0
  uint64_t flags;
  uint64_t offset; // multiple of kSectionAlignment
  uint64_t size;
  uint32_t digestKind;
  uint32_t reserved;
  uint8_t digest[32]; // XXH3-128: 16 bytes in canonical (big-endian) order, then zeros
  char label[24];     // printable ASCII, zero padded; for people only
};
static_assert(sizeof(SectionEntry) == 96);

constexpr uint64_t alignTo(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packages are little-endian and are mapped as they are"
#endif

} // namespace adze::format

#endif
