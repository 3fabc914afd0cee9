#include "compiler/oracle/HostBuffer.h"
#include "llvm/ADT/bit.h"
#include <cstring>

using namespace mlir;

namespace adze::oracle {
namespace {

template <typename T, typename Out>
void readPlain(const char *base, int64_t first, int64_t stride, int64_t count, Out *out) {
  const T *p = reinterpret_cast<const T *>(base) + first;
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i)
      out[i] = static_cast<Out>(p[i]);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<Out>(p[i * stride]);
}

template <typename T, typename In>
void writePlain(char *base, int64_t first, int64_t stride, int64_t count, const In *in) {
  T *p = reinterpret_cast<T *>(base) + first;
  for (int64_t i = 0; i < count; ++i)
    p[i * stride] = static_cast<T>(in[i]);
}

unsigned readBits(const char *base, int64_t element, unsigned bits) {
  return static_cast<uint8_t>(base[element]) & ((1u << bits) - 1);
}

void writeBits(char *base, int64_t element, unsigned bits, unsigned value) {
  base[element] = static_cast<char>(value & ((1u << bits) - 1));
}

std::shared_ptr<const std::vector<float>> decodedTable(const FloatFormat &format) {
  auto table = std::make_shared<std::vector<float>>(size_t(1) << format.bits);
  for (size_t i = 0; i < table->size(); ++i)
    (*table)[i] = static_cast<float>(decode(format, i));
  return table;
}

std::optional<Storage> floatStorage(const FloatFormat &format) {
  Storage s;
  s.format = &format;
  s.bits = format.bits;
  if (format.isDouble()) {
    s.kind = Storage::Float64;
  } else if (format.isSingle()) {
    s.kind = Storage::Float32;
  } else if (format.bits == 16 && format.mantissaBits == 7) {
    s.kind = Storage::BFloat;
  } else if (format.bits == 16 || format.bits == 8) {
    s.kind = Storage::SmallFloat;
    s.table = decodedTable(format);
  } else if (format.bits == 4) {
    s.kind = Storage::TinyFloat;
  } else {
    return std::nullopt;
  }
  return s;
}

} // namespace

std::optional<Storage> Storage::of(Type type) {
  if (const FloatFormat *format = floatFormat(type))
    return floatStorage(*format);
  Storage s;
  if (type.isIndex()) {
    s.kind = Int64;
    s.bits = 64;
    return s;
  }
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  s.bits = integer.getWidth();
  switch (s.bits) {
  case 1:
    s.kind = Bool;
    return s;
  case 2:
  case 4:
    s.kind = TinyInt;
    return s;
  case 8:
    s.kind = Int8;
    return s;
  case 16:
    s.kind = Int16;
    return s;
  case 32:
    s.kind = Int32;
    return s;
  case 64:
    s.kind = Int64;
    return s;
  default:
    return std::nullopt;
  }
}

void Storage::read(const char *base, int64_t first, int64_t stride, int64_t count, double *out) const {
  switch (kind) {
  case Float64:
    return readPlain<double>(base, first, stride, count, out);
  case Float32:
    return readPlain<float>(base, first, stride, count, out);
  case BFloat: {
    const uint16_t *p = reinterpret_cast<const uint16_t *>(base) + first;
    for (int64_t i = 0; i < count; ++i)
      out[i] = llvm::bit_cast<float>(static_cast<uint32_t>(p[i * stride]) << 16);
    return;
  }
  case SmallFloat: {
    const float *decoded = table->data();
    if (bits == 8) {
      const uint8_t *p = reinterpret_cast<const uint8_t *>(base) + first;
      for (int64_t i = 0; i < count; ++i)
        out[i] = decoded[p[i * stride]];
      return;
    }
    const uint16_t *p = reinterpret_cast<const uint16_t *>(base) + first;
    for (int64_t i = 0; i < count; ++i)
      out[i] = decoded[p[i * stride]];
    return;
  }
  case TinyFloat:
    for (int64_t i = 0; i < count; ++i)
      out[i] = decode(*format, readBits(base, first + i * stride, bits));
    return;
  default:
    llvm_unreachable("float row of an integer buffer");
  }
}

void Storage::read(const char *base, int64_t first, int64_t stride, int64_t count, int64_t *out) const {
  switch (kind) {
  case Bool:
    for (int64_t i = 0; i < count; ++i)
      out[i] = base[first + i * stride] != 0;
    return;
  case Int8:
    return readPlain<int8_t>(base, first, stride, count, out);
  case Int16:
    return readPlain<int16_t>(base, first, stride, count, out);
  case Int32:
    return readPlain<int32_t>(base, first, stride, count, out);
  case Int64:
    return readPlain<int64_t>(base, first, stride, count, out);
  case TinyInt:
    for (int64_t i = 0; i < count; ++i)
      out[i] = wrapInt(readBits(base, first + i * stride, bits), bits);
    return;
  default:
    llvm_unreachable("integer row of a float buffer");
  }
}

void Storage::write(char *base, int64_t first, int64_t stride, int64_t count, const double *in) const {
  switch (kind) {
  case Float64:
    return writePlain<double>(base, first, stride, count, in);
  case Float32:
    return writePlain<float>(base, first, stride, count, in);
  case TinyFloat:
    for (int64_t i = 0; i < count; ++i)
      writeBits(base, first + i * stride, bits, encode(*format, roundTo(*format, in[i])));
    return;
  case BFloat:
  case SmallFloat:
    for (int64_t i = 0; i < count; ++i) {
      uint64_t code = encode(*format, roundTo(*format, in[i]));
      if (bits == 8)
        reinterpret_cast<uint8_t *>(base)[first + i * stride] = code;
      else
        reinterpret_cast<uint16_t *>(base)[first + i * stride] = code;
    }
    return;
  default:
    llvm_unreachable("float row of an integer buffer");
  }
}

void Storage::write(char *base, int64_t first, int64_t stride, int64_t count, const int64_t *in) const {
  switch (kind) {
  case Bool:
    for (int64_t i = 0; i < count; ++i)
      base[first + i * stride] = in[i] != 0;
    return;
  case Int8:
    return writePlain<int8_t>(base, first, stride, count, in);
  case Int16:
    return writePlain<int16_t>(base, first, stride, count, in);
  case Int32:
    return writePlain<int32_t>(base, first, stride, count, in);
  case Int64:
    return writePlain<int64_t>(base, first, stride, count, in);
  case TinyInt:
    for (int64_t i = 0; i < count; ++i)
      writeBits(base, first + i * stride, bits, in[i]);
    return;
  default:
    llvm_unreachable("integer row of a float buffer");
  }
}

} // namespace adze::oracle
