// Constants, and control flow that a constant decides.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include "compiler/import/OnnxProto.h"
#include "compiler/import/TensorData.h"

using namespace adze;
using namespace adze::graph;
using mlir::Value;

namespace {

template <typename T>
llvm::ArrayRef<char> bytesOf(const std::vector<T> &v) {
  return {reinterpret_cast<const char *>(v.data()), v.size() * sizeof(T)};
}

void constant(NodeContext &n) {
  static constexpr const char *kForms[] = {"value",     "sparse_value", "value_float",  "value_floats",
                                           "value_int", "value_ints",   "value_string", "value_strings"};
  int given = 0;
  for (const char *form : kForms)
    given += n.hasAttr(form);
  if (given != 1)
    return n.malformed("it has " + llvm::Twine(given) + " of the value attributes, one is needed", "give exactly one");
  std::optional<WeightStore::Id> id;
  if (const onnx::TensorProto *tensor = n.attrTensor("value")) {
    id = n.addTensor(*tensor);
  } else if (n.hasAttr("value_float")) {
    float value = static_cast<float>(n.attrFloat("value_float", 0));
    id = n.store().addInline(DType::F32, {}, bytesOf(std::vector<float>{value}));
  } else if (n.hasAttr("value_floats")) {
    auto list = n.attrFloats("value_floats");
    std::vector<float> values(list.begin(), list.end());
    id = n.store().addInline(DType::F32, {static_cast<int64_t>(values.size())}, bytesOf(values));
  } else if (n.hasAttr("value_int")) {
    id = n.store().addInts({}, n.attrInt("value_int", 0));
  } else if (n.hasAttr("value_ints")) {
    auto values = n.attrInts("value_ints");
    id = n.store().addInts({static_cast<int64_t>(values.size())}, values);
  } else if (!n.failed()) {
    return n.unsupported("sparse and string constants have no representation on a device", "use a dense number tensor");
  }
  if (id)
    n.outConstant(0, *id);
}

/// A splat of the weight store when the shape is known, otherwise a broadcast to the symbolic shape.
void constantOfShape(NodeContext &n) {
  auto shape = n.requireContents(0, "the shape");
  if (!shape)
    return;
  DType type = DType::F32;
  llvm::SmallVector<char, 16> element(4, 0);
  if (const onnx::TensorProto *tensor = n.attrTensor("value")) {
    auto id = n.addTensor(*tensor);
    if (!id)
      return;
    auto splat = n.store().splat(*id);
    if (!splat || n.store().elements(*id) != 1)
      return n.malformed("the value must be a tensor of one element", "correct the attribute");
    type = n.store().dtype(*id);
    element = *splat;
  }
  if (n.sym().isConstant(*shape)) {
    llvm::SmallVector<int64_t> dims;
    for (mlir::AffineExpr e : *shape)
      dims.push_back(*n.sym().constantOf(e));
    if (auto id = n.store().addSplat(type, dims, element))
      return n.outConstant(0, *id);
    return n.malformed("the shape is negative or overflows", "correct the shape");
  }
  auto id = n.store().addSplat(type, {}, element);
  Dims dims;
  for (mlir::AffineExpr e : *shape)
    dims.push_back(n.asDim(e));
  n.out(0, n.broadcastTo(n.weight(*id), dims));
}

void ifNode(NodeContext &n) {
  auto condition = n.constantInts(0);
  if (!condition)
    return n.unsupported("the condition is not a constant; control flow at run time is not supported",
                         "fix the condition, or export the branch that is needed");
  if (condition->size() != 1)
    return n.malformed("the condition has " + llvm::Twine(condition->size()) + " elements, it must have one");
  const char *name = (*condition)[0] ? "then_branch" : "else_branch";
  const onnx::GraphProto *branch = n.attrGraph(name);
  if (!branch)
    return n.malformed("attribute '" + llvm::Twine(name) + "' is missing", "add the branch");
  n.inlineGraph(*branch);
}

void identity(NodeContext &n) { n.outSame(0, n.in(0)); }

/// Inference only: the identity, and a mask of ones.
void dropout(NodeContext &n) {
  if (n.has(2)) {
    auto training = n.constantInts(2);
    if (!training || training->size() != 1)
      return n.unsupported("training_mode must be a constant", "fold it into the model");
    auto ratio = n.has(1) ? n.constantDoubles(1) : std::optional(llvm::SmallVector<double>{0.5});
    if ((*training)[0] && (!ratio || ratio->size() != 1 || (*ratio)[0] != 0))
      return n.unsupported("dropout in training mode draws random numbers", "export the model for inference");
  }
  n.outSame(0, n.in(0));
  if (n.wants(1)) {
    mlir::Type type = n.opset() < 10 ? n.element(n.dtype(0)) : n.element(DType::Bool);
    n.out(1, n.broadcastTo(n.scalar(1, type), n.dims(0)));
  }
}

} // namespace

void adze::registerConstantHandlers(HandlerTable &t) {
  t.add("", "Constant", 1, constant, 0, 0);
  t.add("", "ConstantOfShape", 9, constantOfShape, 1, 1);
  t.add("", "Dropout", 7, dropout, 1, 3, 2);
  t.add("", "Identity", 1, identity, 1, 1);
  t.add("", "If", 1, ifNode, 1, 1, kVariadic);
}
