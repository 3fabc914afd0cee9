#include "compiler/weights/MappedFile.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace adze;

static ErrorPlace placeOf(llvm::StringRef path) {
  ErrorPlace place;
  place.file = path.str();
  return place;
}

std::shared_ptr<MappedFile> MappedFile::open(llvm::StringRef path, ErrorSink &sink) {
  std::string text = path.str();
  // O_NONBLOCK: opening a FIFO must not wait for a writer; fromDescriptor then refuses it.
  int fd = path.contains('\0') ? (errno = EINVAL, -1) : ::open(text.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    sink.add(ErrorKind::Malformed, "cannot open the file", std::strerror(errno),
             "check the path and that you may read it", placeOf(path));
    return nullptr;
  }
  return fromDescriptor(fd, path, sink);
}

std::shared_ptr<MappedFile> MappedFile::fromDescriptor(int fd, llvm::StringRef path, ErrorSink &sink) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->fd = fd;
  file->name = path.str();
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    sink.add(ErrorKind::Malformed, "not a regular file", "a directory, device, pipe or socket cannot be mapped",
             "give the path of a plain file", placeOf(path));
    return nullptr;
  }
  file->length = static_cast<size_t>(info.st_size);
  if (file->length == 0)
    return file;
  void *address = ::mmap(nullptr, file->length, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) {
    sink.add(ErrorKind::Resource, "cannot map the file", std::strerror(errno), "free address space or memory",
             placeOf(path));
    return nullptr;
  }
  file->data = static_cast<const char *>(address);
  return file;
}

std::shared_ptr<MappedFile> MappedFile::fromMemory(llvm::StringRef bytes) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->owned = bytes.str();
  file->data = file->owned.data();
  file->length = file->owned.size();
  return file;
}

MappedFile::~MappedFile() {
  if (fd < 0)
    return;
  if (data)
    ::munmap(const_cast<char *>(data), length);
  ::close(fd);
}

bool MappedFile::read(uint64_t offset, llvm::MutableArrayRef<char> out) const {
  if (offset > length || out.size() > length - offset)
    return false;
  if (fd < 0) {
    if (!out.empty())
      std::memcpy(out.data(), data + offset, out.size());
    return true;
  }
  size_t done = 0;
  while (done < out.size()) {
    ssize_t got = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

bool MappedFile::intact() const {
  struct stat info;
  return fd < 0 || (::fstat(fd, &info) == 0 && static_cast<size_t>(info.st_size) == length);
}
