// The importer's state over one model. Handlers see it through NodeContext only.
#pragma once
#include "compiler/import/HandlerTable.h"
#include "compiler/import/Import.h"
#include "compiler/import/NodeContext.h"
#include "compiler/import/OnnxProto.h"
#include "compiler/import/TensorData.h"
#include "compiler/support/NodeLoc.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include <deque>

namespace adze {

class ModelFile;

/// Attributes of the function call that a node is expanded from.
using CallAttributes = std::map<std::string, const onnx::AttributeProto *>;

/// One node while it is imported; kept for evaluating contents later.
struct NodeRecord {
  const onnx::NodeProto *node = nullptr;
  const CallAttributes *call = nullptr; ///< null outside functions
  std::string domain;
  int64_t opset = 0;
  NodeRef ref;
  mlir::Location loc;
  llvm::SmallVector<Val, 4> inputs;  ///< null where absent
  llvm::SmallVector<Val, 2> outputs; ///< null where unnamed
  bool failed = false;

  explicit NodeRecord(mlir::Location loc) : loc(loc) {}
};

/// Names visible at one place: a graph, a subgraph or an expanded function.
struct Scope {
  Scope *parent = nullptr;
  llvm::StringMap<Val> values;
  const CallAttributes *call = nullptr;
  const std::map<std::string, int64_t> *opsets = nullptr;
  std::string prefix; ///< "outer/" inside functions and subgraphs
  int64_t index = -1; ///< fixed node index inside functions and subgraphs
  unsigned depth = 0;

  Val find(llvm::StringRef name) const {
    for (const Scope *scope = this; scope; scope = scope->parent)
      if (auto it = scope->values.find(name); it != scope->values.end())
        return it->second;
    return nullptr;
  }
};

class GraphImporter {
public:
  GraphImporter(mlir::MLIRContext &context, const ModelFile &file, const ImportOptions &options, WeightStore &store,
                ErrorSink &sink);
  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  friend class NodeContext;

  // GraphImporter.cpp: the model as a whole.
  bool checkModel();
  bool importInputs();
  bool importInitializers(const onnx::GraphProto &graph, Scope &scope);
  bool addInput(const onnx::ValueInfoProto &info);
  mlir::AffineExpr inputDim(const onnx::ValueInfoProto &info, unsigned input, unsigned axis,
                            const std::vector<int64_t> *fixed);
  bool finishOutputs();
  bool modelError(ErrorKind kind, std::string what, std::string why, std::string remedy, llvm::StringRef tensor = "");

  // ImportNodes.cpp: nodes, functions, subgraphs.
  bool checkGraph(const onnx::GraphProto &graph, const Scope &outer);
  /// Imports the nodes that `needed` values depend on, in order.
  void importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes, Scope &scope,
                   llvm::ArrayRef<std::string> needed);
  void importNode(const onnx::NodeProto &node, int64_t index, Scope &scope);
  bool bindInputs(NodeRecord &record, Scope &scope, bool &poisoned);
  void expandFunction(const onnx::FunctionProto &function, NodeRecord &record, Scope &scope);
  void inlineGraph(const onnx::GraphProto &graph, NodeRecord &record, Scope &scope);
  /// Imports a subgraph with its inputs bound; false (node failed) when it cannot be.
  bool expandGraph(const onnx::GraphProto &graph, NodeRecord &record, Scope &scope, llvm::ArrayRef<Val> inputs,
                   llvm::SmallVectorImpl<Val> &outputs);
  void runHandler(const HandlerEntry &entry, NodeRecord &record, Scope &scope);
  void finishNode(NodeRecord &record, Scope &scope);
  static void rebind(NodeRecord &record, unsigned output, Val value);
  std::string operandTypes(const NodeRecord &record) const;
  void nodeError(NodeRecord &record, ErrorKind kind, const llvm::Twine &why, const llvm::Twine &remedy);

  // Values.cpp: constants, contents, materialisation.
  Val newValue(DType type, graph::Dims dims, llvm::StringRef name);
  Val constantValue(WeightStore::Id id, llvm::StringRef name);
  mlir::Value materialize(ImportedValue &value, mlir::Location loc);
  mlir::Value materializeConstant(WeightStore::Id id, llvm::StringRef name, mlir::Location loc);
  std::optional<Contents> contentsOf(ImportedValue &value, bool pull, unsigned depth = 0);
  std::string typeText(const ImportedValue &value) const;
  void addCheck(mlir::AffineExpr a, mlir::AffineExpr b, const llvm::Twine &message, mlir::Location loc);

  mlir::MLIRContext &context;
  const ModelFile &file;
  const ImportOptions &options;
  WeightStore &store;
  ErrorSink &sink;
  ExternalFiles external;
  HandlerTable table;
  Symbolic symbolic;
  mlir::OpBuilder builder;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::map<std::string, int64_t> opsets; ///< of the model, "" for ai.onnx
  std::map<std::tuple<std::string, std::string, std::string>, const onnx::FunctionProto *> functions;
  std::map<const onnx::FunctionProto *, std::map<std::string, int64_t>> functionOpsets;
  std::vector<const onnx::FunctionProto *> expanding;
  std::map<std::string, mlir::AffineExpr> dimSymbols;
  Scope root;
  Scope *current = nullptr;
  std::deque<ImportedValue> values;
  std::deque<NodeRecord> records;
  std::deque<CallAttributes> calls;
  std::deque<Scope> scopes;
  std::vector<std::unique_ptr<onnx::FunctionProto>> expandedBodies; ///< copies with absent inputs blanked
  llvm::DenseSet<mlir::AffineMap> checksDone;
  std::vector<const onnx::ValueInfoProto *> inputs;
  std::string diagnostic; ///< text of MLIR diagnostics while operations are built
  uint64_t nodesImported = 0;
};

/// A small integer tensor whose elements are expressions.
struct SymTensor {
  DType dtype = DType::I64;
  llvm::SmallVector<int64_t, 4> shape;
  Contents elements;
};
using SymInput = llvm::function_ref<std::optional<SymTensor>(unsigned)>;

/// Whether evaluateNode knows the operator (of ai.onnx).
bool hasEvaluator(llvm::StringRef op);
/// An output of a node from the contents of its inputs, for the operators that shape arithmetic uses; nullopt when an
/// input that matters is unknown or the result cannot be expressed. `input` may be asked for any present input.
std::optional<SymTensor> evaluateNode(NodeContext &node, unsigned output, SymInput input);
/// Contents are followed up to this many elements.
constexpr uint64_t kMaxContents = 1024;

} // namespace adze
