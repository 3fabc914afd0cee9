// Hand-written kernels on the simulator: a kernel with a bug that must be reported, and its corrected twin that must
// pass, from one text.
#ifndef ADZE_TEST_UNIT_SIM_KERNELHARNESS_H
#define ADZE_TEST_UNIT_SIM_KERNELHARNESS_H

#include "tools/sim/cuda/async/TensorMap.h"
#include "tools/sim/cuda/exec/Launch.h"
#include "tools/sim/cuda/memory/State.h"

#include <cstring>
#include <gtest/gtest.h>
#include <sstream>

namespace adze::sim::test {

/// Lines that begin with "+" are in the corrected kernel only, lines that begin with "-" in the wrong one only. The
/// line numbers of both are the same.
inline std::string variant(const std::string &text, bool correct) {
  std::istringstream in(text);
  std::string line, out;
  while (std::getline(in, line)) {
    bool plus = !line.empty() && line[0] == '+', minus = !line.empty() && line[0] == '-';
    if ((plus && !correct) || (minus && correct))
      line.clear();
    else if (plus || minus)
      line[0] = ' ';
    out += line + "\n";
  }
  return out;
}

/// A device with a loaded module.
class Kernels {
public:
  explicit Kernels(unsigned number = 90, char suffix = 'a') : device{number, suffix} {}

  SimulatedMemory memory;
  Architecture device;
  LaunchOptions options;
  Dim3 grid, block{128, 1, 1}, cluster;
  uint32_t dynamicShared = 0;

  /// A buffer of `values`; `poisoned`: fresh memory of that many bytes instead.
  template <typename T>
  uint64_t buffer(const std::vector<T> &values) {
    uint64_t address = memory.global.allocate(values.size() * sizeof(T));
    std::string error;
    EXPECT_TRUE(memory.global.write(address, values.data(), values.size() * sizeof(T), error)) << error;
    return address;
  }
  uint64_t fresh(uint64_t bytes) { return memory.global.allocate(bytes); }
  template <typename T>
  std::vector<T> read(uint64_t address, size_t count) {
    std::vector<T> values(count);
    std::string error;
    uint64_t poison;
    EXPECT_TRUE(memory.global.read(values.data(), address, count * sizeof(T), error, poison)) << error;
    return values;
  }

  /// Parameters: 8-byte values; tensor maps at multiples of 64.
  void param(uint64_t value) {
    params.resize((params.size() + 7) / 8 * 8);
    params.insert(params.end(), reinterpret_cast<uint8_t *>(&value), reinterpret_cast<uint8_t *>(&value) + 8);
  }
  void param(const TensorMapBytes &map) {
    params.resize((params.size() + 63) / 64 * 64);
    params.insert(params.end(), map.bytes, map.bytes + 128);
  }
  std::vector<uint8_t> params;

  /// Loads `body` behind the header (whose lines do not count: the body begins with line 1).
  LaunchResult run(const std::string &body, const std::string &kernel = "k", const char *version = "8.0") {
    std::string header = std::string(".version ") + version + " .target " + device.name() + " .address_size 64 ";
    LoadResult loaded = loadModule(header + body, device, memory);
    if (!loaded.program) {
      LaunchResult result;
      result.code = loaded.code;
      result.text = loaded.text;
      return result;
    }
    const KernelCode *code = loaded.program->find(kernel);
    if (!code) {
      LaunchResult result;
      result.code = 500;
      result.text = "no kernel " + kernel;
      return result;
    }
    return launch(*loaded.program, *code, grid, block, cluster, dynamicShared, params, memory, device, options);
  }
};

/// Runs both variants of `text` with several seeds: the wrong one must be reported with a text that contains `report`,
/// the right one must pass. `prepare(kernels)` sets sizes and parameters of a fresh device; `check(kernels)` looks at
/// the results of the right one.
template <typename Prepare, typename Check>
void bugAndFix(const std::string &text, const std::string &report, Prepare prepare, Check check, unsigned number = 90,
               const char *version = "8.0") {
  for (uint64_t seed = 0; seed != 6; ++seed) {
    Kernels wrong(number, number == 90 ? 'a' : 0), right(number, number == 90 ? 'a' : 0);
    for (Kernels *kernels : {&wrong, &right}) {
      kernels->options.seed = seed;
      kernels->options.maxInstructions = 2000000;
      kernels->options.threads = 1;
      prepare(*kernels);
    }
    LaunchResult result = wrong.run(variant(text, false), "k", version);
    EXPECT_NE(result.code, 0) << "seed " << seed << ": the bug was not reported";
    EXPECT_NE(result.text.find(report), std::string::npos) << "seed " << seed << ": " << result.text;
    result = right.run(variant(text, true), "k", version);
    EXPECT_EQ(result.code, 0) << "seed " << seed << ": " << result.text;
    if (result.code == 0)
      check(right);
  }
}

} // namespace adze::sim::test
#endif
