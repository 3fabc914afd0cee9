#include "runtime/src/executor/Bind.h"

#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cstring>

namespace adze::rt {

uint64_t tensorBytes(adze_dtype_t dtype, const int64_t *dims, size_t rank, const std::string &where) {
  int64_t bytes = static_cast<int64_t>(dtypeBytes(dtype));
  bool empty = false, overflow = false;
  for (size_t i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      fail(ADZE_BAD_INPUT, "a tensor has a negative dim", where, cat("its shape is ", formatDims(dims, rank)),
           "pass dims of zero or more");
    empty |= dims[i] == 0;
    overflow |= __builtin_mul_overflow(bytes, dims[i], &bytes) || bytes > (int64_t(1) << 62);
  }
  if (empty)
    return 0;
  if (overflow)
    fail(ADZE_BAD_INPUT, "a tensor is too large", where, cat("its shape is ", formatDims(dims, rank)),
         "use smaller inputs");
  return static_cast<uint64_t>(bytes);
}

namespace {

void checkInput(const TensorDef &def, size_t index, const adze_tensor_t &tensor) {
  std::string where = cat("input ", index, " '", def.name, "'");
  unsigned dtype = 0; // read as a number: the caller may have stored one that adze_dtype_t does not have
  static_assert(sizeof(dtype) == sizeof(tensor.dtype));
  std::memcpy(&dtype, &tensor.dtype, sizeof(dtype));
  if (dtype != unsigned(def.dtype))
    fail(ADZE_BAD_INPUT, "an input's dtype does not fit the model", where,
         cat("it is ", dtypeName(dtype), ", the model takes ", dtypeName(def.dtype)), "convert the input");
  if (tensor.rank < 0 || size_t(tensor.rank) != def.dims.size()) {
    std::string shape = tensor.rank >= 0 && tensor.rank <= ADZE_MAX_RANK ? formatDims(tensor.dims, size_t(tensor.rank))
                                                                         : std::string("not valid");
    fail(ADZE_BAD_INPUT, "an input's rank does not fit the model", where,
         cat("its rank is ", tensor.rank, " (shape ", shape, "), the model takes rank ", def.dims.size()),
         "reshape the input");
  }
  tensorBytes(def.dtype, tensor.dims, def.dims.size(), where);
}

void checkDims(const Package &package, size_t index, const adze_tensor_t &tensor, const Evaluator &symbols) {
  const TensorDef &def = package.inputs[index];
  for (size_t axis = 0; axis < def.dims.size(); ++axis) {
    int64_t expected = symbols.value(def.dims[axis]);
    if (tensor.dims[axis] == expected)
      continue;
    const char *name = def.info.dim_names[axis];
    fail(ADZE_BAD_INPUT, "an input's shape does not fit the model",
         cat("input ", index, " '", def.name, "', dim ", axis, name && *name ? cat(" ('", name, "')") : std::string()),
         cat("it is ", tensor.dims[axis], " (shape ", formatDims(tensor.dims, def.dims.size()), "), expected ",
             expected, name ? " from the other inputs' shapes" : ""),
         name ? "make the inputs' shapes agree" : "reshape the input, or compile again with another --input-shape");
  }
}

} // namespace

void checkInputs(const Package &package, const adze_tensor_t *inputs, size_t count) {
  if (count != package.inputs.size() || (count && !inputs))
    fail(ADZE_INVALID_ARGUMENT, "wrong number of inputs", "the inputs of the request",
         cat(inputs ? count : 0, " given, the model has ", package.inputs.size()),
         "pass every input, in the package's order");
  for (size_t i = 0; i < count; ++i)
    checkInput(package.inputs[i], i, inputs[i]);
}

void bindInputs(const Package &package, const adze_tensor_t *inputs, size_t count, Evaluator &symbols) {
  checkInputs(package, inputs, count);
  symbols.bind(package, inputs);
  for (size_t i = 0; i < count; ++i)
    checkDims(package, i, inputs[i], symbols);
}

void checkInputData(const Package &package, const adze_tensor_t *inputs) {
  for (size_t i = 0; i < package.inputs.size(); ++i) {
    const TensorDef &def = package.inputs[i];
    std::string where = cat("input ", i, " '", def.name, "'");
    uint64_t bytes = tensorBytes(def.dtype, inputs[i].dims, def.dims.size(), where);
    if (bytes == 0)
      continue;
    if (!inputs[i].data)
      fail(ADZE_INVALID_ARGUMENT, "an input has no data", where, "its data pointer is null", "set data");
    if (inputs[i].size_bytes < bytes)
      fail(ADZE_INVALID_ARGUMENT, "an input's buffer is too small", where,
           cat("shape ", formatDims(inputs[i].dims, def.dims.size()), " of ", dtypeName(def.dtype), " needs ", bytes,
               " bytes, size_bytes is ", inputs[i].size_bytes),
           "pass the whole tensor and its size");
    size_t alignment = std::min<size_t>(dtypeBytes(def.dtype), 8);
    if (reinterpret_cast<uintptr_t>(inputs[i].data) % alignment)
      fail(ADZE_INVALID_ARGUMENT, "an input is not aligned", where,
           cat("its address is not a multiple of ", alignment, " bytes"), "align the buffer, best to 64 bytes");
  }
}

uint64_t outputShape(const Package &package, const Evaluator &symbols, size_t index, adze_tensor_t &out) {
  const TensorDef &def = package.outputs[index];
  int64_t dims[ADZE_MAX_RANK];
  out.dtype = def.dtype;
  out.rank = static_cast<int32_t>(def.dims.size());
  for (size_t i = 0; i < def.dims.size(); ++i) {
    dims[i] = symbols.value(def.dims[i]);
    out.dims[i] = symbols.isProvisional(def.dims[i]) ? -1 : dims[i];
  }
  return tensorBytes(def.dtype, dims, def.dims.size(), cat("output ", index, " '", def.name, "'"));
}

void takeDataSymbols(const Package &package, const Program &program, const Evaluator &from, Evaluator &to) {
  bool any = false;
  for (uint32_t s = 0; s < package.table.symbols.size(); ++s) {
    const Symbol &symbol = package.table.symbols[s];
    if (symbol.kind != SymbolKind::data)
      continue;
    for (uint32_t p = 0; p < program.table.symbols.size(); ++p) {
      const Symbol &other = program.table.symbols[p];
      if (other.kind == SymbolKind::data && other.name == symbol.name && !from.symbolIsProvisional(p)) {
        to.set(s, from.symbolValue(p));
        any = true;
        break;
      }
    }
  }
  if (any)
    to.refresh();
}

} // namespace adze::rt
