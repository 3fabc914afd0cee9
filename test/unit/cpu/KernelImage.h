// Compiles kernels from text for one machine and runs them: what tests of all targets share. Each test binary links one
// implementation.
#ifndef ADZE_TEST_UNIT_CPU_KERNELIMAGE_H
#define ADZE_TEST_UNIT_CPU_KERNELIMAGE_H

#include <cstddef>
#include <cstdint>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace adze::test {

/// An argument of a kernel, in host memory: copied to the device and back where it has memory of its own.
struct HostMemory {
  void *data;
  size_t bytes;
  HostMemory(void *data, size_t bytes) : data(data), bytes(bytes) {}
  template <typename T>
  HostMemory(std::vector<T> &v) : data(v.data()), bytes(v.size() * sizeof(T)) {}
};

/// The compiled kernels of one text.
class KernelImage {
public:
  virtual ~KernelImage() = default;
  virtual bool ok() const = 0;
  /// Diagnostics of the compilation.
  virtual const std::string &errors() const = 0;
  /// Runs programs [0, programs) of a kernel.
  virtual void run(const std::string &kernel, std::vector<HostMemory> buffers, std::vector<int64_t> scalars,
                   int64_t programs) = 0;
};

/// Compiles `text`, a module of tile.kernel ops, for one of runnableLevels().
std::unique_ptr<KernelImage> compileKernels(const std::string &text, const std::string &level);
/// The architectures that this binary tests and this machine can run.
std::vector<std::string> runnableLevels();
/// "x86-64-v4" as a part of a test's name.
std::string nameOfLevel(const std::string &level);

} // namespace adze::test

#endif
