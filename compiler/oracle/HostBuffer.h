// Buffers in memory as the interpreter sees them: typed rows are read into doubles or 64-bit integers and back.
#ifndef ADZE_COMPILER_ORACLE_HOSTBUFFER_H
#define ADZE_COMPILER_ORACLE_HOSTBUFFER_H

#include "compiler/oracle/FloatFormat.h"
#include <atomic>
#include <memory>
#include <string>

namespace adze::oracle {

/// Memory bound to a kernel's ref. `element` is what the memory holds: the ref's own element type, or f64 for any float
/// ref (a wide buffer, so that y* is not rounded between kernels). Every element takes whole bytes: i1 and
/// elements of 2 and 4 bits one each.
struct HostBuffer {
  mlir::Type element;
  void *data;
  size_t bytes;
};

/// How one element type is stored.
struct Storage {
  enum Kind : uint8_t { Float64, Float32, BFloat, SmallFloat, TinyFloat, Bool, Int8, Int16, Int32, Int64, TinyInt };
  Kind kind = Float32;
  unsigned bits = 32;
  const FloatFormat *format = nullptr;             ///< floats only
  std::shared_ptr<const std::vector<float>> table; ///< decoded values of formats of 8 and 16 bits

  bool isFloat() const { return format != nullptr; }
  /// Of one element in memory.
  unsigned bytes() const { return std::max(bits, 8u) / 8; }
  /// Null when `type` has no storage (unsupported width or format).
  static std::optional<Storage> of(mlir::Type type);

  // Element i of the row is at element `first + i * stride` of `base`. Values are rounded to the storage when written.
  void read(const char *base, int64_t first, int64_t stride, int64_t count, double *out) const;
  void read(const char *base, int64_t first, int64_t stride, int64_t count, int64_t *out) const;
  void write(char *base, int64_t first, int64_t stride, int64_t count, const double *in) const;
  void write(char *base, int64_t first, int64_t stride, int64_t count, const int64_t *in) const;
};

/// A bound buffer. `owners` (debug) holds the program that wrote each element plus one, 0 where nobody did.
struct Buffer {
  char *data = nullptr;
  int64_t elements = 0;
  Storage storage;
  tile::Effect effect = tile::Effect::in;
  std::unique_ptr<std::atomic<uint32_t>[]> owners;
};

/// Wraps to the width of a signless integer: sign extended, i1 as 0 or 1.
inline int64_t wrapInt(int64_t v, unsigned width) {
  if (width == 1)
    return v & 1;
  if (width >= 64)
    return v;
  return static_cast<int64_t>(static_cast<uint64_t>(v) << (64 - width)) >> (64 - width);
}
/// The same bits read as unsigned.
inline uint64_t unsignedOf(int64_t v, unsigned width) {
  return width >= 64 ? static_cast<uint64_t>(v) : static_cast<uint64_t>(v) & ((uint64_t(1) << width) - 1);
}

} // namespace adze::oracle

#endif
