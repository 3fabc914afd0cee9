#ifndef ADZE_RUNTIME_STATUS_DTYPE_H
#define ADZE_RUNTIME_STATUS_DTYPE_H

#include "adze/adze.h"

namespace adze::rt {

/// Bytes of one stored element (types narrower than a byte take one byte each); 0 for strings and unknown types.
/// The argument may be any number: callers pass what a file or a user gave.
size_t dtypeBytes(unsigned dtype);
const char *dtypeName(unsigned dtype);
bool isInteger(adze_dtype_t dtype);

/// Element `index` of an integer array.
int64_t loadInteger(const void *data, adze_dtype_t dtype, uint64_t index);
/// Stores value as element `index`; false if it does not fit the type.
bool storeInteger(void *data, adze_dtype_t dtype, uint64_t index, int64_t value);

} // namespace adze::rt

#endif
