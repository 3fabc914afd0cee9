#include "compiler/kernels/KernelText.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"

using namespace mlir;

namespace adze::kernels {

Type tileType(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(element.getContext(), integer.getWidth());
  return element;
}

KernelText::KernelText(ModuleOp module, Location loc, StringRef family, StringRef form,
                       const graph::SymbolTable &symbols)
    : b(module.getContext()), loc(loc), context(module.getContext()), symbols(symbols) {
  b.setInsertionPointToEnd(module.getBody());
  std::string key = (family + "." + form).str();
  OperationState state(loc, tile::KernelOp::getOperationName());
  state.addAttribute("sym_name", b.getStringAttr(key));
  state.addAttribute("key", b.getStringAttr(key));
  state.addAttribute("dims", b.getArrayAttr({}));
  state.addAttribute("arg_types", b.getArrayAttr({}));
  state.addAttribute("grid_extents", AffineMapAttr::get(AffineMap::get(context)));
  state.addAttribute("grid_steps", b.getDenseI64ArrayAttr({}));
  for (int i = 0; i < 3; ++i)
    state.addRegion();
  op = cast<tile::KernelOp>(b.create(state));
}

//===-- signature

unsigned KernelText::addRef(Type graphElement, tile::Effect effect) {
  refs.push_back(tile::RefType::get(context, tileType(graphElement), effect));
  return refs.size() - 1;
}

unsigned KernelText::addGrid(AffineExpr extent, int64_t step) {
  grid.push_back({extent, step});
  if (!graph::constantOf(extent))
    dimNumber(extent);
  return grid.size() - 1;
}

unsigned KernelText::addSplit(AffineExpr shares) {
  split = addGrid(shares);
  return *split;
}

std::pair<Value, Value> KernelText::part(Value lo, Value hi, int64_t step) {
  if (!split)
    return {lo, hi};
  auto part = tile::PartOp::create(b, loc, offset(*split), dim(grid[*split].extent), lo, hi, b.getI64IntegerAttr(step));
  return {part.getFrom(), part.getTo()};
}

unsigned KernelText::dimNumber(AffineExpr expr) {
  for (auto [i, e] : llvm::enumerate(dims))
    if (graph::provablyEqual(e, expr))
      return i;
  unsigned number = dims.size();
  dims.push_back(expr);
  for (Region *region : {&op.getBody(), &op.getFold(), &op.getFinish()})
    if (!region->empty())
      region->front().insertArgument(number, b.getIndexType(), loc);
  return number;
}

//===-- regions

void KernelText::begin(Region &region, TypeRange accumulators) {
  block = new Block();
  region.push_back(block);
  head = nullptr;
  constants.clear();
  views.clear();
  for (size_t i = 0; i < dims.size(); ++i)
    block->addArgument(b.getIndexType(), loc);
  for (Type t : refs)
    block->addArgument(t, loc);
  bool hidden = split && &region != &op.getBody();
  for (size_t i = 0; i < grid.size() - hidden; ++i)
    block->addArgument(b.getIndexType(), loc);
  for (Type t : accumulators)
    block->addArgument(t, loc);
  b.setInsertionPointToEnd(block);
}

void KernelText::beginFold(TypeRange accumulators) {
  SmallVector<Type> twice(accumulators);
  llvm::append_range(twice, accumulators);
  begin(op.getFold(), twice);
}

void KernelText::yield(ValueRange values) {
  b.setInsertionPointToEnd(block);
  tile::YieldOp::create(b, loc, values);
}

Value KernelText::arg(unsigned i) { return block->getArgument(dims.size() + i); }

Value KernelText::offset(unsigned g) {
  // The split dim's share is missing in fold and finish.
  unsigned position = g - (split && g > *split && block->getParent() != &op.getBody());
  return block->getArgument(dims.size() + refs.size() + position);
}

Value KernelText::accumulator(unsigned i) {
  bool hidden = split && block->getParent() != &op.getBody();
  return block->getArgument(dims.size() + refs.size() + grid.size() - hidden + i);
}

//===-- index values

Value KernelText::atHead(llvm::function_ref<Value(OpBuilder &)> make) {
  OpBuilder::InsertionGuard guard(b);
  if (head)
    b.setInsertionPointAfter(head);
  else
    b.setInsertionPointToStart(block);
  Value v = make(b);
  head = v.getDefiningOp();
  return v;
}

Value KernelText::index(int64_t value) {
  Value &cached = constants[value];
  if (!cached)
    cached = atHead([&](OpBuilder &b) -> Value { return arith::ConstantIndexOp::create(b, loc, value); });
  return cached;
}

Value KernelText::dim(AffineExpr expr) {
  if (auto c = graph::constantOf(simplifyAffineExpr(expr, 0, symbols.size())))
    return index(*c);
  unsigned number = dimNumber(expr); // may insert an argument: not inside the call below
  return block->getArgument(number);
}

Value KernelText::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(loc, x, y); }
Value KernelText::sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(loc, x, y); }
Value KernelText::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(loc, x, y); }
Value KernelText::div(Value x, Value y) { return b.createOrFold<arith::DivUIOp>(loc, x, y); }
Value KernelText::rem(Value x, Value y) { return b.createOrFold<arith::RemUIOp>(loc, x, y); }
Value KernelText::min(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(loc, x, y); }
Value KernelText::max(Value x, Value y) { return b.createOrFold<arith::MaxSIOp>(loc, x, y); }

AffineExpr KernelText::ceilDiv(AffineExpr x, int64_t by) {
  return simplifyAffineExpr((x + (by - 1)).floorDiv(by), 0, symbols.size());
}

//===-- views

static bool isRowMajor(const StridedView &v) {
  if (graph::constantOf(v.offset) != 0)
    return false;
  AffineExpr want = getAffineConstantExpr(1, v.offset.getContext());
  for (size_t i = v.extents.size(); i-- > 0;) {
    if (graph::constantOf(v.extents[i]) != 1 && !graph::provablyEqual(v.strides[i], want))
      return false;
    want = graph::product(want.getContext(), {want, v.extents[i]});
  }
  return true;
}

Value KernelText::view(const StridedView &v) {
  for (auto &[spec, value] : views)
    if (spec == v)
      return value;
  auto ref = cast<tile::RefType>(refs[v.arg]);
  SmallVector<int64_t> shape;
  SmallVector<Value> extents, strides;
  Value start;
  for (AffineExpr e : v.extents) {
    shape.push_back(graph::constantOf(e).value_or(ShapedType::kDynamic));
    if (ShapedType::isDynamic(shape.back()))
      extents.push_back(dim(e));
  }
  if (!isRowMajor(v)) {
    for (AffineExpr e : v.strides)
      strides.push_back(dim(e));
    if (graph::constantOf(v.offset) != 0)
      start = dim(v.offset);
  }
  auto type = tile::ViewType::get(context, shape, ref.getElementType(), ref.getEffect(), Attribute());
  Value result = atHead(
      [&](OpBuilder &b) -> Value { return tile::ViewOp::create(b, loc, type, arg(v.arg), extents, strides, start); });
  views.push_back({v, result});
  return result;
}

Value KernelText::packedView(unsigned argument, ArrayRef<AffineExpr> extents, tile::PackAttr pack) {
  auto ref = cast<tile::RefType>(refs[argument]);
  SmallVector<int64_t> shape;
  for (AffineExpr e : extents)
    shape.push_back(*graph::constantOf(e));
  auto type = tile::ViewType::get(context, shape, ref.getElementType(), ref.getEffect(), pack);
  return atHead([&](OpBuilder &b) -> Value {
    return tile::ViewOp::create(b, loc, type, arg(argument), ValueRange(), ValueRange(), Value());
  });
}

//===-- tiles

static Type elementOf(Value tile) { return cast<RankedTensorType>(tile.getType()).getElementType(); }
static ArrayRef<int64_t> shapeOf(Value tile) { return cast<RankedTensorType>(tile.getType()).getShape(); }

Value KernelText::load(Value view, ValueRange offsets, ArrayRef<int64_t> shape, TypedAttr pad, StringRef tag,
                       bool inbounds) {
  Type element = cast<tile::ViewType>(view.getType()).getElementType();
  return tile::LoadOp::create(b, loc, tensor(shape, element), view, offsets, pad,
                              inbounds ? b.getUnitAttr() : UnitAttr(),
                              tag.empty() ? StringAttr() : b.getStringAttr(tag));
}

void KernelText::store(Value tile, Value view, ValueRange offsets, bool inbounds) {
  tile::StoreOp::create(b, loc, tile, view, offsets, Value(), inbounds ? b.getUnitAttr() : UnitAttr(), StringAttr());
}

Value KernelText::splat(ArrayRef<int64_t> shape, TypedAttr value) {
  auto type = tensor(shape, value.getType());
  return arith::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, Attribute(value)));
}

Value KernelText::zeros(ArrayRef<int64_t> shape, Type element) {
  return splat(shape, cast<TypedAttr>(b.getZeroAttr(element)));
}

Value KernelText::splatIndex(ArrayRef<int64_t> shape, Value index, Type element) {
  Value scalar = arith::IndexCastOp::create(b, loc, element, index);
  return tile::SplatOp::create(b, loc, tensor(shape, element), scalar);
}

Value KernelText::iota(ArrayRef<int64_t> shape, int64_t dim, Value start, Type element) {
  return tile::IotaOp::create(b, loc, tensor(shape, element), start, b.getI64IntegerAttr(dim));
}

Value KernelText::reshape(Value tile, ArrayRef<int64_t> shape) {
  if (shapeOf(tile) == shape)
    return tile;
  return tile::ReshapeOp::create(b, loc, tensor(shape, elementOf(tile)), tile);
}

Value KernelText::broadcast(Value tile, ArrayRef<int64_t> shape) {
  if (shapeOf(tile) == shape)
    return tile;
  if (auto c = tile.getDefiningOp<arith::ConstantOp>())
    if (auto dense = dyn_cast<DenseElementsAttr>(c.getValue()); dense && dense.isSplat())
      return splat(shape, cast<TypedAttr>(dense.getSplatValue<Attribute>()));
  return tile::BroadcastOp::create(b, loc, tensor(shape, elementOf(tile)), tile);
}

Value KernelText::transpose(Value tile, ArrayRef<int64_t> perm) {
  bool identity = true;
  SmallVector<int64_t> shape;
  for (auto [i, p] : llvm::enumerate(perm)) {
    identity &= int64_t(i) == p;
    shape.push_back(shapeOf(tile)[p]);
  }
  if (identity)
    return tile;
  return tile::TransposeOp::create(b, loc, tensor(shape, elementOf(tile)), tile, b.getDenseI64ArrayAttr(perm));
}

Value KernelText::reduce(Value tile, int64_t dim, tile::TileReduceKind kind, bool isUnsigned) {
  SmallVector<int64_t> shape(shapeOf(tile));
  shape[dim] = 1;
  return tile::ReduceOp::create(b, loc, tensor(shape, elementOf(tile)), tile, dim, kind, isUnsigned, StringAttr());
}

Value KernelText::convert(Value tile, Type element) {
  if (elementOf(tile) == element)
    return tile;
  bool small = isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 8; // cannot show an overflow
  return tile::CastOp::create(b, loc, tensor(shapeOf(tile), element), tile, tile::RoundMode::rne, small, false, false,
                              StringAttr());
}

Value KernelText::dot(Value x, Value y, Value acc, DotFlags flags, StringRef tag) {
  bool single = elementOf(x).isF32() && elementOf(y).isF32();
  return tile::DotOp::create(b, loc, acc.getType(), x, y, acc, flags.transA, flags.transB, flags.unsignedA,
                             flags.unsignedB, single ? flags.precision : tile::DotPrecision::ieee,
                             flags.promote ? b.getI64IntegerAttr(flags.promote) : IntegerAttr(), b.getStringAttr(tag));
}

Value KernelText::below(Value start, AffineExpr extent, ArrayRef<int64_t> shape, int64_t d) {
  Type i64 = b.getI64Type();
  Value position = iota(shape, d, start, i64);
  Value limit = splatIndex(shape, dim(extent), i64);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, position, limit);
}

SmallVector<Value> KernelText::loop(StringRef name, tile::LoopKind kind, Value lo, Value hi, int64_t step,
                                    ValueRange init, LoopBody body) {
  Value by = index(step);
  auto loop = scf::ForOp::create(b, loc, lo, hi, by, init);
  loop->setAttr(tile::kLoopAttr, tile::LoopAttr::get(context, name, kind));
  OpBuilder::InsertionGuard guard(b);
  bool hasYield = !loop.getBody()->empty();
  if (hasYield)
    b.setInsertionPoint(loop.getBody()->getTerminator());
  else
    b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!hasYield)
    scf::YieldOp::create(b, loc, next);
  return llvm::to_vector(llvm::map_range(loop.getResults(), [](OpResult r) -> Value { return r; }));
}

SmallVector<Value> KernelText::delinearize(Value linear, ArrayRef<AffineExpr> basis) {
  if (basis.size() <= 1)
    return basis.empty() ? SmallVector<Value>() : SmallVector<Value>{linear};
  SmallVector<OpFoldResult> sizes;
  for (AffineExpr e : basis) {
    // Where a size is 0 nothing is computed, but the op wants positive ones.
    if (auto c = graph::constantOf(e))
      sizes.push_back(b.getIndexAttr(std::max<int64_t>(*c, 1)));
    else
      sizes.push_back(dim(e));
  }
  auto split = affine::AffineDelinearizeIndexOp::create(b, loc, linear, sizes, /*hasOuterBound=*/true);
  return llvm::to_vector(llvm::map_range(split.getResults(), [](OpResult r) -> Value { return r; }));
}

//===-- end

tile::KernelOp KernelText::finalize(const Plan &plan, Type accumulator) {
  SmallVector<Attribute> names, types;
  SmallVector<NamedAttribute> facts;
  for (auto [i, e] : llvm::enumerate(dims)) {
    names.push_back(b.getStringAttr("d" + std::to_string(i)));
    auto [lo, hi] = symbols.range(e);
    SmallVector<NamedAttribute> fact;
    if (int64_t div = symbols.divisor(e); div > 1)
      fact.push_back(b.getNamedAttr("div", b.getI64IntegerAttr(div)));
    if (lo != INT64_MIN)
      fact.push_back(b.getNamedAttr("min", b.getI64IntegerAttr(lo)));
    if (hi != INT64_MAX)
      fact.push_back(b.getNamedAttr("max", b.getI64IntegerAttr(hi)));
    if (!fact.empty())
      facts.push_back(b.getNamedAttr("d" + std::to_string(i), b.getDictionaryAttr(fact)));
  }
  for (Type t : refs)
    types.push_back(TypeAttr::get(t));
  SmallVector<AffineExpr> extents;
  SmallVector<int64_t> steps;
  for (Grid &g : grid) {
    auto c = graph::constantOf(g.extent);
    extents.push_back(c ? constant(*c) : getAffineDimExpr(dimNumber(g.extent), context));
    steps.push_back(g.step);
  }
  op.setDimsAttr(b.getArrayAttr(names));
  op.setArgTypesAttr(b.getArrayAttr(types));
  op.setGridExtentsAttr(AffineMapAttr::get(AffineMap::get(dims.size(), 0, extents, context)));
  op.setGridStepsAttr(b.getDenseI64ArrayAttr(steps));
  if (split)
    op.setSplitAttr(b.getI64IntegerAttr(*split));
  if (!facts.empty())
    op.setFactsAttr(b.getDictionaryAttr(facts));
  if (accumulator)
    op.setNumericsAttr(tile::NumericsAttr::get(context, accumulator, "tree", flush));
  if (auto schedule = dyn_cast_or_null<tile::ScheduleAttr>(plan.schedule))
    op.setScheduleAttr(schedule);
  SmallVector<NamedAttribute> record;
  for (auto &[name, value] : plan.params)
    record.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  if (!record.empty())
    op.setPlanAttr(b.getDictionaryAttr(record));
  return op;
}

} // namespace adze::kernels
