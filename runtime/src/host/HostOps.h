// The fixed table of operations that run on the host because their output's size depends on the data, or because a chip
// has no kernel for them. docs/package-format.md lists operands and attributes.
#ifndef ADZE_RUNTIME_HOST_HOSTOPS_H
#define ADZE_RUNTIME_HOST_HOSTOPS_H

#include "runtime/src/package/Program.h"

#include <atomic>

namespace adze::rt {

struct HostTensor {
  void *data;
  adze_dtype_t dtype;
  std::vector<int64_t> dims; // of outputs: the upper bound where the data decides
  int64_t count;             // product of dims; dims and bytes have been checked against the buffer
  size_t elementBytes;

  template <typename T>
  T *as() const {
    return static_cast<T *>(data);
  }
};

struct HostCall {
  const HostCommand *command;
  std::vector<HostTensor> inputs, outputs;
  std::vector<int64_t> defined; // values of command->defines, to be set by the operation
};

struct HostOp {
  const char *name;
  unsigned minInputs, maxInputs, minOutputs, maxOutputs, minAttrs, minFattrs, minDefines;
  bool anyDefines; // more defines than minDefines are allowed
  /// Further conditions on a decoded command: why it is wrong, "" if it is not. May be null.
  std::string (*check)(const HostCommand &command);
  void (*run)(HostCall &call);
};

/// Null if there is none of that name.
const HostOp *findHostOp(const std::string &name);
/// Checks the number of operands, attributes and symbols, and what the operation itself demands.
std::string checkHostCommand(const HostCommand &command);

/// Throws ADZE_BAD_PACKAGE: operands do not fit together at run time.
[[noreturn]] void badOperands(const HostCall &call, const std::string &why);

// Select.cpp
void runNonZero(HostCall &call);
void runCompress(HostCall &call);
void runUnique(HostCall &call);
void runReadInts(HostCall &call);
std::string checkCompress(const HostCommand &command);
std::string checkUnique(const HostCommand &command);
std::string checkNonZero(const HostCommand &command);
std::string checkReadInts(const HostCommand &command);
// TopK.cpp
void runTopK(HostCall &call);
std::string checkTopK(const HostCommand &command);
// Suppress.cpp
void runNonMaxSuppression(HostCall &call);
std::string checkNonMaxSuppression(const HostCommand &command);

} // namespace adze::rt

#endif
