// Compiles kernels from text, loads the image and runs it.
#ifndef ADZE_TEST_UNIT_CPU_CPUHARNESS_H
#define ADZE_TEST_UNIT_CPU_CPUHARNESS_H

#include "targets/cpu/CpuTarget.h"
#include "test/unit/cpu/KernelImage.h"

namespace adze::test {

/// One loaded image.
class CpuImage : public KernelImage {
public:
  /// Compiles `text` (a module of tile.kernel ops) for "x86-64-v3" or "x86-64-v4". On failure: ok() is false and the
  /// diagnostics are in errors().
  CpuImage(const std::string &text, const std::string &arch);
  ~CpuImage() override;
  bool ok() const override { return handle != nullptr; }
  const std::string &errors() const override { return diagnostics; }
  const Image &image() const { return compiled; }
  void run(const std::string &kernel, std::vector<HostMemory> buffers, std::vector<int64_t> scalars,
           int64_t programs) override;

private:
  Image compiled;
  std::string diagnostics, path;
  void *handle = nullptr;
};

} // namespace adze::test

#endif
