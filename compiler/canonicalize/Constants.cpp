#include "compiler/canonicalize/Constants.h"
#include <cmath>

using namespace mlir;

namespace adze {
using namespace graph;

std::optional<double> Constants::splat(Value v) const {
  Operation *op = v.getDefiningOp();
  while (isa_and_nonnull<ReshapeOp, BroadcastOp>(op))
    op = op->getOperand(0).getDefiningOp();
  if (auto constant = dyn_cast_or_null<ConstantOp>(op)) {
    auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (!elements || !elements.isSplat())
      return std::nullopt;
    if (isa<FloatType>(elements.getElementType()))
      return elements.getSplatValue<APFloat>().convertToDouble();
    if (auto t = dyn_cast<IntegerType>(elements.getElementType())) {
      APInt value = elements.getSplatValue<APInt>();
      return t.isUnsigned() || t.getWidth() == 1 ? double(value.getZExtValue()) : double(value.getSExtValue());
    }
    return std::nullopt;
  }
  auto weight = dyn_cast_or_null<WeightOp>(op);
  if (!weight || !store || weight.getId() >= store->size())
    return std::nullopt;
  DType type = store->dtype(weight.getId());
  auto bytes = store->splat(weight.getId());
  if (!bytes || !(isFloat(type) || isInteger(type)) || bitWidth(type) < 8)
    return std::nullopt;
  return elementToDouble(type, bytes->data());
}

bool Constants::isSplat(Value v, double want) const {
  std::optional<double> got = splat(v);
  return got && std::abs(*got - want) <= 1e-5 * std::abs(want);
}

bool Constants::isConstant(Value v) const {
  Operation *op = v.getDefiningOp();
  if (auto weight = dyn_cast_or_null<WeightOp>(op))
    return store && weight.getId() < store->size();
  return isa_and_nonnull<ConstantOp>(op);
}

/// The elements of a graph.constant, row-major as in the store.
static std::optional<std::vector<char>> bytesOf(ConstantOp constant, DType type) {
  auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
  unsigned width = unpackedBytes(type);
  if (!elements || bitWidth(type) < 8)
    return std::nullopt;
  std::vector<char> bytes;
  bytes.reserve(size_t(elements.getNumElements()) * width);
  auto append = [&](const APInt &bits) {
    uint64_t word = bits.getZExtValue();
    for (unsigned i = 0; i < width; ++i)
      bytes.push_back(char(word >> (8 * i)));
  };
  if (isa<FloatType>(elements.getElementType()))
    for (const APFloat &value : elements.getValues<APFloat>())
      append(value.bitcastToAPInt());
  else
    for (const APInt &value : elements.getValues<APInt>())
      append(value);
  return bytes;
}

std::optional<WeightStore::Id> Constants::entry(Value v) const {
  if (!store || !isConstant(v))
    return std::nullopt;
  if (auto weight = v.getDefiningOp<WeightOp>())
    return WeightStore::Id(weight.getId());
  auto type = cast<RankedTensorType>(v.getType());
  DType dtype = dtypeOf(type.getElementType());
  if (dtype == DType::Undefined)
    return std::nullopt;
  std::optional<std::vector<char>> bytes = bytesOf(v.getDefiningOp<ConstantOp>(), dtype);
  return bytes ? store->addInline(dtype, type.getShape(), std::move(*bytes)) : std::nullopt;
}

Value Constants::weight(OpBuilder &b, Location location, WeightStore::Id id, Type element) const {
  Type type = RankedTensorType::get(store->dims(id), element);
  return WeightOp::create(b, location, type, uint64_t(id), store->name(id));
}

Value makeScalar(OpBuilder &b, Location location, double value, Type element) {
  auto type = RankedTensorType::get({}, element);
  Attribute attr = isa<FloatType>(element) ? Attribute(b.getFloatAttr(element, value))
                                           : Attribute(b.getIntegerAttr(element, int64_t(value)));
  return ConstantOp::create(b, location, type, DenseElementsAttr::get(type, attr));
}

} // namespace adze
