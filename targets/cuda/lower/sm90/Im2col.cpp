#include "targets/cuda/lower/sm90/Im2col.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace adze::cuda::sm90 {
namespace {

/// True for what a role can compute again: constants and dims of the kernel.
bool isDimOrConstant(const LaunchValue &v) { return v.known() || (v.code().size() == 2 && v.code()[0] == 1); }

/// The windows, or nothing where a number is not known at launch.
std::optional<WindowBox> boxOf(tile::KernelOp kernel, tile::WindowOp window, tile::ViewOp source) {
  std::optional<TensorAccess> tensor = tensorOf(kernel, source);
  if (!tensor)
    return std::nullopt;
  WindowBox box;
  box.buffer = tensor->buffer;
  box.offset = tensor->offset;
  box.extents = tensor->extents;
  box.strides = tensor->strides;
  auto one = LaunchValue::constant(1);
  for (size_t s = window.getOut().size(); s-- > 0;) {
    auto out = launchValue(kernel, window.getOut()[s]);
    if (!out || !isDimOrConstant(*out))
      return std::nullopt;
    int64_t step = window.getStride()[s], begin = -window.getPad()[s];
    box.out.push_back(*out);
    box.step.push_back(step);
    box.lower.push_back(begin);
    box.reach.push_back((window.getKernel()[s] - 1) * window.getDilation()[s]);
    const LaunchValue &extent = box.extents[box.step.size()];
    box.upper.push_back(LaunchValue::constant(begin) + (*out - one) * LaunchValue::constant(step) - (extent - one));
  }
  return box;
}

/// The load of one tap and the reshape that drops the taps' dims.
struct TapLoad {
  tile::LoadOp load;
  tile::ReshapeOp flat;
};

std::optional<TapLoad> tapLoad(tile::LoadOp load) {
  auto type = cast<RankedTensorType>(load.getTile().getType());
  auto flat = load->hasOneUse() ? dyn_cast<tile::ReshapeOp>(*load->getUsers().begin()) : tile::ReshapeOp();
  if (!flat || llvm::any_of(type.getShape().drop_front().drop_back(), [](int64_t n) { return n != 1; }))
    return std::nullopt;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(flat.getTile().getType()).getShape();
  if (shape.size() != 2 || shape[0] != type.getDimSize(0) || shape[1] != type.getShape().back())
    return std::nullopt;
  return TapLoad{load, flat};
}

/// A view (tap distances.., pixel, channel) of the tensor behind `source`.
Value standIn(OpBuilder &b, tile::WindowOp window, tile::ViewOp source, unsigned number) {
  Location loc = source.getLoc();
  unsigned spatial = window.getOut().size();
  auto type = cast<tile::ViewType>(window.getView().getType());
  auto constant = [&](int64_t v) -> Value { return arith::ConstantIndexOp::create(b, loc, v); };
  SmallVector<int64_t> shape;
  for (unsigned s = 0; s < spatial; ++s)
    shape.push_back((window.getKernel()[s] - 1) * window.getDilation()[s] + 1);
  shape.append({type.getShape().front(), type.getShape().back()});
  SmallVector<Value> extents;
  if (type.isDynamicDim(0)) {
    extents.push_back(tile::DimOp::create(b, loc, source.getView(), 0));
    for (Value out : window.getOut())
      extents[0] = b.createOrFold<arith::MulIOp>(loc, extents[0], out);
  }
  SmallVector<Value> strides(spatial + 2, constant(1));
  auto result = tile::ViewType::get(b.getContext(), shape, type.getElementType(), type.getEffect(), Attribute());
  auto view = tile::ViewOp::create(b, loc, result, source.getRef(), extents, strides, source.getOffset());
  view->setAttr(kWindows, b.getI64IntegerAttr(number));
  return view;
}

SmallVector<Value> offsetsOf(OpBuilder &b, tile::WindowOp window, tile::LoadOp load) {
  SmallVector<Value> at;
  for (auto [s, dilation] : llvm::enumerate(window.getDilation()))
    at.push_back(b.createOrFold<arith::MulIOp>(load.getLoc(), load.getOffsets()[1 + s],
                                               arith::ConstantIndexOp::create(b, load.getLoc(), dilation).getResult()));
  at.append({load.getOffsets().front(), load.getOffsets().back()});
  return at;
}

} // namespace

std::vector<WindowBox> standForWindows(tile::KernelOp kernel) {
  std::vector<WindowBox> boxes;
  SmallVector<tile::WindowOp> windows;
  kernel.getBody().walk([&](tile::WindowOp op) { windows.push_back(op); });
  for (tile::WindowOp window : windows) {
    auto source = window.getSource().getDefiningOp<tile::ViewOp>();
    if (!source || window.getTransposed() ||
        cast<tile::ViewType>(window.getView().getType()).isDynamicDim(window.getOut().size() + 1))
      continue;
    SmallVector<TapLoad> loads;
    bool all = true;
    for (Operation *user : window->getUsers()) {
      auto load = dyn_cast<tile::LoadOp>(user);
      auto tap = load ? tapLoad(load) : std::nullopt;
      all &= tap.has_value();
      if (tap)
        loads.push_back(*tap);
    }
    auto box = all ? boxOf(kernel, window, source) : std::nullopt;
    if (!box)
      continue;
    OpBuilder b(window);
    Value view = standIn(b, window, source, boxes.size());
    boxes.push_back(std::move(*box));
    for (auto [load, flat] : loads) {
      b.setInsertionPoint(load);
      auto two = tile::LoadOp::create(b, load.getLoc(), flat.getTile().getType(), view, offsetsOf(b, window, load),
                                      load.getPadAttr(), UnitAttr(), load.getTagAttr());
      two->setDiscardableAttrs(load->getDiscardableAttrDictionary());
      flat.getTile().replaceAllUsesWith(two.getTile());
      flat.erase();
      load.erase();
    }
    window.erase();
  }
  return boxes;
}

} // namespace adze::cuda::sm90
