// Nodes in order, functions expanded, subgraphs inlined.
#include "compiler/import/GraphImporter.h"
#include "compiler/import/ModelFile.h"
#include "llvm/ADT/StringSet.h"

using namespace adze;
using namespace mlir;

/// Below this version of ai.onnx not every operator has a handler; a missing one is then our gap, not the model's
/// fault.
static constexpr int64_t kOldestFullOpset = 7;
static constexpr unsigned kMaxNesting = 64; ///< functions and subgraphs inside each other

//===- Checks that need no types ----------------------------------------------------------------------------------===//

/// Single assignment, and every name defined before it is used (ONNX demands this order; a cycle breaks it too).
bool GraphImporter::checkGraph(const onnx::GraphProto &graph, const Scope &outer) {
  llvm::StringMap<int64_t> producer;
  auto nodeFault = [&](const onnx::NodeProto &node, int64_t index, std::string what, std::string why) {
    ErrorPlace place;
    place.node = node.name();
    place.op = node.op_type();
    place.domain = node.domain();
    place.index = index;
    sink.add(ErrorKind::Malformed, std::move(what), std::move(why), "correct the graph and export it again",
             std::move(place));
  };
  bool good = true;
  for (const auto &[i, node] : llvm::enumerate(graph.node()))
    for (const std::string &name : node.output()) {
      if (name.empty())
        continue;
      if (outer.find(name) || !producer.try_emplace(name, i).second) {
        nodeFault(node, i, "a name is defined twice", "output '" + printable(name) + "' exists already");
        good = false;
      }
    }
  for (const auto &[i, node] : llvm::enumerate(graph.node())) {
    if (node.op_type().empty()) {
      nodeFault(node, i, "a node has no operator", "op_type is empty");
      good = false;
    }
    for (const std::string &name : node.input()) {
      if (name.empty() || outer.find(name))
        continue;
      auto found = producer.find(name);
      if (found != producer.end() && found->second < static_cast<int64_t>(i))
        continue;
      nodeFault(node, i, "an input is not defined",
                found == producer.end()
                    ? "no node, input or initializer is named '" + printable(name) + "'"
                    : "'" + printable(name) + "' comes from node #" + std::to_string(found->second) +
                          ", which is not earlier: a cycle, or nodes out of order");
      good = false;
    }
  }
  auto known = [&](const std::string &name) { return outer.find(name) || producer.count(name); };
  for (const auto &info : graph.output())
    if (!known(info.name()))
      good = modelError(ErrorKind::Malformed, "an output is not defined",
                        "no node, input or initializer is named '" + printable(info.name()) + "'",
                        "correct the graph and export it again", info.name());
  if (&outer == &root)
    for (const std::string &name : options.outputs)
      if (!known(name))
        good = modelError(ErrorKind::Malformed, "no such value", "--outputs names '" + printable(name) + "'",
                          "use the name of a value of the graph");
  return good;
}

//===- Order ------------------------------------------------------------------------------------------------------===//

/// Names that the subgraphs of a node read; a superset (inner names included) is harmless.
static void addSubgraphInputs(const onnx::NodeProto &node, llvm::StringSet<> &needed, unsigned depth) {
  if (depth > kMaxNesting)
    return;
  auto graphInputs = [&](const onnx::GraphProto &graph) {
    for (const auto &inner : graph.node()) {
      for (const std::string &name : inner.input())
        needed.insert(name);
      addSubgraphInputs(inner, needed, depth + 1);
    }
    for (const auto &info : graph.output())
      needed.insert(info.name());
  };
  for (const auto &attribute : node.attribute()) {
    if (attribute.has_g())
      graphInputs(attribute.g());
    for (const auto &graph : attribute.graphs())
      graphInputs(graph);
  }
}

void GraphImporter::importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes, Scope &scope,
                                ArrayRef<std::string> wanted) {
  // Nodes stand in order, so one backward sweep finds those that matter.
  llvm::StringSet<> needed;
  for (const std::string &name : wanted)
    needed.insert(name);
  std::vector<char> keep(nodes.size(), 0);
  for (int i = nodes.size(); i-- > 0;) {
    const onnx::NodeProto &node = nodes[i];
    if (llvm::none_of(node.output(), [&](const std::string &name) { return !name.empty() && needed.contains(name); }))
      continue;
    keep[i] = 1;
    for (const std::string &name : node.input())
      needed.insert(name);
    addSubgraphInputs(node, needed, 0);
  }
  Scope *outer = current;
  current = &scope;
  for (int i = 0; i < nodes.size() && nodesImported <= options.maxNodes; ++i)
    if (keep[i])
      importNode(nodes[i], scope.index >= 0 ? scope.index : i, scope);
  current = outer;
}

//===- One node ---------------------------------------------------------------------------------------------------===//

std::string GraphImporter::operandTypes(const NodeRecord &record) const {
  std::string text = "(";
  for (auto [i, input] : llvm::enumerate(record.inputs))
    text += (i ? ", " : "") + (!input ? std::string("none") : input->poisoned ? "unknown" : typeText(*input));
  return text + ")";
}

void GraphImporter::nodeError(NodeRecord &record, ErrorKind kind, const Twine &why, const Twine &remedy) {
  record.failed = true;
  ErrorPlace place;
  place.file = file.path().str();
  place.node = record.ref.node;
  place.op = record.ref.op;
  place.domain = record.ref.domain;
  place.opset = record.opset;
  place.index = record.ref.index;
  place.types = operandTypes(record);
  std::string op = printable(record.ref.op, 60);
  std::string what = kind == ErrorKind::Unsupported ? "operator " + op + " is not supported here"
                     : kind == ErrorKind::Resource  ? "operator " + op + " goes beyond a limit"
                                                    : "operator " + op + " is used wrongly";
  sink.add(kind, std::move(what), why.str(), remedy.str(), std::move(place));
}

bool GraphImporter::bindInputs(NodeRecord &record, Scope &scope, bool &poisoned) {
  for (const std::string &name : record.node->input()) {
    Val value = name.empty() ? nullptr : scope.find(name);
    if (!name.empty() && !value) {
      nodeError(record, ErrorKind::Malformed, "input '" + printable(name) + "' is not defined",
                "correct the graph and export it again");
      return false;
    }
    poisoned |= value && value->poisoned;
    record.inputs.push_back(value);
  }
  return true;
}

void GraphImporter::importNode(const onnx::NodeProto &node, int64_t index, Scope &scope) {
  NodeRef ref{scope.prefix + node.name(), node.op_type(), node.domain() == "ai.onnx" ? "" : node.domain(), index};
  NodeRecord &record = records.emplace_back(makeNodeLoc(&context, ref));
  record.node = &node;
  record.call = scope.call;
  record.domain = ref.domain;
  record.ref = std::move(ref);
  bool poisoned = false;
  bool bound = bindInputs(record, scope, poisoned);
  for (const std::string &name : node.output())
    record.outputs.push_back(name.empty() ? nullptr : newValue(DType::Undefined, {}, name));
  if (!bound)
    return finishNode(record, scope);
  if (++nodesImported > options.maxNodes) {
    nodeError(record, ErrorKind::Resource,
              "the model has more than " + Twine(options.maxNodes) + " nodes after expansion", "split the model");
    return finishNode(record, scope);
  }
  auto version = scope.opsets->find(record.domain);
  auto function = functions.find({record.domain, node.op_type(), node.overload()});
  if (function != functions.end()) {
    record.opset = version == scope.opsets->end() ? 0 : version->second;
    if (!poisoned)
      expandFunction(*function->second, record, scope);
    else
      record.failed = true;
    return finishNode(record, scope);
  }
  if (version == scope.opsets->end()) {
    nodeError(record, ErrorKind::Malformed, "its domain is not in opset_import", "import the domain");
    return finishNode(record, scope);
  }
  record.opset = version->second;
  int first = 0;
  const HandlerEntry *entry = table.find(record.domain, node.op_type(), record.opset, &first);
  if (!entry)
    nodeError(record, first && record.opset >= kOldestFullOpset ? ErrorKind::Malformed : ErrorKind::Unsupported,
              first ? "the operator appears in version " + Twine(first) + " of its domain, the model imports " +
                          Twine(record.opset)
                    : Twine("the compiler has no import handler for this operator"),
              first ? "import a newer opset" : "replace the operator, or add a handler for it");
  else if (poisoned)
    record.failed = true;
  else
    runHandler(*entry, record, scope);
  finishNode(record, scope);
}

void GraphImporter::runHandler(const HandlerEntry &entry, NodeRecord &record, Scope &scope) {
  NodeContext node(*this, record);
  int count = static_cast<int>(record.inputs.size());
  if (count < entry.minInputs || count > entry.maxInputs)
    return node.malformed("it has " + Twine(count) + " inputs, allowed are " + Twine(entry.minInputs) + " to " +
                          Twine(entry.maxInputs));
  if (static_cast<int>(record.outputs.size()) > entry.maxOutputs)
    return node.malformed("it has " + Twine(record.outputs.size()) + " outputs, allowed are " +
                          Twine(entry.maxOutputs));
  // A variadic operator has no optional operands.
  for (int i = 0, e = entry.maxInputs == kVariadic ? count : entry.minInputs; i < e; ++i)
    if (!record.inputs[i])
      return node.malformed("required input " + Twine(i) + " is absent");
  if (record.domain.empty() && hasEvaluator(record.ref.op) && record.outputs.size() >= 1) {
    // Shape arithmetic: when every operand's contents are known already, no operation is built.
    auto known = [&](unsigned i) -> std::optional<SymTensor> {
      auto contents = node.has(i) ? contentsOf(node.in(i), /*pull=*/false) : std::nullopt;
      if (!contents)
        return std::nullopt;
      SymTensor tensor{node.dtype(i), {}, *contents};
      for (AffineExpr dim : node.dims(i))
        tensor.shape.push_back(*graph::constantOf(dim));
      return tensor;
    };
    bool all = true;
    SmallVector<SymTensor> results;
    for (unsigned i = 0; i < record.outputs.size() && all; ++i) {
      auto result = evaluateNode(node, i, known);
      all = result.has_value();
      if (all)
        results.push_back(std::move(*result));
    }
    if (all) {
      for (auto [i, result] : llvm::enumerate(results))
        node.outContents(i, result.dtype, result.shape, std::move(result.elements));
      return;
    }
  }
  diagnostic.clear();
  entry.handler(node);
  if (!record.failed)
    for (Val output : record.outputs)
      if (output && output->dtype == DType::Undefined)
        return nodeError(record, ErrorKind::Unsupported, "output '" + printable(output->name) + "' is not computed",
                         "do not use this output");
}

void GraphImporter::finishNode(NodeRecord &record, Scope &scope) {
  for (auto [i, output] : llvm::enumerate(record.outputs)) {
    if (!output)
      continue;
    if (!scope.values.try_emplace(output->name, output).second && !record.failed)
      nodeError(record, ErrorKind::Malformed, "output '" + printable(output->name) + "' exists already",
                "give every value its own name");
    if (record.failed) {
      std::string name = std::move(output->name);
      *output = ImportedValue();
      output->name = std::move(name);
      output->poisoned = true;
    } else if (!output->producer) {
      output->producer = &record;
      output->producerOutput = static_cast<unsigned>(i);
    }
  }
}

//===- Functions and subgraphs ------------------------------------------------------------------------------------===//

void GraphImporter::expandFunction(const onnx::FunctionProto &function, NodeRecord &record, Scope &scope) {
  NodeContext node(*this, record);
  if (llvm::is_contained(expanding, &function))
    return node.malformed("the function calls itself, directly or through others", "remove the recursion");
  if (expanding.size() >= kMaxNesting)
    return nodeError(record, ErrorKind::Resource, "functions nest deeper than " + Twine(kMaxNesting), "inline some");
  if (static_cast<int>(record.inputs.size()) > function.input_size() ||
      static_cast<int>(record.outputs.size()) > function.output_size())
    return node.malformed("the call has more inputs or outputs than the function", "correct the call");
  CallAttributes &call = calls.emplace_back();
  for (const auto &attribute : function.attribute_proto())
    call[attribute.name()] = &attribute;
  for (const auto &attribute : record.node->attribute())
    if (const onnx::AttributeProto *resolved = node.attr(attribute.name()))
      call[attribute.name()] = resolved;
  Scope &inner = scopes.emplace_back();
  inner.call = &call;
  inner.opsets = &functionOpsets[&function];
  inner.prefix = record.ref.node + "/";
  inner.index = record.ref.index;
  inner.depth = scope.depth + 1;
  for (int i = 0; i < function.input_size(); ++i)
    if (i < static_cast<int>(record.inputs.size()) && record.inputs[i])
      inner.values[function.input(i)] = record.inputs[i];
  // A formal without an actual is an absent optional input: nodes that name it see it as absent.
  llvm::StringSet<> absent;
  for (const std::string &name : function.input())
    if (!inner.values.count(name))
      absent.insert(name);
  SmallVector<std::string> needed(function.output().begin(), function.output().end());
  expanding.push_back(&function);
  if (absent.empty()) {
    importNodes(function.node(), inner, needed);
  } else {
    // The nodes must outlive this call: contents are evaluated from them later.
    auto *copy = expandedBodies.emplace_back(std::make_unique<onnx::FunctionProto>(function)).get();
    for (auto &bodyNode : *copy->mutable_node())
      for (auto &name : *bodyNode.mutable_input())
        if (absent.contains(name))
          name.clear();
    importNodes(copy->node(), inner, needed);
  }
  expanding.pop_back();
  for (unsigned i = 0; i < record.outputs.size(); ++i) {
    if (!record.outputs[i])
      continue;
    Val result = inner.find(function.output(i));
    if (!result && nodesImported > options.maxNodes) {
      record.failed = true; // told already
      return;
    }
    if (!result)
      return node.malformed("function output '" + printable(function.output(i)) + "' is not computed in its body");
    if (result->poisoned)
      record.failed = true;
    else
      rebind(record, i, result);
  }
}

/// The output is another name for `value`; keeping the value itself keeps its contents on demand.
void GraphImporter::rebind(NodeRecord &record, unsigned output, Val value) {
  ImportedValue &target = *record.outputs[output];
  std::string name = std::move(target.name);
  target = *value;
  target.name = std::move(name);
}

bool GraphImporter::expandGraph(const onnx::GraphProto &graph, NodeRecord &record, Scope &scope, ArrayRef<Val> inputs,
                                SmallVectorImpl<Val> &outputs) {
  NodeContext node(*this, record);
  if (scope.depth >= kMaxNesting) {
    nodeError(record, ErrorKind::Resource, "subgraphs nest deeper than " + Twine(kMaxNesting), "flatten some");
    return false;
  }
  if (graph.input_size() != static_cast<int>(inputs.size())) {
    node.malformed("the subgraph has " + Twine(graph.input_size()) + " inputs, the node gives it " +
                       Twine(inputs.size()),
                   "correct the subgraph");
    return false;
  }
  Scope &inner = scopes.emplace_back();
  inner.parent = &scope;
  inner.call = scope.call;
  inner.opsets = scope.opsets;
  inner.prefix = record.ref.node + "/";
  inner.index = record.ref.index;
  inner.depth = scope.depth + 1;
  for (auto [info, value] : llvm::zip(graph.input(), inputs))
    inner.values[info.name()] = value;
  if (!importInitializers(graph, inner) || !checkGraph(graph, inner)) {
    record.failed = true;
    return false;
  }
  SmallVector<std::string> needed;
  for (const auto &info : graph.output())
    needed.push_back(info.name());
  importNodes(graph.node(), inner, needed);
  for (const std::string &name : needed) {
    Val result = inner.find(name);
    if (!result || result->poisoned) {
      if (!result && sink.empty())
        node.malformed("the subgraph's output '" + printable(name) + "' is not computed");
      record.failed = true;
      return false;
    }
    outputs.push_back(result);
  }
  return true;
}

void GraphImporter::inlineGraph(const onnx::GraphProto &graph, NodeRecord &record, Scope &scope) {
  if (graph.output_size() < static_cast<int>(record.outputs.size()))
    return NodeContext(*this, record).malformed("the subgraph has fewer outputs than the node", "correct the subgraph");
  SmallVector<Val> results;
  if (!expandGraph(graph, record, scope, {}, results))
    return;
  for (unsigned i = 0; i < record.outputs.size(); ++i)
    if (record.outputs[i])
      rebind(record, i, results[i]);
}
