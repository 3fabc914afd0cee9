#include "tools/sim/cuda/async/TensorMap.h"

#include <cassert>
#include <cstring>

using namespace adze::sim;

static constexpr uint32_t magic = 0x70614d74; // "tMap"
static constexpr unsigned tf32Type = 11, typeCount = 13;

namespace {
/// The 128 bytes.
struct Packed {
  uint32_t signature, checksum;
  uint64_t address;
  uint64_t stride[4];
  uint32_t lastIndex[5]; ///< dimensions, less one: 2^32 is allowed
  uint16_t box[5];
  int16_t lower[3], upper[3];
  uint16_t channels, pixels;
  uint8_t elementStride[5];
  uint8_t im2col, type, rank, interleave, swizzle, l2, nanFill;
};
static_assert(sizeof(Packed) <= 128);
} // namespace

static uint32_t checksumOf(const Packed &packed) {
  Packed copy = packed;
  copy.checksum = 0;
  uint8_t bytes[sizeof(Packed)];
  std::memcpy(bytes, &copy, sizeof copy);
  uint32_t sum = 2166136261u; // FNV-1a
  for (uint8_t byte : bytes)
    sum = (sum ^ byte) * 16777619u;
  return sum;
}

unsigned TensorMap::elementBytes() const {
  static constexpr unsigned sizes[typeCount] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  assert(type < typeCount && "checked where a map is decoded");
  return sizes[type];
}

bool TensorMap::isFloat() const { return type >= 6 && type < typeCount; }

uint64_t TensorMap::boxBytes() const {
  if (im2col)
    return uint64_t(pixels) * rowBytes();
  uint64_t bytes = rowBytes();
  for (unsigned d = 1; d < rank; ++d)
    bytes *= (box[d] + elementStride[d] - 1) / elementStride[d];
  return bytes;
}

static std::string limit(const std::string &what, uint64_t is, const std::string &allowed) {
  return what + " is " + std::to_string(is) + ", allowed: " + allowed;
}

static std::string checkCommon(const TensorMap &map) {
  if (map.type >= typeCount)
    return limit("the data type", map.type, "0-12");
  if (map.interleave > 2 || map.swizzle > 3 || map.l2 > 3)
    return "interleave, swizzle or L2 promotion is not a value of its enumeration";
  unsigned least = map.im2col || map.interleave ? 3 : 1;
  if (map.rank < least || map.rank > 5)
    return limit("the rank", map.rank, std::to_string(least) + "-5");
  unsigned alignment = map.interleave == 2 ? 32 : 16;
  if (map.address == 0 || map.address % alignment)
    return limit("the global address", map.address, "multiples of " + std::to_string(alignment));
  for (unsigned d = 0; d != map.rank; ++d) {
    if (map.dim[d] == 0 || map.dim[d] > (uint64_t(1) << 32))
      return limit("globalDim[" + std::to_string(d) + "]", map.dim[d], "1-2^32");
    if (map.elementStride[d] == 0 || map.elementStride[d] > 8)
      return limit("elementStrides[" + std::to_string(d) + "]", map.elementStride[d], "1-8");
  }
  for (unsigned d = 0; d + 1 < map.rank; ++d)
    if (map.stride[d] % alignment || map.stride[d] >= (uint64_t(1) << 40))
      return limit("globalStrides[" + std::to_string(d) + "]", map.stride[d],
                   "multiples of " + std::to_string(alignment) + " below 2^40");
  if (map.interleave == 2 && map.swizzle != 1)
    return "32-byte interleave needs the 32-byte swizzle";
  if (map.nanFill && !map.isFloat())
    return "out-of-bounds NaN fill needs a floating-point type";
  return {};
}

static std::string checkRow(const TensorMap &map) {
  if (map.interleave == 0 && map.rowBytes() % 16)
    return limit("the innermost extent in bytes", map.rowBytes(), "multiples of 16");
  if (map.interleave == 0 && map.swizzle && map.rowBytes() > map.swizzleBytes())
    return limit("the innermost extent in bytes", map.rowBytes(),
                 "at most the swizzle's span of " + std::to_string(map.swizzleBytes()));
  return {};
}

std::string TensorMap::check() const {
  if (std::string text = checkCommon(*this); !text.empty())
    return text;
  if (!im2col) {
    for (unsigned d = 0; d != rank; ++d)
      if (box[d] == 0 || box[d] > 256)
        return limit("boxDim[" + std::to_string(d) + "]", box[d], "1-256");
    return checkRow(*this);
  }
  if (channels == 0 || channels > 256)
    return limit("channelsPerPixel", channels, "1-256");
  if (pixels == 0 || pixels > 1024)
    return limit("pixelsPerColumn", pixels, "1-1024");
  int32_t range = rank == 3 ? 1 << 15 : rank == 4 ? 1 << 7 : 1 << 4;
  for (unsigned s = 0; s != rank - 2; ++s)
    if (lower[s] < -range || lower[s] >= range || upper[s] < -range || upper[s] >= range)
      return "a pixel box corner of spatial dimension " + std::to_string(s) + " (" + std::to_string(lower[s]) + ", " +
             std::to_string(upper[s]) + ") does not fit " +
             std::to_string(rank == 3   ? 16
                            : rank == 4 ? 8
                                        : 5) +
             " bits";
  return checkRow(*this);
}

std::string adze::sim::encode(const TensorMap &map, TensorMapBytes &to) {
  if (std::string text = map.check(); !text.empty())
    return text;
  Packed packed;
  std::memset(&packed, 0, sizeof packed);
  packed.signature = magic;
  packed.address = map.address;
  for (unsigned d = 0; d != 5; ++d) {
    bool used = d < map.rank;
    packed.lastIndex[d] = used ? uint32_t(map.dim[d] - 1) : 0;
    packed.box[d] = used ? uint16_t(map.box[d]) : 0;
    packed.elementStride[d] = used ? uint8_t(map.elementStride[d]) : 1;
    if (d < 4)
      packed.stride[d] = d + 1 < map.rank ? map.stride[d] : 0;
    if (d < 3) {
      packed.lower[d] = int16_t(map.lower[d]);
      packed.upper[d] = int16_t(map.upper[d]);
    }
  }
  packed.channels = uint16_t(map.channels);
  packed.pixels = uint16_t(map.pixels);
  packed.im2col = map.im2col;
  packed.type = uint8_t(map.type);
  packed.rank = uint8_t(map.rank);
  packed.interleave = uint8_t(map.interleave);
  packed.swizzle = uint8_t(map.swizzle);
  packed.l2 = uint8_t(map.l2);
  packed.nanFill = map.nanFill;
  packed.checksum = checksumOf(packed);
  std::memset(to.bytes, 0, sizeof to.bytes);
  std::memcpy(to.bytes, &packed, sizeof packed);
  return {};
}

std::string adze::sim::decode(const uint8_t *bytes, TensorMap &to) {
  Packed packed;
  std::memcpy(&packed, bytes, sizeof packed);
  if (packed.signature != magic)
    return "the 128 bytes are no tensor map";
  if (packed.checksum != checksumOf(packed))
    return "the tensor map was changed after it was encoded";
  to = TensorMap();
  to.address = packed.address;
  to.rank = packed.rank;
  for (unsigned d = 0; d != 5; ++d) {
    to.dim[d] = d < packed.rank ? uint64_t(packed.lastIndex[d]) + 1 : 1;
    to.box[d] = packed.box[d];
    to.elementStride[d] = packed.elementStride[d];
    if (d < 4)
      to.stride[d] = packed.stride[d];
    if (d < 3) {
      to.lower[d] = packed.lower[d];
      to.upper[d] = packed.upper[d];
    }
  }
  to.channels = packed.channels;
  to.pixels = packed.pixels;
  to.im2col = packed.im2col;
  to.type = packed.type;
  to.interleave = packed.interleave;
  to.swizzle = packed.swizzle;
  to.l2 = packed.l2;
  to.nanFill = packed.nanFill;
  return {};
}

std::string adze::sim::replaceAddress(TensorMapBytes &bytes, uint64_t address) {
  TensorMap map;
  if (std::string text = decode(bytes.bytes, map); !text.empty())
    return text;
  map.address = address;
  return encode(map, bytes);
}

namespace {
/// Appends the row that starts at `coordinate` of dimension 0; `address`: of element 0 of that row of the tensor.
class Rows {
public:
  Rows(const TensorMap &map, std::vector<BoxPiece> &pieces)
      : size(map.elementBytes()), extent(int64_t(map.dim[0])), count(int64_t(map.rowBytes() / size)), pieces(pieces) {}

  void append(bool inside, uint64_t address, int64_t coordinate) {
    int64_t first = coordinate < 0 ? -coordinate : 0;
    int64_t end = extent - coordinate;
    end = end < count ? end : count;
    if (!inside || first >= count || end <= first) {
      add(0, count, 0);
      return;
    }
    add(0, first, 0);
    add(first, end, address + uint64_t(coordinate + first) * size);
    add(end, count, 0);
    // add() skips empty ranges
  }
  void nextRow() { rowOffset += uint32_t(count * size); }

private:
  void add(int64_t from, int64_t to, uint64_t address) {
    if (from < to)
      pieces.push_back({rowOffset + uint32_t(from * size), uint32_t((to - from) * size), address});
  }
  unsigned size;
  int64_t extent, count;
  std::vector<BoxPiece> &pieces;
  uint32_t rowOffset = 0;
};
} // namespace

static void walkTiled(const TensorMap &map, const BoxPosition &position, std::vector<BoxPiece> &pieces) {
  Rows rows(map, pieces);
  std::array<uint32_t, 5> index{}, extent{};
  for (unsigned d = 1; d < map.rank; ++d)
    extent[d] = (map.box[d] + map.elementStride[d] - 1) / map.elementStride[d];
  for (;;) {
    bool inside = true;
    uint64_t address = map.address;
    for (unsigned d = 1; d < map.rank; ++d) {
      int64_t at = int64_t(position.coordinate[d]) + int64_t(index[d]) * map.elementStride[d];
      inside &= at >= 0 && at < int64_t(map.dim[d]);
      address += uint64_t(at) * map.stride[d - 1];
    }
    rows.append(inside, address, position.coordinate[0]);
    rows.nextRow();
    unsigned d = 1;
    for (; d < map.rank && ++index[d] == extent[d]; ++d)
      index[d] = 0;
    if (d >= map.rank)
      return;
  }
}

static void walkIm2col(const TensorMap &map, const BoxPosition &position, std::vector<BoxPiece> &pieces) {
  Rows rows(map, pieces);
  unsigned spatial = map.rank - 2;
  std::array<int64_t, 5> at{};
  for (unsigned d = 1; d < map.rank; ++d)
    at[d] = position.coordinate[d];
  for (uint32_t pixel = 0; pixel != map.pixels; ++pixel) {
    bool inside = true;
    uint64_t address = map.address;
    for (unsigned d = 1; d < map.rank; ++d) {
      int64_t element = at[d] + (d <= spatial ? position.offset[d - 1] : 0);
      inside &= element >= 0 && element < int64_t(map.dim[d]);
      address += uint64_t(element) * map.stride[d - 1];
    }
    rows.append(inside, address, position.coordinate[0]);
    rows.nextRow();
    // The next filter base: w fastest, wrapping inside the bounding box [lower, dim - 1 + upper] into h, d and n.
    unsigned d = 1;
    for (; d <= spatial; ++d) {
      at[d] += map.elementStride[d];
      if (at[d] <= int64_t(map.dim[d]) - 1 + map.upper[d - 1])
        break;
      at[d] = map.lower[d - 1];
    }
    if (d > spatial)
      ++at[map.rank - 1];
  }
}

std::vector<BoxPiece> adze::sim::walkBox(const TensorMap &map, const BoxPosition &position) {
  std::vector<BoxPiece> pieces;
  if (map.im2col)
    walkIm2col(map, position, pieces);
  else
    walkTiled(map, position, pieces);
  return pieces;
}

std::string adze::sim::checkPosition(const TensorMap &map, const BoxPosition &position, bool store) {
  if (map.interleave)
    return "interleaved tensor maps are not modelled by the simulator";
  if (map.swizzle && map.rowBytes() != map.swizzleBytes())
    return "rows of " + std::to_string(map.rowBytes()) + " bytes under a swizzle of " +
           std::to_string(map.swizzleBytes()) +
           " are not modelled by the simulator; make the box as wide as the swizzle";
  if (map.type >= tf32Type - 1)
    return "tensor map types f32_ftz and tf32 are not modelled by the simulator; use f32";
  int64_t start = int64_t(position.coordinate[0]) * map.elementBytes();
  if (start % 16)
    return "the box starts at coordinate " + std::to_string(position.coordinate[0]) + " of dimension 0, " +
           std::to_string(start) + " bytes: not a multiple of 16 (an illegal instruction on the device)";
  if (store)
    for (unsigned d = 0; d != map.rank; ++d)
      if (position.coordinate[d] < 0)
        return "coordinate " + std::to_string(d) + " of a store is negative: " + std::to_string(position.coordinate[d]);
  return {};
}

uint64_t adze::sim::fillElement(const TensorMap &map) {
  if (!map.nanFill)
    return 0;
  switch (map.elementBytes()) {
  case 2:
    return 0x7fff;
  case 4:
    return 0x7fffffff;
  default:
    return 0x7fffffffffffffff;
  }
}
