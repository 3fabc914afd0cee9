#include "compiler/support/DType.h"
#include <cstring>

using namespace adze;

namespace {
struct TypeRow {
  const char *name;
  unsigned bits;
  char group; // f float, s signed, u unsigned, b bool, c complex, - other
};
} // namespace

static constexpr TypeRow kTypes[] = {
    {"undefined", 0, '-'},      {"float32", 32, 'f'},     {"uint8", 8, 'u'},          {"int8", 8, 's'},
    {"uint16", 16, 'u'},        {"int16", 16, 's'},       {"int32", 32, 's'},         {"int64", 64, 's'},
    {"string", 0, '-'},         {"bool", 8, 'b'},         {"float16", 16, 'f'},       {"float64", 64, 'f'},
    {"uint32", 32, 'u'},        {"uint64", 64, 'u'},      {"complex64", 64, 'c'},     {"complex128", 128, 'c'},
    {"bfloat16", 16, 'f'},      {"float8e4m3fn", 8, 'f'}, {"float8e4m3fnuz", 8, 'f'}, {"float8e5m2", 8, 'f'},
    {"float8e5m2fnuz", 8, 'f'}, {"uint4", 4, 'u'},        {"int4", 4, 's'},           {"float4e2m1", 4, 'f'},
    {"float8e8m0", 8, 'f'},     {"uint2", 2, 'u'},        {"int2", 2, 's'},           {"float6e2m3", 6, 'f'},
    {"float6e3m2", 6, 'f'},
};

static const TypeRow &row(DType type) { return kTypes[static_cast<unsigned>(type)]; }

std::optional<DType> adze::dtypeFromOnnx(int64_t number) {
  if (number <= 0 || number >= static_cast<int64_t>(std::size(kTypes)))
    return std::nullopt;
  return static_cast<DType>(number);
}
unsigned adze::bitWidth(DType type) { return row(type).bits; }
llvm::StringRef adze::dtypeName(DType type) { return row(type).name; }
bool adze::isFloat(DType type) { return row(type).group == 'f'; }
bool adze::isSignedInt(DType type) { return row(type).group == 's'; }
bool adze::isUnsignedInt(DType type) { return row(type).group == 'u'; }

std::optional<uint64_t> adze::numElements(llvm::ArrayRef<int64_t> dims) {
  // A zero anywhere makes the tensor empty, yet the other dims must still be sane one by one.
  uint64_t product = 1;
  bool empty = false;
  for (int64_t dim : dims) {
    if (dim < 0)
      return std::nullopt;
    if (dim == 0) {
      empty = true;
      continue;
    }
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(dim), &product) || product > (uint64_t(1) << 62))
      return std::nullopt;
  }
  return empty ? 0 : product;
}

std::optional<uint64_t> adze::packedBytes(DType type, uint64_t count) {
  unsigned bits = bitWidth(type);
  if (bits >= 8) {
    uint64_t bytes;
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(bits / 8), &bytes) || bytes > (uint64_t(1) << 62))
      return std::nullopt;
    return bytes;
  }
  return count / 8 * bits + (count % 8 * bits + 7) / 8;
}

void adze::unpackBits(unsigned bits, llvm::ArrayRef<char> packed, llvm::MutableArrayRef<char> out) {
  unsigned mask = (1u << bits) - 1;
  for (size_t i = 0; i < out.size(); ++i) {
    size_t bit = i * bits, byte = bit / 8;
    unsigned word = static_cast<unsigned char>(packed[byte]);
    if (byte + 1 < packed.size())
      word |= static_cast<unsigned char>(packed[byte + 1]) << 8;
    out[i] = static_cast<char>(word >> (bit % 8) & mask);
  }
}

void adze::packBits(unsigned bits, llvm::ArrayRef<char> elements, llvm::MutableArrayRef<char> packed) {
  unsigned mask = (1u << bits) - 1;
  std::memset(packed.data(), 0, packed.size());
  for (size_t i = 0; i < elements.size(); ++i) {
    size_t bit = i * bits, byte = bit / 8;
    unsigned word = (static_cast<unsigned char>(elements[i]) & mask) << (bit % 8);
    packed[byte] |= static_cast<char>(word);
    if (word >> 8)
      packed[byte + 1] |= static_cast<char>(word >> 8);
  }
}
