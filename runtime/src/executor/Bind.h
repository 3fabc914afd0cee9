// Checks a request's tensors against the package and computes output shapes.
#ifndef ADZE_RUNTIME_EXECUTOR_BIND_H
#define ADZE_RUNTIME_EXECUTOR_BIND_H

#include "runtime/src/executor/Evaluator.h"

namespace adze::rt {

/// Bytes of a dense tensor; throws ADZE_BAD_INPUT naming `where` for a negative dim or a size beyond 2^62.
uint64_t tensorBytes(adze_dtype_t dtype, const int64_t *dims, size_t rank, const std::string &where);

/// Checks number, dtype, rank and dims of the inputs and evaluates the package's symbols. Throws ADZE_INVALID_ARGUMENT
/// or ADZE_BAD_INPUT. Data is looked at only where it steers a shape.
void bindInputs(const Package &package, const adze_tensor_t *inputs, size_t count, Evaluator &symbols);

/// The part of it that looks at number, dtype and rank only.
void checkInputs(const Package &package, const adze_tensor_t *inputs, size_t count);

/// For a run: each input has its data, aligned to its element, in a buffer that is large enough.
void checkInputData(const Package &package, const adze_tensor_t *inputs);

/// Writes dtype, rank and dims of output `index` and returns its bytes (the upper bound where a dim is not known yet,
/// which comes out as -1).
uint64_t outputShape(const Package &package, const Evaluator &symbols, size_t index, adze_tensor_t &out);

/// Copies the data symbols that the program's run defined into the package's table.
void takeDataSymbols(const Package &package, const Program &program, const Evaluator &from, Evaluator &to);

} // namespace adze::rt

#endif
