// Constants, contents and their materialisation as operations.
#include "compiler/import/GraphImporter.h"
#include "compiler/import/ModelFile.h"

using namespace adze;
using namespace mlir;

/// Constants up to this many elements are graph.constant, visible to patterns; larger ones are weights.
static constexpr uint64_t kMaxInlineElements = 64;
/// An integer graph input of at most this many elements may steer a shape.
static constexpr int64_t kMaxSteering = 64;
/// Length of the chain of shape arithmetic that is followed backwards.
static constexpr unsigned kMaxPullDepth = 200;

Val GraphImporter::newValue(DType type, graph::Dims dims, StringRef name) {
  ImportedValue &value = values.emplace_back();
  value.dtype = type;
  value.dims = std::move(dims);
  value.name = name.str();
  return &value;
}

Val GraphImporter::constantValue(WeightStore::Id id, StringRef name) {
  graph::Dims dims;
  for (int64_t dim : store.dims(id))
    dims.push_back(symbolic.constant(dim));
  Val value = newValue(store.dtype(id), std::move(dims), name);
  value->constant = id;
  return value;
}

/// The elements of a weight as a dense attribute.
static DenseElementsAttr denseElements(const WeightStore &store, WeightStore::Id id, RankedTensorType type) {
  std::vector<char> bytes(store.byteSize(id));
  if (!store.read(id, bytes))
    return {};
  DType dtype = store.dtype(id);
  unsigned bits = bitWidth(dtype);
  if (dtype != DType::Bool && bits >= 8)
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  if (bits < 8) {
    std::vector<char> unpacked(store.elements(id));
    unpackBits(bits, bytes, unpacked);
    bytes = std::move(unpacked);
  }
  SmallVector<Attribute> elements;
  Type element = type.getElementType();
  for (char c : bytes) {
    llvm::APInt value(dtype == DType::Bool ? 1 : bits, dtype == DType::Bool ? c != 0 : static_cast<unsigned char>(c));
    if (auto floats = dyn_cast<FloatType>(element))
      elements.push_back(FloatAttr::get(floats, llvm::APFloat(floats.getFloatSemantics(), value)));
    else
      elements.push_back(IntegerAttr::get(element, value));
  }
  return DenseElementsAttr::get(type, elements);
}

Value GraphImporter::materializeConstant(WeightStore::Id id, StringRef name, Location loc) {
  Type element = elementType(&context, store.dtype(id));
  if (!element)
    return {};
  auto type = RankedTensorType::get(store.dims(id), element);
  if (store.elements(id) > 0 && store.elements(id) <= kMaxInlineElements)
    if (DenseElementsAttr dense = denseElements(store, id, type))
      return graph::ConstantOp::create(builder, loc, type, dense);
  return graph::WeightOp::create(builder, loc, type, builder.getI64IntegerAttr(id), builder.getStringAttr(name));
}

Value GraphImporter::materialize(ImportedValue &value, Location loc) {
  if (value.value)
    return value.value;
  if (value.constant)
    return value.value = materializeConstant(*value.constant, value.name, loc);
  Type element = elementType(&context, value.dtype);
  if (!value.contents || !element)
    return {};
  auto type = graph::makeTensorType(value.dims, element);
  if (symbolic.isConstant(*value.contents)) {
    unsigned width = unpackedBytes(value.dtype);
    std::vector<char> bytes(value.contents->size() * width);
    for (auto [i, e] : llvm::enumerate(*value.contents))
      elementFromInt(value.dtype, *symbolic.constantOf(e), bytes.data() + i * width);
    if (auto id = store.addInline(value.dtype, type.getShape(), std::move(bytes), value.name)) {
      value.constant = id;
      return value.value = materializeConstant(*id, value.name, loc);
    }
  }
  return value.value = graph::ShapeValueOp::create(builder, loc, type,
                                                   AffineMapAttr::get(graph::makeExprMap(&context, *value.contents)));
}

/// The static shape of a value; nullopt when a dim is symbolic.
static std::optional<SmallVector<int64_t, 4>> staticShape(const ImportedValue &value) {
  SmallVector<int64_t, 4> shape;
  for (AffineExpr dim : value.dims) {
    auto size = graph::constantOf(dim);
    if (!size)
      return std::nullopt;
    shape.push_back(*size);
  }
  return shape;
}

std::optional<Contents> GraphImporter::contentsOf(ImportedValue &value, bool pull, unsigned depth) {
  if (value.contents)
    return value.contents;
  if (value.poisoned || !(isInteger(value.dtype) || value.dtype == DType::Bool))
    return std::nullopt;
  auto shape = staticShape(value);
  auto count = shape ? numElements(*shape) : std::nullopt;
  if (!count || *count > kMaxContents)
    return std::nullopt;
  if (value.constant) {
    auto ints = store.ints(*value.constant);
    if (!ints)
      return std::nullopt;
    Contents contents;
    for (int64_t i : *ints)
      contents.push_back(symbolic.constant(i));
    return value.contents = std::move(contents);
  }
  if (!pull || depth > kMaxPullDepth)
    return std::nullopt;
  if (value.input >= 0) {
    if (static_cast<int64_t>(*count) > kMaxSteering)
      return std::nullopt;
    Contents contents;
    for (uint64_t i = 0; i < *count; ++i) {
      graph::Symbol symbol;
      symbol.name = value.name + "[" + std::to_string(i) + "]";
      symbol.kind = graph::SymbolKind::InputValue;
      symbol.input = static_cast<unsigned>(value.input);
      symbol.axis = static_cast<unsigned>(i);
      symbol.min = value.dtype == DType::Bool || isUnsignedInt(value.dtype) ? 0 : INT64_MIN;
      symbol.max = value.dtype == DType::Bool ? 1 : INT64_MAX;
      contents.push_back(symbolic.table.add(&context, std::move(symbol)));
    }
    return value.contents = std::move(contents);
  }
  if (!value.producer || !value.producer->domain.empty() || !hasEvaluator(value.producer->ref.op))
    return std::nullopt;
  NodeRecord &record = *const_cast<NodeRecord *>(value.producer);
  NodeContext node(*this, record);
  auto result = evaluateNode(node, value.producerOutput, [&](unsigned i) -> std::optional<SymTensor> {
    if (!node.has(i))
      return std::nullopt;
    auto contents = contentsOf(node.in(i), true, depth + 1);
    auto operandShape = staticShape(node.in(i));
    if (!contents || !operandShape)
      return std::nullopt;
    return SymTensor{node.dtype(i), *operandShape, *contents};
  });
  if (!result || result->shape != *shape)
    return std::nullopt;
  return value.contents = std::move(result->elements);
}

std::string GraphImporter::typeText(const ImportedValue &value) const {
  std::string text = dtypeName(value.dtype).str() + "[";
  for (auto [i, dim] : llvm::enumerate(value.dims))
    text += (i ? "," : "") + symbolic.table.text(dim);
  return text + "]";
}

/// s = min(s, c) says s <= c: the symbol's range says so too, and planning can use it.
static void tighten(graph::SymbolTable &table, AffineExpr a, AffineExpr b) {
  auto dim = dyn_cast<AffineSymbolExpr>(a), smallest = dyn_cast<AffineSymbolExpr>(b);
  if (!dim || !smallest)
    return;
  graph::Symbol &symbol = table[dim.getPosition()];
  const graph::Symbol &derived = table[smallest.getPosition()];
  if (symbol.kind != graph::SymbolKind::InputDim || derived.kind != graph::SymbolKind::Derived ||
      derived.op != graph::DerivedOp::Min)
    return;
  for (unsigned i : {0u, 1u})
    if (auto limit = graph::constantOf(derived.operands[i]); limit && derived.operands[1 - i] == a)
      symbol.max = std::max(symbol.min, std::min(symbol.max, *limit));
}

void GraphImporter::addCheck(AffineExpr a, AffineExpr b, const Twine &message, Location loc) {
  tighten(symbolic.table, a, b);
  tighten(symbolic.table, b, a);
  AffineMap map = graph::makeExprMap(&context, {a, b});
  if (!checksDone.insert(map).second)
    return;
  std::string text = message.str() + ": " + symbolic.table.text(a) + " = " + symbolic.table.text(b);
  graph::CheckOp::create(builder, loc, AffineMapAttr::get(map), builder.getStringAttr(text));
}
