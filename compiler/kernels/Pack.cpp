#include "compiler/kernels/Pack.h"
#include "compiler/weights/WeightStore.h"
#include <cstring>

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

namespace {
/// One physical dim: its extent, and what a step along it adds to a logical coordinate.
struct PhysicalDim {
  int64_t extent, factor;
  unsigned logical;
};

/// Walks the physical index space in order, copying the elements that exist.
class Packer {
public:
  Packer(ArrayRef<PhysicalDim> dims, const PackSource &source, size_t bytes)
      : dims(dims.begin(), dims.end()), extents(source.extents), strides(source.strides), offset(source.offset),
        bytes(bytes) {}
  void run(const char *from, char *to) const {
    SmallVector<int64_t> at(extents.size(), 0);
    walk(0, at, from, to);
  }

private:
  void walk(size_t d, SmallVectorImpl<int64_t> &at, const char *from, char *&to) const {
    if (d == dims.size()) {
      int64_t position = offset;
      bool inside = true;
      for (size_t i = 0; i < at.size(); ++i) {
        inside &= at[i] < extents[i];
        position += at[i] * strides[i];
      }
      if (inside)
        std::memcpy(to, from + position * int64_t(bytes), bytes);
      else
        std::memset(to, 0, bytes);
      to += bytes;
      return;
    }
    const PhysicalDim &dim = dims[d];
    for (int64_t i = 0; i < dim.extent; ++i) {
      at[dim.logical] += i * dim.factor;
      walk(d + 1, at, from, to);
      at[dim.logical] -= i * dim.factor;
    }
  }
  SmallVector<PhysicalDim> dims;
  SmallVector<int64_t> extents, strides;
  int64_t offset;
  size_t bytes;
};
} // namespace

static SmallVector<PhysicalDim> physicalDims(tile::PackAttr pack, ArrayRef<int64_t> extents) {
  SmallVector<PhysicalDim> dims;
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
  SmallVector<PhysicalDim> dims = physicalDims(pack, source.extents);
  SmallVector<int64_t> shape;
  for (const PhysicalDim &d : dims)
    shape.push_back(d.extent);

  std::optional<WeightStore::Id> packed;
  if (r.packed)
    if (auto it = r.packed->find(key); it != r.packed->end())
      packed = it->second;
  if (!packed) {
    size_t bytes = bitWidth(r.weights->dtype(id)) / 8;
    Packer packer(dims, source, bytes);
    auto compute = [packer, id](const WeightStore &store, llvm::MutableArrayRef<char> out) {
      std::vector<char> copy;
      const char *data = store.tryData(id);
      if (!data) {
        copy.resize(store.byteSize(id));
        if (!store.read(id, copy))
          return false;
        data = copy.data();
      }
      packer.run(data, out.data());
      return true;
    };
    packed = r.weights->addComputed(r.weights->dtype(id), shape, compute, weight.getName().str() + " (packed)");
    if (!packed)
      return {};
    if (r.packed)
      r.packed->emplace(key, *packed);
  }
  OpBuilder b(r.region);
  return WeightOp::create(b, weight.getLoc(), RankedTensorType::get(shape, elementOf(source.operand)),
                          b.getI64IntegerAttr(*packed), b.getStringAttr(r.weights->name(*packed)));
}

} // namespace adze::kernels
