// Whether a device's numbers are the expected ones.
#pragma once
#include "adze/adze.h"
#include "tools/device/Npy.h"
#include <string>

namespace adze::device {

/// |got - want| <= rtol |want| + atol * scale for each element, and rms(got - want) <= rms * scale where rms > 0.
/// scale: 1, or with `network` the rms of the expected values (docs/numeric-contract.md). NaN equals NaN, infinities
/// must be equal. Types other than floats are compared bit for bit.
struct Limits {
  double rtol = 0, atol = 0, rms = 0;
  bool network = false;
};

/// "" when `got` agrees with `want`, otherwise what differs.
std::string difference(const adze_tensor_t &got, const Array &want, const Limits &limits);

/// The value of element `i` of a float type; false for other types.
bool floatAt(adze_dtype_t dtype, const void *data, int64_t i, double &out);

} // namespace adze::device
