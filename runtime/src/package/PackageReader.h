// Opens a package and checks every byte of it: header, table, padding and the digest of every section.
#ifndef ADZE_RUNTIME_PACKAGE_PACKAGEREADER_H
#define ADZE_RUNTIME_PACKAGE_PACKAGEREADER_H

#include "adze/adze.h"
#include "runtime/src/package/Format.h"

#include <memory>
#include <string>
#include <vector>

namespace adze::rt {

struct Section {
  format::SectionKind kind;
  uint32_t id;
  uint64_t flags;
  uint64_t offset; // in the file
  uint64_t size;
  std::string label;
  std::string digestHex;
  const uint8_t *data; // at least 64-byte aligned; lives as long as the reader
};

class PackageReader {
public:
  PackageReader(const PackageReader &) = delete;
  PackageReader &operator=(const PackageReader &) = delete;
  ~PackageReader();

  /// These throw adze::rt::Error.
  static std::shared_ptr<const PackageReader> openPath(const char *path);
  static std::shared_ptr<const PackageReader> openFd(int fd, const std::string &name);
  static std::shared_ptr<const PackageReader> openMemory(const void *data, uint64_t size);

  /// For callers built without exceptions: null on failure, with the status and the four-part text.
  static std::shared_ptr<const PackageReader> open(const std::string &path, adze_status_t &status,
                                                   std::string &message) noexcept;

  const std::vector<Section> &sections() const { return sections_; }
  const Section &metadata() const { return sections_[metadata_]; }
  uint64_t fileSize() const { return size_; }
  const format::Header &header() const { return header_; }
  const std::string &name() const { return name_; }

private:
  PackageReader() = default;
  void check();
  void checkHeader();
  void checkTable();
  void checkSections();
  [[noreturn]] void bad(const std::string &where, const std::string &why) const;

  std::string name_;
  const uint8_t *base_ = nullptr;
  uint64_t size_ = 0;
  void *mapping_ = nullptr; // null when the memory is the caller's
  format::Header header_{};
  std::vector<format::SectionEntry> table_;
  std::vector<Section> sections_;
  std::vector<std::unique_ptr<uint8_t, void (*)(void *)>> copies_; // code, metadata and debug sections
  size_t metadata_ = 0;
};

} // namespace adze::rt

#endif
