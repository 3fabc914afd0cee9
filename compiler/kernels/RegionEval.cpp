#include "compiler/kernels/RegionEval.h"
#include "compiler/kernels/Scalar.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

static Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
static ArrayRef<int64_t> shapeOf(Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }

//===-- arguments

std::optional<unsigned> RegionArgs::operand(Value v) const {
  auto arg = dyn_cast<BlockArgument>(v);
  if (!arg || arg.getOwner()->getParentOp() != region.getOperation())
    return std::nullopt;
  return arg.getArgNumber();
}

std::optional<unsigned> RegionArgs::resultOf(Value v) const {
  auto yield = cast<YieldOp>(region.getBody().front().getTerminator());
  for (auto [i, y] : llvm::enumerate(yield.getValues()))
    if (y == v)
      return result(i);
  return std::nullopt;
}

void RegionArgs::declare(KernelText &k) const {
  RegionOp r = region;
  for (Value v : r.getInputs())
    k.addRef(elementOf(v), tile::Effect::in);
  for (Value v : r.getOutputs())
    k.addRef(elementOf(v), tile::Effect::out);
}

//===-- analysis

static Access operandAccess(Operation *op, Value operand, const Access &access) {
  return broadcastAccess(getDims(operand), getDims(op->getResult(0)), access);
}

/// Channel vectors of batch_norm: dim 0 is dim 1 of x.
static Access channelAccess(const Access &x) { return {x[1]}; }

void collectAccesses(Value v, const Access &access, const RegionArgs &args, Space &space, ArrayRef<Value> bound) {
  if (llvm::is_contained(bound, v))
    return;
  if (std::optional<unsigned> arg = args.operand(v)) {
    space.record(linearize(v.getContext(), getDims(v), access, space.getExtents().size()), *arg);
    return;
  }
  Operation *op = v.getDefiningOp();
  if (isa<ConstantOp>(op))
    return;
  if (auto iota = dyn_cast<IotaOp>(op)) {
    for (auto &term : access[iota.getAxis()].terms)
      space.isolate(term.first);
    return;
  }
  if (std::optional<Access> x = throughView(op, access))
    return collectAccesses(op->getOperand(0), *x, args, space, bound);
  if (auto norm = dyn_cast<BatchNormOp>(op)) {
    collectAccesses(norm.getX(), access, args, space, bound);
    for (Value c : {norm.getScale(), norm.getBias(), norm.getMean(), norm.getVar()})
      collectAccesses(c, channelAccess(access), args, space, bound);
    return;
  }
  for (Value operand : op->getOperands())
    collectAccesses(operand, operandAccess(op, operand, access), args, space, bound);
}

std::optional<Leaf> leafOf(Value v, const Access &access, const RegionArgs &args) {
  if (std::optional<unsigned> arg = args.operand(v))
    return Leaf{*arg, v, access};
  Operation *op = v.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (std::optional<Access> x = throughView(op, access))
    return leafOf(op->getOperand(0), *x, args);
  return std::nullopt;
}

LinearAccess memoryAccess(Value v, const Access &access, const RegionArgs &args, size_t iterationDims) {
  if (std::optional<Leaf> leaf = leafOf(v, access, args))
    return linearize(v.getContext(), getDims(leaf->value), leaf->access, iterationDims);
  return linearize(v.getContext(), getDims(v), access, iterationDims);
}

//===-- memory

RegionEval::Window RegionEval::window(unsigned arg, const LinearAccess &access) {
  Window w;
  w.view.arg = arg;
  w.view.offset = access.offset;
  w.inbounds = frame.inbounds;
  auto push = [&](unsigned g) {
    w.view.extents.push_back(frame.groups[g].extent);
    w.view.strides.push_back(groupStride(access, frame.groups[g]));
    w.offsets.push_back(frame.offsets[g]);
  };
  for (unsigned g = 0; g < frame.groups.size(); ++g)
    if (!llvm::is_contained(frame.tileDims, g) && !isConstant(groupStride(access, frame.groups[g]), 0))
      push(g);
  SmallVector<unsigned> used; // positions in the tile
  for (auto [p, g] : llvm::enumerate(frame.tileDims)) {
    bool present = !isConstant(groupStride(access, frame.groups[g]), 0);
    w.full.push_back(present ? frame.sizes[g] : 1);
    if (present)
      used.push_back(p);
  }
  // The dim with unit stride goes last, so that the tile is loaded as it lies in memory.
  auto unit = llvm::find_if(
      used, [&](unsigned p) { return isConstant(groupStride(access, frame.groups[frame.tileDims[p]]), 1); });
  SmallVector<unsigned> memory = used;
  if (unit != used.end() && !isConstant(groupStride(access, frame.groups[frame.tileDims[used.back()]]), 1))
    std::rotate(memory.begin() + (unit - used.begin()), memory.begin() + (unit - used.begin()) + 1, memory.end());
  for (unsigned p : memory) {
    unsigned g = frame.tileDims[p];
    push(g);
    w.shape.push_back(frame.sizes[g]);
    auto extent = constantOf(frame.groups[g].extent);
    w.inbounds &= extent && *extent % frame.sizes[g] == 0;
  }
  for (unsigned p : used)
    w.perm.push_back(llvm::find(memory, p) - memory.begin());
  if (w.view.extents.empty()) {
    w.view.extents.push_back(k.constant(1));
    w.view.strides.push_back(k.constant(1));
    w.offsets.push_back(k.index(0));
  }
  if (w.shape.empty()) {
    w.shape.push_back(1);
    w.perm.push_back(0);
  }
  return w;
}

Value RegionEval::load(unsigned arg, ArrayRef<AffineExpr> dims, const Access &access, TypedAttr pad, StringRef tag) {
  size_t rank = 0;
  for (const Group &g : frame.groups)
    rank = std::max<size_t>(rank, g.last + 1);
  for (const DimIndex &d : access)
    for (auto &t : d.terms)
      rank = std::max<size_t>(rank, t.first + 1);
  Window w = window(arg, linearize(k.context, dims, access, rank));
  Value tile = k.load(k.view(w.view), w.offsets, w.shape, pad, tag, w.inbounds);
  return k.reshape(k.transpose(tile, w.perm), w.full);
}

void RegionEval::store(Value tile, Type element, unsigned arg, ArrayRef<AffineExpr> dims, const Access &access) {
  size_t rank = 0;
  for (const Group &g : frame.groups)
    rank = std::max<size_t>(rank, g.last + 1);
  for (const DimIndex &d : access)
    for (auto &t : d.terms)
      rank = std::max<size_t>(rank, t.first + 1);
  Window w = window(arg, linearize(k.context, dims, access, rank));
  tile = toStorage(k, tile, element);
  tile = k.broadcast(tile, w.full);
  SmallVector<int64_t> used;
  for (unsigned p = 0; p < w.full.size(); ++p)
    if (!isConstant(groupStride(linearize(k.context, dims, access, rank), frame.groups[frame.tileDims[p]]), 0))
      used.push_back(w.full[p]);
  if (used.empty())
    used.push_back(1);
  tile = k.reshape(tile, used);
  SmallVector<int64_t> inverse(w.perm.size());
  for (auto [i, p] : llvm::enumerate(w.perm))
    inverse[p] = i;
  k.store(k.transpose(tile, inverse), k.view(w.view), w.offsets, w.inbounds);
}

//===-- evaluation

Value RegionEval::position(const DimIndex &index, Type type) {
  SmallVector<int64_t> ones(frame.tileDims.size(), 1);
  Value sum;
  auto accumulate = [&](Value v) { // tiles of broadcast shapes
    if (!sum) {
      sum = v;
      return;
    }
    SmallVector<int64_t> joint;
    for (auto [a, b] : llvm::zip_equal(shapeOf(sum), shapeOf(v)))
      joint.push_back(std::max(a, b));
    sum = arith::AddIOp::create(k.b, k.loc, k.broadcast(sum, joint), k.broadcast(v, joint));
  };
  for (auto [dim, coefficient] : index.terms) {
    std::optional<unsigned> g = frame.groupOf(dim);
    if (!g)
      continue;
    Value v;
    SmallVector<int64_t> shape = ones;
    auto it = llvm::find(frame.tileDims, *g);
    if (it == frame.tileDims.end()) {
      v = k.splatIndex(ones, frame.offsets[*g], type);
    } else {
      shape[it - frame.tileDims.begin()] = frame.sizes[*g];
      v = k.iota(shape, it - frame.tileDims.begin(), frame.offsets[*g], type);
    }
    if (!isConstant(coefficient, 1))
      v = arith::MulIOp::create(k.b, k.loc, v, k.splatIndex(shape, k.dim(coefficient), type));
    accumulate(v);
  }
  if (!sum || !isConstant(index.start, 0))
    accumulate(k.splatIndex(ones, k.dim(index.start), type));
  return sum;
}

Value RegionEval::evaluate(Value v, const Access &access) {
  for (auto &[value, tile] : bound)
    if (value == v)
      return tile;
  for (auto &[value, at, tile] : known)
    if (value == v && at == access)
      return tile;
  Value tile;
  if (std::optional<unsigned> arg = args.operand(v))
    tile = fromStorage(k, load(*arg, getDims(v), access), elementOf(v));
  else
    tile = evaluateOp(v.getDefiningOp(), cast<OpResult>(v), access);
  known.push_back({v, access, tile});
  return tile;
}

Value RegionEval::evaluateStored(Value v, const Access &access) {
  if (std::optional<unsigned> arg = args.operand(v))
    return load(*arg, getDims(v), access);
  if (llvm::none_of(bound, [&](auto &entry) { return entry.first == v; }))
    if (std::optional<Access> x = throughView(v.getDefiningOp(), access))
      return evaluateStored(v.getDefiningOp()->getOperand(0), *x);
  return toStorage(k, evaluate(v, access), elementOf(v));
}

Value RegionEval::evaluateOp(Operation *op, OpResult result, const Access &access) {
  SmallVector<int64_t> ones(frame.tileDims.size(), 1);
  Type element = elementOf(result), compute = computeType(element);
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    auto dense = cast<DenseElementsAttr>(constant.getValue());
    Attribute value = dense.getSplatValue<Attribute>();
    if (auto integer = dyn_cast<IntegerAttr>(value))
      return k.splat(ones, IntegerAttr::get(tileType(element), integer.getValue()));
    APFloat number = cast<FloatAttr>(value).getValue();
    bool lossy;
    number.convert(cast<FloatType>(compute).getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
    return k.splat(ones, FloatAttr::get(compute, number));
  }
  if (auto iota = dyn_cast<IotaOp>(op)) {
    Value at = position(access[iota.getAxis()], k.b.getI64Type());
    return isa<IntegerType>(element) && element.getIntOrFloatBitWidth() < 64 && element.getIntOrFloatBitWidth() > 1
               ? Value(arith::TruncIOp::create(k.b, k.loc, k.tensor(shapeOf(at), tileType(element)), at))
               : k.convert(at, compute);
  }
  if (std::optional<Access> x = throughView(op, access))
    return evaluate(op->getOperand(0), *x);
  if (auto norm = dyn_cast<BatchNormOp>(op))
    return evaluateBatchNorm(norm, access);

  SmallVector<Value> operands;
  SmallVector<int64_t> joint = ones;
  for (Value operand : op->getOperands()) {
    operands.push_back(evaluate(operand, operandAccess(op, operand, access)));
    for (auto [j, s] : llvm::zip_equal(joint, shapeOf(operands.back())))
      j = std::max(j, s);
  }
  for (Value &operand : operands)
    operand = k.broadcast(operand, joint);
  Value tile = emitScalar(k, op, operands, options);
  bool narrow = compute != tileType(element);
  if (narrow && options.roundFusedEdges && !isa<CastOp>(op)) // a cast has rounded already
    tile = fromStorage(k, toStorage(k, tile, element), element);
  return tile;
}

Value RegionEval::evaluateBatchNorm(BatchNormOp op, const Access &access) {
  Access channel = channelAccess(access);
  Value x = evaluate(op.getX(), access), scale = evaluate(op.getScale(), channel),
        bias = evaluate(op.getBias(), channel), mean = evaluate(op.getMean(), channel),
        var = evaluate(op.getVar(), channel);
  auto wide = [&](Value v) { return k.broadcast(v, shapeOf(x)); };
  ScalarBuilder s(k, var);
  Type type = elementOf(var);
  Value moment = s.addf(var, s.f(op.getEps().convertToDouble(), type)), centred = s.subf(x, wide(mean)), scaled;
  if (options.integerData) // the stand-ins of sqrt and of division, as where the fuser spells the op out
    scaled = s.subf(
        centred, wide(s.binary<arith::MaximumFOp>(s.binary<arith::MinimumFOp>(moment, s.f(4, type)), s.f(-4, type))));
  else
    scaled = s.divf(centred, wide(s.unary<math::SqrtOp>(moment)));
  return s.addf(s.mulf(scaled, wide(scale)), wide(bias));
}

//===-- results

Access storedAccess(Value yielded, const Access &access) {
  auto transpose = yielded.getDefiningOp<TransposeOp>();
  if (!transpose)
    return access;
  Access stored;
  for (int64_t p : transpose.getPerm())
    stored.push_back(access[p]);
  return stored;
}

void storeResults(RegionOp region, RegionEval &eval, const RegionArgs &args, const Access &access) {
  auto yield = cast<YieldOp>(region.getBody().front().getTerminator());
  for (auto [i, v] : llvm::enumerate(yield.getValues())) {
    Access at = storedAccess(v, access);
    eval.store(eval.evaluateStored(v, at), elementOf(v), args.result(i), getDims(v), at);
  }
}

void collectResults(RegionOp region, const RegionArgs &args, const Access &access, Space &space,
                    ArrayRef<Value> bound) {
  auto yield = cast<YieldOp>(region.getBody().front().getTerminator());
  for (Value v : yield.getValues()) {
    Access at = storedAccess(v, access);
    collectAccesses(v, at, args, space, bound);
    space.record(linearize(v.getContext(), getDims(v), at, space.getExtents().size()));
  }
}

} // namespace adze::kernels
