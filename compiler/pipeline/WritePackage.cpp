#include "compiler/pipeline/WritePackage.h"
#include "adze/adze.h"
#include "compiler/package/PackageWriter.h"
#include "compiler/pipeline/DebugGraph.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;

namespace adze {
namespace {

class Writer {
public:
  Writer(StringRef path, const WeightStore &weights, ErrorSink &errors)
      : path(path), weights(weights), errors(errors) {}

  bool check(const WriteStatus &status) {
    if (status.ok())
      return true;
    ErrorPlace where;
    where.file = path.str();
    errors.add(status.code == 8 ? ErrorKind::Resource : ErrorKind::Internal, "cannot write the package", status.message,
               "make room, or choose another place with -o", where);
    return false;
  }

  bool open() { return check(PackageWriter::create(path.str(), writer)); }

  bool addWeight(uint32_t id) {
    if (places.count(id))
      return true;
    std::vector<char> bytes;
    const char *data = weights.tryData(id);
    if (!data) {
      bytes.resize(weights.byteSize(id));
      if (!weights.read(id, bytes)) {
        ErrorPlace where;
        where.tensor = weights.name(id).str();
        errors.add(ErrorKind::Malformed, "cannot read a weight", "the file behind it changed while it was compiled",
                   "compile again", where);
        return false;
      }
      data = bytes.data();
    }
    // In memory every element has whole bytes, in the store 4- and 2-bit elements share them as in ONNX.
    uint64_t size = weights.byteSize(id);
    std::vector<char> unpacked;
    if (unsigned bits = bitWidth(weights.dtype(id)); bits < 8) {
      unpacked.resize(weights.elements(id));
      unpackBits(bits, {data, size_t(size)}, unpacked);
      data = unpacked.data();
      size = unpacked.size();
    }
    WeightRef ref;
    if (!check(writer->addWeight(data, size, ref)))
      return false;
    places[id] = {PackageWriter::kWeightSection, ref.offset};
    return true;
  }

  WeightPlace place(uint32_t id) const { return places.lookup(id); }

  /// Gives the debug graph its weights: those that the kernels have, in their order or in another, are not stored
  /// again.
  bool addDebugWeights(ModuleOp graph) {
    llvm::DenseMap<uint32_t, uint32_t> packedOf;
    for (uint32_t id = 0; id < weights.size(); ++id)
      if (const WeightStore::PackedFrom *from = weights.packedFrom(id); from && places.count(id))
        packedOf.try_emplace(from->source, id);
    for (uint32_t id : usedWeights(graph)) {
      if (weights.splat(id))
        continue;
      if (auto packed = packedOf.find(id); packed != packedOf.end() && !places.count(id)) {
        debugPlaces[id] = {places.lookup(packed->second), &weights.packedFrom(packed->second)->packing};
        continue;
      }
      if (!addWeight(id))
        return false;
      debugPlaces[id] = {places.lookup(id), nullptr};
    }
    return true;
  }
  DebugPlace debugPlace(uint32_t id) const { return debugPlaces.lookup(id); }

  std::unique_ptr<PackageWriter> writer;

private:
  StringRef path;
  const WeightStore &weights;
  ErrorSink &errors;
  llvm::DenseMap<uint32_t, WeightPlace> places;
  llvm::DenseMap<uint32_t, DebugPlace> debugPlaces;
};

/// What made this package: no times, no paths, so that the same input gives the same bytes.
std::vector<std::pair<std::string, std::string>> provenance(ModuleOp graph, ArrayRef<CompiledTarget> targets,
                                                            const CompileOptions &options) {
  std::vector<std::pair<std::string, std::string>> list;
  list.emplace_back("compiler", std::string("adze ") + adze_version());
  list.emplace_back("flags", options.commandLine);
  if (auto digest = graph->getAttrOfType<StringAttr>("graph.source_sha256"))
    list.emplace_back("source_sha256", digest.getValue().str());
  std::string images; // as --target takes them
  for (const CompiledTarget &t : targets)
    for (const Image &image : t.images)
      images += (images.empty() ? "" : ",") + t.name + ":" + image.arch;
  list.emplace_back("target", std::move(images));
  list.emplace_back("numeric_contract", "1");
  return list;
}

} // namespace

bool writePackage(StringRef outputPath, ModuleOp graph, const WeightStore &weights, ArrayRef<CompiledTarget> targets,
                  const CompileOptions &options, CompileReport &report, ErrorSink &errors) {
  Writer w(outputPath, weights, errors);
  if (!w.open())
    return false;
  for (const CompiledTarget &t : targets) {
    bool ok = true;
    exec::ProgramOp(t.program).walk([&](exec::BufferOp buffer) {
      if (ok && buffer.getKind() == exec::BufferKind::weight)
        ok = w.addWeight(buffer.getIndex());
    });
    if (!ok)
      return false;
  }
  if (!options.stripDebug && !w.addDebugWeights(graph))
    return false;

  MetadataInput meta;
  meta.graph = graph;
  meta.weightSections = {PackageWriter::kWeightSection};
  for (const CompiledTarget &t : targets) {
    ProgramPart part;
    part.module = t.module.get();
    part.program = t.program;
    for (const Image &image : t.images) {
      uint32_t section = 0;
      if (!w.check(w.writer->addCode(t.name + ":" + image.arch, image.code.data(), image.code.size(), section)))
        return false;
      part.images.push_back({&image, section});
    }
    meta.programs.push_back(part);
  }
  auto place = [&](uint32_t id) { return w.place(id); };
  if (!options.stripDebug) {
    FailureOr<std::string> debug = writeDebugGraph(graph, weights, [&](uint32_t id) { return w.debugPlace(id); });
    if (failed(debug) || !w.check(w.writer->addDebug(debug->data(), debug->size(), meta.debugSection)))
      return false;
  }
  meta.provenance = provenance(graph, targets, options);
  FailureOr<std::string> bytes = buildMetadata(meta, place);
  if (failed(bytes))
    return false;
  report.json["weight_bytes"] = int64_t(w.writer->weightBytesStored());
  if (!w.check(w.writer->finish(bytes->data(), bytes->size())))
    return false;
  uint64_t size = 0;
  if (!llvm::sys::fs::file_size(outputPath, size))
    report.packageBytes = size;
  return true;
}

} // namespace adze
