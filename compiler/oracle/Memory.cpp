// Views and what moves tiles between them and buffers.
#include "compiler/oracle/Frame.h"
#include <cmath>

using namespace mlir;

namespace adze::oracle {
namespace {

using Places = SmallVector<Place, 6>;

Places placesOf(ValueRange values, BuildContext &c) {
  Places result;
  for (Value v : values)
    result.push_back(c.place(v));
  return result;
}

SmallVector<int64_t, 6> readAll(Frame &frame, const Places &places) {
  SmallVector<int64_t, 6> result;
  for (const Place &p : places)
    result.push_back(*frame.i(p.slot));
  return result;
}

//===-- making views
//-----------------------------------------------------------------------------------------------===//

/// Dims of a packed view: each physical result contributes a term to its logical dim.
void packDims(tile::PackAttr pack, ArrayRef<int64_t> extents, RuntimeView &view) {
  SmallVector<int64_t> physical = tile::packedExtents(pack, extents);
  auto strides = rowMajor(physical);
  view.dims.assign(extents.size(), {});
  for (size_t d = 0; d < extents.size(); ++d)
    view.dims[d].extent = extents[d];
  for (auto [p, e] : llvm::enumerate(pack.getMap().getResults())) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    unsigned d = cast<AffineDimExpr>(binary ? binary.getLHS() : e).getPosition();
    int64_t c = binary ? cast<AffineConstantExpr>(binary.getRHS()).getValue() : 1;
    bool mod = binary && binary.getKind() == AffineExprKind::Mod;
    view.dims[d].terms.push_back({mod ? 1 : c, mod ? c : 0, strides[p]});
  }
}

/// Dims of a strided or composite view. `groups` physical dims each; `inner` factors after the first.
void stridedDims(ArrayRef<int64_t> groups, ArrayRef<int64_t> inner, ArrayRef<int64_t> extents,
                 ArrayRef<int64_t> declared, RuntimeView &view) {
  SmallVector<int64_t> physical;
  size_t next = 0;
  for (auto [d, n] : llvm::enumerate(groups)) {
    int64_t product = 1;
    for (int64_t k = 1; k < n; ++k)
      product *= inner[next + k - 1];
    physical.push_back(extents[d] / product);
    for (int64_t k = 1; k < n; ++k)
      physical.push_back(inner[next++]);
  }
  SmallVector<int64_t, 8> strides(declared);
  if (strides.empty())
    strides = rowMajor(physical);
  size_t p = 0;
  for (auto [d, n] : llvm::enumerate(groups)) {
    ViewDim &dim = view.dims.emplace_back();
    dim.extent = extents[d];
    int64_t div = 1;
    for (int64_t k = n; k-- > 0;) {
      dim.terms.push_back({div, k == 0 ? 0 : physical[p + k], strides[p + k]});
      div *= physical[p + k];
    }
    p += n;
  }
}

bool buildView(tile::ViewOp op, BuildContext &c) {
  tile::ViewType type = op.getView().getType();
  auto ref = c.builder.refNumbers.find(op.getRef());
  if (ref == c.builder.refNumbers.end())
    return c.fail(*op, "its ref is not an argument of the kernel");
  auto pack = dyn_cast_or_null<tile::PackAttr>(type.getLayout());
  if (pack && !pack.getInner().empty())
    return c.fail(*op, "the block order \"" + pack.getInner() + "\" belongs to a target; unpack the operand first");
  auto composite = dyn_cast_or_null<tile::CompositeAttr>(type.getLayout());
  Places extents = placesOf(op.getExtents(), c), strides = placesOf(op.getStrides(), c);
  std::optional<Place> offset;
  if (op.getOffset())
    offset = c.place(op.getOffset());
  SmallVector<int64_t, 6> shape(type.getShape()), groups(type.getRank(), 1), inner, products(type.getRank(), 1);
  if (composite) {
    groups.assign(composite.getGroups().begin(), composite.getGroups().end());
    inner.assign(composite.getInner().begin(), composite.getInner().end());
    size_t next = 0;
    for (auto [d, n] : llvm::enumerate(groups))
      for (int64_t k = 1; k < n; ++k)
        products[d] *= inner[next++];
  }
  c.add([=, number = c.builder.viewNumber(op.getView()), refNumber = ref->second](Frame &frame) {
    RuntimeView &view = frame.views[number];
    view.dims.clear();
    view.buffer = &(*frame.buffers)[refNumber];
    view.offset = offset ? *frame.i(offset->slot) : 0;
    SmallVector<int64_t, 6> full(shape);
    size_t next = 0;
    for (size_t d = 0; d < full.size(); ++d)
      if (ShapedType::isDynamic(full[d]))
        full[d] = *frame.i(extents[next++].slot) * products[d];
    if (pack)
      packDims(pack, full, view);
    else
      stridedDims(groups, inner, full, readAll(frame, strides), view);
  });
  return true;
}

bool buildSubview(tile::SubviewOp op, BuildContext &c) {
  Places offsets = placesOf(op.getOffsets(), c);
  unsigned from = c.builder.viewNumber(op.getSource()), to = c.builder.viewNumber(op.getView());
  c.add([=](Frame &frame) {
    const RuntimeView &source = frame.views[from];
    RuntimeView view = source;
    for (size_t d = 0; d < offsets.size(); ++d) {
      int64_t at = *frame.i(offsets[d].slot);
      if (at < 0 || at >= source.dims[d].extent) {
        frame.error = "tile.subview at " + std::to_string(at) + " leaves dim " + std::to_string(d) + " of extent " +
                      std::to_string(source.dims[d].extent);
        return;
      }
      view.offset += source.dims[d].address(at);
    }
    view.dims.erase(view.dims.begin(), view.dims.begin() + offsets.size());
    frame.views[to] = std::move(view);
  });
  return true;
}

bool buildWindow(tile::WindowOp op, BuildContext &c) {
  Places out = placesOf(op.getOut(), c);
  unsigned from = c.builder.viewNumber(op.getSource()), to = c.builder.viewNumber(op.getView());
  Window fixed;
  fixed.kernel.assign(op.getKernel().begin(), op.getKernel().end());
  fixed.stride.assign(op.getStride().begin(), op.getStride().end());
  fixed.dilation.assign(op.getDilation().begin(), op.getDilation().end());
  fixed.pad.assign(op.getPad().begin(), op.getPad().end());
  fixed.transposed = op.getTransposed();
  c.add([=](Frame &frame) {
    const RuntimeView &source = frame.views[from];
    auto window = std::make_shared<Window>(fixed);
    window->out = readAll(frame, out);
    window->source.assign(source.dims.begin(), source.dims.end());
    RuntimeView view;
    view.buffer = source.buffer;
    view.offset = source.offset;
    int64_t pixels = source.dims[0].extent;
    for (int64_t n : window->out)
      pixels *= n;
    view.dims.resize(source.dims.size());
    view.dims.front().extent = pixels;
    for (size_t s = 0; s < window->out.size(); ++s)
      view.dims[1 + s].extent = window->kernel[s];
    view.dims.back() = source.dims.back();
    view.window = std::move(window);
    frame.views[to] = std::move(view);
  });
  return true;
}

//===-- access
//-----------------------------------------------------------------------------------------------------===//

/// False, with an error, when a stretch leaves the buffer.
bool checkBounds(Frame &frame, const Buffer &buffer, int64_t address, int64_t stride, int64_t count, const char *what) {
  int64_t last = address + (count - 1) * stride;
  int64_t lo = std::min(address, last), hi = std::max(address, last);
  if (lo >= 0 && hi < buffer.elements)
    return true;
  frame.error = std::string(what) + " reaches element " + std::to_string(lo < 0 ? lo : hi) + " of a buffer of " +
                std::to_string(buffer.elements) + " elements: the view's extents or strides do not fit the buffer";
  return false;
}

/// Debug: a program may read inout elements only where no other program wrote.
void checkReader(Frame &frame, const Buffer &buffer, int64_t address, int64_t stride, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t owner = buffer.owners[address + i * stride].load(std::memory_order_relaxed);
    if (owner && owner != frame.program + 1)
      frame.error = "program " + std::to_string(frame.program) + " reads element " +
                    std::to_string(address + i * stride) + ", which program " + std::to_string(owner - 1) + " wrote";
  }
}

/// Debug: programs write disjoint elements.
void claim(Frame &frame, Buffer &buffer, int64_t address, int64_t stride, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t expected = 0;
    if (!buffer.owners[address + i * stride].compare_exchange_strong(expected, frame.program + 1) &&
        expected != frame.program + 1 && frame.checkRaces)
      frame.error = "programs " + std::to_string(frame.program) + " and " + std::to_string(expected - 1) +
                    " both write element " + std::to_string(address + i * stride);
  }
}

struct Access {
  unsigned view;
  Places offsets;
  SmallVector<int64_t, 5> shape;
  Place tile;
};

Access accessOf(Value view, ValueRange offsets, Value tile, BuildContext &c) {
  return {c.builder.viewNumber(view), placesOf(offsets, c), SmallVector<int64_t, 5>(shapeOf(tile)), c.place(tile)};
}

void readTile(Frame &frame, const Access &a, const Indirection *indirection, double padF, int64_t padI) {
  const RuntimeView &view = frame.views[a.view];
  const Buffer &buffer = *view.buffer;
  auto offsets = readAll(frame, a.offsets);
  bool isFloat = a.tile.isFloat();
  // What lies outside is written first; a tile that lies wholly inside overwrites all of it.
  if (isFloat)
    std::fill_n(frame.f(a.tile.slot), a.tile.count, padF);
  else
    std::fill_n(frame.i(a.tile.slot), a.tile.count, padI);
  forEachRun(view, offsets.data(), a.shape, indirection,
             [&](int64_t position, int64_t address, int64_t stride, int64_t count) {
               if (!checkBounds(frame, buffer, address, stride, count, "a load"))
                 return;
               if (buffer.owners && frame.checkRaces && buffer.effect == tile::Effect::inout)
                 checkReader(frame, buffer, address, stride, count);
               if (isFloat)
                 buffer.storage.read(buffer.data, address, stride, count, frame.f(a.tile.slot) + position);
               else
                 buffer.storage.read(buffer.data, address, stride, count, frame.i(a.tile.slot) + position);
             });
}

struct Pad {
  double f = 0;
  int64_t i = 0;
};
Pad padOf(std::optional<TypedAttr> attr) {
  Pad pad;
  if (!attr)
    return pad;
  if (auto f = dyn_cast<FloatAttr>(*attr))
    pad.f = f.getValueAsDouble();
  if (auto i = dyn_cast<IntegerAttr>(*attr))
    pad.i = wrapInt(i.getValue().getSExtValue(), i.getType().getIntOrFloatBitWidth());
  return pad;
}

bool buildLoad(tile::LoadOp op, BuildContext &c) {
  Access a = accessOf(op.getView(), op.getOffsets(), op.getTile(), c);
  Pad pad = padOf(op.getPad());
  bool inbounds = op.getInbounds();
  c.add([=](Frame &frame) {
    if (inbounds) {
      const RuntimeView &view = frame.views[a.view];
      size_t lead = a.offsets.size() - a.shape.size();
      for (size_t d = 0; d < a.offsets.size(); ++d) {
        int64_t at = *frame.i(a.offsets[d].slot), size = d < lead ? 1 : a.shape[d - lead];
        if (at < 0 || at + size > view.dims[d].extent)
          frame.error = "a load marked inbounds leaves dim " + std::to_string(d) + ": offset " + std::to_string(at) +
                        ", size " + std::to_string(size) + ", extent " + std::to_string(view.dims[d].extent);
      }
      if (!frame.error.empty())
        return;
    }
    readTile(frame, a, nullptr, pad.f, pad.i);
  });
  return true;
}

bool buildLoadScalar(tile::LoadScalarOp op, BuildContext &c) {
  Access a = accessOf(op.getView(), op.getOffsets(), op.getValue(), c);
  c.add([=](Frame &frame) {
    const RuntimeView &view = frame.views[a.view];
    for (size_t d = 0; d < a.offsets.size(); ++d) {
      int64_t at = *frame.i(a.offsets[d].slot);
      if (at < 0 || at >= view.dims[d].extent) {
        frame.error = "tile.load_scalar at " + std::to_string(at) + " leaves dim " + std::to_string(d) + " of extent " +
                      std::to_string(view.dims[d].extent);
        return;
      }
    }
    readTile(frame, a, nullptr, 0, 0);
  });
  return true;
}

/// The index tile's entries of gather and scatter, ready for forEachRun.
struct IndexSource {
  Place place;
  int64_t dim;
  bool elementwise;
  Indirection get(Frame &frame) const { return {dim, frame.i(place.slot), elementwise}; }
};
IndexSource indexSource(Value indices, Value tile, int64_t dim, BuildContext &c) {
  // A 1-D tile may be read in either form: an element's own position never counts in the indirect dim.
  return {c.place(indices), dim, shapeOf(indices) == shapeOf(tile)};
}

bool buildGather(tile::GatherOp op, BuildContext &c) {
  Access a = accessOf(op.getView(), op.getOffsets(), op.getTile(), c);
  IndexSource source = indexSource(op.getIndices(), op.getTile(), op.getDim(), c);
  Pad pad = padOf(op.getPad());
  c.add([=](Frame &frame) {
    Indirection indirection = source.get(frame);
    readTile(frame, a, &indirection, pad.f, pad.i);
  });
  return true;
}

bool buildStore(tile::StoreOp op, BuildContext &c) {
  Access a = accessOf(op.getView(), op.getOffsets(), op.getTile(), c);
  std::optional<Place> mask;
  if (op.getMask())
    mask = c.place(op.getMask());
  c.add([=](Frame &frame) {
    const RuntimeView &view = frame.views[a.view];
    Buffer &buffer = *view.buffer;
    auto offsets = readAll(frame, a.offsets);
    auto write = [&](int64_t position, int64_t address, int64_t stride, int64_t count) {
      if (buffer.owners)
        claim(frame, buffer, address, stride, count);
      if (a.tile.isFloat())
        buffer.storage.write(buffer.data, address, stride, count, frame.f(a.tile.slot) + position);
      else
        buffer.storage.write(buffer.data, address, stride, count, frame.i(a.tile.slot) + position);
    };
    forEachRun(view, offsets.data(), a.shape, nullptr,
               [&](int64_t position, int64_t address, int64_t stride, int64_t count) {
                 if (!checkBounds(frame, buffer, address, stride, count, "a store"))
                   return;
                 if (!mask)
                   return write(position, address, stride, count);
                 for (int64_t i = 0; i < count; ++i)
                   if (frame.i(mask->slot)[position + i])
                     write(position + i, address + i * stride, 1, 1);
               });
  });
  return true;
}

bool buildValid(tile::ValidOp op, BuildContext &c) {
  Access a = accessOf(op.getView(), op.getOffsets(), op.getTile(), c);
  c.add([=](Frame &frame) {
    auto offsets = readAll(frame, a.offsets);
    int64_t *out = frame.i(a.tile.slot);
    std::fill_n(out, a.tile.count, 0);
    forEachRun(frame.views[a.view], offsets.data(), a.shape, nullptr,
               [&](int64_t position, int64_t, int64_t, int64_t count) { std::fill_n(out + position, count, 1); });
  });
  return true;
}

//===-- scatter
//----------------------------------------------------------------------------------------------------===//

double combineFloat(tile::CombineKind kind, double old, double v) {
  switch (kind) {
  case tile::CombineKind::add:
    return old + v;
  case tile::CombineKind::mul:
    return old * v;
  case tile::CombineKind::max:
    return std::isnan(old) || old > v ? old : v;
  case tile::CombineKind::min:
    return std::isnan(old) || old < v ? old : v;
  default:
    return v;
  }
}

int64_t combineInt(tile::CombineKind kind, int64_t old, int64_t v, unsigned width, bool isUnsigned) {
  bool less = isUnsigned ? unsignedOf(old, width) < unsignedOf(v, width) : old < v;
  switch (kind) {
  case tile::CombineKind::add:
    return wrapInt(static_cast<int64_t>(static_cast<uint64_t>(old) + static_cast<uint64_t>(v)), width);
  case tile::CombineKind::mul:
    return wrapInt(static_cast<int64_t>(static_cast<uint64_t>(old) * static_cast<uint64_t>(v)), width);
  case tile::CombineKind::max:
    return less ? v : old;
  case tile::CombineKind::min:
    return less ? old : v;
  default:
    return v;
  }
}

bool buildScatter(tile::ScatterOp op, BuildContext &c) {
  Access a = accessOf(op.getView(), op.getOffsets(), op.getTile(), c);
  IndexSource source = indexSource(op.getIndices(), op.getTile(), op.getDim(), c);
  tile::CombineKind kind = op.getCombine();
  bool isUnsigned = op.getIsUnsigned(), typed = c.builder.typed();
  bool combines = kind != tile::CombineKind::set && kind != tile::CombineKind::unique;
  auto numerics = op->getParentOfType<tile::KernelOp>().getNumerics();
  bool anyOrder = combines && numerics && numerics->getOrder() == "any";
  c.add([=](Frame &frame) {
    const RuntimeView &view = frame.views[a.view];
    Buffer &buffer = *view.buffer;
    auto offsets = readAll(frame, a.offsets);
    Indirection indirection = source.get(frame);
    auto one = [&](int64_t position, int64_t address) {
      if (a.tile.isFloat()) {
        double old = 0, v = frame.f(a.tile.slot)[position];
        buffer.storage.read(buffer.data, address, 1, 1, &old);
        v = combineFloat(kind, old, v);
        if (typed)
          v = roundTo(*a.tile.format, v);
        buffer.storage.write(buffer.data, address, 1, 1, &v);
        return;
      }
      int64_t old = 0, v = frame.i(a.tile.slot)[position];
      buffer.storage.read(buffer.data, address, 1, 1, &old);
      v = combineInt(kind, old, v, a.tile.width, isUnsigned);
      buffer.storage.write(buffer.data, address, 1, 1, &v);
    };
    forEachRun(view, offsets.data(), a.shape, &indirection,
               [&](int64_t position, int64_t address, int64_t stride, int64_t count) {
                 if (!checkBounds(frame, buffer, address, stride, count, "a scatter"))
                   return;
                 if (buffer.owners && !anyOrder)
                   claim(frame, buffer, address, stride, count);
                 for (int64_t i = 0; i < count; ++i)
                   one(position + i, address + i * stride);
               });
  });
  return true;
}

} // namespace

bool buildMemory(Operation &op, BuildContext &c) {
  if (auto view = dyn_cast<tile::ViewOp>(op))
    return buildView(view, c);
  if (auto sub = dyn_cast<tile::SubviewOp>(op))
    return buildSubview(sub, c);
  if (auto window = dyn_cast<tile::WindowOp>(op))
    return buildWindow(window, c);
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return buildLoad(load, c);
  if (auto scalar = dyn_cast<tile::LoadScalarOp>(op))
    return buildLoadScalar(scalar, c);
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return buildStore(store, c);
  if (auto valid = dyn_cast<tile::ValidOp>(op))
    return buildValid(valid, c);
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return buildGather(gather, c);
  if (auto scatter = dyn_cast<tile::ScatterOp>(op))
    return buildScatter(scatter, c);
  if (auto dim = dyn_cast<tile::DimOp>(op)) {
    unsigned view = c.builder.viewNumber(dim.getView());
    Place r = c.place(dim.getExtent());
    int64_t index = dim.getIndex();
    c.add([=](Frame &frame) { *frame.i(r.slot) = frame.views[view].dims[index].extent; });
    return true;
  }
  return false;
}

} // namespace adze::oracle
