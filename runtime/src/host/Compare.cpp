#include "runtime/src/host/Compare.h"

#include <cmath>
#include <cstring>
#include <type_traits>

namespace adze::rt {

namespace {

template <typename T>
int compareValues(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x) || std::isnan(y))
      return int(std::isnan(x)) - int(std::isnan(y));
  }
  return x < y ? -1 : x > y ? 1 : 0;
}

template <typename T>
int compareAs(const HostTensor &tensor, int64_t a, int64_t b) {
  return compareValues(tensor.as<T>()[a], tensor.as<T>()[b]);
}

float halfToFloat(uint16_t bits) {
  int exponent = (bits >> 10) & 31;
  float fraction = float(bits & 1023);
  float magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                    : exponent == 0 ? std::ldexp(fraction, -24)
                                    : std::ldexp(fraction + 1024, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

float bfloatToFloat(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float out;
  std::memcpy(&out, &wide, sizeof(out));
  return out;
}

template <float (*convert)(uint16_t)>
int compareNarrow(const HostTensor &tensor, int64_t a, int64_t b) {
  return compareValues(convert(tensor.as<uint16_t>()[a]), convert(tensor.as<uint16_t>()[b]));
}

} // namespace

Compare comparison(adze_dtype_t dtype) {
  switch (dtype) {
  case ADZE_F32:
    return compareAs<float>;
  case ADZE_F64:
    return compareAs<double>;
  case ADZE_F16:
    return compareNarrow<halfToFloat>;
  case ADZE_BF16:
    return compareNarrow<bfloatToFloat>;
  case ADZE_U8:
  case ADZE_BOOL:
    return compareAs<uint8_t>;
  case ADZE_I8:
    return compareAs<int8_t>;
  case ADZE_U16:
    return compareAs<uint16_t>;
  case ADZE_I16:
    return compareAs<int16_t>;
  case ADZE_I32:
    return compareAs<int32_t>;
  case ADZE_I64:
    return compareAs<int64_t>;
  case ADZE_U32:
    return compareAs<uint32_t>;
  case ADZE_U64:
    return compareAs<uint64_t>;
  default:
    return nullptr;
  }
}

int64_t product(const std::vector<int64_t> &dims, size_t begin, size_t end) {
  int64_t out = 1;
  for (size_t i = begin; i < end; ++i)
    out *= dims[i];
  return out;
}

} // namespace adze::rt
