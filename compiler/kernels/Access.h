// How a tensor is addressed from a kernel's iteration space, and which dims of the space may be merged.
#ifndef ADZE_COMPILER_KERNELS_ACCESS_H
#define ADZE_COMPILER_KERNELS_ACCESS_H

#include "dialects/graph/GraphDialect.h"

namespace adze::kernels {

/// The index into one dim of a tensor: start + sum of coefficient * iteration index.
struct DimIndex {
  mlir::AffineExpr start;
  llvm::SmallVector<std::pair<unsigned, mlir::AffineExpr>, 1> terms; // iteration dim, coefficient
  bool operator==(const DimIndex &o) const { return start == o.start && terms == o.terms; }
};

/// One entry a dim of the tensor.
using Access = llvm::SmallVector<DimIndex, 5>;

/// Tensor dim i is iteration dim first + i.
Access identityAccess(mlir::MLIRContext *context, size_t rank, unsigned first = 0);

/// The access of an operand that broadcasts (as in NumPy) to a result with access `result`.
Access broadcastAccess(llvm::ArrayRef<mlir::AffineExpr> operand, llvm::ArrayRef<mlir::AffineExpr> resultDims,
                       const Access &result);

/// The access of x where y = op(x) is accessed by `y`, for a transpose, slice or broadcast; nullopt for other ops.
std::optional<Access> throughView(mlir::Operation *op, const Access &y);

/// Position in row-major storage: offset + sum of stride * iteration index.
struct LinearAccess {
  mlir::AffineExpr offset;
  llvm::SmallVector<mlir::AffineExpr, 6> strides; // one an iteration dim; 0 where it does not matter
};
LinearAccess linearize(mlir::MLIRContext *context, llvm::ArrayRef<mlir::AffineExpr> dims, const Access &access,
                       size_t iterationDims);

/// Consecutive iteration dims that became one. Groups are in the order of the dims; dims of extent 1 belong to none.
struct Group {
  unsigned first, last; // inclusive; dims of extent 1 between them are skipped
  mlir::AffineExpr extent;
};

/// The iteration space of a kernel: extents, every access to memory, and the dims that must stay apart.
class Space {
public:
  Space(mlir::MLIRContext *context, llvm::ArrayRef<mlir::AffineExpr> extents)
      : context(context), extents(extents.begin(), extents.end()), barriers(extents.size() + 1, false) {}
  /// Records an access for the decision which dims may be merged.
  /// `arg`: the kernel's argument, where that matters to the caller.
  void record(LinearAccess access, int arg = -1) {
    accesses.push_back(std::move(access));
    args.push_back(arg);
  }
  /// No group contains both dim - 1 and dim.
  void barrier(unsigned dim) { barriers[dim] = true; }
  void isolate(unsigned dim) { barriers[dim] = barriers[dim + 1] = true; }
  /// Merges as many neighbours as the accesses allow.
  llvm::SmallVector<Group> merge() const;
  llvm::ArrayRef<mlir::AffineExpr> getExtents() const { return extents; }
  llvm::ArrayRef<LinearAccess> getAccesses() const { return accesses; }
  llvm::ArrayRef<int> getArgs() const { return args; }

private:
  mlir::MLIRContext *context;
  llvm::SmallVector<mlir::AffineExpr, 6> extents;
  std::vector<bool> barriers;
  std::vector<LinearAccess> accesses;
  std::vector<int> args;
};

/// The stride of an access along a merged group.
inline mlir::AffineExpr groupStride(const LinearAccess &access, const Group &group) {
  return access.strides[group.last];
}

bool isConstant(mlir::AffineExpr expr, int64_t value);

} // namespace adze::kernels

#endif
