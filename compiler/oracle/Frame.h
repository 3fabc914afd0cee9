// What the interpreter's compiled steps work on, and the builder that makes them. Private to compiler/oracle.
//
// Every SSA value has a slot: a row of doubles (floats) or of 64-bit integers (sign extended from the value's width, i1
// as 0 or 1), of one element for scalars. Steps are closures over slot numbers, made once a kernel.
#ifndef ADZE_COMPILER_ORACLE_FRAME_H
#define ADZE_COMPILER_ORACLE_FRAME_H

#include "compiler/oracle/Interpreter.h"
#include "compiler/oracle/View.h"
#include "mlir/IR/Operation.h"
#include <functional>

namespace adze::oracle {

union Slot {
  double *f;
  int64_t *i;
};

struct Task;

/// One thread's state.
struct Frame {
  std::vector<Slot> slots;
  std::vector<std::unique_ptr<double[]>> memory;
  std::vector<RuntimeView> views;
  std::vector<Buffer> *buffers = nullptr;
  std::vector<double> scratch[4];
  std::vector<int64_t> intScratch;
  uint32_t program = 0;
  bool checkRaces = false;
  Task *task = nullptr; ///< the process that runs on this frame (staged form only)
  uint64_t unitOrderSeed = 0;
  std::string error; ///< not empty: stop

  double *f(unsigned s) { return slots[s].f; }
  int64_t *i(unsigned s) { return slots[s].i; }
  double *temp(unsigned which, int64_t count) {
    if (scratch[which].size() < static_cast<size_t>(count))
      scratch[which].resize(count);
    return scratch[which].data();
  }
};

struct StagedContext;

using Step = std::function<void(Frame &)>;
using Steps = std::vector<Step>;

inline void runSteps(const Steps &steps, Frame &frame) {
  for (const Step &step : steps) {
    step(frame);
    if (!frame.error.empty())
      return;
  }
}

/// A value's place: slot number, elements, and how they are interpreted.
struct Place {
  unsigned slot = 0;
  int64_t count = 1;
  const FloatFormat *format = nullptr; ///< null: integer
  unsigned width = 64;                 ///< of integers

  bool isFloat() const { return format != nullptr; }
};

/// Compiles ops to steps. One builder holds all regions of a kernel.
class Builder {
public:
  explicit Builder(Mode mode) : mode(mode) {}

  /// Steps of a block without its terminator; failure emits a diagnostic at the op.
  mlir::LogicalResult buildBlock(mlir::Block &block, Steps &steps);
  /// The slot of a value, made on first use. Views have numbers of their own.
  Place place(mlir::Value value);
  unsigned viewNumber(mlir::Value value);
  /// A frame with memory for every slot and its constants filled in.
  std::unique_ptr<Frame> makeFrame() const;

  const Mode mode;
  llvm::DenseMap<mlir::Value, unsigned> refNumbers; ///< block arguments that are refs

  bool typed() const { return mode == Mode::Typed; }

  /// Copies a slot: both places have one count and kind.
  static void copy(Frame &frame, const Place &to, const Place &from) {
    std::copy_n(frame.f(from.slot), from.count, frame.f(to.slot));
  }

  struct Constant {
    Place place;
    std::vector<double> floats; ///< one entry: a splat
    std::vector<int64_t> ints;
  };
  void addConstant(Constant constant) { constants.push_back(std::move(constant)); }

  bool isSwappable(mlir::Value yielded, mlir::Block &body) const;

  mlir::LogicalResult buildOp(mlir::Operation &op, Steps &steps);
  std::shared_ptr<StagedContext> staged; ///< channels and processes of a staged kernel, shared by its builders

private:
  std::vector<int64_t> counts;
  unsigned viewCount = 0;
  llvm::DenseMap<mlir::Value, Place> places;
  llvm::DenseMap<mlir::Value, unsigned> viewNumbers;
  std::vector<Constant> constants;
};

// Each returns true when it knows the op (and then appended its steps, or emitted a diagnostic and set `bad`).
struct BuildContext {
  Builder &builder;
  Steps &steps;
  bool bad = false;

  Place place(mlir::Value v) { return builder.place(v); }
  void add(Step step) { steps.push_back(std::move(step)); }
  bool fail(mlir::Operation &op, const llvm::Twine &why) {
    op.emitError() << "the interpreter cannot run '" << op.getName() << "': " << why;
    bad = true;
    return true;
  }
};
bool buildElementwise(mlir::Operation &op, BuildContext &context);
bool buildIndexMath(mlir::Operation &op, BuildContext &context);
bool buildMemory(mlir::Operation &op, BuildContext &context);
bool buildShape(mlir::Operation &op, BuildContext &context);
bool buildCast(mlir::Operation &op, BuildContext &context);
bool buildDot(mlir::Operation &op, BuildContext &context);
bool buildReduction(mlir::Operation &op, BuildContext &context);
bool buildControl(mlir::Operation &op, BuildContext &context);
bool buildStaged(mlir::Operation &op, BuildContext &context);

/// Extents before, at and after a dim of a row-major tile.
struct Split3 {
  int64_t outer = 1, size = 1, inner = 1;
};
inline Split3 splitAt(llvm::ArrayRef<int64_t> shape, int64_t dim) {
  Split3 s;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d)
    (d < dim ? s.outer : d == dim ? s.size : s.inner) *= shape[d];
  return s;
}
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value v) {
  auto t = llvm::dyn_cast<mlir::RankedTensorType>(v.getType());
  return t ? t.getShape() : llvm::ArrayRef<int64_t>();
}

} // namespace adze::oracle

#endif
