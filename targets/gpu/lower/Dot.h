// tile.dot without roles: how a dot is cut over warps and threads, and how it is emitted.
//
// Two forms. *Matrix*: accumulators under the layout of a warp-wide matrix instruction, operands as fragments read from
// swizzled shared memory (or, for a that another dot of the same rows computed, straight from its registers). *FMA*:
// every thread owns a block of accumulators and reads rows and columns of the operands from shared memory.
//
// Shared operands are stored by *rows*: runs along `inner`, which is the dim that is contiguous in device memory where
// the machine can read fragments across it, else K. Sizes are rounded up to whole fragments; what lies beyond the tile
// is zero.
#ifndef ADZE_TARGETS_GPU_LOWER_DOT_H
#define ADZE_TARGETS_GPU_LOWER_DOT_H

#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {

/// A warp-wide d[m x n] = a[m x k] * b[k x n] + c. A fragment is a list of 32-bit registers of consecutive elements.
struct MatrixInstruction {
  std::string name;
  int64_t m = 16, n = 8, k = 16;
  Type a, b, acc;             // element types multiplied and summed; the storage in shared memory has the same
  Atom atomA, atomB, atomAcc; // one lane's elements in the order of its registers: [m, k], [k, n], [m, n]
  /// Operands consist of matrices of 8 rows x 16 bytes, which MatrixUnit::loadMatrices reads: a = (rows 0-7, first 16
  /// bytes of k), (rows 8-15, first), (rows 0-7, second), (8-15, second); b = (columns 0-7, first), (0-7, second).
  bool matrixLoads = false;
  bool roundToTf32 = false; // f32 operands lose bits: they are rounded by MatrixUnit::roundOperand first
};

/// The part of a machine that multiplies matrices.
class MatrixUnit {
public:
  virtual ~MatrixUnit() = default;
  /// The instruction for operands of these types; nullopt: there is none.
  virtual std::optional<MatrixInstruction> select(tile::DotOp dot) const = 0;
  /// d = a * b + c on fragments; registers as in MatrixInstruction (i32 for a and b; f32 or i32 for c and d).
  virtual SmallVector<Value> multiply(ImplicitLocOpBuilder &b, const MatrixInstruction &op, ValueRange a, ValueRange bb,
                                      ValueRange c) const = 0;
  /// `count` (1, 2 or 4) matrices of 8 rows x 16 bytes: lane i gives the address of row i % 8 of matrix i / 8. Register
  /// j of lane i holds 4 bytes of row i / 4 of matrix j; with `transposed` (16-bit elements only) element pairs of
  /// column i / 4.
  virtual SmallVector<Value> loadMatrices(ImplicitLocOpBuilder &b, Value pointer, unsigned count,
                                          bool transposed) const = 0;
  virtual Value roundOperand(ImplicitLocOpBuilder &b, Value f32Bits) const { return f32Bits; }
};

/// Sizes of a dot. Dims of an operand tile: `lead` batch dims (0 or 1), then two.
struct DotShape {
  unsigned lead = 0;
  int64_t batch = 1, m = 1, n = 1, k = 1;
  bool transA = false, transB = false;
  explicit DotShape(tile::DotOp dot);
  unsigned dimM() const { return lead + transA; } // of a's tile
  unsigned dimKofA() const { return lead + !transA; }
  unsigned dimN() const { return lead + !transB; } // of b's tile
  unsigned dimKofB() const { return lead + transB; }
};

struct TiledDot : DotForm {
  std::optional<MatrixInstruction> instruction; // null: FMA
  unsigned warpsM = 1, warpsN = 1;              // what is left of the warps replicates
  int64_t tilesM = 1, tilesN = 1;               // atoms (matrix) or accumulators (FMA) of one warp or thread
  Type elementA, elementB;                      // in shared memory
  int64_t paddedM = 1, paddedN = 1, paddedK = 1;
  // FMA only: lanes along m and n; consecutive accumulators (of a thread) along m and n.
  unsigned lanesM = 1, lanesN = 1, vectorM = 1, vectorN = 1, threadsM = 1, threadsN = 1;
  /// Where a pipelined loop, or the code before it, has put the operands; shapes are padded.
  std::optional<SharedTile> boundA, boundB;

  /// An operand's tile in shared memory, without a place.
  SharedTile sharedShape(tile::DotOp dot, bool isA) const;
};

/// How `dot` is done by so many warps; null: its types or sizes have no form. `unit` may be null.
std::unique_ptr<TiledDot> chooseTiledDot(tile::DotOp dot, unsigned warps, const Limits &limits, const MatrixUnit *unit);
/// Emits it at the current position; the registers of the result under form.acc.
FailureOr<SmallVector<Value>> emitTiledDot(Lowering &l, tile::DotOp dot, const TiledDot &form, const MatrixUnit *unit);
/// A loop of kind reduce with dots, its operands loaded ahead through rings in shared memory (Pipeline.cpp). False: not
/// such a loop, nothing was emitted.
FailureOr<bool> pipelineLoop(Lowering &l, scf::ForOp loop);

/// x + dot(a, b, 0) becomes dot(a, b, x) (licence F2 of docs/tile.md, docs/staging.md): the sum stays in the
/// accumulators.
void accumulateInPlace(tile::KernelOp kernel);
/// Cuts dots along K whose operands would take more than three quarters of the shared memory (SplitDots.cpp).
void splitLargeDots(tile::KernelOp kernel, const Limits &limits);

/// The value behind reshapes that only add or drop dims of size 1; `dims`: for each dim of `v` that of the result, or
/// -1.
Value behindReshapes(Value v, SmallVectorImpl<int> &dims);
/// The dim of `v` along which neighbours are neighbours in device memory: of a load, or of elementwise work on one.
std::optional<unsigned> contiguousDim(Value v);
/// The registers of an operand, in the element type of `rows` and fit to be stored to them: loaded for the purpose
/// where it is a load.
TileValue operandTile(Lowering &l, Value v, const SharedTile &rows, bool isUnsigned);
/// A load behind reshapes that drop or add dims of size 1, of memory that nobody writes; or null.
tile::LoadOp plainLoad(Value v);
/// Stores registers to rows of shared memory.
void storeRows(Lowering &l, const TileValue &tile, const SharedTile &rows);
/// `rows` is larger than the tile: its bytes are to be zeroed before it is stored.
bool needsZeros(Value v, const SharedTile &rows);
/// Stores `v` to shared memory as `rows` says and gives it its place. A barrier is needed before others read it.
SharedTile placeOperand(Lowering &l, Value v, SharedTile rows, bool isUnsigned);
/// Zeroes the bytes at `offset`; all threads of the group take part.
void zeroShared(Lowering &l, uint64_t offset, uint64_t bytes);
/// Registers of a tile on its way from device memory, contiguous along `contiguous`, to shared rows along `inner`.
Layout copyLayout(ArrayRef<int64_t> shape, Threads threads, unsigned contiguous, unsigned inner, unsigned chunk);

// Emission of the two forms (DotMatrix.cpp, DotFma.cpp).
SmallVector<Value> emitMatrixDot(Lowering &l, tile::DotOp dot, const TiledDot &form, const MatrixUnit &unit,
                                 const SharedTile *a, const SharedTile &b, SmallVector<Value> acc);
SmallVector<Value> emitFmaDot(Lowering &l, tile::DotOp dot, const TiledDot &form, const SharedTile &a,
                              const SharedTile &b, SmallVector<Value> acc);

} // namespace adze::gpu

#endif
