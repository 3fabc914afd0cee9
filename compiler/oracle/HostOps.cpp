#include "compiler/oracle/HostOps.h"
#include <cmath>
#include <cstring>
#include <numeric>

using namespace mlir;

namespace adze::oracle {
namespace {

std::vector<char> asBytes(const std::vector<int64_t> &values) {
  std::vector<char> bytes(values.size() * sizeof(int64_t));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// ONNX NonZero: [rank, n], row-major indices.
HostResult nonZero(const GraphTensor &x, Type index) {
  std::vector<double> values = x.doubles();
  std::vector<int64_t> found;
  for (auto [i, v] : llvm::enumerate(values))
    if (v != 0)
      found.push_back(i);
  size_t rank = x.dims.size(), n = found.size();
  std::vector<int64_t> out(rank * n);
  for (auto [k, linear] : llvm::enumerate(found)) {
    int64_t rest = linear;
    for (size_t d = rank; d-- > 0;) {
      out[d * n + k] = rest % x.dims[d];
      rest /= x.dims[d];
    }
  }
  HostResult result;
  result.outputs.push_back({index, asBytes(out)});
  result.defined = {static_cast<int64_t>(n)};
  return result;
}

/// Copies elements (whole bytes each) that `positions` lists.
std::vector<char> pick(const GraphTensor &x, ArrayRef<int64_t> positions) {
  size_t size = x.stored.isInteger(1) ? 1 : x.stored.getIntOrFloatBitWidth() / 8;
  std::vector<char> bytes(positions.size() * size);
  for (auto [k, p] : llvm::enumerate(positions))
    std::memcpy(bytes.data() + k * size, x.bytes.data() + p * size, size);
  return bytes;
}

/// ONNX Compress: slices along an axis, or elements, where the condition holds.
HostResult compress(const GraphTensor &x, const GraphTensor &condition, bool hasAxis, int64_t axis) {
  int64_t outer = 1, length = x.count(), inner = 1;
  if (hasAxis) {
    length = x.dims[axis];
    for (int64_t d = 0; d < static_cast<int64_t>(x.dims.size()); ++d)
      (d < axis ? outer : inner) *= d == axis ? 1 : x.dims[d];
  }
  std::vector<double> flags = condition.doubles();
  std::vector<int64_t> kept, positions;
  for (int64_t i = 0; i < length && i < static_cast<int64_t>(flags.size()); ++i)
    if (flags[i] != 0)
      kept.push_back(i);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k : kept)
      for (int64_t i = 0; i < inner; ++i)
        positions.push_back((o * length + k) * inner + i);
  HostResult result;
  result.outputs.push_back({x.stored, pick(x, positions)});
  result.defined = {static_cast<int64_t>(kept.size())};
  return result;
}

/// ONNX Unique of all elements or of slices along an axis: values, then what `mask` names (1 indices, 2 inverse, 4
/// counts). Unsorted: in the order of the first occurrence.
HostResult unique(const GraphTensor &x, ArrayRef<int64_t> attrs, Type index) {
  bool sorted = attrs[0], hasAxis = attrs[1];
  int64_t outer = 1, length = x.count(), inner = 1;
  if (hasAxis) {
    length = x.dims[attrs[2]];
    for (int64_t d = 0; d < static_cast<int64_t>(x.dims.size()); ++d)
      (d < attrs[2] ? outer : inner) *= d == attrs[2] ? 1 : x.dims[d];
  }
  std::vector<double> values = x.doubles();
  auto slice = [&](int64_t k) {
    std::vector<double> all;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i)
        all.push_back(values[(o * length + k) * inner + i]);
    return all;
  };
  std::vector<std::vector<double>> slices;
  for (int64_t k = 0; k < length; ++k)
    slices.push_back(slice(k));
  std::vector<int64_t> first, inverse(length), counts; // by number of the group
  for (int64_t k = 0; k < length; ++k) {
    size_t group = 0;
    while (group < first.size() && slices[first[group]] != slices[k])
      ++group;
    if (group == first.size()) {
      first.push_back(k);
      counts.push_back(0);
    }
    inverse[k] = group;
    ++counts[group];
  }
  std::vector<int64_t> order(first.size()), rank(first.size());
  std::iota(order.begin(), order.end(), 0);
  if (sorted)
    llvm::stable_sort(order, [&](int64_t a, int64_t b) { return slices[first[a]] < slices[first[b]]; });
  for (auto [n, group] : llvm::enumerate(order))
    rank[group] = n;
  std::vector<int64_t> positions, firsts, numbers;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t group : order)
      for (int64_t i = 0; i < inner; ++i)
        positions.push_back((o * length + first[group]) * inner + i);
  for (int64_t group : order) {
    firsts.push_back(first[group]);
    numbers.push_back(counts[group]);
  }
  for (int64_t &group : inverse)
    group = rank[group];
  HostResult result;
  result.outputs.push_back({x.stored, pick(x, positions)});
  for (auto [bit, list] : {std::pair{1, &firsts}, {2, &inverse}, {4, &numbers}})
    if (attrs[3] & bit)
      result.outputs.push_back({index, asBytes(*list)});
  result.defined = {static_cast<int64_t>(first.size())};
  return result;
}

/// Sorted extremes along an axis and their indices; ties: lowest index first; NaN is the largest.
HostResult topK(const GraphTensor &x, int64_t axis, bool largest, int64_t keep, Type index) {
  int64_t outer = 1, size = x.dims[axis], inner = 1;
  for (int64_t d = 0; d < static_cast<int64_t>(x.dims.size()); ++d)
    (d < axis ? outer : inner) *= d == axis ? 1 : x.dims[d];
  keep = std::min(keep, size);
  std::vector<double> values = x.doubles();
  std::vector<int64_t> positions(outer * keep * inner), indices(positions.size()), order(size);
  auto less = [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; };
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      auto at = [&](int64_t k) { return (o * size + k) * inner + i; };
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return largest ? less(values[at(b)], values[at(a)]) : less(values[at(a)], values[at(b)]);
      });
      for (int64_t n = 0; n < keep; ++n) {
        positions[(o * keep + n) * inner + i] = at(order[n]);
        indices[(o * keep + n) * inner + i] = order[n];
      }
    }
  HostResult result;
  result.outputs.push_back({x.stored, pick(x, positions)});
  result.outputs.push_back({index, asBytes(indices)});
  return result;
}

} // namespace

FailureOr<HostResult> runHostOp(graph::HostOp op, ArrayRef<const GraphTensor *> inputs) {
  StringRef name = op.getOp();
  auto attrs = op.getAttrs();
  Type index = IntegerType::get(op.getContext(), 64);
  for (const GraphTensor *t : inputs)
    if (!t->stored.isInteger(1) && t->stored.getIntOrFloatBitWidth() < 8)
      return op.emitError() << "the oracle has no host operation on " << t->element;
  if (name == "nonzero" && inputs.size() == 1)
    return nonZero(*inputs[0], index);
  if (name == "compress" && inputs.size() == 2 && attrs.size() >= 2)
    return compress(*inputs[0], *inputs[1], attrs[0] != 0, attrs[1]);
  if (name == "unique" && inputs.size() == 1 && attrs.size() >= 4)
    return unique(*inputs[0], attrs, index);
  if (name == "topk" && inputs.size() == 1 && attrs.size() >= 2) {
    auto type = cast<RankedTensorType>(op.getYs()[0].getType());
    if (type.isDynamicDim(attrs[0]))
      return op.emitError("the oracle runs topk with a static k only");
    return topK(*inputs[0], attrs[0], attrs[1] != 0, type.getDimSize(attrs[0]), index);
  }
  if (name == "read_ints" && inputs.size() == 1 && !isa<FloatType>(inputs[0]->element)) {
    HostResult result;
    result.defined = inputs[0]->ints();
    if (result.defined.size() < op.getDefines().size())
      return op.emitError("reads more integers than its operand has");
    result.defined.resize(op.getDefines().size());
    return result;
  }
  return op.emitError() << "the oracle has no host operation '" << name
                        << "': judge this model by test data instead (--against=DIR)";
}

} // namespace adze::oracle
