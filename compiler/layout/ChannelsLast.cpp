#include "compiler/layout/ChannelsLast.h"
#include "compiler/fuse/Legal.h"
#include "compiler/layout/Rewrite.h"
#include "compiler/support/NodeLoc.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace adze {
using namespace graph;

#define GEN_PASS_DECL_CHANNELSLAST
#define GEN_PASS_DEF_CHANNELSLAST
#include "compiler/layout/ChannelsLast.h.inc"

namespace {

/// A convolution gains where the channels that one of its filters reads fill whole pieces of this many bytes.
constexpr int64_t kPieceBytes = 16;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

/// 16-bit floats with one to three spatial dims. Wider elements gain little: a row of pixels is a long run as it is.
bool hasChannels(Value v) {
  auto type = dyn_cast<RankedTensorType>(v.getType());
  return type && type.getRank() >= 3 && type.getRank() <= 5 && (elementOf(v).isF16() || elementOf(v).isBF16());
}

/// Elements of a piece.
int64_t pieceOf(Value v) { return 8 * kPieceBytes / elementOf(v).getIntOrFloatBitWidth(); }

bool sameDims(Value a, Value b) {
  Dims x = getDims(a), y = getDims(b);
  return x.size() == y.size() && llvm::equal(x, y, [](AffineExpr p, AffineExpr q) { return provablyEqual(p, q); });
}

/// The op that gives the region its family; null in a pointwise region.
Operation *anchorOf(RegionOp region) {
  for (Operation &op : region.getBody().front().without_terminator())
    if (!isPointwise(&op) && !isInnerView(&op) && !isSplatConstant(&op))
      return &op;
  return nullptr;
}

bool isConvolution(Operation *anchor) { return isa_and_nonnull<ConvOp, ConvTransposeOp>(anchor); }
bool isDepthwise(Operation *anchor) { return anchor && familyOf(anchor) == "depthwise"; }
bool isPooling(Operation *anchor) { return isa_and_nonnull<PoolOp, MaxPoolIndicesOp>(anchor); }

/// Regions whose kernels take the strides of what they read and write from views.
bool mayStore(RegionOp region) {
  Operation *anchor = anchorOf(region);
  if (anchor && layout::worksOnMovedDims(anchor)) // a constant among its operands would have to change too
    return llvm::all_of(anchor->getOperands(), [](Value v) { return isa<BlockArgument>(v) || !hasChannels(v); });
  return !anchor || isConvolution(anchor) || isa<PoolOp, ReduceOp>(anchor);
}

bool mayRead(RegionOp region, unsigned number) {
  Operation *anchor = anchorOf(region);
  BlockArgument arg = region.getBody().front().getArgument(number);
  // The anchor's data; what only the finish reads may lie in any order.
  auto isData = [&](OpOperand &use) {
    return use.getOwner() != anchor || use.getOperandNumber() == 0 || isa<ConcatOp>(anchor);
  };
  return (mayStore(region) || isPooling(anchor)) && llvm::all_of(arg.getUses(), isData);
}

/// Decides for all values of @main.
class Placement {
public:
  Placement(Block &main, LayoutReport *report) : main(main), report(report) {}
  DenseSet<Value> choose() {
    for (RegionOp region : main.getOps<RegionOp>())
      for (Value result : region.getResults())
        if (hasChannels(result))
          reasons[result] = whyNot(result);
    keepTogether();
    for (RegionOp region : main.getOps<RegionOp>())
      follow(region);
    markWanted();
    return chosen();
  }

private:
  std::string whyNot(Value v) const;
  void keepTogether();
  void follow(RegionOp region);
  void markWanted();
  DenseSet<Value> chosen();
  bool isFree(Value v) const {
    auto it = reasons.find(v);
    return it != reasons.end() && it->second.empty();
  }
  /// Values with channels that the region reads or computes.
  static SmallVector<Value> valuesOf(RegionOp region) {
    SmallVector<Value> values;
    for (ValueRange list : {ValueRange(region.getInputs()), ValueRange(region.getOutputs())})
      for (Value v : list)
        if (hasChannels(v))
          values.push_back(v);
    return values;
  }

  Block &main;
  LayoutReport *report;
  llvm::MapVector<Value, std::string> reasons; // why a value stays as it is; "" where it need not
  llvm::EquivalenceClasses<void *> classes;    // values that should lie the same way
  DenseSet<Value> wanted;                      // channels last, by convolutions
};

std::string Placement::whyNot(Value v) const {
  if (!mayStore(v.getDefiningOp<RegionOp>()))
    return "the kernel that computes it stores channels first";
  for (OpOperand &use : v.getUses()) {
    auto reader = dyn_cast<RegionOp>(use.getOwner());
    if (!reader)
      return isa<func::ReturnOp>(use.getOwner()) ? "it is an output of the model"
                                                 : (use.getOwner()->getName().getStringRef() + " reads it").str();
    if (!mayRead(reader, use.getOperandNumber()))
      return "a " + reader.getFamily().str() + " kernel reads it";
  }
  return "";
}

/// What concatenations, paddings and interpolations read and write lies the same way, or stays as it is.
void Placement::keepTogether() {
  bool changed = true;
  while (changed) {
    changed = false;
    for (RegionOp region : main.getOps<RegionOp>()) {
      Operation *anchor = anchorOf(region);
      if (!anchor || !layout::worksOnMovedDims(anchor))
        continue;
      SmallVector<Value> values = valuesOf(region);
      if (llvm::all_of(values, [&](Value v) { return isFree(v); }))
        continue;
      for (Value v : values)
        if (isFree(v)) {
          reasons[v] = "a " + region.getFamily().str() + " kernel has operands or results that stay channels first";
          changed = true;
        }
    }
  }
}

/// A kernel that reads and writes element by element does best where both lie the same way. The data of a convolution
/// is read through shared memory in any order.
void Placement::follow(RegionOp region) {
  Operation *anchor = anchorOf(region);
  Value first;
  for (OpOperand &operand : region->getOpOperands()) {
    BlockArgument arg = region.getBody().front().getArgument(operand.getOperandNumber());
    bool isData = llvm::is_contained(arg.getUsers(), anchor);
    bool full = isData ||
                (region.getNumResults() && hasChannels(operand.get()) && sameDims(operand.get(), region.getResult(0)));
    if (!isFree(operand.get()) || !full || (isData && isConvolution(anchor) && !isDepthwise(anchor)))
      continue;
    first = first ? first : operand.get();
    classes.unionSets(first.getAsOpaquePointer(), operand.get().getAsOpaquePointer());
  }
  for (Value result : region.getOutputs()) {
    if (!isFree(result))
      continue;
    first = first ? first : result;
    classes.unionSets(first.getAsOpaquePointer(), result.getAsOpaquePointer());
  }
}

/// Channels of x that one filter of a convolution reads; 0 where that is not known, or the filters are depthwise.
int64_t filterChannels(Operation *anchor) {
  if (auto conv = dyn_cast_or_null<ConvOp>(anchor))
    return isDepthwise(conv) ? 0 : constantOf(getDims(conv.getW())[1]).value_or(0);
  if (auto conv = dyn_cast_or_null<ConvTransposeOp>(anchor))
    return constantOf(getDims(conv.getW())[0]).value_or(0) / int64_t(conv.getGroup());
  return 0;
}

/// Data of convolutions whose filters read whole pieces, and their results.
void Placement::markWanted() {
  for (RegionOp region : main.getOps<RegionOp>()) {
    Operation *anchor = anchorOf(region);
    int64_t channels = filterChannels(anchor);
    auto arg = channels ? dyn_cast<BlockArgument>(anchor->getOperand(0)) : BlockArgument();
    Value x = arg ? region.getInputs()[arg.getArgNumber()] : Value();
    if (!x || !hasChannels(x) || channels % pieceOf(x))
      continue;
    wanted.insert(x);
    // What reads pixels by their channels computes them that way.
    for (Value y : region.getOutputs())
      if (isFree(x) && hasChannels(y) && constantOf(getDims(y)[1]).value_or(1) % pieceOf(y) == 0)
        wanted.insert(y);
  }
}

DenseSet<Value> Placement::chosen() {
  DenseSet<void *> classesWanted;
  for (Value v : wanted)
    if (isFree(v))
      classesWanted.insert(classes.getOrInsertLeaderValue(v.getAsOpaquePointer()));
  DenseSet<Value> result;
  for (auto &[v, reason] : reasons) {
    if (isFree(v) && classesWanted.contains(classes.getOrInsertLeaderValue(v.getAsOpaquePointer())))
      result.insert(v);
    if (!report)
      continue;
    std::string name = nodesText(v.getLoc());
    if (result.contains(v))
      report->channelsLast.push_back(std::move(name));
    else if (wanted.contains(v))
      report->kept.push_back({std::move(name), reason});
  }
  return result;
}

struct ChannelsLast : impl::ChannelsLastBase<ChannelsLast> {
  explicit ChannelsLast(LayoutReport *report = nullptr) : report(report) {}
  void runOnOperation() override { placeChannelsLast(getOperation(), report); }
  LayoutReport *report;
};

} // namespace

void placeChannelsLast(ModuleOp module, LayoutReport *report) {
  auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
  if (!main || main.isExternal())
    return;
  Block &block = main.getBody().front();
  layout::moveChannels(block, Placement(block, report).choose());
}

std::unique_ptr<Pass> createChannelsLastPass(LayoutReport *report) { return std::make_unique<ChannelsLast>(report); }

void registerChannelsLastPass() {
  ::mlir::registerPass([] { return createChannelsLastPass(); });
}

} // namespace adze
