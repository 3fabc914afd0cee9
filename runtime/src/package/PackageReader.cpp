#include "runtime/src/package/PackageReader.h"

#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sodium/crypto_hash_sha256.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

namespace adze::rt {

using namespace format;

namespace {

std::string hex(const uint8_t *bytes, size_t count) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

bool isZero(const void *data, size_t size) {
  const auto *bytes = static_cast<const uint8_t *>(data);
  return std::all_of(bytes, bytes + size, [](uint8_t byte) { return byte == 0; });
}

const char *kindName(uint32_t kind) {
  switch (static_cast<SectionKind>(kind)) {
  case SectionKind::metadata:
    return "metadata";
  case SectionKind::code:
    return "code";
  case SectionKind::weights:
    return "weights";
  case SectionKind::debug:
    return "debug";
  }
  return "unknown kind";
}

std::string sectionWhere(size_t index, const SectionEntry &entry, uint64_t offset) {
  return cat("section ", index, " (", kindName(entry.kind), " ", entry.id, "), byte ", offset);
}

} // namespace

void PackageReader::bad(const std::string &where, const std::string &why) const {
  fail(ADZE_BAD_PACKAGE, cat("'", name_, "' is not a usable adze package"), where, why,
       "get or compile the package again; if this persists, check the disk and the transfer");
}

PackageReader::~PackageReader() {
  if (mapping_)
    munmap(mapping_, size_);
}

std::shared_ptr<const PackageReader> PackageReader::openPath(const char *path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused below.
  int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    fail(ADZE_INVALID_ARGUMENT, "cannot open the package", cat("'", path, "'"), std::strerror(errno),
         "check the path and its permissions");
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  return openFd(fd, path);
}

std::shared_ptr<const PackageReader> PackageReader::openFd(int fd, const std::string &name) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    fail(ADZE_INVALID_ARGUMENT, "cannot open the package", cat("'", name, "'"), std::strerror(errno),
         "pass an open file");
  if (!S_ISREG(info.st_mode))
    fail(ADZE_INVALID_ARGUMENT, "cannot open the package", cat("'", name, "'"),
         S_ISDIR(info.st_mode) ? "it is a directory" : "it is not a regular file, so it cannot be mapped",
         "pass a regular file, or read it into memory and use adze_package_open_memory");
  std::shared_ptr<PackageReader> reader(new PackageReader);
  reader->name_ = name;
  reader->size_ = static_cast<uint64_t>(info.st_size);
  if (reader->size_ < sizeof(Header))
    reader->bad(cat("byte ", reader->size_),
                cat("the file ends after ", reader->size_, " bytes, the header alone has ", sizeof(Header)));
  void *mapping = mmap(nullptr, reader->size_, PROT_READ, MAP_PRIVATE, fd, 0);
  if (mapping == MAP_FAILED)
    fail(errno == EACCES || errno == EBADF ? ADZE_INVALID_ARGUMENT : ADZE_RESOURCE, "cannot map the package",
         cat("'", name, "'"), std::strerror(errno), "check that the file is readable and that memory is left");
  reader->mapping_ = mapping;
  reader->base_ = static_cast<const uint8_t *>(mapping);
  madvise(mapping, reader->size_, MADV_WILLNEED);
  reader->check();
  return reader;
}

std::shared_ptr<const PackageReader> PackageReader::openMemory(const void *data, uint64_t size) {
  if (reinterpret_cast<uintptr_t>(data) % kTensorAlignment != 0)
    fail(ADZE_INVALID_ARGUMENT, "cannot open the package", "the memory passed to adze_package_open_memory",
         "it is not 64-byte aligned", "allocate it with aligned_alloc(64, ...)");
  std::shared_ptr<PackageReader> reader(new PackageReader);
  reader->name_ = "memory";
  reader->size_ = size;
  reader->base_ = static_cast<const uint8_t *>(data);
  if (size < sizeof(Header))
    reader->bad(cat("byte ", size), cat("the data ends after ", size, " bytes, the header alone has ", sizeof(Header)));
  reader->check();
  return reader;
}

std::shared_ptr<const PackageReader> PackageReader::open(const std::string &path, adze_status_t &status,
                                                         std::string &message) noexcept {
  try {
    status = ADZE_OK;
    return openPath(path.c_str());
  } catch (...) {
    Error error = currentError();
    status = error.status;
    message = std::move(error.message);
    return nullptr;
  }
}

void PackageReader::check() {
  checkHeader();
  checkTable();
  checkSections();
}

void PackageReader::checkHeader() {
  std::memcpy(&header_, base_, sizeof(Header));
  if (std::memcmp(header_.magic, kMagic, sizeof(kMagic)) != 0)
    bad("header, byte 0", "the first 8 bytes are not 'ADZEPKG\\0'");
  if (header_.version != kVersion)
    bad("header, byte 8", cat("format version ", header_.version, ", this runtime reads version ", kVersion));
  if (header_.headerBytes != sizeof(Header))
    bad("header, byte 12", cat("header size ", header_.headerBytes, ", expected ", sizeof(Header)));
  if (header_.fileSize != size_)
    bad("header, byte 16", cat("the file should have ", header_.fileSize, " bytes and has ", size_));
  if (header_.sectionCount == 0 || header_.sectionCount > kMaxSections)
    bad("header, byte 32", cat(header_.sectionCount, " sections, expected 1 to ", kMaxSections));
  if (header_.entryBytes != sizeof(SectionEntry))
    bad("header, byte 36", cat("table entries of ", header_.entryBytes, " bytes, expected ", sizeof(SectionEntry)));
  if (header_.flags != 0)
    bad("header, byte 40", "a flag is set that version 1 does not define");
  const uint8_t *slot = base_ + offsetof(Header, signatureKind);
  if (!isZero(slot, sizeof(Header) - offsetof(Header, signatureKind)))
    bad(cat("header, byte ", offsetof(Header, signatureKind)),
        "the signature slot is not empty; this runtime cannot check signatures");
  uint64_t tableBytes = uint64_t(header_.sectionCount) * sizeof(SectionEntry);
  if (header_.tableOffset % kTensorAlignment != 0 || header_.tableOffset < sizeof(Header) ||
      header_.tableOffset > size_ || size_ - header_.tableOffset != tableBytes)
    bad("header, byte 24",
        cat("a table of ", header_.sectionCount, " sections at byte ", header_.tableOffset, " does not end the file"));
}

void PackageReader::checkTable() {
  Header plain = header_;
  std::memset(plain.digest, 0, sizeof(Header) - offsetof(Header, digest));
  table_.resize(header_.sectionCount);
  std::memcpy(table_.data(), base_ + header_.tableOffset, table_.size() * sizeof(SectionEntry));
  uint8_t digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  crypto_hash_sha256_update(&state, reinterpret_cast<const uint8_t *>(&plain), sizeof(plain));
  crypto_hash_sha256_update(&state, reinterpret_cast<const uint8_t *>(table_.data()),
                            table_.size() * sizeof(SectionEntry));
  crypto_hash_sha256_final(&state, digest);
  if (std::memcmp(digest, header_.digest, sizeof(digest)) != 0)
    bad(cat("header and section table, bytes 0 and ", header_.tableOffset),
        cat("their SHA-256 is ", hex(digest, 32), ", the header says ", hex(header_.digest, 32)));

  // Sections stand in file order, each at the first aligned byte after the one before: no overlap, no unread space.
  uint64_t expected = kSectionAlignment;
  bool haveMetadata = false;
  for (size_t i = 0; i < table_.size(); ++i) {
    const SectionEntry &entry = table_[i];
    uint64_t entryAt = header_.tableOffset + i * sizeof(SectionEntry);
    if (entry.offset != expected)
      bad(sectionWhere(i, entry, entryAt), cat("it starts at byte ", entry.offset, ", expected ", expected));
    if (entry.offset > header_.tableOffset || entry.size > header_.tableOffset - entry.offset)
      bad(sectionWhere(i, entry, entryAt),
          cat("bytes ", entry.offset, " + ", entry.size, " run into the table at byte ", header_.tableOffset));
    expected = alignTo(entry.offset + entry.size, kSectionAlignment);
    bool known = entry.kind >= uint32_t(SectionKind::metadata) && entry.kind <= uint32_t(SectionKind::debug);
    if (!known && (entry.flags & kSectionRequired))
      bad(sectionWhere(i, entry, entryAt),
          cat("kind ", entry.kind, " is required to run the package, and this runtime does not know it"));
    if ((entry.flags & ~kSectionRequired) || entry.reserved != 0)
      bad(sectionWhere(i, entry, entryAt), "a flag or reserved field is set that version 1 does not define");
    bool weights = entry.kind == uint32_t(SectionKind::weights);
    auto digestKind = static_cast<DigestKind>(entry.digestKind);
    if (digestKind != DigestKind::sha256 && digestKind != DigestKind::xxh3_128)
      bad(sectionWhere(i, entry, entryAt), cat("unknown digest kind ", entry.digestKind));
    if (known && digestKind != (weights ? DigestKind::xxh3_128 : DigestKind::sha256))
      bad(sectionWhere(i, entry, entryAt), cat("digest kind ", entry.digestKind, " is not the one of its kind"));
    if (entry.kind == uint32_t(SectionKind::metadata)) {
      if (haveMetadata)
        bad(sectionWhere(i, entry, entryAt), "a package has exactly one metadata section");
      haveMetadata = true;
      metadata_ = i;
    }
  }
  if (!haveMetadata)
    bad(cat("section table, byte ", header_.tableOffset), "there is no metadata section");
  uint64_t end = table_.back().offset + table_.back().size;
  if (header_.tableOffset != alignTo(end, kTensorAlignment))
    bad("header, byte 24", cat("the table stands at byte ", header_.tableOffset, ", the last section ends at ", end));
}

void PackageReader::checkSections() {
  uint64_t cursor = sizeof(Header);
  auto checkPadding = [&](uint64_t to) {
    for (uint64_t at = cursor; at < to; ++at)
      if (base_[at] != 0)
        bad(cat("padding, byte ", at), "padding must be zero");
  };
  for (size_t i = 0; i < table_.size(); ++i) {
    const SectionEntry &entry = table_[i];
    checkPadding(entry.offset);
    cursor = entry.offset + entry.size;
    const uint8_t *data = base_ + entry.offset;
    uint8_t digest[32] = {};
    if (entry.digestKind == uint32_t(DigestKind::xxh3_128)) {
      XXH128_canonical_t canonical;
      XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, entry.size));
      std::memcpy(digest, canonical.digest, sizeof(canonical.digest));
    } else {
      // A private copy is checked and used, so that a later change of the file cannot reach code or metadata.
      auto *copy = static_cast<uint8_t *>(std::aligned_alloc(64, alignTo(entry.size + 1, 64)));
      if (!copy)
        throw std::bad_alloc();
      copies_.emplace_back(copy, &std::free);
      std::memcpy(copy, data, entry.size);
      data = copy;
      crypto_hash_sha256(digest, data, entry.size);
    }
    size_t shown = entry.digestKind == uint32_t(DigestKind::xxh3_128) ? 16 : 32;
    if (std::memcmp(digest, entry.digest, sizeof(digest)) != 0)
      bad(sectionWhere(i, entry, entry.offset), cat("the digest of its ", entry.size, " bytes is ", hex(digest, shown),
                                                    ", the table says ", hex(entry.digest, shown)));
    std::string label(entry.label, strnlen(entry.label, sizeof(entry.label)));
    sections_.push_back({static_cast<SectionKind>(entry.kind), entry.id, entry.flags, entry.offset, entry.size,
                         std::move(label), hex(digest, shown), data});
  }
  checkPadding(header_.tableOffset);
}

} // namespace adze::rt
