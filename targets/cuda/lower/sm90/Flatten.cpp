#include "targets/cuda/lower/sm90/Flatten.h"
#include "compiler/schedule/Staging.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace adze::cuda::sm90 {
namespace {

class Flattener {
public:
  explicit Flattener(tile::ProcessOp process) : process(process), instances(process.getInstances()) {}

  LogicalResult run() {
    process.walk([&](scf::ForOp loop) {
      if (auto rows = loop->getAttrOfType<IntegerAttr>(schedule::kRows))
        divided.insert(rows.getInt());
    });
    Block &from = process.getBody().front();
    auto *to = new Block();
    process.getBody().push_back(to); // builders need a parent; the old block goes at the end
    for (BlockArgument arg : from.getArguments())
      map.map(arg, to->addArgument(arg.getType(), arg.getLoc()));
    OpBuilder b = OpBuilder::atBlockBegin(to);
    if (failed(flatten(from, b)))
      return failure(); // the kernel is a copy that nobody reads
    from.dropAllDefinedValueUses();
    from.erase();
    tighten(*to);
    return success();
  }

private:
  /// A tile whose rows the instances divide: its type in one instance.
  Type partType(Type type) const {
    auto tile = dyn_cast<RankedTensorType>(type);
    if (!tile || tile.getRank() == 0 || !divided.count(tile.getDimSize(0)))
      return type;
    return schedule::withRows(tile, tile.getDimSize(0) / instances);
  }

  /// The instance's part of a value that is defined outside of strip loops.
  Value part(Value v, OpBuilder &b) {
    if (Value known = map.lookupOrNull(v))
      return known;
    Type type = partType(v.getType());
    if (type == v.getType())
      return v;
    auto constant = v.getDefiningOp<arith::ConstantOp>();
    auto dense = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
    if (!dense)
      return {};
    auto value = DenseElementsAttr::get(cast<ShapedType>(type), dense.getSplatValue<Attribute>());
    return arith::ConstantOp::create(b, v.getLoc(), cast<TypedAttr>(Attribute(value)));
  }

  LogicalResult flatten(Block &from, OpBuilder &b) {
    for (Operation &op : from.without_terminator())
      if (failed(flattenOp(op, b)))
        return failure();
    return success();
  }

  LogicalResult flattenOp(Operation &op, OpBuilder &b) {
    if (isa<tile::EmptyOp>(op))
      return success();
    if (auto loop = dyn_cast<scf::ForOp>(op))
      return loop->hasAttr(schedule::kRows) ? flattenStrips(loop, b) : flattenLoop(loop, b);
    if (auto branch = dyn_cast<scf::IfOp>(op))
      return flattenIf(branch, b);
    if (op.getNumRegions())
      return failure();
    // Inside a strip loop: the strip is the instance's part.
    if (auto extract = dyn_cast<tile::ExtractOp>(op)) {
      Value source = part(extract.getSource(), b);
      if (!source || source.getType() != extract.getType())
        return failure();
      map.map(extract.getTile(), source);
      return success();
    }
    if (auto insert = dyn_cast<tile::InsertOp>(op)) {
      Value source = part(insert.getSource(), b);
      if (!source || source.getType() != partType(insert.getType()))
        return failure();
      map.map(insert.getTile(), source);
      return success();
    }
    b.clone(op, map);
    return success();
  }

  LogicalResult flattenStrips(scf::ForOp loop, OpBuilder &b) {
    int64_t rows = cast<IntegerAttr>(loop->getAttr(schedule::kRows)).getInt();
    auto step = getConstantIntValue(loop.getStep());
    if (!step || *step * instances != rows)
      return failure();
    map.map(loop.getInductionVar(), map.lookupOrDefault(loop.getLowerBound()));
    if (failed(flatten(*loop.getBody(), b)))
      return failure();
    for (auto [result, yielded] : llvm::zip_equal(loop.getResults(), loop.getYieldedValues()))
      map.map(result, part(yielded, b));
    return success();
  }

  LogicalResult flattenLoop(scf::ForOp loop, OpBuilder &b) {
    SmallVector<Value> inits;
    for (Value init : loop.getInitArgs()) {
      inits.push_back(part(init, b));
      if (!inits.back())
        return failure();
    }
    auto copy =
        scf::ForOp::create(b, loop.getLoc(), map.lookupOrDefault(loop.getLowerBound()),
                           map.lookupOrDefault(loop.getUpperBound()), map.lookupOrDefault(loop.getStep()), inits);
    copy->setDiscardableAttrs(loop->getDiscardableAttrDictionary());
    if (!copy.getBody()->empty())
      copy.getBody()->back().erase();
    map.map(loop.getInductionVar(), copy.getInductionVar());
    for (auto [from, to] : llvm::zip_equal(loop.getRegionIterArgs(), copy.getRegionIterArgs()))
      map.map(from, to);
    OpBuilder in = OpBuilder::atBlockEnd(copy.getBody());
    if (failed(flatten(*loop.getBody(), in)))
      return failure();
    return yield(loop.getLoc(), loop.getYieldedValues(), copy.getResultTypes(), loop.getResults(), copy.getResults(),
                 in);
  }

  LogicalResult yield(Location loc, ValueRange yielded, TypeRange types, ValueRange from, ValueRange to,
                      OpBuilder &in) {
    SmallVector<Value> values;
    for (auto [v, type] : llvm::zip_equal(yielded, types)) {
      values.push_back(part(v, in));
      if (!values.back() || values.back().getType() != type)
        return failure();
    }
    scf::YieldOp::create(in, loc, values);
    for (auto [a, b] : llvm::zip_equal(from, to))
      map.map(a, b);
    return success();
  }

  LogicalResult flattenIf(scf::IfOp branch, OpBuilder &b) {
    SmallVector<Type> types;
    for (Type t : branch.getResultTypes())
      types.push_back(inStrip(branch) ? t : partType(t));
    bool hasElse = !branch.getElseRegion().empty();
    auto copy = scf::IfOp::create(b, branch.getLoc(), types, map.lookupOrDefault(branch.getCondition()), true, hasElse);
    for (auto [from, to] : {std::pair(&branch.getThenRegion(), &copy.getThenRegion()),
                            std::pair(&branch.getElseRegion(), &copy.getElseRegion())}) {
      if (from->empty())
        continue;
      if (!to->front().empty())
        to->front().back().erase();
      OpBuilder in = OpBuilder::atBlockEnd(&to->front());
      if (failed(flatten(from->front(), in)) ||
          failed(yield(branch.getLoc(), from->front().getTerminator()->getOperands(), types, branch.getResults(),
                       copy.getResults(), in)))
        return failure();
    }
    return success();
  }

  static bool inStrip(Operation *op) {
    while ((op = op->getParentOp()))
      if (op->hasAttr(schedule::kRows))
        return true;
    return false;
  }

  //===-- places of waits and releases

  static Operation *firstUse(Block &block, Operation *op) {
    Operation *first = nullptr;
    for (Operation *user : op->getUsers())
      if (Operation *top = block.findAncestorOpInBlock(*user); !first || top->isBeforeInBlock(first))
        first = top;
    return first;
  }

  /// Everything that reads a slot's tiles ends before its release.
  static void tighten(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          tighten(inner);
      if (isa<tile::GetOp, tile::WaitOp>(op))
        if (Operation *use = firstUse(block, &op))
          op.moveBefore(use);
    }
    for (auto release : llvm::make_early_inc_range(block.getOps<tile::ReleaseOp>())) {
      Operation *wait = release.getSlot().getDefiningOp(), *last = wait;
      auto visit = [&](Operation *user) {
        Operation *top = block.findAncestorOpInBlock(*user);
        if (top && last->isBeforeInBlock(top))
          last = top;
      };
      if (!wait || wait->getBlock() != &block)
        continue;
      for (Operation *user : release.getSlot().getUsers()) {
        if (user == release)
          continue;
        visit(user);
        if (auto get = dyn_cast<tile::GetOp>(user))
          for (Operation *reader : get->getUsers())
            visit(reader);
      }
      release->moveAfter(last);
    }
  }

  tile::ProcessOp process;
  int64_t instances;
  IRMapping map;
  llvm::SmallDenseSet<int64_t> divided;
};

} // namespace

LogicalResult flattenProcess(tile::ProcessOp process) { return Flattener(process).run(); }

} // namespace adze::cuda::sm90
