// One tile.kernel under construction: its dims, arguments, grid, views and region builders.
#ifndef ADZE_COMPILER_KERNELS_KERNELTEXT_H
#define ADZE_COMPILER_KERNELS_KERNELTEXT_H

#include "compiler/target/Plan.h"
#include "dialects/graph/GraphDialect.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace adze::kernels {

/// Integers of the kernel tier are signless; every other type is the graph's own.
mlir::Type tileType(mlir::Type graphElement);

/// Strided window on an argument, in elements, over the module's symbols.
struct StridedView {
  unsigned arg = 0;
  llvm::SmallVector<mlir::AffineExpr, 5> extents, strides;
  mlir::AffineExpr offset;
  bool operator==(const StridedView &o) const {
    return arg == o.arg && extents == o.extents && strides == o.strides && offset == o.offset;
  }
};

/// A dynamic extent, stride or offset is a kernel dim, made on first use; the launch evaluates its expression. Values
/// that do not depend on the program (constants, views) are placed at the head of the region that uses them.
class KernelText {
public:
  KernelText(mlir::ModuleOp module, mlir::Location loc, llvm::StringRef family, llvm::StringRef form,
             const graph::SymbolTable &symbols);

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::MLIRContext *context;
  /// Subnormal numbers may be flushed (docs/numeric-contract.md).
  bool flush = false;

  //===-- before the first region
  unsigned addRef(mlir::Type graphElement, tile::Effect effect);
  /// A grid dim; programs start at multiples of `step`.
  unsigned addGrid(mlir::AffineExpr extent, int64_t step = 1);
  /// The grid dim whose partial results fold merges: the number of shares, at least 1.
  unsigned addSplit(mlir::AffineExpr shares);

  //===-- regions
  void beginBody() { begin(op.getBody(), {}); }
  void beginFold(mlir::TypeRange accumulators);
  void beginFinish(mlir::TypeRange accumulators) { begin(op.getFinish(), accumulators); }
  void yield(mlir::ValueRange values = {});
  mlir::Value arg(unsigned i);
  mlir::Value offset(unsigned grid);
  mlir::Value accumulator(unsigned i);

  //===-- index values
  mlir::Value index(int64_t value);
  mlir::Value dim(mlir::AffineExpr expr);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value div(mlir::Value x, mlir::Value y); // of values >= 0
  mlir::Value rem(mlir::Value x, mlir::Value y); // of values >= 0
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::AffineExpr constant(int64_t value) { return mlir::getAffineConstantExpr(value, context); }
  mlir::AffineExpr ceilDiv(mlir::AffineExpr x, int64_t by);

  //===-- views and tiles
  mlir::Value view(const StridedView &v);
  mlir::Value packedView(unsigned arg, llvm::ArrayRef<mlir::AffineExpr> extents, tile::PackAttr pack);
  mlir::RankedTensorType tensor(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
    return mlir::RankedTensorType::get(shape, element);
  }
  mlir::Value load(mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> shape, mlir::TypedAttr pad = {},
                   llvm::StringRef tag = "", bool inbounds = false);
  void store(mlir::Value tile, mlir::Value view, mlir::ValueRange offsets, bool inbounds = false);
  mlir::Value splat(llvm::ArrayRef<int64_t> shape, mlir::TypedAttr value);
  mlir::Value zeros(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  /// A tile of one index value, as integers of `element`.
  mlir::Value splatIndex(llvm::ArrayRef<int64_t> shape, mlir::Value index, mlir::Type element);
  /// start + i along `dim` of the tile.
  mlir::Value iota(llvm::ArrayRef<int64_t> shape, int64_t dim, mlir::Value start, mlir::Type element);
  mlir::Value reshape(mlir::Value tile, llvm::ArrayRef<int64_t> shape);
  mlir::Value broadcast(mlir::Value tile, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value tile, llvm::ArrayRef<int64_t> perm);
  mlir::Value reduce(mlir::Value tile, int64_t dim, tile::TileReduceKind kind, bool isUnsigned = false);
  mlir::Value convert(mlir::Value tile, mlir::Type element);
  struct DotFlags {
    bool transA = false, transB = false, unsignedA = false, unsignedB = false;
    tile::DotPrecision precision = tile::DotPrecision::ieee; // of float32 operands; others have one way only
    int64_t promote = 0; // partial sums are added in float32 after so many products; 0: where the machine likes
  };
  mlir::Value dot(mlir::Value x, mlir::Value y, mlir::Value acc, DotFlags flags, llvm::StringRef tag);
  /// True for positions below `extent`: i1 along `dim` of a tile of `shape` whose other dims are 1.
  mlir::Value below(mlir::Value start, mlir::AffineExpr extent, llvm::ArrayRef<int64_t> shape, int64_t dim);

  /// for (i = lo; i < hi; i += step): `body` gets i and the carried values and returns the next ones.
  using LoopBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  llvm::SmallVector<mlir::Value> loop(llvm::StringRef name, tile::LoopKind kind, mlir::Value lo, mlir::Value hi,
                                      int64_t step, mlir::ValueRange init, LoopBody body);
  /// Parts of a linear index in row-major order of `basis`.
  llvm::SmallVector<mlir::Value> delinearize(mlir::Value linear, llvm::ArrayRef<mlir::AffineExpr> basis);

  /// This share's part of the range, in whole steps; all of it where work is not split.
  std::pair<mlir::Value, mlir::Value> part(mlir::Value lo, mlir::Value hi, int64_t step);

  //===-- end
  /// Completes the kernel and returns it; `dims` are the launch's expressions.
  tile::KernelOp finalize(const Plan &plan, mlir::Type accumulator);
  mlir::AffineMap launchDims() const { return graph::makeExprMap(context, dims); }
  tile::KernelOp kernel() { return op; }
  const graph::SymbolTable &symbolTable() const { return symbols; }

private:
  void begin(mlir::Region &region, mlir::TypeRange accumulators);
  mlir::Value atHead(llvm::function_ref<mlir::Value(mlir::OpBuilder &)> make);
  unsigned dimNumber(mlir::AffineExpr expr);

  const graph::SymbolTable &symbols;
  tile::KernelOp op;
  llvm::SmallVector<mlir::AffineExpr> dims;
  llvm::SmallVector<mlir::Type> refs;
  struct Grid {
    mlir::AffineExpr extent;
    int64_t step;
  };
  llvm::SmallVector<Grid, 4> grid;
  std::optional<unsigned> split;

  // The region under construction.
  mlir::Block *block = nullptr;
  mlir::Operation *head = nullptr; // last op of the region's head
  std::map<int64_t, mlir::Value> constants;
  std::vector<std::pair<StridedView, mlir::Value>> views;
};

} // namespace adze::kernels

#endif
