#include "compiler/weights/WeightStore.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/xxhash.h"
#include <cmath>
#include <cstring>

using namespace adze;
using llvm::ArrayRef;
using llvm::MutableArrayRef;

//===- Adding -----------------------------------------------------------------------------------------------------===//

std::optional<WeightStore::Id> WeightStore::add(DType type, ArrayRef<int64_t> dims, llvm::StringRef name,
                                                std::variant<Mapped, Inline, Splat, Compute> source,
                                                std::optional<uint64_t> bytes) {
  auto count = numElements(dims);
  if (!count || bitWidth(type) == 0 || entries.size() >= UINT32_MAX)
    return std::nullopt;
  auto expected = packedBytes(type, *count);
  if (!expected || (bytes && *bytes != *expected))
    return std::nullopt;
  auto entry = std::make_unique<Entry>();
  entry->type = type;
  entry->dims.assign(dims.begin(), dims.end());
  entry->count = *count;
  entry->bytes = *expected;
  entry->name = name.str();
  entry->source = std::move(source);
  entries.push_back(std::move(entry));
  return static_cast<Id>(entries.size() - 1);
}

std::optional<WeightStore::Id> WeightStore::addMapped(DType type, ArrayRef<int64_t> dims,
                                                      std::shared_ptr<MappedFile> file, uint64_t offset,
                                                      uint64_t length, llvm::StringRef name) {
  if (!file || offset > file->size() || length > file->size() - offset)
    return std::nullopt;
  return add(type, dims, name, Mapped{std::move(file), offset}, length);
}

std::optional<WeightStore::Id> WeightStore::addInline(DType type, ArrayRef<int64_t> dims, std::vector<char> bytes,
                                                      llvm::StringRef name) {
  uint64_t length = bytes.size();
  return add(type, dims, name, std::make_shared<const std::vector<char>>(std::move(bytes)), length);
}

std::optional<WeightStore::Id> WeightStore::addInline(DType type, ArrayRef<int64_t> dims, ArrayRef<char> bytes,
                                                      llvm::StringRef name) {
  return addInline(type, dims, std::vector<char>(bytes.begin(), bytes.end()), name);
}

std::optional<WeightStore::Id> WeightStore::addSplat(DType type, ArrayRef<int64_t> dims, ArrayRef<char> element,
                                                     llvm::StringRef name) {
  if (element.size() != unpackedBytes(type))
    return std::nullopt;
  return add(type, dims, name, Splat{llvm::SmallVector<char, 16>(element)}, std::nullopt);
}

std::optional<WeightStore::Id> WeightStore::addComputed(DType type, ArrayRef<int64_t> dims, Compute compute,
                                                        llvm::StringRef name) {
  return add(type, dims, name, std::move(compute), std::nullopt);
}

std::optional<WeightStore::Id> WeightStore::addPacked(Id source, const Packing &packing, llvm::StringRef name) {
  llvm::SmallVector<int64_t> shape;
  for (const PackedDim &d : packing.dims)
    shape.push_back(d.extent);
  auto compute = [source, packing](const WeightStore &store, MutableArrayRef<char> out) {
    DType type = store.dtype(source);
    std::vector<char> copy, elements, packed;
    ArrayRef<char> from(store.tryData(source), store.byteSize(source));
    if (!from.data()) {
      copy.resize(store.byteSize(source));
      if (!store.read(source, copy))
        return false;
      from = copy;
    }
    unsigned bits = bitWidth(type);
    if (bits >= 8) {
      packing.pack(from, unpackedBytes(type), out);
      return true;
    }
    elements.resize(store.elements(source));
    unpackBits(bits, from, elements);
    packed.resize(*packing.packedElements());
    packing.pack(elements, 1, packed);
    packBits(bits, packed, out);
    return true;
  };
  std::optional<Id> id = addComputed(dtype(source), shape, compute, name);
  if (id && packing.invertible(elements(source)))
    entries[*id]->packed = PackedFrom{source, packing};
  return id;
}

std::optional<WeightStore::Id> WeightStore::addInts(ArrayRef<int64_t> dims, ArrayRef<int64_t> values,
                                                    llvm::StringRef name) {
  return addInline(DType::I64, dims,
                   ArrayRef<char>(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(int64_t)),
                   name);
}

std::optional<WeightStore::Id> WeightStore::addReshaped(Id source, ArrayRef<int64_t> dims) {
  const Entry &from = *entries[source];
  if (numElements(dims) != from.count)
    return std::nullopt;
  // A computed entry stays one computation; the view reads it again.
  if (isComputed(source))
    return addComputed(
        from.type, dims,
        [source](const WeightStore &store, MutableArrayRef<char> out) { return store.read(source, out); }, from.name);
  return add(from.type, dims, from.name, from.source, from.bytes);
}

//===- Reading ----------------------------------------------------------------------------------------------------===//

static void fillSplat(DType type, ArrayRef<char> element, MutableArrayRef<char> out) {
  unsigned bits = bitWidth(type);
  if (bits < 8) {
    // Whole groups of three bytes hold a whole number of elements for 2, 4 and 6 bits.
    char group[24], packed[3];
    size_t per = 24 / bits;
    std::memset(group, element[0], per);
    packBits(bits, ArrayRef<char>(group, per), packed);
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = packed[i % 3];
    return;
  }
  if (llvm::all_of(element, [](char c) { return c == 0; }) || element.size() == 1) {
    if (!out.empty())
      std::memset(out.data(), element[0], out.size());
    return;
  }
  for (size_t i = 0; i < out.size(); i += element.size())
    std::memcpy(out.data() + i, element.data(), element.size());
}

bool WeightStore::read(Id id, MutableArrayRef<char> out) const {
  const Entry &entry = *entries[id];
  if (out.size() != entry.bytes)
    return false;
  if (const auto *mapped = std::get_if<Mapped>(&entry.source))
    return mapped->file->read(mapped->offset, out);
  if (const auto *bytes = std::get_if<Inline>(&entry.source)) {
    if (!out.empty())
      std::memcpy(out.data(), (*bytes)->data(), out.size());
    return true;
  }
  if (const auto *splat = std::get_if<Splat>(&entry.source)) {
    fillSplat(entry.type, splat->element, out);
    return true;
  }
  return std::get<Compute>(entry.source)(*this, out);
}

const char *WeightStore::tryData(Id id) const {
  const Entry &entry = *entries[id];
  if (const auto *mapped = std::get_if<Mapped>(&entry.source))
    return mapped->file->intact() ? mapped->file->bytes().data() + mapped->offset : nullptr;
  if (const auto *bytes = std::get_if<Inline>(&entry.source))
    return (*bytes)->data();
  return nullptr;
}

std::optional<llvm::SmallVector<char, 16>> WeightStore::splat(Id id) const {
  const Entry &entry = *entries[id];
  if (const auto *splat = std::get_if<Splat>(&entry.source))
    return splat->element;
  if (entry.count != 1)
    return std::nullopt;
  llvm::SmallVector<char, 16> element(entry.bytes);
  if (!read(id, element))
    return std::nullopt;
  if (bitWidth(entry.type) < 8)
    element[0] = static_cast<char>(element[0] & ((1u << bitWidth(entry.type)) - 1));
  return element;
}

/// Calls `visit(i, element bytes)` for every element, in order; false when the bytes cannot be read.
template <typename Visit>
static bool forEachElement(const WeightStore &store, WeightStore::Id id, Visit visit) {
  std::vector<char> packed(store.byteSize(id));
  if (!store.read(id, packed))
    return false;
  DType type = store.dtype(id);
  unsigned width = unpackedBytes(type);
  std::vector<char> unpacked;
  if (bitWidth(type) < 8) {
    unpacked.resize(store.elements(id));
    unpackBits(bitWidth(type), packed, unpacked);
  } else {
    unpacked = std::move(packed);
  }
  for (uint64_t i = 0, e = store.elements(id); i < e; ++i)
    visit(i, unpacked.data() + i * width);
  return true;
}

std::optional<llvm::SmallVector<int64_t>> WeightStore::ints(Id id, uint64_t limit) const {
  DType type = dtype(id);
  if (elements(id) > limit || !(isInteger(type) || type == DType::Bool))
    return std::nullopt;
  llvm::SmallVector<int64_t> values(elements(id));
  if (!forEachElement(*this, id, [&](uint64_t i, const char *p) { values[i] = elementToInt(type, p); }))
    return std::nullopt;
  return values;
}

std::optional<llvm::SmallVector<double>> WeightStore::doubles(Id id, uint64_t limit) const {
  DType type = dtype(id);
  char probe[16];
  if (elements(id) > limit || !elementFromDouble(type, 0, probe))
    return std::nullopt;
  llvm::SmallVector<double> values(elements(id));
  if (!forEachElement(*this, id, [&](uint64_t i, const char *p) { values[i] = elementToDouble(type, p); }))
    return std::nullopt;
  return values;
}

std::optional<WeightStore::Digest> WeightStore::digest(Id id) const {
  const Entry &entry = *entries[id];
  {
    std::lock_guard<std::mutex> lock(digestMutex);
    if (entry.digest)
      return entry.digest;
  }
  llvm::XXH128_hash_t hash;
  if (const char *data = tryData(id)) {
    hash = llvm::xxh3_128bits(ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(data), entry.bytes));
  } else {
    std::vector<char> bytes(entry.bytes);
    if (!read(id, bytes))
      return std::nullopt;
    hash = llvm::xxh3_128bits(ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
  }
  std::lock_guard<std::mutex> lock(digestMutex);
  entry.digest = Digest{hash.low64, hash.high64};
  return entry.digest;
}

//===- Elements ---------------------------------------------------------------------------------------------------===//

template <typename T>
static T load(const char *p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}
template <typename T>
static void store(char *p, T value) {
  std::memcpy(p, &value, sizeof(T));
}

static const llvm::fltSemantics &halfSemantics(DType type) {
  return type == DType::F16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat();
}

int64_t adze::elementToInt(DType type, const char *p) {
  switch (type) {
  case DType::Bool:
    return *p != 0;
  case DType::I8:
    return load<int8_t>(p);
  case DType::U8:
    return load<uint8_t>(p);
  case DType::I16:
    return load<int16_t>(p);
  case DType::U16:
    return load<uint16_t>(p);
  case DType::I32:
    return load<int32_t>(p);
  case DType::U32:
    return load<uint32_t>(p);
  case DType::U64:
  case DType::I64:
    return load<int64_t>(p);
  case DType::U4:
    return *p & 15;
  case DType::U2:
    return *p & 3;
  case DType::I4:
    return ((*p & 15) ^ 8) - 8;
  case DType::I2:
    return ((*p & 3) ^ 2) - 2;
  default:
    return 0;
  }
}

void adze::elementFromInt(DType type, int64_t value, char *p) {
  switch (type) {
  case DType::Bool:
    *p = value != 0;
    return;
  case DType::U4:
  case DType::I4:
    *p = static_cast<char>(value & 15);
    return;
  case DType::U2:
  case DType::I2:
    *p = static_cast<char>(value & 3);
    return;
  default:
    std::memcpy(p, &value, unpackedBytes(type));
    return;
  }
}

double adze::elementToDouble(DType type, const char *p) {
  switch (type) {
  case DType::F32:
    return load<float>(p);
  case DType::F64:
    return load<double>(p);
  case DType::F16:
  case DType::BF16: {
    llvm::APFloat value(halfSemantics(type), llvm::APInt(16, load<uint16_t>(p)));
    bool lost;
    value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
    return value.convertToDouble();
  }
  case DType::U64:
    return static_cast<double>(load<uint64_t>(p));
  default:
    return static_cast<double>(elementToInt(type, p));
  }
}

/// C++ leaves out-of-range conversions undefined; saturate, and give 0 for NaN.
static int64_t saturate(double value) {
  if (std::isnan(value))
    return 0;
  if (value >= 9223372036854775807.0)
    return INT64_MAX;
  return value <= -9223372036854775808.0 ? INT64_MIN : static_cast<int64_t>(value);
}

bool adze::elementFromDouble(DType type, double value, char *p) {
  switch (type) {
  case DType::F32:
    store(p, static_cast<float>(value));
    return true;
  case DType::F64:
    store(p, value);
    return true;
  case DType::F16:
  case DType::BF16: {
    llvm::APFloat half(value);
    bool lost;
    half.convert(halfSemantics(type), llvm::APFloat::rmNearestTiesToEven, &lost);
    store(p, static_cast<uint16_t>(half.bitcastToAPInt().getZExtValue()));
    return true;
  }
  case DType::Bool:
    *p = value != 0;
    return true;
  default:
    if (!isInteger(type))
      return false;
    elementFromInt(type, saturate(value), p);
    return true;
  }
}
