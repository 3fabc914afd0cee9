// From one tile.kernel to one function of loops over short vectors.
//
// No tile is ever an SSA vector. Each tile value gets a place before anything is emitted:
//  - inline: it has no storage; whoever needs an element computes it from its operands (elementwise ops, loads, shape
//    ops). Expressions are evaluated a vector of lanes at a time, at a Coord.
//  - buffer: dense row-major storage in the thread's scratch area (dot, reduce, loop-carried values, and whatever would
//    be too costly to compute twice).
// A *root* is an op that owns a loop nest: a store, or an op that fills a buffer. Code is emitted for roots only.
//
// Registers hold bf16 as i16, 8-bit floats as i8 and 4-bit types as the low half of an i8; storage holds i1 as a byte.
#ifndef ADZE_TARGETS_CPU_LOWER_LOWERING_H
#define ADZE_TARGETS_CPU_LOWER_LOWERING_H

#include "dialects/tile/IndexFacts.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/IRMapping.h"
#include "targets/scalar/Scalar.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include <map>

namespace adze::cpu {
using namespace mlir;

/// What the lowering must know of the machine.
struct LowerOptions {
  unsigned vectorBytes = 64; // of one register
  unsigned dotRows = 12;     // rows of the dot's register block; its width is two registers
  unsigned lanes() const { return vectorBytes / 4; }
};

struct LoweredKernel {
  std::string symbol;
  uint64_t scratch = 0; // bytes per thread
};

/// Lowers `kernel` to a func.func in `dest` with the C signature adze_cpu_kernel_fn (runtime/include/adze/driver.h).
FailureOr<LoweredKernel> lowerKernel(tile::KernelOp kernel, ModuleOp dest, const LowerOptions &options);

/// A position in a tile: `vl` lanes from idx, along dim `vdim` in steps of `step`. vdim < 0: one element, a scalar.
/// Where `mask` (vl x i1) is false the value of a lane does not matter, but its loads must not fault.
struct Coord {
  SmallVector<Value, 5> idx;
  int vdim = -1;
  int64_t step = 1;
  unsigned vl = 1;
  Value mask;
  Value live; // where known: `mask` is true for lanes below it
};

/// An index of each lane: base + lane * step, or an arbitrary vector.
struct Lanes {
  Value base;
  int64_t step = 0;
  Value vec;
  bool notNegative = false; // base is known to be at least 0
  bool uniform() const { return !vec && step == 0; }
};

/// A view at run time. Physical dim i of the storage is (coordinate[dim] / div) % mod (mod 0: none), times stride.
struct View {
  struct Phys {
    unsigned dim;
    int64_t div, mod;
    Value stride;
  };
  Value base; // !llvm.ptr
  Type element;
  SmallVector<Value, 6> extents, padded; // padded: whole blocks
  SmallVector<int64_t, 6> blocks;        // of packed dims, 1 otherwise: storage is padded to whole blocks of zeros
  SmallVector<Phys, 6> phys;
  std::shared_ptr<View> source; // of a window
  tile::WindowOp window;
  SmallVector<Value, 3> out;
};

/// A tile in scratch or in a constant.
struct Buffer {
  Value ptr;
  Type element;
  SmallVector<int64_t, 5> shape, strides;
};

/// The loop variable `iv` (plus its lanes) plus `offset` is known to lie in [0, extent).
struct Clip {
  Value iv, offset, extent; // iv null: announced for a loop that is not open yet
  int64_t size;
};

/// Lanes whose index times `step` lies in [lo, hi); lo null: 0.
struct LaneRange {
  Value lo, hi;
  int64_t step;
};

/// What an access needs: a linear element index of each lane and which lanes are inside.
struct Access {
  Value base;       // uniform part
  Value laneStride; // null: lanes use `vec`; constant 0: all equal
  Value vec;        // added to base, vl x index
  Value okScalar, okVector;
  SmallVector<LaneRange, 1> ranges; // further conditions on lanes
};

using scalar::bitWidth;
using scalar::CastHow;
using scalar::isNarrowFloat;
using scalar::isSubByte;
using scalar::shapedLike;

/// Where to emit. A base, so that it exists before Arithmetic refers to it.
struct EmitPoint {
  ImplicitLocOpBuilder builder;
};

class Lowering : private EmitPoint, private scalar::Arithmetic {
public:
  Lowering(tile::KernelOp kernel, ModuleOp dest, const LowerOptions &options);
  FailureOr<LoweredKernel> run();

private:
  // Kernel.cpp: the function, the program loop, regions and control flow
  void emitProgram(Value program);
  void bindRegion(Region &region, ValueRange offsets, ArrayRef<Buffer> accumulators);
  LogicalResult lowerBlock(Block &block);
  LogicalResult lowerOp(Operation *op);
  LogicalResult lowerScalar(Operation *op);
  LogicalResult lowerFor(scf::ForOp loop);
  LogicalResult lowerIf(scf::IfOp branch);
  LogicalResult lowerPart(tile::PartOp part);
  LogicalResult runBody(ValueRange offsets, ArrayRef<Buffer> results);
  LogicalResult runSplit(SmallVector<Value> offsets, Value shares);
  LogicalResult moveInto(ValueRange values, ArrayRef<Buffer> into);
  void copyBuffer(const Buffer &from, const Buffer &to);
  Buffer allocate(RankedTensorType type, Type element = {});
  Buffer allocate(ArrayRef<int64_t> shape, Type element);

  // Place.cpp: which values get buffers
  void place(Region &region);
  bool isInlineOp(Operation *op);
  bool isInlineIf(scf::IfOp branch);
  int64_t cost(Value v);
  bool storesReached(Value v, llvm::SmallPtrSetImpl<Operation *> &seen);
  bool reads(Value expression, Value ptr);
  bool readsInPlace(Value expression, Value ptr);
  bool canStayInline(Value yielded, BlockArgument accumulator);

  // Views.cpp: addresses and bounds
  void bindView(tile::ViewOp op);
  void bindSubview(tile::SubviewOp op);
  void bindWindow(tile::WindowOp op);
  Access access(const View &view, ArrayRef<Lanes> at, unsigned vl, ArrayRef<bool> checked, bool oneRow = false);
  void addPhysical(const View &view, ArrayRef<Lanes> at, unsigned vl, Access &out);
  /// `oneRow`: lanes of pixels do not cross the end of an output row.
  void addWindow(const View &view, ArrayRef<Lanes> at, unsigned vl, Access &out, ArrayRef<bool> checked, bool oneRow);
  Value loadAccess(const View &view, const Access &a, const Coord &c, Attribute pad, Type element);
  Value loadRow(const View &view, const Access &a, const Coord &c, Attribute pad, Type element);
  Value rangeMask(const LaneRange &range, unsigned vl, int64_t first = 0);
  void foldRanges(Access &a, unsigned vl);
  void storeAccess(const View &view, const Access &a, const Coord &c, Value value, Value mask);
  SmallVector<Lanes, 6> viewLanes(ValueRange offsets, unsigned viewRank, unsigned tileRank, const Coord &c);
  bool clipped(Value offset, Value extent, Value idx);
  bool clipPaired(Value offset, Value extent, int64_t size);
  Value insideGuard(ArrayRef<Value> expressions);
  void collectLoads(Value v, llvm::SmallSetVector<Operation *, 8> &loads);
  std::pair<Value, Value> boundsOf(Value offset, Value extent, int64_t size);
  Value guardedValue(Value ok, Type type, llvm::function_ref<Value()> inside, llvm::function_ref<Value()> outside);
  Value padOf(Attribute pad, Type element, const Coord &c);
  Value laneIndices(const Access &a, unsigned vl);
  SmallVector<bool, 6> checkedDims(Operation *load, Value view, ValueRange offsets, ArrayRef<int64_t> tile,
                                   ArrayRef<Lanes> at, const Coord &c);
  Value extentFor(const View &view, unsigned dim, Attribute pad);
  Lanes addLanes(Lanes a, Value b, unsigned vl);
  Value lanesVector(const Lanes &a, unsigned vl);
  Lanes divLanes(const Lanes &a, int64_t by, unsigned vl, bool remainder);
  Value insideOf(const Lanes &at, Value extent, unsigned vl);
  void require(Access &a, const Lanes &at, Value ok);
  void requireInside(Access &a, const Lanes &at, Value extent, unsigned vl);

  // Express.cpp: elements of inline values
  Value emit(Value v, const Coord &c);
  Value emitUncached(Value v, const Coord &c);
  Value emitElementwise(Operation *op, unsigned result, const Coord &c);
  Value emitLoad(tile::LoadOp op, const Coord &c);
  Value emitGather(tile::GatherOp op, const Coord &c);
  Value emitValid(tile::ValidOp op, const Coord &c);
  Value emitReshape(tile::ReshapeOp op, const Coord &c);
  Value emitBitcast(tile::BitcastOp op, const Coord &c);
  Value emitIota(tile::IotaOp op, const Coord &c);
  Value emitInlineIf(scf::IfOp op, unsigned result, const Coord &c);
  Value emitConstant(arith::ConstantOp op, const Coord &c);
  Buffer constantBuffer(arith::ConstantOp op);
  Value emitBroadcast(tile::BroadcastOp op, const Coord &c);
  Value loadBuffer(const Buffer &buffer, const Coord &c);
  void storeBuffer(const Buffer &buffer, const Coord &c, Value value);
  Lanes bufferLanes(const Buffer &buffer, const Coord &c);
  void prehoist(Value v, const Coord &c);

  // Registers and their arithmetic are scalar::Arithmetic.
  Type shaped(Type scalar, const Coord &c) { return c.vdim < 0 ? scalar : Type(VectorType::get({c.vl}, scalar)); }
  Value splatTo(Value scalar, const Coord &c);

  // Roots.cpp: loop nests
  struct Bound {
    int64_t size;         // static trip
    Value lo, hi;         // where clipped; null: whole
    Value offset, extent; // what the clip proves: offset + index in [0, extent)
  };
  using Body = llvm::function_ref<void(const Coord &)>;
  void nest(ArrayRef<Bound> bounds, ArrayRef<unsigned> order, int vdim, Coord c, Body body, ArrayRef<Value> hoist);
  void vectorLoop(const Bound &bound, unsigned dim, Coord c, Body body);
  void forEach(ArrayRef<int64_t> shape, Body body, ArrayRef<Value> hoist = {}, int vdim = -2);
  int pickVectorDim(ArrayRef<int64_t> shape, int preferred = -1);
  int contiguousDim(Value view, unsigned tileRank);
  void eachScalar(ArrayRef<int64_t> shape, Body body);
  void versioned(ArrayRef<Value> expressions, llvm::function_ref<void()> body);
  void materialise(Value v, const Buffer &into);
  void fillBuffer(Value v, const Buffer &into);
  LogicalResult emitStore(tile::StoreOp op);
  LogicalResult emitScatter(tile::ScatterOp op);
  void emitConcat(tile::ConcatOp op, const Buffer &into);
  LogicalResult emitReduce(tile::ReduceOp op, const Buffer &into);
  void reduceLanes(tile::ReduceOp op, const Buffer &into);
  void reduceAcross(tile::ReduceOp op, const Buffer &into);
  Value horizontal(tile::TileReduceKind kind, bool isUnsigned, Type element, Value vec);

  // Order.cpp
  void emitArgReduce(tile::ArgReduceOp op);
  void emitScan(tile::ScanOp op, const Buffer &into);
  void emitSort(Operation *op, Value keys, Value values, int64_t dim, bool descending, bool isUnsigned, Buffer outKeys,
                Buffer outValues);
  Buffer materialised(Value v);

  // Dot.cpp
  /// One dot. Dims are those of one batch element; `compute` is the register type of the accumulators.
  struct DotTile {
    tile::DotOp op;
    Buffer acc, a;
    Buffer panel; // B as [B?][N / width][K][width], if hasPanel; else B is an expression
    bool hasPanel = false;
    Type compute;
    Value batch;            // null: no batch dim
    Value mEnd, kEnd, nEnd; // null: the static extent
    int64_t m, n, k;
    unsigned vl, width;
  };
  LogicalResult emitDot(tile::DotOp op, const Buffer &acc);
  void packA(DotTile &d);
  void packB(DotTile &d);
  void packTransposed(DotTile &d, Value batch);
  bool readsPanels(Value operand, unsigned width);
  void dotTile(DotTile &d);
  void dotColumns(DotTile &d, Value n, unsigned vectors, unsigned vl);
  void dotBlock(DotTile &d, Value m, unsigned rows, Value n, unsigned vectors, unsigned vl);
  Value dotOperandB(DotTile &d, Value k, Value n, unsigned vl);
  Value dotElement(Value operand, const Coord &c, Type compute, bool isUnsigned);
  tile::LoadOp loadBehind(Value operand, SmallVectorImpl<int> *dims = nullptr);
  Value loadEnd(Value operand, unsigned tileDim);

  // small helpers
  Value cst(int64_t v);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value minIdx(Value a, Value b);
  Value maxIdx(Value a, Value b);
  Value toI64(Value index);
  Value gep(Type element, Value base, Value index);
  Value map(Value v) { return scalars.lookupOrDefault(v); }
  void loop(Value lo, Value hi, int64_t step, llvm::function_ref<void(Value)> body);
  RankedTensorType tileType(Value v) { return cast<RankedTensorType>(v.getType()); }
  LogicalResult unsupported(Operation *op, const Twine &why);

  struct Scope {
    Lowering &l;
    size_t memo, clips;
    explicit Scope(Lowering &l) : l(l), memo(l.memo.size()), clips(l.clips.size()) {}
    ~Scope() {
      l.memo.resize(memo);
      l.clips.resize(clips);
    }
  };
  struct Memo {
    Value v;
    Coord c;
    Value result;
  };

  tile::KernelOp kernel;
  tile::IndexFacts facts; // of its indices
  ModuleOp dest;
  LowerOptions options;
  using Arithmetic::b;
  Type ptrType;
  func::FuncOp func;
  Block *entry = nullptr;
  std::map<int64_t, Value> constants;
  IRMapping scalars;
  DenseMap<Value, Buffer> buffers;
  DenseMap<Value, std::shared_ptr<View>> views;
  DenseMap<Value, Value> aliases; // accumulators of finish without storage -> what body yields
  llvm::DenseSet<Value> wantsBuffer;
  DenseMap<Value, int64_t> costs;
  SmallVector<Memo, 32> memo;
  SmallVector<Clip, 8> clips;
  bool oneBody = false;      // vector loops have one masked body, no tail of their own
  bool assumeInside = false; // inside the fast version of a nest: `guarded` dims are inside
  llvm::DenseSet<std::pair<Operation *, unsigned>> guarded;
  Value scratch;
  uint64_t scratchBytes = 0;
  SmallVector<std::pair<Value, Value>> accumulatorOf; // region yields -> where to
  unsigned globals = 0;
  bool failedOnce = false;
};

} // namespace adze::cpu

#endif
