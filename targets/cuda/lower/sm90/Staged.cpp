// From a kernel to its staged form on this machine, and whether it has one.
#include "targets/cuda/lower/sm90/Staged.h"
#include "compiler/schedule/Staging.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "targets/cuda/lower/sm90/Columns.h"
#include "targets/cuda/lower/sm90/Emitter.h"
#include "targets/cuda/lower/sm90/Flatten.h"
#include "targets/cuda/lower/sm90/Im2col.h"
#include "llvm/Support/Threading.h"

using namespace mlir;

namespace adze::cuda::sm90 {

/// Columns of the elementwise tail that are in registers at once, beside the accumulators.
static constexpr int64_t kTailColumns = 32;
/// Barriers lie behind the rings.
static constexpr uint64_t kBarrierBytes = 1024;

Machine stagedMachine(const Machine &machine, unsigned consumers, bool directStores) {
  Machine m = machine;
  for (Unit &u : m.units)
    if (u.name == "consumer")
      u.instances = consumers;
  for (Memory &memory : m.memories) {
    if (memory.name == "smem")
      memory.bytes -= kBarrierBytes;
    // Elementwise work runs register by register: no tile of it exists as a whole. ptxas judges what is left.
    if (memory.name == "regs")
      memory.bytes = 0;
  }
  // What only elementwise work reads goes straight to registers.
  m.paths.insert(m.paths.begin(), {"gm", "vector", "consumer", {}});
  if (directStores) {
    m.paths.insert(m.paths.begin(), {"vector", "gm", "consumer", {}});
    m.paths.insert(m.paths.begin(), {"matrix.acc", "gm", "consumer", {}});
  }
  return m;
}

namespace {

/// Diagnostics of this thread become a text: a kernel that cannot be staged is no error.
class CaughtDiagnostics {
public:
  explicit CaughtDiagnostics(MLIRContext *context)
      : handler(context, [this, thread = llvm::get_threadid()](Diagnostic &d) {
          if (llvm::get_threadid() != thread)
            return failure(); // another image is compiled beside this one
          if (text.empty() && d.getSeverity() == DiagnosticSeverity::Error)
            text = d.str();
          return success();
        }) {}
  std::string text;

private:
  ScopedDiagnosticHandler handler;
};

/// Rows of the products, if all have the same.
int64_t productRows(tile::KernelOp kernel) {
  int64_t rows = 0;
  kernel.getBody().walk([&](tile::DotOp dot) {
    auto type = cast<RankedTensorType>(dot.getAcc().getType());
    int64_t n = type.getRank() == 2 ? type.getDimSize(0) : -1;
    rows = rows == 0 || rows == n ? n : -1;
  });
  return rows;
}

/// Whether tensor maps describe every store of the kernel (`directStores` otherwise).
bool storesByMaps(tile::KernelOp kernel) {
  bool all = true;
  kernel.walk([&](tile::StoreOp store) {
    auto type = cast<RankedTensorType>(store.getTile().getType());
    unsigned bits = type.getElementType().isIndex() ? 64 : type.getElementType().getIntOrFloatBitWidth();
    auto view = cast<tile::ViewType>(store.getView().getType());
    all &= type.getRank() == 2 && type.getDimSize(0) % 64 == 0 && (bits == 16 || bits == 32) && !store.getMask() &&
           type.getDimSize(1) * bits / 8 % 32 == 0 && type.getDimSize(1) % 16 == 0 &&
           (!view.getLayout() || isa<tile::CompositeAttr>(view.getLayout()));
  });
  return all;
}

std::optional<ImageVariant> attempt(tile::KernelOp kernel, ModuleOp dest, const TargetArch &arch, unsigned consumers,
                                    bool directStores, std::string &reason) {
  MLIRContext *context = kernel.getContext();
  CaughtDiagnostics caught(context);
  OwningOpRef<ModuleOp> scratch = ModuleOp::create(kernel.getLoc());
  auto copy = cast<tile::KernelOp>(kernel->clone());
  scratch->push_back(copy);
  copy.setSymName((kernel.getSymName() + "_staged").str());
  int64_t group = 8;
  if (auto schedule = kernel.getSchedule())
    if (auto attr = schedule->getGrid().getAs<IntegerAttr>("group"))
      group = attr.getInt();
  auto fail = [&](StringRef why) {
    reason = caught.text.empty() ? why.str() : caught.text;
    return std::nullopt;
  };
  std::vector<WindowBox> windows = standForWindows(copy);
  if (failed(schedule::stageKernel(copy, stagedMachine(arch.machine, consumers, directStores))))
    return fail("it cannot be staged");
  copy->setAttr("cuda.group", Builder(context).getI64IntegerAttr(group));
  PassManager pm(context);
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  if (failed(pm.run(*scratch)))
    return fail("its staged form cannot be simplified");
  for (auto process : llvm::make_early_inc_range(copy.getBody().front().getOps<tile::ProcessOp>())) {
    if (process.getUnit() != "consumer")
      continue;
    if (failed(flattenProcess(process)))
      return fail("a consumer has more than one strip");
    splitColumns(process, kTailColumns);
  }
  StagedHardware hardware(arch);
  StagedEmitter emitter(copy, dest, hardware, {});
  emitter.windows = std::move(windows);
  FailureOr<ImageVariant> emitted = emitter.emit();
  if (failed(emitted))
    return fail(emitter.reason);
  ImageVariant variant = std::move(*emitted);
  return variant;
}

} // namespace

std::optional<ImageVariant> lowerStaged(tile::KernelOp kernel, ModuleOp dest, const TargetArch &arch,
                                        std::string &reason) {
  if (gpu::sharesOf(kernel)) {
    reason = "its work is split over blocks";
    return std::nullopt;
  }
  int64_t rows = productRows(kernel);
  if (rows <= 0 || rows % 64 || rows > 192) {
    reason = "its products do not have 64, 128 or 192 rows";
    return std::nullopt;
  }
  unsigned consumers = rows / 64;
  bool byMaps = storesByMaps(kernel);
  if (byMaps)
    if (auto variant = attempt(kernel, dest, arch, consumers, false, reason))
      return variant;
  std::string second;
  auto variant = attempt(kernel, dest, arch, consumers, true, second);
  if (!variant && !byMaps)
    reason = second;
  return variant;
}

} // namespace adze::cuda::sm90
