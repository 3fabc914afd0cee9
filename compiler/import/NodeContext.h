// What an import handler works with: the operands, attributes and outputs of one ONNX node, and the means to build
// graph operations and to refuse. All methods are safe after a failure: values are then null and nothing is built.
#pragma once
#include "compiler/import/ImportedValue.h"
#include "compiler/import/Symbolic.h"
#include "compiler/support/ElementTypes.h"
#include "compiler/support/Status.h"
#include "dialects/graph/GraphDialect.h"
#include "llvm/ADT/Twine.h"

namespace adze {
namespace onnx {
class AttributeProto;
class GraphProto;
class NodeProto;
class TensorProto;
} // namespace onnx

class GraphImporter;

class NodeContext {
public:
  NodeContext(GraphImporter &importer, NodeRecord &record);

  //===- The node
  //--------------------------------------------------------------------------------------------------===//
  llvm::StringRef op() const;
  /// Version of the node's domain that the model imports.
  int64_t opset() const;
  mlir::MLIRContext *context() const;

  //===- Operands
  //--------------------------------------------------------------------------------------------------===//
  unsigned numInputs() const;
  /// False for an input that is absent or has the empty name.
  bool has(unsigned i) const;
  /// The operand; must be present (required inputs were checked before the handler runs).
  ImportedValue &in(unsigned i) const;
  /// The operand as a value of the IR, materialised when need be.
  mlir::Value value(unsigned i) { return materialize(in(i)); }
  mlir::Value valueOrNull(unsigned i) { return has(i) ? value(i) : mlir::Value(); }
  mlir::Value materialize(ImportedValue &v);
  const graph::Dims &dims(unsigned i) const { return in(i).dims; }
  int64_t rank(unsigned i) const { return in(i).rank(); }
  DType dtype(unsigned i) const { return in(i).dtype; }
  std::optional<WeightStore::Id> constantId(unsigned i) const { return has(i) ? in(i).constant : std::nullopt; }
  /// Elements of a constant integer or bool operand (at most 64k); nullopt when it is not constant.
  std::optional<llvm::SmallVector<int64_t>> constantInts(unsigned i);
  /// Elements of a constant numeric operand (at most 64k) as double; nullopt when it is not constant.
  std::optional<llvm::SmallVector<double>> constantDoubles(unsigned i);
  /// Elements of a small integer operand as expressions. Looks through shape arithmetic; an integer graph input that
  /// steers a shape becomes launch-time symbols. nullopt when the contents depend on data computed by the device.
  std::optional<Contents> contents(unsigned i);
  /// The same, but the node is refused as unsupported when the contents are not known.
  std::optional<Contents> requireContents(unsigned i, llvm::StringRef what);
  std::optional<llvm::SmallVector<int64_t>> requireConstantInts(unsigned i, llvm::StringRef what);

  //===- Attributes (function references resolved; a wrong type is an error of the node)
  //----------------------------===//
  bool hasAttr(llvm::StringRef name) const;
  int64_t attrInt(llvm::StringRef name, int64_t otherwise);
  bool attrBool(llvm::StringRef name, bool otherwise) { return attrInt(name, otherwise) != 0; }
  double attrFloat(llvm::StringRef name, double otherwise);
  std::string attrString(llvm::StringRef name, llvm::StringRef otherwise);
  llvm::SmallVector<int64_t> attrInts(llvm::StringRef name, llvm::ArrayRef<int64_t> otherwise = {});
  llvm::SmallVector<double> attrFloats(llvm::StringRef name);
  llvm::SmallVector<std::string> attrStrings(llvm::StringRef name);
  const onnx::TensorProto *attrTensor(llvm::StringRef name);
  const onnx::GraphProto *attrGraph(llvm::StringRef name);
  const onnx::AttributeProto *attr(llvm::StringRef name) const;
  /// Fails the node when the attribute is missing.
  int64_t requireInt(llvm::StringRef name);
  llvm::SmallVector<int64_t> requireInts(llvm::StringRef name);
  /// Brings a possibly negative axis into [0, rank); fails the node otherwise.
  int64_t normalizeAxis(int64_t axis, int64_t rank);
  /// The same for a list, which must not repeat an axis.
  llvm::SmallVector<int64_t> normalizeAxes(llvm::ArrayRef<int64_t> axes, int64_t rank);

  //===- Building
  //--------------------------------------------------------------------------------------------------===//
  /// Builds an operation whose result type follows from its operands. Null when the node has failed, an operand is null
  /// or inference refuses (which fails the node as malformed).
  template <typename Op, typename... Args>
  mlir::Value create(Args &&...args) {
    if (failed() || anyNull(args...))
      return {};
    return createOptional<Op>({}, std::forward<Args>(args)...);
  }
  /// The same for operations with optional operands: only the values in `required` must not be null.
  template <typename Op, typename... Args>
  mlir::Value createOptional(std::initializer_list<mlir::Value> required, Args &&...args) {
    if (failed() || llvm::any_of(required, [](mlir::Value v) { return !v; }))
      return {};
    mlir::OperationState state(loc(), Op::getOperationName());
    Op::build(builder(), state, placeholderType(), std::forward<Args>(args)...);
    state.types.clear();
    mlir::RegionRange regions;
    if (mlir::failed(Op::inferReturnTypes(context(), loc(), state.operands, state.attributes.getDictionary(context()),
                                          state.getRawProperties(), regions, state.types)))
      return diagnose();
    return finish(state);
  }
  /// Builds an operation with the result type given.
  template <typename Op, typename... Args>
  mlir::Value createTyped(mlir::Type type, Args &&...args) {
    if (failed() || !type || anyNull(args...))
      return {};
    mlir::OperationState state(loc(), Op::getOperationName());
    Op::build(builder(), state, type, std::forward<Args>(args)...);
    return finish(state);
  }
  /// Builds an operation with several results, of the types given; empty after a failure.
  template <typename Op, typename... Args>
  llvm::SmallVector<mlir::Value> createMany(mlir::TypeRange types, Args &&...args) {
    return anyNull(args...) ? llvm::SmallVector<mlir::Value>()
                            : createManyOptional<Op>(types, std::forward<Args>(args)...);
  }
  /// The same with optional operands, which may be null.
  template <typename Op, typename... Args>
  llvm::SmallVector<mlir::Value> createManyOptional(mlir::TypeRange types, Args &&...args) {
    if (failed())
      return {};
    mlir::OperationState state(loc(), Op::getOperationName());
    Op::build(builder(), state, types, std::forward<Args>(args)...);
    mlir::Value first = finish(state);
    return first ? llvm::SmallVector<mlir::Value>(first.getDefiningOp()->getResults())
                 : llvm::SmallVector<mlir::Value>();
  }
  /// Elementwise binary operation: broadcasts, and records a launch check for dims that cannot be proved to fit.
  template <typename Op>
  mlir::Value binary(mlir::Value a, mlir::Value b) {
    return broadcastable(a, b) ? create<Op>(a, b) : mlir::Value();
  }
  mlir::Value compare(graph::CmpKind kind, mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);
  /// Takes part in broadcasting: emits the checks for a pair of operands; false (node failed) when shapes clash.
  bool broadcastable(mlir::Value a, mlir::Value b);
  /// Dims of the broadcast of both, with checks; empty optional after a failure.
  std::optional<graph::Dims> broadcastDims(llvm::ArrayRef<mlir::AffineExpr> a, llvm::ArrayRef<mlir::AffineExpr> b);

  /// Rank-0 constant of an element type (floats rounded to it).
  mlir::Value scalar(double value, mlir::Type element);
  mlir::Value scalarLike(double value, mlir::Value like) { return like ? scalar(value, elementOf(like)) : like; }
  /// Small constant integer tensor.
  mlir::Value intConstant(llvm::ArrayRef<int64_t> values, llvm::ArrayRef<int64_t> shape, mlir::Type element);
  /// Rank-0 tensor holding an expression.
  mlir::Value exprValue(mlir::AffineExpr e, mlir::Type element);
  /// A value for a weight store entry.
  mlir::Value weight(WeightStore::Id id);
  mlir::Value cast(mlir::Value x, mlir::Type element);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::Value broadcastTo(mlir::Value x, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> perm);
  mlir::Value reduce(mlir::Value x, llvm::ArrayRef<int64_t> axes, graph::ReduceKind kind);
  /// x[starts[d] + i * steps[d]], `sizes` elements a dim.
  mlir::Value slice(mlir::Value x, llvm::ArrayRef<mlir::AffineExpr> starts, llvm::ArrayRef<mlir::AffineExpr> sizes,
                    llvm::ArrayRef<int64_t> steps);
  mlir::Value concat(llvm::ArrayRef<mlir::Value> xs, int64_t axis);
  /// Removes or inserts dims of size 1 (sorted axes of the operand, or of the result).
  mlir::Value squeeze(mlir::Value x, llvm::ArrayRef<int64_t> axes);
  mlir::Value unsqueeze(mlir::Value x, llvm::ArrayRef<int64_t> axes);

  static mlir::Type elementOf(mlir::Value v) {
    return mlir::cast<mlir::RankedTensorType>(v.getType()).getElementType();
  }
  static int64_t rankOf(mlir::Value v) { return v ? mlir::cast<mlir::RankedTensorType>(v.getType()).getRank() : 0; }
  static graph::Dims dimsOf(mlir::Value v) { return v ? graph::getDims(v) : graph::Dims(); }
  mlir::Type element(DType type) { return elementType(context(), type); }

  //===- Symbolic dims
  //---------------------------------------------------------------------------------------------===//
  Symbolic &sym();
  mlir::AffineExpr expr(int64_t value) { return sym().constant(value); }
  /// An expression used as a dim: when it could be negative, a launch check refuses that.
  mlir::AffineExpr asDim(mlir::AffineExpr e);
  /// Records that two expressions must be equal at launch; fails the node when they cannot be.
  bool checkEqual(mlir::AffineExpr a, mlir::AffineExpr b, const llvm::Twine &message);
  /// Records that an expression must not be zero at launch.
  bool checkTrue(mlir::AffineExpr condition, const llvm::Twine &message) {
    return checkEqual(condition, expr(1), message);
  }

  //===- Outputs
  //---------------------------------------------------------------------------------------------------===//
  unsigned numOutputs() const;
  bool wants(unsigned i) const; ///< the output exists and has a name
  void out(unsigned i, mlir::Value v);
  /// The output is the same value as an operand or another known value (Identity and the like).
  void outSame(unsigned i, const ImportedValue &v);
  void outConstant(unsigned i, WeightStore::Id id);
  void outContents(unsigned i, DType type, llvm::ArrayRef<int64_t> shape, Contents contents);
  WeightStore &store();
  /// Reads a tensor attribute into the weight store; nullopt (node failed) when it is damaged.
  std::optional<WeightStore::Id> addTensor(const onnx::TensorProto &tensor);
  /// Imports a subgraph in place, its outputs becoming this node's (If with a constant condition).
  void inlineGraph(const onnx::GraphProto &graph);
  /// Imports a subgraph with its inputs bound to values; its outputs, or nothing after a failure.
  llvm::SmallVector<mlir::Value> callGraph(const onnx::GraphProto &graph, llvm::ArrayRef<mlir::Value> inputs);

  //===- Refusing
  //--------------------------------------------------------------------------------------------------===//
  bool failed() const;
  void malformed(const llvm::Twine &why, const llvm::Twine &remedy = "correct the model");
  void unsupported(const llvm::Twine &why, const llvm::Twine &remedy = "rewrite this part of the model");
  void resource(const llvm::Twine &why, const llvm::Twine &remedy = "make the tensor smaller");

  mlir::OpBuilder &builder();
  mlir::Location loc() const;

private:
  static bool isNull(const mlir::Value &v) { return !v; }
  template <typename T>
  static bool isNull(const T &) {
    return false;
  }
  template <typename... Args>
  static bool anyNull(const Args &...args) {
    return (isNull(args) || ...);
  }
  mlir::Type placeholderType();
  mlir::Value diagnose();
  mlir::Value finish(mlir::OperationState &state);
  void report(ErrorKind kind, const llvm::Twine &why, const llvm::Twine &remedy);
  const onnx::AttributeProto *typed(llvm::StringRef name, int type, const char *typeName);

  GraphImporter &importer;
  NodeRecord &record;
};

} // namespace adze
