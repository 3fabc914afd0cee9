// From one tile.kernel to one function that every thread of a block runs. One block computes one program.
//
// Every tile value has a place, decided before anything is emitted (Assign.cpp):
//  - registers: under one Layout (the value's class: elementwise ops, loop-carried values and results of conditions
//  share
//    one); a use that wants another layout converts through shared memory;
//  - anywhere: constants, splats, iotas, masks: computed where they are used, under the layout of the use;
//  - shared: operands of dots that are read from shared memory.
// Code is straight-line per register of a tile, loops and conditions of the text stay loops and conditions.
#ifndef ADZE_TARGETS_GPU_LOWER_LOWERING_H
#define ADZE_TARGETS_GPU_LOWER_LOWERING_H

#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "targets/gpu/lower/Facts.h"
#include "targets/gpu/lower/Hardware.h"
#include "targets/gpu/lower/Shared.h"
#include "llvm/ADT/DenseSet.h"
#include <map>

namespace adze::gpu {

struct LowerOptions {
  unsigned warps = 0;               // of a block; 0: blockWarps()
  unsigned maxRegisters = 256;      // elements of one tile in one thread
  unsigned maxInstructions = 60000; // of a kernel, before optimisation
  uint64_t bufferAlign = 16;        // bytes to which the launch guarantees every buffer to be aligned
};

struct LoweredKernel {
  std::string symbol;
  uint64_t sharedBytes = 0; // dynamic shared memory
  unsigned threads = 0;     // of a block
  unsigned barriers = 0;    // emitted, for tests and reports
  /// Launch code (docs/package-format.md) of the number of shares, each of which is a block; empty: work is not split.
  std::vector<int64_t> shares;
  uint64_t partialBytes = 0; // of one share in the workspace
};

/// Warps of the block that runs a program of `kernel`: from its tile sizes and dots. Plans use it for their estimates.
unsigned blockWarps(tile::KernelOp kernel, Hardware &hardware);
/// The same rule for a tile of so many elements.
unsigned blockWarps(int64_t elements, const Limits &limits);

/// The number of shares of the kernel's split work, over its dims; nullopt: it is 1 whatever the launch.
std::optional<AffineExpr> sharesOf(tile::KernelOp kernel);

/// Lowers `kernel` to an llvm.func in `dest`: parameters are the buffers (pointers), then the kernel's dims and scalar
/// arguments (64-bit words: i64 each; floats in their low bits). The module needs scf, arith, math -> llvm afterwards.
/// Split work (result.shares) takes two more buffers behind the kernel's: a workspace for the partial results of all
/// shares of all programs, and a 32-bit counter a program, which is 0 before a launch and after it.
/// What does not fit or has no rule is an error on the op.
FailureOr<LoweredKernel> lowerKernel(tile::KernelOp kernel, ModuleOp dest, Hardware &hardware,
                                     const LowerOptions &options = {});

/// Leaves the layout of every tile as attribute "gpu.layout" on the op that computes it, the form of a dot as
/// "gpu.dot", and the warps of a block as "gpu.warps" on the kernel (for tests and dumps).
LogicalResult annotateLayouts(tile::KernelOp kernel, Hardware &hardware, const LowerOptions &options = {});

/// A tile in registers: one value (of the element's register type, targets/scalar) for each register of the layout.
/// Registers of dead elements hold some defined value.
struct TileValue {
  Layout layout;
  Type element;
  SmallVector<Value, 0> regs;
};

/// A view at run time. Physical dim i of the storage is (coordinate[dim] / div) % mod (mod 0: none), times stride.
struct View {
  struct Phys {
    unsigned dim;
    int64_t div, mod;
    Value stride; // index, elements
  };
  Value base; // pointer to device memory
  Type element;
  SmallVector<Value, 6> extents, padded; // padded: whole blocks
  SmallVector<int64_t, 6> blocks;        // of packed dims, 1 otherwise: storage is padded to whole blocks of zeros
  SmallVector<Phys, 6> phys;
  std::shared_ptr<View> source; // of a window
  tile::WindowOp window;
  SmallVector<Value, 3> out;
  Value ref; // the kernel's argument behind it
};

/// Where values live; the result of layout assignment.
struct Assignment {
  /// registers: `layouts` has an entry. anywhere: computed where used. shared: `operands` says how.
  enum class Place { registers, anywhere, shared };
  Place place(Value v) const;
  DenseMap<Value, Layout> layouts;
  DenseMap<Value, DotForm::Operand> operands;
  DenseMap<Operation *, std::unique_ptr<DotForm>> dots;
  /// Leaves "gpu.layout" attributes on the ops of the kernel.
  void print(tile::KernelOp kernel) const;
};
/// Assign.cpp. Fails with a diagnostic if a dot has no form or a tile is too large for a block's registers.
LogicalResult assign(tile::KernelOp kernel, const Facts &facts, Hardware &hardware, unsigned warps,
                     const LowerOptions &options, Assignment &out);
/// A coalesced layout for accesses of a tile at view dims [rank - tile rank, rank); also for values that nothing reads
/// or writes in memory (view null).
Layout accessLayout(const Facts &facts, Value view, ValueRange offsets, RankedTensorType type, Threads threads);
/// Neighbouring lanes and registers touch at least a memory sector of neighbouring elements along tile dim `dim`.
bool isCoalesced(const Layout &layout, unsigned dim, unsigned bytes);

class Access;

class Lowering {
public:
  Lowering(tile::KernelOp kernel, ModuleOp dest, Hardware &hardware, const LowerOptions &options);
  virtual ~Lowering() = default;
  FailureOr<LoweredKernel> run();

  // --- For parts of the lowering that live elsewhere (dots, pipelined loops, specialised kernels) ---
  tile::KernelOp kernel;
  ModuleOp dest;
  Hardware &hw;
  LowerOptions options;
  ImplicitLocOpBuilder b;
  Assignment assignment;
  SharedMemory shared;
  Group group;       // who executes what is emitted now
  IRMapping scalars; // uniform values of the text -> emitted
  LLVM::LLVMFuncOp func;
  std::unique_ptr<scalar::Arithmetic> math;

  /// Lowers the ops of a block but its terminator, at the current insertion point.
  LogicalResult lowerBlock(Block &block);
  LogicalResult lowerOp(Operation *op);
  LogicalResult unsupported(Operation *op, const Twine &why);
  bool gaveUp() const { return failedOnce; } // an error was reported

  /// The tile `v` under `layout`: its registers if it is there, else converted, or computed if it is one of anywhere.
  TileValue tileAs(Value v, const Layout &layout);
  /// The tile under the layout that it was assigned.
  TileValue tileOf(Value v);
  /// Binds a value of the text to registers (results of loops and dots).
  void bind(Value v, TileValue tile) { tiles[v] = std::move(tile); }
  void bindShared(Value v, SharedTile tile) { sharedTiles[v] = std::move(tile); }
  /// A dot's operand in shared memory as `want` says: where it was placed, or stored there now (with the barriers).
  SharedTile operandShared(Value v, const DotForm::Operand &want);
  Layout layoutOf(Value v);

  // Memory
  const View &view(Value v) { return *views[v]; }
  /// Loads elements of a view at `offsets` (of the text) + tile coordinates; outside: `pad` (null: 0).
  TileValue loadTile(Operation *op, Value view, ValueRange offsets, RankedTensorType type, const Layout &layout,
                     Attribute pad, bool inbounds);
  void storeTile(Operation *op, const TileValue &tile, Value view, ValueRange offsets, const TileValue *mask,
                 bool inbounds);
  void toShared(const TileValue &tile, const SharedTile &to);
  TileValue fromShared(const SharedTile &from, const Layout &layout);
  TileValue convert(const TileValue &tile, const Layout &to);
  TileValue convertInParts(const TileValue &tile, const Layout &to);
  /// Reports an error on `op` where there is no room.
  SharedTile allocateShared(Operation *op, ArrayRef<int64_t> shape, Type element, unsigned swizzle = 0,
                            unsigned pad = 0, unsigned align = 16, int inner = -1);
  uint64_t allocateBytes(Operation *op, uint64_t bytes, unsigned align); // the same, without a shape
  void release(const SharedTile &tile) { shared.release(tile.offset); }
  Value sharedPointer(uint64_t offset);                               // at a byte offset of the block's shared memory
  Value address(const SharedTile &tile, ArrayRef<Value> coordinates); // pointer; coordinates i32
  /// A barrier of the current group.
  void barrier();

  // Coordinates
  /// What this thread's bits add to each coordinate, i32.
  ArrayRef<Value> threadCoordinates(const Layout &layout);
  /// Coordinate of a register, i32.
  Value coordinate(const Layout &layout, unsigned reg, unsigned dim);
  /// This thread's element of `reg` lies inside the shape: null if all are.
  Value alive(const Layout &layout, unsigned reg);
  /// This thread is the first of those that hold the same elements: null if there is only one.
  Value firstReplica(const Layout &layout);

  Facts facts; // proofs on indices of the text

  // Small helpers
  Value cst(int64_t v);        // index
  Value c32(int64_t v);        // i32
  Value add(Value a, Value b); // any integer type; folds
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value toIndex(Value v);
  Value to64(Value v);
  Value gep(Type stored, Value base, Value index);
  Value map(Value v) { return scalars.lookupOrDefault(v); }
  Value both(Value a, Value b); // i1; null is true
  /// `inside` where `ok` (null: always), else `outside`; both yield one value of `type`.
  Value guarded(Value ok, Type type, llvm::function_ref<Value()> inside, llvm::function_ref<Value()> outside);
  RankedTensorType tileType(Value v) { return cast<RankedTensorType>(v.getType()); }
  Threads threads() const { return {hw.limits.laneBits, llvm::Log2_32(group.warps)}; }

  /// What is memorised inside a region is forgotten at its end; barriers in it free no shared memory for what follows,
  /// and it leaves nothing of its own pending.
  struct Scope {
    Lowering &l;
    size_t memo;
    SharedMemory::State before;
    explicit Scope(Lowering &l) : l(l), memo(l.memo.size()), before(l.shared.state()) {
      // Whatever ran before, and a previous turn of a loop, may have touched them.
      l.dirtyRefs = l.mixedRefs;
    }
    /// Before the region's terminator is emitted.
    void close();
    ~Scope() {
      l.memo.resize(memo);
      l.shared.restore(before);
      l.dirtyRefs = l.mixedRefs;
    }
  };

protected: // a specialised kernel (staged roles) is a Lowering of its own
  // Kernel.cpp: the function, regions, control flow, scalars
  void emitEntry();
  void bindRegion(Region &region, ValueRange offsets);
  LogicalResult runBody(ValueRange offsets);

  // Split.cpp: work on one result by several blocks
  struct Shares {
    Value program, share; // i32: the numbers of this block's
    Value count;          // index, at least 1
  };
  /// A run of registers of a share's partial results that moves at once.
  struct Piece {
    unsigned accumulator, count;
    Type stored;
    unsigned bytes;
    uint64_t offset; // in the share's part of the workspace
  };
  std::vector<int64_t> shareCode(); // LoweredKernel::shares
  LogicalResult runSplit(SmallVector<Value> offsets, const Shares &shares);
  LogicalResult foldShares(const Shares &shares, Value several, ValueRange mine, ValueRange visible,
                           SmallVectorImpl<Value> &totals);
  void findPieces(ValueRange accumulators);
  Value partialPointer(Value slot, const Piece &piece);
  void storePartial(ValueRange accumulators, ValueRange registers, Value slot);
  SmallVector<Value> loadPartial(ValueRange accumulators, Value slot);
  Value arrive(const Shares &shares, uint64_t flag);
  LogicalResult lowerScalar(Operation *op);
  LogicalResult lowerLoadScalar(tile::LoadScalarOp op);
  LogicalResult lowerFor(scf::ForOp loop);
  LogicalResult lowerIf(scf::IfOp branch);
  LogicalResult lowerPart(tile::PartOp part);
  LogicalResult lowerTileOp(Operation *op);
  /// The tile under `layout`, flattened to registers; and back.
  void flatten(Value v, const Layout &layout, SmallVectorImpl<Value> &into);
  void unflatten(Value v, const Layout &layout, ValueRange regs, unsigned &next);
  Type registerType(Value v);

  // Views.cpp
  void bindView(tile::ViewOp op);
  void bindSubview(tile::SubviewOp op);
  void bindWindow(tile::WindowOp op);
  TileValue loadThrough(Access &access, const Layout &layout, Type element, Attribute pad);
  void storeThrough(Access &access, const TileValue &tile, const TileValue *mask);
  void when(Value ok, llvm::function_ref<void()> body); // null: always
  bool wastesBandwidth(const Layout &layout, Value view, RankedTensorType type);
  LogicalResult lowerStore(tile::StoreOp op);
  LogicalResult lowerLoad(tile::LoadOp op);

  // Elementwise.cpp: values that are computed where they are used, elementwise ops, shapes without data movement
  TileValue emitAnywhere(Value v, const Layout &layout);
  TileValue emitValid(tile::ValidOp op, const Layout &layout);
  TileValue emitConstant(arith::ConstantOp op, const Layout &layout);
  Value constantTable(arith::ConstantOp op);
  TileValue elementwise(Operation *op, const Layout &layout);
  TileValue broadcastTo(Value source, const Layout &layout);
  Value element(Attribute pad, Type element); // a pad, or 0

  // Reduce.cpp
  using Combine = llvm::function_ref<SmallVector<Value, 2>(ArrayRef<Value>, ArrayRef<Value>)>;
  /// Combines along `dim`: registers, lanes, warps, in this order. parts[p][r]: component p of register r, elements
  /// that must not count replaced by a neutral one already. Returns components by register of slice(layout, dim).
  SmallVector<SmallVector<Value, 0>, 2> reduceParts(Operation *op, const Layout &layout, unsigned dim,
                                                    ArrayRef<Type> elements,
                                                    SmallVector<SmallVector<Value, 0>, 2> parts, Combine combine);
  Value shuffleXor(Value v, unsigned mask); // any register type
  /// A register of any type in pieces of 32 bits through `shuffle`.
  Value exchange(Value v, llvm::function_ref<Value(Value)> shuffle);
  LogicalResult lowerReduce(tile::ReduceOp op);
  LogicalResult lowerArgReduce(tile::ArgReduceOp op);

  // Order.cpp
  LogicalResult lowerScan(tile::ScanOp op);
  LogicalResult lowerTopK(tile::TopKOp op);
  LogicalResult lowerSort(Operation *op, Value keys, Value values, unsigned dim, bool descending, bool isUnsigned);

  // Move.cpp: through shared memory
  LogicalResult lowerReshape(tile::ReshapeOp op);
  LogicalResult lowerSlice(tile::SliceOp op);
  LogicalResult lowerConcat(tile::ConcatOp op);
  LogicalResult lowerBitcast(tile::BitcastOp op);
  /// Stores a tile to fresh shared memory; no barrier.
  SharedTile stage(Operation *op, const TileValue &tile, bool padded);

  // Indirect.cpp
  LogicalResult lowerGather(tile::GatherOp op);
  LogicalResult lowerScatter(tile::ScatterOp op);
  LogicalResult scatterInOrder(tile::ScatterOp op, unsigned tileDim, bool byRow);
  SmallVector<Value> indirectPositions(Value indices, Value offset, unsigned tileDim, bool byRow, const Layout &layout);
  LogicalResult lowerDot(tile::DotOp op);

  void setResult(Value v, TileValue tile); // converts to the assigned layout
  void syncRef(Value ref);                 // before an access of an argument: orders those of an inout one

  struct Memo {
    Value v;
    Layout layout;
    TileValue tile;
  };
  SmallVector<Memo, 0> memo;
  DenseMap<Value, TileValue> tiles;
  DenseMap<Value, SharedTile> sharedTiles;
  DenseMap<Value, std::shared_ptr<View>> views;
  DenseMap<Operation *, Value> tables;                      // constants in device memory
  std::map<std::string, SmallVector<Value, 5>> coordinates; // thread parts by layout and group
  std::map<int64_t, Value> constants, constants32;
  llvm::DenseSet<Value> mixedRefs, dirtyRefs; // refs that are read and written; accessed since the last barrier
  llvm::DenseMap<Value, Value> inPlace;       // an out ref -> the in ref whose memory it may have
  Value workspace, counters;                  // of split work: pointers
  SmallVector<Piece, 0> pieces;
  uint64_t partialBytes = 0;
  Block *entry = nullptr;
  Value sharedBase;
  Type i1, i8, i16, i32, i64, f32, f64, index;
  unsigned barriers = 0, globals = 0;
  bool failedOnce = false;
};

} // namespace adze::gpu

#endif
