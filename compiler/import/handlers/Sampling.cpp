// Resize and Upsample: one interpolation an axis, with taps that are constants where the sizes are, and computed on the
// device (in f64, like the definition) where only the launch knows them.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include <cmath>

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

enum class Mode { nearest, linear, cubic };

struct Axis {
  int64_t dim = 0;
  AffineExpr in, out;
  std::optional<double> scale; ///< absent: out / in
  double roiStart = 0, roiEnd = 1;
};

class Resizer {
public:
  explicit Resizer(NodeContext &n) : n(n) {}
  void run();

private:
  bool readAttributes();
  bool readAxes();
  bool sizesOperand(unsigned at, llvm::ArrayRef<int64_t> axes);
  bool scalesOperand(llvm::ArrayRef<double> scales, llvm::ArrayRef<int64_t> axes);
  bool keepAspect(llvm::ArrayRef<int64_t> sizes, bool larger);
  Value along(Value x, const Axis &a);
  Value fixedTaps(Value x, const Axis &a, int64_t in, int64_t out);
  Value computedTaps(Value x, const Axis &a);
  double coordinate(int64_t i, double in, double out, double scale, const Axis &a) const;
  Value coordinates(const Axis &a, Value in);
  int64_t nearestOf(double x) const;
  void weightsAt(double ratio, double scale, int64_t &first, llvm::SmallVectorImpl<double> &w) const;
  double cubicWeight(double x) const;
  Value cubicWeights(Value t, int64_t tap);
  using Doubles = SmallVector<double>;

  NodeContext &n;
  Mode mode = Mode::nearest;
  std::string transform, nearest, policy;
  bool antialias = false, excludeOutside = false;
  double a = -0.75, extrapolation = 0;
  SmallVector<Axis> axes;
  Value outside; ///< where tf_crop_and_resize extrapolates
};

bool Resizer::readAttributes() {
  std::string text = n.attrString("mode", "nearest");
  if (text == "nearest")
    mode = Mode::nearest;
  else if (text == "linear" || text == "bilinear" || text == "trilinear")
    mode = Mode::linear;
  else if (text == "cubic")
    mode = Mode::cubic;
  else
    return n.malformed("mode is '" + text + "', allowed are nearest, linear and cubic"), false;
  bool old = n.op() == "Upsample" || n.opset() < 11;
  transform = n.attrString("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  nearest = n.attrString("nearest_mode", old ? "floor" : "round_prefer_floor");
  policy = n.attrString("keep_aspect_ratio_policy", "stretch");
  antialias = n.attrBool("antialias", false);
  excludeOutside = n.attrBool("exclude_outside", false);
  a = n.attrFloat("cubic_coeff_a", -0.75);
  extrapolation = n.attrFloat("extrapolation_value", 0);
  static constexpr const char *kTransforms[] = {"half_pixel",          "half_pixel_symmetric", "pytorch_half_pixel",
                                                "align_corners",       "asymmetric",           "tf_crop_and_resize",
                                                "tf_half_pixel_for_nn"};
  static constexpr const char *kNearest[] = {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"};
  if (!llvm::is_contained(kTransforms, transform))
    return n.malformed("coordinate_transformation_mode is '" + transform + "'"), false;
  if (!llvm::is_contained(kNearest, nearest))
    return n.malformed("nearest_mode is '" + nearest + "'"), false;
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    return n.malformed("keep_aspect_ratio_policy is '" + policy + "'"), false;
  return !n.failed();
}

/// floor(dim * scale) as an expression: the scale must be a fraction of small numbers where the dim is symbolic.
std::optional<AffineExpr> scaled(NodeContext &n, AffineExpr dim, double scale) {
  if (auto fixed = n.sym().constantOf(dim))
    return n.expr(static_cast<int64_t>(std::floor(static_cast<double>(*fixed) * scale)));
  for (int64_t q = 1; q <= 1024; ++q) {
    double p = std::round(scale * static_cast<double>(q));
    if (p >= 1 && p < 1e6 && static_cast<float>(p / static_cast<double>(q)) == static_cast<float>(scale))
      return n.sym().floorDiv(n.sym().mul(dim, n.expr(static_cast<int64_t>(p))), n.expr(q));
  }
  return std::nullopt;
}

bool Resizer::scalesOperand(llvm::ArrayRef<double> scales, llvm::ArrayRef<int64_t> list) {
  if (scales.size() != list.size())
    return n.malformed("there are " + llvm::Twine(scales.size()) + " scales for " + llvm::Twine(list.size()) + " axes"),
           false;
  for (auto [d, scale] : llvm::zip(list, scales)) {
    if (!(scale > 0) || !(scale < 1e6))
      return n.malformed("scales must be positive"), false;
    auto out = scaled(n, n.dims(0)[d], scale);
    if (!out)
      return n.unsupported("a symbolic dim times the scale " + llvm::Twine(std::to_string(scale)) +
                               " has no simple form",
                           "give the dim with --dim or --input-shape"),
             false;
    axes.push_back({d, n.dims(0)[d], *out, scale});
  }
  return true;
}

/// One scale for all axes: the smallest or the largest of size / dim.
bool Resizer::keepAspect(llvm::ArrayRef<int64_t> sizes, bool larger) {
  double best = larger ? 0 : INFINITY;
  for (auto [axis, size] : llvm::zip(axes, sizes)) {
    double ratio = static_cast<double>(size) / static_cast<double>(*n.sym().constantOf(axis.in));
    best = larger ? std::max(best, ratio) : std::min(best, ratio);
  }
  for (Axis &axis : axes) {
    double dim = static_cast<double>(*n.sym().constantOf(axis.in));
    axis.out = n.expr(static_cast<int64_t>(std::floor(best * dim + 0.5)));
    axis.scale = best;
  }
  return true;
}

bool Resizer::sizesOperand(unsigned at, llvm::ArrayRef<int64_t> list) {
  auto sizes = n.requireContents(at, "sizes");
  if (!sizes)
    return false;
  if (sizes->size() != list.size())
    return n.malformed("there are " + llvm::Twine(sizes->size()) + " sizes for " + llvm::Twine(list.size()) + " axes"),
           false;
  for (auto [d, size] : llvm::zip(list, *sizes))
    axes.push_back({d, n.dims(0)[d], n.asDim(size), std::nullopt});
  if (policy == "stretch")
    return true;
  SmallVector<int64_t> fixed;
  for (Axis &axis : axes) {
    auto size = n.sym().constantOf(axis.out), dim = n.sym().constantOf(axis.in);
    if (!size || !dim || *dim < 1)
      return n.unsupported("keep_aspect_ratio_policy needs fixed dims and sizes", "make them constants"), false;
    fixed.push_back(*size);
  }
  return keepAspect(fixed, policy == "not_smaller");
}

bool Resizer::readAxes() {
  SmallVector<int64_t> list;
  if (n.hasAttr("axes"))
    list = n.normalizeAxes(n.attrInts("axes"), n.rank(0));
  else
    for (int64_t d = 0; d < n.rank(0); ++d)
      list.push_back(d);
  if (n.failed())
    return false;
  bool old = n.op() == "Upsample" || n.opset() < 11;
  unsigned scalesAt = old ? 1 : 2;
  auto empty = [&](unsigned i) { return n.rank(i) == 1 && n.sym().constantOf(n.dims(i)[0]) == 0; };
  if (old && n.op() == "Upsample" && n.opset() < 9) {
    if (!scalesOperand(n.attrFloats("scales"), list))
      return false;
  } else if (n.has(scalesAt) && !empty(scalesAt)) {
    auto scales = n.constantDoubles(scalesAt);
    if (!scales)
      return n.unsupported("the scales must be a constant", "give sizes, or fold the scales into the model"), false;
    if (!scalesOperand(*scales, list))
      return false;
  } else if (!old && n.has(3)) {
    if (!sizesOperand(3, list))
      return false;
  } else {
    return n.malformed("neither scales nor sizes are given"), false;
  }
  if (transform == "tf_crop_and_resize") {
    auto roi = n.constantDoubles(1);
    if (!roi)
      return n.unsupported("the region of interest must be a constant", "fold it into the model"), false;
    if (roi->size() != 2 * list.size())
      return n.malformed("roi must have two numbers an axis"), false;
    for (size_t k = 0; k < axes.size(); ++k)
      axes[k].roiStart = (*roi)[k], axes[k].roiEnd = (*roi)[k + list.size()];
  }
  return !n.failed();
}

//===- Fixed sizes ------------------------------------------------------------------------------------------------===//

double Resizer::coordinate(int64_t i, double in, double out, double scale, const Axis &axis) const {
  double x = static_cast<double>(i), length = scale * in;
  if (transform == "asymmetric")
    return x / scale;
  if (transform == "align_corners")
    return length == 1 ? 0 : x * (in - 1) / (length - 1);
  if (transform == "tf_crop_and_resize") {
    double span = (axis.roiEnd - axis.roiStart) * (in - 1);
    return (length == 1 ? span / 2 : x * span / (length - 1)) + axis.roiStart * (in - 1);
  }
  if (transform == "tf_half_pixel_for_nn")
    return (x + 0.5) / scale;
  if (transform == "pytorch_half_pixel" && length == 1)
    return -0.5;
  double shift = transform == "half_pixel_symmetric" ? in / 2 * (1 - out / length) : 0;
  return shift + (x + 0.5) / scale - 0.5;
}

int64_t Resizer::nearestOf(double x) const {
  double low = std::floor(x), ratio = x - low;
  bool up = nearest == "ceil"                ? ratio > 0
            : nearest == "round_prefer_ceil" ? ratio >= 0.5
            : nearest == "floor"             ? false
                                             : ratio > 0.5;
  return static_cast<int64_t>(low) + up;
}

/// Keys' cubic kernel.
double Resizer::cubicWeight(double x) const {
  x = std::abs(x);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// Weights of the taps from `first` (relative to the floor of the coordinate) on.
void Resizer::weightsAt(double ratio, double scale, int64_t &first, llvm::SmallVectorImpl<double> &w) const {
  double shrink = antialias ? std::min(scale, 1.0) : 1.0, reach = mode == Mode::cubic ? 2 : 1;
  first = static_cast<int64_t>(std::floor(-reach / shrink)) + 1;
  int64_t count = 2 - 2 * first;
  double total = 0;
  for (int64_t k = first; k < first + count; ++k) {
    double at = (static_cast<double>(k) - ratio) * shrink;
    w.push_back(mode == Mode::cubic ? cubicWeight(at) : std::max(0.0, 1 - std::abs(at)));
    total += w.back();
  }
  if (antialias)
    for (double &v : w)
      v /= total;
}

template <typename T>
llvm::ArrayRef<char> bytesOf(const std::vector<T> &v) {
  return {reinterpret_cast<const char *>(v.data()), v.size() * sizeof(T)};
}

Value Resizer::fixedTaps(Value x, const Axis &axis, int64_t in, int64_t out) {
  double scale = axis.scale.value_or(static_cast<double>(out) / static_cast<double>(in));
  constexpr int64_t kLargest = int64_t(1) << 24;
  if (out > kLargest || in > kLargest || in < 1) {
    n.unsupported("a resized dim is empty or larger than 2^24", "resize in steps");
    return {};
  }
  std::vector<int32_t> indices;
  std::vector<float> weights;
  std::vector<char> beyond(out, 0);
  int64_t taps = 1;
  for (int64_t i = 0; i < out; ++i) {
    double at = coordinate(i, static_cast<double>(in), static_cast<double>(out), scale, axis);
    beyond[i] = at < 0 || at > static_cast<double>(in - 1);
    auto clamped = [&](int64_t k) { return static_cast<int32_t>(std::clamp<int64_t>(k, 0, in - 1)); };
    if (mode == Mode::nearest) {
      indices.push_back(clamped(nearestOf(at)));
      continue;
    }
    double low = std::floor(at), total = 0;
    int64_t first = 0;
    Doubles w;
    weightsAt(at - low, scale, first, w);
    taps = static_cast<int64_t>(w.size());
    for (int64_t k = 0; k < taps; ++k) {
      int64_t index = static_cast<int64_t>(low) + first + k;
      if (excludeOutside && (index < 0 || index >= in))
        w[k] = 0;
      total += w[k];
      indices.push_back(clamped(index));
    }
    for (double v : w)
      weights.push_back(static_cast<float>(excludeOutside ? v / total : v));
  }
  auto constant = [&](DType type, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<char> bytes) {
    auto id = n.store().addInline(type, dims, bytes, n.op());
    return id ? n.weight(*id) : Value();
  };
  if (transform == "tf_crop_and_resize" && llvm::is_contained(beyond, 1)) {
    SmallVector<int64_t> shape(NodeContext::rankOf(x), 1);
    shape[axis.dim] = out;
    Value mask = constant(DType::Bool, shape, beyond);
    outside = outside ? n.binary<OrOp>(outside, mask) : mask;
  }
  if (mode == Mode::nearest)
    return n.create<GatherOp>(x, constant(DType::I32, {out}, bytesOf(indices)), axis.dim);
  Value at = constant(DType::I32, {out, taps}, bytesOf(indices));
  Value w = constant(DType::F32, {out, taps}, bytesOf(weights));
  Dims dims = NodeContext::dimsOf(x);
  dims[axis.dim] = axis.out;
  return n.createTyped<ResizeOp>(graph::makeTensorType(dims, NodeContext::elementOf(x)), x, at, w, axis.dim);
}

//===- Sizes that the launch tells --------------------------------------------------------------------------------===//

Value Resizer::coordinates(const Axis &axis, Value in) {
  mlir::Type f64 = n.element(DType::F64), index = n.element(DType::I64);
  Value i = n.createTyped<IotaOp>(graph::makeTensorType({axis.out}, f64), int64_t(0));
  auto number = [&](double v) { return n.scalar(v, f64); };
  Value out = n.cast(n.exprValue(axis.out, index), f64);
  Value scale = axis.scale ? number(*axis.scale) : n.create<DivOp>(out, in);
  Value length = n.create<MulOp>(scale, in);
  Value single = n.compare(CmpKind::eq, length, number(1));
  if (transform == "asymmetric")
    return n.create<DivOp>(i, scale);
  if (transform == "align_corners") {
    Value x = n.create<DivOp>(n.create<MulOp>(i, n.create<SubOp>(in, number(1))), n.create<SubOp>(length, number(1)));
    return n.select(single, number(0), x);
  }
  Value centre = n.create<DivOp>(n.create<AddOp>(i, number(0.5)), scale);
  if (transform == "tf_half_pixel_for_nn")
    return centre;
  Value x = n.create<SubOp>(centre, number(0.5));
  if (transform == "pytorch_half_pixel")
    return n.select(single, number(-0.5), x);
  if (transform == "half_pixel_symmetric" && axis.scale) {
    Value share = n.create<SubOp>(number(1), n.create<DivOp>(out, length));
    x = n.create<AddOp>(x, n.create<MulOp>(n.create<MulOp>(in, number(0.5)), share));
  }
  return x;
}

Value Resizer::cubicWeights(Value t, int64_t tap) {
  auto number = [&](double v) { return n.scalarLike(v, t); };
  // Distance of the tap: t + 1, t, 1 - t, 2 - t.
  Value x = tap < 2 ? n.create<AddOp>(t, number(tap == 0 ? 1 : 0)) : n.create<SubOp>(number(tap == 2 ? 1 : 2), t);
  auto times = [&](Value v, double b) { return n.create<AddOp>(n.create<MulOp>(v, x), number(b)); };
  if (tap == 1 || tap == 2)
    return times(n.create<MulOp>(times(number(a + 2), -(a + 3)), x), 1);
  return times(times(times(number(a), -5 * a), 8 * a), -4 * a);
}

Value Resizer::computedTaps(Value x, const Axis &axis) {
  if (antialias || transform == "tf_crop_and_resize") {
    n.unsupported("antialias and tf_crop_and_resize need fixed dims and sizes",
                  "give them with --dim or --input-shape");
    return {};
  }
  mlir::Type f64 = n.element(DType::F64), index = n.element(DType::I64), i32 = n.element(DType::I32);
  Value in = n.cast(n.exprValue(axis.in, index), f64), at = coordinates(axis, in);
  Value low = n.create<FloorOp>(at), t = n.create<SubOp>(at, low);
  Value last = n.create<SubOp>(in, n.scalar(1, f64)), zero = n.scalar(0, f64);
  auto clamped = [&](Value v) { return n.cast(n.create<MinOp>(n.create<MaxOp>(v, zero), last), i32); };
  if (mode == Mode::nearest) {
    CmpKind kind = nearest == "round_prefer_ceil" ? CmpKind::ge : CmpKind::gt;
    Value up = n.compare(kind, t, n.scalar(nearest == "ceil" ? 0 : nearest == "floor" ? 2 : 0.5, f64));
    return n.create<GatherOp>(x, clamped(n.create<AddOp>(low, n.cast(up, f64))), axis.dim);
  }
  int64_t first = mode == Mode::cubic ? -1 : 0, taps = mode == Mode::cubic ? 4 : 2;
  SmallVector<Value> indices, weights;
  Value total;
  for (int64_t k = 0; k < taps && !n.failed(); ++k) {
    Value position = n.create<AddOp>(low, n.scalar(static_cast<double>(first + k), f64));
    Value w = mode == Mode::cubic ? cubicWeights(t, k) : k ? t : n.create<SubOp>(n.scalar(1, f64), t);
    if (excludeOutside) {
      Value inside = n.create<AndOp>(n.compare(CmpKind::ge, position, zero), n.compare(CmpKind::le, position, last));
      w = n.select(inside, w, zero);
    }
    total = total ? n.create<AddOp>(total, w) : w;
    indices.push_back(n.unsqueeze(clamped(position), {1}));
    weights.push_back(w);
  }
  for (Value &w : weights)
    w = n.unsqueeze(n.cast(excludeOutside ? n.create<DivOp>(w, total) : w, n.element(DType::F32)), {1});
  Value at2 = n.concat(indices, 1), w2 = n.concat(weights, 1);
  Dims dims = NodeContext::dimsOf(x);
  if (n.failed() || !at2 || !w2)
    return {};
  dims[axis.dim] = axis.out;
  return n.createTyped<ResizeOp>(graph::makeTensorType(dims, NodeContext::elementOf(x)), x, at2, w2, axis.dim);
}

Value Resizer::along(Value x, const Axis &axis) {
  auto in = n.sym().constantOf(axis.in), out = n.sym().constantOf(axis.out);
  bool same = graph::provablyEqual(axis.in, axis.out) && axis.scale.value_or(1) == 1;
  if (!x || n.failed() || (same && transform != "tf_crop_and_resize" && transform != "tf_half_pixel_for_nn"))
    return x;
  return in && out ? fixedTaps(x, axis, *in, *out) : computedTaps(x, axis);
}

void Resizer::run() {
  if (!readAttributes() || !readAxes())
    return;
  Value x = n.value(0);
  if (n.failed())
    return;
  mlir::Type element = NodeContext::elementOf(x);
  if (mode != Mode::nearest) {
    if (!isFloat(n.dtype(0)) || bitWidth(n.dtype(0)) < 16)
      return n.unsupported("interpolation of " + dtypeName(n.dtype(0)) + " is not supported", "cast it to float");
    x = bitWidth(n.dtype(0)) < 32 ? n.cast(x, n.element(DType::F32)) : x;
  }
  for (const Axis &axis : axes)
    x = along(x, axis);
  if (outside)
    x = n.select(outside, n.scalarLike(extrapolation, x), x);
  n.out(0, n.cast(x, element));
}

void resize(NodeContext &n) { Resizer(n).run(); }

} // namespace

void adze::registerSamplingHandlers(HandlerTable &t) {
  t.add("", "Resize", 10, resize, 2, 2);
  t.add("", "Resize", 11, resize, 1, 4);
  t.add("", "Upsample", 7, resize, 1, 1);
  t.add("", "Upsample", 9, resize, 2, 2);
}
