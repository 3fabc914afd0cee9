// TensorProto -> weight store, with every check that keeps a damaged or hostile tensor from being misread.
#pragma once
#include "compiler/import/ExternalData.h"
#include "compiler/weights/WeightStore.h"

namespace adze {
namespace onnx {
class SparseTensorProto;
class TensorProto;
} // namespace onnx

/// The largest rank that packages and the runtime carry (ADZE_MAX_RANK).
constexpr unsigned kMaxRank = 16;

struct TensorSource {
  WeightStore &store;
  std::shared_ptr<MappedFile> file;  ///< what mapped_offset of the tensors refers to
  ExternalFiles *external = nullptr; ///< null: external data is refused
  ErrorSink &sink;
};

/// Adds a tensor. `place` names the node or file for errors; nullopt after an error. `name` for reports.
std::optional<WeightStore::Id> addTensor(const onnx::TensorProto &tensor, TensorSource &source, ErrorPlace place,
                                         llvm::StringRef name);
/// Adds a sparse tensor as a dense one that is filled when read.
std::optional<WeightStore::Id> addSparseTensor(const onnx::SparseTensorProto &tensor, TensorSource &source,
                                               ErrorPlace place, llvm::StringRef name);

} // namespace adze
