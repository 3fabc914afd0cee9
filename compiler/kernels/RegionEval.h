// Graph values as tiles: loads at the leaves of a region, elementwise ops above them, stores of its results.
#ifndef ADZE_COMPILER_KERNELS_REGIONEVAL_H
#define ADZE_COMPILER_KERNELS_REGIONEVAL_H

#include "compiler/kernels/Access.h"
#include "compiler/kernels/Kernels.h"
#include "compiler/kernels/KernelText.h"

namespace adze::kernels {

/// The type that a value computes in between load and store: f32 for f16, bf16 and the 8-bit and smaller floats.
mlir::Type computeType(mlir::Type graphElement);

/// A window of the iteration space: of each group a range of `size` indices from `offset`, or (size 0) one index.
struct Frame {
  llvm::SmallVector<Group> groups;
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<mlir::Value> offsets;
  llvm::SmallVector<unsigned> tileDims; // groups with a size, in the order of the tile's dims
  bool inbounds = true;                 // offsets are multiples of the sizes

  llvm::SmallVector<int64_t> shape() const {
    llvm::SmallVector<int64_t> result;
    for (unsigned g : tileDims)
      result.push_back(sizes[g]);
    return result;
  }
  /// The group that holds an iteration dim, or nullopt when the dim has one index.
  std::optional<unsigned> groupOf(unsigned dim) const {
    for (auto [i, g] : llvm::enumerate(groups))
      if (dim >= g.first && dim <= g.last)
        return i;
    return std::nullopt;
  }
};

/// What the kernel's arguments are: the region's operands first, then its results.
class RegionArgs {
public:
  explicit RegionArgs(graph::RegionOp region) : region(region) {}
  std::optional<unsigned> operand(mlir::Value v) const;
  unsigned result(unsigned i) const { return region->getNumOperands() + i; }
  /// The argument that holds `v`; nullopt when the region does not yield it (nobody reads it).
  std::optional<unsigned> resultOf(mlir::Value v) const;
  /// Adds every operand and result to the kernel, in order.
  void declare(KernelText &k) const;

private:
  mutable graph::RegionOp region;
};

/// An operand of the region, seen through views.
struct Leaf {
  unsigned arg;
  mlir::Value value;
  Access access;
};
/// The operand that `v` (accessed by `access`) is, directly or through transposes, slices and broadcasts.
std::optional<Leaf> leafOf(mlir::Value v, const Access &access, const RegionArgs &args);
/// Strides of `v` in memory: of the operand that it is, or as if it were stored by itself.
LinearAccess memoryAccess(mlir::Value v, const Access &access, const RegionArgs &args, size_t iterationDims);

/// Records every memory access that evaluating `v` makes. Values in `bound` are not followed.
void collectAccesses(mlir::Value v, const Access &access, const RegionArgs &args, Space &space,
                     llvm::ArrayRef<mlir::Value> bound = {});

class RegionEval {
public:
  RegionEval(KernelText &k, const RegionArgs &args, const KernelOptions &options, Frame frame)
      : k(k), args(args), options(options), frame(std::move(frame)) {}

  /// A value that is already a tile (an anchor's result), in its compute type.
  void bind(mlir::Value v, mlir::Value tile) { bound.push_back({v, tile}); }
  /// `v` as a tile in its compute type; each dim has the frame's size or 1.
  mlir::Value evaluate(mlir::Value v, const Access &access);
  /// The same, broadcast to the frame's shape.
  mlir::Value evaluateFull(mlir::Value v, const Access &access) {
    return k.broadcast(evaluate(v, access), frame.shape());
  }
  /// `v` in its stored type, without a detour through the compute type where it is an operand seen through views.
  mlir::Value evaluateStored(mlir::Value v, const Access &access);
  /// A tile of an argument in its stored type; elements outside read `pad`. Dims as in evaluate().
  mlir::Value load(unsigned arg, llvm::ArrayRef<mlir::AffineExpr> dims, const Access &access, mlir::TypedAttr pad = {},
                   llvm::StringRef tag = "");
  /// Stores a tile (compute type of `element`) to an argument.
  void store(mlir::Value tile, mlir::Type element, unsigned arg, llvm::ArrayRef<mlir::AffineExpr> dims,
             const Access &access);
  /// Index along one tensor dim as integers of `type`.
  mlir::Value position(const DimIndex &index, mlir::Type type);
  const Frame &getFrame() const { return frame; }

private:
  mlir::Value evaluateOp(mlir::Operation *op, mlir::OpResult result, const Access &access);
  mlir::Value evaluateBatchNorm(graph::BatchNormOp op, const Access &access);
  struct Window {
    StridedView view;
    llvm::SmallVector<mlir::Value> offsets;
    llvm::SmallVector<int64_t> shape, full; // of the access; with 1 for the frame's dims that it does not use
    llvm::SmallVector<int64_t> perm;        // tile dims in memory order -> in the frame's order
    bool inbounds = true;
  };
  Window window(unsigned arg, const LinearAccess &access);

  KernelText &k;
  const RegionArgs &args;
  const KernelOptions &options;
  Frame frame;
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>, 4> bound;
  std::vector<std::tuple<mlir::Value, Access, mlir::Value>> known;
};

/// The access of a result of the region, where values of the region's dims have `access`: results may be yielded
/// through a transpose, which says in which order they lie in memory.
Access storedAccess(mlir::Value yielded, const Access &access);

/// Stores every result of the region. `access`: of a value with the region's dims.
void storeResults(graph::RegionOp region, RegionEval &eval, const RegionArgs &args, const Access &access);

/// Records the accesses of all results: those of the finish's operands and of the stores.
void collectResults(graph::RegionOp region, const RegionArgs &args, const Access &access, Space &space,
                    llvm::ArrayRef<mlir::Value> bound);

} // namespace adze::kernels

#endif
