// Host operation topk: ONNX TopK (opset 1 to 24).
#include "runtime/src/host/Compare.h"
#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace adze::rt {

std::string checkTopK(const HostCommand &command) {
  const HostOperand &input = command.inputs[0];
  if (!comparison(input.dtype))
    return cat("its input is of type ", dtypeName(input.dtype));
  if (command.outputs[0].dtype != input.dtype || command.outputs[1].dtype != ADZE_I64)
    return "its outputs are not of the input's type and int64";
  if (command.attrs[0] < 0 || size_t(command.attrs[0]) >= input.dims.size())
    return "its axis is out of range";
  if (command.outputs[0].dims.size() != input.dims.size() || command.outputs[1].dims.size() != input.dims.size())
    return "its outputs have another rank than its input";
  return {};
}

/// attrs: axis, largest. The k of the outputs' shape largest (or smallest) elements along the axis, best first; equal
/// ones by index. Outputs: values, indices.
void runTopK(HostCall &call) {
  const HostTensor &input = call.inputs[0];
  size_t axis = size_t(call.command->attrs[0]), rank = input.dims.size();
  int sign = call.command->attrs[1] ? -1 : 1;
  std::vector<int64_t> expected = input.dims;
  int64_t length = input.dims[axis], k = call.outputs[0].dims[axis];
  expected[axis] = k;
  if (call.outputs[0].dims != expected || call.outputs[1].dims != expected)
    badOperands(call, cat("its input is ", formatDims(input.dims.data(), rank), ", its outputs are ",
                          formatDims(call.outputs[0].dims.data(), rank)));
  if (k > length)
    fail(ADZE_BAD_INPUT, "k is larger than the axis", call.command->nodes,
         cat("k is ", k, ", dim ", axis, " of the input is ", length), "ask for at most as many elements as there are");
  int64_t outer = product(input.dims, 0, axis), inner = product(input.dims, axis + 1, rank);
  Compare compare = comparison(input.dtype);
  std::vector<int64_t> order(length);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      auto at = [&](int64_t position) { return (o * length + position) * inner + i; };
      std::iota(order.begin(), order.end(), int64_t(0));
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
        int difference = sign * compare(input, at(a), at(b));
        return difference < 0 || (difference == 0 && a < b);
      });
      for (int64_t p = 0; p < k; ++p) {
        int64_t to = (o * k + p) * inner + i;
        std::memcpy(call.outputs[0].as<char>() + to * input.elementBytes,
                    input.as<char>() + at(order[p]) * input.elementBytes, input.elementBytes);
        call.outputs[1].as<int64_t>()[to] = order[p];
      }
    }
}

} // namespace adze::rt
