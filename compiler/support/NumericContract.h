// How far a computed tensor may be from the reference: one table for every test and for `adze verify`.
// docs/numeric-contract.md is printed from here (adze_numeric_contract); a test fails when it is out of date.
#pragma once
#include "compiler/support/DType.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace adze {

/// Rows of the table. The first six are those of graph::AccuracyClass, in its order; the others judge whole models.
enum class ContractClass {
  exact,
  elementwise,
  transcendental,
  reduction,
  contraction,
  attention,
  network,
  networkTf32
};
inline constexpr size_t kNumContractClasses = 8;
llvm::StringRef contractClassName(ContractClass row);
llvm::StringRef contractClassAbout(ContractClass row);

/// With s = max(rms(reference), 2^-10):
///   every element:  |y - y*| <= rtol * |y*| + atol * s
///   the tensor:     rms(y - y*) <= rms * s
/// NaN matches NaN, an infinity only itself. All zero: bit-equal up to NaN payload and the sign of zero.
struct Tolerance {
  double rtol = 0, atol = 0, rms = 0;
};

/// The tolerance for results of type `type`. Integer, bool and string results: exact.
Tolerance tolerance(ContractClass row, DType type);

struct Comparison {
  bool ok = false;
  std::string reason;                                ///< empty when ok; otherwise what differs, in words
  double maxAbs = 0, maxRel = 0, rms = 0, scale = 0; ///< rms is relative to `scale`
  int64_t worstIndex = -1;      ///< flat index of the element with the largest share of its allowance
  double got = 0, expected = 0; ///< at worstIndex
  double typedRms = -1;         ///< rms(E) relative to `scale`, where compareToTyped() judged; -1 elsewhere
};

/// Compares two dense tensors of `count` elements in unpacked storage, both of type `type`.
Comparison compareTensors(DType type, llvm::ArrayRef<char> got, llvm::ArrayRef<char> expected, const Tolerance &limits);

/// A reference with the error that the model's own arithmetic makes: the oracle's two modes on the same inputs.
struct TypedReference {
  llvm::ArrayRef<char> rounded; ///< y* rounded to the result's type, as compareTensors() takes it
  llvm::ArrayRef<double> exact; ///< y*: wide mode, not rounded
  llvm::ArrayRef<double> typed; ///< y_typed: every op rounded to its type
};

/// The gate for results that miss the table because the model is ill-conditioned there. With E = y_typed - y* and
/// h(y) half an ulp of `type` at y:
///   the tensor:     rms(y - y*) <= 2 rms(E) + rms(h(y*))
///   every element:  |y - y*| <= 4 max|E| + h(y*)
/// NaN and infinities: only where y* (rounded) or y_typed has the same. Float types only: others fail.
Comparison compareToTyped(DType type, llvm::ArrayRef<char> got, const TypedReference &reference);

/// Element `index` as a double (integers beyond 2^53 round).
double elementAsDouble(DType type, const char *data, size_t index);

/// The text of docs/numeric-contract.md.
std::string numericContractPage();

} // namespace adze
