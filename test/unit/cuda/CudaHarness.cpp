// Kernels for NVIDIA GPUs, run by the simulator with its checks on: a race, an access outside a buffer or a value that
// was never written fails the test.
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/gpu/lower/Lowering.h"
#include "test/unit/cpu/KernelImage.h"
#include "tools/sim/cuda/exec/Launch.h"
#include "tools/sim/cuda/memory/State.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace mlir;

namespace adze::test {
namespace {

class CudaImage : public KernelImage {
public:
  CudaImage(const std::string &text, const std::string &archName) {
    std::optional<TargetArch> arch = cuda::archNamed(archName);
    number = cuda::smOf(*arch);
    suffix = archName.back() == 'a' ? 'a' : 0;
    auto target = createCudaTarget();
    DialectRegistry registry;
    registry
        .insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
    target->registerDialects(registry);
    MLIRContext context(registry, MLIRContext::Threading::DISABLED);
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
      diagnostics += d.str() + "\n";
      return success();
    });
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      return;
    auto lowered = cuda::lowerTiles(*module, *arch, &kernels);
    if (failed(lowered))
      return;
    auto code = cuda::generatePtx(**lowered, *arch, {});
    if (failed(code))
      return;
    ptx = *code;
    if (const char *file = std::getenv("ADZE_TEST_DUMP")) {
      std::error_code ec;
      llvm::raw_fd_ostream(file, ec) << text << "\n" << ptx;
    }
  }

  bool ok() const override { return !ptx.empty(); }
  const std::string &errors() const override { return diagnostics; }

  void run(const std::string &kernel, std::vector<HostMemory> buffers, std::vector<int64_t> scalars,
           int64_t programs) override {
    if (!programs)
      return;
    sim::SimulatedMemory memory;
    sim::Architecture device{number, suffix};
    sim::LoadResult loaded = sim::loadModule(ptx, device, memory);
    ASSERT_TRUE(loaded.program) << loaded.text << "\n" << ptx;
    const gpu::LoweredKernel *info = nullptr;
    for (const gpu::LoweredKernel &k : kernels)
      if (k.symbol == kernel)
        info = &k;
    ASSERT_NE(info, nullptr) << kernel;
    const sim::KernelCode *code = loaded.program->find(kernel);
    ASSERT_NE(code, nullptr) << kernel;
    std::vector<uint8_t> params;
    auto param = [&](uint64_t v) {
      params.insert(params.end(), reinterpret_cast<uint8_t *>(&v), reinterpret_cast<uint8_t *>(&v) + 8);
    };
    std::vector<uint64_t> addresses;
    std::string error;
    for (const HostMemory &m : buffers) {
      addresses.push_back(memory.global.allocate(m.bytes));
      ASSERT_TRUE(memory.global.write(addresses.back(), m.data, m.bytes, error)) << error;
      param(addresses.back());
    }
    int64_t shares = 1;
    std::vector<uint32_t> counters(programs);
    uint64_t counterAddress = 0;
    if (!info->shares.empty()) {
      shares = sharesOf(info->shares, scalars);
      param(memory.global.allocate(programs * shares * info->partialBytes));
      counterAddress = memory.global.allocate(counters.size() * 4);
      ASSERT_TRUE(memory.global.write(counterAddress, counters.data(), counters.size() * 4, error)) << error;
      param(counterAddress);
    }
    for (int64_t s : scalars)
      param(s);
    sim::LaunchOptions options;
    options.threads = 1;
    options.maxDynamicShared = info->sharedBytes;
    if (const char *seed = std::getenv("ADZE_TEST_SIM_SEED"))
      options.seed = std::strtoull(seed, nullptr, 10);
    sim::Dim3 grid, block;
    grid.x = programs * shares;
    block.x = info->threads;
    // Split work twice: the second launch finds what the first one leaves.
    for (int launch = 0; launch < (info->shares.empty() ? 1 : 2); ++launch) {
      sim::LaunchResult result =
          sim::launch(*loaded.program, *code, grid, block, {}, info->sharedBytes, params, memory, device, options);
      ASSERT_EQ(result.code, 0) << result.text << "\n" << ptx;
    }
    if (counterAddress) {
      uint64_t poison;
      ASSERT_TRUE(memory.global.read(counters.data(), counterAddress, counters.size() * 4, error, poison)) << error;
      for (uint32_t c : counters)
        ASSERT_EQ(c, 0u) << "a counter is not left at 0";
    }
    for (auto [i, m] : llvm::enumerate(buffers)) {
      uint64_t poison;
      ASSERT_TRUE(memory.global.read(m.data, addresses[i], m.bytes, error, poison)) << error;
    }
  }

private:
  /// The number of shares: launch code of constants and scalars, in so far as tests have it.
  static int64_t sharesOf(const std::vector<int64_t> &code, const std::vector<int64_t> &scalars) {
    std::vector<int64_t> stack;
    for (size_t i = 0; i + 1 < code.size(); i += 2) {
      if (code[i] < 2) {
        stack.push_back(code[i] ? scalars[code[i + 1]] : code[i + 1]);
        continue;
      }
      int64_t b = stack.back();
      stack.pop_back();
      int64_t &a = stack.back();
      EXPECT_TRUE(code[i] == 2 || code[i] == 4 || code[i] == 5 || code[i] == 6) << "operation " << code[i];
      a = code[i] == 2   ? a + b
          : code[i] == 4 ? a * b
          : code[i] == 5 ? llvm::divideFloorSigned(a, b)
                         : llvm::divideCeilSigned(a, b);
    }
    return std::max<int64_t>(stack.back(), 1);
  }

  std::string ptx, diagnostics;
  std::vector<gpu::LoweredKernel> kernels;
  unsigned number = 80;
  char suffix = 0;
};

} // namespace

std::unique_ptr<KernelImage> compileKernels(const std::string &text, const std::string &level) {
  return std::make_unique<CudaImage>(text, level);
}

/// ADZE_TEST_ARCHS=sm_80,sm_90a tests others.
std::vector<std::string> runnableLevels() {
  std::vector<std::string> levels;
  const char *given = std::getenv("ADZE_TEST_ARCHS");
  SmallVector<StringRef> names;
  StringRef(given ? given : "sm_80").split(names, ',');
  for (StringRef name : names)
    levels.push_back(name.str());
  return levels;
}

std::string nameOfLevel(const std::string &level) { return level; }

} // namespace adze::test
