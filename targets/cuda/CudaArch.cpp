// The architectures as data: what planning, scheduling and code generation know of each.
//
// Sources: CUDA C++ Programming Guide 13.0, "Compute Capabilities" (shared memory, registers, threads); the largest
// part of each architecture for the number of multiprocessors and the size of L2 (A100 80GB, A40, L40, H100 SXM, B200,
// RTX 5090), which only planning reads.
#include "targets/cuda/CudaTarget.h"
#include "llvm/ADT/STLExtras.h"

namespace adze::cuda {
namespace {

struct Row {
  llvm::StringLiteral name;
  unsigned sm, ptx;
  uint64_t sharedBytes; // of a block, opted in
  int64_t multiprocessors, l2;
};

/// PTX versions: the oldest that has what is emitted, because the version decides which driver is new enough. 7.4
/// (driver 470) has parity waits and bf16 conversions; 8.0 (525) is the first for sm_90a; 8.4 (550) has fp8 products on
/// sm_89; 8.6 (560) and 8.7 (570) are the first for Blackwell.
constexpr Row kRows[] = {
    {"sm_80", 80, 74, 166912, 108, 40 << 20},    {"sm_86", 86, 74, 101376, 84, 6 << 20},
    {"sm_89", 89, 84, 101376, 142, 96 << 20},    {"sm_90a", 90, 80, 232448, 132, 50 << 20},
    {"sm_100", 100, 86, 232448, 148, 126 << 20}, {"sm_120", 120, 87, 101376, 170, 96 << 20},
};
constexpr llvm::StringLiteral kNames[] = {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120"};

/// One instruction stream a block; copies from device to shared memory run beside it, everything else passes through
/// registers.
void describeMultiprocessor(Machine &m, uint64_t sharedBytes) {
  m.units = {{"copy", {"load"}, 1, true, "sm"}, {"block", {"matrix", "vector", "store"}, 1, false, "sm"}};
  m.memories = {{"gm"}, {"smem", sharedBytes, 128}, {"regs", 65536 * 4 - 16384, 4}};
  m.paths = {{"gm", "smem", "copy", {"fill0"}}, {"smem", "regs", "block", {}},     {"regs", "matrix.a", "block", {}},
             {"smem", "matrix.a", "block", {}}, {"smem", "matrix.b", "block", {}}, {"matrix.acc", "regs", "block", {}},
             {"smem", "vector", "block", {}},   {"regs", "vector", "block", {}},   {"vector", "regs", "block", {}},
             {"regs", "smem", "block", {}},     {"regs", "gm", "block", {}}};
}

/// One producer warp, two consumer warpgroups that issue matrix and vector work, asynchronous stores.
void describeHopper(Machine &m, uint64_t sharedBytes) {
  m.units = {{"producer", {"load"}, 1, true, "sm"},
             {"consumer", {"matrix", "vector"}, 2, false, "sm"},
             {"storer", {"store"}, 1, true, "sm"}};
  m.memories = {{"gm"}, {"smem", sharedBytes, 1024}, {"regs", 240 * 256 * 4, 4}};
  m.paths = {{"gm", "smem", "producer", {"tile", "im2col", "fill0"}},
             {"smem", "matrix.a", "consumer", {}},
             {"smem", "matrix.b", "consumer", {}},
             {"regs", "matrix.a", "consumer", {}},
             {"matrix.acc", "regs", "consumer", {}},
             {"smem", "vector", "consumer", {}},
             {"regs", "vector", "consumer", {}},
             {"vector", "regs", "consumer", {}},
             {"regs", "smem", "consumer", {}},
             {"smem", "gm", "storer", {"tile"}}};
}

} // namespace

std::optional<TargetArch> archNamed(llvm::StringRef name) {
  const Row *row = llvm::find_if(kRows, [&](const Row &r) { return r.name == name; });
  if (row == std::end(kRows))
    return std::nullopt;
  TargetArch a;
  a.target = "cuda";
  a.arch = row->name.str();
  a.triple = "nvptx64-nvidia-cuda";
  a.cpu = row->name.str();
  a.features = "+ptx" + std::to_string(row->ptx);
  a.machine.name = a.arch;
  bool hopper = row->sm == 90;
  if (hopper)
    describeHopper(a.machine, row->sharedBytes);
  else
    describeMultiprocessor(a.machine, row->sharedBytes);
  a.machine.values = {{"sm", row->sm},           {"ptx", row->ptx},
                      {"arch_specific", hopper}, {"programs", row->multiprocessors},
                      {"l2_bytes", row->l2},     {"shared_bytes", static_cast<int64_t>(row->sharedBytes)},
                      {"matrix_granule", 16},    {"strip_rows", 64},
                      {"narrow_products", 1},    {"channels_last", 1}};
  return a;
}

llvm::ArrayRef<llvm::StringLiteral> archNames() { return kNames; }

unsigned smOf(const TargetArch &arch) { return arch.machine.value("sm", 80); }
unsigned ptxVersionOf(const TargetArch &arch) { return arch.machine.value("ptx", 74); }
bool isArchSpecific(const TargetArch &arch) { return arch.machine.value("arch_specific"); }

} // namespace adze::cuda
