// What the staging passes share: the machine as a graph of paths, the attributes by which they hand decisions on, and
// the driver that runs them in order. docs/staging.md explains the whole derivation.
#ifndef ADZE_COMPILER_SCHEDULE_STAGING_H
#define ADZE_COMPILER_SCHEDULE_STAGING_H

#include "compiler/target/Plan.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/Error.h"

namespace adze::schedule {

/// On an op: the unit that executes it. Ops without it are scalars, views and free tiles, which every unit may compute.
inline constexpr llvm::StringLiteral kUnit = "tile.unit";
/// On an op in a loop: its stage. An op of stage s works on iteration t - s while stage 0 works on t.
inline constexpr llvm::StringLiteral kStage = "tile.stage";
/// On a load: how many stages it runs ahead of its consumer.
inline constexpr llvm::StringLiteral kLead = "tile.lead";
/// On a strip loop: rows of the whole tile, which a unit with several instances divides among them.
inline constexpr llvm::StringLiteral kRows = "tile.rows";
/// On an op of the staged loop: number of the item (one op or strip loop with its channel ops) that it belongs to.
inline constexpr llvm::StringLiteral kItem = "tile.item";
/// The unit of what remains in the body: it hands the accumulators of split work on.
inline constexpr llvm::StringLiteral kProgramUnit = "program";
/// Device memory, in paths.
inline constexpr llvm::StringLiteral kDeviceMemory = "gm";

/// One step of a route: `unit` moves data between two nodes (memories or ports).
using Route = llvm::SmallVector<const Path *, 4>;

/// A machine with its lookups.
class MachineView {
public:
  explicit MachineView(const Machine &machine) : machine(machine) {}
  const Machine *operator->() const { return &machine; }
  const Unit *unit(llvm::StringRef name) const;
  /// The unit that can do `what` ("matrix", "vector"), or null.
  const Unit *unitFor(llvm::StringRef what) const;
  const Memory *memory(llvm::StringRef name) const;
  unsigned instances(llvm::StringRef unit) const;
  /// Shortest route, first declared path first among equals; empty when there is none. Ports are never crossed.
  Route route(llvm::StringRef from, llvm::StringRef to) const;

private:
  const Machine &machine;
};

/// Reads a machine table in JSON: {"name", "units": [{"name", "does", "instances", "async", "core"}], "memories":
/// [{"name", "bytes", "align", "granule", "per_instance", "ring"}], "paths": [{"from", "to", "unit", "features"}],
/// "values": {}}.
llvm::Expected<Machine> parseMachine(llvm::StringRef json);
llvm::Expected<Machine> readMachineFile(llvm::StringRef path);
/// The table named by a pass option; diagnostics at `op`.
mlir::FailureOr<Machine> machineForPass(mlir::Operation *op, llvm::StringRef path);

//===-- reading the decisions
//--------------------------------------------------------------------------------------===//
llvm::StringRef unitOf(mlir::Operation *op); // "" = none
int64_t stageOf(mlir::Operation *op);        // 0 = none
void setUnit(mlir::Operation *op, llvm::StringRef unit);
void setStage(mlir::Operation *op, int64_t stage);
/// The op with a unit that computes a value, looked up through loops and conditions that units share; null when there
/// is none (arguments, free tiles, scalars).
mlir::Operation *ownerOf(mlir::Value v);
/// A tile that costs nothing to compute again: constants, splats, index tiles, masks of views.
bool isFree(mlir::Operation *op);
bool isTile(mlir::Value v);
/// Bytes of a tile; i1 counts one bit an element.
uint64_t tileBytes(mlir::Type type);
/// The tensor type with another size in dim 0.
mlir::RankedTensorType withRows(mlir::RankedTensorType type, int64_t rows);
/// The schedule's stage count in steps of a named loop ("batch"), at least 1.
int64_t loopBatch(tile::KernelOp kernel, mlir::scf::ForOp loop);
/// A field of the schedule's entry for ops tagged `tag`, or null.
mlir::Attribute opField(tile::KernelOp kernel, llvm::StringRef tag, llvm::StringRef field);

//===-- the passes
//-------------------------------------------------------------------------------------------------===//
struct StripOptions {
  /// Rows of a strip of vector work; halved by stageKernel until the kernel fits. 0 = all rows of an instance.
  int64_t rows = 0;
};
mlir::LogicalResult assignUnits(tile::KernelOp kernel, const Machine &machine);
mlir::LogicalResult formStrips(tile::KernelOp kernel, const Machine &machine, const StripOptions &options);
mlir::LogicalResult formChannels(tile::KernelOp kernel, const Machine &machine);

/// What occupies a memory.
struct Occupant {
  std::string what;
  uint64_t bytes = 0;
};
struct MemoryUse {
  uint64_t bytes = 0, capacity = 0; // of one instance where the memory is one per instance; capacity 0 = unbounded
  std::vector<Occupant> occupants;
};
/// Flags and bytes of a staged kernel: what planning compares with the machine.
struct Footprint {
  std::map<std::string, MemoryUse> memories;
  uint64_t ringBytes = 0;      // rings in device memory, of one program
  uint64_t totalRingBytes = 0; // of all programs that run at once; to be kept in L2
  uint64_t l2Bytes = 0;        // 0 = the machine has no rings in device memory
  int64_t batch = 1;           // iterations a step
  int64_t crossFlags = 0;      // flags between cores, per step of the innermost staged loop
  int64_t coreFlags = 0;       // flags between units of one core, per step
  /// First memory that is too small, in words with the numbers; "" when all fits.
  std::string overflow() const;
};
/// Footprint of a kernel after form-channels (or plan-memory), as it stands.
Footprint measure(tile::KernelOp kernel, const Machine &machine);

/// Gives every channel an address. On overflow drops double buffers and leads, largest first; then fails with the
/// numbers.
mlir::LogicalResult planMemory(tile::KernelOp kernel, const Machine &machine, bool reportOverflow = true);
/// One process a unit, each with its own loops; stages become skewed iterations.
mlir::LogicalResult splitUnits(tile::KernelOp kernel, const Machine &machine);

/// The staged form of `kernel` in place: the five passes, with strips halved until the kernel fits.
mlir::FailureOr<Footprint> stageKernel(tile::KernelOp kernel, const Machine &machine);
/// The one feasibility test of planning: stages a copy of the kernel that a plan builds. Fails (with a diagnostic that
/// has the numbers) when no strip size fits.
mlir::FailureOr<Footprint> footprint(tile::KernelOp kernel, const Machine &machine);

} // namespace adze::schedule

#endif
