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

/// Module attribute: a list of {id, dtype, dims, and offset + section or splat}. A weight that is there in a kernel's
/// order has the fields of Packing besides: extents, strides, start, packed (extent, factor, logical for each dim).
static constexpr llvm::StringLiteral kWeightsAttr = "graph.weights";

std::vector<uint32_t> usedWeights(ModuleOp module) {
  std::set<uint32_t> ids;
  module.walk([&](graph::WeightOp op) { ids.insert(op.getId()); });
  return {ids.begin(), ids.end()};
}

static void setPacking(NamedAttrList &entry, const Packing &packing, Builder &b) {
  SmallVector<int64_t> packed;
  for (const PackedDim &d : packing.dims)
    packed.append({d.extent, d.factor, int64_t(d.logical)});
  entry.set("packed", b.getDenseI64ArrayAttr(packed));
  entry.set("extents", b.getDenseI64ArrayAttr(packing.extents));
  entry.set("strides", b.getDenseI64ArrayAttr(packing.strides));
  entry.set("start", b.getI64IntegerAttr(packing.offset));
}

/// The packing of an entry that has one, nullopt when it does not give every element of the weight.
static std::optional<Packing> getPacking(DictionaryAttr entry, uint64_t elements) {
  auto list = [&](StringRef key) {
    auto attr = entry.getAs<DenseI64ArrayAttr>(key);
    return attr ? attr.asArrayRef() : ArrayRef<int64_t>();
  };
  ArrayRef<int64_t> packed = list("packed"), extents = list("extents"), strides = list("strides");
  auto start = entry.getAs<IntegerAttr>("start");
  if (!start || packed.size() % 3 != 0)
    return std::nullopt;
  Packing packing;
  packing.extents.assign(extents.begin(), extents.end());
  packing.strides.assign(strides.begin(), strides.end());
  packing.offset = start.getInt();
  for (size_t i = 0; i < packed.size(); i += 3) {
    if (packed[i + 2] < 0 || packed[i + 2] >= int64_t(extents.size()))
      return std::nullopt;
    packing.dims.push_back({packed[i], packed[i + 1], unsigned(packed[i + 2])});
  }
  if (!packing.invertible(elements))
    return std::nullopt;
  return packing;
}

FailureOr<std::string> writeDebugGraph(ModuleOp graph, const WeightStore &weights,
                                       llvm::function_ref<DebugPlace(uint32_t)> place) {
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
      auto [where, packing] = place(id);
      if (packing)
        setPacking(entry, *packing, b);
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

/// The `count` elements of a weight in the store's layout, from the package's: whole bytes an element, maybe packed.
static void readElements(const char *data, DType type, uint64_t count, const std::optional<Packing> &packing,
                         MutableArrayRef<char> out) {
  unsigned width = unpackedBytes(type), bits = bitWidth(type);
  std::vector<char> unpacked;
  if (packing) {
    MutableArrayRef<char> to = out;
    if (bits < 8) {
      unpacked.resize(count);
      to = unpacked;
    }
    packing->unpack({data, size_t(*packing->packedElements() * width)}, width, to);
    data = to.data();
  }
  if (bits < 8)
    packBits(bits, {data, size_t(count)}, out);
  else if (data != out.data())
    std::copy_n(data, count * width, out.data());
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
      std::optional<Packing> packing;
      if (entry.contains("packed") && count) {
        packing = getPacking(entry, *count);
        count = packing ? packing->packedElements() : std::nullopt;
      }
      if (count && packedBytes(type, *count))
        bytes = *count * unpackedBytes(type);
      if (section >= reader->sections().size() || !bytes || offset > reader->sections()[section].size ||
          *bytes > reader->sections()[section].size - offset)
        return graph.emitError() << "the debug section refers to weights outside the package";
      const char *data = reinterpret_cast<const char *>(reader->sections()[section].data) + offset;
      // The reader is kept alive by the closure; the bytes are read where they lie.
      id = weights.addComputed(type, dims,
                               [reader, data, type, packing,
                                n = numElements(dims).value_or(0)](const WeightStore &, MutableArrayRef<char> out) {
                                 readElements(data, type, n, packing, out);
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
