// Convolution and transposed convolution as a product over taps and channels, without materialising the windows.
#include "compiler/kernels/Pack.h"
#include "compiler/kernels/Scalar.h"
#include "compiler/kernels/WindowKernel.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

/// Geometry of a conv; that of a transposed one is the conv of the dilated input with the flipped kernel.
static WindowShape shapeOfConv(Operation *op) {
  WindowShape s;
  auto fill = [&](auto conv) {
    Dims x = getDims(conv.getX()), w = getDims(conv.getW()), y = getDims(conv.getY());
    s.groups = conv.getGroup();
    s.images = x[0];
    s.in.assign(x.begin() + 2, x.end());
    s.out.assign(y.begin() + 2, y.end());
    for (AffineExpr e : ArrayRef<AffineExpr>(w).drop_front(2))
      s.kernel.push_back(*constantOf(e));
    s.stride.assign(conv.getStrides().begin(), conv.getStrides().end());
    s.dilation.assign(conv.getDilations().begin(), conv.getDilations().end());
    s.pads.assign(conv.getPads().begin(), conv.getPads().end());
  };
  if (auto conv = dyn_cast<ConvOp>(op)) {
    fill(conv);
    s.channels = getDims(conv.getW())[1];
    return s;
  }
  auto conv = cast<ConvTransposeOp>(op);
  fill(conv);
  s.transposed = true;
  s.channels = constantExpr(op->getContext(), *constantOf(getDims(conv.getW())[0]) / s.groups);
  for (unsigned i = 0; i < 2 * s.spatial(); ++i) {
    unsigned d = i % s.spatial();
    s.pads[i] = (s.kernel[d] - 1) * s.dilation[d] - s.pads[i];
  }
  return s;
}

/// Output channels of one group.
static AffineExpr groupOutputs(Operation *op) {
  if (auto conv = dyn_cast<ConvOp>(op))
    return constantExpr(op->getContext(), *constantOf(getDims(conv.getW())[0]) / int64_t(conv.getGroup()));
  return getDims(cast<ConvTransposeOp>(op).getW())[1];
}

/// With fewer channels than this a dot per tap is too shallow: all taps go into one, if that is not too deep.
static constexpr int64_t kFewChannels = 16, kLargestMerge = 512;

namespace {
class ConvBuilder : WindowKernel {
public:
  ConvBuilder(KernelRequest &r, Operation *op)
      : WindowKernel(r, op->getOperand(0), op->getResult(0), shapeOfConv(op), groupOutputs(op)), w(op->getOperand(1)),
        bias(op->getNumOperands() > 2 ? op->getOperand(2) : Value()) {}
  BuildResult build();

private:
  void describeWeights();
  bool pack();
  /// Sum over this many products in one dot.
  int64_t depth() const { return merged ? shape.taps() * BC : BC; }
  /// Shape of a tile of weights in the order (taps..., c, f); without the taps unless merged.
  SmallVector<int64_t> kernelTile() const {
    SmallVector<int64_t> tile;
    if (merged)
      tile.append(shape.kernel.begin(), shape.kernel.end());
    tile.append({BC, BF});
    return tile;
  }
  Value weightTile(ArrayRef<Value> taps, Value channel);
  Value inputTile(ArrayRef<Value> taps, Value channel);
  SmallVector<Value> step(Value t, ValueRange carried);
  void finishRegion(Type acc);

  Value w, bias;
  PackSource weights; // logical (g, taps..., c, f)
  Plan plan;
  int64_t BF = 1, BP = 1, BC = 1;
  bool swap = true, direct = false, merged = false, transposeWeights = false;
  bool pixelsFirst = true;   // of the tile of x
  bool filtersInner = false; // in memory, where the weights are not in blocks
  SmallVector<Value> operands;
  tile::PackAttr packing;
  std::unique_ptr<KernelText> text;
  Value windows;
  Type accType;
};

void ConvBuilder::describeWeights() {
  int64_t taps = shape.taps(), c = *constantOf(shape.channels), f = *constantOf(outChannels);
  SmallVector<int64_t> tapStrides(shape.spatial());
  int64_t stride = 1;
  for (unsigned i = shape.spatial(); i-- > 0; stride *= shape.kernel[i])
    tapStrides[i] = shape.transposed ? -stride : stride;
  weights.extents = {shape.groups};
  weights.extents.append(shape.kernel.begin(), shape.kernel.end());
  weights.extents.append({c, f});
  weights.strides = {c * f * taps};
  weights.strides.append(tapStrides);
  if (shape.transposed) {
    weights.strides.append({f * taps, taps});
    weights.offset = taps - 1;
  } else {
    weights.strides.append({taps, c * taps});
  }
}

bool ConvBuilder::pack() {
  auto it = plan.packing.find("w");
  auto attr = it == plan.packing.end() ? tile::PackAttr() : dyn_cast<tile::PackAttr>(it->second);
  size_t rank = shape.spatial() + 3;
  if (!attr || attr.getBlocks().size() != rank)
    return false;
  SmallVector<int64_t> tile(rank, 1);
  tile[rank - 2] = BC;
  tile[rank - 1] = BF;
  for (auto [block, size] : llvm::zip_equal(attr.getBlocks(), tile))
    if (block % size != 0 && size % block != 0)
      return false;
  unsigned index = *args.operand(w);
  weights.operand = r.region.getInputs()[index];
  Value packed = packOperand(r, weights, attr);
  if (!packed)
    return false;
  operands[index] = packed;
  packing = attr;
  if (auto plain = reordered(weights, attr)) {
    packing = {};
    weights = *plain;
    filtersInner = weights.strides.back() == 1;
  }
  return true;
}

/// [K x BF] where filters are neighbours in memory, else [BF x K]: the smaller stride goes last. K is BC, or all taps
/// and channels when merged.
Value ConvBuilder::weightTile(ArrayRef<Value> taps, Value channel) {
  KernelText &k = *text;
  Value g = groupGroup ? offsets[*groupGroup] : k.index(0);
  Value f = offsets[channelGroup];
  SmallVector<AffineExpr> extents;
  for (int64_t e : weights.extents)
    extents.push_back(k.constant(e));
  SmallVector<Value> at = {g};
  at.append(taps.begin(), taps.end());
  if (packing) {
    at.append({channel, f});
    transposeWeights = true;
    return k.reshape(k.load(k.packedView(*args.operand(w), extents, packing), at, kernelTile(), {}, "w"),
                     {depth(), BF});
  }
  StridedView v;
  v.arg = *args.operand(w);
  v.offset = k.constant(weights.offset);
  v.extents.assign(extents.begin(), extents.end());
  for (int64_t s : weights.strides)
    v.strides.push_back(k.constant(s));
  bool inbounds = weights.extents.back() % BF == 0 && weights.extents[weights.extents.size() - 2] % BC == 0;
  if (filtersInner) {
    at.append({channel, f});
    transposeWeights = true;
    return k.reshape(k.load(k.view(v), at, kernelTile(), {}, "w", inbounds), {depth(), BF});
  }
  if (merged) { // (g, f, taps..., c)
    v.extents.insert(v.extents.begin() + 1, v.extents.pop_back_val());
    v.strides.insert(v.strides.begin() + 1, v.strides.pop_back_val());
    SmallVector<int64_t> tile = {BF};
    tile.append(shape.kernel.begin(), shape.kernel.end());
    tile.push_back(BC);
    SmallVector<Value> first(weights.extents.size(), k.index(0));
    first[0] = g;
    first[1] = f;
    transposeWeights = false;
    return k.reshape(k.load(k.view(v), first, tile, {}, "w", inbounds), {BF, depth()});
  }
  std::swap(v.extents[v.extents.size() - 1], v.extents[v.extents.size() - 2]);
  std::swap(v.strides[v.strides.size() - 1], v.strides[v.strides.size() - 2]);
  at.append({f, channel});
  transposeWeights = false;
  return k.load(k.view(v), at, {BF, BC}, {}, "w", inbounds);
}

/// [BP x K] where pixelsFirst, else [BC x BP].
Value ConvBuilder::inputTile(ArrayRef<Value> taps, Value channel) {
  KernelText &k = *text;
  if (merged) {
    SmallVector<Value> at(shape.spatial() + 2, k.index(0));
    at[0] = firstPixel;
    SmallVector<int64_t> tile = {BP};
    tile.append(shape.kernel.begin(), shape.kernel.end());
    tile.push_back(BC);
    return k.reshape(k.load(windows, at, tile, {}, "x"), {BP, depth()});
  }
  if (!direct)
    return loadTap(k, windows, taps, channel, BC);
  StridedView v;
  v.arg = xArg;
  v.offset = xAt.offset;
  SmallVector<Value> at;
  auto push = [&](AffineExpr extent, AffineExpr stride, Value offset) {
    v.extents.push_back(extent);
    v.strides.push_back(stride);
    at.push_back(offset);
  };
  if (imageGroup)
    push(shape.images, xAt.strides[0], offsets[*imageGroup]);
  if (groupGroup)
    push(k.constant(shape.groups), product(context, {shape.channels, xAt.strides[1]}), offsets[*groupGroup]);
  // The pixels of input and output are the same, and merged output dims lie as densely in x.
  auto pushPixels = [&](unsigned g) { push(groups[g].extent, xAt.strides[groups[g].last - 1], offsets[g]); };
  for (unsigned g = firstPixelGroup; g < channelGroup; ++g)
    pushPixels(g);
  if (pixelsFirst)
    pushPixels(pixelGroup);
  push(shape.channels, xAt.strides[1], channel);
  if (!pixelsFirst)
    pushPixels(pixelGroup);
  auto p = constantOf(groups[pixelGroup].extent), c = constantOf(shape.channels);
  bool inbounds = p && c && *p % BP == 0 && *c % BC == 0;
  SmallVector<int64_t> tile = {BC, BP};
  if (pixelsFirst)
    std::swap(tile[0], tile[1]);
  return k.load(k.view(v), at, tile, {}, "x", inbounds);
}

SmallVector<Value> ConvBuilder::step(Value t, ValueRange carried) {
  KernelText &k = *text;
  SmallVector<AffineExpr> basis;
  for (int64_t n : shape.kernel)
    basis.push_back(k.constant(n));
  basis.push_back(k.ceilDiv(shape.channels, BC));
  SmallVector<Value> index;
  bool onlyChannels = shape.taps() == 1 || merged;
  if (onlyChannels)
    index.assign(shape.spatial(), k.index(0));
  else
    index = k.delinearize(t, basis);
  Value channel = onlyChannels ? k.mul(t, k.index(BC)) : k.mul(index.back(), k.index(BC));
  ArrayRef<Value> taps = ArrayRef(index).take_front(shape.spatial());
  Value xt = inputTile(taps, channel), wt = weightTile(taps, channel);
  Value a = swap ? wt : xt, b = swap ? xt : wt;
  KernelText::DotFlags flags;
  flags.transA = swap ? transposeWeights : !pixelsFirst;
  flags.transB = swap ? pixelsFirst : !transposeWeights;
  flags.unsignedA = isUnsigned(elementOf(swap ? w : x));
  flags.unsignedB = isUnsigned(elementOf(swap ? x : w));
  flags.precision = r.options.dotPrecision;
  return {k.dot(a, b, carried[0], flags, "mma")};
}

void ConvBuilder::finishRegion(Type acc) {
  KernelText &k = *text;
  k.beginFinish(acc);
  enter(k);
  RegionEval eval(k, args, r.options, frame(swap));
  Value result = k.accumulator(0);
  if (bias) {
    Value b = k.broadcast(eval.evaluate(bias, {resultAccess()[1]}), eval.getFrame().shape());
    ScalarBuilder s(k, result);
    if (isa<FloatType>(accType))
      result = s.addf(result, b);
    else
      result = s.addi(result, b);
  }
  if (r.options.roundFusedEdges)
    result = fromStorage(k, toStorage(k, result, elementOf(y)), elementOf(y));
  eval.bind(y, result);
  storeResults(r.region, eval, args, resultAccess());
  k.yield();
}

BuildResult ConvBuilder::build() {
  describeWeights();
  operands.assign(r.region.getInputs().begin(), r.region.getInputs().end());
  Value outer = operands[*args.operand(w)];
  Problem p = problem(shape.transposed ? "conv_transpose" : "conv");
  p.types["x"] = elementOf(x);
  p.types["w"] = elementOf(w);
  p.flags["const_w"] = bool(outer.getDefiningOp<WeightOp>());
  p.flags["pack_w"] = isPackable(r, outer);
  plan = planFor(r, p);
  analyse(plan.form == "row");
  swap = plan.param("swap", 1);
  direct = shape.isPointwise();
  pixelsFirst = !direct || hasChannelsLast();
  filtersInner = shape.transposed;
  BF = tileSize(plan, "BF", 64, groups[channelGroup].extent,
                p.flags["pack_w"] ? packBlock(plan, "w", shape.spatial() + 2, shape.spatial() + 3) : 1);
  BP = tileSize(plan, "BP", 64, groups[pixelGroup].extent);
  int64_t channels = *constantOf(shape.channels);
  merged = !direct && plan.param("merge", channels < kFewChannels && channels * shape.taps() <= kLargestMerge);
  BC = merged ? channels : tileSize(plan, "BC", 64, shape.channels);
  if (p.flags["pack_w"])
    pack();
  Type element = elementOf(x);
  accType = isa<IntegerType>(element) ? Type(IntegerType::get(context, 32)) : computeType(element);

  text = std::make_unique<KernelText>(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(),
                                      shape.transposed ? "conv_transpose" : "conv",
                                      plan.form == "row" ? "row" : "linear", r.symbols);
  KernelText &k = *text;
  args.declare(k);
  makeGrid(k, BF, BP);
  AffineExpr steps =
      merged ? k.constant(1) : product(context, {k.ceilDiv(shape.channels, BC), k.constant(shape.taps())});
  auto shares = sharesOf(plan, steps);
  if (shares)
    k.addSplit(*shares);
  k.beginBody();
  enter(k);
  if (!direct) {
    windows = window(k);
    firstPixel = pixel(k);
  }
  Value zero = k.zeros(swap ? ArrayRef<int64_t>{BF, BP} : ArrayRef<int64_t>{BP, BF}, accType);
  auto [first, end] = k.part(k.index(0), k.dim(steps), 1);
  auto acc = k.loop("rsc", tile::LoopKind::reduce, first, end, 1, zero,
                    [&](Value t, ValueRange carried) { return step(t, carried); });
  k.yield(acc);
  if (shares)
    foldSums(k, acc[0].getType());
  finishRegion(acc[0].getType());
  return finish(r, k, plan, accType, operands);
}

//===-- depthwise

/// One input and one output channel a group: no product of matrices, but a multiply-add per tap over [channel x pixel].
class DepthwiseBuilder : WindowKernel {
public:
  DepthwiseBuilder(KernelRequest &r, ConvOp op, WindowShape shape)
      : WindowKernel(r, op.getX(), op.getY(), std::move(shape), getDims(op.getY())[1]), op(op) {}
  BuildResult build();

private:
  void describeWeights(const Plan &plan);
  Value weightTile(KernelText &k, ArrayRef<Value> taps, int64_t bf);
  ConvOp op;
  PackSource weights; // logical (taps..., channel)
  SmallVector<Value> operands;
};

/// The weights as the kernel reads them: packed where the plan says so and they are at hand.
void DepthwiseBuilder::describeWeights(const Plan &plan) {
  int64_t stride = shape.taps();
  for (int64_t n : shape.kernel) {
    stride /= n;
    weights.extents.push_back(n);
    weights.strides.push_back(stride);
  }
  weights.extents.push_back(*constantOf(outChannels));
  weights.strides.push_back(shape.taps());
  operands.assign(r.region.getInputs().begin(), r.region.getInputs().end());
  Value &operand = operands[*args.operand(op.getW())];
  weights.operand = operand;
  auto it = plan.packing.find("w");
  auto attr = it == plan.packing.end() ? tile::PackAttr() : dyn_cast<tile::PackAttr>(it->second);
  if (!attr || attr.getBlocks().size() != weights.extents.size() || !isPackable(r, operand))
    return;
  std::optional<PackSource> packed = reordered(weights, attr);
  if (Value weight = packed ? packOperand(r, weights, attr) : Value()) {
    operand = weight;
    weights = *packed;
  }
}

/// [BF x 1] of one tap in the accumulator's type.
Value DepthwiseBuilder::weightTile(KernelText &k, ArrayRef<Value> taps, int64_t bf) {
  StridedView v;
  v.arg = *args.operand(op.getW());
  v.offset = k.constant(0);
  for (auto [extent, stride] : llvm::zip_equal(weights.extents, weights.strides)) {
    v.extents.push_back(k.constant(extent));
    v.strides.push_back(k.constant(stride));
  }
  SmallVector<Value> at(taps);
  at.push_back(offsets[channelGroup]);
  return k.reshape(k.load(k.view(v), at, {bf}, {}, "w"), {bf, 1});
}

BuildResult DepthwiseBuilder::build() {
  Problem p = problem("depthwise");
  p.types["x"] = elementOf(op.getX());
  p.types["w"] = elementOf(op.getW());
  Plan plan = planFor(r, p);
  describeWeights(plan);
  analyse(plan.form == "row");
  int64_t bf = tileSize(plan, "BF", 16, groups[channelGroup].extent);
  int64_t bp = tileSize(plan, "BP", 64, groups[pixelGroup].extent);
  bool isF = isa<FloatType>(elementOf(op.getX()));
  Type acc = isF ? computeType(elementOf(op.getX())) : Type(IntegerType::get(context, 32));

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "depthwise",
               plan.form == "row" ? "row" : "linear", r.symbols);
  args.declare(k);
  makeGrid(k, bf, bp);
  auto widen = [&](Value tile, Type element) -> Value {
    if (isF)
      return fromStorage(k, tile, element);
    auto type = k.tensor(cast<RankedTensorType>(tile.getType()).getShape(), acc);
    if (type == tile.getType())
      return tile;
    return isUnsigned(element) ? Value(arith::ExtUIOp::create(k.b, k.loc, type, tile))
                               : Value(arith::ExtSIOp::create(k.b, k.loc, type, tile));
  };
  k.beginBody();
  enter(k);
  Value init = k.zeros({bf, bp}, acc);
  Value sum = forTaps(k, init, [&](ArrayRef<Value> taps, ValueRange carried) -> SmallVector<Value> {
    Value x = widen(loadPixels(k, taps, offsets[channelGroup], bf), elementOf(op.getX()));
    Value w = k.broadcast(widen(weightTile(k, taps, bf), elementOf(op.getW())), {bf, bp});
    ScalarBuilder s(k, x);
    return {isF ? s.addf(carried[0], s.mulf(x, w)) : s.addi(carried[0], s.muli(x, w))};
  })[0];
  k.yield(sum);
  k.beginFinish(sum.getType());
  enter(k);
  RegionEval eval(k, args, r.options, frame(true));
  Value result = k.accumulator(0);
  if (op.getBias()) {
    Value b = k.broadcast(eval.evaluate(op.getBias(), {resultAccess()[1]}), eval.getFrame().shape());
    ScalarBuilder s(k, result);
    result = isF ? s.addf(result, b) : s.addi(result, b);
  }
  if (r.options.roundFusedEdges)
    result = fromStorage(k, toStorage(k, result, elementOf(y)), elementOf(y));
  eval.bind(y, result);
  storeResults(r.region, eval, args, resultAccess());
  k.yield();
  return finish(r, k, plan, acc, operands);
}

} // namespace

BuildResult buildConv(KernelRequest &r) { return ConvBuilder(r, anchorOf(r.region)).build(); }

BuildResult buildDepthwise(KernelRequest &r) {
  auto conv = cast<ConvOp>(anchorOf(r.region));
  WindowShape shape = shapeOfConv(conv);
  shape.groups = 1; // the channels of all groups form one dim
  shape.channels = getDims(conv.getX())[1];
  return DepthwiseBuilder(r, conv, shape).build();
}

} // namespace adze::kernels
