// Kernels that apply one elementwise op of the tile dialect to a vector, built from targets/scalar alone, and a device
// of the simulator to run them on. They hold the element arithmetic of the CUDA target to its bounds.
#ifndef ADZE_TEST_UNIT_CUDA_ELEMENTKERNEL_H
#define ADZE_TEST_UNIT_CUDA_ELEMENTKERNEL_H

#include "targets/cuda/CudaTarget.h"
#include "tools/sim/cuda/number/Approximate.h"
#include <gtest/gtest.h>
#include <memory>

namespace adze::test {

/// PTX of kernel @f(x..., y, n): y[i] = op(x[i], ...) for i < n, 128 threads a block. `op` is MLIR on a tile of one
/// element, e.g. "math.exp %a : tensor<1xf32>" or "tile.cast %a {sat = true} : ..."; operands %a, %b of types
/// `operands`, result `result` ("f32", "bf16", "f8E4M3FN"). Empty with a test failure: the op has no implementation.
std::string elementPtx(const std::string &op, const std::vector<std::string> &operands, const std::string &result,
                       const std::string &arch);

/// A module of the simulator.
class SimModule {
public:
  /// Fails the test if the text cannot be loaded.
  SimModule(const std::string &ptx, const std::string &arch);
  ~SimModule();
  /// Runs @f on buffers of bytes; the last one is the result, of `resultBytes`.
  std::vector<uint8_t> run(const std::vector<std::vector<uint8_t>> &inputs, size_t resultBytes, int64_t count,
                           sim::Accuracy accuracy = sim::Accuracy::Exact);

private:
  struct State;
  std::unique_ptr<State> state;
};

/// run() on typed vectors.
template <typename To, typename From>
std::vector<To> runElements(SimModule &module, const std::vector<std::vector<From>> &inputs,
                            sim::Accuracy accuracy = sim::Accuracy::Exact) {
  std::vector<std::vector<uint8_t>> bytes;
  size_t count = inputs[0].size();
  for (const std::vector<From> &in : inputs) {
    auto *data = reinterpret_cast<const uint8_t *>(in.data());
    bytes.emplace_back(data, data + count * sizeof(From));
  }
  std::vector<uint8_t> out = module.run(bytes, count * sizeof(To), static_cast<int64_t>(count), accuracy);
  std::vector<To> result(count);
  if (out.size() == count * sizeof(To))
    std::memcpy(result.data(), out.data(), out.size());
  return result;
}

} // namespace adze::test

#endif
