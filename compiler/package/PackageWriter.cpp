#include "compiler/package/PackageWriter.h"

#include "runtime/src/package/Format.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sodium/crypto_hash_sha256.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>
#include <xxhash.h>

namespace adze {

using namespace format;

namespace {

constexpr size_t kBufferBytes = size_t(1) << 20;

WriteStatus failure(int code, const std::string &what, const std::string &where, const std::string &why,
                    const std::string &remedy) {
  return {code, what + "\n  where: " + where + "\n  why: " + why + "\n  remedy: " + remedy};
}

WriteStatus misuse(const std::string &why) {
  return failure(1, "internal error while writing a package", "the package writer", why, "report this with the model");
}

bool isDiskError(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO; }

WriteStatus ioFailure(const std::string &path, int error) {
  return failure(isDiskError(error) || error == ENOMEM || error == EMFILE || error == ENFILE ? 8 : 2,
                 "cannot write the package", "'" + path + "'", std::strerror(error),
                 isDiskError(error) ? "free disk space or write elsewhere" : "check the folder and its permissions");
}

/// Buffered output with positions; also reads back what it wrote.
class OutputFile {
public:
  ~OutputFile() {
    if (fd_ >= 0)
      ::close(fd_);
    if (!temporary_.empty())
      ::unlink(temporary_.c_str());
  }

  WriteStatus open(const std::string &path);
  WriteStatus append(const void *data, uint64_t size);
  WriteStatus pad(uint64_t to);
  /// Forgets everything behind `position`.
  WriteStatus rewind(uint64_t position);
  WriteStatus writeAt(uint64_t position, const void *data, uint64_t size);
  WriteStatus same(uint64_t a, uint64_t b, uint64_t size, bool &out);
  /// Writes the header over the file's start, flushes everything to the disk and names the file.
  WriteStatus commit(const Header &header);
  uint64_t position() const { return flushed_ + buffer_.size(); }

private:
  WriteStatus flush();
  WriteStatus readAt(uint64_t position, void *data, size_t size);
  std::string temporaryName() const;

  std::string path_, folder_, temporary_; // temporary_: a name that must be removed
  int fd_ = -1;
  uint64_t flushed_ = 0;
  std::vector<char> buffer_;
};

std::string OutputFile::temporaryName() const {
  size_t slash = path_.rfind('/');
  return folder_ + "/." + path_.substr(slash == std::string::npos ? 0 : slash + 1) + "." + std::to_string(getpid()) +
         "." + std::to_string(reinterpret_cast<uintptr_t>(this) & 0xffffff) + ".tmp";
}

WriteStatus OutputFile::open(const std::string &path) {
  path_ = path;
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) {
    if (!S_ISREG(info.st_mode))
      return failure(2, "cannot write the package", "'" + path + "'",
                     S_ISDIR(info.st_mode) ? "it is a directory" : "it exists and is not a regular file",
                     "choose another output path");
    // Replace what a link leads to, not the link.
    if (char *real = ::realpath(path.c_str(), nullptr)) {
      path_ = real;
      std::free(real);
    }
  }
  size_t slash = path_.rfind('/');
  folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
#ifdef O_TMPFILE
  // A file without a name: whatever ends this process leaves nothing behind.
  fd_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
#endif
  if (fd_ < 0) {
    std::string name = temporaryName();
    fd_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0)
      return ioFailure(path, errno);
    temporary_ = name;
  }
  buffer_.reserve(kBufferBytes);
  return {};
}

WriteStatus OutputFile::flush() {
  WriteStatus status = writeAt(flushed_, buffer_.data(), buffer_.size());
  if (status.ok()) {
    flushed_ += buffer_.size();
    buffer_.clear();
  }
  return status;
}

WriteStatus OutputFile::writeAt(uint64_t position, const void *data, uint64_t size) {
  const char *bytes = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t count = ::pwrite(fd_, bytes, std::min<uint64_t>(size, SSIZE_MAX / 2), off_t(position));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return ioFailure(path_, count == 0 ? ENOSPC : errno);
    bytes += count;
    position += uint64_t(count);
    size -= uint64_t(count);
  }
  return {};
}

WriteStatus OutputFile::readAt(uint64_t position, void *data, size_t size) {
  char *bytes = static_cast<char *>(data);
  while (size > 0) {
    ssize_t count = ::pread(fd_, bytes, size, off_t(position));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return ioFailure(path_, count == 0 ? EIO : errno);
    bytes += count;
    position += uint64_t(count);
    size -= size_t(count);
  }
  return {};
}

WriteStatus OutputFile::append(const void *data, uint64_t size) {
  const char *bytes = static_cast<const char *>(data);
  if (buffer_.size() + size > kBufferBytes)
    if (WriteStatus status = flush(); !status.ok())
      return status;
  if (size >= kBufferBytes) {
    WriteStatus status = writeAt(flushed_, bytes, size);
    if (status.ok())
      flushed_ += size;
    return status;
  }
  buffer_.insert(buffer_.end(), bytes, bytes + size);
  return {};
}

WriteStatus OutputFile::pad(uint64_t to) {
  static const char zeros[kSectionAlignment] = {};
  while (position() < to)
    if (WriteStatus status = append(zeros, std::min<uint64_t>(to - position(), sizeof(zeros))); !status.ok())
      return status;
  return {};
}

WriteStatus OutputFile::rewind(uint64_t to) {
  if (to >= flushed_) {
    buffer_.resize(to - flushed_);
    return {};
  }
  buffer_.clear();
  flushed_ = to;
  return ::ftruncate(fd_, off_t(to)) == 0 ? WriteStatus{} : ioFailure(path_, errno);
}

WriteStatus OutputFile::same(uint64_t a, uint64_t b, uint64_t size, bool &out) {
  if (WriteStatus status = flush(); !status.ok())
    return status;
  std::vector<char> x(std::min<uint64_t>(size, kBufferBytes)), y(x.size());
  out = true;
  for (uint64_t at = 0; at < size && out; at += x.size()) {
    size_t count = std::min<uint64_t>(size - at, x.size());
    for (auto [from, to] : {std::pair{a + at, x.data()}, std::pair{b + at, y.data()}})
      if (WriteStatus status = readAt(from, to, count); !status.ok())
        return status;
    out = std::memcmp(x.data(), y.data(), count) == 0;
  }
  return {};
}

WriteStatus OutputFile::commit(const Header &header) {
  if (WriteStatus status = flush(); !status.ok())
    return status;
  if (WriteStatus status = writeAt(0, &header, sizeof(header)); !status.ok())
    return status;
  if (::fsync(fd_) != 0)
    return ioFailure(path_, errno);
  if (temporary_.empty()) {
    std::string name = temporaryName(), self = "/proc/self/fd/" + std::to_string(fd_);
    ::unlink(name.c_str());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return ioFailure(path_, errno);
    temporary_ = name;
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return ioFailure(path_, errno);
  temporary_.clear();
  // Make the name durable too; a folder that cannot be opened for that is no failure.
  int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

struct HashKey {
  uint64_t low, high, size;
  bool operator==(const HashKey &other) const { return low == other.low && high == other.high && size == other.size; }
};
struct HashOfKey {
  size_t operator()(const HashKey &key) const { return size_t(key.low ^ key.size); }
};

void putXxh(XXH128_hash_t hash, uint8_t (&digest)[32]) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  std::memset(digest, 0, sizeof(digest));
  std::memcpy(digest, canonical.digest, sizeof(canonical.digest));
}

} // namespace

struct PackageWriter::State {
  OutputFile file;
  std::vector<SectionEntry> table;
  bool weightsOpen = true, finished = false, failed = false;
  uint64_t added = 0;
  XXH3_state_t sectionHash;                                      // of the weight section so far
  std::unordered_multimap<HashKey, uint64_t, HashOfKey> tensors; // -> offset in the section

  WriteStatus pass(WriteStatus status) {
    failed |= !status.ok();
    return status;
  }
  WriteStatus usable() const {
    if (failed)
      return misuse("it is used after a failure");
    return finished ? misuse("it is used after finish()") : WriteStatus{};
  }
  uint64_t weightEnd() const { return file.position() - kSectionAlignment; }
  WriteStatus padWeights();
  WriteStatus addWeight(uint64_t size, const Producer &producer, WeightRef &out);
  WriteStatus closeWeights();
  WriteStatus addSection(SectionKind kind, const std::string &label, const void *data, uint64_t size,
                         uint32_t &section);
  WriteStatus finish(const void *metadata, uint64_t size);
};

PackageWriter::PackageWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
PackageWriter::~PackageWriter() = default;

WriteStatus PackageWriter::create(const std::string &path, std::unique_ptr<PackageWriter> &out) {
  auto state = std::make_unique<State>();
  if (WriteStatus status = state->file.open(path); !status.ok())
    return status;
  if (WriteStatus status = state->file.pad(kSectionAlignment); !status.ok())
    return status;
  XXH3_128bits_reset(&state->sectionHash);
  out.reset(new PackageWriter(std::move(state)));
  return {};
}

WriteStatus PackageWriter::State::padWeights() {
  static const char zeros[kTensorAlignment] = {};
  uint64_t padding = alignTo(weightEnd(), kTensorAlignment) - weightEnd();
  XXH3_128bits_update(&sectionHash, zeros, padding);
  return file.append(zeros, padding);
}

/// The tensor is written while it is hashed, and taken back if its bytes are in the file already.
WriteStatus PackageWriter::State::addWeight(uint64_t size, const Producer &producer, WeightRef &out) {
  if (!weightsOpen)
    return misuse("a weight is added after code");
  if (WriteStatus status = padWeights(); !status.ok())
    return status;
  uint64_t offset = weightEnd(), emitted = 0;
  XXH3_state_t before, tensor;
  XXH3_128bits_reset(&tensor);
  XXH3_copyState(&before, &sectionHash);
  Emit emit = [&](const void *data, size_t count) {
    emitted += count;
    if (emitted > size)
      return misuse("a weight is larger than announced");
    XXH3_128bits_update(&tensor, data, count);
    XXH3_128bits_update(&sectionHash, data, count);
    return file.append(data, count);
  };
  if (WriteStatus status = producer(emit); !status.ok())
    return status;
  if (emitted != size)
    return misuse("a weight is smaller than announced");
  added += size;
  XXH128_hash_t hash = XXH3_128bits_digest(&tensor);
  HashKey key{hash.low64, hash.high64, size};
  auto [begin, end] = tensors.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    bool same = false; // the hash alone is no proof
    if (WriteStatus status = file.same(kSectionAlignment + it->second, kSectionAlignment + offset, size, same);
        !status.ok())
      return status;
    if (!same)
      continue;
    out = {it->second, size};
    XXH3_copyState(&sectionHash, &before);
    return file.rewind(kSectionAlignment + offset);
  }
  tensors.emplace(key, offset);
  out = {offset, size};
  return {};
}

WriteStatus PackageWriter::State::closeWeights() {
  if (!weightsOpen)
    return {};
  weightsOpen = false;
  SectionEntry entry{};
  entry.kind = uint32_t(SectionKind::weights);
  entry.flags = kSectionRequired;
  entry.offset = kSectionAlignment;
  entry.size = weightEnd();
  entry.digestKind = uint32_t(DigestKind::xxh3_128);
  putXxh(XXH3_128bits_digest(&sectionHash), entry.digest);
  std::strncpy(entry.label, "weights", sizeof(entry.label));
  table.push_back(entry);
  return {};
}

WriteStatus PackageWriter::State::addSection(SectionKind kind, const std::string &label, const void *data,
                                             uint64_t size, uint32_t &section) {
  if (WriteStatus status = closeWeights(); !status.ok())
    return status;
  if (table.size() >= kMaxSections)
    return misuse("there are too many sections");
  if (WriteStatus status = file.pad(alignTo(file.position(), kSectionAlignment)); !status.ok())
    return status;
  SectionEntry entry{};
  entry.kind = uint32_t(kind);
  entry.id = uint32_t(std::count_if(table.begin(), table.end(),
                                    [&](const SectionEntry &other) { return other.kind == uint32_t(kind); }));
  entry.flags = kind == SectionKind::debug ? 0 : kSectionRequired;
  entry.offset = file.position();
  entry.size = size;
  entry.digestKind = uint32_t(DigestKind::sha256);
  crypto_hash_sha256(entry.digest, static_cast<const uint8_t *>(data), size);
  std::memcpy(entry.label, label.data(), std::min(label.size(), sizeof(entry.label)));
  section = uint32_t(table.size());
  table.push_back(entry);
  return file.append(data, size);
}

WriteStatus PackageWriter::State::finish(const void *metadata, uint64_t size) {
  uint32_t section;
  if (WriteStatus status = addSection(SectionKind::metadata, "metadata", metadata, size, section); !status.ok())
    return status;
  if (WriteStatus status = file.pad(alignTo(file.position(), kTensorAlignment)); !status.ok())
    return status;
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.headerBytes = sizeof(Header);
  header.tableOffset = file.position();
  header.sectionCount = uint32_t(table.size());
  header.entryBytes = sizeof(SectionEntry);
  uint64_t tableBytes = table.size() * sizeof(SectionEntry);
  header.fileSize = header.tableOffset + tableBytes;
  crypto_hash_sha256_state hash;
  crypto_hash_sha256_init(&hash);
  crypto_hash_sha256_update(&hash, reinterpret_cast<const uint8_t *>(&header), sizeof(header));
  crypto_hash_sha256_update(&hash, reinterpret_cast<const uint8_t *>(table.data()), tableBytes);
  crypto_hash_sha256_final(&hash, header.digest);
  if (WriteStatus status = file.append(table.data(), tableBytes); !status.ok())
    return status;
  return file.commit(header);
}

WriteStatus PackageWriter::addWeight(uint64_t size, const Producer &producer, WeightRef &out) {
  if (WriteStatus status = state_->usable(); !status.ok())
    return status;
  return state_->pass(state_->addWeight(size, producer, out));
}

WriteStatus PackageWriter::addWeight(const void *data, uint64_t size, WeightRef &out) {
  return addWeight(size, [&](const Emit &emit) { return emit(data, size); }, out);
}

WriteStatus PackageWriter::addCode(const std::string &label, const void *data, uint64_t size, uint32_t &section) {
  if (WriteStatus status = state_->usable(); !status.ok())
    return status;
  return state_->pass(state_->addSection(SectionKind::code, label, data, size, section));
}

WriteStatus PackageWriter::addDebug(const void *data, uint64_t size, uint32_t &section) {
  if (WriteStatus status = state_->usable(); !status.ok())
    return status;
  return state_->pass(state_->addSection(SectionKind::debug, "graph", data, size, section));
}

WriteStatus PackageWriter::finish(const void *metadata, uint64_t size) {
  if (WriteStatus status = state_->usable(); !status.ok())
    return status;
  WriteStatus status = state_->pass(state_->finish(metadata, size));
  state_->finished = true;
  return status;
}

uint64_t PackageWriter::weightBytesAdded() const { return state_->added; }
uint64_t PackageWriter::weightBytesStored() const {
  return state_->weightsOpen ? state_->weightEnd() : state_->table.front().size;
}

} // namespace adze
