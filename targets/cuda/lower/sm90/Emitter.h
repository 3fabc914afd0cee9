// The emission of one staged kernel: rings and their barriers, roles, the loop over programs, and what the consumers
// do.
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_EMITTER_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_EMITTER_H

#include "targets/cuda/lower/CudaHardware.h"
#include "targets/cuda/lower/sm90/TensorMap.h"
#include "targets/gpu/lower/Lowering.h"

namespace adze::cuda::sm90 {

class StagedEmitter;

/// The hardware of a staged kernel: ops of the staged form, products and named barriers go to the emitter.
class StagedHardware : public CudaHardware {
public:
  explicit StagedHardware(const TargetArch &arch) : CudaHardware(arch) {}
  StagedEmitter *emitter = nullptr;
  FailureOr<bool> lowerFirst(gpu::Lowering &l, Operation *op) override;
  void barrier(ImplicitLocOpBuilder &b, const gpu::Group &group) override;
};

class StagedEmitter : public gpu::Lowering {
public:
  StagedEmitter(tile::KernelOp kernel, ModuleOp dest, StagedHardware &hardware, const gpu::LowerOptions &options)
      : Lowering(kernel, dest, hardware, options), ptx(b) {
    hardware.emitter = this;
  }

  /// Emits the function. Failure: `reason` is set, and the function is gone.
  FailureOr<ImageVariant> emit();
  std::vector<WindowBox> windows; // of standForWindows()
  std::string reason;

  FailureOr<bool> handle(Operation *op);
  void groupBarrier(const gpu::Group &group);

private:
  /// A channel in shared memory: `copies` rings of `depth` slots, each with a full and an empty barrier.
  struct Ring {
    tile::ChannelOp channel;
    BlockedTile tile; // of a slot
    unsigned depth = 1, copies = 1;
    uint64_t slotBytes = 0, offset = 0;
    unsigned firstBarrier = 0; // full barriers of all slots, then the empty ones
    unsigned fullCount = 1, emptyCount = 1;
    bool toStorer = false;
    // This process's place in the ring (allocas, i32): slot and phase.
    Value slot, phase;
    unsigned slots() const { return depth * copies; }
  };
  /// A slot in the hands of a process.
  struct Slot {
    Ring *ring = nullptr;
    Value index; // i32: copy * depth + slot
  };
  enum class Role { producer, storer, consumer };

  FailureOr<bool> refuse(const Twine &why) {
    if (reason.empty())
      reason = why.str();
    return failure();
  }

  // Emitter.cpp
  LogicalResult findProcesses();
  LogicalResult makeRings();
  LogicalResult describeMoves();
  Value describe(Operation *op, Value view, ValueRange offsets, RankedTensorType type);
  void addMapParameters();
  void initBarriers();
  LogicalResult emitRole(Role role);
  void programOffsets(Value program, ArrayRef<Value> counts);
  SmallVector<Value> programCounts();
  Value slotAddress(const Slot &slot);
  Value barrierAddress(const Slot &slot, bool full);
  Slot take(Ring &ring, bool toWrite);
  void advance(Ring &ring, Value slot);
  LogicalResult unroll(scf::ForOp loop);
  FailureOr<bool> handleChannel(Operation *op);
  LogicalResult emitLoad(tile::LoadOp load, const Slot &slot);
  LogicalResult emitStore(tile::StoreOp store);
  void release(const Slot &slot);
  SmallVector<Value> windowOf(const TensorAccess &access, Value channel);
  SmallVector<Value> coordinatesOf(const TensorAccess &access, int64_t block, const BlockedTile &tile);

  // Consumer.cpp
  LogicalResult assignLayouts();
  std::optional<gpu::Layout> layoutFor(RankedTensorType type, bool rowVector);
  void fuseAccumulation(Block &block);
  FailureOr<bool> handleConsumer(Operation *op);
  bool isPlainProduct(scf::ForOp loop);
  LogicalResult emitProduct(scf::ForOp loop);
  LogicalResult emitDot(tile::DotOp dot);
  void releaseAll(Value condition, ArrayRef<Ring *> used, ValueRange indices);
  struct Product;
  LogicalResult prepare(tile::DotOp dot, Product &p);
  SmallVector<Value> issue(Product &p, SmallVector<Value> acc, bool accumulate);
  WgmmaOperand operandOf(tile::GetOp get, bool kMajor);
  SmallVector<Value> packedA(Value v, const WgmmaTypes &types);
  Value pack(Value low, Value high, Type element);
  SmallVector<Value> packedPairs(Value v, gpu::Layout &layout, Type element);
  LogicalResult emitPut(tile::PutOp put);

  /// A load or store by tensor map.
  struct Move {
    TensorAccess access;
    BlockedTile tile;
    unsigned map = 0;
  };

  Ptx ptx;
  tile::ProcessOp producer, consumer, storer;
  unsigned consumers = 0;
  std::map<std::string, std::unique_ptr<Ring>> rings; // by channel name
  DenseMap<Value, Ring *> ringOf;                     // by channel
  DenseMap<Value, Slot> slots;                        // by slot value
  DenseMap<Operation *, Move> moves;
  std::vector<std::vector<int64_t>> maps; // descriptors' launch code
  SmallVector<Value> mapPointers;
  sm90::Facts mapFacts;
  Role role = Role::producer;
  int64_t copy = 0;    // of the strip that is emitted now, in roles of one thread
  Value instance;      // i32: this consumer's number
  Value sharedAddress; // i32
  uint64_t barrierBytes = 0, barrierOffset = 0;
  unsigned numBarriers = 0;
  DenseSet<Operation *> lazyCasts; // to 16 bits: pairs are converted where they are used
};

} // namespace adze::cuda::sm90

#endif
