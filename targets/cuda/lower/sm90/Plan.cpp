// Closed-form rules: tiles that keep the tensor cores busy for the fewest waves of programs, and as many stages as
// shared memory holds.
#include "targets/cuda/lower/sm90/Plan.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace adze::cuda::sm90 {
namespace {

Type typeOf(const Problem &p, const char *name) {
  auto it = p.types.find(name);
  return it == p.types.end() ? Type() : it->second;
}
bool isHalf(Type t) { return t && (t.isF16() || t.isBF16()); }
bool isFloat8(Type t) { return isa_and_nonnull<Float8E4M3FNType, Float8E5M2Type>(t); }

/// Bits of an element where wgmma multiplies these types, else 0. The two kinds of 8-bit integers mix, and so do those
/// of 8-bit floats.
unsigned productBits(const Problem &p, Type a, Type b) {
  if (isHalf(a) && a == b)
    return 16;
  if (a && b && ((a.isInteger(8) && b.isInteger(8)) || (isFloat8(a) && isFloat8(b))))
    return 8;
  return a && a == b && a.isF32() && p.flag("tf32") ? 32 : 0;
}

/// Bulk copies need strides that are multiples of 16 bytes.
bool mayBeAligned(const Problem &p, const char *name, int64_t elements) {
  auto it = p.extents.find(name);
  if (it == p.extents.end())
    return false;
  const Extent &e = it->second;
  return e.isStatic() ? e.min % elements == 0 : true; // checked at launch
}

Attribute schedule(MLIRContext *context, ArrayRef<std::pair<StringRef, int64_t>> leads) {
  Builder b(context);
  SmallVector<NamedAttribute> ops;
  for (auto [tag, lead] : leads)
    ops.push_back(b.getNamedAttr(tag, b.getDictionaryAttr(b.getNamedAttr("lead", b.getI64IntegerAttr(lead)))));
  NamedAttribute grid[] = {b.getNamedAttr("group", b.getI64IntegerAttr(8)),
                           b.getNamedAttr("persistent", b.getUnitAttr())};
  return tile::ScheduleAttr::get(context, b.getDictionaryAttr(grid), b.getDictionaryAttr({}), b.getDictionaryAttr(ops),
                                 Attribute());
}

struct Tile {
  int64_t m, n;
};

/// The tile with the least time for all waves: products, plus what a tile costs beside them (operands from L2,
/// epilogue).
Tile chooseTile(int64_t batch, int64_t m, int64_t n, int64_t programs, int64_t widest = 256) {
  Tile best{128, widest};
  double least = 0;
  for (int64_t bm : {128, 64})
    for (int64_t bn : {256, 192, 128, 64, 32}) {
      if (bn > widest)
        continue;
      int64_t tiles = batch * llvm::divideCeil(m, bm) * llvm::divideCeil(n, bn);
      int64_t waves = llvm::divideCeil(tiles, programs);
      double cost = waves * (double(bm) * bn + 48.0 * (bm + bn) + 2048);
      if (least == 0 || cost < least) {
        least = cost;
        best = {bm, bn};
      }
    }
  return best;
}

/// Stages of `bytes` that fit beside `other` bytes, less the one that is being read.
int64_t leadFor(int64_t shared, int64_t bytes, int64_t other) {
  return std::clamp<int64_t>((shared - other) / bytes - 1, 1, 6);
}

/// Warps of the function beside the staged one: at most 128 accumulators a thread. Twice as many warps would halve the
/// registers that a thread can have, and what is beside the accumulators would not fit.
int64_t genericWarps(const Tile &t) { return std::max<int64_t>(4, llvm::PowerOf2Ceil(t.m * t.n / (32 * 128))); }

/// Rows of y^T = b^T a^T: one consumer.
constexpr int64_t kSwapRows = 64;

std::optional<Plan> planMatmul(const Problem &p, const TargetArch &arch) {
  Type a = typeOf(p, "a"), b = typeOf(p, "b"), y = typeOf(p, "y");
  unsigned bits = productBits(p, a, b);
  // A left operand that runs along its rows is not divided among consumers.
  if (!bits || !y || p.flag("trans_a") || !mayBeAligned(p, "K", 128 / bits))
    return std::nullopt;
  // wgmma reads across the rows of 16-bit operands only. Weights can be turned.
  bool asStored = p.flag("trans_b") ? mayBeAligned(p, "K", 128 / bits) : bits == 16 && mayBeAligned(p, "N", 8);
  if (!asStored && !p.flag("pack_b"))
    return std::nullopt;
  int64_t m = std::max<int64_t>(1, p.extent("M")), n = std::max<int64_t>(1, p.extent("N")),
          k = std::max<int64_t>(1, p.extent("K"));
  if (k < 32 || n < 32)
    return std::nullopt;
  // Partial sums beside the accumulators leave room for half of them.
  bool swap = m <= 32 && n >= kSwapRows;
  Tile t = swap ? Tile{std::max<int64_t>(8, llvm::PowerOf2Ceil(m)), kSwapRows}
                : chooseTile(std::max<int64_t>(1, p.extent("B")), m, n, arch.machine.value("programs", 132),
                             isFloat8(a) ? 128 : 256);
  int64_t shared = arch.machine.value("shared_bytes", 232448) - 1024;
  int64_t lead = leadFor(shared, (t.m + t.n) * 128, t.m * t.n * y.getIntOrFloatBitWidth() / 8);
  Plan plan;
  plan.form = "plain";
  plan.params = {{"BM", t.m},    {"BN", t.n},     {"BK", 1024 / bits}, {"split", 1},
                 {"swap", swap}, {"granule", 64}, {"staged", 1},       {"warps", genericWarps(t)}};
  if (isFloat8(a)) {
    plan.params["promote"] = kPromote;
    plan.params["warps"] *= 2;
  }
  if (!asStored)
    plan.packing["b"] = packRows(a.getContext(), bits);
  plan.schedule = schedule(a.getContext(), {{"a", lead}, {"b", lead}});
  return plan;
}

/// 64 rows of queries a consumer; scores, probabilities and output of a consumer stay in its registers.
std::optional<Plan> planAttention(const Problem &p, const TargetArch &) {
  Type a = typeOf(p, "a");
  int64_t d = p.extent("D"), dv = p.extent("DV");
  if (!isHalf(a) || d != dv || (d != 64 && d != 128) || p.extent("S") < 64)
    return std::nullopt;
  Plan plan;
  plan.form = "flash";
  plan.params = {{"BM", d == 64 && p.extent("S") >= 192 ? 192 : 128}, {"BN", 128}, {"granule", 64}, {"staged", 1}};
  plan.schedule = schedule(a.getContext(), {{"k", 1}, {"v", 1}});
  return plan;
}

/// Filters with their channels innermost: [group, taps.., filter, channel].
Attribute tapPacking(MLIRContext *context, unsigned spatial) {
  SmallVector<unsigned> order(llvm::to_vector(llvm::seq<unsigned>(0, spatial + 3)));
  std::swap(order[spatial + 1], order[spatial + 2]);
  return tile::PackAttr::get(context, AffineMap::getPermutationMap(order, context),
                             SmallVector<int64_t>(spatial + 3, 1), "");
}

/// A sum over taps of products [pixels x channels] by [channels x filters], channels contiguous in both: the pixels of
/// a tap arrive by an im2col map, those of a pointwise convolution as rows.
std::optional<Plan> planChannelsLast(const Problem &p, const TargetArch &arch) {
  Type x = typeOf(p, "x"), w = typeOf(p, "w");
  bool isPointwise =
      p.extent("T") == 1 && p.flag("stride0", 1) == 1 && p.flag("stride1", 1) == 1 && p.flag("stride2", 1) == 1;
  bool swap = !p.flag("y_channels_last");
  if (!isHalf(x) || x != w || p.extent("G") != 1 || !mayBeAligned(p, "C", 8) || p.extent("C") < 32 ||
      p.extent("F") < 32 || (!isPointwise && swap) || (p.extent("T") > 1 && !p.flag("pack_w")))
    return std::nullopt;
  int64_t f = p.extent("F"), pixels = std::max<int64_t>(1, p.extent("P"));
  Tile t = chooseTile(std::max<int64_t>(1, p.extent("N")), swap ? f : pixels, swap ? pixels : f,
                      arch.machine.value("programs", 132));
  int64_t shared = arch.machine.value("shared_bytes", 232448) - 1024;
  int64_t lead = leadFor(shared, (t.m + t.n) * 128, t.m * t.n * 2);
  Plan plan;
  plan.form = "linear";
  plan.params = {{"swap", swap}, {"BF", swap ? t.m : t.n}, {"BP", swap ? t.n : t.m},
                 {"BC", 64},     {"granule", 64},          {"staged", 1}};
  if (p.extent("T") > 1)
    plan.packing["w"] = tapPacking(x.getContext(), p.flag("spatial", 2));
  plan.schedule = schedule(x.getContext(), {{"w", lead}, {"x", lead}});
  return plan;
}

/// A pointwise convolution is a product of matrices [filters x channels] by [channels x pixels].
std::optional<Plan> planConv(const Problem &p, const TargetArch &arch) {
  if (p.flag("x_channels_last"))
    return planChannelsLast(p, arch);
  if (p.flag("y_channels_last"))
    return std::nullopt; // the accumulators would have to be turned
  Type x = typeOf(p, "x"), w = typeOf(p, "w");
  if (!isHalf(x) || x != w || p.extent("T") != 1 || p.flag("stride0", 1) != 1 || p.flag("stride1", 1) != 1 ||
      !mayBeAligned(p, "C", 8) || !mayBeAligned(p, "P", 8) || p.extent("C") < 32 || p.extent("F") < 32)
    return std::nullopt;
  Tile t = chooseTile(std::max<int64_t>(1, p.extent("N")) * std::max<int64_t>(1, p.extent("G")), p.extent("F"),
                      std::max<int64_t>(1, p.extent("P")), arch.machine.value("programs", 132));
  int64_t shared = arch.machine.value("shared_bytes", 232448) - 1024;
  int64_t lead = leadFor(shared, (t.m + t.n) * 128, t.m * t.n * 2);
  Plan plan;
  plan.form = "linear";
  plan.params = {
      {"swap", 1}, {"BF", t.m}, {"BP", t.n}, {"BC", 64}, {"granule", 64}, {"staged", 1}, {"warps", genericWarps(t)}};
  plan.schedule = schedule(x.getContext(), {{"w", lead}, {"x", lead}});
  return plan;
}

} // namespace

Attribute packRows(MLIRContext *context, unsigned bits) {
  AffineExpr k = getAffineDimExpr(0, context), column = getAffineDimExpr(1, context);
  int64_t unit = 128 / bits;
  return tile::PackAttr::get(context, AffineMap::get(2, 0, {column, k.floorDiv(unit), k % unit}, context), {unit, 1},
                             "");
}

std::optional<Plan> planStaged(const Problem &p, const TargetArch &arch) {
  if (p.family == "matmul")
    return planMatmul(p, arch);
  if (p.family == "attention")
    return planAttention(p, arch);
  if (p.family == "conv")
    return planConv(p, arch);
  return std::nullopt;
}

} // namespace adze::cuda::sm90
