#include "compiler/pipeline/DebugGraph.h"
#include "compiler/pipeline/Pipeline.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Parser/Parser.h"
#include "runtime/schema/package_generated.h"
#include "runtime/src/package/PackageReader.h"
#include <set>

using namespace mlir;

namespace adze {

/// Module attribute: a list of {id, dtype, dims, and offset + section or splat}.
static constexpr llvm::StringLiteral kWeightsAttr = "graph.weights";

std::vector<uint32_t> usedWeights(ModuleOp module) {
  std::set<uint32_t> ids;
  module.walk([&](graph::WeightOp op) { ids.insert(op.getId()); });
  return {ids.begin(), ids.end()};
}

FailureOr<std::string> writeDebugGraph(ModuleOp graph, const WeightStore &weights,
                                       llvm::function_ref<WeightPlace(uint32_t)> place) {
  Builder b(graph.getContext());
  SmallVector<Attribute> entries;
  for (uint32_t id : usedWeights(graph)) {
    NamedAttrList entry;
    entry.set("id", b.getI64IntegerAttr(id));
    entry.set("dtype", b.getI64IntegerAttr(int64_t(weights.dtype(id))));
    entry.set("dims", b.getDenseI64ArrayAttr(weights.dims(id)));
    if (auto splat = weights.splat(id)) {
      entry.set("splat", b.getStringAttr(StringRef(splat->data(), splat->size())));
    } else {
      WeightPlace where = place(id);
      entry.set("section", b.getI64IntegerAttr(where.section));
      entry.set("offset", b.getI64IntegerAttr(where.offset));
    }
    entries.push_back(entry.getDictionary(graph.getContext()));
  }
  OwningOpRef<ModuleOp> copy = graph.clone();
  (*copy)->setAttr(kWeightsAttr, b.getArrayAttr(entries));
  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  if (failed(writeBytecodeToFile(*copy, os, BytecodeWriterConfig("adze"))))
    return graph.emitError() << "cannot be written as bytecode";
  return bytes;
}

/// Adds the weights that the attribute lists to the store; `newIds` maps the ids of the graph to those of the store.
static LogicalResult loadWeights(ModuleOp graph, const std::shared_ptr<const rt::PackageReader> &reader,
                                 WeightStore &weights, llvm::DenseMap<int64_t, int64_t> &newIds) {
  auto entries = graph->getAttrOfType<ArrayAttr>(kWeightsAttr);
  if (!entries)
    return graph.emitError() << "the debug section names no weights";
  for (Attribute attr : entries) {
    auto entry = cast<DictionaryAttr>(attr);
    auto integer = [&](StringRef key) { return entry.getAs<IntegerAttr>(key).getInt(); };
    auto type = DType(integer("dtype"));
    ArrayRef<int64_t> dims = entry.getAs<DenseI64ArrayAttr>("dims").asArrayRef();
    std::optional<WeightStore::Id> id;
    if (auto splat = entry.getAs<StringAttr>("splat")) {
      StringRef element = splat.getValue();
      id = weights.addSplat(type, dims, ArrayRef<char>(element.data(), element.size()));
    } else {
      uint64_t offset = integer("offset"), section = integer("section");
      std::optional<uint64_t> count = numElements(dims);
      // The package holds whole bytes an element.
      std::optional<uint64_t> bytes;
      if (count && packedBytes(type, *count))
        bytes = *count * unpackedBytes(type);
      if (section >= reader->sections().size() || !bytes || offset > reader->sections()[section].size ||
          *bytes > reader->sections()[section].size - offset)
        return graph.emitError() << "the debug section refers to weights outside the package";
      const char *data = reinterpret_cast<const char *>(reader->sections()[section].data) + offset;
      // The reader is kept alive by the closure; the bytes are read where they lie.
      id = weights.addComputed(type, dims,
                               [reader, data, type, n = *bytes](const WeightStore &, MutableArrayRef<char> out) {
                                 if (unsigned bits = bitWidth(type); bits < 8)
                                   packBits(bits, {data, size_t(n)}, out);
                                 else
                                   std::copy_n(data, n, out.data());
                                 return true;
                               });
    }
    if (!id)
      return graph.emitError() << "the debug section has a weight of impossible shape";
    newIds[integer("id")] = *id;
  }
  return success();
}

FailureOr<ImportedModel> loadDebugGraph(MLIRContext &context, llvm::StringRef packagePath, ErrorSink &errors) {
  adze_status_t status;
  std::string message;
  std::shared_ptr<const rt::PackageReader> reader = rt::PackageReader::open(packagePath.str(), status, message);
  auto fail = [&](const llvm::Twine &why, const llvm::Twine &remedy) {
    ErrorPlace where;
    where.file = packagePath.str();
    errors.add(ErrorKind::Malformed, "cannot read the package's debug graph", why.str(), remedy.str(), where);
    return failure();
  };
  if (!reader)
    return fail(message, "compile the model again");
  const fb::Metadata *meta = fb::GetMetadata(reader->metadata().data);
  if (meta->debug_section() == 0 || meta->debug_section() >= reader->sections().size())
    return fail("the package was compiled with --strip-debug", "compile it without --strip-debug, or name the model");
  const rt::Section &section = reader->sections()[meta->debug_section()];
  ImportedModel model;
  model.weights = std::make_unique<WeightStore>();
  ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
  model.module = parseSourceString<ModuleOp>(StringRef(reinterpret_cast<const char *>(section.data), section.size),
                                             ParserConfig(&context));
  llvm::DenseMap<int64_t, int64_t> newIds;
  if (!model.module || failed(loadWeights(*model.module, reader, *model.weights, newIds)))
    return fail("its bytes are not a graph of this version of adze", "compile the model again");
  model.module->walk([&](graph::WeightOp op) { op.setId(newIds.lookup(op.getId())); });
  return model;
}

} // namespace adze
