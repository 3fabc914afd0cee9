#include "tools/sim/cuda/tensor/Descriptor.h"

#include "tools/sim/cuda/async/TensorMap.h"

namespace adze::sim {

std::string decode(uint64_t bits, MatrixDescriptor &descriptor) {
  constexpr uint64_t used =
      0x3fff | uint64_t(0x3fff) << 16 | uint64_t(0x3fff) << 32 | uint64_t(7) << 49 | uint64_t(3) << 62;
  if (bits & ~used)
    return "sets reserved bits (an address or offset field has overflowed, or is not shifted right by 4)";
  descriptor.start = static_cast<uint32_t>(bits & 0x3fff) << 4;
  descriptor.leading = static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4;
  descriptor.stride = static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4;
  static constexpr unsigned spans[] = {0, 128, 64, 32};
  descriptor.swizzle = spans[bits >> 62];
  unsigned base = bits >> 49 & 7;
  if (base)
    return "has base offset " + std::to_string(base) +
           "; only tiles at multiples of the swizzle's period, with base offset 0, "
           "are supported";
  // The start may be moved along K inside the span; bits 7 and up of the pattern's start must be those of a period.
  unsigned span = descriptor.swizzle;
  if (span && (descriptor.start & ~(span - 1)) % (8 * span))
    return "starts a pattern of the " + std::to_string(span) + "-byte swizzle at " + std::to_string(descriptor.start) +
           ", which is no multiple of " + std::to_string(8 * span) + ", with base offset 0";
  return "";
}

void matrixPieces(const MatrixDescriptor &descriptor, bool mnMajor, int lines, int elementBytes,
                  std::vector<MatrixPiece> &pieces) {
  pieces.clear();
  unsigned span = descriptor.swizzle;
  int each = 16 / elementBytes; // elements of a piece
  auto add = [&](uint32_t offset, int line, int k) {
    pieces.push_back(
        {swizzled(descriptor.start + offset, span), static_cast<uint16_t>(line), static_cast<uint16_t>(k)});
  };
  if (!mnMajor) { // groups of 8 lines, `stride` apart; within a group a line every span (16 bytes without swizzle)
    uint32_t pitch = span ? span : 16, second = span ? 16 : descriptor.leading;
    for (int line = 0; line < lines; ++line)
      for (int half = 0; half < 2; ++half)
        add(line / 8 * descriptor.stride + line % 8 * pitch + half * second, line, half * each);
    return;
  }
  int depth = 32 / elementBytes;
  for (int k = 0; k < depth; ++k)
    for (int line = 0; line < lines; line += each) {
      uint32_t byte = static_cast<uint32_t>(line * elementBytes);
      if (span) // spans of M or N `leading` apart, 8 k in one atom, atoms `stride` apart
        add(byte / span * descriptor.leading + byte % span + k % 8 * span + k / 8 * descriptor.stride, line, k);
      else // the two offsets change their roles
        add(byte / 16 * descriptor.stride + k % 8 * 16 + k / 8 * descriptor.leading, line, k);
    }
}

} // namespace adze::sim
