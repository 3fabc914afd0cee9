#include "compiler/import/OnnxProto.h"
#include "compiler/import/TensorData.h"
#include "compiler/import/WireScan.h"
#include "compiler/tensorio/TensorIO.h"

using namespace adze;

std::optional<HostTensor> adze::readTensorProto(llvm::StringRef path, ErrorSink &sink) {
  auto file = MappedFile::open(path, sink);
  if (!file)
    return std::nullopt;
  ErrorPlace place;
  place.file = path.str();
  auto fail = [&](std::string why, ErrorKind kind = ErrorKind::Malformed) -> std::optional<HostTensor> {
    sink.add(kind, "not a usable tensor file", std::move(why), "write a serialised ONNX TensorProto, or use .npy",
             place);
    return std::nullopt;
  };
  std::string reduced;
  onnx::TensorProto proto;
  if (!scanWire(file->bytes(), WireMessage::Tensor, {}, reduced, sink))
    return std::nullopt;
  if (!proto.ParseFromString(reduced))
    return fail("a field of the TensorProto is damaged");
  // In a SequenceProto field 3 holds the elements; in a TensorProto it is the unused segment.
  if (proto.has_segment())
    return fail("it looks like a sequence; sequences and optionals are not supported", ErrorKind::Unsupported);
  if (!proto.has_data_type())
    return fail("it has no data_type; optionals and empty sequences are not supported");
  WeightStore store;
  TensorSource source{store, file, nullptr, sink};
  auto id = addTensor(proto, source, place, proto.name());
  if (!id)
    return std::nullopt;
  HostTensor tensor;
  tensor.dtype = store.dtype(*id);
  tensor.dims.assign(store.dims(*id).begin(), store.dims(*id).end());
  std::vector<char> packed(store.byteSize(*id));
  if (!store.read(*id, packed))
    return fail("the file changed while it was read");
  if (bitWidth(tensor.dtype) < 8) {
    tensor.bytes.resize(store.elements(*id));
    unpackBits(bitWidth(tensor.dtype), packed, tensor.bytes);
  } else {
    tensor.bytes = std::move(packed);
  }
  return tensor;
}

std::optional<HostTensor> adze::readTensorFile(llvm::StringRef path, llvm::StringRef name, ErrorSink &sink) {
  if (path.ends_with(".npy"))
    return readNpy(path, sink);
  if (path.ends_with(".pb"))
    return readTensorProto(path, sink);
  auto fail = [&](std::string what, std::string why, std::string remedy) -> std::optional<HostTensor> {
    ErrorPlace place;
    place.file = path.str();
    sink.add(ErrorKind::Malformed, std::move(what), std::move(why), std::move(remedy), std::move(place));
    return std::nullopt;
  };
  if (!path.ends_with(".npz"))
    return fail("unknown tensor file type", "the name ends in none of .npy, .npz, .pb", "convert the file");
  auto arrays = readNpz(path, sink);
  if (!arrays)
    return std::nullopt;
  for (auto &[key, tensor] : *arrays)
    if (key == name)
      return std::move(tensor);
  if (arrays->size() == 1)
    return std::move(arrays->front().second);
  return fail("the archive has no array for this input",
              "none of its " + std::to_string(arrays->size()) + " arrays is named '" + printable(name) + "'",
              "name the array as the model names its input");
}
