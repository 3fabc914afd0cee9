#include "compiler/import/ModelFile.h"
#include "compiler/import/OnnxProto.h"
#include "compiler/import/WireScan.h"

using namespace adze;

ModelFile::ModelFile() = default;
ModelFile::~ModelFile() = default;

/// A better reason than "bad tag at byte 0" for files that are plainly something else.
static llvm::StringRef foreignFormat(llvm::StringRef bytes) {
  if (bytes.starts_with("version https://git-lfs"))
    return "this is a Git LFS pointer, not the model: run git lfs pull";
  if (bytes.starts_with("PK\x03\x04"))
    return "this is a zip archive; unpack it first";
  llvm::StringRef head = bytes.take_front(64).ltrim();
  if (head.starts_with("<!DOCTYPE") || head.starts_with("<!doctype") || head.starts_with("<html") ||
      head.starts_with("<?xml"))
    return "this is an HTML or XML page, perhaps a failed download";
  if (bytes.starts_with("ADZE"))
    return "this is an adze package, already compiled";
  if (bytes.starts_with("\x1f\x8b"))
    return "this is gzip data; decompress it first";
  return "";
}

std::unique_ptr<ModelFile> ModelFile::open(llvm::StringRef path, ErrorSink &sink) {
  auto file = MappedFile::open(path, sink);
  return file ? parse(std::move(file), path, sink) : nullptr;
}

std::unique_ptr<ModelFile> ModelFile::fromMemory(llvm::StringRef bytes, llvm::StringRef path, ErrorSink &sink) {
  return parse(MappedFile::fromMemory(bytes), path, sink);
}

std::unique_ptr<ModelFile> ModelFile::parse(std::shared_ptr<MappedFile> file, llvm::StringRef path, ErrorSink &sink) {
  ErrorPlace place;
  place.file = path.str();
  auto malformed = [&](std::string what, std::string why, std::string remedy) {
    sink.add(ErrorKind::Malformed, std::move(what), std::move(why), std::move(remedy), place);
    return nullptr;
  };
  llvm::StringRef bytes = file->bytes();
  if (bytes.empty())
    return malformed("the model file is empty", "it has 0 bytes", "export the model again");
  if (llvm::StringRef why = foreignFormat(bytes); !why.empty())
    return malformed("not an ONNX model", why.str(), "give the .onnx file itself");
  if (bytes.size() > INT32_MAX)
    return malformed("the model file is over 2 GiB",
                     "it has " + std::to_string(bytes.size()) + " bytes, a protobuf message at most 2147483647",
                     "save the model with external data");

  std::string reduced;
  if (!scanWire(bytes, WireMessage::Model, {}, reduced, sink))
    return nullptr;
  std::unique_ptr<ModelFile> result(new ModelFile);
  result->proto = std::make_unique<onnx::ModelProto>();
  if (!result->proto->ParseFromString(reduced))
    return malformed("not a readable ONNX protobuf", "a field inside a message is damaged", "export the model again");
  if (!result->proto->has_graph())
    return malformed("the model has no graph", "field 'graph' is missing",
                     "export the model again; the file may be truncated or of another format");
  result->mapping = std::move(file);
  result->name = path.str();
  return result;
}
