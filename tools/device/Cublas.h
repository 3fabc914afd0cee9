// cuBLAS as the peer of matrix products, if the machine has it.
#pragma once
#include "adze/adze.h"
#include "tools/device/Device.h"
#include <memory>
#include <string>

namespace adze::device {

class Cublas {
public:
  /// Null when no libcublas can be loaded; `why` says so.
  static std::unique_ptr<Cublas> load(Gpu &gpu, std::string &why);
  ~Cublas();
  /// Row-major c[m,n] = a[m,k] b[k,n] on the device, accumulated in float32. dtype: f16, bf16 or f32; `tf32` lets f32
  /// use the tensor cores. Throws std::runtime_error on cuBLAS's errors.
  void matmul(adze_dtype_t dtype, bool tf32, int64_t m, int64_t n, int64_t k, uint64_t a, uint64_t b, uint64_t c);
  std::string version() const;

private:
  Cublas() = default;
  void *library_ = nullptr, *handle_ = nullptr;
};

} // namespace adze::device
