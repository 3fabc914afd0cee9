#include "targets/cuda/lower/sm90/Wgmma.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace adze::cuda::sm90 {

unsigned BlockedTile::swizzle() const {
  for (unsigned s : {128u, 64u, 32u})
    if (columns * elementBytes() % s == 0)
      return s;
  return 0;
}

std::optional<BlockedTile> blockedTile(RankedTensorType type) {
  unsigned bits = type.getElementType().isIndex() ? 64 : type.getElementType().getIntOrFloatBitWidth();
  if (type.getRank() != 2 || (bits != 8 && bits != 16 && bits != 32))
    return std::nullopt;
  BlockedTile tile{type.getDimSize(0), type.getDimSize(1), type.getElementType(), Value()};
  // Rows come in groups of 8; a box of a bulk copy has at most 256.
  if (!tile.swizzle() || tile.rows % 8 || tile.rows > 256)
    return std::nullopt;
  return tile;
}

static std::string ptxName(Type t, bool isUnsigned, bool tf32) {
  if (t.isF16())
    return "f16";
  if (t.isBF16())
    return "bf16";
  if (t.isF32() && tf32)
    return "tf32";
  if (isa<Float8E4M3FNType>(t))
    return "e4m3";
  if (isa<Float8E5M2Type>(t))
    return "e5m2";
  if (t.isInteger(8))
    return isUnsigned ? "u8" : "s8";
  return "";
}

std::optional<WgmmaTypes> wgmmaTypes(Type a, Type b, Type acc, bool unsignedA, bool unsignedB, bool tf32) {
  WgmmaTypes t;
  t.a = ptxName(a, unsignedA, tf32);
  t.b = ptxName(b, unsignedB, tf32);
  unsigned bits = a.getIntOrFloatBitWidth();
  bool integer = a.isInteger(8);
  if (t.a.empty() || t.b.empty() || bits != b.getIntOrFloatBitWidth() || integer != b.isInteger(8))
    return std::nullopt;
  if (bits != 8 && t.a != t.b)
    return std::nullopt;
  if (integer ? !acc.isInteger(32) : !acc.isF32())
    return std::nullopt;
  t.d = integer ? "s32" : "f32";
  t.depth = 256 / bits;
  t.transposes = bits == 16;
  t.scales = !integer;
  return t;
}

int64_t wgmmaColumns(int64_t n, const WgmmaTypes &types) {
  int64_t step = types.d == "s32" && n > 32 ? 16 : 8;
  return n >= 8 && n <= 256 && n % step == 0 ? n : 0;
}

gpu::Layout accumulatorLayout(int64_t rows, int64_t columns) {
  gpu::Layout layout;
  layout.shape = {rows, columns};
  layout.lanes = {{1, 2}, {1, 4}, {0, 1}, {0, 2}, {0, 4}};
  layout.warps = {{0, 16}, {0, 32}};
  for (int64_t block = 0; block < rows; block += 64)
    for (int64_t i = 0; i < columns / 2; ++i) {
      layout.offsets.push_back(block + 8 * (i >> 1 & 1));
      layout.offsets.push_back(8 * (i >> 2) + (i & 1));
    }
  return layout;
}

/// Bytes as a descriptor field holds them.
static int64_t field(int64_t bytes) { return (bytes & 0x3FFFF) >> 4; }

Value descriptor(Ptx &ptx, const WgmmaOperand &operand) {
  const BlockedTile &tile = operand.tile;
  unsigned s = tile.swizzle();
  // The distance between blocks of 8 rows; between blocks of columns (MN-major only).
  int64_t stride = 8 * s, leading = operand.kMajor ? 16 : tile.blockBytes();
  int64_t mode = s == 128 ? 1 : s == 64 ? 2 : 3;
  int64_t fixed = field(leading) << 16 | field(stride) << 32 | mode << 62;
  // The address is below 2^18, so the shifted one fits its 14 bits.
  Value start = arith::ShRUIOp::create(ptx.builder(), tile.address, ptx.i32(4));
  Value wide = arith::ExtUIOp::create(ptx.builder(), ptx.builder().getI64Type(), start);
  return arith::OrIOp::create(ptx.builder(), wide, ptx.i64(fixed));
}

int64_t descriptorOffset(const WgmmaOperand &operand, int64_t k, int64_t mn) {
  const BlockedTile &tile = operand.tile;
  unsigned s = tile.swizzle();
  if (!operand.kMajor)
    return k * s >> 4;
  int64_t bytes = k * tile.elementBytes();
  return (bytes / s * tile.blockBytes() + bytes % s + mn * s) >> 4;
}

SmallVector<Value> wgmma(Ptx &ptx, const WgmmaCall &call, SmallVector<Value> acc) {
  unsigned count = acc.size();
  bool fromRegisters = !call.registersA.empty();
  bool isFloat = call.types.d == "f32";
  std::string d;
  for (unsigned i = 0; i < count; ++i)
    d += (i ? ", $" : "$") + std::to_string(i);
  for (int64_t k = 0; k < call.k; k += call.types.depth) {
    bool overwrite = !call.accumulate && k == 0;
    // The registers of D are outputs; tied inputs unless they are overwritten.
    unsigned next = overwrite ? count : 2 * count;
    std::string constraints;
    SmallVector<Value> operands;
    for (unsigned i = 0; i < count; ++i)
      constraints += isFloat ? "=f," : "=r,";
    if (!overwrite)
      for (unsigned i = 0; i < count; ++i) {
        constraints += std::to_string(i) + ",";
        operands.push_back(acc[i]);
      }
    std::string a;
    if (fromRegisters) {
      for (unsigned i = 0; i < 4; ++i) {
        a += (i ? ", $" : "{$") + std::to_string(next++);
        constraints += "r,";
        operands.push_back(call.registersA[k / call.types.depth * 4 + i]);
      }
      a += "}";
    } else {
      a = "$" + std::to_string(next++);
      constraints += "l,";
      operands.push_back(ptx.add(call.descA, ptx.i64(descriptorOffset(call.a, k, call.rowA))));
    }
    std::string b = "$" + std::to_string(next++);
    constraints += "l";
    operands.push_back(ptx.add(call.descB, ptx.i64(descriptorOffset(call.b, k))));
    std::string text = "wgmma.mma_async.sync.aligned.m64n" + std::to_string(call.columns) + "k" +
                       std::to_string(call.types.depth) + "." + call.types.d + "." + call.types.a + "." + call.types.b +
                       " {" + d + "}, " + a + ", " + b + ", " + (overwrite ? "0" : "1");
    if (call.types.scales)
      text += ", 1, 1";
    if (call.types.transposes) {
      if (!fromRegisters)
        text += call.a.kMajor ? ", 0" : ", 1";
      text += call.b.kMajor ? ", 0" : ", 1";
    }
    SmallVector<Type> types(count, isFloat ? Type(Float32Type::get(acc.empty() ? nullptr : acc[0].getContext()))
                                           : acc[0].getType());
    acc = ptx.assembly(text + ";", constraints, operands, types);
  }
  return acc;
}

} // namespace adze::cuda::sm90
