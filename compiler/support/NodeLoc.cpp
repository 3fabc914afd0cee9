#include "compiler/support/NodeLoc.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

Location adze::makeNodeLoc(MLIRContext *context, const NodeRef &ref) {
  auto text = [&](const std::string &s) { return StringAttr::get(context, s); };
  NamedAttribute fields[] = {
      {text("domain"), text(ref.domain)},
      {text("index"), IntegerAttr::get(IntegerType::get(context, 64), ref.index)},
      {text("node"), text(ref.node)},
      {text("op"), text(ref.op)},
  };
  Location name = NameLoc::get(text(ref.node.empty() ? ref.op : ref.node));
  return FusedLoc::get(context, {name}, DictionaryAttr::get(context, fields));
}

static void collect(Location location, llvm::SmallVector<adze::NodeRef, 2> &nodes) {
  if (auto call = dyn_cast<CallSiteLoc>(location)) {
    collect(call.getCallee(), nodes);
    return;
  }
  if (auto name = dyn_cast<NameLoc>(location)) {
    collect(name.getChildLoc(), nodes);
    return;
  }
  auto fused = dyn_cast<FusedLoc>(location);
  if (!fused)
    return;
  auto fields = dyn_cast_or_null<DictionaryAttr>(fused.getMetadata());
  auto op = fields ? fields.getAs<StringAttr>("op") : StringAttr();
  if (!op) {
    for (Location part : fused.getLocations())
      collect(part, nodes);
    return;
  }
  adze::NodeRef ref;
  ref.op = op.str();
  if (auto node = fields.getAs<StringAttr>("node"))
    ref.node = node.str();
  if (auto domain = fields.getAs<StringAttr>("domain"))
    ref.domain = domain.str();
  if (auto index = fields.getAs<IntegerAttr>("index"))
    ref.index = index.getInt();
  bool seen = llvm::any_of(nodes, [&](const adze::NodeRef &other) {
    return other.index == ref.index && other.node == ref.node && other.op == ref.op;
  });
  if (!seen)
    nodes.push_back(std::move(ref));
}

llvm::SmallVector<adze::NodeRef, 2> adze::nodesOf(Location location) {
  llvm::SmallVector<NodeRef, 2> nodes;
  collect(location, nodes);
  return nodes;
}

std::string adze::nodesText(Location location) {
  std::string text;
  for (const NodeRef &ref : nodesOf(location)) {
    if (!text.empty())
      text += ", ";
    text += (ref.node.empty() ? "#" + std::to_string(ref.index) : ref.node) + " (" + ref.op + ")";
  }
  return text;
}
