#include "compiler/tensorio/TensorIO.h"
#include "compiler/weights/MappedFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace adze;

static constexpr size_t kMaxRank = 64; // numpy's own limit

//===- Header -----------------------------------------------------------------------------------------------------===//

namespace {

/// The header is a Python dict literal with three known keys; this reads exactly that.
class HeaderParser {
public:
  explicit HeaderParser(llvm::StringRef text) : rest(text) {}
  bool parse();
  std::string descr;
  bool fortran = false;
  llvm::SmallVector<int64_t, 4> shape;

private:
  bool eat(char c) {
    rest = rest.ltrim();
    return rest.consume_front(llvm::StringRef(&c, 1));
  }
  bool string(std::string &out) {
    rest = rest.ltrim();
    if (rest.empty() || (rest[0] != '\'' && rest[0] != '"'))
      return false;
    size_t close = rest.find(rest[0], 1);
    if (close == llvm::StringRef::npos)
      return false;
    out = rest.slice(1, close).str();
    rest = rest.drop_front(close + 1);
    return true;
  }
  bool boolean(bool &out) {
    rest = rest.ltrim();
    out = rest.consume_front("True");
    return out || rest.consume_front("False");
  }
  bool tuple();
  llvm::StringRef rest;
};

bool HeaderParser::tuple() {
  if (!eat('('))
    return false;
  while (!eat(')')) {
    rest = rest.ltrim();
    uint64_t dim;
    if (rest.consumeInteger(10, dim) || dim > INT64_MAX || shape.size() >= kMaxRank)
      return false;
    rest.consume_front("L"); // Python 2 wrote long integers so
    shape.push_back(static_cast<int64_t>(dim));
    if (!eat(',')) {
      if (!eat(')'))
        return false;
      break;
    }
  }
  return true;
}

bool HeaderParser::parse() {
  bool haveDescr = false, haveOrder = false, haveShape = false;
  if (!eat('{'))
    return false;
  while (!eat('}')) {
    std::string key;
    if (!string(key) || !eat(':'))
      return false;
    bool good = key == "descr" && !haveDescr           ? (haveDescr = string(descr))
                : key == "fortran_order" && !haveOrder ? (haveOrder = boolean(fortran))
                : key == "shape" && !haveShape         ? (haveShape = tuple())
                                                       : false;
    if (!good)
      return false;
    if (!eat(',')) {
      if (!eat('}'))
        return false;
      break;
    }
  }
  return haveDescr && haveOrder && haveShape && rest.trim().empty();
}

struct NpyType {
  const char *code;
  DType type;
};
constexpr NpyType kNpyTypes[] = {
    {"b1", DType::Bool}, {"i1", DType::I8},  {"i2", DType::I16}, {"i4", DType::I32},   {"i8", DType::I64},
    {"u1", DType::U8},   {"u2", DType::U16}, {"u4", DType::U32}, {"u8", DType::U64},   {"f2", DType::F16},
    {"f4", DType::F32},  {"f8", DType::F64}, {"c8", DType::C64}, {"c16", DType::C128},
};

/// Row-major copy of column-major elements.
void fromFortran(llvm::ArrayRef<int64_t> dims, size_t width, const char *in, char *out) {
  llvm::SmallVector<int64_t> stride(dims.size(), 1), index(dims.size(), 0);
  for (size_t d = 1; d < dims.size(); ++d)
    stride[d] = stride[d - 1] * dims[d - 1];
  uint64_t count = *numElements(dims);
  int64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    std::memcpy(out + i * width, in + at * width, width);
    for (size_t d = dims.size(); d-- > 0;) {
      at += stride[d];
      if (++index[d] < dims[d])
        break;
      at -= stride[d] * dims[d];
      index[d] = 0;
    }
  }
}

} // namespace

//===- Reading ----------------------------------------------------------------------------------------------------===//

std::optional<HostTensor> adze::parseNpy(llvm::StringRef bytes, llvm::StringRef label, ErrorSink &sink) {
  auto fail = [&](ErrorKind kind, std::string why) -> std::optional<HostTensor> {
    ErrorPlace place;
    place.file = label.str();
    sink.add(kind, "not a usable .npy array", std::move(why), "write it with numpy.save of a numeric array",
             std::move(place));
    return std::nullopt;
  };
  if (!bytes.starts_with("\x93NUMPY") || bytes.size() < 10)
    return fail(ErrorKind::Malformed, "it does not begin with the NUMPY mark");
  unsigned major = static_cast<unsigned char>(bytes[6]);
  if (major < 1 || major > 3)
    return fail(ErrorKind::Malformed, "format version " + std::to_string(major) + " is unknown");
  size_t prefix = major == 1 ? 10 : 12;
  if (bytes.size() < prefix)
    return fail(ErrorKind::Malformed, "the header is cut off");
  size_t headerSize = major == 1 ? llvm::support::endian::read16le(bytes.data() + 8)
                                 : llvm::support::endian::read32le(bytes.data() + 8);
  if (headerSize > bytes.size() - prefix)
    return fail(ErrorKind::Malformed, "the header is cut off");
  HeaderParser header(bytes.substr(prefix, headerSize));
  if (!header.parse())
    return fail(ErrorKind::Malformed, "the header is not a plain array's");

  llvm::StringRef descr = header.descr;
  char order = descr.empty() ? '?' : descr[0];
  HostTensor tensor;
  for (const NpyType &row : kNpyTypes)
    if (descr.drop_front(descr.empty() ? 0 : 1) == row.code && llvm::StringRef("<>|=").contains(order))
      tensor.dtype = row.type;
  if (tensor.dtype == DType::Undefined)
    return fail(ErrorKind::Unsupported, "element type '" + printable(descr) + "' is not a number type");
  tensor.dims.assign(header.shape.begin(), header.shape.end());
  auto count = numElements(tensor.dims);
  auto size = count ? packedBytes(tensor.dtype, *count) : std::nullopt;
  llvm::StringRef data = bytes.drop_front(prefix + headerSize);
  if (!size || *size != data.size())
    return fail(ErrorKind::Malformed, "the shape needs " + (size ? std::to_string(*size) : std::string("too many")) +
                                          " bytes, the file has " + std::to_string(data.size()));
  unsigned width = unpackedBytes(tensor.dtype);
  tensor.bytes.resize(data.size());
  if (header.fortran && tensor.dims.size() > 1)
    fromFortran(tensor.dims, width, data.data(), tensor.bytes.data());
  else if (!data.empty())
    std::memcpy(tensor.bytes.data(), data.data(), data.size());
  if (order == '>') {
    unsigned unit = tensor.dtype == DType::C64 || tensor.dtype == DType::C128 ? width / 2 : width;
    for (size_t i = 0; i < tensor.bytes.size(); i += unit)
      std::reverse(tensor.bytes.begin() + i, tensor.bytes.begin() + i + unit);
  }
  return tensor;
}

std::optional<HostTensor> adze::readNpy(llvm::StringRef path, ErrorSink &sink) {
  auto file = MappedFile::open(path, sink);
  return file ? parseNpy(file->bytes(), path, sink) : std::nullopt;
}

bool adze::retype(HostTensor &tensor, DType wanted) {
  if (tensor.dtype == wanted)
    return true;
  bool lacksNumpyType =
      (isFloat(wanted) && wanted != DType::F16 && wanted != DType::F32 && wanted != DType::F64) || bitWidth(wanted) < 8;
  bool standIn = tensor.dtype == (unpackedBytes(wanted) == 2 ? DType::U16 : DType::U8);
  if (!lacksNumpyType || bitWidth(wanted) == 0 || !standIn)
    return false;
  unsigned bits = bitWidth(wanted);
  if (bits < 8 && llvm::any_of(tensor.bytes, [&](char c) { return static_cast<unsigned char>(c) >> bits; }))
    return false;
  tensor.dtype = wanted;
  return true;
}

//===- Writing ----------------------------------------------------------------------------------------------------===//

static std::string npyCode(DType type) {
  for (const NpyType &row : kNpyTypes)
    if (row.type == type)
      return std::string(unpackedBytes(type) == 1 ? "|" : "<") + row.code;
  return unpackedBytes(type) == 2 ? "<u2" : "|u1";
}

std::string adze::toNpy(const HostTensor &tensor) {
  std::string header = "{'descr': '" + npyCode(tensor.dtype) + "', 'fortran_order': False, 'shape': (";
  for (int64_t dim : tensor.dims)
    header += std::to_string(dim) + ", ";
  if (tensor.dims.size() > 1)
    header.resize(header.size() - 2);
  else if (tensor.dims.size() == 1)
    header.pop_back();
  header += "), }";
  // The data begins at a multiple of 64 bytes; the header ends in a newline.
  bool wide = header.size() + 64 > UINT16_MAX;
  size_t prefix = wide ? 12 : 10;
  size_t padded = (prefix + header.size() + 1 + 63) / 64 * 64 - prefix;
  header.append(padded - header.size() - 1, ' ');
  header.push_back('\n');
  std::string out = wide ? std::string("\x93NUMPY\x02\x00", 8) : std::string("\x93NUMPY\x01\x00", 8);
  char length[4];
  llvm::support::endian::write32le(length, static_cast<uint32_t>(header.size()));
  out.append(length, wide ? 4 : 2);
  out += header;
  out.append(tensor.bytes.data(), tensor.bytes.size());
  return out;
}

bool adze::writeNpy(llvm::StringRef path, const HostTensor &tensor, ErrorSink &sink) {
  std::string temporary = (path + ".part" + llvm::Twine(::getpid())).str(), text = toNpy(tensor);
  auto fail = [&](const char *doing) {
    ErrorPlace place;
    place.file = path.str();
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    sink.add(full ? ErrorKind::Resource : ErrorKind::Malformed, "cannot write the array",
             std::string(doing) + ": " + std::strerror(errno),
             full ? "free disk space" : "check that the directory exists and may be written", std::move(place));
    ::unlink(temporary.c_str());
    return false;
  };
  int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    return fail("open");
  for (size_t done = 0; done < text.size();) {
    ssize_t wrote = ::write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0) {
      int error = errno;
      ::close(fd);
      errno = error;
      return fail("write");
    }
    done += static_cast<size_t>(wrote);
  }
  if (::close(fd) != 0)
    return fail("close");
  return ::rename(temporary.c_str(), path.str().c_str()) == 0 || fail("rename");
}
