#include "compiler/import/ExternalData.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace adze;

ExternalFiles::ExternalFiles(llvm::StringRef modelPath, llvm::StringRef allowedRoot)
    : directory(llvm::sys::path::parent_path(modelPath)), allowedRoot(allowedRoot), usable(!modelPath.empty()) {
  if (directory.empty())
    directory = ".";
}

/// Kernels before 5.6 lack openat2: walk the components, refusing links and "..", with the same outcome.
static int openByComponents(int dir, llvm::StringRef relative) {
  int at = ::dup(dir);
  llvm::SmallVector<llvm::StringRef> parts;
  relative.split(parts, '/', -1, /*KeepEmpty=*/false);
  for (size_t i = 0; i < parts.size() && at >= 0; ++i) {
    if (parts[i] == ".." || parts[i] == ".") {
      ::close(at);
      errno = EXDEV;
      return -1;
    }
    bool last = i + 1 == parts.size();
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY);
    int following = ::openat(at, parts[i].str().c_str(), flags);
    int error = errno;
    ::close(at);
    errno = error;
    at = following;
  }
  return at;
}

int ExternalFiles::openBeneath(llvm::StringRef base, llvm::StringRef relative, std::string &why) const {
  int dir = ::open(base.str().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) {
    why = "the directory '" + printable(base) + "' cannot be opened: " + std::strerror(errno);
    return -1;
  }
  struct open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  int fd = static_cast<int>(::syscall(SYS_openat2, dir, relative.str().c_str(), &how, sizeof(how)));
  if (fd < 0 && (errno == ENOSYS || errno == EPERM))
    fd = openByComponents(dir, relative);
  if (fd < 0)
    why = errno == EXDEV   ? "the path leaves the directory"
          : errno == ELOOP ? "the path goes through a symbolic link"
                           : std::strerror(errno);
  ::close(dir);
  return fd;
}

/// With an allowed root, links are followed as long as the file that they lead to lies beneath the root.
int ExternalFiles::openInRoot(llvm::StringRef location, std::string &why) const {
  llvm::SmallString<256> joined(directory);
  llvm::sys::path::append(joined, location);
  char file[PATH_MAX], root[PATH_MAX];
  if (!::realpath(joined.c_str(), file) || !::realpath(allowedRoot.c_str(), root)) {
    why = std::strerror(errno);
    return -1;
  }
  llvm::StringRef target(file);
  if (!target.consume_front(root) || !target.starts_with("/")) {
    why = "the file lies outside the allowed root";
    return -1;
  }
  return openBeneath(root, target.drop_front(), why);
}

std::shared_ptr<MappedFile> ExternalFiles::open(llvm::StringRef location, const ErrorPlace &place, ErrorSink &sink) {
  if (auto found = files.find(location); found != files.end())
    return found->second;
  auto refuse = [&](std::string why) -> std::shared_ptr<MappedFile> {
    sink.add(ErrorKind::Malformed, "external data '" + printable(location) + "' cannot be used", std::move(why),
             "put the data file beside the model, or name its directory with --allow-external-root", place);
    return files[location] = nullptr;
  };
  if (!usable)
    return refuse("the model was not read from a file, so there is no directory to search");
  if (location.empty() || location.contains('\0') || location.contains('\\') || location.starts_with("/"))
    return refuse("the location must be a relative POSIX path");
  std::string why;
  int fd = allowedRoot.empty() ? openBeneath(directory, location, why) : openInRoot(location, why);
  if (fd < 0)
    return refuse(why);
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return refuse("it is not a regular file");
  }
  if (info.st_nlink > 1 && allowedRoot.empty()) {
    ::close(fd);
    return refuse("it has " + std::to_string(info.st_nlink) + " hard links, so it may belong to somebody else");
  }
  llvm::SmallString<256> shown(directory);
  llvm::sys::path::append(shown, location);
  return files[location] = MappedFile::fromDescriptor(fd, shown, sink);
}
