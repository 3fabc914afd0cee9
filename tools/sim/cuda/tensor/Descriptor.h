// Shared-memory matrix descriptors of wgmma, decoded from their bits, and where each 16-byte piece of an operand lies.
// PTX ISA, "Asynchronous Warpgroup Level Matrix Shared Memory Layout", "Matrix Descriptor Format".
#ifndef ADZE_TOOLS_SIM_CUDA_TENSOR_DESCRIPTOR_H
#define ADZE_TOOLS_SIM_CUDA_TENSOR_DESCRIPTOR_H

#include <cstdint>
#include <string>
#include <vector>

namespace adze::sim {

/// Bits 0-13 start address, 16-29 leading byte offset, 32-45 stride byte offset (all >> 4), 49-51 base offset, 62-63
/// swizzle (0 none, 1 128 bytes, 2 64 bytes, 3 32 bytes).
struct MatrixDescriptor {
  uint32_t start = 0, leading = 0, stride = 0;
  unsigned swizzle = 0; ///< span in bytes: 0, 32, 64, 128
};

/// Why the bits are no usable descriptor, or empty. With a swizzle the pattern must start at a multiple of its period
/// (8 spans) and the base offset must be 0; reserved bits must be 0 (a carry out of the address ends up there).
std::string decode(uint64_t bits, MatrixDescriptor &descriptor);

/// 16 bytes of an operand. K-major: elements k.. of one line; MN-major: lines line.. at one k.
struct MatrixPiece {
  uint32_t shared; ///< byte offset in shared memory, swizzled
  uint16_t line, k;
};

/// The pieces of an operand of `lines` rows of A (columns of B) and 32 bytes of K, in the order of lines (K-major) or
/// of k (MN-major, 16-bit elements only).
void matrixPieces(const MatrixDescriptor &descriptor, bool mnMajor, int lines, int elementBytes,
                  std::vector<MatrixPiece> &pieces);

} // namespace adze::sim

#endif
