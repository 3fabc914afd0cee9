// Order of tensor elements, and sizes of sub-shapes, for host operations.
#ifndef ADZE_RUNTIME_HOST_COMPARE_H
#define ADZE_RUNTIME_HOST_COMPARE_H

#include "runtime/src/host/HostOps.h"

namespace adze::rt {

/// -1, 0 or 1 for elements a and b of one tensor, by value; NaN is larger than all numbers and equal to NaN.
using Compare = int (*)(const HostTensor &tensor, int64_t a, int64_t b);

/// Null for types without an order.
Compare comparison(adze_dtype_t dtype);

/// Product of dims [begin, end).
int64_t product(const std::vector<int64_t> &dims, size_t begin, size_t end);

} // namespace adze::rt

#endif
