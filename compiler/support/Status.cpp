#include "compiler/support/Status.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze;

/// A hostile model can hold millions of wrong nodes; beyond this many errors only their number is kept.
static constexpr size_t kMaxErrors = 10000;

std::string adze::printable(llvm::StringRef text, size_t limit) {
  bool cut = text.size() > limit;
  std::string valid = utf8(text.take_front(limit));
  std::string out;
  llvm::raw_string_ostream os(out);
  for (char c : valid) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      os << "\\x" << llvm::hexdigit(byte >> 4, true) << llvm::hexdigit(byte & 15, true);
    else
      os << c;
  }
  if (cut)
    os << "... (" << text.size() << " bytes)";
  return out;
}

std::string adze::utf8(llvm::StringRef text) {
  return llvm::json::isUTF8(text) ? text.str() : llvm::json::fixUTF8(text);
}

static std::string placeText(const ErrorPlace &where) {
  std::string out;
  llvm::raw_string_ostream os(out);
  llvm::ListSeparator sep(", ");
  if (!where.op.empty()) {
    os << sep << "node '" << printable(where.node) << "' (" << printable(where.op);
    if (!where.domain.empty())
      os << ", domain " << printable(where.domain);
    if (where.opset >= 0)
      os << ", opset " << where.opset;
    os << ")";
    if (where.index >= 0)
      os << " #" << where.index;
    if (!where.types.empty())
      os << " on " << printable(where.types, 400);
  }
  if (!where.tensor.empty())
    os << sep << "tensor '" << printable(where.tensor) << "'";
  if (where.byteOffset >= 0)
    os << sep << "byte " << where.byteOffset;
  if (!where.file.empty())
    os << sep << "file " << printable(where.file, 400);
  return out;
}

std::string adze::toText(const Error &error) {
  std::string out = "error: " + error.what;
  if (std::string place = placeText(error.where); !place.empty())
    out += "\n  where: " + place;
  if (!error.why.empty())
    out += "\n  why: " + error.why;
  if (!error.remedy.empty())
    out += "\n  remedy: " + error.remedy;
  return out;
}

static llvm::StringRef kindName(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::Internal:
    return "internal";
  case ErrorKind::Malformed:
    return "malformed";
  case ErrorKind::Unsupported:
    return "unsupported";
  case ErrorKind::Resource:
    return "resource";
  }
  return "internal";
}

llvm::json::Object adze::toJSON(const Error &error) {
  const ErrorPlace &p = error.where;
  llvm::json::Object where;
  auto text = [&](const char *key, llvm::StringRef value) {
    if (!value.empty())
      where[key] = utf8(value);
  };
  auto number = [&](const char *key, int64_t value) {
    if (value >= 0)
      where[key] = value;
  };
  text("file", p.file);
  text("node", p.node);
  text("op", p.op);
  text("domain", p.domain);
  text("tensor", p.tensor);
  text("types", p.types);
  number("opset", p.opset);
  number("index", p.index);
  number("byte_offset", p.byteOffset);
  return llvm::json::Object{{"kind", kindName(error.kind)}, {"exit", static_cast<int>(error.kind)},
                            {"what", utf8(error.what)},     {"why", utf8(error.why)},
                            {"remedy", utf8(error.remedy)}, {"where", std::move(where)}};
}

void ErrorSink::add(Error error) {
  std::lock_guard<std::mutex> lock(mutex);
  if (list.size() >= kMaxErrors)
    ++dropped;
  else
    list.push_back(std::move(error));
}

int ErrorSink::exitCode() const {
  auto rank = [](ErrorKind kind) {
    switch (kind) {
    case ErrorKind::Internal:
      return 4;
    case ErrorKind::Malformed:
      return 3;
    case ErrorKind::Resource:
      return 2;
    case ErrorKind::Unsupported:
      return 1;
    }
    return 4;
  };
  const Error *worst = nullptr;
  for (const Error &error : list)
    if (!worst || rank(error.kind) > rank(worst->kind))
      worst = &error;
  return worst ? static_cast<int>(worst->kind) : 0;
}

std::string ErrorSink::text() const {
  std::string out;
  for (const Error &error : list)
    out += toText(error) + "\n";
  if (dropped)
    out += "and " + std::to_string(dropped) + " more errors\n";
  return out;
}

llvm::json::Array ErrorSink::json() const {
  llvm::json::Array out;
  for (const Error &error : list)
    out.push_back(toJSON(error));
  return out;
}
