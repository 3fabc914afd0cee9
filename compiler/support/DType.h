// Element types, numbered as in ONNX TensorProto.DataType (and so as adze_dtype_t in the runtime).
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>

namespace adze {

enum class DType : uint8_t {
  Undefined = 0,
  F32 = 1,
  U8 = 2,
  I8 = 3,
  U16 = 4,
  I16 = 5,
  I32 = 6,
  I64 = 7,
  String = 8,
  Bool = 9,
  F16 = 10,
  F64 = 11,
  U32 = 12,
  U64 = 13,
  C64 = 14,
  C128 = 15,
  BF16 = 16,
  F8E4M3FN = 17,
  F8E4M3FNUZ = 18,
  F8E5M2 = 19,
  F8E5M2FNUZ = 20,
  U4 = 21,
  I4 = 22,
  F4E2M1 = 23,
  F8E8M0 = 24,
  U2 = 25,
  I2 = 26,
  F6E2M3 = 27,
  F6E3M2 = 28,
};

/// The type for an ONNX number; nullopt for numbers that no ONNX version defines (and for 0).
std::optional<DType> dtypeFromOnnx(int64_t number);
/// Bits of one element as ONNX packs it (bool: 8); 0 for String and Undefined.
unsigned bitWidth(DType type);
/// ONNX's lower-case name: "float32", "bfloat16", "float8e4m3fn", ...
llvm::StringRef dtypeName(DType type);
/// Bytes of one element in unpacked storage (at least one byte an element); 0 for String and Undefined.
inline unsigned unpackedBytes(DType type) { return (bitWidth(type) + 7) / 8; }
bool isFloat(DType type);
bool isSignedInt(DType type);
bool isUnsignedInt(DType type);
inline bool isInteger(DType type) { return isSignedInt(type) || isUnsignedInt(type); }

/// Product of dims; nullopt when one is negative or the product exceeds 2^62.
std::optional<uint64_t> numElements(llvm::ArrayRef<int64_t> dims);
/// Bytes of `count` elements packed as in ONNX (4- and 2-bit types share bytes); nullopt on overflow.
std::optional<uint64_t> packedBytes(DType type, uint64_t count);

/// Spreads 4-, 2- or 6-bit elements (least significant bits first) to one a byte, zero-extended, and back.
void unpackBits(unsigned bits, llvm::ArrayRef<char> packed, llvm::MutableArrayRef<char> out);
void packBits(unsigned bits, llvm::ArrayRef<char> elements, llvm::MutableArrayRef<char> packed);

} // namespace adze
