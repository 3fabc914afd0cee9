// Pooling.
#include "compiler/import/handlers/Window.h"
#include "compiler/import/HandlerTable.h"

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// ceil_mode rounds the output up: the end pads grow so that the last window fits. A window that would start in the end
/// padding is dropped, as the specification says since opset 22 (and implementations always did).
bool applyCeilMode(NodeContext &n, Window &w) {
  if (!n.attrBool("ceil_mode", false))
    return true;
  size_t spatial = w.kernel.size();
  for (size_t i = 0; i < spatial; ++i) {
    int64_t reach = (w.kernel[i] - 1) * w.dilations[i] + 1, stride = w.strides[i];
    auto size = n.sym().constantOf(n.dims(0)[i + 2]);
    if (!size) {
      if (stride == 1)
        continue;
      n.unsupported("ceil_mode with a stride over 1 needs fixed spatial dims", "give them with --dim or --input-shape");
      return false;
    }
    int64_t room = *size + w.pads[i] + w.pads[i + spatial] - reach;
    if (room < 0)
      continue; // refused by shape inference
    int64_t outputs = (room + stride - 1) / stride + 1;
    if ((outputs - 1) * stride >= *size + w.pads[i])
      --outputs;
    w.pads[i + spatial] = std::max(w.pads[i + spatial], (outputs - 1) * stride + reach - *size - w.pads[i]);
  }
  return true;
}

std::optional<Window> poolWindow(NodeContext &n, llvm::SmallVector<int64_t> &ownPads) {
  auto window = readWindow(n, n.dims(0), n.requireInts("kernel_shape"));
  if (!window)
    return std::nullopt;
  ownPads = window->pads;
  return applyCeilMode(n, *window) ? window : std::nullopt;
}

void maxPool(NodeContext &n) {
  llvm::SmallVector<int64_t> own;
  auto w = poolWindow(n, own);
  if (!w)
    return;
  Value x = n.value(0);
  Value y = n.create<PoolOp>(x, w->kernel, w->strides, w->dilations, w->pads, own, PoolKind::maxpool);
  n.out(0, y);
  if (n.wants(1) && y)
    n.out(1, n.createTyped<MaxPoolIndicesOp>(graph::makeTensorType(NodeContext::dimsOf(y), n.element(DType::I64)), x,
                                             w->kernel, w->strides, w->dilations, w->pads,
                                             n.attrBool("storage_order", false)));
}

void averagePool(NodeContext &n) {
  llvm::SmallVector<int64_t> own;
  auto w = poolWindow(n, own);
  if (!w)
    return;
  PoolKind kind = n.attrBool("count_include_pad", false) ? PoolKind::avgpool_pad : PoolKind::avgpool;
  n.out(0, n.create<PoolOp>(n.value(0), w->kernel, w->strides, w->dilations, w->pads, own, kind));
}

/// (sum |x|^p)^(1/p) of one reduction or window sum.
Value norm(NodeContext &n, Value x, double p, llvm::function_ref<Value(Value)> sum) {
  Value powers = n.create<AbsOp>(x);
  if (p == 2)
    powers = n.create<MulOp>(x, x);
  else if (p != 1)
    powers = n.create<PowOp>(powers, n.scalarLike(p, powers));
  Value total = sum(powers);
  if (p == 1 || !total)
    return total;
  return p == 2 ? n.create<SqrtOp>(total) : n.create<PowOp>(total, n.scalarLike(1 / p, total));
}

void lpPool(NodeContext &n) {
  llvm::SmallVector<int64_t> own;
  auto w = poolWindow(n, own);
  if (!w)
    return;
  n.out(0, norm(n, n.value(0), static_cast<double>(n.attrInt("p", 2)), [&](Value v) {
          return n.create<PoolOp>(v, w->kernel, w->strides, w->dilations, w->pads, own, PoolKind::sumpool);
        }));
}

llvm::SmallVector<int64_t> spatialAxes(NodeContext &n) {
  llvm::SmallVector<int64_t> axes;
  for (int64_t i = 2; i < n.rank(0); ++i)
    axes.push_back(i);
  if (n.rank(0) < 2)
    n.malformed("the operand must have rank 2 or more, it has " + llvm::Twine(n.rank(0)));
  return axes;
}

template <ReduceKind kind>
void globalPool(NodeContext &n) {
  auto axes = spatialAxes(n);
  n.out(0, n.reduce(n.value(0), axes, kind));
}

void globalLpPool(NodeContext &n) {
  auto axes = spatialAxes(n);
  n.out(0, norm(n, n.value(0), static_cast<double>(n.attrInt("p", 2)),
                [&](Value v) { return n.reduce(v, axes, ReduceKind::sum); }));
}

} // namespace

void adze::registerPoolHandlers(HandlerTable &t) {
  t.add("", "AveragePool", 7, averagePool, 1, 1);
  t.add("", "GlobalAveragePool", 1, globalPool<ReduceKind::mean>, 1, 1);
  t.add("", "GlobalLpPool", 2, globalLpPool, 1, 1);
  t.add("", "GlobalMaxPool", 1, globalPool<ReduceKind::max>, 1, 1);
  t.add("", "LpPool", 2, lpPool, 1, 1);
  t.add("", "MaxPool", 1, maxPool, 1, 1, 2);
}
