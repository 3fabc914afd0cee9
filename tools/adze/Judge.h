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

/// Judges a result that missed the table by the error of the model's own arithmetic (docs/numeric-contract.md,
/// "Ill-conditioned models"). `exact`, `typed`: the oracle's two modes. The verdict becomes ok or stays as it was.
void judgeByTypedError(Verdict &verdict, const HostTensor &got, const HostTensor &expected,
                       llvm::ArrayRef<double> exact, llvm::ArrayRef<double> typed);

llvm::json::Object toJSON(const Verdict &verdict);
/// One line: name, type, errors, ok or the reason.
std::string toText(const Verdict &verdict);

} // namespace adze::cli
