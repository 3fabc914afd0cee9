#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "dialects/tile/TileDialect.cpp.inc"
#include "dialects/tile/TileEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/tile/TileAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/tile/TileTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/tile/TileOps.cpp.inc"

using namespace mlir;

namespace adze::tile {

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/tile/TileAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/tile/TileTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/tile/TileOps.cpp.inc"
      >();
}

//===-- view type
//--------------------------------------------------------------------------------------------------===//

// <?x16x64xf32, in> or <?x16x64xf32, in, layout>
Type ViewType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type element;
  StringRef keyword;
  Attribute layout;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/true) || parser.parseType(element) ||
      parser.parseComma() || parser.parseKeyword(&keyword))
    return {};
  std::optional<Effect> effect = symbolizeEffect(keyword);
  if (!effect) {
    parser.emitError(loc, "expected in, out or inout");
    return {};
  }
  if (succeeded(parser.parseOptionalComma()) && parser.parseAttribute(layout))
    return {};
  if (parser.parseGreater())
    return {};
  return ViewType::getChecked([&] { return parser.emitError(loc); }, parser.getContext(), shape, element, *effect,
                              layout);
}

void ViewType::print(AsmPrinter &printer) const {
  printer << "<";
  for (int64_t d : getShape())
    if (ShapedType::isDynamic(d))
      printer << "?x";
    else
      printer << d << "x";
  printer << getElementType() << ", " << stringifyEffect(getEffect());
  if (getLayout())
    printer << ", " << getLayout();
  printer << ">";
}

/// Each dim appears once whole, or once as `floordiv c` and once as `mod c` where c > 1 is its block.
static LogicalResult verifyPack(function_ref<InFlightDiagnostic()> emitError, PackAttr pack) {
  SmallVector<int> whole(pack.getBlocks().size()), outer(whole), inner(whole);
  for (AffineExpr e : pack.getMap().getResults()) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    auto dim = dyn_cast<AffineDimExpr>(binary ? binary.getLHS() : e);
    auto c = binary ? dyn_cast<AffineConstantExpr>(binary.getRHS()) : AffineConstantExpr();
    bool div = binary && binary.getKind() == AffineExprKind::FloorDiv;
    bool mod = binary && binary.getKind() == AffineExprKind::Mod;
    if (!dim || (binary && !((div || mod) && c)))
      return emitError() << "#tile.pack: a result is not d, d floordiv c or d mod c";
    unsigned d = dim.getPosition();
    if (binary && c.getValue() != pack.getBlocks()[d])
      return emitError() << "#tile.pack: divisor " << c.getValue() << " of d" << d << " is not its block, "
                         << pack.getBlocks()[d];
    ++(div ? outer : mod ? inner : whole)[d];
  }
  for (auto [d, block] : llvm::enumerate(pack.getBlocks())) {
    bool blocked = block > 1;
    if (block < 1 || whole[d] != !blocked || outer[d] != blocked || inner[d] != blocked)
      return emitError() << "#tile.pack: d" << d << " with block " << block << " must appear "
                         << (blocked ? "once as floordiv and once as mod" : "once");
  }
  return success();
}

/// `inner` lists every factor after the first of each group; a static extent is a multiple of their product.
static LogicalResult verifyComposite(function_ref<InFlightDiagnostic()> emitError, CompositeAttr composite,
                                     ArrayRef<int64_t> shape) {
  size_t next = 0;
  for (auto [d, n] : llvm::enumerate(composite.getGroups())) {
    int64_t product = 1;
    if (n < 1 || next + n - 1 > composite.getInner().size())
      return emitError() << "#tile.composite: group " << d << " of " << n << " dims does not fit `inner`";
    for (int64_t i = 1; i < n; ++i)
      product *= composite.getInner()[next++];
    if (product < 1 || (!ShapedType::isDynamic(shape[d]) && shape[d] % product))
      return emitError() << "#tile.composite: extent " << shape[d] << " of dim " << d
                         << " is not a multiple of its inner factors, " << product;
  }
  if (next != composite.getInner().size())
    return emitError() << "#tile.composite: " << composite.getInner().size() << " inner factors for groups that need "
                       << next;
  return success();
}

LogicalResult ViewType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<int64_t> shape, Type element,
                               Effect, Attribute layout) {
  for (int64_t d : shape)
    if (!ShapedType::isDynamic(d) && d < 0)
      return emitError() << "a view's extent must be >= 0, got " << d;
  if (auto pack = dyn_cast_or_null<PackAttr>(layout)) {
    if (pack.getMap().getNumDims() != shape.size() || pack.getBlocks().size() != shape.size())
      return emitError() << "#tile.pack has " << pack.getMap().getNumDims() << " logical dims and "
                         << pack.getBlocks().size() << " blocks, the view has " << shape.size() << " dims";
    return verifyPack(emitError, pack);
  }
  if (auto composite = dyn_cast_or_null<CompositeAttr>(layout)) {
    if (composite.getGroups().size() != shape.size())
      return emitError() << "#tile.composite has " << composite.getGroups().size() << " groups, the view has "
                         << shape.size() << " dims";
    return verifyComposite(emitError, composite, shape);
  }
  if (layout && !isa<WindowedAttr>(layout))
    return emitError() << "a view's layout is #tile.pack, #tile.composite or #tile.windowed";
  return success();
}

SmallVector<int64_t> packedExtents(PackAttr pack, ArrayRef<int64_t> extents) {
  SmallVector<int64_t> result;
  for (AffineExpr e : pack.getMap().getResults()) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    unsigned dim = cast<AffineDimExpr>(binary ? binary.getLHS() : e).getPosition();
    int64_t extent = extents[dim];
    if (!binary) {
      result.push_back(extent);
      continue;
    }
    int64_t c = cast<AffineConstantExpr>(binary.getRHS()).getValue();
    if (binary.getKind() == AffineExprKind::Mod)
      result.push_back(c);
    else
      result.push_back(ShapedType::isDynamic(extent) ? extent : (extent + c - 1) / c);
  }
  return result;
}

//===-- kernel
//-----------------------------------------------------------------------------------------------------===//

unsigned KernelOp::getNumRefs() {
  return llvm::count_if(getArgTypes(), [](Attribute a) { return isa<RefType>(cast<TypeAttr>(a).getValue()); });
}

Block::BlockArgListType KernelOp::getDimArgs(Region &region) { return region.getArguments().take_front(getNumDims()); }
Block::BlockArgListType KernelOp::getArgs(Region &region) {
  return region.getArguments().slice(getNumDims(), getNumArgs());
}

/// Grid dims whose offset a region sees: fold and finish do not see the share's number.
static unsigned visibleGridDims(KernelOp kernel, Region &region) {
  bool split = kernel.getSplit().has_value() && &region != &kernel.getBody();
  return kernel.getGridRank() - split;
}

Block::BlockArgListType KernelOp::getOffsets(Region &region) {
  return region.getArguments().slice(getNumDims() + getNumArgs(), visibleGridDims(*this, region));
}
Block::BlockArgListType KernelOp::getAccumulators(Region &region) {
  return region.getArguments().drop_front(getNumDims() + getNumArgs() + visibleGridDims(*this, region));
}
TypeRange KernelOp::getAccumulatorTypes() { return getBody().front().getTerminator()->getOperandTypes(); }

Block *KernelOp::addBlock(Region &region, TypeRange accumulators) {
  Block *block = new Block();
  region.push_back(block);
  Location loc = getLoc();
  Type index = IndexType::get(getContext());
  for (unsigned i = 0; i < getNumDims(); ++i)
    block->addArgument(index, loc);
  for (Attribute a : getArgTypes())
    block->addArgument(cast<TypeAttr>(a).getValue(), loc);
  for (unsigned i = 0; i < visibleGridDims(*this, region); ++i)
    block->addArgument(index, loc);
  for (Type t : accumulators)
    block->addArgument(t, loc);
  return block;
}

//===-- effects
//----------------------------------------------------------------------------------------------------===//
// Loads of `in` arguments have no effect, so that they may be shared and hoisted; everything else reads or writes.

using Effects = SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static void readEffect(ViewType view, Effects &effects) {
  if (view.getEffect() != Effect::in)
    effects.emplace_back(MemoryEffects::Read::get());
}

void LoadOp::getEffects(Effects &effects) { readEffect(getView().getType(), effects); }
void LoadScalarOp::getEffects(Effects &effects) { readEffect(getView().getType(), effects); }
void GatherOp::getEffects(Effects &effects) { readEffect(getView().getType(), effects); }
void StoreOp::getEffects(Effects &effects) { effects.emplace_back(MemoryEffects::Write::get()); }
void ScatterOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get());
  effects.emplace_back(MemoryEffects::Write::get());
}

// A clipped load may be hoisted out of a condition; an inbounds one may not: the condition may be what proves it.
Speculation::Speculatability LoadOp::getSpeculatability() {
  return getInbounds() ? Speculation::NotSpeculatable : Speculation::Speculatable;
}

} // namespace adze::tile
