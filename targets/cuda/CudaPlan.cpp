// Form, sizes and packing: closed-form rules. A tile of T elements in a block of W warps costs T / (32 W) registers a
// thread; sizes are powers of two (or the whole static extent, where that is smaller) and stay at or below 64 registers
// for one value, so that a handful of live values and the addresses fit in 255.
#include "dialects/tile/TileDialect.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/lower/sm90/Plan.h"
#include "targets/cuda/SplitPlan.h"
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

/// A block's share of a product: rows, columns, warps.
struct Block {
  int64_t m, n;
  unsigned warps;
};
/// 64 or 128 accumulators a thread for large products, fewer where there are too few blocks otherwise.
constexpr Block kMatrixBlocks[] = {{128, 256, 8}, {128, 128, 4}, {64, 128, 4}, {128, 64, 4}, {64, 64, 4},
                                   {32, 128, 4},  {32, 64, 4},   {16, 128, 4}, {16, 64, 4},  {16, 32, 4}};
constexpr Block kFmaBlocks[] = {{128, 128, 8}, {64, 128, 4}, {128, 64, 4}, {64, 64, 4}, {32, 64, 4},
                                {64, 32, 4},   {32, 32, 4},  {16, 64, 4},  {16, 32, 4}};

bool isFloat8(const Problem &p, const char *name) {
  auto it = p.types.find(name);
  return it != p.types.end() && isa<Float8E4M3FNType, Float8E5M2Type>(it->second);
}

/// Products of 16-bit floats, 8-bit integers, float32 that may be rounded to tf32 and, where all architectures have
/// them, 8-bit floats run on tensor cores.
bool usesTensorCores(const Problem &p, const char *name, llvm::ArrayRef<TargetArch> archs) {
  auto it = p.types.find(name);
  if (it == p.types.end())
    return false;
  if (isFloat8(p, name))
    return llvm::all_of(archs, [](const TargetArch &a) { return smOf(a) >= 89 && ptxVersionOf(a) >= 84; });
  if (it->second.isF32())
    return p.flag("tf32");
  return it->second.isF16() || it->second.isBF16() || it->second.isInteger(8) || it->second.isUnsignedInteger(8) ||
         it->second.isSignedInteger(8);
}

/// The block with the least time for all of it: waves over the multiprocessors, each as long as the slower of
/// arithmetic and operand traffic. Units: cycles for a step of 32 bytes of k; tensor cores multiply the same number of
/// bytes of every type, 1024 pairs of 16 bits (64 of float32 without them), and about 40 bytes come from L2 in each
/// cycle of a multiprocessor.
Block chooseBlock(int64_t m, int64_t n, int64_t batch, bool matrix, int64_t step, llvm::ArrayRef<TargetArch> archs) {
  Block best{};
  double bestTime = 0;
  int64_t units = multiprocessors(archs);
  for (const Block &b : matrix ? llvm::ArrayRef<Block>(kMatrixBlocks) : llvm::ArrayRef<Block>(kFmaBlocks)) {
    int64_t programs = batch * ((m + b.m - 1) / b.m) * ((n + b.n - 1) / b.n);
    double waves = programs <= units ? 1 : double(programs) / units + 0.5;
    double arithmetic = double(b.m * b.n) * (matrix ? 16. / 1024 : step / 64.), traffic = double(b.m + b.n) * 32 / 40;
    double time = waves * (std::max(arithmetic, traffic) + 0.1 * std::min(arithmetic, traffic) + 8);
    if (!best.m || time < bestTime) {
      best = b;
      bestTime = time;
    }
  }
  return best;
}

MLIRContext *contextOf(const Problem &p) { return p.types.empty() ? nullptr : p.types.begin()->second.getContext(); }

/// Weights whose rows could not be copied sixteen bytes at a time, in blocks of 16 columns; those of matrix
/// instructions on 8 or 32 bits in rows along k, the only order in which fragments of them are read whole.
Attribute productPacking(const Problem &p, MLIRContext *context, unsigned bits, bool matrix) {
  if (matrix && bits != 16)
    return p.flag("trans_b") && p.extent("K") * bits % 128 == 0 ? Attribute() : sm90::packRows(context, bits);
  if (bits == 8 || p.extent("N") * bits % 128 == 0)
    return {};
  AffineExpr k = getAffineDimExpr(0, context), column = getAffineDimExpr(1, context);
  return tile::PackAttr::get(context, AffineMap::get(2, 0, {column.floorDiv(16), k, column % 16}, context), {1, 16},
                             "");
}

/// Filters innermost, in blocks of 16: [group, taps.., filter / 16, channel, filter % 16].
Attribute filterPacking(MLIRContext *context, unsigned spatial) {
  SmallVector<AffineExpr> results;
  for (unsigned d = 0; d <= spatial; ++d)
    results.push_back(getAffineDimExpr(d, context));
  AffineExpr c = getAffineDimExpr(spatial + 1, context), f = getAffineDimExpr(spatial + 2, context);
  results.append({f.floorDiv(16), c, f % 16});
  SmallVector<int64_t> blocks(spatial + 3, 1);
  blocks.back() = 16;
  return tile::PackAttr::get(context, AffineMap::get(spatial + 3, 0, results, context), blocks, "");
}

/// Few rows: the time is that of reading b, so a step is 8 KiB of it, with as many columns as leave every
/// multiprocessor a program. Tensor cores compute y^T = b^T a^T, 16 columns by 8 rows an instruction; without them 64
/// products a thread are summed where they are, and the threads meet once.
std::optional<Plan> planFewRows(const Problem &p, bool matrix, unsigned bits, llvm::ArrayRef<TargetArch> archs) {
  int64_t m = p.extent("M"), n = std::max<int64_t>(1, p.extent("N")), batch = std::max<int64_t>(1, p.extent("B"));
  if (m > (matrix ? 8 : 4) || p.flag("trans_a") || (!matrix && !p.types.at("a").isF32()))
    return std::nullopt;
  int64_t bn = matrix ? 128 : 64, rows = matrix ? 8 : pow2(m);
  while (bn > 32 && batch * ((n + bn - 1) / bn) < multiprocessors(archs))
    bn /= 2;
  int64_t depth = matrix ? (8 << 10) * 8 / bits / bn : 64 * 128 / (bn * rows);
  Plan plan;
  plan.form = matrix ? "plain" : "gemv";
  plan.params = {{"BM", rows},
                 {"BN", bn},
                 {"BK", clamp(pow2(p.extent("K")), matrix ? 256 / bits : 8, depth)},
                 {"swap", matrix},
                 {"split", 1},
                 {"warps", matrix ? bn / 16 : 4},
                 {"stages", 4},
                 {"granule", matrix ? 16 : 32}};
  return plan;
}

Plan planMatmul(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  Plan plan;
  plan.form = "plain";
  int64_t m = std::max<int64_t>(1, p.extent("M")), n = std::max<int64_t>(1, p.extent("N")),
          k = std::max<int64_t>(1, p.extent("K")), batch = std::max<int64_t>(1, p.extent("B"));
  unsigned bits = std::max(8u, bitsOf(p, "a"));
  bool matrix = usesTensorCores(p, "a", archs);
  Block b = chooseBlock(m, n, batch, matrix, 256 / bits, archs);
  if (bits == 64) // two registers an accumulator
    b = {std::min<int64_t>(b.m, 64), std::min<int64_t>(b.n, 64), b.warps};
  if (matrix && isFloat8(p, "a")) // the sum and the part that is not yet added to it
    b = {std::min<int64_t>(b.m, 64), std::min<int64_t>(b.n, 128), 4};
  // Rows of 64 bytes in shared memory, 128 where tiles are small and a step would end too soon.
  int64_t bytes = matrix && b.m * b.n <= 64 * 64 ? 128 : 64;
  int64_t bk = clamp(pow2(k), matrix ? 256 / bits : 8, bytes * 8 / bits);
  plan.params = {{"BM", b.m},    {"BN", b.n}, {"BK", bk}, {"split", 1}, {"warps", b.warps}, {"stages", matrix ? 4 : 3},
                 {"granule", 16}};
  if (std::optional<Plan> few = planFewRows(p, matrix, bits, archs))
    plan = *few;
  if (matrix && isFloat8(p, "a"))
    plan.params["promote"] = sm90::kPromote;
  MLIRContext *context = contextOf(p);
  if (p.flag("pack_b") && context)
    if (Attribute packing = productPacking(p, context, bits, matrix))
      plan.packing["b"] = packing;
  return plan;
}

/// Accumulators are [filters x pixels] where rows of pixels are contiguous in the result, [pixels x filters] where
/// channels are.
Plan planConv(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  Plan plan;
  plan.form = "linear";
  int64_t f = std::max<int64_t>(1, p.extent("F")), pixels = std::max<int64_t>(1, p.extent("P")),
          c = std::max<int64_t>(1, p.extent("C")), images = std::max<int64_t>(1, p.extent("N"));
  unsigned bits = std::max(8u, bitsOf(p, "x"));
  bool matrix = usesTensorCores(p, "x", archs);
  bool swap = !p.flag("y_channels_last"), pieces = p.flag("x_channels_last") && matrix;
  Block b = chooseBlock(swap ? f : pixels, swap ? pixels : f, images * std::max<int64_t>(1, p.extent("G")), matrix,
                        256 / bits, archs);
  int64_t bf = swap ? b.m : b.n, bp = swap ? b.n : b.m;
  if (!pieces)
    bp = std::min<int64_t>(bp, 128); // pixels are gathered: a wide tile costs more than it saves
  if (p.family == "conv_transpose" && pieces)
    bp = std::min<int64_t>(bp, 64); // pieces pass through registers
  // As in products: rows of 64 bytes, 128 where tiles are small.
  int64_t bytes = pieces && bf * bp <= 64 * 64 ? 128 : 64;
  int64_t bc = clamp(pow2(c), matrix ? 256 / bits : 8, bytes * 8 / bits);
  plan.params = {{"swap", swap}, {"BF", bf}, {"BP", bp}, {"BC", bc}, {"warps", b.warps}, {"stages", pieces ? 4 : 3},
                 {"granule", 16}};
  // All taps of few channels in one step, where a thread's share of the pixels' neighbourhoods stays in its registers.
  int64_t patch = c * std::max<int64_t>(1, p.extent("T"));
  plan.params["merge"] = c < 16 && patch <= 512 && patch * bp <= 16 * 32 * std::max<int64_t>(1, b.warps);
  MLIRContext *context = contextOf(p);
  if (p.flag("pack_w") && context && bits >= 16)
    plan.packing["w"] = filterPacking(context, p.flag("spatial", 2));
  return plan;
}

/// Eight elements a thread, along channels where they are neighbours, else along pixels.
Plan planWindows(const Problem &p, llvm::StringRef channels) {
  Plan plan;
  plan.form = "linear";
  if (p.flag("x_channels_last") || p.flag("y_channels_last")) {
    int64_t bc = clamp(pow2(p.extent("C")), 1, 64);
    plan.params = {{channels.str(), bc}, {"BP", 1024 / bc}};
    MLIRContext *context = contextOf(p);
    if (p.family == "depthwise" && context) { // neighbours in the weights too: [taps.., channel]
      unsigned rank = p.flag("spatial", 2) + 1;
      SmallVector<int64_t> whole(rank, 1);
      plan.packing["w"] = tile::PackAttr::get(context, AffineMap::getMultiDimIdentityMap(rank, context), whole, "");
    }
    return plan;
  }
  int64_t pixels = std::max<int64_t>(1, p.extent("P"));
  int64_t bp = clamp(pow2(pixels), 1, 128);
  plan.params = {{"BP", bp}, {channels.str(), std::max<int64_t>(1, 1024 / bp)}};
  return plan;
}

/// Rows of a warp are whole rows of scores: four warps own 64 queries, eight own 128. Keys and values of a step stay at
/// or below 16 KiB each, so that two stages and the queries fit the smallest shared memory.
Plan planAttention(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  Plan plan;
  plan.form = "flash";
  unsigned bits = bitsOf(p, "a");
  bool matrix = usesTensorCores(p, "a", archs);
  int64_t d = std::max<int64_t>(16, std::max(p.extent("D"), p.extent("DV"))), s = std::max<int64_t>(1, p.extent("S"));
  int64_t blocks = std::max<int64_t>(1, p.extent("B")) * std::max<int64_t>(1, p.extent("H"));
  // Few queries: those of all heads that share keys and values are rows of one tile.
  bool pack = p.flag("packable") && s <= 16;
  if (pack) {
    s *= p.extent("G");
    blocks /= p.extent("G");
  }
  int64_t bm, bn, warps = 4;
  if (matrix) {
    // 128 queries beside two stages of 64 keys and values, with room for what softmax exchanges.
    int64_t bytes = (128 + 2 * 2 * 64) * d * bits / 8 + (8 << 10);
    bool many = blocks * ((s + 127) / 128) >= multiprocessors(archs) && d <= 128 && s >= 256 &&
                llvm::all_of(archs, [&](const TargetArch &a) { return a.machine.value("shared_bytes") >= bytes; });
    bm = s <= 16 ? 16 : s <= 32 ? 32 : many ? 128 : 64;
    bn = std::max<int64_t>(16, (d <= 128 ? 64 : 32) * 16 / bits);
    if (bm <= 32) // warps side by side along the keys
      bn *= d <= 64 || d > 128 ? 2 : 1;
    warps = bm == 128 ? 8 : 4;
  } else {
    bm = clamp(pow2(s), 1, 32);
    bn = d * bits / 8 <= 256 ? 64 : 32;
  }
  plan.params = {{"BM", bm}, {"BN", bn}, {"warps", warps}, {"stages", 2}, {"pack", pack}, {"granule", 16}};
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

/// The plan for kernels that every warp of a block runs.
Plan planGeneric(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
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
    return planAttention(p, archs);
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
    plan.params = {{"BM", 16}, {"warps", 8}};
    return plan;
  }
  Plan plan; // the builders' defaults
  return plan;
}

} // namespace

Plan planFor(const Problem &p, llvm::ArrayRef<TargetArch> archs) {
  int64_t units = multiprocessors(archs);
  Plan plan = planGeneric(p, archs);
  planSplit(p, units, plan);
  if (archs.size() == 1 && smOf(archs[0]) == 90 && isArchSpecific(archs[0]))
    if (std::optional<Plan> staged = sm90::planStaged(p, archs[0]); staged && !leavesIdle(p, units, *staged, plan))
      return *staged;
  return plan;
}

} // namespace adze::cuda
