// GridSample, AffineGrid, RoiAlign, MaxUnpool: gathers and scatters at computed places.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

Value indexOf(NodeContext &n, AffineExpr e) { return n.exprValue(e, n.element(DType::I64)); }

/// x[..., i] of the last dim, which goes.
Value lastEntry(NodeContext &n, Value x, int64_t i) {
  Dims sizes = NodeContext::dimsOf(x);
  if (!x || n.failed() || sizes.empty())
    return {};
  SmallVector<AffineExpr> starts(sizes.size(), n.expr(0));
  starts.back() = n.expr(i), sizes.back() = n.expr(1);
  int64_t last = static_cast<int64_t>(sizes.size()) - 1;
  return n.squeeze(n.slice(x, starts, sizes, SmallVector<int64_t>(sizes.size(), 1)), {last});
}

//===- GridSample -------------------------------------------------------------------------------------------------===//

class GridSample {
public:
  explicit GridSample(NodeContext &n) : n(n) {}
  void run();

private:
  /// One sample along one dim: where it is read, its weight and whether it lies inside (null: always).
  struct Tap {
    Value index, weight, inside;
  };
  bool read();
  Value number(double v) { return n.scalar(v, real); }
  Value reflected(Value v, Value low, Value high);
  Value settled(Value v, int64_t d);
  SmallVector<Tap> taps(Value v, int64_t d);
  Value cubic(Value t, int64_t tap);
  void combine(int64_t d, Value index, Value weight, Value inside);

  NodeContext &n;
  std::string mode, padding;
  bool corners = false;
  int64_t spatial = 0;
  mlir::Type real;          ///< of coordinates and sums
  SmallVector<Value> sizes; ///< extents as numbers
  Value flat;               ///< x as [N, C, points]
  Dims gathered;            ///< [N, C, samples]
  SmallVector<SmallVector<Tap>> all;
  Value total;
};

bool GridSample::read() {
  mode = n.attrString("mode", "linear");
  mode = mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : mode;
  padding = n.attrString("padding_mode", "zeros");
  corners = n.attrBool("align_corners", false);
  spatial = n.rank(0) - 2;
  if (mode != "linear" && mode != "nearest" && mode != "cubic")
    return n.malformed("mode is '" + mode + "'"), false;
  if (padding != "zeros" && padding != "border" && padding != "reflection")
    return n.malformed("padding_mode is '" + padding + "'"), false;
  if (n.rank(1) != n.rank(0) || spatial < 1)
    return n.malformed("X and grid must have the same rank of 3 or more"), false;
  if (spatial > 3 || (spatial == 3 && mode == "cubic"))
    return n.unsupported("this number of dims is not supported", "use 2 spatial dims, or 3 with linear or nearest"),
           false;
  if (mode != "nearest" && (!isFloat(n.dtype(0)) || bitWidth(n.dtype(0)) < 16))
    return n.unsupported("interpolation of " + dtypeName(n.dtype(0)) + " is not supported", "cast it to float"), false;
  real = n.element(n.dtype(0) == DType::F64 ? DType::F64 : DType::F32);
  return n.checkEqual(n.dims(0)[0], n.dims(1)[0], "X and grid have the same batch") &&
         n.checkEqual(n.dims(1).back(), n.expr(spatial), "the grid has one coordinate a spatial dim");
}

/// Mirrored at the borders until it lies between them.
Value GridSample::reflected(Value v, Value low, Value high) {
  Value span = n.create<MaxOp>(n.create<SubOp>(high, low), number(1));
  Value below = n.compare(CmpKind::lt, v, low), above = n.compare(CmpKind::gt, v, high);
  Value beyond = n.select(below, n.create<SubOp>(low, v), n.create<SubOp>(v, high));
  Value turns = n.create<FloorOp>(n.create<DivOp>(beyond, span));
  Value rest = n.create<SubOp>(beyond, n.create<MulOp>(turns, span));
  Value half = n.create<FloorOp>(n.create<MulOp>(turns, number(0.5)));
  Value odd = n.compare(CmpKind::gt, n.create<SubOp>(turns, n.create<AddOp>(half, half)), number(0.5));
  Value up = n.create<AddOp>(low, rest), down = n.create<SubOp>(high, rest);
  Value lower = n.select(odd, down, up), upper = n.select(odd, up, down);
  return n.select(below, lower, n.select(above, upper, v));
}

/// A coordinate beyond the borders, brought back as the padding mode says.
Value GridSample::settled(Value v, int64_t d) {
  Value last = n.create<SubOp>(sizes[d], number(1));
  Value low = number(corners ? 0 : -0.5), high = corners ? last : n.create<SubOp>(sizes[d], number(0.5));
  if (padding == "reflection")
    return reflected(v, low, high);
  if (padding == "zeros")
    return v;
  Value outside = n.create<OrOp>(n.compare(CmpKind::lt, v, low), n.compare(CmpKind::gt, v, high));
  return n.select(outside, n.create<MinOp>(n.create<MaxOp>(v, number(0)), last), v);
}

/// Keys' kernel with a = -0.75 at distances t + 1, t, 1 - t, 2 - t.
Value GridSample::cubic(Value t, int64_t tap) {
  constexpr double a = -0.75;
  Value x = tap < 2 ? n.create<AddOp>(t, number(tap == 0 ? 1 : 0)) : n.create<SubOp>(number(tap == 2 ? 1 : 2), t);
  auto times = [&](Value v, double b) { return n.create<AddOp>(n.create<MulOp>(v, x), number(b)); };
  if (tap == 1 || tap == 2)
    return times(n.create<MulOp>(times(number(a + 2), -(a + 3)), x), 1);
  return times(times(times(number(a), -5 * a), 8 * a), -4 * a);
}

SmallVector<GridSample::Tap> GridSample::taps(Value v, int64_t d) {
  Value last = n.create<SubOp>(sizes[d], number(1)), zero = number(0);
  Value low = number(corners ? 0 : -0.5), high = corners ? last : n.create<SubOp>(sizes[d], number(0.5));
  auto at = [&](Value place, Value weight) {
    Tap tap{Value(), weight, Value()};
    if (padding == "zeros")
      tap.inside = n.create<AndOp>(n.compare(CmpKind::ge, place, zero), n.compare(CmpKind::le, place, last));
    else if (padding == "reflection")
      place = reflected(place, low, high);
    tap.index = n.cast(n.create<MinOp>(n.create<MaxOp>(place, zero), last), n.element(DType::I64));
    return tap;
  };
  if (mode == "nearest")
    return {at(v, Value())};
  Value base = n.create<FloorOp>(v), t = n.create<SubOp>(v, base);
  if (mode == "linear")
    return {at(base, n.create<SubOp>(number(1), t)), at(n.create<AddOp>(base, number(1)), t)};
  SmallVector<Tap> out;
  for (int64_t k = 0; k < 4; ++k)
    out.push_back(at(n.create<AddOp>(base, number(static_cast<double>(k - 1))), cubic(t, k)));
  return out;
}

void GridSample::combine(int64_t d, Value index, Value weight, Value inside) {
  if (n.failed())
    return;
  if (d == spatial) {
    Value where = n.broadcastTo(n.unsqueeze(index, {1}), gathered);
    Value v = n.create<GatherElementsOp>(flat, where, int64_t(2));
    if (inside)
      v = n.select(n.unsqueeze(inside, {1}), v, n.scalarLike(0, v));
    if (weight)
      v = n.create<MulOp>(n.cast(v, real), n.unsqueeze(weight, {1}));
    total = total ? n.create<AddOp>(total, v) : v;
    return;
  }
  for (const Tap &tap : all[d]) {
    Value at = tap.index;
    if (index)
      at = n.create<AddOp>(n.create<MulOp>(index, indexOf(n, n.dims(0)[d + 2])), at);
    Value w = weight && tap.weight ? n.create<MulOp>(weight, tap.weight) : tap.weight;
    Value in = inside && tap.inside ? n.create<AndOp>(inside, tap.inside) : tap.inside;
    combine(d + 1, at, w, in);
  }
}

void GridSample::run() {
  if (!read())
    return;
  Dims x = n.dims(0), grid = n.dims(1);
  llvm::ArrayRef<AffineExpr> places = llvm::ArrayRef<AffineExpr>(grid).drop_front(1).drop_back(1);
  AffineExpr points = graph::product(n.context(), llvm::ArrayRef<AffineExpr>(x).drop_front(2));
  AffineExpr samples = graph::product(n.context(), places);
  flat = n.reshape(n.value(0), {x[0], x[1], points});
  gathered = {x[0], x[1], samples};
  Value coordinates = n.cast(n.reshape(n.value(1), {x[0], samples, n.expr(spatial)}), real);
  for (int64_t d = 0; d < spatial && !n.failed(); ++d) {
    Value size = n.cast(indexOf(n, x[d + 2]), real);
    sizes.push_back(size);
    Value g = n.create<AddOp>(lastEntry(n, coordinates, spatial - 1 - d), number(1));
    Value v = corners ? n.create<MulOp>(n.create<MulOp>(g, number(0.5)), n.create<SubOp>(size, number(1)))
                      : n.create<MulOp>(n.create<SubOp>(n.create<MulOp>(g, size), number(1)), number(0.5));
    if (mode == "nearest")
      v = n.create<RoundOp>(v);
    all.push_back(taps(settled(v, d), d));
  }
  combine(0, Value(), Value(), Value());
  if (n.failed() || !total)
    return;
  Dims out = {x[0], x[1]};
  out.append(places.begin(), places.end());
  n.out(0, n.reshape(n.cast(total, n.element(n.dtype(0))), out));
}

void gridSample(NodeContext &n) { GridSample(n).run(); }

//===- AffineGrid -------------------------------------------------------------------------------------------------===//

/// theta[N, k, k+1] applied to the homogeneous coordinates of each place, x first.
void affineGrid(NodeContext &n) {
  auto size = n.requireContents(1, "the size");
  if (!size)
    return;
  int64_t spatial = static_cast<int64_t>(size->size()) - 2;
  if (n.rank(0) != 3 || spatial < 2 || spatial > 3)
    return n.malformed("theta must have rank 3 and the size 4 or 5 entries");
  Dims places;
  for (AffineExpr e : llvm::ArrayRef<AffineExpr>(*size).drop_front(2))
    places.push_back(n.asDim(e));
  if (!n.checkEqual(n.dims(0)[0], (*size)[0], "theta and the size have the same batch") ||
      !n.checkEqual(n.dims(0)[1], n.expr(spatial), "theta has one row a spatial dim") ||
      !n.checkEqual(n.dims(0)[2], n.expr(spatial + 1), "theta has one column more than rows"))
    return;
  Value theta = n.value(0);
  if (n.failed())
    return;
  mlir::Type element = NodeContext::elementOf(theta),
             real = n.element(n.dtype(0) == DType::F64 ? DType::F64 : DType::F32);
  bool corners = n.attrBool("align_corners", false);
  theta = n.cast(theta, real);
  SmallVector<Value> axes; // coordinates along each dim, broadcast over [N, places...]
  for (int64_t d = 0; d < spatial; ++d) {
    Dims shape(spatial + 1, n.expr(1));
    shape[d + 1] = places[d];
    Value i = n.createTyped<IotaOp>(graph::makeTensorType(shape, real), d + 1);
    Value length =
        n.cast(indexOf(n, corners ? n.sym().max(n.sym().sub(places[d], n.expr(1)), n.expr(1)) : places[d]), real);
    Value twice = n.create<AddOp>(n.create<AddOp>(i, i), n.scalar(corners ? 0 : 1, real));
    axes.push_back(n.create<SubOp>(n.create<DivOp>(twice, length), n.scalar(1, real)));
  }
  Dims one(spatial + 1, n.expr(1)), full = {n.dims(0)[0]};
  one[0] = n.dims(0)[0];
  full.append(places.begin(), places.end());
  auto entry = [&](int64_t row, int64_t column) {
    return n.reshape(
        n.slice(theta, {n.expr(0), n.expr(row), n.expr(column)}, {one[0], n.expr(1), n.expr(1)}, {1, 1, 1}), one);
  };
  SmallVector<Value> rows;
  for (int64_t r = 0; r < spatial && !n.failed(); ++r) {
    Value sum = entry(r, spatial);
    for (int64_t c = 0; c < spatial; ++c)
      sum = n.create<AddOp>(n.create<MulOp>(entry(r, c), axes[spatial - 1 - c]), sum);
    rows.push_back(n.unsqueeze(n.broadcastTo(sum, full), {spatial + 1}));
  }
  n.out(0, n.cast(n.concat(rows, spatial + 1), element));
}

//===- RoiAlign ---------------------------------------------------------------------------------------------------===//

/// Bilinear samples on a regular grid in each bin of each region, then their mean or maximum.
class RoiAlign {
public:
  explicit RoiAlign(NodeContext &n) : n(n) {}
  void run();

private:
  /// Samples along one dim, [R, count]: the elements on both sides and their weights, 0 where a sample lies outside.
  struct Samples {
    Value low, high, lowWeight, highWeight;
  };
  bool read();
  Value number(double v) { return n.scalar(v, real); }
  Samples samples(int64_t column, int64_t dim, int64_t bins);
  Value corner(Value y, Value x, Value wy, Value wx);

  NodeContext &n;
  int64_t height = 1, width = 1, ratio = 0;
  double scale = 1;
  bool half = true, largest = false;
  mlir::Type real;
  Value rows, rois, batch; ///< x as [N*H*W, C], regions, first row of each region's image
};

bool RoiAlign::read() {
  height = n.attrInt("output_height", 1), width = n.attrInt("output_width", 1);
  ratio = n.attrInt("sampling_ratio", 0), scale = n.attrFloat("spatial_scale", 1);
  std::string mode = n.attrString("mode", "avg");
  std::string transform =
      n.opset() < 16 ? "output_half_pixel" : n.attrString("coordinate_transformation_mode", "half_pixel");
  half = transform == "half_pixel", largest = mode == "max";
  if (n.failed())
    return false;
  if ((!half && transform != "output_half_pixel") || (!largest && mode != "avg"))
    return n.malformed("mode or coordinate_transformation_mode is not known"), false;
  if (n.rank(0) != 4 || n.rank(1) != 2 || n.rank(2) != 1)
    return n.malformed("X must have rank 4, rois rank 2 and batch_indices rank 1"), false;
  constexpr int64_t kLargest = 4096;
  if (ratio < 1 || ratio > kLargest)
    return n.unsupported("the number of samples depends on the regions", "set sampling_ratio to a positive number"),
           false;
  if (height < 1 || width < 1 || height > kLargest || width > kLargest)
    return n.malformed("output_height and output_width must be from 1 to 4096"), false;
  if (!isFloat(n.dtype(0)) || bitWidth(n.dtype(0)) < 16)
    return n.malformed("X must hold floats"), false;
  real = n.element(n.dtype(0) == DType::F64 ? DType::F64 : DType::F32);
  return n.checkEqual(n.dims(1)[1], n.expr(4), "a region has four numbers") &&
         n.checkEqual(n.dims(1)[0], n.dims(2)[0], "there is one batch index a region");
}

RoiAlign::Samples RoiAlign::samples(int64_t column, int64_t dim, int64_t bins) {
  AffineExpr regions = n.dims(1)[0];
  auto edge = [&](int64_t i) {
    Value e = n.slice(rois, {n.expr(0), n.expr(i)}, {regions, n.expr(1)}, {1, 1});
    return n.create<SubOp>(n.create<MulOp>(e, number(scale)), number(half ? 0.5 : 0));
  };
  Value start = edge(column), extent = n.create<SubOp>(edge(column + 2), start);
  if (!half)
    extent = n.create<MaxOp>(extent, number(1));
  Value step = n.create<DivOp>(extent, number(static_cast<double>(bins * ratio)));
  Value i = n.createTyped<IotaOp>(graph::makeTensorType({n.expr(1), n.expr(bins * ratio)}, real), int64_t(1));
  Value at = n.binary<AddOp>(start, n.binary<MulOp>(step, n.create<AddOp>(i, number(0.5))));
  Value size = n.cast(indexOf(n, n.dims(0)[dim]), real), last = n.create<SubOp>(size, number(1));
  Value inside = n.create<AndOp>(n.compare(CmpKind::ge, at, number(-1)), n.compare(CmpKind::le, at, size));
  at = n.create<MaxOp>(at, number(0));
  Value low = n.create<MinOp>(n.create<FloorOp>(at), last);
  Value share = n.create<MinOp>(n.create<SubOp>(at, low), number(1));
  share = n.select(n.compare(CmpKind::ge, low, last), number(0), share);
  Value high = n.create<MinOp>(n.create<AddOp>(low, number(1)), last);
  mlir::Type index = n.element(DType::I64);
  return {n.cast(low, index), n.cast(high, index), n.select(inside, n.create<SubOp>(number(1), share), number(0)),
          n.select(inside, share, number(0))};
}

/// x[image, y, x] times its weight: [R, rows, columns, C].
Value RoiAlign::corner(Value y, Value x, Value wy, Value wx) {
  Value line = n.create<MulOp>(n.unsqueeze(y, {2}), indexOf(n, n.dims(0)[3]));
  Value at = n.binary<AddOp>(n.binary<AddOp>(batch, line), n.unsqueeze(x, {1}));
  Value weight = n.binary<MulOp>(n.unsqueeze(wy, {2}), n.unsqueeze(wx, {1}));
  return n.create<MulOp>(n.create<GatherOp>(rows, at, int64_t(0)), n.unsqueeze(weight, {3}));
}

void RoiAlign::run() {
  if (!read())
    return;
  Dims x = n.dims(0);
  AffineExpr regions = n.dims(1)[0], plane = n.sym().mul(x[2], x[3]);
  rows = n.reshape(n.transpose(n.value(0), {0, 2, 3, 1}), {n.sym().mul(x[0], plane), x[1]});
  rows = n.cast(rows, real), rois = n.cast(n.value(1), real);
  batch = n.create<MulOp>(n.reshape(n.cast(n.value(2), n.element(DType::I64)), {regions, n.expr(1), n.expr(1)}),
                          indexOf(n, plane));
  Samples v = samples(1, 2, height), h = samples(0, 3, width);
  Value parts[] = {corner(v.low, h.low, v.lowWeight, h.lowWeight), corner(v.low, h.high, v.lowWeight, h.highWeight),
                   corner(v.high, h.low, v.highWeight, h.lowWeight),
                   corner(v.high, h.high, v.highWeight, h.highWeight)};
  Value total = parts[0];
  for (Value part : llvm::ArrayRef<Value>(parts).drop_front())
    total = largest ? n.create<MaxOp>(total, part) : n.create<AddOp>(total, part);
  total = n.reshape(total, {regions, n.expr(height), n.expr(ratio), n.expr(width), n.expr(ratio), x[1]});
  total = n.squeeze(n.reduce(total, {2, 4}, largest ? ReduceKind::max : ReduceKind::mean), {2, 4});
  if (total)
    n.out(0, n.cast(n.transpose(total, {0, 3, 1, 2}), n.element(n.dtype(0))));
}

void roiAlign(NodeContext &n) { RoiAlign(n).run(); }

//===- MaxUnpool --------------------------------------------------------------------------------------------------===//

void maxUnpool(NodeContext &n) {
  if (n.has(2))
    return n.unsupported("output_shape is not supported", "leave it out");
  int64_t spatial = n.rank(0) - 2;
  auto kernel = n.requireInts("kernel_shape");
  auto strides = n.attrInts("strides", SmallVector<int64_t>(kernel.size(), 1));
  auto pads = n.attrInts("pads", SmallVector<int64_t>(2 * kernel.size(), 0));
  if (n.failed())
    return;
  if (spatial < 1 || n.rank(1) != n.rank(0) || static_cast<int64_t>(kernel.size()) != spatial ||
      strides.size() != kernel.size() || pads.size() != 2 * kernel.size())
    return n.malformed("X and I must have the same rank, the attributes one entry a spatial dim");
  Dims dims = n.dims(0);
  for (int64_t d = 0; d < spatial; ++d) {
    AffineExpr steps = n.sym().mul(n.sym().sub(dims[d + 2], n.expr(1)), n.expr(strides[d]));
    dims[d + 2] = n.asDim(n.sym().add(steps, n.expr(kernel[d] - pads[d] - pads[d + spatial])));
  }
  AffineExpr count = graph::product(n.context(), n.dims(0)), size = graph::product(n.context(), dims);
  for (int64_t d = 0; d < n.rank(0); ++d)
    if (!n.checkEqual(n.dims(0)[d], n.dims(1)[d], "there is one index a value"))
      return;
  Value x = n.reshape(n.value(0), {count}), at = n.reshape(n.value(1), {count});
  Value zeros = n.broadcastTo(n.scalarLike(0, x), {size});
  n.out(0, n.reshape(n.create<ScatterElementsOp>(zeros, at, x, int64_t(0), ScatterKind::none), dims));
}

} // namespace

void adze::registerUnfoldHandlers(HandlerTable &t) {
  t.add("", "AffineGrid", 20, affineGrid, 2, 2);
  t.add("", "GridSample", 16, gridSample, 2, 2);
  t.add("", "MaxUnpool", 9, maxUnpool, 2, 3);
  t.add("", "RoiAlign", 10, roiAlign, 3, 3);
}
