#include "targets/cuda/lower/sm90/TensorMap.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/cuda/driver/Recipe.h"
#include "targets/cuda/lower/sm90/Im2col.h"

using namespace mlir;

namespace adze::cuda::sm90 {

//===-- launch code

LaunchValue LaunchValue::constant(int64_t v) {
  LaunchValue r;
  r.value = v;
  r.words = {0, v};
  return r;
}
LaunchValue LaunchValue::scalar(unsigned i) {
  LaunchValue r;
  r.words = {1, i};
  return r;
}
LaunchValue LaunchValue::address(unsigned buffer) {
  LaunchValue r;
  r.words = {16, buffer};
  return r;
}

static std::optional<int64_t> evaluate(LaunchValue::Op op, int64_t a, int64_t b) {
  switch (op) {
  case LaunchValue::addOp:
    return a + b;
  case LaunchValue::subOp:
    return a - b;
  case LaunchValue::mulOp:
    return a * b;
  case LaunchValue::floorDivOp:
    return b ? std::optional(llvm::divideFloorSigned(a, b)) : std::nullopt;
  case LaunchValue::ceilDivOp:
    return b ? std::optional(llvm::divideCeilSigned(a, b)) : std::nullopt;
  case LaunchValue::modOp:
    return b > 0 ? std::optional(a - llvm::divideFloorSigned(a, b) * b) : std::nullopt;
  case LaunchValue::minOp:
    return std::min(a, b);
  case LaunchValue::maxOp:
    return std::max(a, b);
  case LaunchValue::eqOp:
    return a == b;
  case LaunchValue::ltOp:
    return a < b;
  }
  return std::nullopt;
}

LaunchValue LaunchValue::combine(Op op, const LaunchValue &a, const LaunchValue &b) {
  if (a.value && b.value)
    if (auto folded = evaluate(op, *a.value, *b.value))
      return constant(*folded);
  if (op == mulOp && (a.value == 1 || b.value == 1))
    return a.value == 1 ? b : a;
  if (op == addOp && (a.value == 0 || b.value == 0))
    return a.value == 0 ? b : a;
  LaunchValue r;
  r.words = a.words;
  r.words.insert(r.words.end(), b.words.begin(), b.words.end());
  r.words.insert(r.words.end(), {op, 0});
  return r;
}
LaunchValue operator+(const LaunchValue &a, const LaunchValue &b) {
  return LaunchValue::combine(LaunchValue::addOp, a, b);
}
LaunchValue operator-(const LaunchValue &a, const LaunchValue &b) {
  return LaunchValue::combine(LaunchValue::subOp, a, b);
}
LaunchValue operator*(const LaunchValue &a, const LaunchValue &b) {
  return LaunchValue::combine(LaunchValue::mulOp, a, b);
}

std::optional<LaunchValue> launchValue(tile::KernelOp kernel, Value v) {
  if (auto c = getConstantIntValue(v))
    return LaunchValue::constant(*c);
  if (auto arg = dyn_cast<BlockArgument>(v)) {
    if (arg.getOwner() != &kernel.getBody().front() || arg.getArgNumber() >= kernel.getNumDims())
      return std::nullopt;
    return LaunchValue::scalar(arg.getArgNumber());
  }
  Operation *def = v.getDefiningOp();
  if (auto assume = dyn_cast<tile::AssumeOp>(def))
    return launchValue(kernel, assume.getValue());
  static const std::pair<StringRef, LaunchValue::Op> known[] = {
      {"arith.addi", LaunchValue::addOp},       {"arith.subi", LaunchValue::subOp},
      {"arith.muli", LaunchValue::mulOp},       {"arith.floordivsi", LaunchValue::floorDivOp},
      {"arith.divui", LaunchValue::floorDivOp}, {"arith.ceildivsi", LaunchValue::ceilDivOp},
      {"arith.minsi", LaunchValue::minOp},      {"arith.maxsi", LaunchValue::maxOp}};
  for (auto [name, op] : known) {
    if (def->getName().getStringRef() != name)
      continue;
    auto a = launchValue(kernel, def->getOperand(0)), b = launchValue(kernel, def->getOperand(1));
    if (!a || !b)
      return std::nullopt;
    return LaunchValue::combine(op, *a, *b);
  }
  return std::nullopt;
}

void Facts::require(const LaunchValue &condition) {
  if (auto known = condition.known()) {
    isFalse |= *known == 0;
    return;
  }
  words.insert(words.end(), condition.code().begin(), condition.code().end());
}
void Facts::divides(const LaunchValue &a, int64_t divisor) {
  require(LaunchValue::combine(LaunchValue::eqOp,
                               LaunchValue::combine(LaunchValue::modOp, a, LaunchValue::constant(divisor)),
                               LaunchValue::constant(0)));
}
void Facts::within(const LaunchValue &a, int64_t low, int64_t high) {
  require(LaunchValue::combine(LaunchValue::ltOp, LaunchValue::constant(low - 1), a));
  require(LaunchValue::combine(LaunchValue::ltOp, a, LaunchValue::constant(high + 1)));
}

//===-- accesses

namespace {
/// A view's physical dims in storage order, outermost first, and the logical dim that each belongs to.
struct Storage {
  unsigned buffer = 0;
  SmallVector<LaunchValue> extents, strides;
  SmallVector<unsigned> logical;
  SmallVector<int64_t> inner; // product of the static physical extents behind this one in its logical dim
  LaunchValue offset = LaunchValue::constant(0);
};

std::optional<Storage> storageOf(tile::KernelOp kernel, tile::ViewOp view) {
  auto type = cast<tile::ViewType>(view.getView().getType());
  auto arg = dyn_cast<BlockArgument>(view.getRef());
  Block &body = kernel.getBody().front();
  if (!arg || arg.getOwner() != &body || (type.getLayout() && !isa<tile::CompositeAttr>(type.getLayout())))
    return std::nullopt;
  Storage s;
  s.buffer = arg.getArgNumber() - kernel.getNumDims();
  auto composite = dyn_cast_or_null<tile::CompositeAttr>(type.getLayout());
  size_t dynamic = 0, factor = 0;
  for (unsigned d = 0; d < type.getRank(); ++d) {
    int64_t parts = composite ? composite.getGroups()[d] : 1, product = 1;
    for (int64_t i = 1; i < parts; ++i)
      product *= composite.getInner()[factor + i - 1];
    std::optional<LaunchValue> extent = type.isDynamicDim(d) ? launchValue(kernel, view.getExtents()[dynamic++])
                                                             : LaunchValue::constant(type.getShape()[d] / product);
    if (!extent)
      return std::nullopt;
    s.extents.push_back(*extent);
    s.logical.push_back(d);
    s.inner.push_back(product);
    for (int64_t i = 1; i < parts; ++i) {
      int64_t size = composite.getInner()[factor++];
      product /= size;
      s.extents.push_back(LaunchValue::constant(size));
      s.logical.push_back(d);
      s.inner.push_back(product);
    }
  }
  if (view.getOffset()) {
    auto offset = launchValue(kernel, view.getOffset());
    if (!offset)
      return std::nullopt;
    s.offset = *offset;
  }
  s.strides.assign(s.extents.size(), LaunchValue::constant(1));
  if (!view.getStrides().empty()) {
    if (view.getStrides().size() != s.extents.size())
      return std::nullopt;
    for (auto [to, v] : llvm::zip_equal(s.strides, view.getStrides())) {
      auto stride = launchValue(kernel, v);
      if (!stride)
        return std::nullopt;
      to = *stride;
    }
    return s;
  }
  for (size_t i = s.extents.size() - 1; i-- > 0;)
    s.strides[i] = s.strides[i + 1] * s.extents[i + 1];
  return s;
}
} // namespace

std::optional<TensorAccess> tensorOf(tile::KernelOp kernel, tile::ViewOp view) {
  std::optional<Storage> s = storageOf(kernel, view);
  if (!s || s->extents.size() != cast<tile::ViewType>(view.getView().getType()).getRank() ||
      s->strides.back().known() != 1)
    return std::nullopt;
  TensorAccess access;
  access.buffer = s->buffer;
  access.offset = s->offset;
  access.extents.assign(s->extents.rbegin(), s->extents.rend());
  access.strides.assign(s->strides.rbegin(), s->strides.rend());
  return access;
}

/// The access through the view that stands for windows: (tap distances.., pixel, channel).
static TensorAccess windowAccess(const WindowBox &windows, ValueRange at) {
  TensorAccess access;
  access.buffer = windows.buffer;
  access.offset = windows.offset;
  access.extents = windows.extents;
  access.strides = windows.strides;
  access.windows = &windows;
  size_t spatial = windows.step.size();
  access.coordinates = {at[spatial + 1], at[spatial]};
  for (size_t d = spatial; d-- > 0;)
    access.taps.push_back(at[d]);
  return access;
}

std::optional<TensorAccess> accessOf(tile::KernelOp kernel, Value view, ValueRange offsets, RankedTensorType type,
                                     ArrayRef<WindowBox> windows) {
  SmallVector<Value> at(offsets);
  while (auto sub = view.getDefiningOp<tile::SubviewOp>()) {
    at.insert(at.begin(), sub.getOffsets().begin(), sub.getOffsets().end());
    view = sub.getSource();
  }
  auto op = view.getDefiningOp<tile::ViewOp>();
  auto number = op ? op->getAttrOfType<IntegerAttr>(kWindows) : IntegerAttr();
  if (number)
    return windowAccess(windows[number.getInt()], at);
  std::optional<Storage> s = op ? storageOf(kernel, op) : std::nullopt;
  if (!s || s->strides.back().known() != 1)
    return std::nullopt;
  TensorAccess access;
  access.buffer = s->buffer;
  access.offset = s->offset;
  unsigned leading = at.size() - type.getRank();
  for (size_t i = s->extents.size(); i-- > 0;) {
    unsigned d = s->logical[i];
    int64_t size = d < leading ? 1 : type.getDimSize(d - leading), inner = s->inner[i];
    bool outermost = i == 0 || s->logical[i - 1] != d;
    // A tile covers whole groups of a composite dim, so that it begins at 0 inside of them.
    if (!outermost) {
      int64_t extent = *s->extents[i].known() * inner;
      if (size % extent)
        return std::nullopt;
      access.box.push_back(extent / inner);
      access.coordinates.push_back(Value());
    } else {
      if (size % inner)
        return std::nullopt;
      access.box.push_back(size / inner);
      Value coordinate = at[d];
      if (getConstantIntValue(coordinate) == 0)
        coordinate = Value();
      access.coordinates.push_back(coordinate);
    }
    access.extents.push_back(s->extents[i]);
    access.strides.push_back(s->strides[i]);
    if (outermost && inner > 1)
      access.divisors.push_back(inner);
    else
      access.divisors.push_back(1);
  }
  // Dims of one element that nothing moves along.
  for (size_t i = access.extents.size(); i-- > 2 && access.extents.size() > 1;)
    if (access.extents[i].known() == 1 && !access.coordinates[i] && access.extents.size() > 2) {
      access.extents.erase(access.extents.begin() + i);
      access.strides.erase(access.strides.begin() + i);
      access.box.erase(access.box.begin() + i);
      access.coordinates.erase(access.coordinates.begin() + i);
      access.divisors.erase(access.divisors.begin() + i);
    }
  if (access.extents.size() > 5 || access.extents.size() < 2)
    return std::nullopt;
  return access;
}

//===-- maps

static int64_t elementTypeOf(Type t) {
  if (t.isF16())
    return 6;
  if (t.isBF16())
    return 9;
  if (t.isF32())
    return 7;
  unsigned bits = t.getIntOrFloatBitWidth();
  return bits == 8 ? 0 : bits == 16 ? 1 : 2;
}

/// Corners of 16, 8 or 5 bits with their sign, taps without (PTX ISA, "Tensors"; cuda.h).
static void requireWindows(const WindowBox &windows, Facts &facts) {
  size_t spatial = windows.step.size();
  int64_t limit = spatial == 1 ? 32768 : spatial == 2 ? 128 : 16;
  LaunchValue pixels = windows.extents.back();
  for (size_t i = 0; i < spatial; ++i) {
    pixels = pixels * windows.out[i];
    for (const LaunchValue &corner : {LaunchValue::constant(windows.lower[i]), windows.upper[i]})
      facts.within(corner, -limit, limit - 1);
    facts.within(LaunchValue::constant(windows.step[i]), 1, 8);
    facts.within(LaunchValue::constant(windows.reach[i]), 0, 2 * limit - 1);
  }
  facts.within(pixels, 1, (int64_t(1) << 31) - (1 << 16)); // numbered with 32 bits, tiles may end behind the last one
}

std::vector<int64_t> tensorMap(const TensorAccess &access, const BlockedTile &tile, Facts &facts) {
  size_t rank = access.extents.size();
  int64_t bytes = tile.elementBytes();
  auto size = LaunchValue::constant(bytes);
  LaunchValue address = LaunchValue::address(access.buffer) + access.offset * size;
  facts.divides(address, 16);
  std::vector<int64_t> code;
  auto push = [&](const LaunchValue &v) { code.insert(code.end(), v.code().begin(), v.code().end()); };
  auto number = [&](int64_t v) { push(LaunchValue::constant(v)); };
  int64_t swizzle = tile.swizzle();
  number(int64_t(access.windows ? RecipeKind::im2col : RecipeKind::tiled));
  number(elementTypeOf(tile.element));
  number(rank);
  push(address);
  number(0); // interleave
  number(swizzle == 128 ? 3 : swizzle == 64 ? 2 : 1);
  number(2); // L2 promotion: 128 bytes
  number(0); // fill
  for (const LaunchValue &extent : access.extents) {
    facts.within(extent, 1, int64_t(1) << 31);
    push(extent);
  }
  for (size_t i = 1; i < rank; ++i) {
    LaunchValue stride = access.strides[i] * size;
    facts.divides(stride, 16);
    facts.within(stride, 16, (int64_t(1) << 40) - 1);
    push(stride);
  }
  if (const WindowBox *windows = access.windows) {
    requireWindows(*windows, facts);
    for (int64_t corner : windows->lower)
      number(corner);
    for (const LaunchValue &corner : windows->upper)
      push(corner);
    number(tile.blockColumns());
    number(tile.rows);
  }
  for (size_t i = 0; i < rank && !access.windows; ++i)
    number(i == 0 ? tile.blockColumns() : access.box[i]);
  for (size_t i = 0; i < rank; ++i)
    number(access.windows && i > 0 && i + 1 < rank ? access.windows->step[i - 1] : 1);
  return code;
}

} // namespace adze::cuda::sm90
