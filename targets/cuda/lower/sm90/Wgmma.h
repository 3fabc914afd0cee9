// Tiles in shared memory as bulk copies write and wgmma reads them, and the instruction itself (PTX ISA, "Asynchronous
// Warpgroup Level Matrix Instructions").
#ifndef ADZE_TARGETS_CUDA_LOWER_SM90_WGMMA_H
#define ADZE_TARGETS_CUDA_LOWER_SM90_WGMMA_H

#include "targets/cuda/lower/sm90/Ptx.h"
#include "targets/gpu/lower/Layout.h"

namespace adze::cuda::sm90 {

/// A tile of rows x columns elements, columns contiguous: blocks of `swizzle` bytes of columns, one behind the other,
/// each holding all rows. With 2^s chunks of 16 bytes in a row of a block, chunk c of row r lies at c ^ ((r >> (3 - s))
/// mod 2^s): the hardware permutes chunks by bits 7-9 of the address, so tiles start at multiples of 1024 bytes.
struct BlockedTile {
  int64_t rows = 0, columns = 0;
  Type element;
  Value address; // i32, window of shared memory; null while only the shape matters

  unsigned elementBytes() const { return element.getIntOrFloatBitWidth() / 8; }
  /// 128, 64 or 32: the widest that divides a row; 0 if there is none.
  unsigned swizzle() const;
  unsigned chunkBits() const { return swizzle() == 128 ? 3 : swizzle() == 64 ? 2 : 1; }
  int64_t blocks() const { return columns * elementBytes() / swizzle(); }
  int64_t blockColumns() const { return swizzle() / elementBytes(); }
  int64_t blockBytes() const { return rows * swizzle(); }
  int64_t bytes() const { return rows * columns * elementBytes(); }
};
/// The tile's type, or nothing if bulk copies and wgmma cannot hold it so.
std::optional<BlockedTile> blockedTile(RankedTensorType type);

/// Element types of a product by wgmma.
struct WgmmaTypes {
  std::string a, b, d; // as PTX spells them
  unsigned depth = 0;  // products of one instruction: 32 bytes of K
  bool transposes = false, scales = false;
};
std::optional<WgmmaTypes> wgmmaTypes(Type a, Type b, Type acc, bool unsignedA, bool unsignedB, bool tf32);
/// N of one instruction for `n` columns: all of them if the shape exists, else 0.
int64_t wgmmaColumns(int64_t n, const WgmmaTypes &types);

/// Accumulator of a warpgroup: `rows` (a multiple of 64) x `columns`; 64-row blocks outermost in the registers.
gpu::Layout accumulatorLayout(int64_t rows, int64_t columns);

/// One operand of a product: K-major (columns run along K) or MN-major.
struct WgmmaOperand {
  BlockedTile tile;
  bool kMajor = true;
};
/// The 64-bit descriptor of the tile's beginning.
Value descriptor(Ptx &ptx, const WgmmaOperand &operand);
/// What to add to it for the K step that begins at element `k`, and row block `mn` of a K-major tile.
int64_t descriptorOffset(const WgmmaOperand &operand, int64_t k, int64_t mn = 0);

/// Issues D (+)= A * B for one 64-row block: all of K in steps. A from shared memory (`descA`), or in registers:
/// `registersA`, 4 i32 a step. `accumulate` false: the first step overwrites. Returns the registers of D.
struct WgmmaCall {
  WgmmaTypes types;
  int64_t columns = 0, k = 0;
  WgmmaOperand a, b;
  Value descA, descB;
  ArrayRef<Value> registersA;
  int64_t rowA = 0;
  bool accumulate = true;
};
SmallVector<Value> wgmma(Ptx &ptx, const WgmmaCall &call, SmallVector<Value> accumulators);

} // namespace adze::cuda::sm90

#endif
