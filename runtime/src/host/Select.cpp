// Host operations that pick elements: nonzero, compress, unique, read_ints (ONNX NonZero, Compress, Unique).
#include "runtime/src/host/HostOps.h"

#include "runtime/src/host/Compare.h"
#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace adze::rt {

namespace {

/// Whether an element is different from zero. Negative zero of a floating-point type is zero.
bool isNonZero(const HostTensor &tensor, int64_t index) {
  const auto *bytes = static_cast<const uint8_t *>(tensor.data) + index * tensor.elementBytes;
  switch (tensor.dtype) {
  case ADZE_F32:
  case ADZE_F64:
  case ADZE_F16:
  case ADZE_BF16: {
    uint8_t any = bytes[tensor.elementBytes - 1] & 0x7f;
    for (size_t i = 0; i + 1 < tensor.elementBytes; ++i)
      any |= bytes[i];
    return any != 0;
  }
  default:
    return std::any_of(bytes, bytes + tensor.elementBytes, [](uint8_t byte) { return byte != 0; });
  }
}

} // namespace

std::string checkNonZero(const HostCommand &command) {
  return command.outputs[0].dtype != ADZE_I64 ? "its output is not of type int64" : "";
}

/// Row-major indices of the elements that are not zero: [rank, count].
void runNonZero(HostCall &call) {
  const HostTensor &input = call.inputs[0];
  size_t rank = input.dims.size();
  int64_t count = 0;
  for (int64_t i = 0; i < input.count; ++i)
    count += isNonZero(input, i);
  if (rank && count > call.outputs[0].count / int64_t(rank))
    badOperands(call, "the output buffer is smaller than the upper bound of the result");
  auto *out = call.outputs[0].as<int64_t>();
  int64_t at = 0;
  for (int64_t i = 0; i < input.count; ++i) {
    if (!isNonZero(input, i))
      continue;
    int64_t rest = i;
    for (size_t axis = rank; axis-- > 0;) {
      out[int64_t(axis) * count + at] = rest % input.dims[axis];
      rest /= input.dims[axis];
    }
    ++at;
  }
  call.defined[0] = count;
}

std::string checkCompress(const HostCommand &command) {
  if (command.inputs[1].dtype != ADZE_BOOL || command.inputs[1].dims.size() != 1)
    return "its condition is not a vector of bool";
  if (command.outputs[0].dtype != command.inputs[0].dtype)
    return "its output has another type than its input";
  if (command.attrs[0] && (command.attrs[1] < 0 || size_t(command.attrs[1]) >= command.inputs[0].dims.size()))
    return "its axis is out of range";
  return {};
}

/// Slices along attrs[1] (attrs[0] = 1), or elements of the flattened input (attrs[0] = 0), where the condition holds.
void runCompress(HostCall &call) {
  const HostTensor &input = call.inputs[0], &condition = call.inputs[1];
  bool hasAxis = call.command->attrs[0] != 0;
  size_t axis = hasAxis ? size_t(call.command->attrs[1]) : 0;
  int64_t outer = hasAxis ? product(input.dims, 0, axis) : 1;
  int64_t length = hasAxis ? input.dims[axis] : input.count;
  size_t inner = hasAxis ? size_t(product(input.dims, axis + 1, input.dims.size())) : 1;
  size_t bytes = inner * input.elementBytes;
  int64_t tested = std::min(length, condition.count);
  int64_t count = std::count_if(condition.as<uint8_t>(), condition.as<uint8_t>() + tested, [](uint8_t c) { return c; });
  if (outer && inner && count > call.outputs[0].count / outer / int64_t(inner))
    badOperands(call, "the output buffer is smaller than the upper bound of the result");
  auto *to = call.outputs[0].as<char>();
  const auto *from = input.as<char>();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < tested; ++i)
      if (condition.as<uint8_t>()[i] && bytes) {
        std::memcpy(to, from + (o * length + i) * bytes, bytes);
        to += bytes;
      }
  call.defined[0] = count;
}

std::string checkUnique(const HostCommand &command) {
  if (!comparison(command.inputs[0].dtype))
    return cat("its input is of type ", dtypeName(command.inputs[0].dtype));
  if (command.outputs[0].dtype != command.inputs[0].dtype)
    return "its first output has another type than its input";
  for (size_t i = 1; i < command.outputs.size(); ++i)
    if (command.outputs[i].dtype != ADZE_I64)
      return "its outputs after the first are not of type int64";
  if (command.attrs[1] && (command.attrs[2] < 0 || size_t(command.attrs[2]) >= command.inputs[0].dims.size()))
    return "its axis is out of range";
  size_t extras = size_t((command.attrs[3] & 1) != 0) + ((command.attrs[3] & 2) != 0) + ((command.attrs[3] & 4) != 0);
  if (command.attrs[3] < 0 || command.attrs[3] > 7 || command.outputs.size() != 1 + extras)
    return "its outputs do not fit its mask";
  return {};
}

/// attrs: sorted, has_axis, axis, mask of the outputs present after the first (1 indices, 2 inverse, 4 counts).
void runUnique(HostCall &call) {
  const HostTensor &input = call.inputs[0];
  const std::vector<int64_t> &attrs = call.command->attrs;
  size_t axis = attrs[1] ? size_t(attrs[2]) : 0;
  int64_t outer = attrs[1] ? product(input.dims, 0, axis) : 1;
  int64_t length = attrs[1] ? input.dims[axis] : input.count;
  int64_t inner = attrs[1] ? product(input.dims, axis + 1, input.dims.size()) : 1;
  Compare compare = comparison(input.dtype);
  auto compareSlices = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i)
        if (int order = compare(input, (o * length + a) * inner + i, (o * length + b) * inner + i))
          return order;
    return 0;
  };
  std::vector<int64_t> sorted(length);
  std::iota(sorted.begin(), sorted.end(), int64_t(0));
  std::sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) {
    int order = compareSlices(a, b);
    return order < 0 || (order == 0 && a < b);
  });
  // Groups of equal slices: first index (the smallest: equal slices are sorted by index) and members.
  std::vector<int64_t> first, counts, group(length);
  for (int64_t i = 0; i < length; ++i) {
    if (i == 0 || compareSlices(sorted[i - 1], sorted[i]) != 0) {
      first.push_back(sorted[i]);
      counts.push_back(0);
    }
    ++counts.back();
    group[sorted[i]] = int64_t(first.size()) - 1;
  }
  int64_t numGroups = int64_t(first.size());
  std::vector<int64_t> order(numGroups), rank(numGroups); // order[position] = group
  std::iota(order.begin(), order.end(), int64_t(0));
  if (!attrs[0])
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return first[a] < first[b]; });
  for (int64_t p = 0; p < numGroups; ++p)
    rank[order[p]] = p;

  size_t next = 1;
  auto output = [&](int64_t bit, int64_t count) -> int64_t * {
    if (!(attrs[3] & bit))
      return nullptr;
    HostTensor &tensor = call.outputs[next++];
    if (tensor.count < count)
      badOperands(call, "an output buffer is smaller than the upper bound of the result");
    return tensor.as<int64_t>();
  };
  if (call.outputs[0].count < outer * numGroups * inner)
    badOperands(call, "the output buffer is smaller than the upper bound of the result");
  size_t bytes = size_t(inner) * input.elementBytes;
  for (int64_t o = 0; o < outer && bytes; ++o)
    for (int64_t p = 0; p < numGroups; ++p)
      std::memcpy(call.outputs[0].as<char>() + (o * numGroups + p) * bytes,
                  input.as<char>() + (o * length + first[order[p]]) * bytes, bytes);
  if (int64_t *indices = output(1, numGroups))
    for (int64_t p = 0; p < numGroups; ++p)
      indices[p] = first[order[p]];
  if (int64_t *inverse = output(2, length))
    for (int64_t i = 0; i < length; ++i)
      inverse[i] = rank[group[i]];
  if (int64_t *out = output(4, numGroups))
    for (int64_t p = 0; p < numGroups; ++p)
      out[p] = counts[order[p]];
  call.defined[0] = numGroups;
}

std::string checkReadInts(const HostCommand &command) {
  return isInteger(command.inputs[0].dtype) ? "" : "its input is not of an integer type";
}

/// Turns the first elements of an integer tensor into symbols.
void runReadInts(HostCall &call) {
  if (call.inputs[0].count < int64_t(call.defined.size()))
    badOperands(call, "the input has fewer elements than the symbols to define");
  for (size_t i = 0; i < call.defined.size(); ++i)
    call.defined[i] = loadInteger(call.inputs[0].data, call.inputs[0].dtype, i);
}

} // namespace adze::rt
