// Sizes and packing: closed-form rules. The images of one program share every decision that is visible in memory.
#include "dialects/tile/TileDialect.h"
#include "targets/cpu/CpuTarget.h"

using namespace mlir;

namespace adze::cpu {
namespace {

int64_t roundUp(int64_t v, int64_t to) { return (v + to - 1) / to * to; }

/// Weights in panels of 32 columns: 12x32 blocks of AVX-512 take one, 6x16 blocks of AVX2 half of one.
Attribute panelPacking(MLIRContext *context) {
  AffineExpr k = getAffineDimExpr(0, context), n = getAffineDimExpr(1, context);
  AffineMap map = AffineMap::get(2, 0, {n.floorDiv(32), k, n % 32}, context);
  return tile::PackAttr::get(context, map, {1, 32}, "");
}

Plan planMatmul(const Problem &p, MLIRContext *context) {
  Plan plan;
  int64_t m = p.extent("M"), n = p.extent("N"), k = p.extent("K");
  plan.form = "plain";
  // Rows in multiples of 12 (and so of 6); a tile's accumulators and its slab of B share the second-level cache.
  int64_t bm = m >= 192 ? 96 : roundUp(std::max<int64_t>(m, 1), m > 12 ? 12 : 1);
  int64_t bn = n >= 384 ? 384 : roundUp(n, 32);
  if (m <= 16) // every program streams its own columns of the weights
    bn = std::min<int64_t>(bn, 128);
  plan.params = {
      {"BM", std::min<int64_t>(bm, 96)}, {"BN", bn}, {"BK", std::min<int64_t>(roundUp(k, 16), 256)}, {"split", 1}};
  if (p.flag("pack_b") && context)
    plan.packing["b"] = panelPacking(context);
  return plan;
}

/// Equal parts of `extent`, none larger than `most`, in multiples of `step`.
int64_t evenParts(int64_t extent, int64_t most, int64_t step) {
  int64_t parts = (extent + most - 1) / most;
  return roundUp((extent + parts - 1) / std::max<int64_t>(parts, 1), step);
}

/// Accumulators are [filters x pixels], so that stores to NCHW are contiguous. Weights go filter-innermost: a tile of
/// them is then copied a register at a time.
Plan planConv(const Problem &p, MLIRContext *context) {
  Plan plan;
  plan.form = "linear";
  int64_t f = p.extent("F"), pixels = p.extent("P"), c = p.extent("C");
  plan.params = {{"swap", 1},
                 {"BF", evenParts(f, 132, 4)},
                 {"BP", evenParts(std::max<int64_t>(pixels, 1), 128, 16)},
                 {"BC", std::min<int64_t>(c, 128)},
                 {"granule", 16}};
  if (p.flag("pack_w") && context) {
    unsigned rank = p.flag("spatial", 2) + 3;
    plan.packing["w"] = tile::PackAttr::get(context, AffineMap::getMultiDimIdentityMap(rank, context),
                                            SmallVector<int64_t>(rank, 1), "");
  }
  return plan;
}

/// Rows of pixels: every tap of them is contiguous. Many channels, so that the borders are worked out once for all.
Plan planWindows(const Problem &p, llvm::StringRef channels) {
  Plan plan;
  plan.form = "row";
  int64_t q = std::max<int64_t>(p.extent("Q"), 1);
  auto known = p.extents.find("Q");
  bool isStatic = known != p.extents.end() && known->second.isStatic();
  plan.params = {{channels.str(), 32}, {"BP", isStatic ? evenParts(q, 128, 16) : 128}};
  return plan;
}

/// Scores are computed by whole tiles, so tiles for sequences of unknown length are smaller.
Plan planAttention(const Problem &p) {
  Plan plan;
  plan.form = "flash";
  auto isStatic = [&](const char *name) {
    auto it = p.extents.find(name);
    return it != p.extents.end() && it->second.isStatic();
  };
  plan.params = {{"BM", isStatic("S") ? 64 : 36}, {"BN", isStatic("T") ? 128 : 64}};
  return plan;
}

/// Long chunks: fewer additions one after the other, which is faster and loses fewer bits.
Plan planReduce(const Problem &p) {
  Plan plan;
  bool inner = p.flag("inner");
  plan.form = "serial";
  // Every chunk is added whole, also the last one, so chunks for an unknown length are shorter.
  auto k = p.extents.find("K");
  bool isStatic = k != p.extents.end() && k->second.isStatic();
  plan.params = {{"BM", inner ? 8 : 128}, {"BK", !inner ? 64 : isStatic ? 1024 : 128}};
  return plan;
}

} // namespace

Plan planFor(const Problem &p, llvm::ArrayRef<TargetArch>) {
  MLIRContext *context = p.types.empty() ? nullptr : p.types.begin()->second.getContext();
  if (p.family == "matmul")
    return planMatmul(p, context);
  if (p.family == "conv" || p.family == "conv_transpose")
    return planConv(p, context);
  if (p.family == "reduce")
    return planReduce(p);
  if (p.family == "attention")
    return planAttention(p);
  if (p.family == "depthwise")
    return planWindows(p, "BF");
  if (p.family == "pool")
    return planWindows(p, "BC");
  Plan plan; // the builders' defaults
  return plan;
}

} // namespace adze::cpu
