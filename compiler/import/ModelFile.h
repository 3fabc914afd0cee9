// An ONNX model on disk or in memory: parsed structure, with the tensors' bytes left in the mapping.
#pragma once
#include "compiler/support/Status.h"
#include "compiler/weights/MappedFile.h"
#include <memory>

namespace adze {
namespace onnx {
class ModelProto;
} // namespace onnx

class ModelFile {
public:
  static std::unique_ptr<ModelFile> open(llvm::StringRef path, ErrorSink &sink);
  /// `path` serves messages and as the base of external data ("" = no external data allowed).
  static std::unique_ptr<ModelFile> fromMemory(llvm::StringRef bytes, llvm::StringRef path, ErrorSink &sink);
  ~ModelFile();

  const onnx::ModelProto &model() const { return *proto; }
  const std::shared_ptr<MappedFile> &file() const { return mapping; }
  llvm::StringRef path() const { return name; }

private:
  ModelFile();
  static std::unique_ptr<ModelFile> parse(std::shared_ptr<MappedFile> file, llvm::StringRef path, ErrorSink &sink);
  std::shared_ptr<MappedFile> mapping;
  std::unique_ptr<onnx::ModelProto> proto;
  std::string name;
};

} // namespace adze
