#include "compiler/verify/TileVerify.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include <numeric>

using namespace mlir;

namespace adze {
#define GEN_PASS_DEF_TILEVERIFY
#include "compiler/verify/TileVerify.h.inc"

namespace {
using namespace tile;

bool isTile(Value v) { return isa<RankedTensorType>(v.getType()); }

/// The conversions that tile.cast replaces, so that rounding and saturation are always written down.
bool isFloatConversion(Operation *op) {
  return isa<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp, arith::FPToUIOp,
             arith::BitcastOp>(op);
}

bool isAllowed(Operation *op) {
  if (isa<arith::ArithDialect, math::MathDialect, TileDialect>(op->getDialect()))
    return true;
  return isa<scf::ForOp, scf::IfOp, scf::YieldOp, affine::AffineApplyOp, affine::AffineMinOp, affine::AffineMaxOp,
             affine::AffineDelinearizeIndexOp, affine::AffineLinearizeIndexOp>(op);
}

class KernelChecker {
public:
  KernelChecker(KernelOp kernel, const TileVerifyOptions &options) : kernel(kernel), options(options) {}

  LogicalResult run() {
    kernel->walk([&](Operation *op) {
      if (op != kernel.getOperation())
        check(op);
    });
    for (Region *region : {&kernel.getFold()})
      region->walk([&](Operation *op) {
        if (!isMemoryEffectFree(op))
          fail(op) << "fold must have no memory effects; move this to finish";
      });
    if (auto schedule = kernel.getSchedule(); schedule && options.checkSchedule)
      checkSchedule(*schedule);
    return success(!failed);
  }

private:
  InFlightDiagnostic fail(Operation *op) {
    failed = true;
    return op->emitOpError() << "in kernel @" << kernel.getSymName() << ": ";
  }

  void check(Operation *op) {
    if (!isAllowed(op)) {
      fail(op) << "is not an op of the kernel tier (tile, arith, math, scf.for/if, affine index arithmetic)";
      return;
    }
    if (isFloatConversion(op) && llvm::any_of(op->getOperands(), isTile))
      fail(op) << "converts a tile; use tile.cast, which states rounding and saturation";
    for (Value v : op->getResults())
      checkType(op, v.getType());
    if (auto tag = op->getAttrOfType<StringAttr>("tag"))
      tags.insert(tag.getValue());
    if (auto loop = dyn_cast<scf::ForOp>(op))
      checkLoop(loop);
    if (auto load = dyn_cast<LoadOp>(op))
      checkAlignment(op, load.getView().getType(), load.getOffsets(), load.getTile().getType());
    if (auto store = dyn_cast<StoreOp>(op))
      checkAlignment(op, store.getView().getType(), store.getOffsets(), store.getTile().getType());
    if (auto scatter = dyn_cast<ScatterOp>(op))
      checkScatter(scatter);
  }

  void checkType(Operation *op, Type type) {
    auto tile = dyn_cast<RankedTensorType>(type);
    if (!tile) {
      if (!type.isIntOrIndexOrFloat() && !isa<ViewType>(type))
        fail(op) << "has a result of type " << type << "; the tier has tiles, views and scalars";
      return;
    }
    if (!tile.hasStaticShape() || tile.getRank() > kMaxTileRank) {
      fail(op) << "has a result of type " << type << "; a tile is static with at most " << kMaxTileRank << " dims";
      return;
    }
    if (isa<IndexType>(tile.getElementType())) {
      fail(op) << "has a tile of index; use i32 or i64";
      return;
    }
    uint64_t bytes = (tile.getNumElements() * tile.getElementTypeBitWidth() + 7) / 8;
    if (options.maxTileBytes && bytes > options.maxTileBytes)
      fail(op) << "has a tile of " << bytes << " bytes; the largest memory holds " << options.maxTileBytes
               << "; plan smaller tiles";
  }

  void checkLoop(scf::ForOp loop) {
    auto attr = loop->getAttrOfType<LoopAttr>(kLoopAttr);
    if (!attr) {
      fail(loop) << "has no #tile.loop: a pass dropped its name and kind; keep the attribute `" << kLoopAttr << "`";
      return;
    }
    loops[attr.getName()].push_back(loop);
    APInt step;
    if (!matchPattern(loop.getStep(), m_ConstantInt(&step)) || step.getSExtValue() <= 0)
      fail(loop) << "loop \"" << attr.getName() << "\" needs a constant positive step";
    if (!loop.getInductionVar().getType().isIndex())
      fail(loop) << "loop \"" << attr.getName() << "\" must count in index";
  }

  /// The exact step of an offset that is a constant, a grid offset or a loop counter from a known multiple; else 0.
  int64_t knownStep(Value v) {
    APInt c;
    if (matchPattern(v, m_ConstantInt(&c)))
      return c.getSExtValue();
    auto arg = dyn_cast<BlockArgument>(v);
    if (!arg)
      return 0;
    if (auto loop = dyn_cast<scf::ForOp>(arg.getOwner()->getParentOp())) {
      APInt lower, step;
      if (arg == loop.getInductionVar() && matchPattern(loop.getLowerBound(), m_ConstantInt(&lower)) &&
          matchPattern(loop.getStep(), m_ConstantInt(&step)))
        return std::gcd(lower.getSExtValue(), step.getSExtValue());
      return 0;
    }
    Region *region = arg.getOwner()->getParent();
    for (auto [g, offset] : llvm::enumerate(kernel.getOffsets(*region)))
      if (offset == arg) {
        bool shifted = kernel.getSplit() && region != &kernel.getBody() && g >= *kernel.getSplit();
        return kernel.getGridSteps()[g + shifted];
      }
    return 0;
  }

  void checkAlignment(Operation *op, ViewType view, ValueRange offsets, RankedTensorType tile) {
    auto pack = dyn_cast_or_null<PackAttr>(view.getLayout());
    if (!pack)
      return;
    int64_t lead = view.getRank() - tile.getRank();
    for (auto [d, block] : llvm::enumerate(pack.getBlocks())) {
      int64_t tileDim = static_cast<int64_t>(d) - lead;
      int64_t granule = std::gcd(block, tileDim < 0 ? 1 : tile.getDimSize(tileDim));
      if (int64_t step = knownStep(offsets[d]); step % granule)
        fail(op) << "offset " << d << " moves in steps of " << step << " and cuts the packed block of " << block
                 << "; use multiples of " << granule;
    }
  }

  void checkScatter(ScatterOp scatter) {
    bool sums = scatter.getCombine() == CombineKind::add || scatter.getCombine() == CombineKind::mul;
    if (sums && isa<FloatType>(scatter.getTile().getType().getElementType()) && !kernel.getNumerics())
      fail(scatter) << "combines floats, so the kernel's numerics must state an order";
  }

  //===-- schedule
  //-------------------------------------------------------------------------------------------------===//

  void checkSchedule(ScheduleAttr schedule) {
    if (schedule.getOps())
      for (NamedAttribute a : schedule.getOps())
        if (!tags.contains(a.getName()))
          fail(kernel) << "the schedule names op \"" << a.getName().getValue() << "\", which no op is tagged with";
    if (!schedule.getLoops())
      return;
    for (NamedAttribute a : schedule.getLoops()) {
      auto found = loops.find(a.getName());
      if (found == loops.end()) {
        fail(kernel) << "the schedule names loop \"" << a.getName().getValue() << "\", which does not exist";
        continue;
      }
      auto fields = dyn_cast<DictionaryAttr>(a.getValue());
      auto stages = fields ? fields.getAs<DictionaryAttr>("stages") : DictionaryAttr();
      if (!stages)
        continue;
      for (NamedAttribute s : stages)
        if (!tags.contains(s.getName()))
          fail(kernel) << "a stage of loop \"" << a.getName().getValue() << "\" names op \"" << s.getName().getValue()
                       << "\", which no op is tagged with";
      for (scf::ForOp loop : found->second)
        checkCycles(loop, stages);
    }
  }

  /// Every value of a loop-carried cycle must be computed in one stage: a ring cannot break a recurrence.
  void checkCycles(scf::ForOp loop, DictionaryAttr stages) {
    for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs())) {
      llvm::SmallPtrSet<Operation *, 16> forward;
      SmallVector<Value> work{arg};
      while (!work.empty())
        for (Operation *user : work.pop_back_val().getUsers())
          if (Operation *top = loop.getBody()->findAncestorOpInBlock(*user); top && forward.insert(top).second)
            llvm::append_range(work, top->getResults());
      llvm::SmallSetVector<Operation *, 16> cycle; // in a fixed order, so that the message is too
      work.push_back(loop.getYieldedValues()[i]);
      while (!work.empty()) {
        Operation *def = work.pop_back_val().getDefiningOp();
        if (!def || def->getBlock() != loop.getBody() || !forward.contains(def) || !cycle.insert(def))
          continue;
        llvm::append_range(work, def->getOperands());
      }
      std::optional<int64_t> stage;
      for (Operation *op : cycle) {
        auto tag = op->getAttrOfType<StringAttr>("tag");
        auto number = tag ? stages.getAs<IntegerAttr>(tag.getValue()) : IntegerAttr();
        if (!number)
          continue;
        if (stage && *stage != number.getInt()) {
          fail(op) << "loop-carried value " << i << " is computed in stages " << *stage << " and " << number.getInt()
                   << "; put its whole cycle into one stage";
          break;
        }
        stage = number.getInt();
      }
    }
  }

  KernelOp kernel;
  const TileVerifyOptions &options;
  bool failed = false;
  llvm::StringSet<> tags;
  llvm::StringMap<SmallVector<scf::ForOp>> loops;
};

struct TileVerifyPass : impl::TileVerifyBase<TileVerifyPass> {
  using TileVerifyBase::TileVerifyBase;
  void runOnOperation() override {
    TileVerifyOptions options{maxTileBytes, checkSchedule};
    bool bad = false;
    getOperation().walk([&](KernelOp kernel) { bad |= failed(verifyKernel(kernel, options)); });
    if (bad)
      signalPassFailure();
  }
};

} // namespace

LogicalResult verifyKernel(KernelOp kernel, const TileVerifyOptions &options) {
  return KernelChecker(kernel, options).run();
}

} // namespace adze
