// Verifiers of single operations. Rules that need the whole kernel are in compiler/verify (pass tile-verify).
//
// Casts: `sat` must be written for targets that have no way to show an overflow (fp4, fp6). For fp8 and integers its
// absence is the model's own choice (ONNX Cast with saturate = 0; C-like wrap-around) and is therefore legal.
#include "dialects/tile/TileDialect.h"
#include "llvm/ADT/SmallBitVector.h"
#include <numeric>

using namespace mlir;

namespace adze::tile {
namespace {

bool isFloatNarrowerThanF32(Type t) { return isa<FloatType>(t) && t.getIntOrFloatBitWidth() < 32; }

bool isTileElement(Type t) {
  if (auto i = dyn_cast<IntegerType>(t))
    return i.isSignless() && llvm::is_contained({1u, 2u, 4u, 8u, 16u, 32u, 64u}, i.getWidth());
  return isa<FloatType>(t) && t.getIntOrFloatBitWidth() <= 64;
}

/// A tile is static, has at most kMaxTileRank dims of at least one element and an element type of the dialect.
LogicalResult checkTile(Operation *op, StringRef name, Type type) {
  auto tile = dyn_cast<RankedTensorType>(type);
  if (!tile || !tile.hasStaticShape())
    return op->emitOpError() << name << " must be a tile of static shape, got " << type;
  if (tile.getRank() > kMaxTileRank)
    return op->emitOpError() << name << " has " << tile.getRank() << " dims; a tile has at most " << kMaxTileRank;
  if (!isTileElement(tile.getElementType()))
    return op->emitOpError() << name << " has element type " << tile.getElementType()
                             << "; a tile holds floats or signless integers of 1, 2, 4, 8, 16, 32 or 64 bits";
  if (llvm::is_contained(tile.getShape(), 0))
    return op->emitOpError() << name << " has an empty dim: " << type;
  return success();
}

LogicalResult checkTiles(Operation *op) {
  for (auto [i, t] : llvm::enumerate(op->getOperandTypes()))
    if (isa<TensorType>(t) && failed(checkTile(op, "operand " + std::to_string(i), t)))
      return failure();
  for (auto [i, t] : llvm::enumerate(op->getResultTypes()))
    if (isa<TensorType>(t) && failed(checkTile(op, "result " + std::to_string(i), t)))
      return failure();
  return success();
}

RankedTensorType tileOf(Value v) { return cast<RankedTensorType>(v.getType()); }

LogicalResult checkDim(Operation *op, int64_t dim, int64_t rank) {
  if (dim < 0 || dim >= rank)
    return op->emitOpError() << "dim " << dim << " is not in [0, " << rank << ")";
  return success();
}

LogicalResult checkOffsets(Operation *op, ViewType view, size_t offsets) {
  if (offsets != view.getRank())
    return op->emitOpError() << "has " << offsets << " offsets for a view with " << view.getRank()
                             << " dims; give one a dim";
  return success();
}

/// Sizes in blocked dims are multiples or divisors of the block, so that no tile cuts a block at two places.
LogicalResult checkBlocks(Operation *op, ViewType view, RankedTensorType tile) {
  SmallVector<int64_t> blocks(view.getRank(), 1);
  if (auto pack = dyn_cast_or_null<PackAttr>(view.getLayout()))
    blocks.assign(pack.getBlocks().begin(), pack.getBlocks().end());
  if (auto composite = dyn_cast_or_null<CompositeAttr>(view.getLayout())) {
    unsigned next = 0;
    for (auto [d, n] : llvm::enumerate(composite.getGroups()))
      for (int64_t i = 1; i < n; ++i)
        blocks[d] *= composite.getInner()[next++];
  }
  unsigned lead = view.getRank() - tile.getRank();
  for (int64_t i = 0; i < tile.getRank(); ++i) {
    int64_t size = tile.getDimSize(i), block = blocks[lead + i];
    if (size % block && block % size)
      return op->emitOpError() << "tile dim " << i << " of size " << size << " cuts the layout's block of " << block
                               << "; use a multiple or a divisor";
  }
  return success();
}

/// Offsets, rank and element type of a tile that is moved from or to a view.
LogicalResult checkAccess(Operation *op, ViewType view, size_t offsets, RankedTensorType tile) {
  if (failed(checkTiles(op)) || failed(checkOffsets(op, view, offsets)))
    return failure();
  if (tile.getRank() > static_cast<int64_t>(view.getRank()))
    return op->emitOpError() << "tile has more dims (" << tile.getRank() << ") than the view (" << view.getRank()
                             << ")";
  return checkBlocks(op, view, tile);
}

LogicalResult checkElement(Operation *op, ViewType view, Type element) {
  if (view.getElementType() != element)
    return op->emitOpError() << "tile of " << element << " does not match the view's " << view.getElementType()
                             << "; convert with tile.cast";
  return success();
}

LogicalResult checkReadable(Operation *op, ViewType view) {
  if (view.getEffect() == Effect::out)
    return op->emitOpError("reads an `out` argument; declare it inout, and read only what the same program writes");
  return success();
}

LogicalResult checkWritable(Operation *op, ViewType view) {
  if (view.getEffect() == Effect::in)
    return op->emitOpError("writes an `in` argument; declare it out or inout");
  if (isa_and_nonnull<WindowedAttr>(view.getLayout()))
    return op->emitOpError("a windowed view cannot be written");
  return success();
}

LogicalResult checkPad(Operation *op, std::optional<TypedAttr> pad, Type element) {
  if (pad && pad->getType() != element)
    return op->emitOpError() << "pad has type " << pad->getType() << ", the tile holds " << element;
  return success();
}

/// Result shape is `shape`, element type that of `source`.
LogicalResult checkResult(Operation *op, RankedTensorType result, ArrayRef<int64_t> shape, Type element) {
  auto expected = RankedTensorType::get(shape, element);
  if (result != expected)
    return op->emitOpError() << "result must be " << expected << ", got " << result;
  return success();
}

/// Which kinds a type has, and sums of floats only in f32 or f64.
LogicalResult checkKind(Operation *op, TileReduceKind kind, Type element) {
  bool isFloat = isa<FloatType>(element);
  bool bits = llvm::is_contained({TileReduceKind::And, TileReduceKind::Or, TileReduceKind::Xor}, kind);
  bool num = kind == TileReduceKind::maxnum || kind == TileReduceKind::minnum;
  if ((bits && isFloat) || (num && !isFloat))
    return op->emitOpError() << "kind " << stringifyTileReduceKind(kind) << " is not defined for " << element;
  bool sums = kind == TileReduceKind::add || kind == TileReduceKind::mul;
  if (sums && isFloatNarrowerThanF32(element))
    return op->emitOpError() << "accumulates in " << element << "; cast to f32 first";
  return success();
}

/// Index tile of gather and scatter: one entry a row of `dim`, or one an element.
LogicalResult checkIndices(Operation *op, ViewType view, RankedTensorType tile, RankedTensorType indices, int64_t dim) {
  if (failed(checkDim(op, dim, view.getRank())))
    return failure();
  if (isa_and_nonnull<WindowedAttr>(view.getLayout()))
    return op->emitOpError("a windowed view cannot be indexed");
  if (!indices.getElementType().isInteger(32) && !indices.getElementType().isInteger(64))
    return op->emitOpError() << "indices must be i32 or i64, got " << indices.getElementType();
  if (indices.getShape() == tile.getShape())
    return success();
  int64_t tileDim = dim - (static_cast<int64_t>(view.getRank()) - tile.getRank());
  if (indices.getRank() != 1 || tileDim < 0 || indices.getDimSize(0) != tile.getDimSize(tileDim))
    return op->emitOpError() << "index tile " << indices << " must be 1-D with the tile's extent in dim " << dim
                             << " of the view, or have the tile's own shape";
  return success();
}

//===-- kernel
//-----------------------------------------------------------------------------------------------------===//

LogicalResult checkKernelAttrs(KernelOp kernel) {
  AffineMap map = kernel.getGridExtents();
  if (map.getNumDims() != kernel.getNumDims() || map.getNumSymbols() != 0)
    return kernel.emitOpError() << "grid_extents takes " << map.getNumDims() << " dims and " << map.getNumSymbols()
                                << " symbols; the kernel has " << kernel.getNumDims() << " dims";
  if (map.getNumResults() != kernel.getGridRank())
    return kernel.emitOpError() << "has " << map.getNumResults() << " grid extents and " << kernel.getGridRank()
                                << " grid steps";
  for (int64_t s : kernel.getGridSteps())
    if (s <= 0)
      return kernel.emitOpError() << "grid step must be positive, got " << s;
  bool scalars = false;
  for (Attribute a : kernel.getArgTypes()) {
    Type t = cast<TypeAttr>(a).getValue();
    bool isRef = isa<RefType>(t);
    if (isRef && scalars)
      return kernel.emitOpError("arg_types must list refs before scalars");
    if (!isRef && !t.isIntOrIndexOrFloat())
      return kernel.emitOpError() << "argument of type " << t << " is neither a ref nor a scalar";
    scalars |= !isRef;
  }
  if (auto split = kernel.getSplit()) {
    if (*split >= kernel.getGridRank())
      return kernel.emitOpError() << "split names grid dim " << *split << " of " << kernel.getGridRank();
    if (kernel.getGridSteps()[*split] != 1)
      return kernel.emitOpError("the split dim counts shares: its step must be 1");
  }
  if (auto align = kernel.getAlign(); align && align->size() != kernel.getNumArgs())
    return kernel.emitOpError() << "align has " << align->size() << " entries for " << kernel.getNumArgs()
                                << " arguments";
  if (auto facts = kernel.getFacts())
    for (NamedAttribute f : *facts)
      if (llvm::none_of(kernel.getDims(), [&](Attribute d) { return cast<StringAttr>(d).getValue() == f.getName(); }))
        return kernel.emitOpError() << "facts name an unknown dim " << f.getName();
  return success();
}

LogicalResult checkRegion(KernelOp kernel, Region &region, StringRef name, TypeRange accumulators, TypeRange yields) {
  if (!region.hasOneBlock())
    return kernel.emitOpError() << name << " must have one block";
  SmallVector<Type> expected(kernel.getNumDims(), IndexType::get(kernel.getContext()));
  for (Attribute a : kernel.getArgTypes())
    expected.push_back(cast<TypeAttr>(a).getValue());
  bool hidden = kernel.getSplit().has_value() && &region != &kernel.getBody();
  expected.append(kernel.getGridRank() - hidden, IndexType::get(kernel.getContext()));
  llvm::append_range(expected, accumulators);
  Block &block = region.front();
  if (TypeRange(block.getArgumentTypes()) != TypeRange(expected))
    return kernel.emitOpError() << name << " must take (dims, arguments, grid offsets, accumulators) = ("
                                << TypeRange(expected) << "), got (" << TypeRange(block.getArgumentTypes()) << ")";
  auto yield = block.empty() ? nullptr : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return kernel.emitOpError() << name << " must end in tile.yield";
  if (TypeRange(yield.getOperandTypes()) != yields)
    return kernel.emitOpError() << name << " must yield (" << yields << "), got (" << TypeRange(yield.getOperandTypes())
                                << ")";
  return success();
}

} // namespace

LogicalResult KernelOp::verify() {
  if (failed(checkKernelAttrs(*this)))
    return failure();
  if (!getBody().hasOneBlock() || getBody().front().empty() || !isa<YieldOp>(getBody().front().back()))
    return emitOpError("body must have one block that ends in tile.yield");
  SmallVector<Type> acc(getAccumulatorTypes());
  bool hasFold = !getFold().empty(), hasFinish = !getFinish().empty();
  if (hasFinish == acc.empty())
    return hasFinish ? emitOpError("has finish, so body must yield accumulators")
                     : emitOpError("body yields accumulators, so the kernel needs finish");
  for (Type t : acc)
    if (failed(checkTile(*this, "an accumulator", t)))
      return failure();
  if (hasFold != getSplit().has_value())
    return hasFold ? emitOpError("has fold but no split grid dim") : emitOpError("has a split grid dim but no fold");
  if (failed(checkRegion(*this, getBody(), "body", {}, acc)))
    return failure();
  SmallVector<Type> both(acc);
  llvm::append_range(both, acc);
  if (hasFold && failed(checkRegion(*this, getFold(), "fold", both, acc)))
    return failure();
  if (hasFinish && failed(checkRegion(*this, getFinish(), "finish", acc, {})))
    return failure();
  return success();
}

//===-- views
//------------------------------------------------------------------------------------------------------===//

LogicalResult ViewOp::verify() {
  RefType ref = getRef().getType();
  ViewType view = getView().getType();
  if (ref.getElementType() != view.getElementType() || ref.getEffect() != view.getEffect())
    return emitOpError() << "view must keep the ref's element type and effect: " << ref << " and " << view;
  if (isa_and_nonnull<WindowedAttr>(view.getLayout()))
    return emitOpError("windowed views are made by tile.window");
  auto dynamic = llvm::count_if(view.getShape(), ShapedType::isDynamic);
  if (static_cast<int64_t>(getExtents().size()) != dynamic)
    return emitOpError() << "has " << getExtents().size() << " extents for " << dynamic << " dynamic dims";
  size_t physical = view.getRank();
  if (auto composite = dyn_cast_or_null<CompositeAttr>(view.getLayout()))
    physical = std::accumulate(composite.getGroups().begin(), composite.getGroups().end(), int64_t(0));
  bool packed = isa_and_nonnull<PackAttr>(view.getLayout());
  if (packed && (!getStrides().empty() || getOffset()))
    return emitOpError("a packed view has neither strides nor offset");
  if (!getStrides().empty() && getStrides().size() != physical)
    return emitOpError() << "has " << getStrides().size() << " strides for " << physical << " physical dims";
  return success();
}

/// The layout that remains when `drop` leading dims are fixed; failure when a dropped dim is blocked.
static FailureOr<Attribute> dropLeading(SubviewOp op, Attribute layout, unsigned drop) {
  MLIRContext *context = op.getContext();
  if (auto pack = dyn_cast_or_null<PackAttr>(layout)) {
    for (unsigned d = 0; d < drop; ++d)
      if (pack.getBlocks()[d] != 1)
        return op.emitOpError() << "fixes dim " << d << ", which is blocked by " << pack.getBlocks()[d];
    unsigned rank = pack.getMap().getNumDims();
    SmallVector<AffineExpr> dims(rank), results;
    for (unsigned d = 0; d < rank; ++d)
      dims[d] = getAffineDimExpr(d < drop ? 0 : d - drop, context);
    for (AffineExpr e : pack.getMap().getResults()) {
      bool dropped = false;
      for (unsigned d = 0; d < drop; ++d)
        dropped |= e.isFunctionOfDim(d);
      if (!dropped)
        results.push_back(e.replaceDims(dims));
    }
    auto map = AffineMap::get(rank - drop, 0, results, context);
    return Attribute(PackAttr::get(context, map, pack.getBlocks().drop_front(drop), pack.getInner()));
  }
  if (auto composite = dyn_cast_or_null<CompositeAttr>(layout)) {
    int64_t inner = 0;
    for (int64_t g : composite.getGroups().take_front(drop))
      inner += g - 1;
    auto rest = composite.getGroups().drop_front(drop);
    if (llvm::all_of(rest, [](int64_t g) { return g == 1; }))
      return Attribute();
    return Attribute(CompositeAttr::get(context, rest, composite.getInner().drop_front(inner)));
  }
  return layout;
}

LogicalResult SubviewOp::verify() {
  ViewType source = getSource().getType(), view = getView().getType();
  if (isa_and_nonnull<WindowedAttr>(source.getLayout()))
    return emitOpError("a windowed view has no leading dims to fix; take the subview before tile.window");
  unsigned drop = getOffsets().size();
  if (drop > source.getRank())
    return emitOpError() << "fixes " << drop << " dims of a view with " << source.getRank();
  auto layout = dropLeading(*this, source.getLayout(), drop);
  if (failed(layout))
    return failure();
  auto expected = ViewType::get(getContext(), source.getShape().drop_front(drop), source.getElementType(),
                                source.getEffect(), *layout);
  if (view != expected)
    return emitOpError() << "result must be " << expected << ", got " << view;
  return success();
}

LogicalResult WindowOp::verify() {
  ViewType source = getSource().getType(), view = getView().getType();
  size_t spatial = getOut().size();
  if (spatial < 1 || spatial > 3)
    return emitOpError() << "has " << spatial << " spatial dims; 1 to 3 are supported";
  if (source.getRank() != spatial + 2)
    return emitOpError() << "source must be [N, spatial..., C] with " << spatial + 2 << " dims, got " << source;
  if (isa_and_nonnull<WindowedAttr>(source.getLayout()))
    return emitOpError("a window of a window is not supported");
  if (getKernel().size() != spatial || getStride().size() != spatial || getDilation().size() != spatial ||
      getPad().size() != 2 * spatial)
    return emitOpError() << "kernel, stride and dilation need " << spatial
                         << " entries, pad (all begins, then all ends) " << 2 * spatial;
  for (auto values : {getKernel(), getStride(), getDilation()})
    for (int64_t v : values)
      if (v < 1)
        return emitOpError() << "kernel, stride and dilation must be at least 1, got " << v;
  SmallVector<int64_t> shape{view.getRank() ? view.getShape()[0] : ShapedType::kDynamic};
  llvm::append_range(shape, getKernel());
  shape.push_back(source.getShape().back());
  auto expected = ViewType::get(getContext(), shape, source.getElementType(), source.getEffect(),
                                WindowedAttr::get(getContext(), spatial));
  if (view != expected)
    return emitOpError() << "result must be " << expected << ", got " << view;
  if (source.getEffect() != Effect::in)
    return emitOpError("a windowed view is read only: its argument must be `in`");
  return success();
}

LogicalResult DimOp::verify() { return checkDim(*this, getIndex(), getView().getType().getRank()); }

LogicalResult PartOp::verify() {
  if (static_cast<int64_t>(getStep()) <= 0)
    return emitOpError() << "step must be positive, got " << static_cast<int64_t>(getStep());
  return success();
}

LogicalResult AssumeOp::verify() {
  if (static_cast<int64_t>(getDiv()) <= 0)
    return emitOpError() << "div must be positive, got " << static_cast<int64_t>(getDiv());
  if (getMin() && getMax() && static_cast<int64_t>(*getMin()) > static_cast<int64_t>(*getMax()))
    return emitOpError() << "min " << static_cast<int64_t>(*getMin()) << " exceeds max "
                         << static_cast<int64_t>(*getMax());
  return success();
}

//===-- memory
//-----------------------------------------------------------------------------------------------------===//

LogicalResult LoadOp::verify() {
  ViewType view = getView().getType();
  if (failed(checkAccess(*this, view, getOffsets().size(), tileOf(getTile()))) || failed(checkReadable(*this, view)) ||
      failed(checkElement(*this, view, tileOf(getTile()).getElementType())))
    return failure();
  return checkPad(*this, getPad(), view.getElementType());
}

LogicalResult LoadScalarOp::verify() {
  ViewType view = getView().getType();
  if (getValue().getType() != view.getElementType())
    return emitOpError() << "result must be " << view.getElementType() << ", got " << getValue().getType();
  if (failed(checkOffsets(*this, view, getOffsets().size())))
    return failure();
  return checkReadable(*this, view);
}

LogicalResult StoreOp::verify() {
  ViewType view = getView().getType();
  RankedTensorType tile = tileOf(getTile());
  if (failed(checkAccess(*this, view, getOffsets().size(), tile)) || failed(checkWritable(*this, view)) ||
      failed(checkElement(*this, view, tile.getElementType())))
    return failure();
  if (getMask() && getMask().getType() != tile.clone(IntegerType::get(getContext(), 1)))
    return emitOpError() << "mask must be " << tile.clone(IntegerType::get(getContext(), 1)) << ", got "
                         << getMask().getType();
  return success();
}

LogicalResult ValidOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  if (!tile.getElementType().isInteger(1))
    return emitOpError() << "result must be a tile of i1, got " << tile;
  return checkAccess(*this, getView().getType(), getOffsets().size(), tile);
}

LogicalResult GatherOp::verify() {
  ViewType view = getView().getType();
  RankedTensorType tile = tileOf(getTile());
  if (failed(checkAccess(*this, view, getOffsets().size(), tile)) || failed(checkReadable(*this, view)) ||
      failed(checkElement(*this, view, tile.getElementType())) ||
      failed(checkIndices(*this, view, tile, tileOf(getIndices()), getDim())))
    return failure();
  return checkPad(*this, getPad(), view.getElementType());
}

LogicalResult ScatterOp::verify() {
  ViewType view = getView().getType();
  RankedTensorType tile = tileOf(getTile());
  if (failed(checkAccess(*this, view, getOffsets().size(), tile)) || failed(checkWritable(*this, view)) ||
      failed(checkElement(*this, view, tile.getElementType())) ||
      failed(checkIndices(*this, view, tile, tileOf(getIndices()), getDim())))
    return failure();
  bool combines = getCombine() != CombineKind::set && getCombine() != CombineKind::unique;
  if (combines && view.getEffect() != Effect::inout)
    return emitOpError() << "combines with the old value, so its argument must be inout";
  return success();
}

//===-- shape
//------------------------------------------------------------------------------------------------------===//

LogicalResult SplatOp::verify() {
  if (failed(checkTiles(*this)))
    return failure();
  if (getValue().getType() != tileOf(getTile()).getElementType())
    return emitOpError() << "scalar of type " << getValue().getType() << " cannot fill " << getTile().getType();
  return success();
}

LogicalResult IotaOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  if (failed(checkTiles(*this)))
    return failure();
  if (!isa<IntegerType>(tile.getElementType()))
    return emitOpError() << "result must hold integers, got " << tile;
  return checkDim(*this, getDim(), tile.getRank());
}

LogicalResult BroadcastOp::verify() {
  RankedTensorType from = tileOf(getSource()), to = tileOf(getTile());
  if (failed(checkTiles(*this)))
    return failure();
  if (from.getRank() != to.getRank() || from.getElementType() != to.getElementType())
    return emitOpError() << "must keep rank and element type: " << from << " to " << to;
  for (int64_t i = 0; i < from.getRank(); ++i)
    if (from.getDimSize(i) != to.getDimSize(i) && from.getDimSize(i) != 1)
      return emitOpError() << "expands dim " << i << " of size " << from.getDimSize(i) << "; only size 1 expands";
  return success();
}

LogicalResult ReshapeOp::verify() {
  RankedTensorType from = tileOf(getSource()), to = tileOf(getTile());
  if (failed(checkTiles(*this)))
    return failure();
  if (from.getNumElements() != to.getNumElements() || from.getElementType() != to.getElementType())
    return emitOpError() << "must keep the number and type of elements: " << from << " to " << to;
  return success();
}

LogicalResult TransposeOp::verify() {
  RankedTensorType from = tileOf(getSource());
  if (failed(checkTiles(*this)))
    return failure();
  llvm::SmallBitVector seen(from.getRank());
  SmallVector<int64_t> shape;
  for (int64_t p : getPerm()) {
    if (p < 0 || p >= from.getRank() || seen[p])
      return emitOpError("perm is not a permutation of the source's dims");
    seen.set(p);
    shape.push_back(from.getDimSize(p));
  }
  if (!seen.all())
    return emitOpError("perm is not a permutation of the source's dims");
  return checkResult(*this, tileOf(getTile()), shape, from.getElementType());
}

LogicalResult SliceOp::verify() {
  RankedTensorType from = tileOf(getSource()), to = tileOf(getTile());
  if (failed(checkTiles(*this)))
    return failure();
  size_t rank = from.getRank();
  if (getOffsets().size() != rank || getStrides().size() != rank || to.getRank() != from.getRank() ||
      from.getElementType() != to.getElementType())
    return emitOpError() << "needs one offset and stride a dim and a result of the same rank and element type";
  for (size_t i = 0; i < rank; ++i) {
    int64_t o = getOffsets()[i], s = getStrides()[i];
    if (o < 0 || s < 1 || o + (to.getDimSize(i) - 1) * s >= from.getDimSize(i))
      return emitOpError() << "leaves the source in dim " << i << ": offset " << o << ", stride " << s << ", size "
                           << to.getDimSize(i) << " of " << from.getDimSize(i);
  }
  return success();
}

LogicalResult ConcatOp::verify() {
  RankedTensorType to = tileOf(getTile());
  if (failed(checkTiles(*this)) || failed(checkDim(*this, getDim(), to.getRank())))
    return failure();
  if (getSources().empty())
    return emitOpError("needs at least one source");
  int64_t total = 0, dim = getDim();
  for (Value v : getSources()) {
    RankedTensorType t = tileOf(v);
    bool same = t.getRank() == to.getRank() && t.getElementType() == to.getElementType();
    for (int64_t i = 0; same && i < to.getRank(); ++i)
      same = i == dim || t.getDimSize(i) == to.getDimSize(i);
    if (!same)
      return emitOpError() << "source " << t << " does not fit " << to << " outside dim " << dim;
    total += t.getDimSize(dim);
  }
  if (total != to.getDimSize(dim))
    return emitOpError() << "sources add up to " << total << " in dim " << dim << ", the result has "
                         << to.getDimSize(dim);
  return success();
}

LogicalResult CastOp::verify() {
  RankedTensorType from = tileOf(getSource()), to = tileOf(getTile());
  if (failed(checkTiles(*this)))
    return failure();
  if (from.getShape() != to.getShape())
    return emitOpError() << "must keep the shape: " << from << " to " << to;
  bool integerSource = isa<IntegerType>(from.getElementType()), integerTarget = isa<IntegerType>(to.getElementType());
  if (getUnsignedSrc() && !integerSource)
    return emitOpError() << "unsigned_src needs an integer source, got " << from.getElementType();
  if (getUnsignedDst() && !integerTarget)
    return emitOpError() << "unsigned_dst needs an integer result, got " << to.getElementType();
  if (auto f = dyn_cast<FloatType>(to.getElementType()); f && f.getWidth() < 8 && !getSat())
    return emitOpError() << "to " << f << " needs `sat`: the type cannot show an overflow";
  return success();
}

LogicalResult BitcastOp::verify() {
  RankedTensorType from = tileOf(getSource()), to = tileOf(getTile());
  if (failed(checkTiles(*this)))
    return failure();
  int64_t rank = from.getRank();
  auto bits = [](RankedTensorType t) {
    return (t.getRank() ? t.getShape().back() : 1) * t.getElementType().getIntOrFloatBitWidth();
  };
  if (to.getRank() != rank || (rank && from.getShape().drop_back() != to.getShape().drop_back()) ||
      bits(from) != bits(to))
    return emitOpError() << "must keep leading dims and the bits of the last: " << from << " to " << to;
  return success();
}

//===-- contraction, reduction, order
//------------------------------------------------------------------------------===//

static LogicalResult checkDotTypes(DotOp op, Type a, Type b, Type acc) {
  bool ints = isa<IntegerType>(a) && isa<IntegerType>(b);
  if (!ints && !(isa<FloatType>(a) && isa<FloatType>(b)))
    return op.emitOpError() << "operands must be both floats or both integers, got " << a << " and " << b;
  unsigned width = std::max(a.getIntOrFloatBitWidth(), b.getIntOrFloatBitWidth());
  if (ints ? !acc.isInteger(width > 32 ? 64 : 32) && !acc.isInteger(64) : width > 32 ? !acc.isF64() : !acc.isF32())
    return op.emitOpError() << "of " << a << " and " << b << " accumulates in "
                            << (ints ? (width > 32 ? "i64" : "i32 or i64") : (width > 32 ? "f64" : "f32")) << ", got "
                            << acc;
  if (!ints && (op.getUnsignedA() || op.getUnsignedB()))
    return op.emitOpError("unsigned_a and unsigned_b are for integers");
  if (op.getPrecision() != DotPrecision::ieee && !(a.isF32() && b.isF32()))
    return op.emitOpError() << "precision " << stringifyDotPrecision(op.getPrecision()) << " is for f32 operands";
  if (op.getPromote() && (ints || static_cast<int64_t>(*op.getPromote()) < 1))
    return op.emitOpError("promote needs float operands and a positive count");
  return success();
}

LogicalResult DotOp::verify() {
  RankedTensorType a = tileOf(getA()), b = tileOf(getB()), acc = tileOf(getAcc());
  if (failed(checkTiles(*this)))
    return failure();
  int64_t rank = acc.getRank();
  if ((rank != 2 && rank != 3) || a.getRank() != rank || b.getRank() != rank)
    return emitOpError() << "operands must all have 2 dims, or 3 with a leading batch dim: " << a << ", " << b << ", "
                         << acc;
  auto size = [&](RankedTensorType t, bool second, bool trans) { return t.getDimSize(rank - 2 + (second != trans)); };
  int64_t m = size(a, false, getTransA()), k = size(a, true, getTransA());
  int64_t kb = size(b, false, getTransB()), n = size(b, true, getTransB());
  if (k != kb)
    return emitOpError() << "K of a is " << k << ", K of b is " << kb;
  if (acc.getDimSize(rank - 2) != m || acc.getDimSize(rank - 1) != n)
    return emitOpError() << "accumulator must be " << m << "x" << n << ", got " << acc;
  if (rank == 3 && (a.getDimSize(0) != acc.getDimSize(0) || b.getDimSize(0) != acc.getDimSize(0)))
    return emitOpError("batch dims differ");
  return checkDotTypes(*this, a.getElementType(), b.getElementType(), acc.getElementType());
}

LogicalResult ReduceOp::verify() {
  RankedTensorType from = tileOf(getSource());
  if (failed(checkTiles(*this)) || failed(checkDim(*this, getDim(), from.getRank())) ||
      failed(checkKind(*this, getKind(), from.getElementType())))
    return failure();
  SmallVector<int64_t> shape(from.getShape());
  shape[getDim()] = 1;
  return checkResult(*this, tileOf(getTile()), shape, from.getElementType());
}

LogicalResult ArgReduceOp::verify() {
  RankedTensorType from = tileOf(getSource()), index = tileOf(getIndex());
  if (failed(checkTiles(*this)) || failed(checkDim(*this, getDim(), from.getRank())))
    return failure();
  SmallVector<int64_t> shape(from.getShape());
  shape[getDim()] = 1;
  if (!index.getElementType().isInteger(32) && !index.getElementType().isInteger(64))
    return emitOpError() << "index must be i32 or i64, got " << index.getElementType();
  if (failed(checkResult(*this, tileOf(getValue()), shape, from.getElementType())))
    return failure();
  return checkResult(*this, index, shape, index.getElementType());
}

LogicalResult ScanOp::verify() {
  RankedTensorType from = tileOf(getSource());
  if (failed(checkTiles(*this)) || failed(checkDim(*this, getDim(), from.getRank())) ||
      failed(checkKind(*this, getKind(), from.getElementType())))
    return failure();
  return checkResult(*this, tileOf(getTile()), from.getShape(), from.getElementType());
}

LogicalResult SortOp::verify() {
  RankedTensorType keys = tileOf(getKeys()), values = tileOf(getValues());
  if (failed(checkTiles(*this)) || failed(checkDim(*this, getDim(), keys.getRank())))
    return failure();
  if (keys.getShape() != values.getShape())
    return emitOpError() << "keys " << keys << " and values " << values << " must have one shape";
  return success();
}

LogicalResult TopKOp::verify() {
  RankedTensorType keys = tileOf(getKeys()), values = tileOf(getValues()), top = tileOf(getTopKeys());
  if (failed(checkTiles(*this)) || failed(checkDim(*this, getDim(), keys.getRank())))
    return failure();
  if (keys.getShape() != values.getShape())
    return emitOpError() << "keys " << keys << " and values " << values << " must have one shape";
  if (top.getRank() != keys.getRank())
    return emitOpError() << "result must keep the rank of " << keys << ", got " << top;
  SmallVector<int64_t> shape(keys.getShape());
  if (top.getDimSize(getDim()) > shape[getDim()])
    return emitOpError() << "takes " << top.getDimSize(getDim()) << " of " << shape[getDim()] << " keys";
  shape[getDim()] = top.getDimSize(getDim());
  if (failed(checkResult(*this, top, shape, keys.getElementType())))
    return failure();
  return checkResult(*this, tileOf(getTopValues()), shape, values.getElementType());
}

} // namespace adze::tile
