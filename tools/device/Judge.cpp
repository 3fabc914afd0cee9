#include "tools/device/Judge.h"
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

namespace adze::device {
namespace {

/// A float of `exponent` and `mantissa` bits, with infinities (ieee) or with a NaN pattern only (OCP "fn" types).
double decode(uint32_t bits, int exponent, int mantissa, int bias, bool ieee) {
  uint32_t m = bits & ((1u << mantissa) - 1), e = (bits >> mantissa) & ((1u << exponent) - 1),
           top = (1u << exponent) - 1;
  double sign = bits >> (exponent + mantissa) & 1 ? -1 : 1;
  if (ieee && e == top)
    return m ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (!ieee && e == top && m == (1u << mantissa) - 1)
    return std::numeric_limits<double>::quiet_NaN();
  double fraction = std::ldexp(double(m), -mantissa);
  return sign * (e ? std::ldexp(1 + fraction, int(e) - bias) : std::ldexp(fraction, 1 - bias));
}

template <typename T>
T at(const void *data, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char *>(data) + i * sizeof(T), sizeof(T));
  return value;
}

std::string text(const std::vector<int64_t> &dims) {
  std::ostringstream os;
  os << '[';
  for (size_t i = 0; i < dims.size(); ++i)
    os << (i ? ", " : "") << dims[i];
  os << ']';
  return os.str();
}

double scaleOf(adze_dtype_t dtype, const Array &want) {
  double sum = 0, v = 0;
  int64_t n = want.elements();
  for (int64_t i = 0; i < n; ++i)
    if (floatAt(dtype, want.bytes.data(), i, v) && std::isfinite(v))
      sum += v * v;
  return std::max(n ? std::sqrt(sum / double(n)) : 0, std::ldexp(1.0, -10));
}

} // namespace

bool floatAt(adze_dtype_t dtype, const void *data, int64_t i, double &out) {
  switch (dtype) {
  case ADZE_F32:
    out = at<float>(data, i);
    return true;
  case ADZE_F64:
    out = at<double>(data, i);
    return true;
  case ADZE_F16:
    out = decode(at<uint16_t>(data, i), 5, 10, 15, true);
    return true;
  case ADZE_BF16:
    out = decode(at<uint16_t>(data, i), 8, 7, 127, true);
    return true;
  case ADZE_F8E4M3FN:
    out = decode(at<uint8_t>(data, i), 4, 3, 7, false);
    return true;
  case ADZE_F8E5M2:
    out = decode(at<uint8_t>(data, i), 5, 2, 15, true);
    return true;
  default:
    return false;
  }
}

std::string difference(const adze_tensor_t &got, const Array &want, const Limits &limits) {
  std::ostringstream os;
  std::vector<int64_t> dims(got.dims, got.dims + got.rank);
  if (dims != want.dims)
    return "shape " + text(dims) + ", expected " + text(want.dims);
  int64_t n = want.elements(), wrong = 0, first = -1;
  double g = 0, w = 0, squares = 0, scale = limits.network ? scaleOf(got.dtype, want) : 1;
  if (!n)
    return "";
  if (!floatAt(got.dtype, want.bytes.data(), 0, w)) {
    size_t width = want.bytes.size() / size_t(n);
    for (int64_t i = 0; i < n; ++i)
      if (std::memcmp(static_cast<const char *>(got.data) + i * width, want.bytes.data() + i * width, width) != 0) {
        first = first < 0 ? i : first;
        ++wrong;
      }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      floatAt(got.dtype, got.data, i, g);
      floatAt(got.dtype, want.bytes.data(), i, w);
      bool same = std::isfinite(w) ? std::abs(g - w) <= limits.rtol * std::abs(w) + limits.atol * scale
                                   : g == w || (std::isnan(g) && std::isnan(w));
      squares += std::isfinite(g - w) ? (g - w) * (g - w) : 0;
      if (!same) {
        first = first < 0 ? i : first;
        ++wrong;
      }
    }
  }
  if (wrong) {
    os << wrong << " of " << n << " elements differ, the first at " << first;
    if (floatAt(got.dtype, got.data, first, g) && floatAt(got.dtype, want.bytes.data(), first, w))
      os << ": " << g << ", expected " << w;
  } else if (limits.rms > 0 && std::sqrt(squares / double(n)) > limits.rms * scale) {
    os << "the error's rms is " << std::sqrt(squares / double(n)) / scale << " of the values', allowed " << limits.rms;
  }
  return os.str();
}

} // namespace adze::device
