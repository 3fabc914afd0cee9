#include "compiler/import/NodeContext.h"
#include "compiler/import/GraphImporter.h"
#include "compiler/import/ModelFile.h"
#include "mlir/IR/Verifier.h"

using namespace adze;
using namespace mlir;
using onnx::AttributeProto;

NodeContext::NodeContext(GraphImporter &importer, NodeRecord &record) : importer(importer), record(record) {}

StringRef NodeContext::op() const { return record.ref.op; }
int64_t NodeContext::opset() const { return record.opset; }
MLIRContext *NodeContext::context() const { return &importer.context; }
OpBuilder &NodeContext::builder() { return importer.builder; }
Location NodeContext::loc() const { return record.loc; }
Symbolic &NodeContext::sym() { return importer.symbolic; }
WeightStore &NodeContext::store() { return importer.store; }

//===- Refusing ---------------------------------------------------------------------------------------------------===//

bool NodeContext::failed() const { return record.failed; }
void NodeContext::report(ErrorKind kind, const Twine &why, const Twine &remedy) {
  if (!record.failed)
    importer.nodeError(record, kind, why, remedy);
}
void NodeContext::malformed(const Twine &why, const Twine &remedy) { report(ErrorKind::Malformed, why, remedy); }
void NodeContext::unsupported(const Twine &why, const Twine &remedy) { report(ErrorKind::Unsupported, why, remedy); }
void NodeContext::resource(const Twine &why, const Twine &remedy) { report(ErrorKind::Resource, why, remedy); }

//===- Operands ---------------------------------------------------------------------------------------------------===//

unsigned NodeContext::numInputs() const { return record.inputs.size(); }
bool NodeContext::has(unsigned i) const { return i < record.inputs.size() && record.inputs[i]; }
ImportedValue &NodeContext::in(unsigned i) const {
  assert(has(i) && "the handler must ask has() for optional inputs");
  return *record.inputs[i];
}
Value NodeContext::materialize(ImportedValue &v) {
  if (failed())
    return {};
  Value value = importer.materialize(v, record.loc);
  if (!value)
    unsupported("an operand of type " + dtypeName(v.dtype) + " has no representation in the compiler",
                "use a supported element type");
  return value;
}

std::optional<SmallVector<int64_t>> NodeContext::constantInts(unsigned i) {
  if (!has(i))
    return std::nullopt;
  if (in(i).constant)
    return store().ints(*in(i).constant);
  if (llvm::any_of(dims(i), [&](AffineExpr d) { return graph::constantOf(d) == 0; }))
    return SmallVector<int64_t>(); // nothing in it depends on anything
  if (!in(i).contents || !sym().isConstant(*in(i).contents))
    return std::nullopt;
  SmallVector<int64_t> out;
  for (AffineExpr e : *in(i).contents)
    out.push_back(*sym().constantOf(e));
  return out;
}

std::optional<SmallVector<double>> NodeContext::constantDoubles(unsigned i) {
  if (!has(i))
    return std::nullopt;
  if (in(i).constant)
    return store().doubles(*in(i).constant);
  auto ints = constantInts(i);
  if (!ints)
    return std::nullopt;
  return SmallVector<double>(ints->begin(), ints->end());
}

std::optional<Contents> NodeContext::contents(unsigned i) {
  return has(i) ? importer.contentsOf(in(i), /*pull=*/true) : std::nullopt;
}

std::optional<Contents> NodeContext::requireContents(unsigned i, StringRef what) {
  auto result = contents(i);
  if (!result)
    unsupported(what + " depends on data that only the device computes", "make it a constant or a function of shapes");
  return result;
}

std::optional<SmallVector<int64_t>> NodeContext::requireConstantInts(unsigned i, StringRef what) {
  auto result = constantInts(i);
  if (!result)
    unsupported(what + " must be a constant", "fold it into the model before compiling");
  return result;
}

//===- Attributes -------------------------------------------------------------------------------------------------===//

const AttributeProto *NodeContext::attr(StringRef name) const {
  for (const AttributeProto &attribute : record.node->attribute()) {
    if (StringRef(attribute.name()) != name)
      continue;
    if (attribute.ref_attr_name().empty())
      return &attribute;
    // Inside a function: the call's attribute of that name, or the function's default, or absent.
    if (!record.call)
      return nullptr;
    auto found = record.call->find(attribute.ref_attr_name());
    return found == record.call->end() ? nullptr : found->second;
  }
  return nullptr;
}

bool NodeContext::hasAttr(StringRef name) const { return attr(name) != nullptr; }

/// Files of IR version 1 leave the type out; it then follows from the field in use.
static int typeOf(const AttributeProto &a) {
  if (a.has_type() && a.type() != AttributeProto::UNDEFINED)
    return a.type();
  if (a.has_f())
    return AttributeProto::FLOAT;
  if (a.has_i())
    return AttributeProto::INT;
  if (a.has_s())
    return AttributeProto::STRING;
  if (a.has_t())
    return AttributeProto::TENSOR;
  if (a.has_g())
    return AttributeProto::GRAPH;
  if (a.floats_size())
    return AttributeProto::FLOATS;
  if (a.ints_size())
    return AttributeProto::INTS;
  return a.strings_size() ? AttributeProto::STRINGS : AttributeProto::UNDEFINED;
}

const AttributeProto *NodeContext::typed(StringRef name, int type, const char *typeName) {
  const AttributeProto *a = attr(name);
  if (!a)
    return nullptr;
  int actual = typeOf(*a);
  // An empty list carries no trace of its type in old files.
  bool emptyList = actual == AttributeProto::UNDEFINED &&
                   (type == AttributeProto::INTS || type == AttributeProto::FLOATS || type == AttributeProto::STRINGS);
  if (actual == type || emptyList)
    return a;
  malformed("attribute '" + name + "' must be " + typeName + ", it has type number " + Twine(actual),
            "give the attribute its type");
  return nullptr;
}

int64_t NodeContext::attrInt(StringRef name, int64_t otherwise) {
  const AttributeProto *a = typed(name, AttributeProto::INT, "an integer");
  return a ? a->i() : otherwise;
}
double NodeContext::attrFloat(StringRef name, double otherwise) {
  const AttributeProto *a = typed(name, AttributeProto::FLOAT, "a float");
  return a ? a->f() : otherwise;
}
std::string NodeContext::attrString(StringRef name, StringRef otherwise) {
  const AttributeProto *a = typed(name, AttributeProto::STRING, "a string");
  return a ? a->s() : otherwise.str();
}
SmallVector<int64_t> NodeContext::attrInts(StringRef name, ArrayRef<int64_t> otherwise) {
  const AttributeProto *a = typed(name, AttributeProto::INTS, "a list of integers");
  return a ? SmallVector<int64_t>(a->ints().begin(), a->ints().end()) : SmallVector<int64_t>(otherwise);
}
SmallVector<double> NodeContext::attrFloats(StringRef name) {
  const AttributeProto *a = typed(name, AttributeProto::FLOATS, "a list of floats");
  return a ? SmallVector<double>(a->floats().begin(), a->floats().end()) : SmallVector<double>();
}
SmallVector<std::string> NodeContext::attrStrings(StringRef name) {
  const AttributeProto *a = typed(name, AttributeProto::STRINGS, "a list of strings");
  return a ? SmallVector<std::string>(a->strings().begin(), a->strings().end()) : SmallVector<std::string>();
}
const onnx::TensorProto *NodeContext::attrTensor(StringRef name) {
  const AttributeProto *a = typed(name, AttributeProto::TENSOR, "a tensor");
  return a ? &a->t() : nullptr;
}
const onnx::GraphProto *NodeContext::attrGraph(StringRef name) {
  const AttributeProto *a = typed(name, AttributeProto::GRAPH, "a graph");
  return a ? &a->g() : nullptr;
}
int64_t NodeContext::requireInt(StringRef name) {
  if (!hasAttr(name))
    malformed("attribute '" + name + "' is required and missing", "add the attribute");
  return attrInt(name, 0);
}
SmallVector<int64_t> NodeContext::requireInts(StringRef name) {
  if (!hasAttr(name))
    malformed("attribute '" + name + "' is required and missing", "add the attribute");
  return attrInts(name);
}

int64_t NodeContext::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis >= -rank && axis < rank)
    return axis < 0 ? axis + rank : axis;
  malformed("axis " + Twine(axis) + " is outside [" + Twine(-rank) + ", " + Twine(rank - 1) + "]",
            "give an axis of the operand");
  return 0;
}

SmallVector<int64_t> NodeContext::normalizeAxes(ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> out;
  for (int64_t axis : axes) {
    int64_t positive = normalizeAxis(axis, rank);
    if (failed())
      return {};
    if (llvm::is_contained(out, positive)) {
      malformed("axis " + Twine(axis) + " is given twice", "give each axis once");
      return {};
    }
    out.push_back(positive);
  }
  return out;
}

//===- Building ---------------------------------------------------------------------------------------------------===//

Type NodeContext::placeholderType() { return RankedTensorType::get({}, builder().getF32Type()); }

Value NodeContext::diagnose() {
  std::string text = importer.diagnostic.empty() ? "its operands do not fit together" : importer.diagnostic;
  importer.diagnostic.clear();
  malformed(text, "check the shapes and types of the operands");
  return {};
}

Value NodeContext::finish(OperationState &state) {
  Operation *operation = builder().create(state);
  if (mlir::failed(verify(operation, /*verifyRecursively=*/false))) {
    operation->erase();
    return diagnose();
  }
  return operation->getResult(0);
}

std::optional<graph::Dims> NodeContext::broadcastDims(ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b) {
  SmallVector<std::pair<AffineExpr, AffineExpr>> checks;
  std::string why;
  auto dims = graph::broadcastDims(context(), a, b, &checks, &why);
  if (mlir::failed(dims)) {
    malformed("the operands do not broadcast: " + why, "make the dims equal or 1");
    return std::nullopt;
  }
  for (auto [x, y] : checks)
    checkEqual(x, y, "operands must have equal dims");
  SmallVector<AffineExpr> result = std::move(*dims);
  return result;
}

bool NodeContext::broadcastable(Value a, Value b) { return a && b && broadcastDims(dimsOf(a), dimsOf(b)).has_value(); }

Value NodeContext::compare(graph::CmpKind kind, Value a, Value b) {
  return broadcastable(a, b) ? create<graph::CmpOp>(a, b, kind) : Value();
}

Value NodeContext::select(Value condition, Value a, Value b) {
  if (!broadcastable(a, b) || !broadcastable(condition, a) || !broadcastable(condition, b))
    return {};
  return create<graph::SelectOp>(condition, a, b);
}

/// A dense constant of at most a few elements.
static DenseElementsAttr denseConstant(RankedTensorType type, ArrayRef<double> values) {
  SmallVector<Attribute> elements;
  for (double value : values) {
    if (auto floats = dyn_cast<FloatType>(type.getElementType())) {
      llvm::APFloat f(value);
      bool lost;
      f.convert(floats.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lost);
      elements.push_back(FloatAttr::get(floats, f));
    } else {
      unsigned bits = type.getElementTypeBitWidth();
      llvm::APSInt wide(64, false);
      bool exact;
      llvm::APFloat(value).convertToInteger(wide, llvm::APFloat::rmTowardZero, &exact);
      elements.push_back(IntegerAttr::get(type.getElementType(), wide.trunc(bits)));
    }
  }
  return DenseElementsAttr::get(type, elements);
}

Value NodeContext::scalar(double value, Type element) {
  if (failed() || !element)
    return {};
  auto type = RankedTensorType::get({}, element);
  return createTyped<graph::ConstantOp>(type, denseConstant(type, value));
}

Value NodeContext::intConstant(ArrayRef<int64_t> values, ArrayRef<int64_t> shape, Type element) {
  if (values.size() <= 64) {
    auto type = RankedTensorType::get(shape, element);
    return createTyped<graph::ConstantOp>(type, denseConstant(type, SmallVector<double>(values.begin(), values.end())));
  }
  DType type = dtypeOf(element);
  std::vector<char> bytes(values.size() * unpackedBytes(type));
  for (size_t i = 0; i < values.size(); ++i)
    elementFromInt(type, values[i], bytes.data() + i * unpackedBytes(type));
  auto id = store().addInline(type, shape, std::move(bytes));
  return id ? weight(*id) : Value();
}

Value NodeContext::exprValue(AffineExpr e, Type element) {
  if (failed() || !e || !element)
    return {};
  if (auto known = sym().constantOf(e))
    return intConstant(*known, {}, element);
  return createTyped<graph::ShapeValueOp>(RankedTensorType::get({}, element), graph::makeExprMap(context(), e));
}

Value NodeContext::weight(WeightStore::Id id) {
  return failed() ? Value() : importer.materializeConstant(id, store().name(id), record.loc);
}

Value NodeContext::cast(Value x, Type element) {
  if (!x || !element || elementOf(x) == element)
    return x;
  // To a float the nearest value, to an integer toward zero, as ONNX casts.
  return createTyped<graph::CastOp>(graph::makeTensorType(dimsOf(x), element), x, /*saturate=*/false,
                                    isa<FloatType>(element) ? graph::CastRound::rne : graph::CastRound::rtz);
}

Value NodeContext::reshape(Value x, ArrayRef<AffineExpr> dims) {
  if (failed() || !x)
    return {};
  auto type = graph::makeTensorType(dims, elementOf(x));
  if (type == x.getType())
    return x;
  graph::Dims from = dimsOf(x);
  if (!checkEqual(graph::product(context(), from), graph::product(context(), dims),
                  "a reshape must keep the number of elements"))
    return {};
  return createTyped<graph::ReshapeOp>(type, x);
}

Value NodeContext::broadcastTo(Value x, ArrayRef<AffineExpr> dims) {
  if (failed() || !x)
    return {};
  auto type = graph::makeTensorType(dims, elementOf(x));
  return type == x.getType() ? x : createTyped<graph::BroadcastOp>(type, x);
}

Value NodeContext::transpose(Value x, ArrayRef<int64_t> perm) {
  bool identity = true;
  for (auto [i, p] : llvm::enumerate(perm))
    identity &= p == static_cast<int64_t>(i);
  return identity ? x : create<graph::TransposeOp>(x, perm);
}

Value NodeContext::reduce(Value x, ArrayRef<int64_t> axes, graph::ReduceKind kind) {
  return axes.empty() ? x : create<graph::ReduceOp>(x, axes, kind);
}

Value NodeContext::slice(Value x, ArrayRef<AffineExpr> starts, ArrayRef<AffineExpr> sizes, ArrayRef<int64_t> steps) {
  if (failed() || !x)
    return {};
  auto type = graph::makeTensorType(sizes, elementOf(x));
  bool whole = type == x.getType();
  for (auto [start, step] : llvm::zip(starts, steps))
    whole &= step == 1 && graph::constantOf(start) == 0;
  if (whole)
    return x;
  return createTyped<graph::SliceOp>(type, x, graph::makeExprMap(context(), starts), steps);
}

Value NodeContext::concat(ArrayRef<Value> xs, int64_t axis) {
  if (xs.empty() || llvm::any_of(xs, [](Value x) { return !x; }))
    return {};
  if (xs.size() == 1)
    return xs[0];
  for (Value x : xs.drop_front()) {
    if (rankOf(x) != rankOf(xs[0]))
      break; // inference says so
    graph::Dims a = dimsOf(xs[0]), b = dimsOf(x);
    for (size_t d = 0; d < a.size(); ++d)
      if (static_cast<int64_t>(d) != axis &&
          !checkEqual(a[d], b[d], "operands of a concatenation must have equal dims"))
        return {};
  }
  return create<graph::ConcatOp>(ValueRange(xs), axis);
}

Value NodeContext::squeeze(Value x, ArrayRef<int64_t> axes) {
  graph::Dims from = dimsOf(x), to;
  for (auto [i, dim] : llvm::enumerate(from))
    if (!llvm::is_contained(axes, static_cast<int64_t>(i)))
      to.push_back(dim);
  return reshape(x, to);
}

Value NodeContext::unsqueeze(Value x, ArrayRef<int64_t> axes) {
  graph::Dims to = dimsOf(x);
  for (int64_t axis : axes)
    to.insert(to.begin() + std::min<int64_t>(axis, to.size()), expr(1));
  return reshape(x, to);
}

//===- Symbolic dims ----------------------------------------------------------------------------------------------===//

AffineExpr NodeContext::asDim(AffineExpr e) {
  auto [low, high] = sym().range(e);
  if (low >= 0)
    return e;
  if (high < 0) {
    malformed("a dim comes out negative (" + Twine(high) + " at most)", "check the shape operands");
    return expr(0);
  }
  AffineExpr dim = sym().max(e, expr(0));
  checkEqual(e, dim, "a dim must not be negative");
  return dim;
}

bool NodeContext::checkEqual(AffineExpr a, AffineExpr b, const Twine &message) {
  if (failed())
    return false;
  if (graph::provablyEqual(a, b))
    return true;
  auto [al, ah] = sym().range(a);
  auto [bl, bh] = sym().range(b);
  if (ah < bl || bh < al) {
    malformed(message + ": " + sym().table.text(a) + " and " + sym().table.text(b), "check the shapes of the operands");
    return false;
  }
  importer.addCheck(a, b, message, record.loc);
  return true;
}

//===- Outputs ----------------------------------------------------------------------------------------------------===//

unsigned NodeContext::numOutputs() const { return record.outputs.size(); }
bool NodeContext::wants(unsigned i) const { return i < record.outputs.size() && record.outputs[i]; }

void NodeContext::out(unsigned i, Value v) {
  if (!v || failed() || !wants(i))
    return;
  ImportedValue &target = *record.outputs[i];
  target.value = v;
  target.dtype = dtypeOf(elementOf(v));
  target.dims = dimsOf(v);
}

void NodeContext::outSame(unsigned i, const ImportedValue &v) {
  if (failed() || !wants(i))
    return;
  ImportedValue &target = *record.outputs[i];
  std::string name = std::move(target.name);
  const NodeRecord *producer = target.producer;
  target = v;
  target.name = std::move(name);
  target.producer = producer;
}

void NodeContext::outConstant(unsigned i, WeightStore::Id id) {
  if (failed() || !wants(i))
    return;
  ImportedValue &target = *record.outputs[i];
  target.constant = id;
  target.dtype = store().dtype(id);
  target.dims.clear();
  for (int64_t dim : store().dims(id))
    target.dims.push_back(expr(dim));
}

void NodeContext::outContents(unsigned i, DType type, ArrayRef<int64_t> shape, Contents contents) {
  if (failed() || !wants(i))
    return;
  ImportedValue &target = *record.outputs[i];
  target.dtype = type;
  target.dims.clear();
  for (int64_t dim : shape)
    target.dims.push_back(expr(dim));
  target.contents = std::move(contents);
}

std::optional<WeightStore::Id> NodeContext::addTensor(const onnx::TensorProto &tensor) {
  TensorSource source{importer.store, importer.file.file(), &importer.external, importer.sink};
  ErrorPlace place;
  place.node = record.ref.node;
  place.op = record.ref.op;
  place.index = record.ref.index;
  auto id = adze::addTensor(tensor, source, place, record.ref.node.empty() ? record.ref.op : record.ref.node);
  record.failed |= !id;
  return id;
}

void NodeContext::inlineGraph(const onnx::GraphProto &graph) {
  if (!failed())
    importer.inlineGraph(graph, record, *importer.current);
}

SmallVector<Value> NodeContext::callGraph(const onnx::GraphProto &graph, ArrayRef<Value> inputs) {
  SmallVector<Val> bound, results;
  if (failed() || llvm::any_of(inputs, [](Value v) { return !v; }))
    return {};
  for (Value v : inputs) {
    bound.push_back(importer.newValue(dtypeOf(elementOf(v)), dimsOf(v), "subgraph input"));
    bound.back()->value = v;
  }
  if (!importer.expandGraph(graph, record, *importer.current, bound, results))
    return {};
  SmallVector<Value> values;
  for (Val result : results)
    values.push_back(materialize(*result));
  return failed() ? SmallVector<Value>() : values;
}
