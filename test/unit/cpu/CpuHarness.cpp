#include "test/unit/cpu/CpuHarness.h"
#include "adze/driver.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <dlfcn.h>

using namespace mlir;

namespace adze::test {

CpuImage::CpuImage(const std::string &text, const std::string &archName) {
  auto target = createCpuTarget();
  DialectRegistry registry;
  registry.insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
  target->registerDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    diagnostics += d.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return;
  auto archs = target->resolve(archName);
  if (!archs) {
    diagnostics += llvm::toString(archs.takeError());
    return;
  }
  SerializeOptions options;
  if (const char *dir = std::getenv("ADZE_TEST_DUMP"))
    options.dumpDir = dir;
  auto image = target->compile(*module, archs->front(), options);
  if (failed(image))
    return;
  compiled = *image;
  llvm::SmallString<128> file;
  int fd;
  if (llvm::sys::fs::createTemporaryFile("adze-cpu", "so", fd, file))
    return;
  llvm::raw_fd_ostream(fd, true) << compiled.code;
  path = file.str().str();
  handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    diagnostics += dlerror();
}

CpuImage::~CpuImage() {
  if (handle)
    dlclose(handle);
  if (!path.empty())
    llvm::sys::fs::remove(path);
}

void CpuImage::run(const std::string &kernel, std::vector<HostMemory> buffers, std::vector<int64_t> scalars,
                   int64_t programs) {
  auto it = compiled.kernels.find(kernel);
  ASSERT_NE(it, compiled.kernels.end()) << kernel;
  auto fn = reinterpret_cast<adze_cpu_kernel_fn>(dlsym(handle, it->second.symbol.c_str()));
  ASSERT_NE(fn, nullptr) << dlerror();
  size_t bytes = (it->second.scratch + 127) / 64 * 64;
  void *scratch = std::aligned_alloc(64, bytes);
  memset(scratch, 0xA5, bytes); // a kernel may not read what it has not written
  std::vector<void *> pointers;
  for (const HostMemory &m : buffers)
    pointers.push_back(m.data);
  fn(pointers.data(), scalars.data(), 0, programs, scratch);
  std::free(scratch);
}

std::unique_ptr<KernelImage> compileKernels(const std::string &text, const std::string &level) {
  return std::make_unique<CpuImage>(text, level);
}

std::string nameOfLevel(const std::string &level) { return level.substr(level.size() - 2); }

std::vector<std::string> runnableLevels() {
  std::vector<std::string> levels;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    levels.push_back("x86-64-v3");
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    levels.push_back("x86-64-v4");
  return levels;
}

} // namespace adze::test
