#include "compiler/import/TensorData.h"
#include "compiler/import/OnnxProto.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/SHA1.h"
#include <cstring>

using namespace adze;
using Id = WeightStore::Id;

/// Dense copies of sparse tensors are bounded; a 100-byte file must not ask for all memory.
static constexpr uint64_t kMaxSparseBytes = uint64_t(1) << 32;

namespace {

class TensorReader {
public:
  TensorReader(const onnx::TensorProto &tensor, TensorSource &source, ErrorPlace place, llvm::StringRef name)
      : tensor(tensor), source(source), place(std::move(place)), name(name) {
    this->place.tensor = name.str();
  }
  std::optional<Id> run();

private:
  std::nullopt_t fail(ErrorKind kind, std::string why, std::string remedy = "export the model again") {
    source.sink.add(kind, "tensor '" + printable(name) + "' cannot be read", std::move(why), std::move(remedy), place);
    return std::nullopt;
  }
  std::nullopt_t malformed(std::string why) { return fail(ErrorKind::Malformed, std::move(why)); }
  std::string shape() const {
    std::string out = dtypeName(type).str() + "[";
    llvm::ListSeparator sep(",");
    for (int64_t dim : dims)
      out += std::string(llvm::StringRef(sep)) + std::to_string(dim);
    return out + "]";
  }
  std::optional<Id> external();
  std::optional<Id> mapped();
  std::optional<Id> typed();
  bool typedValues(std::vector<char> &unpacked);
  std::optional<uint64_t> number(llvm::StringRef key, llvm::StringRef text);
  bool checksum(MappedFile &file, llvm::StringRef expected);

  const onnx::TensorProto &tensor;
  TensorSource &source;
  ErrorPlace place;
  llvm::StringRef name;
  DType type = DType::Undefined;
  llvm::SmallVector<int64_t, 4> dims;
  uint64_t count = 0, bytes = 0;
};

std::optional<Id> TensorReader::run() {
  auto known = dtypeFromOnnx(tensor.data_type());
  if (!known)
    return malformed("element type " + std::to_string(tensor.data_type()) + " does not exist");
  type = *known;
  dims.assign(tensor.dims().begin(), tensor.dims().end());
  if (dims.size() > kMaxRank)
    return fail(ErrorKind::Unsupported, "rank " + std::to_string(dims.size()) + " is over " + std::to_string(kMaxRank),
                "merge dimensions");
  auto elements = numElements(dims);
  auto size = elements ? packedBytes(type, *elements) : std::nullopt;
  if (!size)
    return malformed("dims " + shape() + " are negative or their product overflows");
  count = *elements;
  bytes = *size;
  if (type == DType::String)
    return fail(ErrorKind::Unsupported, "string tensors have no representation on a device",
                "convert strings to numbers outside the model");
  if (type == DType::F6E2M3 || type == DType::F6E3M2)
    return fail(ErrorKind::Unsupported, "6-bit floats are not supported", "store the tensor as float8e4m3fn");
  if (tensor.has_segment())
    return fail(ErrorKind::Unsupported, "segmented tensors are not supported", "store the tensor in one piece");

  bool hasTyped = tensor.float_data_size() || tensor.int32_data_size() || tensor.int64_data_size() ||
                  tensor.double_data_size() || tensor.uint64_data_size() || tensor.string_data_size();
  bool isExternal = tensor.data_location() == onnx::TensorProto::EXTERNAL;
  int places = hasTyped + tensor.has_raw_data() + tensor.has_mapped_offset() + isExternal;
  if (places > 1)
    return malformed("the data is given more than once (raw, typed or external)");
  if (isExternal)
    return external();
  if (tensor.has_mapped_offset())
    return mapped();
  if (tensor.has_raw_data()) {
    const std::string &raw = tensor.raw_data();
    if (raw.size() != bytes)
      return malformed("raw_data has " + std::to_string(raw.size()) + " bytes, " + shape() + " needs " +
                       std::to_string(bytes));
    return source.store.addInline(type, dims, llvm::ArrayRef<char>(raw.data(), raw.size()), name);
  }
  return typed();
}

std::optional<Id> TensorReader::mapped() {
  unsigned field = tensor.mapped_field();
  if (field == 4 && type != DType::F32 && type != DType::C64)
    return malformed("float_data holds float32 or complex64, the tensor is " + dtypeName(type).str());
  if (field == 10 && type != DType::F64 && type != DType::C128)
    return malformed("double_data holds float64 or complex128, the tensor is " + dtypeName(type).str());
  if (tensor.mapped_length() != bytes)
    return malformed("the data has " + std::to_string(tensor.mapped_length()) + " bytes, " + shape() + " needs " +
                     std::to_string(bytes));
  auto id = source.store.addMapped(type, dims, source.file, tensor.mapped_offset(), bytes, name);
  return id ? id : malformed("the data lies outside the file");
}

/// Copies `values` as elements of `T`, keeping the low bits as ONNX defines for the narrow types.
template <typename T, typename Values>
static void copyValues(const Values &values, std::vector<char> &out) {
  out.resize(values.size() * sizeof(T));
  size_t i = 0;
  for (auto value : values) {
    T narrow = static_cast<T>(value);
    std::memcpy(out.data() + i++ * sizeof(T), &narrow, sizeof(T));
  }
}

bool TensorReader::typedValues(std::vector<char> &out) {
  switch (type) {
  case DType::F32:
  case DType::C64:
    copyValues<float>(tensor.float_data(), out);
    return true;
  case DType::F64:
  case DType::C128:
    copyValues<double>(tensor.double_data(), out);
    return true;
  case DType::I64:
    copyValues<int64_t>(tensor.int64_data(), out);
    return true;
  case DType::U64:
    copyValues<uint64_t>(tensor.uint64_data(), out);
    return true;
  case DType::U32:
    copyValues<uint32_t>(tensor.uint64_data(), out);
    return true;
  case DType::I32:
    copyValues<int32_t>(tensor.int32_data(), out);
    return true;
  case DType::I16:
  case DType::U16:
  case DType::F16:
  case DType::BF16:
    copyValues<uint16_t>(tensor.int32_data(), out);
    return true;
  case DType::Bool:
    copyValues<bool>(tensor.int32_data(), out);
    return true;
  default:
    copyValues<uint8_t>(tensor.int32_data(), out);
    return true; // 8 bits, and packed 4- and 2-bit types
  }
}

std::optional<Id> TensorReader::typed() {
  std::vector<char> data;
  typedValues(data);
  size_t total = static_cast<size_t>(tensor.float_data_size()) + tensor.int32_data_size() + tensor.int64_data_size() +
                 tensor.double_data_size() + tensor.uint64_data_size() + tensor.string_data_size();
  size_t width = bitWidth(type) < 8                          ? 1
                 : type == DType::C64 || type == DType::C128 ? bitWidth(type) / 16
                                                             : bitWidth(type) / 8;
  if (data.size() / width != total)
    return malformed("the data is in a field that does not go with " + dtypeName(type).str());
  if (data.size() != bytes)
    return malformed("the typed data has " + std::to_string(total) + " values, " + shape() + " needs " +
                     std::to_string(bytes / width));
  return source.store.addInline(type, dims, std::move(data), name);
}

std::optional<uint64_t> TensorReader::number(llvm::StringRef key, llvm::StringRef text) {
  uint64_t value;
  if (text.empty() || !llvm::all_of(text, llvm::isDigit) || text.getAsInteger(10, value) || value > INT64_MAX)
    return malformed("external_data '" + key.str() + "' is '" + printable(text) + "', not a number from 0 to 2^63-1");
  return value;
}

bool TensorReader::checksum(MappedFile &file, llvm::StringRef expected) {
  llvm::StringRef all = file.bytes();
  auto digest = llvm::SHA1::hash(llvm::ArrayRef<uint8_t>(all.bytes_begin(), all.size()));
  std::string hex = llvm::toHex(llvm::ArrayRef<uint8_t>(digest.data(), digest.size()), /*LowerCase=*/true);
  if (expected.equals_insensitive(hex))
    return true;
  malformed("the SHA-1 of the data file is " + hex + ", external_data says " + printable(expected));
  return false;
}

std::optional<Id> TensorReader::external() {
  if (!source.external)
    return fail(ErrorKind::Unsupported, "external data is not allowed here", "store the data in the file itself");
  std::string location, sha1;
  uint64_t offset = 0, length = bytes;
  llvm::StringSet<> seen;
  for (const auto &entry : tensor.external_data()) {
    llvm::StringRef key = entry.key();
    if (!seen.insert(key).second)
      return malformed("external_data has the key '" + printable(key) + "' twice");
    if (key == "location") {
      location = entry.value();
    } else if (key == "checksum") {
      sha1 = entry.value();
    } else if (key == "offset" || key == "length") {
      auto value = number(key, entry.value());
      if (!value)
        return std::nullopt;
      (key == "offset" ? offset : length) = *value;
    } else {
      return malformed("external_data has the unknown key '" + printable(key) + "'");
    }
  }
  if (location.empty())
    return malformed("external_data has no location");
  if (length != bytes)
    return malformed("external_data has " + std::to_string(length) + " bytes, " + shape() + " needs " +
                     std::to_string(bytes));
  auto file = source.external->open(location, place, source.sink);
  if (!file || (!sha1.empty() && !checksum(*file, sha1)))
    return std::nullopt;
  if (offset > file->size() || length > file->size() - offset)
    return malformed("bytes " + std::to_string(offset) + " to +" + std::to_string(length) +
                     " lie outside the file of " + std::to_string(file->size()) + " bytes");
  return source.store.addMapped(type, dims, std::move(file), offset, length, name);
}

} // namespace

std::optional<Id> adze::addTensor(const onnx::TensorProto &tensor, TensorSource &source, ErrorPlace place,
                                  llvm::StringRef name) {
  return TensorReader(tensor, source, std::move(place), name).run();
}

std::optional<Id> adze::addSparseTensor(const onnx::SparseTensorProto &sparse, TensorSource &source, ErrorPlace place,
                                        llvm::StringRef name) {
  place.tensor = name.str();
  auto fail = [&](ErrorKind kind, std::string why) -> std::optional<Id> {
    source.sink.add(kind, "sparse tensor '" + printable(name) + "' cannot be read", std::move(why),
                    "export the model with dense tensors", place);
    return std::nullopt;
  };
  auto values = addTensor(sparse.values(), source, place, name);
  auto indices = addTensor(sparse.indices(), source, place, name);
  if (!values || !indices)
    return std::nullopt;
  WeightStore &store = source.store;
  llvm::SmallVector<int64_t> dims(sparse.dims().begin(), sparse.dims().end());
  auto count = numElements(dims);
  DType type = store.dtype(*values);
  uint64_t nnz = store.elements(*values);
  if (!count || dims.empty() || dims.size() > kMaxRank || bitWidth(type) < 8)
    return fail(ErrorKind::Malformed, "its dims or element type are not usable");
  if (*count > kMaxSparseBytes / unpackedBytes(type))
    return fail(ErrorKind::Resource, "the dense form is over 4 GiB");
  bool linear = store.dims(*indices).size() == 1;
  if (store.dtype(*indices) != DType::I64 || store.dims(*values).size() != 1 ||
      store.elements(*indices) != nnz * (linear ? 1 : dims.size()))
    return fail(ErrorKind::Malformed, "indices must be int64[nnz] or int64[nnz, rank]");
  auto raw = store.ints(*indices, UINT32_MAX);
  if (!raw)
    return fail(ErrorKind::Malformed, "its indices cannot be read");
  std::vector<uint64_t> positions(nnz);
  for (uint64_t i = 0; i < nnz; ++i) {
    uint64_t position = 0;
    bool good = true;
    if (linear) {
      good = (*raw)[i] >= 0 && static_cast<uint64_t>((*raw)[i]) < *count;
      position = static_cast<uint64_t>((*raw)[i]);
    } else {
      for (size_t d = 0; d < dims.size(); ++d) {
        int64_t at = (*raw)[i * dims.size() + d];
        good &= at >= 0 && at < dims[d];
        position = position * dims[d] + static_cast<uint64_t>(at);
      }
    }
    if (!good)
      return fail(ErrorKind::Malformed, "index " + std::to_string(i) + " is out of bounds");
    positions[i] = position;
  }
  unsigned width = unpackedBytes(type);
  Id valuesId = *values;
  auto fill = [positions = std::move(positions), valuesId, width](const WeightStore &from,
                                                                  llvm::MutableArrayRef<char> out) {
    std::vector<char> data(from.byteSize(valuesId));
    if (!from.read(valuesId, data))
      return false;
    if (!out.empty())
      std::memset(out.data(), 0, out.size());
    for (size_t i = 0; i < positions.size(); ++i)
      std::memcpy(out.data() + positions[i] * width, data.data() + i * width, width);
    return true;
  };
  return store.addComputed(type, dims, std::move(fill), name);
}
