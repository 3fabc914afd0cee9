// Form, sizes and packing: closed-form rules. A tile of T elements in a block of W warps costs T / (32 W) registers a
// thread; sizes are powers of two (or the whole static extent, where that is smaller) and stay at or below 64 registers
// for one value, so that a handful of live values and the addresses fit in 255.
#include "dialects/tile/TileDialect.h"
#include "targets/cuda/CudaTarget.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace adze::cuda {
namespace {

int64_t pow2(int64_t v) { return v <= 1 ? 1 : static_cast<int64_t>(llvm::PowerOf2Ceil(static_cast<uint64_t>(v))); }
int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return std::min(std::max(v, lo), hi); }

/// The fewest multiprocessors of the architectures that share the kernel: programs to aim for.
int64_t multiprocessors(llvm::ArrayRef<TargetArch> archs) {
  int64_t n = 1 << 20;
  for (const TargetArch &a : archs)
    n = std::min(n, a.machine.value("programs", 108));
  return archs.empty() ? 108 : n;
}

/// Elements of a tile of a memory-bound kernel: enough for 16-byte accesses by every thread, small enough that each
/// multiprocessor gets two programs.
int64_t streamTile(int64_t total, llvm::ArrayRef<TargetArch> archs) {
  return clamp(pow2(total / (2 * multiprocessors(archs))), 256, 2048);
}

bool isStatic(const Problem &p, const char *name) {
  auto it = p.extents.find(name);
  return it != p.extents.end() && it->second.isStatic();
}

unsigned bitsOf(const Problem &p, const char *name) {
  auto it = p.types.find(name);
  return it == p.types.end() ? 32 : it->second.getIntOrFloatBitWidth();
}
bool isFloat(const Problem &p, const char *name) {
  auto it = p.types.find(name);
  return it == p.types.end() || isa<FloatType>(it->second);
}

/// Rows of N contiguous elements; `crosswise` operands are read through a square tile.
Plan planStream(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  Plan plan;
  int64_t n = p.extent("N"), m = p.extent("M");
  if (p.flag("transposed")) {
    plan.params = {{"BN", clamp(pow2(n), 1, 32)}, {"BM", clamp(pow2(m), 1, 64)}};
    return plan;
  }
  int64_t tile = streamTile(n * m * p.extent("R"), archs);
  int64_t bn = clamp(pow2(n), 1, tile);
  plan.params = {{"BN", bn}, {"BM", clamp(pow2(m), 1, std::max<int64_t>(1, tile / bn))}};
  return plan;
}

/// Accumulators have the shape of a chunk, so chunks are long: the warps meet once, in finish.
Plan planReduce(const Problem &p) {
  Plan plan;
  plan.form = "serial";
  int64_t k = std::max<int64_t>(1, p.extent("K")), m = std::max<int64_t>(1, p.extent("M"));
  if (p.flag("inner")) {
    int64_t bk = clamp(pow2(k), 1, 1024);
    plan.params = {{"BK", bk}, {"BM", clamp(pow2(m), 1, std::max<int64_t>(1, 2048 / bk))}};
  } else {
    int64_t bm = clamp(pow2(m), 1, 64);
    plan.params = {{"BM", bm}, {"BK", clamp(pow2(k), 1, std::max<int64_t>(1, 2048 / bm))}};
  }
  return plan;
}

/// Longest row that is one tile: 32 registers a thread with 16 warps.
constexpr int64_t kLongestRow = 16384;

Plan planRowwise(const Problem &p) {
  Plan plan;
  bool inner = p.flag("inner", 1);
  int64_t c = std::max<int64_t>(1, p.extent("C")), columns = std::max<int64_t>(1, p.extent("M"));
  int64_t rows = inner ? std::max<int64_t>(1, 2048 / pow2(c)) : clamp(pow2(columns), 1, 32);
  bool whole = isStatic(p, "C") && c * (inner ? 1 : rows) <= kLongestRow;
  plan.form = whole ? "one_tile" : "two_pass";
  plan.params = {{"BM", clamp(pow2(columns), 1, rows)}};
  if (!whole)
    plan.params["BK"] = inner ? clamp(pow2(c), 1, 2048) : std::max<int64_t>(1, 2048 / rows);
  if (!whole && inner)
    plan.params["BM"] = 1;
  return plan;
}

/// Tensor cores want 16-bit tiles of at least 64 x 64; float32 goes through the FMA units, where a block keeps 64
/// accumulators a thread at most. Tiles shrink until every multiprocessor has a program.
Plan planMatmul(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  Plan plan;
  plan.form = "plain";
  int64_t m = std::max<int64_t>(1, p.extent("M")), n = std::max<int64_t>(1, p.extent("N")),
          k = std::max<int64_t>(1, p.extent("K")), batch = std::max<int64_t>(1, p.extent("B"));
  unsigned bits = bitsOf(p, "a");
  bool wide = bits >= 32 && isFloat(p, "a");
  int64_t most = bits == 64 ? 32 : wide ? 64 : 128;
  int64_t bm = clamp(pow2(m), 16, most), bn = clamp(pow2(n), 16, most);
  auto programs = [&] { return batch * ((m + bm - 1) / bm) * ((n + bn - 1) / bn); };
  while (programs() < multiprocessors(archs) && std::max(bm, bn) > 32)
    (bm > bn ? bm : bn) /= 2;
  int64_t bk = clamp(pow2(k), 16, wide ? 16 : bits == 8 ? 64 : 32);
  plan.params = {{"BM", bm}, {"BN", bn}, {"BK", bk}, {"split", 1}, {"granule", 16}};
  return plan;
}

/// Accumulators are [filters x pixels], so that stores to NCHW are contiguous.
Plan planConv(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  Plan plan;
  plan.form = "linear";
  int64_t f = std::max<int64_t>(1, p.extent("F")), pixels = std::max<int64_t>(1, p.extent("P")),
          c = std::max<int64_t>(1, p.extent("C")), images = std::max<int64_t>(1, p.extent("N"));
  bool wide = bitsOf(p, "x") >= 32;
  int64_t bf = clamp(pow2(f), 16, 64), bp = clamp(pow2(pixels), 16, wide ? 64 : 128);
  auto programs = [&] { return images * ((f + bf - 1) / bf) * ((pixels + bp - 1) / bp); };
  while (programs() < multiprocessors(archs) && std::max(bf, bp) > 32)
    (bf > bp ? bf : bp) /= 2;
  plan.params = {{"swap", 1}, {"BF", bf}, {"BP", bp}, {"BC", clamp(pow2(c), 16, wide ? 16 : 32)}, {"granule", 16}};
  return plan;
}

Plan planWindows(const Problem &p, llvm::StringRef channels) {
  Plan plan;
  plan.form = "linear";
  int64_t pixels = std::max<int64_t>(1, p.extent("P"));
  int64_t bp = clamp(pow2(pixels), 1, 128);
  plan.params = {{"BP", bp}, {channels.str(), std::max<int64_t>(1, 1024 / bp)}};
  return plan;
}

Plan planAttention(const Problem &p) {
  Plan plan;
  plan.form = "flash";
  bool wide = bitsOf(p, "a") >= 32;
  int64_t d = std::max(p.extent("D"), p.extent("DV"));
  int64_t s = std::max<int64_t>(1, p.extent("S"));
  plan.params = {{"BM", clamp(pow2(s), 16, wide || d > 128 ? 32 : 64)}, {"BN", wide || d > 128 ? 32 : 64}};
  return plan;
}

/// An axis in the middle: tiles [axis x inner], or [outer x axis] where nothing is behind it.
Plan planSlabs(const Problem &p, int64_t axis, int64_t elements) {
  Plan plan;
  int64_t k = clamp(pow2(p.extent("K")), 1, axis);
  int64_t rest = std::max<int64_t>(1, elements / k);
  plan.params = {{"BK", k}, {"BM", clamp(pow2(p.extent("R")), 1, rest)}, {"BN", clamp(pow2(p.extent("N")), 1, rest)}};
  return plan;
}

Plan planGather(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  if (p.extents.count("K"))
    return planSlabs(p, p.flag("inner") ? 128 : 8, 1024);
  Plan plan;
  int64_t bn = clamp(pow2(p.extent("N")), 1, 256);
  plan.params = {{"BN", bn}, {"BM", std::max<int64_t>(1, 1024 / bn)}};
  return plan;
}

Plan planScatter(const Problem &p) {
  Plan plan;
  int64_t bn = clamp(pow2(p.extent("N")), 1, 256);
  plan.params = {{"BN", bn}, {"BM", std::max<int64_t>(1, 1024 / bn)}, {"BR", std::max<int64_t>(1, 1024 / bn)}};
  return plan;
}

} // namespace

Plan planFor(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  if (p.family == "pointwise" || p.family == "move")
    return planStream(p, archs);
  if (p.family == "matmul")
    return planMatmul(p, archs);
  if (p.family == "conv" || p.family == "conv_transpose")
    return planConv(p, archs);
  if (p.family == "reduce" || p.family == "arg_reduce")
    return planReduce(p);
  if (p.family == "rowwise")
    return planRowwise(p);
  if (p.family == "attention")
    return planAttention(p);
  if (p.family == "depthwise")
    return planWindows(p, "BF");
  if (p.family == "pool" || p.family == "pool_indices")
    return planWindows(p, "BC");
  if (p.family == "gather")
    return planGather(p, archs);
  if (p.family == "scatter")
    return planScatter(p);
  if (p.family == "resize")
    return planSlabs(p, p.flag("inner") ? 128 : 8, 1024);
  if (p.family == "scan" || p.family == "topk")
    return planSlabs(p, 1024, 1024);
  if (p.family == "rnn") {
    Plan plan;
    plan.params = {{"BM", 16}};
    return plan;
  }
  Plan plan; // the builders' defaults
  return plan;
}

} // namespace adze::cuda
