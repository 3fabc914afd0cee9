// Results against references, output by output: what `verify` prints.
#pragma once
#include "compiler/support/NumericContract.h"
#include "tools/adze/Engine.h"

namespace adze::cli {

struct Verdict {
  std::string name;
  DType dtype = DType::Undefined;
  std::string shape;
  Tolerance limits;
  Comparison comparison; ///< ok, or the reason why not
};

/// Judges one result; a wrong type or shape is a difference too.
Verdict judge(llvm::StringRef name, const HostTensor &got, const HostTensor &expected, ContractClass row);

llvm::json::Object toJSON(const Verdict &verdict);
/// One line: name, type, errors, ok or the reason.
std::string toText(const Verdict &verdict);

} // namespace adze::cli
