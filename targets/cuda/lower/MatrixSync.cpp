#include "targets/cuda/lower/MatrixSync.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace adze::cuda {
using gpu::Atom;
using gpu::Bit;
using gpu::MatrixInstruction;

/// Lane = 4 * g + t. Row g, columns `run` * t ..; blocks of 8 rows (a only) innermost, then of the second half of k.
static Atom rowsFragment(int64_t rows, int64_t k, int64_t run) {
  Atom a;
  a.shape = {rows, k};
  a.lanes = {{1, run}, {1, 2 * run}, {0, 1}, {0, 2}, {0, 4}};
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t row = 0; row < rows; row += 8)
      for (int64_t i = 0; i < run; ++i) {
        a.offsets.push_back(row);
        a.offsets.push_back(half * 4 * run + i);
      }
  return a;
}

static Atom transposed(const Atom &from) {
  Atom a = from;
  std::swap(a.shape[0], a.shape[1]);
  for (Bit &bit : a.lanes)
    bit.dim = 1 - bit.dim;
  for (size_t i = 0; i < a.offsets.size(); i += 2)
    std::swap(a.offsets[i], a.offsets[i + 1]);
  return a;
}

/// c0 (g, 2t), c1 (g, 2t+1), c2 (g+8, 2t), c3 (g+8, 2t+1).
static Atom accumulator() {
  Atom c;
  c.shape = {16, 8};
  c.lanes = {{1, 2}, {1, 4}, {0, 1}, {0, 2}, {0, 4}};
  c.offsets = {0, 0, 0, 1, 8, 0, 8, 1};
  return c;
}

/// The name of a type in the instruction; empty: there is none.
static std::string typeName(Type t, bool isUnsigned, bool hasFp8) {
  if (t.isF16())
    return "f16";
  if (t.isBF16())
    return "bf16";
  if (t.isInteger(8))
    return isUnsigned ? "u8" : "s8";
  if (hasFp8 && isa<Float8E4M3FNType>(t))
    return "e4m3";
  if (hasFp8 && isa<Float8E5M2Type>(t))
    return "e5m2";
  return {};
}

std::optional<MatrixInstruction> MatrixSync::select(tile::DotOp dot) const {
  auto element = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  Type a = element(dot.getA()), b = element(dot.getB()), acc = element(dot.getTile());
  bool integers = isa<IntegerType>(a);
  if (integers ? !acc.isInteger(32) : !acc.isF32())
    return std::nullopt;
  MatrixInstruction op;
  op.a = a;
  op.b = b;
  op.acc = acc;
  op.matrixLoads = true;
  std::string nameA, nameB;
  if (a.isF32() && b.isF32() && dot.getPrecision() == tile::DotPrecision::tf32) {
    nameA = nameB = "tf32";
    op.roundToTf32 = true;
  } else {
    nameA = typeName(a, dot.getUnsignedA(), hasFp8);
    nameB = typeName(b, dot.getUnsignedB(), hasFp8);
    // 8-bit kinds mix among themselves, 16-bit kinds do not.
    if (nameA.empty() || nameB.empty() || a.getIntOrFloatBitWidth() != b.getIntOrFloatBitWidth() ||
        (a != b && a.getIntOrFloatBitWidth() != 8) || integers != isa<IntegerType>(b))
      return std::nullopt;
  }
  int64_t run = 32 / a.getIntOrFloatBitWidth();
  op.k = 8 * run; // 32 bytes
  op.atomA = rowsFragment(16, op.k, run);
  op.atomB = transposed(rowsFragment(8, op.k, run));
  op.atomAcc = accumulator();
  std::string accName = integers ? "s32" : "f32";
  op.name = "m16n8k" + std::to_string(op.k) + ".row.col." + accName + "." + nameA + "." + nameB + "." + accName;
  return op;
}

static SmallVector<Value> unpack(ImplicitLocOpBuilder &b, Value packed, unsigned count) {
  if (count == 1)
    return {packed};
  SmallVector<Value> parts;
  for (unsigned i = 0; i < count; ++i)
    parts.push_back(LLVM::ExtractValueOp::create(b, packed, i));
  return parts;
}

SmallVector<Value> MatrixSync::multiply(ImplicitLocOpBuilder &b, const MatrixInstruction &op, ValueRange a,
                                        ValueRange bb, ValueRange c) const {
  SmallVector<Value> operands(a);
  llvm::append_range(operands, bb);
  llvm::append_range(operands, c);
  unsigned number = 0;
  auto list = [&](unsigned count) {
    std::string text = "{";
    for (unsigned i = 0; i < count; ++i)
      text += (i ? ", $" : "$") + std::to_string(number++);
    return text + "}";
  };
  std::string text = "mma.sync.aligned." + op.name + " " + list(4) + ", " + list(a.size()) + ", " + list(bb.size()) +
                     ", " + list(4) + ";";
  std::string accKind = op.acc.isF32() ? "f" : "r", constraints;
  for (unsigned i = 0; i < 4; ++i)
    constraints += "=" + accKind + ",";
  for (unsigned i = 0; i < a.size() + bb.size(); ++i)
    constraints += "r,";
  for (unsigned i = 0; i < 4; ++i)
    constraints += accKind + (i < 3 ? "," : "");
  Type result = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(4, op.acc));
  // Side effects keep it out of conditional code: every lane of the warp must execute it.
  auto made =
      LLVM::InlineAsmOp::create(b, result, operands, text, constraints, /*has_side_effects=*/true,
                                /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr());
  return unpack(b, made.getRes(), 4);
}

SmallVector<Value> MatrixSync::loadMatrices(ImplicitLocOpBuilder &b, Value pointer, unsigned count,
                                            bool transposed) const {
  Type i32 = b.getI32Type();
  Type result = count == 1 ? i32 : LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(count, i32));
  auto made =
      NVVM::LdMatrixOp::create(b, result, pointer, count, transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
                               NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  return unpack(b, made.getRes(), count);
}

Value MatrixSync::roundOperand(ImplicitLocOpBuilder &b, Value bits) const {
  auto made =
      LLVM::InlineAsmOp::create(b, b.getI32Type(), ValueRange{bits}, "cvt.rna.tf32.f32 $0, $1;", "=r,r",
                                /*has_side_effects=*/false, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr());
  return made.getRes();
}

} // namespace adze::cuda
