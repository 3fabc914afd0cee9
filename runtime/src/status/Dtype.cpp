#include "runtime/src/status/Dtype.h"

#include <cstring>
#include <limits>

namespace adze::rt {

namespace {
struct DtypeRow {
  const char *name;
  uint8_t bytes;
};
// Indexed by adze_dtype_t.
constexpr DtypeRow kDtypes[] = {
    {"undefined", 0},      {"float32", 4},  {"uint8", 1},        {"int8", 1},           {"uint16", 2},
    {"int16", 2},          {"int32", 4},    {"int64", 8},        {"string", 0},         {"bool", 1},
    {"float16", 2},        {"float64", 8},  {"uint32", 4},       {"uint64", 8},         {"complex64", 8},
    {"complex128", 16},    {"bfloat16", 2}, {"float8e4m3fn", 1}, {"float8e4m3fnuz", 1}, {"float8e5m2", 1},
    {"float8e5m2fnuz", 1}, {"uint4", 1},    {"int4", 1},         {"float4e2m1", 1},     {"float8e8m0", 1},
    {"uint2", 1},          {"int2", 1}};
constexpr size_t kNumDtypes = sizeof(kDtypes) / sizeof(kDtypes[0]);

template <typename T>
int64_t loadAs(const void *data, uint64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char *>(data) + index * sizeof(T), sizeof(T));
  return static_cast<int64_t>(value);
}

template <typename T>
bool storeAs(void *data, uint64_t index, int64_t value) {
  if (value < 0 && !std::numeric_limits<T>::is_signed)
    return false;
  T narrow = static_cast<T>(value);
  if (static_cast<int64_t>(narrow) != value)
    return false;
  std::memcpy(static_cast<char *>(data) + index * sizeof(T), &narrow, sizeof(T));
  return true;
}
} // namespace

size_t dtypeBytes(unsigned dtype) { return dtype < kNumDtypes ? kDtypes[dtype].bytes : 0; }

const char *dtypeName(unsigned dtype) { return dtype < kNumDtypes ? kDtypes[dtype].name : "unknown"; }

bool isInteger(adze_dtype_t dtype) {
  switch (dtype) {
  case ADZE_U8:
  case ADZE_I8:
  case ADZE_U16:
  case ADZE_I16:
  case ADZE_I32:
  case ADZE_I64:
  case ADZE_U32:
  case ADZE_U64:
  case ADZE_BOOL:
    return true;
  default:
    return false;
  }
}

int64_t loadInteger(const void *data, adze_dtype_t dtype, uint64_t index) {
  switch (dtype) {
  case ADZE_U8:
  case ADZE_BOOL:
    return loadAs<uint8_t>(data, index);
  case ADZE_I8:
    return loadAs<int8_t>(data, index);
  case ADZE_U16:
    return loadAs<uint16_t>(data, index);
  case ADZE_I16:
    return loadAs<int16_t>(data, index);
  case ADZE_I32:
    return loadAs<int32_t>(data, index);
  case ADZE_U32:
    return loadAs<uint32_t>(data, index);
  default:
    return loadAs<int64_t>(data, index);
  }
}

bool storeInteger(void *data, adze_dtype_t dtype, uint64_t index, int64_t value) {
  switch (dtype) {
  case ADZE_U8:
  case ADZE_BOOL:
    return storeAs<uint8_t>(data, index, value);
  case ADZE_I8:
    return storeAs<int8_t>(data, index, value);
  case ADZE_U16:
    return storeAs<uint16_t>(data, index, value);
  case ADZE_I16:
    return storeAs<int16_t>(data, index, value);
  case ADZE_I32:
    return storeAs<int32_t>(data, index, value);
  case ADZE_U32:
    return storeAs<uint32_t>(data, index, value);
  case ADZE_U64:
    return storeAs<uint64_t>(data, index, value);
  default:
    return storeAs<int64_t>(data, index, value);
  }
}

} // namespace adze::rt
