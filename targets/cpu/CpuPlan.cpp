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

} // namespace

Plan planFor(const Problem &p, llvm::ArrayRef<TargetArch>) {
  MLIRContext *context = p.types.empty() ? nullptr : p.types.begin()->second.getContext();
  if (p.family == "matmul")
    return planMatmul(p, context);
  Plan plan; // the builders' defaults
  return plan;
}

} // namespace adze::cpu
