// Errors that a user sees: each has four parts (what, where, why, remedy) and a kind that the command line maps to its
// exit status. Libraries collect them in an ErrorSink and return failure(); nothing in the compiler prints or exits.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace adze {

/// The numbers are the exit statuses of the command line.
enum class ErrorKind {
  Internal = 1,    ///< our own bug
  Malformed = 3,   ///< the model or an input file breaks its format's rules
  Unsupported = 4, ///< valid, but there is no code for it
  Resource = 8,    ///< memory, disk or a declared cap
};

/// Where an error happened. Fields that do not apply stay empty or negative.
struct ErrorPlace {
  std::string file;             ///< path as the user gave it
  std::string node, op, domain; ///< the ONNX node
  std::string tensor;           ///< a value or initializer
  std::string types;            ///< operand types of the node, printed
  int64_t opset = -1;           ///< version of the node's domain
  int64_t index = -1;           ///< position of the node in its graph
  int64_t byteOffset = -1;      ///< position in the file
};

struct Error {
  ErrorKind kind = ErrorKind::Internal;
  std::string what, why, remedy;
  ErrorPlace where;
};

/// Escapes control bytes and invalid UTF-8 and cuts after `limit` bytes, so that hostile names cannot garble a
/// terminal.
std::string printable(llvm::StringRef text, size_t limit = 160);

/// The text as JSON takes it: invalid UTF-8 is replaced.
std::string utf8(llvm::StringRef text);

/// One error as text of up to four lines, no trailing newline.
std::string toText(const Error &error);
llvm::json::Object toJSON(const Error &error);

/// Collects errors. Thread-safe to add to.
class ErrorSink {
public:
  void add(Error error);
  void add(ErrorKind kind, std::string what, std::string why, std::string remedy, ErrorPlace where = {}) {
    add(Error{kind, std::move(what), std::move(why), std::move(remedy), std::move(where)});
  }
  bool empty() const { return list.empty(); }
  size_t size() const { return list.size(); }
  llvm::ArrayRef<Error> errors() const { return list; }
  /// The exit status for the whole run: 0 when empty; the gravest kind decides (internal, malformed, resource,
  /// unsupported).
  int exitCode() const;
  std::string text() const;
  llvm::json::Array json() const;

private:
  std::mutex mutex;
  std::vector<Error> list;
  size_t dropped = 0; ///< errors beyond the cap, counted but not kept
};

} // namespace adze
