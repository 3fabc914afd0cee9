// Tensor maps: encoding with the limits of cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col (cuda.h), an own layout
// of the 128 opaque bytes, and the walk over the box that one copy moves. PTX ISA, "Tensors".
#ifndef ADZE_TOOLS_SIM_CUDA_ASYNC_TENSORMAP_H
#define ADZE_TOOLS_SIM_CUDA_ASYNC_TENSORMAP_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace adze::sim {

/// The opaque object of the driver API.
struct TensorMapBytes {
  alignas(64) uint8_t bytes[128];
};

/// The arguments of the encode calls; enumerations by their numbers in cuda.h. Dimension 0 is the contiguous one.
struct TensorMap {
  bool im2col = false;
  unsigned type = 0;             ///< CUtensorMapDataType: u8 0, u16, u32, s32, u64, s64, f16 6, f32, f64, bf16 9, ...
  unsigned rank = 0;             ///< 1-5; im2col 3-5
  uint64_t address = 0;          ///< device address
  std::array<uint64_t, 5> dim{}; ///< elements
  std::array<uint64_t, 4> stride{}; ///< bytes, of dimensions 1..rank-1
  std::array<uint32_t, 5> box{};    ///< tiled: elements
  std::array<uint32_t, 5> elementStride{};
  std::array<int32_t, 3> lower{}, upper{}; ///< im2col: corners, by spatial dimension (w first)
  uint32_t channels = 0, pixels = 0;       ///< im2col
  unsigned interleave = 0, swizzle = 0, l2 = 0;
  bool nanFill = false;

  unsigned elementBytes() const;
  bool isFloat() const;
  /// Bytes of one row of the box in shared memory, and of the whole box (what complete_tx counts).
  uint32_t rowBytes() const { return (im2col ? channels : box[0]) * elementBytes(); }
  uint64_t boxBytes() const;
  /// The span of the swizzle in bytes: 0, 32, 64 or 128.
  unsigned swizzleBytes() const { return swizzle ? 16u << swizzle : 0; }
  /// What makes the arguments invalid, naming the limit; empty if nothing does.
  std::string check() const;
};

/// Encodes, or answers what is wrong (the driver's call answers CUDA_ERROR_INVALID_VALUE).
std::string encode(const TensorMap &map, TensorMapBytes &to);
/// Decodes; a text if the bytes are no tensor map (never encoded, or damaged).
std::string decode(const uint8_t *bytes, TensorMap &to);
/// cuTensorMapReplaceAddress.
std::string replaceAddress(TensorMapBytes &map, uint64_t address);

/// The swizzle of a byte address in shared memory; the same function for tensor copies and wgmma. `span`: 0, 32, 64,
/// 128.
inline uint32_t swizzled(uint32_t address, unsigned span) {
  unsigned rows = span >> 4; // 16-byte chunks per span: 8, 4, 2
  return span ? address ^ (((address >> 7) & (rows - 1)) << 4) : address;
}

/// A piece of a box that is contiguous on both sides.
struct BoxPiece {
  uint32_t boxOffset; ///< in the box as it lies in shared memory, before the swizzle
  uint32_t bytes;
  uint64_t address; ///< in global memory; 0: outside the tensor (filled on loads, skipped on stores)
};

/// Coordinates of a copy: rank numbers, innermost first, and for im2col loads rank-2 unsigned offsets.
struct BoxPosition {
  std::array<int32_t, 5> coordinate{};
  std::array<uint16_t, 3> offset{};
};

/// The pieces of the box at `position`, in the order of the box.
std::vector<BoxPiece> walkBox(const TensorMap &map, const BoxPosition &position);
/// What forbids this copy on the device (alignment of the box start, coordinates), or empty.
std::string checkPosition(const TensorMap &map, const BoxPosition &position, bool store);
/// The element that fills what lies outside the tensor, as bytes.
uint64_t fillElement(const TensorMap &map);

} // namespace adze::sim
#endif
