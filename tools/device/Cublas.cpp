#include "tools/device/Cublas.h"
#include <dlfcn.h>
#include <stdexcept>

namespace adze::device {
namespace {

// Values of cudaDataType and cublasComputeType_t, cuBLAS library reference, sections 3.2 and 2.2.
constexpr int kF32 = 0, kF16 = 2, kBf16 = 14, kComputeF32 = 68, kComputeTf32 = 77;

void check(int status, const char *what) {
  if (status)
    throw std::runtime_error(std::string(what) + ": cuBLAS status " + std::to_string(status));
}

} // namespace

std::unique_ptr<Cublas> Cublas::load(Gpu &gpu, std::string &why) {
  std::unique_ptr<Cublas> out(new Cublas);
  for (const char *name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"})
    if (!out->library_)
      out->library_ = dlopen(name, RTLD_NOW);
  if (!out->library_) {
    why = dlerror();
    return nullptr;
  }
  auto create = reinterpret_cast<int (*)(void **)>(dlsym(out->library_, "cublasCreate_v2"));
  auto setStream = reinterpret_cast<int (*)(void *, void *)>(dlsym(out->library_, "cublasSetStream_v2"));
  if (!create || !setStream || create(&out->handle_) || setStream(out->handle_, gpu.stream())) {
    why = "cublasCreate failed";
    return nullptr;
  }
  return out;
}

Cublas::~Cublas() {
  if (handle_)
    reinterpret_cast<int (*)(void *)>(dlsym(library_, "cublasDestroy_v2"))(handle_);
}

std::string Cublas::version() const {
  int version = 0;
  auto get = reinterpret_cast<int (*)(void *, int *)>(dlsym(library_, "cublasGetVersion_v2"));
  if (get)
    get(handle_, &version);
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

void Cublas::matmul(adze_dtype_t dtype, bool tf32, int64_t m, int64_t n, int64_t k, uint64_t a, uint64_t b,
                    uint64_t c) {
  using Gemm = int (*)(void *, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int,
                       const void *, void *, int, int, int, int);
  auto gemm = reinterpret_cast<Gemm>(dlsym(library_, "cublasGemmEx"));
  if (!gemm)
    throw std::runtime_error("libcublas has no cublasGemmEx");
  int type = dtype == ADZE_F16 ? kF16 : dtype == ADZE_BF16 ? kBf16 : kF32;
  auto pointer = [](uint64_t address) { return reinterpret_cast<void *>(uintptr_t(address)); };
  float one = 1, zero = 0;
  // Column-major c^T = b^T a^T.
  check(gemm(handle_, 0, 0, int(n), int(m), int(k), &one, pointer(b), type, int(n), pointer(a), type, int(k), &zero,
             pointer(c), type, int(n), tf32 ? kComputeTf32 : kComputeF32, -1),
        "cublasGemmEx");
}

} // namespace adze::device
