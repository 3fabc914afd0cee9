#include "compiler/kernels/WindowKernel.h"
#include "compiler/kernels/Scalar.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

/// More taps than this run as a loop.
static constexpr int64_t kMaxUnrolledTaps = 27;

int64_t WindowShape::taps() const {
  int64_t count = 1;
  for (int64_t v : kernel)
    count *= v;
  return count;
}

bool WindowShape::isPointwise() const {
  auto all = [](ArrayRef<int64_t> list, int64_t v) { return llvm::all_of(list, [v](int64_t x) { return x == v; }); };
  return all(kernel, 1) && all(stride, 1) && all(pads, 0);
}

WindowKernel::WindowKernel(KernelRequest &r, Value x, Value y, WindowShape shape, AffineExpr outChannels)
    : r(r), context(r.region.getContext()), args(r.region), x(x), y(y), shape(std::move(shape)),
      outChannels(outChannels) {
  size_t rank = getDims(x).size();
  Leaf leaf = *leafOf(x, identityAccess(context, rank), args);
  xArg = leaf.arg;
  xAt = linearize(context, getDims(leaf.value), leaf.access, rank);
}

bool WindowKernel::hasChannelsLast() const { return !args.operand(x) && isConstant(xAt.strides[1], 1); }

bool WindowKernel::storesChannelsLast() const {
  Value stored = yieldOf(r.region).getValues()[0];
  if (!stored.getDefiningOp<TransposeOp>())
    return false;
  Access access = storedAccess(stored, resultAccess());
  return isConstant(linearize(context, getDims(stored), access, 3 + shape.spatial()).strides[2], 1);
}

Access WindowKernel::resultAccess() const {
  AffineExpr zero = constantExpr(context, 0), one = constantExpr(context, 1);
  Access access;
  access.push_back({zero, {{0, one}}});
  access.push_back({zero, {{2, one}}});
  if (shape.groups > 1)
    access.back().terms.push_back({1, outChannels});
  for (unsigned i = 0; i < shape.spatial(); ++i)
    access.push_back({zero, {{3 + i, one}}});
  return access;
}

void WindowKernel::analyse(bool row) {
  SmallVector<AffineExpr> extents = {shape.images, constantExpr(context, shape.groups), outChannels};
  llvm::append_range(extents, shape.out);
  Space space(context, extents);
  for (unsigned d : {1, 2, 3})
    space.barrier(d);
  rowForm = row;
  if (row)
    space.barrier(extents.size() - 1);
  collectResults(r.region, args, resultAccess(), space, {y});
  SmallVector<Group> pixelGroups;
  std::optional<Group> channel;
  for (const Group &g : space.merge()) {
    if (g.first == 0)
      imageGroup = groups.size();
    if (g.first == 1)
      groupGroup = groups.size();
    if (g.first == 2)
      channel = g;
    else if (g.first > 2)
      pixelGroups.push_back(g);
    else
      groups.push_back(g);
  }
  AffineExpr one = constantExpr(context, 1);
  if (pixelGroups.empty())
    pixelGroups.push_back({unsigned(extents.size() - 1), unsigned(extents.size() - 1), one});
  firstPixelGroup = groups.size();
  groups.append(pixelGroups.begin(), pixelGroups.end() - 1);
  channelGroup = groups.size();
  groups.push_back(channel.value_or(Group{2, 2, one}));
  pixelGroup = groups.size();
  groups.push_back(pixelGroups.back());
}

Problem WindowKernel::problem(StringRef family) const {
  Problem p;
  p.family = family.str();
  auto extent = [&](AffineExpr e) { return extentOf(e, r.symbols); };
  p.extents["N"] = extent(shape.images);
  p.extents["G"] = extent(constantExpr(context, shape.groups));
  p.extents["C"] = extent(shape.channels);
  p.extents["F"] = extent(outChannels);
  p.extents["P"] = extent(pixels());
  p.extents["Q"] = extent(shape.out.back());
  p.extents["T"] = extent(constantExpr(context, shape.taps()));
  p.flags["spatial"] = shape.spatial();
  for (unsigned i = 0; i < shape.spatial(); ++i) {
    p.flags["kernel" + std::to_string(i)] = shape.kernel[i];
    p.flags["stride" + std::to_string(i)] = shape.stride[i];
    p.flags["dilation" + std::to_string(i)] = shape.dilation[i];
  }
  p.flags["finish"] = finishSize(r.region);
  p.flags["x_channels_last"] = hasChannelsLast();
  p.flags["y_channels_last"] = storesChannelsLast();
  p.types["y"] = elementOf(r.region.getOutputs()[0]);
  return p;
}

void WindowKernel::makeGrid(KernelText &k, int64_t bf, int64_t bp) {
  sizes.assign(groups.size(), 0);
  sizes[channelGroup] = bf;
  sizes[pixelGroup] = bp;
  grid = std::make_unique<GridMap>(k, groups, sizes);
}

void WindowKernel::enter(KernelText &k) { offsets = grid->offsets(k); }

Frame WindowKernel::frame(bool channelsFirst) const {
  Frame f;
  f.groups = groups;
  f.sizes = sizes;
  f.offsets = offsets;
  f.tileDims =
      channelsFirst ? SmallVector<unsigned>{channelGroup, pixelGroup} : SmallVector<unsigned>{pixelGroup, channelGroup};
  return f;
}

/// Pixels that one step along a group skips.
static AffineExpr pixelStride(const WindowShape &shape, const Group &g) {
  return product(shape.images.getContext(), ArrayRef<AffineExpr>(shape.out).drop_front(g.last - 3 + 1));
}

Value WindowKernel::pixel(KernelText &k) const {
  Value sum = imageGroup ? k.mul(offsets[*imageGroup], k.dim(pixels())) : k.index(0);
  for (unsigned g = firstPixelGroup; g < groups.size(); ++g)
    if (g != channelGroup)
      sum = k.add(sum, k.mul(offsets[g], k.dim(pixelStride(shape, groups[g]))));
  return sum;
}

Value WindowKernel::window(KernelText &k) const {
  StridedView v;
  v.arg = xArg;
  v.offset = xAt.offset;
  if (shape.groups > 1) {
    v.extents.push_back(constantExpr(context, shape.groups));
    v.strides.push_back(product(context, {shape.channels, xAt.strides[1]}));
  }
  v.extents.push_back(shape.images);
  v.strides.push_back(xAt.strides[0]);
  for (unsigned i = 0; i < shape.spatial(); ++i) {
    v.extents.push_back(shape.in[i]);
    v.strides.push_back(xAt.strides[2 + i]);
  }
  v.extents.push_back(shape.channels);
  v.strides.push_back(xAt.strides[1]);
  Value view = k.view(v);
  auto type = cast<tile::ViewType>(view.getType());
  if (shape.groups > 1) {
    type = tile::ViewType::get(context, type.getShape().drop_front(), type.getElementType(), type.getEffect(),
                               Attribute());
    Value g = groupGroup ? offsets[*groupGroup] : k.index(0);
    view = tile::SubviewOp::create(k.b, k.loc, type, view, ValueRange{g});
  }
  SmallVector<Value> out;
  for (AffineExpr e : shape.out)
    out.push_back(k.dim(e));
  SmallVector<int64_t> extents = {
      constantOf(product(context, {shape.images, pixels()})).value_or(ShapedType::kDynamic)};
  extents.append(shape.kernel.begin(), shape.kernel.end());
  extents.push_back(type.getShape().back());
  auto result = tile::ViewType::get(context, extents, type.getElementType(), type.getEffect(),
                                    tile::WindowedAttr::get(context, shape.spatial()));
  return tile::WindowOp::create(k.b, k.loc, result, view, out, shape.kernel, shape.stride, shape.dilation, shape.pads,
                                shape.transposed);
}

Value WindowKernel::loadTap(KernelText &k, Value window, ValueRange taps, Value channel, int64_t channels,
                            TypedAttr pad) const {
  SmallVector<Value> at = {firstPixel ? firstPixel : pixel(k)};
  llvm::append_range(at, taps);
  at.push_back(channel);
  SmallVector<int64_t> tile(shape.spatial() + 2, 1);
  tile.front() = sizes[pixelGroup];
  tile.back() = channels;
  return k.reshape(k.load(window, at, tile, pad, "x"), {sizes[pixelGroup], channels});
}

bool WindowKernel::isRow() const {
  unsigned innermost = 2 + shape.spatial();
  return rowForm && !shape.transposed && shape.groups == 1 && groups[pixelGroup].first == innermost &&
         groups[pixelGroup].last == innermost && !hasChannelsLast();
}

Value WindowKernel::loadRowTap(KernelText &k, ValueRange taps, Value channel, int64_t channels, TypedAttr pad) const {
  SmallVector<Value> at(shape.spatial(), k.index(0)); // output coordinates
  for (unsigned g = firstPixelGroup; g < groups.size(); ++g) {
    if (g == channelGroup)
      continue;
    unsigned first = groups[g].first - 3, last = groups[g].last - 3;
    auto parts = k.delinearize(offsets[g], ArrayRef<AffineExpr>(shape.out).slice(first, last - first + 1));
    llvm::copy(parts, at.begin() + first);
  }
  auto position = [&](unsigned d) {
    Value tap = k.mul(taps[d], k.index(shape.dilation[d]));
    return k.sub(k.add(k.mul(at[d], k.index(shape.stride[d])), tap), k.index(shape.pads[d]));
  };
  StridedView v;
  v.arg = xArg;
  v.offset = xAt.offset;
  SmallVector<Value> start;
  auto push = [&](AffineExpr extent, AffineExpr stride, Value offset) {
    v.extents.push_back(extent);
    v.strides.push_back(stride);
    start.push_back(offset);
  };
  push(shape.images, xAt.strides[0], imageGroup ? offsets[*imageGroup] : k.index(0));
  unsigned inner = shape.spatial() - 1;
  for (unsigned d = 0; d < inner; ++d)
    push(shape.in[d], xAt.strides[2 + d], position(d));
  push(shape.channels, xAt.strides[1], channel);
  push(shape.in[inner], xAt.strides.back(), position(inner));
  int64_t stride = shape.stride[inner], bp = sizes[pixelGroup];
  Value box = k.load(k.view(v), start, {channels, (bp - 1) * stride + 1}, pad, "x");
  if (stride == 1)
    return box;
  auto type = k.tensor({channels, bp}, cast<RankedTensorType>(box.getType()).getElementType());
  return tile::SliceOp::create(k.b, k.loc, type, box, ArrayRef<int64_t>{0, 0}, ArrayRef<int64_t>{1, stride});
}

Value WindowKernel::loadPixels(KernelText &k, ValueRange taps, Value channel, int64_t channels, TypedAttr pad) const {
  if (isRow())
    return loadRowTap(k, taps, channel, channels, pad);
  return k.transpose(loadTap(k, window(k), taps, channel, channels, pad), {1, 0});
}

SmallVector<Value>
WindowKernel::forTaps(KernelText &k, ValueRange init,
                      llvm::function_ref<SmallVector<Value>(ArrayRef<Value>, ValueRange)> body) const {
  SmallVector<AffineExpr> basis;
  for (int64_t n : shape.kernel)
    basis.push_back(constantExpr(context, n));
  int64_t count = shape.taps();
  if (count > kMaxUnrolledTaps)
    return k.loop("taps", tile::LoopKind::reduce, k.index(0), k.index(count), 1, init,
                  [&](Value t, ValueRange carried) { return body(k.delinearize(t, basis), carried); });
  SmallVector<Value> carried(init);
  for (int64_t t = 0; t < count; ++t) {
    SmallVector<Value> at(shape.spatial());
    int64_t rest = t;
    for (unsigned i = shape.spatial(); i-- > 0; rest /= shape.kernel[i])
      at[i] = k.index(rest % shape.kernel[i]);
    carried = body(at, carried);
  }
  return carried;
}

SmallVector<Value> WindowKernel::coordinates(KernelText &k) const {
  Type i64 = k.b.getI64Type();
  Value first = k.index(0);
  for (unsigned g = firstPixelGroup; g < groups.size(); ++g)
    if (g != channelGroup)
      first = k.add(first, k.mul(offsets[g], k.dim(pixelStride(shape, groups[g]))));
  SmallVector<int64_t> tile = {1, sizes[pixelGroup]};
  Value linear = k.iota(tile, 1, first, i64);
  SmallVector<Value> result(shape.spatial());
  for (unsigned i = shape.spatial(); i-- > 0;) {
    Value extent = k.splatIndex(tile, k.dim(shape.out[i]), i64);
    result[i] = i == 0 ? linear : Value(arith::RemUIOp::create(k.b, k.loc, linear, extent));
    if (i > 0)
      linear = arith::DivUIOp::create(k.b, k.loc, linear, extent);
  }
  return result;
}

} // namespace adze::kernels
