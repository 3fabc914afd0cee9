// Rows of a tensor: dims that are kept, and dims that a reduction, a softmax or a normalisation runs over.
#ifndef ADZE_COMPILER_KERNELS_ROWS_H
#define ADZE_COMPILER_KERNELS_ROWS_H

#include "compiler/kernels/Families.h"

namespace adze::kernels {

/// Iteration dims: those of x, then one of extent 1. The tile covers the block dim (BM of one kept group) and a chunk
/// (BK) of the innermost reduced group; other kept groups are grid dims, other reduced groups are loops.
class RowSpace {
public:
  /// `axes` of `x` are reduced; `y` is the anchor's result (its dims are those of x, or 1 where reduced).
  RowSpace(KernelRequest &r, const RegionArgs &args, mlir::Value x, llvm::ArrayRef<int64_t> axes, mlir::Value y,
           llvm::ArrayRef<mlir::Value> alsoReads = {});
  Problem problem(llvm::StringRef family) const;
  void choose(const Plan &plan, int64_t bm, int64_t bk);
  void makeGrid(KernelText &k);
  void enter(KernelText &k);

  /// Position of the chunk dim in the tile: 1 when x is contiguous along it, else 0.
  int64_t reducedDim() const { return inner ? 1 : 0; }
  llvm::SmallVector<int64_t> tileShape() const {
    return inner ? llvm::SmallVector<int64_t>{BM, BK} : llvm::SmallVector<int64_t>{BK, BM};
  }
  /// The tile's shape with one element along the chunk.
  llvm::SmallVector<int64_t> rowShape() const {
    return inner ? llvm::SmallVector<int64_t>{BM, 1} : llvm::SmallVector<int64_t>{1, BM};
  }
  /// The frame at offsets of the reduced groups. The last group is the chunk's.
  Frame frame(mlir::ValueRange reducedOffsets) const;
  using Visit = llvm::function_ref<llvm::SmallVector<mlir::Value>(Frame, mlir::ValueRange)>;
  /// Visits every chunk of every row of the block, carrying values; [lo, hi) is the range of the chunk dim.
  llvm::SmallVector<mlir::Value> walk(KernelText &k, llvm::StringRef name, mlir::ValueRange init, mlir::Value lo,
                                      mlir::Value hi, Visit visit, tile::LoopKind kind = tile::LoopKind::reduce) const;
  /// x in its compute type, `pad` (stored type) beyond the end of the chunk dim.
  mlir::Value maskedTile(KernelText &k, const Frame &frame, mlir::Value x, mlir::TypedAttr pad,
                         const KernelOptions &options) const;
  /// True when chunks may reach beyond the end.
  bool hasTail() const;
  /// i1 of the tile's shape: inside the chunk dim's extent.
  mlir::Value inside(KernelText &k, const Frame &frame) const;
  /// Stores the region's results, given the anchor's as a tile [BM].
  void storeReduced(KernelText &k, mlir::Value y, mlir::Value tile, const KernelOptions &options) const;
  /// Access of a value with x's dims, and of one with the reduced dims at 1.
  Access full() const;
  Access kept() const;

  bool inner = true;
  int64_t BM = 1, BK = 1;
  llvm::SmallVector<Group> keptGroups, reduced;
  unsigned block = 0; // the kept group that is tiled

private:
  void sortGroups(const Space &space, llvm::ArrayRef<bool> isReduced);

  KernelRequest &r;
  const RegionArgs &args;
  mlir::MLIRContext *context;
  mlir::Value x;
  llvm::SmallVector<bool> isReduced;
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<mlir::Value> offsets;
  std::unique_ptr<GridMap> grid;
};

} // namespace adze::kernels

#endif
