// Walks the protobuf wire format of a model or tensor file and copies it without its bulk data, which stays in the
// mapped file. What remains is small enough to hand to the protobuf parser; peak memory is then the file, not three
// times it.
#pragma once
#include "compiler/support/Status.h"
#include <string>

namespace adze {

struct ScanLimits {
  size_t minMapped = 64;                     ///< shorter data is copied, not referenced
  unsigned maxDepth = 100;                   ///< nested messages
  uint64_t maxCost = uint64_t(1) << 24;      ///< fields (1 each) and messages (8 each): bounds what parsing allocates
  uint64_t maxTypeBytes = uint64_t(1) << 26; ///< bytes of value types and annotations
};

enum class WireMessage { Model, Graph, Node, Attribute, Tensor, Sparse, Function, Other };

/// Appends to `out` a message equal to `file` except that long raw_data, float_data and double_data fields of tensors
/// are replaced by mapped_offset/length/field. Errors (Malformed with the byte offset, Resource for the limits) go to
/// `sink`.
bool scanWire(llvm::StringRef file, WireMessage root, const ScanLimits &limits, std::string &out, ErrorSink &sink);

} // namespace adze
