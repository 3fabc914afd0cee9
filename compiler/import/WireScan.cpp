#include "compiler/import/WireScan.h"
#include <optional>

using namespace adze;

namespace {

/// Wire types of the protobuf encoding.
enum : unsigned { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };
enum : unsigned { kFloatData = 4, kRawData = 9, kDoubleData = 10 };
enum : unsigned { kMappedOffset = 100001, kMappedLength = 100002, kMappedField = 100003 };

struct Child {
  WireMessage parent;
  unsigned field;
  WireMessage message;
  bool repeated;
};

/// The messages on the way to tensors. Everything else is copied as it is.
constexpr Child kChildren[] = {
    {WireMessage::Model, 7, WireMessage::Graph, false},       {WireMessage::Model, 25, WireMessage::Function, true},
    {WireMessage::Graph, 1, WireMessage::Node, true},         {WireMessage::Graph, 5, WireMessage::Tensor, true},
    {WireMessage::Graph, 15, WireMessage::Sparse, true},      {WireMessage::Node, 5, WireMessage::Attribute, true},
    {WireMessage::Attribute, 5, WireMessage::Tensor, false},  {WireMessage::Attribute, 6, WireMessage::Graph, false},
    {WireMessage::Attribute, 10, WireMessage::Tensor, true},  {WireMessage::Attribute, 11, WireMessage::Graph, true},
    {WireMessage::Attribute, 22, WireMessage::Sparse, false}, {WireMessage::Attribute, 23, WireMessage::Sparse, true},
    {WireMessage::Sparse, 1, WireMessage::Tensor, false},     {WireMessage::Sparse, 2, WireMessage::Tensor, false},
    {WireMessage::Function, 7, WireMessage::Node, true},      {WireMessage::Function, 11, WireMessage::Attribute, true},
};

const Child *childOf(WireMessage parent, unsigned field) {
  for (const Child &child : kChildren)
    if (child.parent == parent && child.field == field)
      return &child;
  return nullptr;
}

/// Fields that a compiler has no use for: documentation and training. Dropped, so that they cost no memory.
bool dropped(WireMessage parent, unsigned field) {
  switch (parent) {
  case WireMessage::Model:
    return field == 6 || field == 20 || field == 26;
  case WireMessage::Graph:
    return field == 10 || field == 14 || field == 16;
  case WireMessage::Node:
    return field == 6 || field == 9 || field == 10;
  case WireMessage::Attribute:
    return field == 13;
  case WireMessage::Tensor:
    return field == 12 || field == 16 || (field >= kMappedOffset && field <= kMappedField);
  case WireMessage::Function:
    return field == 8 || field == 14;
  default:
    return false;
  }
}

/// Singular fields whose repetition protobuf would silently resolve in favour of the last one.
bool singular(WireMessage parent, unsigned field) {
  const Child *child = childOf(parent, field);
  if (child)
    return !child->repeated;
  switch (parent) {
  case WireMessage::Model:
    return field == 1;
  case WireMessage::Node:
    return field == 3 || field == 4 || field == 7;
  case WireMessage::Tensor:
    return field == 2 || field == 8 || field == kRawData || field == 14;
  case WireMessage::Attribute:
    return field == 1 || field == 20;
  default:
    return false;
  }
}

struct Field {
  unsigned number, wire;
  size_t start;      ///< of the tag
  size_t begin, end; ///< of the payload
};

class Scanner {
public:
  Scanner(llvm::StringRef file, const ScanLimits &limits, std::string &out, ErrorSink &sink)
      : file(file), limits(limits), out(out), sink(sink) {}

  bool message(WireMessage kind, size_t begin, size_t end, unsigned depth);

private:
  bool fail(ErrorKind kind, size_t offset, std::string why) {
    ErrorPlace place;
    place.byteOffset = static_cast<int64_t>(offset);
    bool resource = kind == ErrorKind::Resource;
    sink.add(kind, resource ? "the model is beyond a limit of the reader" : "not a readable ONNX protobuf",
             std::move(why),
             resource ? "split the model or simplify it before compiling"
                      : "export the model again; the file may be truncated or of another format",
             std::move(place));
    return false;
  }
  std::optional<uint64_t> varint(size_t &at, size_t end) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && at < end; shift += 7) {
      auto byte = static_cast<unsigned char>(file[at++]);
      if (shift < 64)
        value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return value;
    }
    return std::nullopt;
  }
  bool next(size_t &at, size_t end, Field &field);
  void putVarint(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  }
  void putNumber(unsigned field, uint64_t value) {
    putVarint(uint64_t(field) << 3 | kVarint);
    putVarint(value);
  }
  bool child(const Child &rule, const Field &field, unsigned depth);
  bool tensorData(const Field &field, bool onlyChunk);
  unsigned countChunks(size_t begin, size_t end, unsigned number);

  llvm::StringRef file;
  const ScanLimits &limits;
  std::string &out;
  ErrorSink &sink;
  uint64_t cost = 0, typeBytes = 0;
};

bool Scanner::next(size_t &at, size_t end, Field &field) {
  field.start = at;
  auto tag = varint(at, end);
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > 536870911)
    return fail(ErrorKind::Malformed, field.start, "no valid field tag here");
  field.number = static_cast<unsigned>(*tag >> 3);
  field.wire = *tag & 7;
  field.begin = at;
  switch (field.wire) {
  case kVarint:
    if (!varint(at, end))
      return fail(ErrorKind::Malformed, field.begin, "a number runs past the end of its message");
    break;
  case kFixed64:
  case kFixed32: {
    size_t bytes = field.wire == kFixed64 ? 8 : 4;
    if (end - at < bytes)
      return fail(ErrorKind::Malformed, field.begin, "a number runs past the end of its message");
    at += bytes;
    break;
  }
  case kLength: {
    auto length = varint(at, end);
    if (!length || *length > end - at)
      return fail(ErrorKind::Malformed, field.begin,
                  "field " + std::to_string(field.number) + " claims " +
                      (length ? std::to_string(*length) : std::string("too many")) + " bytes, its message has " +
                      std::to_string(end - at) + " left");
    field.begin = at;
    at += *length;
    break;
  }
  default:
    return fail(ErrorKind::Malformed, field.start,
                "wire type " + std::to_string(field.wire) + " does not occur in ONNX files");
  }
  field.end = at;
  if (++cost > limits.maxCost)
    return fail(ErrorKind::Resource, field.start, "more than " + std::to_string(limits.maxCost) + " fields");
  return true;
}

bool Scanner::child(const Child &rule, const Field &field, unsigned depth) {
  cost += 8;
  // The length is known only after the copy: reserve a five-byte varint, long enough for protobuf's 2 GiB.
  putVarint(uint64_t(field.number) << 3 | kLength);
  size_t lengthAt = out.size();
  out.append(5, '\0');
  if (!message(rule.message, field.begin, field.end, depth + 1))
    return false;
  uint64_t length = out.size() - lengthAt - 5;
  if (length > INT32_MAX)
    return fail(ErrorKind::Resource, field.start, "more than 2 GiB of data outside raw_data");
  for (unsigned i = 0; i < 5; ++i)
    out[lengthAt + i] = static_cast<char>((length >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
  return true;
}

unsigned Scanner::countChunks(size_t begin, size_t end, unsigned number) {
  unsigned count = 0;
  uint64_t keep = cost; // the second walk of the same fields is not charged
  Field field;
  for (size_t at = begin; at < end;) {
    if (!next(at, end, field))
      return 0;
    count += field.number == number;
  }
  cost = keep;
  return count;
}

bool Scanner::tensorData(const Field &field, bool onlyChunk) {
  if (field.wire != kLength || !onlyChunk || field.end - field.begin < limits.minMapped)
    return false;
  putNumber(kMappedOffset, field.begin);
  putNumber(kMappedLength, field.end - field.begin);
  putNumber(kMappedField, field.number);
  return true;
}

bool Scanner::message(WireMessage kind, size_t begin, size_t end, unsigned depth) {
  if (depth > limits.maxDepth)
    return fail(ErrorKind::Malformed, begin, "messages nest deeper than " + std::to_string(limits.maxDepth));
  uint64_t seen = 0; // singular fields have numbers below 64
  unsigned dataFields = 0;
  Field field;
  for (size_t at = begin; at < end;) {
    if (!next(at, end, field))
      return false;
    if (dropped(kind, field.number))
      continue;
    if (singular(kind, field.number)) {
      if (seen >> field.number & 1)
        return fail(ErrorKind::Malformed, field.start,
                    "field " + std::to_string(field.number) + " occurs twice in a message that allows one");
      seen |= uint64_t(1) << field.number;
    }
    const Child *rule = field.wire == kLength ? childOf(kind, field.number) : nullptr;
    if (rule) {
      if (!child(*rule, field, depth))
        return false;
      continue;
    }
    if (kind == WireMessage::Tensor &&
        (field.number == kRawData || field.number == kFloatData || field.number == kDoubleData)) {
      // Only one field can become the mapped one; files with raw and typed data together are refused later.
      bool only = dataFields++ == 0 && (field.number == kRawData || countChunks(begin, end, field.number) == 1);
      if (tensorData(field, only))
        continue;
    }
    if (kind == WireMessage::Graph && field.number >= 11 &&
        (typeBytes += field.end - field.begin) > limits.maxTypeBytes)
      return fail(ErrorKind::Resource, field.start,
                  "value types take more than " + std::to_string(limits.maxTypeBytes) + " bytes");
    out.append(file.data() + field.start, field.end - field.start);
  }
  return true;
}

} // namespace

bool adze::scanWire(llvm::StringRef file, WireMessage root, const ScanLimits &limits, std::string &out,
                    ErrorSink &sink) {
  return Scanner(file, limits, out, sink).message(root, 0, file.size(), 0);
}
