// The part of the zip format that numpy.savez writes: stored or deflated members, zip64 sizes in the central directory.
#include "compiler/tensorio/TensorIO.h"
#include "compiler/weights/MappedFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include <limits>
#include <zlib.h>

using namespace adze;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;
using llvm::support::endian::read64le;

/// A deflated member may unfold to at most this; numpy arrays compress by far less than zlib's limit of 1:1032.
static constexpr uint64_t kMaxMember = uint64_t(1) << 36;

static uint32_t crcOf(llvm::StringRef bytes) {
  uLong crc = crc32(0, nullptr, 0);
  for (size_t at = 0; at < bytes.size(); at += 1u << 30)
    crc = crc32(crc, reinterpret_cast<const Bytef *>(bytes.data() + at),
                static_cast<uInt>(std::min<size_t>(bytes.size() - at, 1u << 30)));
  return static_cast<uint32_t>(crc);
}

namespace {

struct Member {
  std::string name;
  unsigned method;
  uint32_t crc;
  uint64_t packed, size, offset;
};

class ZipReader {
public:
  ZipReader(llvm::StringRef bytes, llvm::StringRef path, ErrorSink &sink) : bytes(bytes), path(path), sink(sink) {}
  bool directory(std::vector<Member> &members);
  bool extract(const Member &member, std::string &out);

private:
  bool fail(std::string why, ErrorKind kind = ErrorKind::Malformed) {
    ErrorPlace place;
    place.file = path.str();
    sink.add(kind, "not a usable .npz archive", std::move(why), "write it with numpy.savez or numpy.savez_compressed",
             std::move(place));
    return false;
  }
  bool inflate(const Member &member, llvm::StringRef packed, std::string &out);
  static void zip64(llvm::StringRef extra, Member &member);
  llvm::StringRef bytes, path;
  ErrorSink &sink;
};

/// Sizes of 0xffffffff stand for 64-bit numbers in the extra field with id 1, in a fixed order.
void ZipReader::zip64(llvm::StringRef extra, Member &member) {
  while (extra.size() >= 4) {
    unsigned id = read16le(extra.data()), length = read16le(extra.data() + 2);
    llvm::StringRef body = extra.substr(4, length);
    extra = extra.drop_front(std::min<size_t>(extra.size(), 4 + length));
    if (id != 1)
      continue;
    for (uint64_t *value : {&member.size, &member.packed, &member.offset})
      if (*value == UINT32_MAX && body.size() >= 8) {
        *value = read64le(body.data());
        body = body.drop_front(8);
      }
  }
}

bool ZipReader::directory(std::vector<Member> &members) {
  size_t end = bytes.rfind(llvm::StringRef("PK\x05\x06", 4));
  if (end == llvm::StringRef::npos || bytes.size() - end < 22)
    return fail("the archive's directory is missing; the file may be truncated");
  uint64_t count = read16le(bytes.data() + end + 10), at = read32le(bytes.data() + end + 16);
  if (at == UINT32_MAX || count == UINT16_MAX) {
    size_t locator = bytes.rfind(llvm::StringRef("PK\x06\x07", 4));
    uint64_t record = locator == llvm::StringRef::npos || bytes.size() - locator < 20
                          ? UINT64_MAX
                          : read64le(bytes.data() + locator + 8);
    if (record > bytes.size() || bytes.size() - record < 56)
      return fail("the zip64 directory is missing");
    count = read64le(bytes.data() + record + 32);
    at = read64le(bytes.data() + record + 48);
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (at > bytes.size() || bytes.size() - at < 46 || !bytes.substr(at).starts_with(llvm::StringRef("PK\x01\x02", 4)))
      return fail("directory entry " + std::to_string(i) + " is damaged");
    const char *p = bytes.data() + at;
    unsigned nameSize = read16le(p + 28), extraSize = read16le(p + 30), commentSize = read16le(p + 32);
    Member member{"", read16le(p + 10), read32le(p + 16), read32le(p + 20), read32le(p + 24), read32le(p + 42)};
    if (bytes.size() - at - 46 < size_t(nameSize) + extraSize + commentSize)
      return fail("directory entry " + std::to_string(i) + " is damaged");
    member.name = bytes.substr(at + 46, nameSize).str();
    zip64(bytes.substr(at + 46 + nameSize, extraSize), member);
    if (read16le(p + 8) & 1)
      return fail("member '" + printable(member.name) + "' is encrypted");
    members.push_back(std::move(member));
    at += 46 + nameSize + extraSize + commentSize;
  }
  return true;
}

bool ZipReader::inflate(const Member &member, llvm::StringRef packed, std::string &out) {
  if (member.size > kMaxMember || member.size / 1100 > member.packed)
    return fail("member '" + printable(member.name) + "' claims to unfold to " + std::to_string(member.size) + " bytes",
                ErrorKind::Resource);
  out.resize(member.size);
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return fail("zlib cannot start", ErrorKind::Resource);
  size_t read = 0, wrote = 0;
  int status = Z_OK;
  // zlib counts in 32 bits: feed and drain by pieces.
  while (status == Z_OK) {
    size_t in = std::min<size_t>(packed.size() - read, 1u << 30), room = std::min<size_t>(out.size() - wrote, 1u << 30);
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef *>(out.data() + wrote);
    stream.avail_out = static_cast<uInt>(room);
    status = ::inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    wrote += room - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || wrote != out.size())
    return fail("member '" + printable(member.name) + "' does not unfold to its size");
  return true;
}

bool ZipReader::extract(const Member &member, std::string &out) {
  if (member.offset > bytes.size() || bytes.size() - member.offset < 30 ||
      !bytes.substr(member.offset).starts_with(llvm::StringRef("PK\x03\x04", 4)))
    return fail("member '" + printable(member.name) + "' is damaged");
  const char *local = bytes.data() + member.offset;
  uint64_t data = member.offset + 30 + read16le(local + 26) + read16le(local + 28);
  if (data > bytes.size() || member.packed > bytes.size() - data)
    return fail("member '" + printable(member.name) + "' runs past the end of the file");
  llvm::StringRef packed = bytes.substr(data, member.packed);
  if (member.method == 0) {
    if (member.packed != member.size)
      return fail("member '" + printable(member.name) + "' has two sizes");
    out = packed.str();
  } else if (member.method == 8) {
    if (!inflate(member, packed, out))
      return false;
  } else {
    return fail("member '" + printable(member.name) + "' uses compression method " + std::to_string(member.method),
                ErrorKind::Unsupported);
  }
  if (crcOf(out) != member.crc)
    return fail("member '" + printable(member.name) + "' fails its CRC");
  return true;
}

} // namespace

std::optional<ZipMembers> adze::readZip(llvm::StringRef path, ErrorSink &sink) {
  auto file = MappedFile::open(path, sink);
  if (!file)
    return std::nullopt;
  ZipReader zip(file->bytes(), path, sink);
  std::vector<Member> members;
  if (!zip.directory(members))
    return std::nullopt;
  ZipMembers result;
  for (const Member &member : members) {
    std::string bytes;
    if (!zip.extract(member, bytes))
      return std::nullopt;
    result.emplace_back(member.name, std::move(bytes));
  }
  return result;
}

std::optional<std::vector<std::pair<std::string, HostTensor>>> adze::readNpz(llvm::StringRef path, ErrorSink &sink) {
  std::optional<ZipMembers> members = readZip(path, sink);
  if (!members)
    return std::nullopt;
  std::vector<std::pair<std::string, HostTensor>> result;
  for (auto &[name, bytes] : *members) {
    auto tensor = parseNpy(bytes, path.str() + ":" + printable(name), sink);
    if (!tensor)
      return std::nullopt;
    std::string().swap(bytes); // one member at a time is held twice
    llvm::StringRef plain = name;
    plain.consume_back(".npy");
    result.emplace_back(plain.str(), std::move(*tensor));
  }
  return result;
}

//===- Writing ----------------------------------------------------------------------------------------------------===//

static void put16(std::string &out, size_t value) {
  out.push_back(static_cast<char>(value & 0xff));
  out.push_back(static_cast<char>(value >> 8 & 0xff));
}

static void put32(std::string &out, size_t value) {
  put16(out, value & 0xffff);
  put16(out, value >> 16 & 0xffff);
}

/// The fields that a member's local header and its directory entry have in common.
static void putMemberFields(std::string &out, llvm::StringRef name, size_t size, uint32_t crc) {
  put16(out, 20);      // version needed: 2.0
  put16(out, 1 << 11); // the name is UTF-8
  put16(out, 0);       // stored
  put16(out, 0);       // time: midnight
  put16(out, 0x21);    // date: 1980-01-01
  put32(out, crc);
  put32(out, size);
  put32(out, size);
  put16(out, name.size());
  put16(out, 0); // no extra field
}

std::optional<std::string> adze::toZip(const ZipMembers &members) {
  uint64_t total = 22;
  for (const auto &[name, bytes] : members) {
    if (name.size() > UINT16_MAX)
      return std::nullopt;
    total += bytes.size() + 2 * name.size() + 30 + 46;
  }
  if (total >= UINT32_MAX || members.size() >= UINT16_MAX)
    return std::nullopt;
  std::string out, directory;
  out.reserve(total);
  for (const auto &[name, bytes] : members) {
    uint32_t crc = crcOf(bytes);
    directory += llvm::StringRef("PK\x01\x02", 4);
    put16(directory, 20); // made by: version 2.0
    putMemberFields(directory, name, bytes.size(), crc);
    put16(directory, 0); // no comment
    put16(directory, 0); // first disk
    put16(directory, 0); // internal attributes
    put32(directory, 0); // external attributes
    put32(directory, out.size());
    directory += name;
    out += llvm::StringRef("PK\x03\x04", 4);
    putMemberFields(out, name, bytes.size(), crc);
    out += name;
    out += bytes;
  }
  size_t at = out.size();
  out += directory;
  out += llvm::StringRef("PK\x05\x06", 4);
  put32(out, 0); // disk numbers
  put16(out, members.size());
  put16(out, members.size());
  put32(out, directory.size());
  put32(out, at);
  put16(out, 0); // no comment
  return out;
}
