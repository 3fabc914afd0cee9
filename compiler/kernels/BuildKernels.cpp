// The driver: every region (or bare op) of @main becomes a launch of a kernel.
#include "compiler/fuse/Legal.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/Kernels.h"
#include "compiler/weights/WeightStore.h"
#include "dialects/exec/ExecDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace adze {
using namespace graph;
using namespace kernels;

namespace {

using Builder = BuildResult (*)(KernelRequest &);

Builder builderOf(RegionOp region) {
  StringRef family = region.getFamily();
  Operation *anchor = anchorOf(region);
  if (family == "move" && isa_and_nonnull<ConcatOp>(anchor))
    return buildConcat;
  if (family == "move" && isa_and_nonnull<PadOp>(anchor))
    return buildPad;
  return llvm::StringSwitch<Builder>(family)
      .Cases({"pointwise", "move"}, buildPointwise)
      .Case("matmul", buildMatmul)
      .Cases({"conv", "conv_transpose"}, buildConv)
      .Case("depthwise", buildDepthwise)
      .Cases({"pool", "pool_indices"}, buildPool)
      .Case("reduce", buildReduce)
      .Case("arg_reduce", buildArgReduce)
      .Case("rowwise", buildRowwise)
      .Case("attention", buildAttention)
      .Case("gather", buildGather)
      .Case("scatter", buildScatter)
      .Case("resize", buildResize)
      .Case("scan", buildScan)
      .Case("topk", buildTopK)
      .Case("rnn", buildRnn)
      .Default(nullptr);
}

/// A region of one op, with the splat constants it reads inside.
RegionOp wrapOp(Operation *op) {
  OpBuilder b(op);
  llvm::SmallSetVector<Value, 4> inputs;
  for (Value v : op->getOperands())
    if (!v.getDefiningOp() || !isSplatConstant(v.getDefiningOp()))
      inputs.insert(v);
  auto region = RegionOp::create(b, op->getLoc(), op->getResultTypes(), inputs.getArrayRef(),
                                 b.getStringAttr(familyOf(op)), StringAttr());
  Block *body = b.createBlock(&region.getBody());
  IRMapping map;
  for (Value v : inputs)
    map.map(v, body->addArgument(v.getType(), v.getLoc()));
  for (Value v : op->getOperands())
    if (!map.contains(v))
      b.clone(*v.getDefiningOp(), map);
  Operation *inner = b.clone(*op, map);
  YieldOp::create(b, op->getLoc(), inner->getResults());
  op->replaceAllUsesWith(region.getOutputs());
  op->erase();
  return region;
}

/// Builders read an anchor's operands from memory: constants among them become operands of the region. The value of a
/// pad stays, where it becomes the pad of a load.
void hoistConstants(RegionOp region) {
  Operation *anchor = anchorOf(region);
  if (!anchor)
    return;
  OpBuilder b(region);
  for (OpOperand &operand : anchor->getOpOperands()) {
    auto constant = operand.get().getDefiningOp<ConstantOp>();
    if (!constant || (isa<PadOp>(anchor) && operand.getOperandNumber() == 1))
      continue;
    Value outside = b.clone(*constant)->getResult(0);
    region->insertOperands(region->getNumOperands(), outside);
    operand.set(region.getBody().front().addArgument(outside.getType(), constant.getLoc()));
  }
}

/// Operands of the region that the anchor reads.
llvm::SmallDenseSet<unsigned> readByAnchor(Operation *anchor, const RegionArgs &args) {
  llvm::SmallDenseSet<unsigned> found;
  SmallVector<Value> open(anchor ? anchor->getOperands() : ValueRange());
  while (!open.empty()) {
    Value v = open.pop_back_val();
    if (auto arg = args.operand(v))
      found.insert(*arg);
    else if (Operation *op = v.getDefiningOp())
      open.append(op->operand_begin(), op->operand_end());
  }
  return found;
}

/// exec.launch's aliases: an operand that is read only where the result is written, element by element. Regions of
/// several results have none: a store of one might precede a load for another.
DenseI64ArrayAttr aliasesOf(RegionOp region) {
  YieldOp yield = yieldOf(region);
  if (yield.getValues().size() != 1)
    return {};
  Value y = yield.getValues()[0];
  RegionArgs args(region);
  Operation *anchor = anchorOf(region);
  llvm::SmallDenseSet<unsigned> excluded = readByAnchor(anchor, args);
  SmallVector<Value> bound;
  if (anchor)
    bound.append(anchor->result_begin(), anchor->result_end());
  Dims dims = getDims(y);
  Access access = identityAccess(y.getContext(), dims.size());
  Space space(y.getContext(), dims);
  collectAccesses(y, access, args, space, bound);
  LinearAccess own = linearize(y.getContext(), dims, access, dims.size());
  auto differs = [&](const LinearAccess &a) {
    return !provablyEqual(a.offset, own.offset) ||
           !llvm::all_of(llvm::zip_equal(a.strides, own.strides),
                         [](auto pair) { return provablyEqual(std::get<0>(pair), std::get<1>(pair)); });
  };
  for (auto [a, arg] : llvm::zip_equal(space.getAccesses(), space.getArgs()))
    if (differs(a))
      excluded.insert(arg);
  for (int arg : space.getArgs()) {
    Type element = elementOf(region.getInputs()[arg]);
    if (!excluded.contains(arg) && element.getIntOrFloatBitWidth() == elementOf(y).getIntOrFloatBitWidth())
      return DenseI64ArrayAttr::get(y.getContext(), {int64_t(arg)});
  }
  return {};
}

/// Gives every kernel its final name and drops those that are equal to an earlier one.
class KernelPool {
public:
  /// Returns the kernel to launch: `kernel` itself, now named, or an equal one (then `kernel` is erased).
  tile::KernelOp intern(tile::KernelOp kernel) {
    std::string base = kernel.getSymName().str();
    std::replace(base.begin(), base.end(), '.', '_');
    kernel.setSymName("kernel");
    std::string text;
    llvm::raw_string_ostream os(text);
    kernel->print(os, OpPrintingFlags().useLocalScope());
    tile::KernelOp &known = byText[text];
    if (known) {
      kernel.erase();
      return known;
    }
    kernel.setSymName(base + "_" + std::to_string(numbers[base]++));
    kernel.setKey((kernel.getKey() + "#" + llvm::utohexstr(llvm::xxh3_64bits(text), /*LowerCase=*/true, 16)).str());
    return known = kernel;
  }

private:
  llvm::StringMap<tile::KernelOp> byText;
  std::map<std::string, unsigned> numbers;
};

} // namespace

LogicalResult buildKernels(ModuleOp module, const Target &target, ArrayRef<TargetArch> archs, WeightStore *weights,
                           const KernelOptions &options) {
  auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
  if (!main || main.isExternal())
    return module.emitError("build-kernels: the module has no function @main; import a model first");
  SymbolTable symbols(module);
  KernelPool pool;
  std::map<std::string, uint32_t> packed;
  bool ok = true;
  for (Operation &op : llvm::make_early_inc_range(main.getBody().front())) {
    if (!isa<RegionOp>(op) && !isRegionOp(&op))
      continue;
    auto refuse = [&](Operation &inner) {
      std::string reason = unsupportedReason(&inner);
      if (reason.empty())
        return false;
      inner.emitError(reason);
      ok = false;
      return true;
    };
    if (auto region = dyn_cast<RegionOp>(op)) {
      if (llvm::any_of(region.getBody().front().without_terminator(), refuse))
        continue;
    } else if (refuse(op)) {
      continue;
    }
    RegionOp region = isa<RegionOp>(op) ? cast<RegionOp>(op) : wrapOp(&op);
    hoistConstants(region);
    KernelRequest request{region, symbols, target, archs, options, weights, &packed};
    Builder builder = builderOf(region);
    if (!builder) {
      region.emitError("build-kernels: no kernel builder is named '")
          << region.getFamily() << "'; the families are listed in compiler/kernels/README.md";
      ok = false;
      continue;
    }
    BuildResult built = builder(request);
    if (failed(built)) {
      ok = false;
      continue;
    }
    OpBuilder b(region);
    // The kernel's code must know which of its buffers may be one: result number -> argument number, -1 none.
    DenseI64ArrayAttr aliases = aliasesOf(region);
    if (aliases && llvm::any_of(aliases.asArrayRef(), [](int64_t a) { return a >= 0; }))
      built->kernel->setAttr("tile.in_place", aliases);
    tile::KernelOp kernel = pool.intern(built->kernel);
    auto launch = exec::LaunchOp::create(b, region.getLoc(), TypeRange(ValueRange(region.getOutputs())),
                                         FlatSymbolRefAttr::get(kernel.getSymNameAttr()), built->operands,
                                         AffineMapAttr::get(built->dims), aliases);
    region.replaceAllUsesWith(launch);
    region.erase();
  }
  return success(ok);
}

} // namespace adze
