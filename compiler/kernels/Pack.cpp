#include "compiler/kernels/Pack.h"
#include "compiler/weights/WeightStore.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

bool isPackable(KernelRequest &r, Value operand) {
  auto weight = operand.getDefiningOp<WeightOp>();
  if (!weight || !r.weights || uint64_t(weight.getIdAttr().getInt()) >= r.weights->size())
    return false;
  unsigned bits = bitWidth(r.weights->dtype(weight.getIdAttr().getInt()));
  return bits >= 8 && bits % 8 == 0;
}

static SmallVector<PackedDim, 8> packedDims(tile::PackAttr pack, ArrayRef<int64_t> extents) {
  SmallVector<PackedDim, 8> dims;
  SmallVector<int64_t> sizes = tile::packedExtents(pack, extents);
  for (auto [e, size] : llvm::zip_equal(pack.getMap().getResults(), sizes)) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    unsigned logical = cast<AffineDimExpr>(binary ? binary.getLHS() : e).getPosition();
    bool block = binary && binary.getKind() == AffineExprKind::FloorDiv;
    dims.push_back({size, block ? cast<AffineConstantExpr>(binary.getRHS()).getValue() : 1, logical});
  }
  return dims;
}

Value packOperand(KernelRequest &r, const PackSource &source, tile::PackAttr pack) {
  auto weight = source.operand.getDefiningOp<WeightOp>();
  WeightStore::Id id = weight.getIdAttr().getInt();
  std::string key = std::to_string(id) + ":";
  llvm::raw_string_ostream os(key);
  os << pack << ":" << source.offset << ":";
  llvm::interleave(source.strides, os, ",");
  Packing packing;
  packing.extents.assign(source.extents.begin(), source.extents.end());
  packing.strides.assign(source.strides.begin(), source.strides.end());
  packing.dims = packedDims(pack, source.extents);
  packing.offset = source.offset;

  std::optional<WeightStore::Id> packed;
  if (r.packed)
    if (auto it = r.packed->find(key); it != r.packed->end())
      packed = it->second;
  if (!packed) {
    packed = r.weights->addPacked(id, packing, weight.getName().str() + " (packed)");
    if (!packed)
      return {};
    if (r.packed)
      r.packed->emplace(key, *packed);
  }
  OpBuilder b(r.region);
  return WeightOp::create(b, weight.getLoc(),
                          RankedTensorType::get(r.weights->dims(*packed), elementOf(source.operand)),
                          b.getI64IntegerAttr(*packed), b.getStringAttr(r.weights->name(*packed)));
}

std::optional<PackSource> reordered(const PackSource &source, tile::PackAttr pack) {
  if (!pack.getMap().isPermutation())
    return std::nullopt;
  PackSource result = source;
  result.offset = 0;
  int64_t stride = 1;
  for (AffineExpr e : llvm::reverse(pack.getMap().getResults())) {
    unsigned dim = cast<AffineDimExpr>(e).getPosition();
    result.strides[dim] = stride;
    stride *= source.extents[dim];
  }
  return result;
}

} // namespace adze::kernels
