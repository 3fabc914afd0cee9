// Packages with hand-written PTX, on the simulated driver.
#ifndef ADZE_TEST_UNIT_CUDA_DRIVER_HARNESS_H
#define ADZE_TEST_UNIT_CUDA_DRIVER_HARNESS_H

#include "targets/cuda/driver/Api.h"
#include "targets/cuda/driver/ImageFormat.h"
#include "TestPackage.h"

#include <functional>
#include <optional>

namespace adze::test {

/// One entry of a code section.
struct Code {
  cuda::ImageKind kind;
  uint32_t arch;
  uint32_t flags;
  std::string bytes; // PTX: without its NUL
};
/// A code section as the code generator writes it.
std::string codeSection(const std::vector<Code> &entries);
/// The same with one PTX text for "sm_80" or "sm_90a".
std::string codeSection(const std::string &arch, const std::string &ptx);

/// PTX of the test kernels, for that target: scale (y = 2 x; x, y, n), add_row (y = x + w[i % k]; x, w, y, n, k),
/// triple (y = 3 x; as scale), beyond (writes behind the end of its buffer; y, n). 128 threads a block.
std::string testKernels(const std::string &target = "sm_80", const std::string &version = "7.0");

/// Kernels that testKernels() appends: of one test.
std::string &extraKernels();

/// y[n, 4] = 2 x[n, 4] + w[4], as writeAffine; one program an architecture. `change` may alter it before it is written.
void writeCudaAffine(const std::string &path, const std::vector<std::string> &archs = {"sm_80"},
                     const std::function<void(TestPackage &)> &change = {});

/// The simulated driver, as after the start of a process, with the runtime finding libadze_cuda.so.
class Simulated : public ::testing::Test {
protected:
  Simulated();
  ~Simulated() override;
  /// Sets a variable until the end of the test.
  void set(const char *name, const std::string &value);
  void unset(const char *name);
  /// As if the process had started anew.
  void restart();
  /// What adzeSimCount counts.
  int64_t count(const char *what) const;
  std::string simError() const;
  /// Expects that nothing is left of what was made.
  void expectNothingLeft() const;

  /// A function of the simulator that the driver does not use.
  template <typename Function>
  Function *symbol(const char *name) const {
    return reinterpret_cast<Function *>(find(name));
  }
  cuda::Api api;

private:
  void *find(const char *name) const;
  std::vector<std::pair<std::string, std::optional<std::string>>> saved_;
  void *library_ = nullptr;
};

/// Options for a device of that name.
adze_options_t deviceOptions(const char *device, uint32_t flags = 0);

} // namespace adze::test

#endif
