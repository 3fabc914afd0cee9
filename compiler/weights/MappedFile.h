// A read-only file mapping that keeps its descriptor, so that bulk reads can use pread and report a file that shrank
// meanwhile instead of dying of SIGBUS.
#pragma once
#include "compiler/support/Status.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <memory>
#include <string>

namespace adze {

class MappedFile {
public:
  /// Maps a regular file. Errors (missing, a directory or device, empty mapping) go to `sink`; null then.
  static std::shared_ptr<MappedFile> open(llvm::StringRef path, ErrorSink &sink);
  /// Takes over an open descriptor of a regular file; `path` is for messages only.
  static std::shared_ptr<MappedFile> fromDescriptor(int fd, llvm::StringRef path, ErrorSink &sink);
  /// Owns a copy of `bytes`, for models that arrive in memory.
  static std::shared_ptr<MappedFile> fromMemory(llvm::StringRef bytes);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  llvm::StringRef bytes() const { return {data, length}; }
  size_t size() const { return length; }
  llvm::StringRef path() const { return name; }
  /// Copies bytes [offset, offset + out.size()). False when the range is outside or the file has shrunk.
  bool read(uint64_t offset, llvm::MutableArrayRef<char> out) const;
  /// Whether the file still has the size it was mapped with.
  bool intact() const;

private:
  MappedFile() = default;
  const char *data = nullptr;
  size_t length = 0;
  int fd = -1;
  std::string name, owned;
};

} // namespace adze
