// Tensor maps. CUDA driver API, "Tensor Map Object Management": plain host code that needs no context.
#include "tools/sim/cuda/async/TensorMap.h"
#include "tools/sim/cuda/driver/Entry.h"

#include <cstring>

using namespace adze::sim;
using namespace adze::sim::driver;

namespace {

/// Any violation is an invalid value, without a word more; the simulator says which.
void encodeTo(void *out, const TensorMap &map) {
  requirePointer(out, "tensorMap");
  if (reinterpret_cast<uintptr_t>(out) % 64)
    fail(InvalidValue, "the tensor map is not 64-byte aligned");
  TensorMapBytes bytes;
  if (std::string why = encode(map, bytes); !why.empty())
    fail(InvalidValue, why);
  std::memcpy(out, bytes.bytes, sizeof(bytes.bytes));
}

TensorMap common(int type, uint32_t rank, void *address, const uint64_t *dims, const uint64_t *strides,
                 const uint32_t *elementStrides, int interleave, int swizzle, int l2, int fill) {
  if (rank < 1 || rank > 5)
    fail(InvalidValue, "the rank is " + std::to_string(rank));
  requirePointer(dims, "globalDim");
  requirePointer(elementStrides, "elementStrides");
  if (rank > 1)
    requirePointer(strides, "globalStrides");
  TensorMap map;
  map.type = unsigned(type);
  map.rank = rank;
  map.address = reinterpret_cast<uintptr_t>(address);
  for (uint32_t i = 0; i < rank; ++i) {
    map.dim[i] = dims[i];
    map.elementStride[i] = elementStrides[i];
    if (i)
      map.stride[i - 1] = strides[i - 1];
  }
  map.interleave = unsigned(interleave);
  map.swizzle = unsigned(swizzle);
  map.l2 = unsigned(l2);
  if (fill < 0 || fill > 1)
    fail(InvalidValue, "unknown out-of-bounds fill " + std::to_string(fill));
  map.nanFill = fill == 1;
  return map;
}

void requireTensorMaps(const State &state) {
  if (state.settings.arch.number < 90)
    fail(NotSupported, "tensor maps need sm_90 or later, the device is " + state.settings.arch.name());
}

} // namespace

ADZE_SIM_EXPORT int cuTensorMapEncodeTiled(void *out, int type, uint32_t rank, void *address, const uint64_t *dims,
                                           const uint64_t *strides, const uint32_t *box, const uint32_t *elementStrides,
                                           int interleave, int swizzle, int l2, int fill) {
  return entry("cuTensorMapEncodeTiled", [&](State &state) {
    requireTensorMaps(state);
    requirePointer(box, "boxDim");
    TensorMap map = common(type, rank, address, dims, strides, elementStrides, interleave, swizzle, l2, fill);
    for (uint32_t i = 0; i < rank; ++i)
      map.box[i] = box[i];
    encodeTo(out, map);
  });
}

ADZE_SIM_EXPORT int cuTensorMapEncodeIm2col(void *out, int type, uint32_t rank, void *address, const uint64_t *dims,
                                            const uint64_t *strides, const int *lower, const int *upper,
                                            uint32_t channels, uint32_t pixels, const uint32_t *elementStrides,
                                            int interleave, int swizzle, int l2, int fill) {
  return entry("cuTensorMapEncodeIm2col", [&](State &state) {
    requireTensorMaps(state);
    requirePointer(lower, "pixelBoxLowerCorner");
    requirePointer(upper, "pixelBoxUpperCorner");
    TensorMap map = common(type, rank, address, dims, strides, elementStrides, interleave, swizzle, l2, fill);
    if (rank < 3)
      fail(InvalidValue, "the rank is " + std::to_string(rank) + ", im2col needs 3 to 5");
    map.im2col = true;
    for (uint32_t i = 0; i + 2 < rank; ++i) {
      map.lower[i] = lower[i];
      map.upper[i] = upper[i];
    }
    map.channels = channels;
    map.pixels = pixels;
    encodeTo(out, map);
  });
}

ADZE_SIM_EXPORT int cuTensorMapReplaceAddress(void *map, void *address) {
  return entry("cuTensorMapReplaceAddress", [&](State &) {
    requirePointer(map, "tensorMap");
    TensorMapBytes bytes;
    std::memcpy(bytes.bytes, map, sizeof(bytes.bytes));
    if (std::string why = replaceAddress(bytes, reinterpret_cast<uintptr_t>(address)); !why.empty())
      fail(InvalidValue, why);
    std::memcpy(map, bytes.bytes, sizeof(bytes.bytes));
  });
}
