// The model as a whole: versions, inputs, initializers, outputs.
#include "compiler/import/GraphImporter.h"
#include "compiler/import/ModelFile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSet.h"

using namespace adze;
using namespace mlir;

static constexpr int64_t kOldestIr = 3, kNewestIr = 14, kOldestOpset = 1, kNewestOpset = 28;
static constexpr int kMaxFunctions = 10000;

GraphImporter::GraphImporter(MLIRContext &context, const ModelFile &file, const ImportOptions &options,
                             WeightStore &store, ErrorSink &sink)
    : context(context), file(file), options(options), store(store), sink(sink),
      external(file.path(), options.allowedRoot), symbolic(&context), builder(&context) {
  registerAllHandlers(table);
}

bool GraphImporter::modelError(ErrorKind kind, std::string what, std::string why, std::string remedy,
                               StringRef tensor) {
  ErrorPlace place;
  place.file = file.path().str();
  place.tensor = tensor.str();
  sink.add(kind, std::move(what), std::move(why), std::move(remedy), std::move(place));
  return false;
}

//===- Versions and functions -------------------------------------------------------------------------------------===//

bool GraphImporter::checkModel() {
  const onnx::ModelProto &model = file.model();
  int64_t ir = model.ir_version();
  if (ir < kOldestIr || ir > kNewestIr) {
    bool nonsense = !model.has_ir_version() || ir < 1 || ir > 1000;
    return modelError(nonsense ? ErrorKind::Malformed : ErrorKind::Unsupported, "IR version not supported",
                      "ir_version is " + std::to_string(ir) + ", supported are 3 to 14",
                      "export the model with a current ONNX");
  }
  for (const auto &import : model.opset_import()) {
    std::string domain = import.domain() == "ai.onnx" ? "" : import.domain();
    if (!opsets.emplace(domain, import.version()).second)
      return modelError(ErrorKind::Malformed, "a domain is imported twice",
                        "opset_import names '" + printable(domain) + "' twice", "import each domain once");
    if (import.version() < 1)
      return modelError(ErrorKind::Malformed, "an opset version is not positive",
                        "domain '" + printable(domain) + "' has version " + std::to_string(import.version()),
                        "export the model again");
  }
  if (opsets.empty())
    return modelError(ErrorKind::Malformed, "the model imports no opset", "opset_import is empty",
                      "export the model again");
  if (auto onnx = opsets.find(""); onnx != opsets.end())
    if (onnx->second < kOldestOpset || onnx->second > kNewestOpset)
      return modelError(ErrorKind::Unsupported, "opset not supported",
                        "the model uses opset " + std::to_string(onnx->second) +
                            ", supported are 7 to 28 (and most older ones)",
                        "convert the model with onnx.version_converter");
  if (static_cast<uint64_t>(model.graph().node_size()) > options.maxNodes)
    return modelError(ErrorKind::Resource, "too many nodes",
                      std::to_string(model.graph().node_size()) + " nodes, at most " + std::to_string(options.maxNodes),
                      "split the model");
  if (model.functions_size() > kMaxFunctions)
    return modelError(ErrorKind::Resource, "too many functions",
                      std::to_string(model.functions_size()) + " functions, at most " + std::to_string(kMaxFunctions),
                      "inline them before compiling");
  for (const auto &function : model.functions()) {
    std::string domain = function.domain() == "ai.onnx" ? "" : function.domain();
    if (!functions.emplace(std::make_tuple(domain, function.name(), function.overload()), &function).second)
      return modelError(ErrorKind::Malformed, "a function is defined twice",
                        "function '" + printable(function.name()) + "'", "define each function once");
    auto &versions = functionOpsets[&function];
    for (const auto &import : function.opset_import())
      versions.emplace(import.domain() == "ai.onnx" ? "" : import.domain(), import.version());
  }
  return true;
}

//===- Inputs -----------------------------------------------------------------------------------------------------===//

AffineExpr GraphImporter::inputDim(const onnx::ValueInfoProto &info, unsigned input, unsigned axis,
                                   const std::vector<int64_t> *fixed) {
  const auto &dim = info.type().tensor_type().shape().dim(axis);
  int64_t wanted = fixed ? (*fixed)[axis] : -1;
  if (dim.has_dim_value() && dim.dim_value() >= 0) {
    if (wanted >= 0 && wanted != dim.dim_value()) {
      modelError(ErrorKind::Malformed, "the input shape asked for does not fit the model",
                 "dim " + std::to_string(axis) + " is " + std::to_string(dim.dim_value()) + ", asked for " +
                     std::to_string(wanted),
                 "give -1 or the model's own size for fixed dims", info.name());
      return {};
    }
    return symbolic.constant(dim.dim_value());
  }
  std::string name = dim.has_dim_param() ? dim.dim_param() : "";
  if (name.empty() || name == "?") // some exporters write "?" for every dim they do not know, equal or not
    name = info.name() + "." + std::to_string(axis);
  if (auto known = dimSymbols.find(name); known != dimSymbols.end()) {
    auto value = graph::constantOf(known->second);
    if (wanted < 0 || value == wanted)
      return known->second;
    modelError(ErrorKind::Malformed, "the input shapes asked for contradict each other",
               "dim '" + printable(name) + "' is already " + symbolic.table.text(known->second) + ", asked for " +
                   std::to_string(wanted),
               "give the same size wherever the model uses the same name", info.name());
    return {};
  }
  DimRange range;
  if (auto given = options.dims.find(name); given != options.dims.end())
    range = given->second;
  if (wanted >= 0)
    range = {wanted, wanted, wanted};
  if (range.min == range.max)
    return dimSymbols[name] = symbolic.constant(range.min);
  graph::Symbol symbol;
  symbol.name = name;
  symbol.input = input;
  symbol.axis = axis;
  symbol.min = range.min;
  symbol.max = range.max;
  symbol.optimum = range.optimum;
  return dimSymbols[name] = symbolic.table.add(&context, std::move(symbol));
}

bool GraphImporter::addInput(const onnx::ValueInfoProto &info) {
  const std::string &name = info.name();
  if (name.empty())
    return modelError(ErrorKind::Malformed, "a graph input has no name", "its name is empty", "name every input");
  if (root.values.count(name))
    return modelError(ErrorKind::Malformed, "a name is defined twice", "'" + printable(name) + "' is an input twice",
                      "give every value its own name", name);
  if (!info.type().has_tensor_type())
    return modelError(ErrorKind::Unsupported, "the input is not a dense tensor",
                      "sequences, maps, optionals and sparse tensors have no representation on a device",
                      "change the model's interface", name);
  const auto &tensor = info.type().tensor_type();
  auto type = dtypeFromOnnx(tensor.elem_type());
  if (!type)
    return modelError(ErrorKind::Malformed, "the input has no valid element type",
                      "elem_type is " + std::to_string(tensor.elem_type()), "export the model again", name);
  if (!elementType(&context, *type))
    return modelError(ErrorKind::Unsupported, "the input's element type is not supported", dtypeName(*type).str(),
                      "convert the input outside the model", name);
  auto given = options.inputShapes.find(name);
  const std::vector<int64_t> *fixed = given == options.inputShapes.end() ? nullptr : &given->second;
  unsigned number = static_cast<unsigned>(inputs.size());
  graph::Dims dims;
  if (!tensor.has_shape()) {
    if (!fixed)
      return modelError(ErrorKind::Unsupported, "the input has no shape", "its rank is unknown",
                        "give it with --input-shape " + printable(name) + "=...", name);
    for (int64_t size : *fixed)
      dims.push_back(symbolic.constant(std::max<int64_t>(size, 0)));
  } else {
    if (tensor.shape().dim_size() > static_cast<int>(kMaxRank))
      return modelError(ErrorKind::Unsupported, "the input's rank is too high",
                        "rank " + std::to_string(tensor.shape().dim_size()) + ", at most " + std::to_string(kMaxRank),
                        "merge dimensions", name);
    if (fixed && fixed->size() != static_cast<size_t>(tensor.shape().dim_size()))
      return modelError(ErrorKind::Malformed, "the input shape asked for does not fit the model",
                        "the model's input has rank " + std::to_string(tensor.shape().dim_size()),
                        "give one size a dim", name);
    for (int i = 0; i < tensor.shape().dim_size(); ++i) {
      AffineExpr dim = inputDim(info, number, i, fixed);
      if (!dim)
        return false;
      dims.push_back(dim);
    }
  }
  if (llvm::all_of(dims, [](AffineExpr e) { return graph::constantOf(e).has_value(); })) {
    SmallVector<int64_t> shape;
    for (AffineExpr e : dims)
      shape.push_back(*graph::constantOf(e));
    if (!numElements(shape))
      return modelError(ErrorKind::Malformed, "the input's shape overflows", "the product of its dims exceeds 2^62",
                        "export the model again", name);
  }
  Val value = newValue(*type, std::move(dims), name);
  value->input = number;
  root.values[name] = value;
  inputs.push_back(&info);
  return true;
}

bool GraphImporter::importInputs() {
  const onnx::GraphProto &graph = file.model().graph();
  llvm::StringSet<> initialized;
  for (const auto &tensor : graph.initializer())
    initialized.insert(tensor.name());
  for (const auto &sparse : graph.sparse_initializer())
    initialized.insert(sparse.values().name());
  for (const auto &info : graph.input())
    if (!initialized.contains(info.name()) || options.overridable.count(info.name()))
      if (!addInput(info))
        return false;
  for (const auto &[name, shape] : options.inputShapes)
    if (!root.values.count(name))
      return modelError(ErrorKind::Malformed, "no such input", "--input-shape names '" + printable(name) + "'",
                        "use the name of a graph input");
  for (const auto &[name, range] : options.dims)
    if (!dimSymbols.count(name))
      return modelError(ErrorKind::Malformed, "no such symbolic dim", "--dim names '" + printable(name) + "'",
                        "use a dim name of a graph input (adze inspect lists them)");
  for (const std::string &name : options.overridable)
    if (!root.values.count(name))
      return modelError(ErrorKind::Malformed, "no such overridable initializer",
                        "'" + printable(name) + "' is not both an initializer and an input",
                        "use the name of an initializer that the graph also lists as an input");

  // The function with its arguments.
  SmallVector<Type> types;
  for (const auto *info : inputs) {
    Val value = root.values[info->name()];
    types.push_back(graph::makeTensorType(value->dims, elementType(&context, value->dtype)));
  }
  Location loc = NameLoc::get(builder.getStringAttr(graph.name()));
  builder.setInsertionPointToEnd(module->getBody());
  auto main = func::FuncOp::create(builder, loc, graph::kMainFunction, builder.getFunctionType(types, {}));
  Block *block = main.addEntryBlock();
  builder.setInsertionPointToEnd(block);
  for (auto [i, info] : llvm::enumerate(inputs)) {
    Val value = root.values[info->name()];
    value->value = block->getArgument(i);
    main.setArgAttr(i, graph::kNameAttr, builder.getStringAttr(info->name()));
    SmallVector<Attribute> names;
    for (AffineExpr dim : value->dims)
      names.push_back(builder.getStringAttr(graph::constantOf(dim) ? "" : symbolic.table.text(dim)));
    main.setArgAttr(i, graph::kDimNamesAttr, builder.getArrayAttr(names));
  }
  return true;
}

bool GraphImporter::importInitializers(const onnx::GraphProto &graph, Scope &scope) {
  TensorSource source{store, file.file(), &external, sink};
  bool good = true;
  auto define = [&](const std::string &name, std::optional<WeightStore::Id> id) {
    if (!id) {
      good = false;
      return;
    }
    // A default of an overridable input is recorded on the argument and otherwise left alone.
    if (auto found = scope.values.find(name); found != scope.values.end()) {
      if (found->second->input < 0 || found->second->constant) {
        good = modelError(ErrorKind::Malformed, "a name is defined twice",
                          "'" + printable(name) + "' is an initializer twice", "give every value its own name", name);
        return;
      }
      auto main = module->lookupSymbol<func::FuncOp>(graph::kMainFunction);
      main.setArgAttr(static_cast<unsigned>(found->second->input), "graph.default", builder.getI64IntegerAttr(*id));
      return;
    }
    scope.values[name] = constantValue(*id, name);
  };
  ErrorPlace place;
  place.file = file.path().str();
  for (const auto &tensor : graph.initializer()) {
    if (tensor.name().empty())
      return modelError(ErrorKind::Malformed, "an initializer has no name", "its name is empty",
                        "name every initializer");
    define(tensor.name(), addTensor(tensor, source, place, tensor.name()));
  }
  for (const auto &sparse : graph.sparse_initializer())
    define(sparse.values().name(), addSparseTensor(sparse, source, place, sparse.values().name()));
  return good;
}

//===- Outputs ----------------------------------------------------------------------------------------------------===//

bool GraphImporter::finishOutputs() {
  const onnx::GraphProto &graph = file.model().graph();
  SmallVector<std::string> names(options.outputs.begin(), options.outputs.end());
  if (names.empty())
    for (const auto &info : graph.output())
      names.push_back(info.name());
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  for (const std::string &name : names) {
    Val value = root.find(name);
    if (!value || value->poisoned)
      return false; // reported where it failed
    Value result = materialize(*value, NameLoc::get(builder.getStringAttr(name)));
    if (!result)
      return modelError(ErrorKind::Unsupported, "the output's element type is not supported",
                        dtypeName(value->dtype).str(), "convert the output outside the model", name);
    results.push_back(result);
    SmallVector<Attribute> dimNames;
    for (AffineExpr dim : value->dims)
      dimNames.push_back(builder.getStringAttr(graph::constantOf(dim) ? "" : symbolic.table.text(dim)));
    attributes.push_back(
        builder.getDictionaryAttr({builder.getNamedAttr(graph::kNameAttr, builder.getStringAttr(name)),
                                   builder.getNamedAttr(graph::kDimNamesAttr, builder.getArrayAttr(dimNames))}));
  }
  for (const auto &info : graph.output()) {
    Val value = root.find(info.name());
    auto declared = dtypeFromOnnx(info.type().tensor_type().elem_type());
    if (value && !value->poisoned && declared && *declared != value->dtype)
      return modelError(ErrorKind::Malformed, "an output has another element type than declared",
                        "declared " + dtypeName(*declared).str() + ", computed " + dtypeName(value->dtype).str(),
                        "correct the output's type", info.name());
  }
  auto main = module->lookupSymbol<func::FuncOp>(graph::kMainFunction);
  func::ReturnOp::create(builder, main.getLoc(), results);
  SmallVector<Type> types;
  for (Value v : results)
    types.push_back(v.getType());
  main.setFunctionType(builder.getFunctionType(main.getArgumentTypes(), types));
  for (auto [i, dict] : llvm::enumerate(attributes))
    main.setResultAttrs(i, dict);
  symbolic.table.writeTo(*module);
  return true;
}

OwningOpRef<ModuleOp> GraphImporter::run() {
  const onnx::GraphProto &graph = file.model().graph();
  context.loadDialect<graph::GraphDialect, func::FuncDialect>();
  // Diagnostics of verifiers and inference become part of the node's error.
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    if (diagnostic.size() < 2000)
      diagnostic += (diagnostic.empty() ? "" : "; ") + d.str();
    return success();
  });
  // The model's own name, not its path: the same model must give the same bytes from anywhere.
  module = ModuleOp::create(NameLoc::get(builder.getStringAttr(graph.name())));
  if (!checkModel())
    return nullptr;
  root.opsets = &opsets;
  if (graph.output_size() == 0 && options.outputs.empty()) {
    modelError(ErrorKind::Malformed, "the graph has no outputs", "field 'output' is empty", "export the model again");
    return nullptr;
  }
  if (!importInputs() || !importInitializers(graph, root) || !checkGraph(graph, root))
    return nullptr;
  std::vector<std::string> needed(options.outputs.begin(), options.outputs.end());
  if (needed.empty())
    for (const auto &info : graph.output())
      needed.push_back(info.name());
  importNodes(graph.node(), root, needed);
  if (!sink.empty() || !finishOutputs())
    return nullptr;
  diagnostic.clear();
  if (failed(verify(*module))) {
    modelError(ErrorKind::Internal, "the importer built an invalid module", diagnostic, "please report this model");
    return nullptr;
  }
  return std::move(module);
}

static OwningOpRef<ModuleOp> importFile(MLIRContext &context, std::unique_ptr<ModelFile> file,
                                        const ImportOptions &options, WeightStore &store, ErrorSink &sink) {
  return file ? GraphImporter(context, *file, options, store, sink).run() : nullptr;
}

OwningOpRef<ModuleOp> adze::importModel(MLIRContext &context, StringRef path, const ImportOptions &options,
                                        WeightStore &store, ErrorSink &sink) {
  return importFile(context, ModelFile::open(path, sink), options, store, sink);
}

OwningOpRef<ModuleOp> adze::importModelBytes(MLIRContext &context, StringRef bytes, StringRef path,
                                             const ImportOptions &options, WeightStore &store, ErrorSink &sink) {
  return importFile(context, ModelFile::fromMemory(bytes, path, sink), options, store, sink);
}

std::vector<std::string> adze::importableOps() {
  HandlerTable table;
  registerAllHandlers(table);
  return table.lines();
}
